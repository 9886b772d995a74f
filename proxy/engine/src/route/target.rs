//! Targets: what the control plane said about a destination, made ready to be used by index.
//!
//! In: `Tell::Target`, lookups. Out: the current table and, per backend, the path or endpoint behind it.
//! Limits: a target nobody uses is forgotten after the discovery idle time; waiting connections and requests have deadlines.
//! Never here: matching (see `choose`).

use crate::base::conn::{Conn, Info};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::balancer::Policy;
use crate::route::endpoint::Endpoint;
use crate::route::path::Path;
use crate::tally::streams::StreamSeries;
use crate::traffic::exchange::Exchange;
use balance::budget::Budget;
use std::sync::Arc;
use table::outbound::{self as spec, BackendKind};
use table::{Ask, Lookup};

/// A destination as a worker knows it.
pub(crate) struct Target {
    pub(crate) lookup: Lookup,
    /// None until the first answer. Moved out while a request is routed by it, so that it need not be counted.
    pub(crate) table: Option<Arc<spec::Target>>,
    pub(crate) backends: Vec<Backend>,
    /// Connections and requests that wait for the first answer.
    pub(crate) waiting: Vec<Key<Conn>>,
    pub(crate) parked: Vec<Key<Exchange>>,
    pub(crate) users: u32,
    /// Since when (ms) nobody uses it.
    pub(crate) idle_since: u64,
    /// Whether paths must be normalised before they are matched.
    pub(crate) by_path: bool,
    /// What its rules that retry may spend, made by the first of them.
    pub(crate) budget: Option<Box<Budget>>,
    /// Metric handles by rule and arm, made when first used; emptied by a newer table.
    pub(crate) series: Vec<((u16, u16), u32)>,
    /// Series of rules, twice their number and one more for gRPC; `u32::MAX`: not made yet.
    pub(crate) by_rule: Vec<u32>,
    /// The same of connections, by route.
    pub(crate) streams: Vec<(u16, StreamSeries)>,
}

/// Where a backend's requests go.
#[derive(Clone, Copy)]
pub(crate) struct Backend {
    pub(crate) path: Key<Path>,
    pub(crate) forward: Key<Endpoint>,
}

impl Engine {
    /// The target of a lookup, with one user more; asked for if it is new.
    pub(crate) fn target_use(&mut self, lookup: Lookup) -> Key<Target> {
        let key = match self.routes.by_lookup.get(&lookup) {
            Some(&key) => key,
            None => {
                let key = self.routes.targets.insert(Target {
                    lookup: lookup.clone(),
                    table: None,
                    backends: Vec::new(),
                    waiting: Vec::new(),
                    parked: Vec::new(),
                    users: 0,
                    idle_since: 0,
                    by_path: false,
                    budget: None,
                    series: Vec::new(),
                    by_rule: Vec::new(),
                    streams: Vec::new(),
                });
                self.routes.by_lookup.insert(lookup.clone(), key);
                self.ask(Ask::Target(lookup));
                key
            }
        };
        if let Some(target) = self.routes.targets.get_mut(key) {
            target.users += 1;
        }
        key
    }

    /// One user less.
    pub(crate) fn target_unuse(&mut self, key: Key<Target>) {
        let now = self.millis();
        if let Some(target) = self.routes.targets.get_mut(key) {
            target.users -= 1;
            target.idle_since = now;
        }
    }

    /// A first or newer version of a target.
    pub(crate) fn target_told(&mut self, lookup: Lookup, table: Arc<spec::Target>) {
        let Some(&key) = self.routes.by_lookup.get(&lookup) else { return };
        let Some(target) = self.routes.targets.get_mut(key) else { return };
        let old = std::mem::take(&mut target.backends);
        old.iter().for_each(|backend| self.path_unuse(backend.path));
        let logical: Arc<str> = table.logical.clone().unwrap_or_else(|| "".into());
        let mut backends = Vec::with_capacity(table.backends.len());
        for (index, backend) in table.backends.iter().enumerate() {
            let made = self.backend(backend, old.get(index).copied(), &logical);
            if self.config.ingress && matches!(lookup, Lookup::Addr(_)) {
                self.unnamed(made.forward);
            }
            self.members_gauges(made.path, table.protocol, &table.parent, &backend.meta);
            backends.push(made);
        }
        for backend in old {
            self.path_tidy(backend.path);
            if !backend.forward.is_none() && !backends.iter().any(|b| b.forward == backend.forward) {
                self.forward_retire(backend.forward);
            }
        }
        let by_path = crate::route::choose::by_path(table.rules().flat_map(|rule| rule.matches.iter()));
        let Some(target) = self.routes.targets.get_mut(key) else { return };
        target.backends = backends;
        target.by_path = by_path;
        if target.table.as_ref().is_none_or(|old| old.budget != table.budget) {
            target.budget = None;
        }
        target.table = Some(table);
        target.series.clear();
        target.by_rule.clear();
        target.streams.clear();
        let (waiting, parked) = (std::mem::take(&mut target.waiting), std::mem::take(&mut target.parked));
        for conn in waiting {
            self.sniff_told(conn);
        }
        self.io.retry.extend(parked);
    }

    fn unnamed(&mut self, key: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get_mut(key) {
            endpoint.unnamed = true;
        }
    }

    fn backend(&mut self, backend: &spec::Backend, old: Option<Backend>, logical: &Arc<str>) -> Backend {
        match &backend.kind {
            BackendKind::Balance { path, authority, load } => {
                let policy = Policy { load: *load, breaker: backend.breaker };
                let path = self.path_use(*path, authority, policy);
                if let Some(path) = self.routes.paths.get_mut(path) {
                    path.queue = backend.queue;
                }
                Backend { path, forward: Key::NONE }
            }
            BackendKind::Forward(spec) => {
                let old = old.map(|b| b.forward).and_then(|key| self.routes.endpoints.get(key).map(|e| (key, e)));
                if let Some((forward, known)) = old
                    && *known.spec == *spec
                {
                    return Backend { path: Key::NONE, forward };
                }
                let local = self.config.inbound_ips.contains(&spec.addr.ip());
                let mut endpoint = Endpoint::new(Arc::new(spec.clone()), true, local, logical.clone());
                endpoint.users = 1;
                Backend { path: Key::NONE, forward: self.routes.endpoints.insert(endpoint) }
            }
            BackendKind::Broken(..) => Backend { path: Key::NONE, forward: Key::NONE },
        }
    }

    fn forward_retire(&mut self, key: Key<Endpoint>) {
        let Some(endpoint) = self.routes.endpoints.get_mut(key) else { return };
        endpoint.retired = true;
        let (idle, links) = (std::mem::take(&mut endpoint.idle), endpoint.links.clone());
        for conn in idle {
            self.kill(conn, false);
        }
        for link in links {
            self.link_retire(link);
        }
        self.endpoint_unuse(key);
    }

    /// What an accepted connection held on to.
    pub(crate) fn release_info(&mut self, info: &Info) {
        self.target_unuse(info.target);
        self.endpoint_unuse(info.app);
        self.port_unuse(info.port);
    }

    /// Forgets targets nobody uses.
    pub(crate) fn sweep_targets(&mut self) {
        self.sweep_apps();
        let (now, idle) = (self.millis(), self.config.outbound_side.discovery_idle.as_millis() as u64);
        for key in self.routes.targets.keys() {
            let Some(target) = self.routes.targets.get(key) else { continue };
            if target.users > 0 || now < target.idle_since + idle {
                continue;
            }
            if let Some(target) = self.routes.targets.remove(key) {
                self.routes.by_lookup.remove(&target.lookup);
                for backend in target.backends {
                    self.path_unuse(backend.path);
                    self.path_tidy(backend.path);
                    if !backend.forward.is_none() {
                        self.forward_retire(backend.forward);
                    }
                }
                self.ask(Ask::Forget(target.lookup));
            }
        }
    }
}
