//! Connections turned away before a request or a byte of theirs went on.
//!
//! In: a connection and rustls's error. Out: its end; `tally::detect` and `tally::refused` count the reason.
//! Never here: strangers' own text.

use crate::base::conn::{Conn, Flags, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::tally::refused;

impl Engine {
    /// TLS with a peer failed.
    pub(crate) fn shake_failed(&mut self, key: Key<Conn>, error: &rustls::Error) {
        self.blame(key, tls::reason(error));
        self.session_failed(key, error);
    }

    /// The session is broken. Whom we accepted is told why, if we know; whoever counts on a dialed one must know at once.
    fn session_failed(&mut self, key: Key<Conn>, error: &rustls::Error) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.flags.has(Flags::CLOSING) || matches!(conn.state, State::Linger) {
            return;
        }
        let (accepted, outbound) = (conn.role.accepted(), conn.role.outbound());
        self.tally.refused(outbound, refused::session(error));
        if accepted && matches!(conn.state, State::Sniff(_)) {
            // What still comes is no longer deciphered, and the alert goes out as it is.
            conn.session = None;
            conn.out = std::mem::take(&mut conn.wire);
            self.buffers.give(&mut conn.cipher);
            self.close_after(key);
        } else {
            self.broken(key);
        }
    }
}
