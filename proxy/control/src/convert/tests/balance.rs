//! How endpoints are weighed and broken off.

use super::{balancer, detect, http_backend, merged, policy};
use crate::convert::Slot;
use linkerd2_proxy_api::outbound as api;
use std::time::Duration;
use table::outbound::{BackendKind, Breaker, Load, Penalty, Rate};

const HERE: &str = "web.default.svc.cluster.local:80";

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn with_load(load: Option<api::backend::balance_p2c::Load>) -> api::Backend {
    let mut backend = balancer(HERE);
    if let Some(api::backend::Kind::Balancer(b)) = &mut backend.kind {
        b.load = load;
    }
    backend
}

fn routed(backend: api::Backend) -> api::HttpRoute {
    let first = api::http_route::distribution::FirstAvailable { backends: vec![http_backend(backend)] };
    let split =
        api::http_route::Distribution { kind: Some(api::http_route::distribution::Kind::FirstAvailable(first)) };
    let rule = api::http_route::Rule { backends: Some(split), ..Default::default() };
    api::HttpRoute { rules: vec![rule], ..Default::default() }
}

fn http1(backend: api::Backend, failure_accrual: Option<api::FailureAccrual>) -> api::OutboundPolicy {
    policy(api::proxy_protocol::Kind::Http1(api::proxy_protocol::Http1 {
        routes: vec![routed(backend)],
        failure_accrual,
    }))
}

#[test]
fn each_load_keeps_its_times_and_absent_ones_are_the_usual() {
    use api::backend::balance_p2c::Load as Said;
    let s = Duration::from_secs;
    let usual = Load { rtt: Duration::from_millis(30), decay: s(10), penalty: None };
    let penalty = |usual: u64, most: u64, decay: u64| Penalty { usual: s(usual), most: s(most), decay: s(decay) };
    let plain = api::backend::balance_p2c::PeakEwma { default_rtt: seconds(1), decay: seconds(2) };
    let full = api::backend::balance_p2c::PenaltyPeakEwma {
        default_rtt: seconds(1),
        decay: seconds(2),
        penalty: seconds(3),
        max_retry_after: seconds(4),
        penalty_decay: seconds(5),
    };
    for (said, load) in [
        (None, usual),
        (Some(Said::PeakEwma(plain)), Load { rtt: s(1), decay: s(2), penalty: None }),
        (Some(Said::PenaltyPeakEwma(full)), Load { rtt: s(1), decay: s(2), penalty: Some(penalty(3, 4, 5)) }),
        (
            Some(Said::PenaltyPeakEwma(api::backend::balance_p2c::PenaltyPeakEwma::default())),
            Load { penalty: Some(penalty(5, 300, 10)), ..usual },
        ),
    ] {
        let (t, _) = merged(Slot::Is(http1(with_load(said), None)), Slot::Absent);
        assert!(matches!(&t.backends[0].kind, BackendKind::Balance { load: l, .. } if *l == load), "{said:?}");
    }
}

#[test]
fn each_accrual_keeps_its_numbers() {
    use api::failure_accrual::{ConsecutiveFailures, Kind, Unified};
    let backoff = |hint| {
        Some(api::ExponentialBackoff {
            min_backoff: seconds(2),
            max_backoff: seconds(9),
            jitter_ratio: 0.25,
            respect_retry_after_hint: hint,
        })
    };
    let s = Duration::from_secs;
    let breaker =
        Breaker { max_failures: 7, rate: None, backoff: (s(2), s(9)), jitter: 0.25, retry_after: false, min_ready: 0 };
    let unified = Unified {
        success_rate_threshold: 0.75,
        decay: seconds(20),
        min_requests: 4,
        max_consecutive_failures: 0,
        backoff: backoff(true),
    };
    let rate = Rate { least: 0.75, window: s(20), requests: 4 };
    let row =
        |max_failures, hint| Kind::ConsecutiveFailures(ConsecutiveFailures { max_failures, backoff: backoff(hint) });
    for (kind, ready, wanted) in [
        (Some(row(7, false)), 0, Some(breaker)),
        (Some(row(7, true)), 2, Some(Breaker { retry_after: true, min_ready: 2, ..breaker })),
        (Some(row(0, false)), 0, None),
        (None, 1, None),
        (
            Some(Kind::Unified(unified)),
            0,
            Some(Breaker { max_failures: 0, rate: Some(rate), retry_after: true, ..breaker }),
        ),
        (
            Some(Kind::Unified(Unified {
                max_consecutive_failures: 3,
                decay: None,
                min_requests: 0,
                success_rate_threshold: 2.0,
                backoff: backoff(false),
            })),
            0,
            Some(Breaker { max_failures: 3, rate: Some(Rate { least: 1.0, window: s(10), requests: 1 }), ..breaker }),
        ),
        (Some(Kind::Unified(Unified { success_rate_threshold: 0.0, ..unified })), 0, None),
    ] {
        let accrual = api::FailureAccrual { kind, ejection: Some(api::EjectionConfig { min_ready_endpoints: ready }) };
        let (t, _) = merged(Slot::Is(http1(balancer(HERE), Some(accrual))), Slot::Absent);
        assert_eq!(t.backends[0].breaker, wanted, "{kind:?}");
    }
}

#[test]
fn routes_for_http2_stand_beside_those_for_http1_where_they_differ() {
    use api::failure_accrual::{ConsecutiveFailures, Kind};
    let accrual = api::FailureAccrual {
        kind: Some(Kind::ConsecutiveFailures(ConsecutiveFailures { max_failures: 2, backoff: None })),
        ejection: None,
    };
    let said = |edit: &dyn Fn(&mut api::proxy_protocol::Detect)| {
        let mut message = detect(&[(HERE, 1)]);
        if let Some(api::proxy_protocol::Kind::Detect(d)) = message.protocol.as_mut().and_then(|p| p.kind.as_mut()) {
            edit(d);
        }
        merged(Slot::Is(message), Slot::Absent).0
    };
    let same = said(&|_| {});
    assert!(same.http2.is_none() && same.backends.len() == 1 && same.routes(true).0.rules.len() == 1);
    for (case, edit) in [
        ("no routes for HTTP/2", (&|d: &mut api::proxy_protocol::Detect| d.http2 = None) as &dyn Fn(&mut _)),
        ("none for HTTP/1", &|d: &mut api::proxy_protocol::Detect| d.http1 = None),
    ] {
        let one = said(edit);
        assert!(one.http2.is_none() && one.http.rules.len() == 1, "{case}");
    }
    let other = said(&|d: &mut api::proxy_protocol::Detect| {
        if let Some(h) = &mut d.http2 {
            h.failure_accrual = Some(accrual);
        }
    });
    let (routes, before) = other.routes(true);
    assert!(routes.rules.len() == 1 && before == 1 && other.routes(false).1 == 0);
    let breakers: Vec<_> = other.backends.iter().map(|b| b.breaker.map(|b| b.max_failures)).collect();
    assert_eq!(breakers, [None, Some(2)], "one backend each, and opaque bytes share the first");
}
