//! Breaker: after too many failures, in a row or as a share of a window, the endpoint is shut for a backoff, then one probe is let
//! through; its success opens, its failure shuts again for longer. A value, without clock or timer.

use crate::dice::Dice;
use crate::window::Window;

/// When to shut and for how long, ns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Failures in a row that shut it; 0: never.
    pub failures: u32,
    /// A share of successes that shuts it; absent: never.
    pub rate: Option<Rate>,
    /// First backoff.
    pub min: u64,
    /// Longest backoff.
    pub max: u64,
    /// Part of the backoff added at random, 0.0 to 1.0.
    pub jitter: f64,
    /// What an answer says of when to come back lengthens the backoff, within its bounds.
    pub hints: bool,
    /// Endpoints of the pool that must stay open; 0: none.
    pub floor: u32,
}

/// A share of successes that is too low.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Below it the breaker shuts, 0.0 to 1.0.
    pub least: f64,
    /// Length of the window it is taken over, ns.
    pub window: u64,
    /// With fewer outcomes in the window it says nothing.
    pub requests: u32,
}

/// One outcome of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Whether it went well.
    pub success: bool,
    /// When the answer says to come back, ns from now.
    pub hint: Option<u64>,
    /// Whether so many others are open that this one may shut.
    pub spare: bool,
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
    window: Window,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new()
    }
}

impl Breaker {
    /// Open.
    pub fn new() -> Breaker {
        Breaker { state: State::Open(0), window: Window::default() }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Requests flow.
    pub fn open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether a request may be sent; when the backoff is over the first `true` is the probe, and until its outcome `false`.
    pub fn admit(&mut self, now: u64) -> bool {
        match self.state {
            State::Open(_) => true,
            State::Shut { until, times } if now >= until => {
                self.state = State::Probing { times };
                true
            }
            State::Shut { .. } | State::Probing { .. } => false,
        }
    }

    /// An outcome. Returns whether readiness changed ([`crate::pool::Pool::set_ready`] by the caller); when it shut, a
    /// timer at [`Breaker::wake`] is due. Outcomes of requests sent before it shut change nothing.
    pub fn record(&mut self, outcome: Outcome, params: &Params, now: u64, dice: &mut Dice) -> bool {
        let hint = outcome.hint.filter(|_| params.hints);
        let (next, changed) = match (self.state, outcome.success) {
            (State::Open(before), success) => {
                let row = if success { 0 } else { before.saturating_add(1) };
                let poor = self.poor(success, params, now);
                let trips = !success && (poor || params.failures > 0 && row >= params.failures);
                if trips && outcome.spare {
                    (shut(1, params, hint, now, dice), true)
                } else {
                    (State::Open(row), false)
                }
            }
            (State::Probing { .. }, true) => (State::Open(0), true),
            (State::Probing { times }, false) => (shut(times.saturating_add(1), params, hint, now, dice), true),
            (State::Shut { .. }, _) => (self.state, false),
        };
        if changed {
            self.window.clear();
        }
        self.state = next;
        changed
    }

    /// Takes the outcome into the window; whether its share of successes is too low now.
    fn poor(&mut self, success: bool, params: &Params, now: u64) -> bool {
        let Some(rate) = params.rate else { return false };
        self.window.record(success, rate.window, now);
        let (good, bad) = self.window.counts(rate.window, now);
        good + bad >= u64::from(rate.requests) && (good as f64) < rate.least * (good + bad) as f64
    }

    /// The probe's request ended without saying anything of the endpoint (cancelled): another may be sent.
    pub fn forget(&mut self, now: u64) {
        if let State::Probing { times } = self.state {
            self.state = State::Shut { until: now, times };
        }
    }

    /// When a shut breaker wants to probe.
    pub fn wake(&self) -> Option<u64> {
        match self.state {
            State::Shut { until, .. } => Some(until),
            State::Open(_) | State::Probing { .. } => None,
        }
    }
}

/// Shut for min * 2^(times - 1) or as long as the answer asks, at most max, and some jitter.
fn shut(times: u32, params: &Params, hint: Option<u64>, now: u64, dice: &mut Dice) -> State {
    let doubled = params.min.saturating_mul(1u64.checked_shl(times - 1).unwrap_or(u64::MAX));
    let backoff = doubled.max(hint.unwrap_or(0)).min(params.max);
    let jitter = (backoff as f64 * params.jitter.clamp(0.0, 1.0) * dice.unit()) as u64;
    State::Shut { until: now.saturating_add(backoff).saturating_add(jitter), times }
}

#[cfg(test)]
mod tests;
