//! Connections of other clusters: which target they are for, before it is known what they speak.
//!
//! In: a verified client on our own inbound port, the name in its transport header. Out: HTTP, or bytes for the target.
//! Never here: names outside the suffixes, bytes for names that the control plane refuses.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::entry::sniff::Stage;
use crate::tally::refused::Reason;
use std::time::Duration;
use table::Lookup;
use wire::transport_header::Session;

impl Engine {
    /// A connection for another cluster: under the policy of our own port, to the target of `name` (none: each request names it).
    pub(crate) fn gateway_begin(&mut self, key: Key<Conn>, name: Option<&str>) {
        let Some(info) = self.info(key) else { return };
        info.gateway = true;
        let own = info.original.port();
        self.set_port(key, own);
        if let Some(name) = name {
            if !self.gateway_serves(name) {
                self.blame(key, "gateway domain invalid");
                return self.turn_away(key, Reason::GatewayName);
            }
            let target = self.target_use(Lookup::Name(name.into()));
            if let Some(info) = self.info(key) {
                info.target = target;
            }
        }
        self.stage(key, Stage::Policy);
        self.gateway_policy(key);
    }

    pub(crate) fn gateway_policy(&mut self, key: Key<Conn>) {
        let Some(info) = self.info(key) else { return };
        let (port, target) = (info.port, info.target);
        let Some(server) = self.port_or_wait(port, key) else { return self.alarm(key, 5_000) };
        if let Some(target) = self.routes.targets.get_mut(target)
            && target.table.is_none()
        {
            target.waiting.push(key);
            return self.alarm(key, 5_000);
        }
        let session = self.sniff(key).and_then(|sniff| sniff.session);
        match session {
            Some(Session::Opaque) if self.gateway_refuses(target) => {
                self.blame(key, "gateway domain invalid");
                self.turn_away(key, Reason::GatewayName);
            }
            Some(Session::Opaque) => self.inbound_opaque(key, &server),
            Some(Session::Http1) => self.become_http1(key),
            Some(Session::Http2) => self.become_http2(key),
            None => self.look(key, Duration::ZERO, false),
        }
        self.wake(key);
    }
}
