//! How many retries a service can bear: a share of its requests, and a few per second beside that.
//!
//! In: requests and wishes to repeat one, with the time. Out: yes or no. Counted over a window (`ttl`) of ten slots.
//! Never here: clocks, or what a retry is.

/// Slots of the window; what a slot holds counts until the slot is ten slots old.
const SLOTS: u64 = 10;
/// One retry, in thousandths: ratios have no finer steps.
const RETRY: i64 = 1_000;

/// What a service allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// How long a request counts, nanoseconds; at least a second is meant.
    pub ttl: u64,
    /// Retries per second that are always allowed.
    pub min_per_second: u32,
    /// Retries per request beside those, 0.2 for one in five.
    pub ratio: f32,
}

impl Default for Params {
    fn default() -> Self {
        Params { ttl: 10_000_000_000, min_per_second: 10, ratio: 0.2 }
    }
}

/// The retries that one worker may send to one service.
#[derive(Clone, Debug)]
pub struct Budget {
    params: Params,
    /// Earned less spent, in thousandths of a retry, by slot.
    slots: [i64; SLOTS as usize],
    /// The number of the current slot since time began.
    at: u64,
    /// What is always there for one window.
    reserve: i64,
    /// What one request earns.
    earned: i64,
}

impl Budget {
    /// Nothing earned, nothing spent. Out of range values are brought to 1 s to 60 s, a ratio of at most 1000.
    pub fn new(params: Params) -> Budget {
        let ttl = params.ttl.clamp(1_000_000_000, 60_000_000_000);
        let ratio = if params.ratio.is_finite() { params.ratio.clamp(0.0, 1_000.0) } else { 0.0 };
        let window = u128::from(params.min_per_second) * u128::from(ttl) * RETRY as u128 / 1_000_000_000;
        Budget {
            params: Params { ttl, ratio, ..params },
            slots: [0; SLOTS as usize],
            at: 0,
            reserve: i64::try_from(window).unwrap_or(i64::MAX / 4),
            earned: (f64::from(ratio) * RETRY as f64).round() as i64,
        }
    }

    /// Whether this is the budget of these parameters.
    pub fn is_of(&self, params: Params) -> bool {
        self.params == Budget::new(params).params
    }

    /// A request (not a retry) is sent.
    #[inline]
    pub fn deposit(&mut self, now: u64) {
        let earned = self.earned;
        let slot = self.slot(now);
        *slot = slot.saturating_add(earned);
    }

    /// Whether one retry may be sent now; if so it is spent.
    pub fn withdraw(&mut self, now: u64) -> bool {
        self.slot(now);
        let allowed = self.left() >= RETRY;
        if allowed {
            let slot = self.slot(now);
            *slot -= RETRY;
        }
        allowed
    }

    /// Thousandths of a retry that are left.
    fn left(&self) -> i64 {
        self.slots.iter().fold(self.reserve, |sum, slot| sum.saturating_add(*slot))
    }

    /// The current slot, after those whose time is over have been emptied.
    #[inline]
    fn slot(&mut self, now: u64) -> &mut i64 {
        let number = now / (self.params.ttl / SLOTS);
        for gone in self.at..number.min(self.at + SLOTS) {
            self.slots[((gone + 1) % SLOTS) as usize] = 0;
        }
        self.at = self.at.max(number);
        &mut self.slots[(self.at % SLOTS) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn budget(min_per_second: u32, ratio: f32) -> Budget {
        Budget::new(Params { ttl: 10 * SECOND, min_per_second, ratio })
    }

    /// How many retries go through at once.
    fn all(budget: &mut Budget, now: u64) -> u32 {
        (0..100_000).take_while(|_| budget.withdraw(now)).count() as u32
    }

    #[test]
    fn a_share_of_the_requests_and_a_few_per_second() {
        for (case, min, ratio, requests, wanted) in [
            ("nothing", 0, 0.0, 1_000, 0),
            ("one in five", 0, 0.2, 1_000, 200),
            ("a few each second of the window", 10, 0.0, 0, 100),
            ("both", 1, 0.5, 10, 15),
            ("more than one each", 0, 3.0, 7, 21),
        ] {
            let mut budget = budget(min, ratio);
            (0..requests).for_each(|_| budget.deposit(SECOND));
            assert_eq!(all(&mut budget, SECOND), wanted, "{case}");
            assert!(!budget.withdraw(SECOND + 1), "{case}: spent");
        }
    }

    #[test]
    fn what_is_old_counts_no_more() {
        let mut budget = budget(1, 1.0);
        (0..5).for_each(|_| budget.deposit(0));
        assert_eq!(all(&mut budget, 9 * SECOND), 15);
        assert_eq!(all(&mut budget, 11 * SECOND), 0, "spent at 9 s, and the requests are forgotten");
        assert_eq!(all(&mut budget, 19 * SECOND), 10, "the few per second are back");
        assert_eq!(all(&mut budget, 1_000 * SECOND), 10, "never more than a window of them");
    }

    #[test]
    fn odd_parameters_are_brought_in_range() {
        for (ttl, ratio) in [(0, f32::NAN), (u64::MAX, -1.0), (1, f32::INFINITY)] {
            let mut budget = Budget::new(Params { ttl, min_per_second: u32::MAX, ratio });
            budget.deposit(u64::MAX);
            assert!(budget.withdraw(u64::MAX) && budget.is_of(Params { ttl, min_per_second: u32::MAX, ratio }));
        }
    }

    proptest! {
        /// In no window are there more retries than its reserve and the share of the requests that can be in it.
        #[test]
        fn no_window_has_more(
            min in 0u32..5,
            ratio in 0.0f32..2.0,
            steps in proptest::collection::vec((0u64..3_000, any::<bool>()), 1..400),
        ) {
            let (mut budget, mut now) = (budget(min, ratio), 0);
            let (mut requests, mut retries) = (Vec::new(), Vec::new());
            for (after, retry) in steps {
                now += after * 1_000_000;
                if !retry {
                    budget.deposit(now);
                    requests.push(now);
                } else if budget.withdraw(now) {
                    retries.push(now);
                }
                // Slots are a tenth of the window: what was earned counts a window at most, what was spent nine tenths at least.
                let spent = retries.iter().filter(|&&at| at + 9 * SECOND > now).count() as f64;
                let earned = requests.iter().filter(|&&at| at + 19 * SECOND >= now).count() as f64;
                let step = (f64::from(ratio) * 1_000.0).round() / 1_000.0;
                prop_assert!(spent <= f64::from(min) * 10.0 + earned * step + 1e-6, "{spent} of {earned}");
            }
        }

        /// While there are requests enough, a retry is never refused.
        #[test]
        fn a_quiet_service_may_retry(gaps in proptest::collection::vec(1_000u64..5_000, 1..50)) {
            let (mut budget, mut now) = (budget(1, 0.0), 0);
            for gap in gaps {
                now += gap * 1_000_000;
                prop_assert!(budget.withdraw(now));
            }
        }
    }
}
