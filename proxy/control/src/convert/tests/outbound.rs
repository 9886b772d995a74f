use super::{addr, balancer, detect, http_backend, merged, merged_for, policy, resource, tcp};
use crate::convert::Slot;
use linkerd2_proxy_api::{destination as dst, grpc_route, http_route, outbound as api};
use std::time::Duration;
use table::Lookup;
use table::outbound::{BackendKind, Filter, HostMatch, PathMatch, Protocol, Source, Split};

const WEST: &str = "web-west.default.svc.cluster.local:80";
const HERE: &str = "web.default.svc.cluster.local:80";

fn http1(route: api::HttpRoute) -> api::OutboundPolicy {
    let accrual = api::FailureAccrual {
        kind: Some(api::failure_accrual::Kind::ConsecutiveFailures(api::failure_accrual::ConsecutiveFailures {
            max_failures: 7,
            backoff: None,
        })),
        ejection: None,
    };
    policy(api::proxy_protocol::Kind::Http1(api::proxy_protocol::Http1 {
        routes: vec![route],
        failure_accrual: Some(accrual),
    }))
}

fn first(backend: api::Backend) -> Option<api::http_route::Distribution> {
    let first = api::http_route::distribution::FirstAvailable { backends: vec![http_backend(backend)] };
    Some(api::http_route::Distribution { kind: Some(api::http_route::distribution::Kind::FirstAvailable(first)) })
}

#[test]
fn weights_become_arms_and_a_path_is_numbered_once() {
    let (t, paths) = merged(Slot::Is(detect(&[(HERE, 50), (WEST, 50)])), Slot::Absent);
    assert_eq!(t.protocol, Protocol::Detect(Duration::from_secs(7)));
    assert_eq!(paths, [HERE, WEST]);
    let Split::Random(arms) = &t.http.rules[0].split else { panic!("{:?}", t.http) };
    assert_eq!(arms.iter().map(|a| (a.weight, a.backend)).collect::<Vec<_>>(), [(50, 0), (50, 1)]);
    assert!(matches!(&t.streams[0].split, Split::First(arms) if arms[0].backend == 0), "the same backend as for HTTP");
    assert!(t.http.trivial && t.backends.len() == 2 && t.source == Source::Fresh);
    assert_eq!(t.logical.as_deref(), Some(HERE), "named by the parent's own backend");
}

#[test]
fn a_rule_keeps_hosts_matches_filters_timeouts_and_breaker() {
    let header = http_route::HeaderMatch {
        name: "X-Canary".into(),
        value: Some(http_route::header_match::Value::Exact(b"1".to_vec())),
    };
    let m = http_route::HttpRouteMatch {
        path: Some(http_route::PathMatch { kind: Some(http_route::path_match::Kind::Prefix("/api".into())) }),
        headers: vec![header],
        ..Default::default()
    };
    let fail = http_route::HttpFailureInjector {
        status: 418,
        message: "tea".into(),
        ratio: Some(http_route::Ratio { numerator: 1, denominator: 4 }),
    };
    let rule = api::http_route::Rule {
        matches: vec![m],
        filters: vec![api::http_route::Filter { kind: Some(api::http_route::filter::Kind::FailureInjector(fail)) }],
        timeouts: Some(http_route::Timeouts {
            request: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            ..Default::default()
        }),
        backends: first(balancer(HERE)),
        ..Default::default()
    };
    let suffix = http_route::host_match::Suffix { reverse_labels: vec!["com".into(), "Example".into()] };
    let host = http_route::HostMatch { r#match: Some(http_route::host_match::Match::Suffix(suffix)) };
    let route = api::HttpRoute { metadata: Some(resource("HTTPRoute", "r")), hosts: vec![host], rules: vec![rule] };
    let (t, _) = merged(Slot::Is(http1(route)), Slot::Absent);
    let rule = &t.http.rules[0];
    assert_eq!(*rule.hosts, [HostMatch::Suffix(".example.com".into())]);
    assert!(
        matches!(&rule.matches[0].path, Some(PathMatch::Prefix(p)) if &**p == "/api")
            && &*rule.matches[0].headers[0].0 == "x-canary"
    );
    assert!(matches!(&rule.filters[0], Filter::Fail { status: 418, ratio: 250_000, .. }));
    assert_eq!(rule.timeouts.stream, Duration::from_secs(1));
    assert!(!t.http.trivial && t.backends[0].breaker.is_some_and(|b| b.max_failures == 7));
}

#[test]
fn what_cannot_be_read_fails_instead_of_falling_through() {
    let bad_match =
        http_route::HttpRouteMatch { path: Some(http_route::PathMatch { kind: None }), ..Default::default() };
    let rule = |rule: api::http_route::Rule| {
        merged(Slot::Is(http1(api::HttpRoute { rules: vec![rule], ..Default::default() })), Slot::Absent).0
    };
    let t =
        rule(api::http_route::Rule { matches: vec![bad_match], backends: first(balancer(HERE)), ..Default::default() });
    assert!(matches!(&t.http.rules[0].filters[0], Filter::Fail { status: 500, ratio: 1_000_000, .. }));
    let t = rule(api::http_route::Rule {
        filters: vec![api::http_route::Filter { kind: None }],
        backends: first(balancer(HERE)),
        ..Default::default()
    });
    assert!(matches!(&t.http.rules[0].filters[0], Filter::Unknown));
    let broken = api::Backend { kind: None, ..balancer(HERE) };
    for distribution in [None, first(broken)] {
        let t = rule(api::http_route::Rule { backends: distribution, ..Default::default() });
        assert!(matches!(&t.backends[0].kind, BackendKind::Broken(500, _)), "{:?}", t.backends);
    }
    let injector = api::http_route::filter::Kind::FailureInjector;
    let why = injector(http_route::HttpFailureInjector { status: 500, message: "no such Service".into(), ratio: None });
    let mut told = first(api::Backend { kind: None, ..balancer(HERE) });
    if let Some(api::http_route::distribution::Kind::FirstAvailable(first)) =
        told.as_mut().and_then(|d| d.kind.as_mut())
    {
        first.backends[0].filters.push(api::http_route::Filter { kind: Some(why) });
    }
    let t = rule(api::http_route::Rule { backends: told, ..Default::default() });
    assert!(
        matches!(&t.backends[0].kind, BackendKind::Broken(500, m) if &**m == "no such Service"),
        "{:?}",
        t.backends
    );
    let nothing = api::OutboundPolicy { protocol: None, metadata: None };
    assert!(matches!(merged(Slot::Is(nothing), Slot::Absent).0.protocol, Protocol::Refuse(_)));
}

#[test]
fn grpc_methods_are_paths() {
    let rpc = |service: &str, method: &str| grpc_route::GrpcRouteMatch {
        rpc: Some(grpc_route::GrpcRpcMatch { service: service.into(), method: method.into() }),
        headers: Vec::new(),
    };
    let rule = api::grpc_route::Rule {
        matches: vec![rpc("a.B", "C"), rpc("a.B", ""), rpc("", "C"), rpc("", "")],
        ..Default::default()
    };
    let route = api::GrpcRoute { rules: vec![rule], ..Default::default() };
    let grpc = api::proxy_protocol::Grpc { routes: vec![route], failure_accrual: None };
    let (t, _) = merged(Slot::Is(policy(api::proxy_protocol::Kind::Grpc(grpc))), Slot::Absent);
    let m = &t.http.rules[0].matches;
    assert!(matches!(&m[0].path, Some(PathMatch::Exact(p)) if &**p == "/a.B/C"));
    assert!(matches!(&m[1].path, Some(PathMatch::Prefix(p)) if &**p == "/a.B"));
    assert!(matches!(&m[2].path, Some(PathMatch::Regex(p)) if (p.0)("/x.Y/C") && !(p.0)("/x.Y/D")));
    assert!(m[3].path.is_none() && t.protocol == Protocol::Grpc);
}

#[test]
fn without_policy_the_profile_decides_and_without_both_bytes_are_forwarded() {
    let endpoint = dst::WeightedAddr { addr: Some(tcp("10.1.1.1:80")), ..Default::default() };
    let profile = |endpoint: Option<dst::WeightedAddr>, name: &str| dst::DestinationProfile {
        endpoint,
        fully_qualified_name: name.into(),
        ..Default::default()
    };
    let (t, _) = merged(Slot::Absent, Slot::Is(profile(Some(endpoint), "")));
    assert!(matches!(&t.backends[0].kind, BackendKind::Forward(e) if e.addr == addr("10.1.1.1:80")));
    let (_, paths) = merged(Slot::Absent, Slot::Is(profile(None, super::FQN)));
    assert_eq!(paths, [HERE]);
    for policy in [Slot::Absent, Slot::Waiting] {
        let (t, _) = merged(policy, Slot::Absent);
        assert!(
            matches!(&t.backends[0].kind, BackendKind::Forward(e) if e.addr == addr("10.0.0.1:80") && e.tls.is_none())
        );
    }
    assert_eq!(merged(Slot::Waiting, Slot::Waiting).0.source, Source::Fallback);
}

#[test]
fn names_are_refused_when_nobody_knows_them_and_refusals_hold() {
    let name = Lookup::Name(HERE.into());
    assert!(matches!(merged_for(&name, Slot::Absent, Slot::Absent).0.protocol, Protocol::Refuse(_)));
    assert_eq!(merged_for(&name, Slot::Is(detect(&[(HERE, 1)])), Slot::Absent).0.logical.as_deref(), Some(HERE));
    assert!(matches!(merged(Slot::Refused, Slot::Absent).0.protocol, Protocol::Refuse(_)));
}
