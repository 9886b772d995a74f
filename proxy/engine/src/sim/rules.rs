//! What rules and requests say of an outbound request: filters, queues, time, ingress, who must answer.

use super::air::End;
use super::http2::App;
use super::make::*;
use super::world::World;
use crate::config::{Config, Side};
use http::h2::Role;
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{self as out, Arm, BackendKind, Filter, HeaderEdits, PathMatch, RequestMatch, Split};
use table::{Lookup, PathId, Tell};

const APP: &str = "10.0.0.2:8080";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const ASK: &str = "GET /x HTTP/1.1\r\nhost: web\r\n\r\n";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn there() -> Lookup {
    Lookup::Addr(addr("10.1.0.1:80"))
}

/// Answers what reached one of the servers; what it had been asked.
fn serve(world: &mut World, at: &str) -> Option<String> {
    let server = world.accept(at)?;
    let seen = world.text(server);
    world.write(server, OK);
    world.finish(server);
    world.run();
    Some(seen)
}

fn call(world: &mut World, client: End, ask: &str) -> (String, Option<String>) {
    world.write(client, ask);
    world.run();
    let seen = serve(world, APP);
    (world.text(client), seen)
}

fn ruled(rules: Vec<out::Rule>, backends: Vec<out::Backend>) -> Arc<out::Target> {
    let mut target = target(backends, &[1]);
    target.http = out::Routes { rules: rules.into(), trivial: false, in_order: false };
    Arc::new(target)
}

fn set(name: &str, value: &str) -> HeaderEdits {
    HeaderEdits { set: Box::new([(name.into(), value.into())]), ..HeaderEdits::default() }
}

#[test]
fn filters_of_a_backend_reference_come_after_the_rule_s() {
    let mut one = rule(arms(&[1]));
    one.filters = Box::new([Filter::Request(set("x-who", "rule")), Filter::Response(set("x-back", "rule"))]);
    let mine = vec![Filter::Request(set("x-who", "arm")), Filter::Response(set("x-back", "arm"))];
    for (case, filters, status, who) in [
        ("none", vec![], "200", Some("rule")),
        ("edits", mine, "200", Some("arm")),
        ("fails", vec![Filter::Fail { status: 418, grpc: false, message: "no".into(), ratio: 1_000_000 }], "418", None),
        (
            "by a gRPC code",
            vec![Filter::Fail { status: 7, grpc: true, message: "no".into(), ratio: 1_000_000 }],
            "403",
            None,
        ),
    ] {
        let mut world = pair(1);
        let arm = Arm { weight: 1, backend: 0, filters: filters.into() };
        let rule =
            out::Rule { split: Split::Random(Box::new([arm])), filters: one.filters.clone(), ..rule(arms(&[1])) };
        world.targets.insert(there(), ruled(vec![rule], vec![balanced(1)]));
        let client = world.connect(0, "10.1.0.1:80");
        // Twice: the first request waits for a connection, the second does not.
        for _ in 0..2 {
            let (got, seen) = call(&mut world, client, ASK);
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {got}");
            assert_eq!(seen.is_some(), who.is_some(), "{case}");
            if let (Some(who), Some(seen)) = (who, seen) {
                assert!(
                    seen.contains(&format!("x-who: {who}\r\n")) && seen.matches("x-who").count() == 1,
                    "{case}: {seen}"
                );
                assert!(
                    got.contains(&format!("x-back: {who}\r\n")) && got.matches("x-back").count() == 1,
                    "{case}: {got}"
                );
            }
        }
    }
}

#[test]
fn a_share_of_failures_is_thrown_once_for_a_request() {
    let mut world = pair(2);
    let half = Filter::Fail { status: 418, grpc: false, message: "no".into(), ratio: 500_000 };
    let arm = Arm { weight: 1, backend: 0, filters: Box::new([half]) };
    let rule = out::Rule { split: Split::Random(Box::new([arm])), ..rule(arms(&[1])) };
    world.targets.insert(there(), ruled(vec![rule], vec![balanced(1)]));
    let mut failed = 0;
    for _ in 0..200 {
        let client = world.connect(0, "10.1.0.1:80");
        failed += u32::from(call(&mut world, client, ASK).0.starts_with("HTTP/1.1 418 "));
    }
    assert!((65..135).contains(&failed), "{failed} of 200");
}

#[test]
fn a_redirect_replaces_the_matched_prefix() {
    let matched = RequestMatch { path: Some(PathMatch::Prefix("/old".into())), ..RequestMatch::default() };
    let path = Some(("/new".into(), true));
    let moved = Filter::Redirect { scheme: Some("https".into()), host: None, port: 0, path, status: 301 };
    let rule = out::Rule { matches: Box::new([matched]), filters: Box::new([moved]), ..rule(arms(&[1])) };
    let mut world = pair(3);
    world.targets.insert(there(), ruled(vec![rule], vec![balanced(1)]));
    let client = world.connect(0, "10.1.0.1:80");
    let (got, _) = call(&mut world, client, "GET /old/x?y HTTP/1.1\r\nhost: web:80\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 301 ") && got.contains("location: https://web:80/new/x?y\r\n"), "{got}");
}

#[test]
fn grpc_hears_the_code_of_a_failure_filter() {
    for (status, grpc, wanted) in
        [(14, true, "grpc-status=14"), (503, false, "grpc-status=14"), (404, false, "grpc-status=12")]
    {
        let mut world = pair(4);
        let fail = Filter::Fail { status, grpc, message: "no".into(), ratio: 1_000_000 };
        let rule = out::Rule { filters: Box::new([fail]), ..rule(arms(&[1])) };
        world.targets.insert(there(), ruled(vec![rule], vec![balanced(1)]));
        let mut client = App::new(Role::Client, world.connect(0, "10.1.0.1:80"));
        let stream = client.open("/svc/M", "application/grpc", true);
        client.turn(&mut world);
        client.turn(&mut world);
        assert!(client.saw(stream, wanted), "{status}: {:?}", client.seen);
    }
}

#[test]
fn the_first_available_backend_takes_all_until_it_is_not() {
    let first = |weights: &[u32]| match arms(weights) {
        Split::Random(arms) => Split::First(arms),
        other => other,
    };
    let mut world = pair(5);
    world.listen("10.0.0.3:8080");
    world.paths.insert(PathId(2), endpoints(&[plain("10.0.0.3:8080")]));
    world.targets.insert(there(), ruled(vec![rule(first(&[1, 1]))], vec![balanced(1), balanced(2)]));
    let client = world.connect(0, "10.1.0.1:80");
    let reached = |world: &mut World| {
        world.write(client, ASK);
        world.run();
        let seen = [APP, "10.0.0.3:8080"].map(|at| serve(world, at).is_some());
        assert!(world.text(client).starts_with("HTTP/1.1 200 "));
        seen
    };
    assert_eq!(reached(&mut world), [true, false]);
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[])));
    assert_eq!(reached(&mut world), [false, true]);
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[meshed(APP, "b.test")])));
    assert_eq!(reached(&mut world), [true, false]);
}

#[test]
fn a_backend_s_queue_is_bounded_once_its_endpoints_are_known() {
    for (told, queue, shed) in [(true, 2, 3), (true, 100, 0), (false, 2, 0)] {
        let mut world = pair(6);
        let backend = out::Backend { queue, ..balanced(1) };
        world.targets.insert(there(), Arc::new(target(vec![backend], &[1])));
        world.paths.remove(&PathId(1));
        if told {
            world.paths.insert(PathId(1), endpoints(&[]));
        }
        let ends: Vec<_> = (0..5).map(|_| world.connect(0, "10.1.0.1:80")).collect();
        ends.iter().for_each(|&end| world.write(end, ASK));
        world.run();
        let gone = ends.iter().filter(|&&end| world.text(end).starts_with("HTTP/1.1 503 ")).count();
        assert_eq!(gone, shed, "{told} {queue}");
        // Whoever leaves makes room.
        for &end in &ends {
            world.reset(end);
        }
        world.pass(ms(20));
        let late = world.connect(0, "10.1.0.1:80");
        world.write(late, ASK);
        world.run();
        assert_eq!(world.text(late), "");
        world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[meshed(APP, "b.test")])));
        world.run();
        serve(&mut world, APP);
        assert!(world.text(late).starts_with("HTTP/1.1 200 "), "{told} {queue}");
    }
}

#[test]
fn failfast_says_who_and_why() {
    for (list, wanted) in [
        (vec![], "service in fail-fast: web.ns.svc.cluster.local:80 has no endpoint"),
        (
            vec![plain("10.0.0.77:1")],
            "none of 1 endpoints of web.ns.svc.cluster.local:80 is ready (1 unreachable, 0 shut",
        ),
    ] {
        let mut world = pair(7);
        world.paths.insert(PathId(1), endpoints(&list));
        for which in ["first", "second"] {
            let client = world.connect(0, "10.1.0.1:80");
            world.write(client, ASK);
            world.pass(ms(4_000));
            let got = world.text(client);
            assert!(got.starts_with("HTTP/1.1 504 ") && got.contains(wanted), "{which}, {wanted}: {got}");
        }
    }
}

#[test]
fn time_limits_of_a_rule() {
    let times = |stream, response, idle| out::Timeouts { stream: ms(stream), response: ms(response), idle: ms(idle) };
    for (case, limits, headed, said) in [
        ("request", times(300, 0, 0), false, Some("request timed out")),
        ("request, though the answer has begun", times(300, 0, 0), true, None),
        ("response headers", times(0, 300, 0), false, Some("response headers timed out")),
        ("idle", times(0, 0, 300), false, Some("stream idle for too long")),
        ("idle in the answer", times(0, 0, 300), true, None),
    ] {
        let mut world = pair(8);
        let rule = out::Rule { timeouts: limits, ..rule(arms(&[1])) };
        world.targets.insert(there(), ruled(vec![rule], vec![balanced(1)]));
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, ASK);
        world.pass(ms(200));
        let server = world.accept(APP).expect("dialed");
        if headed {
            world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
        }
        world.pass(ms(500));
        let got = world.text(client);
        match said {
            Some(said) => assert!(got.starts_with("HTTP/1.1 504 ") && got.contains(said), "{case}: {got}"),
            None => assert!(got.ends_with("\r\n\r\no") && world.ended(client) == Some(true), "{case}: {got}"),
        }
        assert!(world.ended(server).is_some(), "{case}: the application is told");
    }
    // What keeps moving is not idle; the response's limit is over with its head.
    let mut world = pair(8);
    let rule = out::Rule { timeouts: times(0, 300, 300), ..rule(arms(&[1])) };
    world.targets.insert(there(), ruled(vec![rule], vec![balanced(1)]));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.run();
    let server = world.accept(APP).expect("dialed");
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n");
    for _ in 0..8 {
        world.pass(ms(200));
        world.write(server, "x");
        world.run();
    }
    assert!(world.text(client).ends_with("xxxxxxxx"));
}

#[test]
fn a_required_identity_is_the_endpoint_s_or_nobody_s() {
    for (list, wanted, status) in [
        (meshed(APP, "b.test"), "b.test", "200"),
        (meshed(APP, "b.test"), "c.test", "502"),
        (plain("10.0.0.3:8080"), "b.test", "502"),
    ] {
        let mut world = pair(9);
        world.listen("10.0.0.3:8080");
        world.paths.insert(PathId(1), endpoints(&[list]));
        let client = world.connect(0, "10.1.0.1:80");
        let ask = format!("GET / HTTP/1.1\r\nhost: web\r\nl5d-require-id: {wanted}\r\n\r\n");
        let (got, seen) = call(&mut world, client, &ask);
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{got}");
        assert!(!seen.unwrap_or_default().contains("l5d-require-id") && world.accept("10.0.0.3:8080").is_none());
    }
}

#[test]
fn a_peer_s_wish_to_part_ends_only_a_connection_to_one_endpoint() {
    for (balancer, ends) in [(true, false), (false, true)] {
        let mut world = pair(10);
        let nowhere = meshed("10.0.0.2:9999", "b.test");
        world.ports.insert(9999, Arc::new(server(table::inbound::Authentication::Unauthenticated)));
        world.paths.insert(PathId(1), endpoints(std::slice::from_ref(&nowhere)));
        let mut backend = balanced(1);
        if !balancer {
            backend.kind = BackendKind::Forward(nowhere);
        }
        world.targets.insert(there(), Arc::new(target(vec![backend], &[1])));
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, ASK);
        world.pass(ms(2_000));
        let got = world.text(client);
        assert!(got.starts_with("HTTP/1.1 502 ") && !got.contains("l5d-proxy-connection"), "{got}");
        assert_eq!((world.ended(client).is_some(), got.contains("connection: close")), (ends, ends), "{got}");
    }
}

/// An ingress beside the usual peer: it knows one name, and one address that is forwarded as it is.
fn ingress(seed: u64, queue: usize) -> World {
    let mut world = pair(seed);
    let side = Side { queue, ..Side::default() };
    let config = Config { ingress: true, quiet_headers: true, outbound_side: side, ..Config::default() };
    world.proxy("in.test", "10.0.0.4", config);
    world.listen("10.5.0.1:80");
    world.targets.insert(Lookup::Name("web.ns.svc.cluster.local:80".into()), Arc::new(target(vec![balanced(1)], &[1])));
    let mut forward = balanced(9);
    forward.kind = BackendKind::Forward(plain("10.5.0.1:80"));
    let mut plain = target(vec![forward], &[1]);
    plain.protocol = out::Protocol::Opaque;
    world.targets.insert(Lookup::Addr(addr("10.5.0.1:80")), Arc::new(plain));
    world
}

#[test]
fn an_ingress_goes_where_its_requests_say() {
    let mut world = ingress(11, 10);
    let client = world.connect(2, "10.5.0.1:80");
    let named = |value: &str| format!("GET / HTTP/1.1\r\nhost: shop.example\r\nl5d-dst-override: {value}\r\n\r\n");
    world.write(client, named("Web.ns.svc.cluster.local:80"));
    world.run();
    let seen = serve(&mut world, APP).expect("by name");
    assert!(seen.contains("host: shop.example\r\n") && !seen.contains("l5d-dst-override"), "{seen}");
    assert!(seen.contains("l5d-client-id: in.test"), "{seen}");
    assert!(world.text(client).starts_with("HTTP/1.1 200 "));
    // The same connection, without a word: to where it was meant to go, in clear text and counted so.
    world.write(client, "GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    world.run();
    let seen = serve(&mut world, "10.5.0.1:80").expect("as it came");
    assert!(seen.contains("host: shop.example\r\n") && !seen.contains("l5d-"), "{seen}");
    assert!(world.text(client).starts_with("HTTP/1.1 200 "));
    let labels = ["direction=\"outbound\"", "no_tls_reason=\"ingress_without_override\""];
    assert_eq!(world.metric(2, "request_total", &labels), 1.0);
    // By address; and what is no destination.
    world.write(client, named("10.5.0.1:80"));
    world.run();
    assert!(serve(&mut world, "10.5.0.1:80").is_some() && world.text(client).starts_with("HTTP/1.1 200 "));
    let other = world.connect(2, "10.5.0.1:80");
    world.write(other, named("a b"));
    world.run();
    assert!(world.text(other).starts_with("HTTP/1.1 400 "));
    // What is not HTTP goes on as it came.
    let bytes = world.connect(2, "10.5.0.1:80");
    world.write(bytes, b"\x00bytes");
    world.run();
    let server = world.accept("10.5.0.1:80").expect("dialed");
    assert_eq!(world.read(server), b"\x00bytes");
}

#[test]
fn a_name_that_is_refused_is_404() {
    let mut world = ingress(12, 10);
    let mut refused = target(vec![], &[]);
    refused.protocol = out::Protocol::Refuse("nobody knows it");
    refused.http = out::Routes::default();
    world.targets.insert(Lookup::Name("other:80".into()), Arc::new(refused));
    let client = world.connect(2, "10.5.0.1:80");
    world.write(client, "GET / HTTP/1.1\r\nhost: a\r\nl5d-dst-override: other:80\r\n\r\n");
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 404 "));
    world.reset(client);
    world.pass(ms(8_000));
    assert_eq!(world.nodes[2].engine.routes.targets.keys().len(), 0, "nobody uses it any more");
}
