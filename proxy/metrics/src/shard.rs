//! One thread's numbers: words in chunks that are made on first touch and never move.
//!
//! In: `add`, `gauge_add`, `observe` from the owning thread. Out: relaxed loads by a scrape. Limit: `CHUNKS * CHUNK` words a shard.
//! Never here: locks, read-modify-write instructions, labels.

use crate::family::Family;
#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::cell::Cell;
use std::marker::PhantomData;
#[cfg(not(feature = "loom"))]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Words per chunk: 8 KiB. (A model of a few words is enough, and all that loom can turn every way.)
pub(crate) const CHUNK: usize = if cfg!(feature = "loom") { 8 } else { 1024 };
/// Chunks per shard: 2 MiB of numbers per thread at most.
pub(crate) const CHUNKS: usize = if cfg!(feature = "loom") { 2 } else { 256 };

/// A counter series, valid in every shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter(pub(crate) u32);

/// A gauge series, valid in every shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge(pub(crate) u32);

/// A histogram series, valid in every shard.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    pub(crate) first: u32,
    pub(crate) buckets: &'static [u64],
}

impl Histogram {
    pub(crate) fn new(first: u32, family: &Family) -> Self {
        Self { first, buckets: family.buckets }
    }
}

pub(crate) struct Words {
    chunks: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl Words {
    pub(crate) fn new() -> Self {
        Self { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect() }
    }

    /// The word, made if it was never touched.
    fn touch(&self, index: u32) -> &AtomicU64 {
        let chunk = self.chunks[index as usize / CHUNK].get_or_init(|| (0..CHUNK).map(|_| AtomicU64::new(0)).collect());
        &chunk[index as usize % CHUNK]
    }

    /// The value; 0 if never touched.
    pub(crate) fn read(&self, index: u32) -> u64 {
        self.chunks[index as usize / CHUNK].get().map_or(0, |c| c[index as usize % CHUNK].load(Relaxed))
    }

    pub(crate) fn write(&self, index: u32, value: u64) {
        self.touch(index).store(value, Relaxed);
    }

    #[inline]
    fn bump(&self, index: u32, by: u64) {
        let word = self.touch(index);
        // One writer per shard: load and store are enough, and cheaper than a locked add.
        word.store(word.load(Relaxed).wrapping_add(by), Relaxed);
    }
}

/// The numbers of one thread. Not `Sync`: two writers would lose counts.
pub struct Shard {
    pub(crate) words: Arc<Words>,
    one_thread: PhantomData<Cell<()>>,
}

impl Shard {
    pub(crate) fn new(words: Arc<Words>) -> Self {
        Self { words, one_thread: PhantomData }
    }

    /// Counts `by` more.
    #[inline]
    pub fn add(&self, counter: Counter, by: u64) {
        self.words.bump(counter.0, by);
    }

    /// Moves a gauge; the scrape shows the sum over all shards, so one may rise here and fall there.
    #[inline]
    pub fn gauge_add(&self, gauge: Gauge, by: i64) {
        self.words.bump(gauge.0, by.cast_unsigned());
    }

    /// Sets this shard's part of a gauge.
    #[inline]
    pub fn gauge_set(&self, gauge: Gauge, value: i64) {
        self.words.write(gauge.0, value.cast_unsigned());
    }

    /// Counts one observation, in the unit that the family names (times: microseconds).
    #[inline]
    pub fn observe(&self, histogram: Histogram, value: u64) {
        let bucket = histogram.buckets.partition_point(|&bound| bound < value);
        // Lossless: a histogram has fewer buckets than a chunk has words.
        self.words.bump(histogram.first + bucket as u32, 1);
        self.words.bump(histogram.first + histogram.buckets.len() as u32 + 1, value);
    }
}
