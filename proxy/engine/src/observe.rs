//! Requests as others watch them: tap sessions, the access log, traces.
//!
//! In: the request's way at a few places, each one test of a worker's own word when nobody watches. Out: items for the `Sink`s of
//! the told `Watch`; what they have no room for is counted. Limits: texts and heads by `table::observe`.
//! Never here: protobuf, files, sockets, any wait.

mod context;
mod tapped;

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::traffic::exchange::{Dir, Exchange, Facts};
use crate::traffic::fault::Fault;
use crate::traffic::send::Outcome;
use context::Context;
use http::{Edit, Fields, Name, Request, Response, Version};
use metrics::{Counter, Registry, families};
use std::net::SocketAddr;
use std::sync::Arc;
use table::observe::{Access, Headers, Span, TEXT, Tls, Watch, cut};
use table::{Labels, Meta};
use tapped::{Tapped, headers, without_query};

/// Who watches, as this worker was told last.
pub(crate) struct Watching {
    watch: Option<Arc<Watch>>,
    tap_dropped: Counter,
    access_dropped: Counter,
    spans_dropped: Counter,
}

/// What is kept of a watched exchange.
pub(crate) struct Watched {
    /// Who asked.
    source: (SocketAddr, Tls),
    access: Option<Box<Access>>,
    span: Option<Box<(Span, Context)>>,
    taps: Vec<Tapped>,
    route: Labels,
    /// When the head was written to the destination (ns); 0: not yet.
    sent: u64,
    bytes: (u64, u64),
    trailers: Option<Headers>,
}

impl Watching {
    pub(crate) fn new(registry: &Registry) -> Watching {
        Watching {
            watch: None,
            tap_dropped: registry.counter(&families::TAP_EVENTS_DROPPED_TOTAL, &[]),
            access_dropped: registry.counter(&families::ACCESS_LOG_DROPPED_TOTAL, &[]),
            spans_dropped: registry.counter(&families::SPANS_DROPPED_TOTAL, &[]),
        }
    }

    /// Whether anybody watches.
    #[inline]
    pub(crate) fn on(&self) -> bool {
        self.watch.is_some()
    }

    pub(crate) fn told(&mut self, watch: Arc<Watch>) {
        self.watch = (!watch.is_empty()).then_some(watch);
    }
}

impl Watched {
    /// A piece of a body.
    pub(crate) fn body(&mut self, dir: Dir, n: usize) {
        match dir {
            Dir::Request => self.bytes.0 += n as u64,
            Dir::Response => self.bytes.1 += n as u64,
        }
    }

    /// The answer's trailers.
    pub(crate) fn trailers(&mut self, fields: &Fields<'_>) {
        if self.taps.iter().any(Tapped::wants_headers) {
            self.trailers = Some(headers(&[], fields, &Edit::NONE));
        }
    }

    /// Which route was taken.
    pub(crate) fn route(&mut self, meta: &Meta, profile: &[(Arc<str>, Arc<str>)]) {
        let named =
            [("group", &meta.group), ("kind", &meta.kind), ("namespace", &meta.namespace), ("name", &meta.name)];
        let named = named.into_iter().filter(|(_, value)| !value.is_empty());
        let named = named.map(|(name, value)| (Arc::from(name), value.clone()));
        self.route = profile.iter().cloned().chain(named).collect();
    }
}

impl Engine {
    /// A request has come and somebody watches.
    pub(crate) fn watch_request(&mut self, ex: Key<Exchange>, head: &Request<'_>) {
        let Some(watch) = self.watching.watch.clone() else { return };
        let Some(x) = self.exchanges.get(ex) else { return };
        let inbound = !x.facts.has(Facts::OUTBOUND);
        let Some(info) = self.conns.get(x.down).and_then(|conn| conn.info.as_deref()) else { return };
        let client = (info.remote, tapped::identity(&info.tls));
        let access = (inbound && watch.access.is_some()).then(|| Box::new(line(head, client.clone())));
        let found = if watch.spans.is_some() { context::read(&head.fields) } else { None };
        let span = found.filter(Context::sampled).map(|context| {
            let id = self.dice.next().max(1).to_be_bytes();
            Box::new((span(head, &context, id, inbound, client), context))
        });
        if access.is_none() && span.is_none() && watch.taps.is_empty() {
            return;
        }
        let watched = Watched {
            source: (info.remote, tapped::source_tls(x, info)),
            access,
            span,
            taps: Vec::new(),
            route: Arc::from([]),
            sent: 0,
            bytes: (0, 0),
            trailers: None,
        };
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.watch = Some(Box::new(watched));
        }
    }

    /// Sends a watched request: with our span as the caller's, and told to the taps that want it.
    pub(crate) fn send_watched(
        &mut self,
        ex: Key<Exchange>,
        head: &Request<'_>,
        edit: &Edit<'_>,
        upgrade: Option<&[u8]>,
        http2: bool,
    ) -> Outcome {
        let Some(mut watched) = self.exchanges.get_mut(ex).and_then(|x| x.watch.take()) else { return Outcome::Sent };
        let outcome = match watched.span.as_deref() {
            Some((span, context)) => {
                let onward = context.onward(span.id);
                let add: Vec<_> = edit.add.iter().copied().chain(onward.fields()).collect();
                let drop_other = [edit.drop_other, onward.drop_other].concat();
                let edit = Edit { drop: edit.drop.or(onward.drop), drop_other: &drop_other, add: &add };
                self.send_head(ex, head, &edit, upgrade, http2)
            }
            None => self.send_head(ex, head, edit, upgrade, http2),
        };
        if matches!(outcome, Outcome::Sent) {
            watched.sent = self.now;
            self.span_sent(ex, &mut watched);
            self.tap_request(ex, &mut watched, head, edit);
        }
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.watch = Some(watched);
        }
        outcome
    }

    /// The exchange forgets its endpoint before it is over; the span does not.
    fn span_sent(&self, ex: Key<Exchange>, watched: &mut Watched) {
        let endpoint = self.exchanges.get(ex).and_then(|x| self.routes.endpoints.get(x.endpoint));
        if let (Some(spanned), Some(endpoint)) = (&mut watched.span, endpoint) {
            spanned.0.destination = Some(endpoint.spec.addr);
            spanned.0.labels = endpoint.spec.labels.clone();
        }
    }

    /// An answer to a watched request has begun.
    pub(crate) fn watch_response(&mut self, ex: Key<Exchange>, head: &Response<'_>) {
        let Some(mut watched) = self.exchanges.get_mut(ex).and_then(|x| x.watch.take()) else { return };
        self.tap_response(&mut watched, head.status, Some(head));
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.watch = Some(watched);
        }
    }

    /// A try is given up and the request goes out again: those who watch it hear how the try ended.
    #[inline]
    pub(crate) fn watch_again(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (status, grpc) = (x.status, x.grpc);
        let Some(mut watched) = x.watch.take() else { return };
        self.tap_try(&mut watched, status, grpc);
        (watched.bytes.1, watched.trailers) = (0, None);
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.watch = Some(watched);
        }
    }

    /// A watched exchange is over.
    pub(crate) fn watch_over(&mut self, x: &Exchange, mut watched: Box<Watched>, fault: Option<&Fault>) {
        self.tap_end(x, &mut watched, fault);
        let Some(watch) = &self.watching.watch else { return };
        let total_ns = self.now.saturating_sub(x.began);
        if let (Some(mut access), Some(sink)) = (watched.access.take(), &watch.access) {
            access.bytes = watched.bytes;
            access.status = x.status;
            access.total_ns = total_ns;
            access.processing_ns = watched.sent.checked_sub(x.began).unwrap_or(total_ns);
            if !sink.put(*access) {
                self.tally.shard.add(self.watching.access_dropped, 1);
            }
        }
        if let (Some(spanned), Some(sink)) = (watched.span.take(), &watch.spans) {
            let (mut span, _) = *spanned;
            (span.status, span.grpc, span.total_ns) = (x.status, x.grpc, total_ns);
            span.error = fault.map_or("", Fault::label);
            if !sink.put(span) {
                self.tally.shard.add(self.watching.spans_dropped, 1);
            }
        }
    }
}

type Client = (SocketAddr, Option<Arc<str>>);

fn scheme(head: &Request<'_>) -> Box<str> {
    if head.scheme.is_empty() { "http".into() } else { cut(head.scheme, 16) }
}

fn line(head: &Request<'_>, client: Client) -> Access {
    let field = |name| head.fields.get(name).map_or_else(|| "".into(), |value| cut(value, TEXT));
    let mut uri = scheme(head).into_string();
    uri.push_str("://");
    uri.push_str(&cut(head.authority, TEXT));
    uri.push_str(&cut(head.path, TEXT));
    let trace_id = match context::read(&head.fields) {
        Some(context) => context::hex(&context.trace).into(),
        None => match head.fields.find(b"x-amzn-trace-id") {
            Some(value) if !head.fields.has(Name::XRequestId) => cut(value, TEXT),
            _ => field(Name::XRequestId),
        },
    };
    Access {
        client: client.0,
        client_id: client.1,
        method: cut(head.method, TEXT),
        uri: uri.into(),
        version: match head.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::H2 => "HTTP/2.0",
        },
        trace_id,
        user_agent: field(Name::UserAgent),
        // As it came, where the target says something else.
        host: cut(head.fields.get(Name::Host).unwrap_or(head.authority), TEXT),
        bytes: (0, 0),
        status: 0,
        total_ns: 0,
        processing_ns: 0,
    }
}

fn span(head: &Request<'_>, context: &Context, id: [u8; 8], inbound: bool, client: Client) -> Span {
    Span {
        trace: context.trace,
        parent: context.span,
        id,
        flags: context.flags,
        inbound,
        method: cut(head.method, TEXT),
        scheme: scheme(head),
        authority: cut(head.authority, TEXT),
        path: cut(without_query(head.path), TEXT),
        user_agent: head.fields.get(Name::UserAgent).map_or_else(|| "".into(), |value| cut(value, TEXT)),
        client,
        destination: None,
        labels: Arc::from([]),
        status: 0,
        grpc: u8::MAX,
        error: "",
        total_ns: 0,
    }
}
