//! Engines in the air of `air`, a control thread that answers at once, and certificates for two proxies.

use super::air::{Air, End, Half, Owner, Port, WINDOW};
use super::make::{addr, credentials};
use crate::base::conn::{Conn, Role};
use crate::base::slab::Key;
use crate::config::Config;
use crate::engine::{Engine, Life};
use balance::dice::Dice;
use metrics::Registry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use table::outbound::{self as out, BackendKind, Endpoints};
use table::{Ask, Lookup, PathId, Tell, WorkerId, inbound};

/// A control thread that keeps what was asked.
#[derive(Default)]
pub(crate) struct Asked(Mutex<Vec<Ask>>);

impl table::Control for Asked {
    fn ask(&self, _from: WorkerId, ask: Ask) {
        self.0.lock().expect("not poisoned").push(ask);
    }
}

/// A proxy of the world.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    asked: Arc<Asked>,
    pub(crate) registry: Arc<Registry>,
}

/// Everything.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    air: Air,
    dice: Dice,
    pub(crate) now: Duration,
    pub(crate) targets: HashMap<Lookup, Arc<out::Target>>,
    pub(crate) paths: HashMap<PathId, Arc<Endpoints>>,
    pub(crate) ports: HashMap<u16, Arc<inbound::Server>>,
    /// Lines for the log.
    pub(crate) said: Vec<Box<str>>,
    /// Told to the first proxy in the very turn in which it wakes requests that waited.
    pub(crate) woken: Option<Tell>,
    /// Where test servers listen, and who came.
    servers: HashMap<SocketAddr, VecDeque<End>>,
    /// Where nothing answers at all.
    holes: HashSet<SocketAddr>,
    /// Where proxies listen for peers.
    proxies: HashMap<SocketAddr, usize>,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World {
            nodes: Vec::new(),
            air: Air::default(),
            dice: Dice::new(seed),
            now: Duration::from_millis(1),
            targets: HashMap::new(),
            paths: HashMap::new(),
            ports: HashMap::new(),
            said: Vec::new(),
            woken: None,
            servers: HashMap::new(),
            holes: HashSet::new(),
            proxies: HashMap::new(),
        }
    }

    /// A proxy with an identity, reached by peers at `ip:4143`.
    pub(crate) fn proxy(&mut self, identity: &str, ip: &str, config: Config) -> usize {
        let (asked, registry) = (Arc::new(Asked::default()), Registry::new(1));
        let control: Arc<dyn table::Control> = asked.clone();
        let config = Config { inbound_ips: vec![ip.parse().expect("address")], ..config };
        let mut engine = Engine::new(WorkerId(0), Arc::new(config), control, registry.clone(), self.dice.next());
        engine.told(Tell::Credentials(credentials(identity)));
        self.nodes.push(Node { engine, asked, registry });
        self.proxies.insert(addr(&format!("{ip}:4143")), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// A test server's address.
    pub(crate) fn listen(&mut self, at: &str) {
        self.holes.remove(&addr(at));
        self.servers.insert(addr(at), VecDeque::new());
    }

    /// Nobody listens there any more: connects are refused, or (`silent`) not even that.
    pub(crate) fn unlisten(&mut self, at: &str, silent: bool) {
        self.servers.remove(&addr(at));
        if silent {
            self.holes.insert(addr(at));
        }
    }

    /// The next connection to a test server.
    pub(crate) fn accept(&mut self, at: &str) -> Option<End> {
        self.servers.get_mut(&addr(at))?.pop_front()
    }

    /// A connection of the application beside a proxy, meant for `to`.
    pub(crate) fn connect(&mut self, node: usize, to: &str) -> End {
        let local = addr("127.0.0.1:4140");
        self.enter(node, Role::AppIn, addr("10.9.0.1:50000"), addr(to), local)
    }

    /// A connection from outside to a port behind a proxy.
    pub(crate) fn connect_in(&mut self, node: usize, from: &str, to: &str) -> End {
        let to = addr(to);
        self.enter(node, Role::PeerIn, addr(from), to, SocketAddr::new(to.ip(), 4143))
    }

    fn enter(&mut self, node: usize, role: Role, from: SocketAddr, to: SocketAddr, local: SocketAddr) -> End {
        self.air.wires.push(<[Half; 2]>::default());
        let wire = self.air.wires.len() - 1;
        match self.nodes[node].engine.accepted(role, from, Some(to), local) {
            Some(key) => {
                self.air.wires[wire][1].owner = Owner::Node(node, key);
                self.air.ends.insert((node, key.token()), End(wire, 1));
            }
            None => {
                self.air.wires[wire][1].owner = Owner::Gone;
                self.air.wires[wire][0].fin = true;
                self.air.wires[wire][0].reset = true;
            }
        }
        End(wire, 0)
    }

    pub(crate) fn write(&mut self, End(wire, side): End, bytes: impl AsRef<[u8]>) {
        self.air.wires[wire][1 - side].inbox.extend(bytes.as_ref());
    }

    pub(crate) fn finish(&mut self, End(wire, side): End) {
        self.air.wires[wire][1 - side].fin = true;
    }

    pub(crate) fn reset(&mut self, End(wire, side): End) {
        self.air.wires[wire][1 - side].reset = true;
        self.air.wires[wire][1 - side].fin = true;
        self.air.wires[wire][side].owner = Owner::Gone;
    }

    /// The end reads nothing until `false`.
    pub(crate) fn stall(&mut self, End(wire, side): End, stalled: bool) {
        self.air.wires[wire][side].stalled = stalled;
    }

    /// Cuts every link between two proxies without a word: neither side reads any more.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        for wire in &mut self.air.wires {
            let between = wire.iter().all(|half| matches!(half.owner, Owner::Node(node, _) if node == a || node == b));
            wire.iter_mut().for_each(|half| half.stalled |= between);
        }
    }

    /// Everything that has arrived; what fits in the window comes after a further `run`.
    pub(crate) fn read(&mut self, End(wire, side): End) -> Vec<u8> {
        let mut all = Vec::new();
        self.air.wires[wire][side].inbox.read_to_end(&mut all).expect("in memory");
        all
    }

    /// Takes so many bytes of what has arrived.
    pub(crate) fn take(&mut self, End(wire, side): End, n: usize) {
        let inbox = &mut self.air.wires[wire][side].inbox;
        inbox.drain(..n.min(inbox.len()));
    }

    pub(crate) fn text(&mut self, end: End) -> String {
        String::from_utf8_lossy(&self.read(end)).into_owned()
    }

    /// Whether the other side has ended (`Some(true)`: by reset).
    pub(crate) fn ended(&self, End(wire, side): End) -> Option<bool> {
        let half = &self.air.wires[wire][side];
        half.fin.then_some(half.reset)
    }

    /// Runs until nothing moves.
    pub(crate) fn run(&mut self) {
        for _ in 0..200_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Lets time pass in steps, running after each.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = (self.now + Duration::from_millis(10)).min(until);
            self.run();
        }
    }

    /// Tells a proxy something.
    pub(crate) fn tell(&mut self, node: usize, tell: Tell) {
        self.nodes[node].engine.told(tell);
    }

    fn turn(&mut self) -> bool {
        let mut moved = false;
        for node in 0..self.nodes.len() {
            self.nodes[node].engine.tick(self.now.as_nanos() as u64);
            moved |= self.answer(node);
            moved |= self.arrive(node);
            let engine = &mut self.nodes[node].engine;
            if node == 0
                && !(engine.io.retry.is_empty() && engine.io.roomy.is_empty())
                && let Some(tell) = self.woken.take()
            {
                engine.told(tell);
            }
            engine.settle(&mut Port(&mut self.air, node));
            for (node, key, to) in std::mem::take(&mut self.air.dials) {
                moved = true;
                self.dialed(node, key, to);
            }
            for (node, key) in std::mem::take(&mut self.air.thirsty) {
                if let Some(End(wire, side)) = self.air.end(node, key) {
                    self.air.wires[wire][side].refused = false;
                    moved = true;
                }
            }
            moved |= std::mem::take(&mut self.air.moved);
        }
        moved
    }

    fn answer(&mut self, node: usize) -> bool {
        let asks = std::mem::take(&mut *self.nodes[node].asked.0.lock().expect("not poisoned"));
        let moved = !asks.is_empty();
        for ask in asks {
            let engine = &mut self.nodes[node].engine;
            match ask {
                Ask::Target(lookup) => {
                    let Some(target) = self.targets.get(&lookup) else { continue };
                    engine.told(Tell::Target(lookup, target.clone()));
                    for backend in &target.backends {
                        if let BackendKind::Balance { path, .. } = &backend.kind
                            && let Some(endpoints) = self.paths.get(path)
                        {
                            engine.told(Tell::Endpoints(*path, endpoints.clone()));
                        }
                    }
                }
                Ask::Port(port) => {
                    if let Some(server) = self.ports.get(&port) {
                        engine.told(Tell::Port(port, server.clone()));
                    }
                }
                Ask::Say(line) => self.said.push(line),
                Ask::Forget(_) | Ask::ForgetPort(_) | Ask::Profile(_) | Ask::ForgetProfile(_) => {}
            }
        }
        moved
    }

    /// Hands a random piece of what waits to each connection of a node that reads.
    fn arrive(&mut self, node: usize) -> bool {
        let mut moved = false;
        for wire in 0..self.air.wires.len() {
            let full = [0, 1].map(|side| self.air.wires[wire][side].inbox.len() >= WINDOW);
            for side in 0..2 {
                let half = &mut self.air.wires[wire][side];
                let Owner::Node(owner, key) = half.owner else { continue };
                if owner != node || half.stalled {
                    continue;
                }
                let engine = &mut self.nodes[node].engine;
                let room = half.blocked && !full[1 - side];
                half.blocked &= !room;
                if room {
                    engine.writable(key);
                    moved = true;
                }
                if half.reset && !std::mem::replace(&mut half.told, true) {
                    engine.broken(key);
                    moved = true;
                } else if half.refused || !engine.wants_read(key) {
                    half.refused = true;
                } else if !half.inbox.is_empty() {
                    let most = half.inbox.len().min(64 << 10) as u64;
                    // Mostly whole reads, sometimes a byte or a few.
                    let n = if self.dice.below(4) == 0 { 1 + self.dice.below(most.min(40)) } else { most };
                    let mut data = vec![0; n as usize];
                    half.inbox.read_exact(&mut data).expect("as many are there");
                    engine.input(key, &mut data);
                    moved = true;
                } else if half.fin && !std::mem::replace(&mut half.told, true) {
                    engine.ended(key);
                    moved = true;
                }
            }
        }
        moved
    }

    fn dialed(&mut self, node: usize, key: Key<Conn>, to: SocketAddr) {
        if self.holes.contains(&to) {
            return;
        }
        let (peer, known) = (self.proxies.get(&to).copied(), self.servers.contains_key(&to));
        if peer.is_none() && !known || peer.is_some_and(|peer| self.nodes[peer].engine.life != Life::Serving) {
            return self.nodes[node].engine.broken(key);
        }
        self.air.wires.push(<[Half; 2]>::default());
        let wire = self.air.wires.len() - 1;
        self.air.wires[wire][0].owner = Owner::Node(node, key);
        self.air.ends.insert((node, key.token()), End(wire, 0));
        if let Some(peer) = peer {
            let from = SocketAddr::new(addr("10.0.0.1:1").ip(), 40_000 + wire as u16);
            match self.nodes[peer].engine.accepted(Role::PeerIn, from, Some(to), to) {
                Some(key) => {
                    self.air.wires[wire][1].owner = Owner::Node(peer, key);
                    self.air.ends.insert((peer, key.token()), End(wire, 1));
                }
                None => {
                    self.air.wires[wire][1].owner = Owner::Gone;
                    self.air.wires[wire][0].reset = true;
                }
            }
        } else if let Some(queue) = self.servers.get_mut(&to) {
            queue.push_back(End(wire, 1));
        }
        self.nodes[node].engine.connected(key);
    }

    /// The sum of a family's samples whose line holds all of `parts`.
    pub(crate) fn metric(&self, node: usize, family: &str, parts: &[&str]) -> f64 {
        let mut text = String::new();
        self.nodes[node].registry.render(&mut text);
        let lines = text.lines().filter(|l| l.starts_with(family) && parts.iter().all(|part| l.contains(part)));
        lines.filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}
