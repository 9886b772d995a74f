//! Routes of whole connections: opaque, TLS by server name, refusals.

use super::{balancer, merged, policy, resource};
use crate::convert::Slot;
use linkerd2_proxy_api::opaque_route::{Forbidden, Invalid};
use linkerd2_proxy_api::outbound as api;
use linkerd2_proxy_api::tls_route::{SniMatch, sni_match};
use table::outbound::{BackendKind, Filter, HostMatch, Protocol, Refusal, Split};

const HERE: &str = "web.default.svc.cluster.local:80";

fn forbidden() -> api::opaque_route::Filter {
    api::opaque_route::Filter { kind: Some(api::opaque_route::filter::Kind::Forbidden(Forbidden {})) }
}

fn invalid(message: &str) -> api::opaque_route::Filter {
    let kind = api::opaque_route::filter::Kind::Invalid(Invalid { message: message.into() });
    api::opaque_route::Filter { kind: Some(kind) }
}

fn first(backends: Vec<api::opaque_route::RouteBackend>) -> Option<api::opaque_route::Distribution> {
    let first = api::opaque_route::distribution::FirstAvailable { backends };
    Some(api::opaque_route::Distribution { kind: Some(api::opaque_route::distribution::Kind::FirstAvailable(first)) })
}

fn opaque(routes: Vec<api::OpaqueRoute>) -> table::outbound::Target {
    merged(Slot::Is(policy(api::proxy_protocol::Kind::Opaque(api::proxy_protocol::Opaque { routes }))), Slot::Absent).0
}

fn route(
    name: &str,
    backends: Vec<api::opaque_route::RouteBackend>,
    filters: Vec<api::opaque_route::Filter>,
) -> api::OpaqueRoute {
    let rule = api::opaque_route::Rule { backends: first(backends), filters };
    api::OpaqueRoute { metadata: Some(resource("TCPRoute", name)), rules: vec![rule] }
}

#[test]
fn filters_of_a_route_refuse_and_say_why() {
    let unknown = api::opaque_route::Filter { kind: None };
    for (filter, refusal) in [
        (forbidden(), Refusal::Forbidden),
        (invalid("no such port"), Refusal::Invalid("no such port".into())),
        (unknown, Refusal::Invalid("a filter of a kind we do not know".into())),
    ] {
        let backend = api::opaque_route::RouteBackend { backend: Some(balancer(HERE)), filters: Vec::new() };
        let t = opaque(vec![route("r", vec![backend], vec![filter])]);
        assert!(matches!(&t.streams[0].split, Split::Refused(r) if *r == refusal), "{:?}", t.streams);
        assert!(t.backends.is_empty() && &*t.streams[0].route.name == "r", "nothing is watched for it");
    }
}

#[test]
fn filters_of_a_backend_refuse_what_goes_there() {
    let arm = |filters| api::opaque_route::RouteBackend { backend: Some(balancer(HERE)), filters };
    let t = opaque(vec![route("r", vec![arm(vec![forbidden()]), arm(vec![])], vec![])]);
    let Split::First(arms) = &t.streams[0].split else { panic!("{:?}", t.streams) };
    assert!(matches!(&arms[0].filters[..], [Filter::Refuse(Refusal::Forbidden)]) && arms[1].filters.is_empty());
}

#[test]
fn every_route_with_a_rule_counts_and_one_that_cannot_be_read_refuses() {
    let empty = api::OpaqueRoute { metadata: Some(resource("TCPRoute", "empty")), rules: vec![] };
    let odd = api::OpaqueRoute {
        metadata: Some(resource("TCPRoute", "odd")),
        rules: vec![api::opaque_route::Rule { backends: None, filters: vec![] }],
    };
    let t = opaque(vec![empty, odd, route("r", vec![], vec![])]);
    assert_eq!(t.streams.iter().map(|s| &*s.route.name).collect::<Vec<_>>(), ["odd", "r"]);
    assert!(matches!(&t.backends[0].kind, BackendKind::Broken(500, _)));
    assert!(opaque(vec![]).streams.is_empty());
}

#[test]
fn tls_routes_keep_their_names() {
    let tls = |snis: Vec<SniMatch>| {
        let arm = api::tls_route::RouteBackend { backend: Some(balancer(HERE)), filters: Vec::new() };
        let first = api::tls_route::distribution::FirstAvailable { backends: vec![arm] };
        let split =
            api::tls_route::Distribution { kind: Some(api::tls_route::distribution::Kind::FirstAvailable(first)) };
        let rule = api::tls_route::Rule { backends: Some(split), filters: vec![] };
        api::TlsRoute { metadata: Some(resource("TLSRoute", "t")), snis, rules: vec![rule] }
    };
    let exact = SniMatch { r#match: Some(sni_match::Match::Exact("Web.Example.com".into())) };
    let suffix = sni_match::Suffix { reverse_labels: vec!["com".into(), "example".into()] };
    let below = SniMatch { r#match: Some(sni_match::Match::Suffix(suffix)) };
    let routes = vec![tls(vec![exact, below]), tls(vec![]), tls(vec![SniMatch { r#match: None }])];
    let kind = api::proxy_protocol::Kind::Tls(api::proxy_protocol::Tls { routes });
    let (t, paths) = merged(Slot::Is(policy(kind)), Slot::Absent);
    let names = [HostMatch::Exact("web.example.com".into()), HostMatch::Suffix(".example.com".into())];
    assert_eq!((t.protocol, &*t.streams[0].names, paths), (Protocol::Tls, &names[..], vec![HERE.to_owned()]));
    assert!(t.streams[1].names.is_empty() && matches!(t.streams[1].split, Split::First(_)));
    assert!(matches!(&t.streams[2].split, Split::Refused(Refusal::Invalid(_))), "a name we cannot read");
}
