//! What an endpoint is charged on top of its latency because it said that it is overloaded: the largest charge counts and fades.
//! Never in here: which answers deserve one.

/// One endpoint's charge, nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Penalty {
    charge: f64,
    at: u64,
}

impl Penalty {
    /// Charges `amount` ns; what is left of an earlier charge counts if it is more. `decay`: as in [`crate::ewma`].
    pub fn charge(&mut self, amount: u64, decay: u64, now: u64) {
        self.charge = self.left(decay, now).max(amount as f64);
        self.at = self.at.max(now);
    }

    /// What is left of it.
    #[inline]
    pub fn left(&self, decay: u64, now: u64) -> f64 {
        if self.charge == 0.0 {
            return 0.0;
        }
        self.charge * crate::ewma::keep(now.saturating_sub(self.at), decay)
    }
}

/// The charge for an overload answer: what it asked for itself (`Retry-After`, `grpc-retry-pushback-ms`), at most `most`; else `usual`.
pub fn amount(asked: Option<u64>, usual: u64, most: u64) -> u64 {
    asked.map_or(usual, |asked| asked.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn the_answer_says_how_long_but_not_without_bound() {
        for (asked, charge) in [(None, 5 * S), (Some(2 * S), 2 * S), (Some(900 * S), 300 * S), (Some(0), 0)] {
            assert_eq!(amount(asked, 5 * S, 300 * S), charge, "{asked:?}");
        }
    }

    proptest! {
        /// Never more than the largest charge, never less than the last one right after it, and it only falls between charges.
        #[test]
        fn charges_peak_and_fade(acts in proptest::collection::vec((0u64..600, 0u64..20 * S), 1..40), decay in S..60 * S) {
            let (mut penalty, mut now, mut most) = (Penalty::default(), 0, 0);
            for (amount, wait) in acts {
                let before = penalty.left(decay, now);
                now += wait;
                prop_assert!(penalty.left(decay, now) <= before);
                most = most.max(amount);
                penalty.charge(amount, decay, now);
                let left = penalty.left(decay, now);
                prop_assert!(left >= amount as f64 && left <= most as f64);
            }
        }
    }
}
