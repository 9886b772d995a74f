//! One address: how to speak to it, the connections kept to it, and how it has been doing.
//!
//! In: the control plane's word about it; what its connections report. Out: what `pool` needs to hand out a connection.
//! Limits: links by `Config::h2.max_links`, unused HTTP/1 connections by `Side::pool_max`, waiting requests by `Side::queue`.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::route::path::Path;
use crate::tally::tcp::TcpTally;
use crate::traffic::exchange::Exchange;
use balance::breaker::Breaker;
use balance::pool::EndpointId;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use table::outbound as spec;

/// An endpoint as a worker knows it.
pub(crate) struct Endpoint {
    pub(crate) spec: Arc<spec::Endpoint>,
    /// Our side of it: dialed for the application, or the application itself.
    pub(crate) outbound: bool,
    /// In this very pod: no TLS, no header, no upgrade.
    pub(crate) local: bool,
    /// An ingress's original destination, taken because a request named none.
    pub(crate) unnamed: bool,
    /// Whose member it is, with its number there.
    pub(crate) path: Key<Path>,
    pub(crate) id: Option<EndpointId>,
    /// HTTP/2 links, up or being made.
    pub(crate) links: Vec<Key<Conn>>,
    /// Unused HTTP/1 connections, last used last; may hold keys of dead ones.
    pub(crate) idle: Vec<Key<Conn>>,
    /// How many of `idle` live.
    pub(crate) idle_live: usize,
    /// Requests that wait for a link, or for an HTTP/1 connection.
    pub(crate) waiting2: VecDeque<Key<Exchange>>,
    pub(crate) waiting1: VecDeque<Key<Exchange>>,
    /// In the list of those whose waiting requests have a try.
    pub(crate) roomy: bool,
    /// HTTP/1 connections being made.
    pub(crate) dialing1: u32,
    /// Connect failures in a row, and until when (ms) it is left alone.
    pub(crate) failures: u32,
    pub(crate) avoid_until: u64,
    /// Has served HTTP: when it could not be reached it is probed.
    pub(crate) requested: bool,
    pub(crate) breaker: Breaker,
    /// TLS client configuration and the certificate epoch it was made in.
    pub(crate) client: Option<(u32, Arc<rustls::ClientConfig>)>,
    /// Connections and requests that know it by key.
    pub(crate) users: u32,
    /// Not in its path any more: goes when the last user does.
    pub(crate) retired: bool,
    /// Request series, and that of its connections.
    pub(crate) series: Option<u32>,
    pub(crate) tcp: Option<TcpTally>,
    /// `authority` label.
    pub(crate) authority: Arc<str>,
}

impl Endpoint {
    pub(crate) fn new(spec: Arc<spec::Endpoint>, outbound: bool, local: bool, authority: Arc<str>) -> Endpoint {
        Endpoint {
            spec,
            outbound,
            local,
            unnamed: false,
            path: Key::NONE,
            id: None,
            links: Vec::new(),
            idle: Vec::new(),
            idle_live: 0,
            waiting2: VecDeque::new(),
            waiting1: VecDeque::new(),
            roomy: false,
            dialing1: 0,
            failures: 0,
            avoid_until: 0,
            requested: false,
            breaker: Breaker::new(),
            client: None,
            users: 0,
            retired: false,
            series: None,
            tcp: None,
            authority,
        }
    }

    /// Our own application at an address.
    pub(crate) fn app(addr: SocketAddr) -> Endpoint {
        let spec = spec::Endpoint {
            addr,
            weight: 10_000,
            tls: None,
            hint: spec::Hint::None,
            inbound_port: None,
            authority: None,
            labels: Arc::from([]),
            near: false,
            http2: None,
        };
        Endpoint::new(Arc::new(spec), false, true, "".into())
    }

    /// Who must answer the TLS handshake; none: clear text.
    pub(crate) fn peer(&self) -> Option<&spec::Peer> {
        if self.local { None } else { self.spec.tls.as_ref() }
    }

    /// Whether HTTP/1 requests travel as HTTP/2.
    pub(crate) fn upgrades(&self) -> bool {
        !self.local && self.spec.tls.is_some() && self.spec.hint == spec::Hint::H2
    }

    /// Where to connect to.
    pub(crate) fn dial_addr(&self) -> SocketAddr {
        let port = if self.peer().is_some() { self.spec.inbound_port } else { None };
        SocketAddr::new(self.spec.addr.ip(), port.unwrap_or(self.spec.addr.port()))
    }
}
