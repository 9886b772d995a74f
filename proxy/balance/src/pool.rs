//! Endpoints and the pick: the better of two random ones (power of two choices), by peak-EWMA latency times requests in
//! flight, over weight. Random ones are drawn by weight. Bound: the caller's list of endpoints.
//!
//! Near ones (same zone) come first while at least half of their weight is ready: two of them are drawn, and one of the others
//! beside them, which is taken only where it would cost less than a fourth. A new endpoint beside others begins with a tenth
//! of its weight and has all of it at the end of the slow start.

use crate::dice::Dice;
use crate::ewma::PeakEwma;
use crate::penalty::Penalty;

mod line;
use line::Line;

/// An endpoint's number; never reused while a [`Pool`] lives (slot and generation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    /// Index for side tables of the caller; reused after removal.
    pub slot: u32,
    /// Tells users of a slot apart.
    pub generation: u32,
}

/// What the balancer believes of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Estimate of an endpoint never measured, ns (30 ms).
    pub default_rtt: u64,
    /// Decay time, ns (10 s).
    pub decay: u64,
    /// Decay time of penalties, ns (10 s).
    pub penalty_decay: u64,
    /// How long a new endpoint takes to get its whole weight, ns; 0: none.
    pub slow_start: u64,
}

impl Default for Params {
    fn default() -> Self {
        let decay = 10_000_000_000;
        Params { default_rtt: 30_000_000, decay, penalty_decay: decay, slow_start: 0 }
    }
}

/// What is known about an endpoint beside its latency.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// 0 is never picked while others have weight; the control plane's unit (10 000 = 1.0).
    pub weight: u32,
    /// In the caller's own zone.
    pub near: bool,
    /// It came to a service that was served without it.
    pub new: bool,
}

#[derive(Clone, Copy, Debug)]
struct Endpoint {
    generation: u32,
    weight: u32,
    pending: u32,
    /// Where in `ready` it stands.
    place: Option<u32>,
    alive: bool,
    near: bool,
    /// Since when its weight grows; it has all of it: none.
    born: Option<u64>,
    /// Its weight now, in hundredths; brought up to date by `refresh`.
    share: u64,
    ewma: PeakEwma,
    penalty: Penalty,
}

/// The least latency that is told apart: below it, requests in flight decide.
const FLOOR: f64 = 1e6;
/// A far endpoint is taken where it costs less than this part of the near one.
const SPILL: f64 = 4.0;
/// The part of its weight, in hundredths, that a new endpoint begins with.
const FIRST: u64 = 10;
/// In so many steps the weight of a new one grows.
const STEPS: u64 = 20;

/// The endpoints of one service.
#[derive(Debug, Default)]
pub struct Pool {
    params: Params,
    endpoints: Vec<Endpoint>,
    free: Vec<u32>,
    /// Slots that may be picked, in no order.
    ready: Vec<u32>,
    /// The ready ones as they are drawn from; with the near ones preferred, `all` is empty.
    all: Line,
    near: Line,
    far: Line,
    /// What a ready one weighs on average, where they weigh differently; else 0.
    mean: f64,
    stale: bool,
    /// When the weight of a new endpoint has to be looked at again; 0: none is new.
    grows: u64,
}

impl Pool {
    /// No endpoints yet.
    pub fn new(params: Params) -> Pool {
        Pool { params, ..Pool::default() }
    }

    /// What the policy says now; what has been measured stays.
    pub fn set_params(&mut self, params: Params) {
        self.params = params;
        self.stale = true;
    }

    /// Adds an endpoint, ready at once.
    pub fn insert(&mut self, member: Member, now: u64) -> EndpointId {
        let fresh = Endpoint {
            generation: 0,
            weight: member.weight,
            pending: 0,
            place: None,
            alive: true,
            near: member.near,
            born: (member.new && self.params.slow_start > 0).then_some(now),
            share: 0,
            ewma: PeakEwma::new(self.params.default_rtt, now),
            penalty: Penalty::default(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                let place = &mut self.endpoints[slot as usize];
                *place = Endpoint { generation: place.generation.wrapping_add(1), ..fresh };
                slot
            }
            None => {
                self.endpoints.push(fresh);
                self.endpoints.len() as u32 - 1
            }
        };
        let id = EndpointId { slot, generation: self.endpoints[slot as usize].generation };
        self.set_ready(id, true);
        id
    }

    /// Takes an endpoint out; finishing its requests later is harmless.
    pub fn remove(&mut self, id: EndpointId) {
        self.set_ready(id, false);
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.alive = false;
            self.free.push(id.slot);
        }
    }

    /// Changes a weight.
    pub fn set_weight(&mut self, id: EndpointId, weight: u32) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.weight = weight;
            self.stale = true;
        }
    }

    /// Whether it may be picked (connected or connectable, breaker open for business).
    pub fn set_ready(&mut self, id: EndpointId, ready: bool) {
        let place = self.ready.len() as u32;
        let Some(endpoint) = self.get_mut(id) else { return };
        match (endpoint.place, ready) {
            (None, true) => {
                endpoint.place = Some(place);
                self.ready.push(id.slot);
            }
            (Some(place), false) => {
                endpoint.place = None;
                self.ready.swap_remove(place as usize);
                if let Some(moved) = self.ready.get(place as usize) {
                    self.endpoints[*moved as usize].place = Some(place);
                }
            }
            _ => return,
        }
        self.stale = true;
    }

    /// Whether it may be picked.
    pub fn is_ready(&self, id: EndpointId) -> bool {
        self.get(id).is_some_and(|endpoint| endpoint.place.is_some())
    }

    /// Picks among the ready, `None` if there is none. Does not count a request: see [`Pool::start`].
    #[inline]
    pub fn pick(&mut self, now: u64, dice: &mut Dice) -> Option<EndpointId> {
        if self.stale || self.grows != 0 && now >= self.grows {
            self.refresh(now);
        }
        let slot = match self.ready[..] {
            [] => return None,
            [only] => only,
            _ if self.near.is_empty() => self.better_of(&self.all, now, dice),
            _ => {
                let near = self.better_of(&self.near, now, dice);
                let far = self.far.draw(dice, None).1;
                let spills = self.share(far) > 0 && self.cost_of(far, now) * SPILL < self.cost_of(near, now);
                if spills { far } else { near }
            }
        };
        Some(EndpointId { slot, generation: self.endpoints[slot as usize].generation })
    }

    /// As [`Pool::pick`], but not `avoid` if there is another (a retry).
    pub fn pick_other(&mut self, avoid: EndpointId, now: u64, dice: &mut Dice) -> Option<EndpointId> {
        if self.ready.len() < 2 || !self.is_ready(avoid) {
            return self.pick(now, dice);
        }
        self.set_ready(avoid, false);
        let picked = self.pick(now, dice);
        self.set_ready(avoid, true);
        picked
    }

    /// Either of the two: `avoid` none is a first try.
    #[inline]
    pub fn pick_not(&mut self, avoid: Option<EndpointId>, now: u64, dice: &mut Dice) -> Option<EndpointId> {
        match avoid {
            None => self.pick(now, dice),
            Some(avoid) => self.pick_other(avoid, now, dice),
        }
    }

    /// A request begins.
    #[inline]
    pub fn start(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.pending += 1;
        }
    }

    /// It ended; `rtt` in ns is what was measured until the first byte of the answer, `None` if there was none.
    #[inline]
    pub fn finish(&mut self, id: EndpointId, rtt: Option<u64>, now: u64) {
        let decay = self.params.decay;
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.pending = endpoint.pending.saturating_sub(1);
            if let Some(rtt) = rtt {
                endpoint.ewma.observe(rtt, decay, now);
            }
        }
    }

    /// It said that it is overloaded: for a while it counts as if it took so many ns.
    pub fn penalise(&mut self, id: EndpointId, amount: u64, now: u64) {
        let decay = self.params.penalty_decay;
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.penalty.charge(amount, decay, now);
        }
    }

    /// Requests in flight at an endpoint.
    pub fn pending(&self, id: EndpointId) -> u32 {
        self.get(id).map_or(0, |endpoint| endpoint.pending)
    }

    /// Endpoints, and ready ones among them.
    pub fn counts(&self) -> (usize, usize) {
        (self.endpoints.len() - self.free.len(), self.ready.len())
    }

    /// Every endpoint.
    pub fn ids(&self) -> impl Iterator<Item = EndpointId> {
        self.endpoints
            .iter()
            .enumerate()
            .filter(|(_, endpoint)| endpoint.alive)
            .map(|(slot, endpoint)| EndpointId { slot: slot as u32, generation: endpoint.generation })
    }

    /// What a request sent there now would cost, ns; for tests and `diagnose` views.
    pub fn load(&self, id: EndpointId, now: u64) -> Option<f64> {
        self.get(id).map(|endpoint| self.cost(endpoint, now))
    }

    fn get(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(id.slot as usize).filter(|endpoint| endpoint.alive && endpoint.generation == id.generation)
    }

    #[inline]
    fn get_mut(&mut self, id: EndpointId) -> Option<&mut Endpoint> {
        self.endpoints
            .get_mut(id.slot as usize)
            .filter(|endpoint| endpoint.alive && endpoint.generation == id.generation)
    }

    /// Rebuilds what is drawn from, after a change or because a new endpoint has grown.
    fn refresh(&mut self, now: u64) {
        self.stale = false;
        self.grows = 0;
        let window = self.params.slow_start;
        for endpoint in self.endpoints.iter_mut().filter(|endpoint| endpoint.alive) {
            let age = endpoint.born.map(|born| now.saturating_sub(born)).filter(|age| *age < window);
            endpoint.born = endpoint.born.filter(|_| age.is_some());
            let part = age.map_or(100, |age| (u128::from(age) * 100 / u128::from(window)) as u64).max(FIRST);
            endpoint.share = u64::from(endpoint.weight) * part;
            if age.is_some() {
                self.grows = now + (window / STEPS).max(1);
            }
        }
        let shares: Vec<_> = self.ready.iter().map(|slot| (*slot, self.share(*slot))).collect();
        let uneven = shares.iter().any(|(_, share)| *share != shares[0].1);
        let sum: u64 = shares.iter().map(|(_, share)| share).sum();
        self.mean = if uneven { sum as f64 / shares.len() as f64 } else { 0.0 };
        if self.prefers_near() {
            let near = |slot: u32| self.endpoints[slot as usize].near;
            let (nearby, others): (Vec<_>, Vec<_>) = shares.into_iter().partition(|(slot, _)| near(*slot));
            (self.all, self.near, self.far) = (Line::default(), Line::new(&nearby), Line::new(&others));
        } else {
            (self.all, self.near, self.far) = (Line::new(&shares), Line::default(), Line::default());
        }
    }

    /// Some are near and some are not, and of the near ones' weight half is ready.
    fn prefers_near(&self) -> bool {
        let weight = |of: &Endpoint| u64::from(of.weight);
        let near: u64 = self.endpoints.iter().filter(|of| of.alive && of.near).map(weight).sum();
        let ready = self.ready.iter().map(|slot| &self.endpoints[*slot as usize]);
        let near_ready: u64 = ready.clone().filter(|of| of.near).map(weight).sum();
        near_ready > 0 && near_ready * 2 >= near && ready.clone().any(|of| !of.near)
    }

    #[inline]
    fn share(&self, slot: u32) -> u64 {
        self.endpoints[slot as usize].share
    }

    /// The better of two random ones of a line that is not empty.
    #[inline]
    fn better_of(&self, line: &Line, now: u64, dice: &mut Dice) -> u32 {
        let (at, first) = line.draw(dice, None);
        let second = line.draw(dice, Some(at)).1;
        if second != first && self.cost_of(second, now) < self.cost_of(first, now) { second } else { first }
    }

    #[inline]
    fn cost_of(&self, slot: u32, now: u64) -> f64 {
        self.cost(&self.endpoints[slot as usize], now)
    }

    /// Requests in flight weigh more on a light endpoint. One that has none costs the same whatever it weighs: then the draw decides,
    /// so that requests one after the other follow the weights too.
    #[inline]
    fn cost(&self, endpoint: &Endpoint, now: u64) -> f64 {
        let scale = if self.mean == 0.0 { 1.0 } else { self.mean / endpoint.share.max(1) as f64 };
        let penalty = endpoint.penalty.left(self.params.penalty_decay, now);
        let rtt = endpoint.ewma.rtt(self.params.decay, now).max(penalty).max(FLOOR);
        rtt * (f64::from(endpoint.pending) * scale + 1.0)
    }
}

#[cfg(test)]
mod tests;
