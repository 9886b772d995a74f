//! An ingress controller's requests: each goes where its `l5d-dst-override` says, else where its connection was meant to go.
//!
//! In: a head. Out: the target of its own, looked up by name or address. The field itself never goes on.
//! Never here: connections that speak no HTTP; they have their original destination.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::target::Target;
use crate::traffic::exchange::Exchange;
use crate::traffic::fault::Fault;
use crate::traffic::send::Outcome;
use http::{Name, Request};
use std::net::{IpAddr, SocketAddr};
use table::Lookup;

/// The port of an override that names none.
const PORT: u16 = 80;

impl Engine {
    pub(crate) fn route_ingress(&mut self, ex: Key<Exchange>, head: &Request<'_>, upgrade: Option<&[u8]>) -> Outcome {
        match self.ingress_target(ex, head) {
            Ok(target) => self.route_outbound(ex, target, head, upgrade, &[]),
            Err(fault) => Outcome::Fail(fault),
        }
    }

    fn ingress_target(&mut self, ex: Key<Exchange>, head: &Request<'_>) -> Result<Key<Target>, Fault> {
        let Some(x) = self.exchanges.get(ex) else { return Ok(Key::NONE) };
        let (held, down) = (x.target, x.down);
        if !held.is_none() {
            return Ok(held);
        }
        let Some(value) = head.fields.get(Name::L5dDstOverride) else {
            return Ok(self.info(down).map_or(Key::NONE, |info| info.target));
        };
        let lookup = lookup(value).ok_or(Fault::BadRequest(400, "malformed l5d-dst-override"))?;
        let target = self.target_use(lookup);
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.target = target;
        }
        Ok(target)
    }
}

/// `host:port`, a name or an address.
fn lookup(value: &[u8]) -> Option<Lookup> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Some(Lookup::Addr(addr));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Lookup::Addr(SocketAddr::new(ip, PORT)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|&port| port > 0)?),
        None => (text, PORT),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let label = |label: &str| {
        let fits = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits && (1..=63).contains(&label.len())
    };
    (host.len() <= 253 && host.split('.').all(label)).then(|| Lookup::Name(format!("{host}:{port}").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_names_or_addresses() {
        let name = |text: &str| Some(Lookup::Name(text.into()));
        let addr = |text: &str| Some(Lookup::Addr(text.parse().expect("address")));
        for (value, wanted) in [
            ("web.ns.svc.cluster.local:8080", name("web.ns.svc.cluster.local:8080")),
            ("Web.NS.svc.cluster.local.", name("web.ns.svc.cluster.local:80")),
            (" web.ns.svc.cluster.local:80 ", name("web.ns.svc.cluster.local:80")),
            ("10.0.0.1:81", addr("10.0.0.1:81")),
            ("10.0.0.1", addr("10.0.0.1:80")),
            ("[fd00::1]:80", addr("[fd00::1]:80")),
            ("web:0", None),
            ("web:x", None),
            ("web:65536", None),
            ("", None),
            ("a..b:80", None),
            ("a/b:80", None),
            ("a b", None),
        ] {
            assert_eq!(lookup(value.as_bytes()), wanted, "{value:?}");
        }
        assert_eq!(lookup(&[0xff]), None);
    }
}
