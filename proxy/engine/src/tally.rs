//! Metrics of one worker: handles resolved when something is first seen, plain adds afterwards.
//!
//! In: connections and exchanges as they begin and end. Out: numbers in the worker's shard.
//! Limits: `SERIES` label sets of requests are kept here; more share one whose labels say `other`.

pub(crate) mod inbound;
pub(crate) mod outbound;
pub(crate) mod tcp;

use crate::engine::Engine;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use metrics::{Counter, Family, Histogram, Registry, Shard, families};
use std::collections::HashMap;
use std::sync::Arc;
use table::WorkerId;

/// Label sets kept per worker.
const SERIES: usize = 4096;

/// Labels in order.
pub(crate) type Labels = Vec<(String, String)>;

/// What requests of one label set count into.
pub(crate) struct Series {
    labels: Labels,
    requests: Counter,
    /// By status, gRPC status and classification.
    responses: Vec<(u32, Counter, Option<Histogram>)>,
    families: Families,
}

/// Which families a series belongs to.
#[derive(Clone, Copy)]
struct Families {
    requests: &'static Family,
    responses: &'static Family,
    latency: Option<&'static Family>,
    /// Response labels of `response_total`; else those of `outbound_*_statuses_total`.
    classified: bool,
}

/// `request_total` and friends.
static REQUESTS: Families = Families {
    requests: &families::REQUEST_TOTAL,
    responses: &families::RESPONSE_TOTAL,
    latency: Some(&families::RESPONSE_LATENCY_MS),
    classified: true,
};

/// The worker's numbers.
pub(crate) struct Tally {
    pub(crate) registry: Arc<Registry>,
    pub(crate) shard: Shard,
    /// Accepted connections that are open.
    pub(crate) accepted: usize,
    /// Requests in flight: inbound, outbound.
    pub(crate) in_flight: [usize; 2],
    /// Requests that wait for policy, an endpoint or a connection.
    pub(crate) queued: usize,
    /// Requests whose client left.
    pub(crate) abandoned: u64,
    series: Vec<Series>,
    by_labels: HashMap<Labels, u32>,
}

impl Tally {
    pub(crate) fn new(registry: Arc<Registry>, worker: WorkerId) -> Tally {
        let shard = registry.shard(worker.0 as usize);
        Tally {
            registry,
            shard,
            accepted: 0,
            in_flight: [0; 2],
            queued: 0,
            abandoned: 0,
            series: Vec::new(),
            by_labels: HashMap::new(),
        }
    }

    fn series(&mut self, mut labels: Labels, families: Families) -> u32 {
        let mut name = labels.clone();
        name.push((families.requests.name.into(), String::new()));
        if let Some(&index) = self.by_labels.get(&name) {
            return index;
        }
        if self.series.len() >= SERIES {
            labels.iter_mut().for_each(|(_, value)| *value = "other".into());
            name = labels.clone();
            name.push((families.requests.name.into(), String::new()));
            if let Some(&index) = self.by_labels.get(&name) {
                return index;
            }
        }
        let requests = self.registry.counter(families.requests, &borrowed(&labels));
        let index = self.series.len() as u32;
        self.series.push(Series { labels, requests, responses: Vec::new(), families });
        self.by_labels.insert(name, index);
        index
    }

    /// A request of a label set begins.
    #[inline]
    pub(crate) fn began(&self, series: u32) {
        if let Some(series) = self.series.get(series as usize) {
            self.shard.add(series.requests, 1);
        }
    }

    /// Its answer is over, after so many microseconds.
    fn answered(&mut self, series: u32, x: &Exchange, micros: u64, error: &'static str) {
        let Some(series) = self.series.get_mut(series as usize) else { return };
        let success = classify(x) && error.is_empty();
        let key = u32::from(x.status)
            | u32::from(x.grpc) << 16
            | u32::from(success) << 24
            | u32::from(!error.is_empty()) << 25;
        let known = series.responses.iter().find(|(known, ..)| *known == key);
        let (counter, latency) = match known {
            Some(&(_, counter, latency)) => (counter, latency),
            None => {
                let made = series.respond(&self.registry, x, success, error);
                series.responses.push((key, made.0, made.1));
                made
            }
        };
        self.shard.add(counter, 1);
        if let Some(latency) = latency {
            self.shard.observe(latency, micros);
        }
    }
}

impl Series {
    fn respond(&self, registry: &Registry, x: &Exchange, success: bool, error: &str) -> (Counter, Option<Histogram>) {
        let (status, grpc) = (x.status.to_string(), x.grpc.to_string());
        let told = x.facts.has(Facts::GRPC) && x.grpc != u8::MAX;
        let mut labels = borrowed(&self.labels);
        let classification = if success { "success" } else { "failure" };
        let latency = self.families.latency.map(|family| {
            let mut labels = labels.clone();
            labels.push(("status_code", &status));
            registry.histogram(family, &labels)
        });
        if self.families.classified {
            labels.push(("status_code", &status));
            labels.push(("classification", classification));
            if told {
                labels.push(("grpc_status", &grpc));
            }
            if !error.is_empty() {
                labels.push(("error", error));
            }
        } else {
            labels.push(if told { ("grpc_status", grpc.as_str()) } else { ("http_status", status.as_str()) });
            labels.push(("error", error));
        }
        (registry.counter(self.families.responses, &labels), latency)
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
        if x.status == 0 {
            return;
        }
        let micros = (self.now - x.began) / 1_000;
        let error = fault.map_or("", Fault::label);
        self.tally.answered(x.series, x, micros, error);
        self.tally.answered(x.backend_series, x, micros, error);
        self.tally.answered(x.profile_series, x, micros, error);
    }

    fn count_fault(&mut self, x: &Exchange, fault: &Fault) {
        let counter = if x.facts.has(Facts::OUTBOUND) {
            self.tally.registry.counter(&families::OUTBOUND_HTTP_ERRORS_TOTAL, &[("error", fault.label())])
        } else {
            let Some(info) = self.conns.get(x.down).and_then(|conn| conn.info.as_deref()) else { return };
            let mut labels = vec![("error".to_owned(), fault.label().to_owned())];
            tcp::target(&mut labels, info.original);
            if let Some(server) = self.ports.get(info.port).and_then(|port| port.server.as_deref()) {
                inbound::server(&mut labels, server, info.port);
            }
            self.tally.registry.counter(&families::INBOUND_HTTP_ERRORS_TOTAL, &borrowed(&labels))
        };
        self.tally.shard.add(counter, 1);
    }
}
