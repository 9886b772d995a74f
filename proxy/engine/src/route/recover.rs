//! Endpoints that could not be reached: left alone for a while that grows, probed, and taken back.
//!
//! In: connects that failed or came up, alarms. Out: endpoints that may be picked or not, those who waited for one sent elsewhere.
//! Limits: `Side::backoff`; while a path has nobody else, `ALONE`: one that comes back then serves again after that and one probe.

use crate::base::slab::Key;
use crate::base::wheel::Timer;
use crate::engine::{Engine, Life};
use crate::route::endpoint::Endpoint;
use balance::backoff::{self, Params};
use wire::transport_header::Session;

/// Longest wait between probes, ms, while no endpoint of a path is ready.
const ALONE: u64 = 2_000;

impl Engine {
    /// Tries an endpoint that could not be reached, so that no request has to. True: on its way.
    fn probe(&mut self, at: Key<Endpoint>) -> bool {
        let Some(endpoint) = self.routes.endpoints.get(at) else { return false };
        if endpoint.failures == 0 || !endpoint.requested || endpoint.retired || self.life != Life::Serving {
            return false;
        }
        if !endpoint.upgrades() {
            return endpoint.dialing1 > 0 || self.dial_h1(at, Session::Http1).is_ok();
        }
        let making = endpoint.links.iter().any(|&link| self.conns.has(link));
        making || self.dial_link(at, Session::Http2).is_ok()
    }

    /// A connection could not be made: the endpoint is left alone for a while, those who waited for it look elsewhere. `late`: it took
    /// too long (else: it was refused).
    pub(crate) fn dial_failed(&mut self, at: Key<Endpoint>, h1: bool, late: bool) {
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return };
        let waiting: Vec<_> = if h1 {
            endpoint.dialing1 -= 1;
            let exchanges = &self.exchanges;
            endpoint.waiting1.retain(|&ex| exchanges.get(ex).is_some_and(|x| x.waiting.is_some()));
            endpoint.waiting1.pop_front().into_iter().collect()
        } else {
            endpoint.waiting2.drain(..).collect()
        };
        self.leave_alone(at);
        for exchange in waiting {
            self.exchange_undialed(exchange, late);
        }
    }

    /// Nothing new goes there for a while.
    pub(crate) fn leave_alone(&mut self, at: Key<Endpoint>) {
        self.set_ready(at, false);
        let now = self.millis();
        let Some(endpoint) = self.routes.endpoints.get(at) else { return };
        if endpoint.avoid_until > now {
            // Many connects that fail together are one failure.
            return;
        }
        let alone = self.routes.paths.get(endpoint.path).is_none_or(|path| path.pool.counts().1 == 0);
        let spec = self.side(endpoint.outbound).backoff;
        let params = Params { min: spec.min.as_millis() as u64, max: spec.max.as_millis() as u64, jitter: spec.jitter };
        let failures = endpoint.failures.saturating_add(1);
        let wait = backoff::wait(failures, &params, if alone { ALONE } else { u64::MAX }, &mut self.dice).max(1);
        if let Some(endpoint) = self.routes.endpoints.get_mut(at) {
            endpoint.failures = failures;
            endpoint.avoid_until = now + wait;
            self.wheel.insert(now + wait, Timer::Endpoint(at));
        }
    }

    /// An endpoint's time of being left alone, or its breaker's, is over.
    pub(crate) fn endpoint_alarm(&mut self, at: Key<Endpoint>) {
        let millis = self.millis();
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return };
        if endpoint.avoid_until > millis {
            return;
        }
        endpoint.avoid_until = 0;
        if !self.probe(at) {
            self.gate_checked(at);
        }
    }

    /// Ready again, unless its breaker says otherwise.
    pub(crate) fn gate_checked(&mut self, at: Key<Endpoint>) {
        let now = self.now;
        if self.routes.endpoints.get(at).is_some_and(|endpoint| endpoint.breaker.wake().is_none_or(|at| at <= now)) {
            self.set_ready(at, true);
        }
    }

    pub(crate) fn set_ready(&mut self, at: Key<Endpoint>, ready: bool) {
        let Some(endpoint) = self.routes.endpoints.get(at) else { return };
        let (path, id) = (endpoint.path, endpoint.id);
        let (Some(state), Some(id)) = (self.routes.paths.get_mut(path), id) else { return };
        let before = state.pool.counts().1;
        state.pool.set_ready(id, ready);
        let after = state.pool.counts().1;
        self.members_counted(path);
        if ready {
            self.path_ready(path);
        } else if before > 0 && after == 0 {
            self.hurry(path, ALONE);
        }
    }
}
