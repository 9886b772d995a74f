mod balance;
mod endpoint;
mod inbound;
mod limit;
mod outbound;
mod profile;
mod retry;
mod streams;

use crate::convert::{Answer, Defaults, Slot, target};
use linkerd2_proxy_api::{destination as dst, meta, net, outbound as api};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use table::outbound::{Source, Target};
use table::{Lookup, PathId};

pub(super) const FQN: &str = "web.default.svc.cluster.local";
pub(super) const DEFAULTS: Defaults = Defaults { detect: None, queue: 10_000, failfast: Duration::from_secs(3) };

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn tcp(text: &str) -> net::TcpAddress {
    addr(text).into()
}

pub(super) fn resource(kind: &str, name: &str) -> meta::Metadata {
    let resource = meta::Resource {
        group: "core".into(),
        kind: kind.into(),
        name: name.into(),
        namespace: "default".into(),
        section: String::new(),
        port: 80,
    };
    meta::Metadata { kind: Some(meta::metadata::Kind::Resource(resource)) }
}

pub(super) fn strings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub(super) fn balancer(path: &str) -> api::Backend {
    let discovery = api::backend::EndpointDiscovery {
        kind: Some(api::backend::endpoint_discovery::Kind::Dst(api::backend::endpoint_discovery::DestinationGet {
            path: path.into(),
        })),
    };
    let balance = api::backend::BalanceP2c { discovery: Some(discovery), load: None };
    api::Backend {
        metadata: Some(resource("Service", path)),
        kind: Some(api::backend::Kind::Balancer(balance)),
        queue: None,
    }
}

pub(super) fn http_backend(backend: api::Backend) -> api::http_route::RouteBackend {
    api::http_route::RouteBackend { backend: Some(backend), ..Default::default() }
}

/// A policy that detects and sends everything to `shares`.
pub(super) fn detect(shares: &[(&str, u32)]) -> api::OutboundPolicy {
    let arms = shares.iter().map(|(path, weight)| api::http_route::WeightedRouteBackend {
        backend: Some(http_backend(balancer(path))),
        weight: *weight,
    });
    let random = api::http_route::distribution::RandomAvailable { backends: arms.collect() };
    let split =
        api::http_route::Distribution { kind: Some(api::http_route::distribution::Kind::RandomAvailable(random)) };
    let rule = api::http_route::Rule { backends: Some(split), ..Default::default() };
    let route = api::HttpRoute { metadata: Some(resource("HTTPRoute", "r")), hosts: Vec::new(), rules: vec![rule] };
    let opaque_backend = api::opaque_route::RouteBackend { backend: Some(balancer(shares[0].0)), filters: Vec::new() };
    let first = api::opaque_route::distribution::FirstAvailable { backends: vec![opaque_backend] };
    let opaque = api::OpaqueRoute {
        metadata: None,
        rules: vec![api::opaque_route::Rule {
            backends: Some(api::opaque_route::Distribution {
                kind: Some(api::opaque_route::distribution::Kind::FirstAvailable(first)),
            }),
            filters: Vec::new(),
        }],
    };
    let detect = api::proxy_protocol::Detect {
        timeout: Some(prost_types::Duration { seconds: 7, nanos: 0 }),
        opaque: Some(api::proxy_protocol::Opaque { routes: vec![opaque] }),
        http1: Some(api::proxy_protocol::Http1 { routes: vec![route.clone()], failure_accrual: None }),
        http2: Some(api::proxy_protocol::Http2 { routes: vec![route], failure_accrual: None }),
    };
    policy(api::proxy_protocol::Kind::Detect(detect))
}

pub(super) fn policy(kind: api::proxy_protocol::Kind) -> api::OutboundPolicy {
    api::OutboundPolicy {
        protocol: Some(api::ProxyProtocol { kind: Some(kind) }),
        metadata: Some(resource("Service", "web")),
    }
}

/// The merged target of `10.0.0.1:80`, and the paths it asked for.
pub(super) fn merged(
    policy: Slot<api::OutboundPolicy>,
    profile: Slot<dst::DestinationProfile>,
) -> (Target, Vec<String>) {
    merged_for(&Lookup::Addr(addr("10.0.0.1:80")), policy, profile)
}

pub(super) fn merged_for(
    lookup: &Lookup,
    policy: Slot<api::OutboundPolicy>,
    profile: Slot<dst::DestinationProfile>,
) -> (Target, Vec<String>) {
    let mut paths: Vec<String> = Vec::new();
    let mut number = |path: &str| {
        let known = paths.iter().position(|p| p == path);
        PathId(known.unwrap_or_else(|| {
            paths.push(path.to_owned());
            paths.len() - 1
        }) as u32)
    };
    let answer = Answer { policy, profile };
    let target = target(lookup, &answer, DEFAULTS, Source::Fresh, &mut number);
    (target, paths)
}
