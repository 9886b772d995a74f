//! What the codecs cost: carries N requests and answers app -> HTTP/1 -> HTTP/2 -> HTTP/1 -> app in memory. Count with
//! `valgrind --tool=callgrind` on two values of N and divide the difference; the figure is for both proxies together.
#![allow(missing_docs)]

use isthmus_http::h1::{self, Asked, Ending, Framing, Limits};
use isthmus_http::h2::{Config, Conn, Event, Role};
use isthmus_http::names::L5D;
use isthmus_http::{Edit, Field, Name, Scratch, Version, orig_proto, path};

const REQUEST: &[u8] =
    b"GET /api/items?page=3 HTTP/1.1\r\nHost: backend-svc:8888\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nDate: Tue, 24 Nov 2026 02:13:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 100\r\nLast-Modified: Tue, 24 Nov 2026 01:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"65bdd-64\"\r\nAccept-Ranges: bytes\r\n\r\n";

struct Pair {
    client: Conn,
    server: Conn,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    app: Vec<u8>,
    scratch: Scratch,
    other: Scratch,
    limits: Limits,
}

fn main() {
    let n: u32 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    let batch = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(1);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let client = Conn::new(Role::Client, &Config::default(), 0, &mut to_server);
    let server = Conn::new(Role::Server, &Config::default(), 0, &mut to_client);
    let mut pair = Pair {
        client,
        server,
        to_server,
        to_client,
        app: Vec::new(),
        scratch: Scratch::new(),
        other: Scratch::new(),
        limits: Limits::default(),
    };
    let answer = [ANSWER, &[b'x'; 100]].concat();
    let mut bytes = 0;
    for _ in 0..n / batch {
        (0..batch).for_each(|_| pair.ask());
        pair.arrive(&answer);
        bytes += pair.come_back();
    }
    println!("{n} exchanges, {bytes} bytes to the app, {} streams open", pair.client.count());
}

impl Pair {
    /// Client side: HTTP/1 from the app to the link.
    fn ask(&mut self) {
        let Ok(Some(head)) = h1::request(REQUEST, &mut self.scratch, &self.limits) else { panic!("request") };
        let mut room = Vec::new();
        assert!(path::normalise(head.request.path, &mut room) == Ok(None));
        let add = orig_proto::field(head.request.version, head.request.form);
        let edit = Edit { drop: L5D, add: add.as_slice(), ..Edit::NONE };
        let sent = self.client.send_request(&mut self.to_server, &head.request, &edit, head.body.done(), 1);
        assert!(sent.is_ok());
    }

    /// Server side: HTTP/2 to the app's HTTP/1, and its answer back.
    fn arrive(&mut self, answer: &[u8]) {
        let mut at = 0;
        while let Ok(Some(event)) =
            self.server.recv(0, &self.to_server, &mut at, &mut self.scratch, &mut self.to_client)
        {
            let Event::Request { stream, head, .. } = event else { continue };
            let (head, was) = orig_proto::restore(&head);
            let id =
                [Field::known(Name::L5dClientId, b"default.default.serviceaccount.identity.linkerd.cluster.local")];
            let edit = Edit { drop: L5D, add: &id, ..Edit::NONE };
            self.app.clear();
            h1::write_request(&mut self.app, &head, &edit, Framing::AsIs, Ending::Keep);
            self.server.set_token(stream, 1);
            let Ok(Some(back)) = h1::response(answer, &mut self.other, &self.limits, Asked::default()) else {
                panic!("answer")
            };
            let add = was.and_then(|was| orig_proto::field(was.version, isthmus_http::Form::Origin));
            let edit = Edit { add: add.as_slice(), ..Edit::NONE };
            assert!(self.server.send_response(&mut self.to_client, stream, &back.response, &edit, false).is_ok());
            let mut body = back.body;
            let Ok(step) = body.step(&answer[back.len..]) else { panic!("body") };
            assert!(self.server.send_data(&mut self.to_client, stream, step.data, step.end) == Ok(100));
        }
        self.to_server.clear();
    }

    /// Client side: the answer to the app.
    fn come_back(&mut self) -> usize {
        let (mut at, mut bytes) = (0, 0);
        while let Ok(Some(event)) =
            self.client.recv(0, &self.to_client, &mut at, &mut self.scratch, &mut self.to_server)
        {
            match event {
                Event::Response { head, .. } => {
                    self.app.clear();
                    let head = isthmus_http::Response { version: Version::Http11, ..head };
                    h1::write_response(
                        &mut self.app,
                        &head,
                        &Edit { drop: L5D, ..Edit::NONE },
                        Framing::AsIs,
                        Ending::Keep,
                    );
                }
                Event::Data { stream, data, .. } => {
                    self.app.extend_from_slice(data);
                    bytes += self.app.len();
                    self.client.release(&mut self.to_server, stream, data.len());
                }
                _ => {}
            }
        }
        self.to_client.clear();
        bytes
    }
}
