//! Outbound requests as metrics: by endpoint, and by parent, route and backend.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::route::target::Target;
use crate::tally::Labels;
use crate::tally::route::outbound_route;
use crate::tally::series::{Families, REQUESTS};
use crate::tally::tcp::{label, target, tls_out};
use crate::traffic::exchange::{Exchange, Facts};
use metrics::families;
use table::Meta;
use table::outbound::{self as spec, Rule, Split};

static HTTP: Families = Families {
    requests: Some(&families::OUTBOUND_HTTP_BACKEND_REQUESTS_TOTAL),
    response: Some(&families::OUTBOUND_HTTP_BACKEND_SECONDS),
    told: Some(&families::OUTBOUND_HTTP_BACKEND_FRAMES),
    ..Families::new(&families::OUTBOUND_HTTP_BACKEND_STATUSES_TOTAL, false)
};

static GRPC: Families = Families {
    requests: Some(&families::OUTBOUND_GRPC_BACKEND_REQUESTS_TOTAL),
    response: Some(&families::OUTBOUND_GRPC_BACKEND_SECONDS),
    told: Some(&families::OUTBOUND_GRPC_BACKEND_FRAMES),
    ..Families::new(&families::OUTBOUND_GRPC_BACKEND_STATUSES_TOTAL, false)
};

pub(crate) static PROFILE: Families = Families {
    requests: Some(&families::ROUTE_REQUEST_TOTAL),
    latency: Some(&families::ROUTE_RESPONSE_LATENCY_MS),
    ..Families::new(&families::ROUTE_RESPONSE_TOTAL, true)
};

static ACTUAL: Families = Families {
    requests: Some(&families::ROUTE_ACTUAL_REQUEST_TOTAL),
    ..Families::new(&families::ROUTE_ACTUAL_RESPONSE_TOTAL, true)
};

/// Labels of a service profile's route.
pub(crate) fn profile(direction: &str, dst: &str, rule: &Rule) -> Labels {
    let mut labels = Labels::new();
    label(&mut labels, "direction", direction);
    label(&mut labels, "dst", dst);
    for (name, value) in rule.profile_labels.iter() {
        label(&mut labels, &format!("rt_{name}"), &**value);
    }
    labels
}

/// D: `dst_*` and `zone_locality`.
pub(crate) fn endpoint_labels(labels: &mut Labels, endpoint: &Endpoint) {
    for (name, value) in endpoint.spec.labels.iter() {
        if &**name == "zone_locality" {
            label(labels, "zone_locality", &**value);
        } else {
            label(labels, &format!("dst_{name}"), &**value);
        }
    }
}

/// P or B.
pub(crate) fn resource(labels: &mut Labels, prefix: &str, meta: &Meta) {
    let port = if meta.port == 0 { String::new() } else { meta.port.to_string() };
    for (name, value) in [
        ("group", &*meta.group),
        ("kind", &*meta.kind),
        ("namespace", &*meta.namespace),
        ("name", &*meta.name),
        ("port", port.as_str()),
        ("section_name", &*meta.section),
    ] {
        label(labels, &format!("{prefix}_{name}"), value);
    }
}

impl Engine {
    /// A request goes to an endpoint: counted there, and its answer too.
    pub(crate) fn endpoint_series(&mut self, ex: Key<Exchange>, at: Key<Endpoint>) {
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return };
        let series = match endpoint.series {
            Some(series) => series,
            None => {
                let mut labels = Labels::new();
                label(&mut labels, "direction", "outbound");
                label(&mut labels, "authority", &*endpoint.authority);
                target(&mut labels, endpoint.spec.addr);
                tls_out(&mut labels, endpoint);
                endpoint_labels(&mut labels, endpoint);
                let series = self.tally.series(labels, REQUESTS);
                endpoint.series = Some(series);
                series
            }
        };
        self.tally.began(series);
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.series = series;
        }
    }

    /// A request goes by a rule and an arm of its split to a backend.
    pub(crate) fn backend_series(
        &mut self,
        ex: Key<Exchange>,
        key: Key<Target>,
        table: &spec::Target,
        rule: &Rule,
        index: u16,
        arm: u16,
    ) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let grpc = x.facts.has(Facts::GRPC);
        let name = (index, arm << 1 | u16::from(grpc));
        let Some(target) = self.routes.targets.get_mut(key) else { return };
        let series = match target.series.iter().find(|(known, _)| *known == name) {
            Some(&(_, series)) => series,
            None => {
                let arms = match &rule.split {
                    Split::First(arms) | Split::Random(arms) => &arms[..],
                    _ => &[],
                };
                let backend = arms.get(arm as usize).and_then(|arm| table.backends.get(arm.backend as usize));
                let Some(backend) = backend else { return };
                let mut labels = Labels::new();
                resource(&mut labels, "parent", &table.parent);
                outbound_route(&mut labels, &rule.route);
                resource(&mut labels, "backend", &backend.meta);
                let series = self.tally.series(labels, if grpc { GRPC } else { HTTP });
                target.series.push((name, series));
                series
            }
        };
        x.backend_series = series;
        self.tally.began(series);
        self.tally.began(x.actual_series);
    }

    /// A request goes by a route of a service profile.
    pub(crate) fn profile_series(
        &mut self,
        ex: Key<Exchange>,
        key: Key<Target>,
        table: &spec::Target,
        rule: &Rule,
        index: u16,
    ) {
        let (Some(x), Some(target)) = (self.exchanges.get_mut(ex), self.routes.targets.get_mut(key)) else { return };
        x.failures = rule.failures.clone();
        let dst = table.logical.as_deref().unwrap_or("");
        for (number, families) in [(u16::MAX, PROFILE), (u16::MAX - 1, ACTUAL)] {
            // No arm has these numbers.
            let name = (index, number);
            let series = match target.series.iter().find(|(known, _)| *known == name) {
                Some(&(_, series)) => series,
                None => {
                    let series = self.tally.series(profile("outbound", dst, rule), families);
                    target.series.push((name, series));
                    series
                }
            };
            if number == u16::MAX {
                x.profile_series = series;
                self.tally.began(series);
            } else {
                x.actual_series = series;
            }
        }
    }
}
