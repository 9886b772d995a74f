//! Connections as metrics: opened, open, bytes, closed.
//!
//! In: a connection once it is known what it is. Out: handles in the connection itself.
//! Limits: `KEPT` label sets have their errors told apart; the connections of later ones count as closed without one.

use crate::base::conn::{Conn, Info, Role, Tls};
use crate::base::slab::{Key, Slab};
use crate::entry::ports::Ports;
use crate::route::endpoint::Endpoint;
use crate::tally::strangers::OTHER;
use crate::tally::{Labels, Tally, borrowed, inbound};
use metrics::{Counter, Gauge, families};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use table::inbound::Server;

/// Where a connection's numbers go; into the void until it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TcpTally {
    pub(crate) read: Counter,
    pub(crate) write: Counter,
    /// The same bytes by zone, of connections to endpoints.
    cost: (Counter, Counter),
    opened: Counter,
    open: Gauge,
    closed: Counter,
    /// Bytes read before it was known.
    before: u32,
    known: bool,
    /// Why it ended: an index of `sock::ERRNO`.
    errno: u8,
    /// Where its label set is kept.
    kept: u16,
}

/// Label sets whose errors are told apart.
const KEPT: usize = 4096;

/// Label sets of connections, and the counters of those that ended by an error.
#[derive(Default)]
pub(crate) struct Kept {
    sets: Vec<(TcpTally, Labels, Vec<(u8, Counter)>)>,
    by_labels: HashMap<Labels, u16>,
}

pub(crate) fn label(labels: &mut Labels, name: &str, value: impl Into<String>) {
    labels.push((name.to_owned(), value.into()));
}

/// T: `target_addr,target_ip,target_port`.
pub(crate) fn target(labels: &mut Labels, addr: SocketAddr) {
    label(labels, "target_addr", addr.to_string());
    label(labels, "target_ip", addr.ip().to_string());
    label(labels, "target_port", addr.port().to_string());
}

/// TLS of an accepted inbound connection.
pub(crate) fn tls_in(labels: &mut Labels, info: &Info) {
    match &info.tls {
        Tls::Mesh(client) => {
            label(labels, "tls", "true");
            label(labels, "client_id", client.as_deref().unwrap_or(""));
        }
        Tls::Opaque(sni) => {
            label(labels, "tls", "opaque");
            label(labels, "sni", &**sni);
        }
        Tls::None => {
            label(labels, "tls", "no_identity");
            let reason = if info.skipped {
                "port_skipped"
            } else if info.remote.ip().is_loopback() {
                "loopback"
            } else {
                "no_tls_from_remote"
            };
            label(labels, "no_tls_reason", reason);
        }
    }
}

/// TLS of a dialed outbound connection.
pub(crate) fn tls_out(labels: &mut Labels, endpoint: &Endpoint) {
    match endpoint.peer() {
        Some(peer) => {
            label(labels, "tls", "true");
            label(labels, "server_id", &*peer.identity);
        }
        None => {
            label(labels, "tls", "no_identity");
            label(
                labels,
                "no_tls_reason",
                match endpoint {
                    Endpoint { local: true, .. } => "loopback",
                    Endpoint { unnamed: true, .. } => "ingress_without_override",
                    _ => "not_provided_by_service_discovery",
                },
            );
        }
    }
}

fn loopback(labels: &mut Labels) {
    label(labels, "tls", "no_identity");
    label(labels, "no_tls_reason", "loopback");
}

impl Tally {
    /// The handles of a label set, one connection more.
    fn tcp(&mut self, labels: Labels) -> TcpTally {
        if let Some((tally, ..)) = self.tcp.by_labels.get(&labels).and_then(|&at| self.tcp.sets.get(at as usize)) {
            let tally = *tally;
            self.again(&tally);
            return tally;
        }
        let (pairs, registry) = (borrowed(&labels), &self.registry);
        let mut closed = pairs.clone();
        closed.push(("errno", ""));
        let kept = self.tcp.sets.len();
        let tally = TcpTally {
            read: registry.counter(&families::TCP_READ_BYTES_TOTAL, &pairs),
            write: registry.counter(&families::TCP_WRITE_BYTES_TOTAL, &pairs),
            opened: registry.counter(&families::TCP_OPEN_TOTAL, &pairs),
            open: registry.gauge(&families::TCP_OPEN_CONNECTIONS, &pairs),
            closed: registry.counter(&families::TCP_CLOSE_TOTAL, &closed),
            known: true,
            kept: if kept < KEPT { kept as u16 } else { u16::MAX },
            ..TcpTally::default()
        };
        if kept < KEPT {
            self.tcp.sets.push((tally, labels.clone(), Vec::new()));
            self.tcp.by_labels.insert(labels, kept as u16);
        }
        self.again(&tally);
        tally
    }

    fn again(&self, tally: &TcpTally) {
        self.shard.add(tally.opened, 1);
        self.shard.gauge_add(tally.open, 1);
    }

    /// Why a connection is about to end.
    pub(crate) fn failed(tally: &mut TcpTally, error: &io::Error) {
        tally.errno = sock::errno(error);
    }

    /// An accepted connection, as soon as policy and TLS are known; once.
    pub(crate) fn opened(&mut self, conns: &mut Slab<Conn>, ports: &Ports, key: Key<Conn>) {
        let Some(conn) = conns.get_mut(key) else { return };
        let Some(info) = conn.info.as_deref().filter(|_| !conn.tally.known) else { return };
        let mut labels = Labels::new();
        if conn.role == Role::AppIn {
            label(&mut labels, "direction", "outbound");
            label(&mut labels, "peer", "src");
            target(&mut labels, info.original);
            loopback(&mut labels);
        } else {
            label(&mut labels, "direction", "inbound");
            label(&mut labels, "peer", "src");
            self.inbound_target(&mut labels, info.original);
            self.tls_in(&mut labels, info);
            if let Some(server) = ports.get(info.port).and_then(|port| port.server.as_deref()) {
                self.inbound_server(&mut labels, server, info.port);
            }
        }
        let (before, errno) = (conn.tally.before, conn.tally.errno);
        conn.tally = TcpTally { errno, ..self.tcp(labels) };
        self.shard.add(conn.tally.read, u64::from(before));
    }

    /// Bytes came.
    #[inline]
    pub(crate) fn read(&self, tally: &mut TcpTally, n: usize) {
        if !tally.known {
            tally.before = tally.before.saturating_add(n as u32);
        }
        self.shard.add(tally.read, n as u64);
        self.shard.add(tally.cost.0, n as u64);
    }

    /// Bytes went.
    #[inline]
    pub(crate) fn wrote(&self, tally: &TcpTally, n: usize) {
        self.shard.add(tally.write, n as u64);
        self.shard.add(tally.cost.1, n as u64);
    }

    /// A connection we make.
    pub(crate) fn dialed(&mut self, conn: &mut Conn, endpoint: &mut Endpoint) {
        if let Some(tally) = endpoint.tcp {
            self.again(&tally);
            conn.tally = tally;
            return;
        }
        let mut labels = Labels::new();
        label(&mut labels, "direction", if endpoint.outbound { "outbound" } else { "inbound" });
        label(&mut labels, "peer", "dst");
        if endpoint.outbound {
            label(&mut labels, "authority", &*endpoint.authority);
            target(&mut labels, endpoint.spec.addr);
            tls_out(&mut labels, endpoint);
            super::outbound::endpoint_labels(&mut labels, endpoint);
        } else {
            self.inbound_target(&mut labels, endpoint.spec.addr);
            loopback(&mut labels);
        }
        let mut tally = self.tcp(labels);
        if endpoint.outbound {
            tally.cost = self.cost(endpoint);
        }
        endpoint.tcp = Some(tally);
        conn.tally = tally;
    }

    fn cost(&self, endpoint: &Endpoint) -> (Counter, Counter) {
        let zone = endpoint.spec.labels.iter().find(|(name, _)| &**name == "zone_locality");
        let zone = match zone.map(|(_, value)| &**value) {
            Some("local") => "Local",
            Some("remote") => "Remote",
            _ => "Unknown",
        };
        let counter =
            |op| self.registry.counter(&families::OUTBOUND_TRANSFER_COST_TOTAL, &[("op", op), ("zone_locality", zone)]);
        (counter("Recv"), counter("Send"))
    }

    /// A connection is gone.
    pub(crate) fn closed(&mut self, conn: &Conn) {
        let tally = &conn.tally;
        if !tally.known {
            return;
        }
        self.shard.gauge_add(tally.open, -1);
        let counter = self.ended(tally).unwrap_or(tally.closed);
        self.shard.add(counter, 1);
    }

    /// The counter of connections that ended by an error.
    fn ended(&mut self, tally: &TcpTally) -> Option<Counter> {
        let name = sock::ERRNO.get(tally.errno as usize).filter(|name| !name.is_empty())?;
        let (_, labels, ends) = self.tcp.sets.get_mut(tally.kept as usize)?;
        if let Some(&(_, counter)) = ends.iter().find(|(errno, _)| *errno == tally.errno) {
            return Some(counter);
        }
        let mut labels = borrowed(labels);
        labels.push(("errno", name));
        let counter = self.registry.counter(&families::TCP_CLOSE_TOTAL, &labels);
        ends.push((tally.errno, counter));
        Some(counter)
    }

    /// TLS of an inbound connection; names that strangers choose are bounded.
    pub(crate) fn tls_in(&mut self, labels: &mut Labels, info: &Info) {
        match &info.tls {
            Tls::Opaque(sni) => {
                label(labels, "tls", "opaque");
                label(labels, "sni", self.strangers.sni.shown(sni));
            }
            _ => tls_in(labels, info),
        }
    }

    /// A connection came with a transport header. `served`: the name is one that we forward to.
    pub(crate) fn transport_header(&mut self, info: &Info, port: u16, name: &str, session: &str, served: bool) {
        let client = if let Tls::Mesh(Some(client)) = &info.tls { &**client } else { "" };
        let name = if name.is_empty() || served { self.strangers.targets.shown(name) } else { OTHER };
        let shown = self.strangers.port(port);
        let port = if shown { port.to_string() } else { OTHER.to_owned() };
        let labels =
            [("session_protocol", session), ("target_port", &port), ("target_name", name), ("client_id", client)];
        self.shard.add(self.registry.counter(&families::INBOUND_TRANSPORT_HEADERS_TOTAL, &labels), 1);
    }

    /// It is known what an outbound connection speaks.
    pub(crate) fn protocol(&mut self, protocol: &str, parent: &table::Meta) {
        let mut labels = Labels::new();
        label(&mut labels, "protocol", protocol);
        super::outbound::resource(&mut labels, "parent", parent);
        self.shard.add(self.registry.counter(&families::OUTBOUND_PROTOCOL_CONNECTIONS_TOTAL, &borrowed(&labels)), 1);
    }

    /// An opaque connection was let in, refused, or cut by a newer policy.
    pub(crate) fn tcp_authz(&mut self, info: &Info, policy: &Server, allowed: Option<bool>, cut: bool) {
        let mut labels = Labels::new();
        self.place(&mut labels, info.original, Some(policy), info.port);
        let family = match allowed {
            _ if cut => &families::INBOUND_TCP_AUTHZ_TERMINATE_TOTAL,
            Some(true) => {
                let held = crate::entry::authorize::allowed(policy.authorizations.iter(), info.remote.ip(), &info.tls);
                inbound::authz(&mut labels, held.map(|(_, authorization)| &authorization.meta));
                &families::INBOUND_TCP_AUTHZ_ALLOW_TOTAL
            }
            _ => &families::INBOUND_TCP_AUTHZ_DENY_TOTAL,
        };
        self.tls_in(&mut labels, info);
        self.shard.add(self.registry.counter(family, &borrowed(&labels)), 1);
    }
}
