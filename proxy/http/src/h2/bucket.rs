//! A leaky bucket in whole units: what the peer does without purpose drips in, time and useful traffic let it out.

/// How full it is, and when that was reckoned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    level: u32,
    at: u64,
}

impl Bucket {
    pub fn new(now: u64) -> Bucket {
        Bucket { level: 0, at: now }
    }

    /// Adds `cost`; false if that is more than `burst`.
    pub fn take(&mut self, cost: u32, burst: u32, per_second: u32, now: u64) -> bool {
        if self.level + cost > burst {
            let gone = now.saturating_sub(self.at).saturating_mul(u64::from(per_second)) / 1_000_000_000;
            if gone > 0 {
                self.give(u32::try_from(gone).unwrap_or(u32::MAX));
                self.at = now;
            }
        } else if self.level == 0 {
            self.at = now;
        }
        self.level = self.level.saturating_add(cost);
        self.level <= burst
    }

    /// Useful traffic takes some out.
    #[inline]
    pub fn give(&mut self, n: u32) {
        self.level = self.level.saturating_sub(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_forgiven_with_time_and_with_traffic() {
        let mut bucket = Bucket::new(0);
        assert!((0..10).all(|_| bucket.take(1, 10, 2, 0)));
        assert!(!bucket.take(1, 10, 2, 100));
        let mut bucket = Bucket::new(0);
        assert!((0..10).all(|_| bucket.take(1, 10, 2, 0)));
        assert!(bucket.take(2, 10, 2, 1_000_000_000) && !bucket.take(1, 10, 2, 1_000_000_001));
        bucket.give(5);
        assert!(bucket.take(1, 10, 2, 1_000_000_002));
    }
}
