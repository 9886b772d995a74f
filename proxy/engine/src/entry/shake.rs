//! Connections turned away before a request or a byte of theirs went on.
//!
//! In: a connection and rustls's error, or a reason. Out: its end; `tally::detect` counts the reason.
//! Never here: strangers' own text.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::engine::Engine;

impl Engine {
    /// TLS with a peer failed.
    pub(crate) fn shake_failed(&mut self, key: Key<Conn>, error: &rustls::Error) {
        self.blame(key, tls::reason(error));
        self.broken(key);
    }

    /// Ends a connection before it has come to anybody.
    pub(crate) fn turn_away(&mut self, key: Key<Conn>, why: &'static str) {
        self.blame(key, why);
        self.kill(key, true);
    }
}
