//! The network between the engines of a world: connections as two inboxes, and an engine's hand on them.
//!
//! In: what engines ask of their driver. Out: bytes in inboxes, held back while more is promised; dials for the world to make.
//! Limits: `WINDOW` bytes on their way to a side. Never here: who listens where, when what arrives (see `world`).

use crate::base::conn::Conn;
use crate::base::net::Net;
use crate::base::slab::Key;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;

/// One side of a connection in the air.
#[derive(Default)]
pub(super) struct Half {
    /// On its way to this side.
    pub(super) inbox: VecDeque<u8>,
    /// Sent to it with the promise of more: on its way only when that comes (the kernel loses patience after 200 ms).
    held: Vec<u8>,
    /// The other side sends no more, after the inbox.
    pub(super) fin: bool,
    pub(super) reset: bool,
    /// This side reads nothing (the other side's sends stop at the window).
    pub(super) stalled: bool,
    pub(super) told: bool,
    /// A send of this side stopped short: it is told when there is room, and only then.
    pub(super) blocked: bool,
    /// Did not want to read when bytes came: asked again when it says so, or more come.
    pub(super) refused: bool,
    pub(super) owner: Owner,
}

/// Who reads at an end.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) enum Owner {
    #[default]
    Test,
    Node(usize, Key<Conn>),
    Gone,
}

/// A connection end: wire number and side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct End(pub(super) usize, pub(super) usize);

/// How many bytes a side may have on its way.
pub(super) const WINDOW: usize = 64 << 10;

/// All connections, and what shall be done with them.
#[derive(Default)]
pub(super) struct Air {
    pub(super) wires: Vec<[Half; 2]>,
    pub(super) ends: HashMap<(usize, u64), End>,
    pub(super) dials: Vec<(usize, Key<Conn>, SocketAddr)>,
    pub(super) thirsty: Vec<(usize, Key<Conn>)>,
    pub(super) moved: bool,
}

/// What a proxy of the world, by its number, can do with the air.
pub(super) struct Port<'a>(pub(super) &'a mut Air, pub(super) usize);

impl Half {
    /// More was sent, or the end.
    fn release(&mut self) {
        if !self.held.is_empty() {
            self.inbox.extend(std::mem::take(&mut self.held));
        }
    }
}

impl Air {
    pub(super) fn end(&self, node: usize, key: Key<Conn>) -> Option<End> {
        self.ends.get(&(node, key.token())).copied()
    }
}

impl Net for Port<'_> {
    fn dial(&mut self, key: Key<Conn>, addr: SocketAddr, _outbound: bool, _eager: bool) -> io::Result<()> {
        self.0.dials.push((self.1, key, addr));
        Ok(())
    }

    fn send(&mut self, key: Key<Conn>, bytes: &[u8], more: bool) -> io::Result<Option<usize>> {
        let Some(End(wire, side)) = self.0.end(self.1, key) else { return Ok(Some(bytes.len())) };
        let other = &mut self.0.wires[wire][1 - side];
        if other.owner == Owner::Gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = bytes.len().min(WINDOW.saturating_sub(other.inbox.len() + other.held.len()));
        if more {
            other.held.extend(&bytes[..n]);
        } else {
            other.release();
            other.inbox.extend(&bytes[..n]);
        }
        other.refused &= n == 0;
        self.0.wires[wire][side].blocked |= n < bytes.len();
        self.0.moved |= n > 0;
        Ok((n > 0).then_some(n))
    }

    fn finish(&mut self, key: Key<Conn>) {
        if let Some(End(wire, side)) = self.0.end(self.1, key) {
            let other = &mut self.0.wires[wire][1 - side];
            other.release();
            other.fin = true;
            self.0.moved = true;
        }
    }

    fn close(&mut self, key: Key<Conn>, reset: bool) {
        if let Some(End(wire, side)) = self.0.end(self.1, key) {
            let unread = !self.0.wires[wire][side].inbox.is_empty();
            self.0.wires[wire][side].owner = Owner::Gone;
            let other = &mut self.0.wires[wire][1 - side];
            if !(reset || unread) {
                other.release();
            }
            other.fin = true;
            other.reset |= reset || unread;
            self.0.moved = true;
        }
    }

    fn thirsty(&mut self, key: Key<Conn>) {
        self.0.thirsty.push((self.1, key));
    }
}
