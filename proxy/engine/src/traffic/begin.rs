//! A request has come: an exchange begins.
//!
//! In: a head from either codec. Out: the exchange, sent on, waiting or answered by us.
//! Limits: `Side::max_in_flight` requests per direction, divided among the workers.

use crate::base::conn::{Conn, Role, State};
use crate::base::slab::Key;
use crate::engine::{Engine, Life};
use crate::tally::refused::Reason;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use crate::traffic::h1::Server1;
use crate::traffic::h2::{Link, settings};
use crate::traffic::send::Outcome;
use http::h2::StreamId;
use http::{Form, Request, Version, grpc};

impl Engine {
    /// The connection speaks HTTP/1 to us.
    pub(crate) fn become_http1(&mut self, key: Key<Conn>) {
        self.tally.opened(&mut self.conns, &self.ports, key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.state = State::Server1(Server1::default());
        // Our own application may open connections ahead of need.
        let limit = if conn.role == Role::PeerIn { self.config.first_head_timeout.as_millis() as u64 } else { 0 };
        self.alarm(key, limit);
        self.wake(key);
    }

    /// The connection speaks HTTP/2 to us.
    pub(crate) fn become_http2(&mut self, key: Key<Conn>) {
        self.tally.opened(&mut self.conns, &self.ports, key);
        let draining = self.life != Life::Serving;
        let (now, config) = (self.now, self.config.clone());
        let Some(conn) = self.writer(key) else { return };
        let side = if conn.role == Role::AppIn { &config.outbound_side } else { &config.inbound_side };
        let told = side.h2.resets;
        let mut config = settings(&config, conn.role);
        // One link of theirs carries many clients' requests; our own application hurts only itself.
        if conn.role == Role::AppIn || conn.verified() {
            let mesh = http::h2::Limits::mesh();
            config.limits = http::h2::Limits { resets: told.unwrap_or(mesh.resets), ..mesh };
        }
        let mut link = Link::new(http::h2::Role::Server, &config, now, &mut conn.out);
        if draining {
            link.h2.goaway(&mut conn.out, http::h2::Code::NoError);
        }
        conn.state = State::Link(Box::new(link));
        let limit = self.config.first_head_timeout.as_millis() as u64;
        self.alarm(key, limit);
        self.wake(key);
    }

    /// A request head on a connection (stream 0: HTTP/1). `end`: no body follows.
    pub(crate) fn request(
        &mut self,
        key: Key<Conn>,
        stream: StreamId,
        head: &Request<'_>,
        end: bool,
        length: Option<u64>,
        upgrade: Option<&[u8]>,
    ) -> Key<Exchange> {
        let mut x = Exchange::new(key, stream, self.now);
        let Some(conn) = self.conns.get_mut(key) else { return Key::NONE };
        let outbound = conn.role == Role::AppIn;
        let info = conn.info.as_deref();
        let verified = conn.verified();
        x.facts.set_if(Facts::OUTBOUND, outbound);
        x.facts.set_if(Facts::GATEWAY, info.is_some_and(|info| info.gateway));
        x.facts.set_if(Facts::MESHED, outbound || verified);
        x.facts.set_if(Facts::ASKED, end);
        x.asked = if end { self.now } else { 0 };
        x.facts.set_if(Facts::DOWN2, stream != 0);
        x.facts.set_if(Facts::HEAD, head.method == b"HEAD");
        x.facts.set_if(Facts::OLD, head.version == Version::Http10);
        x.facts.set_if(Facts::GRPC, grpc::is_grpc(head));
        x.length = length;
        let ex = self.exchanges.insert(x);
        match &mut conn.state {
            State::Link(link) => link.h2.set_token(stream, ex.token()),
            State::Server1(server) => server.ex = ex,
            _ => {}
        }
        if self.watching.on() {
            self.watch_request(ex, head);
        }
        match self.admit(ex, head, upgrade) {
            Outcome::Sent => self.keep(ex, head),
            Outcome::Wait if self.tally.queued >= self.side(outbound).queue => self.fail(ex, &Fault::Loadshed),
            Outcome::Wait => self.keep_waiting(ex, Engine::stored(head, upgrade)),
            Outcome::Fail(fault) => {
                self.keep(ex, head);
                self.fail(ex, &fault);
            }
        }
        ex
    }

    fn admit(&mut self, ex: Key<Exchange>, head: &Request<'_>, upgrade: Option<&[u8]>) -> Outcome {
        let Some(x) = self.exchanges.get_mut(ex) else { return Outcome::Sent };
        let outbound = x.facts.has(Facts::OUTBOUND);
        let side = if outbound { &self.config.outbound_side } else { &self.config.inbound_side };
        let limit = side.max_in_flight / self.config.workers.max(1) as usize;
        let in_flight = &mut self.tally.in_flight[usize::from(outbound)];
        if *in_flight >= limit {
            return Outcome::Fail(Fault::Loadshed);
        }
        *in_flight += 1;
        x.facts.set(Facts::COUNTED);
        if head.form == Form::Authority {
            self.tally.refused(outbound, Reason::Connect);
            return Outcome::Fail(Fault::BadRequest(405, "CONNECT is not allowed"));
        }
        self.route(ex, head, upgrade)
    }

    /// Decides where a request goes and sends it there. Called again, with the same head, after each wait.
    pub(crate) fn route(&mut self, ex: Key<Exchange>, head: &Request<'_>, upgrade: Option<&[u8]>) -> Outcome {
        let Some(x) = self.exchanges.get(ex) else { return Outcome::Sent };
        if x.facts.has(Facts::OUTBOUND) {
            if self.config.ingress {
                return self.route_ingress(ex, head, upgrade);
            }
            let target = self.info(x.down).map_or(Key::NONE, |info| info.target);
            return self.route_outbound(ex, target, head, upgrade, &[]);
        }
        self.route_inbound(ex, head, upgrade)
    }
}
