//! One request and its answer: both sides by key, the two bodies between them, and what metrics and policy need to know.
//!
//! Never here: heads, unless the request has to wait.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::base::wheel::Alarm;
use crate::observe::Watched;
use crate::route::endpoint::Endpoint;
use crate::route::path::Path;
use crate::route::target::Target;
use crate::traffic::kept::Kept;
use crate::traffic::pace::Pace;
use http::h2::StreamId;
use http::orig_proto::OrigProto;
use http::stored::StoredRequest;
use table::outbound::HeaderEdits;

/// Which of the two bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    /// From client to server.
    Request,
    /// From server to client.
    Response,
}

/// A body on its way.
#[derive(Default)]
pub(crate) struct Pipe {
    /// What could not be passed on yet; `at` of it has been.
    pub(crate) kept: Vec<u8>,
    pub(crate) at: usize,
    /// Kept bytes not yet given back to an HTTP/2 source.
    pub(crate) unreleased: usize,
    /// Bytes that came, modulo 2^32.
    pub(crate) came: u32,
    /// The source has ended.
    pub(crate) ended: bool,
    /// The sink is HTTP/1 and framed by chunks.
    pub(crate) chunked: bool,
    /// The source (HTTP/1) was told to pause.
    pub(crate) paused: bool,
    /// In the sink's list of those who wait.
    pub(crate) held: bool,
    /// Came while bytes were kept.
    pub(crate) trailers: Option<Box<StoredRequest>>,
}

impl Pipe {
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.kept.len()
    }
}

/// A request that waits for policy, an endpoint or a connection.
pub(crate) struct Waiting {
    pub(crate) head: StoredRequest,
    pub(crate) upgrade: Option<Box<[u8]>>,
}

/// Yes-or-no facts about an exchange.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts(u32);

impl Facts {
    /// The request speaks gRPC.
    pub(crate) const GRPC: Facts = Facts(1);
    /// HEAD.
    pub(crate) const HEAD: Facts = Facts(1 << 1);
    /// It asks for an upgrade, and that went on to the server.
    pub(crate) const UPGRADE: Facts = Facts(1 << 2);
    /// The whole request has come.
    pub(crate) const ASKED: Facts = Facts(1 << 3);
    /// The whole request has been passed on.
    pub(crate) const SENT: Facts = Facts(1 << 4);
    /// A final response head has been passed on.
    pub(crate) const ANSWERED: Facts = Facts(1 << 5);
    /// The whole response has come.
    pub(crate) const HEARD: Facts = Facts(1 << 6);
    /// Our application's request (else: another pod's).
    pub(crate) const OUTBOUND: Facts = Facts(1 << 7);
    /// For another cluster.
    pub(crate) const GATEWAY: Facts = Facts(1 << 8);
    /// The client may see `l5d-proxy-error`: it is our application or a verified peer.
    pub(crate) const MESHED: Facts = Facts(1 << 9);
    /// The client's side is HTTP/2.
    pub(crate) const DOWN2: Facts = Facts(1 << 10);
    /// The server's side is HTTP/2.
    pub(crate) const UP2: Facts = Facts(1 << 11);
    /// The client speaks HTTP/1.0: no chunks, no interim answers.
    pub(crate) const OLD: Facts = Facts(1 << 12);
    /// Let in by policy; not asked again after a wait.
    pub(crate) const ADMITTED: Facts = Facts(1 << 13);
    /// Counted by the endpoint's balancer.
    pub(crate) const PICKED: Facts = Facts(1 << 14);
    /// Counted among the requests in flight.
    pub(crate) const COUNTED: Facts = Facts(1 << 15);
    /// Counted among those that wait in a queue.
    pub(crate) const QUEUED: Facts = Facts(1 << 16);
    /// The other proxy makes HTTP/1 of it again: the response head says so.
    pub(crate) const ORIG: Facts = Facts(1 << 17);
    /// Its endpoint's probe, after the breaker shut it.
    pub(crate) const PROBE: Facts = Facts(1 << 18);
    /// The whole response has been passed on, but the server still takes the request.
    pub(crate) const DONE: Facts = Facts(1 << 19);

    /// Let in by the inbound policy; what is let in for a gateway's target is `ADMITTED` by that one's routes.
    pub(crate) const ENTERED: Facts = Facts(1 << 24);

    #[inline]
    pub(crate) fn has(self, fact: Facts) -> bool {
        self.0 & fact.0 != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, fact: Facts) {
        self.0 |= fact.0;
    }

    #[inline]
    pub(crate) fn clear(&mut self, fact: Facts) {
        self.0 &= !fact.0;
    }

    /// Sets the fact if `held`.
    #[inline]
    pub(crate) fn set_if(&mut self, fact: Facts, held: bool) {
        if held {
            self.set(fact);
        }
    }
}

/// Deadlines of a route, in milliseconds since the engine began; 0: none.
#[derive(Clone, Copy, Default)]
pub(crate) struct Deadlines {
    /// For an endpoint and a connection.
    pub(crate) failfast: u64,
    pub(crate) stream: u64,
    /// How long after the request's end the response may begin; then the deadline.
    pub(crate) response_after: u64,
    pub(crate) response: u64,
    pub(crate) idle_after: u64,
    pub(crate) last: u64,
    /// Of this try alone, for the response to begin.
    pub(crate) attempt: u64,
    /// When it is sent again, or an answer held back goes on.
    pub(crate) again: u64,
}

/// One request.
pub(crate) struct Exchange {
    pub(crate) down: Key<Conn>,
    pub(crate) down_stream: StreamId,
    pub(crate) up: Key<Conn>,
    pub(crate) up_stream: StreamId,
    pub(crate) endpoint: Key<Endpoint>,
    /// The request's own target, where it names one: a gateway's by its authority, an ingress's by `l5d-dst-override`.
    pub(crate) target: Key<Target>,
    /// Whose queue it stands in.
    pub(crate) queue: Key<Path>,
    /// The arm of its rule's split whose filters it has passed; `u16::MAX`: none.
    pub(crate) arm: u16,
    pub(crate) facts: Facts,
    pub(crate) req: Pipe,
    pub(crate) res: Pipe,
    /// When the head came, and when the first byte of the answer did (ns).
    pub(crate) began: u64,
    pub(crate) heard: u64,
    /// When the whole request had come (ns); 0: not yet.
    pub(crate) asked: u64,
    /// When its endpoint was picked (ns).
    pub(crate) picked: u64,
    /// When the answer says to come back (ms); 0: it does not.
    pub(crate) hint: u32,
    pub(crate) status: u16,
    /// 255: none was seen.
    pub(crate) grpc: u8,
    /// Connects tried.
    pub(crate) tries: u8,
    /// The request's length, if it was told.
    pub(crate) length: Option<u64>,
    pub(crate) orig: Option<OrigProto>,
    /// Series: of the inbound rule, or of the outbound rule and backend; `u32::MAX`: none.
    pub(crate) series: u32,
    pub(crate) backend_series: u32,
    /// Of the service profile's route: requests, and tries.
    pub(crate) profile_series: u32,
    /// Of the route, whatever backend serves it.
    pub(crate) route_series: u32,
    pub(crate) actual_series: u32,
    /// Status codes that count as failures; empty: 5xx.
    pub(crate) failures: Box<[(u16, u16)]>,
    pub(crate) waiting: Option<Box<Waiting>>,
    /// Somebody watches it: a tap, the access log or a trace.
    pub(crate) watch: Option<Box<Watched>>,
    /// What is needed to send it once more.
    pub(crate) kept: Option<Box<Kept>>,
    pub(crate) edits: Vec<HeaderEdits>,
    pub(crate) alarm: Alarm,
    pub(crate) deadlines: Deadlines,
    /// Whether the request's body comes, and the answer's is taken.
    pub(crate) asking: Pace,
    pub(crate) taking: Pace,
}

impl Exchange {
    pub(crate) fn new(down: Key<Conn>, down_stream: StreamId, began: u64) -> Exchange {
        Exchange {
            down,
            down_stream,
            up: Key::NONE,
            up_stream: 0,
            endpoint: Key::NONE,
            target: Key::NONE,
            queue: Key::NONE,
            arm: u16::MAX,
            facts: Facts::default(),
            req: Pipe::default(),
            res: Pipe::default(),
            began,
            heard: 0,
            asked: 0,
            picked: 0,
            hint: 0,
            status: 0,
            grpc: u8::MAX,
            tries: 0,
            length: None,
            orig: None,
            series: u32::MAX,
            backend_series: u32::MAX,
            profile_series: u32::MAX,
            route_series: u32::MAX,
            actual_series: u32::MAX,
            failures: Box::default(),
            waiting: None,
            watch: None,
            kept: None,
            edits: Vec::new(),
            alarm: Alarm::default(),
            deadlines: Deadlines::default(),
            asking: Pace::new(began / 1_000_000),
            taking: Pace::new(began / 1_000_000),
        }
    }

    /// A whole message has come.
    #[inline]
    pub(crate) fn came(&mut self, dir: Dir, now: u64) {
        match dir {
            Dir::Request => {
                self.facts.set(Facts::ASKED);
                self.asked = now;
            }
            Dir::Response => self.facts.set(Facts::HEARD),
        }
    }

    #[inline]
    pub(crate) fn pipe(&mut self, dir: Dir) -> &mut Pipe {
        match dir {
            Dir::Request => &mut self.req,
            Dir::Response => &mut self.res,
        }
    }

    /// Where a body comes from.
    #[inline]
    pub(crate) fn source(&self, dir: Dir) -> (Key<Conn>, StreamId) {
        match dir {
            Dir::Request => (self.down, self.down_stream),
            Dir::Response => (self.up, self.up_stream),
        }
    }

    /// Where a body goes.
    #[inline]
    pub(crate) fn sink(&self, dir: Dir) -> (Key<Conn>, StreamId) {
        match dir {
            Dir::Request => (self.up, self.up_stream),
            Dir::Response => (self.down, self.down_stream),
        }
    }
}
