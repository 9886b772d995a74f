//! Bytes out of a connection: collect, encrypt, send once a turn, tell sources when there is room, close when all is said.
//!
//! In: connections marked dirty. Out: the driver's `send`, `finish` and, by `kill`, `close`.
//! Never here: what the bytes mean.

use crate::base::conn::{Conn, Flags, HIGH, LOW, State};
use crate::base::net::Net;
use crate::base::slab::Key;
use crate::engine::Engine;

/// How long (ms) a connection whose answer is written, or breaks off, may take to end.
const LINGER: u64 = 2_000;

impl Engine {
    /// Puts the connection on the list of those to be written.
    #[inline]
    pub(crate) fn mark(&mut self, key: Key<Conn>) {
        if let Some(conn) = self.conns.get_mut(key)
            && conn.flags.raise(Flags::DIRTY)
        {
            self.io.dirty.push(key);
        }
    }

    /// A connection to be written to, with room lent; marked.
    #[inline]
    pub(crate) fn writer(&mut self, key: Key<Conn>) -> Option<&mut Conn> {
        let conn = self.conns.get_mut(key)?;
        if conn.flags.raise(Flags::DIRTY) {
            self.io.dirty.push(key);
        }
        self.buffers.lend(&mut conn.out);
        Some(conn)
    }

    /// Encrypts and sends what waits.
    pub(crate) fn flush(&mut self, key: Key<Conn>, net: &mut impl Net) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.flags.clear(Flags::DIRTY);
        if !conn.flags.has(Flags::CONNECTED) {
            return;
        }
        loop {
            self.buffers.encrypt(conn);
            let secured = conn.session.is_some();
            let more = (!secured || conn.out.is_empty()) && conn.more_follows();
            let bytes = if secured { &mut conn.wire } else { &mut conn.out };
            while conn.sent < bytes.len() {
                match net.send(key, &bytes[conn.sent..], more) {
                    Ok(Some(n)) => {
                        conn.sent += n;
                        self.tally.wrote(&conn.tally, n);
                        conn.wrote = conn.wrote.wrapping_add(n as u32);
                    }
                    Ok(None) => break,
                    Err(e) => return self.failed(key, &e),
                }
            }
            let all = conn.sent == bytes.len();
            if all {
                bytes.clear();
                conn.sent = 0;
            } else if conn.sent >= HIGH {
                bytes.drain(..conn.sent);
                conn.sent = 0;
            }
            // What did not fit in front of the cipher goes round once more: no readiness would bring us back for it.
            if !all || conn.out.is_empty() || !conn.flags.has(Flags::UP) {
                break;
            }
        }
        self.flushed(key, net);
    }

    fn flushed(&mut self, key: Key<Conn>, net: &mut impl Net) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.out.is_empty() {
            self.buffers.give(&mut conn.out);
        }
        if conn.wire.is_empty() {
            self.buffers.give(&mut conn.wire);
        }
        let flags = conn.flags;
        if conn.backlog() == 0 {
            if flags.has(Flags::CLOSING) {
                return self.close_out(key, net);
            }
            if flags.has(Flags::FIN) {
                conn.flags.clear(Flags::FIN);
                conn.flags.set(Flags::FIN_SENT);
                net.finish(key);
                if matches!(conn.state, State::Opaque(_)) && flags.has(Flags::ENDED) {
                    return self.kill(key, false);
                }
            }
        }
        if let Some(conn) = self.conns.get_mut(key)
            && conn.flags.has(Flags::PRESSED)
            && conn.backlog() < LOW
        {
            conn.flags.clear(Flags::PRESSED);
            self.relieve(key);
        }
    }

    /// All is written to a connection that shall close: an accepted one lingers until its peer has read that.
    fn close_out(&mut self, key: Key<Conn>, net: &mut impl Net) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.role.accepted() && !conn.flags.has(Flags::ENDED) && !conn.flags.has(Flags::RESET) {
            conn.flags.clear(Flags::CLOSING);
            conn.flags.clear(Flags::PAUSED);
            conn.inb = Vec::new();
            conn.state = State::Linger;
            if let Some(session) = &mut conn.session {
                session.close(&mut conn.wire);
                let _ = net.send(key, &conn.wire[conn.sent..], true);
                conn.wire.clear();
            }
            net.finish(key);
            net.thirsty(key);
            self.alarm(key, LINGER);
        } else {
            self.kill(key, false);
        }
    }

    /// Writes what is there, then closes.
    pub(crate) fn close_after(&mut self, key: Key<Conn>) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.flags.set(Flags::CLOSING);
            self.mark(key);
        }
    }

    /// Writes what is there, for at most LINGER, then resets: what came before a break reaches the reader, and so does the break.
    pub(crate) fn reset_after(&mut self, key: Key<Conn>) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.flags.set(Flags::RESET);
            conn.inb = Vec::new();
            conn.state = State::Linger;
        }
        self.close_after(key);
        self.alarm(key, LINGER);
    }

    fn relieve(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        match &conn.state {
            State::Opaque(to) => {
                let to = *to;
                self.resume(to);
            }
            State::Server1(_) | State::Client1(_) => self.h1_relieved(key),
            State::Link(_) => self.link_relieved(key),
            State::Sniff(_) | State::Dial(_) | State::Linger => {}
        }
    }
}
