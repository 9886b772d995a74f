//! How many requests a second: the generic cell rate algorithm, eight bytes a client.
//!
//! In: a rate, `now` in nanoseconds. Out: whether one more fits. A client that was silent for a second may send a second's worth
//! at once, then one each `1/rate`; what is refused costs nothing.
//! Limits: a bucket owes at most one second of requests (or one request, where the rate is below one a second).

const SECOND: u64 = 1_000_000_000;

/// A rate, or the share of it that one of several workers gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds from one request to the next; `u64::MAX`: none at all.
    every: u64,
}

impl Rate {
    /// `per_second` divided among `workers`, each of which has buckets of its own. 0 lets nothing through.
    #[must_use]
    pub fn shared(per_second: u32, workers: u16) -> Rate {
        let every = (SECOND * u64::from(workers.max(1))).checked_div(u64::from(per_second));
        Rate { every: every.unwrap_or(u64::MAX) }
    }
}

/// When the last request that was let through is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket(u64);

impl Bucket {
    /// Whether a request fits now.
    #[must_use]
    pub fn fits(self, rate: Rate, now: u64) -> bool {
        rate.every != u64::MAX && self.0 <= now.saturating_add(SECOND.saturating_sub(rate.every))
    }

    /// Counts a request, if it fits.
    pub fn take(&mut self, rate: Rate, now: u64) -> bool {
        let fits = self.fits(rate, now);
        if fits {
            self.0 = self.0.max(now).saturating_add(rate.every);
        }
        fits
    }

    /// Whether it owes nothing: as good as a new one.
    #[must_use]
    pub fn idle(self, now: u64) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_s_worth_at_once_then_at_the_rate() {
        let (rate, mut bucket) = (Rate::shared(10, 1), Bucket::default());
        let start = 5 * SECOND;
        assert_eq!((0..20).filter(|_| bucket.take(rate, start)).count(), 10);
        assert!(!bucket.take(rate, start + SECOND / 10 - 1));
        assert!(bucket.take(rate, start + SECOND / 10) && !bucket.take(rate, start + SECOND / 10));
        assert!(!bucket.idle(start + SECOND) && bucket.idle(start + 2 * SECOND));
    }

    #[test]
    fn workers_share_a_rate_and_zero_is_nothing() {
        let share = Rate::shared(10, 4);
        let mut buckets = [Bucket::default(); 4];
        let first: usize = buckets.iter_mut().map(|b| (0..20).filter(|_| b.take(share, SECOND)).count()).sum();
        assert!((8..=12).contains(&first), "{first}");
        let slow = Rate::shared(1, 4);
        let mut one = Bucket::default();
        let taken = (0..=40).filter(|i| one.take(slow, SECOND + i * SECOND / 2)).count();
        assert_eq!(taken, 6, "one each four seconds");
        assert!(!Bucket::default().take(Rate::shared(0, 1), 9 * SECOND));
    }

    proptest! {
        /// Over any window no more than the burst and the rate; and a client that keeps to the rate is never refused.
        #[test]
        fn never_more_than_burst_and_rate(
            per_second in 1u32..5000, workers in 1u16..8, steps in proptest::collection::vec(0u64..300_000_000, 1..200),
        ) {
            let rate = Rate::shared(per_second, workers);
            let every = SECOND * u64::from(workers) / u64::from(per_second);
            let (mut bucket, mut now, mut passed) = (Bucket::default(), SECOND, Vec::new());
            for step in steps {
                now += step;
                if bucket.take(rate, now) {
                    passed.push(now);
                }
            }
            for (i, from) in passed.iter().enumerate() {
                for (j, to) in passed.iter().enumerate().skip(i) {
                    let most = (to - from + SECOND.max(every)) / every + 1;
                    prop_assert!((j - i + 1) as u64 <= most, "{} in {} ns", j - i + 1, to - from);
                }
            }
            let mut polite = Bucket::default();
            prop_assert!((0..50u64).all(|i| polite.take(rate, SECOND + i * every)));
        }
    }
}
