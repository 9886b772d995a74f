//! The inbound side whole: rate limits, kinds of ports, filters, tunnels under a changing policy, what a gateway lets through.

use super::air::End;
use super::http2::App;
use super::make::*;
use super::policy::{ASK, call, clusters, only, route};
use super::world::World;
use crate::config::Config;
use http::h2::Role;
use std::sync::Arc;
use std::time::Duration;
use table::inbound::{self, Authentication, Protocol, RateLimit};
use table::outbound::{self as out, Filter, HeaderEdits, HostMatch, PathMatch, Peer, RequestMatch};
use table::{Lookup, PathId, Tell};
use wire::transport_header::{self, Header, Session};

const APP: &str = "10.0.0.2:8080";
const GET10: &str = "GET / HTTP/1.0\r\n\r\n";

fn open() -> Authentication {
    Authentication::Unauthenticated
}

/// A proxy with a plain application behind 8080, under this policy.
fn alone(policy: inbound::Server) -> World {
    let mut world = World::new(1);
    world.proxy("b.test", "10.0.0.2", Config::default());
    world.listen(APP);
    world.ports.insert(8080, Arc::new(policy));
    world
}

fn stranger(world: &mut World, node: usize) -> End {
    world.connect_in(node, "10.7.0.1:999", APP)
}

fn status(world: &mut World, end: End) -> String {
    let (got, _) = call(world, end, APP, ASK);
    got.split(' ').nth(1).unwrap_or("").to_owned()
}

fn limited(limit: RateLimit) -> inbound::Server {
    inbound::Server { limit: Some(Box::new(RateLimit { meta: meta("calm"), ..limit })), ..server(open()) }
}

#[test]
fn a_rate_limit_is_429_for_whom_it_concerns() {
    let mut world = pair(20);
    let each = |identity| limited(RateLimit { identity: Some(identity), ..RateLimit::default() });
    world.ports.insert(8080, Arc::new(each(2)));
    let client = world.connect(0, "10.1.0.1:80");
    let told: Vec<_> = (0..3).map(|_| status(&mut world, client)).collect();
    assert_eq!(told, ["200", "200", "429"]);
    let (one, two) = (stranger(&mut world, 1), world.connect_in(1, "10.7.0.2:9", APP));
    let told: Vec<_> = [one, two, one].map(|end| status(&mut world, end)).into();
    assert_eq!(told, ["200", "200", "429"], "those without a name share a bucket");
    world.tell(1, Tell::Port(8080, Arc::new(each(2))));
    assert_eq!(status(&mut world, client), "429", "the same limit again gives nothing back");
    let labels = ["ratelimit_scope=\"identity\"", "ratelimit_name=\"calm\"", "client_id=\"a.test\""];
    assert_eq!(world.metric(1, "inbound_http_local_ratelimit_total", &labels), 2.0);
    assert_eq!(world.metric(1, "inbound_http_errors_total", &["rate limited"]), 3.0);
    world.pass(Duration::from_millis(1_001));
    assert_eq!(status(&mut world, client), "200");
    world.tell(1, Tell::Port(8080, Arc::new(server(open()))));
    assert!((0..9).all(|_| status(&mut world, client) == "200"), "no limit any more");
}

#[test]
fn grpc_is_told_resource_exhausted() {
    let mut world = pair(21);
    world.ports.insert(8080, Arc::new(limited(RateLimit { total: Some(0), ..RateLimit::default() })));
    let end = world.connect(0, "10.1.0.1:80");
    let mut client = App::new(Role::Client, end);
    let stream = client.open("/s/m", "application/grpc", true);
    client.turn(&mut world);
    assert!(client.saw(stream, "200 end=true") && client.saw(stream, "grpc-status=8"), "{:?}", client.seen);
    assert_eq!(world.metric(1, "inbound_http_local_ratelimit_total", &["ratelimit_scope=\"total\""]), 1.0);
}

#[test]
fn ports_speak_what_their_policy_says() {
    let of = |protocol| inbound::Server { protocol, ..server(open()) };
    let mut world = alone(of(Protocol::Http1));
    let end = stranger(&mut world, 0);
    world.pass(Duration::from_secs(11));
    assert_eq!(status(&mut world, end), "200", "silent for longer than the sniff, and still HTTP/1");
    for protocol in [Protocol::Http2, Protocol::Grpc] {
        let mut world = alone(of(protocol));
        let mut client = App::new(Role::Client, stranger(&mut world, 0));
        let stream = client.open("/s/m", "application/grpc", true);
        client.turn(&mut world);
        let mut app = App::new(Role::Server, world.accept(APP).expect("dialed"));
        app.turn(&mut world);
        app.answer(stream, 200, true);
        app.turn(&mut world);
        client.turn(&mut world);
        assert!(app.saw(1, "POST /s/m") && client.saw(stream, "200"), "{protocol:?}: {:?}", client.seen);
    }
    for protocol in [Protocol::Opaque, Protocol::Tls] {
        let mut world = alone(of(protocol));
        let end = stranger(&mut world, 0);
        world.run();
        let app = world.accept(APP).expect("dialed before a byte came");
        world.write(end, b"\x16\x03\x01 not looked at");
        world.run();
        assert_eq!(world.read(app), b"\x16\x03\x01 not looked at", "{protocol:?}");
        assert_eq!(world.metric(0, "tcp_open_total", &["no_tls_reason=\"port_skipped\"", "peer=\"src\""]), 1.0);
    }
}

#[test]
fn without_host_a_request_is_for_the_address_it_came_to() {
    let mut world = alone(server(open()));
    let end = stranger(&mut world, 0);
    let (got, seen) = call(&mut world, end, APP, GET10);
    let seen = seen.expect("arrived");
    assert!(got.contains(" 200 ") && seen.contains("host: 10.0.0.2:8080\r\n"), "{seen}");
}

#[test]
fn clients_on_this_machine_need_no_authorization() {
    let mut world = alone(inbound::Server { allow_loopback: true, ..server(only("nobody")) });
    let end = world.connect_in(0, "127.0.0.1:999", APP);
    assert_eq!(status(&mut world, end), "200");
    let labels = ["authz_name=\"localhost\"", "no_tls_reason=\"loopback\""];
    assert_eq!(world.metric(0, "inbound_http_authz_allow_total", &labels), 1.0);
    let end = stranger(&mut world, 0);
    assert_eq!(status(&mut world, end), "403");
}

#[test]
fn inbound_routes_filter() {
    let ruled = |path: &str, filter: Filter| {
        let matched = RequestMatch { path: Some(PathMatch::Prefix(path.into())), ..Default::default() };
        let rule = (Box::new([matched]) as Box<[_]>, Box::new([filter]) as Box<[_]>);
        inbound::Route { rules: Box::new([rule]), ..route(path, open()) }
    };
    let set = HeaderEdits {
        set: Box::new([("x-set".into(), "new".into())]),
        remove: Box::new(["x-gone".into()]),
        ..Default::default()
    };
    let redirect = Filter::Redirect { scheme: None, host: Some("other".into()), port: 81, path: None, status: 301 };
    let routes = Box::new([
        ruled("/edit", Filter::Request(set)),
        ruled("/fail", Filter::Fail { status: 418, grpc: false, message: "teapot".into(), ratio: 1_000_000 }),
        ruled("/move", redirect),
        ruled("/odd", Filter::Unknown),
    ]);
    let mut world = alone(inbound::Server { routes, ..server(only("nobody")) });
    for (ask, wanted, also) in [
        ("GET /fail HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 418 ", ""),
        ("GET /move/x HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 301 ", "location: http://other:81/move/x"),
        ("GET /odd HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 500 ", ""),
        ("GET /none HTTP/1.1\r\nhost: web\r\n\r\n", "HTTP/1.1 404 ", ""),
        ("GET /edit HTTP/1.1\r\nhost: web\r\nx-set: old\r\nX-Gone: 1\r\n\r\n", "HTTP/1.1 200 ", "ok"),
    ] {
        let end = stranger(&mut world, 0);
        let (got, seen) = call(&mut world, end, APP, ask);
        assert!(got.starts_with(wanted) && got.contains(also), "{ask}: {got}");
        assert_eq!(seen.is_some(), wanted.contains("200"), "{ask}");
        if let Some(seen) = seen.map(|seen| seen.to_lowercase()) {
            assert!(seen.contains("x-set: new") && !seen.contains("old") && !seen.contains("x-gone"), "{seen}");
        }
    }
    assert_eq!(world.metric(0, "inbound_http_route_not_found_total", &[]), 1.0);
}

#[test]
fn a_tunnel_lives_and_ends_with_the_route_that_let_it_in() {
    let mut world = pair(22);
    let by_route = |who: &str| {
        let routes = Box::new([route("/", only(who))]);
        Arc::new(inbound::Server { routes, ..server(only("nobody")) })
    };
    world.ports.insert(8080, by_route("a.test"));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, "GET /ws HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    world.run();
    let app = world.accept(APP).expect("dialed");
    world.write(app, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    world.run();
    world.text(app);
    world.tell(1, Tell::Port(8080, by_route("a.test")));
    world.write(client, "still");
    world.run();
    assert_eq!((world.text(app).as_str(), world.ended(app)), ("still", None));
    world.tell(1, Tell::Port(8080, by_route("c.test")));
    world.run();
    assert!(world.ended(app).is_some() && world.ended(client).is_some());
    assert_eq!(world.metric(1, "inbound_tcp_authz_terminate_total", &["client_id=\"a.test\""]), 1.0);
}

#[test]
fn bytes_that_still_wait_for_their_other_side_are_cut_too() {
    let mut world = clusters(23, true);
    world.paths.remove(&PathId(2));
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, b"\x00bytes");
    world.run();
    assert_eq!(world.ended(client), None);
    world.tell(2, Tell::Port(4143, Arc::new(server(only("nobody")))));
    world.run();
    assert!(world.ended(client).is_some() && world.accept(APP).is_none());
    assert_eq!(world.metric(2, "inbound_tcp_authz_terminate_total", &[]), 1.0);
}

/// A client that dials a proxy itself: TLS by hand, a transport header, then what it likes.
struct Direct {
    tls: tls::Session,
    end: End,
    cipher: Vec<u8>,
    plain: Vec<u8>,
}

impl Direct {
    fn new(world: &mut World, node: usize, at: &str, server: &str, header: &Header<'_>) -> Direct {
        let expected = Peer { identity: server.into(), server_name: server.into() };
        let config = tls::client_for(&credentials("c.test"), &expected, true);
        let end = world.connect_in(node, "10.7.0.1:999", at);
        let tls = tls::Session::client(config, server).expect("session");
        let mut direct = Direct { tls, end, cipher: Vec::new(), plain: Vec::new() };
        while !direct.turn(world) {}
        let mut bytes = Vec::new();
        transport_header::encode(&mut bytes, header);
        direct.write(world, &bytes);
        direct
    }

    /// Takes what came and sends what that asks for; whether the handshake is over.
    fn turn(&mut self, world: &mut World) -> bool {
        world.run();
        self.cipher.extend(world.read(self.end));
        let mut wire = Vec::new();
        let fed = self.tls.feed(&mut self.cipher, &mut self.plain, &mut wire);
        self.cipher.drain(..fed.used);
        world.write(self.end, wire);
        assert!(fed.error.is_none(), "{:?}", fed.error);
        fed.ready || world.ended(self.end).is_some()
    }

    fn write(&mut self, world: &mut World, bytes: &[u8]) {
        let mut wire = Vec::new();
        assert!(self.tls.encrypt(bytes, &mut wire));
        world.write(self.end, wire);
        world.run();
    }

    fn text(&mut self, world: &mut World) -> String {
        self.turn(world);
        String::from_utf8_lossy(&std::mem::take(&mut self.plain)).into_owned()
    }
}

const NAME: &str = "web.ns.svc.cluster.local";
const OTHER: &[u8] = b"GET / HTTP/1.1\r\nhost: other.ns.svc.cluster.local\r\n\r\n";

fn at_gateway(world: &mut World, session: Session) -> Direct {
    Direct::new(world, 2, "10.0.0.9:4143", "gw.test", &Header { port: 80, name: NAME, session })
}

#[test]
fn at_a_gateway_the_name_that_is_authorized_is_the_one_that_is_used() {
    let for_host = |host: &str, who: &str| inbound::Route {
        hosts: Box::new([HostMatch::Exact(host.into())]),
        rules: Box::new([(Box::default(), Box::default())]),
        ..route("/", only(who))
    };
    for (who, status) in [("c.test", "200"), ("a.test", "403")] {
        let mut world = clusters(24, false);
        // Anybody may ask for the other name; the connection is for this one.
        let routes = Box::new([for_host("other.ns.svc.cluster.local", "c.test"), for_host(NAME, who)]);
        world.ports.insert(4143, Arc::new(inbound::Server { routes, ..server(only("nobody")) }));
        let mut client = at_gateway(&mut world, Session::Http1);
        client.write(&mut world, OTHER);
        let seen = world.accept(APP).map(|app| {
            let seen = world.text(app).to_lowercase();
            world.write(app, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            seen
        });
        let got = client.text(&mut world);
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{who}: {got}");
        let said = "forwarded: by=gw.test;for=c.test;host=\"web.ns.svc.cluster.local:80\"";
        assert_eq!(seen.is_some(), status == "200", "{who}");
        assert!(seen.is_none_or(|s| s.contains("host: web.ns.svc.cluster.local:80\r\n") && s.contains(said)), "{got}");
    }
}

#[test]
fn a_gateway_refuses_names_that_are_not_exported() {
    for session in [Session::Http1, Session::Opaque] {
        let mut world = clusters(25, session == Session::Opaque);
        let mut refused = target(vec![balanced(2)], &[1]);
        refused.protocol = out::Protocol::Refuse("not exported");
        world.targets.insert(Lookup::Name(format!("{NAME}:80").into()), Arc::new(refused));
        let mut client = at_gateway(&mut world, session);
        if session == Session::Http1 {
            client.write(&mut world, OTHER);
            assert!(client.text(&mut world).starts_with("HTTP/1.1 404 "));
            assert_eq!(world.metric(2, "inbound_http_errors_total", &["gateway domain invalid"]), 1.0);
        } else {
            world.run();
            assert!(world.ended(client.end).is_some());
            assert_eq!(world.metric(2, "inbound_tcp_errors_total", &["gateway domain invalid"]), 1.0);
        }
        assert!(world.accept(APP).is_none(), "no backend byte");
    }
}

#[test]
fn a_gateway_applies_the_routes_of_its_target() {
    let mut world = clusters(26, false);
    let mut routed = target(vec![balanced(2)], &[1]);
    let fail = Filter::Fail { status: 418, grpc: false, message: "teapot".into(), ratio: 1_000_000 };
    routed.http = out::Routes {
        rules: Box::new([out::Rule { filters: Box::new([fail]), ..rule(arms(&[1])) }]),
        trivial: false,
        in_order: false,
    };
    world.targets.insert(Lookup::Name(format!("{NAME}:80").into()), Arc::new(routed));
    let client = world.connect(0, "10.1.0.1:80");
    let (got, _) = call(&mut world, client, APP, ASK);
    assert!(got.starts_with("HTTP/1.1 418 "), "{got}");
}

#[test]
fn short_opaque_connections_begin_with_a_ticket() {
    let mut world = pair(27);
    let mut opaque = target(vec![balanced(1)], &[1]);
    opaque.protocol = out::Protocol::Opaque;
    world.targets.insert(Lookup::Addr(addr("10.1.0.1:80")), Arc::new(opaque));
    let mut resumed = Vec::new();
    for renewed in [false, false, false, true, false] {
        if renewed {
            world.tell(0, Tell::Credentials(credentials("a.test")));
        }
        let client = world.connect(0, "10.1.0.1:80");
        world.write(client, b"\x00bytes");
        world.run();
        let app = world.accept(APP).expect("dialed");
        assert_eq!(world.read(app), b"\x00bytes");
        let conns = &world.nodes[1].engine.conns;
        let sessions: Vec<_> =
            conns.keys().into_iter().filter_map(|key| Some(conns.get(key)?.session.as_ref()?.resumed())).collect();
        resumed.extend(sessions);
        // The ticket for the next one comes with the answer.
        world.write(app, b"answer");
        world.run();
        assert_eq!(world.read(client), b"answer");
        world.reset(client);
        world.run();
    }
    assert_eq!(resumed, [false, true, true, false, true]);
    assert_eq!(world.metric(1, "inbound_tcp_authz_allow_total", &["client_id=\"a.test\""]), 5.0);
}

#[test]
fn a_silent_peer_is_noticed_by_a_ping() {
    let mut world = pair(28);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK);
    world.run();
    let app = world.accept(APP).expect("dialed");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.ended(app), None, "both sides answer: the link lives");
    world.cut(0, 1);
    world.pass(Duration::from_secs(14));
    assert!(world.text(client).starts_with("HTTP/1.1 502 "), "the request does not hang");
    assert!(world.ended(app).is_some(), "the server's side noticed too");
}
