//! An engine on epoll: readiness to bytes, wishes to system calls, one turn after another.
//!
//! In: sockets, letters, time. Out: calls of the engine, in the order accept, read, settle.
//! Limits: `BATCH` accepts per listener and turn, one read of `SCRATCH` bytes (of a long stream: `BULK`) per connection and
//! turn, and what is left before an end that the kernel has announced.
//! Never here: what the bytes mean.

use crate::base::conn::{Conn, Role};
use crate::base::net::Net;
use crate::base::slab::Key;
use crate::config::Config;
use crate::engine::{Engine, Life};
use crate::run::bulk::{Scratch, Streak};
use crate::run::load::Loads;
use crate::run::mailbox::{Handed, Mailbox};
use sock::{Events, Listener, Poll, Ready, Socket};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENTS: usize = 256;
const BATCH: usize = 64;
/// Tokens with this bit are not connections.
const SPECIAL: u64 = 1 << 63;
const WAKER: u64 = SPECIAL | 1 << 32;

/// A bound listener.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) role: Role,
    pub(crate) addr: SocketAddr,
}

/// A connection's socket.
struct Slot {
    socket: Socket,
    key: Key<Conn>,
    /// The kernel may have bytes, or an end, that were not read yet.
    readable: bool,
    /// In the list of those to be read again.
    again: bool,
    connected: bool,
    /// The kernel has said that an end or error is to come: read until it does.
    end: bool,
    streak: Streak,
}

/// The sockets of a worker, as the engine sees them.
struct Sockets {
    poll: Poll,
    config: Arc<Config>,
    slots: Vec<Option<Slot>>,
    again: Vec<Key<Conn>>,
}

/// A worker thread.
pub(crate) struct Driver {
    engine: Engine,
    sockets: Sockets,
    listeners: Vec<Bound>,
    mailbox: Arc<Mailbox>,
    began: Instant,
    scratch: Scratch,
    loads: Loads,
    listening: bool,
    /// Accepting failed for lack of descriptors: the listeners rest until then.
    resting: Option<Instant>,
}

/// How long listeners rest.
const REST: Duration = Duration::from_millis(100);

impl Sockets {
    fn get(&mut self, key: Key<Conn>) -> Option<&mut Slot> {
        self.slots.get_mut(key.index as usize)?.as_mut().filter(|slot| slot.key == key)
    }

    /// Follows the engine's connections down.
    fn rest(&mut self, room: usize) {
        if self.slots.len() > room {
            self.slots.truncate(room);
            self.slots.shrink_to(room);
        }
    }

    fn put(&mut self, key: Key<Conn>, socket: Socket, connected: bool) -> io::Result<()> {
        self.poll.add(&socket, key.token())?;
        let index = key.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] =
            Some(Slot { socket, key, readable: false, again: false, connected, end: false, streak: Streak::default() });
        Ok(())
    }
}

impl Net for Sockets {
    fn dial(&mut self, key: Key<Conn>, addr: SocketAddr, outbound: bool, eager: bool) -> io::Result<()> {
        let socket = Socket::connect(addr, eager)?;
        socket.nodelay();
        let side = if outbound { &self.config.outbound_side } else { &self.config.inbound_side };
        if let Some(idle) = side.connect_keepalive {
            socket.keepalive(idle);
        }
        if let Some(limit) = side.connect_user_timeout {
            socket.user_timeout(limit);
        }
        self.put(key, socket, false)
    }

    fn send(&mut self, key: Key<Conn>, bytes: &[u8], more: bool) -> io::Result<Option<usize>> {
        match self.get(key) {
            Some(slot) => slot.socket.send(bytes, more),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn finish(&mut self, key: Key<Conn>) {
        if let Some(slot) = self.get(key) {
            slot.socket.shutdown_write();
        }
    }

    fn close(&mut self, key: Key<Conn>, reset: bool) {
        if let Some(place) = self.slots.get_mut(key.index as usize)
            && let Some(slot) = place.take_if(|slot| slot.key == key)
            && reset
        {
            slot.socket.reset_on_close();
        }
    }

    fn thirsty(&mut self, key: Key<Conn>) {
        if let Some(slot) = self.get(key)
            && slot.readable
            && !slot.again
        {
            slot.again = true;
            self.again.push(key);
        }
    }
}

impl Driver {
    pub(crate) fn new(
        engine: Engine,
        config: Arc<Config>,
        mailbox: Arc<Mailbox>,
        listeners: Vec<Bound>,
        loads: Loads,
    ) -> io::Result<Driver> {
        let poll = Poll::new()?;
        poll.add_listener(&mailbox.bell, WAKER)?;
        let sockets = Sockets { poll, config, slots: Vec::new(), again: Vec::new() };
        let began = Instant::now();
        Ok(Driver {
            engine,
            sockets,
            listeners,
            mailbox,
            began,
            scratch: Scratch::default(),
            loads,
            listening: false,
            resting: None,
        })
    }

    /// Turns until the drain is over.
    pub(crate) fn run(mut self) {
        let mut events = Events::new(EVENTS);
        while self.engine.life != Life::Over {
            let limit = self.limit();
            if self.sockets.poll.wait(&mut events, limit).is_err() {
                return;
            }
            self.engine.tick(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX));
            let again = std::mem::take(&mut self.sockets.again);
            for key in again {
                if let Some(slot) = self.sockets.get(key) {
                    slot.again = false;
                }
                self.read(key);
            }
            for index in 0..events.len() {
                self.event(events.get(index));
            }
            self.engine.settle(&mut self.sockets);
            self.loads.publish(self.engine.load());
            self.scratch.rest(self.engine.now);
            self.sockets.rest(self.engine.conns.room());
        }
    }

    /// How long to wait for events.
    fn limit(&mut self) -> Option<Duration> {
        if !self.sockets.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let sleep = self.engine.sleep().map(Duration::from_millis);
        let Some(until) = self.resting else { return sleep };
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            self.resting = None;
            self.listen();
            return Some(Duration::ZERO);
        }
        Some(sleep.map_or(rest, |sleep| sleep.min(rest)))
    }

    fn listen(&self) {
        for (index, bound) in self.listeners.iter().enumerate() {
            let _ = self.sockets.poll.add_listener(&bound.listener, SPECIAL | index as u64);
        }
    }

    fn event(&mut self, ready: Ready) {
        if ready.token == WAKER {
            return self.letters();
        }
        if ready.token & SPECIAL != 0 {
            return self.accept((ready.token & !SPECIAL) as usize);
        }
        let key = Key::from_token(ready.token);
        let Some(slot) = self.sockets.get(key) else { return };
        if ready.write {
            if !slot.connected {
                if let Some(error) = slot.socket.take_error() {
                    return self.engine.failed(key, &error);
                }
                slot.connected = true;
                self.engine.connected(key);
            } else {
                self.engine.writable(key);
            }
        }
        if ready.read {
            if let Some(slot) = self.sockets.get(key) {
                slot.readable = true;
                slot.end |= ready.end;
            }
            self.read(key);
        }
    }

    /// One read, if the engine wants it. An end that the kernel has announced is read in the same turn: what it makes the
    /// engine say goes out with what it says to the bytes before.
    fn read(&mut self, key: Key<Conn>) {
        while self.read_some(key) {}
    }

    /// Edge-triggered: what is left is read in the next turn. Returns whether only an end can be left.
    fn read_some(&mut self, key: Key<Conn>) -> bool {
        if !self.engine.wants_read(key) {
            return false;
        }
        let Some(slot) = self.sockets.get(key) else { return false };
        if !slot.connected {
            return false;
        }
        let room = self.scratch.room(slot.streak.long() && self.engine.opaque(key));
        match slot.socket.recv(room) {
            Ok(Some(0)) => {
                slot.readable = false;
                self.engine.ended(key);
            }
            Ok(Some(n)) => {
                let filled = n == room.len();
                slot.readable = filled || slot.end;
                slot.streak.read(n, filled);
                self.engine.input(key, &mut room[..n]);
                let Some(slot) = self.sockets.get(key) else { return false };
                if !filled {
                    return slot.end;
                }
                if !slot.again {
                    slot.again = true;
                    self.sockets.again.push(key);
                }
            }
            Ok(None) => slot.readable = false,
            Err(e) => self.engine.failed(key, &e),
        }
        false
    }

    fn letters(&mut self) {
        let letters = self.mailbox.empty();
        for tell in letters.tells {
            self.engine.told(tell);
        }
        let handed = letters.handed.len();
        for Handed { role, socket, remote } in letters.handed {
            self.accepted(role, socket, remote);
        }
        self.loads.arrived(handed, self.engine.load());
        if self.engine.life != Life::Serving {
            // Closing the listeners refuses new connections at once.
            self.listeners.clear();
        } else if !self.listening && self.engine.credentials.is_some() {
            self.listening = true;
            self.listen();
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..BATCH {
            let Some(bound) = self.listeners.get(index) else { return };
            match bound.listener.accept() {
                Ok(Some((socket, remote))) => {
                    let handed = Handed { role: bound.role, socket, remote };
                    if let Some(Handed { role, socket, remote }) = self.loads.place(self.engine.load(), handed) {
                        self.accepted(role, socket, remote);
                    }
                }
                Ok(None) => return,
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    // Out of descriptors. Level-triggered listeners would keep the thread spinning.
                    self.listeners.iter().for_each(|bound| self.sockets.poll.remove(&bound.listener));
                    self.resting = Some(Instant::now() + REST);
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, role: Role, socket: Socket, remote: SocketAddr) {
        socket.nodelay();
        let side =
            if role == Role::AppIn { &self.sockets.config.outbound_side } else { &self.sockets.config.inbound_side };
        if let Some(idle) = side.accept_keepalive {
            socket.keepalive(idle);
        }
        if let Some(limit) = side.accept_user_timeout {
            socket.user_timeout(limit);
        }
        let Ok(local) = socket.local_addr() else { return };
        let original = socket.original_dst().ok();
        #[cfg(test)]
        let original = crate::run::tests::original(local).or(original);
        let Some(key) = self.engine.accepted(role, remote, original, local) else { return };
        if self.sockets.put(key, socket, true).is_err() {
            self.engine.broken(key);
        }
    }
}
