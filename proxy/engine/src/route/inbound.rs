//! A request of another pod: route, authorization, filters, header rules, then our application (or another cluster, see `gateway`).
//!
//! In: a head and the policy of its port. Out: the head with its edits, given to `send`.

use crate::base::conn::{Info, Tls};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::entry::authorize;
use crate::route::choose;
use crate::route::limit::Scope;
use crate::route::outbound::Edits;
use crate::tally::inbound::Decided;
use crate::tally::refused::Reason;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;
use crate::traffic::send::Outcome;
use http::path::normalise;
use http::{Edit, Field, Name, Request, Set, Version, names, orig_proto};
use table::inbound::Server;
use table::outbound::Filter;

/// What a verified peer's request may not bring to our application.
const TRUSTED: Set = Set::of(&[
    Name::L5dClientId,
    Name::L5dOrigProto,
    Name::L5dProxyError,
    Name::L5dProxyConnection,
    Name::L5dRequireId,
    Name::L5dOther,
]);

/// The head with its path in normal form, if what the path says can matter.
pub(crate) fn normal<'a>(head: &Request<'a>, wanted: bool, room: &'a mut Vec<u8>) -> Result<Request<'a>, Fault> {
    if !wanted || head.path == b"*" {
        return Ok(*head);
    }
    match normalise(head.path, room) {
        Ok(None) => Ok(*head),
        Ok(Some(path)) => Ok(Request { path, ..*head }),
        Err(_) => Err(Fault::BadRequest(400, "malformed path")),
    }
}

impl Engine {
    pub(crate) fn route_inbound(&mut self, ex: Key<Exchange>, head: &Request<'_>, upgrade: Option<&[u8]>) -> Outcome {
        let Some(x) = self.exchanges.get(ex) else { return Outcome::Sent };
        let down = x.down;
        let Some(conn) = self.conns.get_mut(down) else { return Outcome::Sent };
        let Some(mut info) = conn.info.take() else { return Outcome::Fail(Fault::Invalid) };
        let server = self.ports.get_mut(info.port).and_then(|port| port.server.take());
        let outcome = match &server {
            Some(server) => self.inbound_with(ex, &mut info, server, head, upgrade),
            None => {
                if let Some(port) = self.ports.get_mut(info.port) {
                    port.parked.push(ex);
                }
                Outcome::Wait
            }
        };
        if let Some(port) = self.ports.get_mut(info.port)
            && server.is_some()
        {
            port.server = server;
        }
        match self.conns.get_mut(down) {
            Some(conn) => conn.info = Some(info),
            None => self.release_info(&info),
        }
        outcome
    }

    fn inbound_with(
        &mut self,
        ex: Key<Exchange>,
        info: &mut Info,
        server: &Server,
        head: &Request<'_>,
        upgrade: Option<&[u8]>,
    ) -> Outcome {
        let Some(x) = self.exchanges.get(ex) else { return Outcome::Sent };
        let (verified, first) = (x.facts.has(Facts::MESHED), !x.facts.has(Facts::ENTERED));
        let (head, orig) = if verified { orig_proto::restore(head) } else { (*head, None) };
        let mut name = Vec::new();
        let head = self.addressed(info, head, &mut name);
        let by_path = self.ports.get(info.port).is_some_and(|port| port.by_path);
        let mut room = Vec::new();
        let head = match normal(&head, by_path, &mut room) {
            Ok(head) => head,
            Err(fault) => {
                self.tally.refused(false, Reason::Path);
                return Outcome::Fail(fault);
            }
        };
        let rule = match choose::inbound(&server.routes, &head) {
            Some(found) => Some(found),
            None if server.routes.is_empty() => None,
            None => {
                self.inbound_unseries(ex, info, server);
                return Outcome::Fail(Fault::NoRoute);
            }
        };
        let filters = rule.and_then(|(r, i)| Some(&*server.routes.get(r)?.rules.get(i)?.1)).unwrap_or_default();
        if first {
            let route = rule.map(|(r, _)| r);
            if let Err(fault) = self.enter(ex, info, server, route, head.authority) {
                return Outcome::Fail(fault);
            }
            if upgrade.is_some() {
                info.tunnel = route.and_then(|r| Some(Box::new(server.routes.get(r)?.meta.clone())));
            }
            if let Some(x) = self.exchanges.get_mut(ex) {
                x.facts.set(Facts::ENTERED);
                x.facts.set_if(Facts::ORIG, orig.is_some() && x.facts.has(Facts::DOWN2));
                x.orig = orig;
                if let Some(watched) = &mut x.watch
                    && let Some(route) = rule.and_then(|(r, _)| server.routes.get(r))
                {
                    watched.route(&route.meta, &[]);
                }
            }
            let matches = rule.and_then(|(r, i)| Some(&*server.routes.get(r)?.rules.get(i)?.0)).unwrap_or_default();
            if let Err(fault) = self.answering_filters(ex, filters, &head, matches) {
                return Outcome::Fail(fault);
            }
            if let Err(fault) = self.within_limit(info, server, route) {
                return Outcome::Fail(fault);
            }
            if verified && !info.gateway {
                self.by_profile(ex, &head);
            }
        }
        if info.gateway {
            return self.route_gateway(ex, info, &head, upgrade);
        }
        self.send_inbound(ex, info, filters, &head, upgrade, verified)
    }

    /// Authorization of one request, counted.
    fn enter(
        &mut self,
        ex: Key<Exchange>,
        info: &mut Info,
        server: &Server,
        route: Option<usize>,
        authority: &[u8],
    ) -> Result<(), Fault> {
        let remote = info.remote.ip();
        let routes = route.and_then(|r| server.routes.get(r)).map_or(&[][..], |route| &route.authorizations);
        let found = authorize::allowed(routes.iter().chain(server.authorizations.iter()), remote, &info.tls);
        let allowed = found.is_some() || server.allow_loopback && remote.is_loopback();
        let decided = Decided { route, authorization: found.map(|(index, _)| index), allowed };
        self.inbound_series(ex, info, server, decided, authority);
        if allowed { Ok(()) } else { Err(Fault::Unauthorized) }
    }

    /// Rate limit of one request, counted when it is refused.
    fn within_limit(&mut self, info: &mut Info, server: &Server, route: Option<usize>) -> Result<(), Fault> {
        let Some(limit) = &server.limit else { return Ok(()) };
        let client = if let Tls::Mesh(client) = &info.tls { client.as_ref() } else { None };
        let Err(scope) = self.limited(info.port, client) else { return Ok(()) };
        self.inbound_limited(info, server, limit, route, scope);
        Err(Fault::RateLimited(match scope {
            Scope::Total => "rate limit of this port is reached",
            Scope::Identity => "rate limit of this client is reached",
        }))
    }

    fn send_inbound(
        &mut self,
        ex: Key<Exchange>,
        info: &mut Info,
        filters: &[Filter],
        head: &Request<'_>,
        upgrade: Option<&[u8]>,
        verified: bool,
    ) -> Outcome {
        if info.app.is_none() {
            info.app = self.app_endpoint(info.original);
        }
        if self.exchanges.get(ex).is_some_and(|x| x.endpoint.is_none()) {
            self.picked(ex, info.app);
        }
        let drop = if verified { TRUSTED } else { names::L5D };
        let client = match &info.tls {
            Tls::Mesh(Some(client)) => Some(Field::known(Name::L5dClientId, client.as_bytes())),
            _ => None,
        };
        let http2 = head.version == Version::H2;
        if filters.is_empty() {
            return self.send(ex, head, &Edit { drop, drop_other: &[], add: client.as_slice() }, upgrade, http2);
        }
        let mut edits = Edits::default();
        for filter in filters {
            if let Filter::Request(wanted) = filter {
                edits.apply(wanted);
            }
        }
        edits.drop(drop);
        client.into_iter().for_each(|field| edits.push(field));
        self.send(ex, head, &edits.edit(), upgrade, http2)
    }
}
