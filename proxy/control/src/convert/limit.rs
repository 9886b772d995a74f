//! The local rate limit of an inbound port's policy.
//!
//! In: the protocol of a Server message. Out: its limit; none where it sets none. Never here: counting.

use super::meta;
use linkerd2_proxy_api::inbound as api;
use std::sync::Arc;
use table::inbound::RateLimit;

/// gRPC, opaque and TLS ports have none in the API.
pub(super) fn of(kind: Option<&api::proxy_protocol::Kind>) -> Option<Box<RateLimit>> {
    use api::proxy_protocol::Kind;
    let from = match kind? {
        Kind::Detect(detect) => detect.http_local_rate_limit.as_ref()?,
        Kind::Http1(http) => http.local_rate_limit.as_ref()?,
        Kind::Http2(http) => http.local_rate_limit.as_ref()?,
        Kind::Grpc(_) | Kind::Opaque(_) | Kind::Tls(_) => return None,
    };
    let rate = |limit: &Option<api::http_local_rate_limit::Limit>| limit.as_ref().map(|l| l.requests_per_second);
    let own = |each: &api::http_local_rate_limit::Override| {
        let clients = each.clients.iter().flat_map(|clients| &clients.identities);
        let names: Box<[Arc<str>]> = clients.map(|id| id.name.as_str().into()).collect();
        // An override that says no rate is none.
        rate(&each.limit).filter(|_| !names.is_empty()).map(|rate| (names, rate))
    };
    let limit = RateLimit {
        meta: meta(from.metadata.as_ref()),
        total: rate(&from.total),
        identity: rate(&from.identity),
        overrides: from.overrides.iter().filter_map(own).collect(),
    };
    let limits = limit.total.is_some() || limit.identity.is_some() || !limit.overrides.is_empty();
    limits.then(|| Box::new(limit))
}
