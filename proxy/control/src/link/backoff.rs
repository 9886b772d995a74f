//! Waits between tries: doubling, capped, with jitter, forgotten after a success.

use crate::env::Backoff;
use std::time::Duration;

/// The state of one retried thing.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    rule: Backoff,
    next: Duration,
}

impl Wait {
    /// Starts at the shortest wait.
    pub fn new(rule: Backoff) -> Self {
        Self { rule, next: rule.min }
    }

    /// A success: the next failure waits shortly again.
    pub fn reset(&mut self) {
        self.next = self.rule.min;
    }

    /// How long to wait after one more failure; `random` in 0..1.
    pub fn after_failure(&mut self, random: f64) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(self.rule.max);
        base + base.mul_f64(self.rule.jitter * random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_over() {
        let mut wait =
            Wait::new(Backoff { min: Duration::from_millis(100), max: Duration::from_millis(350), jitter: 0.5 });
        let mut next = |random| wait.after_failure(random).as_millis();
        assert_eq!([next(0.0), next(0.0), next(0.0), next(1.0)], [100, 200, 350, 525]);
        wait.reset();
        assert_eq!(wait.after_failure(0.0).as_millis(), 100);
    }
}
