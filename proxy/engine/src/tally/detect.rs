//! How connections were known or given up before they were known.
//!
//! In: the end of a look at first bytes, a reason to give up. Out: detection times and results, `*_tcp_errors_total`.

use crate::base::conn::{Conn, Role, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::tally::outbound::resource;
use crate::tally::tcp::label;
use crate::tally::{Labels, borrowed};
use metrics::families;

impl Engine {
    /// The look for HTTP is over: `http/1`, `http/2`, `not_http`, `read_timeout` or `error`.
    pub(crate) fn detected(&mut self, key: Key<Conn>, result: &str) {
        let now = self.now;
        let Some(looked) = self.sniff(key).map(|sniff| std::mem::take(&mut sniff.looked)).filter(|&at| at > 0) else {
            return;
        };
        let Some(conn) = self.conns.get(key) else { return };
        let (State::Sniff(_), Some(info)) = (&conn.state, &conn.info) else { return };
        let mut labels = Labels::new();
        let (seconds, results) = if conn.role == Role::AppIn {
            let table = self.routes.targets.get(info.target).and_then(|target| target.table.as_deref());
            let Some(table) = table else { return };
            resource(&mut labels, "parent", &table.parent);
            (&families::OUTBOUND_DETECT_SECONDS, &families::OUTBOUND_DETECT_RESULTS_TOTAL)
        } else {
            let server = self.ports.get(info.port).and_then(|port| port.server.as_deref());
            let Some(server) = server else { return };
            self.tally.inbound_server(&mut labels, server, info.port);
            (&families::INBOUND_DETECT_SECONDS, &families::INBOUND_DETECT_RESULTS_TOTAL)
        };
        let mut labels = borrowed(&labels);
        self.tally.shard.observe(self.tally.registry.histogram(seconds, &labels), (now - looked) / 1_000);
        labels.push(("result", result));
        self.tally.shard.add(self.tally.registry.counter(results, &labels), 1);
    }

    /// Why a connection that is not known yet is about to be given up; the first reason stands.
    pub(crate) fn blame(&mut self, key: Key<Conn>, why: &'static str) {
        if let Some(sniff) = self.sniff(key)
            && sniff.why.is_empty()
        {
            sniff.why = why;
        }
    }

    /// A connection that was never known is gone.
    pub(crate) fn unknown_gone(&mut self, conn: &Conn, why: &'static str) {
        let Some(info) = conn.info.as_deref().filter(|_| !why.is_empty()) else { return };
        let mut labels = Labels::new();
        label(&mut labels, "error", why);
        let family = if conn.role == Role::AppIn {
            &families::OUTBOUND_TCP_ERRORS_TOTAL
        } else {
            let server = self.ports.get(info.port).and_then(|port| port.server.as_deref());
            self.tally.place(&mut labels, info.original, server, info.port);
            &families::INBOUND_TCP_ERRORS_TOTAL
        };
        self.tally.shard.add(self.tally.registry.counter(family, &borrowed(&labels)), 1);
    }
}
