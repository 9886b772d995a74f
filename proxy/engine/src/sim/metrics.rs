//! What is counted, by the names dashboards read: routes on both sides, ends, first bytes, zones, and what strangers may not fill.

use super::make::*;
use super::policy::call;
use super::world::World;
use crate::config::Config;
use std::sync::Arc;
use std::time::Duration;
use table::inbound::{Authentication, Protocol};
use table::outbound as out;
use table::{Lookup, PathId, Tell};

const ASK: &str = "POST /a HTTP/1.1\r\nhost: Web.Test:80\r\ncontent-length: 200\r\n\r\n";

/// A request with a body of 200 bytes, answered with one of 2 000.
fn answered(world: &mut World) {
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, [ASK.as_bytes(), &[b'q'; 200]].concat());
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    world.now += Duration::from_millis(60);
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n");
    world.write(server, [b'r'; 2000]);
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn a_request_is_counted_by_its_route_on_both_sides() {
    let mut world = pair(1);
    answered(&mut world);
    let into = ["parent_kind=\"Service\"", "parent_name=\"server\"", "parent_port=\"8080\"", "route_name=\"default\""];
    let route = ["parent_name=\"web\"", "route_name=\"route\"", "hostname=\"\""];
    let backend = ["parent_name=\"web\"", "route_name=\"route\"", "backend_name=\"web\""];
    let done = ["http_status=\"200\"", "error=\"\""];
    let table: &[(usize, &str, &[&str], f64)] = &[
        (1, "inbound_http_requests_total", &into, 1.0),
        (1, "inbound_http_statuses_total", &done, 1.0),
        (1, "inbound_http_request_duration_seconds_count", &into, 1.0),
        (1, "inbound_http_request_duration_seconds_bucket", &["le=\"0.05\""], 0.0),
        (1, "inbound_http_request_duration_seconds_bucket", &["le=\"0.1\""], 1.0),
        (1, "inbound_http_response_duration_seconds_count", &into, 1.0),
        (1, "inbound_http_request_frame_size_bytes_sum", &into, 200.0),
        (1, "inbound_http_response_frame_size_bytes_sum", &into, 2_000.0),
        (0, "outbound_http_route_request_statuses_total", &[&route[..], &done].concat(), 1.0),
        (0, "outbound_http_route_request_duration_seconds_count", &route, 1.0),
        (0, "outbound_http_route_request_frame_size_bytes_sum", &route, 200.0),
        (0, "outbound_http_route_backend_response_duration_seconds_count", &backend, 1.0),
        (0, "outbound_http_route_backend_response_frame_size_bytes_sum", &backend, 2_000.0),
        (0, "outbound_http_route_backend_response_statuses_total", &done, 1.0),
        (0, "outbound_tcp_detect_http_results_total", &["parent_name=\"web\"", "result=\"http/1\""], 1.0),
        (0, "outbound_tcp_detect_http_duration_seconds_count", &["parent_name=\"web\""], 1.0),
    ];
    for (node, family, labels, expected) in table {
        assert_eq!(world.metric(*node, family, labels), *expected, "{family} {labels:?}");
    }
    for (op, least) in [("Send", 500.0), ("Recv", 2_000.0)] {
        let bytes = world.metric(0, "outbound_tcp_transfer_cost_bytes_total", &[op, "zone_locality=\"Unknown\""]);
        assert!(bytes > least, "{op}: {bytes}");
    }
}

#[test]
fn ends_have_the_words_of_the_statuses_families() {
    let failing = |status| out::Filter::Fail { status, grpc: false, message: "no".into(), ratio: 1_000_000 };
    let made = |change: &dyn Fn(&mut out::Target)| {
        let mut world = pair(2);
        let mut target = target(vec![balanced(1)], &[1]);
        change(&mut target);
        world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(target));
        world
    };
    let timeouts = |target: &mut out::Target, stream: u64, response: u64| {
        let timeouts = out::Timeouts {
            stream: Duration::from_millis(stream),
            response: Duration::from_millis(response),
            ..out::Timeouts::default()
        };
        target.http.rules[0].timeouts = timeouts;
    };
    let mut worlds = [
        (made(&|_| {}), "FAIL_FAST", true),
        (made(&|t| timeouts(t, 100, 0)), "REQUEST_TIMEOUT", false),
        (made(&|t| timeouts(t, 0, 100)), "RESPONSE_HEADERS_TIMEOUT", false),
        (made(&|t| t.http.rules[0].filters = Box::new([failing(503)])), "UNKNOWN", false),
    ];
    for (world, word, nobody) in &mut worlds {
        if *nobody {
            world.paths.insert(PathId(1), endpoints(&[]));
        }
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, "GET / HTTP/1.1\r\nhost: web\r\n\r\n");
        world.pass(Duration::from_secs(5));
        let error = format!("error=\"{word}\"");
        assert_eq!(world.metric(0, "outbound_http_route_request_statuses_total", &[&error]), 1.0, "{word}");
    }
}

#[test]
fn an_answer_that_takes_too_long_is_told_from_a_silence() {
    let mut world = pair(2);
    let mut target = target(vec![balanced(1)], &[1]);
    target.http.rules[0].timeouts.stream = Duration::from_millis(100);
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(target));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, "GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    world.pass(Duration::from_secs(1));
    let labels = ["http_status=\"200\"", "error=\"RESPONSE_STREAM_TIMEOUT\""];
    assert_eq!(world.metric(0, "outbound_http_route_request_statuses_total", &labels), 1.0);
}

#[test]
fn a_client_that_leaves_is_counted_as_such() {
    let mut world = pair(3);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, "GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    world.run();
    world.accept("10.0.0.2:8080").expect("dialed");
    world.reset(client);
    world.run();
    for (node, family) in [
        (0, "outbound_http_route_request_statuses_total"),
        (0, "outbound_http_route_backend_response_statuses_total"),
        (1, "inbound_http_statuses_total"),
    ] {
        assert_eq!(world.metric(node, family, &["http_status=\"\"", "error=\"CANCEL\""]), 1.0, "{family}");
    }
    assert_eq!(world.metric(0, "response_total", &[]), 0.0);
    assert_eq!(world.metric(0, "outbound_http_errors_total", &[]), 0.0);
}

#[test]
fn first_bytes_and_their_absence_are_counted() {
    let mut world = pair(4);
    let mut skipped = server(Authentication::Unauthenticated);
    skipped.protocol = Protocol::Opaque;
    world.ports.insert(9000, Arc::new(skipped));
    world.listen("10.0.0.2:9000");
    for (to, bytes) in [
        ("10.0.0.2:8080", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("10.0.0.2:8080", "* bytes\r\n"),
        ("10.0.0.2:9000", "x"),
    ] {
        let client = world.connect_in(1, "10.3.0.3:5000", to);
        world.write(client, bytes);
        world.run();
    }
    let silent = world.connect_in(1, "10.3.0.3:5001", "10.0.0.2:4143");
    world.pass(Duration::from_secs(12));
    assert_eq!(world.ended(silent), Some(true));
    for (family, labels, expected) in [
        ("inbound_tcp_detect_http_results_total", &["srv_name=\"server\"", "result=\"http/1\""][..], 1.0),
        ("inbound_tcp_detect_http_results_total", &["result=\"not_http\""], 1.0),
        ("tcp_open_total", &["no_tls_reason=\"port_skipped\"", "target_port=\"9000\""], 1.0),
        ("inbound_tcp_errors_total", &["error=\"tls detection timeout\"", "target_port=\"4143\""], 1.0),
    ] {
        assert_eq!(world.metric(1, family, labels), expected, "{family} {labels:?}");
    }
}

#[test]
fn strangers_fill_no_family() {
    let mut world = pair(5);
    let session = |name: &str| {
        let config = credentials("c.test").client.clone();
        let (mut session, mut hello) = (tls::Session::client(config, name).expect("session"), Vec::new());
        session.feed(&mut [], &mut Vec::new(), &mut hello);
        hello
    };
    for port in 20_000..20_300u16 {
        world.ports.insert(port, Arc::new(server(Authentication::Unauthenticated)));
        let scan = world.connect_in(1, "10.3.0.3:5000", &format!("10.0.0.2:{port}"));
        world.write(scan, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        world.run();
        world.reset(scan);
    }
    for i in 0..150 {
        let scan = world.connect_in(1, "10.3.0.3:5000", "10.0.0.2:8080");
        world.write(scan, session(&format!("n{i}.test")));
        world.run();
        world.reset(scan);
    }
    world.run();
    let text = |world: &World| {
        let mut text = String::new();
        world.nodes[1].registry.render(&mut text);
        text
    };
    let most = |text: &str| {
        let mut families = std::collections::HashMap::<String, usize>::new();
        text.lines()
            .filter(|l| !l.starts_with('#'))
            .for_each(|l| *families.entry(l.split('{').next().unwrap_or("").into()).or_default() += 1);
        families.into_iter().filter(|(name, _)| !name.ends_with("_bucket")).max_by_key(|(_, n)| *n).expect("some")
    };
    let (family, series) = most(&text(&world));
    assert!(series <= 140, "{family} has {series} series");
    // A port that our application answered at has labels of its own, however late it came.
    while world.accept("10.0.0.2:8080").is_some() {}
    answered(&mut world);
    let labels = ["target_port=\"8080\"", "client_id=\"a.test\""];
    assert!(world.metric(1, "request_total", &labels) >= 1.0, "{}", text(&world));
}

#[test]
fn names_are_labels_where_settings_say_so() {
    let mut world = World::new(6);
    world.proxy("a.test", "10.0.0.1", Config { hostname_labels: true, ..Config::default() });
    world.proxy("b.test", "10.0.0.2", Config { authority_labels: true, ..Config::default() });
    let usual = pair(6);
    (world.targets, world.paths, world.ports) = (usual.targets, usual.paths, usual.ports);
    world.listen("10.0.0.2:8080");
    answered(&mut world);
    assert_eq!(world.metric(0, "outbound_http_route_request_statuses_total", &["hostname=\"web.test\""]), 1.0);
    assert_eq!(world.metric(1, "request_total", &["authority=\"web.test:80\""]), 1.0);
    let client = world.connect(0, "10.1.0.1:80");
    for i in 0..200 {
        world.write(client, format!("GET / HTTP/1.1\r\nhost: n{i}.test\r\n\r\n"));
    }
    world.run();
    let mut text = String::new();
    world.nodes[0].registry.render(&mut text);
    assert!(text.matches("n1").count() < 3_000 && !text.contains("n199.test"));
}

#[test]
fn a_reset_is_counted_with_its_name() {
    let mut world = pair(7);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, "GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    world.run();
    let keys = world.nodes[0].engine.conns.keys();
    let error = std::io::ErrorKind::ConnectionReset.into();
    keys.into_iter().for_each(|key| world.nodes[0].engine.failed(key, &error));
    assert_eq!(world.metric(0, "tcp_close_total", &["direction=\"outbound\"", "errno=\"ECONNRESET\""]), 2.0);
    world.tell(0, Tell::Gone(PathId(9)));
}

/// Requests for `/a` are a route of their own; 200 fails there.
fn told_apart() -> Tell {
    let wanted = out::RequestMatch { path: Some(out::PathMatch::Prefix("/a".into())), ..out::RequestMatch::default() };
    let route = out::Rule {
        matches: Box::new([wanted]),
        profile_labels: Arc::from([(Arc::from("route"), Arc::from("/a"))]),
        failures: Box::new([(200, 200)]),
        ..rule(out::Split::Empty)
    };
    let rules = Box::new([route, rule(out::Split::Empty)]);
    let routes = out::Routes { rules, trivial: false, in_order: true };
    Tell::Profile("web.ns.svc.cluster.local:80".into(), Arc::new(routes))
}

#[test]
fn requests_of_peers_are_counted_by_the_route_of_their_profile() {
    let mut world = pair(9);
    let client = world.connect(0, "10.1.0.1:80");
    let ask = |world: &mut World, path: &str| {
        let (got, _) = call(world, client, "10.0.0.2:8080", &format!("GET {path} HTTP/1.1\r\nhost: web\r\n\r\n"));
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    };
    ask(&mut world, "/a");
    let (inbound, dst) = ("direction=\"inbound\"", "dst=\"web.ns.svc.cluster.local:80\"");
    assert_eq!(world.metric(1, "route_request_total", &[inbound]), 0.0, "nothing waits for a profile");
    world.tell(1, told_apart());
    for path in ["/a/b?c", "/a", "/b"] {
        ask(&mut world, path);
    }
    let failed = "classification=\"failure\"";
    for (family, labels, expected) in [
        ("route_request_total", [inbound, dst, "rt_route=\"/a\""], 2.0),
        ("route_request_total", [inbound, dst, ""], 3.0),
        ("route_response_total", [inbound, failed, "rt_route=\"/a\""], 2.0),
        ("route_response_total", [inbound, dst, "classification=\"success\""], 1.0),
        ("route_response_latency_ms_count", [inbound, dst, "status_code=\"200\""], 3.0),
        ("response_total", [inbound, failed, ""], 2.0),
    ] {
        assert_eq!(world.metric(1, family, &labels), expected, "{family} {labels:?}");
    }
    world.pass(Duration::from_secs(100));
    ask(&mut world, "/a");
    assert_eq!(world.metric(1, "route_request_total", &[inbound]), 3.0, "a name nobody said for a while is forgotten");
}

#[test]
fn strangers_name_no_profile() {
    let mut world = pair(10);
    world.tell(1, told_apart());
    let stranger = world.connect_in(1, "10.7.0.1:999", "10.0.0.2:8080");
    for _ in 0..2 {
        let ask = "GET /a HTTP/1.1\r\nhost: web\r\nl5d-dst-canonical: web.ns.svc.cluster.local:80\r\n\r\n";
        call(&mut world, stranger, "10.0.0.2:8080", ask);
        world.tell(1, told_apart());
    }
    assert_eq!(world.metric(1, "route_request_total", &[]), 0.0);
}
