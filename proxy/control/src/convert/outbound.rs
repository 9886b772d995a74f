//! Outbound policy: protocols, routes, splits, backends.

use super::backends::Backends;
use super::matches::{self, Parsed};
use super::split::{grpc_filter, http_filter, split};
use super::target::Defaults;
use super::{duration, meta, or};
use linkerd2_proxy_api::outbound as api;
use linkerd2_proxy_api::{http_route, opaque_route};
use std::sync::Arc;
use std::time::Duration;
use table::Meta;
use table::outbound::{Breaker, HostMatch, Protocol, RequestMatch, Retry, Routes, Rule, Split, Timeouts};

/// What a policy says, before a profile is laid over it.
pub(super) struct Policy {
    pub(super) protocol: Protocol,
    pub(super) http: Routes,
    pub(super) opaque: Split,
    pub(super) parent: Meta,
}

/// Converts a policy.
pub(super) fn policy(from: &api::OutboundPolicy, defaults: Defaults, backends: &mut Backends<'_>) -> Policy {
    use api::proxy_protocol::Kind;
    let parent = meta(from.metadata.as_ref());
    let (protocol, http, opaque) = match from.protocol.as_ref().and_then(|p| p.kind.as_ref()) {
        Some(Kind::Detect(d)) => {
            let detect = defaults.detect.unwrap_or_else(|| or(duration(d.timeout.as_ref()), Duration::from_secs(10)));
            let (h1, h2) = (d.http1.as_ref(), d.http2.as_ref());
            // Both carry the same routes; a message with one of them means it for both.
            let http = match (h1, h2) {
                (Some(h), _) if !h.routes.is_empty() => http_routes(&h.routes, h.failure_accrual.as_ref(), backends),
                (_, Some(h)) => http_routes(&h.routes, h.failure_accrual.as_ref(), backends),
                _ => http_routes(&[], None, backends),
            };
            let opaque = opaque_split(d.opaque.as_ref().map_or(&[][..], |o| &o.routes), backends);
            (Protocol::Detect(detect), http, Some(opaque))
        }
        Some(Kind::Http1(h)) => (Protocol::Http1, http_routes(&h.routes, h.failure_accrual.as_ref(), backends), None),
        Some(Kind::Http2(h)) => (Protocol::Http2, http_routes(&h.routes, h.failure_accrual.as_ref(), backends), None),
        Some(Kind::Grpc(g)) => (Protocol::Grpc, grpc_routes(&g.routes, g.failure_accrual.as_ref(), backends), None),
        Some(Kind::Opaque(o)) => (Protocol::Opaque, Routes::default(), Some(opaque_split(&o.routes, backends))),
        Some(Kind::Tls(t)) => (Protocol::Tls, Routes::default(), Some(tls_split(&t.routes, backends))),
        None => (Protocol::Refuse("the control plane sent a protocol we do not know"), Routes::default(), None),
    };
    // A connection that turns out not to be what policy says goes where its first rule goes.
    let opaque = opaque.unwrap_or_else(|| http.rules.first().map(|r| r.split.clone()).unwrap_or_default());
    Policy { protocol, http, opaque, parent }
}

fn http_routes(from: &[api::HttpRoute], accrual: Option<&api::FailureAccrual>, backends: &mut Backends<'_>) -> Routes {
    backends.breaker = accrual.and_then(breaker);
    let mut rules = Vec::new();
    for route in from {
        for rule in &route.rules {
            rules.push(
                http_rule(route, rule, backends).unwrap_or_else(|error| failing(&error, meta(route.metadata.as_ref()))),
            );
        }
    }
    backends.breaker = None;
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
        retry: rule.retry.as_ref().map(http_retry),
        split: split(backends, rule.backends.as_ref())?,
        route: meta(route.metadata.as_ref()),
        profile_labels: Arc::from([]),
        failures: Box::default(),
    })
}

fn grpc_routes(from: &[api::GrpcRoute], accrual: Option<&api::FailureAccrual>, backends: &mut Backends<'_>) -> Routes {
    backends.breaker = accrual.and_then(breaker);
    let mut rules = Vec::new();
    for route in from {
        for rule in &route.rules {
            rules.push(
                grpc_rule(route, rule, backends).unwrap_or_else(|error| failing(&error, meta(route.metadata.as_ref()))),
            );
        }
    }
    backends.breaker = None;
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
        retry: rule.retry.as_ref().map(grpc_retry),
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
    Routes { rules: rules.into(), trivial }
}

fn opaque_split(from: &[api::OpaqueRoute], backends: &mut Backends<'_>) -> Split {
    let Some(rule) = from.iter().flat_map(|r| &r.rules).next() else { return Split::Empty };
    if let Some(refused) = rule.filters.iter().find_map(|f| opaque_filter(f.kind.as_ref().map(opaque_kind))) {
        return refused;
    }
    split(backends, rule.backends.as_ref()).unwrap_or_default()
}

/// Routes by server name are not told apart here: the first one counts.
fn tls_split(from: &[api::TlsRoute], backends: &mut Backends<'_>) -> Split {
    if from.len() > 1 {
        log::warn!("{} TLS routes: only the first is used", from.len());
    }
    let Some(rule) = from.iter().flat_map(|r| &r.rules).next() else { return Split::Empty };
    if let Some(refused) = rule.filters.iter().find_map(|f| opaque_filter(f.kind.as_ref().map(tls_kind))) {
        return refused;
    }
    split(backends, rule.backends.as_ref()).unwrap_or_default()
}

enum Verdict<'a> {
    Invalid(&'a opaque_route::Invalid),
    Forbidden,
}

fn opaque_kind(from: &api::opaque_route::filter::Kind) -> Verdict<'_> {
    match from {
        api::opaque_route::filter::Kind::Invalid(i) => Verdict::Invalid(i),
        api::opaque_route::filter::Kind::Forbidden(_) => Verdict::Forbidden,
    }
}

fn tls_kind(from: &api::tls_route::filter::Kind) -> Verdict<'_> {
    match from {
        api::tls_route::filter::Kind::Invalid(i) => Verdict::Invalid(i),
        api::tls_route::filter::Kind::Forbidden(_) => Verdict::Forbidden,
    }
}

fn opaque_filter(from: Option<Verdict<'_>>) -> Option<Split> {
    match from {
        Some(Verdict::Forbidden) => Some(Split::Forbidden("forbidden")),
        Some(Verdict::Invalid(invalid)) => {
            log::warn!("an opaque route is invalid: {}", invalid.message);
            Some(Split::Forbidden("invalid_policy"))
        }
        None => Some(Split::Forbidden("invalid_policy")),
    }
}

fn timeouts(from: Option<&http_route::Timeouts>, old: Option<&prost_types::Duration>) -> Timeouts {
    let stream = from.map_or(Duration::ZERO, |t| duration(t.request.as_ref()));
    Timeouts {
        stream: or(stream, duration(old)),
        response: from.map_or(Duration::ZERO, |t| duration(t.response.as_ref())),
        idle: from.map_or(Duration::ZERO, |t| duration(t.idle.as_ref())),
    }
}

fn backoff(from: Option<&api::ExponentialBackoff>, default: (u64, u64)) -> (Duration, Duration) {
    let min = or(from.map_or(Duration::ZERO, |b| duration(b.min_backoff.as_ref())), Duration::from_millis(default.0));
    let max = or(from.map_or(Duration::ZERO, |b| duration(b.max_backoff.as_ref())), Duration::from_millis(default.1));
    (min, max.max(min))
}

fn http_retry(from: &api::http_route::Retry) -> Retry {
    let ranges = from.conditions.as_ref().map_or(&[][..], |c| &c.status_ranges);
    let range = |r: &api::http_route::retry::conditions::StatusRange| {
        Some((u16::try_from(r.start).ok()?, u16::try_from(r.end).ok()?))
    };
    Retry {
        max: from.max_retries,
        max_body: from.max_request_bytes as usize,
        status: ranges.iter().filter_map(range).collect(),
        grpc: Box::default(),
        timeout: duration(from.timeout.as_ref()),
        backoff: backoff(from.backoff.as_ref(), (25, 250)),
    }
}

fn grpc_retry(from: &api::grpc_route::Retry) -> Retry {
    let c = from.conditions.unwrap_or_default();
    let codes =
        [(c.cancelled, 1), (c.deadine_exceeded, 4), (c.resource_exhausted, 8), (c.internal, 13), (c.unavailable, 14)];
    Retry {
        max: from.max_retries,
        max_body: from.max_request_bytes as usize,
        status: Box::default(),
        grpc: codes.into_iter().filter(|(set, _)| *set).map(|(_, code)| code).collect(),
        timeout: duration(from.timeout.as_ref()),
        backoff: backoff(from.backoff.as_ref(), (25, 250)),
    }
}

fn breaker(from: &api::FailureAccrual) -> Option<Breaker> {
    use api::failure_accrual::Kind;
    let (max_failures, wait) = match from.kind.as_ref()? {
        Kind::ConsecutiveFailures(c) => (c.max_failures, c.backoff.as_ref()),
        // Its window of success rates is not kept here; its limit of failures in a row is.
        Kind::Unified(u) => (u.max_consecutive_failures, u.backoff.as_ref()),
    };
    (max_failures > 0).then(|| Breaker {
        max_failures,
        backoff: backoff(wait, (1_000, 60_000)),
        jitter: wait.map_or(0.5, |b| b.jitter_ratio).clamp(0.0, 100.0),
    })
}
