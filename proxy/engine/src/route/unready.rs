//! What a request is told that has waited for an endpoint in vain: which backend it is, and why nobody is ready.
//!
//! In: the path or endpoint it waited for. Out: a fault with a sentence. Never here: queues (see `balancer`), timers (see `send`).

use crate::base::slab::{Key, Slab};
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::route::path::Path;
use crate::traffic::exchange::Exchange;
use crate::traffic::fault::Fault;

impl Engine {
    /// A request has waited for too long: for whom, and why nobody came.
    pub(crate) fn waited(&self, ex: Key<Exchange>) -> Fault {
        let Some(x) = self.exchanges.get(ex) else { return Fault::Failfast };
        if let Some(path) = self.routes.paths.get(x.queue).filter(|_| x.endpoint.is_none()) {
            return unready(path, &self.routes.endpoints);
        }
        match self.routes.endpoints.get(x.endpoint) {
            Some(endpoint) => {
                let (addr, authority) = (endpoint.dial_addr(), &*endpoint.authority);
                let of = if authority.is_empty() { String::new() } else { format!(" of {authority}") };
                Fault::Unready(format!("service in fail-fast: no connection to {addr}{of} in time").into())
            }
            None => Fault::Failfast,
        }
    }
}

/// No endpoint of this path is ready: why.
pub(crate) fn unready(path: &Path, endpoints: &Slab<Endpoint>) -> Fault {
    let name = &*path.authority;
    let said = match path.members.len() {
        _ if path.missing => format!("there is no service {name}"),
        _ if !path.known => format!("the endpoints of {name} are not known"),
        0 => format!("{name} has no endpoint"),
        all => {
            let members = || path.members.iter().filter_map(|&member| endpoints.get(member));
            let unreached = members().filter(|endpoint| endpoint.failures > 0).count();
            let shut = members().filter(|endpoint| !endpoint.breaker.open()).count();
            format!("none of {all} endpoints of {name} is ready ({unreached} unreachable, {shut} shut by the breaker)")
        }
    };
    Fault::Unready(format!("service in fail-fast: {said}").into())
}
