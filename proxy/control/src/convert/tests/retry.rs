//! Retries, budgets, wishes, queues: every field of them arrives in the table.

use super::{FQN, balancer, detect, http_backend, merged, policy, resource, strings};
use crate::convert::Slot;
use linkerd2_proxy_api::{destination as dst, grpc_route, http_route, opaque_route, outbound as api};
use prost_types::Duration as Time;
use std::time::Duration;
use table::outbound::{Budget, Filter, Protocol, Rule, Split, Target};

const HERE: &str = "web.default.svc.cluster.local:80";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn backoff(min: i32, max: i32, jitter_ratio: f32) -> Option<api::ExponentialBackoff> {
    let time = |millis: i32| Some(Time { seconds: 0, nanos: millis * 1_000_000 });
    Some(api::ExponentialBackoff { min_backoff: time(min), max_backoff: time(max), jitter_ratio, ..Default::default() })
}

fn http(rule: api::http_route::Rule) -> Target {
    let route = api::HttpRoute { metadata: Some(resource("HTTPRoute", "r")), hosts: Vec::new(), rules: vec![rule] };
    let http1 = api::proxy_protocol::Http1 { routes: vec![route], failure_accrual: None };
    merged(Slot::Is(policy(api::proxy_protocol::Kind::Http1(http1))), Slot::Absent).0
}

fn grpc(rule: api::grpc_route::Rule) -> Target {
    let route = api::GrpcRoute { metadata: Some(resource("GRPCRoute", "r")), hosts: Vec::new(), rules: vec![rule] };
    let grpc = api::proxy_protocol::Grpc { routes: vec![route], failure_accrual: None };
    merged(Slot::Is(policy(api::proxy_protocol::Kind::Grpc(grpc))), Slot::Absent).0
}

fn rule(target: &Target) -> &Rule {
    &target.http.rules[0]
}

#[test]
fn an_http_route_s_retry() {
    let range = |start, end| api::http_route::retry::conditions::StatusRange { start, end };
    let retry = api::http_route::Retry {
        max_retries: 3,
        max_request_bytes: 70_000,
        conditions: Some(api::http_route::retry::Conditions { status_ranges: vec![range(500, 599), range(429, 429)] }),
        timeout: Some(Time { seconds: 2, nanos: 0 }),
        backoff: backoff(10, 200, 0.25),
    };
    let allow = api::http_route::Rule { retry: Some(retry), allow_l5d_request_headers: true, ..Default::default() };
    let target = http(allow);
    let made = rule(&target).retry.as_deref().expect("a retry");
    assert_eq!(
        (made.max, made.max_body, made.timeout, made.backoff, made.jitter),
        (3, 70_000, ms(2_000), (ms(10), ms(200)), 0.25)
    );
    assert_eq!((made.status.to_vec(), made.grpc.len()), (vec![(500, 599), (429, 429)], 0));
    assert!(rule(&target).wishes && target.budget == Budget::default());
    let bare = http(api::http_route::Rule::default());
    assert!(rule(&bare).retry.is_none() && !rule(&bare).wishes && !bare.http.in_order);
}

#[test]
fn a_grpc_route_s_retry() {
    let conditions = api::grpc_route::retry::Conditions { unavailable: true, internal: true, ..Default::default() };
    let retry = api::grpc_route::Retry { max_retries: 1, conditions: Some(conditions), ..Default::default() };
    let target = grpc(api::grpc_route::Rule { retry: Some(retry), ..Default::default() });
    let made = rule(&target).retry.as_deref().expect("a retry");
    assert_eq!((made.grpc.to_vec(), made.status.len(), made.backoff), (vec![13, 14], 0, (ms(25), ms(250))));
}

#[test]
fn a_profile_s_retries_are_in_its_order_and_budget() {
    let route = |is_retryable| dst::Route {
        condition: Some(dst::RequestMatch {
            r#match: Some(dst::request_match::Match::Path(dst::PathMatch { regex: "/a".into() })),
        }),
        metrics_labels: strings(&[("route", "r")]),
        is_retryable,
        ..Default::default()
    };
    let profile = |retry_budget| dst::DestinationProfile {
        fully_qualified_name: FQN.into(),
        routes: vec![route(true), route(false)],
        retry_budget,
        ..Default::default()
    };
    let told = |ttl, retry_ratio| dst::RetryBudget { retry_ratio, min_retries_per_second: 3, ttl };
    let seconds = |seconds| Some(Time { seconds, nanos: 0 });
    for (said, wanted) in [
        (None, Budget::default()),
        (Some(told(seconds(30), 0.5)), Budget { ttl: ms(30_000), min_per_second: 3, ratio: 0.5 }),
        (Some(told(None, f32::NAN)), Budget { min_per_second: 3, ..Budget::default() }),
        (Some(told(seconds(-1), -2.0)), Budget { min_per_second: 3, ratio: 0.0, ..Budget::default() }),
    ] {
        let (target, _) = merged(Slot::Absent, Slot::Is(profile(said)));
        assert_eq!(target.budget, wanted);
        assert!(target.http.in_order);
        let retry = target.http.rules[0].retry.as_deref().expect("retryable");
        assert_eq!((retry.status.to_vec(), retry.timeout, retry.backoff.0), (vec![(500, 599)], ms(0), ms(0)));
        assert!(retry.grpc.contains(&14) && target.http.rules[1].retry.is_none());
    }
}

#[test]
fn failure_filters_say_whether_they_mean_http_or_grpc() {
    let inject = http_route::HttpFailureInjector { status: 503, message: "no".into(), ratio: None };
    let filter = api::http_route::filter::Kind::FailureInjector(inject);
    let filters = vec![api::http_route::Filter { kind: Some(filter) }];
    let target = http(api::http_route::Rule { filters, ..Default::default() });
    assert!(matches!(rule(&target).filters[0], Filter::Fail { status: 503, grpc: false, ratio: 1_000_000, .. }));
    let inject = grpc_route::GrpcFailureInjector { code: 14, message: "no".into(), ratio: None };
    let filter = api::grpc_route::filter::Kind::FailureInjector(inject);
    let filters = vec![api::grpc_route::Filter { kind: Some(filter) }];
    let target = grpc(api::grpc_route::Rule { filters, ..Default::default() });
    assert!(matches!(rule(&target).filters[0], Filter::Fail { status: 14, grpc: true, .. }));
}

#[test]
fn the_smaller_queue_holds() {
    for (told, wanted) in [(None, 10_000), (Some(0), 10_000), (Some(100), 100), (Some(50_000), 10_000)] {
        let queue = told.map(|capacity| api::Queue { capacity, failfast_timeout: None });
        let backend = api::Backend { queue, ..balancer(HERE) };
        let first = api::http_route::distribution::FirstAvailable { backends: vec![http_backend(backend)] };
        let kind = Some(api::http_route::distribution::Kind::FirstAvailable(first));
        let backends = Some(api::http_route::Distribution { kind });
        let target = http(api::http_route::Rule { backends, ..Default::default() });
        assert_eq!(target.backends[0].queue, wanted, "{told:?}");
    }
}

#[test]
fn an_opaque_target_has_a_rule_for_an_ingress() {
    let refused = api::OpaqueRoute {
        metadata: None,
        rules: vec![api::opaque_route::Rule {
            backends: None,
            filters: vec![api::opaque_route::Filter {
                kind: Some(api::opaque_route::filter::Kind::Forbidden(opaque_route::Forbidden {})),
            }],
        }],
    };
    let forced = dst::DestinationProfile { opaque_protocol: true, ..Default::default() };
    let (target, _) = merged(Slot::Is(detect(&[(HERE, 1)])), Slot::Is(forced));
    assert!(target.protocol == Protocol::Opaque && matches!(rule(&target).split, Split::Random(_)));
    let opaque = api::proxy_protocol::Opaque { routes: vec![refused] };
    let (target, _) = merged(Slot::Is(policy(api::proxy_protocol::Kind::Opaque(opaque))), Slot::Absent);
    assert!(target.http.trivial && matches!(rule(&target).split, Split::Refused(_)));
}
