//! The endpoints of one discovery path, balanced: kept in step with the control plane by difference, so that what is known about
//! an unchanged address (latency, breaker, connections) stays.
//!
//! In: `Tell::Endpoints`. Out: an endpoint per pick; waiting requests and connections woken when one appears.
//! Two policies that want one path balanced or broken off differently have a balancer each (see `balancer`).
//! Limits: waiting requests by the backend's queue, connections by `Side::tcp_queue`; each has a failfast deadline of its own.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::balancer::Policy;
use crate::route::endpoint::Endpoint;
use crate::tally::balancer::Members;
use crate::traffic::exchange::Exchange;
use balance::breaker;
use balance::pool::{Member, Pool};
use std::collections::HashMap;
use std::sync::Arc;
use table::PathId;
use table::outbound::{Endpoints, Penalty};

/// A balanced set of endpoints.
pub(crate) struct Path {
    pub(crate) id: PathId,
    /// The control plane has said something.
    pub(crate) known: bool,
    /// It said that there is no such Service.
    pub(crate) missing: bool,
    pub(crate) pool: Pool,
    /// Endpoint by slot of its number in the pool.
    pub(crate) slots: Vec<Key<Endpoint>>,
    pub(crate) members: Vec<Key<Endpoint>>,
    pub(crate) policy: Policy,
    pub(crate) breaker: Option<breaker::Params>,
    pub(crate) penalty: Option<Penalty>,
    /// Requests and opaque connections that wait for an endpoint.
    pub(crate) waiting: Vec<Key<Exchange>>,
    pub(crate) joining: Vec<Key<Conn>>,
    /// Requests that may, and when (ms) those who gave up were last left out.
    pub(crate) queue: usize,
    pub(crate) cleaned: u64,
    pub(crate) authority: Arc<str>,
    pub(crate) gauges: Option<Members>,
    /// Since when (ms) no endpoint could be picked; 0: one could.
    pub(crate) empty_since: u64,
    /// A request has failed because of that.
    pub(crate) gate_shut: bool,
    /// Backends that use it.
    pub(crate) users: u32,
}

impl Engine {
    /// A newer version of a path's endpoints.
    pub(crate) fn endpoints_told(&mut self, id: PathId, told: &Arc<Endpoints>) {
        let known = self.routes.by_path.entry(id).or_default();
        known.told = Some(told.clone());
        for key in known.balancers.clone() {
            self.path_members(key, told);
        }
    }

    /// Brings a balancer's endpoints in step with what was told.
    pub(crate) fn path_members(&mut self, key: Key<Path>, told: &Endpoints) {
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        path.known = told.known;
        path.missing = told.missing && told.list.is_empty();
        let old = std::mem::take(&mut path.members);
        let (authority, joins) = (path.authority.clone(), !old.is_empty());
        let mut kept: HashMap<std::net::SocketAddr, Key<Endpoint>> = HashMap::with_capacity(old.len());
        for &member in &old {
            if let Some(endpoint) = self.routes.endpoints.get(member) {
                kept.insert(endpoint.spec.addr, member);
            }
        }
        let mut members = Vec::with_capacity(told.list.len());
        for spec in &told.list {
            let same = kept.get(&spec.addr).copied().filter(|&member| self.endpoint_same(member, spec));
            let member = match same {
                Some(member) => {
                    kept.remove(&spec.addr);
                    self.endpoint_weight(key, member, spec);
                    member
                }
                None => self.endpoint_add(key, spec, &authority, joins),
            };
            members.push(member);
        }
        for (_, gone) in kept {
            self.endpoint_retire(key, gone);
        }
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        path.members = members;
        self.members_counted(key);
        self.path_ready(key);
    }

    fn endpoint_same(&self, member: Key<Endpoint>, spec: &Arc<table::outbound::Endpoint>) -> bool {
        self.routes.endpoints.get(member).is_some_and(|endpoint| {
            let old = &endpoint.spec;
            old.tls == spec.tls
                && old.hint == spec.hint
                && old.inbound_port == spec.inbound_port
                && old.authority == spec.authority
                && old.labels == spec.labels
                && old.near == spec.near
                && old.http2 == spec.http2
        })
    }

    fn endpoint_weight(&mut self, path: Key<Path>, member: Key<Endpoint>, spec: &Arc<table::outbound::Endpoint>) {
        let (Some(path), Some(endpoint)) = (self.routes.paths.get_mut(path), self.routes.endpoints.get_mut(member))
        else {
            return;
        };
        if endpoint.spec.weight != spec.weight
            && let Some(id) = endpoint.id
        {
            path.pool.set_weight(id, spec.weight);
        }
        endpoint.spec = spec.clone();
    }

    fn endpoint_add(
        &mut self,
        key: Key<Path>,
        spec: &Arc<table::outbound::Endpoint>,
        authority: &Arc<str>,
        joins: bool,
    ) -> Key<Endpoint> {
        let local = self.config.inbound_ips.contains(&spec.addr.ip());
        let mut endpoint = Endpoint::new(spec.clone(), true, local, authority.clone());
        endpoint.path = key;
        let now = self.now;
        let Some(path) = self.routes.paths.get_mut(key) else { return Key::NONE };
        let id = path.pool.insert(Member { weight: spec.weight, near: spec.near, new: joins }, now);
        endpoint.id = Some(id);
        let member = self.routes.endpoints.insert(endpoint);
        let slot = id.slot as usize;
        if path.slots.len() <= slot {
            path.slots.resize(slot + 1, Key::NONE);
        }
        path.slots[slot] = member;
        member
    }

    /// Takes an endpoint out of its path: what runs on it may finish, nothing new goes there.
    pub(crate) fn endpoint_retire(&mut self, key: Key<Path>, gone: Key<Endpoint>) {
        let Some(endpoint) = self.routes.endpoints.get_mut(gone) else { return };
        endpoint.retired = true;
        let id = endpoint.id.take();
        let waiting: Vec<_> = endpoint.waiting1.drain(..).chain(endpoint.waiting2.drain(..)).collect();
        let links = endpoint.links.clone();
        let idle = std::mem::take(&mut endpoint.idle);
        if let (Some(path), Some(id)) = (self.routes.paths.get_mut(key), id) {
            path.pool.remove(id);
        }
        for exchange in waiting {
            self.endpoint_unuse_waiting(exchange);
            self.io.retry.push(exchange);
        }
        for conn in idle {
            self.kill(conn, false);
        }
        for link in links {
            self.link_retire(link);
        }
        self.endpoint_done(gone);
    }

    /// Something may be picked now: whoever waits tries again.
    pub(crate) fn path_ready(&mut self, key: Key<Path>) {
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        if !path.known {
            return;
        }
        path.empty_since = 0;
        if path.gate_shut {
            self.gate_counted(key);
        }
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        let shut = std::mem::replace(&mut path.gate_shut, false);
        let (waiting, joining) = (std::mem::take(&mut path.waiting), std::mem::take(&mut path.joining));
        self.io.retry.extend(waiting);
        if shut {
            self.gate_counted(key);
        }
        self.queue_counted(key);
        for conn in joining {
            self.opaque_join(conn);
        }
    }

    /// One user less; a retired endpoint without users goes.
    pub(crate) fn endpoint_unuse(&mut self, key: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get_mut(key) {
            endpoint.users -= 1;
            self.endpoint_done(key);
        }
    }

    pub(crate) fn endpoint_use(&mut self, key: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get_mut(key) {
            endpoint.users += 1;
        }
    }

    fn endpoint_done(&mut self, key: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get(key)
            && endpoint.retired
            && endpoint.users == 0
        {
            self.routes.endpoints.remove(key);
        }
    }

    /// The endpoint of our application at an address, with one user more.
    pub(crate) fn app_endpoint(&mut self, addr: std::net::SocketAddr) -> Key<Endpoint> {
        let found = self.routes.apps.get(&addr).copied().filter(|&key| self.routes.endpoints.has(key));
        let key = match found {
            Some(key) => key,
            None => {
                let key = self.routes.endpoints.insert(Endpoint::app(addr));
                self.routes.apps.insert(addr, key);
                key
            }
        };
        self.endpoint_use(key);
        key
    }

    /// Forgets applications nobody has spoken to since their last connection closed.
    pub(crate) fn sweep_apps(&mut self) {
        let endpoints = &mut self.routes.endpoints;
        self.routes.apps.retain(|_, &mut key| {
            let unused = endpoints.get(key).is_none_or(|endpoint| endpoint.users == 0);
            if unused {
                endpoints.remove(key);
            }
            !unused
        });
    }
}
