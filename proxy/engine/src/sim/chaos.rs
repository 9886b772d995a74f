//! Whatever happens in whatever order, nothing panics, nothing is left behind, and the next request works.

use super::air::End;
use super::make::*;
use super::world::World;
use balance::dice::Dice;
use http::{Edit, Fields, Form, Request, Version, h2};
use std::sync::Arc;
use std::time::Duration;
use table::outbound::Retry;
use table::{Lookup, PathId, Tell};

const REQUESTS: [&str; 8] = [
    "GET / HTTP/1.1\r\nhost: web\r\n\r\n",
    "POST /p HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\nhello",
    "POST /c HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
    "POST /part HTTP/1.1\r\nhost: web\r\ncontent-length: 500000\r\n\r\nhello",
    "HEAD / HTTP/1.0\r\n\r\n",
    "GET /ws HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "\x00\x01\x02 no http at all",
    "GET / HT",
];

const ANSWERS: [&str; 8] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\npart",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nraw",
    "garbage\r\n\r\n",
    "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
];

/// HTTP/2 as an application would speak it: whole, cut short, broken.
fn frames() -> [Vec<u8>; 4] {
    let mut out = Vec::new();
    let mut client = h2::Conn::new(h2::Role::Client, &h2::Config::default(), 0, &mut out);
    let head = Request {
        method: b"POST",
        scheme: b"http",
        authority: b"web",
        path: b"/h2",
        version: Version::H2,
        form: Form::Origin,
        fields: Fields::EMPTY,
    };
    for _ in 0..3 {
        let stream = client.send_request(&mut out, &head, &Edit::NONE, false, 0).expect("open");
        client.send_data(&mut out, stream, &[b'x'; 9_000], false).expect("sent");
    }
    let settings = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    let reset = [&settings[..], &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7]].concat();
    let goaway = [&settings[..], &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]].concat();
    [out.clone(), out[..out.len() - 700].to_vec(), reset, goaway]
}

fn act(world: &mut World, dice: &mut Dice, ends: &mut Vec<End>, servers: &mut Vec<End>) {
    let any = |dice: &mut Dice, list: &[End]| list.get(dice.below(list.len().max(1) as u64) as usize).copied();
    let text = |dice: &mut Dice, list: &[&'static str; 8]| list[dice.below(8) as usize];
    match dice.below(18) {
        0..=1 => ends.push(world.connect(0, "10.1.0.1:80")),
        2 => ends.push(world.connect_in(1, "10.7.0.1:9", ["10.0.0.2:8080", "10.0.0.2:4143"][dice.below(2) as usize])),
        3..=6 => {
            let request = text(dice, &REQUESTS);
            any(dice, ends).into_iter().for_each(|end| world.write(end, request));
        }
        7..=9 => {
            let answer = text(dice, &ANSWERS);
            any(dice, servers).into_iter().for_each(|end| world.write(end, answer));
        }
        16 => {
            let [whole, cut, ..] = frames();
            let bytes = if dice.below(2) == 0 { whole } else { cut };
            any(dice, ends).into_iter().for_each(|end| world.write(end, &bytes));
        }
        17 => {
            let [.., reset, goaway] = frames();
            let bytes = if dice.below(2) == 0 { reset } else { goaway };
            any(dice, servers).into_iter().for_each(|end| world.write(end, &bytes));
        }
        10 => any(dice, ends).into_iter().for_each(|end| world.reset(end)),
        11 => any(dice, servers).into_iter().for_each(|end| world.reset(end)),
        12 => {
            let list = [&ends[..], &servers[..]][dice.below(2) as usize];
            any(dice, list).into_iter().for_each(|end| world.finish(end));
        }
        13 => {
            let stalled = dice.below(2) == 0;
            any(dice, servers).into_iter().for_each(|end| world.stall(end, stalled));
        }
        14 => {
            let lists = [
                vec![],
                vec![meshed("10.0.0.2:8080", "b.test")],
                vec![plain("10.0.0.9:1"), meshed("10.0.0.2:8080", "b.test")],
            ];
            world.tell(0, Tell::Endpoints(PathId(1), endpoints(&lists[dice.below(3) as usize])));
        }
        _ => world.pass(Duration::from_millis(dice.below(1_500))),
    }
    if dice.below(3) > 0 {
        world.run();
    }
    servers.extend(std::iter::from_fn(|| world.accept("10.0.0.2:8080")));
    ends.iter().chain(servers.iter()).for_each(|&end| drop(world.read(end)));
}

/// Requests are sent again whenever they can be.
fn retrying(world: &mut World) {
    let ms = Duration::from_millis;
    let retry = Retry {
        max: 2,
        max_body: 10_000,
        status: Box::new([(200, 599)]),
        grpc: Box::new([14]),
        timeout: ms(300),
        backoff: (ms(10), ms(50)),
        jitter: 0.5,
    };
    let mut routed = target(vec![balanced(1)], &[1]);
    routed.http.rules[0].retry = Some(Arc::new(retry));
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(routed));
}

#[test]
fn nothing_is_left_behind() {
    for seed in 1..60 {
        let (mut world, mut dice) = (pair(seed), Dice::new(seed * 77));
        if seed % 2 == 0 {
            retrying(&mut world);
        }
        let (mut ends, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..150 {
            act(&mut world, &mut dice, &mut ends, &mut servers);
        }
        ends.iter().chain(&servers).for_each(|&end| world.reset(end));
        world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[])));
        world.pass(Duration::from_secs(12));
        for (number, node) in world.nodes.iter().enumerate() {
            let engine = &node.engine;
            let left = (engine.conns.keys().len(), engine.exchanges.keys().len(), engine.tally.accepted);
            assert_eq!(left, (0, 0, 0), "seed {seed}, node {number}: connections, requests, accepted");
            assert_eq!((engine.tally.in_flight, engine.tally.queued), ([0, 0], 0), "seed {seed}, node {number}");
            assert_eq!(world.metric(number, "tcp_open_connections", &[]), 0.0, "seed {seed}, node {number}");
            let used: u32 = engine
                .routes
                .endpoints
                .keys()
                .iter()
                .filter_map(|&k| engine.routes.endpoints.get(k))
                .map(|e| e.users)
                .sum();
            assert_eq!(used, 0, "seed {seed}, node {number}: users of endpoints");
        }
        world.tell(0, Tell::Endpoints(PathId(1), endpoints(&[meshed("10.0.0.2:8080", "b.test")])));
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, REQUESTS[0]);
        world.run();
        let mut server = world.accept("10.0.0.2:8080").expect("dialed");
        for _ in 0..if seed % 2 == 0 { 3 } else { 1 } {
            world.write(server, ANSWERS[0]);
            world.pass(Duration::from_millis(100));
            // An answer that was given up half-read takes its connection along.
            server = world.accept("10.0.0.2:8080").unwrap_or(server);
        }
        assert!(world.text(client).ends_with("ok"), "seed {seed}");
    }
}
