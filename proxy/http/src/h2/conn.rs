//! The connection.

use super::{Code, Config, Fatal, Role};
use crate::head::{Edit, Fields, Request, Response, Scratch};

/// A stream's number on the wire.
pub type StreamId = u32;

/// What the peer did.
#[derive(Debug)]
pub enum Event<'a> {
    /// Server: a request. Answer [`Conn::set_token`] with the exchange's id (or reset the stream).
    Request {
        /// Its stream.
        stream: StreamId,
        /// Its head, checked; connection fields and `host` are marked as not end-to-end.
        head: Request<'a>,
        /// No body follows.
        end: bool,
        /// Declared content-length; the total is enforced here.
        length: Option<u64>,
    },
    /// Client: a response, maybe interim (status below 200; then more follow, at most 16).
    Response {
        /// Its stream.
        stream: StreamId,
        /// The caller's token.
        token: u64,
        /// Its head, checked.
        head: Response<'a>,
        /// No body follows.
        end: bool,
        /// Declared content-length.
        length: Option<u64>,
    },
    /// Body bytes; they count against the window until released. May be a part of a frame. Empty with `end` at times.
    Data {
        /// Its stream.
        stream: StreamId,
        /// The caller's token.
        token: u64,
        /// The bytes.
        data: &'a [u8],
        /// The message is complete.
        end: bool,
    },
    /// Trailers; the message is complete.
    Trailers {
        /// Its stream.
        stream: StreamId,
        /// The caller's token.
        token: u64,
        /// The fields, checked.
        fields: Fields<'a>,
    },
    /// The stream is gone: the peer reset it, or it broke the rules (`local`; the reset is already written).
    Reset {
        /// Its stream.
        stream: StreamId,
        /// The caller's token.
        token: u64,
        /// The reason.
        code: Code,
        /// We reset it.
        local: bool,
    },
    /// A stream that [`Conn::send_data`] cut short may send again.
    Writable {
        /// Its stream.
        stream: StreamId,
        /// The caller's token.
        token: u64,
    },
    /// The peer takes no more streams: those above `last` come as `Reset` with `RefusedStream` next, open no more.
    Goaway {
        /// The last stream it handled or will handle.
        last: StreamId,
        /// Its reason.
        code: Code,
    },
    /// The answer to [`Conn::ping`].
    Pong {
        /// The payload sent.
        payload: [u8; 8],
    },
    /// The peer's settings changed; [`Conn::can_open`] may differ.
    Settings,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The peer's limit of concurrent streams, or ours, is reached; try another connection or wait.
    #[error("too many streams")]
    Full,
    /// The connection is going away.
    #[error("connection is going away")]
    Away,
    /// No such stream (any more): it was reset or is complete.
    #[error("no such stream")]
    Gone,
}

/// One HTTP/2 connection.
pub struct Conn {}

#[allow(unused_variables)]
impl Conn {
    /// A new connection; appends what this side must say first (preface, SETTINGS, WINDOW_UPDATE). A server expects the
    /// client preface as the first bytes of `recv`. `now`: monotonic nanoseconds.
    pub fn new(role: Role, config: &Config, now: u64, out: &mut Vec<u8>) -> Conn {
        unimplemented!()
    }

    /// Takes frames off `input[*at..]` until one yields an event. `Ok(None)`: all whole frames are taken; keep
    /// `input[*at..]` (less than one frame, DATA is never held back) and call again with more. Answers are appended to `out`.
    /// `scratch` holds the event's head until the next call.
    pub fn recv<'a>(
        &mut self,
        now: u64,
        input: &'a [u8],
        at: &mut usize,
        scratch: &'a mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Fatal> {
        unimplemented!()
    }

    /// Client: opens a stream. `:scheme` is `http` if the request names none. The end-to-end fields, less `edit.drop`,
    /// plus `edit.add` are sent.
    pub fn send_request(&mut self, out: &mut Vec<u8>, head: &Request<'_>, edit: &Edit<'_>, end: bool, token: u64) -> Result<StreamId, Refused> {
        unimplemented!()
    }

    /// Server: answers; a status below 200 is interim and may be followed by others.
    pub fn send_response(&mut self, out: &mut Vec<u8>, stream: StreamId, head: &Response<'_>, edit: &Edit<'_>, end: bool) -> Result<(), Refused> {
        unimplemented!()
    }

    /// Sends what the windows allow of `data` and says how much that was; `end` is set only when all went. Less than
    /// all: the stream is queued, `Event::Writable` follows. Empty `data` with `end` always goes.
    pub fn send_data(&mut self, out: &mut Vec<u8>, stream: StreamId, data: &[u8], end: bool) -> Result<usize, Refused> {
        unimplemented!()
    }

    /// Sends trailers and ends our side of the stream.
    pub fn send_trailers(&mut self, out: &mut Vec<u8>, stream: StreamId, fields: &Fields<'_>, edit: &Edit<'_>) -> Result<(), Refused> {
        unimplemented!()
    }

    /// Ends a stream at once; no event follows. Nothing if it is gone.
    pub fn reset(&mut self, out: &mut Vec<u8>, stream: StreamId, code: Code) {
        unimplemented!()
    }

    /// Gives back `n` received bytes that have been passed on; window updates go out at half windows. Safe after the
    /// stream is gone (its bytes were given back then).
    pub fn release(&mut self, out: &mut Vec<u8>, stream: StreamId, n: usize) {
        unimplemented!()
    }

    /// Sends a PING.
    pub fn ping(&mut self, out: &mut Vec<u8>, payload: [u8; 8]) {
        unimplemented!()
    }

    /// Says GOAWAY: streams already begun may finish, new ones are refused. Close once [`Conn::idle`].
    pub fn goaway(&mut self, out: &mut Vec<u8>, code: Code) {
        unimplemented!()
    }

    /// Stores the caller's token of a stream.
    pub fn set_token(&mut self, stream: StreamId, token: u64) {
        unimplemented!()
    }

    /// The caller's token of a stream that is still there.
    pub fn token(&self, stream: StreamId) -> Option<u64> {
        unimplemented!()
    }

    /// Every stream with its token, for a connection that dies.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, u64)> {
        std::iter::empty()
    }

    /// How many streams are open.
    pub fn count(&self) -> usize {
        unimplemented!()
    }

    /// No stream is open.
    pub fn idle(&self) -> bool {
        unimplemented!()
    }

    /// Client: whether [`Conn::send_request`] would go.
    pub fn can_open(&self) -> bool {
        unimplemented!()
    }

    /// GOAWAY was said or heard.
    pub fn going(&self) -> bool {
        unimplemented!()
    }

    /// Bytes [`Conn::send_data`] would take now for this stream.
    pub fn capacity(&self, stream: StreamId) -> usize {
        unimplemented!()
    }
}
