//! Which balancer serves a backend: one for each path and way of balancing it, so that two policies on one path do not undo each
//! other, and a policy that changes keeps what was measured under the old one.
//!
//! In: backends of targets as they come and go. Out: a `Path` each. Limits: a balancer without users goes, but for the last of its path.
//! Never here: picks.

use crate::base::slab::Key;
use crate::base::wheel::Timer;
use crate::engine::Engine;
use crate::route::path::Path;
use crate::traffic::exchange::Exchange;
use crate::traffic::fault::Fault;
use balance::breaker;
use balance::pool::{Params, Pool};
use std::sync::Arc;
use std::time::Duration;
use table::PathId;
use table::outbound::{Breaker, Endpoints, Load};

/// All that is known of one discovery path.
#[derive(Default)]
pub(crate) struct Known {
    /// What the control plane said last.
    pub(crate) told: Option<Arc<Endpoints>>,
    pub(crate) balancers: Vec<Key<Path>>,
}

/// How a path is balanced and broken off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) load: Load,
    pub(crate) breaker: Option<Breaker>,
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn breaker_params(breaker: &Breaker) -> breaker::Params {
    let rate = breaker.rate.map(|rate| breaker::Rate {
        least: rate.least,
        window: nanos(rate.window),
        requests: rate.requests,
    });
    breaker::Params {
        failures: breaker.max_failures,
        rate,
        min: nanos(breaker.backoff.0),
        max: nanos(breaker.backoff.1),
        jitter: f64::from(breaker.jitter),
        hints: breaker.retry_after,
        floor: breaker.min_ready,
    }
}

impl Engine {
    fn pool_params(&self, load: &Load) -> Params {
        let penalty_decay = nanos(load.penalty.map_or(load.decay, |penalty| penalty.decay));
        let slow_start = nanos(self.config.slow_start);
        Params { default_rtt: nanos(load.rtt), decay: nanos(load.decay), penalty_decay, slow_start }
    }

    /// The balancer of a path under a policy, with one user more: one like it, else one that nobody uses, else a new one.
    pub(crate) fn path_use(&mut self, id: PathId, authority: &Arc<str>, policy: Policy) -> Key<Path> {
        let balancers = self.routes.by_path.entry(id).or_default().balancers.clone();
        let paths = &self.routes.paths;
        let like = |key: &&Key<Path>| paths.get(**key).is_some_and(|path| path.policy == policy);
        let idle = |key: &&Key<Path>| paths.get(**key).is_some_and(|path| path.users == 0);
        let found = balancers.iter().find(like).or_else(|| balancers.iter().find(idle)).copied();
        let key = found.unwrap_or_else(|| self.path_new(id, authority, policy));
        let params = self.pool_params(&policy.load);
        if let Some(path) = self.routes.paths.get_mut(key) {
            path.users += 1;
            if path.policy != policy {
                path.pool.set_params(params);
                path.policy = policy;
                path.breaker = policy.breaker.as_ref().map(breaker_params);
                path.penalty = policy.load.penalty;
                if path.breaker.is_none() {
                    self.gates_opened(key);
                }
            }
        }
        key
    }

    /// No breaker any more: what one has shut is open.
    fn gates_opened(&mut self, key: Key<Path>) {
        let members = self.routes.paths.get(key).map(|path| path.members.clone()).unwrap_or_default();
        for member in members {
            let Some(endpoint) = self.routes.endpoints.get_mut(member).filter(|e| !e.breaker.open()) else { continue };
            endpoint.breaker = breaker::Breaker::new();
            if endpoint.avoid_until == 0 {
                self.set_ready(member, true);
            }
        }
    }

    fn path_new(&mut self, id: PathId, authority: &Arc<str>, policy: Policy) -> Key<Path> {
        let key = self.routes.paths.insert(Path {
            id,
            known: false,
            missing: false,
            pool: Pool::new(self.pool_params(&policy.load)),
            slots: Vec::new(),
            members: Vec::new(),
            policy,
            breaker: policy.breaker.as_ref().map(breaker_params),
            penalty: policy.load.penalty,
            waiting: Vec::new(),
            joining: Vec::new(),
            queue: usize::MAX,
            cleaned: 0,
            authority: authority.clone(),
            gauges: None,
            empty_since: 0,
            gate_shut: false,
            users: 0,
        });
        let known = self.routes.by_path.entry(id).or_default();
        known.balancers.push(key);
        if let Some(told) = known.told.clone() {
            self.path_members(key, &told);
        }
        key
    }

    /// One user less.
    pub(crate) fn path_unuse(&mut self, key: Key<Path>) {
        if let Some(path) = self.routes.paths.get_mut(key) {
            path.users -= 1;
        }
    }

    /// A balancer nobody uses goes, if it is not the path's last: that one stays until the control thread says that all is over.
    pub(crate) fn path_tidy(&mut self, key: Key<Path>) {
        let Some(path) = self.routes.paths.get(key).filter(|path| path.users == 0) else { return };
        let Some(known) = self.routes.by_path.get_mut(&path.id).filter(|known| known.balancers.len() > 1) else {
            return;
        };
        known.balancers.retain(|other| *other != key);
        self.path_end(key);
    }

    /// No target uses the path any more.
    pub(crate) fn path_gone(&mut self, id: PathId) {
        let Some(known) = self.routes.by_path.remove(&id) else { return };
        for key in known.balancers {
            self.path_end(key);
        }
    }

    fn path_end(&mut self, key: Key<Path>) {
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        let (members, waiting) = (std::mem::take(&mut path.members), std::mem::take(&mut path.waiting));
        let joining = std::mem::take(&mut path.joining);
        for member in members {
            self.endpoint_retire(key, member);
        }
        self.members_counted(key);
        self.routes.paths.remove(key);
        self.io.retry.extend(waiting);
        for conn in joining {
            self.opaque_join(conn);
        }
    }

    /// A request waits for an endpoint of a path, unless too many do.
    pub(crate) fn path_wait(&mut self, key: Key<Path>, ex: Key<Exchange>) -> Result<(), Fault> {
        let now = self.millis();
        let Some(path) = self.routes.paths.get_mut(key) else { return Err(Fault::Failfast) };
        if path.waiting.len() >= path.queue && path.cleaned < now {
            path.cleaned = now;
            let exchanges = &self.exchanges;
            path.waiting.retain(|&ex| exchanges.get(ex).is_some_and(|x| x.waiting.is_some()));
        }
        // Until its endpoints are known the queue of the whole worker is the bound.
        if path.known && path.waiting.len() >= path.queue {
            return Err(Fault::Loadshed);
        }
        path.waiting.push(ex);
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.queue = key;
        }
        Ok(())
    }

    /// Those who gave up waiting are counted no longer.
    pub(crate) fn sweep_paths(&mut self) {
        for key in self.routes.paths.keys() {
            let Some(path) = self.routes.paths.get_mut(key) else { continue };
            let (exchanges, conns) = (&self.exchanges, &self.conns);
            path.waiting.retain(|&ex| exchanges.get(ex).is_some_and(|x| x.waiting.is_some()));
            path.joining.retain(|&conn| conns.has(conn));
            self.queue_counted(key);
            self.gate_counted(key);
        }
    }

    /// Nobody of a path is left: none of its endpoints is left alone for long, so that the first that comes back is found soon.
    pub(crate) fn hurry(&mut self, key: Key<Path>, longest: u64) {
        let at = self.millis() + longest;
        let Some(path) = self.routes.paths.get(key) else { return };
        for &member in &path.members {
            if let Some(endpoint) = self.routes.endpoints.get_mut(member)
                && endpoint.avoid_until > at
            {
                endpoint.avoid_until = at;
                self.wheel.insert(at, Timer::Endpoint(member));
            }
        }
    }
}
