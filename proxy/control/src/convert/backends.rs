//! The backends of a target: collected while its routes are read, referred to by index.

use super::endpoint::endpoint;
use super::target::Defaults;
use super::{Number, duration, meta, or};
use linkerd2_proxy_api::outbound as api;
use std::collections::HashMap;
use std::time::Duration;
use table::outbound::{Arm, Backend, BackendKind, Breaker, Split};
use table::{Meta, PathId};

/// Backends of one target at most; the rest of a message beyond it is broken, not dropped.
const MOST_BACKENDS: usize = 1024;
const RTT: Duration = Duration::from_millis(30);
const DECAY: Duration = Duration::from_secs(10);

/// Collects the backends of a target; the same path for the same resource is one backend.
pub(super) struct Backends<'a> {
    pub(super) list: Vec<Backend>,
    known: HashMap<(PathId, Meta), u16>,
    number: Number<'a>,
    defaults: Defaults,
    pub(super) breaker: Option<Breaker>,
}

impl<'a> Backends<'a> {
    pub(super) fn new(number: Number<'a>, defaults: Defaults) -> Self {
        Self { list: Vec::new(), known: HashMap::new(), number, defaults, breaker: None }
    }

    pub(super) fn push(&mut self, kind: BackendKind, meta: Meta, failfast: Duration, queue: usize) -> u16 {
        let full = self.list.len() >= MOST_BACKENDS;
        let kind = if full { BackendKind::Broken(500, "too many backends".into()) } else { kind };
        if self.list.len() > MOST_BACKENDS {
            return (self.list.len() - 1) as u16;
        }
        self.list.push(Backend { kind, meta, queue, failfast, breaker: self.breaker });
        (self.list.len() - 1) as u16
    }

    /// A backend balanced over a discovery path.
    pub(super) fn balance(
        &mut self,
        authority: &str,
        meta: Meta,
        times: (Duration, Duration),
        wait: (usize, Duration),
    ) -> u16 {
        let path = (self.number)(authority);
        if let Some(&known) = self.known.get(&(path, meta.clone())) {
            return known;
        }
        let kind = BackendKind::Balance { path, authority: authority.into(), rtt: times.0, decay: times.1 };
        let index = self.push(kind, meta.clone(), wait.1, wait.0);
        self.known.insert((path, meta), index);
        index
    }

    /// With default times.
    pub(super) fn plain_balance(&mut self, authority: &str, meta: Meta) -> u16 {
        let wait = (self.defaults.queue, self.defaults.failfast);
        self.balance(authority, meta, (RTT, DECAY), wait)
    }

    pub(super) fn read(&mut self, from: Option<&api::Backend>) -> u16 {
        use api::backend::{Kind, balance_p2c::Load};
        let about = meta(from.and_then(|b| b.metadata.as_ref()));
        let queue = from.and_then(|b| b.queue.as_ref());
        // The control plane's capacity is small (100) and meant for one balancer: ours holds for the target, so the larger counts.
        let capacity = queue.map_or(0, |q| q.capacity as usize).max(self.defaults.queue);
        let failfast =
            or(queue.map_or(Duration::ZERO, |q| duration(q.failfast_timeout.as_ref())), self.defaults.failfast);
        let broken = |why: &str| BackendKind::Broken(500, format!("invalid backend: {why}").into());
        let kind = match from.and_then(|b| b.kind.as_ref()) {
            Some(Kind::Forward(addr)) => match endpoint(addr, &HashMap::new()) {
                Ok(endpoint) => BackendKind::Forward(endpoint),
                Err(error) => broken(&error),
            },
            Some(Kind::Balancer(balancer)) => {
                let (rtt, decay) = match &balancer.load {
                    Some(Load::PeakEwma(l)) => (l.default_rtt.as_ref(), l.decay.as_ref()),
                    Some(Load::PenaltyPeakEwma(l)) => (l.default_rtt.as_ref(), l.decay.as_ref()),
                    None => (None, None),
                };
                let times = (or(duration(rtt), RTT), or(duration(decay), DECAY));
                match balancer.discovery.as_ref().and_then(|d| d.kind.as_ref()) {
                    Some(api::backend::endpoint_discovery::Kind::Dst(dst)) if !dst.path.is_empty() => {
                        return self.balance(&dst.path, about, times, (capacity, failfast));
                    }
                    _ => broken("a discovery of a kind we do not know"),
                }
            }
            None => broken("of a kind we do not know"),
        };
        self.push(kind, about, failfast, capacity)
    }

    /// Nowhere to go, and the reason.
    pub(super) fn broken(&mut self, why: &str) -> Split {
        let kind = BackendKind::Broken(500, why.into());
        let failfast = self.defaults.failfast;
        let backend = self.push(kind, meta(None), failfast, 0);
        Split::First(Box::new([Arm { weight: 1, backend, filters: Box::default() }]))
    }
}
