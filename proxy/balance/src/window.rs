//! How often it went well lately: a window of ten buckets that moves with time. What enters: outcomes and `now`; what leaves: how many
//! went well and how many did not. Never in here: what follows from it.

/// Buckets of a window.
const BUCKETS: usize = 10;

/// Outcomes of the last ten buckets' time; the oldest bucket is forgotten whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    buckets: [(u32, u32); BUCKETS],
    /// The number of the newest bucket, counted from the beginning of time.
    newest: u64,
}

impl Window {
    /// Takes in an outcome; `length` is the whole window's, ns.
    pub fn record(&mut self, success: bool, length: u64, now: u64) {
        self.advance(length, now);
        let (good, bad) = &mut self.buckets[(self.newest % BUCKETS as u64) as usize];
        let count = if success { good } else { bad };
        *count = count.saturating_add(1);
    }

    /// Successes and failures that still count.
    pub fn counts(&mut self, length: u64, now: u64) -> (u64, u64) {
        self.advance(length, now);
        self.buckets.iter().fold((0, 0), |(g, b), (good, bad)| (g + u64::from(*good), b + u64::from(*bad)))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets = Default::default();
    }

    fn advance(&mut self, length: u64, now: u64) {
        let number = now / (length / BUCKETS as u64).max(1);
        // A length that changed makes numbers jump: what was counted by another measure is not compared with.
        if number < self.newest || number - self.newest >= BUCKETS as u64 {
            self.clear();
        } else {
            (self.newest + 1..=number).for_each(|n| self.buckets[(n % BUCKETS as u64) as usize] = (0, 0));
        }
        self.newest = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn old_outcomes_are_forgotten_by_the_bucket() {
        let mut window = Window::default();
        window.record(true, 10 * S, 0);
        window.record(false, 10 * S, S);
        for (now, counts) in [(S, (1, 1)), (10 * S - 1, (1, 1)), (10 * S, (0, 1)), (11 * S, (0, 0))] {
            assert_eq!(window.counts(10 * S, now), counts, "{now}");
        }
        window.record(true, 10 * S, 20 * S);
        assert_eq!(window.counts(S, 20 * S), (0, 0), "another length is another measure");
    }

    proptest! {
        /// Nothing younger than nine tenths of the window is missing, nothing older than the window counts.
        #[test]
        fn counts_what_is_young_and_nothing_that_is_old(
            acts in proptest::collection::vec((any::<bool>(), 0u64..3 * S), 1..60),
        ) {
            let (mut window, mut all, mut now) = (Window::default(), Vec::new(), 0);
            for (success, wait) in acts {
                now += wait;
                window.record(success, 10 * S, now);
                all.push((success, now));
                let within = |good: bool, limit: u64| all.iter().filter(|(s, at)| *s == good && now - at < limit).count() as u64;
                let (good, bad) = window.counts(10 * S, now);
                prop_assert!(within(true, 9 * S) <= good && good <= within(true, 10 * S));
                prop_assert!(within(false, 9 * S) <= bad && bad <= within(false, 10 * S));
            }
        }
    }
}
