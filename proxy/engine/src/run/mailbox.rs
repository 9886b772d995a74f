//! What the control thread tells a worker, and connections that other workers hand it, until the worker's next turn.
//!
//! Limits: a newer version of the same thing replaces the one that still waits, so the box holds one of each; `HANDED` connections.
//! Order: who puts something in rings afterwards, who looks silences the bell first; so nothing is left lying without a ring.

use crate::base::conn::Role;
#[cfg(feature = "loom")]
use loom::sync::Mutex;
use sock::{Socket, Waker};
use std::net::SocketAddr;
#[cfg(not(feature = "loom"))]
use std::sync::Mutex;
use std::sync::PoisonError;
use table::Tell;

/// Connections that may wait; beyond it whoever accepted one keeps it.
const HANDED: usize = 256;

/// Rings at a worker.
pub(crate) trait Bell: Sized {
    fn new() -> std::io::Result<Self>;
    fn ring(&self);
    fn silence(&self);
}

impl Bell for Waker {
    fn new() -> std::io::Result<Waker> {
        Waker::new()
    }
    fn ring(&self) {
        self.wake();
    }
    fn silence(&self) {
        self.clear();
    }
}

/// An accepted connection on its way to another worker.
pub(crate) struct Handed {
    pub(crate) role: Role,
    pub(crate) socket: Socket,
    pub(crate) remote: SocketAddr,
}

/// What waits.
#[derive(Default)]
pub(crate) struct Letters {
    pub(crate) tells: Vec<Tell>,
    pub(crate) handed: Vec<Handed>,
}

/// A worker's mailbox.
pub(crate) struct Mailbox<B = Waker> {
    letters: Mutex<Letters>,
    pub(crate) bell: B,
}

impl<B: Bell> Mailbox<B> {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Mailbox { letters: Mutex::new(Letters::default()), bell: B::new()? })
    }

    /// Takes what is there.
    pub(crate) fn empty(&self) -> Letters {
        self.bell.silence();
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a connection in, or gives it back when too many wait.
    pub(crate) fn hand(&self, handed: Handed) -> Result<(), Handed> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.handed.len() >= HANDED {
            return Err(handed);
        }
        letters.handed.push(handed);
        drop(letters);
        self.bell.ring();
        Ok(())
    }

    fn put(&self, tell: Tell) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        // In its place, so that what was told later still comes later; only beyond a few is a search worth it.
        match letters.tells.iter_mut().find(|old| replaces(&tell, old)) {
            Some(old) => *old = tell,
            None => letters.tells.push(tell),
        }
        drop(letters);
        self.bell.ring();
    }
}

/// Whether `new` makes `old` needless.
fn replaces(new: &Tell, old: &Tell) -> bool {
    match (new, old) {
        (Tell::Target(a, _), Tell::Target(b, _)) => a == b,
        (Tell::Endpoints(a, _), Tell::Endpoints(b, _)) => a == b,
        (Tell::Port(a, _), Tell::Port(b, _)) => a == b,
        (Tell::Profile(a, _), Tell::Profile(b, _)) => a == b,
        (Tell::Credentials(_), Tell::Credentials(_)) | (Tell::Watch(_), Tell::Watch(_)) => true,
        _ => false,
    }
}

impl<B: Bell + Send + Sync> table::Worker for Mailbox<B> {
    fn tell(&self, tell: Tell) {
        self.put(tell);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use table::outbound::Endpoints;
    use table::{PathId, Worker};

    #[test]
    fn newer_versions_replace_what_waits() {
        let mailbox = Mailbox::<Waker>::new().expect("eventfd");
        for known in [false, true] {
            mailbox.tell(Tell::Endpoints(PathId(1), Arc::new(Endpoints { known, ..Endpoints::default() })));
        }
        mailbox.tell(Tell::Endpoints(PathId(2), Arc::default()));
        mailbox.tell(Tell::Drain(Duration::ZERO));
        let letters = mailbox.empty().tells;
        assert!(
            matches!(&letters[..], [Tell::Endpoints(PathId(1), e), Tell::Endpoints(PathId(2), _), Tell::Drain(_)] if e.known)
        );
        assert!(mailbox.empty().tells.is_empty());
    }
}

/// Every interleaving of two who tell and one who looks: `cargo test -p engine --features loom model`.
#[cfg(all(test, feature = "loom"))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use loom::thread;
    use table::outbound::Endpoints;
    use table::{PathId, Worker};

    /// An eventfd, to loom.
    struct Flag(AtomicBool);

    impl Bell for Flag {
        fn new() -> std::io::Result<Flag> {
            Ok(Flag(AtomicBool::new(false)))
        }
        fn ring(&self) {
            self.0.store(true, SeqCst);
        }
        fn silence(&self) {
            self.0.store(false, SeqCst);
        }
    }

    fn version(known: bool) -> Tell {
        Tell::Endpoints(PathId(1), std::sync::Arc::new(Endpoints { known, ..Endpoints::default() }))
    }

    #[test]
    fn the_last_version_arrives_and_no_letter_waits_unrung() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::<Flag>::new().expect("made"));
            let control = {
                let mailbox = mailbox.clone();
                thread::spawn(move || {
                    mailbox.tell(version(false));
                    mailbox.tell(version(true));
                })
            };
            let other = {
                let mailbox = mailbox.clone();
                thread::spawn(move || mailbox.tell(Tell::Gone(PathId(2))))
            };
            let (mut newest, mut gone) = (None, 0);
            let mut look = |mailbox: &Mailbox<Flag>| {
                for tell in mailbox.empty().tells {
                    match tell {
                        Tell::Endpoints(_, told) => {
                            assert_ne!((newest, told.known), (Some(true), false), "an older table after a newer");
                            newest = Some(told.known);
                        }
                        _ => gone += 1,
                    }
                }
            };
            look(&mailbox);
            control.join().expect("told");
            other.join().expect("told");
            // The epoll of the worker: it looks again only when the bell has rung since.
            if mailbox.bell.0.load(SeqCst) {
                look(&mailbox);
            }
            assert_eq!((newest, gone), (Some(true), 1));
        });
    }
}
