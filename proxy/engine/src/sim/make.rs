//! Things to build worlds of: addresses, certificates, endpoints, targets, policies, and the usual pair of proxies.

use super::world::World;
use crate::config::Config;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use table::outbound::{self as out, Arm, Backend, BackendKind, Endpoint, Endpoints, Hint, Peer, Rule, Split};
use table::{Credentials, Lookup, Meta, PathId, inbound};

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

/// A certificate of the one test authority.
pub(crate) fn credentials(identity: &str) -> Arc<Credentials> {
    static CA: OnceLock<(String, Issuer<'static, KeyPair>)> = OnceLock::new();
    let (pem, issuer) = CA.get_or_init(|| {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.self_signed(&key).expect("signed").pem(), Issuer::new(params, key))
    });
    let key = KeyPair::generate().expect("key");
    let leaf = CertificateParams::new(vec![identity.into()]).expect("params").signed_by(&key, issuer).expect("signed");
    let roots = tls::anchors(pem).expect("anchors");
    Arc::new(tls::credentials(identity, identity, leaf.der(), &[], &key.serialize_der(), &roots).expect("credentials"))
}

/// A meshed endpoint at `ip:port`, dialed at 4143 by transport header.
pub(crate) fn meshed(at: &str, identity: &str) -> Endpoint {
    let peer = Peer { identity: identity.into(), server_name: identity.into() };
    Endpoint { tls: Some(peer), hint: Hint::H2, inbound_port: Some(4143), ..plain(at) }
}

/// An endpoint without a proxy.
pub(crate) fn plain(at: &str) -> Endpoint {
    Endpoint {
        addr: addr(at),
        weight: 10_000,
        tls: None,
        hint: Hint::None,
        inbound_port: None,
        authority: None,
        labels: Arc::from([(Arc::from("pod"), Arc::from("p"))]),
        near: false,
        http2: None,
    }
}

pub(crate) fn endpoints(list: &[Endpoint]) -> Arc<Endpoints> {
    Arc::new(Endpoints { known: true, missing: false, list: list.iter().cloned().map(Arc::new).collect() })
}

pub(crate) fn balanced(path: u32) -> Backend {
    let ms = Duration::from_millis;
    let kind = BackendKind::Balance {
        path: PathId(path),
        authority: "web.ns.svc.cluster.local:80".into(),
        load: out::Load { rtt: ms(30), decay: ms(10_000), penalty: None },
    };
    Backend { kind, meta: meta("web"), queue: 100, failfast: ms(3_000), breaker: None }
}

/// Shuts after so many failures in a row, for so many seconds.
pub(crate) fn breaker(max_failures: u32, seconds: u64) -> out::Breaker {
    let backoff = (Duration::from_secs(seconds), Duration::from_secs(seconds * 5));
    out::Breaker { max_failures, rate: None, backoff, jitter: 0.0, retry_after: false, min_ready: 0 }
}

pub(crate) fn meta(name: &str) -> Meta {
    Meta {
        group: "core".into(),
        kind: "Service".into(),
        namespace: "ns".into(),
        name: name.into(),
        port: 80,
        section: "".into(),
    }
}

pub(crate) fn arms(weights: &[u32]) -> Split {
    let arm = |(i, &weight): (usize, &u32)| Arm { weight, backend: i as u16, filters: Box::default() };
    Split::Random(weights.iter().enumerate().map(arm).collect())
}

pub(crate) fn rule(split: Split) -> Rule {
    Rule {
        hosts: Box::default(),
        matches: Box::default(),
        filters: Box::default(),
        timeouts: Default::default(),
        retry: None,
        wishes: false,
        split,
        route: meta("route"),
        profile_labels: Arc::from([]),
        failures: Box::default(),
    }
}

/// A route of connections for these server names; a name that begins with a dot means all below it.
pub(crate) fn stream(names: &[&str], split: Split) -> out::Stream {
    let name = |name: &&str| match name.starts_with('.') {
        true => out::HostMatch::Suffix((*name).into()),
        false => out::HostMatch::Exact((*name).into()),
    };
    out::Stream { names: names.iter().map(name).collect(), split, route: meta("stream") }
}

/// A target whose requests and connections go to these backends by weight.
pub(crate) fn target(backends: Vec<Backend>, weights: &[u32]) -> out::Target {
    out::Target {
        protocol: out::Protocol::Detect(Duration::from_millis(500)),
        http: out::Routes { rules: Box::new([rule(arms(weights))]), trivial: true, in_order: false },
        http2: None,
        streams: Box::new([stream(&[], arms(weights))]),
        logical: Some("web.ns.svc.cluster.local:80".into()),
        backends: backends.into(),
        parent: meta("web"),
        budget: out::Budget::default(),
        source: out::Source::Fresh,
    }
}

pub(crate) fn authorization(authentication: inbound::Authentication) -> inbound::Authorization {
    let any = |ip: &str| inbound::Network { net: (ip.parse().expect("address"), 0), except: Box::default() };
    inbound::Authorization { networks: Box::new([any("0.0.0.0"), any("::")]), authentication, meta: meta("authz") }
}

/// A port that sniffs and lets in whom `authentication` says.
pub(crate) fn server(authentication: inbound::Authentication) -> inbound::Server {
    inbound::Server {
        protocol: inbound::Protocol::Detect(Duration::from_millis(500)),
        authorizations: Box::new([authorization(authentication)]),
        routes: Box::default(),
        meta: meta("server"),
        allow_loopback: false,
        limit: None,
    }
}

/// Two proxies: an application beside `a` calls 10.1.0.1:80, which is 10.0.0.2:8080 behind `b`.
pub(crate) fn pair(seed: u64) -> World {
    let mut world = World::new(seed);
    world.proxy("a.test", "10.0.0.1", Config::default());
    world.proxy("b.test", "10.0.0.2", Config::default());
    world.listen("10.0.0.2:8080");
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(target(vec![balanced(1)], &[1])));
    world.paths.insert(PathId(1), endpoints(&[meshed("10.0.0.2:8080", "b.test")]));
    for port in [8080, 4143] {
        world.ports.insert(port, Arc::new(server(inbound::Authentication::Unauthenticated)));
    }
    world
}
