//! Add, Remove, NoEndpoints folded into a whole set.
//!
//! After a reconnect the first message replaces the set; until then the old one stands.

use crate::convert::endpoint::endpoint;
use linkerd2_proxy_api::destination::{Update, update};
use std::net::SocketAddr;
use std::sync::Arc;
use table::outbound::{Endpoint, Endpoints};

/// Endpoints of one path; more are not used, and the log says so.
const MOST: usize = 10_000;

/// The set so far, in order of addition.
#[derive(Debug, Default)]
pub(super) struct Fold {
    list: Vec<Arc<Endpoint>>,
}

impl Fold {
    /// The set after one more message; `first` after each (re)connect.
    pub(super) fn apply(&mut self, path: &str, update: &Update, first: bool) -> Endpoints {
        let before = if first { std::mem::take(&mut self.list) } else { Vec::new() };
        match update.update.as_ref() {
            Some(update::Update::Add(set)) => {
                for addr in &set.addrs {
                    match endpoint(addr, &set.metric_labels) {
                        Ok(endpoint) => self.add(path, endpoint, &before),
                        Err(error) => log::warn!("{path}: {error}; it is not used"),
                    }
                }
            }
            Some(update::Update::Remove(set)) => {
                // A stream that starts with a removal builds on what was known.
                if first {
                    self.list = before;
                }
                let gone: Vec<SocketAddr> = set.addrs.iter().filter_map(|&a| a.try_into().ok()).collect();
                self.list.retain(|e| !gone.contains(&e.addr));
            }
            Some(update::Update::NoEndpoints(_)) => self.list.clear(),
            None => {
                log::warn!("{path}: an update of a kind we do not know; the endpoints stay");
                if first {
                    self.list = before;
                }
            }
        }
        let none = matches!(&update.update, Some(update::Update::NoEndpoints(none)) if !none.exists);
        Endpoints { known: true, missing: none, list: self.list.clone().into() }
    }

    /// An equal endpoint stays the same allocation, so that workers see at once that it did not change.
    fn add(&mut self, path: &str, new: Endpoint, before: &[Arc<Endpoint>]) {
        let new = match before.iter().find(|old| ***old == new) {
            Some(old) => old.clone(),
            None => Arc::new(new),
        };
        let room = self.list.len() < MOST;
        match self.list.iter_mut().find(|old| old.addr == new.addr) {
            Some(old) if **old == *new => {}
            Some(old) => *old = new,
            None if room => self.list.push(new),
            None => log::warn!("{path}: more than {MOST} endpoints; {} is not used", new.addr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkerd2_proxy_api::destination::{AddrSet, NoEndpoints, WeightedAddr, WeightedAddrSet};

    fn add(ports: &[u16]) -> Update {
        let addr = |&port: &u16| WeightedAddr {
            addr: Some(SocketAddr::from(([10, 0, 0, 1], port)).into()),
            ..Default::default()
        };
        let set = WeightedAddrSet { addrs: ports.iter().map(addr).collect(), ..Default::default() };
        Update { update: Some(update::Update::Add(set)) }
    }

    fn remove(ports: &[u16]) -> Update {
        let addrs = ports.iter().map(|&p| SocketAddr::from(([10, 0, 0, 1], p)).into()).collect();
        Update { update: Some(update::Update::Remove(AddrSet { addrs })) }
    }

    #[test]
    fn messages_in_any_order_end_in_the_right_set() {
        let none = || Update { update: Some(update::Update::NoEndpoints(NoEndpoints { exists: true })) };
        for (case, messages, ports) in [
            ("add twice", vec![(true, add(&[1, 2])), (false, add(&[2, 3]))], vec![1, 2, 3]),
            ("remove one", vec![(true, add(&[1, 2])), (false, remove(&[1, 9]))], vec![2]),
            ("none", vec![(true, add(&[1, 2])), (false, none())], vec![]),
            ("a reconnect replaces", vec![(true, add(&[1, 2])), (true, add(&[2, 4]))], vec![2, 4]),
            ("a reconnect that removes builds on", vec![(true, add(&[1, 2])), (true, remove(&[1]))], vec![2]),
            ("an unknown update changes nothing", vec![(true, add(&[1])), (true, Update { update: None })], vec![1]),
        ] {
            let mut fold = Fold::default();
            let mut last = Endpoints::default();
            for (first, message) in messages {
                last = fold.apply("p", &message, first);
            }
            assert!(last.known && !last.missing);
            assert_eq!(last.list.iter().map(|e| e.addr.port()).collect::<Vec<_>>(), ports, "{case}");
        }
    }

    #[test]
    fn a_service_that_is_not_there_is_told_from_an_empty_one() {
        let none = |exists| Update { update: Some(update::Update::NoEndpoints(NoEndpoints { exists })) };
        let mut fold = Fold::default();
        for (message, missing) in [(none(false), true), (none(true), false), (none(false), true), (add(&[1]), false)] {
            assert_eq!(fold.apply("p", &message, false).missing, missing, "{message:?}");
        }
    }

    #[test]
    fn an_unchanged_endpoint_is_the_same_value_after_a_reconnect() {
        let mut fold = Fold::default();
        let before = fold.apply("p", &add(&[1, 2]), true);
        let after = fold.apply("p", &add(&[2, 1]), true);
        assert!(Arc::ptr_eq(&before.list[0], &after.list[1]));
    }
}
