//! HTTP/2 connections of either role: events of the codec to exchanges and back.
//!
//! In: bytes. Out: heads and body pieces of exchanges. A stream's token is its exchange's key.
//! Limits: the codec's windows, streams and buckets (`Config::h2`); beyond 1 MiB of unsent output nothing is read.

use crate::base::conn::{self, Conn, Flags, HIGH, State};
use crate::base::slab::Key;
use crate::config::Config;
use crate::engine::Engine;
use crate::tally::refused::{self, Reason};
use crate::traffic::exchange::{Dir, Exchange, Facts};
use crate::traffic::fault::Fault;
use http::h2::{self, Code, Event, Role};

/// An HTTP/2 connection.
pub(crate) struct Link {
    pub(crate) h2: h2::Conn,
    pub(crate) role: Role,
    /// Bodies that wait until less output is unsent.
    pub(crate) held: Vec<(Key<Exchange>, Dir)>,
    /// A ping is out, and nothing has come since.
    pinged: bool,
    /// When something came last (ns).
    last: u64,
    /// The peer has asked something.
    heard: bool,
    /// Takes no more streams of ours; goes when the last has ended.
    retired: bool,
}

impl Link {
    pub(crate) fn new(role: Role, config: &h2::Config, now: u64, out: &mut Vec<u8>) -> Link {
        let h2 = h2::Conn::new(role, config, now, out);
        Link { h2, role, held: Vec::new(), pinged: false, last: now, heard: false, retired: false }
    }
}

/// What we announce on a connection of this role.
pub(crate) fn settings(config: &Config, role: conn::Role) -> h2::Config {
    let (own, max_streams) = match role {
        conn::Role::AppIn => (&config.outbound_side.h2, config.outbound_side.h2.max_streams),
        conn::Role::PeerIn => (&config.inbound_side.h2, config.inbound_side.h2.max_streams),
        conn::Role::PeerOut | conn::Role::AppOut => (&config.h2, config.h2.streams_per_link),
    };
    let mut limits = h2::Limits::default();
    limits.resets = own.resets.unwrap_or(limits.resets);
    h2::Config {
        stream_window: own.stream_window,
        connection_window: own.connection_window,
        frame: own.frame,
        header_list: u32::try_from(own.max_head).unwrap_or(u32::MAX),
        max_streams,
        limits,
    }
}

impl Engine {
    fn link(&mut self, key: Key<Conn>) -> Option<&mut Link> {
        match &mut self.conns.get_mut(key)?.state {
            State::Link(link) => Some(link),
            _ => None,
        }
    }

    /// Frames. Returns how many bytes are done with.
    pub(crate) fn link_step(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut at, now) = (0, self.now);
        loop {
            let Some(conn) = self.conns.get_mut(key) else {
                at = data.len();
                break;
            };
            if conn.backlog() >= 4 * HIGH {
                // Bodies stop at HIGH; what is above are answers the peer provokes and does not read.
                conn.flags.set(Flags::PRESSED);
                break;
            }
            let State::Link(link) = &mut conn.state else { break };
            (link.last, link.pinged) = (now, false);
            self.buffers.lend(&mut conn.out);
            let before = conn.out.len();
            let event = link.h2.recv(now, data, &mut at, &mut scratch, &mut conn.out);
            let wrote = conn.out.len() > before;
            if wrote && conn.flags.raise(Flags::DIRTY) {
                self.io.dirty.push(key);
            }
            match event {
                Ok(None) => break,
                Ok(Some(event)) => self.link_event(key, event),
                Err(fatal) => {
                    self.count_refused(key, refused::link(&fatal));
                    self.link_broken(key);
                    at = data.len();
                    break;
                }
            }
        }
        self.scratch = scratch;
        self.link_after(key);
        at
    }

    /// After the events of one read: buffers back, and the end of a link that is done.
    fn link_after(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.out.is_empty() {
            self.buffers.give(&mut conn.out);
        }
        let outbound = conn.role.outbound();
        if let State::Link(link) = &mut conn.state
            && let Some(faults) = link.h2.take_faults()
        {
            self.tally.refused_often(outbound, Reason::Http2Stream, faults.malformed.into());
            self.tally.refused_often(outbound, Reason::Http2StreamRefused, faults.refused.into());
            self.tally.refused_often(outbound, Reason::Http2HeaderList, faults.lists.into());
        }
        // Its streams may have ended in ways that no request of ours hears of, or the peer's settings allow more of them.
        let at = conn.endpoint;
        self.endpoint_room(at);
        self.link_idle(key);
    }

    /// The first request: from now on the link may be idle.
    fn link_heard(&mut self, key: Key<Conn>) {
        if let Some(link) = self.link(key)
            && !std::mem::replace(&mut link.heard, true)
        {
            self.alarm(key, 0);
            self.link_keepalive(key);
        }
    }

    /// Ends a link that takes no more streams once the last one has ended.
    pub(crate) fn link_idle(&mut self, key: Key<Conn>) {
        let Some(link) = self.link(key) else { return };
        if link.retired && link.h2.idle() || link.h2.spent() {
            self.close_after(key);
        }
    }

    fn link_event(&mut self, key: Key<Conn>, event: Event<'_>) {
        match event {
            Event::Request { stream, head, end, length } => {
                self.link_heard(key);
                self.request(key, stream, &head, end, length, None);
            }
            Event::Response { token, head, end, length, .. } => {
                let ex = Key::from_token(token);
                if head.status < 200 {
                    return self.interim(ex, &head);
                }
                self.response(ex, &head, end, length);
            }
            Event::Data { stream, token, data, end } => {
                let (ex, dir) = (Key::from_token(token), self.dir_of(key));
                if !self.exchanges.has(ex) {
                    return self.link_release(key, stream, data.len());
                }
                self.body_in(ex, dir, data, end);
            }
            Event::Trailers { token, fields, .. } => {
                let dir = self.dir_of(key);
                self.trailers_in(Key::from_token(token), dir, &fields);
            }
            Event::Reset { token, code, .. } => self.link_reset(key, Key::from_token(token), code),
            Event::Writable { token, .. } => {
                let dir = if self.dir_of(key) == Dir::Request { Dir::Response } else { Dir::Request };
                self.drain_pipe(Key::from_token(token), dir);
            }
            Event::Goaway { .. } => {}
            Event::Pong { .. } => {}
            Event::Settings => {}
        }
    }

    /// Which body arrives on this connection.
    fn dir_of(&mut self, key: Key<Conn>) -> Dir {
        if self.link(key).is_some_and(|link| link.role == Role::Client) { Dir::Response } else { Dir::Request }
    }

    fn link_release(&mut self, key: Key<Conn>, stream: h2::StreamId, n: usize) {
        let Some(conn) = self.writer(key) else { return };
        if let State::Link(link) = &mut conn.state {
            link.h2.release(&mut conn.out, stream, n);
        }
    }

    fn link_reset(&mut self, key: Key<Conn>, ex: Key<Exchange>, code: Code) {
        if self.dir_of(key) == Dir::Request {
            if let Some(x) = self.exchanges.get_mut(ex) {
                x.down = Key::NONE;
            }
            return self.abandon(ex);
        }
        self.detach_up(ex, key);
        match self.exchanges.get(ex) {
            Some(x) if x.facts.has(Facts::DONE) => return self.exchange_done(ex),
            // What was answered is still on its way to the client.
            Some(x) if x.res.ended && code == Code::NoError => return,
            _ => {}
        }
        self.fail(ex, &Fault::Reset(code));
    }

    /// The peer broke the protocol: its streams fail, the GOAWAY that the codec wrote is sent, then it ends.
    fn link_broken(&mut self, key: Key<Conn>) {
        let Some(link) = self.link(key) else { return };
        let (tokens, client) =
            (link.h2.streams().map(|(_, token)| token).collect::<Vec<_>>(), link.role == Role::Client);
        link.retired = true;
        for token in tokens {
            let ex = Key::from_token(token);
            if client {
                self.detach_up(ex, key);
                self.fail(ex, &Fault::BadResponse);
            } else {
                if let Some(x) = self.exchanges.get_mut(ex) {
                    x.down = Key::NONE;
                }
                self.abandon(ex);
            }
        }
        self.close_after(key);
    }

    /// A link is gone with all its streams.
    pub(crate) fn link_gone(&mut self, key: Key<Conn>, conn: &Conn, link: Link) {
        let at = conn.endpoint;
        if let Some(endpoint) = self.routes.endpoints.get_mut(at) {
            endpoint.links.retain(|&link| link != key);
        }
        let client = link.role == Role::Client;
        for (_, token) in link.h2.streams() {
            let ex = Key::from_token(token);
            if client {
                self.detach_up(ex, key);
                self.fail(ex, if link.h2.left() { &Fault::Away } else { &Fault::Io });
            } else {
                self.abandon(ex);
            }
        }
        if client && !conn.flags.has(Flags::UP) {
            self.dial_failed(at, false, conn.flags.has(Flags::LATE));
        } else if client {
            self.endpoint_room(at);
        }
    }

    /// The endpoint has left: streams may finish, no new ones.
    pub(crate) fn link_retire(&mut self, key: Key<Conn>) {
        let Some(conn) = self.writer(key) else { return };
        if !conn.flags.has(Flags::UP) {
            return self.kill(key, false);
        }
        if let State::Link(link) = &mut conn.state {
            link.retired = true;
            link.h2.goaway(&mut conn.out, Code::NoError);
        }
        self.link_idle(key);
    }

    /// Says GOAWAY on an accepted link; requests on their way still get in (the codec says it twice, with a ping between).
    pub(crate) fn link_drain(&mut self, key: Key<Conn>) {
        let Some(conn) = self.writer(key) else { return };
        if let State::Link(link) = &mut conn.state {
            link.h2.goaway(&mut conn.out, Code::NoError);
        }
    }

    /// Interval and timeout of the pings of a link: as its endpoint's own settings say, else as ours do.
    fn keepalive(&self, key: Key<Conn>) -> Option<(u64, u64)> {
        let conn = self.conns.get(key)?;
        let (interval, timeout) = match conn.role {
            conn::Role::AppIn => self.config.outbound_side.h2.keepalive,
            conn::Role::PeerIn => self.config.inbound_side.h2.keepalive,
            _ => {
                let endpoint = self.routes.endpoints.get(conn.endpoint)?;
                let own = endpoint.spec.http2.and_then(|own| own.keepalive);
                own.or(endpoint.peer().and(self.config.h2.keepalive))
            }
        }?;
        Some((interval.as_millis() as u64, timeout.as_millis() as u64))
    }

    /// Looks after the configured interval whether the peer is still there.
    pub(crate) fn link_keepalive(&mut self, key: Key<Conn>) {
        if let Some((interval, _)) = self.keepalive(key) {
            self.alarm(key, interval);
        }
    }

    pub(crate) fn link_alarm(&mut self, key: Key<Conn>) {
        let (keepalive, now) = (self.keepalive(key), self.now);
        let Some(conn) = self.conns.get(key) else { return };
        let State::Link(link) = &conn.state else { return };
        if !link.heard && link.role == Role::Server {
            return self.turn_away(key, Reason::FirstHeadTimeout);
        }
        if !conn.flags.has(Flags::UP) || link.pinged {
            if let Some(conn) = self.conns.get_mut(key) {
                conn.flags.set(Flags::LATE);
            }
            return self.kill(key, true);
        }
        let Some((interval, timeout)) = keepalive else { return };
        let silent = (now - link.last) / 1_000_000;
        if silent < interval {
            return self.alarm(key, interval - silent);
        }
        let own = self.routes.endpoints.get(conn.endpoint).and_then(|endpoint| endpoint.spec.http2);
        if link.h2.idle() && own.is_some_and(|own| own.keepalive.is_some() && !own.while_idle) {
            return self.alarm(key, interval);
        }
        if let Some(conn) = self.writer(key)
            && let State::Link(link) = &mut conn.state
        {
            link.pinged = true;
            link.h2.ping(&mut conn.out, *b"alive?\0\0");
        }
        self.alarm(key, timeout);
    }
}
