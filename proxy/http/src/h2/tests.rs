use super::frame::{self, ACK, END_HEADERS, END_STREAM};
use super::*;
use crate::head::{Edit, Field, Fields, Form, Request, Response, Scratch, Version};
use crate::names::Name;
use proptest::prelude::*;

mod abuse;
mod flow;
mod rules;

/// One end of a connection, with its buffers.
struct End {
    conn: Conn,
    out: Vec<u8>,
    scratch: Scratch,
    rest: Vec<u8>,
    now: u64,
}

impl End {
    fn new(role: Role, config: &Config) -> End {
        let mut out = Vec::new();
        let conn = Conn::new(role, config, 0, &mut out);
        End { conn, out, scratch: Scratch::new(), rest: Vec::new(), now: 0 }
    }

    /// A server that has exchanged settings with a peer played by the test.
    fn server() -> End {
        End::greeted(Role::Server, &Config::default())
    }

    fn client() -> End {
        End::greeted(Role::Client, &Config::default())
    }

    fn greeted(role: Role, config: &Config) -> End {
        let mut end = End::new(role, config);
        if role == Role::Server {
            assert_eq!(end.feed(frame::PREFACE), Ok(vec![]));
        }
        assert_eq!(end.feed(&wire(frame::SETTINGS, 0, 0, b"")), Ok(vec!["settings".to_owned()]));
        end.out.clear();
        end
    }

    /// Gives bytes, releases data at once; returns the events as text.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, Fatal> {
        self.rest.extend_from_slice(bytes);
        let (mut events, mut at) = (Vec::new(), 0);
        let result = loop {
            match self.conn.recv(self.now, &self.rest, &mut at, &mut self.scratch, &mut self.out) {
                Ok(Some(event)) => {
                    events.push(told(&event));
                    if let Event::Data { stream, data, .. } = event {
                        let n = data.len();
                        self.conn.release(&mut self.out, stream, n);
                    }
                }
                Ok(None) => break Ok(events),
                Err(fatal) => break Err(fatal),
            }
        };
        self.rest.drain(..at);
        result
    }

    /// As `feed`, but the code of the failure.
    fn code(&mut self, bytes: &[u8]) -> Option<Code> {
        self.feed(bytes).err().map(|fatal| fatal.code)
    }

    /// The frames written since the last call, as (kind, flags, stream, payload).
    fn said(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut rest = self.out.as_slice();
        while let Some(head) = rest.first_chunk::<9>().map(frame::Head::read) {
            frames.push((head.kind, head.flags, head.stream, rest[9..9 + head.len].to_vec()));
            rest = &rest[9 + head.len..];
        }
        assert!(rest.is_empty());
        self.out.clear();
        frames
    }
}

fn told(event: &Event<'_>) -> String {
    match event {
        Event::Request { stream, head, end, .. } => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let fields: Vec<_> =
                head.fields.end_to_end().map(|x| format!(" {}={}", text(x.name), text(x.value))).collect();
            format!(
                "request {stream} {} {}{}{} end={end}",
                text(head.method),
                text(head.authority),
                text(head.path),
                fields.concat()
            )
        }
        Event::Response { stream, head, end, .. } => format!("response {stream} {} end={end}", head.status),
        Event::Data { stream, data, end, .. } => format!("data {stream} {} end={end}", data.len()),
        Event::Trailers { stream, fields, .. } => format!("trailers {stream} {fields:?}"),
        Event::Reset { stream, code, local, .. } => format!("reset {stream} {code:?} local={local}"),
        Event::Writable { stream, .. } => format!("writable {stream}"),
        Event::Goaway { last, code } => format!("goaway {last} {code:?}"),
        Event::Pong { payload } => format!("pong {payload:?}"),
        Event::Settings => "settings".to_owned(),
    }
}

/// A frame.
fn wire(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
    out
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    wire(frame::SETTINGS, 0, 0, &[id.to_be_bytes().as_slice(), &value.to_be_bytes()].concat())
}

/// A header block of literals.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        for text in [name, value] {
            out.extend_from_slice(if text == name { &[0][..] } else { &[] });
            assert!(text.len() < 127);
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
const POST: [(&str, &str); 4] = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

fn headers(stream: u32, end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    wire(frame::HEADERS, END_HEADERS | if end { END_STREAM } else { 0 }, stream, &block(fields))
}

fn get(stream: u32) -> Vec<u8> {
    headers(stream, true, &GET)
}

fn post(stream: u32) -> Vec<u8> {
    headers(stream, false, &POST)
}

fn ask<'a>(path: &'a str) -> Request<'a> {
    Request {
        method: b"POST",
        scheme: b"",
        authority: b"web.local",
        path: path.as_bytes(),
        version: Version::Http11,
        form: Form::Origin,
        fields: Fields::EMPTY,
    }
}

fn answer(status: u16) -> Response<'static> {
    Response { status, reason: b"", version: Version::Http11, fields: Fields::EMPTY }
}

/// Moves bytes both ways, in pieces, until both are silent; returns the events of both.
fn pump(client: &mut End, server: &mut End, piece: usize) -> (Vec<String>, Vec<String>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    while !client.out.is_empty() || !server.out.is_empty() {
        let bytes = std::mem::take(&mut client.out);
        bytes.chunks(piece).for_each(|part| at_server.extend(server.feed(part).unwrap()));
        let bytes = std::mem::take(&mut server.out);
        bytes.chunks(piece).for_each(|part| at_client.extend(client.feed(part).unwrap()));
    }
    (at_client, at_server)
}

fn pair(piece: usize) -> (End, End) {
    let (mut client, mut server) =
        (End::new(Role::Client, &Config::default()), End::new(Role::Server, &Config::default()));
    pump(&mut client, &mut server, piece);
    (client, server)
}

#[test]
fn an_exchange_reads_the_same_in_any_pieces() {
    for piece in [1, 2, 7, 64, 100_000] {
        let (mut client, mut server) = pair(piece);
        let add = [Field::known(Name::UserAgent, b"agent")];
        let edit = Edit { add: &add, ..Edit::NONE };
        let id = client.conn.send_request(&mut client.out, &ask("/x"), &edit, false, 7).unwrap();
        assert_eq!(client.conn.send_data(&mut client.out, id, &[b'a'; 40_000], true), Ok(40_000));
        let (_, heard) = pump(&mut client, &mut server, piece);
        assert_eq!(heard[0], "request 1 POST web.local/x user-agent=agent end=false");
        assert!(heard.last().unwrap().ends_with("end=true"));
        let total: usize =
            heard[1..].iter().map(|text| text.split(' ').nth(2).unwrap().parse::<usize>().unwrap()).sum();
        assert_eq!(total, 40_000);
        server.conn.send_response(&mut server.out, id, &answer(103), &Edit::NONE, false).unwrap();
        server.conn.send_response(&mut server.out, id, &answer(200), &Edit::NONE, false).unwrap();
        server.conn.send_data(&mut server.out, id, b"hello", false).unwrap();
        let add = [Field::known(Name::GrpcStatus, b"0")];
        server.conn.send_trailers(&mut server.out, id, &Fields::EMPTY, &Edit { add: &add, ..Edit::NONE }).unwrap();
        let (heard, _) = pump(&mut client, &mut server, 100_000);
        let wanted = [
            "response 1 103 end=false",
            "response 1 200 end=false",
            "data 1 5 end=false",
            "trailers 1 [(\"grpc-status\", \"0\")]",
        ];
        assert_eq!(heard, wanted);
        assert!(client.conn.idle() && server.conn.idle());
    }
}

#[test]
fn a_large_head_goes_in_several_frames() {
    let (mut client, mut server) = pair(1000);
    let long = "/".repeat(40_000);
    client.conn.send_request(&mut client.out, &ask(&long), &Edit::NONE, true, 0).unwrap();
    let (_, heard) = pump(&mut client, &mut server, 5000);
    assert_eq!(heard, [format!("request 1 POST web.local{long} end=true")]);
}

#[test]
fn tokens_belong_to_streams() {
    let mut server = End::server();
    server.feed(&[post(1), get(3)].concat()).unwrap();
    server.conn.set_token(1, 11);
    server.conn.set_token(3, 33);
    server.conn.set_token(5, 55);
    let mut all: Vec<_> = server.conn.streams().collect();
    all.sort_unstable();
    assert_eq!((all, server.conn.token(5)), (vec![(1, 11), (3, 33)], None));
    server.conn.send_response(&mut server.out, 3, &answer(204), &Edit::NONE, true).unwrap();
    assert_eq!(server.conn.count(), 1);
    assert_eq!(server.conn.send_response(&mut server.out, 3, &answer(204), &Edit::NONE, true), Err(Refused::Gone));
}

#[test]
fn a_client_keeps_to_the_limit_of_streams() {
    let mut client = End::client();
    assert_eq!(client.feed(&setting(frame::MAX_STREAMS, 1)), Ok(vec!["settings".to_owned()]));
    assert_eq!(client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, true, 0), Ok(1));
    assert_eq!(client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, true, 0), Err(Refused::Full));
    assert_eq!(client.feed(&headers(1, true, &[(":status", "200")])), Ok(vec!["response 1 200 end=true".to_owned()]));
    assert_eq!(client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, true, 0), Ok(3));
}

#[test]
fn a_farewell_refuses_what_was_not_handled() {
    let mut client = End::client();
    for token in 0..3 {
        client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, true, token).unwrap();
    }
    let mut events = client.feed(&wire(frame::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])).unwrap();
    events[1..].sort();
    assert_eq!(events, ["goaway 1 NoError", "reset 3 RefusedStream local=false", "reset 5 RefusedStream local=false"]);
    assert_eq!(client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, true, 9), Err(Refused::Away));
    assert_eq!(client.conn.streams().collect::<Vec<_>>(), [(1, 0)]);
}

#[test]
fn a_server_drains_without_losing_what_is_under_way() {
    let (mut client, mut server) = pair(1000);
    server.conn.goaway(&mut server.out, Code::NoError);
    client.conn.send_request(&mut client.out, &ask("/late"), &Edit::NONE, true, 0).unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, 1000);
    assert_eq!(at_server, ["request 1 POST web.local/late end=true"]);
    assert_eq!(at_client, ["goaway 2147483647 NoError", "goaway 1 NoError"]);
    assert!(server.conn.going() && client.conn.going() && !server.conn.idle());
    assert_eq!(server.feed(&get(3)), Ok(vec![]), "after the last word, requests are passed over");
}

#[test]
fn pings_are_answered_and_answers_told() {
    let mut server = End::server();
    assert_eq!(server.feed(&wire(frame::PING, 0, 0, b"12345678")), Ok(vec![]));
    assert_eq!(server.said(), [(frame::PING, ACK, 0, b"12345678".to_vec())]);
    assert_eq!(server.feed(&wire(frame::PING, ACK, 0, &[1; 8])), Ok(vec![format!("pong {:?}", [1; 8])]));
}

#[test]
fn cookies_in_pieces_become_one_for_http1() {
    let fields = [GET.as_slice(), &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("te", "trailers")]].concat();
    let (mut server, mut scratch, mut at) = (End::server(), Scratch::new(), 0);
    let bytes = headers(1, true, &fields);
    let Some(Event::Request { head, .. }) =
        server.conn.recv(0, &bytes, &mut at, &mut scratch, &mut server.out).unwrap()
    else {
        panic!()
    };
    let mut out = Vec::new();
    crate::h1::write_request(&mut out, &head, &Edit::NONE, crate::h1::Framing::AsIs, crate::h1::Ending::Keep);
    assert_eq!(out, b"GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1; b=2\r\nx: y\r\n\r\n");
}

proptest! {
    /// Carried over HTTP/2, an HTTP/1 request is written as if it had not been.
    #[test]
    fn translation_loses_nothing(
        path in "/[a-z%?=]{0,20}",
        fields in proptest::collection::vec(("(accept|cookie|x-[a-z]{1,5}|X-B|te|keep-alive|authorization)", "[!-~]([ -~]{0,9}[!-~])?"), 0..9),
        piece in 1usize..50,
    ) {
        use crate::h1::{self, Ending, Framing};
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let input = format!("PUT {path} HTTP/1.1\r\nHost: web.local\r\n{lines}Content-Length: 5\r\n\r\n");
        let mut scratch = Scratch::new();
        let parsed = h1::request(input.as_bytes(), &mut scratch, &h1::Limits::default()).unwrap().unwrap();
        let mut direct = Vec::new();
        h1::write_request(&mut direct, &parsed.request, &Edit::NONE, Framing::AsIs, Ending::Keep);
        let (mut client, mut server) = pair(1000);
        let (mut carried, mut buffer) = (Vec::new(), Vec::new());
        client.conn.send_request(&mut client.out, &parsed.request, &Edit::NONE, false, 0).unwrap();
        for part in client.out.chunks(piece) {
            buffer.extend_from_slice(part);
            let mut at = 0;
            while let Some(event) = server.conn.recv(0, &buffer, &mut at, &mut server.scratch, &mut server.out).unwrap() {
                let Event::Request { head, .. } = event else { panic!() };
                h1::write_request(&mut carried, &head, &Edit::NONE, Framing::AsIs, Ending::Keep);
            }
            buffer.drain(..at);
        }
        prop_assert_eq!(String::from_utf8_lossy(&carried).to_lowercase(), String::from_utf8_lossy(&direct).to_lowercase());
    }
}
