//! Who gets the next request: weights, zones, new endpoints, overloaded ones, breakers, and policies that change.

use super::make::*;
use super::world::World;
use crate::config::Config;
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{self as out, Breaker, Endpoint, Endpoints, Penalty, Rate};
use table::{Lookup, PathId, Tell};

const ASK: &str = "GET /x HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
const ONE: &str = "10.0.0.3:8080";
const TWO: &str = "10.0.0.4:8080";
const TO: &str = "10.1.0.1:80";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A proxy whose application calls two plain servers.
fn two(backend: out::Backend, list: &[Endpoint], config: Config) -> World {
    let mut world = World::new(9);
    world.proxy("a.test", "10.0.0.1", config);
    world.listen(ONE);
    world.listen(TWO);
    world.targets.insert(Lookup::Addr(addr(TO)), Arc::new(target(vec![backend], &[1])));
    world.paths.insert(PathId(1), endpoints(list));
    world
}

fn both() -> [Endpoint; 2] {
    [plain(ONE), plain(TWO)]
}

/// Sends a request to `to`; the server that gets it answers `answers` of its number. What the client got, and from whom.
fn ask_at(world: &mut World, to: &str, answers: [&str; 2]) -> (String, Option<usize>) {
    let client = world.connect(0, to);
    world.write(client, ASK);
    world.run();
    let mut from = None;
    for (i, at) in [ONE, TWO].into_iter().enumerate() {
        if let Some(server) = world.accept(at) {
            world.write(server, format!("HTTP/1.1 {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", answers[i]));
            world.finish(server);
            world.run();
            from = Some(i);
        }
    }
    (world.text(client), from)
}

fn ask(world: &mut World, answers: [&str; 2]) -> Option<usize> {
    ask_at(world, TO, answers).1
}

/// How many of `n` requests the second server gets.
fn second(world: &mut World, n: usize, answers: [&str; 2]) -> usize {
    (0..n).filter(|_| ask(world, answers) == Some(1)).count()
}

const FINE: [&str; 2] = ["200 OK", "200 OK"];

#[test]
fn endpoint_weights_shape_the_load() {
    for (weights, least, most) in [([10_000, 10_000], 60, 140), ([10_000, 0], 0, 0), ([10_000, 40_000], 140, 180)] {
        let mut list = both();
        (list[0].weight, list[1].weight) = (weights[0], weights[1]);
        let mut world = two(balanced(1), &list, Config::default());
        let found = second(&mut world, 200, FINE);
        assert!((least..=most).contains(&found), "{weights:?}: {found} of 200");
    }
}

#[test]
fn endpoints_of_the_own_zone_come_first_while_they_are_there() {
    let mut list = both();
    list[1].near = true;
    let mut world = two(balanced(1), &list, Config::default());
    assert_eq!(second(&mut world, 50, FINE), 50);
    world.unlisten(TWO, false);
    for _ in 0..20 {
        assert_eq!(ask(&mut world, FINE), Some(0), "nobody near is left");
    }
}

#[test]
fn an_endpoint_that_joins_is_given_its_share_slowly() {
    for (slow, least, most) in [(seconds(10), 0, 30), (Duration::ZERO, 60, 140)] {
        let config = Config { slow_start: slow, ..Config::default() };
        let mut world = two(balanced(1), &[plain(ONE)], config);
        assert_eq!(second(&mut world, 20, FINE), 0);
        world.tell(0, Tell::Endpoints(PathId(1), endpoints(&both())));
        // Answers that take no time make the two equal but for the weight.
        let found = second(&mut world, 200, FINE);
        assert!((least..=most).contains(&found), "{slow:?}: {found} of 200");
    }
}

#[test]
fn an_endpoint_that_says_overloaded_is_spared_for_as_long_as_it_asks() {
    let penalty = Penalty { usual: seconds(5), most: seconds(60), decay: Duration::from_millis(100) };
    for (penalty, answer, spared) in [
        (None, "429 Slow", false),
        (Some(penalty), "429 Slow", true),
        (Some(penalty), "503 Busy", true),
        (Some(penalty), "404 None", false),
        (Some(penalty), "503 Busy\r\nretry-after: 30", true),
    ] {
        let mut backend = balanced(1);
        let load = out::Load { rtt: Duration::from_millis(30), decay: seconds(10), penalty };
        if let out::BackendKind::Balance { load: own, .. } = &mut backend.kind {
            *own = load;
        }
        let mut world = two(backend, &both(), Config::default());
        let answers = [answer, "200 OK"];
        while ask(&mut world, answers) != Some(0) {}
        let first = 30 - second(&mut world, 30, answers);
        assert_eq!(first == 0, spared, "{answer}: {first} of 30");
        // Five seconds fade to nothing in 20 decay times; the thirty asked for do not need much longer.
        world.pass(seconds(2));
        assert!(second(&mut world, 30, FINE) < 30, "{answer}: it is asked again");
    }
}

fn with_breaker(breaker: Breaker) -> out::Backend {
    out::Backend { breaker: Some(breaker), ..balanced(1) }
}

const FAILS: [&str; 2] = ["500 Oops", "200 OK"];

#[test]
fn a_poor_share_of_successes_shuts() {
    let rate = Rate { least: 0.6, window: seconds(10), requests: 6 };
    let mut world = two(with_breaker(Breaker { rate: Some(rate), ..breaker(0, 30) }), &both(), Config::default());
    let (mut turn, mut reached) = (0, 0);
    for _ in 0..200 {
        // Every other answer of the first one is a failure: never two in a row.
        let answers = if turn % 2 == 0 { FAILS } else { FINE };
        if ask(&mut world, answers) == Some(0) {
            (turn, reached) = (turn + 1, reached + 1);
        }
    }
    assert_eq!(reached, 7, "the first six say nothing, the seventh says 3 of 7");
    assert_eq!(world.metric(0, "outbound_http_balancer_endpoints", &["pending"]), 1.0);
}

#[test]
fn the_last_endpoints_are_not_shut() {
    for (min_ready, statuses) in [(0, "504"), (1, "500")] {
        let mut world = two(with_breaker(Breaker { min_ready, ..breaker(2, 30) }), &both(), Config::default());
        for _ in 0..20 {
            ask(&mut world, ["500 Oops", "500 Oops"]);
        }
        let client = world.connect(0, TO);
        world.write(client, ASK);
        world.run();
        if let Some(server) = world.accept(ONE).or_else(|| world.accept(TWO)) {
            world.write(server, "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
        }
        world.pass(seconds(4));
        let got = world.text(client);
        assert!(got.starts_with(&format!("HTTP/1.1 {statuses} ")), "{min_ready}: {got}");
    }
}

#[test]
fn retry_after_lengthens_an_ejection_where_policy_says_so() {
    for (retry_after, shut) in [(true, true), (false, false)] {
        let policy = Breaker { retry_after, ..breaker(1, 2) };
        let mut world = two(with_breaker(policy), &both(), Config::default());
        let answers = ["503 Busy\r\nretry-after: 6", "200 OK"];
        while ask(&mut world, answers) != Some(0) {}
        world.pass(seconds(3));
        assert_eq!(second(&mut world, 40, FINE) == 40, shut, "{retry_after}");
        world.pass(seconds(4));
        assert!(second(&mut world, 40, FINE) < 40, "{retry_after}: over");
    }
}

#[test]
fn two_policies_on_one_path_do_not_undo_each_other() {
    let mut world = two(with_breaker(breaker(1, 60)), &both(), Config::default());
    let other = Lookup::Addr(addr("10.1.0.2:80"));
    world.targets.insert(other.clone(), Arc::new(target(vec![balanced(1)], &[1])));
    // Used alternately, told alternately: the first shuts its failing endpoint, the second never does.
    let mut strict = 0;
    for _ in 0..30 {
        strict += usize::from(ask(&mut world, FAILS) == Some(0));
        ask_at(&mut world, "10.1.0.2:80", FAILS);
        let again = world.targets[&other].clone();
        world.tell(0, Tell::Target(other.clone(), again));
    }
    assert_eq!(strict, 1);
    let lenient = (0..60).filter(|_| ask_at(&mut world, "10.1.0.2:80", FAILS).1 == Some(0)).count();
    assert!(lenient > 10, "{lenient} of 60");
    assert_eq!(world.nodes[0].engine.routes.paths.keys().len(), 2);
}

#[test]
fn a_changed_policy_holds_at_once_and_keeps_what_was_measured() {
    let mut world = two(balanced(1), &both(), Config::default());
    let told = |world: &mut World, backend: out::Backend| {
        world.tell(0, Tell::Target(Lookup::Addr(addr(TO)), Arc::new(target(vec![backend], &[1]))));
    };
    // Keep the target in use all along.
    let _user = world.connect(0, TO);
    while ask(&mut world, FAILS) != Some(0) {}
    told(&mut world, with_breaker(breaker(1, 60)));
    while ask(&mut world, FAILS) != Some(0) {}
    assert_eq!(second(&mut world, 40, FINE), 40, "shut");
    assert_eq!(world.nodes[0].engine.routes.paths.keys().len(), 1, "the same balancer");
    told(&mut world, balanced(1));
    assert!(second(&mut world, 40, FINE) < 40, "no breaker any more: what it had shut is open");
}

#[test]
fn the_first_available_backend_is_the_first_that_has_somebody() {
    let mut world = two(balanced(1), &[], Config::default());
    let split =
        out::Split::First(Box::new([0, 1].map(|backend| out::Arm { weight: 1, backend, filters: Box::default() })));
    let mut routed = target(vec![balanced(1), balanced(2)], &[1, 1]);
    routed.http = out::Routes { rules: Box::new([rule(split)]), trivial: true, in_order: false };
    world.targets.insert(Lookup::Addr(addr(TO)), Arc::new(routed));
    world.paths.insert(PathId(2), endpoints(&[plain(TWO)]));
    assert_eq!(second(&mut world, 5, FINE), 5, "nobody is in the first");
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[plain(ONE)])));
    assert_eq!(second(&mut world, 5, FINE), 0);
    world.unlisten(ONE, false);
    assert_eq!(second(&mut world, 5, FINE), 5, "the first one's cannot be reached");
}

#[test]
fn a_service_that_does_not_exist_fails_at_once() {
    for (missing, status) in [(true, Some("504")), (false, None)] {
        let mut world = two(balanced(1), &[], Config::default());
        world.paths.insert(PathId(1), Arc::new(Endpoints { known: true, missing, ..Endpoints::default() }));
        let (got, _) = ask_at(&mut world, TO, FINE);
        let wanted = status.map(|status| format!("HTTP/1.1 {status} "));
        assert_eq!(got.is_empty(), wanted.is_none(), "{missing}: {got}");
        assert!(got.starts_with(wanted.as_deref().unwrap_or("")), "{missing}: {got}");
    }
}

#[test]
fn time_in_a_queue_is_not_charged_to_the_endpoint() {
    let mut world = two(balanced(1), &[], Config::default());
    let client = world.connect(0, TO);
    world.write(client, ASK);
    world.pass(seconds(2));
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[plain(ONE)])));
    world.run();
    let server = world.accept(ONE).expect("dialed");
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    world.run();
    assert!(world.text(client).starts_with("HTTP/1.1 200 "));
    let engine = &world.nodes[0].engine;
    let path = engine.routes.paths.get(engine.routes.paths.keys()[0]).expect("path");
    let load = path.pool.load(path.pool.ids().next().expect("endpoint"), engine.now).expect("load");
    assert!(load < 100e6, "{load} ns");
}

#[test]
fn requests_beyond_a_backends_queue_are_shed() {
    let backend = out::Backend { queue: 2, ..balanced(1) };
    let mut world = two(backend, &[], Config::default());
    let ends: Vec<_> = (0..3).map(|_| world.connect(0, TO)).collect();
    ends.iter().for_each(|&end| world.write(end, ASK));
    world.run();
    let shed = ends.iter().filter(|&&end| world.text(end).starts_with("HTTP/1.1 503 ")).count();
    assert_eq!(shed, 1);
    world.pass(seconds(2));
    assert_eq!(world.metric(0, "outbound_http_balancer_queue_length", &[]), 2.0);
    world.pass(seconds(3));
    assert_eq!(world.metric(0, "outbound_http_balancer_queue_length", &[]), 0.0, "they gave up");
    let (_, _) = ask_at(&mut world, TO, FINE);
    world.pass(seconds(1));
    assert_eq!(world.metric(0, "outbound_http_balancer_queue_gate_shut_total", &[]), 1.0);
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&both())));
    world.run();
    assert_eq!(world.metric(0, "outbound_http_balancer_queue_gate_open_total", &[]), 1.0);
    let name = "web.ns.svc.cluster.local:80";
    let lines = [format!("service in fail-fast: {name} has no endpoint"), format!("{name} serves again")];
    assert_eq!(world.said.iter().map(|line| line.to_string()).collect::<Vec<_>>(), lines);
    assert_eq!(world.metric(0, "outbound_http_balancer_p2c_updates_total", &["op=\"Add\""]), 2.0);
    ask(&mut world, FINE);
    assert_eq!(world.metric(0, "outbound_http_balancer_queue_requests_total", &[]), 1.0);
    assert_eq!(world.metric(0, "outbound_http_balancer_queue_latency_seconds_count", &[]), 1.0);
    assert_eq!(world.metric(0, "outbound_http_balancer_p2c_endpoints", &[]), 2.0);
}
