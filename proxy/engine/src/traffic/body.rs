//! Bodies from one side to the other: straight through while the sink takes them, kept (and the source held back) while it does not.
//!
//! In: pieces of a body from a codec. Out: frames, chunks or plain bytes in the sink's buffer; window credit or a pause for the source.
//! Limits: kept bytes are never credited, so a source can send one stream window more at most; an HTTP/1 source is paused.

use crate::base::conn::{Conn, Flags, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::traffic::exchange::{Dir, Exchange, Facts};
use http::h2::StreamId;
use http::stored::StoredRequest;
use http::{Edit, Fields, Form, Request, Version, h1, names};

/// Bytes written for one stream before others get their turn.
const FAIR: usize = 64 << 10;

impl Engine {
    /// A piece of a body, maybe the last.
    pub(crate) fn body_in(&mut self, ex: Key<Exchange>, dir: Dir, data: &[u8], end: bool) {
        if dir == Dir::Response && self.held(ex) && !self.peeked(ex, None) {
            return;
        }
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if end {
            x.came(dir, self.now);
        }
        if !data.is_empty() {
            self.tally.frame(x, dir, data.len());
        }
        x.deadlines.last = self.now / 1_000_000;
        if let Some(watched) = &mut x.watch {
            watched.body(dir, data.len());
        }
        let (from, stream) = x.source(dir);
        let (to, _) = x.sink(dir);
        let pipe = x.pipe(dir);
        pipe.ended |= end;
        pipe.came = pipe.came.wrapping_add(data.len() as u32);
        // An end alone always goes.
        let straight =
            pipe.is_empty() && !to.is_none() && (data.is_empty() || !self.conns.get(to).is_some_and(Conn::full));
        let taken = if straight { self.sink(ex, dir, data, end) } else { 0 };
        if taken > 0 {
            self.credit(from, stream, taken);
        }
        if straight && taken == data.len() {
            if end {
                return self.passed(ex, dir);
            }
            if self.conns.get(to).is_some_and(Conn::full) {
                self.hold(ex, dir);
            }
            return;
        }
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let pipe = x.pipe(dir);
        self.buffers.lend(&mut pipe.kept);
        pipe.kept.extend_from_slice(&data[taken..]);
        pipe.unreleased += data.len() - taken;
        self.hold(ex, dir);
    }

    /// Trailers: the message is complete.
    pub(crate) fn trailers_in(&mut self, ex: Key<Exchange>, dir: Dir, fields: &Fields<'_>) {
        if dir == Dir::Response && self.held(ex) {
            let code = http::grpc::status(fields).map(|status| status as u8);
            if !self.peeked(ex, code) {
                return;
            }
        }
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        x.came(dir, self.now);
        if dir == Dir::Response
            && let Some(status) = http::grpc::status(fields)
        {
            x.grpc = status as u8;
            x.hint = x.hint.max(crate::route::judge::hint(fields));
        }
        if let Some(watched) = &mut x.watch
            && dir == Dir::Response
        {
            watched.trailers(fields);
        }
        let (to, _) = x.sink(dir);
        let pipe = x.pipe(dir);
        pipe.ended = true;
        if pipe.is_empty() && !to.is_none() {
            self.put_trailers(ex, dir, fields);
            self.passed(ex, dir);
        } else {
            pipe.trailers = Some(Box::new(StoredRequest::new(&carrier(*fields))));
        }
    }

    /// Whether the head of its answer is held back.
    #[inline]
    fn held(&self, ex: Key<Exchange>) -> bool {
        self.exchanges.get(ex).is_some_and(|x| x.kept.is_some())
    }

    /// Writes to the sink what it takes; how much that was. What nobody wants any more counts as taken.
    fn sink(&mut self, ex: Key<Exchange>, dir: Dir, data: &[u8], end: bool) -> usize {
        let Some(x) = self.exchanges.get_mut(ex) else { return data.len() };
        let (to, stream) = x.sink(dir);
        let chunked = x.pipe(dir).chunked;
        let Some(conn) = self.writer(to) else { return data.len() };
        let taken = match &mut conn.state {
            State::Link(link) => link.h2.send_data(&mut conn.out, stream, data, end).unwrap_or(data.len()),
            _ => {
                if chunked {
                    h1::chunk(&mut conn.out, data);
                    if end {
                        h1::finish(&mut conn.out, None);
                    }
                } else {
                    conn.out.extend_from_slice(data);
                }
                data.len()
            }
        };
        if dir == Dir::Request {
            self.keep_body(ex, &data[..taken]);
        }
        taken
    }

    fn put_trailers(&mut self, ex: Key<Exchange>, dir: Dir, fields: &Fields<'_>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (to, stream) = x.sink(dir);
        let chunked = x.pipe(dir).chunked;
        if dir == Dir::Request
            && let Some(kept) = &mut x.kept
        {
            kept.trailers = Some(Box::new(StoredRequest::new(&carrier(*fields))));
        }
        let Some(conn) = self.writer(to) else { return };
        let edit = Edit { drop: names::L5D, ..Edit::NONE };
        match &mut conn.state {
            State::Link(link) => {
                let _ = link.h2.send_trailers(&mut conn.out, stream, fields, &edit);
            }
            _ if chunked => h1::finish(&mut conn.out, Some(fields)),
            _ => {}
        }
    }

    /// Gives window back to an HTTP/2 source.
    fn credit(&mut self, from: Key<Conn>, stream: StreamId, n: usize) {
        if stream == 0 {
            return;
        }
        let Some(conn) = self.conns.get_mut(from) else { return };
        let State::Link(link) = &mut conn.state else { return };
        self.buffers.lend(&mut conn.out);
        let before = conn.out.len();
        link.h2.release(&mut conn.out, stream, n);
        if conn.out.len() > before {
            self.mark(from);
        } else if before == 0 {
            self.buffers.give(&mut conn.out);
        }
    }

    /// The sink takes no more for now: the source pauses, and the sink remembers whom to call.
    fn hold(&mut self, ex: Key<Exchange>, dir: Dir) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (from, stream) = x.source(dir);
        let (to, _) = x.sink(dir);
        let pipe = x.pipe(dir);
        let pause = stream == 0 && !pipe.ended && !pipe.paused;
        pipe.paused |= pause;
        if let Some(conn) = self.conns.get_mut(to)
            && conn.full()
        {
            conn.flags.set(Flags::PRESSED);
            if let State::Link(link) = &mut conn.state
                && !std::mem::replace(&mut pipe.held, true)
            {
                link.held.push((ex, dir));
            }
        }
        if pause {
            self.pause(from);
        }
    }

    /// The sink takes more.
    pub(crate) fn drain_pipe(&mut self, ex: Key<Exchange>, dir: Dir) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (from, stream) = x.source(dir);
        let (to, _) = x.sink(dir);
        if dir == Dir::Request && x.waiting.is_some() {
            // Called for a connection of an earlier try.
            return;
        }
        let pipe = x.pipe(dir);
        pipe.held = false;
        if !pipe.is_empty() {
            let mut kept = std::mem::take(&mut pipe.kept);
            let (at, last) = (pipe.at, pipe.ended && pipe.trailers.is_none());
            let until = kept.len().min(at + FAIR);
            let taken = self.sink(ex, dir, &kept[at..until], last && until == kept.len());
            let Some(x) = self.exchanges.get_mut(ex) else { return };
            let pipe = x.pipe(dir);
            pipe.at = at + taken;
            let credit = pipe.unreleased.min(taken);
            pipe.unreleased -= credit;
            if pipe.at == kept.len() {
                pipe.at = 0;
                self.buffers.give(&mut kept);
            } else {
                pipe.kept = kept;
            }
            self.credit(from, stream, credit);
            if !self.exchanges.get_mut(ex).is_some_and(|x| x.pipe(dir).is_empty()) {
                if taken == FAIR && !self.conns.get(to).is_some_and(Conn::full) {
                    return self.drain_pipe(ex, dir);
                }
                return self.hold(ex, dir);
            }
            if last {
                return self.passed(ex, dir);
            }
        }
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let pipe = x.pipe(dir);
        if let Some(trailers) = pipe.trailers.take() {
            self.put_trailers(ex, dir, &trailers.view().fields);
            return self.passed(ex, dir);
        }
        if !pipe.paused {
            return;
        }
        if self.conns.get(to).is_some_and(Conn::full) {
            // Another stream was quicker to fill it again.
            return self.hold(ex, dir);
        }
        pipe.paused = false;
        self.resume(from);
    }

    /// A whole body has been passed on.
    pub(crate) fn passed(&mut self, ex: Key<Exchange>, dir: Dir) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if dir == Dir::Response {
            if !x.facts.has(Facts::SENT) && x.facts.has(Facts::UP2) && !x.up.is_none() {
                // A server may answer first and go on reading (RFC 9113 section 8.1); if it does not, it resets the stream.
                x.facts.set(Facts::DONE);
                return;
            }
            return self.exchange_done(ex);
        }
        x.facts.set(Facts::SENT);
        if x.facts.has(Facts::DONE) {
            return self.exchange_done(ex);
        }
        if x.deadlines.response_after > 0 && !x.facts.has(Facts::ANSWERED) {
            x.deadlines.response = self.now / 1_000_000 + x.deadlines.response_after;
            self.arm(ex);
        }
    }

    /// The connection a body is written to has room again.
    pub(crate) fn h1_relieved(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get(key) else { return };
        match &conn.state {
            State::Server1(server) => self.drain_pipe(server.ex, Dir::Response),
            State::Client1(client) => self.drain_pipe(client.ex, Dir::Request),
            _ => {}
        }
    }

    pub(crate) fn link_relieved(&mut self, key: Key<Conn>) {
        self.wake(key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        let State::Link(link) = &mut conn.state else { return };
        for (ex, dir) in std::mem::take(&mut link.held) {
            self.drain_pipe(ex, dir);
        }
    }
}

/// Trailers that have to wait travel in a request's clothes.
fn carrier(fields: Fields<'_>) -> Request<'_> {
    Request { method: b"", scheme: b"", authority: b"", path: b"", version: Version::H2, form: Form::Origin, fields }
}
