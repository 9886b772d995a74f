//! One request, one answer. Probes are for everybody; `/metrics` asks the policy of this port; knobs are for loopback only.

use super::gate::Peer;
use control::admit::admits;
use control::logger;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use metrics::{Registry, process};
use std::sync::Arc;
use std::time::SystemTime;
use table::Credentials;
use table::inbound::Server;
use tokio::sync::{Notify, watch};

const BODY: usize = 64 << 10;

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

type Answer = Response<Full<Bytes>>;

/// Answers a request.
pub async fn answer(shown: &Shown, peer: &Peer, request: Request<Incoming>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let local = peer.from.ip().is_loopback();
    match (path.as_str(), &method) {
        ("/live", &Method::GET | &Method::HEAD) => text(StatusCode::OK, "live\n"),
        ("/ready", &Method::GET | &Method::HEAD) => match *shown.credentials.borrow() {
            Some(_) => text(StatusCode::OK, "ready\n"),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        },
        ("/metrics", &Method::GET | &Method::HEAD) if local || allowed(shown, peer, "/metrics") => metrics(shown),
        ("/metrics", &Method::GET | &Method::HEAD) => {
            text(StatusCode::FORBIDDEN, "the policy of this port does not let you in\n")
        }
        ("/shutdown", _) if shown.stop.is_none() => text(StatusCode::NOT_FOUND, "not found\n"),
        ("/env.json" | "/proxy-log-level" | "/shutdown", _) if !local => {
            text(StatusCode::FORBIDDEN, "from loopback only\n")
        }
        ("/env.json", &Method::GET) => environment(request.uri().query()),
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
        ("/live" | "/ready" | "/metrics" | "/env.json" | "/proxy-log-level" | "/shutdown", _) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn allowed(shown: &Shown, peer: &Peer, path: &str) -> bool {
    let policy = shown.policy.borrow().clone();
    policy.is_some_and(|p| admits(&p, path, peer.from.ip(), peer.tls, peer.identity.as_deref()))
}

fn metrics(shown: &Shown) -> Answer {
    let mut out = String::with_capacity(64 << 10);
    let now = SystemTime::now();
    shown.registry.render_at(&mut out, now.duration_since(shown.start).unwrap_or_default());
    process::render(&mut out, process::Start { time: shown.start }, now);
    out.push_str("# EOF\n");
    with_type(StatusCode::OK, out, "text/plain; version=0.0.4; charset=utf-8")
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
    let body = match Limited::new(request.into_body(), BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    };
    let filter =
        std::str::from_utf8(&body).map_err(|error| error.to_string()).and_then(|t| logger::Filter::parse(t.trim()));
    match filter {
        Ok(filter) => {
            logger::set(filter);
            text(StatusCode::NO_CONTENT, "")
        }
        Err(sentence) => text(StatusCode::BAD_REQUEST, &format!("{sentence}\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Answer {
    with_type(status, body.to_owned(), "text/plain; charset=utf-8")
}

fn with_type(status: StatusCode, body: String, kind: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
