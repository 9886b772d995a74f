//! Connections to an endpoint: found, made, shared, kept, given up.
//!
//! In: a wish for an HTTP/2 link or an HTTP/1 connection. Out: one that is up, or "wait".
//! A request is written only on a connection that is up, so that a failed connect costs a try and not a request.
//! Limits: `Config::h2.max_links`, `Side::pool_max`, `Side::pool_idle`; connects end by `Side::connect_timeout`.

use crate::base::conn::{Conn, Flags, Role, State};
use crate::base::slab::Key;
use crate::config::Side;
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::traffic::fault::Fault;
use crate::traffic::h1::Client1;
use crate::traffic::h2::Link;
use std::sync::Arc;
use table::outbound::{Hint, Http2};
use wire::transport_header::{self, Header, Session};

/// What came of a wish for a connection.
pub(crate) enum Found {
    /// Take this one.
    Ready(Key<Conn>),
    /// One is being made; the request is told when it is up or has failed.
    Wait,
    /// None can be had.
    Failed(Fault),
}

impl Engine {
    pub(crate) fn side(&self, outbound: bool) -> &Side {
        if outbound { &self.config.outbound_side } else { &self.config.inbound_side }
    }

    /// A link with room for one more stream; makes one if there is none, or all are busy.
    pub(crate) fn find_link(&mut self, key: Key<Endpoint>, session: Session) -> Found {
        let Some(endpoint) = self.routes.endpoints.get(key) else { return Found::Failed(Fault::Connect) };
        let (limits, mut best, mut making) = (&self.config.h2, None, false);
        let mut best_streams = usize::MAX;
        for &link in &endpoint.links {
            let Some(conn) = self.conns.get(link) else { continue };
            let State::Link(state) = &conn.state else { continue };
            if !conn.flags.has(Flags::UP) {
                making = true;
            } else if state.h2.can_open() && state.h2.count() < best_streams {
                best_streams = state.h2.count();
                best = Some((link, conn.backlog()));
            }
        }
        let crowded = best.is_some_and(|(_, backlog)| {
            best_streams >= limits.streams_per_link as usize || backlog >= limits.bytes_per_link
        });
        let links = endpoint.links.len();
        if (best.is_none() || crowded) && !making && links < limits.max_links && !endpoint.retired {
            if let Err(fault) = self.dial_link(key, session)
                && best.is_none()
            {
                return Found::Failed(fault);
            }
        } else if best.is_none() && !making && links < limits.max_links {
            return Found::Failed(Fault::Connect);
        }
        match best {
            Some((link, _)) => Found::Ready(link),
            None => Found::Wait,
        }
    }

    pub(crate) fn dial_link(&mut self, key: Key<Endpoint>, session: Session) -> Result<(), Fault> {
        let link = self.dial(key, session, State::Linger)?;
        let (now, own) = (self.now, self.routes.endpoints.get(key).and_then(|endpoint| endpoint.spec.http2));
        if let Some(conn) = self.conns.get_mut(link) {
            let mut config = crate::traffic::h2::settings(&self.config, conn.role);
            if let Some(own) = own {
                own_settings(&mut config, &own);
            }
            conn.state = State::Link(Box::new(Link::new(http::h2::Role::Client, &config, now, &mut conn.out)));
        }
        if let Some(endpoint) = self.routes.endpoints.get_mut(key) {
            endpoint.links.push(link);
        }
        Ok(())
    }

    /// An HTTP/1 connection for one request.
    pub(crate) fn find_h1(&mut self, key: Key<Endpoint>, session: Session) -> Found {
        let Some(endpoint) = self.routes.endpoints.get_mut(key) else { return Found::Failed(Fault::Connect) };
        while let Some(conn) = endpoint.idle.pop() {
            if let Some(found) = self.conns.get_mut(conn) {
                endpoint.idle_live -= 1;
                found.flags.clear(Flags::POOLED);
                found.alarm.at = 0;
                return Found::Ready(conn);
            }
        }
        match self.dial_h1(key, session) {
            Ok(()) => Found::Wait,
            Err(fault) => Found::Failed(fault),
        }
    }

    pub(crate) fn dial_h1(&mut self, key: Key<Endpoint>, session: Session) -> Result<(), Fault> {
        let conn = self.dial(key, session, State::Client1(Client1::default()))?;
        if let (Some(conn), Some(endpoint)) = (self.conns.get_mut(conn), self.routes.endpoints.get_mut(key)) {
            conn.flags.set(Flags::DIALING);
            endpoint.dialing1 += 1;
        }
        Ok(())
    }

    /// A kept connection ended in the very turn a request was put on it: not a byte of it is sent, so it moves to a new one.
    pub(crate) fn h1_again(&mut self, key: Key<Conn>, old: &mut Conn) {
        let State::Client1(client) = &mut old.state else { return };
        let unsent = !old.out.is_empty() && old.sent == 0 && old.wire.is_empty();
        if client.ex.is_none() || client.headed || client.interim > 0 || !old.flags.has(Flags::UP) || !unsent {
            return;
        }
        if self.exchanges.get(client.ex).is_none_or(|x| x.up != key) {
            return;
        }
        let Ok(fresh) = self.dial(old.endpoint, Session::Http1, State::Linger) else { return };
        let (Some(conn), Some(x)) = (self.conns.get_mut(fresh), self.exchanges.get_mut(client.ex)) else { return };
        conn.out.extend_from_slice(&old.out);
        conn.state = State::Client1(std::mem::take(client));
        if x.req.paused {
            conn.flags.set(Flags::PRESSED);
        }
        x.up = fresh;
    }

    /// Begins a connection; what must come first on it is in its buffers already.
    pub(crate) fn dial(&mut self, key: Key<Endpoint>, session: Session, state: State) -> Result<Key<Conn>, Fault> {
        let credentials = self.credentials.clone();
        let Some(endpoint) = self.routes.endpoints.get_mut(key) else { return Err(Fault::Connect) };
        let outbound = endpoint.outbound;
        if outbound && endpoint.spec.addr.ip().is_loopback() && !self.config.loopback_targets {
            return Err(Fault::Loop);
        }
        let mut conn = Conn::new(if outbound { Role::PeerOut } else { Role::AppOut }, state);
        // A peer that takes bytes only is told nothing of HTTP.
        let session = if endpoint.spec.hint == Hint::Opaque { Session::Opaque } else { session };
        if let Some(peer) = endpoint.peer() {
            let direct = endpoint.spec.inbound_port.is_some();
            let credentials = credentials.ok_or(Fault::Connect)?;
            let config = match &endpoint.client {
                Some((epoch, config)) if *epoch == self.epoch => config.clone(),
                _ => tls::client_for(&credentials, peer, direct),
            };
            let mut tls = tls::Session::client(config.clone(), &peer.server_name).map_err(|_| Fault::Connect)?;
            tls.feed(&mut [], &mut Vec::new(), &mut conn.wire);
            conn.session = Some(tls);
            if direct {
                header(&mut conn.out, &endpoint.spec, session);
            }
            endpoint.client = Some((self.epoch, config));
        }
        conn.endpoint = key;
        endpoint.users += 1;
        let addr = endpoint.dial_addr();
        self.tally.dialed(&mut conn, endpoint);
        let conn = self.conns.insert(conn);
        self.io.dials.push((conn, addr));
        let limit = self.side(outbound).connect_timeout.as_millis() as u64;
        self.alarm(conn, limit.max(1));
        Ok(conn)
    }

    /// A dialed HTTP connection is up.
    pub(crate) fn pool_up(&mut self, key: Key<Conn>) {
        self.alarm(key, 0);
        let Some(conn) = self.conns.get_mut(key) else { return };
        let at = conn.endpoint;
        let h1 = matches!(conn.state, State::Client1(_));
        let taken = matches!(&conn.state, State::Client1(client) if !client.ex.is_none());
        let dialing = conn.flags.has(Flags::DIALING);
        conn.flags.clear(Flags::DIALING);
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return };
        let failed = std::mem::take(&mut endpoint.failures) > 0;
        endpoint.avoid_until = 0;
        if failed {
            self.gate_checked(at);
        }
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return };
        if !h1 {
            self.endpoint_room(at);
            self.link_keepalive(key);
            return;
        }
        if dialing {
            endpoint.dialing1 -= 1;
        }
        if !taken {
            self.h1_free(key, at);
        }
    }

    /// An HTTP/1 connection has nothing to do: whoever waits gets it, else it is kept for a while.
    pub(crate) fn h1_free(&mut self, key: Key<Conn>, at: Key<Endpoint>) {
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return self.kill(key, false) };
        let limit = if endpoint.outbound { &self.config.outbound_side } else { &self.config.inbound_side };
        if endpoint.retired && endpoint.waiting1.is_empty() || endpoint.idle_live >= limit.pool_max {
            return self.kill(key, false);
        }
        let idle = limit.pool_idle.as_millis() as u64;
        if endpoint.idle.len() > 2 * endpoint.idle_live + 16 {
            let conns = &self.conns;
            endpoint.idle.retain(|&conn| conns.has(conn));
        }
        endpoint.idle.push(key);
        endpoint.idle_live += 1;
        if let Some(conn) = self.conns.get_mut(key) {
            conn.flags.set(Flags::POOLED);
        }
        while let Some(next) = endpoint.waiting1.pop_front() {
            // Some have given up waiting.
            if self.exchanges.get(next).is_some_and(|x| x.waiting.is_some()) {
                self.io.retry.push(next);
                break;
            }
        }
        self.alarm(key, idle.max(1));
    }

    /// An unused HTTP/1 connection is gone.
    pub(crate) fn h1_unkept(&mut self, at: Key<Endpoint>) {
        if let Some(endpoint) = self.routes.endpoints.get_mut(at) {
            endpoint.idle_live -= 1;
        }
    }
}

/// What the control plane wants of links to one endpoint.
fn own_settings(config: &mut http::h2::Config, own: &Http2) {
    let or = |own: u32, usual: u32| if own == 0 { usual } else { own };
    config.stream_window = or(own.stream_window, config.stream_window);
    config.connection_window = or(own.connection_window, config.connection_window);
    config.frame = or(own.frame, config.frame).clamp(16_384, 0xff_ffff);
}

fn header(out: &mut Vec<u8>, spec: &Arc<table::outbound::Endpoint>, session: Session) {
    let named = spec.authority.as_deref().and_then(|name| name.rsplit_once(':'));
    let (name, port) = match named.and_then(|(name, port)| Some((name, port.parse().ok()?))) {
        Some(named) => named,
        None => (spec.authority.as_deref().unwrap_or(""), spec.addr.port()),
    };
    transport_header::encode(out, &Header { port, name, session });
}
