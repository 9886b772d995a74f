//! Inbound policies by port, and what a newer one does to connections that are open.
//!
//! In: `Tell::Port`, ports somebody connects to. Out: the current policy of a port.
//! Limits: a port nobody uses is forgotten after the discovery idle time; waiting connections have deadlines.

use crate::base::conn::{Conn, Info, Role, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::entry::authorize;
use crate::entry::sniff::Stage;
use crate::route::limit::{Limiter, Scope};
use crate::traffic::exchange::Exchange;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use table::Ask;
use table::inbound::Server;

/// A port as a worker knows it.
#[derive(Default)]
pub(crate) struct Port {
    /// None until the first answer.
    pub(crate) server: Option<Arc<Server>>,
    /// Which version of the policy this is; metric handles are kept per version.
    pub(crate) version: u32,
    /// Whether paths must be normalised before they are matched.
    pub(crate) by_path: bool,
    /// The buckets of its rate limit.
    pub(crate) limiter: Option<Box<Limiter>>,
    waiting: Vec<Key<Conn>>,
    pub(crate) parked: Vec<Key<Exchange>>,
    users: u32,
    idle_since: u64,
}

/// One multiplication: ports are looked up for each request and nobody chooses them to collide.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u16(&mut self, n: u16) {
        self.write_u64(u64::from(n));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
}

/// All ports.
#[derive(Default)]
pub(crate) struct Ports(HashMap<u16, Port, BuildHasherDefault<Mix>>);

impl Ports {
    #[inline]
    pub(crate) fn get(&self, port: u16) -> Option<&Port> {
        self.0.get(&port)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, port: u16) -> Option<&mut Port> {
        self.0.get_mut(&port)
    }
}

impl Engine {
    /// One user more of a port's policy; asked for if it is new. 0 is no port.
    pub(crate) fn port_use(&mut self, port: u16) {
        if port == 0 {
            return;
        }
        let known = self.ports.0.len();
        self.ports.0.entry(port).or_default().users += 1;
        if self.ports.0.len() > known {
            self.ask(Ask::Port(port));
        }
    }

    pub(crate) fn port_unuse(&mut self, port: u16) {
        let now = self.millis();
        if let Some(state) = self.ports.get_mut(port) {
            state.users -= 1;
            state.idle_since = now;
        }
    }

    /// The policy of a port, or the connection waits for it.
    pub(crate) fn port_or_wait(&mut self, port: u16, key: Key<Conn>) -> Option<Arc<Server>> {
        let state = self.ports.get_mut(port)?;
        if state.server.is_none() {
            state.waiting.push(key);
        }
        state.server.clone()
    }

    /// A first or newer policy. Opaque connections it does not let in any more are cut.
    pub(crate) fn port_told(&mut self, port: u16, server: Arc<Server>) {
        let Some(state) = self.ports.get_mut(port) else { return };
        let matches = server.routes.iter().flat_map(|route| route.rules.iter()).flat_map(|(matches, _)| matches.iter());
        state.by_path = crate::route::choose::by_path(matches);
        let first = state.server.replace(server.clone()).is_none();
        state.version += 1;
        match &server.limit {
            Some(limit) if state.limiter.as_ref().is_some_and(|limiter| limiter.is_for(limit)) => {}
            limit => state.limiter = limit.as_ref().map(|l| Box::new(Limiter::new(l, self.config.workers))),
        }
        let (waiting, parked) = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.parked));
        for key in waiting {
            self.sniff_told(key);
        }
        self.io.retry.extend(parked);
        if !first {
            self.recheck(port, &server);
        }
    }

    /// Bytes that policy let in once, and a tunnel by the route it was asked for on; also while the other side is being dialed.
    fn recheck(&mut self, port: u16, server: &Server) {
        for key in self.conns.keys() {
            let Some(conn) = self.conns.get(key) else { continue };
            let (Role::PeerIn, Some(info)) = (conn.role, &conn.info) else { continue };
            let entered = match &conn.state {
                State::Opaque(_) => true,
                State::Sniff(sniff) => sniff.stage == Stage::Join,
                _ => false,
            };
            if !entered || info.port != port || self.tcp_allowed(server, info) || tunnel_allowed(server, info) {
                continue;
            }
            self.tally.tcp_authz(info, server, Some(false), true);
            self.kill(key, true);
        }
    }

    /// Our application took a connection: its port is no stranger's guess, and gets labels of its own.
    pub(crate) fn port_proven(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get(key).filter(|conn| conn.role == Role::AppOut) else { return };
        let Some(port) = self.routes.endpoints.get(conn.endpoint).map(|endpoint| endpoint.spec.addr.port()) else {
            return;
        };
        if self.tally.strangers.prove(port)
            && let Some(state) = self.ports.get_mut(port)
        {
            state.version += 1;
        }
    }

    /// Whether a connection may enter a port as bytes.
    pub(crate) fn tcp_allowed(&self, server: &Server, info: &Info) -> bool {
        let remote = info.remote.ip();
        server.allow_loopback && remote.is_loopback()
            || authorize::allowed(server.authorizations.iter(), remote, &info.tls).is_some()
    }

    /// Counts a request against the port's rate limit.
    pub(crate) fn limited(&mut self, port: u16, client: Option<&Arc<str>>) -> Result<(), Scope> {
        let now = self.now;
        match self.ports.get_mut(port).and_then(|port| port.limiter.as_mut()) {
            Some(limiter) => limiter.take(client, now),
            None => Ok(()),
        }
    }

    /// Forgets ports nobody connects to.
    pub(crate) fn sweep_ports(&mut self) {
        let (now, idle) = (self.millis(), self.config.inbound_side.discovery_idle.as_millis() as u64);
        let mut gone = Vec::new();
        self.ports.0.retain(|&port, state| {
            let stays = state.users > 0 || now < state.idle_since + idle;
            if !stays {
                gone.push(port);
            }
            stays
        });
        for port in gone {
            self.ask(Ask::ForgetPort(port));
        }
    }
}

/// Whether the route a tunnel was opened on, as it is now, still lets its client in.
fn tunnel_allowed(server: &Server, info: &Info) -> bool {
    let Some(by) = &info.tunnel else { return false };
    let routes = server.routes.iter().filter(|route| route.meta == **by);
    authorize::allowed(routes.flat_map(|route| route.authorizations.iter()), info.remote.ip(), &info.tls).is_some()
}
