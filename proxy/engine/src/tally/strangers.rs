//! What anybody may choose who can reach us, kept from filling families: ports, SNI, names in transport headers, authorities.
//!
//! In: a value about to become a label. Out: the value itself, or `other` once too many different ones came.
//! Limits: `PORTS` ports that nothing listens on (one that our application answered at is always shown), `NAMES` names of a kind.
//! Never here: names that were verified.

use crate::tally::tcp::{label, target};
use crate::tally::{Labels, Tally};
use std::collections::HashSet;
use std::net::SocketAddr;
use table::inbound::Server;

const PORTS: usize = 32;
const NAMES: usize = 64;
/// Beyond it, and for a port beyond `PORTS`.
pub(crate) const OTHER: &str = "other";

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Strangers {
    /// Ports somebody asked for first.
    tried: HashSet<u16>,
    /// Ports our application answered at: bounded by its listeners.
    proven: HashSet<u16>,
    /// SNI of TLS that we pass through.
    pub(crate) sni: Names,
    /// Targets that transport headers name.
    pub(crate) targets: Names,
    /// Authorities and hosts of requests, where settings want them.
    pub(crate) hosts: Names,
}

/// The first `NAMES` different names.
#[derive(Default)]
pub(crate) struct Names(HashSet<Box<str>>);

impl Names {
    /// The name, or `other`.
    pub(crate) fn shown<'a>(&mut self, name: &'a str) -> &'a str {
        if name.is_empty() || self.0.contains(name) {
            return name;
        }
        if self.0.len() >= NAMES || name.len() > 253 {
            return OTHER;
        }
        self.0.insert(name.into());
        name
    }
}

impl Strangers {
    /// Whether a port may be a label.
    pub(crate) fn port(&mut self, port: u16) -> bool {
        if self.proven.contains(&port) || self.tried.contains(&port) {
            return true;
        }
        let room = self.tried.len() < PORTS;
        room && self.tried.insert(port)
    }

    /// Our application answered at a port. Whether that was news that changes its labels.
    pub(crate) fn prove(&mut self, port: u16) -> bool {
        self.proven.insert(port) && !self.tried.contains(&port)
    }
}

impl Tally {
    /// T and S of an inbound connection.
    pub(crate) fn place(&mut self, labels: &mut Labels, addr: SocketAddr, server: Option<&Server>, port: u16) {
        self.inbound_target(labels, addr);
        if let Some(server) = server {
            self.inbound_server(labels, server, port);
        }
    }

    /// T of an inbound connection.
    pub(crate) fn inbound_target(&mut self, labels: &mut Labels, addr: SocketAddr) {
        if self.strangers.port(addr.port()) {
            return target(labels, addr);
        }
        for name in ["target_addr", "target_ip", "target_port"] {
            label(labels, name, OTHER);
        }
    }

    /// S: `srv_group,srv_kind,srv_name,srv_port`.
    pub(crate) fn inbound_server(&mut self, labels: &mut Labels, server: &Server, port: u16) {
        let shown = self.strangers.port(port);
        label(labels, "srv_group", &*server.meta.group);
        label(labels, "srv_kind", &*server.meta.kind);
        label(labels, "srv_name", &*server.meta.name);
        label(labels, "srv_port", if shown { port.to_string() } else { OTHER.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_their_own_room_only() {
        let mut strangers = Strangers::default();
        assert!(strangers.port(8080));
        let shown = (10_000..20_000).filter(|&port| strangers.port(port)).count();
        assert_eq!(shown, PORTS - 1);
        assert!(!strangers.port(9090));
        assert!(strangers.prove(9090) && strangers.port(9090), "something listens there");
        assert!(!strangers.prove(9090) && !strangers.prove(8080));
        let names: HashSet<_> = (0..1_000).map(|i| strangers.sni.shown(&format!("n{i}")).to_owned()).collect();
        assert_eq!(names.len(), NAMES + 1);
        assert_eq!((strangers.sni.shown(""), strangers.sni.shown("n3")), ("", "n3"));
    }
}
