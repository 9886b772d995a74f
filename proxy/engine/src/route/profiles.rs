//! Service profiles on the inbound side: which route of its Service a peer's request was for, to be counted by.
//!
//! In: names that verified peers say (`l5d-dst-canonical`), `Tell::Profile`. Out: the series and the failure classes of a request.
//! Limits: `NAMES` names, more are not told apart; one that nobody says is forgotten after the discovery idle time.
//! Never here: a wait; a request that comes before the profile of its name is counted without a route.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::choose;
use crate::tally::outbound::{PROFILE, profile};
use crate::traffic::exchange::Exchange;
use http::{Name, Request};
use std::sync::Arc;
use table::Ask;
use table::outbound::Routes;

const NAMES: usize = 64;
/// The longest host name, a colon, a port.
const LONGEST: usize = 253 + 6;

/// A name that peers have said.
struct Named {
    name: Arc<str>,
    routes: Option<Arc<Routes>>,
    /// Series by rule; `u32::MAX`: not made yet.
    series: Vec<u32>,
    /// When it was said last (ms).
    said: u64,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Profiles(Vec<Named>);

impl Profiles {
    /// A first or newer version.
    pub(crate) fn told(&mut self, name: &str, routes: Arc<Routes>) {
        if let Some(named) = self.0.iter_mut().find(|named| *named.name == *name) {
            named.series = vec![u32::MAX; routes.rules.len()];
            named.routes = routes.of_profile().then_some(routes);
        }
    }
}

impl Engine {
    /// A verified peer's request is let in: counted by the route of the profile it was sent by.
    #[inline]
    pub(crate) fn by_profile(&mut self, ex: Key<Exchange>, head: &Request<'_>) {
        if let Some(name) = head.fields.get(Name::L5dDstCanonical) {
            self.by_profile_of(ex, name, head);
        }
    }

    fn by_profile_of(&mut self, ex: Key<Exchange>, name: &[u8], head: &Request<'_>) {
        let now = self.millis();
        let Some(named) = self.profiles.0.iter_mut().find(|named| named.name.as_bytes() == name) else {
            return self.ask_profile(name, now);
        };
        named.said = now;
        let Some(routes) = &named.routes else { return };
        let Some((index, rule)) = choose::outbound(routes, head).and_then(|i| Some((i, routes.rules.get(i)?))) else {
            return;
        };
        let (Some(series), Some(x)) = (named.series.get_mut(index), self.exchanges.get_mut(ex)) else { return };
        if *series == u32::MAX {
            *series = self.tally.series(profile("inbound", &named.name, rule), PROFILE);
        }
        x.failures.clone_from(&rule.failures);
        x.profile_series = *series;
        self.tally.began(*series);
    }

    fn ask_profile(&mut self, name: &[u8], now: u64) {
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| name.len() <= LONGEST) else { return };
        if self.profiles.0.len() < NAMES {
            let name: Arc<str> = name.into();
            self.profiles.0.push(Named { name: name.clone(), routes: None, series: Vec::new(), said: now });
            self.ask(Ask::Profile(name));
        }
    }

    /// Forgets names nobody says.
    pub(crate) fn sweep_profiles(&mut self) {
        let (now, idle) = (self.millis(), self.config.inbound_side.discovery_idle.as_millis() as u64);
        for gone in self.profiles.0.extract_if(.., |named| now >= named.said + idle).collect::<Vec<_>>() {
            self.ask(Ask::ForgetProfile(gone.name));
        }
    }
}
