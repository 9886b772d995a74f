//! Connections as metrics: opened, open, bytes, closed.
//!
//! In: a connection once it is known what it is. Out: handles in the connection itself.

use crate::base::conn::{Conn, Info, Role, Tls};
use crate::base::slab::{Key, Slab};
use crate::entry::ports::Ports;
use crate::route::endpoint::Endpoint;
use crate::tally::{Labels, Tally, borrowed, inbound};
use metrics::{Counter, Gauge, families};
use std::net::SocketAddr;
use table::inbound::Server;

/// Where a connection's numbers go; into the void until it is known.
#[derive(Clone, Copy, Default)]
pub(crate) struct TcpTally {
    pub(crate) read: Counter,
    pub(crate) write: Counter,
    open: Gauge,
    closed: Counter,
    /// Bytes read before it was known.
    before: u32,
    known: bool,
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
            label(
                labels,
                "no_tls_reason",
                if info.remote.ip().is_loopback() { "loopback" } else { "no_tls_from_remote" },
            );
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
                if endpoint.local { "loopback" } else { "not_provided_by_service_discovery" },
            );
        }
    }
}

fn loopback(labels: &mut Labels) {
    label(labels, "tls", "no_identity");
    label(labels, "no_tls_reason", "loopback");
}

impl Tally {
    fn tcp(&mut self, labels: &Labels) -> TcpTally {
        let (labels, registry) = (borrowed(labels), &self.registry);
        let mut closed = labels.clone();
        closed.push(("errno", ""));
        let tally = TcpTally {
            read: registry.counter(&families::TCP_READ_BYTES_TOTAL, &labels),
            write: registry.counter(&families::TCP_WRITE_BYTES_TOTAL, &labels),
            open: registry.gauge(&families::TCP_OPEN_CONNECTIONS, &labels),
            closed: registry.counter(&families::TCP_CLOSE_TOTAL, &closed),
            before: 0,
            known: true,
        };
        self.shard.add(registry.counter(&families::TCP_OPEN_TOTAL, &labels), 1);
        self.shard.gauge_add(tally.open, 1);
        tally
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
            target(&mut labels, info.original);
            tls_in(&mut labels, info);
            if let Some(server) = ports.get(info.port).and_then(|port| port.server.as_deref()) {
                inbound::server(&mut labels, server, info.port);
            }
        }
        let before = conn.tally.before;
        conn.tally = self.tcp(&labels);
        self.shard.add(conn.tally.read, u64::from(before));
    }

    /// Bytes came.
    #[inline]
    pub(crate) fn read(&self, tally: &mut TcpTally, n: usize) {
        if !tally.known {
            tally.before = tally.before.saturating_add(n as u32);
        }
        self.shard.add(tally.read, n as u64);
    }

    /// A connection we make.
    pub(crate) fn dialed(&mut self, conn: &mut Conn, endpoint: &mut Endpoint) {
        if let Some(tally) = endpoint.tcp {
            self.shard.gauge_add(tally.open, 1);
            self.shard.add(endpoint.tcp_opened, 1);
            conn.tally = tally;
            return;
        }
        let mut labels = Labels::new();
        label(&mut labels, "direction", if endpoint.outbound { "outbound" } else { "inbound" });
        label(&mut labels, "peer", "dst");
        if endpoint.outbound {
            label(&mut labels, "authority", &*endpoint.authority);
        }
        target(&mut labels, endpoint.spec.addr);
        if endpoint.outbound {
            tls_out(&mut labels, endpoint);
            super::outbound::endpoint_labels(&mut labels, endpoint);
        } else {
            loopback(&mut labels);
        }
        let tally = self.tcp(&labels);
        endpoint.tcp_opened = self.registry.counter(&families::TCP_OPEN_TOTAL, &borrowed(&labels));
        endpoint.tcp = Some(tally);
        conn.tally = tally;
    }

    /// A connection is gone.
    pub(crate) fn closed(&mut self, conn: &Conn) {
        if conn.tally.known {
            self.shard.gauge_add(conn.tally.open, -1);
            self.shard.add(conn.tally.closed, 1);
        }
    }

    /// A connection came with a transport header.
    pub(crate) fn transport_header(&mut self, info: &Info, port: u16, name: &str, session: &str) {
        let client = if let Tls::Mesh(Some(client)) = &info.tls { &**client } else { "" };
        let port = port.to_string();
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
        target(&mut labels, info.original);
        inbound::server(&mut labels, policy, info.port);
        let family = match allowed {
            _ if cut => &families::INBOUND_TCP_AUTHZ_TERMINATE_TOTAL,
            Some(true) => {
                let held = crate::entry::authorize::allowed(policy.authorizations.iter(), info.remote.ip(), &info.tls);
                inbound::authz(&mut labels, held.map(|(_, authorization)| &authorization.meta));
                &families::INBOUND_TCP_AUTHZ_ALLOW_TOTAL
            }
            _ => &families::INBOUND_TCP_AUTHZ_DENY_TOTAL,
        };
        tls_in(&mut labels, info);
        self.shard.add(self.registry.counter(family, &borrowed(&labels)), 1);
    }
}
