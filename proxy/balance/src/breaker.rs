//! Consecutive-failures breaker: after `failures` in a row the endpoint is shut for a backoff, then one probe is let
//! through; its success opens, its failure shuts again for longer. A value, without clock or timer.

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

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new()
    }
}

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
    pub fn record(&mut self, success: bool, params: &Params, now: u64, dice: &mut Dice) -> bool {
        let (next, changed) = match (self.state, success) {
            (State::Open(_), true) => (State::Open(0), false),
            (State::Open(n), false) if params.failures == 0 || n + 1 < params.failures => {
                (State::Open(n.saturating_add(1)), false)
            }
            (State::Open(_), false) => (shut(1, params, now, dice), true),
            (State::Probing { .. }, true) => (State::Open(0), true),
            (State::Probing { times }, false) => (shut(times.saturating_add(1), params, now, dice), true),
            (State::Shut { .. }, _) => (self.state, false),
        };
        self.state = next;
        changed
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

/// Shut for min * 2^(times - 1), at most max, and some jitter.
fn shut(times: u32, params: &Params, now: u64, dice: &mut Dice) -> State {
    let doubled = params.min.saturating_mul(1u64.checked_shl(times - 1).unwrap_or(u64::MAX));
    let backoff = doubled.min(params.max);
    let jitter = (backoff as f64 * params.jitter.clamp(0.0, 1.0) * dice.unit()) as u64;
    State::Shut { until: now.saturating_add(backoff).saturating_add(jitter), times }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARAMS: Params = Params { failures: 3, min: 100, max: 1000, jitter: 0.0 };

    #[test]
    fn a_story() {
        let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
        // (success, now, changed, state after)
        for (success, now, changed, state) in [
            (false, 0, false, State::Open(1)),
            (false, 0, false, State::Open(2)),
            (true, 0, false, State::Open(0)),
            (false, 0, false, State::Open(1)),
            (false, 0, false, State::Open(2)),
            (false, 5, true, State::Shut { until: 105, times: 1 }),
            (true, 6, false, State::Shut { until: 105, times: 1 }),
        ] {
            assert_eq!((breaker.record(success, &PARAMS, now, &mut dice), breaker.state()), (changed, state));
        }
        assert_eq!(
            (breaker.wake(), breaker.admit(104), breaker.admit(105), breaker.admit(106)),
            (Some(105), false, true, false)
        );
        assert!(breaker.record(false, &PARAMS, 110, &mut dice));
        assert_eq!(breaker.state(), State::Shut { until: 310, times: 2 });
        assert!(breaker.admit(310));
        breaker.forget(320);
        assert!(breaker.admit(320) && breaker.record(true, &PARAMS, 330, &mut dice) && breaker.admit(330));
        assert_eq!(breaker.state(), State::Open(0));
    }

    #[test]
    fn without_a_limit_it_never_shuts() {
        let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
        let params = Params { failures: 0, ..PARAMS };
        assert!((0..1000).all(|now| !breaker.record(false, &params, now, &mut dice) && breaker.admit(now)));
    }

    proptest! {
        #[test]
        fn the_backoff_stays_in_its_bounds(fails in 1u32..200, jitter in 0.0f64..2.0, seed in any::<u64>()) {
            let (mut breaker, mut dice) = (Breaker::new(), Dice::new(seed));
            let params = Params { failures: 1, jitter, ..PARAMS };
            let mut now = 0;
            for i in 0..fails {
                prop_assert!(breaker.admit(now) && breaker.record(false, &params, now, &mut dice));
                let wait = breaker.wake().unwrap() - now;
                let base = 100u64.saturating_mul(1 << i.min(10)).min(1000);
                prop_assert!(wait >= base && wait <= base * 2);
                now += wait;
            }
        }
    }
}
