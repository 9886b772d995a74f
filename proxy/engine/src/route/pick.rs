//! Split, backend, endpoint: which one serves the next request or opaque connection.
//!
//! In: a split of a target, the state of paths and endpoints. Out: an endpoint, a path to wait for, or why not.
//! Never here: connections.

use crate::base::slab::{Key, Slab};
use crate::engine::Engine;
use crate::route::Routes;
use crate::route::endpoint::Endpoint;
use crate::route::judge::Verdict;
use crate::route::path::Path;
use crate::route::target::{Backend, Target};
use crate::route::unready::unready;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use balance::dice::Dice;
use table::outbound::{self as spec, Arm, BackendKind, Refusal, Split};

/// What came of a pick.
pub(crate) enum Picked {
    /// This endpoint, by this arm of the split.
    Endpoint(Key<Endpoint>, u16),
    /// Nobody is ready: wait for this path, so many milliseconds.
    Wait(Key<Path>, u64),
    /// Nothing to wait for.
    Fail(Fault),
}

/// Time and bounds of a pick.
#[derive(Clone, Copy)]
pub(crate) struct When {
    /// Nanoseconds.
    pub(crate) now: u64,
    /// Milliseconds.
    pub(crate) failfast: u64,
    /// Not this one, if there is another.
    pub(crate) avoid: Key<Endpoint>,
}

impl Routes {
    /// Picks by a split of `target`, whose table is `table`.
    pub(crate) fn pick(
        &mut self,
        target: Key<Target>,
        table: &spec::Target,
        split: &Split,
        dice: &mut Dice,
        when: When,
    ) -> Picked {
        let Some(target) = self.targets.get(target) else { return Picked::Fail(Fault::Failfast) };
        let (arms, random) = match split {
            Split::Empty => return Picked::Fail(Fault::Failfast),
            Split::Refused(Refusal::Forbidden) => return Picked::Fail(Fault::Unauthorized),
            Split::Refused(Refusal::Invalid(why)) => return Picked::Fail(Fault::Policy(500, (&**why).into())),
            Split::First(arms) => (arms, false),
            Split::Random(arms) => (arms, true),
        };
        let (paths, endpoints) = (&mut self.paths, &mut self.endpoints);
        let ready = |arm: &Arm| backend_ready(&target.backends, paths, endpoints, arm, when);
        let chosen = if random { weighted(arms, dice, ready) } else { arms.iter().position(ready) };
        let index = match chosen
            .or_else(|| if random { weighted(arms, dice, |_| true) } else { (!arms.is_empty()).then_some(0) })
        {
            Some(index) => index,
            None => return Picked::Fail(Fault::Failfast),
        };
        let backend = arms[index].backend as usize;
        if let Some(BackendKind::Broken(status, message)) = table.backends.get(backend).map(|b| &b.kind) {
            return Picked::Fail(Fault::Policy(*status, (&**message).into()));
        }
        let Some(&Backend { path, forward }) = target.backends.get(backend) else {
            return Picked::Fail(Fault::Failfast);
        };
        if !forward.is_none() {
            return Picked::Endpoint(forward, index as u16);
        }
        let failfast = table.backends.get(backend).map_or(0, |b| b.failfast.as_millis() as u64);
        let when = if failfast > 0 { When { failfast, ..when } } else { when };
        pick_path(paths, endpoints, path, dice, when, index as u16)
    }
}

fn pick_path(
    paths: &mut Slab<Path>,
    endpoints: &mut Slab<Endpoint>,
    key: Key<Path>,
    dice: &mut Dice,
    when: When,
    arm: u16,
) -> Picked {
    let Some(path) = paths.get_mut(key) else { return Picked::Fail(Fault::Failfast) };
    // Bounded: each round either picks or makes one endpoint less ready.
    let avoid = endpoints.get(when.avoid).and_then(|endpoint| endpoint.id).filter(|_| !when.avoid.is_none());
    while let Some(id) = path.pool.pick_not(avoid, when.now, dice) {
        let found = path.slots.get(id.slot as usize).copied().unwrap_or(Key::NONE);
        let Some(endpoint) = endpoints.get_mut(found) else {
            path.pool.remove(id);
            continue;
        };
        if endpoint.breaker.open() {
            path.empty_since = 0;
            return Picked::Endpoint(found, arm);
        }
        path.pool.set_ready(id, false);
        if endpoint.breaker.admit(when.now) {
            return Picked::Endpoint(found, arm);
        }
    }
    if path.missing {
        return Picked::Fail(unready(path, endpoints));
    }
    let millis = when.now / 1_000_000;
    if path.empty_since == 0 {
        path.empty_since = millis.max(1);
    }
    if millis > path.empty_since + when.failfast {
        path.gate_shut = true;
        Picked::Fail(unready(path, endpoints))
    } else {
        Picked::Wait(key, when.failfast)
    }
}

fn backend_ready(backends: &[Backend], paths: &Slab<Path>, endpoints: &Slab<Endpoint>, arm: &Arm, when: When) -> bool {
    let Some(backend) = backends.get(arm.backend as usize) else { return false };
    if let Some(path) = paths.get(backend.path) {
        return path.pool.counts().1 > 0;
    }
    // A broken backend is taken too: its share of requests fails, as the route says.
    endpoints.get(backend.forward).is_none_or(|endpoint| endpoint.avoid_until <= when.now / 1_000_000)
}

/// An arm by weight among those `ready` says yes to.
fn weighted(arms: &[Arm], dice: &mut Dice, ready: impl Fn(&Arm) -> bool) -> Option<usize> {
    if let [only] = arms {
        return (only.weight > 0 && ready(only)).then_some(0);
    }
    let weight = |arm: &Arm| if arm.weight > 0 && ready(arm) { u64::from(arm.weight) } else { 0 };
    let total: u64 = arms.iter().map(weight).sum();
    if total == 0 {
        return None;
    }
    let mut at = dice.below(total);
    arms.iter().position(|arm| {
        let share = weight(arm);
        let here = at < share;
        at = at.saturating_sub(share);
        here && share > 0
    })
}

impl Engine {
    pub(crate) fn when(&self, outbound: bool) -> When {
        When { now: self.now, failfast: self.side(outbound).failfast.as_millis() as u64, avoid: Key::NONE }
    }

    /// The exchange has its endpoint.
    pub(crate) fn picked(&mut self, ex: Key<Exchange>, at: Key<Endpoint>) {
        let (Some(x), Some(endpoint)) = (self.exchanges.get_mut(ex), self.routes.endpoints.get_mut(at)) else { return };
        x.endpoint = at;
        endpoint.users += 1;
        endpoint.requested = true;
        let outbound = endpoint.outbound;
        if let (Some(path), Some(id)) = (self.routes.paths.get_mut(endpoint.path), endpoint.id) {
            path.pool.start(id);
            if let Some(members) = &path.gauges {
                // Tries after the first have not waited in this queue.
                let waited = if x.picked == 0 { self.now - x.began } else { 0 };
                members.asked(&self.tally.shard, waited);
            }
            x.picked = self.now;
            x.facts.set(Facts::PICKED);
            x.facts.set_if(Facts::PROBE, !endpoint.breaker.open());
        }
        if outbound {
            self.endpoint_series(ex, at);
        }
    }

    /// The exchange parts from its endpoint. `success`: what its breaker shall make of it; none: nothing.
    pub(crate) fn unpick_with(&mut self, ex: Key<Exchange>, success: Option<bool>) {
        let now = self.now;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let at = std::mem::replace(&mut x.endpoint, Key::NONE);
        let (counted, probe) = (x.facts.has(Facts::PICKED), x.facts.has(Facts::PROBE));
        x.facts.clear(Facts::PICKED);
        x.facts.clear(Facts::PROBE);
        // What came before this endpoint was picked (a queue, another endpoint) is none of its doing.
        let rtt = (x.heard > x.picked).then(|| x.heard - x.picked);
        let verdict = success.map(|success| Verdict::new(x, success));
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return };
        if let (true, Some(path), Some(id)) = (counted, self.routes.paths.get_mut(endpoint.path), endpoint.id) {
            path.pool.finish(id, rtt, now);
            let changed = match verdict {
                Some(verdict) => self.judge(at, verdict) || probe,
                None => {
                    if probe {
                        endpoint.breaker.forget(now);
                    }
                    probe
                }
            };
            if changed && let Some(breaker) = self.routes.endpoints.get(at).map(|endpoint| endpoint.breaker) {
                self.gate_changed(at, breaker.open(), breaker.wake());
            }
        }
        self.endpoint_unuse(at);
    }

    /// As `unpick_with`, for a request that never reached its endpoint.
    pub(crate) fn unpick(&mut self, ex: Key<Exchange>, failed: bool) {
        self.unpick_with(ex, failed.then_some(false));
    }

    fn gate_changed(&mut self, at: Key<Endpoint>, open: bool, wake: Option<u64>) {
        if open {
            return self.set_ready(at, true);
        }
        self.set_ready(at, false);
        let wake = wake.unwrap_or(self.now).div_ceil(1_000_000);
        self.wheel.insert(wake, crate::base::wheel::Timer::Endpoint(at));
    }
}
