//! One request, one answer. Probes are for everybody; `/metrics` asks the policy of this port; knobs are for loopback only.

use super::count::judged;
use super::exposition;
use super::gate::Peer;
use super::lines::{Lines, follow};
use control::admit::{Verdict, judge};
use control::logger;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use metrics::Registry;
use std::sync::Arc;
use std::time::SystemTime;
use table::Credentials;
use table::inbound::Server;
use tokio::sync::{Notify, watch};

const BODY: usize = 64 << 10;
/// Probes come in whatever policy says.
const FOR_ALL: Verdict<'static> = Verdict { route: None, authorization: None, allowed: true };

/// What the admin server shows.
pub struct Shown {
    /// All counters.
    pub registry: Arc<Registry>,
    /// Ready once there is one.
    pub credentials: watch::Receiver<Option<Arc<Credentials>>>,
    /// Policy of this port; absent until the control plane has spoken or is late.
    pub policy: watch::Receiver<Option<Arc<Server>>>,
    /// When the process began.
    pub start: SystemTime,
    /// Rung by `POST /shutdown`; absent: no such route.
    pub stop: Option<Arc<Notify>>,
}

/// Whole, or line by line for as long as somebody reads.
pub(super) type Answer = Response<Either<Full<Bytes>, Lines>>;

/// Answers a request, and counts what policy says of it.
pub async fn answer(shown: &Shown, peer: &Peer, request: Request<Incoming>) -> Answer {
    let policy = shown.policy.borrow().clone();
    let path = request.uri().path().to_owned();
    let said = policy.as_deref().map(|p| judge(p, &path, peer.from.ip(), peer.tls, peer.identity.as_deref()));
    let verdict = match &*path {
        "/metrics" => Some(said.unwrap_or(Verdict { route: None, authorization: None, allowed: false })),
        "/live" | "/ready" => Some(Verdict { allowed: true, ..said.unwrap_or(FOR_ALL) }),
        _ => None,
    };
    let local = peer.from.ip().is_loopback();
    let verdict = verdict.map(|verdict| Verdict { allowed: verdict.allowed || local, ..verdict });
    if let Some(verdict) = verdict {
        judged(&shown.registry, peer, policy.as_deref(), verdict);
    }
    answer_to(shown, local, verdict.is_some_and(|verdict| verdict.allowed), request).await
}

async fn answer_to(shown: &Shown, local: bool, allowed: bool, request: Request<Incoming>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (path.as_str(), &method) {
        ("/live", &Method::GET | &Method::HEAD) => text(StatusCode::OK, "live\n"),
        ("/ready", &Method::GET | &Method::HEAD) => match *shown.credentials.borrow() {
            Some(_) => text(StatusCode::OK, "ready\n"),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        },
        ("/metrics", &Method::GET | &Method::HEAD) if allowed => {
            exposition::metrics(&shown.registry, shown.start, request.headers())
        }
        ("/metrics", &Method::GET | &Method::HEAD) => {
            text(StatusCode::FORBIDDEN, "the policy of this port does not let you in\n")
        }
        ("/shutdown", _) if shown.stop.is_none() => text(StatusCode::NOT_FOUND, "not found\n"),
        ("/env.json" | "/logs.json" | "/proxy-log-level" | "/shutdown", _) if !local => {
            text(StatusCode::FORBIDDEN, "from loopback only\n")
        }
        ("/env.json", &Method::GET) => environment(request.uri().query()),
        ("/logs.json", method) if *method == Method::GET || method.as_str() == "QUERY" => logs(request).await,
        ("/proxy-log-level", &Method::GET) => {
            text(StatusCode::OK, &logger::current().map_or_else(String::new, |f| format!("{f}\n")))
        }
        ("/proxy-log-level", &Method::PUT) => set_log(request).await,
        ("/shutdown", &Method::POST) => {
            if let Some(stop) = &shown.stop {
                stop.notify_one();
            }
            text(StatusCode::OK, "shutting down\n")
        }
        ("/live" | "/ready" | "/metrics" | "/env.json" | "/logs.json" | "/proxy-log-level" | "/shutdown", _) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// The whole environment, or the variables that the query names.
fn environment(query: Option<&str>) -> Answer {
    let mut out = String::from("{");
    let mut push = |name: &str, value: Option<String>| {
        if out.len() > 1 {
            out.push(',');
        }
        logger::quote(&mut out, name);
        out.push(':');
        match value {
            Some(value) => logger::quote(&mut out, &value),
            None => out.push_str("null"),
        }
    };
    match query {
        Some(names) => names.split('&').filter(|n| !n.is_empty()).for_each(|n| push(n, std::env::var(n).ok())),
        None => {
            std::env::vars_os().for_each(|(k, v)| push(&k.to_string_lossy(), Some(v.to_string_lossy().into_owned())))
        }
    }
    out.push_str("}\n");
    with_type(StatusCode::OK, out, "application/json")
}

async fn set_log(request: Request<Incoming>) -> Answer {
    match body(request).await.and_then(|said| logger::Filter::parse(said.trim())) {
        Ok(filter) => {
            logger::set(filter);
            text(StatusCode::NO_CONTENT, "")
        }
        Err(sentence) => text(StatusCode::BAD_REQUEST, &format!("{sentence}\n")),
    }
}

async fn body(request: Request<Incoming>) -> Result<String, String> {
    let body = Limited::new(request.into_body(), BODY).collect().await.map_err(|error| error.to_string())?;
    String::from_utf8(body.to_bytes().into()).map_err(|error| error.to_string())
}

/// The log from now on, by the filter in query or body; none: the one in force.
async fn logs(request: Request<Incoming>) -> Answer {
    let said = match request.uri().query() {
        Some(query) if request.method() == Method::GET => Ok(query.to_owned()),
        _ => body(request).await,
    };
    let filter = said.and_then(|said| match said.trim() {
        "" => Ok(logger::current().unwrap_or_default()),
        said => logger::Filter::parse(said),
    });
    match filter.map(follow) {
        Ok(Some(lines)) => {
            let mut answer = Response::new(Either::Right(lines));
            let json = header::HeaderValue::from_static("application/json");
            answer.headers_mut().insert(header::CONTENT_TYPE, json);
            answer
        }
        Ok(None) => text(StatusCode::SERVICE_UNAVAILABLE, "too many read the log already\n"),
        Err(sentence) => text(StatusCode::BAD_REQUEST, &format!("{sentence}\n")),
    }
}

pub(super) fn text(status: StatusCode, body: &str) -> Answer {
    with_type(status, body.to_owned(), "text/plain; charset=utf-8")
}

pub(super) fn with_type(status: StatusCode, body: impl Into<Bytes>, kind: &'static str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
