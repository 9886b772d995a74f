//! One worker's whole state, and what the driver calls.
//!
//! In: what happened (accepted, bytes, end, writable, told, time). Out: bytes to send, connections to dial or close (`Net`).
//! Never here: system calls, clocks, threads.

use crate::base::buffers::Buffers;
use crate::base::conn::{Conn, State};
use crate::base::net::{Io, Net};
use crate::base::slab::{Key, Slab};
use crate::base::wheel::{Timer, Wheel};
use crate::config::Config;
use crate::entry::ports::Ports;
use crate::entry::sources::Sources;
use crate::observe::Watching;
use crate::route::Routes;
use crate::route::profiles::Profiles;
use crate::tally::Tally;
use crate::traffic::exchange::Exchange;
use crate::traffic::kept::Shelf;
use balance::dice::Dice;
use metrics::families;
use std::sync::Arc;
use table::{Ask, Control, Credentials, Tell, WorkerId};

/// Where a drain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Accepting.
    Serving,
    /// Finishing what runs.
    Draining,
    /// The grace period is over, or nothing is left.
    Over,
}

/// One worker's engine.
pub(crate) struct Engine {
    pub(crate) worker: WorkerId,
    pub(crate) config: Arc<Config>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) conns: Slab<Conn>,
    pub(crate) exchanges: Slab<Exchange>,
    pub(crate) routes: Routes,
    pub(crate) ports: Ports,
    pub(crate) profiles: Profiles,
    pub(crate) sources: Sources,
    pub(crate) io: Io,
    pub(crate) buffers: Buffers,
    pub(crate) shelf: Shelf,
    pub(crate) wheel: Wheel,
    pub(crate) tally: Tally,
    pub(crate) watching: Watching,
    pub(crate) dice: Dice,
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// Counts certificates, so that what was made from an old one is made again.
    pub(crate) epoch: u32,
    pub(crate) scratch: http::Scratch,
    pub(crate) side: Vec<u8>,
    /// Nanoseconds since the engine began, sampled once a turn.
    pub(crate) now: u64,
    pub(crate) life: Life,
    /// Lines for the log said in this second.
    pub(crate) lines: (u64, u32),
    /// Which connection is looked at next for getting on.
    pub(crate) paced: u32,
    due: Vec<Timer>,
}

impl Engine {
    pub(crate) fn new(
        worker: WorkerId,
        config: Arc<Config>,
        control: Arc<dyn Control>,
        registry: Arc<metrics::Registry>,
        seed: u64,
    ) -> Engine {
        let mut wheel = Wheel::new();
        wheel.insert(1_000, Timer::Sweep);
        Engine {
            worker,
            config,
            control,
            conns: Slab::default(),
            exchanges: Slab::default(),
            routes: Routes::default(),
            ports: Ports::default(),
            profiles: Profiles::default(),
            sources: Sources::default(),
            io: Io::default(),
            buffers: Buffers::default(),
            shelf: Shelf::default(),
            wheel,
            watching: Watching::new(&registry),
            tally: Tally::new(registry, worker),
            dice: Dice::new(seed),
            credentials: None,
            epoch: 0,
            scratch: http::Scratch::new(),
            side: Vec::new(),
            now: 0,
            life: Life::Serving,
            lines: (0, 0),
            paced: 0,
            due: Vec::new(),
        }
    }

    /// Milliseconds since the engine began.
    #[inline]
    pub(crate) fn millis(&self) -> u64 {
        self.now / 1_000_000
    }

    pub(crate) fn ask(&self, ask: Ask) {
        self.control.ask(self.worker, ask);
    }

    /// How many milliseconds the driver may sleep.
    pub(crate) fn sleep(&mut self) -> Option<u64> {
        self.wheel.next(self.millis())
    }

    /// Time has come to `now` (nanoseconds since the engine began).
    pub(crate) fn tick(&mut self, now: u64) {
        self.now = self.now.max(now);
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.millis(), &mut due);
        for timer in due.drain(..) {
            match timer {
                Timer::Conn(key) => self.conn_alarm(key),
                Timer::Exchange(key) => self.exchange_alarm(key),
                Timer::Endpoint(key) => self.endpoint_alarm(key),
                Timer::Sweep => self.sweep(),
                Timer::Grace => self.life = Life::Over,
            }
        }
        self.due = due;
    }

    /// News from the control thread.
    pub(crate) fn told(&mut self, tell: Tell) {
        match tell {
            Tell::Target(lookup, target) => self.target_told(lookup, target),
            Tell::Endpoints(path, endpoints) => self.endpoints_told(path, &endpoints),
            Tell::Gone(path) => self.path_gone(path),
            Tell::Port(port, server) => self.port_told(port, server),
            Tell::Profile(name, routes) => self.profiles.told(&name, routes),
            Tell::Credentials(credentials) => {
                self.credentials = Some(credentials);
                self.epoch += 1;
            }
            Tell::Watch(watch) => self.watching.told(watch),
            Tell::Drain(grace) => self.drain(grace),
        }
    }

    fn sweep(&mut self) {
        self.show_load();
        self.sweep_targets();
        self.sweep_paths();
        self.sweep_ports();
        self.sweep_profiles();
        self.buffers.rest();
        self.conns.rest();
        self.exchanges.rest();
        self.wheel.rest();
        if self.side.capacity() > 64 << 10 {
            self.side = Vec::new();
        }
        self.sweep_paces();
        self.sources.sweep();
        if self.life == Life::Serving {
            self.wheel.insert(self.millis() + 1_000, Timer::Sweep);
        }
    }

    /// Does everything that the events of this turn made necessary, each connection's write last and once.
    pub(crate) fn settle(&mut self, net: &mut impl Net) {
        loop {
            while let Some(key) = self.io.ready.pop() {
                self.service(key);
            }
            if !(self.io.retry.is_empty() && self.io.roomy.is_empty()) {
                self.dispatch_all();
            }
            if !self.io.ready.is_empty() {
                continue;
            }
            self.dial_all(net);
            if self.io.dirty.is_empty()
                && self.io.ready.is_empty()
                && self.io.retry.is_empty()
                && self.io.roomy.is_empty()
                && self.io.dials.is_empty()
            {
                break;
            }
            let mut dirty = std::mem::take(&mut self.io.dirty);
            for key in dirty.drain(..) {
                self.flush(key, net);
            }
            if self.io.dirty.is_empty() {
                self.io.dirty = dirty;
            }
        }
        for (key, reset) in self.io.closed.drain(..) {
            net.close(key, reset);
        }
        for key in self.io.thirsty.drain(..) {
            net.thirsty(key);
        }
        if self.life == Life::Draining && self.unfinished() == 0 {
            self.life = Life::Over;
        }
    }

    /// Those who wait go on in the order in which they came.
    #[cold]
    fn dispatch_all(&mut self) {
        for key in std::mem::take(&mut self.io.retry) {
            self.dispatch_waiting(key);
        }
        for at in std::mem::take(&mut self.io.roomy) {
            self.serve_waiting(at);
        }
    }

    fn dial_all(&mut self, net: &mut impl Net) {
        let mut dials = std::mem::take(&mut self.io.dials);
        for (key, addr) in dials.drain(..) {
            let Some(conn) = self.conns.get(key) else { continue };
            // On opaque connections the server may be the first to speak: we are only where bytes for it wait already.
            let eager = match conn.state {
                State::Dial(from) if conn.session.is_none() => self.conns.get(from).is_some_and(|c| !c.inb.is_empty()),
                _ => true,
            };
            let outbound = conn.role.outbound();
            if net.dial(key, addr, outbound, eager).is_err() {
                self.broken(key);
            }
        }
        if self.io.dials.is_empty() {
            self.io.dials = dials;
        }
    }

    /// Shows what this worker holds, if there are others.
    pub(crate) fn show_load(&mut self) {
        if self.config.workers > 1 {
            let worker = self.worker.0.to_string();
            let held = *self.tally.held.get_or_insert_with(|| {
                self.tally.registry.gauge(&families::WORKER_CONNECTIONS, &[("worker", &worker)])
            });
            self.tally.shard.gauge_set(held, self.tally.accepted as i64);
        }
    }

    /// What this worker has to do, to be compared with what others have.
    pub(crate) fn load(&self) -> usize {
        self.tally.accepted + self.tally.in_flight.iter().sum::<usize>()
    }

    /// Whether a connection carries bytes and nothing else.
    pub(crate) fn opaque(&self, key: Key<Conn>) -> bool {
        self.conns.get(key).is_some_and(|conn| matches!(conn.state, State::Opaque(_)))
    }

    /// Connections that a drain waits for: all that were accepted.
    fn unfinished(&self) -> usize {
        self.tally.accepted
    }
}
