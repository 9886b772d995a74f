//! Who wants what, what is known, what to do next. Pure: asks and answers in, effects out; time is an argument.

use super::paths::Paths;
use super::profiles::Profiles;
use crate::convert::inbound::default_server;
use crate::convert::{Answer, Defaults, target};
use crate::env::{DefaultPolicy, Network, Ports};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::inbound::Server;
use table::outbound::{BackendKind, Endpoints, Routes, Source, Target};
use table::{Ask, Lookup, PathId, Tell, WorkerId};

/// Bounds of the hub.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Targets known at a time, watched or kept; beyond it new ones are forwarded as they come.
    pub targets: usize,
    /// Targets kept after their last use.
    pub kept: usize,
    /// Ports known at a time; beyond it the default policy holds.
    pub ports: usize,
    /// How long a stream outlives its last user.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { targets: 10_000, kept: 1_000, ports: 1_000, linger: Duration::from_secs(60) }
    }
}

/// What the environment decided.
#[derive(Clone, Debug)]
pub struct Rules {
    /// For targets.
    pub defaults: Defaults,
    /// Until the control plane speaks about a port.
    pub policy: DefaultPolicy,
    /// What `cluster-*` means.
    pub cluster: Vec<Network>,
    /// Opaque under the default policy.
    pub opaque: Ports,
    /// Sniffing under the default policy.
    pub detect: Duration,
}

/// Something to listen to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// Policy and profile of a target.
    Target(Lookup),
    /// Endpoints of a path.
    Path(PathId, Arc<str>),
    /// Policy of a port.
    Port(u16),
    /// A profile by which inbound requests are counted.
    Profile(Arc<str>),
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Tell a worker.
    Tell(WorkerId, Tell),
    /// Listen.
    Start(Watch),
    /// Stop listening.
    Stop(Watch),
}

/// A set of workers; there are at most 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crew(u64);

impl Crew {
    pub(super) fn add(&mut self, w: WorkerId) {
        self.0 |= 1 << (w.0 % 64);
    }

    pub(super) fn remove(&mut self, w: WorkerId) {
        self.0 &= !(1 << (w.0 % 64));
    }

    fn has(self, w: WorkerId) -> bool {
        self.0 >> (w.0 % 64) & 1 == 1
    }

    pub(super) fn iter(self) -> impl Iterator<Item = WorkerId> {
        (0..64).map(WorkerId).filter(move |w| self.has(*w))
    }
}

#[derive(Default)]
struct Wanted {
    crew: Crew,
    /// A task listens.
    live: bool,
    /// Listening has just begun: nothing is told until an answer comes or is late.
    waiting: bool,
    current: Option<Arc<Target>>,
    paths: BTreeSet<u32>,
    unused: Option<Instant>,
}

struct Port {
    crew: Crew,
    live: bool,
    eager: bool,
    waiting: bool,
    current: Arc<Server>,
    unused: Option<Instant>,
}

/// The state of discovery.
pub struct Hub {
    rules: Rules,
    limits: Limits,
    targets: HashMap<Lookup, Wanted>,
    paths: Paths,
    ports: HashMap<u16, Port>,
    profiles: Profiles,
    out: Vec<Effect>,
}

impl Hub {
    /// Knows nothing yet.
    pub fn new(rules: Rules, limits: Limits) -> Self {
        Self {
            rules,
            limits,
            targets: HashMap::new(),
            paths: Paths::default(),
            ports: HashMap::new(),
            profiles: Profiles::default(),
            out: Vec::new(),
        }
    }

    /// What is to be done since the last call, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.out)
    }

    /// A worker asks.
    pub fn ask(&mut self, from: WorkerId, ask: Ask, now: Instant) {
        match ask {
            Ask::Target(lookup) => self.want(from, lookup),
            Ask::Forget(lookup) => self.forget(from, &lookup, now),
            Ask::Port(port) => self.want_port(from, port),
            Ask::Say(line) => log::warn!("{line}"),
            Ask::Profile(name) => self.profiles.want(from, name, &mut self.out),
            Ask::ForgetProfile(name) => self.profiles.forget(from, name, &mut self.out),
            Ask::ForgetPort(port) => {
                if let Some(p) = self.ports.get_mut(&port) {
                    p.crew.remove(from);
                    p.unused = (p.crew == Crew::default()).then_some(now);
                }
            }
        }
    }

    fn want(&mut self, from: WorkerId, lookup: Lookup) {
        if !self.targets.contains_key(&lookup) && self.targets.len() >= self.limits.targets && !self.evict() {
            log::warn!("{} targets are known; {lookup:?} is forwarded as it comes", self.limits.targets);
            let made =
                target(&lookup, &Answer::default(), self.rules.defaults, Source::Fallback, &mut |_| PathId(u32::MAX));
            self.out.push(Effect::Tell(from, Tell::Target(lookup, Arc::new(made))));
            return;
        }
        let wanted = self.targets.entry(lookup.clone()).or_default();
        wanted.crew.add(from);
        wanted.unused = None;
        if wanted.live && !wanted.waiting {
            self.tell_target(&lookup, Some(from));
        } else if !wanted.live {
            (wanted.live, wanted.waiting) = (true, true);
            for id in wanted.paths.clone() {
                self.revive(PathId(id));
            }
            self.out.push(Effect::Start(Watch::Target(lookup)));
        }
    }

    fn forget(&mut self, from: WorkerId, lookup: &Lookup, now: Instant) {
        let Some(wanted) = self.targets.get_mut(lookup) else { return };
        wanted.crew.remove(from);
        wanted.unused = (wanted.crew == Crew::default()).then_some(now);
        for id in wanted.paths.clone() {
            self.gone_unless_used(from, PathId(id));
        }
    }

    /// What is known about a target; `late`: the deadline has passed and this is all there is.
    pub fn answer(&mut self, lookup: &Lookup, answer: &Answer, late: bool) {
        let Some(wanted) = self.targets.get_mut(lookup).filter(|w| w.live) else { return };
        let was_waiting = std::mem::replace(&mut wanted.waiting, false);
        if late && wanted.current.is_some() {
            // The last word from before counts more than half an answer.
            if was_waiting {
                self.tell_target(lookup, None);
            }
            return;
        }
        let mut numbered = Vec::new();
        let paths = &mut self.paths;
        let mut number = |path: &str| {
            let id = paths.number(path);
            numbered.push(id);
            id
        };
        let made = Arc::new(target(lookup, answer, self.rules.defaults, Source::Fresh, &mut number));
        self.replace(lookup, made);
        for id in numbered {
            self.paths.drop_unused(id);
        }
    }

    fn replace(&mut self, lookup: &Lookup, made: Arc<Target>) {
        let new: BTreeSet<u32> = made.backends.iter().filter_map(|b| path_of(&b.kind)).map(|id| id.0).collect();
        let Some(wanted) = self.targets.get_mut(lookup) else { return };
        let old = std::mem::replace(&mut wanted.paths, new.clone());
        let crew = wanted.crew;
        wanted.current = Some(made);
        for id in new.difference(&old).map(|&id| PathId(id)) {
            if let Some(path) = self.paths.all.get_mut(&id) {
                path.targets.insert(lookup.clone());
            }
            self.revive(id);
        }
        self.tell_target(lookup, None);
        for id in old.difference(&new).map(|&id| PathId(id)) {
            self.rest(id);
            if let Some(path) = self.paths.all.get_mut(&id) {
                path.targets.remove(lookup);
            }
            for worker in crew.iter() {
                self.gone_unless_used(worker, id);
            }
            self.paths.drop_unused(id);
        }
    }

    /// Endpoints first, so that a worker never holds a target without them.
    fn tell_target(&mut self, lookup: &Lookup, only: Option<WorkerId>) {
        let Some(wanted) = self.targets.get(lookup) else { return };
        let Some(current) = &wanted.current else { return };
        for worker in wanted.crew.iter().filter(|w| only.is_none_or(|o| o == *w)) {
            for id in wanted.paths.iter().map(|&id| PathId(id)) {
                let set = self.paths.all.get(&id).map(|p| p.told()).unwrap_or_default();
                self.out.push(Effect::Tell(worker, Tell::Endpoints(id, set)));
            }
            self.out.push(Effect::Tell(worker, Tell::Target(lookup.clone(), current.clone())));
        }
    }

    /// A path's newest endpoints.
    pub fn endpoints(&mut self, id: PathId, set: Arc<Endpoints>) {
        if self.paths.learn(id, set) {
            self.tell_path(id);
        }
    }

    /// A path's stream has said nothing for too long.
    pub fn path_late(&mut self, id: PathId) {
        if self.paths.late(id) {
            self.tell_path(id);
        }
    }

    fn tell_path(&mut self, id: PathId) {
        let Some(path) = self.paths.all.get(&id) else { return };
        for worker in self.users(id).iter() {
            self.out.push(Effect::Tell(worker, Tell::Endpoints(id, path.told())));
        }
    }

    /// Workers that hold a target with this path.
    fn users(&self, id: PathId) -> Crew {
        let targets = self.paths.all.get(&id).into_iter().flat_map(|p| &p.targets);
        Crew(targets.filter_map(|t| self.targets.get(t)).fold(0, |all, w| all | w.crew.0))
    }

    fn gone_unless_used(&mut self, worker: WorkerId, id: PathId) {
        if !self.users(id).has(worker) {
            self.out.push(Effect::Tell(worker, Tell::Gone(id)));
        }
    }

    fn revive(&mut self, id: PathId) {
        if self.paths.revive(id)
            && let Some(path) = self.paths.all.get(&id)
        {
            self.out.push(Effect::Start(Watch::Path(id, path.name.clone())));
        }
    }

    fn rest(&mut self, id: PathId) {
        if self.paths.rest(id)
            && let Some(path) = self.paths.all.get(&id)
        {
            self.out.push(Effect::Stop(Watch::Path(id, path.name.clone())));
        }
    }

    fn want_port(&mut self, from: WorkerId, port: u16) {
        if !self.ports.contains_key(&port) && self.ports.len() >= self.limits.ports {
            let policy = Arc::new(self.default_port(port));
            self.out.push(Effect::Tell(from, Tell::Port(port, policy)));
            return;
        }
        self.watch_port(port, false);
        if let Some(known) = self.ports.get_mut(&port) {
            known.crew.add(from);
            known.unused = None;
            if !known.waiting {
                self.out.push(Effect::Tell(from, Tell::Port(port, known.current.clone())));
            }
        }
    }

    /// Listens to the policy of a port; `eager`: for ever.
    pub fn watch_port(&mut self, port: u16, eager: bool) {
        if !self.ports.contains_key(&port) {
            let current = Arc::new(self.default_port(port));
            let new = Port { crew: Crew::default(), live: false, eager, waiting: true, current, unused: None };
            self.ports.insert(port, new);
        }
        if let Some(known) = self.ports.get_mut(&port)
            && !std::mem::replace(&mut known.live, true)
        {
            self.out.push(Effect::Start(Watch::Port(port)));
        }
    }

    fn default_port(&self, port: u16) -> Server {
        let r = &self.rules;
        default_server(r.policy, &r.cluster, r.opaque.contains(port), r.detect)
    }

    /// A port's newest policy.
    pub fn port(&mut self, port: u16, policy: Arc<Server>) {
        if let Some(known) = self.ports.get_mut(&port) {
            known.current = policy;
            self.port_late(port, true);
        }
    }

    /// A port's stream is late (or has spoken): the policy that is known holds.
    pub fn port_late(&mut self, port: u16, spoken: bool) {
        let Some(known) = self.ports.get_mut(&port) else { return };
        if std::mem::replace(&mut known.waiting, false) || spoken {
            for worker in known.crew.iter() {
                self.out.push(Effect::Tell(worker, Tell::Port(port, known.current.clone())));
            }
        }
    }

    /// A profile's newest routes.
    pub fn profile(&mut self, name: &Arc<str>, routes: &Arc<Routes>) {
        self.profiles.heard(name, routes, &mut self.out);
    }

    /// The policy of a port as it stands; for the admin server, which is its own client.
    pub fn policy_of(&self, port: u16) -> Option<Arc<Server>> {
        self.ports.get(&port).map(|p| p.current.clone())
    }

    /// Lets go of what nobody has used for a while; called every few seconds.
    pub fn sweep(&mut self, now: Instant) {
        let old = |unused: Option<Instant>| unused.is_some_and(|since| now.duration_since(since) >= self.limits.linger);
        let resting: Vec<Lookup> =
            self.targets.iter().filter(|(_, w)| w.live && old(w.unused)).map(|(l, _)| l.clone()).collect();
        for (&port, known) in self.ports.iter_mut().filter(|(_, p)| p.live && !p.eager && old(p.unused)) {
            known.live = false;
            self.out.push(Effect::Stop(Watch::Port(port)));
        }
        for lookup in resting {
            let Some(wanted) = self.targets.get_mut(&lookup) else { continue };
            wanted.live = false;
            let paths = wanted.paths.clone();
            self.out.push(Effect::Stop(Watch::Target(lookup)));
            for id in paths {
                self.rest(PathId(id));
            }
        }
        while self.targets.values().filter(|w| !w.live).count() > self.limits.kept && self.evict() {}
    }

    /// Drops the target that has been kept the longest; false when all are in use.
    fn evict(&mut self) -> bool {
        let kept = self.targets.iter().filter(|(_, w)| !w.live);
        let Some(oldest) = kept.min_by_key(|(_, w)| w.unused).map(|(l, _)| l.clone()) else { return false };
        if let Some(wanted) = self.targets.remove(&oldest) {
            for id in wanted.paths {
                self.paths.release(PathId(id), &oldest);
            }
        }
        true
    }
}

fn path_of(kind: &BackendKind) -> Option<PathId> {
    if let BackendKind::Balance { path, .. } = kind { Some(*path) } else { None }
}
