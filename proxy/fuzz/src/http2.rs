//! HTTP/2: connections of both roles, and header blocks under our limits.

use http::h2::{Config, Conn, Event, Role, StreamId};
use http::{Edit, Fields, Form, Request, Response, Scratch, Version};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const LIST: u32 = 16 << 10;

fn config() -> Config {
    Config { header_list: LIST, max_streams: 20, ..Config::default() }
}

/// Feeds pieces; answers what is asked, releases what comes, and holds the codec to its bounds.
fn feed(conn: &mut Conn, pieces: &[&[u8]], out: &mut Vec<u8>) {
    let (mut kept, mut scratch) = (Vec::new(), Scratch::new());
    for (now, piece) in pieces.iter().enumerate() {
        kept.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let mut todo: Option<(StreamId, Option<usize>)> = None;
            match conn.recv(now as u64 * 1_000_000, &kept, &mut at, &mut scratch, out) {
                Ok(Some(Event::Request { stream, head, end, .. })) => {
                    assert!(head.fields.iter().all(|f| f.value.iter().all(|b| !b"\r\n\0".contains(b))));
                    assert!(head.path.iter().all(|b| *b > b' '));
                    todo = end.then_some((stream, None));
                }
                Ok(Some(Event::Data { stream, data, end, .. })) => {
                    assert!(data.len() <= kept.len());
                    todo = Some((stream, Some(data.len())));
                    if end && conn.token(stream).is_some() {
                        answer(conn, stream, out);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
            match todo {
                Some((stream, Some(n))) => conn.release(out, stream, n),
                Some((stream, None)) => answer(conn, stream, out),
                None => {}
            }
            assert!(conn.count() <= 20);
            out.clear();
        }
        assert!(at <= kept.len());
        kept.drain(..at);
        // Less than one frame is kept, DATA never.
        assert!(kept.len() <= 16_384 + 9);
    }
}

fn answer(conn: &mut Conn, stream: StreamId, out: &mut Vec<u8>) {
    let head = Response { status: 200, reason: b"", version: Version::H2, fields: Fields::EMPTY };
    if conn.send_response(out, stream, &head, &Edit::NONE, false).is_ok() {
        let _ = conn.send_data(out, stream, &[7; 5_000], true);
    }
}

/// The bytes in pieces, their lengths taken from the bytes.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let Some((&first, rest)) = data.split_first() else { return Vec::new() };
    rest.chunks(if first == 0 { rest.len().max(1) } else { usize::from(first) }).collect()
}

/// What a client sends us after the preface.
pub fn server(data: &[u8]) {
    let mut out = Vec::new();
    let mut conn = Conn::new(Role::Server, &config(), 0, &mut out);
    let mut all = vec![PREFACE, SETTINGS];
    all.extend(pieces(data));
    feed(&mut conn, &all, &mut out);
}

/// What a server answers us to three requests.
pub fn client(data: &[u8]) {
    let mut out = Vec::new();
    let mut conn = Conn::new(Role::Client, &config(), 0, &mut out);
    for method in [&b"GET"[..], b"HEAD", b"POST"] {
        let head = Request {
            method,
            scheme: b"http",
            authority: b"a",
            path: b"/",
            version: Version::H2,
            form: Form::Origin,
            fields: Fields::EMPTY,
        };
        let _ = conn.send_request(&mut out, &head, &Edit::NONE, method != b"POST", 1);
    }
    let mut all = vec![SETTINGS];
    all.extend(pieces(data));
    feed(&mut conn, &all, &mut out);
}

/// Header blocks, one after another in one table: each piece is a block.
pub fn hpack(data: &[u8]) {
    let mut out = Vec::new();
    let mut conn = Conn::new(Role::Server, &config(), 0, &mut out);
    let mut sent = [PREFACE, SETTINGS].concat();
    for (n, block) in data.split(|b| *b == 0xfe).enumerate().take(100) {
        let block = &block[..block.len().min(16_384)];
        sent.extend_from_slice(&(block.len() as u32).to_be_bytes()[1..]);
        sent.extend_from_slice(&[1, 5]);
        sent.extend_from_slice(&(1 + 2 * n as u32).to_be_bytes());
        sent.extend_from_slice(block);
    }
    feed(&mut conn, &[&sent], &mut out);
}
