use super::strings;
use crate::convert::inbound::{default_server, server};
use crate::env::{DefaultPolicy, Permit, Scope};
use linkerd2_proxy_api::{inbound as api, net};
use std::time::Duration;
use table::inbound::{Authentication, Protocol, Server};
use table::outbound::{Filter, PathMatch};

fn network(ip: [u8; 4], prefix_len: u32) -> api::Network {
    api::Network {
        net: Some(net::IpNetwork { ip: Some(std::net::IpAddr::from(ip).into()), prefix_len }),
        except: Vec::new(),
    }
}

fn authz(permit: Option<api::authn::Permit>, networks: Vec<api::Network>) -> api::Authz {
    api::Authz {
        networks,
        authentication: Some(api::Authn { permit }),
        labels: strings(&[("group", "policy.linkerd.io"), ("kind", "authorizationpolicy"), ("name", "a")]),
        metadata: None,
    }
}

fn open() -> Option<api::authn::Permit> {
    Some(api::authn::Permit::Unauthenticated(api::authn::PermitUnauthenticated {}))
}

fn message(kind: Option<api::proxy_protocol::Kind>, authorizations: Vec<api::Authz>) -> api::Server {
    api::Server {
        protocol: Some(api::ProxyProtocol { kind }),
        authorizations,
        labels: strings(&[("group", "policy.linkerd.io"), ("kind", "server"), ("name", "web")]),
        ..Default::default()
    }
}

fn detect(routes: Vec<api::HttpRoute>) -> Option<api::proxy_protocol::Kind> {
    let timeout = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    Some(api::proxy_protocol::Kind::Detect(api::proxy_protocol::Detect {
        timeout,
        http_routes: routes,
        http_local_rate_limit: None,
    }))
}

fn denies(server: &Server) -> bool {
    server.authorizations.is_empty() && matches!(&*server.routes[0].rules[0].1, [Filter::Fail { status: 500, .. }])
}

#[test]
fn a_server_with_authorizations() {
    let identities = api::authn::permit_mesh_tls::PermitClientIdentities {
        identities: vec![api::Identity { name: "a.b".into() }],
        suffixes: vec![
            api::IdentitySuffix { parts: vec!["Cluster".into(), "local".into()] },
            api::IdentitySuffix { parts: Vec::new() },
        ],
    };
    let mesh = api::authn::Permit::MeshTls(api::authn::PermitMeshTls {
        clients: Some(api::authn::permit_mesh_tls::Clients::Identities(identities)),
    });
    let s = server(&message(detect(Vec::new()), vec![authz(Some(mesh), vec![network([10, 0, 0, 0], 8)])]));
    assert_eq!(s.protocol, Protocol::Detect(Duration::from_secs(2)));
    assert_eq!((&*s.meta.kind, &*s.meta.name, &*s.authorizations[0].meta.name), ("server", "web", "a"));
    assert_eq!(s.authorizations[0].networks[0].net, ([10, 0, 0, 0].into(), 8));
    let expected = Authentication::Identities {
        exact: ["a.b".into()].into(),
        suffixes: [".cluster.local".into(), "".into()].into(),
    };
    assert_eq!(s.authorizations[0].authentication, expected);
    assert!(s.routes.len() == 1 && s.routes[0].rules[0].0.is_empty(), "one route for all without routes");
}

#[test]
fn authorizations_that_cannot_be_read_let_nobody_in() {
    for (case, bad) in [
        ("no network", authz(open(), Vec::new())),
        ("no authentication", authz(None, vec![network([0; 4], 0)])),
        (
            "mesh TLS of whom",
            authz(
                Some(api::authn::Permit::MeshTls(api::authn::PermitMeshTls { clients: None })),
                vec![network([0; 4], 0)],
            ),
        ),
        ("no prefix", authz(open(), vec![network([0; 4], 33)])),
    ] {
        assert!(server(&message(detect(Vec::new()), vec![bad])).authorizations.is_empty(), "{case}");
    }
}

#[test]
fn a_message_of_an_unknown_protocol_or_a_broken_route_denies() {
    let ok = || vec![authz(open(), vec![network([0; 4], 0)])];
    assert!(denies(&server(&message(None, ok()))));
    let path = linkerd2_proxy_api::http_route::PathMatch {
        kind: Some(linkerd2_proxy_api::http_route::path_match::Kind::Regex("(".into())),
    };
    let bad = linkerd2_proxy_api::http_route::HttpRouteMatch { path: Some(path), ..Default::default() };
    let route = api::HttpRoute {
        rules: vec![api::http_route::Rule { matches: vec![bad], filters: Vec::new() }],
        ..Default::default()
    };
    assert!(denies(&server(&message(detect(vec![route]), ok()))));
}

#[test]
fn probe_routes_keep_their_path_and_their_own_authorizations() {
    let path = linkerd2_proxy_api::http_route::PathMatch {
        kind: Some(linkerd2_proxy_api::http_route::path_match::Kind::Exact("/ready".into())),
    };
    let m = linkerd2_proxy_api::http_route::HttpRouteMatch { path: Some(path), ..Default::default() };
    let filter = api::http_route::Filter { kind: None };
    let rule = api::http_route::Rule { matches: vec![m], filters: vec![filter] };
    let route = api::HttpRoute {
        rules: vec![rule],
        authorizations: vec![authz(open(), vec![network([0; 4], 0)])],
        ..Default::default()
    };
    let s = server(&message(detect(vec![route]), Vec::new()));
    let (matches, filters) = &s.routes[0].rules[0];
    assert!(matches!(matches[0].path, Some(PathMatch::Exact(ref p)) if &**p == "/ready"));
    assert!(matches!(&**filters, [Filter::Unknown]), "a filter of an unknown kind is never ignored");
    assert_eq!(s.routes[0].authorizations.len(), 1);
}

#[test]
fn the_default_policy_stands_until_the_control_plane_answers() {
    use {Permit::*, Scope::*};
    let cluster = [([10, 0, 0, 0].into(), 8)];
    for (policy, name, networks, open) in [
        (DefaultPolicy::Deny, "deny", None, true),
        (DefaultPolicy::Audit, "audit", Some(2), true),
        (DefaultPolicy::Allow(All, Unauthenticated), "all-unauthenticated", Some(2), true),
        (DefaultPolicy::Allow(All, Authenticated), "all-authenticated", Some(2), false),
        (DefaultPolicy::Allow(Cluster, Unauthenticated), "cluster-unauthenticated", Some(1), true),
        (DefaultPolicy::Allow(Cluster, Authenticated), "cluster-authenticated", Some(1), false),
    ] {
        let s = default_server(policy, &cluster, false, Duration::from_secs(10));
        assert_eq!((&*s.meta.name, s.authorizations.first().map(|a| a.networks.len())), (name, networks));
        let unauthenticated =
            s.authorizations.first().is_none_or(|a| a.authentication == Authentication::Unauthenticated);
        assert_eq!(unauthenticated, open, "{name}");
    }
    assert_eq!(default_server(DefaultPolicy::Deny, &[], true, Duration::ZERO).protocol, Protocol::Opaque);
}
