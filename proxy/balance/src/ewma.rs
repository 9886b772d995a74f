//! Peak-sensitive latency average: a worse sample counts at once, a better one slowly. Between samples the estimate decays,
//! so that an endpoint that was slow once is tried again.

/// One endpoint's latency estimate, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct PeakEwma {
    rtt: f64,
    at: u64,
}

impl PeakEwma {
    /// Begins at `default_rtt` nanoseconds.
    pub fn new(default_rtt: u64, now: u64) -> PeakEwma {
        PeakEwma { rtt: default_rtt as f64, at: now }
    }

    /// Takes in a sample. `decay`: nanoseconds after which an old value has lost 63 % of its say.
    #[inline]
    pub fn observe(&mut self, sample: u64, decay: u64, now: u64) {
        let sample = sample as f64;
        if sample >= self.rtt {
            self.rtt = sample;
        } else {
            let keep = keep(now.saturating_sub(self.at), decay);
            self.rtt = self.rtt * keep + sample * (1.0 - keep);
        }
        self.at = self.at.max(now);
    }

    /// The estimate now.
    #[inline]
    pub fn rtt(&self, decay: u64, now: u64) -> f64 {
        self.rtt * keep(now.saturating_sub(self.at), decay)
    }
}

/// How much of an old value is left after `elapsed`: e^(-elapsed/decay). Below a thousandth of the decay time the first
/// terms of the series are exact enough and cost no library call: the usual case under load.
#[inline]
pub(crate) fn keep(elapsed: u64, decay: u64) -> f64 {
    if elapsed == 0 {
        return 1.0;
    }
    if decay == 0 {
        return 0.0;
    }
    let x = elapsed as f64 / decay as f64;
    if x < 1e-3 { 1.0 - x + x * x * 0.5 } else { (-x).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn peaks_count_at_once_and_fade() {
        let mut ewma = PeakEwma::new(30_000_000, 0);
        ewma.observe(S, 10 * S, 0);
        assert_eq!(ewma.rtt(10 * S, 0), 1e9);
        assert!((ewma.rtt(10 * S, 10 * S) - 1e9 / std::f64::consts::E).abs() < 1.0);
        ewma.observe(0, 10 * S, 10 * S);
        assert!((ewma.rtt(10 * S, 10 * S) - 1e9 / std::f64::consts::E).abs() < 1.0);
        assert_eq!(PeakEwma::new(5, 0).rtt(0, 1), 0.0);
    }

    proptest! {
        #[test]
        fn the_short_way_is_the_long_way(elapsed in 0u64..20_000_000_000, decay in 1u64..60_000_000_000) {
            let exact = (-(elapsed as f64 / decay as f64)).exp();
            prop_assert!((keep(elapsed, decay) - exact).abs() < 1e-9);
        }

        #[test]
        fn stays_between_what_was_seen(samples in proptest::collection::vec((0u64..1_000_000, 0u64..5_000_000_000), 1..40)) {
            let mut ewma = PeakEwma::new(1000, 0);
            let (mut now, mut most) = (0, 1000);
            for (sample, wait) in samples {
                now += wait;
                most = most.max(sample);
                ewma.observe(sample, S, now);
                let rtt = ewma.rtt(S, now);
                prop_assert!(rtt >= 0.0 && rtt <= most as f64 && rtt + 0.5 >= sample.min(rtt as u64) as f64);
            }
        }
    }
}
