//! Events that wait for one client.
//!
//! In: events from the workers. Out: all that wait, at once. Limits: `EVENTS`; what finds no room is refused, and counted by who put it.
//! A worker wakes the client's task only when as many wait as the task asked for: one, or half a queue while it pauses.
//! Never here: a wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use table::observe::{Event, Sink};

/// How many wait at most.
pub(super) const EVENTS: usize = 400;

/// The workers' end; the queue ends when the last of them lets go of it.
pub(super) struct Put(Arc<Mutex<Waiting>>);

/// The client's end.
pub(super) struct Take(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Who is woken when so many wait.
    waker: Option<(Waker, usize)>,
    /// No worker has anything more to say.
    ended: bool,
    /// The client has left.
    left: bool,
}

/// A queue.
pub(super) fn new() -> (Put, Take) {
    let waiting = Arc::new(Mutex::default());
    (Put(waiting.clone()), Take(waiting))
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink<Event> for Put {
    fn put(&self, event: Event) -> bool {
        let mut waiting = lock(&self.0);
        if waiting.left {
            // It misses nothing.
            return true;
        }
        if waiting.events.len() >= EVENTS {
            return false;
        }
        waiting.events.push_back(event);
        let count = waiting.events.len();
        let waker = waiting.waker.take_if(|(_, at)| count >= *at);
        drop(waiting);
        if let Some((waker, _)) = waker {
            waker.wake();
        }
        true
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0);
        waiting.ended = true;
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some((waker, _)) = waker {
            waker.wake();
        }
    }
}

impl Take {
    /// All that wait go into `out` (which is empty) if they are `at` or more, or the last; else the task is woken when they are.
    /// False: none will ever come.
    pub(super) fn take(&self, out: &mut VecDeque<Event>, at: usize, context: &Context<'_>) -> bool {
        let mut waiting = lock(&self.0);
        if waiting.events.len() >= at || waiting.ended {
            std::mem::swap(out, &mut waiting.events);
            waiting.waker = None;
            return !(waiting.ended && out.is_empty());
        }
        waiting.waker = Some((context.waker().clone(), at));
        true
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        let events = {
            let mut waiting = lock(&self.0);
            waiting.left = true;
            waiting.waker = None;
            std::mem::take(&mut waiting.events)
        };
        // Not under the lock: a worker may wait for it.
        drop(events);
    }
}
