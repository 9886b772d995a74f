//! Opaque connections through one and two proxies.

use super::make::*;
use super::world::World;
use crate::engine::Life;
use std::sync::Arc;
use std::time::Duration;
use table::inbound::Authentication;
use table::outbound::Protocol;
use table::{Lookup, Tell};

pub(crate) fn opaque_pair(seed: u64) -> World {
    let mut world = pair(seed);
    let mut opaque = target(vec![balanced(1)], &[1]);
    opaque.protocol = Protocol::Opaque;
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(opaque));
    world
}

#[test]
fn bytes_pass_both_ways_and_ends_are_passed_on() {
    for seed in 1..20 {
        let mut world = opaque_pair(seed);
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, b"hello");
        world.run();
        let server = world.accept("10.0.0.2:8080").expect("dialed");
        assert_eq!(world.text(server), "hello", "seed {seed}");
        world.finish(client);
        world.run();
        assert_eq!(world.ended(server), Some(false));
        world.write(server, b"and back");
        world.finish(server);
        world.run();
        assert_eq!((world.text(client).as_str(), world.ended(client)), ("and back", Some(false)), "seed {seed}");
        assert!(world.nodes.iter().all(|node| node.engine.conns.keys().is_empty()), "seed {seed}");
    }
}

#[test]
fn a_server_may_speak_first() {
    let mut world = pair(1);
    let client = world.connect(0, "10.1.0.1:80");
    world.pass(Duration::from_millis(600));
    let server = world.accept("10.0.0.2:8080").expect("dialed after the detect timeout");
    world.write(server, b"220 ready");
    world.run();
    assert_eq!(world.text(client), "220 ready");
}

#[test]
fn a_reset_is_passed_on() {
    for who in 0..2 {
        let mut world = opaque_pair(3);
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, b"x");
        world.run();
        let server = world.accept("10.0.0.2:8080").expect("dialed");
        let (dies, lives) = if who == 0 { (client, server) } else { (server, client) };
        world.read(lives);
        world.reset(dies);
        world.run();
        assert_eq!(world.ended(lives), Some(true), "{who}");
    }
}

#[test]
fn a_slow_reader_holds_the_writer_back() {
    let mut world = opaque_pair(5);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, b"go");
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    world.stall(server, true);
    let sent: Vec<u8> = (0..4_000_000u32).map(|i| i as u8).collect();
    world.write(client, &sent);
    world.run();
    let held: usize = world
        .nodes
        .iter()
        .flat_map(|n| n.engine.conns.keys().into_iter().filter_map(|k| n.engine.conns.get(k)))
        .map(|conn| conn.backlog() + conn.inb.len() + conn.cipher.len())
        .sum();
    assert!(held < 2_000_000, "{held} bytes are held");
    let mut got = Vec::new();
    for _ in 0..500 {
        got.extend(world.read(server));
        world.run();
    }
    assert!(got[2..] == sent[..], "{} bytes arrived", got.len());
}

#[test]
fn nobody_there_is_a_reset_in_time() {
    let mut world = opaque_pair(6);
    world.paths.insert(table::PathId(1), endpoints(&[plain("10.0.0.9:1")]));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, b"x");
    world.pass(Duration::from_secs(4));
    assert_eq!(world.ended(client), Some(true));
}

#[test]
fn policy_cuts_what_it_no_longer_lets_in() {
    let mut world = opaque_pair(7);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, b"x");
    world.run();
    world.accept("10.0.0.2:8080").expect("dialed");
    let nobody = Authentication::Identities { exact: Box::new(["c.test".into()]), suffixes: Box::default() };
    world.tell(1, Tell::Port(8080, Arc::new(server(nobody))));
    world.run();
    assert_eq!(world.ended(client), Some(true));
    assert_eq!(world.metric(1, "inbound_tcp_authz_terminate_total", &["srv_name=\"server\""]), 1.0);
    let again = world.connect(0, "10.1.0.1:80");
    world.write(again, b"x");
    world.pass(Duration::from_secs(4));
    assert!(world.ended(again).is_some() && world.accept("10.0.0.2:8080").is_none());
}

#[test]
fn tls_of_the_application_is_passed_through() {
    // A client hello for another name (RFC 8446 section 4.1.2), cut where it likes.
    let config = credentials("c.test").client.clone();
    let mut session = tls::Session::client(config, "c.test").expect("session");
    let mut hello = Vec::new();
    session.feed(&mut [], &mut Vec::new(), &mut hello);
    let mut world = pair(8);
    let client = world.connect_in(1, "10.3.0.3:5000", "10.0.0.2:8080");
    world.write(client, &hello);
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    assert_eq!(world.read(server), hello);
    assert_eq!(world.metric(1, "tcp_open_total", &["sni=\"c.test\"", "tls=\"opaque\""]), 1.0);
}

#[test]
fn a_drain_lets_bytes_run_until_a_side_ends_or_its_grace_is_over() {
    for ends in [true, false] {
        let mut world = opaque_pair(9);
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, b"x");
        world.run();
        let server = world.accept("10.0.0.2:8080").expect("dialed");
        world.tell(1, Tell::Drain(Duration::from_secs(5)));
        world.pass(Duration::from_secs(3));
        world.write(server, b"still here");
        world.run();
        assert_eq!((world.text(client).as_str(), world.nodes[1].engine.life), ("still here", Life::Draining));
        if ends {
            world.finish(client);
            world.finish(server);
            world.run();
        } else {
            world.pass(Duration::from_secs(3));
        }
        assert_eq!(world.nodes[1].engine.life, Life::Over, "{ends}");
    }
}

#[test]
fn bytes_that_policy_does_not_let_in_are_counted() {
    let mut world = pair(10);
    let mut shut = server(Authentication::Identities { exact: Box::new(["c.test".into()]), suffixes: Box::default() });
    shut.protocol = table::inbound::Protocol::Opaque;
    world.ports.insert(8080, Arc::new(shut));
    let stranger = world.connect_in(1, "10.7.0.1:999", "10.0.0.2:8080");
    world.write(stranger, b"x");
    world.run();
    assert!(world.ended(stranger).is_some() && world.accept("10.0.0.2:8080").is_none());
    let labels = ["srv_name=\"server\"", "target_port=\"8080\"", "no_tls_reason=\"port_skipped\""];
    assert_eq!(world.metric(1, "inbound_tcp_authz_deny_total", &labels), 1.0);
}

#[test]
fn an_endpoint_on_loopback_is_not_dialed() {
    for protocol in [Protocol::Opaque, Protocol::Http1] {
        let mut world = opaque_pair(11);
        let mut routed = target(vec![balanced(1)], &[1]);
        routed.protocol = protocol;
        world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(routed));
        world.paths.insert(table::PathId(1), endpoints(&[plain("127.0.0.1:4191")]));
        world.listen("127.0.0.1:4191");
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, "POST /shutdown HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n");
        world.pass(Duration::from_secs(4));
        assert!(world.accept("127.0.0.1:4191").is_none(), "{protocol:?}");
    }
}
