//! Policy of an inbound port: from the control plane's message, or the default that holds before it.

use super::limit;
use super::matches::{self, Parsed};
use super::{default_meta, duration, meta, or};
use crate::env::{DefaultPolicy, Network as Block, Permit, Scope};
use linkerd2_proxy_api::http_route::HostMatch;
use linkerd2_proxy_api::inbound as api;
use linkerd2_proxy_api::meta::Metadata;
use linkerd2_proxy_api::net;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use table::Meta;
use table::inbound::{Authentication, Authorization, Network, Protocol, Route, Server};
use table::outbound::{Filter, RequestMatch};

const DETECT: Duration = Duration::from_secs(10);

/// A rule of a route: what it matches, and its filters.
type Rule = (Box<[RequestMatch]>, Box<[Filter]>);

/// What the control plane says about a port. A message that cannot be used denies everybody and says why.
pub fn server(from: &api::Server) -> Server {
    use api::proxy_protocol::Kind;
    let authorizations: Box<[Authorization]> = from.authorizations.iter().filter_map(authorization).collect();
    let kind = from.protocol.as_ref().and_then(|p| p.kind.as_ref());
    let limit = limit::of(kind);
    let (protocol, routes) = match kind {
        Some(Kind::Detect(d)) => {
            (Protocol::Detect(or(duration(d.timeout.as_ref()), DETECT)), http_routes(&d.http_routes))
        }
        Some(Kind::Http1(h)) => (Protocol::Http1, http_routes(&h.routes)),
        Some(Kind::Http2(h)) => (Protocol::Http2, http_routes(&h.routes)),
        Some(Kind::Grpc(g)) => (Protocol::Grpc, grpc_routes(&g.routes)),
        Some(Kind::Opaque(_)) => (Protocol::Opaque, Ok(Vec::new())),
        Some(Kind::Tls(_)) => (Protocol::Tls, Ok(Vec::new())),
        None => (Protocol::Detect(DETECT), Err("a protocol of a kind we do not know".to_owned())),
    };
    let (routes, authorizations) = match routes {
        Ok(routes) if routes.is_empty() => (vec![plain_route()], authorizations),
        Ok(routes) => (routes, authorizations),
        Err(error) => {
            log::warn!("inbound policy {:?}: {error}; everybody is refused", from.labels);
            (vec![failing_route(&error)], Box::default())
        }
    };
    Server {
        protocol,
        authorizations,
        routes: routes.into(),
        meta: label_meta(&from.labels),
        allow_loopback: true,
        limit,
    }
}

/// What holds for a port until the control plane answers.
pub fn default_server(policy: DefaultPolicy, cluster: &[Block], opaque: bool, detect: Duration) -> Server {
    let everywhere = [(IpAddr::from(Ipv4Addr::UNSPECIFIED), 0), (IpAddr::from(Ipv6Addr::UNSPECIFIED), 0)];
    let (name, networks, authentication) = match policy {
        DefaultPolicy::Deny => ("deny", &[][..], Authentication::Unauthenticated),
        DefaultPolicy::Audit => ("audit", &everywhere[..], Authentication::Unauthenticated),
        DefaultPolicy::Allow(scope, permit) => {
            let (name, networks) = match scope {
                Scope::All => ("all", &everywhere[..]),
                Scope::Cluster => ("cluster", cluster),
            };
            let any = Authentication::Identities { exact: Box::default(), suffixes: Box::new(["".into()]) };
            match (name, permit) {
                ("all", Permit::Authenticated) => ("all-authenticated", networks, any),
                ("all", Permit::Unauthenticated) => ("all-unauthenticated", networks, Authentication::Unauthenticated),
                (_, Permit::Authenticated) => ("cluster-authenticated", networks, any),
                (_, Permit::Unauthenticated) => ("cluster-unauthenticated", networks, Authentication::Unauthenticated),
            }
        }
    };
    let networks: Box<[Network]> = networks.iter().map(|&net| Network { net, except: Box::default() }).collect();
    let authorization = Authorization { networks, authentication, meta: default_meta(name) };
    Server {
        protocol: if opaque { Protocol::Opaque } else { Protocol::Detect(detect) },
        authorizations: if policy == DefaultPolicy::Deny { Box::default() } else { Box::new([authorization]) },
        routes: Box::new([plain_route()]),
        meta: default_meta(name),
        allow_loopback: true,
        limit: None,
    }
}

fn plain_route() -> Route {
    let everything: Box<[RequestMatch]> = Box::default();
    Route {
        hosts: Box::default(),
        rules: Box::new([(everything, Box::default())]),
        authorizations: Box::default(),
        meta: default_meta("default"),
    }
}

fn failing_route(why: &str) -> Route {
    let rule = (Box::default(), Box::from([matches::fail(500, &format!("invalid policy: {why}"), None)]));
    Route { rules: Box::new([rule]), meta: default_meta("invalid"), ..plain_route() }
}

fn http_routes(from: &[api::HttpRoute]) -> Parsed<Vec<Route>> {
    let one = |from: &api::HttpRoute| {
        let rules = from.rules.iter().map(|r| rule(r.filters.iter().map(http_filter), matches::requests(&r.matches)));
        route(&from.hosts, rules, &from.authorizations, from.metadata.as_ref())
    };
    from.iter().map(one).collect()
}

fn grpc_routes(from: &[api::GrpcRoute]) -> Parsed<Vec<Route>> {
    let one = |from: &api::GrpcRoute| {
        let rules = from.rules.iter().map(|r| rule(r.filters.iter().map(grpc_filter), matches::rpcs(&r.matches)));
        route(&from.hosts, rules, &from.authorizations, from.metadata.as_ref())
    };
    from.iter().map(one).collect()
}

/// What HTTP and gRPC routes have in common.
fn route(
    hosts: &[HostMatch],
    rules: impl Iterator<Item = Parsed<Rule>>,
    authorizations: &[api::Authz],
    metadata: Option<&Metadata>,
) -> Parsed<Route> {
    Ok(Route {
        hosts: matches::hosts(hosts)?,
        rules: rules.collect::<Parsed<_>>()?,
        authorizations: authorizations.iter().filter_map(authorization).collect(),
        meta: meta(metadata),
    })
}

fn rule(filters: impl Iterator<Item = Parsed<Filter>>, matches: Parsed<Box<[RequestMatch]>>) -> Parsed<Rule> {
    let filters = filters.collect::<Parsed<Box<[_]>>>()?;
    Ok((matches?, filters))
}

fn http_filter(from: &api::http_route::Filter) -> Parsed<Filter> {
    use api::http_route::filter::Kind;
    match from.kind.as_ref() {
        Some(Kind::FailureInjector(f)) => Ok(matches::fail(f.status, &f.message, f.ratio.as_ref())),
        Some(Kind::RequestHeaderModifier(m)) => matches::request_edits(m),
        Some(Kind::Redirect(r)) => matches::redirect(r),
        None => Ok(Filter::Unknown),
    }
}

fn grpc_filter(from: &api::grpc_route::Filter) -> Parsed<Filter> {
    use api::grpc_route::filter::Kind;
    match from.kind.as_ref() {
        Some(Kind::FailureInjector(f)) => Ok(matches::fail(f.code, &f.message, f.ratio.as_ref())),
        Some(Kind::RequestHeaderModifier(m)) => matches::request_edits(m),
        None => Ok(Filter::Unknown),
    }
}

/// An authorization that cannot be read lets nobody in.
fn authorization(from: &api::Authz) -> Option<Authorization> {
    let read = || -> Parsed<Authorization> {
        let networks = from.networks.iter().map(network).collect::<Parsed<Box<[_]>>>()?;
        if networks.is_empty() {
            return Err("it has no network".into());
        }
        let authn = from.authentication.as_ref().and_then(|a| a.permit.as_ref());
        let meta = match &from.metadata {
            Some(_) => meta(from.metadata.as_ref()),
            None => label_meta(&from.labels),
        };
        Ok(Authorization { networks, authentication: authentication(authn)?, meta })
    };
    read().map_err(|error| log::warn!("authorization {:?} is not used: {error}", from.labels)).ok()
}

fn authentication(from: Option<&api::authn::Permit>) -> Parsed<Authentication> {
    use api::authn::{Permit, permit_mesh_tls::Clients};
    match from.ok_or("an authentication of a kind we do not know")? {
        Permit::Unauthenticated(_) => Ok(Authentication::Unauthenticated),
        Permit::MeshTls(mesh) => match mesh.clients.as_ref().ok_or("mesh TLS clients of a kind we do not know")? {
            Clients::Unauthenticated(_) => Ok(Authentication::Encrypted),
            Clients::Identities(clients) => Ok(Authentication::Identities {
                exact: clients.identities.iter().map(|id| id.name.as_str().into()).collect(),
                suffixes: clients.suffixes.iter().map(|s| suffix(&s.parts)).collect(),
            }),
        },
    }
}

fn suffix(parts: &[String]) -> Box<str> {
    parts.iter().map(|part| format!(".{part}")).collect::<String>().to_ascii_lowercase().into()
}

fn network(from: &api::Network) -> Parsed<Network> {
    let net = block(from.net.as_ref().ok_or("a network without address")?)?;
    Ok(Network { net, except: from.except.iter().map(block).collect::<Parsed<_>>()? })
}

fn block(from: &net::IpNetwork) -> Parsed<(IpAddr, u8)> {
    let ip = from.ip.ok_or("a network without address")?;
    let ip = IpAddr::try_from(ip).map_err(|error| format!("a network's address: {error}"))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length = u8::try_from(from.prefix_len).ok().filter(|&l| l <= most);
    length.map(|l| (ip, l)).ok_or_else(|| format!("{ip}/{} is no network", from.prefix_len))
}

fn label_meta(labels: &HashMap<String, String>) -> Meta {
    let get = |key: &str| labels.get(key).map_or("", String::as_str);
    Meta { group: get("group").into(), kind: get("kind").into(), name: get("name").into(), ..Meta::default() }
}
