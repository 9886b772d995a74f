//! Answers on their way back: heads edited and framed for the client, interim answers, upgrades.
//!
//! In: response heads of either codec. Out: the head in the client's buffer.

use crate::base::conn::{Conn, State};
use crate::base::slab::Key;
use crate::engine::{Engine, Life};
use crate::route::judge;
use crate::route::outbound::Edits;
use crate::traffic::exchange::{Dir, Exchange, Facts};
use http::h1::{self, Ending, Framing};
use http::{Edit, Form, Name, Response, Version, grpc, names, orig_proto};

impl Engine {
    /// An interim answer (1xx): passed on, unless the client is too old for it.
    pub(crate) fn interim(&mut self, ex: Key<Exchange>, head: &Response<'_>) {
        let Some(x) = self.exchanges.get(ex) else { return };
        let (down, stream, old) = (x.down, x.down_stream, x.facts.has(Facts::OLD));
        if old {
            return;
        }
        let edit = Edit { drop: names::L5D, ..Edit::NONE };
        let Some(conn) = self.writer(down) else { return };
        match &mut conn.state {
            State::Link(link) => {
                let _ = link.h2.send_response(&mut conn.out, stream, head, &edit, false);
            }
            _ => h1::write_response(&mut conn.out, head, &edit, Framing::AsIs, Ending::Keep),
        }
    }

    /// The final head. `end`: no body follows. `length`: of the body, if known.
    pub(crate) fn response(&mut self, ex: Key<Exchange>, head: &Response<'_>, end: bool, length: Option<u64>) {
        if self.weigh(ex, head, end, length) {
            self.answer(ex, head, end, length);
        }
    }

    /// The final head goes on to the client.
    pub(crate) fn answer(&mut self, ex: Key<Exchange>, head: &Response<'_>, end: bool, length: Option<u64>) {
        let now = self.now;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        x.facts.set(Facts::ANSWERED);
        x.facts.set_if(Facts::HEARD, end);
        x.res.ended = end;
        x.heard = now;
        x.status = head.status;
        x.hint = judge::hint(&head.fields);
        (x.deadlines.response, x.deadlines.attempt) = (0, 0);
        let rpc = x.facts.has(Facts::GRPC);
        let told = if rpc || end { grpc::status(&head.fields) } else { None };
        if let Some(status) = told.or_else(|| if rpc { grpc::foreign(head) } else { None }) {
            x.grpc = status as u8;
        }
        let list = std::mem::take(&mut x.edits);
        let watched = x.watch.is_some();
        let parting = head.fields.has(Name::L5dProxyConnection) && x.facts.has(Facts::OUTBOUND);
        let orig = if x.facts.has(Facts::ORIG) {
            x.orig.and_then(|orig| orig_proto::field(orig.version, Form::Origin))
        } else {
            None
        };
        if watched {
            self.watch_response(ex, head);
        }
        if parting && head.fields.get(Name::L5dProxyConnection) == Some(b"close") {
            self.peer_parts(ex);
        }
        if list.is_empty() {
            let edit = Edit { drop: names::L5D, drop_other: &[], add: orig.as_slice() };
            self.write_head(ex, head, &edit, end, length);
        } else {
            let mut edits = Edits::default();
            list.iter().for_each(|wanted| edits.apply(wanted));
            edits.drop(names::L5D);
            orig.into_iter().for_each(|field| edits.push(field));
            self.write_head(ex, head, &edits.edit(), end, length);
        }
        if end {
            self.passed(ex, Dir::Response);
        }
    }

    /// The peer's proxy asks that our application's connection end. It does where the connection stands for one endpoint; behind a
    /// balancer the next request may go elsewhere.
    fn peer_parts(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get(ex) else { return };
        let down = x.down;
        if self.routes.endpoints.get(x.endpoint).is_none_or(|endpoint| !endpoint.path.is_none()) {
            return;
        }
        match self.conns.get_mut(down).map(|conn| &mut conn.state) {
            Some(State::Server1(server)) => server.keep = false,
            Some(State::Link(_)) => self.link_drain(down),
            _ => {}
        }
    }

    fn write_head(&mut self, ex: Key<Exchange>, head: &Response<'_>, edit: &Edit<'_>, end: bool, length: Option<u64>) {
        let draining = self.life != Life::Serving;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (down, stream, old) = (x.down, x.down_stream, x.facts.has(Facts::OLD));
        let bodiless = x.facts.has(Facts::HEAD) || matches!(head.status, 204 | 304);
        let framing = if end && !bodiless && length.is_none() && !head.fields.has(Name::ContentLength) {
            Framing::Length(0)
        } else if end || length.is_some() || old {
            Framing::AsIs
        } else {
            Framing::Chunked
        };
        x.res.chunked = framing == Framing::Chunked;
        let until_close = old && !end && length.is_none();
        let Some(conn) = self.conns.get_mut(down) else { return };
        self.buffers.lend(&mut conn.out);
        match &mut conn.state {
            State::Link(link) => {
                let _ = link.h2.send_response(&mut conn.out, stream, head, edit, end);
            }
            State::Server1(server) => {
                server.keep &= !draining && !until_close;
                let ending = if server.keep { Ending::Keep } else { Ending::Close };
                h1::write_response(&mut conn.out, head, edit, framing, ending);
            }
            _ => {}
        }
        self.mark(down);
    }

    /// The server granted an upgrade: both connections are bytes from here on.
    pub(crate) fn tunnel(&mut self, ex: Key<Exchange>, up: Key<Conn>, head: &Response<'_>, protocol: &[u8]) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let down = x.down;
        x.facts.set(Facts::ANSWERED);
        x.status = head.status;
        x.heard = self.now;
        x.up = Key::NONE;
        x.down = Key::NONE;
        if x.watch.is_some() {
            self.watch_response(ex, head);
        }
        let version = Version::Http11;
        let head = Response { version, ..*head };
        let edit = Edit { drop: names::L5D, ..Edit::NONE };
        if let Some(conn) = self.writer(down) {
            h1::write_response(&mut conn.out, &head, &edit, Framing::AsIs, Ending::Upgrade(protocol));
            conn.state = State::Opaque(up);
            conn.alarm.at = 0;
        }
        if let Some(conn) = self.conns.get_mut(up) {
            conn.state = State::Opaque(down);
            conn.alarm.at = 0;
        }
        self.exchange_done(ex);
        self.resume(down);
        self.resume(up);
        self.wake(down);
        self.wake(up);
    }
}
