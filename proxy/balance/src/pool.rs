//! Endpoints and the pick: the better of two random ones (power of two choices), by peak-EWMA latency times requests
//! in flight, over weight. Bound: the caller's list of endpoints.

use crate::dice::Dice;

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

/// The endpoints of one service.
pub struct Pool {}

#[allow(unused_variables)]
impl Pool {
    /// No endpoints yet.
    pub fn new(params: Params) -> Pool {
        unimplemented!()
    }
    /// Adds an endpoint, ready at once. `weight` 0 is never picked while others have weight; the control plane's unit (10 000 = 1.0).
    pub fn insert(&mut self, weight: u32, now: u64) -> EndpointId {
        unimplemented!()
    }
    /// Takes an endpoint out; finishing its requests later is harmless.
    pub fn remove(&mut self, id: EndpointId) {
        unimplemented!()
    }
    /// Changes a weight.
    pub fn set_weight(&mut self, id: EndpointId, weight: u32) {
        unimplemented!()
    }
    /// Whether it may be picked (connected or connectable, breaker open for business).
    pub fn set_ready(&mut self, id: EndpointId, ready: bool) {
        unimplemented!()
    }
    /// Picks among the ready, `None` if there is none. Does not count a request: see [`Pool::start`].
    pub fn pick(&mut self, now: u64, dice: &mut Dice) -> Option<EndpointId> {
        unimplemented!()
    }
    /// As [`Pool::pick`], but not `avoid` if there is another (a retry).
    pub fn pick_other(&mut self, avoid: EndpointId, now: u64, dice: &mut Dice) -> Option<EndpointId> {
        unimplemented!()
    }
    /// A request begins.
    pub fn start(&mut self, id: EndpointId) {
        unimplemented!()
    }
    /// It ended; `rtt` in ns is what was measured until the first byte of the answer, `None` if there was none.
    pub fn finish(&mut self, id: EndpointId, rtt: Option<u64>, now: u64) {
        unimplemented!()
    }
    /// Takes in a latency that was not measured (a penalty for overload answers).
    pub fn penalise(&mut self, id: EndpointId, rtt: u64, now: u64) {
        unimplemented!()
    }
    /// Requests in flight at an endpoint.
    pub fn pending(&self, id: EndpointId) -> u32 {
        unimplemented!()
    }
    /// Endpoints, and ready ones among them.
    pub fn counts(&self) -> (usize, usize) {
        unimplemented!()
    }
    /// Every endpoint.
    pub fn ids(&self) -> impl Iterator<Item = EndpointId> {
        std::iter::empty()
    }
}
