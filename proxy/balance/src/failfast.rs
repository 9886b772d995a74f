//! How long a service may have nobody ready before requests are failed at once instead of queued.

/// One service's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failfast {
    empty_since: Option<u64>,
}

impl Failfast {
    /// Nothing has been asked yet: a fresh service counts as empty from its first request on.
    pub fn new() -> Failfast {
        Failfast::default()
    }

    /// Someone is ready.
    pub fn ready(&mut self) {
        self.empty_since = None;
    }

    /// Nobody is ready (idempotent).
    pub fn empty(&mut self, now: u64) {
        self.empty_since.get_or_insert(now);
    }

    /// Whether requests fail at once. `timeout` ns.
    pub fn shut(&self, timeout: u64, now: u64) -> bool {
        self.deadline(timeout).is_some_and(|deadline| now >= deadline)
    }

    /// When it will shut; queued requests fail then.
    pub fn deadline(&self, timeout: u64) -> Option<u64> {
        self.empty_since.map(|since| since.saturating_add(timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuts_after_the_timeout_and_opens_at_once() {
        let mut gate = Failfast::new();
        assert!(!gate.shut(10, 1000));
        gate.empty(5);
        gate.empty(9);
        assert_eq!((gate.deadline(10), gate.shut(10, 14), gate.shut(10, 15)), (Some(15), false, true));
        gate.ready();
        assert_eq!((gate.deadline(10), gate.shut(10, 100)), (None, false));
    }
}
