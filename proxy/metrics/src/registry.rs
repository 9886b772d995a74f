//! Which series exist: names and labels on the cold side, handles given out once and found again.
//!
//! In: family statics and label pairs. Out: `Copy` handles, shards for threads, the exposition text.
//! Never here: per-request work; registering takes a lock.

use crate::families;
use crate::family::{Family, Kind};
use crate::shard::{CHUNK, CHUNKS, Counter, Gauge, Histogram, Shard, Words};
use crate::text;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All series of the process.
pub struct Registry {
    shards: Box<[Arc<Words>]>,
    cold: Mutex<Cold>,
}

#[derive(Default)]
struct Cold {
    families: BTreeMap<&'static str, Series>,
    /// Next free word; word 0 is a sink for handles that could not be placed.
    next: usize,
    /// Series of traffic that did not move for this long are not shown; zero: all are.
    retain: Duration,
}

/// The series of one family.
pub(crate) struct Series {
    pub(crate) family: &'static Family,
    /// Rendered labels (`a="b",c="d"`) and first word, in order of registration.
    pub(crate) rows: Vec<Row>,
    index: HashMap<Arc<str>, u32>,
}

pub(crate) struct Row {
    pub(crate) labels: Arc<str>,
    pub(crate) first: u32,
    /// A gauge is shown once it was ever seen off zero.
    pub(crate) seen: bool,
    /// What the last scrape saw, and when (since the start) a scrape first saw that.
    pub(crate) last: u64,
    pub(crate) moved: Duration,
}

/// The most words a shard can hold.
const WORDS: usize = CHUNK * CHUNKS;

impl Registry {
    /// A registry for `workers` threads plus one more shard, number `workers`, for control and admin.
    pub fn new(workers: usize) -> Arc<Self> {
        let shards = (0..=workers).map(|_| Arc::new(Words::new())).collect();
        Arc::new(Self { shards, cold: Mutex::new(Cold { next: 1, ..Cold::default() }) })
    }

    /// The numbers of worker `worker` (0-based). Each is meant for one thread; the last one (`workers`) is control's.
    pub fn shard(&self, worker: usize) -> Shard {
        Shard::new(self.shards[worker.min(self.shards.len() - 1)].clone())
    }

    /// The shard of the control and admin thread.
    pub fn control_shard(&self) -> Shard {
        self.shard(self.shards.len() - 1)
    }

    /// A counter series; the same handle for the same labels.
    pub fn counter(&self, family: &'static Family, labels: &[(&str, &str)]) -> Counter {
        debug_assert_eq!(family.kind, Kind::Counter);
        Counter(self.series(family, labels))
    }

    /// A gauge series; the same handle for the same labels.
    pub fn gauge(&self, family: &'static Family, labels: &[(&str, &str)]) -> Gauge {
        debug_assert_eq!(family.kind, Kind::Gauge);
        Gauge(self.series(family, labels))
    }

    /// A histogram series; the same handle for the same labels.
    pub fn histogram(&self, family: &'static Family, labels: &[(&str, &str)]) -> Histogram {
        debug_assert_eq!(family.kind, Kind::Histogram);
        Histogram::new(self.series(family, labels), family)
    }

    /// From now on a scrape leaves out series of traffic that did not move for so long. Their numbers are kept: one that moves again
    /// goes on where it was, so that no counter ever goes back while the process lives.
    pub fn retain_idle(&self, limit: Duration) {
        self.lock().retain = limit;
    }

    /// Everything that was ever counted, as Prometheus text without the final `# EOF`.
    pub fn render(&self, out: &mut String) {
        self.render_at(out, Duration::ZERO);
    }

    /// The same at a time since the start, by which idle series are known.
    pub fn render_at(&self, out: &mut String, now: Duration) {
        let mut cold = self.lock();
        let idle = text::Idle { now, retain: cold.retain };
        for series in cold.families.values_mut() {
            text::family(out, series, &self.shards, idle);
        }
    }

    /// The sum over all shards of a counter, for tests and the admin page.
    pub fn total(&self, counter: Counter) -> u64 {
        self.shards.iter().map(|s| s.read(counter.0)).fold(0, u64::wrapping_add)
    }

    fn series(&self, family: &'static Family, labels: &[(&str, &str)]) -> u32 {
        let rendered = text::labels(labels);
        let mut cold = self.lock();
        let (first, folded) = cold.place(family, &rendered, labels);
        if folded {
            let (count, _) = cold.place(&families::FOLDED, &text::labels(&[("family", family.name)]), &[]);
            drop(cold);
            self.fold(count);
        }
        first
    }

    /// Folding happens on any thread, so this one counter is kept under the lock, in control's shard.
    fn fold(&self, index: u32) {
        let _held = self.lock();
        let words = &self.shards[self.shards.len() - 1];
        words.write(index, words.read(index) + 1);
    }

    fn lock(&self) -> MutexGuard<'_, Cold> {
        self.cold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cold {
    /// First word of the series, and whether it had to be folded into `other`.
    fn place(&mut self, family: &'static Family, rendered: &str, labels: &[(&str, &str)]) -> (u32, bool) {
        let next = &mut self.next;
        let series = self.families.entry(family.name).or_insert_with(|| Series::new(family));
        if let Some(&found) = series.index.get(rendered) {
            return (found, false);
        }
        if series.rows.len() < family.limit {
            return (series.push(rendered, next), false);
        }
        let other: Vec<_> = labels.iter().map(|(name, _)| (*name, "other")).collect();
        let other = text::labels(&other);
        match series.index.get(other.as_str()) {
            Some(&found) => (found, true),
            None => (series.push(&other, next), true),
        }
    }
}

impl Series {
    fn new(family: &'static Family) -> Self {
        Self { family, rows: Vec::new(), index: HashMap::new() }
    }

    fn push(&mut self, rendered: &str, next: &mut usize) -> u32 {
        let width = self.family.width();
        // A series stays within one chunk's worth of indexes only by luck; words are addressed one by one, so it need not.
        if *next + width > WORDS {
            return 0;
        }
        let first = *next as u32;
        *next += width;
        let labels: Arc<str> = rendered.into();
        self.index.insert(labels.clone(), first);
        self.rows.push(Row { labels, first, seen: false, last: 0, moved: Duration::ZERO });
        first
    }
}
