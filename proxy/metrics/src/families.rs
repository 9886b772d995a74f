//! The families of the proxy, by the names dashboards know. Label sets, in short:
//! **T** `target_addr,target_ip,target_port`, **TLS** `tls` + `client_id`/`server_id`/`no_tls_reason`/`sni`, **S** `srv_*`,
//! **R** `route_*`, **A** `authz_*`, **P** `parent_*`, **B** `backend_*`, **D** `dst_*`.

use crate::family::{Family, Unit};

/// Latency buckets in microseconds, printed as milliseconds 1 .. 50 000.
pub const LATENCY: &[u64] = &[
    1_000, 2_000, 3_000, 4_000, 5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 100_000, 200_000, 300_000, 400_000,
    500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000, 40_000_000,
    50_000_000,
];
/// 25 ms .. 10 s, printed as seconds.
pub const BACKEND_SECONDS: &[u64] = &[25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 10_000_000];
/// 50 ms .. 10 s, printed as seconds.
pub const ROUTE_SECONDS: &[u64] = &[50_000, 500_000, 1_000_000, 10_000_000];
/// 0.5 ms .. 10 s, printed as seconds: Linkerd's bounds of routes and of backends, and those between and below them without which a
/// quantile of answers within the cluster is a guess.
pub const OUTBOUND_SECONDS: &[u64] =
    &[500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];
/// 1 ms and 100 ms, printed as seconds.
pub const DETECT_SECONDS: &[u64] = &[1_000, 100_000];
/// 0.5 ms .. 3 s, printed as seconds.
pub const QUEUE_SECONDS: &[u64] = &[500, 5_000, 50_000, 500_000, 1_000_000, 3_000_000];

/// 128 B .. 10 KiB, as dashboards know them.
pub const FRAMES: &[u64] = &[128, 1_024, 10_240];

macro_rules! families {
    ($($kind:ident $id:ident = $name:literal, $help:literal $(, $more:expr)*;)*) => {
        $(#[doc = $help] pub static $id: Family = Family::$kind($name, $help $(, $more)*);)*
    };
}

mod requests;
pub use requests::*;

families! {
    counter REQUEST_TOTAL = "request_total", "HTTP requests, by direction, T, TLS and (inbound) S,R,A or (outbound) authority,D";
    counter RESPONSE_TOTAL = "response_total", "HTTP responses: request labels and status_code, classification, grpc_status, error";
    histogram RESPONSE_LATENCY_MS = "response_latency_ms", "From request head to end of response, by request labels and status_code", Unit::MicrosAsMillis, LATENCY;
    counter ROUTE_REQUEST_TOTAL = "route_request_total", "HTTP requests per profile route, by direction, dst, rt_*";
    counter ROUTE_RESPONSE_TOTAL = "route_response_total", "HTTP responses per profile route: request labels and response labels";
    histogram ROUTE_RESPONSE_LATENCY_MS = "route_response_latency_ms", "Latency per profile route", Unit::MicrosAsMillis, LATENCY;
    counter ROUTE_ACTUAL_REQUEST_TOTAL = "route_actual_request_total", "HTTP tries per profile route, retries included";
    counter ROUTE_ACTUAL_RESPONSE_TOTAL = "route_actual_response_total", "HTTP answers to tries per profile route";
    counter ROUTE_RETRYABLE_TOTAL = "route_retryable_total", "Failed tries that could be repeated, by what stopped it (skipped)";

    counter TCP_OPEN_TOTAL = "tcp_open_total", "Connections opened, by direction, peer, T, TLS, S, authority, D";
    gauge TCP_OPEN_CONNECTIONS = "tcp_open_connections", "Connections open now, by the labels of tcp_open_total";
    counter TCP_READ_BYTES_TOTAL = "tcp_read_bytes_total", "Bytes read, by the labels of tcp_open_total";
    counter TCP_WRITE_BYTES_TOTAL = "tcp_write_bytes_total", "Bytes written, by the labels of tcp_open_total";
    counter TCP_CLOSE_TOTAL = "tcp_close_total", "Connections closed, by the labels of tcp_open_total and errno";

    counter INBOUND_HTTP_AUTHZ_ALLOW_TOTAL = "inbound_http_authz_allow_total", "Requests let in, by T,S,R,A,TLS";
    counter INBOUND_HTTP_AUTHZ_DENY_TOTAL = "inbound_http_authz_deny_total", "Requests refused by policy, by T,S,R,TLS";
    counter INBOUND_HTTP_ROUTE_NOT_FOUND_TOTAL = "inbound_http_route_not_found_total", "Requests no route matched, by T,S,TLS";
    counter INBOUND_HTTP_RATELIMIT_TOTAL = "inbound_http_local_ratelimit_total", "Requests refused by a rate limit, by T,S,R, ratelimit_group, _kind, _name, _scope (total, identity), TLS";
    counter INBOUND_TCP_AUTHZ_ALLOW_TOTAL = "inbound_tcp_authz_allow_total", "Connections let in, by T,S,A,TLS";
    counter INBOUND_TCP_AUTHZ_DENY_TOTAL = "inbound_tcp_authz_deny_total", "Connections refused by policy, by T,S,TLS";
    counter INBOUND_TCP_AUTHZ_TERMINATE_TOTAL = "inbound_tcp_authz_terminate_total", "Connections cut when policy changed, by T,S,TLS";
    counter INBOUND_HTTP_ERRORS_TOTAL = "inbound_http_errors_total", "Inbound HTTP errors made by the proxy, by error,T,S";
    counter INBOUND_TCP_ERRORS_TOTAL = "inbound_tcp_errors_total", "Inbound connections ended by an error, by error,T,S";
    counter INBOUND_TRANSPORT_HEADERS_TOTAL = "inbound_tcp_transport_header_connections_total", "Connections with a transport header, by session_protocol,target_port,target_name,client_id";
    histogram INBOUND_DETECT_SECONDS = "inbound_tcp_detect_http_duration_seconds", "Time until an inbound protocol was known, by S", Unit::MicrosAsSeconds, DETECT_SECONDS;
    counter INBOUND_DETECT_RESULTS_TOTAL = "inbound_tcp_detect_http_results_total", "Inbound protocols found, by S and result";

    counter OUTBOUND_HTTP_ERRORS_TOTAL = "outbound_http_errors_total", "Outbound HTTP errors made by the proxy, by error";
    counter OUTBOUND_TCP_ERRORS_TOTAL = "outbound_tcp_errors_total", "Outbound connections ended by an error, by error";
    counter OUTBOUND_PROTOCOL_CONNECTIONS_TOTAL = "outbound_tcp_protocol_connections_total", "Outbound connections by protocol and P";
    histogram OUTBOUND_DETECT_SECONDS = "outbound_tcp_detect_http_duration_seconds", "Time until an outbound protocol was known, by P", Unit::MicrosAsSeconds, DETECT_SECONDS;
    counter OUTBOUND_DETECT_RESULTS_TOTAL = "outbound_tcp_detect_http_results_total", "Outbound protocols found, by P and result";
    histogram OUTBOUND_HTTP_ROUTE_SECONDS = "outbound_http_route_request_duration_seconds", "Outbound request time, by P,RT,hostname", Unit::MicrosAsSeconds, OUTBOUND_SECONDS;
    counter OUTBOUND_HTTP_ROUTE_STATUSES_TOTAL = "outbound_http_route_request_statuses_total", "Outbound answers, by P,RT,hostname,http_status,error";
    counter OUTBOUND_HTTP_BACKEND_REQUESTS_TOTAL = "outbound_http_route_backend_requests_total", "Outbound requests per backend, by P,RT,B";
    histogram OUTBOUND_HTTP_BACKEND_SECONDS = "outbound_http_route_backend_response_duration_seconds", "Outbound response time per backend, by P,RT,B", Unit::MicrosAsSeconds, OUTBOUND_SECONDS;
    counter OUTBOUND_HTTP_BACKEND_STATUSES_TOTAL = "outbound_http_route_backend_response_statuses_total", "Outbound answers per backend, by P,RT,B,http_status,error";
    histogram OUTBOUND_GRPC_ROUTE_SECONDS = "outbound_grpc_route_request_duration_seconds", "Outbound gRPC request time, by P,RT,hostname", Unit::MicrosAsSeconds, OUTBOUND_SECONDS;
    counter OUTBOUND_GRPC_ROUTE_STATUSES_TOTAL = "outbound_grpc_route_request_statuses_total", "Outbound gRPC answers, by P,RT,hostname,grpc_status,error";
    counter OUTBOUND_GRPC_BACKEND_REQUESTS_TOTAL = "outbound_grpc_route_backend_requests_total", "Outbound gRPC requests per backend, by P,RT,B";
    histogram OUTBOUND_GRPC_BACKEND_SECONDS = "outbound_grpc_route_backend_response_duration_seconds", "Outbound gRPC response time per backend, by P,RT,B", Unit::MicrosAsSeconds, OUTBOUND_SECONDS;
    counter OUTBOUND_GRPC_BACKEND_STATUSES_TOTAL = "outbound_grpc_route_backend_response_statuses_total", "Outbound gRPC answers per backend, by P,RT,B,grpc_status,error";
    counter OUTBOUND_HTTP_RETRY_REQUESTS_TOTAL = "outbound_http_route_retry_requests_total", "Tries repeated, by P,RT";
    counter OUTBOUND_HTTP_RETRY_SUCCESSES_TOTAL = "outbound_http_route_retry_successes_total", "Repeated tries that succeeded, by P,RT";
    counter OUTBOUND_HTTP_RETRY_OVERFLOW_TOTAL = "outbound_http_route_retry_overflow_total", "Tries not repeated for lack of budget, by P,RT";
    counter OUTBOUND_HTTP_RETRY_LIMIT_TOTAL = "outbound_http_route_retry_limit_exceeded_total", "Requests that failed after their last try, by P,RT";
    counter OUTBOUND_GRPC_RETRY_REQUESTS_TOTAL = "outbound_grpc_route_retry_requests_total", "gRPC tries repeated, by P,RT";
    counter OUTBOUND_GRPC_RETRY_SUCCESSES_TOTAL = "outbound_grpc_route_retry_successes_total", "Repeated gRPC tries that succeeded, by P,RT";
    counter OUTBOUND_GRPC_RETRY_OVERFLOW_TOTAL = "outbound_grpc_route_retry_overflow_total", "gRPC tries not repeated for lack of budget, by P,RT";
    counter OUTBOUND_GRPC_RETRY_LIMIT_TOTAL = "outbound_grpc_route_retry_limit_exceeded_total", "gRPC requests that failed after their last try, by P,RT";
    counter OUTBOUND_TCP_ROUTE_OPEN_TOTAL = "outbound_tcp_route_open_total", "Opaque connections routed, by P,RT,target_ip,target_port";
    counter OUTBOUND_TCP_ROUTE_CLOSE_TOTAL = "outbound_tcp_route_close_total", "Opaque connections ended, by P,RT,target_ip,target_port,error";
    counter OUTBOUND_TLS_ROUTE_OPEN_TOTAL = "outbound_tls_route_open_total", "TLS connections routed by server name, by P,RT,target_ip,target_port";
    counter OUTBOUND_TLS_ROUTE_CLOSE_TOTAL = "outbound_tls_route_close_total", "TLS connections ended, by P,RT,target_ip,target_port,error";
    gauge OUTBOUND_HTTP_BALANCER_ENDPOINTS = "outbound_http_balancer_endpoints", "Endpoints of a balancer, by P,B,endpoint_state (ready, pending)";
    counter OUTBOUND_HTTP_BALANCER_QUEUED_TOTAL = "outbound_http_balancer_queue_requests_total", "Requests that went through a balancer, by P,B";
    gauge OUTBOUND_HTTP_BALANCER_QUEUE = "outbound_http_balancer_queue_length", "Requests waiting for an endpoint, by P,B";
    histogram OUTBOUND_HTTP_BALANCER_QUEUE_SECONDS = "outbound_http_balancer_queue_latency_seconds", "Time requests waited for an endpoint, by P,B", Unit::MicrosAsSeconds, QUEUE_SECONDS;
    gauge OUTBOUND_HTTP_BALANCER_P2C = "outbound_http_balancer_p2c_endpoints", "Endpoints that may be picked, by P,B";
    counter OUTBOUND_HTTP_BALANCER_UPDATES_TOTAL = "outbound_http_balancer_p2c_updates_total", "Endpoints that came and went, by P,B,op (Add, Remove)";
    counter OUTBOUND_HTTP_BALANCER_GATE_OPEN_TOTAL = "outbound_http_balancer_queue_gate_open_total", "Times that somebody served again, by P,B";
    counter OUTBOUND_HTTP_BALANCER_GATE_SHUT_TOTAL = "outbound_http_balancer_queue_gate_shut_total", "Times that nobody served for the failfast time, by P,B";
    gauge OUTBOUND_TCP_BALANCER_ENDPOINTS = "outbound_tcp_balancer_endpoints", "Endpoints of an opaque balancer, by P,B,endpoint_state";
    counter OUTBOUND_TCP_BALANCER_QUEUED_TOTAL = "outbound_tcp_balancer_queue_requests_total", "Connections that went through a balancer, by P,B";
    histogram OUTBOUND_TCP_BALANCER_QUEUE_SECONDS = "outbound_tcp_balancer_queue_latency_seconds", "Time connections waited for an endpoint, by P,B", Unit::MicrosAsSeconds, QUEUE_SECONDS;
    gauge OUTBOUND_TCP_BALANCER_QUEUE = "outbound_tcp_balancer_queue_length", "Connections waiting for an endpoint, by P,B";
    gauge OUTBOUND_TCP_BALANCER_P2C = "outbound_tcp_balancer_p2c_endpoints", "Endpoints that may be picked, by P,B";
    counter OUTBOUND_TCP_BALANCER_UPDATES_TOTAL = "outbound_tcp_balancer_p2c_updates_total", "Endpoints that came and went, by P,B,op (Add, Remove)";
    counter OUTBOUND_TCP_BALANCER_GATE_OPEN_TOTAL = "outbound_tcp_balancer_queue_gate_open_total", "Times that somebody served again, by P,B";
    counter OUTBOUND_TCP_BALANCER_GATE_SHUT_TOTAL = "outbound_tcp_balancer_queue_gate_shut_total", "Times that nobody served for the failfast time, by P,B";
    gauge OUTBOUND_TLS_BALANCER_ENDPOINTS = "outbound_tls_balancer_endpoints", "Endpoints of a TLS balancer, by P,B,endpoint_state";
    counter OUTBOUND_TLS_BALANCER_QUEUED_TOTAL = "outbound_tls_balancer_queue_requests_total", "Connections that went through a balancer, by P,B";
    histogram OUTBOUND_TLS_BALANCER_QUEUE_SECONDS = "outbound_tls_balancer_queue_latency_seconds", "Time connections waited for an endpoint, by P,B", Unit::MicrosAsSeconds, QUEUE_SECONDS;
    gauge OUTBOUND_TLS_BALANCER_QUEUE = "outbound_tls_balancer_queue_length", "Connections waiting for an endpoint, by P,B";
    gauge OUTBOUND_TLS_BALANCER_P2C = "outbound_tls_balancer_p2c_endpoints", "Endpoints that may be picked, by P,B";
    counter OUTBOUND_TLS_BALANCER_UPDATES_TOTAL = "outbound_tls_balancer_p2c_updates_total", "Endpoints that came and went, by P,B,op (Add, Remove)";
    counter OUTBOUND_TLS_BALANCER_GATE_OPEN_TOTAL = "outbound_tls_balancer_queue_gate_open_total", "Times that somebody served again, by P,B";
    counter OUTBOUND_TLS_BALANCER_GATE_SHUT_TOTAL = "outbound_tls_balancer_queue_gate_shut_total", "Times that nobody served for the failfast time, by P,B";

    counter INBOUND_REFUSED_TOTAL = "inbound_refused_total", "Inbound connections, streams and requests turned away for their peer's fault, by reason (ours)";
    counter OUTBOUND_REFUSED_TOTAL = "outbound_refused_total", "Outbound connections, streams and requests turned away for their peer's fault, by reason (ours)";

    counter CONTROL_REQUEST_TOTAL = "control_request_total", "Calls to the control plane, by addr, TLS";
    counter CONTROL_RESPONSE_TOTAL = "control_response_total", "Answers and ends of streams from the control plane, by addr, TLS, status_code, classification, grpc_status";
    histogram CONTROL_RESPONSE_LATENCY_MS = "control_response_latency_ms", "Time to the first answer of the control plane, by addr, TLS", Unit::MicrosAsMillis, LATENCY;
    counter CONTROL_DNS_TOTAL = "control_dns_resolutions_total", "Name look-ups for the control plane, by client, record_type, result";
    gauge CONTROL_STALE_STREAMS = "control_stale_streams", "Discovery streams that are down and served from the last answer, by kind";
    gauge CONTROL_WATCHES = "control_watches", "Discovery streams held, by kind";
    gauge CERT_EXPIRATION = "control_identity_cert_expiration_timestamp_seconds", "When our certificate ends, seconds since 1970";
    gauge CERT_REFRESH = "control_identity_cert_refresh_timestamp_seconds", "When our certificate was last renewed, seconds since 1970";
    gauge TRUST_ANCHORS = "control_identity_trust_anchors", "Trust anchors in force, those included that are gone from their file and still needed";
    counter CERT_REFRESHES_TOTAL = "control_identity_cert_refreshes_total", "Renewals of our certificate, by result";

    gauge TAP_SESSIONS = "tap_sessions", "Tap sessions open now";
    counter TAP_EVENTS_DROPPED_TOTAL = "tap_events_dropped_total", "Tap events for which a session had no room";
    counter ACCESS_LOG_DROPPED_TOTAL = "access_log_dropped_total", "Lines for which the access log had no room";
    counter SPANS_DROPPED_TOTAL = "opentelemetry_spans_dropped_total", "Spans for which the exporter had no room, or that the collector refused";
    counter SPAN_EXPORT_STREAMS = "opentelemetry_span_export_streams", "Connections to the trace collector that were asked for";
    counter SPAN_EXPORT_REQUESTS = "opentelemetry_span_export_requests", "Batches sent to the trace collector, repeats included";
    counter SPAN_EXPORTS = "opentelemetry_span_exports", "Spans that the trace collector took";

    gauge WORKER_CONNECTIONS = "proxy_worker_connections", "Accepted connections each worker holds, by worker; where there is more than one";
    gauge PROXY_BUILD_INFO = "proxy_build_info", "Always 1; date, git_sha, profile, vendor, version";
    gauge RUSTLS_INFO = "rustls_info", "Always 1; tls_suites, tls_kx_groups, tls_rand, tls_key_provider, tls_fips";
    counter FOLDED = "metrics_series_folded_total", "Label sets that went into the series `other` because their family was full";
}
