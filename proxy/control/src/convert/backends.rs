//! The backends of a target: collected while its routes are read, referred to by index.

use super::endpoint::endpoint;
use super::target::Defaults;
use super::{Number, duration, meta, or};
use linkerd2_proxy_api::outbound as api;
use std::collections::HashMap;
use std::time::Duration;
use table::outbound::{Arm, Backend, BackendKind, Breaker, Load, Penalty, Split};
use table::{Meta, PathId};

/// Backends of one target at most; the rest of a message beyond it is broken, not dropped.
const MOST_BACKENDS: usize = 1024;
const RTT: Duration = Duration::from_millis(30);
const DECAY: Duration = Duration::from_secs(10);
const LOAD: Load = Load { rtt: RTT, decay: DECAY, penalty: None };
const PENALTY: Penalty =
    Penalty { usual: Duration::from_secs(5), most: Duration::from_secs(300), decay: Duration::from_secs(10) };

/// Collects the backends of a target; the same path for the same resource, balanced and broken off alike, is one backend.
pub(super) struct Backends<'a> {
    pub(super) list: Vec<Backend>,
    known: HashMap<(PathId, Meta), Vec<u16>>,
    number: Number<'a>,
    defaults: Defaults,
    accrual: Accrual,
}

/// What the routes that are being read say of failures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Accrual {
    /// HTTP routes: this, or nothing.
    Is(Option<Breaker>),
    /// Routes of connections say nothing: whatever the same backend has already.
    Any,
}

impl<'a> Backends<'a> {
    pub(super) fn new(number: Number<'a>, defaults: Defaults) -> Self {
        Self { list: Vec::new(), known: HashMap::new(), number, defaults, accrual: Accrual::Is(None) }
    }

    /// For the routes that are read next.
    pub(super) fn accrual(&mut self, accrual: Accrual) {
        self.accrual = accrual;
    }

    /// A backend of the list that is balanced alike.
    fn known(&self, path: PathId, meta: &Meta, load: &Load) -> Option<u16> {
        let alike = |index: &&u16| {
            let Some(backend) = self.list.get(usize::from(**index)) else { return false };
            let same = matches!(&backend.kind, BackendKind::Balance { load: l, .. } if l == load);
            self.accrual == Accrual::Any || same && self.accrual == Accrual::Is(backend.breaker)
        };
        self.known.get(&(path, meta.clone()))?.iter().find(alike).copied()
    }

    pub(super) fn push(&mut self, kind: BackendKind, meta: Meta, failfast: Duration, queue: usize) -> u16 {
        let full = self.list.len() >= MOST_BACKENDS;
        let kind = if full { BackendKind::Broken(500, "too many backends".into()) } else { kind };
        if self.list.len() > MOST_BACKENDS {
            return (self.list.len() - 1) as u16;
        }
        let breaker = if let Accrual::Is(breaker) = self.accrual { breaker } else { None };
        self.list.push(Backend { kind, meta, queue, failfast, breaker });
        (self.list.len() - 1) as u16
    }

    /// A backend balanced over a discovery path.
    pub(super) fn balance(&mut self, authority: &str, meta: Meta, load: Load, wait: (usize, Duration)) -> u16 {
        let path = (self.number)(authority);
        if let Some(known) = self.known(path, &meta, &load) {
            return known;
        }
        let kind = BackendKind::Balance { path, authority: authority.into(), load };
        let index = self.push(kind, meta.clone(), wait.1, wait.0);
        self.known.entry((path, meta)).or_default().push(index);
        index
    }

    /// With default times.
    pub(super) fn plain_balance(&mut self, authority: &str, meta: Meta) -> u16 {
        let wait = (self.defaults.queue, self.defaults.failfast);
        self.balance(authority, meta, LOAD, wait)
    }

    /// `instead`: what its reference answers to every request, which is why a backend may be of no kind.
    pub(super) fn read(&mut self, from: Option<&api::Backend>, instead: Option<(u16, &str)>) -> u16 {
        use api::backend::Kind;
        let about = meta(from.and_then(|b| b.metadata.as_ref()));
        let queue = from.and_then(|b| b.queue.as_ref());
        // The smaller bound holds: the control plane's is for this backend, the environment's for all of a worker.
        let told = queue.map(|q| q.capacity as usize).filter(|&capacity| capacity > 0);
        let capacity = told.unwrap_or(self.defaults.queue).min(self.defaults.queue);
        let failfast =
            or(queue.map_or(Duration::ZERO, |q| duration(q.failfast_timeout.as_ref())), self.defaults.failfast);
        let broken = |why: &str| BackendKind::Broken(500, format!("invalid backend: {why}").into());
        let kind = match from.and_then(|b| b.kind.as_ref()) {
            Some(Kind::Forward(addr)) => match endpoint(addr, &HashMap::new()) {
                Ok(endpoint) => BackendKind::Forward(endpoint),
                Err(error) => broken(&error),
            },
            Some(Kind::Balancer(balancer)) => {
                let load = load(balancer.load.as_ref());
                match balancer.discovery.as_ref().and_then(|d| d.kind.as_ref()) {
                    Some(api::backend::endpoint_discovery::Kind::Dst(dst)) if !dst.path.is_empty() => {
                        return self.balance(&dst.path, about, load, (capacity, failfast));
                    }
                    _ => broken("a discovery of a kind we do not know"),
                }
            }
            None => match instead {
                Some((status, message)) => BackendKind::Broken(status, message.into()),
                None => broken("of a kind we do not know"),
            },
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

/// Absent times are the usual ones.
fn load(from: Option<&api::backend::balance_p2c::Load>) -> Load {
    use api::backend::balance_p2c::Load as Said;
    match from {
        Some(Said::PeakEwma(l)) => Load {
            rtt: or(duration(l.default_rtt.as_ref()), RTT),
            decay: or(duration(l.decay.as_ref()), DECAY),
            penalty: None,
        },
        Some(Said::PenaltyPeakEwma(l)) => Load {
            rtt: or(duration(l.default_rtt.as_ref()), RTT),
            decay: or(duration(l.decay.as_ref()), DECAY),
            penalty: Some(Penalty {
                usual: or(duration(l.penalty.as_ref()), PENALTY.usual),
                most: or(duration(l.max_retry_after.as_ref()), PENALTY.most),
                decay: or(duration(l.penalty_decay.as_ref()), PENALTY.decay),
            }),
        },
        None => LOAD,
    }
}
