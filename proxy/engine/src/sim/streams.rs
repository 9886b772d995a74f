//! Routes of whole connections: server names, refusals, queues, ways out of the mesh.

use super::air::End;
use super::make::*;
use super::world::World;
use crate::config::{Config, Side};
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{self as out, Arm, Backend, BackendKind, Filter, Protocol, Refusal, Split};
use table::{Lookup, PathId};

const TO: &str = "10.1.0.1:443";
const WEB: &str = "10.0.0.3:443";
const ALL: &str = "10.0.0.4:443";

fn hello(name: &str) -> Vec<u8> {
    let mut session = tls::Session::client(credentials("c.test").client.clone(), name).expect("session");
    let mut hello = Vec::new();
    session.feed(&mut [], &mut Vec::new(), &mut hello);
    hello
}

fn forward(at: &str) -> Backend {
    Backend { kind: BackendKind::Forward(plain(at)), ..balanced(1) }
}

fn to(backend: u16, filters: Vec<Filter>) -> Split {
    Split::First(Box::new([Arm { weight: 1, backend, filters: filters.into() }]))
}

fn routed(protocol: Protocol, backends: Vec<Backend>, streams: Vec<out::Stream>, config: Config) -> World {
    let mut world = World::new(3);
    world.proxy("a.test", "10.0.0.1", config);
    world.listen(WEB);
    world.listen(ALL);
    let target = out::Target { protocol, streams: streams.into(), ..target(backends, &[1]) };
    world.targets.insert(Lookup::Addr(addr(TO)), Arc::new(target));
    world
}

/// Sends bytes cut where the world likes; at which server they arrived, and how the client's connection stands.
fn send(world: &mut World, bytes: &[u8]) -> (Option<&'static str>, Option<bool>, End) {
    let client = world.connect(0, TO);
    world.write(client, bytes);
    world.run();
    for at in [WEB, ALL] {
        if let Some(server) = world.accept(at) {
            assert_eq!(world.read(server), bytes);
            return (Some(at), world.ended(client), client);
        }
    }
    (None, world.ended(client), client)
}

#[test]
fn tls_goes_by_the_name_it_asks_for() {
    let streams = vec![
        stream(&[".example.com"], to(1, vec![])),
        stream(&["web.example.com"], to(0, vec![])),
        stream(&["no.example.com"], Split::Refused(Refusal::Forbidden)),
        stream(&["odd.example.com"], Split::Refused(Refusal::Invalid("no such thing".into()))),
    ];
    let mut world = routed(Protocol::Tls, vec![forward(WEB), forward(ALL)], streams, Config::default());
    for (name, at) in [
        ("web.example.com", Some(WEB)),
        ("other.example.com", Some(ALL)),
        ("no.example.com", None),
        ("odd.example.com", None),
        ("example.com", None),
        ("elsewhere.org", None),
    ] {
        let (found, ended, client) = send(&mut world, &hello(name));
        assert_eq!((found, ended), (at, if at.is_none() { Some(true) } else { None }), "{name}");
        world.reset(client);
        world.run();
    }
    let closed = |error: &str| world.metric(0, "outbound_tls_route_close_total", &[&format!("error=\"{error}\"")]);
    assert_eq!(["forbidden", "invalid_policy", "unexpected"].map(closed), [1.0, 1.0, 2.0]);
    assert_eq!(
        world.metric(0, "outbound_tls_route_open_total", &["target_port=\"443\"", "route_name=\"stream\""]),
        4.0
    );
}

#[test]
fn what_is_no_tls_is_not_let_through_a_tls_policy() {
    let streams = || vec![stream(&[], to(0, vec![]))];
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x00\x05\x02xxxx"] {
        let mut world = routed(Protocol::Tls, vec![forward(WEB)], streams(), Config::default());
        assert_eq!(send(&mut world, bytes).0, None);
    }
    let mut world = routed(Protocol::Tls, vec![forward(WEB)], streams(), Config::default());
    assert_eq!(send(&mut world, &hello("any.org")).0, Some(WEB), "a route without names takes every name");
    let (found, ended, client) = send(&mut world, &hello("any.org")[..40]);
    assert_eq!((found, ended), (None, None));
    world.pass(Duration::from_secs(11));
    assert_eq!(world.ended(client), Some(true), "a hello that does not end");
}

#[test]
fn a_backend_that_is_forbidden_gets_no_bytes() {
    let broken = Backend { kind: BackendKind::Broken(500, "invalid backend".into()), ..balanced(1) };
    let refuse = |refusal| vec![Filter::Refuse(refusal)];
    let invalid = Refusal::Invalid("x".into());
    for (case, split, error) in [
        ("arm forbidden", to(0, refuse(Refusal::Forbidden)), "forbidden"),
        ("arm invalid", to(0, refuse(invalid.clone())), "invalid_policy"),
        ("arm with an unknown filter", to(0, vec![Filter::Unknown]), "invalid_policy"),
        ("route forbidden", Split::Refused(Refusal::Forbidden), "forbidden"),
        ("route invalid", Split::Refused(invalid), "invalid_policy"),
        ("backend broken", to(1, vec![]), "invalid_backend"),
        ("nowhere to go", Split::Empty, "unexpected"),
    ] {
        let mut world =
            routed(Protocol::Opaque, vec![forward(WEB), broken.clone()], vec![stream(&[], split)], Config::default());
        let (found, ended, _) = send(&mut world, b"bytes");
        assert_eq!((found, ended), (None, Some(true)), "{case}");
        let label = format!("error=\"{error}\"");
        assert_eq!(world.metric(0, "outbound_tcp_route_close_total", &[&label]), 1.0, "{case}");
        assert_eq!(world.metric(0, "outbound_tcp_route_open_total", &[]), 1.0, "{case}");
        let word = if case == "nowhere to go" { "failfast" } else { "unexpected" };
        assert_eq!(world.metric(0, "outbound_tcp_errors_total", &[&format!("error=\"{word}\"")]), 1.0, "{case}");
    }
}

#[test]
fn a_forbidden_share_is_refused_and_the_rest_passes() {
    let arm = |filters: Vec<Filter>| Arm { weight: 1, backend: 0, filters: filters.into() };
    let split = Split::Random(Box::new([arm(vec![Filter::Refuse(Refusal::Forbidden)]), arm(vec![])]));
    let mut world = routed(Protocol::Opaque, vec![forward(WEB)], vec![stream(&[], split)], Config::default());
    let passed = (0..200).filter(|_| send(&mut world, b"x").0.is_some()).count();
    assert!((60..140).contains(&passed), "{passed} of 200");
}

#[test]
fn a_connection_that_ends_in_order_is_counted_so() {
    let mut world = routed(Protocol::Opaque, vec![forward(WEB)], vec![stream(&[], to(0, vec![]))], Config::default());
    let client = world.connect(0, TO);
    world.write(client, b"x");
    world.run();
    let server = world.accept(WEB).expect("dialed");
    world.finish(client);
    world.finish(server);
    world.run();
    let (_, _, broken) = send(&mut world, b"y");
    world.reset(broken);
    world.run();
    for error in ["", "unexpected"] {
        let label = format!("error=\"{error}\"");
        assert_eq!(world.metric(0, "outbound_tcp_route_close_total", &[&label]), 1.0, "{error:?}");
    }
}

#[test]
fn connections_wait_for_an_endpoint_in_bounds_of_number_and_time() {
    let side = Side { tcp_queue: 2, tcp_failfast: Duration::from_millis(700), ..Side::default() };
    let config = Config { outbound_side: side, ..Config::default() };
    let mut world = routed(Protocol::Opaque, vec![balanced(1)], vec![stream(&[], arms(&[1]))], config);
    world.paths.insert(PathId(1), endpoints(&[]));
    let ends: Vec<_> = (0..3).map(|_| send(&mut world, b"x").2).collect();
    let ended = |world: &World| ends.iter().map(|&end| world.ended(end)).collect::<Vec<_>>();
    assert_eq!(ended(&world), [None, None, Some(true)]);
    assert_eq!(world.metric(0, "outbound_tcp_errors_total", &["error=\"loadshed\""]), 1.0);
    world.pass(Duration::from_millis(800));
    assert_eq!(ended(&world), [Some(true); 3]);
    // The same where nothing is known of the destination yet.
    world.targets.clear();
    let late: Vec<_> = (0..3).map(|_| world.connect(0, "10.1.0.9:80")).collect();
    world.run();
    assert_eq!(late.iter().map(|&end| world.ended(end)).collect::<Vec<_>>(), [None, None, Some(true)]);
}

#[test]
fn a_way_out_of_the_mesh_is_open_or_shut_for_each_protocol() {
    let shut = Filter::Fail { status: 403, grpc: false, message: "forbidden".into(), ratio: 1_000_000 };
    for (open, bytes, wanted) in [
        (true, &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], Some(WEB)),
        (false, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", None),
        (true, b"\x00bytes", Some(WEB)),
        (false, b"\x00bytes", None),
    ] {
        let split = if open { to(0, vec![]) } else { Split::Refused(Refusal::Forbidden) };
        let filters: Box<[Filter]> = if open { Box::default() } else { Box::new([shut.clone()]) };
        let rule = out::Rule { filters, ..rule(to(0, vec![])) };
        let mut world = routed(
            Protocol::Detect(Duration::from_secs(1)),
            vec![forward(WEB)],
            vec![stream(&[], split)],
            Config::default(),
        );
        let lookup = Lookup::Addr(addr(TO));
        let old = world.targets.remove(&lookup).and_then(Arc::into_inner).expect("target");
        let http = out::Routes { rules: Box::new([rule]), trivial: true, in_order: false };
        world.targets.insert(lookup, Arc::new(out::Target { http, ..old }));
        let client = world.connect(0, TO);
        world.write(client, bytes);
        world.run();
        assert_eq!(world.accept(WEB).map(|_| WEB), wanted, "{open}");
        let text = world.text(client);
        assert_eq!(text.starts_with("HTTP/1.1 403 "), !open && bytes.starts_with(b"GET"), "{text}");
    }
}

#[test]
fn a_gateway_looks_for_the_server_name_too() {
    let name = "web.ns.svc.cluster.local:443";
    let suffixes = vec!["svc.cluster.local.".into()];
    for (asked, arrives) in [("web.example.com", true), ("other.org", false)] {
        let mut world = World::new(5);
        world.proxy("a.test", "10.0.0.1", Config::default());
        world.proxy("gw.test", "10.0.0.9", Config { gateway_suffixes: suffixes.clone(), ..Config::default() });
        world.listen(WEB);
        world.ports.insert(4143, Arc::new(server(table::inbound::Authentication::Encrypted)));
        let gateway = out::Endpoint { authority: Some(name.into()), ..meshed("10.0.0.9:4143", "gw.test") };
        let here = out::Target { protocol: Protocol::Opaque, ..target(vec![balanced(1)], &[1]) };
        world.targets.insert(Lookup::Addr(addr(TO)), Arc::new(here));
        world.paths.insert(PathId(1), endpoints(&[gateway]));
        let streams = Box::new([stream(&[".example.com"], to(0, vec![]))]);
        let there = out::Target { protocol: Protocol::Tls, streams, ..target(vec![forward(WEB)], &[1]) };
        world.targets.insert(Lookup::Name(name.into()), Arc::new(there));
        let client = world.connect(0, TO);
        let sent = hello(asked);
        world.write(client, &sent);
        world.run();
        let server = world.accept(WEB);
        assert_eq!((server.is_some(), world.ended(client)), (arrives, (!arrives).then_some(true)), "{asked}");
        assert!(server.is_none_or(|server| world.read(server) == sent));
    }
}

#[test]
fn connections_are_counted_by_what_policy_says_they_speak() {
    for (protocol, word) in [
        (Protocol::Detect(Duration::from_secs(1)), "detect"),
        (Protocol::Http1, "http/1"),
        (Protocol::Http2, "http/2"),
        (Protocol::Grpc, "http/2"),
        (Protocol::Opaque, "opaq"),
        (Protocol::Tls, "tls"),
    ] {
        let mut world = routed(protocol, vec![forward(WEB)], vec![stream(&[], to(0, vec![]))], Config::default());
        world.connect(0, TO);
        world.run();
        let labels = [&*format!("protocol=\"{word}\""), "parent_name=\"web\""];
        assert_eq!(world.metric(0, "outbound_tcp_protocol_connections_total", &labels), 1.0, "{protocol:?}");
    }
}
