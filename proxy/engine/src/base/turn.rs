//! Bytes into a connection: decrypt, hand over, keep what cannot be used yet; its deadlines and its end.
//!
//! In: what the driver read or found out. Out: `step` and `end` of whatever the bytes are.
//! Never here: what the bytes mean.

use crate::base::conn::{Conn, Flags, State};
use crate::base::slab::Key;
use crate::base::wheel::Timer;
use crate::engine::Engine;
use crate::tally::Tally;
use crate::tally::refused::Reason;

/// Plaintext of a usual read; more has a buffer of its own.
const SIDE: usize = 64 << 10;
/// Kept input that makes a connection stop reading.
const KEPT: usize = 64 << 10;

impl Engine {
    /// Whether the driver may read this connection now.
    pub(crate) fn wants_read(&self, key: Key<Conn>) -> bool {
        self.conns.get(key).is_some_and(|conn| !conn.flags.has(Flags::PAUSED) && conn.inb.len() < KEPT)
    }

    /// The kernel has connected a dialed connection.
    pub(crate) fn connected(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if !conn.flags.raise(Flags::CONNECTED) {
            return;
        }
        self.mark(key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.session.is_none() {
            self.up(key);
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self, key: Key<Conn>) {
        if self.conns.get(key).is_some_and(|conn| conn.backlog() > 0) {
            self.mark(key);
        }
    }

    /// Bytes came. `data` is the driver's own and may be overwritten.
    pub(crate) fn input(&mut self, key: Key<Conn>, data: &mut [u8]) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        self.tally.read(&mut conn.tally, data.len());
        if conn.session.is_some() { self.decrypt(key, data) } else { self.deliver(key, data) }
    }

    /// Feeds ciphertext to the session and hands the plaintext on.
    pub(crate) fn decrypt(&mut self, key: Key<Conn>, data: &mut [u8]) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(mut session) = conn.session.take() else { return };
        let mut plain = std::mem::take(&mut self.side);
        if plain.capacity() == 0 && data.len() > SIDE {
            self.buffers.lend_large(&mut plain);
        }
        let fed = self.buffers.decrypt(conn, &mut session, data, &mut plain);
        conn.session = Some(session);
        let (answers, ready) = (!conn.wire.is_empty(), fed.ready && !conn.flags.has(Flags::UP));
        if answers {
            self.mark(key);
        }
        if ready {
            self.up(key);
        }
        if !plain.is_empty() && !self.opaque_give(key, &mut plain) {
            self.deliver(key, &plain);
            plain.clear();
        }
        if plain.capacity() <= SIDE {
            self.side = plain;
        } else {
            self.buffers.give(&mut plain);
        }
        if let Some(error) = fed.error {
            self.shake_failed(key, &error);
        } else if fed.closed
            && let Some(conn) = self.conns.get_mut(key)
        {
            conn.flags.set(Flags::CLOSE_NOTIFY);
            self.ended(key);
        }
    }

    /// The handshake is over, or there is none to wait for.
    fn up(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if !conn.flags.raise(Flags::UP) {
            return;
        }
        self.mark(key);
        self.port_proven(key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.session.as_ref().is_some_and(tls::Session::stale) {
            self.blame(key, "certificate expired");
            return self.turn_away(key, Reason::TlsExpired);
        }
        match conn.state {
            State::Sniff(_) => self.sniff_secured(key),
            State::Dial(from) => self.opaque_joined(key, from),
            _ => self.pool_up(key),
        }
    }

    /// Plaintext came.
    pub(crate) fn deliver(&mut self, key: Key<Conn>, data: &[u8]) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.inb.is_empty() && !conn.flags.has(Flags::PAUSED) {
            let used = self.step(key, data);
            if used < data.len()
                && let Some(conn) = self.conns.get_mut(key)
            {
                self.buffers.lend(&mut conn.inb);
                conn.inb.extend_from_slice(&data[used..]);
            }
            return;
        }
        conn.inb.extend_from_slice(data);
        self.service(key);
    }

    /// Asks that kept input, or an end, be looked at in this turn.
    pub(crate) fn wake(&mut self, key: Key<Conn>) {
        if let Some(conn) = self.conns.get_mut(key)
            && conn.flags.raise(Flags::QUEUED)
        {
            self.io.ready.push(key);
        }
    }

    /// Looks at kept input and at an end.
    pub(crate) fn service(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.flags.clear(Flags::QUEUED);
        if conn.flags.has(Flags::PAUSED) {
            return;
        }
        if !conn.inb.is_empty() {
            let mut kept = std::mem::take(&mut conn.inb);
            let was_full = kept.len() >= KEPT;
            let used = self.step(key, &kept);
            let Some(conn) = self.conns.get_mut(key) else { return };
            if used == kept.len() {
                self.buffers.give(&mut kept);
            } else {
                kept.drain(..used);
                // Nothing else fills `inb` while a step runs.
                conn.inb = kept;
            }
            if was_full && conn.inb.len() < KEPT {
                self.io.thirsty.push(key);
            }
        }
        if self.conns.get(key).is_some_and(|conn| conn.flags.has(Flags::ENDED) && !conn.flags.has(Flags::PAUSED)) {
            self.end(key);
        }
    }

    /// The peer sends no more.
    pub(crate) fn ended(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.session.is_some() && !conn.flags.has(Flags::CLOSE_NOTIFY) && matches!(conn.state, State::Opaque(_)) {
            // Cut short, maybe by an attacker: the other side must not take it for whole.
            return self.broken(key);
        }
        if conn.flags.raise(Flags::ENDED) {
            self.wake(key);
        }
    }

    /// The connection failed, or could not be made.
    pub(crate) fn broken(&mut self, key: Key<Conn>) {
        self.detected(key, "error");
        self.blame(key, "i/o");
        self.kill(key, true);
    }

    /// A system call on the connection failed.
    pub(crate) fn failed(&mut self, key: Key<Conn>, error: &std::io::Error) {
        if let Some(conn) = self.conns.get_mut(key) {
            Tally::failed(&mut conn.tally, error);
        }
        self.broken(key);
    }

    /// Counts a fault of a connection's peer.
    pub(crate) fn count_refused(&mut self, key: Key<Conn>, reason: Reason) {
        if let Some(conn) = self.conns.get(key) {
            self.tally.refused(conn.role.outbound(), reason);
        }
    }

    /// Ends a connection for its peer's fault.
    pub(crate) fn turn_away(&mut self, key: Key<Conn>, reason: Reason) {
        self.count_refused(key, reason);
        self.kill(key, true);
    }

    /// The same in the midst of a step: its bytes are done with.
    pub(crate) fn turned_away(&mut self, key: Key<Conn>, reason: Reason, data: &[u8]) -> usize {
        self.turn_away(key, reason);
        data.len()
    }

    /// Stops reading until `resume`.
    pub(crate) fn pause(&mut self, key: Key<Conn>) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.flags.set(Flags::PAUSED);
        }
    }

    /// Goes on reading.
    pub(crate) fn resume(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.flags.has(Flags::PAUSED) {
            conn.flags.clear(Flags::PAUSED);
            self.io.thirsty.push(key);
            self.wake(key);
        }
    }

    fn step(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let Some(conn) = self.conns.get_mut(key) else { return data.len() };
        if conn.flags.has(Flags::CLOSING) {
            return data.len();
        }
        match &conn.state {
            State::Sniff(_) => self.sniff_step(key, data),
            State::Opaque(to) => {
                let to = *to;
                self.opaque_step(key, to, data)
            }
            State::Server1(_) => self.server1_step(key, data),
            State::Client1(_) => self.client1_step(key, data),
            State::Link(_) => self.link_step(key, data),
            State::Dial(_) => 0,
            State::Linger => data.len(),
        }
    }

    fn end(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        match &conn.state {
            State::Opaque(to) => {
                let to = *to;
                self.opaque_end(key, to);
            }
            State::Server1(_) => self.server1_end(key),
            State::Client1(_) => self.client1_end(key),
            State::Sniff(_) => self.sniff_end(key),
            State::Link(_) | State::Dial(_) => self.kill(key, false),
            State::Linger => self.kill(key, false),
        }
    }

    pub(crate) fn conn_alarm(&mut self, key: Key<Conn>) {
        let now = self.millis();
        let Some(conn) = self.conns.get_mut(key) else { return };
        if !self.wheel.due(&mut conn.alarm, now, Timer::Conn(key)) {
            return;
        }
        match &conn.state {
            State::Sniff(_) => self.sniff_alarm(key),
            State::Server1(_) => self.server1_alarm(key),
            State::Link(_) => self.link_alarm(key),
            // Dialed and not up in time; idle in a pool; or lingering long enough.
            State::Client1(_) | State::Dial(_) | State::Linger => {
                conn.flags.set(Flags::LATE);
                self.kill(key, false);
            }
            State::Opaque(_) => {}
        }
    }

    /// Sets a connection's deadline, `after` milliseconds from now; 0: none.
    pub(crate) fn alarm(&mut self, key: Key<Conn>, after: u64) {
        let at = self.millis() + after;
        if let Some(conn) = self.conns.get_mut(key) {
            if after == 0 {
                conn.alarm.at = 0;
            } else {
                self.wheel.set(&mut conn.alarm, at, Timer::Conn(key));
            }
        }
    }

    /// Takes a connection out at once and tells everybody who counted on it.
    pub(crate) fn kill(&mut self, key: Key<Conn>, reset: bool) {
        let Some(mut conn) = self.conns.remove(key) else { return };
        self.h1_again(key, &mut conn);
        self.tally.closed(&conn);
        if conn.role.accepted() {
            self.tally.accepted -= 1;
            self.sources_leave(&conn);
        }
        for buffer in [&mut conn.cipher, &mut conn.inb, &mut conn.out, &mut conn.wire] {
            self.buffers.give(buffer);
        }
        self.io.closed.push((key, reset || conn.flags.has(Flags::RESET)));
        let gone = std::mem::replace(&mut conn.state, State::Linger);
        if let Some(info) = &conn.info {
            self.stream_closed(info, !reset && matches!(gone, State::Opaque(_)));
        }
        match gone {
            State::Sniff(sniff) => self.unknown_gone(&conn, sniff.why),
            State::Opaque(other) => self.opaque_gone(other, reset),
            State::Dial(from) => self.opaque_undialed(key, &conn, from),
            State::Server1(server) => self.server1_gone(&server),
            State::Client1(client) => self.client1_gone(key, &conn, &client),
            State::Link(link) => self.link_gone(key, &conn, *link),
            State::Linger => {}
        }
        if let Some(info) = conn.info.take() {
            self.release_info(&info);
        }
        self.opaque_unload(&conn);
        self.endpoint_unuse(conn.endpoint);
    }
}
