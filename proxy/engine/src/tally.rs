//! Metrics of one worker: handles resolved when something is first seen, plain adds afterwards.
//!
//! In: connections and exchanges as they begin and end. Out: numbers in the worker's shard.
//! Limits: `series::SERIES` label sets of requests and as many of connections are kept here; more share one whose labels say
//! `other`. What strangers choose (ports, SNI, names) is bounded apart, see `strangers`.

pub(crate) mod balancer;
pub(crate) mod detect;
pub(crate) mod ends;
pub(crate) mod inbound;
pub(crate) mod outbound;
pub(crate) mod refused;
pub(crate) mod retry;
pub(crate) mod route;
pub(crate) mod series;
pub(crate) mod strangers;
pub(crate) mod streams;
pub(crate) mod tcp;

use crate::engine::Engine;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use metrics::{Gauge, Registry, Shard, families};
use series::{Answer, Series};
use std::collections::HashMap;
use std::sync::Arc;
use strangers::Strangers;
use table::WorkerId;

/// Labels in order.
pub(crate) type Labels = Vec<(String, String)>;

/// The worker's numbers.
pub(crate) struct Tally {
    pub(crate) registry: Arc<Registry>,
    pub(crate) shard: Shard,
    /// Accepted connections that are open.
    pub(crate) accepted: usize,
    /// Where that number is shown, once a second.
    pub(crate) held: Option<Gauge>,
    /// Requests in flight: inbound, outbound.
    pub(crate) in_flight: [usize; 2],
    /// Requests that wait for policy, an endpoint or a connection.
    pub(crate) queued: usize,
    pub(crate) strangers: Strangers,
    /// Why strangers were turned away.
    refused: refused::Refused,
    series: Vec<Series>,
    by_labels: HashMap<Labels, u32>,
    tcp: tcp::Kept,
}

impl Tally {
    pub(crate) fn new(registry: Arc<Registry>, worker: WorkerId) -> Tally {
        let shard = registry.shard(worker.0 as usize);
        Tally {
            registry,
            shard,
            accepted: 0,
            held: None,
            in_flight: [0; 2],
            queued: 0,
            strangers: Strangers::default(),
            refused: refused::Refused::default(),
            series: Vec::new(),
            by_labels: HashMap::new(),
            tcp: tcp::Kept::default(),
        }
    }
}

/// Whether an answer counts as a success (the classes that dashboards know).
pub(crate) fn classify(x: &Exchange) -> bool {
    if x.facts.has(Facts::GRPC) && x.grpc != u8::MAX {
        return !matches!(x.grpc, 2 | 4 | 7 | 13 | 14 | 15);
    }
    if x.failures.is_empty() {
        return !(500..600).contains(&x.status);
    }
    !x.failures.iter().any(|&(low, high)| (low..=high).contains(&x.status))
}

pub(crate) fn borrowed(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

impl Engine {
    /// An exchange is over.
    pub(crate) fn count(&mut self, x: &Exchange, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            self.count_fault(x, fault);
        }
        let micros = (self.now - x.began) / 1_000;
        // The response may end before the request does.
        let response = if x.asked > 0 { (self.now - x.asked) / 1_000 } else { 0 };
        let answer = Answer { micros, response, end: fault.map_or(ends::GOOD, ends::of) };
        self.tally.answered(x.route_series, x, answer);
        self.tally.answered(x.backend_series, x, answer);
        if x.status == 0 {
            return;
        }
        // To dashboards of old an answer the client did not wait for is what its status says.
        let answer = if fault == Some(&Fault::Cancelled) { Answer { end: ends::GOOD, ..answer } } else { answer };
        self.tally.answered(x.series, x, answer);
        self.tally.answered(x.profile_series, x, answer);
        self.tally.answered(x.actual_series, x, answer);
    }

    fn count_fault(&mut self, x: &Exchange, fault: &Fault) {
        if matches!(fault, Fault::Cancelled) {
            return;
        }
        let tally = &mut self.tally;
        let counter = if x.facts.has(Facts::OUTBOUND) {
            tally.registry.counter(&families::OUTBOUND_HTTP_ERRORS_TOTAL, &[("error", fault.label())])
        } else {
            let Some(info) = self.conns.get(x.down).and_then(|conn| conn.info.as_deref()) else { return };
            let mut labels = vec![("error".to_owned(), fault.label().to_owned())];
            let server = self.ports.get(info.port).and_then(|port| port.server.as_deref());
            tally.place(&mut labels, info.original, server, info.port);
            tally.registry.counter(&families::INBOUND_HTTP_ERRORS_TOTAL, &borrowed(&labels))
        };
        tally.shard.add(counter, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;

    #[test]
    fn what_a_failure_is() {
        let x = |status: u16, grpc: Option<u8>, failures: &[(u16, u16)]| {
            let mut x = Exchange::new(Key::NONE, 0, 0);
            x.facts.set_if(Facts::GRPC, grpc.is_some());
            (x.status, x.grpc, x.failures) = (status, grpc.unwrap_or(u8::MAX), failures.into());
            classify(&x)
        };
        let failed: Vec<u8> = (0..=16).filter(|&code| !x(200, Some(code), &[])).collect();
        assert_eq!(failed, [2, 4, 7, 13, 14, 15], "unknown, late, denied, internal, unavailable, lost");
        assert!(x(200, Some(u8::MAX), &[]), "without trailers");
        for (status, failures, good) in [
            (200, &[][..], true),
            (404, &[], true),
            (500, &[], false),
            (599, &[], false),
            (404, &[(400, 404)], false),
            (405, &[(400, 404)], true),
            (503, &[(400, 404)], true),
        ] {
            assert_eq!(x(status, None, failures), good, "{status} {failures:?}");
        }
    }
}
