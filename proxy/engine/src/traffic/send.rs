//! A request head onto a connection: found or waited for, written once it is up.
//!
//! In: an exchange with its endpoint chosen, the head to write. Out: the head in a connection's buffer, or the exchange in a queue.
//! Limits: see `queue`.

use crate::base::conn::{Conn, State};
use crate::base::slab::Key;
use crate::base::wheel::Timer;
use crate::engine::Engine;
use crate::route::pool::Found;
use crate::traffic::exchange::{Dir, Exchange, Facts, Waiting};
use crate::traffic::fault::{Fault, LATE, LONG};
use http::h1::{self, Asked, Body, Ending, Framing};
use http::h2::Refused;
use http::stored::StoredRequest;
use http::{Edit, Name, Request};
use wire::transport_header::Session;

/// What came of trying to send a request on.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its head is written.
    Sent,
    /// It is in a queue; keep its head.
    Wait,
    /// It must be answered by us.
    Fail(Fault),
}

impl Engine {
    /// Writes the head on a connection of the exchange's endpoint.
    pub(crate) fn send(
        &mut self,
        ex: Key<Exchange>,
        head: &Request<'_>,
        edit: &Edit<'_>,
        upgrade: Option<&[u8]>,
        http2: bool,
    ) -> Outcome {
        match self.exchanges.get(ex) {
            Some(x) if x.watch.is_some() => self.send_watched(ex, head, edit, upgrade, http2),
            _ => self.send_head(ex, head, edit, upgrade, http2),
        }
    }

    pub(crate) fn send_head(
        &mut self,
        ex: Key<Exchange>,
        head: &Request<'_>,
        edit: &Edit<'_>,
        upgrade: Option<&[u8]>,
        http2: bool,
    ) -> Outcome {
        let Some(x) = self.exchanges.get(ex) else { return Outcome::Sent };
        let at = x.endpoint;
        if http2 && self.lined_up(ex, at) {
            return self.await_conn(ex, true);
        }
        let found = if http2 { self.find_link(at, Session::Http2) } else { self.find_h1(at, Session::Http1) };
        let up = match found {
            Found::Ready(up) => up,
            Found::Failed(fault) => return Outcome::Fail(fault),
            Found::Wait => return self.await_conn(ex, http2),
        };
        if http2 {
            match self.open_stream(ex, up, head, edit) {
                Ok(()) => Outcome::Sent,
                Err(_) => self.await_conn(ex, true),
            }
        } else {
            self.write_h1(ex, up, head, edit, upgrade);
            Outcome::Sent
        }
    }

    fn open_stream(
        &mut self,
        ex: Key<Exchange>,
        up: Key<Conn>,
        head: &Request<'_>,
        edit: &Edit<'_>,
    ) -> Result<(), Refused> {
        let Some(x) = self.exchanges.get_mut(ex) else { return Ok(()) };
        let whole = x.facts.has(Facts::ASKED) && x.req.is_empty() && x.req.trailers.is_none();
        let Some(conn) = self.conns.get_mut(up) else { return Err(Refused::Gone) };
        let State::Link(link) = &mut conn.state else { return Err(Refused::Gone) };
        self.buffers.lend(&mut conn.out);
        let stream = link.h2.send_request(&mut conn.out, head, edit, whole, ex.token())?;
        x.up = up;
        x.up_stream = stream;
        x.facts.set(Facts::UP2);
        x.facts.set_if(Facts::SENT, whole);
        self.mark(up);
        Ok(())
    }

    fn write_h1(
        &mut self,
        ex: Key<Exchange>,
        up: Key<Conn>,
        head: &Request<'_>,
        edit: &Edit<'_>,
        upgrade: Option<&[u8]>,
    ) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let whole = x.facts.has(Facts::ASKED) && x.req.is_empty() && x.req.trailers.is_none();
        let framing = if !whole && x.length.is_none() {
            Framing::Chunked
        } else if whole && matches!(head.method, b"POST" | b"PUT" | b"PATCH") && !head.fields.has(Name::ContentLength) {
            Framing::Length(0)
        } else {
            Framing::AsIs
        };
        x.req.chunked = framing == Framing::Chunked;
        x.up = up;
        x.up_stream = 0;
        x.facts.set_if(Facts::SENT, whole);
        x.facts.set_if(Facts::UPGRADE, upgrade.is_some());
        let asked = Asked { head: x.facts.has(Facts::HEAD), connect: false, upgrade: upgrade.is_some() };
        let Some(conn) = self.writer(up) else { return };
        h1::write_request(&mut conn.out, head, edit, framing, upgrade.map_or(Ending::Keep, Ending::Upgrade));
        if let State::Client1(client) = &mut conn.state {
            client.ex = ex;
            client.asked = asked;
            client.headed = false;
            client.seen = 0;
            client.body = Body::None;
        }
    }

    /// Keeps the head of a request that waits, and sees to it that it does not wait for ever.
    pub(crate) fn keep_waiting(&mut self, ex: Key<Exchange>, waiting: Box<Waiting>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        x.waiting = Some(waiting);
        if !x.facts.has(Facts::QUEUED) {
            x.facts.set(Facts::QUEUED);
            self.tally.queued += 1;
        }
        let outbound = x.facts.has(Facts::OUTBOUND) || x.facts.has(Facts::GATEWAY);
        let limit = self.side(outbound).failfast.as_millis() as u64;
        self.fail_fast_after(ex, limit);
    }

    /// A request that waits fails after so many milliseconds, counted from its first wait.
    pub(crate) fn fail_fast_after(&mut self, ex: Key<Exchange>, limit: u64) {
        let now = self.millis();
        if let Some(x) = self.exchanges.get_mut(ex)
            && x.deadlines.failfast == 0
        {
            x.deadlines.failfast = now + limit.max(1);
            self.arm(ex);
        }
    }

    /// A request's turn has come: policy, an endpoint or a connection may be there now.
    pub(crate) fn dispatch_waiting(&mut self, ex: Key<Exchange>) {
        // Not before its backoff is over: it may still be in a list it waited in before.
        let due = |x: &&mut Exchange| x.deadlines.again == 0;
        let Some(waiting) = self.exchanges.get_mut(ex).filter(due).and_then(|x| x.waiting.take()) else { return };
        self.leave_retired(ex);
        let outcome = self.route(ex, &waiting.head.view(), waiting.upgrade.as_deref());
        match outcome {
            Outcome::Sent => {
                self.unqueue(ex);
                if let Some(x) = self.exchanges.get_mut(ex) {
                    x.deadlines.failfast = 0;
                    self.keep_waited(ex, *waiting);
                    self.drain_pipe(ex, Dir::Request);
                }
            }
            Outcome::Wait => self.keep_waiting(ex, waiting),
            Outcome::Fail(fault) => {
                self.keep_waited(ex, *waiting);
                self.fail(ex, &fault);
            }
        }
    }

    /// The endpoint may have been retired in the turn that woke the exchange: another is picked.
    fn leave_retired(&mut self, ex: Key<Exchange>) {
        let at = self.exchanges.get(ex).map_or(Key::NONE, |x| x.endpoint);
        if !at.is_none() && self.routes.endpoints.get(at).is_none_or(|endpoint| endpoint.retired) {
            self.unpick(ex, false);
        }
    }

    fn unqueue(&mut self, ex: Key<Exchange>) {
        if let Some(x) = self.exchanges.get_mut(ex)
            && x.facts.has(Facts::QUEUED)
        {
            x.facts.clear(Facts::QUEUED);
            self.tally.queued -= 1;
        }
    }

    /// The connection a request waited for could not be made: another endpoint, or the end.
    pub(crate) fn exchange_undialed(&mut self, ex: Key<Exchange>, late: bool) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if x.waiting.is_none() {
            return;
        }
        x.tries = x.tries.saturating_add(1);
        let app = self.routes.endpoints.get(x.endpoint).is_none_or(|endpoint| endpoint.path.is_none());
        if app {
            return self.fail(ex, if late { &Fault::ConnectLate } else { &Fault::Connect });
        }
        self.unpick(ex, false);
        self.io.retry.push(ex);
    }

    /// The exchange's endpoint has been retired while it waited there.
    pub(crate) fn endpoint_unuse_waiting(&mut self, ex: Key<Exchange>) {
        if self.exchanges.get(ex).is_some_and(|x| x.waiting.is_some()) {
            self.unpick(ex, false);
        }
    }

    /// Sets the exchange's alarm to its next deadline.
    pub(crate) fn arm(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let d = &x.deadlines;
        let idle = if d.idle_after > 0 { d.last + d.idle_after } else { 0 };
        let next = [d.failfast, d.stream, d.response, idle, d.attempt, d.again].into_iter().filter(|&at| at > 0).min();
        match next {
            Some(at) => self.wheel.set(&mut x.alarm, at, Timer::Exchange(ex)),
            None => x.alarm.at = 0,
        }
    }

    pub(crate) fn exchange_alarm(&mut self, ex: Key<Exchange>) {
        let now = self.millis();
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if !self.wheel.due(&mut x.alarm, now, Timer::Exchange(ex)) {
            return;
        }
        let d = &x.deadlines;
        let past = |at: u64| at > 0 && at <= now;
        if x.waiting.is_some() && past(d.failfast) && d.again == 0 {
            let fault = self.waited(ex);
            return self.fail(ex, &fault);
        }
        if past(d.stream) {
            let what = if x.facts.has(Facts::ANSWERED) { LONG } else { "request timed out" };
            return self.fail(ex, &Fault::Timeout(what));
        }
        if past(d.again) {
            return self.again_due(ex);
        }
        if past(d.response) && !x.facts.has(Facts::ANSWERED) {
            return self.fail(ex, &Fault::Timeout(LATE));
        }
        if past(d.attempt) && !x.facts.has(Facts::ANSWERED) {
            return self.attempt_late(ex);
        }
        if d.idle_after > 0 && past(d.last + d.idle_after) {
            return self.fail(ex, &Fault::Timeout("stream idle for too long"));
        }
        if x.waiting.is_none() {
            x.deadlines.failfast = 0;
        }
        if x.facts.has(Facts::ANSWERED) {
            x.deadlines.response = 0;
        }
        self.arm(ex);
    }

    /// A head that has to wait, copied.
    pub(crate) fn stored(head: &Request<'_>, upgrade: Option<&[u8]>) -> Box<Waiting> {
        Box::new(Waiting { head: StoredRequest::new(head), upgrade: upgrade.map(Into::into) })
    }
}
