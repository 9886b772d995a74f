//! Endpoints that go and come back: how soon they serve again, how often they are tried, and what clients are told meanwhile.

use super::make::*;
use super::world::World;
use crate::config::{Backoff, Config, Side};
use std::sync::Arc;
use std::time::Duration;
use table::inbound::Authentication;
use table::outbound::Protocol;
use table::{Lookup, PathId};

const ASK: &str = "GET /x HTTP/1.1\r\nhost: web\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const AT: &str = "10.0.0.3:8080";
const ALSO: &str = "10.0.0.4:8080";
const TO: &str = "10.1.0.1:80";

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn world(list: &[&str], config: Config) -> World {
    let mut world = World::new(4);
    world.proxy("a.test", "10.0.0.1", config);
    list.iter().for_each(|at| world.listen(at));
    world.targets.insert(Lookup::Addr(addr(TO)), Arc::new(target(vec![balanced(1)], &[1])));
    let list: Vec<_> = list.iter().map(|at| plain(at)).collect();
    world.paths.insert(PathId(1), endpoints(&list));
    world
}

/// Sends a request and answers it wherever it arrives; whether the client got the answer.
fn served(world: &mut World) -> bool {
    let client = world.connect(0, TO);
    world.write(client, ASK);
    world.run();
    for at in [AT, ALSO] {
        while let Some(server) = world.accept(at) {
            world.write(server, OK);
            world.run();
            world.finish(server);
        }
    }
    world.run();
    let fine = world.text(client).starts_with("HTTP/1.1 200 ");
    world.reset(client);
    world.run();
    fine
}

/// Asks every 50 ms until an answer comes, at most 10 s; how long it took.
fn until_served(world: &mut World) -> Duration {
    let began = world.now;
    while !served(world) && world.now - began < millis(10_000) {
        world.pass(millis(50));
    }
    world.now - began
}

#[test]
fn whoever_comes_back_after_minutes_serves_within_two_seconds_and_a_probe() {
    for (silent, bound) in [(false, 2_100), (true, 3_100)] {
        for list in [&[AT][..], &[AT, ALSO]] {
            let mut world = world(list, Config::default());
            assert!(served(&mut world));
            // A connection of the application is there all the time, so that the destination stays known.
            let _user = world.connect(0, TO);
            list.iter().for_each(|at| world.unlisten(at, silent));
            for _ in 0..30 {
                assert!(!served(&mut world));
                world.pass(millis(10_000));
            }
            world.listen(AT);
            let took = until_served(&mut world);
            assert!(took <= millis(bound), "silent {silent}, {} endpoints: {took:?}", list.len());
        }
    }
}

#[test]
fn one_that_was_long_away_is_looked_for_when_the_last_one_goes() {
    let mut world = world(&[AT, ALSO], Config::default());
    let _user = world.connect(0, TO);
    world.unlisten(AT, false);
    for _ in 0..60 {
        assert!(served(&mut world), "by the other");
        world.pass(millis(5_000));
    }
    world.unlisten(ALSO, false);
    served(&mut world);
    world.listen(AT);
    let took = until_served(&mut world);
    assert!(took <= millis(2_100), "{took:?}");
}

#[test]
fn bytes_find_the_way_back_as_soon() {
    let mut world = world(&[AT], Config::default());
    let mut bytes = target(vec![balanced(1)], &[1]);
    bytes.protocol = Protocol::Opaque;
    world.targets.insert(Lookup::Addr(addr(TO)), Arc::new(bytes));
    let _user = world.connect(0, TO);
    world.run();
    world.unlisten(AT, false);
    for _ in 0..30 {
        let client = world.connect(0, TO);
        world.write(client, "x");
        world.pass(millis(10_000));
        assert!(world.ended(client).is_some());
    }
    world.listen(AT);
    let began = world.now;
    let client = world.connect(0, TO);
    world.write(client, "x");
    while world.accept(AT).is_none() && world.now - began < millis(5_000) {
        world.pass(millis(50));
    }
    assert!(world.now - began <= millis(2_100), "{:?}", world.now - began);
}

#[test]
fn many_connects_that_fail_together_are_one_failure() {
    let mut world = world(&[AT, ALSO], Config::default());
    let _user = world.connect(0, TO);
    world.unlisten(ALSO, false);
    let clients: Vec<_> = (0..40).map(|_| world.connect(0, TO)).collect();
    clients.iter().for_each(|&client| world.write(client, ASK));
    world.run();
    world.listen(ALSO);
    world.pass(millis(150));
    assert_eq!(world.metric(0, "outbound_http_balancer_endpoints", &["ready"]), 2.0, "after the first wait");
}

#[test]
fn the_wait_between_tries_is_what_the_environment_says() {
    // Beside one that serves, so that nothing hurries: tries of the dead one in a minute.
    for (min, max, least, most) in [(100, 60_000, 8, 11), (1_000, 1_000, 50, 61), (20_000, 60_000, 2, 3)] {
        let backoff = Backoff { min: millis(min), max: millis(max), jitter: 0.1 };
        let side = Side { backoff, ..Side::default() };
        let mut world = world(&[AT, ALSO], Config { outbound_side: side, ..Config::default() });
        let _user = world.connect(0, TO);
        world.unlisten(ALSO, false);
        let tried = |world: &World| world.metric(0, "tcp_open_total", &["peer=\"dst\"", "target_ip=\"10.0.0.4\""]);
        while tried(&world) == 0.0 {
            assert!(served(&mut world));
        }
        world.pass(millis(60_000));
        let tries = tried(&world);
        assert!((f64::from(least)..=f64::from(most)).contains(&tries), "{min} {max}: {tries}");
    }
}

#[test]
fn a_connect_that_takes_too_long_is_told_from_one_that_is_refused() {
    let grpc = "POST /s/m HTTP/1.1\r\nhost: web\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
    for (silent, ask, status) in [
        (false, ASK, "HTTP/1.1 502 "),
        (true, ASK, "HTTP/1.1 504 "),
        (false, grpc, "grpc-status: 14"),
        (true, grpc, "grpc-status: 4"),
    ] {
        let mut world = World::new(1);
        world.proxy("b.test", "10.0.0.2", Config::default());
        world.ports.insert(8080, Arc::new(server(Authentication::Unauthenticated)));
        world.unlisten("10.0.0.2:8080", silent);
        let client = world.connect_in(0, "10.7.0.1:999", "10.0.0.2:8080");
        world.write(client, ask);
        world.pass(millis(400));
        let got = world.text(client);
        assert!(got.contains(status), "silent {silent}: {got}");
    }
}
