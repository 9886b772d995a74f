//! Exchanges that end: well, by our own answer, or because a side went away.
//!
//! In: an exchange and why. Out: both connections free for the next one or closed, the endpoint's balancer and metrics told.

use crate::base::conn::{Conn, State};
use crate::base::slab::Key;
use crate::engine::{Engine, Life};
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use http::h2::{Code, StreamId};
use http::refuse::{self, Refusal};
use http::{Edit, Field, Fields, Name};

impl Engine {
    /// The whole answer is written.
    pub(crate) fn exchange_done(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get(ex) else { return };
        let good = crate::tally::classify(x);
        self.unpick_with(ex, Some(good));
        self.over(ex, None);
    }

    /// Cannot be served: our own answer if none has begun, else the stream or connection breaks off.
    pub(crate) fn fail(&mut self, ex: Key<Exchange>, fault: &Fault) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let answered = x.facts.has(Facts::ANSWERED);
        if x.facts.has(Facts::DONE) {
            return self.exchange_done(ex);
        }
        if !answered
            && x.kept.is_some()
            && let Some(why) = fault.again()
            && self.send_again(ex, why)
        {
            return;
        }
        let blame = fault.endpoints();
        if answered {
            self.break_off(ex);
        } else {
            self.refuse(ex, fault);
        }
        self.unpick_with(ex, blame.then_some(false));
        self.over(ex, Some(fault));
    }

    /// The client is gone: whatever was under way for it ends.
    pub(crate) fn abandon(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        x.down = Key::NONE;
        let done = x.facts.has(Facts::DONE);
        self.unpick_with(ex, None);
        self.over(ex, (!done).then_some(&Fault::Cancelled));
    }

    /// The upstream connection parts from the exchange.
    pub(crate) fn detach_up(&mut self, ex: Key<Exchange>, up: Key<Conn>) {
        if let Some(x) = self.exchanges.get_mut(ex)
            && x.up == up
        {
            x.up = Key::NONE;
        }
    }

    fn refuse(&mut self, ex: Key<Exchange>, fault: &Fault) {
        let draining = self.life != Life::Serving;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (down, stream) = (x.down, x.down_stream);
        let refusal = Refusal {
            status: fault.status(),
            grpc: fault.grpc(),
            message: fault.message(),
            close: fault.closes(),
            meshed: x.facts.has(Facts::MESHED) && !(x.facts.has(Facts::OUTBOUND) && self.config.quiet_headers),
            is_grpc: x.facts.has(Facts::GRPC),
            location: fault.location(),
        };
        x.status = if refusal.is_grpc { 200 } else { refusal.status };
        x.grpc = if refusal.is_grpc { refusal.grpc as u8 } else { x.grpc };
        let Some(conn) = self.writer(down) else { return };
        match &mut conn.state {
            State::Link(link) => {
                let _ = refuse::http2(&mut link.h2, &mut conn.out, stream, &refusal);
            }
            State::Server1(server) => {
                server.keep &= !draining && !refusal.close;
                let refusal = Refusal { close: !server.keep, ..refusal };
                refuse::http1(&mut conn.out, &refusal);
            }
            _ => {}
        }
    }

    /// An answer that has begun cannot be finished; the client must notice.
    fn break_off(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (down, stream) = (x.down, x.down_stream);
        let trailers = x.facts.has(Facts::GRPC) && x.res.is_empty();
        if trailers {
            x.grpc = 14;
        }
        if stream == 0 {
            x.down = Key::NONE;
        }
        let Some(conn) = self.writer(down) else { return };
        match &mut conn.state {
            State::Link(link) if trailers => {
                let add = [
                    Field::known(Name::GrpcStatus, b"14"),
                    Field::known(Name::GrpcMessage, b"connection to endpoint broke"),
                ];
                let edit = Edit { add: &add, ..Edit::NONE };
                let _ = link.h2.send_trailers(&mut conn.out, stream, &Fields::EMPTY, &edit);
            }
            State::Link(link) => link.h2.reset(&mut conn.out, stream, Code::InternalError),
            State::Server1(_) => self.reset_after(down),
            _ => {}
        }
    }

    /// Takes the exchange out and frees both connections.
    fn over(&mut self, ex: Key<Exchange>, fault: Option<&Fault>) {
        let Some(mut x) = self.exchanges.remove(ex) else { return };
        self.unkeep(&mut x);
        if x.facts.has(Facts::COUNTED) {
            self.tally.in_flight[usize::from(x.facts.has(Facts::OUTBOUND))] -= 1;
        }
        if x.facts.has(Facts::QUEUED) {
            self.tally.queued -= 1;
        }
        self.count(&x, fault);
        if let Some(watched) = x.watch.take() {
            self.watch_over(&x, watched, fault);
        }
        if !x.target.is_none() {
            self.target_unuse(x.target);
        }
        self.buffers.give(&mut x.req.kept);
        self.buffers.give(&mut x.res.kept);
        self.let_go(x.up, x.up_stream, x.facts.has(Facts::HEARD) && x.facts.has(Facts::SENT));
        self.over_down(&x);
    }

    /// An upstream that may still work for an exchange is told to stop, unless the exchange is `whole`.
    pub(crate) fn let_go(&mut self, up: Key<Conn>, stream: StreamId, whole: bool) {
        if up.is_none() {
            return;
        }
        let Some(conn) = self.conns.get_mut(up) else { return };
        match &mut conn.state {
            State::Link(link) => {
                if !whole {
                    self.buffers.lend(&mut conn.out);
                    link.h2.reset(&mut conn.out, stream, Code::Cancel);
                    self.mark(up);
                }
                self.link_room(up);
                self.link_idle(up);
            }
            State::Client1(_) => {
                conn.state = State::Linger;
                self.kill(up, true);
            }
            _ => {}
        }
    }

    /// The client's side is ready for its next request.
    fn over_down(&mut self, x: &Exchange) {
        let whole = x.facts.has(Facts::ASKED);
        let Some(conn) = self.conns.get_mut(x.down) else { return };
        match &mut conn.state {
            State::Link(link) => {
                if !whole {
                    // The answer is complete: the rest of the request is not wanted (RFC 9113 section 8.1).
                    self.buffers.lend(&mut conn.out);
                    link.h2.reset(&mut conn.out, x.down_stream, Code::NoError);
                    self.mark(x.down);
                }
                self.link_idle(x.down);
            }
            State::Server1(_) => {
                if x.req.paused {
                    self.resume(x.down);
                }
                self.server1_free(x.down);
            }
            _ => {}
        }
    }

    /// Stops accepting, lets what runs finish, ends what is left after `grace`.
    pub(crate) fn drain(&mut self, grace: std::time::Duration) {
        if self.life != Life::Serving {
            return;
        }
        self.life = Life::Draining;
        let at = self.millis() + grace.as_millis() as u64;
        self.wheel.insert(at, crate::base::wheel::Timer::Grace);
        for key in self.conns.keys() {
            let Some(conn) = self.conns.get(key) else { continue };
            if !conn.role.accepted() {
                continue;
            }
            match &conn.state {
                State::Server1(server) if server.ex.is_none() && server.seen == 0 => self.close_after(key),
                State::Link(_) => self.link_drain(key),
                _ => {}
            }
        }
    }
}
