//! The log as others read it while it is written: a filter of their own, JSON lines in a queue of their own.
//!
//! In: every record, if anybody follows. Out: lines. Limits: 4 followers, 1 000 lines waiting for each; what there was no room for
//! is said by the next line there is room for (`{"dropped":n}`).

use super::Filter;
use log::{LevelFilter, Record};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{self, Receiver, Sender};

const MOST: usize = 4;
const LINES: usize = 1000;

struct Follower {
    id: usize,
    filter: Filter,
    lines: Sender<String>,
    dropped: u64,
}

#[derive(Default)]
struct Followers {
    all: Vec<Follower>,
    next: usize,
}

static FOLLOWERS: Mutex<Followers> = Mutex::new(Followers { all: Vec::new(), next: 0 });
/// How many; read before the lock is taken.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn followers() -> MutexGuard<'static, Followers> {
    FOLLOWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines of one follower; its drop ends the following.
pub struct Followed {
    id: usize,
    /// The lines, each with its end.
    pub lines: Receiver<String>,
}

/// Follows the log; none when too many do.
pub fn follow(filter: Filter) -> Option<Followed> {
    let mut held = followers();
    if held.all.len() >= MOST {
        return None;
    }
    let (lines, receiver) = mpsc::channel(LINES);
    held.next += 1;
    let id = held.next;
    held.all.push(Follower { id, filter, lines, dropped: 0 });
    changed(held);
    Some(Followed { id, lines: receiver })
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut held = followers();
        held.all.retain(|follower| follower.id != self.id);
        changed(held);
    }
}

fn changed(held: MutexGuard<'_, Followers>) {
    COUNT.store(held.all.len(), Relaxed);
    drop(held);
    super::level();
}

/// The lowest level that any follower wants.
pub(super) fn max() -> LevelFilter {
    followers().all.iter().map(|follower| follower.filter.max()).fold(LevelFilter::Off, Ord::max)
}

pub(super) fn publish(record: &Record<'_>) {
    if COUNT.load(Relaxed) == 0 {
        return;
    }
    let mut line = None;
    for follower in &mut followers().all {
        if record.level() > follower.filter.level(record.target()) {
            continue;
        }
        let line = line.get_or_insert_with(|| super::json(record));
        let said = match follower.dropped {
            0 => line.clone(),
            n => format!("{{\"dropped\":{n}}}\n{line}"),
        };
        follower.dropped = if follower.lines.try_send(said).is_ok() { 0 } else { follower.dropped + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn say(level: Level, target: &str, text: &str) {
        publish(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    #[test]
    fn followers_get_what_they_asked_for_and_are_told_what_they_missed() {
        let mut first = follow(Filter::parse("off,control=debug").expect("a filter")).expect("room");
        let rest: Vec<_> = (1..MOST).map(|_| follow(Filter::default()).expect("room")).collect();
        assert!(follow(Filter::default()).is_none() && max() == LevelFilter::Debug);
        say(Level::Debug, "control::hub", "here");
        say(Level::Debug, "hickory", "not here");
        assert!(first.lines.try_recv().expect("a line").contains(r#""message":"here"}"#));
        assert!(first.lines.try_recv().is_err());
        (0..LINES + 3).for_each(|_| say(Level::Info, "control", "many"));
        while first.lines.try_recv().is_ok() {}
        say(Level::Info, "control", "after");
        assert!(first.lines.try_recv().expect("a line").starts_with("{\"dropped\":3}\n{"));
        drop((first, rest));
        assert_eq!((COUNT.load(Relaxed), max()), (0, LevelFilter::Off));
    }
}
