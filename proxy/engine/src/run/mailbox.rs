//! What the control thread tells a worker, until the worker's next turn.
//!
//! Limit: a newer version of the same thing replaces the one that still waits, so the box holds one of each.

use sock::Waker;
use std::sync::{Mutex, PoisonError};
use table::Tell;

/// A worker's mailbox.
pub(crate) struct Mailbox {
    letters: Mutex<Vec<Tell>>,
    pub(crate) waker: Waker,
}

impl Mailbox {
    pub(crate) fn new() -> std::io::Result<Mailbox> {
        Ok(Mailbox { letters: Mutex::new(Vec::new()), waker: Waker::new()? })
    }

    /// Takes what is there.
    pub(crate) fn empty(&self) -> Vec<Tell> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether `new` makes `old` needless.
fn replaces(new: &Tell, old: &Tell) -> bool {
    match (new, old) {
        (Tell::Target(a, _), Tell::Target(b, _)) => a == b,
        (Tell::Endpoints(a, _), Tell::Endpoints(b, _)) => a == b,
        (Tell::Port(a, _), Tell::Port(b, _)) => a == b,
        (Tell::Credentials(_), Tell::Credentials(_)) => true,
        _ => false,
    }
}

impl table::Worker for Mailbox {
    fn tell(&self, tell: Tell) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        // In its place, so that what was told later still comes later; only beyond a few is a search worth it.
        match letters.iter_mut().find(|old| replaces(&tell, old)) {
            Some(old) => *old = tell,
            None => letters.push(tell),
        }
        drop(letters);
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use table::outbound::Endpoints;
    use table::{PathId, Worker};

    #[test]
    fn newer_versions_replace_what_waits() {
        let mailbox = Mailbox::new().expect("eventfd");
        for known in [false, true] {
            mailbox.tell(Tell::Endpoints(PathId(1), Arc::new(Endpoints { known, list: Box::default() })));
        }
        mailbox.tell(Tell::Endpoints(PathId(2), Arc::default()));
        mailbox.tell(Tell::Drain(Duration::ZERO));
        let letters = mailbox.empty();
        assert!(
            matches!(&letters[..], [Tell::Endpoints(PathId(1), e), Tell::Endpoints(PathId(2), _), Tell::Drain(_)] if e.known)
        );
        assert!(mailbox.empty().is_empty());
    }
}
