//! Routes of connections as metrics: opened, closed and why.
//!
//! In: a connection as its route is found, and as it ends. Out: `outbound_{tcp,tls}_route_{open,close}_total`.
//! Limits: those of the registry; handles are kept per route of a target.

use crate::base::conn::{Conn, Info};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::target::Target;
use crate::tally::outbound::resource;
use crate::tally::tcp::label;
use crate::tally::{Labels, borrowed};
use metrics::{Counter, families};
use table::outbound::{self as spec, Protocol};

/// How a connection's route ended; the values of the `error` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By one of its sides, in order.
    Well,
    /// Policy forbids it.
    Forbidden,
    /// Policy names a backend that cannot be used.
    InvalidBackend,
    /// The route itself cannot be used.
    InvalidPolicy,
    /// Nobody to be reached in time, or a connection that broke.
    Unexpected,
}

impl Ended {
    fn label(self) -> &'static str {
        match self {
            Ended::Well => "",
            Ended::Forbidden => "forbidden",
            Ended::InvalidBackend => "invalid_backend",
            Ended::InvalidPolicy => "invalid_policy",
            Ended::Unexpected => "unexpected",
        }
    }
}

/// Counters of one route.
#[derive(Clone)]
pub(crate) struct StreamSeries {
    opened: Counter,
    closed: [Counter; 5],
}

/// The closing half, in a connection that has been counted as opened.
pub(crate) type Closing = Option<Box<[Counter; 5]>>;

const ENDS: [Ended; 5] =
    [Ended::Well, Ended::Forbidden, Ended::InvalidBackend, Ended::InvalidPolicy, Ended::Unexpected];

impl Engine {
    /// A connection goes by a route of its target; counted once.
    pub(crate) fn stream_opened(&mut self, key: Key<Conn>, target: Key<Target>, table: &spec::Target, index: usize) {
        let Some(info) = self.conns.get(key).and_then(|conn| conn.info.as_deref()) else { return };
        if info.closing.is_some() {
            return;
        }
        let (original, number) = (info.original, index as u16);
        let known = self.routes.targets.get(target).and_then(|t| t.streams.iter().find(|(i, _)| *i == number).cloned());
        let series = match known {
            Some((_, series)) => series,
            None => {
                let series = self.stream_series(table, index, original);
                if let Some(target) = self.routes.targets.get_mut(target) {
                    target.streams.push((number, series.clone()));
                }
                series
            }
        };
        self.tally.shard.add(series.opened, 1);
        if let Some(info) = self.info(key) {
            info.closing = Some(Box::new(series.closed));
        }
    }

    fn stream_series(&self, table: &spec::Target, index: usize, original: std::net::SocketAddr) -> StreamSeries {
        let mut labels = Labels::new();
        resource(&mut labels, "parent", &table.parent);
        if let Some(stream) = table.streams.get(index) {
            for (name, value) in [
                ("route_group", &stream.route.group),
                ("route_kind", &stream.route.kind),
                ("route_namespace", &stream.route.namespace),
                ("route_name", &stream.route.name),
            ] {
                label(&mut labels, name, &**value);
            }
        }
        label(&mut labels, "target_ip", original.ip().to_string());
        label(&mut labels, "target_port", original.port().to_string());
        let tls = table.protocol == Protocol::Tls;
        let (opened, closed) = if tls {
            (&families::OUTBOUND_TLS_ROUTE_OPEN_TOTAL, &families::OUTBOUND_TLS_ROUTE_CLOSE_TOTAL)
        } else {
            (&families::OUTBOUND_TCP_ROUTE_OPEN_TOTAL, &families::OUTBOUND_TCP_ROUTE_CLOSE_TOTAL)
        };
        let registry = &self.tally.registry;
        let closed = ENDS.map(|ended| {
            let mut labels = borrowed(&labels);
            labels.push(("error", ended.label()));
            registry.counter(closed, &labels)
        });
        StreamSeries { opened: registry.counter(opened, &borrowed(&labels)), closed }
    }

    /// A connection ends for this reason, before `kill` says it.
    pub(crate) fn stream_ended(&mut self, key: Key<Conn>, ended: Ended) {
        if let Some(info) = self.conns.get_mut(key).and_then(|conn| conn.info.as_deref_mut())
            && let Some(closing) = info.closing.as_deref()
        {
            self.tally.shard.add(closing[ended as usize], 1);
            info.closing = None;
        }
    }

    /// A connection is gone; `well`: both sides were told in order.
    pub(crate) fn stream_closed(&self, info: &Info, well: bool) {
        if let Some(closing) = info.closing.as_deref() {
            let ended = if well { Ended::Well } else { Ended::Unexpected };
            self.tally.shard.add(closing[ended as usize], 1);
        }
    }
}
