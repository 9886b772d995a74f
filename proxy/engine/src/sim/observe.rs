//! Taps, access log and traces, as their readers get them from a pair of proxies.

use super::air::End;
use super::make::*;
use super::retry::{BUSY, OK, call, retry, retrying};
use super::world::World;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use table::observe::{self as spec, Access, Event, Rule, Sink, Span, Tap, Tls, Watch, What};
use table::{Tell, inbound};

/// Keeps what it is given, up to so many.
pub(crate) struct Kept<T> {
    room: usize,
    items: Mutex<Vec<T>>,
}

impl<T: Clone> Kept<T> {
    fn new(room: usize) -> Arc<Kept<T>> {
        Arc::new(Kept { room, items: Mutex::default() })
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.items.lock().expect("not poisoned").clone()
    }
}

impl<T: Send> Sink<T> for Kept<T> {
    fn put(&self, item: T) -> bool {
        let mut items = self.items.lock().expect("not poisoned");
        let room = items.len() < self.room;
        if room {
            items.push(item);
        }
        room
    }
}

/// A session at a proxy.
fn tap(world: &mut World, node: usize, rule: Rule, limit: u64, room: usize) -> Arc<Kept<Event>> {
    let kept = Kept::new(room);
    let sink = kept.clone();
    open(world, node, Tap { base: 7, rule, headers: true, limit, taken: AtomicU64::new(0), sink });
    kept
}

fn open(world: &mut World, node: usize, tap: Tap) {
    world.tell(node, Tell::Watch(Arc::new(Watch { taps: [Arc::new(tap)].into(), ..Watch::default() })));
}

fn ask(world: &mut World, request: &str) -> (End, End, String) {
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, request);
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    let seen = world.text(server);
    (client, server, seen)
}

fn everything() -> Rule {
    Rule::All(Box::default())
}

/// A session that wants every request, and does not keep what it hears.
pub(crate) fn everything_tapped(world: &mut World, node: usize, headers: bool) {
    let (rule, taken) = (everything(), AtomicU64::new(0));
    open(world, node, Tap { base: 7, rule, headers, limit: u64::MAX, taken, sink: Arc::new(Deaf) });
}

struct Deaf;

impl Sink<Event> for Deaf {
    fn put(&self, _: Event) -> bool {
        true
    }
}

const ASK: &str = "GET /a?secret=1 HTTP/1.1\r\nhost: web\r\nx-one: 1\r\nauthorization: Basic abc\r\n\r\n";

fn header<'a>(headers: &'a Option<spec::Headers>, name: &str) -> Option<&'a [u8]> {
    headers.as_ref()?.iter().find(|(n, _)| **n == *name).map(|(_, value)| &**value)
}

#[test]
fn nothing_is_kept_of_a_request_that_nobody_watches() {
    let mut world = pair(1);
    let kept = |world: &mut World| {
        ask(world, ASK);
        let all = &world.nodes[0].engine.exchanges;
        all.keys().into_iter().filter_map(|key| all.get(key)).filter(|x| x.watch.is_some()).count()
    };
    assert_eq!(kept(&mut world), 0);
    everything_tapped(&mut world, 0, false);
    assert_eq!(kept(&mut world), 1);
    world.tell(0, Tell::Watch(Arc::default()));
    assert_eq!(kept(&mut world), 1, "that one still, and not the last");
}

#[test]
fn a_tapped_request_is_told_from_head_to_end_on_both_sides() {
    for seed in 1..15 {
        let mut world = pair(seed);
        let (a, b) = (tap(&mut world, 0, everything(), 9, 99), tap(&mut world, 1, everything(), 9, 99));
        let (_, server, _) = ask(&mut world, ASK);
        world.now += Duration::from_millis(20);
        world.write(server, "HTTP/1.1 201 Created\r\ncontent-length: 5\r\nset-cookie: s\r\nx-two: 2\r\n\r\nhello");
        world.run();
        for (kept, inbound) in [(a, false), (b, true)] {
            let events = kept.all();
            let [request, response, end] = &events[..] else { panic!("{events:?}") };
            let about = &request.about;
            assert_eq!((about.id, about.inbound), ((7, 0), inbound));
            assert_eq!(about.destination.0, addr("10.0.0.2:8080"));
            let (client, peer) = (Tls::Mesh(Some("a.test".into())), Tls::Mesh(Some("b.test".into())));
            assert_eq!(about.source.1, if inbound { client } else { Tls::None("loopback") });
            assert_eq!(about.destination.1, if inbound { Tls::None("loopback") } else { peer });
            let What::Request { method, scheme, authority, path, headers } = &request.what else {
                panic!("{request:?}")
            };
            assert_eq!((&**method, &**scheme, &**authority, &**path), ("GET", "http", "web", "/a"));
            assert_eq!(header(headers, "x-one"), Some(&b"1"[..]));
            assert_eq!(header(headers, "authorization"), Some(&b"[redacted]"[..]));
            assert_eq!(header(headers, "l5d-client-id").is_some(), inbound);
            let What::Response { since_request, status, headers } = &response.what else { panic!("{response:?}") };
            assert!(*status == 201 && *since_request >= 20_000_000, "{response:?}");
            assert_eq!(header(headers, "set-cookie"), Some(&b"[redacted]"[..]));
            assert_eq!(header(headers, "x-two"), Some(&b"2"[..]));
            let What::End { bytes, end, since_response, .. } = &end.what else { panic!("{end:?}") };
            assert!((*bytes, *end) == (5, spec::End::Whole) && since_response.is_some(), "seed {seed}");
        }
    }
}

#[test]
fn ends_say_how() {
    let mut world = pair(3);
    let kept = tap(&mut world, 0, everything(), 9, 99);
    let (client, server, _) = ask(&mut world, ASK);
    world.reset(server);
    world.run();
    let (gone, _, _) = ask(&mut world, ASK);
    world.reset(gone);
    world.run();
    let (_, cut, _) = ask(&mut world, ASK);
    world.write(cut, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    world.run();
    world.reset(cut);
    world.run();
    let what: Vec<_> = kept.all().into_iter().map(|event| event.what).collect();
    let ends: Vec<_> = what
        .iter()
        .filter_map(|what| match what {
            What::End { end, bytes, .. } => Some((*end, *bytes)),
            _ => None,
        })
        .collect();
    // A server that broke is a 502 of our own, told as any answer is.
    assert!(matches!(what[1], What::Response { status: 502, .. }), "{what:?}");
    assert_eq!(ends, [(spec::End::Whole, 0), (spec::End::Reset(8), 0), (spec::End::Reset(2), 4)]);
    assert!(world.text(client).starts_with("HTTP/1.1 502"));
}

#[test]
fn what_a_rule_does_not_want_or_a_session_has_no_room_for_is_left_out_and_counted() {
    let mut world = pair(5);
    let other = Rule::Path(spec::Text::Exact("/b".into()));
    let kept = tap(&mut world, 0, other, 9, 99);
    let full = tap(&mut world, 1, everything(), 9, 2);
    for _ in 0..2 {
        let (client, server, _) = ask(&mut world, ASK);
        world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        world.run();
        assert!(world.text(client).starts_with("HTTP/1.1 200"));
        world.finish(server);
        world.run();
    }
    assert!(kept.all().is_empty());
    // The first request's end, and the second request whole.
    assert_eq!((full.all().len(), world.metric(1, "tap_events_dropped_total", &[])), (2, 2.0));
}

#[test]
fn a_session_takes_as_many_requests_as_it_asked_for() {
    let mut world = pair(6);
    let kept = tap(&mut world, 0, everything(), 1, 99);
    let client = world.connect(0, "10.1.0.1:80");
    world.write(client, ASK.repeat(3));
    world.run();
    let server = world.accept("10.0.0.2:8080").expect("dialed");
    for _ in 0..3 {
        world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        world.run();
    }
    assert_eq!(world.text(client).matches("200 OK").count(), 3);
    assert_eq!(kept.all().len(), 3, "three events of one request");
}

#[test]
fn the_access_log_has_a_line_for_each_inbound_request_also_a_refused_one() {
    let mut world = pair(8);
    let kept: Arc<Kept<Access>> = Kept::new(3);
    for node in [0, 1] {
        world.tell(node, Tell::Watch(Arc::new(Watch { access: Some(kept.clone()), ..Watch::default() })));
    }
    let request =
        "POST /up?q HTTP/1.1\r\nhost: web\r\nuser-agent: me\r\nx-request-id: r1\r\ncontent-length: 4\r\n\r\nbody";
    let (client, server, _) = ask(&mut world, request);
    world.now += Duration::from_millis(5);
    world.write(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    world.run();
    world.text(client);
    let policy = super::make::server(inbound::Authentication::Encrypted);
    let deny = inbound::Server { authorizations: Box::default(), ..policy };
    world.tell(1, Tell::Port(8080, Arc::new(deny)));
    for _ in 0..3 {
        world.write(client, "GET / HTTP/1.1\r\nhost: web\r\n\r\n");
        world.run();
    }
    assert_eq!(world.text(client).matches("403 Forbidden").count(), 3);
    let lines = kept.all();
    let first = &lines[0];
    assert_eq!((&*first.method, &*first.uri, first.version), ("POST", "http://web/up?q", "HTTP/2.0"));
    assert_eq!((&*first.user_agent, &*first.trace_id, &*first.host), ("me", "r1", "web"));
    assert_eq!((first.bytes, first.status, first.client_id.as_deref()), ((4, 2), 200, Some("a.test")));
    assert!(first.total_ns >= 5_000_000 && first.processing_ns < first.total_ns);
    assert_eq!((lines[1].status, lines.len()), (403, 3));
    assert_eq!(world.metric(1, "access_log_dropped_total", &[]), 1.0);
}

#[test]
fn a_sampled_trace_goes_through_both_proxies_span_by_span() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut world = pair(9);
    let spans: [Arc<Kept<Span>>; 2] = [Kept::new(1), Kept::new(9)];
    for (node, kept) in spans.iter().enumerate() {
        world.tell(node, Tell::Watch(Arc::new(Watch { spans: Some(kept.clone()), ..Watch::default() })));
    }
    let mut trace = |flags: &str| {
        let sent = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
        let request = format!("GET /a?secret HTTP/1.1\r\nhost: web\r\ntraceparent: {sent}\r\ntracestate: x=y\r\n\r\n");
        let (client, server, seen) = ask(&mut world, &request);
        world.write(server, "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n");
        world.run();
        world.text(client);
        world.finish(server);
        world.run();
        (sent, seen)
    };
    let (sent, seen) = trace("00");
    assert!(seen.contains(&sent), "not sampled: {seen}");
    let (sent, seen) = trace("01");
    let (a, b) = (spans[0].all(), spans[1].all());
    let ([a], [b]) = (&a[..], &b[..]) else { panic!("{a:?} {b:?}") };
    assert_eq!((a.parent, b.parent), (0x00f0_67aa_0ba9_02b7u64.to_be_bytes(), a.id), "{sent}");
    assert_eq!((a.inbound, b.inbound, a.status, &*b.path), (false, true, 503, "/a"));
    assert_eq!((b.client.1.as_deref(), a.destination), (Some("a.test"), Some(addr("10.0.0.2:8080"))));
    let id: String = b.id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        seen.contains(&format!("traceparent: 00-{TRACE}-{id}-01\r\n")) && seen.contains("tracestate: x=y"),
        "{seen}"
    );
    assert_eq!(seen.matches("traceparent").count(), 1);
    trace("01");
    assert_eq!(world.metric(0, "opentelemetry_spans_dropped_total", &[]), 1.0);
}

#[test]
fn a_tap_sees_each_try_as_a_request_of_its_own() {
    let mut world = retrying(5, retry(2));
    let kept = tap(&mut world, 0, everything(), u64::MAX, usize::MAX);
    let client = world.connect(0, "10.1.0.1:80");
    let (answer, _) = call(&mut world, client, "GET /x HTTP/1.1\r\nhost: web\r\n\r\n", &[BUSY, OK]);
    assert!(answer.contains("200 OK"), "{answer}");
    let told: Vec<_> = kept.all().iter().map(|event| (event.about.id.1, brief(&event.what))).collect();
    let expected = [(0, "asked"), (0, "503"), (0, "over"), (1, "asked"), (1, "200"), (1, "over")];
    assert_eq!(told, expected.map(|(number, what)| (number, what.to_owned())));
}

fn brief(what: &What) -> String {
    match what {
        What::Request { .. } => "asked".into(),
        What::Response { status, .. } => status.to_string(),
        What::End { end, .. } => {
            if *end == spec::End::Whole {
                "over".into()
            } else {
                format!("{end:?}")
            }
        }
    }
}
