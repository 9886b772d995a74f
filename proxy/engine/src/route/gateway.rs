//! Requests of other clusters: let in by our own port's policy, sent on as if our application had made them.
//!
//! In: an authorized head on a gateway connection. Out: the request on its way to the named target, with a `Forwarded` element.
//! Never here: names outside the configured suffixes, names the control plane refuses, requests that have been here before.

use crate::base::conn::{Info, Tls};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::target::Target;
use crate::traffic::exchange::Exchange;
use crate::traffic::fault::Fault;
use crate::traffic::send::Outcome;
use http::{Field, Name, Request};
use table::Lookup;
use table::outbound::Protocol;

impl Engine {
    /// Whether a gateway request for `name` (`host:port` or `host`) is ours to forward.
    pub(crate) fn gateway_serves(&self, name: &str) -> bool {
        let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
        let host = host.trim_end_matches('.');
        self.config.gateway_suffixes.iter().any(|suffix| {
            let suffix = suffix.trim_matches('.');
            let Some(before) = host.len().checked_sub(suffix.len()) else { return false };
            host.is_char_boundary(before)
                && host[before..].eq_ignore_ascii_case(suffix)
                && (before == 0 || host.as_bytes()[before - 1] == b'.' || suffix.is_empty())
        })
    }

    /// Whether the control plane lets nobody reach this target from another cluster: it does not know the name, or does not export
    /// it. A target that is not there is none.
    pub(crate) fn gateway_refuses(&self, target: Key<Target>) -> bool {
        let Some(target) = self.routes.targets.get(target) else { return true };
        target.table.as_ref().is_some_and(|table| matches!(table.protocol, Protocol::Refuse(_)))
    }

    /// The head under the name it is for. On a gateway connection for one target that is the target's, whatever the client wrote:
    /// what is authorized, routed and forwarded is one name. Without any (HTTP/1.0) it is the address that was meant.
    pub(crate) fn addressed<'a>(&self, info: &Info, head: Request<'a>, room: &'a mut Vec<u8>) -> Request<'a> {
        match self.routes.targets.get(info.target).map(|target| &target.lookup) {
            Some(Lookup::Name(name)) if info.gateway => room.extend_from_slice(name.as_bytes()),
            _ if info.gateway || !head.authority.is_empty() => return head,
            _ => room.extend_from_slice(info.original.to_string().as_bytes()),
        }
        Request { authority: room, ..head }
    }

    pub(crate) fn route_gateway(
        &mut self,
        ex: Key<Exchange>,
        info: &mut Info,
        head: &Request<'_>,
        upgrade: Option<&[u8]>,
    ) -> Outcome {
        let Some(own) = self.credentials.as_ref().map(|credentials| credentials.identity.clone()) else {
            return Outcome::Fail(Fault::GatewayName);
        };
        let Tls::Mesh(Some(client)) = &info.tls else { return Outcome::Fail(Fault::Unauthorized) };
        if **client == *own || looped(head, own.as_bytes()) {
            return Outcome::Fail(Fault::Loop);
        }
        let target = match self.gateway_target(ex, info, head) {
            Ok(target) => target,
            Err(fault) => return Outcome::Fail(fault),
        };
        if self.gateway_refuses(target) {
            return Outcome::Fail(Fault::GatewayName);
        }
        let mut forwarded = Vec::with_capacity(own.len() + client.len() + head.authority.len() + 40);
        for (name, value) in [
            (&b"by="[..], own.as_bytes()),
            (b";for=", client.as_bytes()),
            (b";host=", head.authority),
            (b";proto=https", b""),
        ] {
            forwarded.extend_from_slice(name);
            quoted(&mut forwarded, value);
        }
        self.route_outbound(ex, target, head, upgrade, &[Field::known(Name::Forwarded, &forwarded)])
    }

    /// The connection's target, or the one the request's authority names.
    fn gateway_target(&mut self, ex: Key<Exchange>, info: &Info, head: &Request<'_>) -> Result<Key<Target>, Fault> {
        if !info.target.is_none() {
            return Ok(info.target);
        }
        let held = self.exchanges.get(ex).map_or(Key::NONE, |x| x.target);
        if !held.is_none() {
            return Ok(held);
        }
        let name = std::str::from_utf8(head.authority).map_err(|_| Fault::GatewayName)?.to_ascii_lowercase();
        if name.is_empty() || !self.gateway_serves(&name) {
            return Err(Fault::GatewayName);
        }
        let name = if name.contains(':') { name } else { format!("{name}:80") };
        let target = self.target_use(Lookup::Name(name.into()));
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.target = target;
        }
        Ok(target)
    }
}

/// A parameter's value; quoted when it is no token (RFC 7239 section 4).
fn quoted(out: &mut Vec<u8>, value: &[u8]) {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if value.iter().all(token) {
        return out.extend_from_slice(value);
    }
    out.push(b'"');
    for &byte in value {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Whether any `Forwarded` element says that we forwarded it.
fn looped(head: &Request<'_>, own: &[u8]) -> bool {
    if !head.fields.has(Name::Forwarded) {
        return false;
    }
    let values = head.fields.iter().filter(|field| field.id == Name::Forwarded).map(|field| field.value);
    values.flat_map(|value| value.split(|b| matches!(b, b',' | b';'))).any(|pair| {
        let pair = pair.trim_ascii();
        pair.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"by="))
            && pair[3..]
                .strip_prefix(b"\"")
                .and_then(|v| v.strip_suffix(b"\""))
                .unwrap_or(&pair[3..])
                .eq_ignore_ascii_case(own)
    })
}
