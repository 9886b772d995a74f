//! Answers the proxy gives itself: a status for HTTP, trailers-only for gRPC. Texts come from us, but may quote names, so
//! they are cleaned of everything that is not printable.

use crate::grpc::Status;
use crate::h1::{self, Ending, Framing};
use crate::h2;
use crate::head::{Edit, Field, Fields, Response, Version};
use crate::names::Name;

/// A refusal that fits both kinds of client.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Status for HTTP.
    pub status: u16,
    /// Status for gRPC.
    pub grpc: Status,
    /// Sentence for `l5d-proxy-error` and `grpc-message`, printable ASCII (others are replaced); empty: not said.
    pub message: &'a str,
    /// Ask the peer to close: `connection: close`, and `l5d-proxy-connection: close` for meshed peers.
    pub close: bool,
    /// The peer is meshed (or our own application): it may see `l5d-proxy-error` and `l5d-proxy-connection`.
    pub meshed: bool,
    /// The request was gRPC.
    pub is_grpc: bool,
    /// Value of `location`, for redirects; empty: none.
    pub location: &'a str,
}

const TEXT_MAX: usize = 512;

/// A text fit for a field value, cut at 512 bytes, on the stack.
struct Clean {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Clean {
    fn new(text: &str) -> Clean {
        let mut clean = Clean { bytes: [0; TEXT_MAX], len: text.len().min(TEXT_MAX) };
        for (to, from) in clean.bytes.iter_mut().zip(text.bytes()) {
            // `%` would begin an escape in grpc-message.
            *to = if matches!(from, b' '..=b'~') && from != b'%' { from } else { b'?' };
        }
        clean
    }
    fn text(&self) -> &[u8] {
        self.bytes[..self.len].trim_ascii()
    }
}

/// Hands the head of the refusal to `write`.
fn with_head<R>(refusal: &Refusal<'_>, version: Version, write: impl FnOnce(&Response<'_>, &Edit<'_>) -> R) -> R {
    let (message, location) = (Clean::new(refusal.message), Clean::new(refusal.location));
    let code = [b'0' + refusal.grpc as u8 / 10, b'0' + refusal.grpc as u8 % 10];
    let code = if code[0] == b'0' { &code[1..] } else { &code[..] };
    let mut add = [Field::known(Name::GrpcStatus, code); 6];
    let mut n = 0;
    let mut push = |wanted: bool, id: Name, value| {
        if wanted {
            add[n] = Field::known(id, value);
            n += 1;
        }
    };
    let told = !message.text().is_empty() && refusal.meshed;
    push(refusal.is_grpc, Name::ContentType, b"application/grpc");
    push(refusal.is_grpc, Name::GrpcStatus, code);
    push(refusal.is_grpc && told, Name::GrpcMessage, message.text());
    push(told, Name::L5dProxyError, message.text());
    push(refusal.close && refusal.meshed, Name::L5dProxyConnection, b"close");
    push(!location.text().is_empty(), Name::Location, location.text());
    let status = if refusal.is_grpc { 200 } else { refusal.status };
    let head = Response { status, reason: b"", version, fields: Fields::EMPTY };
    write(&head, &Edit { add: &add[..n], ..Edit::NONE })
}

/// Appends the whole refusal as an HTTP/1 response without body.
pub fn http1(out: &mut Vec<u8>, refusal: &Refusal<'_>) {
    let ending = if refusal.close { Ending::Close } else { Ending::Keep };
    with_head(refusal, Version::Http11, |head, edit| h1::write_response(out, head, edit, Framing::Length(0), ending));
}

/// Sends the whole refusal on an HTTP/2 stream.
pub fn http2(
    conn: &mut h2::Conn,
    out: &mut Vec<u8>,
    stream: h2::StreamId,
    refusal: &Refusal<'_>,
) -> Result<(), h2::Refused> {
    with_head(refusal, Version::H2, |head, edit| conn.send_response(out, stream, head, edit, true))
}

/// The reason phrase of a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Unassigned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::{Config, Conn, Event, Role};
    use crate::head::{Form, Request, Scratch};

    const REFUSAL: Refusal<'static> = Refusal {
        status: 503,
        grpc: Status::Unavailable,
        message: "no endpoint\r\nof 100% web",
        close: false,
        meshed: true,
        is_grpc: false,
        location: "",
    };

    fn text(refusal: &Refusal<'_>) -> String {
        let mut out = Vec::new();
        http1(&mut out, refusal);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn http1_says_what_it_may() {
        let start = "HTTP/1.1 503 Service Unavailable\r\n";
        let (length, close) = ("content-length: 0\r\n", "connection: close\r\n");
        let error = "l5d-proxy-error: no endpoint??of 100? web\r\n";
        for (id, refusal, wanted) in [
            ("meshed", REFUSAL, format!("{start}{error}{length}\r\n")),
            ("stranger", Refusal { meshed: false, close: true, ..REFUSAL }, format!("{start}{length}{close}\r\n")),
            (
                "close",
                Refusal { close: true, message: "", ..REFUSAL },
                format!("{start}l5d-proxy-connection: close\r\n{length}{close}\r\n"),
            ),
            (
                "redirect",
                Refusal { status: 302, message: "", location: "http://b/\n", ..REFUSAL },
                format!("HTTP/1.1 302 Found\r\nlocation: http://b/?\r\n{length}\r\n"),
            ),
        ] {
            assert_eq!(text(&refusal), wanted, "{id}");
        }
    }

    #[test]
    fn grpc_is_told_in_a_head_alone() {
        let (mut a, mut b, mut scratch, mut at) = (Vec::new(), Vec::new(), Scratch::new(), 0);
        let mut client = Conn::new(Role::Client, &Config::default(), 0, &mut a);
        let mut server = Conn::new(Role::Server, &Config::default(), 0, &mut b);
        let fields = Fields::EMPTY;
        let head = Request {
            method: b"POST",
            scheme: b"",
            authority: b"a",
            path: b"/s/m",
            version: Version::H2,
            form: Form::Origin,
            fields,
        };
        client.send_request(&mut a, &head, &Edit::NONE, true, 0).unwrap();
        while let Some(event) = server.recv(0, &a, &mut at, &mut scratch, &mut b).unwrap() {
            if let Event::Request { stream, .. } = event {
                http2(&mut server, &mut b, stream, &Refusal { is_grpc: true, ..REFUSAL }).unwrap();
            }
        }
        let (mut seen, mut at) = (None, 0);
        while let Some(event) = client.recv(0, &b, &mut at, &mut scratch, &mut a).unwrap() {
            if let Event::Response { head, end, .. } = event {
                let fields = head.fields;
                seen = Some((
                    head.status,
                    end,
                    crate::grpc::status(&fields),
                    fields.get(Name::GrpcMessage).map(<[u8]>::to_vec),
                ));
            }
        }
        assert_eq!(seen, Some((200, true, Some(Status::Unavailable), Some(b"no endpoint??of 100? web".to_vec()))));
    }

    #[test]
    fn long_messages_are_cut() {
        let message = "x".repeat(5000);
        assert!(text(&Refusal { message: &message, ..REFUSAL }).len() < 700);
    }
}
