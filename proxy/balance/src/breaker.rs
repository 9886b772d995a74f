//! Consecutive-failures breaker: after `failures` in a row the endpoint is shut for a backoff, then one probe is let
//! through; its success opens, its failure shuts again for longer.

use crate::dice::Dice;

/// When to shut and for how long, ns.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Failures in a row that shut it; 0: never.
    pub failures: u32,
    /// First backoff.
    pub min: u64,
    /// Longest backoff.
    pub max: u64,
    /// Part of the backoff added at random, 0.0 to 1.0.
    pub jitter: f64,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Requests flow; so many failures in a row.
    Open(u32),
    /// Nothing flows until then.
    Shut {
        /// Nanoseconds.
        until: u64,
        /// How many times in a row.
        times: u32,
    },
    /// One probe is out.
    Probing {
        /// How many times in a row it had been shut.
        times: u32,
    },
}

/// One endpoint's breaker.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    state: State,
}

#[allow(unused_variables)]
impl Breaker {
    /// Open.
    pub fn new() -> Breaker {
        Breaker { state: State::Open(0) }
    }
    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }
    /// Whether a request may be sent; when the backoff is over the first `true` is the probe, and until its outcome `false`.
    pub fn admit(&mut self, now: u64) -> bool {
        unimplemented!()
    }
    /// An outcome. Returns whether readiness changed ([`crate::pool::Pool::set_ready`] by the caller); when it shut, a
    /// timer at [`Breaker::wake`] is due.
    pub fn record(&mut self, success: bool, params: &Params, now: u64, dice: &mut Dice) -> bool {
        unimplemented!()
    }
    /// The probe's request ended without saying anything of the endpoint (cancelled): another may be sent.
    pub fn forget(&mut self, now: u64) {
        unimplemented!()
    }
    /// When a shut breaker wants to probe.
    pub fn wake(&self) -> Option<u64> {
        unimplemented!()
    }
}
