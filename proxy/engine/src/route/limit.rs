//! Local rate limits: is there room for one more request of this client on this port?
//!
//! In: a port's limit, the client's verified name, time. Out: yes, or which limit is reached. Each worker gives out its share of
//! a rate. A request that one limit refuses costs the others nothing.
//! Limits: `CLIENTS` names per port and worker; when all of them are busy, further ones share the nameless clients' bucket.

use balance::gcra::{Bucket, Rate};
use std::collections::HashMap;
use std::sync::Arc;
use table::inbound::RateLimit;

/// Clients remembered at a time, about 100 bytes each.
const CLIENTS: usize = 4096;
/// A bucket is as good as new after a second; looking for such ones more often finds nothing.
const SWEEP: u64 = 1_000_000_000;

/// Which limit is reached: the `ratelimit_scope` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Of all clients together.
    Total,
    /// Of this client.
    Identity,
}

impl Scope {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Scope::Total => "total",
            Scope::Identity => "identity",
        }
    }
}

/// The buckets of a port on one worker.
pub(crate) struct Limiter {
    spec: RateLimit,
    total: Option<(Rate, Bucket)>,
    /// Overrides, and which of them a client has.
    own: Vec<(Rate, Bucket)>,
    named: HashMap<Arc<str>, usize>,
    each: Option<Rate>,
    clients: HashMap<Arc<str>, Bucket>,
    nameless: Bucket,
    swept: u64,
}

impl Limiter {
    pub(crate) fn new(spec: &RateLimit, workers: u16) -> Limiter {
        let rate = |per_second| Rate::shared(per_second, workers);
        let names = spec.overrides.iter().enumerate().flat_map(|(i, (names, _))| names.iter().map(move |n| (i, n)));
        let mut named = HashMap::new();
        for (index, name) in names {
            named.entry(name.clone()).or_insert(index);
        }
        Limiter {
            spec: spec.clone(),
            total: spec.total.map(|total| (rate(total), Bucket::default())),
            own: spec.overrides.iter().map(|&(_, own)| (rate(own), Bucket::default())).collect(),
            named,
            each: spec.identity.map(rate),
            clients: HashMap::new(),
            nameless: Bucket::default(),
            swept: 0,
        }
    }

    /// Whether it was made for this limit; then a newer policy leaves its buckets as they are.
    pub(crate) fn is_for(&self, spec: &RateLimit) -> bool {
        self.spec == *spec
    }

    /// Counts a request, or says which limit it would break.
    pub(crate) fn take(&mut self, client: Option<&Arc<str>>, now: u64) -> Result<(), Scope> {
        if self.total.is_some_and(|(rate, bucket)| !bucket.fits(rate, now)) {
            return Err(Scope::Total);
        }
        if !self.take_own(client, now) {
            return Err(Scope::Identity);
        }
        if let Some((rate, bucket)) = &mut self.total {
            bucket.take(*rate, now);
        }
        Ok(())
    }

    fn take_own(&mut self, client: Option<&Arc<str>>, now: u64) -> bool {
        if let Some((rate, bucket)) = client.and_then(|name| self.own.get_mut(*self.named.get(name)?)) {
            return bucket.take(*rate, now);
        }
        let Some(rate) = self.each else { return true };
        let Some(name) = client else { return self.nameless.take(rate, now) };
        if let Some(bucket) = self.clients.get_mut(name) {
            return bucket.take(rate, now);
        }
        if self.clients.len() >= CLIENTS && now >= self.swept + SWEEP {
            self.swept = now;
            self.clients.retain(|_, bucket| !bucket.idle(now));
        }
        if self.clients.len() >= CLIENTS {
            return self.nameless.take(rate, now);
        }
        self.clients.entry(name.clone()).or_default().take(rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limiter(total: Option<u32>, identity: Option<u32>, overrides: &[(&str, u32)]) -> Limiter {
        let overrides = overrides.iter().map(|&(names, rate)| (names.split(' ').map(Arc::from).collect(), rate));
        let spec = RateLimit { total, identity, overrides: overrides.collect(), ..RateLimit::default() };
        Limiter::new(&spec, 1)
    }

    /// How many of `tries` requests of a client pass at once, and what stopped the rest.
    fn passes(limiter: &mut Limiter, client: &str, tries: usize, now: u64) -> (usize, Option<Scope>) {
        let client = (!client.is_empty()).then(|| Arc::from(client));
        let told: Vec<_> = (0..tries).map(|_| limiter.take(client.as_ref(), now)).collect();
        (told.iter().filter(|t| t.is_ok()).count(), told.into_iter().find_map(Result::err))
    }

    #[test]
    fn each_limit_counts_whom_it_is_for() {
        use Scope::{Identity, Total};
        let mut both = limiter(Some(10), Some(4), &[("vip twin", 6)]);
        for (client, wanted) in
            [("a", (4, Some(Identity))), ("", (4, Some(Identity))), ("vip", (2, Some(Total))), ("b", (0, Some(Total)))]
        {
            assert_eq!(passes(&mut both, client, 9, SECOND), wanted, "{client}");
        }
        let mut own = limiter(None, Some(1), &[("vip twin", 6)]);
        assert_eq!(passes(&mut own, "vip", 4, SECOND).0 + passes(&mut own, "twin", 4, SECOND).0, 6, "one bucket");
        assert_eq!(passes(&mut own, "a", 4, SECOND), (1, Some(Identity)));
        assert_eq!(passes(&mut limiter(None, None, &[("vip", 1)]), "a", 9, SECOND), (9, None));
    }

    #[test]
    fn a_greedy_client_leaves_the_others_their_share() {
        let mut both = limiter(Some(10), Some(4), &[]);
        assert_eq!(passes(&mut both, "greedy", 1000, SECOND).0, 4);
        assert_eq!(passes(&mut both, "modest", 4, SECOND), (4, None), "refused requests cost the total nothing");
    }

    #[test]
    fn clients_are_bounded_and_forgotten() {
        let mut each = limiter(None, Some(2), &[]);
        for i in 0..CLIENTS {
            assert_eq!(passes(&mut each, &format!("c{i}"), 1, SECOND).0, 1);
        }
        assert_eq!(passes(&mut each, "late", 3, SECOND), (2, Some(Scope::Identity)), "with the nameless");
        assert_eq!((passes(&mut each, "later", 1, SECOND).0, each.clients.len()), (0, CLIENTS));
        assert_eq!((passes(&mut each, "late", 1, 3 * SECOND).0, each.clients.len()), (1, 1));
    }
}
