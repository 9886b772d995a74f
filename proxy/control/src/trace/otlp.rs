//! The part of OTLP that a trace exporter speaks (opentelemetry-proto 1.x, `collector/trace/v1` and `trace/v1`), by field number.
//!
//! Written out here because the whole of it comes with an SDK several times the size of what we send.
//! In: spans and the resource they belong to. Out: messages.

use prost::{Message, Oneof};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use table::observe::Span as Seen;

/// `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

/// `ExportTraceServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) spans: Vec<Span>,
}

/// `InstrumentationScope`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scope {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    /// 2 server, 3 client.
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(super) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    /// 2: error.
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    pub(super) value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// An attribute.
pub(super) fn text(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(Value::Text(value.into())) }) }
}

fn number(key: &str, value: impl Into<i64>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::Number(value.into())) }) }
}

/// A batch.
pub(super) fn request(resource: &[KeyValue], spans: Vec<Span>) -> ExportRequest {
    let scope = Scope { name: "isthmus-proxy".into(), version: env!("CARGO_PKG_VERSION").into() };
    ExportRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: resource.to_vec() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    }
}

/// One span that ended at `end`, with attributes by the names of OpenTelemetry's HTTP conventions.
pub(super) fn span(seen: &Seen, end: SystemTime) -> Span {
    let start = end.checked_sub(Duration::from_nanos(seen.total_ns)).unwrap_or(end);
    let unix = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let failed = !seen.error.is_empty() || seen.status >= 500 || seen.grpc != u8::MAX && seen.grpc != 0;
    Span {
        trace_id: seen.trace.to_vec(),
        span_id: seen.id.to_vec(),
        parent_span_id: seen.parent.to_vec(),
        name: seen.path.to_string(),
        kind: if seen.inbound { 2 } else { 3 },
        start_time_unix_nano: unix(start),
        end_time_unix_nano: unix(end),
        attributes: attributes(seen),
        status: failed.then(|| Status { message: seen.error.to_owned(), code: 2 }),
        flags: seen.flags.into(),
    }
}

fn attributes(seen: &Seen) -> Vec<KeyValue> {
    let mut all = vec![
        text("direction", if seen.inbound { "inbound" } else { "outbound" }),
        text("http.request.method", &*seen.method),
        text("url.scheme", &*seen.scheme),
        text("url.path", &*seen.path),
        text("server.address", &*seen.authority),
        text("client.address", seen.client.0.ip().to_string()),
        number("client.port", seen.client.0.port()),
    ];
    if !seen.user_agent.is_empty() {
        all.push(text("user_agent.original", &*seen.user_agent));
    }
    if let Some(id) = &seen.client.1 {
        all.push(text("client.id", &**id));
    }
    if let Some(to) = seen.destination {
        all.push(text("network.peer.address", to.ip().to_string()));
        all.push(number("network.peer.port", to.port()));
    }
    all.extend(seen.labels.iter().map(|(name, value)| text(format!("dst.{name}"), &**value)));
    if seen.status != 0 {
        all.push(number("http.response.status_code", seen.status));
    }
    if seen.grpc != u8::MAX {
        all.push(number("rpc.grpc.status_code", seen.grpc));
    }
    if !seen.error.is_empty() {
        all.push(text("error.type", seen.error));
    }
    all
}
