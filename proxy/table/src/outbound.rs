//! Outbound policy and endpoints: where a request goes. Compiled from OutboundPolicy, DestinationProfile and Update messages.
//!
//! In: built by `control`. Out: read by `engine` per connection (`Target`) and per request (`Routes`), by index, without hashing.
//! Never here: balancer state (each worker keeps its own) or wire formats.

mod retry;

pub use retry::{Budget, Retry};

use crate::{Labels, Meta, PathId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Everything a worker must know to serve one destination.
#[derive(Debug)]
pub struct Target {
    /// How to read the first bytes.
    pub protocol: Protocol,
    /// Routes for HTTP/1, HTTP/2 and gRPC; the first that matches best wins.
    pub http: Routes,
    /// Those for HTTP/2, where they differ.
    pub http2: Option<Routes>,
    /// Where opaque bytes go; of several that match the server name equally well the first one.
    pub streams: Box<[Stream]>,
    /// `svc.ns.svc.cluster.local:port`, for `authority` labels, `l5d-dst-canonical` and profile metrics.
    pub logical: Option<Arc<str>>,
    /// Backends of every split of this target, by index.
    pub backends: Box<[Backend]>,
    /// The resource that policy was attached to.
    pub parent: Meta,
    /// Retries that all rules together may send.
    pub budget: Budget,
    /// Why this answer stands: fresh, kept from before an outage, or made up without a control plane.
    pub source: Source,
}

impl Target {
    /// The routes for requests of one kind, and the number that its first rule has among the rules of both.
    pub fn routes(&self, http2: bool) -> (&Routes, usize) {
        match &self.http2 {
            Some(routes) if http2 => (routes, self.http.rules.len()),
            _ => (&self.http, 0),
        }
    }

    /// Every rule of both kinds.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.http.rules.iter().chain(self.http2.iter().flat_map(|routes| routes.rules.iter()))
    }
}

/// Where a target came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The control plane said so.
    Fresh,
    /// The control plane is away; this was its last word.
    Kept,
    /// It never answered: forwarded as it came.
    Fallback,
}

/// How a connection's protocol is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Look at the first bytes, for at most this long; then opaque.
    Detect(Duration),
    /// The policy says so.
    Http1,
    /// The policy says so (h2c prior knowledge).
    Http2,
    /// HTTP/2 with gRPC error mapping.
    Grpc,
    /// No look at all.
    Opaque,
    /// TLS of the application, passed through.
    Tls,
    /// Every connection is refused; the sentence goes to log and metric.
    Refuse(&'static str),
}

/// HTTP rules in matching order: a rule of an earlier route wins between equals.
#[derive(Debug, Default)]
pub struct Routes {
    /// Rules of all routes, each with its route's host patterns.
    pub rules: Box<[Rule]>,
    /// True when the one rule matches every request: skip matching.
    pub trivial: bool,
    /// The first rule that matches counts, not the most exact one (service profiles).
    pub in_order: bool,
}

impl Routes {
    /// A service profile tells requests apart: they are counted by its routes.
    #[inline]
    pub fn of_profile(&self) -> bool {
        self.in_order && !self.trivial
    }
}

/// One rule: when it matches, what is done, where it goes.
#[derive(Debug)]
pub struct Rule {
    /// Empty: every host.
    pub hosts: Box<[HostMatch]>,
    /// Any of them; empty: everything.
    pub matches: Box<[RequestMatch]>,
    /// In order.
    pub filters: Box<[Filter]>,
    /// Whole stream, until response headers, idle.
    pub timeouts: Timeouts,
    /// Absent: never retried.
    pub retry: Option<Arc<Retry>>,
    /// Requests may say `l5d-retry-*` and `l5d-*timeout` themselves.
    pub wishes: bool,
    /// Where it goes.
    pub split: Split,
    /// The route resource.
    pub route: Meta,
    /// `rt_*` labels (without the prefix) of a service profile's route; empty otherwise.
    pub profile_labels: Labels,
    /// Status codes that count as failures; empty: 5xx. Inclusive ranges, from a profile's response classes.
    pub failures: Box<[(u16, u16)]>,
}

/// A route of whole connections: opaque ones, or TLS ones by server name.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Server names; empty: every connection.
    pub names: Box<[HostMatch]>,
    /// Where it goes.
    pub split: Split,
    /// The route resource.
    pub route: Meta,
}

/// A host pattern of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatch {
    /// Lower case, no port.
    Exact(Box<str>),
    /// The part after `*`, with its dot: `.example.com`.
    Suffix(Box<str>),
}

/// All parts must hold.
#[derive(Clone, Debug, Default)]
pub struct RequestMatch {
    /// Absent: every path.
    pub path: Option<PathMatch>,
    /// Absent: every method.
    pub method: Option<Box<str>>,
    /// All of them.
    pub headers: Box<[(Box<str>, TextMatch)]>,
    /// All of them.
    pub query: Box<[(Box<str>, TextMatch)]>,
}

/// How a path is compared.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// Byte for byte.
    Exact(Box<str>),
    /// Whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
    Prefix(Box<str>),
    /// Anchored both ends.
    Regex(Pattern),
}

/// How a header or query value is compared.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// Byte for byte.
    Exact(Box<str>),
    /// Anchored both ends.
    Regex(Pattern),
}

/// A compiled pattern, as a function so that this crate needs no engine for it.
#[derive(Clone)]
pub struct Pattern(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pattern")
    }
}

/// What happens to a request or response on its way. Names are lower case.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Answer with this status and message; numerator of 1 000 000 requests.
    Fail {
        /// HTTP status, or a gRPC code (`grpc`); a client of the other kind gets what comes nearest.
        status: u16,
        /// The status is a gRPC code.
        grpc: bool,
        /// For the body or `grpc-message`.
        message: Box<str>,
        /// Parts per million.
        ratio: u32,
    },
    /// Add, then set, then remove request headers.
    Request(HeaderEdits),
    /// The same on the response.
    Response(HeaderEdits),
    /// Answer with a redirect.
    Redirect {
        /// Absent: as requested.
        scheme: Option<Box<str>>,
        /// Absent: as requested.
        host: Option<Box<str>>,
        /// 0: as requested.
        port: u16,
        /// Absent: as requested. `true` when it replaces the matched prefix only.
        path: Option<(Box<str>, bool)>,
        /// 301, 302, ...
        status: u16,
    },
    /// A connection that goes this way is closed.
    Refuse(Refusal),
    /// The control plane sent a filter we do not know: 500, never ignored.
    Unknown,
}

/// Header changes.
#[derive(Clone, Debug, Default)]
pub struct HeaderEdits {
    /// Appended.
    pub add: Box<[(Box<str>, Box<str>)]>,
    /// Replace all of that name.
    pub set: Box<[(Box<str>, Box<str>)]>,
    /// Dropped.
    pub remove: Box<[Box<str>]>,
}

/// Zero: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Request start to response end.
    pub stream: Duration,
    /// Request end to response headers.
    pub response: Duration,
    /// Between bytes.
    pub idle: Duration,
}

/// Which backend a request or connection takes.
#[derive(Clone, Debug, Default)]
pub enum Split {
    /// Nowhere: fails by `failfast`.
    #[default]
    Empty,
    /// The first that is available, by index into `Target::backends`.
    First(Box<[Arm]>),
    /// By weight among the available.
    Random(Box<[Arm]>),
    /// A connection is closed at once.
    Refused(Refusal),
}

/// Why policy refuses a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is forbidden.
    Forbidden,
    /// The route cannot be used; the sentence is the control plane's.
    Invalid(Arc<str>),
}

/// One way a split can go.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Share; 0 is never chosen.
    pub weight: u32,
    /// Index into `Target::backends`.
    pub backend: u16,
    /// Filters of this backend reference, after the rule's.
    pub filters: Box<[Filter]>,
}

/// Somewhere requests go.
#[derive(Clone, Debug)]
pub struct Backend {
    /// How.
    pub kind: BackendKind,
    /// The resource, for `backend_*` labels.
    pub meta: Meta,
    /// Requests of one worker that may wait while none of its endpoints is ready.
    pub queue: usize,
    /// No endpoint ready for this long: fail at once until one is.
    pub failfast: Duration,
    /// Absent: no circuit breaking.
    pub breaker: Option<Breaker>,
}

/// Kinds of backends.
#[derive(Clone, Debug)]
pub enum BackendKind {
    /// Balanced over the path's endpoints.
    Balance {
        /// Endpoints arrive as `Tell::Endpoints`.
        path: PathId,
        /// The discovery path, for labels: `svc.ns.svc.cluster.local:port`.
        authority: Arc<str>,
        /// How endpoints are weighed against each other.
        load: Load,
    },
    /// One known endpoint.
    Forward(Endpoint),
    /// Cannot be used: every request fails with this status and sentence (missing Service, invalid message).
    Broken(u16, Arc<str>),
}

/// How a balancer weighs its endpoints (peak-EWMA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Round trip assumed before the first answer.
    pub rtt: Duration,
    /// Decay of what was measured.
    pub decay: Duration,
    /// What an answer that says "overloaded" costs; absent: no more than its latency.
    pub penalty: Option<Penalty>,
}

/// What an endpoint is charged for 429, 5xx and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Penalty {
    /// When the answer does not say how long.
    pub usual: Duration,
    /// At most, whatever the answer says.
    pub most: Duration,
    /// Decay of a charge.
    pub decay: Duration,
}

/// What shuts an endpoint's gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Failures in a row; 0: never.
    pub max_failures: u32,
    /// A share of successes; absent: never.
    pub rate: Option<Rate>,
    /// First and largest ejection.
    pub backoff: (Duration, Duration),
    /// Share of the backoff added at random.
    pub jitter: f32,
    /// `Retry-After` lengthens the ejection.
    pub retry_after: bool,
    /// Endpoints that stay open whatever happens.
    pub min_ready: u32,
}

/// A share of successes that is too low.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Below it the gate shuts, 0.0 to 1.0.
    pub least: f64,
    /// Over this time.
    pub window: Duration,
    /// Of at least so many requests.
    pub requests: u32,
}

/// The endpoints of one path, as last told.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// Nothing was said yet: requests wait (queue, then failfast).
    pub known: bool,
    /// Without endpoints: there is no such Service, so nobody need wait for one.
    pub missing: bool,
    /// In the order of addition; an address appears once.
    pub list: Box<[Arc<Endpoint>]>,
}

/// One address and how it is spoken to. Two versions of the same address are the same endpoint when all fields are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address of the application's port (not of the peer's proxy).
    pub addr: SocketAddr,
    /// Relative share; 10 000 is usual.
    pub weight: u32,
    /// Absent: clear text.
    pub tls: Option<Peer>,
    /// What the peer's proxy speaks for this port.
    pub hint: Hint,
    /// Dial this port and send a transport header that names the real one.
    pub inbound_port: Option<u16>,
    /// A gateway endpoint: the name (`svc.ns.svc.cluster.local:port`) the other side looks up; replaces authority and Host.
    pub authority: Option<Arc<str>>,
    /// `dst_*` labels (without the prefix) and `zone_locality`.
    pub labels: Labels,
    /// In the same zone as this pod.
    pub near: bool,
    /// How HTTP/2 links to it are set up; absent: as the proxy's own settings say.
    pub http2: Option<Http2>,
}

/// HTTP/2 of one endpoint, where its settings differ from the proxy's; zero: they do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2 {
    /// Receive window of a stream.
    pub stream_window: u32,
    /// Receive window of a link.
    pub connection_window: u32,
    /// Largest frame taken.
    pub frame: u32,
    /// PING interval, and how long the answer may take.
    pub keepalive: Option<(Duration, Duration)>,
    /// PINGs also while no request runs.
    pub while_idle: bool,
}

/// Who must be on the other side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// A SAN the certificate must carry.
    pub identity: Arc<str>,
    /// SNI.
    pub server_name: Arc<str>,
}

/// Protocol hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Hint {
    /// Speak what the application speaks.
    #[default]
    None,
    /// HTTP/1 may travel as HTTP/2.
    H2,
    /// Bytes only.
    Opaque,
}
