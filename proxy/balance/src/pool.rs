//! Endpoints and the pick: the better of two random ones (power of two choices), by peak-EWMA latency times requests in
//! flight, over weight. Random ones are drawn by weight. Bound: the caller's list of endpoints.

use crate::dice::Dice;
use crate::ewma::PeakEwma;

/// An endpoint's number; never reused while a [`Pool`] lives (slot and generation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    /// Index for side tables of the caller; reused after removal.
    pub slot: u32,
    /// Tells users of a slot apart.
    pub generation: u32,
}

/// What the balancer believes of latencies.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Estimate of an endpoint never measured, ns (30 ms).
    pub default_rtt: u64,
    /// Decay time, ns (10 s).
    pub decay: u64,
}

impl Default for Params {
    fn default() -> Self {
        Params { default_rtt: 30_000_000, decay: 10_000_000_000 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Endpoint {
    generation: u32,
    weight: u32,
    pending: u32,
    /// Where in `ready` it stands.
    place: Option<u32>,
    alive: bool,
    ewma: PeakEwma,
}

/// The least latency that is told apart: below it, requests in flight decide.
const FLOOR: f64 = 1e6;

/// The endpoints of one service.
#[derive(Debug, Default)]
pub struct Pool {
    params: Params,
    endpoints: Vec<Endpoint>,
    free: Vec<u32>,
    /// Slots that may be picked, in no order.
    ready: Vec<u32>,
    /// Running sums of the ready weights; empty while all weights are equal.
    sums: Vec<u64>,
    stale: bool,
}

impl Pool {
    /// No endpoints yet.
    pub fn new(params: Params) -> Pool {
        Pool { params, ..Pool::default() }
    }

    /// Adds an endpoint, ready at once. `weight` 0 is never picked while others have weight; the control plane's unit
    /// (10 000 = 1.0).
    pub fn insert(&mut self, weight: u32, now: u64) -> EndpointId {
        let ewma = PeakEwma::new(self.params.default_rtt, now);
        let fresh = Endpoint { generation: 0, weight, pending: 0, place: None, alive: true, ewma };
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
        self.refresh();
        let slot = match self.ready[..] {
            [] => return None,
            [only] => only,
            _ => {
                let first = self.draw(dice, None);
                let second = self.draw(dice, Some(first));
                self.better(first, second, now)
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

    /// Takes in a latency that was not measured (a penalty for overload answers).
    pub fn penalise(&mut self, id: EndpointId, rtt: u64, now: u64) {
        let decay = self.params.decay;
        if let Some(endpoint) = self.get_mut(id) {
            endpoint.ewma.observe(rtt, decay, now);
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

    /// Rebuilds the sums after a change, if the weights differ.
    fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.sums.clear();
        let weight = |slot: &u32| self.endpoints[*slot as usize].weight;
        let first = self.ready.first().map(weight);
        if self.ready.iter().any(|slot| Some(weight(slot)) != first) {
            self.sums.extend(self.ready.iter().scan(0u64, |sum, slot| {
                *sum += u64::from(weight(slot));
                Some(*sum)
            }));
        }
    }

    /// A random ready slot by weight, not `except`. There are two at least.
    #[inline]
    fn draw(&self, dice: &mut Dice, except: Option<u32>) -> u32 {
        let out = except.and_then(|slot| self.endpoints[slot as usize].place).map(|place| place as usize);
        let Some(total) = self.sums.last() else {
            let n = self.ready.len() - usize::from(out.is_some());
            let place = dice.below(n as u64) as usize;
            return self.ready[place + usize::from(out.is_some_and(|out| place >= out))];
        };
        // Cut the stretch of the one left out from the line, then see where the point falls.
        let below = |place: usize| place.checked_sub(1).map_or(0, |before| self.sums[before]);
        let (cut_at, cut) = out.map_or((u64::MAX, 0), |out| (below(out), self.sums[out] - below(out)));
        if total - cut == 0 {
            // The others weigh nothing: stay with the one that does.
            return except.unwrap_or(self.ready[0]);
        }
        let point = dice.below(total - cut);
        let point = if point >= cut_at { point + cut } else { point };
        self.ready[self.sums.partition_point(|sum| *sum <= point)]
    }

    #[inline]
    fn better(&self, first: u32, second: u32, now: u64) -> u32 {
        let cost = |slot: u32| self.cost(&self.endpoints[slot as usize], now);
        if cost(second) < cost(first) { second } else { first }
    }

    /// Weight counts in the draw and here: of two that are always both drawn, the heavier must carry more.
    #[inline]
    fn cost(&self, endpoint: &Endpoint, now: u64) -> f64 {
        let scale = f64::from(endpoint.pending + 1);
        let share = if self.sums.is_empty() { 1.0 } else { f64::from(endpoint.weight.max(1)) };
        endpoint.ewma.rtt(self.params.decay, now).max(FLOOR) * scale / share
    }
}

#[cfg(test)]
mod tests;
