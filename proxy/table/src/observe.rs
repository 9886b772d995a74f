//! Watching requests: who watches, by what rule, and what is told about each request.
//!
//! In: built by `control`, told to every worker as one `Watch`. Out: `Event`, `Access` and `Span`, handed to a `Sink` by a worker.
//! Limits: a `Sink` never blocks and refuses what it has no room for; texts are cut at `TEXT`, heads at `HEAD` bytes.
//! Never here: protobuf, clocks (times are durations before the moment of `put`).

mod rule;

pub use rule::{Rule, Seen, Tcp, Text};

use crate::Labels;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes kept of a path, an authority or another single text.
pub const TEXT: usize = 4 << 10;
/// Bytes kept of a head's fields.
pub const HEAD: usize = 8 << 10;

/// Where a worker hands things over.
pub trait Sink<T>: Send + Sync {
    /// Never blocks; `false`: there was no room, and the item is gone.
    fn put(&self, item: T) -> bool;
}

/// All that watches the requests of this proxy.
#[derive(Clone, Default)]
pub struct Watch {
    /// Tap sessions that still take requests.
    pub taps: Box<[Arc<Tap>]>,
    /// The access log, if there is one.
    pub access: Option<Arc<dyn Sink<Access>>>,
    /// The trace exporter, if there is one.
    pub spans: Option<Arc<dyn Sink<Span>>>,
}

impl Watch {
    /// Nobody watches.
    pub fn is_empty(&self) -> bool {
        self.taps.is_empty() && self.access.is_none() && self.spans.is_none()
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({} taps)", self.taps.len())
    }
}

/// One tap session.
pub struct Tap {
    /// Its number.
    pub base: u32,
    /// Which requests it wants.
    pub rule: Rule,
    /// Heads and trailers are wanted too.
    pub headers: bool,
    /// How many requests it takes.
    pub limit: u64,
    /// How many it has asked for.
    pub taken: AtomicU64,
    /// Its client.
    pub sink: Arc<dyn Sink<Event>>,
}

impl Tap {
    /// A number for one more request; none once the limit is reached.
    pub fn take(&self) -> Option<u64> {
        let number = self.taken.fetch_add(1, Relaxed);
        (number < self.limit).then_some(number)
    }

    /// Takes no more.
    pub fn spent(&self) -> bool {
        self.taken.load(Relaxed) >= self.limit
    }
}

/// Fields of a head or trailers, cut at `HEAD` bytes; values of credentials are blacked out.
pub type Headers = Vec<(Box<str>, Box<[u8]>)>;

/// TLS of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// None, and why.
    None(&'static str),
    /// The mesh's, with the other side's identity if it is known.
    Mesh(Option<Arc<str>>),
    /// Not told.
    #[default]
    Unknown,
}

/// What all events of one tapped request say.
#[derive(Debug)]
pub struct About {
    /// The session's number, and the request's in it.
    pub id: (u32, u64),
    /// Another pod's request; else our application's.
    pub inbound: bool,
    /// Who asked.
    pub source: (SocketAddr, Tls),
    /// Who answers.
    pub destination: (SocketAddr, Tls),
    /// Of the destination, without `dst_`.
    pub labels: Labels,
    /// Of the route.
    pub route: Labels,
}

/// One event of a tapped request.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which request.
    pub about: Arc<About>,
    /// What happened.
    pub what: What,
}

/// What happened to a request.
#[derive(Clone, Debug)]
pub enum What {
    /// Its head was written to the destination.
    Request {
        /// GET and so on.
        method: Box<str>,
        /// `http` where the wire did not say.
        scheme: Box<str>,
        /// As written.
        authority: Box<str>,
        /// Without query.
        path: Box<str>,
        /// If wanted.
        headers: Option<Headers>,
    },
    /// An answer has begun.
    Response {
        /// After so many nanoseconds.
        since_request: u64,
        /// HTTP status.
        status: u16,
        /// If wanted.
        headers: Option<Headers>,
    },
    /// It is over.
    End {
        /// After so many nanoseconds.
        since_request: u64,
        /// None: no answer had begun.
        since_response: Option<u64>,
        /// Of the body.
        bytes: u64,
        /// How.
        end: End,
        /// If wanted, and if there were any.
        trailers: Option<Headers>,
    },
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Whole.
    Whole,
    /// With this gRPC status.
    Grpc(u8),
    /// Cut off, with this HTTP/2 error code.
    Reset(u32),
}

/// One line of the access log.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who asked.
    pub client: SocketAddr,
    /// Its identity.
    pub client_id: Option<Arc<str>>,
    /// GET and so on.
    pub method: Box<str>,
    /// `http://authority/path?query`.
    pub uri: Box<str>,
    /// `HTTP/1.1`.
    pub version: &'static str,
    /// From the request's head, or empty.
    pub trace_id: Box<str>,
    /// From the request's head, or empty.
    pub user_agent: Box<str>,
    /// The authority.
    pub host: Box<str>,
    /// Bodies, in bytes.
    pub bytes: (u64, u64),
    /// 0: the client left before there was one.
    pub status: u16,
    /// From the head's arrival to the end of the answer.
    pub total_ns: u64,
    /// From the head's arrival until it was written to our application.
    pub processing_ns: u64,
}

/// One finished span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace.
    pub trace: [u8; 16],
    /// Who called.
    pub parent: [u8; 8],
    /// This span.
    pub id: [u8; 8],
    /// The caller's W3C flags.
    pub flags: u8,
    /// Another pod's request; else our application's.
    pub inbound: bool,
    /// GET and so on.
    pub method: Box<str>,
    /// `http` where the wire did not say.
    pub scheme: Box<str>,
    /// As it came.
    pub authority: Box<str>,
    /// Without query: queries hold secrets.
    pub path: Box<str>,
    /// As it came, or empty.
    pub user_agent: Box<str>,
    /// Who asked, and its identity.
    pub client: (SocketAddr, Option<Arc<str>>),
    /// Who answered, if it came to that.
    pub destination: Option<SocketAddr>,
    /// Of the destination, without `dst_`.
    pub labels: Labels,
    /// 0: none.
    pub status: u16,
    /// 255: none.
    pub grpc: u8,
    /// Why we answered ourselves or broke off; empty: we did not.
    pub error: &'static str,
    /// How long it took.
    pub total_ns: u64,
}

/// At most `limit` bytes of a text that came over the wire.
pub fn cut(bytes: &[u8], limit: usize) -> Box<str> {
    String::from_utf8_lossy(bytes.get(..limit).unwrap_or(bytes)).into_owned().into()
}
