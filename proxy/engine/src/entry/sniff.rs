//! What a new connection speaks: policy first, then TLS, transport header, HTTP, by its first bytes.
//!
//! In: bytes, policy answers. Out: an HTTP connection, an opaque one, or its end.
//! Limits: each stage has a deadline; a hello is at most 16 KiB, a transport header 64 KiB.

use crate::base::conn::{Conn, Flags, Role, State, Tls};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::tally::refused::Reason;
use std::sync::Arc;
use std::time::Duration;
use table::inbound;
use table::inbound::Protocol as Inbound;
use table::outbound::Protocol as Outbound;
use wire::hello::{self, Hello};
use wire::preface::{self, Detect};
use wire::transport_header::{self, Session};

/// Where the look at a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waits for the policy of its target or port.
    Policy,
    /// Is it TLS, and for us?
    Hello,
    /// The TLS handshake.
    Shake,
    /// A transport header must come.
    Header,
    /// Is it HTTP, and which?
    Http,
    /// Which server name does the application's TLS ask for?
    Name,
    /// Opaque: waits for the other side to be connected.
    Join,
}

/// A connection that is being looked at.
pub(crate) struct Sniff {
    pub(crate) stage: Stage,
    /// It reached our own inbound port.
    direct: bool,
    /// What the transport header says that it speaks.
    pub(crate) session: Option<Session>,
    /// Dials tried for it.
    pub(crate) tries: u8,
    /// Since when (ns) HTTP is looked for; 0: it is not.
    pub(crate) looked: u64,
    /// Why it is given up, for `*_tcp_errors_total`; empty: no error.
    pub(crate) why: &'static str,
    /// Since when (ns) it waits for the other side.
    pub(crate) joined: u64,
    /// The server name of its hello, once that has come; empty: it has none.
    pub(crate) name: Option<Box<str>>,
}

impl Sniff {
    pub(crate) fn new(direct: bool) -> Sniff {
        Sniff { stage: Stage::Policy, direct, session: None, tries: 0, looked: 0, why: "", joined: 0, name: None }
    }
}

impl Engine {
    pub(crate) fn sniff(&mut self, key: Key<Conn>) -> Option<&mut Sniff> {
        match &mut self.conns.get_mut(key)?.state {
            State::Sniff(sniff) => Some(sniff),
            _ => None,
        }
    }

    pub(crate) fn stage(&mut self, key: Key<Conn>, stage: Stage) {
        if let Some(sniff) = self.sniff(key) {
            sniff.stage = stage;
        }
    }

    /// Bytes of a connection that is being looked at.
    pub(crate) fn sniff_step(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let Some(sniff) = self.sniff(key) else { return 0 };
        match sniff.stage {
            Stage::Policy | Stage::Shake | Stage::Join => 0,
            Stage::Hello => self.hello(key, data),
            Stage::Header => self.header(key, data),
            Stage::Http => self.which_http(key, data),
            Stage::Name => self.server_name(key, data),
        }
    }

    /// Its policy has come.
    pub(crate) fn sniff_told(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get(key) else { return };
        let (State::Sniff(sniff), Some(info)) = (&conn.state, &conn.info) else { return };
        if sniff.stage != Stage::Policy {
            return;
        }
        match (conn.role, info.gateway) {
            (Role::AppIn, _) => self.outbound_policy(key),
            (_, true) => self.gateway_policy(key),
            (_, false) => self.inbound_policy(key),
        }
    }

    pub(crate) fn outbound_policy(&mut self, key: Key<Conn>) {
        let Some(info) = self.info(key) else { return };
        let target = info.target;
        let Some(target) = self.routes.targets.get_mut(target) else { return self.kill(key, true) };
        let Some(table) = &target.table else {
            if target.waiting.len() >= self.config.outbound_side.tcp_queue {
                return self.kill(key, true);
            }
            target.waiting.push(key);
            // The control thread answers within 2 s; a little more, and the connection is not held for ever.
            return self.alarm(key, 5_000);
        };
        // An ingress's requests may go elsewhere than its connection: whatever is said of that, it is looked into.
        let protocol = if self.config.ingress { Outbound::Detect(Duration::ZERO) } else { table.protocol };
        let name = match protocol {
            Outbound::Detect(_) => "detect",
            Outbound::Http1 => "http/1",
            Outbound::Http2 | Outbound::Grpc => "http/2",
            Outbound::Opaque => "opaq",
            Outbound::Tls => "tls",
            Outbound::Refuse(_) => "refused",
        };
        self.tally.protocol(name, &table.parent);
        self.tally.opened(&mut self.conns, &self.ports, key);
        match protocol {
            Outbound::Detect(limit) => self.look(key, limit, true),
            Outbound::Http1 => self.become_http1(key),
            Outbound::Http2 | Outbound::Grpc => self.become_http2(key),
            Outbound::Opaque | Outbound::Tls => self.opaque_join(key),
            Outbound::Refuse(_) => self.kill(key, true),
        }
        self.wake(key);
    }

    pub(crate) fn look(&mut self, key: Key<Conn>, limit: Duration, outbound: bool) {
        let limit = if limit.is_zero() { self.side(outbound).detect_timeout } else { limit };
        let now = self.now;
        if let Some(sniff) = self.sniff(key) {
            (sniff.stage, sniff.looked) = (Stage::Http, now);
        }
        self.alarm(key, limit.as_millis().try_into().unwrap_or(u64::MAX >> 1));
    }

    pub(crate) fn inbound_policy(&mut self, key: Key<Conn>) {
        let Some(info) = self.info(key) else { return };
        let port = info.port;
        let Some(server) = self.port_or_wait(port, key) else { return self.alarm(key, 5_000) };
        self.inbound_enter(key, &server);
        self.wake(key);
    }

    fn inbound_enter(&mut self, key: Key<Conn>, server: &Arc<inbound::Server>) {
        let Some(sniff) = self.sniff(key) else { return };
        let (session, direct) = (sniff.session, sniff.direct);
        let secured = self.info(key).is_some_and(|info| info.tls != Tls::None);
        if session.is_some() || direct || secured {
            return self.inbound_speaks(key, server, session);
        }
        match server.protocol {
            Inbound::Opaque | Inbound::Tls => {
                if let Some(info) = self.info(key) {
                    info.skipped = true;
                }
                self.inbound_opaque(key, server);
            }
            _ => {
                self.stage(key, Stage::Hello);
                let limit = self.config.inbound_side.detect_timeout.as_millis() as u64;
                self.alarm(key, limit);
            }
        }
    }

    /// TLS is settled: which protocol?
    fn inbound_speaks(&mut self, key: Key<Conn>, server: &Arc<inbound::Server>, session: Option<Session>) {
        match (session, server.protocol) {
            (Some(Session::Opaque), _) | (None, Inbound::Opaque | Inbound::Tls) => self.inbound_opaque(key, server),
            (Some(Session::Http1), _) => self.become_http1(key),
            (Some(Session::Http2), _) => self.become_http2(key),
            (None, Inbound::Detect(limit)) => self.look(key, limit, false),
            (None, Inbound::Http1) if !self.secured(key) => self.become_http1(key),
            // Between proxies HTTP/1 travels as HTTP/2, whatever the policy says of the application.
            (None, _) => self.look(key, Duration::ZERO, false),
        }
    }

    fn secured(&self, key: Key<Conn>) -> bool {
        self.conns.get(key).is_some_and(|conn| conn.session.is_some())
    }

    pub(crate) fn inbound_opaque(&mut self, key: Key<Conn>, server: &Arc<inbound::Server>) {
        self.tally.opened(&mut self.conns, &self.ports, key);
        let Some(info) = self.conns.get(key).and_then(|conn| conn.info.as_deref()) else { return };
        let allowed = self.tcp_allowed(server, info);
        self.tally.tcp_authz(info, server, Some(allowed), false);
        if !allowed {
            return self.kill(key, true);
        }
        self.opaque_join(key);
    }

    /// The first bytes of an inbound connection: TLS for us, TLS for the application, or clear text.
    fn hello(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let Some(credentials) = self.credentials.clone() else { return 0 };
        let Some(sniff) = self.sniff(key) else { return 0 };
        let direct = sniff.direct;
        match hello::sniff(data) {
            Hello::Partial => 0,
            Hello::Tls { sni: Some(name) } if name.eq_ignore_ascii_case(&credentials.server_name) => {
                let config = if direct { credentials.direct.clone() } else { credentials.server.clone() };
                let (Ok(session), Some(conn)) = (tls::Session::server(config), self.conns.get_mut(key)) else {
                    self.kill(key, true);
                    return data.len();
                };
                conn.session = Some(session);
                conn.flags.clear(Flags::UP);
                self.stage(key, Stage::Shake);
                let limit = self.config.handshake_timeout.as_millis() as u64;
                self.alarm(key, limit);
                self.decrypt(key, &mut data.to_vec());
                data.len()
            }
            Hello::Tls { .. } if direct => self.turned_away(key, Reason::DirectName, data),
            Hello::NotTls if direct => self.turned_away(key, Reason::DirectClearText, data),
            Hello::Tls { sni } => {
                if let Some(info) = self.info(key) {
                    info.tls = Tls::Opaque(sni.as_deref().unwrap_or("").into());
                    let port = info.port;
                    if let Some(server) = self.port_or_wait(port, key) {
                        self.inbound_opaque(key, &server);
                    }
                }
                0
            }
            Hello::NotTls => {
                let port = self.info(key).map_or(0, |info| info.port);
                if let Some(server) = self.port_or_wait(port, key) {
                    self.inbound_speaks(key, &server, None);
                }
                self.again(key, data)
            }
        }
    }

    /// Offers the same bytes to whatever the connection has become.
    fn again(&mut self, key: Key<Conn>, _data: &[u8]) -> usize {
        self.wake(key);
        0
    }

    /// The handshake is over: who is it?
    pub(crate) fn sniff_secured(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let (Some(session), Some(info)) = (&conn.session, &mut conn.info) else { return };
        let client = session.peer();
        let (named, header) = (client.is_some(), session.alpn() == Some(transport_header::ALPN));
        info.tls = Tls::Mesh(client);
        let Some(sniff) = self.sniff(key) else { return };
        if !sniff.direct {
            self.stage(key, Stage::Policy);
            return self.inbound_policy(key);
        }
        let own = self.own_client(key);
        if !named || own {
            self.blame(key, if own { "gateway loop" } else { "identity required" });
            return self.turn_away(key, if own { Reason::OwnIdentity } else { Reason::DirectAnonymous });
        }
        let limit = self.config.inbound_side.detect_timeout.as_millis() as u64;
        if header {
            self.stage(key, Stage::Header);
        } else {
            // An older gateway client: HTTP whose authority is the name.
            self.gateway_begin(key, None);
        }
        self.alarm(key, limit);
    }

    /// Whether the client is this very proxy: then the connection is a loop, once it is a gateway's.
    pub(crate) fn own_client(&self, key: Key<Conn>) -> bool {
        let (Some(conn), Some(own)) = (self.conns.get(key), &self.credentials) else { return false };
        let client =
            conn.info.as_ref().and_then(|info| if let Tls::Mesh(client) = &info.tls { client.as_ref() } else { None });
        !self.config.gateway_suffixes.is_empty() && client.is_some_and(|client| *client == own.identity)
    }

    fn header(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let (header, used) = match transport_header::decode(data) {
            Ok(Some(found)) => found,
            Ok(None) => return 0,
            Err(_) => {
                self.blame(key, "unexpected");
                return self.turned_away(key, Reason::TransportHeader, data);
            }
        };
        if let Some(sniff) = self.sniff(key) {
            sniff.session = Some(header.session);
        }
        if let Some(info) = self.conns.get(key).and_then(|conn| conn.info.as_deref()) {
            let session = match header.session {
                Session::Opaque => "",
                Session::Http1 => "http/1",
                Session::Http2 => "http/2",
            };
            let served = !header.name.is_empty() && self.gateway_serves(header.name);
            self.tally.transport_header(info, header.port, header.name, session, served);
        }
        let Some(info) = self.info(key) else { return used };
        if !header.name.is_empty() {
            let name = format!("{}:{}", header.name.trim_end_matches('.').to_ascii_lowercase(), header.port);
            self.gateway_begin(key, Some(&name));
        } else if info.original.port() == header.port {
            // Our own port named as the application's.
            self.blame(key, "gateway loop");
            self.turn_away(key, Reason::HeaderLoop);
        } else {
            info.original.set_port(header.port);
            self.set_port(key, header.port);
            self.stage(key, Stage::Policy);
            self.inbound_policy(key);
        }
        if self.conns.has(key) { used } else { data.len() }
    }

    fn which_http(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        match preface::detect(data) {
            Detect::Partial => return 0,
            Detect::Http1 => {
                self.detected(key, "http/1");
                self.become_http1(key);
            }
            Detect::Http2 => {
                self.detected(key, "http/2");
                self.become_http2(key);
            }
            Detect::Opaque => {
                self.detected(key, "not_http");
                self.sniff_opaque(key);
            }
        }
        self.wake(key);
        0
    }

    /// Not HTTP, or silent for too long.
    fn sniff_opaque(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.get(key) else { return };
        if conn.role == Role::AppIn {
            return self.opaque_join(key);
        }
        let Some(info) = &conn.info else { return };
        if info.gateway && self.gateway_refuses(info.target) {
            self.blame(key, "gateway domain invalid");
            return self.turn_away(key, Reason::GatewayProtocol);
        }
        let server = self.ports.get(info.port).and_then(|port| port.server.clone());
        match server {
            Some(server) => self.inbound_opaque(key, &server),
            None => self.kill(key, true),
        }
    }

    pub(crate) fn sniff_alarm(&mut self, key: Key<Conn>) {
        match self.sniff(key).map(|sniff| sniff.stage) {
            Some(Stage::Http) => {
                self.detected(key, "read_timeout");
                if self.only_http1(key) { self.become_http1(key) } else { self.sniff_opaque(key) }
            }
            // The server may have to speak first: clear text, then.
            Some(Stage::Hello) if self.conns.get(key).is_some_and(|conn| conn.inb.is_empty()) => self.silent(key),
            stage => {
                self.blame(
                    key,
                    match stage {
                        Some(Stage::Hello | Stage::Shake) => "tls detection timeout",
                        Some(Stage::Join | Stage::Policy) => "failfast",
                        _ => "unexpected",
                    },
                );
                match stage {
                    Some(Stage::Join | Stage::Policy) => self.kill(key, true),
                    _ => self.turn_away(key, Reason::SniffTimeout),
                }
            }
        }
    }

    /// Silent, but policy says what the application speaks; only between proxies it is looked for all the same.
    fn only_http1(&self, key: Key<Conn>) -> bool {
        let info = self.conns.get(key).and_then(|conn| conn.info.as_ref().filter(|_| conn.role == Role::PeerIn));
        let server = info.and_then(|info| self.ports.get(info.port)?.server.as_ref().filter(|_| !info.gateway));
        server.is_some_and(|server| server.protocol == Inbound::Http1)
    }

    fn silent(&mut self, key: Key<Conn>) {
        if self.sniff(key).is_some_and(|sniff| sniff.direct) {
            self.blame(key, "tls detection timeout");
            return self.turn_away(key, Reason::SniffTimeout);
        }
        if self.only_http1(key) {
            return self.become_http1(key);
        }
        self.sniff_opaque(key);
    }

    /// The peer ended before it was known what it speaks. While the other side is being made that is for later.
    pub(crate) fn sniff_end(&mut self, key: Key<Conn>) {
        let stage = self.sniff(key).map(|sniff| sniff.stage);
        let kept = self.conns.get(key).is_some_and(|conn| !conn.inb.is_empty());
        match stage {
            Some(Stage::Join | Stage::Policy) => {}
            Some(Stage::Http) if kept => {
                self.detected(key, "not_http");
                self.sniff_opaque(key);
            }
            _ => {
                self.detected(key, "not_http");
                self.kill(key, false);
            }
        }
    }
}
