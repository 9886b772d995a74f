//! Strangers who are slow, idle or many: they end in time, by a counted reason, and others do not notice.

use super::air::End;
use super::http2::App;
use super::make::*;
use super::world::World;
use crate::config::Config;
use http::h2::Role;
use std::sync::Arc;
use std::time::Duration;
use table::inbound::Authentication;

const REFUSED: &str = "inbound_refused_total";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn alone(mut config: Config) -> World {
    // These clients answer pings only when it is their turn.
    config.inbound_side.h2.keepalive = None;
    config.h2.keepalive = None;
    let mut world = World::new(1);
    world.proxy("b.test", "10.0.0.2", config);
    world.listen("10.0.0.2:8080");
    world.ports.insert(8080, Arc::new(server(Authentication::Unauthenticated)));
    world
}

fn stranger(world: &mut World) -> End {
    world.connect_in(0, "10.7.0.1:999", "10.0.0.2:8080")
}

fn asks(world: &mut World, bytes: &[u8]) -> (End, End) {
    let end = stranger(world);
    world.write(end, bytes);
    world.run();
    (end, world.accept("10.0.0.2:8080").expect("dialed"))
}

#[test]
fn a_body_that_dribbles_ends_and_one_that_gets_on_does_not() {
    for (bytes, lives) in [(10, false), (1_500, true)] {
        let mut world = alone(Config::default());
        let (end, _) = asks(&mut world, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
        for _ in 0..20 {
            world.write(end, vec![b'x'; bytes]);
            world.pass(seconds(5));
        }
        assert_eq!(world.ended(end).is_none(), lives, "{bytes} bytes in 5 s");
        assert_eq!(world.metric(0, REFUSED, &["body_timeout"]), f64::from(u8::from(!lives)));
        assert_eq!(world.text(end).starts_with("HTTP/1.1 408"), !lives);
    }
}

#[test]
fn a_body_is_not_blamed_when_the_server_does_not_take_it() {
    let mut world = alone(Config::default());
    let (end, app) = asks(&mut world, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n");
    world.stall(app, true);
    world.write(end, vec![b'x'; 2_000_000]);
    world.pass(seconds(200));
    assert_eq!(world.ended(end), None);
}

#[test]
fn a_reader_that_takes_nothing_ends_and_a_slow_one_does_not() {
    for (bytes, lives) in [(0, false), (2_000, true)] {
        let mut world = alone(Config::default());
        let (end, app) = asks(&mut world, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        world.write(app, b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n");
        world.write(app, vec![b'x'; 2_000_000]);
        for _ in 0..30 {
            world.pass(seconds(5));
            world.take(end, bytes);
        }
        assert_eq!(world.ended(end).is_none(), lives, "{bytes} bytes in 5 s");
        assert_eq!(world.metric(0, REFUSED, &["reader_timeout"]), f64::from(u8::from(!lives)));
    }
}

#[test]
fn an_idle_stranger_is_let_go_after_a_quarter_of_an_hour() {
    let mut world = alone(Config { stranger_idle: seconds(100), ..Config::default() });
    let (end, app) = asks(&mut world, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    world.write(app, b"HTTP/1.1 204 No Content\r\n\r\n");
    world.pass(seconds(95));
    assert_eq!(world.ended(end), None);
    world.pass(seconds(20));
    assert_eq!(world.ended(end), Some(false));
    assert_eq!(world.metric(0, REFUSED, &["idle_timeout"]), 1.0);
}

#[test]
fn an_idle_link_hears_goaway_first() {
    let mut world = alone(Config { stranger_idle: seconds(100), ..Config::default() });
    let mut client = App::new(Role::Client, stranger(&mut world));
    let stream = client.open("/", "x/y", true);
    client.turn(&mut world);
    let mut app = App::new(Role::Server, world.accept("10.0.0.2:8080").expect("dialed"));
    app.turn(&mut world);
    app.answer(1, 204, true);
    app.turn(&mut world);
    client.turn(&mut world);
    assert!(client.saw(stream, "204"));
    world.pass(seconds(120));
    client.turn(&mut world);
    assert!(client.saw(0, "goaway"), "{:?}", client.seen);
    client.turn(&mut world);
    world.pass(seconds(1));
    assert!(world.ended(client.end).is_some());
}

#[test]
fn a_stream_that_dribbles_is_reset_and_its_neighbour_is_not() {
    let mut world = alone(Config::default());
    let mut client = App::new(Role::Client, stranger(&mut world));
    let (slow, good) = (client.open("/slow", "x/y", false), client.open("/good", "x/y", true));
    let rpc = client.open("/svc/M", "application/grpc", false);
    client.turn(&mut world);
    let mut app = App::new(Role::Server, world.accept("10.0.0.2:8080").expect("dialed"));
    app.turn(&mut world);
    for _ in 0..20 {
        client.data(slow, b"x", false);
        client.turn(&mut world);
        app.turn(&mut world);
        world.pass(seconds(5));
        if client.saw(slow, "408") {
            break;
        }
    }
    assert!(client.saw(slow, "408") && !client.saw(rpc, "408"), "{:?}", client.seen);
    app.answer(3, 204, true);
    app.turn(&mut world);
    client.turn(&mut world);
    assert!(client.saw(good, "204"), "{:?}", client.seen);
    assert_eq!(world.metric(0, REFUSED, &["body_timeout"]), 1.0);
}

#[test]
fn a_stream_without_window_is_reset() {
    let mut world = alone(Config::default());
    let mut client = App::new(Role::Client, stranger(&mut world));
    client.release = false;
    let stream = client.open("/", "x/y", true);
    client.turn(&mut world);
    let mut app = App::new(Role::Server, world.accept("10.0.0.2:8080").expect("dialed"));
    app.turn(&mut world);
    app.answer(1, 200, false);
    for _ in 0..40 {
        app.data(1, &[1; 100_000], false);
        app.turn(&mut world);
        client.turn(&mut world);
        world.pass(seconds(5));
        if client.saw(stream, "reset") {
            break;
        }
    }
    assert!(client.saw(stream, "reset"), "{:?}", client.seen.last());
    assert_eq!(world.metric(0, REFUSED, &["reader_timeout"]), 1.0);
}

#[test]
fn a_source_has_its_share_and_no_more() {
    let mut world = alone(Config { max_per_source: 2, ..Config::default() });
    let ends: Vec<_> = (0..3).map(|i| world.connect_in(0, &format!("10.7.0.1:{i}"), "10.0.0.2:8080")).collect();
    assert_eq!(ends.iter().map(|&end| world.ended(end)).collect::<Vec<_>>(), [None, None, Some(true)]);
    let other = world.connect_in(0, "10.7.0.2:1", "10.0.0.2:8080");
    assert_eq!(world.ended(other), None);
    world.reset(ends[0]);
    world.run();
    let again = stranger(&mut world);
    assert_eq!(world.ended(again), None);
    assert_eq!(world.metric(0, REFUSED, &["source_connections"]), 1.0);
}
