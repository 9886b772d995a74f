//! Peak-sensitive latency average: a worse sample counts at once, a better one slowly.

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
    pub fn observe(&mut self, _sample: u64, _decay: u64, _now: u64) {
        unimplemented!()
    }

    /// The estimate now: an idle endpoint's estimate decays, so that it is tried again.
    pub fn rtt(&self, _decay: u64, _now: u64) -> f64 {
        unimplemented!()
    }
}
