//! What a request is told that has waited for an endpoint in vain: which backend it is, and why nobody is ready. The log is told once.
//!
//! In: the path or endpoint it waited for. Out: a fault with a sentence; a line when the gate of a path shuts, and when it opens.
//! Limits: `LINES` a second. Never here: queues (see `balancer`), timers (see `send`).

use crate::base::slab::{Key, Slab};
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::route::path::Path;
use crate::traffic::exchange::Exchange;
use crate::traffic::fault::Fault;
use table::Ask;

/// Lines for the log in a second.
const LINES: u32 = 10;

impl Engine {
    /// The gate of a path has shut, or opened again.
    pub(crate) fn gate_said(&mut self, key: Key<Path>, shut: bool) {
        let Some(path) = self.routes.paths.get(key) else { return };
        let line = match unready(path, &self.routes.endpoints) {
            Fault::Unready(line) if shut => line,
            _ => format!("{} serves again", path.authority).into(),
        };
        let second = self.millis() / 1_000;
        if self.lines.0 != second {
            self.lines = (second, 0);
        }
        if self.lines.1 < LINES {
            self.lines.1 += 1;
            self.ask(Ask::Say(line));
        }
    }

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
