//! Opaque connections: a pair, bytes from one to the other, ends and pressure passed on.
//!
//! In: an accepted connection that shall be forwarded. Out: a dialed one beside it.
//! Limits: 256 KiB wait to be written in each direction; `TRIES` dials; the connect timeout for each.
//! Never here: what the bytes mean.

use crate::base::conn::{Conn, Flags, Role, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::entry::sniff::Stage;
use crate::route::endpoint::Endpoint;
use wire::transport_header::Session;

/// A read of so many bytes is passed on without another copy (a record's worth).
const LONG: usize = 16 << 10;
/// Endpoints tried for one connection.
const TRIES: u8 = 3;

impl Engine {
    /// Finds the other side for a connection and dials it.
    pub(crate) fn opaque_join(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get(key) else { return };
        let (State::Sniff(sniff), Some(info)) = (&conn.state, &conn.info) else { return };
        let (waited, outbound) = (sniff.stage == Stage::Join, conn.role == Role::AppIn || info.gateway);
        self.tally.opened(&mut self.conns, &self.ports, key);
        if outbound && self.wants_name(key) {
            return;
        }
        if !waited {
            let limit = self.side(outbound).tcp_failfast.as_millis() as u64;
            self.stage(key, Stage::Join);
            let now = self.now;
            if let Some(sniff) = self.sniff(key) {
                sniff.joined = now;
            }
            self.alarm(key, limit.max(1));
        }
        let endpoint = if outbound { self.stream_endpoint(key) } else { self.opaque_app(key) };
        let Some(endpoint) = endpoint else { return };
        match self.dial(endpoint, Session::Opaque, State::Dial(key)) {
            Ok(dialed) => self.opaque_load(key, dialed, endpoint),
            Err(_) => self.kill(key, true),
        }
    }

    /// The balancer counts the connection as a request that lasts.
    fn opaque_load(&mut self, key: Key<Conn>, dialed: Key<Conn>, at: Key<Endpoint>) {
        let now = self.now;
        let waited = now - self.sniff(key).map_or(now, |sniff| sniff.joined);
        let Some(endpoint) = self.routes.endpoints.get(at) else { return };
        if let (Some(path), Some(id)) = (self.routes.paths.get_mut(endpoint.path), endpoint.id) {
            path.pool.start(id);
            if let Some(members) = &path.gauges {
                members.asked(&self.tally.shard, waited);
            }
            if let Some(conn) = self.conns.get_mut(dialed) {
                conn.flags.set(Flags::LOAD);
            }
        }
    }

    pub(crate) fn opaque_unload(&mut self, conn: &Conn) {
        let Some(endpoint) = self.routes.endpoints.get(conn.endpoint).filter(|_| conn.flags.has(Flags::LOAD)) else {
            return;
        };
        if let (Some(path), Some(id)) = (self.routes.paths.get_mut(endpoint.path), endpoint.id) {
            path.pool.finish(id, None, self.now);
        }
    }

    /// Our application.
    fn opaque_app(&mut self, key: Key<Conn>) -> Option<Key<Endpoint>> {
        let info = self.info(key)?;
        if info.app.is_none() {
            let addr = info.original;
            let app = self.app_endpoint(addr);
            self.info(key)?.app = app;
        }
        Some(self.info(key)?.app)
    }

    /// The dialed side is up: from now on the two are a pair.
    pub(crate) fn opaque_joined(&mut self, key: Key<Conn>, from: Key<Conn>) {
        self.alarm(key, 0);
        let at = self.conns.get(key).map_or(Key::NONE, |conn| conn.endpoint);
        if self.routes.endpoints.get_mut(at).is_some_and(|endpoint| std::mem::take(&mut endpoint.failures) > 0) {
            self.gate_checked(at);
        }
        let Some(accepted) = self.conns.get_mut(from) else { return self.kill(key, true) };
        accepted.state = State::Opaque(key);
        if let Some(dialed) = self.conns.get_mut(key) {
            dialed.state = State::Opaque(from);
        }
        self.alarm(from, 0);
        self.wake(from);
        self.wake(key);
    }

    /// The dialed side could not be made: another try, or the end.
    pub(crate) fn opaque_undialed(&mut self, key: Key<Conn>, conn: &Conn, from: Key<Conn>) {
        let at = conn.endpoint;
        let _: Key<Conn> = key;
        self.leave_alone(at);
        let Some(sniff) = self.sniff(from) else { return };
        sniff.tries += 1;
        let app = conn.role == Role::AppOut;
        if sniff.tries >= TRIES || app { self.kill(from, true) } else { self.opaque_join(from) }
    }

    /// Decrypted bytes of a long stream, buffer and all, for a side that wants them as they are. False: they must be copied.
    pub(crate) fn opaque_give(&mut self, key: Key<Conn>, plain: &mut Vec<u8>) -> bool {
        let Some(conn) = self.conns.get(key) else { return false };
        let State::Opaque(to) = conn.state else { return false };
        if plain.len() < LONG || !conn.inb.is_empty() || conn.flags.has(Flags::PAUSED) || conn.flags.has(Flags::CLOSING)
        {
            return false;
        }
        let Some(other) = self.conns.get_mut(to) else { return false };
        if other.session.is_some() || !other.out.is_empty() {
            return false;
        }
        std::mem::swap(&mut other.out, plain);
        self.buffers.give(plain);
        if other.full() {
            other.flags.set(Flags::PRESSED);
            self.pause(key);
        }
        self.mark(to);
        true
    }

    /// Bytes for the other side.
    pub(crate) fn opaque_step(&mut self, key: Key<Conn>, to: Key<Conn>, data: &[u8]) -> usize {
        if data.len() >= LONG
            && let Some(conn) = self.conns.get_mut(to)
            && conn.flags.has(Flags::UP)
            && conn.out.is_empty()
            && let Some(session) = &mut conn.session
        {
            // As it came, into records: nothing is gained by collecting more.
            self.buffers.lend_large(&mut conn.wire);
            session.encrypt(data, &mut conn.wire);
            if conn.full() {
                conn.flags.set(Flags::PRESSED);
                self.pause(key);
            }
            self.mark(to);
            return data.len();
        }
        let Some(conn) = self.writer(to) else { return data.len() };
        conn.out.extend_from_slice(data);
        if conn.full() {
            conn.flags.set(Flags::PRESSED);
            self.pause(key);
        }
        data.len()
    }

    /// One side sends no more: the other is told so after the last byte.
    pub(crate) fn opaque_end(&mut self, key: Key<Conn>, to: Key<Conn>) {
        let done = self.conns.get(key).is_some_and(|conn| conn.flags.has(Flags::FIN_SENT) && conn.backlog() == 0);
        if let Some(other) = self.conns.get_mut(to)
            && !other.flags.has(Flags::FIN_SENT)
        {
            other.flags.set(Flags::FIN);
            self.mark(to);
        }
        if done || to.is_none() {
            self.kill(key, false);
        }
    }

    /// One side is gone: a reset is passed on at once, an end after the last byte.
    pub(crate) fn opaque_gone(&mut self, other: Key<Conn>, reset: bool) {
        let Some(conn) = self.conns.get_mut(other) else { return };
        conn.state = State::Opaque(Key::NONE);
        if reset { self.kill(other, true) } else { self.close_after(other) }
    }
}
