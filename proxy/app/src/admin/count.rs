//! Requests of the admin port in the inbound families: who asked, what let it in, how it was answered.
//!
//! In: a request that is over. Out: adds to the control thread's numbers. Limits: the labels are the peer's identity and what policy
//! names; the registry bounds them. Never here: latencies and connections, which would be a quarter of an idle proxy's series.

use super::gate::Peer;
use control::admit::Verdict;
use hyper::StatusCode;
use metrics::{Family, Registry, families};
use std::net::SocketAddr;
use table::Meta;
use table::inbound::Server;

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// What is known of a request before its answer.
pub(super) struct Asked<'a> {
    pub(super) peer: &'a Peer,
    /// The port's policy; absent until the control plane has spoken or is late.
    pub(super) server: Option<&'a Server>,
    /// What policy says; absent: it was not asked (knobs, which are for loopback).
    pub(super) verdict: Option<Verdict<'a>>,
}

impl Asked<'_> {
    /// Counts the request with its answer.
    pub(super) fn answered(&self, registry: &Registry, status: StatusCode) {
        let at = Place::new(self.peer.at);
        let (port, code) = (self.peer.at.port().to_string(), status.as_u16().to_string());
        let mut place = at.labels();
        if let Some(server) = self.server {
            let meta = &server.meta;
            place.extend([("srv_group", &*meta.group), ("srv_kind", &meta.kind), ("srv_name", &meta.name)]);
            place.push(("srv_port", &port));
        }
        let route = three(["route_group", "route_kind", "route_name"], self.verdict.and_then(|v| v.route), "default");
        let allowed = self.verdict.is_some_and(|verdict| verdict.allowed);
        let by = self.verdict.and_then(|verdict| verdict.authorization);
        let unnamed = if self.peer.from.ip().is_loopback() { "localhost" } else { "probe" };
        let authz = three(["authz_group", "authz_kind", "authz_name"], by, unnamed);
        let tls = tls(self.peer);
        let add = |family: &'static Family, labels: &Labels<'_>| {
            registry.control_shard().add(registry.counter(family, labels), 1);
        };
        if self.verdict.is_some() {
            let who: &[_] = if allowed { &authz } else { &[] };
            let family = if allowed {
                &families::INBOUND_HTTP_AUTHZ_ALLOW_TOTAL
            } else {
                &families::INBOUND_HTTP_AUTHZ_DENY_TOTAL
            };
            add(family, &[&place[..], &route, who, &tls].concat());
        }
        let mut labels = vec![("direction", "inbound")];
        labels.extend(at.labels());
        labels.extend(tls);
        labels.extend(&place[3..]);
        labels.extend(route.into_iter().chain(authz));
        add(&families::REQUEST_TOTAL, &labels);
        labels.push(("status_code", &code));
        labels.push(("classification", if status.is_server_error() { "failure" } else { "success" }));
        add(&families::RESPONSE_TOTAL, &labels);
    }
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
        let (near, far) = (from("127.0.0.1:9"), from("10.0.0.9:9"));
        let policy = Meta { kind: "server".into(), name: "admin".into(), ..Meta::default() };
        let by = Verdict { route: None, authorization: Some(&policy), allowed: true };
        let shut = Verdict { route: None, authorization: None, allowed: false };
        for (peer, verdict, status) in [(&far, Some(by), 200), (&far, Some(shut), 403), (&near, None, 503)] {
            let asked = Asked { peer, server: None, verdict };
            asked.answered(&registry, StatusCode::from_u16(status).expect("a status"));
        }
        let mut text = String::new();
        registry.render(&mut text);
        let (place, far) = (r#"target_port="4191""#, r#"no_tls_reason="no_tls_from_remote""#);
        for (family, labels) in [
            ("request_total", vec![r#"direction="inbound""#, place, far, r#"authz_name="admin""#]),
            ("request_total", vec![r#"no_tls_reason="loopback""#, r#"authz_name="localhost""#]),
            ("response_total", vec![r#"status_code="403",classification="success""#]),
            ("response_total", vec![r#"status_code="503",classification="failure""#]),
            ("inbound_http_authz_allow_total", vec![place, r#"authz_kind="server",authz_name="admin""#, far]),
            ("inbound_http_authz_deny_total", vec![place, r#"route_name="default""#, far]),
        ] {
            let found = text
                .lines()
                .filter(|line| line.starts_with(&format!("{family}{{")) && labels.iter().all(|l| line.contains(l)));
            assert_eq!(found.count(), 1, "{family} {labels:?} in {text}");
        }
    }
}
