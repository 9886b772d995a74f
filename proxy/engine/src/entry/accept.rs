//! Accepted connections: admitted or refused before a byte is read.
//!
//! In: who connected, and where it was meant to go. Out: a connection in `Sniff`, or nothing (the driver closes the socket).
//! Limits: `Config::max_connections` per worker.
//! Never here: bytes.

use crate::base::conn::{Conn, Flags, Info, Role, State, Tls};
use crate::base::slab::Key;
use crate::engine::{Engine, Life};
use crate::entry::sniff::{Sniff, Stage};
use crate::tally::refused::Reason;
use crate::traffic::pace::Pace;
use std::net::SocketAddr;
use table::Lookup;

impl Engine {
    /// A connection was accepted. `original`: where it was meant to go, as the kernel remembers a redirected one; none if it was
    /// not redirected. `local`: the address it reached.
    pub(crate) fn accepted(
        &mut self,
        role: Role,
        remote: SocketAddr,
        original: Option<SocketAddr>,
        local: SocketAddr,
    ) -> Option<Key<Conn>> {
        if self.life != Life::Serving {
            return None;
        }
        let original = original.unwrap_or(local);
        if let Some(reason) = self.unwelcome(role, remote, original, local) {
            self.tally.refused(role.outbound(), reason);
            return None;
        }
        let info = Info {
            remote,
            original,
            tls: Tls::None,
            target: Key::NONE,
            port: 0,
            gateway: false,
            app: Key::NONE,
            skipped: false,
            tunnel: None,
            taking: Pace::new(self.millis()),
            using: Pace::new(self.millis()),
            series: Vec::new(),
            closing: None,
        };
        let direct = role == Role::PeerIn && original.port() == local.port();
        let mut conn = Conn::new(role, State::Sniff(Box::new(Sniff::new(direct))));
        conn.flags.set(Flags::CONNECTED);
        conn.flags.set(Flags::UP);
        conn.info = Some(Box::new(info));
        let key = self.conns.insert(conn);
        self.tally.accepted += 1;
        if role == Role::AppIn {
            let target = self.target_use(Lookup::Addr(original));
            if let Some(info) = self.info(key) {
                info.target = target;
            }
            self.stage(key, Stage::Policy);
            self.outbound_policy(key);
        } else if direct {
            self.stage(key, Stage::Hello);
            let limit = self.config.handshake_timeout.as_millis() as u64;
            self.alarm(key, limit);
        } else {
            self.set_port(key, original.port());
            self.stage(key, Stage::Policy);
            self.inbound_policy(key);
        }
        self.conns.has(key).then_some(key)
    }

    /// Why a connection is not even looked at.
    fn unwelcome(&mut self, role: Role, remote: SocketAddr, original: SocketAddr, local: SocketAddr) -> Option<Reason> {
        if self.tally.accepted >= self.config.max_connections {
            return Some(Reason::Connections);
        }
        if !self.admits(role, original, local) {
            return Some(Reason::Address);
        }
        let stranger = role == Role::PeerIn && !remote.ip().is_loopback();
        (stranger && !self.sources.enter(remote.ip(), self.config.max_per_source)).then_some(Reason::SourceConnections)
    }

    /// Loops and strangers' addresses are refused.
    fn admits(&self, role: Role, original: SocketAddr, local: SocketAddr) -> bool {
        match role {
            Role::AppIn => {
                let ours = original.port() == local.port()
                    && (original.ip() == local.ip() || self.config.inbound_ips.contains(&original.ip()));
                !ours && (self.config.loopback_targets || !original.ip().is_loopback())
            }
            _ => {
                original == local
                    || original.port() == local.port()
                    || self.config.inbound_ips.is_empty()
                    || self.config.inbound_ips.contains(&original.ip())
            }
        }
    }

    pub(crate) fn info(&mut self, key: Key<Conn>) -> Option<&mut Info> {
        self.conns.get_mut(key)?.info.as_deref_mut()
    }

    /// Puts a connection under the policy of a port.
    pub(crate) fn set_port(&mut self, key: Key<Conn>, port: u16) {
        self.port_use(port);
        if let Some(info) = self.info(key) {
            let old = std::mem::replace(&mut info.port, port);
            if old != 0 {
                self.port_unuse(old);
            }
        }
    }
}
