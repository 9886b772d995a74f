//! Series of requests: one label set, the families it counts into, and what its answers turned out to be.
//!
//! In: labels when a set is first seen; exchanges by index afterwards. Out: adds to handles.
//! Limits: `SERIES` label sets, then one that says `other`; answers by status, gRPC status and end, as many as there are of those.

use crate::tally::{Labels, Tally, borrowed, classify, ends};
use crate::traffic::exchange::{Dir, Exchange, Facts};
use metrics::{Counter, Family, Histogram, Registry, families};

/// Label sets kept per worker.
const SERIES: usize = 4096;

/// What requests of one label set count into.
pub(crate) struct Series {
    labels: Labels,
    requests: Option<Counter>,
    /// By status, gRPC status, class and end.
    responses: Vec<(u64, Counter, Option<Histogram>)>,
    duration: Option<Histogram>,
    response: Option<Histogram>,
    asked: Option<Histogram>,
    told: Option<Histogram>,
    families: Families,
}

/// Which families a series belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Families {
    pub(crate) requests: Option<&'static Family>,
    pub(crate) responses: &'static Family,
    /// Head to end, by status.
    pub(crate) latency: Option<&'static Family>,
    /// Head to end, and end of the request to end of the response.
    pub(crate) duration: Option<&'static Family>,
    pub(crate) response: Option<&'static Family>,
    /// Pieces of bodies.
    pub(crate) asked: Option<&'static Family>,
    pub(crate) told: Option<&'static Family>,
    /// Response labels of `response_total`; else those of `*_statuses_total`.
    pub(crate) classified: bool,
}

impl Families {
    /// Nothing but answers.
    pub(crate) const fn new(responses: &'static Family, classified: bool) -> Families {
        Families {
            requests: None,
            responses,
            latency: None,
            duration: None,
            response: None,
            asked: None,
            told: None,
            classified,
        }
    }
}

/// `request_total` and friends.
pub(crate) static REQUESTS: Families = Families {
    requests: Some(&families::REQUEST_TOTAL),
    latency: Some(&families::RESPONSE_LATENCY_MS),
    ..Families::new(&families::RESPONSE_TOTAL, true)
};

/// How a request ended, beside what the exchange itself knows.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    /// Since its head.
    pub(crate) micros: u64,
    /// Since its end.
    pub(crate) response: u64,
    /// An index of `ends`.
    pub(crate) end: u8,
}

impl Tally {
    pub(crate) fn series(&mut self, mut labels: Labels, families: Families) -> u32 {
        let named = |labels: &Labels| {
            let mut name = labels.clone();
            name.push((families.responses.name.into(), String::new()));
            name
        };
        let mut name = named(&labels);
        if let Some(&index) = self.by_labels.get(&name) {
            return index;
        }
        if self.series.len() >= SERIES {
            labels.iter_mut().for_each(|(_, value)| *value = "other".into());
            name = named(&labels);
            if let Some(&index) = self.by_labels.get(&name) {
                return index;
            }
        }
        let index = self.series.len() as u32;
        self.series.push(Series::new(labels, families, &self.registry));
        self.by_labels.insert(name, index);
        index
    }

    /// A request of a label set begins.
    #[inline]
    pub(crate) fn began(&self, series: u32) {
        if let Some(requests) = self.series.get(series as usize).and_then(|series| series.requests) {
            self.shard.add(requests, 1);
        }
    }

    /// A piece of a body passes.
    #[inline]
    pub(crate) fn frame(&self, x: &Exchange, dir: Dir, bytes: usize) {
        let to_backend = dir == Dir::Response && x.backend_series != u32::MAX;
        let Some(series) = self.series.get(if to_backend { x.backend_series } else { x.route_series } as usize) else {
            return;
        };
        if let Some(frames) = if dir == Dir::Request { series.asked } else { series.told } {
            self.shard.observe(frames, bytes as u64);
        }
    }

    /// A request's answer is over.
    pub(crate) fn answered(&mut self, series: u32, x: &Exchange, answer: Answer) {
        let Some(series) = self.series.get_mut(series as usize) else { return };
        let success = classify(x) && answer.end == ends::GOOD;
        let key = u64::from(x.status)
            | u64::from(x.grpc) << 16
            | u64::from(answer.end) << 24
            | u64::from(success) << 32
            | u64::from(x.facts.has(Facts::GRPC)) << 33;
        let known = series.responses.iter().find(|(known, ..)| *known == key);
        let (counter, latency) = match known {
            Some(&(_, counter, latency)) => (counter, latency),
            None => {
                let made = series.respond(&self.registry, x, success, answer.end);
                series.responses.push((key, made.0, made.1));
                made
            }
        };
        self.shard.add(counter, 1);
        for (histogram, micros) in
            [(latency, answer.micros), (series.duration, answer.micros), (series.response, answer.response)]
        {
            if let Some(histogram) = histogram {
                self.shard.observe(histogram, micros);
            }
        }
    }
}

impl Series {
    fn new(labels: Labels, families: Families, registry: &Registry) -> Series {
        let pairs = borrowed(&labels);
        let histogram = |family: Option<&'static Family>| family.map(|family| registry.histogram(family, &pairs));
        Series {
            requests: families.requests.map(|family| registry.counter(family, &pairs)),
            duration: histogram(families.duration),
            response: histogram(families.response),
            asked: histogram(families.asked),
            told: histogram(families.told),
            responses: Vec::new(),
            families,
            labels,
        }
    }

    fn respond(&self, registry: &Registry, x: &Exchange, success: bool, end: u8) -> (Counter, Option<Histogram>) {
        let status = if x.status == 0 { String::new() } else { x.status.to_string() };
        let grpc = x.grpc.to_string();
        let told = x.facts.has(Facts::GRPC) && x.grpc != u8::MAX;
        let mut labels = borrowed(&self.labels);
        let classification = if success { "success" } else { "failure" };
        let (error, word) = ends::words(end);
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
            labels.push(("error", word));
        }
        (registry.counter(self.families.responses, &labels), latency)
    }
}
