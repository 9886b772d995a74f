//! HTTP/1 connections: requests of accepted ones, responses of dialed ones.
//!
//! In: bytes. Out: heads and body pieces of exchanges; our own refusals of what is no HTTP.
//! One exchange at a time; requests sent ahead wait as bytes. Limits: a head by the codec's `Limits` and `Config::head_timeout`.

use crate::base::conn::{Conn, Flags, State};
use crate::base::slab::Key;
use crate::engine::{Engine, Life};
use crate::tally::refused::{self, Reason};
use crate::traffic::exchange::{Dir, Exchange, Facts};
use crate::traffic::fault::Fault;
use http::grpc::Status;
use http::h1::{self, Asked, Body, INTERIM_LIMIT, Limits};
use http::refuse::{self, Refusal};

/// What is known of an accepted HTTP/1 connection.
pub(crate) struct Server1 {
    /// The request being served.
    pub(crate) ex: Key<Exchange>,
    /// What is still to come of its body.
    pub(crate) body: Body,
    /// The connection lives on after it.
    pub(crate) keep: bool,
    /// So many bytes of an unfinished head have come.
    pub(crate) seen: usize,
}

impl Default for Server1 {
    fn default() -> Self {
        Server1 { ex: Key::NONE, body: Body::None, keep: true, seen: 0 }
    }
}

/// What is known of a dialed HTTP/1 connection.
pub(crate) struct Client1 {
    /// The request it serves; none: it is in the pool.
    pub(crate) ex: Key<Exchange>,
    /// What was asked that decides how the response reads.
    pub(crate) asked: Asked,
    /// The final head has come.
    pub(crate) headed: bool,
    /// What is still to come of the body.
    pub(crate) body: Body,
    /// The server lets it be used again.
    pub(crate) keep: bool,
    /// Interim answers to this request.
    pub(crate) interim: u8,
    /// So many bytes of an unfinished head have come.
    pub(crate) seen: usize,
}

impl Default for Client1 {
    fn default() -> Self {
        Client1 {
            ex: Key::NONE,
            asked: Asked::default(),
            headed: false,
            body: Body::None,
            keep: true,
            interim: 0,
            seen: 0,
        }
    }
}

impl Engine {
    fn server1(&mut self, key: Key<Conn>) -> Option<&mut Server1> {
        match &mut self.conns.get_mut(key)?.state {
            State::Server1(server) => Some(server),
            _ => None,
        }
    }

    fn client1(&mut self, key: Key<Conn>) -> Option<&mut Client1> {
        match &mut self.conns.get_mut(key)?.state {
            State::Client1(client) => Some(client),
            _ => None,
        }
    }

    /// Request bytes. Returns how many are done with.
    pub(crate) fn server1_step(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let Some(conn) = self.conns.get(key) else { return data.len() };
            if conn.flags.has(Flags::PAUSED) || conn.flags.has(Flags::CLOSING) {
                return at;
            }
            let State::Server1(server) = &conn.state else { return at };
            let (ex, body) = (server.ex, server.body);
            if !body.done() {
                match self.server1_body(key, ex, body, &data[at..]) {
                    0 => return at,
                    used => at += used,
                }
            } else if !ex.is_none() || at == data.len() {
                return at;
            } else {
                match self.server1_head(key, &data[at..]) {
                    0 => return at,
                    used => at += used,
                }
            }
        }
    }

    fn server1_body(&mut self, key: Key<Conn>, ex: Key<Exchange>, mut body: Body, data: &[u8]) -> usize {
        let Ok(step) = body.step(data) else {
            self.fail(ex, &Fault::BadRequest(400, "malformed request body"));
            return self.turned_away(key, Reason::Http1Body, data);
        };
        if let Some(server) = self.server1(key) {
            server.body = body;
        }
        if step.end && !step.trailers.is_empty() {
            self.body_in(ex, Dir::Request, step.data, false);
            if !self.h1_trailers(ex, Dir::Request, step.trailers) {
                self.fail(ex, &Fault::BadRequest(400, "malformed request trailers"));
                return self.turned_away(key, Reason::Http1Body, data);
            }
        } else if step.end || !step.data.is_empty() {
            self.body_in(ex, Dir::Request, step.data, step.end);
        }
        step.used
    }

    /// Trailers passed on; false: they are malformed. Those of a response are then left out: its body is whole.
    fn h1_trailers(&mut self, ex: Key<Exchange>, dir: Dir, section: &[u8]) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let good = match h1::trailers(section, &mut scratch) {
            Ok(fields) => {
                self.trailers_in(ex, dir, &fields);
                true
            }
            Err(_) => {
                if dir == Dir::Response {
                    self.body_in(ex, dir, &[], true);
                }
                false
            }
        };
        self.scratch = scratch;
        good
    }

    fn server1_head(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        if self.server1(key).is_none_or(|server| server.seen > 0 && !h1::may_be_whole(data, server.seen)) {
            self.server1_partial(key, data.len());
            return 0;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let used = match h1::request(data, &mut scratch, &Limits::default()) {
            Ok(None) => {
                self.server1_partial(key, data.len());
                0
            }
            Err(reject) => {
                self.refuse_bytes(key, reject.status, refused::head(reject.reason));
                data.len()
            }
            Ok(Some(head)) => {
                let draining = self.life != Life::Serving;
                let length = if let Body::Length(n) = head.body { Some(n) } else { None };
                if let Some(conn) = self.conns.get_mut(key)
                    && let State::Server1(server) = &mut conn.state
                {
                    server.body = head.body;
                    server.seen = 0;
                    server.keep = head.persistent && !draining && head.request.version == http::Version::Http11;
                    conn.alarm.at = 0;
                }
                self.request(key, 0, &head.request, head.body.done(), length, head.upgrade);
                head.len
            }
        };
        self.scratch = scratch;
        used
    }

    fn server1_partial(&mut self, key: Key<Conn>, seen: usize) {
        let limit = self.config.head_timeout.as_millis() as u64;
        if let Some(server) = self.server1(key)
            && std::mem::replace(&mut server.seen, seen) == 0
        {
            self.alarm(key, limit);
        }
    }

    /// Answers bytes that are no request, and closes.
    fn refuse_bytes(&mut self, key: Key<Conn>, status: u16, reason: Reason) {
        let refusal = Refusal {
            status,
            grpc: Status::Internal,
            message: "",
            close: true,
            meshed: false,
            is_grpc: false,
            location: "",
        };
        if let Some(conn) = self.writer(key) {
            refuse::http1(&mut conn.out, &refusal);
            let outbound = conn.role.outbound();
            self.tally.refused(outbound, reason);
        }
        self.close_after(key);
    }

    pub(crate) fn server1_alarm(&mut self, key: Key<Conn>) {
        let Some(server) = self.server1(key) else { return };
        if !server.ex.is_none() {
            return;
        }
        if server.seen > 0 {
            return self.refuse_bytes(key, 408, Reason::HeadTimeout);
        }
        self.count_refused(key, Reason::FirstHeadTimeout);
        self.close_after(key);
    }

    /// The client sends no more: what it asked is still answered.
    pub(crate) fn server1_end(&mut self, key: Key<Conn>) {
        let Some(server) = self.server1(key) else { return };
        server.keep = false;
        let (ex, cut) = (server.ex, !server.body.done());
        if ex.is_none() {
            self.kill(key, false);
        } else if cut {
            self.kill(key, true);
        }
    }

    pub(crate) fn server1_gone(&mut self, server: &Server1) {
        self.abandon(server.ex);
    }

    /// The answer to the current request is written: the next one, or the end.
    pub(crate) fn server1_free(&mut self, key: Key<Conn>) {
        let draining = self.life != Life::Serving;
        let Some(server) = self.server1(key) else { return };
        server.ex = Key::NONE;
        server.keep &= !draining;
        if server.keep { self.wake(key) } else { self.close_after(key) }
    }

    /// Response bytes. Returns how many are done with.
    pub(crate) fn client1_step(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let Some(conn) = self.conns.get(key) else { return data.len() };
            if conn.flags.has(Flags::PAUSED) {
                return at;
            }
            let State::Client1(client) = &conn.state else { return at };
            let (ex, headed, body) = (client.ex, client.headed, client.body);
            if at == data.len() {
                return at;
            }
            if ex.is_none() {
                // Nobody asked.
                return self.turned_away(key, Reason::ResponseUnasked, data);
            }
            let used = if headed {
                self.client1_body(key, ex, body, &data[at..])
            } else {
                self.client1_head(key, ex, &data[at..])
            };
            match used {
                0 => return at,
                used => at += used,
            }
        }
    }

    fn client1_head(&mut self, key: Key<Conn>, ex: Key<Exchange>, data: &[u8]) -> usize {
        let Some(client) = self.client1(key) else { return 0 };
        let (asked, seen) = (client.asked, std::mem::replace(&mut client.seen, data.len()));
        if seen > 0 && !h1::may_be_whole(data, seen) {
            return 0;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let used = match h1::response(data, &mut scratch, &Limits::default(), asked) {
            Ok(None) => 0,
            Err(reject) => {
                let unasked = reject.reason == h1::Reason::Upgrade;
                self.client1_bad(key, ex, if unasked { Reason::Http1Upgrade } else { Reason::ResponseHead });
                data.len()
            }
            Ok(Some(head)) if head.tunnel => {
                self.tunnel(ex, key, &head.response, head.upgrade.unwrap_or(b""));
                head.len
            }
            Ok(Some(head)) if head.response.status < 200 => {
                let Some(client) = self.client1(key) else { return data.len() };
                client.seen = 0;
                client.interim += 1;
                if client.interim > INTERIM_LIMIT {
                    self.client1_bad(key, ex, Reason::ResponseInterim)
                } else {
                    self.interim(ex, &head.response)
                }
                head.len
            }
            Ok(Some(head)) => {
                let end = head.body.done();
                let length = if let Body::Length(n) = head.body { Some(n) } else { None };
                if let Some(client) = self.client1(key) {
                    client.headed = true;
                    client.seen = 0;
                    client.body = head.body;
                    client.keep = head.persistent && head.body != Body::UntilClose;
                }
                if end {
                    self.client1_heard(key, ex);
                }
                self.response(ex, &head.response, end, length);
                head.len
            }
        };
        self.scratch = scratch;
        used
    }

    fn client1_bad(&mut self, key: Key<Conn>, ex: Key<Exchange>, reason: Reason) {
        self.detach_up(ex, key);
        self.turn_away(key, reason);
        self.fail(ex, &Fault::BadResponse);
    }

    fn client1_body(&mut self, key: Key<Conn>, ex: Key<Exchange>, mut body: Body, data: &[u8]) -> usize {
        let Ok(step) = body.step(data) else {
            self.client1_bad(key, ex, Reason::ResponseBody);
            return data.len();
        };
        if let Some(client) = self.client1(key) {
            client.body = body;
        }
        if step.end && !step.trailers.is_empty() {
            self.body_in(ex, Dir::Response, step.data, false);
            self.client1_heard(key, ex);
            self.h1_trailers(ex, Dir::Response, step.trailers);
        } else if step.end {
            self.client1_heard(key, ex);
            self.body_in(ex, Dir::Response, step.data, true);
        } else if !step.data.is_empty() {
            self.body_in(ex, Dir::Response, step.data, false);
        }
        step.used
    }

    /// The whole response has come: the connection parts from the exchange, back to the pool if both sides allow.
    fn client1_heard(&mut self, key: Key<Conn>, ex: Key<Exchange>) {
        let sent = self.exchanges.get(ex).is_some_and(|x| x.facts.has(Facts::SENT));
        self.detach_up(ex, key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        let (at, ended) = (conn.endpoint, conn.flags.has(Flags::ENDED));
        let State::Client1(client) = &mut conn.state else { return };
        let again = client.keep && sent && !ended;
        *client = Client1::default();
        if again {
            self.resume(key);
            self.h1_free(key, at);
        } else {
            // The request is not whole, so no other may follow it here.
            conn.state = State::Linger;
            self.kill(key, false);
        }
    }

    /// The server sends no more.
    pub(crate) fn client1_end(&mut self, key: Key<Conn>) {
        let Some(client) = self.client1(key) else { return };
        let ex = client.ex;
        if client.headed && client.body == Body::UntilClose {
            self.client1_heard(key, ex);
            self.body_in(ex, Dir::Response, &[], true);
        } else {
            self.kill(key, false);
        }
    }

    /// A dialed HTTP/1 connection is gone: not made, unused, or in the midst of a request.
    pub(crate) fn client1_gone(&mut self, key: Key<Conn>, conn: &Conn, client: &Client1) {
        if conn.flags.has(Flags::DIALING) {
            self.dial_failed(conn.endpoint, true, conn.flags.has(Flags::LATE));
        } else if conn.flags.has(Flags::POOLED) {
            self.h1_unkept(conn.endpoint);
        } else if !client.ex.is_none() {
            self.detach_up(client.ex, key);
            self.fail(client.ex, &Fault::Io);
        }
    }
}
