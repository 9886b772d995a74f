//! HTTP/1 applications on both sides, HTTP/2 between the proxies.

use super::air::End;
use super::make::*;
use super::world::World;
use crate::engine::Life;
use std::time::Duration;
use table::Tell;

const ASK: &str = "GET /a?b HTTP/1.1\r\nHost: web\r\nX-One: 1\r\nL5d-Client-Id: forged\r\n\r\n";

fn one(seed: u64, request: &str) -> (World, End, End, String) {
    let mut world = pair(seed);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, request);
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    let seen = world.text(server);
    (world, client, server, seen)
}

#[test]
fn a_request_arrives_as_it_was_sent_with_the_client_named() {
    for seed in 1..30 {
        let (mut world, client, server, seen) = one(seed, ASK);
        assert!(seen.starts_with("GET /a?b HTTP/1.1\r\nhost: web\r\n"), "{seen}");
        assert!(seen.to_lowercase().contains("x-one: 1\r\n") && seen.contains("l5d-client-id: a.test\r\n"), "{seen}");
        assert!(
            !seen.contains("forged") && !seen.contains("orig-proto") && seen.contains("l5d-dst-canonical: web.ns"),
            "{seen}"
        );
        world.write(server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Two: 2\r\n\r\nhello");
        world.run();
        let got = world.text(client);
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\nhello"), "seed {seed}: {got}");
        assert!(got.to_lowercase().contains("x-two: 2\r\n") && !got.contains("l5d-"), "{got}");
        // The same connections again.
        world.write(client, ASK);
        world.run();
        assert!(world.accept("10.0.0.2:8080").is_none() && world.text(server).starts_with("GET /a?b"));
    }
}

#[test]
fn bodies_of_all_framings_arrive_whole() {
    let chunked =
        "POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let length = "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 7\r\n\r\nabcdefg";
    for seed in 1..10 {
        for (request, framing) in [(chunked, "transfer-encoding: chunked"), (length, "content-length: 7")] {
            let (mut world, client, server, seen) = one(seed, request);
            let body: String = seen.split("\r\n\r\n").nth(1).unwrap_or("").into();
            assert!(seen.contains(framing), "{seen}");
            if framing.starts_with('c') {
                assert_eq!(body, "abcdefg");
            } else {
                let letters: String =
                    seen.split_once("\r\n\r\n").expect("head").1.chars().filter(|c| ('a'..='g').contains(c)).collect();
                assert_eq!(letters, "abcdefg", "{seen}");
                assert!(seen.ends_with("0\r\n\r\n"), "{seen}");
            }
            world.write(server, "HTTP/1.1 200 OK\r\n\r\nuntil close");
            world.finish(server);
            world.run();
            let got = world.text(client);
            let (head, body) = got.split_once("\r\n\r\n").expect("head");
            let body: String = body.split("\r\n").skip(1).step_by(2).collect();
            assert!(head.contains("transfer-encoding: chunked") && got.ends_with("0\r\n\r\n"), "{got}");
            assert_eq!(body, "until close", "{got}");
        }
    }
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let (mut world, client, server, seen) = one(4, &ASK.repeat(3));
    assert_eq!(seen.matches("GET ").count(), 1);
    for i in 0..3 {
        world.write(server, format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{i}"));
        world.run();
    }
    let got = world.text(client);
    assert_eq!(got.matches("HTTP/1.1 200").count(), 3);
    assert!(got.find("\r\n\r\n0").expect("first") < got.find("\r\n\r\n2").expect("third"));
}

#[test]
fn head_no_content_and_interim_answers() {
    let (mut world, client, server, _) = one(5, "HEAD / HTTP/1.1\r\nhost: web\r\n\r\n");
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n");
    world.run();
    let got = world.text(client);
    assert!(got.ends_with("\r\n\r\n") && got.contains("content-length: 99"), "{got}");
    world.write(client, "POST / HTTP/1.1\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    world.run();
    assert!(world.text(server).contains("expect: 100-continue"));
    world.write(server, "HTTP/1.1 100 Continue\r\n\r\n");
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 100 Continue\r\n"));
    world.write(client, "ok");
    world.run();
    assert_eq!(world.text(server), "ok");
    world.write(server, "HTTP/1.1 204 No Content\r\n\r\n");
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 204 "));
}

#[test]
fn an_early_answer_leaves_the_client_connection_usable() {
    for seed in 1..10 {
        let (mut world, client, server, _) = one(seed, "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\nabc");
        world.write(server, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n");
        world.run();
        assert!(world.text(client).starts_with("HTTP/1.1 413 "), "seed {seed}");
        world.write(client, "defghij");
        world.write(client, ASK);
        world.run();
        let fresh = world.accept("10.0.0.2:8080").expect("the old one cannot be used again");
        assert!(world.text(fresh).starts_with("GET /a?b"), "seed {seed}");
    }
}

#[test]
fn an_upgrade_becomes_a_tunnel() {
    let ask =
        "GET /ws HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n";
    for seed in 1..20 {
        let (mut world, client, server, seen) = one(seed, ask);
        let seen = seen.to_lowercase();
        assert!(
            seen.contains("upgrade: websocket")
                && seen.contains("sec-websocket-key: x")
                && seen.contains("l5d-client-id: a.test"),
            "{seen}"
        );
        world.write(
            server,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst",
        );
        world.run();
        let got = world.text(client);
        assert!(got.starts_with("HTTP/1.1 101 ") && got.ends_with("\r\n\r\nfirst"), "seed {seed}: {got}");
        world.write(client, "ping");
        world.run();
        assert_eq!(world.text(server), "ping");
        world.finish(server);
        world.run();
        assert_eq!(world.ended(client), Some(false));
    }
}

#[test]
fn what_is_no_http_is_refused() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "400"),
        ("CONNECT web:80 HTTP/1.1\r\nhost: web:80\r\n\r\n", "405"),
    ] {
        let mut world = pair(2);
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, request);
        world.run();
        let got = world.text(client);
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status} ")) && got.contains("connection: close"),
            "{request}: {got}"
        );
        assert!(world.accept("10.0.0.2:8080").is_none() && world.ended(client).is_some());
    }
}

#[test]
fn a_large_body_passes_in_bounded_memory() {
    let (mut world, client, server, _) = one(6, ASK);
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
    world.stall(client, true);
    world.write(server, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
    world.write(server, &body);
    world.run();
    let held: usize = world
        .nodes
        .iter()
        .flat_map(|n| n.engine.conns.keys().into_iter().filter_map(|k| n.engine.conns.get(k)))
        .map(|conn| conn.backlog() + conn.inb.len())
        .sum();
    assert!(held < 1_500_000, "{held} bytes are held");
    let mut got = Vec::new();
    for _ in 0..500 {
        got.extend(world.read(client));
        world.run();
    }
    let head = got.windows(4).position(|w| w == b"\r\n\r\n").expect("head") + 4;
    assert!(got[head..] == body[..], "{} of {}", got.len() - head, body.len());
}

#[test]
fn a_server_that_breaks_off_is_told_apart() {
    // Before a head: 502. In the midst of a body: the client's connection breaks.
    let (mut world, client, server, _) = one(7, ASK);
    world.reset(server);
    world.run();
    let got = world.text(client);
    assert!(got.starts_with("HTTP/1.1 502 "), "{got}");
    let (mut world, client, server, _) = one(7, ASK);
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    world.run();
    world.reset(server);
    world.run();
    assert_eq!((world.text(client).ends_with("abc"), world.ended(client)), (true, Some(true)));
}

#[test]
fn what_came_before_a_break_arrives_before_the_break() {
    for seed in 1..40 {
        let (mut world, client, server, _) = one(seed, ASK);
        world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
        world.finish(server);
        world.run();
        assert!(world.text(client).ends_with("\r\n\r\nabc"), "seed {seed}");
        assert_eq!(world.ended(client), Some(true), "seed {seed}");
    }
}

#[test]
fn a_reader_who_does_not_read_on_hears_of_the_break_in_time() {
    let (mut world, client, server, _) = one(9, ASK);
    world.stall(client, true);
    world.write(server, format!("HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n{}", "a".repeat(150_000)));
    world.finish(server);
    world.run();
    world.pass(Duration::from_secs(3));
    assert_eq!(world.ended(client), Some(true));
}

#[test]
fn a_kept_connection_that_ends_as_a_request_is_put_on_it_costs_nothing() {
    let mut world = pair(14);
    let client = world.connect_in(1, "10.7.0.1:9", "10.0.0.2:8080");
    world.write(client, ASK);
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    world.run();
    world.text(client);
    world.write(client, "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\n\r\n");
    world.write(client, "hi");
    world.finish(server);
    world.run();
    let fresh = world.accept("10.0.0.2:8080").expect("dialed again");
    assert!(world.text(fresh).ends_with("\r\n\r\nhi"));
    world.write(fresh, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let (mut world, client, server, _) = one(8, ASK);
    world.reset(client);
    world.run();
    assert_eq!(world.ended(server), Some(true));
    assert!(world.nodes.iter().all(|node| node.engine.exchanges.keys().is_empty()));
}

#[test]
fn nobody_there_is_a_504_after_failfast() {
    let mut world = pair(9);
    world.paths.insert(table::PathId(1), endpoints(&[]));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.run();
    assert_eq!(world.text(client), "");
    world.pass(Duration::from_secs(4));
    let got = world.text(client);
    assert!(got.starts_with("HTTP/1.1 504 ") && got.contains("l5d-proxy-error: service in fail-fast"), "{got}");
}

#[test]
fn a_waiting_request_goes_when_an_endpoint_comes() {
    let mut world = pair(10);
    world.paths.insert(table::PathId(1), endpoints(&[plain("10.0.0.9:1")]));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 3\r\n\r\nabc");
    world.pass(Duration::from_millis(50));
    world.tell(0, Tell::Endpoints(table::PathId(1), endpoints(&[meshed("10.0.0.2:8080", "b.test")])));
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    assert!(world.text(server).ends_with("\r\n\r\nabc"));
}

#[test]
fn a_drain_finishes_what_runs() {
    let (mut world, client, server, _) = one(11, ASK);
    world.tell(0, Tell::Drain(Duration::from_secs(5)));
    world.run();
    assert_eq!(world.nodes[0].engine.life, Life::Draining);
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    world.run();
    let got = world.text(client);
    assert!(got.contains("connection: close") && got.ends_with("ok") && world.ended(client) == Some(false), "{got}");
    world.finish(client);
    world.run();
    assert_eq!(world.nodes[0].engine.life, Life::Over);
}

#[test]
fn a_drain_ends_with_its_grace() {
    let (mut world, _client, _server, _) = one(12, ASK);
    world.tell(1, Tell::Drain(Duration::from_secs(5)));
    world.pass(Duration::from_secs(6));
    assert_eq!(world.nodes[1].engine.life, Life::Over);
}

#[test]
fn requests_are_counted_where_dashboards_look() {
    let (mut world, _client, server, _) = one(13, ASK);
    world.write(server, "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    world.run();
    let out = [
        "direction=\"outbound\"",
        "authority=\"web.ns.svc.cluster.local:80\"",
        "server_id=\"b.test\"",
        "dst_pod=\"p\"",
    ];
    let into = ["direction=\"inbound\"", "client_id=\"a.test\"", "srv_name=\"server\"", "authz_name=\"authz\""];
    for (node, labels) in [(0, out), (1, into)] {
        assert_eq!(world.metric(node, "request_total", &labels), 1.0, "{node}");
        let failed = [&labels[..], &["status_code=\"503\"", "classification=\"failure\""]].concat();
        assert_eq!(world.metric(node, "response_total", &failed), 1.0, "{node}");
        assert_eq!(world.metric(node, "response_latency_ms_count", &labels), 1.0, "{node}");
    }
    let backend = ["parent_name=\"web\"", "route_name=\"route\"", "backend_name=\"web\""];
    assert_eq!(world.metric(0, "outbound_http_route_backend_requests_total", &backend), 1.0);
    assert_eq!(world.metric(0, "outbound_http_route_backend_response_statuses_total", &["http_status=\"503\""]), 1.0);
    assert_eq!(world.metric(0, "outbound_http_balancer_endpoints", &["endpoint_state=\"ready\""]), 1.0);
    assert_eq!(world.metric(1, "inbound_http_authz_allow_total", &into[1..]), 1.0);
    assert!(world.metric(1, "tcp_read_bytes_total", &["peer=\"src\"", "tls=\"true\""]) > 500.0);
}

#[test]
fn large_bodies_side_by_side_all_arrive() {
    for seed in 1..6 {
        let mut world = pair(seed);
        let clients: Vec<_> = (0..8).map(|_| world.connect(0, "10.1.0.1:80")).collect();
        clients.iter().for_each(|&client| world.write(client, ASK));
        world.run();
        let size = 1_000_000;
        while let Some(server) = world.accept("10.0.0.2:8080") {
            world.write(server, format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n"));
            world.write(server, vec![b'x'; size]);
        }
        let mut got = vec![0; clients.len()];
        for _ in 0..400 {
            world.run();
            for (client, got) in clients.iter().zip(&mut got) {
                *got += world.read(*client).len();
            }
        }
        assert!(got.iter().all(|&n| n > size), "seed {seed}: {got:?}");
    }
}

/// Not a check: work for an instruction counter (`cargo test --profile quick -p engine -- --ignored count`).
#[test]
#[ignore = "a load, for callgrind"]
fn count_requests() {
    let count: usize = std::env::var("COUNT").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let mut world = pair(1);
    let clients: Vec<_> = (0..64).map(|_| world.connect(0, "10.1.0.1:80")).collect();
    let body = "x".repeat(100);
    let ask = "GET /a?b HTTP/1.1\r\nHost: web\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n";
    let answer =
        format!("HTTP/1.1 200 OK\r\nserver: app\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n{body}");
    let mut servers = Vec::new();
    for _ in 0..count {
        clients.iter().for_each(|&client| world.write(client, ask));
        world.run();
        while let Some(server) = world.accept("10.0.0.2:8080") {
            servers.push(server);
        }
        for &server in &servers {
            if !world.read(server).is_empty() {
                world.write(server, &answer);
            }
        }
        world.run();
        for &client in &clients {
            assert!(world.read(client).ends_with(b"x"));
        }
    }
}
