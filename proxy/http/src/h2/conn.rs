//! The connection as its owner sees it: what it tells, what it can be asked. Receiving is in `recv` and `control`,
//! sending in `send`.

use std::collections::VecDeque;

use super::bucket::Bucket;
use super::frame::{self, Code};
use super::hpack::{Decoder, Encoder};
use super::streams::{LOCAL_END, REMOTE_END, Stream, Streams};
use super::{Config, Fatal, Role};
use crate::head::{Fields, Request, Response};

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
    /// The stream is gone: the peer reset it, or it broke the rules (`local`; the reset is already written). A server that
    /// has answered in full may reset with `NoError`: it wants no more of the request's body.
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

/// DATA of which a part has not arrived yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub stream: StreamId,
    /// Payload to come.
    pub left: usize,
    /// Padding to come after it.
    pub pad: usize,
    pub end: bool,
}

/// A header block that goes on in CONTINUATION.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub stream: StreamId,
    pub end: bool,
    /// The stream depends on itself: decode, then reset.
    pub broken: bool,
}

/// What the peer did wrong on single streams since [`Conn::take_faults`] was last called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Malformed messages.
    pub malformed: u16,
    /// Streams beyond the limit.
    pub refused: u16,
    /// Header lists beyond the limit.
    pub lists: u16,
}

impl Faults {
    pub(super) fn note(&mut self, code: Code) {
        let kind = match code {
            Code::RefusedStream => &mut self.refused,
            _ => &mut self.malformed,
        };
        *kind = kind.saturating_add(1);
    }
}

/// How many streams that we reset are remembered, so that what the peer had sent before it knew is not held against it.
const RESETS: usize = 256;
/// How many others that are over are remembered, to tell "closed" from "never opened".
const CLOSED: usize = 32;

/// One HTTP/2 connection.
pub struct Conn {
    pub(super) role: Role,
    pub(super) config: Config,
    pub(super) encoder: Encoder,
    pub(super) decoder: Decoder,
    pub(super) streams: Streams,
    /// Preface bytes still expected (server).
    pub(super) preface: usize,
    /// The peer's first SETTINGS has come.
    pub(super) settled: bool,
    pub(super) pending: Option<Pending>,
    pub(super) opening: Option<Opening>,
    /// Block bytes before CONTINUATION; empty otherwise.
    pub(super) block: Vec<u8>,
    /// What the peer may send on the connection, and what we owe it.
    pub(super) receive: i64,
    pub(super) owed: u32,
    /// What we may send on the connection.
    pub(super) send: i64,
    pub(super) peer_window: i64,
    pub(super) peer_frame: usize,
    pub(super) peer_streams: u32,
    /// Streams that were cut short and have a window of their own: they go on, in order, when the connection has one.
    pub(super) queue: VecDeque<StreamId>,
    /// The peer's highest stream, our next one.
    pub(super) last: StreamId,
    pub(super) next: StreamId,
    pub(super) we_go: bool,
    /// The GOAWAY sent named all streams; the final one waits for a ping.
    pub(super) draining: bool,
    pub(super) peer_goes: bool,
    /// Streams above this are to be told they were refused.
    pub(super) purge: Option<StreamId>,
    pub(super) resets: Bucket,
    pub(super) control: Bucket,
    pub(super) faults: Faults,
    reset_by_us: VecDeque<StreamId>,
    pub(super) forgot: bool,
    closed: [StreamId; CLOSED],
    closed_at: usize,
}

impl Conn {
    /// A new connection; appends what this side must say first (preface, SETTINGS, WINDOW_UPDATE). A server expects the
    /// client preface as the first bytes of `recv`. `now`: monotonic nanoseconds.
    pub fn new(role: Role, config: &Config, now: u64, out: &mut Vec<u8>) -> Conn {
        let mut config = *config;
        // The peer may use the default windows before it has read our settings.
        config.stream_window = config.stream_window.clamp(frame::DEFAULT_WINDOW, i32::MAX as u32);
        config.connection_window = config.connection_window.clamp(frame::DEFAULT_WINDOW, i32::MAX as u32);
        config.frame = config.frame.clamp(frame::DEFAULT_FRAME, (1 << 24) - 1);
        let conn = Conn {
            role,
            encoder: Encoder::new(),
            decoder: Decoder::new(),
            streams: Streams::default(),
            preface: if role == Role::Server { frame::PREFACE.len() } else { 0 },
            settled: false,
            pending: None,
            opening: None,
            block: Vec::new(),
            receive: i64::from(config.connection_window),
            owed: 0,
            send: i64::from(frame::DEFAULT_WINDOW),
            peer_window: i64::from(frame::DEFAULT_WINDOW),
            peer_frame: frame::DEFAULT_FRAME as usize,
            peer_streams: u32::MAX,
            queue: VecDeque::new(),
            last: 0,
            next: 1,
            we_go: false,
            draining: false,
            peer_goes: false,
            purge: None,
            resets: Bucket::new(now),
            control: Bucket::new(now),
            faults: Faults::default(),
            reset_by_us: VecDeque::new(),
            forgot: false,
            closed: [0; CLOSED],
            closed_at: 0,
            config,
        };
        conn.greet(out);
        conn
    }

    fn greet(&self, out: &mut Vec<u8>) {
        let own: (u16, u32) = match self.role {
            Role::Client => {
                out.extend_from_slice(frame::PREFACE);
                (frame::ENABLE_PUSH, 0)
            }
            Role::Server => (frame::MAX_STREAMS, self.config.max_streams),
        };
        let settings = [
            own,
            (frame::INITIAL_WINDOW, self.config.stream_window),
            (frame::MAX_FRAME, self.config.frame),
            (frame::MAX_HEADER_LIST, self.config.header_list),
        ];
        frame::put(out, settings.len() * 6, frame::SETTINGS, 0, 0);
        for (id, value) in settings {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
        if self.config.connection_window > frame::DEFAULT_WINDOW {
            frame::put_u32(out, frame::WINDOW_UPDATE, 0, self.config.connection_window - frame::DEFAULT_WINDOW);
        }
    }

    /// What the peer did wrong on single streams since the last call.
    #[inline]
    pub fn take_faults(&mut self) -> Option<Faults> {
        if self.faults == Faults::default() { None } else { Some(std::mem::take(&mut self.faults)) }
    }

    /// Stores the caller's token of a stream.
    pub fn set_token(&mut self, stream: StreamId, token: u64) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.token = token;
        }
    }

    /// The caller's token of a stream that is still there.
    pub fn token(&self, stream: StreamId) -> Option<u64> {
        self.streams.get(stream).map(|stream| stream.token)
    }

    /// Every stream with its token, for a connection that dies.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, u64)> {
        self.streams.iter().map(|stream| (stream.id, stream.token))
    }

    /// How many streams are open.
    pub fn count(&self) -> usize {
        self.streams.len()
    }

    /// No stream is open.
    pub fn idle(&self) -> bool {
        self.streams.len() == 0
    }

    /// Client: whether [`Conn::send_request`] would go.
    pub fn can_open(&self) -> bool {
        let limit = self.peer_streams.min(self.config.max_streams) as usize;
        self.role == Role::Client && !self.going() && self.streams.len() < limit && self.next < 1 << 31
    }

    /// GOAWAY was said or heard.
    pub fn going(&self) -> bool {
        self.we_go || self.peer_goes
    }

    /// The peer said GOAWAY.
    pub fn left(&self) -> bool {
        self.peer_goes
    }

    /// No stream is open and none will be: GOAWAY was heard, or the final one said. Close.
    pub fn spent(&self) -> bool {
        self.idle() && (self.peer_goes || self.we_go && !self.draining)
    }

    /// Bytes [`Conn::send_data`] would take now for this stream.
    pub fn capacity(&self, stream: StreamId) -> usize {
        self.streams.get(stream).map_or(0, |stream| stream.send.min(self.send).max(0) as usize)
    }

    /// Ends the connection for the peer's fault: appends the GOAWAY.
    #[cold]
    pub(super) fn fail<T>(&mut self, out: &mut Vec<u8>, code: Code, why: &'static str) -> Result<T, Fatal> {
        self.we_go = true;
        self.say_goaway(out, self.last, code);
        Err(Fatal { code, why })
    }

    pub(super) fn say_goaway(&self, out: &mut Vec<u8>, last: StreamId, code: Code) {
        frame::put(out, 8, frame::GOAWAY, 0, 0);
        out.extend_from_slice(&last.to_be_bytes());
        out.extend_from_slice(&(code as u32).to_be_bytes());
    }

    /// Whether the peer opens streams with this number.
    pub(super) fn peer_opens(&self, stream: StreamId) -> bool {
        (self.role == Role::Server) == (stream % 2 == 1)
    }

    /// Whether no stream with this number has been opened yet.
    pub(super) fn is_unborn(&self, stream: StreamId) -> bool {
        if self.peer_opens(stream) { stream > self.last } else { stream >= self.next }
    }

    /// Whether we ended it by a reset; if that cannot be told any more, we may have.
    pub(super) fn was_reset_by_us(&self, stream: StreamId) -> bool {
        self.reset_by_us.contains(&stream)
    }

    /// Whether it was open once, as far as we remember.
    pub(super) fn was_open(&self, stream: StreamId) -> bool {
        self.closed.contains(&stream)
    }

    /// Takes a stream out and gives its unreleased bytes back to the connection.
    pub(super) fn remove(&mut self, stream: StreamId, by_reset: bool, out: &mut Vec<u8>) -> Option<Stream> {
        let gone = self.streams.remove(stream)?;
        self.credit(out, gone.held);
        if by_reset {
            self.note_reset(stream);
        } else {
            self.closed[self.closed_at] = stream;
            self.closed_at = (self.closed_at + 1) % CLOSED;
        }
        self.streams.shrink();
        Some(gone)
    }

    /// Remembers a stream that we reset or refused.
    pub(super) fn note_reset(&mut self, stream: StreamId) {
        if self.reset_by_us.len() == RESETS {
            self.reset_by_us.pop_front();
            self.forgot = true;
        }
        self.reset_by_us.push_back(stream);
    }

    /// Gives bytes back to the connection's window; the peer is told at half.
    pub(super) fn credit(&mut self, out: &mut Vec<u8>, n: u32) {
        self.owed += n;
        if self.owed >= self.config.connection_window / 2 {
            frame::put_u32(out, frame::WINDOW_UPDATE, 0, self.owed);
            self.receive += i64::from(self.owed);
            self.owed = 0;
        }
    }

    /// Notes that one side of a stream has ended; a stream over on both sides is taken out.
    #[inline]
    pub(super) fn ended(&mut self, stream: StreamId, side: u16, out: &mut Vec<u8>) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        found.flags |= side;
        if found.over() {
            self.resets.give(1);
            self.remove(stream, false, out);
        }
    }

    pub(super) const LOCAL: u16 = LOCAL_END;
    pub(super) const REMOTE: u16 = REMOTE_END;
}
