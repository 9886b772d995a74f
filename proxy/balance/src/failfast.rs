//! How long a service may have nobody ready before requests are failed at once instead of queued.

/// One service's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failfast {
    empty_since: Option<u64>,
}

#[allow(unused_variables)]
impl Failfast {
    /// Nothing has been asked yet: a fresh service counts as empty from its first request on.
    pub fn new() -> Failfast {
        Failfast::default()
    }
    /// Someone is ready.
    pub fn ready(&mut self) {
        unimplemented!()
    }
    /// Nobody is ready (idempotent).
    pub fn empty(&mut self, now: u64) {
        unimplemented!()
    }
    /// Whether requests fail at once. `timeout` ns.
    pub fn shut(&self, timeout: u64, now: u64) -> bool {
        unimplemented!()
    }
    /// When it will shut; queued requests fail then.
    pub fn deadline(&self, timeout: u64) -> Option<u64> {
        unimplemented!()
    }
}
