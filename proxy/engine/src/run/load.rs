//! Who has most to do: the kernel spreads connections over the workers without looking at their load, so whoever accepts one hands it
//! on when another worker is clearly less loaded. A few long mesh links would else end up on one worker.
//!
//! In: each worker's load after each turn, an accepted connection, how many came out of a mailbox. Out: the connection, or nothing when
//! it was handed on.
//! Never here: a second hand-over; who is handed a connection keeps it.

use crate::run::mailbox::{Handed, Mailbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Member {
    mailbox: Arc<Mailbox>,
    /// As it said after its last turn.
    load: AtomicUsize,
    /// Connections that lie in its mailbox, or are about to.
    coming: AtomicUsize,
}

impl Member {
    fn whole(&self) -> usize {
        self.load.load(Relaxed) + self.coming.load(Relaxed)
    }
}

/// The loads of all workers, as one of them sees it.
#[derive(Clone)]
pub(crate) struct Loads {
    all: Arc<[Member]>,
    own: usize,
}

impl Loads {
    pub(crate) fn all(boxes: &[Arc<Mailbox>]) -> Loads {
        let member = |mailbox: &Arc<Mailbox>| Member {
            mailbox: mailbox.clone(),
            load: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
        };
        Loads { all: boxes.iter().map(member).collect(), own: 0 }
    }

    pub(crate) fn of(&self, worker: u16) -> Loads {
        Loads { all: self.all.clone(), own: worker.into() }
    }

    /// What this worker has to do now.
    pub(crate) fn publish(&self, load: usize) {
        if self.all.len() > 1 {
            self.all[self.own].load.store(load, Relaxed);
        }
    }

    /// Gives back what this worker shall serve itself.
    pub(crate) fn place(&self, own: usize, handed: Handed) -> Option<Handed> {
        let others = self.all.iter().enumerate().filter(|(index, _)| *index != self.own);
        let Some((_, least)) = others.min_by_key(|(_, member)| member.whole()) else { return Some(handed) };
        if !clearly_less(least.whole(), own) {
            return Some(handed);
        }
        // Counted before it arrives, so that one turn's connections do not all go to the same worker.
        least.coming.fetch_add(1, Relaxed);
        let kept = least.mailbox.hand(handed).err();
        if kept.is_some() {
            least.coming.fetch_sub(1, Relaxed);
        }
        kept
    }

    /// So many came out of the mailbox and are part of `load` now.
    pub(crate) fn arrived(&self, count: usize, load: usize) {
        if count > 0 {
            self.publish(load);
            self.all[self.own].coming.fetch_sub(count, Relaxed);
        }
    }
}

/// Handing on costs a lock and a wake: worth it from one connection in eight.
fn clearly_less(other: usize, own: usize) -> bool {
    other + 1 + own / 8 <= own
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn one_in_eight_is_worth_it() {
        for (other, own, handed) in [
            (0, 0, false),
            (0, 1, true),
            (1, 1, false),
            (6, 7, true),
            (7, 8, false),
            (6, 8, true),
            (90, 100, false),
            (87, 100, true),
        ] {
            assert_eq!(clearly_less(other, own), handed, "{other} {own}");
        }
    }
}
