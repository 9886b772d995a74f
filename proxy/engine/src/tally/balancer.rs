//! Balancers as metrics: endpoints, those that may be picked, who waits, and the gate that is shut while nobody serves.
//!
//! In: paths as their endpoints, waiters and readiness change. Out: `outbound_{http,tcp}_balancer_*`, by the first parent and backend
//! that use the path. A balancer serves requests and opaque connections alike: it is of the kind whose routes first name it.
//! Limits: those of the registry. Never here: idle zero series; what never moved is not printed.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::path::Path;
use crate::tally::outbound::resource;
use crate::tally::{Labels, borrowed};
use metrics::{Counter, Family, Gauge, Histogram, families};
use table::Meta;
use table::outbound::Protocol;

/// Numbers of one balancer, and what they were last.
pub(crate) struct Members {
    ready: Gauge,
    pending: Gauge,
    picked_from: Gauge,
    waiting: Gauge,
    asked: Counter,
    waited: Histogram,
    shut: Counter,
    opened: Counter,
    added: Counter,
    removed: Counter,
    last: Seen,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Seen {
    ready: i64,
    pending: i64,
    waiting: i64,
    gate_shut: bool,
}

struct Kind {
    endpoints: &'static Family,
    p2c: &'static Family,
    updates: &'static Family,
    queue: &'static Family,
    asked: &'static Family,
    waited: &'static Family,
    opened: &'static Family,
    shut: &'static Family,
}

static HTTP: Kind = Kind {
    endpoints: &families::OUTBOUND_HTTP_BALANCER_ENDPOINTS,
    p2c: &families::OUTBOUND_HTTP_BALANCER_P2C,
    updates: &families::OUTBOUND_HTTP_BALANCER_UPDATES_TOTAL,
    queue: &families::OUTBOUND_HTTP_BALANCER_QUEUE,
    asked: &families::OUTBOUND_HTTP_BALANCER_QUEUED_TOTAL,
    waited: &families::OUTBOUND_HTTP_BALANCER_QUEUE_SECONDS,
    opened: &families::OUTBOUND_HTTP_BALANCER_GATE_OPEN_TOTAL,
    shut: &families::OUTBOUND_HTTP_BALANCER_GATE_SHUT_TOTAL,
};

static TCP: Kind = Kind {
    endpoints: &families::OUTBOUND_TCP_BALANCER_ENDPOINTS,
    p2c: &families::OUTBOUND_TCP_BALANCER_P2C,
    updates: &families::OUTBOUND_TCP_BALANCER_UPDATES_TOTAL,
    queue: &families::OUTBOUND_TCP_BALANCER_QUEUE,
    asked: &families::OUTBOUND_TCP_BALANCER_QUEUED_TOTAL,
    waited: &families::OUTBOUND_TCP_BALANCER_QUEUE_SECONDS,
    opened: &families::OUTBOUND_TCP_BALANCER_GATE_OPEN_TOTAL,
    shut: &families::OUTBOUND_TCP_BALANCER_GATE_SHUT_TOTAL,
};

static TLS: Kind = Kind {
    endpoints: &families::OUTBOUND_TLS_BALANCER_ENDPOINTS,
    p2c: &families::OUTBOUND_TLS_BALANCER_P2C,
    updates: &families::OUTBOUND_TLS_BALANCER_UPDATES_TOTAL,
    queue: &families::OUTBOUND_TLS_BALANCER_QUEUE,
    asked: &families::OUTBOUND_TLS_BALANCER_QUEUED_TOTAL,
    waited: &families::OUTBOUND_TLS_BALANCER_QUEUE_SECONDS,
    opened: &families::OUTBOUND_TLS_BALANCER_GATE_OPEN_TOTAL,
    shut: &families::OUTBOUND_TLS_BALANCER_GATE_SHUT_TOTAL,
};

impl Engine {
    /// Numbers of a path's balancer, under the first parent and backend that use it.
    pub(crate) fn members_gauges(&mut self, key: Key<Path>, protocol: Protocol, parent: &Meta, backend: &Meta) {
        let Some(path) = self.routes.paths.get_mut(key).filter(|path| path.gauges.is_none()) else { return };
        let kind = match protocol {
            Protocol::Opaque => &TCP,
            Protocol::Tls => &TLS,
            _ => &HTTP,
        };
        let mut labels = Labels::new();
        resource(&mut labels, "parent", parent);
        resource(&mut labels, "backend", backend);
        let labels = borrowed(&labels);
        let with = |name, value| {
            let mut labels = labels.clone();
            labels.push((name, value));
            labels
        };
        let registry = &self.tally.registry;
        path.gauges = Some(Members {
            ready: registry.gauge(kind.endpoints, &with("endpoint_state", "ready")),
            pending: registry.gauge(kind.endpoints, &with("endpoint_state", "pending")),
            picked_from: registry.gauge(kind.p2c, &labels),
            waiting: registry.gauge(kind.queue, &labels),
            asked: registry.counter(kind.asked, &labels),
            waited: registry.histogram(kind.waited, &labels),
            shut: registry.counter(kind.shut, &labels),
            opened: registry.counter(kind.opened, &labels),
            added: registry.counter(kind.updates, &with("op", "Add")),
            removed: registry.counter(kind.updates, &with("op", "Remove")),
            last: Seen::default(),
        });
        self.members_counted(key);
    }

    /// The number of endpoints, or of ready ones, may have changed.
    pub(crate) fn members_counted(&mut self, key: Key<Path>) {
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        let (all, ready) = path.pool.counts();
        let Some(members) = &mut path.gauges else { return };
        let now = Seen { ready: ready as i64, pending: (all - ready) as i64, ..members.last };
        let (shard, last) = (&self.tally.shard, members.last);
        shard.gauge_add(members.ready, now.ready - last.ready);
        shard.gauge_add(members.pending, now.pending - last.pending);
        shard.gauge_add(members.picked_from, now.ready - last.ready);
        let grown = now.ready + now.pending - last.ready - last.pending;
        let counter = if grown > 0 { members.added } else { members.removed };
        shard.add(counter, grown.unsigned_abs());
        members.last = now;
    }

    /// The gate of a path that nobody served for the failfast time shuts with the first request that fails for it, and opens again.
    pub(crate) fn gate_counted(&mut self, key: Key<Path>) {
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        let shut = path.gate_shut;
        if let Some(members) = path.gauges.as_mut().filter(|members| members.last.gate_shut != shut) {
            members.last.gate_shut = shut;
            self.tally.shard.add(if shut { members.shut } else { members.opened }, 1);
            self.gate_said(key, shut);
        }
    }

    /// The number of those who wait may have changed.
    pub(crate) fn queue_counted(&mut self, key: Key<Path>) {
        let Some(path) = self.routes.paths.get_mut(key) else { return };
        let waiting = (path.waiting.len() + path.joining.len()) as i64;
        if let Some(members) = &mut path.gauges {
            self.tally.shard.gauge_add(members.waiting, waiting - members.last.waiting);
            members.last.waiting = waiting;
        }
    }
}

impl Members {
    /// A request or connection goes through the balancer, for which it has waited so many nanoseconds.
    #[inline]
    pub(crate) fn asked(&self, shard: &metrics::Shard, waited: u64) {
        shard.add(self.asked, 1);
        shard.observe(self.waited, waited / 1_000);
    }
}
