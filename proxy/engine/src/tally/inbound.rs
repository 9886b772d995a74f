//! Inbound requests as metrics: by port, route, authorization and client.

use crate::base::conn::Info;
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::tally::tcp::{label, target, tls_in};
use crate::tally::{Labels, REQUESTS, borrowed};
use crate::traffic::exchange::Exchange;
use metrics::families;
use table::Meta;
use table::inbound::Server;

/// S: `srv_group,srv_kind,srv_name,srv_port`.
pub(crate) fn server(labels: &mut Labels, server: &Server, port: u16) {
    label(labels, "srv_group", &*server.meta.group);
    label(labels, "srv_kind", &*server.meta.kind);
    label(labels, "srv_name", &*server.meta.name);
    label(labels, "srv_port", port.to_string());
}

fn route(labels: &mut Labels, meta: Option<&Meta>) {
    label(labels, "route_group", meta.map_or("", |m| &*m.group));
    label(labels, "route_kind", meta.map_or("default", |m| &*m.kind));
    label(labels, "route_name", meta.map_or("default", |m| &*m.name));
}

/// A: `authz_group,authz_kind,authz_name`; none: a connection from this very machine.
pub(crate) fn authz(labels: &mut Labels, meta: Option<&Meta>) {
    label(labels, "authz_group", meta.map_or("", |m| &*m.group));
    label(labels, "authz_kind", meta.map_or("default", |m| &*m.kind));
    label(labels, "authz_name", meta.map_or("localhost", |m| &*m.name));
}

impl Engine {
    /// Counts a request in (or not), and remembers where its answer is to be counted.
    pub(crate) fn inbound_series(
        &mut self,
        ex: Key<Exchange>,
        info: &mut Info,
        policy: &Server,
        rule: Option<usize>,
        authorization: Option<usize>,
        allowed: bool,
    ) {
        let version = self.ports.get(info.port).map_or(0, |port| port.version);
        let part = |index: Option<usize>| index.map_or(0, |i| i as u32 + 1) & 0x3ff;
        let key = version << 21 | part(rule) << 11 | part(authorization) << 1 | u32::from(allowed);
        let known = info.series.iter().find(|(known, ..)| *known == key).copied();
        let (_, series, counter) = match known {
            Some(found) => found,
            None => {
                let made = self.inbound_resolve(key, info, policy, rule, authorization, allowed);
                if info.series.len() >= 16 {
                    info.series.clear();
                }
                info.series.push(made);
                made
            }
        };
        self.tally.shard.add(counter, 1);
        self.tally.began(series);
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.series = series;
        }
    }

    fn inbound_resolve(
        &mut self,
        key: u32,
        info: &Info,
        policy: &Server,
        rule: Option<usize>,
        authorization: Option<usize>,
        allowed: bool,
    ) -> (u32, u32, metrics::Counter) {
        let found = rule.and_then(|r| policy.routes.get(r));
        let own = found.map_or(&[][..], |route| &route.authorizations);
        let by = authorization.and_then(|i| own.iter().chain(policy.authorizations.iter()).nth(i)).map(|a| &a.meta);
        let meta = found.map(|r| &r.meta);
        let mut count = Labels::new();
        target(&mut count, info.original);
        server(&mut count, policy, info.port);
        route(&mut count, meta);
        let family = if allowed {
            authz(&mut count, by);
            &families::INBOUND_HTTP_AUTHZ_ALLOW_TOTAL
        } else {
            &families::INBOUND_HTTP_AUTHZ_DENY_TOTAL
        };
        tls_in(&mut count, info);
        let counter = self.tally.registry.counter(family, &borrowed(&count));
        let mut labels = Labels::new();
        label(&mut labels, "direction", "inbound");
        target(&mut labels, info.original);
        tls_in(&mut labels, info);
        server(&mut labels, policy, info.port);
        route(&mut labels, meta);
        authz(&mut labels, by.filter(|_| allowed));
        (key, self.tally.series(labels, REQUESTS), counter)
    }

    /// No route matched.
    pub(crate) fn inbound_unseries(&mut self, _ex: Key<Exchange>, info: &Info, policy: &Server) {
        let mut labels = Labels::new();
        target(&mut labels, info.original);
        server(&mut labels, policy, info.port);
        tls_in(&mut labels, info);
        let counter = self.tally.registry.counter(&families::INBOUND_HTTP_ROUTE_NOT_FOUND_TOTAL, &borrowed(&labels));
        self.tally.shard.add(counter, 1);
    }
}
