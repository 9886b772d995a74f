//! Events of tapped requests: which taps want a request that was just written, and what they are told until it is over.
//!
//! In: the head as it was written, the answer's head, the end. Out: events. A session without room for a request's first event
//! does not get that request at all. Values of credentials never leave.

use super::Watched;
use crate::base::conn::{Info, Tls};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use http::h2::Code;
use http::{Edit, Fields, Name, Request, Response, Set, Version, names};
use std::sync::Arc;
use table::observe::{self as spec, About, End, Event, HEAD, Headers, Seen, TEXT, Tap, What, cut};

/// Fields whose values are told as `[redacted]`.
const SECRET: Set = Set::of(&[Name::Authorization, Name::ProxyAuthorization, Name::Cookie, Name::SetCookie]);

/// A request that a session gets.
pub(super) struct Tapped {
    tap: Arc<Tap>,
    about: Arc<About>,
    began: u64,
    /// 0: no answer yet.
    answered: u64,
}

impl Tapped {
    pub(super) fn wants_headers(&self) -> bool {
        self.tap.headers
    }

    fn put(&self, what: What) -> bool {
        self.tap.sink.put(Event { about: self.about.clone(), what })
    }
}

impl Engine {
    /// The head of a watched request was written. A repeated try is a request of its own; the one before ends.
    pub(super) fn tap_request(
        &mut self,
        ex: Key<Exchange>,
        watched: &mut Watched,
        head: &Request<'_>,
        edit: &Edit<'_>,
    ) {
        let now = self.now;
        self.tap_try(watched, 0, u8::MAX);
        let Some(watch) = self.watching.watch.clone().filter(|watch| !watch.taps.is_empty()) else { return };
        let Some(x) = self.exchanges.get(ex) else { return };
        let Some(endpoint) = self.routes.endpoints.get(x.endpoint) else { return };
        let scheme = if head.scheme.is_empty() { b"http" } else { head.scheme };
        let seen = Seen {
            source: watched.source.0,
            destination: endpoint.spec.addr,
            labels: &endpoint.spec.labels,
            route: &watched.route,
            scheme,
            method: head.method,
            authority: head.authority,
            path: without_query(head.path),
        };
        for tap in watch.taps.iter().filter(|tap| !tap.spent() && tap.rule.wants(&seen)) {
            let Some(number) = tap.take() else { continue };
            let about = About {
                id: (tap.base, number),
                inbound: !x.facts.has(Facts::OUTBOUND),
                source: watched.source.clone(),
                destination: (endpoint.spec.addr, destination_tls(endpoint)),
                labels: endpoint.spec.labels.clone(),
                route: watched.route.clone(),
            };
            let what = What::Request {
                method: cut(head.method, TEXT),
                scheme: cut(scheme, TEXT),
                authority: cut(head.authority, TEXT),
                path: cut(seen.path, TEXT),
                headers: tap.headers.then(|| headers(&pseudo(head, scheme), &head.fields, edit)),
            };
            let tapped = Tapped { tap: tap.clone(), about: Arc::new(about), began: now, answered: 0 };
            if self.tap_put(&tapped, what) {
                watched.taps.push(tapped);
            }
        }
    }

    /// An answer has begun; without a head it is our own.
    pub(super) fn tap_response(&mut self, watched: &mut Watched, status: u16, head: Option<&Response<'_>>) {
        let now = self.now;
        for tapped in &mut watched.taps {
            tapped.answered = now.max(1);
            let seen = |head: &Response<'_>| {
                let number = status.to_string();
                let pseudo: &[(&str, &[u8])] =
                    if head.version == Version::H2 { &[(":status", number.as_bytes())] } else { &[] };
                headers(pseudo, &head.fields, &Edit { drop: names::L5D, ..Edit::NONE })
            };
            let what = What::Response {
                since_request: now.saturating_sub(tapped.began),
                status,
                headers: head.filter(|_| tapped.tap.headers).map(seen),
            };
            let tapped = &*tapped;
            if !tapped.put(what) {
                self.tally.shard.add(self.watching.tap_dropped, 1);
            }
        }
    }

    /// A try is over, and another follows; status 0: it was not answered.
    pub(super) fn tap_try(&mut self, watched: &mut Watched, status: u16, grpc: u8) {
        if status != 0 {
            self.tap_response(watched, status, None);
        }
        let how = match (status, grpc) {
            (0, _) => End::Reset(Code::Cancel as u32),
            (_, u8::MAX) => End::Whole,
            (_, code) => End::Grpc(code),
        };
        for tapped in std::mem::take(&mut watched.taps) {
            self.tap_put(&tapped, end(&tapped, self.now, watched.bytes.1, how, None));
        }
    }

    /// The exchange is over.
    pub(super) fn tap_end(&mut self, x: &Exchange, watched: &mut Watched, fault: Option<&Fault>) {
        if watched.taps.is_empty() {
            return;
        }
        if x.status != 0 && watched.taps.iter().any(|tapped| tapped.answered == 0) {
            self.tap_response(watched, x.status, None);
        }
        let how = if matches!(fault, Some(Fault::Cancelled)) {
            End::Reset(Code::Cancel as u32)
        } else if fault.is_some() && x.facts.has(Facts::ANSWERED) {
            End::Reset(Code::InternalError as u32)
        } else if x.grpc != u8::MAX {
            End::Grpc(x.grpc)
        } else {
            End::Whole
        };
        for tapped in std::mem::take(&mut watched.taps) {
            let trailers = if tapped.tap.headers { watched.trailers.clone() } else { None };
            self.tap_put(&tapped, end(&tapped, self.now, watched.bytes.1, how, trailers));
        }
    }

    fn tap_put(&self, tapped: &Tapped, what: What) -> bool {
        let put = tapped.put(what);
        if !put {
            self.tally.shard.add(self.watching.tap_dropped, 1);
        }
        put
    }
}

fn end(tapped: &Tapped, now: u64, bytes: u64, end: End, trailers: Option<Headers>) -> What {
    What::End {
        since_request: now.saturating_sub(tapped.began),
        since_response: (tapped.answered > 0).then(|| now.saturating_sub(tapped.answered)),
        bytes,
        end,
        trailers,
    }
}

/// The path alone.
pub(super) fn without_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
    &path[..end]
}

/// The client's verified name.
pub(super) fn identity(tls: &Tls) -> Option<Arc<str>> {
    if let Tls::Mesh(name) = tls { name.clone() } else { None }
}

/// TLS of whoever asked.
pub(super) fn source_tls(x: &Exchange, info: &Info) -> spec::Tls {
    match &info.tls {
        Tls::Mesh(name) => spec::Tls::Mesh(name.clone()),
        _ if x.facts.has(Facts::OUTBOUND) || info.remote.ip().is_loopback() => spec::Tls::None("loopback"),
        _ => spec::Tls::None("no_tls_from_remote"),
    }
}

fn destination_tls(endpoint: &Endpoint) -> spec::Tls {
    match endpoint.peer() {
        Some(peer) => spec::Tls::Mesh(Some(peer.identity.clone())),
        None if endpoint.local => spec::Tls::None("loopback"),
        None => spec::Tls::None("not_provided_by_service_discovery"),
    }
}

/// What HTTP/2 says beside fields.
fn pseudo<'a>(head: &Request<'a>, scheme: &'a [u8]) -> Vec<(&'static str, &'a [u8])> {
    if head.version != Version::H2 {
        return vec![("host", head.authority)];
    }
    vec![(":method", head.method), (":scheme", scheme), (":authority", head.authority), (":path", head.path)]
}

/// Fields as they go on; those beyond `HEAD` bytes are left out.
pub(super) fn headers(first: &[(&str, &[u8])], fields: &Fields<'_>, edit: &Edit<'_>) -> Headers {
    let first = first.iter().map(|(name, value)| (name.as_bytes(), *value, Name::Other));
    let kept = fields.end_to_end().filter(|field| !edit.drops(field)).chain(edit.add.iter().copied());
    let mut room = HEAD;
    let mut out = Headers::new();
    for (name, value, id) in first.chain(kept.map(|field| (field.name, field.value, field.id))) {
        let value = if SECRET.has(id) { b"[redacted]" } else { value };
        let size = name.len() + value.len();
        if size <= room {
            room -= size;
            out.push((String::from_utf8_lossy(name).to_ascii_lowercase().into(), value.into()));
        }
    }
    out
}
