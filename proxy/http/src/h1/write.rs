//! From a head to bytes, and body framing. Only end-to-end fields are written; what concerns the connection is said
//! anew. Everything is appended to the caller's buffer.

use crate::head::{Edit, Field, Fields, Form, Request, Response};
use crate::names::{Name, Set};

/// How the written body will be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Pass `content-length` as it came, add nothing: no body, a length already in the fields, HEAD, or until close.
    AsIs,
    /// Write this content-length instead of any that came.
    Length(u64),
    /// Drop content-length, write `transfer-encoding: chunked`. Never towards an HTTP/1.0 client: there the body ends with
    /// the connection (`AsIs` and `Ending::Close`).
    Chunked,
}

/// What the head says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// It lives on: nothing is written.
    Keep,
    /// `connection: keep-alive`, which an HTTP/1.0 client that asked for it must be told.
    KeepAlive,
    /// `connection: close`.
    Close,
    /// `connection: upgrade` and `upgrade: <value>`.
    Upgrade(&'a [u8]),
}

/// Appends a request head, HTTP/1.1 whatever came, in the form `request.form` says, `host` first.
pub fn write_request(out: &mut Vec<u8>, request: &Request<'_>, edit: &Edit<'_>, framing: Framing, ending: Ending<'_>) {
    out.extend_from_slice(request.method);
    out.push(b' ');
    match request.form {
        Form::Absolute => {
            let scheme: &[u8] = if request.scheme.is_empty() { b"http" } else { request.scheme };
            out.extend_from_slice(scheme);
            out.extend_from_slice(b"://");
            out.extend_from_slice(request.authority);
            out.extend_from_slice(request.path);
        }
        Form::Authority => out.extend_from_slice(request.authority),
        Form::Origin | Form::Asterisk => out.extend_from_slice(request.path),
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(request.authority);
    out.extend_from_slice(b"\r\n");
    fields(out, &request.fields, edit, framing, ending);
}

/// Appends a response head, HTTP/1.1. A missing reason is filled in.
pub fn write_response(
    out: &mut Vec<u8>,
    response: &Response<'_>,
    edit: &Edit<'_>,
    framing: Framing,
    ending: Ending<'_>,
) {
    let s = response.status;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&digits(s));
    out.push(b' ');
    let reason = if response.reason.is_empty() { crate::refuse::reason(s).as_bytes() } else { response.reason };
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
    fields(out, &response.fields, edit, framing, ending);
}

/// A status as three digits.
pub(crate) fn digits(status: u16) -> [u8; 3] {
    [b'0' + (status / 100 % 10) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8]
}

/// `te` speaks of the connection it came on; a request that came by HTTP/2 carries it end to end.
const NEVER: Set = Set::of(&[Name::Te]);

fn fields(out: &mut Vec<u8>, fields: &Fields<'_>, edit: &Edit<'_>, framing: Framing, ending: Ending<'_>) {
    let mut drop = edit.drop.or(NEVER);
    if framing != Framing::AsIs {
        drop = drop.with(Name::ContentLength);
    }
    if fields.has(Name::Cookie) && !drop.has(Name::Cookie) {
        drop = drop.with(Name::Cookie);
        cookies(out, fields);
    }
    let edit = Edit { drop, ..*edit };
    for field in fields.end_to_end().filter(|field| !edit.drops(field)) {
        put(out, field);
    }
    for field in edit.add {
        put(out, *field);
    }
    match framing {
        Framing::AsIs => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    match ending {
        Ending::Keep => {}
        Ending::KeepAlive => out.extend_from_slice(b"connection: keep-alive\r\n"),
        Ending::Close => out.extend_from_slice(b"connection: close\r\n"),
        Ending::Upgrade(value) => {
            out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// HTTP/2 may cut the cookie into several fields; HTTP/1 knows one (RFC 9113 section 8.2.3).
fn cookies(out: &mut Vec<u8>, fields: &Fields<'_>) {
    let mut start: &[u8] = b"cookie: ";
    for field in fields.end_to_end().filter(|field| field.id == Name::Cookie) {
        out.extend_from_slice(start);
        out.extend_from_slice(field.value);
        start = b"; ";
    }
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn put(out: &mut Vec<u8>, field: Field<'_>) {
    out.reserve(field.name.len() + field.value.len() + 4);
    if field.id.known() {
        out.extend_from_slice(field.id.start().as_bytes());
    } else {
        out.extend_from_slice(field.name);
        out.extend_from_slice(b": ");
    }
    out.extend_from_slice(field.value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, mut n: u64) {
    let mut room = [0; 20];
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&room[at..]);
}

/// Appends `data` as one chunk; nothing if it is empty.
pub fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let digits = (data.len().ilog2() / 4 + 1) as usize;
    out.reserve(data.len() + digits + 4);
    for i in (0..digits).rev() {
        out.push(b"0123456789abcdef"[data.len() >> (4 * i) & 15]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailers.
pub fn finish(out: &mut Vec<u8>, trailers: Option<&Fields<'_>>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers.iter().flat_map(|fields| fields.end_to_end()) {
        put(out, field);
    }
    out.extend_from_slice(b"\r\n");
}
