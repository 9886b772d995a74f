//! Outbound policy: protocols, routes, splits, backends.

use super::backends::{Accrual, Backends};
use super::matches::{self, Parsed};
use super::retry;
use super::split::{grpc_filter, http_filter, opaque_refusal, split, tls_refusal};
use super::target::Defaults;
use super::{duration, meta, or};
use linkerd2_proxy_api::http_route;
use linkerd2_proxy_api::outbound as api;
use std::sync::Arc;
use std::time::Duration;
use table::Meta;
use table::outbound::{
    Breaker, HostMatch, Protocol, Rate, Refusal, RequestMatch, Routes, Rule, Split, Stream, Timeouts,
};

/// What a policy says, before a profile is laid over it.
pub(super) struct Policy {
    pub(super) protocol: Protocol,
    pub(super) http: Routes,
    pub(super) http2: Option<Routes>,
    pub(super) streams: Vec<Stream>,
    pub(super) parent: Meta,
}

/// Converts a policy.
pub(super) fn policy(from: &api::OutboundPolicy, defaults: Defaults, backends: &mut Backends<'_>) -> Policy {
    use api::proxy_protocol::Kind;
    let parent = meta(from.metadata.as_ref());
    let mut http2 = None;
    let none = || (Routes::default(), None);
    let (protocol, (http, streams)) = match from.protocol.as_ref().and_then(|p| p.kind.as_ref()) {
        Some(Kind::Detect(d)) => {
            let detect = defaults.detect.unwrap_or_else(|| or(duration(d.timeout.as_ref()), Duration::from_secs(10)));
            let http;
            (http, http2) = detected(d, backends);
            let streams = opaque_streams(d.opaque.as_ref().map_or(&[][..], |o| &o.routes), backends);
            (Protocol::Detect(detect), (http, Some(streams)))
        }
        Some(Kind::Http1(h)) => (Protocol::Http1, (http_routes(&h.routes, h.failure_accrual.as_ref(), backends), None)),
        Some(Kind::Http2(h)) => (Protocol::Http2, (http_routes(&h.routes, h.failure_accrual.as_ref(), backends), None)),
        Some(Kind::Grpc(g)) => (Protocol::Grpc, (grpc_routes(&g.routes, g.failure_accrual.as_ref(), backends), None)),
        Some(Kind::Opaque(o)) => (Protocol::Opaque, (Routes::default(), Some(opaque_streams(&o.routes, backends)))),
        Some(Kind::Tls(t)) => (Protocol::Tls, (Routes::default(), Some(tls_streams(&t.routes, backends)))),
        None => (Protocol::Refuse("the control plane sent a protocol we do not know"), none()),
    };
    // A connection that turns out not to be what policy says goes where its first rule goes.
    let first = |r: &Rule| stream(&[], r.split.clone(), r.route.clone());
    let streams = streams.unwrap_or_else(|| http.rules.first().map(first).into_iter().collect());
    Policy { protocol, http, http2, streams, parent }
}

/// Routes for HTTP/1, and those for HTTP/2 if they differ; a message with one of them means it for both.
fn detected(d: &api::proxy_protocol::Detect, backends: &mut Backends<'_>) -> (Routes, Option<Routes>) {
    let h1 = d.http1.as_ref().map(|h| (&h.routes[..], h.failure_accrual.as_ref())).filter(|(r, _)| !r.is_empty());
    let h2 = d.http2.as_ref().map(|h| (&h.routes[..], h.failure_accrual.as_ref())).filter(|(r, _)| !r.is_empty());
    let one = |(routes, accrual), backends: &mut Backends<'_>| http_routes(routes, accrual, backends);
    let http = one(h1.or(h2).unwrap_or_default(), backends);
    let other = h1.and(h2).filter(|_| h1 != h2).map(|h2| one(h2, backends));
    (http, other)
}

fn http_routes(from: &[api::HttpRoute], accrual: Option<&api::FailureAccrual>, backends: &mut Backends<'_>) -> Routes {
    backends.accrual(Accrual::Is(accrual.and_then(breaker)));
    let mut rules = Vec::new();
    for route in from {
        for rule in &route.rules {
            rules.push(
                http_rule(route, rule, backends).unwrap_or_else(|error| failing(&error, meta(route.metadata.as_ref()))),
            );
        }
    }
    backends.accrual(Accrual::Is(None));
    routes(rules)
}

fn http_rule(route: &api::HttpRoute, rule: &api::http_route::Rule, backends: &mut Backends<'_>) -> Parsed<Rule> {
    #[allow(deprecated, reason = "older control planes still send it")]
    let old = rule.request_timeout.as_ref();
    Ok(Rule {
        hosts: matches::hosts(&route.hosts)?,
        matches: matches::requests(&rule.matches)?,
        filters: rule.filters.iter().map(http_filter).collect::<Parsed<_>>()?,
        timeouts: timeouts(rule.timeouts.as_ref(), old),
        retry: rule.retry.as_ref().map(retry::http),
        wishes: rule.allow_l5d_request_headers,
        split: split(backends, rule.backends.as_ref())?,
        route: meta(route.metadata.as_ref()),
        profile_labels: Arc::from([]),
        failures: Box::default(),
    })
}

fn grpc_routes(from: &[api::GrpcRoute], accrual: Option<&api::FailureAccrual>, backends: &mut Backends<'_>) -> Routes {
    backends.accrual(Accrual::Is(accrual.and_then(breaker)));
    let mut rules = Vec::new();
    for route in from {
        for rule in &route.rules {
            rules.push(
                grpc_rule(route, rule, backends).unwrap_or_else(|error| failing(&error, meta(route.metadata.as_ref()))),
            );
        }
    }
    backends.accrual(Accrual::Is(None));
    routes(rules)
}

fn grpc_rule(route: &api::GrpcRoute, rule: &api::grpc_route::Rule, backends: &mut Backends<'_>) -> Parsed<Rule> {
    #[allow(deprecated, reason = "older control planes still send it")]
    let old = rule.request_timeout.as_ref();
    Ok(Rule {
        hosts: matches::hosts(&route.hosts)?,
        matches: matches::rpcs(&rule.matches)?,
        filters: rule.filters.iter().map(grpc_filter).collect::<Parsed<_>>()?,
        timeouts: timeouts(rule.timeouts.as_ref(), old),
        retry: rule.retry.as_ref().map(retry::grpc),
        wishes: rule.allow_l5d_request_headers,
        split: split(backends, rule.backends.as_ref())?,
        route: meta(route.metadata.as_ref()),
        profile_labels: Arc::from([]),
        failures: Box::default(),
    })
}

/// A rule that cannot be read: its requests must not fall through to another one, so all of them fail here.
fn failing(why: &str, route: Meta) -> Rule {
    log::warn!("route {}/{} cannot be used: {why}", route.namespace, route.name);
    Rule {
        hosts: Box::default(),
        matches: Box::default(),
        filters: Box::new([matches::fail(500, &format!("invalid route: {why}"), None)]),
        timeouts: Timeouts::default(),
        retry: None,
        wishes: false,
        split: Split::Empty,
        route,
        profile_labels: Arc::from([]),
        failures: Box::default(),
    }
}

/// Rules with the shortcut marked.
pub(super) fn routes(rules: Vec<Rule>) -> Routes {
    let open = |hosts: &[HostMatch], m: &[RequestMatch]| {
        hosts.is_empty() && (m.is_empty() || m.iter().any(matches::everything))
    };
    let trivial = matches!(rules.as_slice(), [only] if open(&only.hosts, &only.matches));
    Routes { rules: rules.into(), trivial, in_order: false }
}

/// Rules of a route match alike, so the first one of each is the route.
fn opaque_streams(from: &[api::OpaqueRoute], backends: &mut Backends<'_>) -> Vec<Stream> {
    backends.accrual(Accrual::Any);
    let read = |(route, rule): (&api::OpaqueRoute, &api::opaque_route::Rule)| {
        let refused = rule.filters.first().map(opaque_refusal);
        let split = refused.map_or_else(|| split(backends, rule.backends.as_ref()), |r| Ok(Split::Refused(r)));
        stream(&[], usable(split), meta(route.metadata.as_ref()))
    };
    let streams = from.iter().filter_map(|r| Some((r, r.rules.first()?))).map(read).collect();
    backends.accrual(Accrual::Is(None));
    streams
}

fn tls_streams(from: &[api::TlsRoute], backends: &mut Backends<'_>) -> Vec<Stream> {
    backends.accrual(Accrual::Any);
    let read = |(route, rule): (&api::TlsRoute, &api::tls_route::Rule)| {
        let refused = rule.filters.first().map(tls_refusal);
        let split = refused.map_or_else(|| split(backends, rule.backends.as_ref()), |r| Ok(Split::Refused(r)));
        match matches::server_names(&route.snis) {
            Ok(names) => stream(&names, usable(split), meta(route.metadata.as_ref())),
            // It must not fall through to another route, and which names it means is unknown.
            Err(why) => stream(&[], Split::Refused(Refusal::Invalid(why.into())), meta(route.metadata.as_ref())),
        }
    };
    let streams = from.iter().filter_map(|r| Some((r, r.rules.first()?))).map(read).collect();
    backends.accrual(Accrual::Is(None));
    streams
}

fn usable(split: Parsed<Split>) -> Split {
    split.unwrap_or_else(|why| Split::Refused(Refusal::Invalid(why.into())))
}

pub(super) fn stream(names: &[HostMatch], split: Split, route: Meta) -> Stream {
    if let Split::Refused(Refusal::Invalid(why)) = &split {
        log::warn!("route {}/{} of connections is invalid: {why}", route.namespace, route.name);
    }
    Stream { names: names.into(), split, route }
}

fn timeouts(from: Option<&http_route::Timeouts>, old: Option<&prost_types::Duration>) -> Timeouts {
    let stream = from.map_or(Duration::ZERO, |t| duration(t.request.as_ref()));
    Timeouts {
        stream: or(stream, duration(old)),
        response: from.map_or(Duration::ZERO, |t| duration(t.response.as_ref())),
        idle: from.map_or(Duration::ZERO, |t| duration(t.idle.as_ref())),
    }
}

pub(super) fn backoff(from: Option<&api::ExponentialBackoff>, default: (u64, u64)) -> (Duration, Duration) {
    let min = or(from.map_or(Duration::ZERO, |b| duration(b.min_backoff.as_ref())), Duration::from_millis(default.0));
    let max = or(from.map_or(Duration::ZERO, |b| duration(b.max_backoff.as_ref())), Duration::from_millis(default.1));
    (min, max.max(min))
}

fn breaker(from: &api::FailureAccrual) -> Option<Breaker> {
    use api::failure_accrual::Kind;
    let (max_failures, rate, wait) = match from.kind.as_ref()? {
        Kind::ConsecutiveFailures(c) => (c.max_failures, None, c.backoff.as_ref()),
        Kind::Unified(u) => (u.max_consecutive_failures, rate(u), u.backoff.as_ref()),
    };
    (max_failures > 0 || rate.is_some()).then(|| Breaker {
        max_failures,
        rate,
        backoff: backoff(wait, (1_000, 60_000)),
        jitter: wait.map_or(0.5, |b| b.jitter_ratio).clamp(0.0, 100.0),
        retry_after: wait.is_some_and(|b| b.respect_retry_after_hint),
        min_ready: from.ejection.map_or(0, |e| e.min_ready_endpoints),
    })
}

fn rate(from: &api::failure_accrual::Unified) -> Option<Rate> {
    let least = from.success_rate_threshold;
    (least > 0.0).then(|| Rate {
        least: least.min(1.0),
        window: or(duration(from.decay.as_ref()), Duration::from_secs(10)),
        requests: from.min_requests.max(1),
    })
}
