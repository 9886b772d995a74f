//! Inbound requests as metrics: by port, route, authorization and client.

use crate::base::conn::Info;
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::limit::Scope;
use crate::tally::series::REQUESTS;
use crate::tally::tcp::label;
use crate::tally::{Labels, borrowed};
use crate::traffic::exchange::{Exchange, Facts};
use metrics::families;
use table::Meta;
use table::inbound::{RateLimit, Server};

/// R: `route_group,route_kind,route_name`.
pub(crate) fn route(labels: &mut Labels, meta: Option<&Meta>) {
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

/// Handles that a connection's requests were last counted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Policy version, route, authorization, verdict and kind of request.
    key: u32,
    series: u32,
    route: u32,
    verdict: metrics::Counter,
}

/// Which part of a port's policy decided about a request.
#[derive(Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) route: Option<usize>,
    pub(crate) authorization: Option<usize>,
    pub(crate) allowed: bool,
}

impl Engine {
    /// Counts a request in (or not), and remembers where its answer is to be counted.
    pub(crate) fn inbound_series(
        &mut self,
        ex: Key<Exchange>,
        info: &mut Info,
        policy: &Server,
        decided: Decided,
        authority: &[u8],
    ) {
        let Some(x) = self.exchanges.get(ex) else { return };
        let grpc = x.facts.has(Facts::GRPC);
        let version = self.ports.get(info.port).map_or(0, |port| port.version);
        let part = |index: Option<usize>| index.map_or(0, |i| i as u32 + 1) & 0x3ff;
        let key = version << 22
            | u32::from(grpc) << 21
            | part(decided.route) << 11
            | part(decided.authorization) << 1
            | u32::from(decided.allowed);
        let by_name = self.config.authority_labels;
        let known = info.series.iter().find(|known| known.key == key && !by_name).copied();
        let known = match known {
            Some(found) => found,
            None => {
                let authority = by_name.then(|| String::from_utf8_lossy(authority).to_ascii_lowercase());
                let made = self.inbound_resolve(key, info, policy, decided, grpc, authority.as_deref());
                if info.series.len() >= 16 || by_name {
                    info.series.clear();
                }
                info.series.push(made);
                made
            }
        };
        self.tally.shard.add(known.verdict, 1);
        self.tally.began(known.series);
        self.tally.began(known.route);
        if let Some(x) = self.exchanges.get_mut(ex) {
            x.series = known.series;
            x.route_series = known.route;
        }
    }

    fn inbound_resolve(
        &mut self,
        key: u32,
        info: &Info,
        policy: &Server,
        decided: Decided,
        grpc: bool,
        authority: Option<&str>,
    ) -> Known {
        let found = decided.route.and_then(|r| policy.routes.get(r));
        let own = found.map_or(&[][..], |route| &route.authorizations);
        let by = decided.authorization.and_then(|i| own.iter().chain(policy.authorizations.iter()).nth(i));
        let (by, meta) = (by.map(|a| &a.meta), found.map(|r| &r.meta));
        let tally = &mut self.tally;
        let mut count = Labels::new();
        tally.place(&mut count, info.original, Some(policy), info.port);
        route(&mut count, meta);
        let family = if decided.allowed {
            authz(&mut count, by);
            &families::INBOUND_HTTP_AUTHZ_ALLOW_TOTAL
        } else {
            &families::INBOUND_HTTP_AUTHZ_DENY_TOTAL
        };
        tally.tls_in(&mut count, info);
        let verdict = tally.registry.counter(family, &borrowed(&count));
        let mut labels = Labels::new();
        label(&mut labels, "direction", "inbound");
        if let Some(authority) = authority {
            label(&mut labels, "authority", tally.strangers.hosts.shown(authority));
        }
        tally.inbound_target(&mut labels, info.original);
        tally.tls_in(&mut labels, info);
        tally.inbound_server(&mut labels, policy, info.port);
        route(&mut labels, meta);
        authz(&mut labels, by.filter(|_| decided.allowed));
        let series = tally.series(labels, REQUESTS);
        Known { key, series, route: tally.inbound_route(policy, info.port, meta, grpc), verdict }
    }

    /// A rate limit refused a request; the handle is kept like those of `inbound_series`, because a flood is counted quickly.
    pub(crate) fn inbound_limited(
        &mut self,
        info: &mut Info,
        policy: &Server,
        limit: &RateLimit,
        rule: Option<usize>,
        scope: Scope,
    ) {
        let version = self.ports.get(info.port).map_or(0, |port| port.version);
        let rule_part = rule.map_or(0, |i| i as u32 + 1) & 0x3ff;
        // No authorization has these numbers.
        let key = version << 22 | rule_part << 11 | (0x3fe | u32::from(scope == Scope::Total)) << 1;
        if let Some(known) = info.series.iter().find(|known| known.key == key) {
            return self.tally.shard.add(known.verdict, 1);
        }
        let tally = &mut self.tally;
        let mut labels = Labels::new();
        tally.place(&mut labels, info.original, Some(policy), info.port);
        route(&mut labels, rule.and_then(|r| policy.routes.get(r)).map(|route| &route.meta));
        label(&mut labels, "ratelimit_group", &*limit.meta.group);
        label(&mut labels, "ratelimit_kind", &*limit.meta.kind);
        label(&mut labels, "ratelimit_name", &*limit.meta.name);
        label(&mut labels, "ratelimit_scope", scope.label());
        tally.tls_in(&mut labels, info);
        let verdict = tally.registry.counter(&families::INBOUND_HTTP_RATELIMIT_TOTAL, &borrowed(&labels));
        tally.shard.add(verdict, 1);
        if info.series.len() >= 16 {
            info.series.clear();
        }
        info.series.push(Known { key, series: u32::MAX, route: u32::MAX, verdict });
    }

    /// No route matched.
    pub(crate) fn inbound_unseries(&mut self, _ex: Key<Exchange>, info: &Info, policy: &Server) {
        let mut labels = Labels::new();
        self.tally.place(&mut labels, info.original, Some(policy), info.port);
        self.tally.tls_in(&mut labels, info);
        let counter = self.tally.registry.counter(&families::INBOUND_HTTP_ROUTE_NOT_FOUND_TOTAL, &borrowed(&labels));
        self.tally.shard.add(counter, 1);
    }
}
