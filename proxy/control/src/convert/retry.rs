//! Retries: what a route allows a request, and what a service bears.
//!
//! In: the retry parts of routes and profiles. Out: `Retry` of a rule, `Budget` of a target.

use super::duration;
use super::outbound::backoff;
use linkerd2_proxy_api::destination;
use linkerd2_proxy_api::outbound as api;
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{Budget, Retry};

/// Bodies that a profile's retries may repeat, and retries of one request: its budget bounds the rest.
const PROFILE_BODY: usize = 64 << 10;
const PROFILE_MOST: u32 = 5;
/// gRPC codes that count as failures.
const FAILURES: [u8; 6] = [2, 4, 7, 13, 14, 15];

pub(super) fn http(from: &api::http_route::Retry) -> Arc<Retry> {
    let ranges = from.conditions.as_ref().map_or(&[][..], |c| &c.status_ranges);
    let range = |r: &api::http_route::retry::conditions::StatusRange| {
        Some((u16::try_from(r.start).ok()?, u16::try_from(r.end).ok()?))
    };
    Arc::new(Retry {
        max: from.max_retries,
        max_body: from.max_request_bytes as usize,
        status: ranges.iter().filter_map(range).collect(),
        grpc: Box::default(),
        timeout: duration(from.timeout.as_ref()),
        backoff: backoff(from.backoff.as_ref(), (25, 250)),
        jitter: jitter(from.backoff.as_ref()),
    })
}

pub(super) fn grpc(from: &api::grpc_route::Retry) -> Arc<Retry> {
    let c = from.conditions.unwrap_or_default();
    let codes =
        [(c.cancelled, 1), (c.deadine_exceeded, 4), (c.resource_exhausted, 8), (c.internal, 13), (c.unavailable, 14)];
    Arc::new(Retry {
        max: from.max_retries,
        max_body: from.max_request_bytes as usize,
        status: Box::default(),
        grpc: codes.into_iter().filter(|(set, _)| *set).map(|(_, code)| code).collect(),
        timeout: duration(from.timeout.as_ref()),
        backoff: backoff(from.backoff.as_ref(), (25, 250)),
        jitter: jitter(from.backoff.as_ref()),
    })
}

/// A profile's route that may be repeated: at once, whenever its answer is a failure by the profile's classes.
pub(super) fn profile(failures: &[(u16, u16)]) -> Arc<Retry> {
    Arc::new(Retry {
        max: PROFILE_MOST,
        max_body: PROFILE_BODY,
        status: if failures.is_empty() { Box::new([(500, 599)]) } else { failures.into() },
        grpc: FAILURES.into(),
        timeout: Duration::ZERO,
        backoff: (Duration::ZERO, Duration::ZERO),
        jitter: 0.0,
    })
}

/// A profile's budget; without one, the usual.
pub(super) fn budget(from: Option<&destination::RetryBudget>) -> Budget {
    let usual = Budget::default();
    let Some(from) = from else { return usual };
    let ttl = duration(from.ttl.as_ref());
    Budget {
        ttl: if ttl.is_zero() { usual.ttl } else { ttl },
        min_per_second: from.min_retries_per_second,
        ratio: if from.retry_ratio.is_finite() { from.retry_ratio.max(0.0) } else { usual.ratio },
    }
}

/// Without a word, half of the wait.
fn jitter(from: Option<&api::ExponentialBackoff>) -> f32 {
    from.map_or(0.5, |b| b.jitter_ratio).clamp(0.0, 100.0)
}
