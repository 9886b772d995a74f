//! Requests that are sent again: by rule, by wish, and because a peer refused them unread.

use super::air::End;
use super::http2::App;
use super::make::*;
use super::world::World;
use http::h2::{Code, Role};
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{self as out, Budget, Retry};
use table::{Lookup, PathId, Tell};

const APP: &str = "10.0.0.2:8080";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
pub(super) const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
const GONE: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const ASK: &str = "GET /x HTTP/1.1\r\nhost: web\r\n\r\n";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn retry(max: u32) -> Retry {
    Retry {
        max,
        max_body: 1_000,
        status: Box::new([(500, 599)]),
        grpc: Box::new([14]),
        timeout: Duration::ZERO,
        backoff: (ms(20), ms(100)),
        jitter: 0.5,
    }
}

/// The usual pair, with one rule changed and a budget.
fn ruled(seed: u64, budget: Budget, change: impl Fn(&mut out::Rule)) -> World {
    let mut world = pair(seed);
    let mut target = target(vec![balanced(1)], &[1]);
    let mut one = rule(arms(&[1]));
    change(&mut one);
    let profile = !one.profile_labels.is_empty();
    target.http = out::Routes { rules: Box::new([one]), trivial: !profile, in_order: profile };
    target.budget = budget;
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(target));
    world
}

pub(super) fn retrying(seed: u64, retry: Retry) -> World {
    let retry = Arc::new(retry);
    ruled(seed, Budget::default(), |rule| rule.retry = Some(retry.clone()))
}

/// One request and the application's answers to its tries; what the client got and the application saw.
pub(super) fn call(world: &mut World, client: End, ask: &str, answers: &[&str]) -> (String, Vec<String>) {
    world.write(client, ask);
    let mut seen = Vec::new();
    for answer in answers {
        world.pass(ms(160));
        let Some(server) = world.accept(APP) else { break };
        seen.push(world.text(server));
        world.write(server, answer);
        world.finish(server);
        world.run();
    }
    world.pass(ms(160));
    assert!(world.accept(APP).is_none(), "one try too many");
    (world.text(client), seen)
}

fn counts(world: &World, kind: &str) -> [f64; 4] {
    ["requests", "successes", "overflow", "limit_exceeded"].map(|what| {
        let family = format!("outbound_{kind}_route_retry_{what}_total");
        world.metric(0, &family, &["parent_name=\"web\"", "route_name=\"route\""])
    })
}

#[test]
fn answers_of_a_rule_are_repeated() {
    let post = "POST /x HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\nhello";
    let chunked = "POST /x HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let large = format!("POST /x HTTP/1.1\r\nhost: web\r\ncontent-length: 1001\r\n\r\n{}", "x".repeat(1001));
    for (case, ask, answers, status, counted) in [
        ("once", ASK, vec![BUSY, OK], "200", [1.0, 1.0, 0.0, 0.0]),
        ("twice", ASK, vec![BUSY, BUSY, OK], "200", [2.0, 1.0, 0.0, 0.0]),
        ("too often", ASK, vec![BUSY, BUSY, BUSY], "503", [2.0, 0.0, 0.0, 1.0]),
        ("not that answer", ASK, vec![GONE], "404", [0.0; 4]),
        ("a good one", ASK, vec![OK], "200", [0.0; 4]),
        ("with a body", post, vec![BUSY, OK], "200", [1.0, 1.0, 0.0, 0.0]),
        ("with chunks", chunked, vec![BUSY, OK], "200", [1.0, 1.0, 0.0, 0.0]),
        ("with too much of a body", &large, vec![BUSY], "503", [0.0; 4]),
        ("another bad answer", ASK, vec![BUSY, GONE], "404", [1.0, 1.0, 0.0, 0.0]),
    ] {
        for seed in 1..4 {
            let mut world = retrying(seed, retry(2));
            let client = world.connect(0, "10.1.0.1:80");
            let (got, seen) = call(&mut world, client, ask, &answers);
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {got}");
            assert_eq!(got.matches("HTTP/1.1").count(), 1, "{case}: {got}");
            assert_eq!(seen.len(), answers.len(), "{case}");
            assert!(seen.iter().all(|one| *one == seen[0]), "{case}: the same each time: {seen:?}");
            assert_eq!(seen[0].contains("hello"), ask.contains("hello"), "{case}");
            assert_eq!(counts(&world, "http"), counted, "{case}");
            let tries = world.metric(0, "outbound_http_route_backend_response_statuses_total", &[]);
            assert_eq!(tries, answers.len() as f64, "{case}: every try is an answer of the backend");
            // The connection serves on.
            let (got, _) = call(&mut world, client, ASK, &[OK]);
            assert!(got.starts_with("HTTP/1.1 200 "), "{case}: {got}");
        }
    }
}

#[test]
fn a_body_that_is_still_coming_goes_on_with_the_next_try() {
    for seed in 1..6 {
        let mut world = retrying(seed, retry(1));
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, "POST /x HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\nhello");
        world.run();
        let first = world.accept(APP).expect("dialed");
        assert!(world.text(first).ends_with("hello"));
        world.write(first, BUSY);
        world.finish(first);
        world.pass(ms(200));
        let second = world.accept(APP).expect("dialed again");
        world.write(client, "world");
        world.run();
        assert!(world.text(second).ends_with("helloworld"), "seed {seed}");
        world.write(second, OK);
        world.run();
        assert!(world.text(client).starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn a_try_has_its_time_and_the_last_one_all() {
    let mut world = retrying(1, Retry { timeout: ms(100), ..retry(1) });
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.run();
    let first = world.accept(APP).expect("dialed");
    world.pass(ms(300));
    assert!(world.ended(first).is_some(), "given up");
    let second = world.accept(APP).expect("dialed again");
    world.pass(ms(3_000));
    assert_eq!((world.ended(second), world.text(client)), (None, String::new()));
    world.write(second, OK);
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 200 "));
    assert_eq!(counts(&world, "http"), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(world.metric(0, "response_total", &["direction=\"outbound\"", "error=\"response timeout\""]), 1.0);
}

#[test]
fn the_rule_s_response_timeout_is_repeated_too() {
    let once = Arc::new(retry(1));
    let mut world = ruled(2, Budget::default(), |rule| {
        rule.retry = Some(once.clone());
        rule.timeouts.response = ms(200);
    });
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.pass(ms(300));
    let first = world.accept(APP).expect("dialed");
    let second = world.accept(APP).expect("dialed again");
    assert!(world.ended(first).is_some() && world.ended(second).is_none());
    world.pass(ms(300));
    assert!(world.text(client).starts_with("HTTP/1.1 504 "), "its limit holds for each");
    assert_eq!(counts(&world, "http"), [1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_budget_stops_retries() {
    let once = Arc::new(retry(1));
    let scarce = Budget { ttl: Duration::from_secs(10), min_per_second: 0, ratio: 0.5 };
    let mut world = ruled(3, scarce, |rule| {
        rule.retry = Some(once.clone());
        rule.profile_labels = Arc::from([(Arc::from("route"), Arc::from("/x"))]);
    });
    let client = world.connect(0, "10.1.0.1:80");
    let mut tries = 0;
    for _ in 0..10 {
        let (got, seen) = call(&mut world, client, ASK, &[BUSY, BUSY]);
        assert!(got.starts_with("HTTP/1.1 503 "), "{got}");
        tries += seen.len();
    }
    assert_eq!(tries, 15);
    assert_eq!(counts(&world, "http"), [5.0, 0.0, 5.0, 5.0]);
    let labels = ["dst=\"web.ns.svc.cluster.local:80\"", "rt_route=\"/x\""];
    assert_eq!(world.metric(0, "route_request_total", &labels), 10.0);
    assert_eq!(world.metric(0, "route_actual_request_total", &labels), 15.0);
    assert_eq!(world.metric(0, "route_actual_response_total", &[labels[0], "classification=\"failure\""]), 15.0);
    assert_eq!(world.metric(0, "route_retryable_total", &[labels[1], "skipped=\"no_budget\""]), 5.0);
    // Another version of the target with the same budget does not fill it; another budget does.
    world.pass(Duration::from_secs(12));
    let (_, seen) = call(&mut world, client, ASK, &[BUSY, BUSY]);
    assert_eq!(seen.len(), 1, "one request earns half a retry");
}

#[test]
fn wishes_count_where_the_rule_lets_them() {
    let ask =
        "GET /x HTTP/1.1\r\nhost: web\r\nl5d-retry-http: 5xx\r\nl5d-retry-limit: 2\r\nl5d-retry-timeout: 10s\r\n\r\n";
    for (allowed, answers, status) in [(true, vec![BUSY, BUSY, OK], "200"), (false, vec![BUSY], "503")] {
        let mut world = ruled(4, Budget::default(), |rule| rule.wishes = allowed);
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, ask);
        for answer in &answers {
            world.pass(ms(600));
            let server = world.accept(APP).expect("dialed");
            let seen = world.text(server);
            assert!(!seen.to_lowercase().contains("l5d-retry"), "{seen}");
            world.write(server, answer);
            world.finish(server);
            world.run();
        }
        let got = world.text(client);
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{allowed}: {got}");
    }
    for (allowed, name, wanted) in
        [(true, "l5d-timeout", true), (true, "l5d-response-timeout", true), (false, "l5d-timeout", false)]
    {
        let mut world = ruled(5, Budget::default(), |rule| rule.wishes = allowed);
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, format!("GET /x HTTP/1.1\r\nhost: web\r\n{name}: 200ms\r\n\r\n"));
        world.pass(ms(300));
        let server = world.accept(APP).expect("dialed");
        assert!(!world.text(server).contains("l5d-timeout"));
        assert_eq!(world.text(client).starts_with("HTTP/1.1 504 "), wanted, "{allowed} {name}");
    }
}

#[test]
fn failfast_is_repeated_by_rule() {
    let mut world = retrying(6, Retry { backoff: (ms(500), ms(500)), jitter: 0.0, ..retry(1) });
    world.paths.insert(PathId(1), endpoints(&[]));
    let first = world.connect(0, "10.1.0.1:80");
    world.write(first, ASK);
    world.pass(Duration::from_secs(7));
    let got = world.text(first);
    assert!(got.starts_with("HTTP/1.1 504 ") && got.contains("web.ns.svc.cluster.local:80 has no endpoint"), "{got}");
    let second = world.connect(0, "10.1.0.1:80");
    world.write(second, ASK);
    world.pass(ms(100));
    assert_eq!(world.text(second), "", "it will be tried once more");
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[meshed(APP, "b.test")])));
    world.pass(ms(600));
    let server = world.accept(APP).expect("dialed");
    world.write(server, OK);
    world.run();
    assert!(world.text(second).starts_with("HTTP/1.1 200 "));
    assert_eq!(counts(&world, "http"), [2.0, 1.0, 0.0, 1.0]);
}

/// An HTTP/2 client, and two plain servers of which the first one dialed is returned with the other's address.
fn two_servers(seed: u64, rule_of: impl Fn(&mut out::Rule)) -> (World, App, App, u32) {
    let mut world = ruled(seed, Budget::default(), rule_of);
    for at in ["10.0.0.8:80", "10.0.0.9:80"] {
        world.listen(at);
    }
    world.paths.insert(PathId(1), endpoints(&[plain("10.0.0.8:80"), plain("10.0.0.9:80")]));
    let mut client = App::new(Role::Client, world.connect(0, "10.1.0.1:80"));
    let stream = client.open("/svc/M", "application/grpc", false);
    client.data(stream, b"question", true);
    client.turn(&mut world);
    let mut server = next(&mut world).expect("dialed");
    server.turn(&mut world);
    assert!(server.saw(1, "POST /svc/M"), "{:?}", server.seen);
    assert_eq!(server.bytes.get(&1), Some(&8));
    (world, client, server, stream)
}

/// The next server that is dialed.
fn next(world: &mut World) -> Option<App> {
    let end = ["10.0.0.8:80", "10.0.0.9:80"].into_iter().find_map(|at| world.accept(at))?;
    let mut server = App::new(Role::Server, end);
    server.turn(world);
    server.turn(world);
    Some(server)
}

#[test]
fn what_a_peer_refused_unread_is_sent_elsewhere() {
    // GOAWAY that took no stream.
    let away: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for seed in 1..8 {
        for (case, goaway) in [("refused", false), ("going away", true)] {
            let (mut world, mut client, mut server, stream) = two_servers(seed, |_| {});
            if goaway {
                world.write(server.end, away);
                world.run();
            } else {
                let out = &mut server.out;
                server.h2.reset(out, 1, Code::RefusedStream);
                server.turn(&mut world);
            }
            let mut other = next(&mut world).unwrap_or_else(|| panic!("{case}: sent to the other"));
            assert!(other.saw(1, "POST /svc/M") && other.bytes.get(&1) == Some(&8), "{case}: {:?}", other.seen);
            other.answer(1, 200, false);
            other.data(1, b"answer", false);
            other.status(1, "0");
            other.turn(&mut world);
            client.turn(&mut world);
            assert!(
                client.saw(stream, "200 end=false") && client.saw(stream, "grpc-status=0"),
                "{case}: {:?}",
                client.seen
            );
            assert_eq!(counts(&world, "grpc"), [0.0; 4], "{case}: no retry of a rule");
        }
    }
}

#[test]
fn what_dies_with_a_peer_that_said_it_goes_is_counted_as_that() {
    // GOAWAY that leaves the first stream.
    let away: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    for (said, word) in [(away, "GO_AWAY"), (&[][..], "IO")] {
        let (mut world, mut client, server, _) = two_servers(5, |_| {});
        world.write(server.end, said);
        world.run();
        world.reset(server.end);
        world.run();
        client.turn(&mut world);
        let error = format!("error=\"{word}\"");
        assert_eq!(world.metric(0, "outbound_grpc_route_request_statuses_total", &[&error]), 1.0, "{word}");
    }
}

#[test]
fn a_peer_that_refuses_always_is_believed() {
    let (mut world, mut client, server, stream) = two_servers(9, |_| {});
    let mut servers = vec![server];
    for _ in 0..3 {
        let last = servers.last_mut().expect("one");
        let stream = last.seen.iter().map(|(stream, _)| *stream).max().expect("a request");
        last.h2.reset(&mut last.out, stream, Code::RefusedStream);
        last.turn(&mut world);
        if let Some(other) = next(&mut world) {
            servers.push(other);
        } else {
            servers.rotate_left(1);
        }
        for server in &mut servers {
            server.turn(&mut world);
        }
    }
    client.turn(&mut world);
    assert!(client.saw(stream, "grpc-status=14"), "{:?}", client.seen);
    let tries = world.metric(0, "outbound_grpc_route_backend_requests_total", &[]);
    assert_eq!(tries, 3.0);
}

#[test]
fn grpc_statuses_are_seen_before_the_answer_goes_on() {
    let once = Arc::new(retry(1));
    for (case, end, data, code, again) in [
        ("trailers only", true, false, "14", true),
        ("early trailers", false, false, "14", true),
        ("another code", false, false, "5", false),
        ("data first", false, true, "14", false),
        ("well", false, true, "0", false),
    ] {
        let (mut world, mut client, mut server, stream) = two_servers(3, |rule| rule.retry = Some(once.clone()));
        if end {
            let head =
                http::Response { status: 200, reason: b"", version: http::Version::H2, fields: http::Fields::EMPTY };
            let add = [http::Field::known(http::Name::GrpcStatus, code.as_bytes())];
            let edit = http::Edit { add: &add, ..http::Edit::NONE };
            server.h2.send_response(&mut server.out, 1, &head, &edit, true).expect("answer");
        } else {
            server.answer(1, 200, false);
            server.turn(&mut world);
            client.turn(&mut world);
            assert!(!client.saw(stream, "200"), "{case}: held back");
            if data {
                server.data(1, b"answer", false);
            }
            server.status(1, code);
        }
        server.turn(&mut world);
        world.pass(ms(150));
        client.turn(&mut world);
        let other = next(&mut world);
        assert_eq!(other.is_some(), again, "{case}");
        if let Some(mut other) = other {
            other.answer(1, 200, false);
            other.data(1, b"answer", false);
            other.status(1, "0");
            other.turn(&mut world);
            client.turn(&mut world);
            assert!(client.saw(stream, "grpc-status=0"), "{case}: {:?}", client.seen);
            assert_eq!(counts(&world, "grpc"), [1.0, 1.0, 0.0, 0.0], "{case}");
        } else {
            assert!(client.saw(stream, &format!("grpc-status={code}")), "{case}: {:?}", client.seen);
            assert_eq!(client.bytes.contains_key(&stream), data, "{case}");
        }
    }
}

#[test]
fn a_head_is_not_held_back_for_long() {
    let once = Arc::new(retry(1));
    let (mut world, mut client, mut server, stream) = two_servers(4, |rule| rule.retry = Some(once.clone()));
    server.answer(1, 200, false);
    server.turn(&mut world);
    world.pass(ms(200));
    client.turn(&mut world);
    assert!(client.saw(stream, "200 end=false"), "{:?}", client.seen);
    server.data(1, b"answer", false);
    server.status(1, "14");
    server.turn(&mut world);
    client.turn(&mut world);
    assert!(client.saw(stream, "grpc-status=14") && next(&mut world).is_none());
}

#[test]
fn clients_that_leave_take_their_retries_along() {
    for after in [0, 10, 30] {
        let mut world = retrying(7, Retry { backoff: (ms(50), ms(50)), ..retry(3) });
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, ASK);
        world.run();
        let server = world.accept(APP).expect("dialed");
        world.write(server, BUSY);
        world.finish(server);
        world.pass(ms(after));
        world.reset(client);
        world.pass(Duration::from_secs(1));
        assert!(world.accept(APP).is_none(), "{after}");
        assert_eq!(world.nodes[0].engine.exchanges.keys().len(), 0);
        assert_eq!(world.nodes[0].engine.tally.queued, 0);
    }
}
