//! One address of a destination, and how it is spoken to.

use super::{duration, labels};
use linkerd2_proxy_api::destination::{self as dst, WeightedAddr};
use std::collections::HashMap;
use std::net::SocketAddr;
use table::outbound::{Endpoint, Hint, Http2, Peer};

/// The largest window HTTP/2 has (RFC 9113 section 6.9.1).
const MOST_WINDOW: u32 = 0x7fff_ffff;

/// Converts an address; `set`: the labels of the set it came in.
///
/// # Errors
/// A sentence, when the address is not one or its identity cannot be checked: such an endpoint is never used in clear text.
pub fn endpoint(from: &WeightedAddr, set: &HashMap<String, String>) -> Result<Endpoint, String> {
    let addr = from.addr.ok_or("an endpoint without address")?;
    let addr = SocketAddr::try_from(addr).map_err(|error| format!("an endpoint's address: {error}"))?;
    let tls = from.tls_identity.as_ref().map(|id| peer(id).map_err(|error| format!("{addr}: {error}"))).transpose()?;
    let hint = from.protocol_hint.as_ref();
    let transport = hint.and_then(|h| h.opaque_transport.as_ref());
    let inbound_port = match transport.map(|t| t.inbound_port) {
        None | Some(0) => None,
        Some(port) => Some(u16::try_from(port).map_err(|_| format!("{addr}: {port} is no inbound port"))?),
    };
    let named = from.authority_override.as_ref().is_some_and(|a| !a.authority_override.is_empty());
    // A gateway is told the name in a transport header, at its own address, also where no other port is given.
    let inbound_port = inbound_port.or((named && tls.is_some()).then_some(addr.port()));
    let authority = from.authority_override.as_ref().map(|a| a.authority_override.as_str());
    let labels = labels([set, &from.metric_labels]);
    Ok(Endpoint {
        addr,
        weight: from.weight,
        tls,
        hint: match hint.and_then(|h| h.protocol.as_ref()) {
            Some(dst::protocol_hint::Protocol::H2(_)) => Hint::H2,
            Some(dst::protocol_hint::Protocol::Opaque(_)) => Hint::Opaque,
            None => Hint::None,
        },
        inbound_port,
        authority: authority.filter(|a| !a.is_empty()).map(|a| a.to_ascii_lowercase().into()),
        near: labels.iter().any(|(name, value)| &**name == "zone_locality" && &**value == "local"),
        labels,
        http2: from.http2.as_ref().map(http2),
    })
}

/// Adaptive windows have no meaning here: what a window of the proxy's own settings allows is adapted to anyway.
fn http2(from: &dst::Http2ClientParams) -> Http2 {
    let flow = from.flow_control.as_ref().filter(|f| !f.adaptive_flow_control);
    let keepalive = from.keep_alive.as_ref();
    let times = keepalive.map(|k| (duration(k.interval.as_ref()), duration(k.timeout.as_ref())));
    Http2 {
        stream_window: flow.map_or(0, |f| f.initial_stream_window_size.min(MOST_WINDOW)),
        connection_window: flow.map_or(0, |f| f.initial_connection_window_size.min(MOST_WINDOW)),
        frame: from.internals.as_ref().map_or(0, |i| i.max_frame_size),
        keepalive: times.filter(|(interval, timeout)| !interval.is_zero() && !timeout.is_zero()),
        while_idle: keepalive.is_some_and(|k| k.while_idle),
    }
}

fn peer(from: &dst::TlsIdentity) -> Result<Peer, String> {
    use dst::tls_identity::Strategy;
    let (identity, own_name) = match from.strategy.as_ref() {
        Some(Strategy::DnsLikeIdentity(id)) => (id.name.as_str(), Some(id.name.as_str())),
        Some(Strategy::UriLikeIdentity(id)) => (id.uri.as_str(), None),
        None => return Err("a TLS identity of a kind we do not know".into()),
    };
    let server_name = from.server_name.as_ref().map(|n| n.name.as_str()).filter(|n| !n.is_empty());
    let server_name = server_name.or(own_name).ok_or_else(|| format!("{identity} has no server name"))?;
    if identity.is_empty() || server_name.is_empty() {
        return Err("an empty TLS identity".into());
    }
    Ok(Peer { identity: identity.into(), server_name: server_name.into() })
}
