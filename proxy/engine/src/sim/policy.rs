//! Policy: who may enter, where requests go, gateways.

use super::air::End;
use super::make::*;
use super::world::World;
use crate::config::Config;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use table::inbound::{self, Authentication};
use table::outbound::{self as out, Filter, HeaderEdits, HostMatch, PathMatch, RequestMatch};
use table::{Lookup, PathId, Tell};

pub(super) const ASK: &str = "GET /x HTTP/1.1\r\nhost: web\r\n\r\n";

pub(super) fn only(name: &str) -> Authentication {
    Authentication::Identities { exact: Box::new([name.into()]), suffixes: Box::default() }
}

/// Sends a request through both proxies, answers it if it arrives; what the client got and the server saw.
pub(super) fn call(world: &mut World, end: End, at: &str, ask: &str) -> (String, Option<String>) {
    world.write(end, ask);
    world.run();
    let seen = world.accept(at).map(|server| {
        let seen = world.text(server);
        world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        world.finish(server);
        world.run();
        seen
    });
    (world.text(end), seen)
}

pub(super) fn route(path: &str, authentication: Authentication) -> inbound::Route {
    let path = Some(PathMatch::Prefix(path.into()));
    inbound::Route {
        hosts: Box::default(),
        rules: Box::new([(Box::new([RequestMatch { path, ..Default::default() }]) as Box<[_]>, Box::default())]),
        authorizations: Box::new([authorization(authentication)]),
        meta: meta("inroute"),
    }
}

#[test]
fn requests_enter_by_identity_and_route() {
    let open = || Authentication::Unauthenticated;
    let none = || only("nobody");
    for (case, server_by, routes, ask, status) in [
        ("named", only("a.test"), vec![], ASK, "200"),
        ("not named", none(), vec![], ASK, "403"),
        ("by its route", none(), vec![route("/x", only("a.test"))], ASK, "200"),
        ("not by its route", none(), vec![route("/x", none())], ASK, "403"),
        ("no route", open(), vec![route("/y", open())], ASK, "404"),
        ("no way round", none(), vec![route("/y", open())], "GET /y/../x HTTP/1.1\r\nhost: web\r\n\r\n", "404"),
    ] {
        let mut world = pair(1);
        let policy = inbound::Server { routes: routes.into(), ..server(server_by) };
        world.ports.insert(8080, Arc::new(policy));
        let client = world.connect(0, "10.1.0.1:80");
        let (got, seen) = call(&mut world, client, "10.0.0.2:8080", ask);
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {got}");
        assert_eq!(seen.is_some(), status == "200", "{case}");
        let denied = world.metric(1, "inbound_http_authz_deny_total", &["client_id=\"a.test\""]);
        assert_eq!(denied, f64::from(status == "403"), "{case}");
    }
}

#[test]
fn strangers_bring_no_l5d_fields_in() {
    let mut world = pair(2);
    let ask = "GET / HTTP/1.1\r\nhost: web\r\nl5d-client-id: a.test\r\nl5d-dst-canonical: x\r\nl5d-orig-proto: HTTP/1.0\r\nL5D-Any: 1\r\n\r\n";
    let stranger = world.connect_in(1, "10.7.0.1:999", "10.0.0.2:8080");
    let (got, seen) = call(&mut world, stranger, "10.0.0.2:8080", ask);
    assert!(got.starts_with("HTTP/1.1 200 ") && !seen.expect("arrived").to_lowercase().contains("l5d-"), "{got}");
    world.tell(1, Tell::Port(8080, Arc::new(server(Authentication::Encrypted))));
    let stranger = world.connect_in(1, "10.7.0.1:998", "10.0.0.2:8080");
    let (got, seen) = call(&mut world, stranger, "10.0.0.2:8080", ask);
    assert!(got.starts_with("HTTP/1.1 403 ") && !got.contains("l5d-proxy-error") && seen.is_none(), "{got}");
}

#[test]
fn addresses_that_are_not_ours_are_refused() {
    let mut world = pair(3);
    for to in ["10.0.0.77:8080", "10.0.0.1:8080"] {
        let end = world.connect_in(1, "10.7.0.1:999", to);
        assert_eq!(world.ended(end), Some(true), "{to}");
    }
    let own = world.connect(0, "127.0.0.1:4140");
    assert_eq!(world.ended(own), Some(true));
    let plain = world.connect_in(1, "10.7.0.1:999", "10.0.0.2:4143");
    world.write(plain, ASK);
    world.run();
    assert_eq!(world.ended(plain), Some(true), "clear text to our own port");
}

#[test]
fn shares_follow_weights_and_move_without_a_failure() {
    let mut world = pair(4);
    let split = |weights: &[u32]| Arc::new(target(vec![balanced(1), balanced(2)], weights));
    world.listen("10.0.0.3:8080");
    world.paths.insert(PathId(2), endpoints(&[plain("10.0.0.3:8080")]));
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), split(&[50, 50]));
    let client = world.connect(0, "10.1.0.1:80");
    for (weights, least, most) in [([50, 50], 60, 140), ([0, 100], 200, 200), ([100, 0], 0, 0), ([90, 10], 3, 45)] {
        world.tell(0, Tell::Target(Lookup::Addr(addr("10.1.0.1:80")), split(&weights)));
        let mut second = 0;
        for i in 0..200 {
            world.write(client, ASK);
            world.run();
            let mut answered = false;
            for at in ["10.0.0.2:8080", "10.0.0.3:8080"] {
                while let Some(server) = world.accept(at) {
                    world.text(server);
                    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                    world.finish(server);
                    world.run();
                    second += u32::from(at.contains(".3:"));
                    answered = true;
                }
            }
            assert!(answered && world.text(client).starts_with("HTTP/1.1 200 "), "{weights:?} {i}");
        }
        assert!((least..=most).contains(&second), "{weights:?}: {second} of 200");
    }
}

#[test]
fn a_dead_endpoint_is_avoided_without_a_failure() {
    let mut world = pair(5);
    world
        .paths
        .insert(PathId(1), endpoints(&[plain("10.0.0.8:1"), meshed("10.0.0.2:8080", "b.test"), plain("10.0.0.9:1")]));
    let client = world.connect(0, "10.1.0.1:80");
    for _ in 0..10 {
        let (got, _) = call(&mut world, client, "10.0.0.2:8080", ASK);
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    }
}

#[test]
fn an_endpoint_that_comes_back_is_found_by_a_probe() {
    let mut world = pair(11);
    world.paths.insert(PathId(1), endpoints(&[plain("10.0.0.8:1"), meshed("10.0.0.2:8080", "b.test")]));
    let client = world.connect(0, "10.1.0.1:80");
    for _ in 0..20 {
        call(&mut world, client, "10.0.0.2:8080", ASK);
    }
    assert_eq!(world.metric(0, "outbound_http_balancer_endpoints", &["ready"]), 1.0, "the dead one was tried");
    world.listen("10.0.0.8:1");
    world.pass(Duration::from_secs(2));
    assert!(world.accept("10.0.0.8:1").is_some(), "connected without a request");
    assert_eq!(world.metric(0, "outbound_http_balancer_endpoints", &["ready"]), 2.0);
}

#[test]
fn a_profile_says_what_a_failure_is() {
    let mut world = pair(12);
    let mut routed = target(vec![balanced(1)], &[1]);
    let mut profile = rule(arms(&[1]));
    profile.profile_labels = Arc::from([(Arc::from("route"), Arc::from("/x"))]);
    profile.failures = Box::new([(200, 299)]);
    routed.http = out::Routes { rules: Box::new([profile]), trivial: false, in_order: true };
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(routed));
    let client = world.connect(0, "10.1.0.1:80");
    call(&mut world, client, "10.0.0.2:8080", ASK);
    let labels = ["dst=\"web.ns.svc.cluster.local:80\"", "rt_route=\"/x\""];
    assert_eq!(world.metric(0, "route_request_total", &labels), 1.0);
    assert_eq!(world.metric(0, "route_response_total", &[labels[1], "classification=\"failure\""]), 1.0);
}

#[test]
fn a_wrong_identity_gets_no_request() {
    let mut world = pair(6);
    world.paths.insert(PathId(1), endpoints(&[meshed("10.0.0.2:8080", "c.test")]));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.pass(Duration::from_secs(4));
    assert!(world.text(client).starts_with("HTTP/1.1 504 ") && world.accept("10.0.0.2:8080").is_none());
}

#[test]
fn a_breaker_leaves_a_failing_endpoint_alone() {
    let mut world = pair(7);
    let mut backend = balanced(1);
    let seconds = Duration::from_secs;
    backend.breaker = Some(breaker(3, 2));
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(target(vec![backend], &[1])));
    let client = world.connect(0, "10.1.0.1:80");
    let failing = |world: &mut World| {
        world.write(client, ASK);
        world.run();
        let reached = world.accept("10.0.0.2:8080").map(|server| {
            world.write(server, "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            world.finish(server);
            world.run();
        });
        (reached.is_some(), world.text(client))
    };
    for i in 0..3 {
        assert!(failing(&mut world).0, "{i}");
    }
    assert!(!failing(&mut world).0, "shut after three failures");
    world.pass(seconds(2) + Duration::from_millis(50));
    assert!(world.accept("10.0.0.2:8080").is_some(), "a probe, when the backoff is over");
}

#[test]
fn rules_choose_filter_and_redirect() {
    let ruled = |host: &str, path: &str, filters: Vec<Filter>| {
        let matched = RequestMatch { path: Some(PathMatch::Prefix(path.into())), ..Default::default() };
        let hosts: Box<[_]> = if host.is_empty() { Box::default() } else { Box::new([HostMatch::Exact(host.into())]) };
        out::Rule { hosts, matches: Box::new([matched]), filters: filters.into(), ..rule(arms(&[1])) }
    };
    let set = HeaderEdits {
        set: Box::new([("x-set".into(), "new".into())]),
        remove: Box::new(["x-gone".into()]),
        ..Default::default()
    };
    let redirect = Filter::Redirect { scheme: None, host: Some("other".into()), port: 81, path: None, status: 301 };
    let rules = vec![
        ruled("", "/edit", vec![Filter::Request(set.clone()), Filter::Response(set)]),
        ruled("", "/fail", vec![Filter::Fail { status: 418, grpc: false, message: "teapot".into(), ratio: 1_000_000 }]),
        ruled("", "/move", vec![redirect]),
        ruled("", "/odd", vec![Filter::Unknown]),
        ruled("api", "/fail", vec![]),
    ];
    let mut world = pair(8);
    let mut routed = target(vec![balanced(1)], &[1]);
    routed.http = out::Routes { rules: rules.into(), trivial: false, in_order: false };
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(routed));
    for (ask, wanted, also) in [
        ("GET /fail/x HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 418 ", "l5d-proxy-error: teapot"),
        ("GET /move/x?y HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 301 ", "location: http://other:81/move/x?y"),
        ("GET /odd HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 500 ", "unknown filter"),
        ("GET /none HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 404 ", "no route"),
        ("GET /fail HTTP/1.1\r\nhost: api:80\r\n\r\n", "HTTP/1.1 200 ", "ok"),
        ("GET /edit HTTP/1.1\r\nhost: web\r\nx-set: old\r\nX-Gone: 1\r\n\r\n", "HTTP/1.1 200 ", "x-set: new"),
    ] {
        let client = world.connect(0, "10.1.0.1:80");
        let (got, seen) = call(&mut world, client, "10.0.0.2:8080", ask);
        assert!(got.starts_with(wanted) && got.contains(also), "{ask}: {got}");
        if ask.contains("/edit") {
            let seen = seen.expect("arrived").to_lowercase();
            assert!(seen.contains("x-set: new") && !seen.contains("old") && !seen.contains("x-gone"), "{seen}");
        }
    }
}

#[test]
fn a_request_timeout_is_a_504() {
    let mut world = pair(9);
    let mut slow = target(vec![balanced(1)], &[1]);
    let mut limited = rule(arms(&[1]));
    limited.timeouts.response = Duration::from_millis(300);
    slow.http = out::Routes { rules: Box::new([limited]), trivial: true, in_order: false };
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(slow));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.pass(Duration::from_millis(400));
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    assert!(world.text(client).starts_with("HTTP/1.1 504 ") && world.ended(server) == Some(true));
}

/// East calls a mirrored service; `gw` in west forwards to a service there, behind `b`.
pub(super) fn clusters(seed: u64, opaque: bool) -> World {
    let mut world = World::new(seed);
    world.proxy("a.test", "10.0.0.1", Config::default());
    world.proxy("b.test", "10.0.0.2", Config::default());
    let suffixes = vec!["svc.cluster.local.".into()];
    world.proxy("gw.test", "10.0.0.9", Config { gateway_suffixes: suffixes, ..Config::default() });
    world.listen("10.0.0.2:8080");
    let name = "web.ns.svc.cluster.local:80";
    let gateway = out::Endpoint { authority: Some(name.into()), ..meshed("10.0.0.9:4143", "gw.test") };
    for (lookup, path, endpoint) in [
        (Lookup::Addr(addr("10.1.0.1:80")), 1, gateway),
        (Lookup::Name(name.into()), 2, meshed("10.0.0.2:8080", "b.test")),
    ] {
        let mut routed = target(vec![balanced(path)], &[1]);
        if opaque {
            routed.protocol = out::Protocol::Opaque;
        }
        world.targets.insert(lookup, Arc::new(routed));
        world.paths.insert(PathId(path), endpoints(&[endpoint]));
    }
    for port in [8080, 4143] {
        world.ports.insert(port, Arc::new(server(Authentication::Encrypted)));
    }
    world
}

#[test]
fn a_gateway_forwards_requests_and_says_so() {
    for seed in 1..10 {
        let mut world = clusters(seed, false);
        let client = world.connect(0, "10.1.0.1:80");
        let (got, seen) = call(&mut world, client, "10.0.0.2:8080", ASK);
        let seen = seen.expect("arrived").to_lowercase();
        assert!(got.starts_with("HTTP/1.1 200 ") && got.ends_with("ok"), "{got}");
        assert!(
            seen.contains("host: web.ns.svc.cluster.local:80\r\n") && seen.contains("l5d-client-id: gw.test"),
            "{seen}"
        );
        assert!(
            seen.contains("forwarded: by=gw.test;for=a.test;host=\"web.ns.svc.cluster.local:80\";proto=https"),
            "{seen}"
        );
    }
}

#[test]
fn a_gateway_forwards_bytes() {
    let mut world = clusters(3, true);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, b"\x00bytes");
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    world.write(server, b"back");
    world.run();
    assert_eq!((world.read(server), world.read(client)), (b"\x00bytes".to_vec(), b"back".to_vec()));
}

#[test]
fn a_gateway_forwards_upgrades() {
    let mut world = clusters(4, false);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, "GET /ws HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    world.text(server);
    world.write(server, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi");
    world.run();
    world.write(client, "ho");
    world.run();
    assert!(world.text(client).ends_with("hi") && world.text(server) == "ho");
}

#[test]
fn a_gateway_refuses_loops_and_strange_names() {
    let mut world = clusters(5, false);
    let client = world.connect(0, "10.1.0.1:80");
    let ask = "GET / HTTP/1.1\r\nhost: web\r\nforwarded: for=x;by=gw.test\r\n\r\n";
    let (got, seen) = call(&mut world, client, "10.0.0.2:8080", ask);
    assert!(got.starts_with("HTTP/1.1 508 ") && seen.is_none(), "{got}");
    let names: HashMap<&str, bool> = HashMap::from([
        ("web.ns.svc.cluster.local:80", true),
        ("svc.cluster.local:80", true),
        ("web.ns.svc.cluster.local.:80", true),
        ("websvc.cluster.local:80", false),
        ("web.ns.svc.cluster.local.evil:80", false),
        ("evil:80", false),
    ]);
    for (name, served) in names {
        assert_eq!(world.nodes[2].engine.gateway_serves(name), served, "{name}");
    }
    // No gateway: a name in the header is refused by closing.
    let mut world = clusters(6, false);
    let named = out::Endpoint { authority: Some("web.other:80".into()), ..meshed("10.0.0.2:4143", "b.test") };
    world.paths.insert(PathId(1), endpoints(&[named]));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.pass(Duration::from_secs(4));
    assert!(world.text(client).starts_with("HTTP/1.1 50") && world.accept("10.0.0.2:8080").is_none());
}
