//! What policy says of requests to the admin port, in the families of inbound authorizations.
//!
//! In: a request that policy was asked about. Out: adds to the control thread's numbers. Limits: the labels are the peer's identity and
//! what policy names; the registry bounds them. Never here: `request_total` and its kin, whose rates are to be the application's own.

use super::gate::Peer;
use control::admit::Verdict;
use metrics::{Registry, families};
use std::net::SocketAddr;
use table::Meta;
use table::inbound::Server;

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Counts that policy let a request in, or did not.
pub(super) fn judged(registry: &Registry, peer: &Peer, server: Option<&Server>, verdict: Verdict<'_>) {
    let (at, port) = (Place::new(peer.at), peer.at.port().to_string());
    let mut labels = at.labels();
    if let Some(server) = server {
        let meta = &server.meta;
        labels.extend([("srv_group", &*meta.group), ("srv_kind", &meta.kind), ("srv_name", &meta.name)]);
        labels.push(("srv_port", &port));
    }
    labels.extend(three(["route_group", "route_kind", "route_name"], verdict.route, "default"));
    let unnamed = if peer.from.ip().is_loopback() { "localhost" } else { "probe" };
    let family = if verdict.allowed {
        labels.extend(three(["authz_group", "authz_kind", "authz_name"], verdict.authorization, unnamed));
        &families::INBOUND_HTTP_AUTHZ_ALLOW_TOTAL
    } else {
        &families::INBOUND_HTTP_AUTHZ_DENY_TOTAL
    };
    labels.extend(tls(peer));
    registry.control_shard().add(registry.counter(family, &labels), 1);
}

/// T.
struct Place([String; 3]);

impl Place {
    fn new(at: SocketAddr) -> Place {
        Place([at.to_string(), at.ip().to_string(), at.port().to_string()])
    }

    fn labels(&self) -> Labels<'_> {
        let [addr, ip, port] = &self.0;
        vec![("target_addr", addr), ("target_ip", ip), ("target_port", port)]
    }
}

/// Group, kind and name of a resource, or a default of this name.
fn three<'a>(names: [&'static str; 3], meta: Option<&'a Meta>, unnamed: &'a str) -> [(&'static str, &'a str); 3] {
    let values = meta.map_or(["", "default", unnamed], |meta| [&meta.group, &meta.kind, &meta.name]);
    [(names[0], values[0]), (names[1], values[1]), (names[2], values[2])]
}

fn tls(peer: &Peer) -> [(&'static str, &str); 2] {
    if peer.tls {
        return [("tls", "true"), ("client_id", peer.identity.as_deref().unwrap_or(""))];
    }
    let loopback = peer.from.ip().is_loopback();
    [("tls", "no_identity"), ("no_tls_reason", if loopback { "loopback" } else { "no_tls_from_remote" })]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_who_asked_and_what_let_it_in() {
        let registry = Registry::new(1);
        let from = |from: &str| Peer {
            from: from.parse().expect("an address"),
            at: "10.0.0.1:4191".parse().expect("an address"),
            tls: false,
            identity: None,
        };
        let policy = Meta { kind: "server".into(), name: "admin".into(), ..Meta::default() };
        let verdict = |authorization, allowed| Verdict { route: None, authorization, allowed };
        for (peer, verdict) in [
            ("10.0.0.9:9", verdict(Some(&policy), true)),
            ("10.0.0.9:9", verdict(None, true)),
            ("127.0.0.1:9", verdict(None, true)),
            ("10.0.0.9:9", verdict(None, false)),
        ] {
            judged(&registry, &from(peer), None, verdict);
        }
        let mut text = String::new();
        registry.render(&mut text);
        let (place, far) = (r#"target_port="4191""#, r#"no_tls_reason="no_tls_from_remote""#);
        for (family, labels) in [
            ("inbound_http_authz_allow_total", vec![place, r#"authz_kind="server",authz_name="admin""#, far]),
            ("inbound_http_authz_allow_total", vec![place, r#"authz_kind="default",authz_name="probe""#, far]),
            ("inbound_http_authz_allow_total", vec![r#"authz_name="localhost""#, r#"no_tls_reason="loopback""#]),
            ("inbound_http_authz_deny_total", vec![place, r#"route_name="default""#, far]),
        ] {
            let found = text
                .lines()
                .filter(|line| line.starts_with(&format!("{family}{{")) && labels.iter().all(|l| line.contains(l)));
            assert_eq!(found.count(), 1, "{family} {labels:?} in {text}");
        }
    }
}
