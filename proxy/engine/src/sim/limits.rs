//! Whatever waits has a deadline, whatever piles up has a bound.

use super::air::End;
use super::make::*;
use super::world::World;
use crate::config::{Config, H2, Side};
use std::sync::Arc;
use std::time::Duration;
use table::inbound::Authentication;
use table::{Lookup, PathId, Tell};

const ASK: &str = "GET / HTTP/1.1\r\nhost: web\r\n\r\n";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A proxy with a plain application behind 8080.
fn alone(config: Config) -> World {
    let mut world = World::new(1);
    world.proxy("b.test", "10.0.0.2", config);
    world.listen("10.0.0.2:8080");
    world.ports.insert(8080, Arc::new(server(Authentication::Unauthenticated)));
    world
}

#[test]
fn states_before_the_first_request_end_in_time() {
    let mut hello = Vec::new();
    let mut session = tls::Session::client(credentials("c.test").client.clone(), "b.test").expect("session");
    session.feed(&mut [], &mut Vec::new(), &mut hello);
    for (case, to, bytes, limit) in [
        ("nothing, to our own port", "10.0.0.2:4143", &b""[..], 11),
        ("part of a hello", "10.0.0.2:4143", &hello[..50], 11),
        ("a handshake that stops", "10.0.0.2:4143", &hello[..], 11),
        ("a handshake that stops, transparent", "10.0.0.2:8080", &hello[..], 11),
        ("part of a head", "10.0.0.2:8080", b"GET / HTTP/1.1\r\nhost", 31),
        ("an HTTP/2 preface alone", "10.0.0.2:8080", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 11),
    ] {
        let mut world = alone(Config::default());
        let end = world.connect_in(0, "10.7.0.1:999", to);
        world.write(end, bytes);
        world.pass(seconds(limit - 2));
        assert_eq!(world.ended(end), None, "{case}");
        world.pass(seconds(5));
        assert!(world.ended(end).is_some(), "{case}");
    }
}

#[test]
fn an_idle_client_is_left_alone_after_its_first_request() {
    let mut world = alone(Config::default());
    let end = world.connect_in(0, "10.7.0.1:999", "10.0.0.2:8080");
    world.write(end, ASK);
    world.run();
    let app = world.accept("10.0.0.2:8080").expect("dialed");
    world.write(app, "HTTP/1.1 204 No Content\r\n\r\n");
    world.pass(seconds(60));
    assert_eq!((world.ended(end), world.ended(app)), (None, Some(false)), "the pool gave its side up");
}

#[test]
fn connections_beyond_the_cap_are_refused() {
    let mut world = alone(Config { max_connections: 2, ..Config::default() });
    let ends: Vec<_> = (0..3).map(|i| world.connect_in(0, &format!("10.7.0.{i}:9"), "10.0.0.2:8080")).collect();
    assert_eq!(ends.iter().map(|&end| world.ended(end)).collect::<Vec<_>>(), [None, None, Some(true)]);
    world.reset(ends[0]);
    world.run();
    let next = world.connect_in(0, "10.7.0.9:9", "10.0.0.2:8080");
    assert_eq!(world.ended(next), None);
}

#[test]
fn requests_beyond_the_caps_are_shed() {
    let side = |max_in_flight, queue| Side { max_in_flight, queue, ..Side::default() };
    for (side, endpoint) in [(side(2, 100), plain("10.0.0.2:8080")), (side(100, 2), plain("10.0.0.9:1"))] {
        let mut world = World::new(1);
        world.proxy("a.test", "10.0.0.1", Config { outbound_side: side, ..Config::default() });
        world.listen("10.0.0.2:8080");
        world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(target(vec![balanced(1)], &[1])));
        world.paths.insert(PathId(1), endpoints(&[endpoint]));
        let ends: Vec<_> = (0..3).map(|_| world.connect(0, "10.1.0.1:80")).collect();
        ends.iter().for_each(|&end| world.write(end, ASK));
        world.run();
        let shed = ends.iter().filter(|&&end| world.text(end).starts_with("HTTP/1.1 503 ")).count();
        assert_eq!(shed, 1);
        assert_eq!(world.metric(0, "outbound_http_errors_total", &["loadshed"]), 1.0);
    }
}

#[test]
fn what_nobody_uses_is_forgotten_and_asked_again() {
    let mut world = pair(2);
    for _ in 0..2 {
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, ASK);
        world.run();
        assert_eq!(world.nodes[0].engine.routes.targets.keys().len(), 1);
        world.reset(client);
        world.pass(seconds(8));
        assert_eq!(world.nodes[0].engine.routes.targets.keys().len(), 0);
    }
    world.tell(0, Tell::Gone(PathId(1)));
    world.pass(seconds(100));
    assert_eq!(world.nodes[1].engine.routes.endpoints.keys().len(), 0);
    assert!(world.nodes[1].engine.ports.get(8080).is_none() && world.nodes[0].engine.conns.keys().is_empty());
}

#[test]
fn endpoints_that_leave_finish_what_they_have() {
    let mut world = pair(3);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.run();
    let app = world.accept("10.0.0.2:8080").expect("dialed");
    world.listen("10.0.0.3:8080");
    world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[plain("10.0.0.3:8080")])));
    world.run();
    world.write(app, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    world.run();
    assert!(world.text(client).ends_with("ok"));
    world.write(client, ASK);
    world.run();
    assert!(world.accept("10.0.0.3:8080").is_some());
    assert_eq!(world.nodes[0].engine.routes.endpoints.keys().len(), 1, "the old one is gone with its link");
}

#[test]
fn an_endpoint_that_leaves_as_its_connection_comes_up_costs_nobody() {
    for endpoint in [meshed("10.0.0.2:8080", "b.test"), plain("10.0.0.2:8080")] {
        let mut world = pair(3);
        world.paths.insert(PathId(1), endpoints(&[endpoint]));
        let clients = [0; 8].map(|_| world.connect(0, "10.1.0.1:80"));
        for client in clients {
            world.write(client, ASK);
        }
        world.listen("10.0.0.3:8080");
        world.woken = Some(Tell::Endpoints(PathId(1), endpoints(&[plain("10.0.0.3:8080")])));
        world.run();
        let served = ["10.0.0.3:8080", "10.0.0.2:8080"].map(|at| {
            let apps: Vec<_> = std::iter::from_fn(|| world.accept(at)).collect();
            apps.into_iter().map(|app| answered(&mut world, app, |_, _| ()).len()).sum::<usize>()
        });
        assert!(world.woken.is_none() && served[1] <= 1, "{served:?}: one may be with the old one already");
        assert_eq!(clients.map(|client| world.text(client).ends_with("ok")), [true; 8]);
    }
}

#[test]
fn a_new_certificate_leaves_connections_alone() {
    let mut world = pair(4);
    let client = world.connect(0, "10.1.0.1:80");
    for _ in 0..2 {
        world.write(client, ASK);
        world.run();
        let app = world.accept("10.0.0.2:8080");
        if let Some(app) = app {
            world.write(app, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            world.finish(app);
        }
        world.run();
        assert!(world.text(client).ends_with("ok"));
        world.tell(0, Tell::Credentials(credentials("a.test")));
    }
    assert_eq!(world.metric(0, "tcp_open_total", &["peer=\"dst\""]), 1.0);
}

#[test]
fn so_many_unused_connections_are_kept_and_none_of_http_1_0() {
    let side = Side { pool_max: 1, ..Side::default() };
    let mut world = alone(Config { inbound_side: side, ..Config::default() });
    let ask = |world: &mut World, version: &str| {
        let clients: Vec<_> = (0..2).map(|i| world.connect_in(0, &format!("10.7.0.{i}:9"), "10.0.0.2:8080")).collect();
        clients.iter().for_each(|&end| world.write(end, ASK));
        world.run();
        let apps: Vec<_> = (0..2).map_while(|_| world.accept("10.0.0.2:8080")).collect();
        for &app in &apps {
            world.write(app, format!("HTTP/{version} 200 OK\r\ncontent-length: 0\r\n\r\n"));
        }
        world.run();
        (apps.len(), apps.iter().filter(|&&app| world.ended(app).is_none()).count())
    };
    assert_eq!(ask(&mut world, "1.1"), (2, 1), "one is kept");
    world.pass(seconds(5));
    assert_eq!(ask(&mut world, "1.0"), (2, 0), "those are used once");
}

/// One link of one stream; `/0` is with the application, `/1` to `/5` wait.
fn crowd() -> (World, Vec<End>, End) {
    let mut world = pair(5);
    let h2 = H2 { max_links: 1, streams_per_link: 1, ..H2::default() };
    world.nodes[0].engine.config = Arc::new(Config { h2, ..Config::default() });
    let clients: Vec<_> = (0..6).map(|_| world.connect(0, "10.1.0.1:80")).collect();
    for (n, &client) in clients.iter().enumerate() {
        world.write(client, format!("GET /{n} HTTP/1.1\r\nhost: web\r\n\r\n"));
        world.run();
    }
    let app = world.accept("10.0.0.2:8080").expect("dialed");
    (world, clients, app)
}

/// Answers whatever comes until nothing does; the paths.
fn answered(world: &mut World, app: End, mut after: impl FnMut(&mut World, usize)) -> Vec<String> {
    let mut paths = Vec::new();
    loop {
        let text = world.text(app);
        let Some(path) = text.split(' ').nth(1) else { return paths };
        paths.push(path.to_owned());
        world.write(app, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        after(world, paths.len());
        world.run();
    }
}

#[test]
fn requests_that_wait_for_a_stream_get_it_in_their_order() {
    let (mut world, clients, app) = crowd();
    let paths = answered(&mut world, app, |world, n| {
        if n == 1 {
            // In the very turn in which the stream is free again.
            let late = world.connect(0, "10.1.0.1:80");
            world.write(late, ASK);
        }
    });
    assert_eq!(paths, ["/0", "/1", "/2", "/3", "/4", "/5", "/"]);
    assert!(clients.iter().all(|&client| world.text(client).ends_with("ok")));
}

#[test]
fn those_who_left_while_they_waited_hold_up_nobody() {
    let (mut world, clients, app) = crowd();
    for gone in [1, 2, 4] {
        world.reset(clients[gone]);
    }
    // The last stream ends without an answer: nobody else would wake those who wait.
    world.reset(clients[0]);
    world.run();
    let next = world.accept("10.0.0.2:8080").unwrap_or(app);
    assert_eq!(answered(&mut world, next, |_, _| ()), ["/3", "/5"]);
}
