//! A connection: transport, buffers and what its bytes currently are.
//!
//! Sizes that bound it: `HIGH` bytes waiting to be written make the writer of those bytes pause; below `LOW` it goes on. Input that
//! cannot be used yet waits in `inb`, at most one read (64 KiB of ciphertext) beyond what made it pause.
//! Never here: what to do with bytes (see `entry`, `http`).

use crate::base::slab::Key;
use crate::base::wheel::Alarm;
use crate::entry::sniff::Sniff;
use crate::route::endpoint::Endpoint;
use crate::route::target::Target;
use crate::tally::inbound::Known;
use crate::tally::streams::Closing;
use crate::tally::tcp::TcpTally;
use crate::traffic::h1::{Client1, Server1};
use crate::traffic::h2::Link;
use crate::traffic::pace::Pace;
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes waiting to be written on a connection that make its sources pause.
pub(crate) const HIGH: usize = 256 << 10;
/// Sources go on below this.
pub(crate) const LOW: usize = 64 << 10;

/// Which of the four sides of a proxy a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Accepted on the outbound listener: our application.
    AppIn,
    /// Dialed for it: a peer's proxy or a plain server.
    PeerOut,
    /// Accepted on the inbound listener: another pod.
    PeerIn,
    /// Dialed for it: our application.
    AppOut,
}

impl Role {
    /// Whether we accepted it.
    pub(crate) fn accepted(self) -> bool {
        matches!(self, Role::AppIn | Role::PeerIn)
    }

    /// Whether it belongs to the outbound side.
    pub(crate) fn outbound(self) -> bool {
        matches!(self, Role::AppIn | Role::PeerOut)
    }
}

/// What the bytes are.
pub(crate) enum State {
    /// Not known yet, or known but not yet let through.
    Sniff(Box<Sniff>),
    /// Bytes for the other connection. `NONE` once that one is gone.
    Opaque(Key<Conn>),
    /// HTTP/1 requests from an accepted connection.
    Server1(Server1),
    /// HTTP/1 responses from a dialed one.
    Client1(Client1),
    /// HTTP/2, either side.
    Link(Box<Link>),
    /// Dialed for an opaque connection, not connected yet.
    Dial(Key<Conn>),
    /// All is written; what still comes is thrown away, so that the answer is not lost to a reset.
    Linger,
}

/// What TLS is on a connection, for labels and policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Clear text: not even tried, or the peer did not.
    #[default]
    None,
    /// Terminated here; the client's verified name, if it showed a certificate.
    Mesh(Option<Arc<str>>),
    /// The application's own TLS, passed through; its SNI.
    Opaque(Arc<str>),
}

/// What is known about an accepted connection, for its life.
#[derive(Debug)]
pub(crate) struct Info {
    /// Who connected.
    pub(crate) remote: SocketAddr,
    /// Where it was meant to go; the transport header corrects the port.
    pub(crate) original: SocketAddr,
    /// TLS towards us.
    pub(crate) tls: Tls,
    /// Outbound, or gateway: where its requests go.
    pub(crate) target: Key<Target>,
    /// Inbound: which port's policy rules.
    pub(crate) port: u16,
    /// Inbound: it serves other clusters, not our application.
    pub(crate) gateway: bool,
    /// Inbound: our application behind it.
    pub(crate) app: Key<Endpoint>,
    /// Inbound: policy says not to look for TLS.
    pub(crate) skipped: bool,
    /// Inbound: the route that let in the request for an upgrade.
    pub(crate) tunnel: Option<Box<table::Meta>>,
    /// Whether it takes what waits for it, and whether it is used.
    pub(crate) taking: Pace,
    pub(crate) using: Pace,
    /// Request series used last, by rule; see `tally::inbound`.
    pub(crate) series: Vec<Known>,
    /// Outbound bytes: the route to be counted as closed.
    pub(crate) closing: Closing,
}

/// One connection.
pub(crate) struct Conn {
    pub(crate) role: Role,
    pub(crate) flags: Flags,
    pub(crate) state: State,
    pub(crate) session: Option<tls::Session>,
    /// Ciphertext that is not a whole record yet.
    pub(crate) cipher: Vec<u8>,
    /// Plaintext that cannot be used yet.
    pub(crate) inb: Vec<u8>,
    /// Plaintext to be written.
    pub(crate) out: Vec<u8>,
    /// Bytes to be sent when there is TLS.
    pub(crate) wire: Vec<u8>,
    /// How much of `wire` (or, without TLS, of `out`) has been sent.
    pub(crate) sent: usize,
    pub(crate) alarm: Alarm,
    pub(crate) tally: TcpTally,
    /// Accepted connections.
    pub(crate) info: Option<Box<Info>>,
    /// Dialed connections.
    pub(crate) endpoint: Key<Endpoint>,
    /// Bytes ever sent, modulo 2^32.
    pub(crate) wrote: u32,
}

/// Yes-or-no facts about a connection.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    /// In the list of connections to flush.
    pub(crate) const DIRTY: Flags = Flags(1);
    /// Connected, and the TLS handshake (if any) is over.
    pub(crate) const UP: Flags = Flags(1 << 1);
    /// The peer sends no more.
    pub(crate) const ENDED: Flags = Flags(1 << 2);
    /// Write what is there, then say that no more comes.
    pub(crate) const FIN: Flags = Flags(1 << 3);
    /// That has been said.
    pub(crate) const FIN_SENT: Flags = Flags(1 << 4);
    /// Write what is there, then close.
    pub(crate) const CLOSING: Flags = Flags(1 << 5);
    /// Do not read.
    pub(crate) const PAUSED: Flags = Flags(1 << 6);
    /// Somebody waits until less is waiting to be written.
    pub(crate) const PRESSED: Flags = Flags(1 << 7);
    /// In the list of connections whose kept input shall be looked at again.
    pub(crate) const QUEUED: Flags = Flags(1 << 8);
    /// Counted by its endpoint's balancer as long as it lives (opaque pairs).
    pub(crate) const LOAD: Flags = Flags(1 << 9);
    /// The kernel has connected it.
    pub(crate) const CONNECTED: Flags = Flags(1 << 10);
    /// The TLS peer closed the stream properly.
    pub(crate) const CLOSE_NOTIFY: Flags = Flags(1 << 11);
    /// Close with a reset.
    pub(crate) const RESET: Flags = Flags(1 << 12);
    /// Counts as one of its endpoint's connections being made.
    pub(crate) const DIALING: Flags = Flags(1 << 13);

    /// Among its endpoint's unused connections.
    pub(crate) const POOLED: Flags = Flags(1 << 14);
    /// It was not up in time.
    pub(crate) const LATE: Flags = Flags(1 << 15);

    #[inline]
    pub(crate) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    #[inline]
    pub(crate) fn clear(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }

    /// Sets the flag; whether it was clear before.
    #[inline]
    pub(crate) fn raise(&mut self, flag: Flags) -> bool {
        let raised = !self.has(flag);
        self.set(flag);
        raised
    }
}

impl Conn {
    pub(crate) fn new(role: Role, state: State) -> Conn {
        Conn {
            role,
            flags: Flags::default(),
            state,
            session: None,
            cipher: Vec::new(),
            inb: Vec::new(),
            out: Vec::new(),
            wire: Vec::new(),
            sent: 0,
            alarm: Alarm::default(),
            tally: TcpTally::default(),
            info: None,
            endpoint: Key::NONE,
            wrote: 0,
        }
    }

    /// Whether the peer showed a certificate that holds.
    pub(crate) fn verified(&self) -> bool {
        self.info.as_deref().is_some_and(|info| matches!(info.tls, Tls::Mesh(Some(_))))
    }

    /// Bytes that wait to be written.
    #[inline]
    pub(crate) fn backlog(&self) -> usize {
        self.out.len() + self.wire.len() - self.sent
    }

    /// Whether more follows what is to be written now: its end, by `Net::finish` or by a close that cannot become a reset, since
    /// nothing is left to be read; or an answer, with which a ticket of TLS may go.
    #[inline]
    pub(crate) fn more_follows(&self) -> bool {
        let has = |flag| self.flags.has(flag);
        if has(Flags::CLOSING) {
            return (self.role.accepted() || has(Flags::ENDED)) && !has(Flags::RESET);
        }
        has(Flags::FIN) || has(Flags::UP) && matches!(self.state, State::Sniff(_))
    }

    /// Whether its sources should pause.
    #[inline]
    pub(crate) fn full(&self) -> bool {
        self.backlog() >= HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle connection costs beside its socket; `Info` comes on top for accepted ones.
    #[test]
    fn a_connection_stays_small() {
        let (conn, info) = (size_of::<Conn>(), size_of::<Info>());
        assert!(conn <= 320 && info <= 176, "{conn} and {info} bytes");
        assert!(size_of::<crate::traffic::exchange::Exchange>() <= 480);
    }
}
