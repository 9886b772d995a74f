//! The loop: workers' asks and tasks' events into the hub, its effects out.

use super::hub::{Effect, Hub, Limits, Rules, Watch};
use super::watch::{self, Ears, Event};
use crate::convert::Defaults;
use crate::env::Settings;
use crate::link::{Dns, Follow, Link, Trust};
use metrics::Registry;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::inbound::Server;
use table::{Ask, Credentials, Tell, WorkerId};
use tokio::sync::{mpsc, watch as slot};
use tokio::task::AbortHandle;

/// Events on their way to the hub; a full queue slows the streams down, not the hub.
const EVENTS: usize = 256;
const SWEEP: Duration = Duration::from_secs(5);
/// Ports watched from the start.
const EAGER: usize = 256;

/// The workers' way in. Not bounded here: a worker asks once per target or port it holds, and those are bounded there.
struct Mailbox(mpsc::UnboundedSender<(WorkerId, Ask)>);

impl table::Control for Mailbox {
    fn ask(&self, from: WorkerId, ask: Ask) {
        // Fails only when the process ends.
        let _ = self.0.send((from, ask));
    }
}

/// The control thread's end of the mailbox.
pub struct Asks(mpsc::UnboundedReceiver<(WorkerId, Ask)>);

/// A mailbox for workers' asks; made before the workers are.
pub fn mailbox() -> (Arc<dyn table::Control>, Asks) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(Mailbox(send)), Asks(receive))
}

/// What the loop needs.
pub struct Inputs {
    /// The environment.
    pub settings: Arc<Settings>,
    /// For `control_*`.
    pub registry: Arc<Registry>,
    /// From workers.
    pub asks: Asks,
    /// To workers; index = `WorkerId`.
    pub workers: Vec<Arc<dyn table::Worker>>,
    /// Newest certificate.
    pub credentials: slot::Receiver<Option<Arc<Credentials>>>,
    /// Look-ups.
    pub dns: Arc<Dns>,
    /// Where the admin server reads the policy of its own port.
    pub admin_policy: slot::Sender<Option<Arc<Server>>>,
}

/// Serves the workers until the process ends.
pub async fn run(inputs: Inputs) {
    let Inputs { settings, registry, mut asks, workers, mut credentials, dns, admin_policy } = inputs;
    let (events, mut heard) = mpsc::channel(EVENTS);
    let ears = Arc::new(ears(&settings, &registry, &dns, &credentials, events));
    let mut tasks: HashMap<Watch, AbortHandle> = HashMap::new();
    let mut hub = Hub::new(rules(&settings), Limits::default());
    let admin = settings.admin.port();
    let gateway =
        settings.inbound.iter().map(std::net::SocketAddr::port).filter(|_| !settings.gateway_suffixes.is_empty());
    for port in settings.ports.iter(EAGER).chain([admin]).chain(gateway) {
        hub.watch_port(port, true);
    }
    let mut tick = tokio::time::interval(SWEEP);
    if credentials.borrow_and_update().is_some() {
        certified(&workers, &credentials);
    }
    loop {
        for effect in hub.effects() {
            carry_out(effect, &ears, &workers, &mut tasks);
        }
        tokio::select! {
            Some((from, ask)) = asks.0.recv() => hub.ask(from, ask, Instant::now()),
            Some(event) = heard.recv() => {
                let own = matches!(&event, Event::Port(port, _) | Event::PortLate(port) if *port == admin);
                hear(&mut hub, event);
                if own {
                    admin_policy.send_replace(hub.policy_of(admin));
                }
            }
            Ok(()) = credentials.changed() => certified(&workers, &credentials),
            _ = tick.tick() => hub.sweep(Instant::now()),
        }
    }
}

fn certified(workers: &[Arc<dyn table::Worker>], credentials: &slot::Receiver<Option<Arc<Credentials>>>) {
    if let Some(newest) = credentials.borrow().as_ref() {
        for worker in workers {
            worker.tell(Tell::Credentials(newest.clone()));
        }
    }
}

fn hear(hub: &mut Hub, event: Event) {
    match event {
        Event::Target(lookup, answer, late) => hub.answer(&lookup, &answer, late),
        Event::Path(id, set) => hub.endpoints(id, set),
        Event::PathLate(id) => hub.path_late(id),
        Event::Port(port, policy) => hub.port(port, policy),
        Event::PortLate(port) => hub.port_late(port, false),
        Event::Profile(name, routes) => hub.profile(&name, &routes),
    }
}

fn carry_out(
    effect: Effect,
    ears: &Arc<Ears>,
    workers: &[Arc<dyn table::Worker>],
    tasks: &mut HashMap<Watch, AbortHandle>,
) {
    match effect {
        Effect::Tell(to, tell) => {
            if let Some(worker) = workers.get(usize::from(to.0)) {
                worker.tell(tell);
            }
        }
        Effect::Start(what) => {
            let task = match what.clone() {
                Watch::Target(lookup) => tokio::spawn(watch::target(ears.clone(), lookup)),
                Watch::Path(id, name) => tokio::spawn(watch::path(ears.clone(), id, name)),
                Watch::Port(port) => tokio::spawn(watch::port(ears.clone(), port)),
                Watch::Profile(name) => tokio::spawn(watch::profile(ears.clone(), name)),
            };
            if let Some(old) = tasks.insert(what, task.abort_handle()) {
                old.abort();
            }
        }
        Effect::Stop(what) => {
            if let Some(task) = tasks.remove(&what) {
                task.abort();
            }
        }
    }
}

fn rules(settings: &Settings) -> Rules {
    let outbound = &settings.outbound_side;
    Rules {
        defaults: Defaults {
            detect: outbound.detect_timeout,
            queue: outbound.queue.unwrap_or(10_000),
            failfast: outbound.failfast.unwrap_or(Duration::from_secs(3)),
        },
        policy: settings.default_policy,
        cluster: settings.cluster_networks.clone(),
        opaque: settings.opaque_ports.clone(),
        detect: settings.inbound_side.detect_timeout.unwrap_or(Duration::from_secs(10)),
    }
}

fn ears(
    settings: &Settings,
    registry: &Arc<Registry>,
    dns: &Arc<Dns>,
    credentials: &slot::Receiver<Option<Arc<Credentials>>>,
    events: mpsc::Sender<Event>,
) -> Ears {
    let control = &settings.control;
    let link = |authority: &crate::env::Authority| {
        Link::new(authority.clone(), dns.clone(), Trust::Own(credentials.clone()), control.streams.lifetime)
    };
    let follow = |kind, link: &Arc<Link>| Follow {
        kind,
        link: link.clone(),
        limits: control.streams,
        backoff: control.backoff,
        registry: registry.clone(),
    };
    let (destination, policy) = (link(&control.destination), link(&control.policy));
    Ears {
        destination: follow("endpoints", &destination),
        profiles: follow("profile", &destination),
        outbound: follow("outbound", &policy),
        inbound: follow("inbound", &policy),
        context: control.context.clone(),
        workload: control.workload.clone(),
        networks: control.profile_networks.clone(),
        suffixes: control.profile_suffixes.clone(),
        events,
        credentials: credentials.clone(),
    }
}
