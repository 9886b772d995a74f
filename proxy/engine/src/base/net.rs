//! The seam to a driver: what it does for the engine, and the lists of what shall be done in a turn.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::route::endpoint::Endpoint;
use crate::traffic::exchange::Exchange;
use std::io;
use std::net::SocketAddr;

/// What a driver does for the engine.
pub(crate) trait Net {
    /// Begins to connect; `Engine::connected` or `Engine::broken` tells how it went. `eager`: we speak first.
    fn dial(&mut self, key: Key<Conn>, addr: SocketAddr, outbound: bool, eager: bool) -> io::Result<()>;
    /// Sends what fits; `None`: nothing does now, `Engine::writable` comes later. `more`: `finish`, `close` or another `send`
    /// follows soon, and one packet may take it all.
    fn send(&mut self, key: Key<Conn>, bytes: &[u8], more: bool) -> io::Result<Option<usize>>;
    /// No more will be sent.
    fn finish(&mut self, key: Key<Conn>);
    /// Closes, by reset if asked.
    fn close(&mut self, key: Key<Conn>, reset: bool);
    /// The engine reads this one again.
    fn thirsty(&mut self, key: Key<Conn>);
}

/// Work lists of one turn of the loop.
#[derive(Default)]
pub(crate) struct Io {
    /// Something to write.
    pub(crate) dirty: Vec<Key<Conn>>,
    /// To be connected.
    pub(crate) dials: Vec<(Key<Conn>, SocketAddr)>,
    /// Gone; the flag asks for a reset.
    pub(crate) closed: Vec<(Key<Conn>, bool)>,
    /// May be read again.
    pub(crate) thirsty: Vec<Key<Conn>>,
    /// Kept input, or an end, shall be looked at.
    pub(crate) ready: Vec<Key<Conn>>,
    /// Requests whose turn to be sent has come (again).
    pub(crate) retry: Vec<Key<Exchange>>,
    /// A link to them may have room for those who wait for one.
    pub(crate) roomy: Vec<Key<Endpoint>>,
}
