//! Requests that wait for a stream: first come, first served.
//!
//! In: requests for which no link had room; links that have it again. Out: requests sent on, the one at the front first.
//! A link that has room wakes one request after the other until one has to wait again: a stream that ends costs two tries, however many wait.
//! Limits: waiting requests by `Side::queue`, each until `Side::failfast`.
//! Never here: which endpoint is taken, how a link to it is made (see `route`).

use crate::base::conn::{Conn, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use crate::traffic::send::Outcome;

impl Engine {
    /// Puts a request behind all others that wait for a connection to its endpoint.
    pub(crate) fn await_conn(&mut self, ex: Key<Exchange>, http2: bool) -> Outcome {
        let Some(x) = self.exchanges.get(ex) else { return Outcome::Sent };
        let Some(endpoint) = self.routes.endpoints.get_mut(x.endpoint) else { return Outcome::Fail(Fault::Connect) };
        if http2 {
            endpoint.waiting2.push_back(ex);
        } else {
            endpoint.waiting1.push_back(ex);
        }
        Outcome::Wait
    }

    /// Whether a request that comes now has to stand behind others.
    pub(crate) fn lined_up(&mut self, ex: Key<Exchange>, at: Key<Endpoint>) -> bool {
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return false };
        if endpoint.waiting2.is_empty() || self.exchanges.get(ex).is_none_or(|x| x.facts.has(Facts::QUEUED)) {
            return false;
        }
        while let Some(&first) = endpoint.waiting2.front() {
            let stands = |x: &Exchange| x.waiting.is_some() && x.endpoint == at && x.deadlines.again == 0;
            if self.exchanges.get(first).is_some_and(stands) {
                return true;
            }
            endpoint.waiting2.pop_front();
        }
        false
    }

    /// A link may have room for one more stream, or be gone: whoever waits for its endpoint has a try in this turn.
    pub(crate) fn link_room(&mut self, key: Key<Conn>) {
        if let Some(conn) = self.conns.get(key)
            && matches!(conn.state, State::Link(_))
        {
            self.endpoint_room(conn.endpoint);
        }
    }

    /// The same, by endpoint.
    pub(crate) fn endpoint_room(&mut self, at: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get_mut(at)
            && !endpoint.waiting2.is_empty()
            && !std::mem::replace(&mut endpoint.roomy, true)
        {
            self.io.roomy.push(at);
        }
    }

    /// Lets those who wait go on, until one has to wait again.
    pub(crate) fn serve_waiting(&mut self, at: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get_mut(at) {
            endpoint.roomy = false;
        }
        while let Some(ex) = self.routes.endpoints.get_mut(at).and_then(|endpoint| endpoint.waiting2.pop_front()) {
            self.dispatch_waiting(ex);
            if let Some(endpoint) = self.routes.endpoints.get_mut(at)
                && endpoint.waiting2.back() == Some(&ex)
            {
                endpoint.waiting2.rotate_right(1);
                return;
            }
        }
    }
}
