//! HTTP/2 applications: multiplexed requests, gRPC, windows, resets.

use super::air::End;
use super::make::*;
use super::world::World;
use http::h2::{Code, Config, Conn, Event, Role, StreamId};
use http::{Edit, Field, Fields, Form, Name, Request, Response, Scratch, Version};
use std::time::Duration;
use table::Tell;

/// An HTTP/2 application in a test.
pub(crate) struct App {
    pub(crate) h2: Conn,
    pub(crate) end: End,
    kept: Vec<u8>,
    pub(crate) out: Vec<u8>,
    /// What happened: stream and a line of text.
    pub(crate) seen: Vec<(StreamId, String)>,
    /// Body bytes by stream.
    pub(crate) bytes: std::collections::HashMap<StreamId, usize>,
    pub(crate) release: bool,
}

fn show<'a>(start: String, fields: impl Iterator<Item = Field<'a>>) -> String {
    fields.fold(start, |text, f| {
        format!("{text} {}={}", String::from_utf8_lossy(f.name), String::from_utf8_lossy(f.value))
    })
}

impl App {
    pub(crate) fn new(role: Role, end: End) -> App {
        let mut out = Vec::new();
        let h2 = Conn::new(role, &Config::default(), 0, &mut out);
        App { h2, end, kept: vec![], out, seen: vec![], bytes: Default::default(), release: true }
    }

    pub(crate) fn open(&mut self, path: &str, kind: &str, end: bool) -> StreamId {
        let head = Request {
            method: b"POST",
            scheme: b"http",
            authority: b"web",
            path: path.as_bytes(),
            version: Version::H2,
            form: Form::Origin,
            fields: Fields::EMPTY,
        };
        let add = [Field::known(Name::ContentType, kind.as_bytes()), Field::known(Name::Te, b"trailers")];
        self.h2.send_request(&mut self.out, &head, &Edit { add: &add, ..Edit::NONE }, end, 7).expect("open")
    }

    pub(crate) fn answer(&mut self, stream: StreamId, status: u16, end: bool) {
        let head = Response { status, reason: b"", version: Version::H2, fields: Fields::EMPTY };
        self.h2.send_response(&mut self.out, stream, &head, &Edit::NONE, end).expect("answer");
    }

    pub(crate) fn data(&mut self, stream: StreamId, data: &[u8], end: bool) -> usize {
        self.h2.send_data(&mut self.out, stream, data, end).expect("data")
    }

    pub(crate) fn status(&mut self, stream: StreamId, code: &str) {
        let add = [Field::known(Name::GrpcStatus, code.as_bytes())];
        self.h2
            .send_trailers(&mut self.out, stream, &Fields::EMPTY, &Edit { add: &add, ..Edit::NONE })
            .expect("trailers");
    }

    /// Sends what waits, lets the world run, takes what came.
    pub(crate) fn turn(&mut self, world: &mut World) {
        world.write(self.end, std::mem::take(&mut self.out));
        world.run();
        self.kept.extend(world.read(self.end));
        let (mut at, mut scratch, kept) = (0, Scratch::new(), std::mem::take(&mut self.kept));
        let mut gone = Vec::new();
        while let Some(event) = self.h2.recv(0, &kept, &mut at, &mut scratch, &mut self.out).expect("sound frames") {
            let (stream, text) = match event {
                Event::Request { stream, head, end, .. } => {
                    let start = format!(
                        "{} {} end={end}",
                        String::from_utf8_lossy(head.method),
                        String::from_utf8_lossy(head.path)
                    );
                    (stream, show(start, head.fields.iter()))
                }
                Event::Response { stream, head, end, .. } => {
                    (stream, show(format!("{} end={end}", head.status), head.fields.iter()))
                }
                Event::Data { stream, data, end, .. } => {
                    *self.bytes.entry(stream).or_default() += data.len();
                    gone.push((stream, data.len()));
                    (stream, format!("data end={end}"))
                }
                Event::Trailers { stream, fields, .. } => (stream, show("trailers".into(), fields.iter())),
                Event::Reset { stream, code, .. } => (stream, format!("reset {code:?}")),
                Event::Goaway { .. } => (0, "goaway".into()),
                _ => continue,
            };
            self.seen.push((stream, text));
        }
        self.kept = kept[at..].to_vec();
        if self.release {
            for (stream, n) in gone {
                self.h2.release(&mut self.out, stream, n);
            }
        }
    }

    pub(crate) fn saw(&self, stream: StreamId, text: &str) -> bool {
        self.seen.iter().any(|(s, line)| *s == stream && line.contains(text))
    }
}

/// Both applications, with one request of the client open and seen by the server.
fn apps(seed: u64, kind: &str, end: bool) -> (World, App, App, StreamId) {
    let mut world = pair(seed);
    let mut client = App::new(Role::Client, world.connect(0, "10.1.0.1:80"));
    let stream = client.open("/svc/M", kind, end);
    client.turn(&mut world);
    let at = world.accept("10.0.0.2:8080").expect("dialed");
    let mut server = App::new(Role::Server, at);
    server.turn(&mut world);
    client.turn(&mut world);
    server.turn(&mut world);
    (world, client, server, stream)
}

#[test]
fn grpc_passes_with_trailers() {
    for seed in 1..15 {
        let (mut world, mut client, mut server, stream) = apps(seed, "application/grpc", false);
        assert!(server.saw(1, "POST /svc/M end=false") && server.saw(1, "l5d-client-id=a.test"), "{:?}", server.seen);
        assert!(server.saw(1, "te=trailers"), "{:?}", server.seen);
        client.data(stream, b"question", true);
        client.turn(&mut world);
        server.turn(&mut world);
        assert_eq!(server.bytes.get(&1), Some(&8));
        server.answer(1, 200, false);
        server.data(1, b"answer", false);
        server.status(1, "5");
        server.turn(&mut world);
        client.turn(&mut world);
        assert!(client.saw(stream, "200 end=false") && client.saw(stream, "grpc-status=5"), "{:?}", client.seen);
        let labels = ["direction=\"outbound\"", "grpc_status=\"5\"", "classification=\"success\""];
        assert_eq!(world.metric(0, "response_total", &labels), 1.0, "seed {seed}");
    }
}

#[test]
fn bodies_beyond_all_windows_arrive_whole_both_ways() {
    let (mut world, mut client, mut server, stream) = apps(3, "x/y", false);
    server.answer(1, 200, false);
    let (total, mut up, mut down) = (3_000_000, 0, 0);
    let block = vec![7u8; 100_000];
    for _ in 0..2_000 {
        if up < total {
            let n = block.len().min(total - up);
            up += client.data(stream, &block[..n], up + n == total);
        }
        if down < total {
            let n = block.len().min(total - down);
            down += server.data(1, &block[..n], down + n == total);
        }
        client.turn(&mut world);
        server.turn(&mut world);
    }
    assert_eq!((server.bytes.get(&1), client.bytes.get(&stream)), (Some(&total), Some(&total)));
    assert!(client.saw(stream, "end=true") && server.saw(1, "data end=true"));
}

#[test]
fn one_stalled_stream_does_not_hold_up_another() {
    let (mut world, mut client, mut server, stream) = apps(4, "x/y", true);
    client.release = false;
    server.answer(1, 200, false);
    for _ in 0..50 {
        server.data(1, &[1; 50_000], false);
        server.turn(&mut world);
    }
    client.turn(&mut world);
    let stuck = client.bytes.get(&stream).copied().unwrap_or(0);
    let other = client.open("/other", "x/y", true);
    client.turn(&mut world);
    server.turn(&mut world);
    server.answer(3, 204, true);
    server.turn(&mut world);
    (0..60).for_each(|_| client.turn(&mut world));
    assert!(client.saw(other, "204 end=true") && stuck > 0 && stuck < 2_500_000, "{stuck}");
}

#[test]
fn a_reset_passes_in_either_direction() {
    let (mut world, mut client, mut server, stream) = apps(5, "x/y", false);
    client.h2.reset(&mut client.out, stream, Code::Cancel);
    client.turn(&mut world);
    server.turn(&mut world);
    assert!(server.saw(1, "reset Cancel"), "{:?}", server.seen);
    let next = client.open("/next", "x/y", false);
    client.turn(&mut world);
    server.turn(&mut world);
    server.answer(3, 200, false);
    server.turn(&mut world);
    server.h2.reset(&mut server.out, 3, Code::InternalError);
    server.turn(&mut world);
    client.turn(&mut world);
    assert!(client.saw(next, "200 end=false") && client.saw(next, "reset"), "{:?}", client.seen);
}

#[test]
fn refusals_speak_grpc_to_grpc() {
    let mut world = pair(6);
    world.paths.insert(table::PathId(1), endpoints(&[]));
    let mut client = App::new(Role::Client, world.connect(0, "10.1.0.1:80"));
    let (rpc, web) = (client.open("/svc/M", "application/grpc", true), client.open("/", "text/html", true));
    client.turn(&mut world);
    world.pass(Duration::from_secs(4));
    client.turn(&mut world);
    assert!(client.saw(rpc, "200 end=true") && client.saw(rpc, "grpc-status=4"), "{:?}", client.seen);
    assert!(client.saw(web, "504 end=true") && client.saw(web, "l5d-proxy-error"), "{:?}", client.seen);
}

#[test]
fn an_answer_that_is_no_grpc_goes_on_and_counts_as_what_clients_read_from_it() {
    for (status, kind, code, class) in [
        (503, "text/html", "14", "failure"),
        (200, "text/html", "2", "failure"),
        (404, "application/grpc", "12", "success"),
    ] {
        let (mut world, mut client, mut server, stream) = apps(7, "application/grpc", true);
        let head = Response { status, reason: b"", version: Version::H2, fields: Fields::EMPTY };
        let add = [Field::known(Name::ContentType, kind.as_bytes())];
        server.h2.send_response(&mut server.out, 1, &head, &Edit { add: &add, ..Edit::NONE }, false).expect("answer");
        server.data(1, b"<p>", true);
        server.turn(&mut world);
        client.turn(&mut world);
        assert!(client.saw(stream, &format!("{status} end=false")) && client.saw(stream, "data end=true"));
        let labels = [format!("grpc_status=\"{code}\""), format!("classification=\"{class}\"")];
        for node in [0, 1] {
            let labels = [labels[0].as_str(), labels[1].as_str()];
            assert_eq!(world.metric(node, "response_total", &labels), 1.0, "{status} {kind} {node}");
        }
    }
}

#[test]
fn a_broken_grpc_answer_ends_in_trailers() {
    let (mut world, mut client, mut server, stream) = apps(7, "application/grpc", true);
    server.answer(1, 200, false);
    server.turn(&mut world);
    client.turn(&mut world);
    world.reset(server.end);
    client.turn(&mut world);
    assert!(client.saw(stream, "grpc-status=14"), "{:?}", client.seen);
}

#[test]
fn a_drain_says_goaway_and_lets_streams_finish() {
    let (mut world, mut client, mut server, stream) = apps(8, "x/y", true);
    world.tell(0, Tell::Drain(Duration::from_secs(5)));
    let late = client.open("/late", "x/y", true);
    client.turn(&mut world);
    assert!(client.saw(0, "goaway"));
    server.turn(&mut world);
    server.answer(3, 204, true);
    server.turn(&mut world);
    (0..3).for_each(|_| client.turn(&mut world));
    assert!(client.saw(late, "204"), "{:?}", client.seen);
    server.answer(1, 200, true);
    server.turn(&mut world);
    client.turn(&mut world);
    assert!(client.saw(stream, "200 end=true") && world.ended(client.end) == Some(false), "{:?}", client.seen);
}

#[test]
fn many_streams_share_links_and_more_links_open_when_they_are_full() {
    let (mut world, mut client, mut server, _) = apps(9, "x/y", true);
    let streams: Vec<_> = (0..150).map(|_| client.open("/m", "x/y", true)).collect();
    client.turn(&mut world);
    let mut servers = vec![App::new(Role::Server, server.end)];
    std::mem::swap(&mut servers[0], &mut server);
    for _ in 0..6 {
        while let Some(end) = world.accept("10.0.0.2:8080") {
            servers.push(App::new(Role::Server, end));
        }
        for server in &mut servers {
            server.turn(&mut world);
            let asked: Vec<_> =
                server.seen.drain(..).filter(|(_, line)| line.contains("POST")).map(|(s, _)| s).collect();
            asked.into_iter().for_each(|stream| server.answer(stream, 204, true));
            server.turn(&mut world);
        }
        client.turn(&mut world);
    }
    let missing = streams.iter().filter(|&&s| !client.saw(s, "204")).count();
    assert_eq!(missing, 0);
    let links = world.metric(0, "tcp_open_total", &["peer=\"dst\""]);
    assert!((2.0..=4.0).contains(&links), "{links} links");
}

/// One plain HTTP/2 server with HTTP/2 settings of its own; a request of the client open there.
fn own_settings(http2: Option<table::outbound::Http2>) -> (World, App, App, StreamId) {
    let mut world = World::new(4);
    world.proxy("a.test", "10.0.0.1", crate::config::Config::default());
    world.listen("10.0.0.3:8080");
    let endpoint = table::outbound::Endpoint { http2, ..plain("10.0.0.3:8080") };
    world.paths.insert(table::PathId(1), endpoints(&[endpoint]));
    let lookup = table::Lookup::Addr(addr("10.1.0.1:80"));
    world.targets.insert(lookup, std::sync::Arc::new(target(vec![balanced(1)], &[1])));
    let mut client = App::new(Role::Client, world.connect(0, "10.1.0.1:80"));
    let stream = client.open("/svc/M", "text/plain", true);
    client.turn(&mut world);
    let mut server = App::new(Role::Server, world.accept("10.0.0.3:8080").expect("dialed"));
    server.turn(&mut world);
    (world, client, server, stream)
}

#[test]
fn an_endpoint_may_have_windows_of_its_own() {
    let own = |stream_window, connection_window| {
        Some(table::outbound::Http2 { stream_window, connection_window, ..Default::default() })
    };
    // Nothing is read by the client, so what fits is a window and what the proxy keeps for it; it differs by the window.
    for (http2, window) in [(None, 256 << 10), (own(70_000, 0), 70_000), (own(1 << 20, 80_000), 80_000)] {
        let (_world, _client, mut server, _) = own_settings(http2);
        server.answer(1, 200, false);
        assert_eq!(server.data(1, &vec![0; 2 << 20], false), window, "{http2:?}");
    }
}

#[test]
fn an_endpoint_may_have_a_keepalive_of_its_own() {
    let seconds = Duration::from_secs;
    let own =
        table::outbound::Http2 { keepalive: Some((seconds(1), seconds(1))), while_idle: true, ..Default::default() };
    for (http2, answers, dies) in [(Some(own), false, true), (Some(own), true, false), (None, false, false)] {
        let (mut world, mut client, mut server, stream) = own_settings(http2);
        for _ in 0..8 {
            world.pass(Duration::from_millis(500));
            if answers {
                server.turn(&mut world);
            }
        }
        client.turn(&mut world);
        assert_eq!(client.saw(stream, "502 "), dies, "{http2:?} {answers}: {:?}", client.seen);
    }
}

#[test]
fn an_idle_link_is_pinged_only_where_its_endpoint_wants_it() {
    let seconds = Duration::from_secs;
    for while_idle in [true, false] {
        let keepalive = Some((seconds(1), seconds(1)));
        let own = table::outbound::Http2 { keepalive, while_idle, ..Default::default() };
        let (mut world, mut client, mut server, stream) = own_settings(Some(own));
        server.answer(1, 200, true);
        server.turn(&mut world);
        client.turn(&mut world);
        assert!(client.saw(stream, "200 "), "{:?}", client.seen);
        world.pass(seconds(4));
        assert_eq!(world.ended(server.end).is_some(), while_idle, "nobody answers its pings");
    }
}

#[test]
fn routes_for_http2_may_differ_from_those_for_http1() {
    let mut world = pair(6);
    let mut routed = target(vec![balanced(1)], &[1]);
    let shut = table::outbound::Filter::Fail { status: 418, grpc: false, message: "teapot".into(), ratio: 1_000_000 };
    let rule = table::outbound::Rule { filters: Box::new([shut]), ..rule(arms(&[1])) };
    routed.http2 = Some(table::outbound::Routes { rules: Box::new([rule]), trivial: true, in_order: false });
    world.targets.insert(table::Lookup::Addr(addr("10.1.0.1:80")), std::sync::Arc::new(routed));
    let mut client = App::new(Role::Client, world.connect(0, "10.1.0.1:80"));
    let stream = client.open("/x", "text/plain", true);
    client.turn(&mut world);
    assert!(client.saw(stream, "418 "), "{:?}", client.seen);
    let plain = world.connect(0, "10.1.0.1:80");
    world.write(plain, "GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    world.run();
    assert!(world.accept("10.0.0.2:8080").is_some());
}
