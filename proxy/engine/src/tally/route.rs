//! Requests by route: the families that Gateway API dashboards read, on both sides.
//!
//! In: the rule a request goes by. Out: the series of its durations, statuses and body pieces.
//! Limits: as `series`; hosts, where `OUTBOUND_METRICS_HOSTNAME_LABELS` wants them, as `strangers`.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::target::Target;
use crate::tally::series::Families;
use crate::tally::tcp::label;
use crate::tally::{Labels, Tally, inbound, outbound};
use crate::traffic::exchange::{Exchange, Facts};
use metrics::families as f;
use table::Meta;
use table::inbound::Server;
use table::outbound::{self as spec, Rule};

static IN_HTTP: Families = Families {
    requests: Some(&f::INBOUND_HTTP_REQUESTS_TOTAL),
    duration: Some(&f::INBOUND_HTTP_REQUEST_SECONDS),
    response: Some(&f::INBOUND_HTTP_RESPONSE_SECONDS),
    asked: Some(&f::INBOUND_HTTP_REQUEST_FRAMES),
    told: Some(&f::INBOUND_HTTP_RESPONSE_FRAMES),
    ..Families::new(&f::INBOUND_HTTP_STATUSES_TOTAL, false)
};

static IN_GRPC: Families = Families {
    requests: Some(&f::INBOUND_GRPC_REQUESTS_TOTAL),
    duration: Some(&f::INBOUND_GRPC_REQUEST_SECONDS),
    response: Some(&f::INBOUND_GRPC_RESPONSE_SECONDS),
    asked: Some(&f::INBOUND_GRPC_REQUEST_FRAMES),
    told: Some(&f::INBOUND_GRPC_RESPONSE_FRAMES),
    ..Families::new(&f::INBOUND_GRPC_STATUSES_TOTAL, false)
};

static OUT_HTTP: Families = Families {
    duration: Some(&f::OUTBOUND_HTTP_ROUTE_SECONDS),
    asked: Some(&f::OUTBOUND_HTTP_ROUTE_FRAMES),
    ..Families::new(&f::OUTBOUND_HTTP_ROUTE_STATUSES_TOTAL, false)
};

static OUT_GRPC: Families = Families {
    duration: Some(&f::OUTBOUND_GRPC_ROUTE_SECONDS),
    asked: Some(&f::OUTBOUND_GRPC_ROUTE_FRAMES),
    ..Families::new(&f::OUTBOUND_GRPC_ROUTE_STATUSES_TOTAL, false)
};

/// RT: `route_group,route_kind,route_namespace,route_name`.
pub(crate) fn outbound_route(labels: &mut Labels, route: &Meta) {
    for (name, value) in [
        ("route_group", &route.group),
        ("route_kind", &route.kind),
        ("route_namespace", &route.namespace),
        ("route_name", &route.name),
    ] {
        label(labels, name, &**value);
    }
}

impl Tally {
    /// The series of an inbound route.
    pub(crate) fn inbound_route(&mut self, policy: &Server, port: u16, route: Option<&Meta>, grpc: bool) -> u32 {
        let mut labels = Labels::new();
        label(&mut labels, "parent_group", &*policy.meta.group);
        label(&mut labels, "parent_kind", &*policy.meta.kind);
        label(&mut labels, "parent_name", &*policy.meta.name);
        let shown = self.strangers.port(port);
        label(&mut labels, "parent_port", if shown { port.to_string() } else { super::strangers::OTHER.to_owned() });
        inbound::route(&mut labels, route);
        self.series(labels, if grpc { IN_GRPC } else { IN_HTTP })
    }
}

impl Engine {
    /// A request goes by a rule of its target, whatever becomes of it.
    pub(crate) fn route_series(
        &mut self,
        ex: Key<Exchange>,
        key: Key<Target>,
        table: &spec::Target,
        rule: &Rule,
        index: u16,
        authority: &[u8],
    ) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let Some(target) = self.routes.targets.get_mut(key) else { return };
        let grpc = x.facts.has(Facts::GRPC);
        let at = usize::from(index) * 2 + usize::from(grpc);
        let named = self.config.hostname_labels;
        if let Some(&series) = target.by_rule.get(at).filter(|&&series| series != u32::MAX && !named) {
            x.route_series = series;
            return;
        }
        let mut labels = Labels::new();
        outbound::resource(&mut labels, "parent", &table.parent);
        outbound_route(&mut labels, &rule.route);
        let host = if named { host(authority) } else { String::new() };
        label(&mut labels, "hostname", self.tally.strangers.hosts.shown(&host));
        let series = self.tally.series(labels, if grpc { OUT_GRPC } else { OUT_HTTP });
        if target.by_rule.len() <= at {
            target.by_rule.resize(at + 1, u32::MAX);
        }
        target.by_rule[at] = series;
        x.route_series = series;
    }
}

/// The host of an authority if it is a name; addresses are no host names.
fn host(authority: &[u8]) -> String {
    let host = crate::route::choose::without_port(authority);
    let name = !host.is_empty()
        && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && host.iter().any(u8::is_ascii_alphabetic);
    if name { String::from_utf8_lossy(host).to_ascii_lowercase() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_without_port() {
        for (authority, expected) in
            [("Web.ns:80", "web.ns"), ("web", "web"), ("10.0.0.1:80", ""), ("[::1]:80", ""), ("a b", ""), ("", "")]
        {
            assert_eq!(host(authority.as_bytes()), expected, "{authority}");
        }
    }
}
