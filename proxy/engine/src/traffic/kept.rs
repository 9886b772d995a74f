//! What is kept of a request so that it can be sent once more: its head, and its body as it streams by.
//!
//! In: heads and body pieces that go upstream. Out: the request as it waited before, for `retry` to send again.
//! Limits: a rule's `max_body`, or `SMALL` where no rule says; `SHELF` unused ones stay with the worker. Only outbound requests on
//! HTTP/2 links (a peer may refuse a stream unread), and those of rules that retry, are kept; until their answer begins.
//! Never here: whether it may be sent again.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::route::target::Target;
use crate::traffic::exchange::{Exchange, Facts, Waiting};
use http::Request;
use http::stored::{StoredRequest, StoredResponse};
use std::sync::Arc;
use table::outbound::Retry;

/// Body bytes kept where no rule says how many.
const SMALL: usize = 4 << 10;
/// Unused ones that a worker holds on to, and how much room each may have.
const SHELF: usize = 64;
const ROOM: usize = 8 << 10;

/// One request's.
pub(crate) struct Kept {
    pub(crate) head: StoredRequest,
    /// The head is there.
    pub(crate) whole: bool,
    /// Body bytes that went upstream.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Box<StoredRequest>>,
    /// More went upstream than may be kept.
    pub(crate) lost: bool,
    /// How often it was sent again because nobody had read it.
    pub(crate) resent: u8,
    /// The endpoint of the last try.
    pub(crate) avoid: Key<Endpoint>,
    /// The rule's, or the request's own.
    pub(crate) plan: Option<Box<Plan>>,
    /// An answer held back until its status is known.
    pub(crate) held: Option<Box<Held>>,
}

/// When and how often a request may be sent again, and how often it was.
pub(crate) struct Plan {
    pub(crate) retry: Arc<Retry>,
    pub(crate) left: u32,
    pub(crate) tried: u32,
    /// Whose budget is asked, and the rule that metrics name.
    pub(crate) target: Key<Target>,
    pub(crate) rule: u16,
}

/// The head of a gRPC answer whose first frame has not come.
pub(crate) struct Held {
    pub(crate) head: StoredResponse,
    pub(crate) length: Option<u64>,
}

impl Kept {
    fn new() -> Kept {
        Kept {
            head: StoredRequest::default(),
            whole: false,
            body: Vec::new(),
            trailers: None,
            lost: false,
            resent: 0,
            avoid: Key::NONE,
            plan: None,
            held: None,
        }
    }

    /// Room for body bytes.
    fn cap(&self) -> usize {
        self.plan.as_ref().map_or(SMALL, |plan| plan.retry.max_body)
    }

    /// Bytes go upstream.
    fn note(&mut self, data: &[u8]) {
        if self.lost {
        } else if self.body.len() + data.len() <= self.cap() {
            self.body.extend_from_slice(data);
        } else {
            self.lost = true;
            self.body = Vec::new();
        }
    }
}

/// Unused ones, with their room.
#[derive(Default)]
pub(crate) struct Shelf(#[allow(clippy::vec_box, reason = "moved from and to exchanges as boxes")] Vec<Box<Kept>>);

impl Shelf {
    fn take(&mut self) -> Box<Kept> {
        self.0.pop().unwrap_or_else(|| Box::new(Kept::new()))
    }

    pub(crate) fn give(&mut self, mut kept: Box<Kept>) {
        if self.0.len() >= SHELF || kept.head.room() > ROOM || kept.body.capacity() > ROOM {
            return;
        }
        let (head, mut body) = (std::mem::take(&mut kept.head), std::mem::take(&mut kept.body));
        body.clear();
        *kept = Kept { head, body, ..Kept::new() };
        self.0.push(kept);
    }
}

impl Engine {
    /// The request may be sent again by this plan.
    pub(crate) fn plan(&mut self, ex: Key<Exchange>, plan: Plan) {
        if let Some(x) = self.exchanges.get_mut(ex) {
            let kept = x.kept.get_or_insert_with(|| self.shelf.take());
            kept.plan = Some(Box::new(plan));
        }
    }

    /// A head went upstream, or failed to: kept if it may be wanted again.
    #[inline]
    pub(crate) fn keep(&mut self, ex: Key<Exchange>, head: &Request<'_>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if x.kept.is_none() && !refusable(x) {
            return;
        }
        let kept = x.kept.get_or_insert_with(|| self.shelf.take());
        kept.head.store(head);
        kept.whole = true;
        if kept.plan.is_some() {
            self.tried(ex);
        }
    }

    /// The same for a head that had waited: it is not copied again.
    pub(crate) fn keep_waited(&mut self, ex: Key<Exchange>, waiting: Waiting) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if waiting.upgrade.is_some() || x.kept.is_none() && !refusable(x) {
            return;
        }
        let kept = x.kept.get_or_insert_with(|| self.shelf.take());
        kept.head = waiting.head;
        kept.whole = true;
        if kept.plan.is_some() {
            self.tried(ex);
        }
    }

    /// Request bytes went upstream.
    #[inline]
    pub(crate) fn keep_body(&mut self, ex: Key<Exchange>, data: &[u8]) {
        if let Some(kept) = self.exchanges.get_mut(ex).and_then(|x| x.kept.as_deref_mut()) {
            kept.note(data);
        }
    }

    /// Its answer begins, or it is over: nothing is kept any more.
    #[inline]
    pub(crate) fn unkeep(&mut self, x: &mut Exchange) {
        if let Some(kept) = x.kept.take() {
            self.shelf.give(kept);
        }
    }
}

/// A peer may refuse it unread.
#[inline]
fn refusable(x: &Exchange) -> bool {
    x.facts.has(Facts::UP2) && (x.facts.has(Facts::OUTBOUND) || x.facts.has(Facts::GATEWAY)) && !x.up.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn planned(max_body: usize) -> Kept {
        let retry = Retry {
            max: 1,
            max_body,
            status: Box::default(),
            grpc: Box::default(),
            timeout: Duration::ZERO,
            backoff: (Duration::ZERO, Duration::ZERO),
            jitter: 0.0,
        };
        let plan = Plan { retry: Arc::new(retry), left: 1, tried: 0, target: Key::NONE, rule: 0 };
        Kept { plan: Some(Box::new(plan)), ..Kept::new() }
    }

    #[test]
    fn a_body_is_kept_whole_or_not_at_all() {
        for (case, mut kept, sizes, wanted) in [
            ("small", planned(10), vec![4, 6], Some(10)),
            ("one too many", planned(10), vec![4, 7, 1], None),
            ("nothing is allowed", planned(0), vec![1], None),
            ("nothing came", planned(0), vec![0], Some(0)),
            ("no rule", Kept::new(), vec![SMALL], Some(SMALL)),
            ("no rule, large", Kept::new(), vec![SMALL, 1], None),
        ] {
            sizes.iter().for_each(|&size| kept.note(&vec![b'x'; size]));
            assert_eq!((!kept.lost).then_some(kept.body.len()), wanted, "{case}");
        }
    }

    #[test]
    fn a_used_one_comes_back_empty() {
        let mut shelf = Shelf::default();
        let mut kept = Box::new(planned(100));
        kept.note(b"body");
        (kept.whole, kept.resent, kept.lost) = (true, 2, true);
        shelf.give(kept);
        let again = shelf.take();
        assert!(!again.whole && again.body.is_empty() && again.resent == 0 && !again.lost && again.plan.is_none());
        let mut large = Box::new(Kept::new());
        large.body = Vec::with_capacity(ROOM + 1);
        shelf.give(large);
        assert!(shelf.0.is_empty());
    }
}
