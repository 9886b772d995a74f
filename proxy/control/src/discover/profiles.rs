//! Profiles by which workers count peers' requests: who wants which, and what was heard last. Pure.
//!
//! In: asks of workers, routes from streams. Out: effects. Limits: `MOST` names; a worker that asks for one more is told nothing and
//! does not wait. A name is listened to for as long as a worker has it: workers let go after their idle time.

use super::hub::{Crew, Effect, Watch};
use std::collections::HashMap;
use std::sync::Arc;
use table::outbound::Routes;
use table::{Tell, WorkerId};

const MOST: usize = 1_000;

#[derive(Default)]
struct Wanted {
    crew: Crew,
    current: Option<Arc<Routes>>,
}

/// All names.
#[derive(Default)]
pub(super) struct Profiles(HashMap<Arc<str>, Wanted>);

impl Profiles {
    pub(super) fn want(&mut self, from: WorkerId, name: Arc<str>, out: &mut Vec<Effect>) {
        if !self.0.contains_key(&name) {
            if self.0.len() >= MOST {
                return;
            }
            out.push(Effect::Start(Watch::Profile(name.clone())));
        }
        let wanted = self.0.entry(name.clone()).or_default();
        wanted.crew.add(from);
        if let Some(current) = &wanted.current {
            out.push(Effect::Tell(from, Tell::Profile(name, current.clone())));
        }
    }

    pub(super) fn forget(&mut self, from: WorkerId, name: Arc<str>, out: &mut Vec<Effect>) {
        let Some(wanted) = self.0.get_mut(&name) else { return };
        wanted.crew.remove(from);
        if wanted.crew == Crew::default() {
            self.0.remove(&name);
            out.push(Effect::Stop(Watch::Profile(name)));
        }
    }

    pub(super) fn heard(&mut self, name: &Arc<str>, routes: &Arc<Routes>, out: &mut Vec<Effect>) {
        let Some(wanted) = self.0.get_mut(name) else { return };
        wanted.current = Some(routes.clone());
        out.extend(wanted.crew.iter().map(|worker| Effect::Tell(worker, Tell::Profile(name.clone(), routes.clone()))));
    }
}
