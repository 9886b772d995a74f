//! A server on loopback for conformance suites (`h2spec -h 127.0.0.1 -p PORT`): answers every request with a short body.
//! `conform PORT` serves until it is ended; a thread per connection, no limits: not for anything else.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use isthmus_http::h2::{Config, Conn, Event, Role};
use isthmus_http::{Edit, Fields, Response, Scratch, Version};

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("{}", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = socket?;
        std::thread::spawn(move || serve(socket));
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    let start = std::time::Instant::now();
    let (mut out, mut input, mut scratch) = (Vec::new(), Vec::new(), Scratch::new());
    let mut conn = Conn::new(Role::Server, &Config::default(), 0, &mut out);
    // What is left to send on a stream that was cut short.
    let mut left: Vec<(u32, usize)> = Vec::new();
    let mut room = [0; 16 << 10];
    loop {
        socket.write_all(&out)?;
        out.clear();
        let n = socket.read(&mut room)?;
        if n == 0 {
            return Ok(());
        }
        input.extend_from_slice(&room[..n]);
        let mut at = 0;
        loop {
            let now = start.elapsed().as_nanos() as u64;
            match conn.recv(now, &input, &mut at, &mut scratch, &mut out) {
                Ok(Some(event)) => handle(&mut conn, &mut out, &mut left, &event),
                Ok(None) => break,
                Err(fatal) => {
                    eprintln!("{fatal}");
                    socket.write_all(&out)?;
                    return socket.shutdown(std::net::Shutdown::Write);
                }
            }
        }
        input.drain(..at);
    }
}

const BODY: &[u8] = b"hello from the other side\n";

fn handle(conn: &mut Conn, out: &mut Vec<u8>, left: &mut Vec<(u32, usize)>, event: &Event<'_>) {
    let (stream, done) = match event {
        Event::Request { stream, end, .. } => (*stream, *end),
        Event::Data { stream, data, end, .. } => {
            conn.release(out, *stream, data.len());
            (*stream, *end)
        }
        Event::Trailers { stream, .. } => (*stream, true),
        Event::Writable { stream, .. } => return send(conn, out, left, *stream),
        _ => return,
    };
    if done {
        let head = Response { status: 200, reason: b"", version: Version::H2, fields: Fields::EMPTY };
        if conn.send_response(out, stream, &head, &Edit::NONE, false).is_ok() {
            left.push((stream, BODY.len()));
            send(conn, out, left, stream);
        }
    }
}

fn send(conn: &mut Conn, out: &mut Vec<u8>, left: &mut Vec<(u32, usize)>, stream: u32) {
    left.retain_mut(|(id, rest)| {
        if *id != stream {
            return true;
        }
        let sent = conn.send_data(out, stream, &BODY[BODY.len() - *rest..], true).unwrap_or(*rest);
        *rest -= sent;
        *rest > 0
    });
}
