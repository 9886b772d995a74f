//! The streams of one connection: a slab, and an open-addressing table from number to place. No hashing beyond one
//! multiplication, no allocation while the number of open streams does not grow.

/// A stream's bookkeeping. Windows may be negative (RFC 9113 section 6.9.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub id: u32,
    pub flags: u16,
    /// 1xx answers seen.
    pub interim: u8,
    pub token: u64,
    /// What we may still send.
    pub send: i64,
    /// What the peer may still send.
    pub receive: i64,
    /// Received and not released yet; counts against the connection's window too.
    pub held: u32,
    /// Released, not yet told the peer.
    pub owed: u32,
    /// Body bytes still to come by content-length; negative: not declared.
    pub expected: i64,
}

/// We have ended our side.
pub(super) const LOCAL_END: u16 = 1;
/// The peer has ended its side.
pub(super) const REMOTE_END: u16 = 2;
/// The final head has come (response), or the request has: what follows are trailers.
pub(super) const HEADED: u16 = 4;
/// The caller wanted to send more than the windows allowed.
pub(super) const BLOCKED: u16 = 8;
/// Waits in the queue for the connection's window.
pub(super) const QUEUED: u16 = 16;
/// The request was HEAD.
pub(super) const HEAD_ONLY: u16 = 32;
/// Server: the final response has been sent.
pub(super) const ANSWERED: u16 = 64;

impl Stream {
    pub fn new(id: u32, token: u64, send: i64, receive: i64) -> Stream {
        Stream { id, flags: 0, interim: 0, token, send, receive, held: 0, owed: 0, expected: -1 }
    }

    #[inline]
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Both sides have ended.
    #[inline]
    pub fn over(&self) -> bool {
        self.flags & (LOCAL_END | REMOTE_END) == LOCAL_END | REMOTE_END
    }
}

const VACANT: u32 = u32::MAX;

/// The open streams.
#[derive(Default)]
pub(super) struct Streams {
    slab: Vec<Stream>,
    free: Vec<u32>,
    /// Places in the slab; a power of two, at most half full.
    index: Vec<u32>,
    count: usize,
}

impl Streams {
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    #[inline]
    fn start(&self, id: u32) -> usize {
        (id.wrapping_mul(0x9E37_79B1) >> 8) as usize & (self.index.len() - 1)
    }

    #[inline]
    fn find(&self, id: u32) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let mut at = self.start(id);
        loop {
            match self.index[at] {
                VACANT => return None,
                place if self.slab[place as usize].id == id => return Some(at),
                _ => at = (at + 1) & (self.index.len() - 1),
            }
        }
    }

    #[inline]
    pub fn get(&self, id: u32) -> Option<&Stream> {
        let at = self.find(id)?;
        Some(&self.slab[self.index[at] as usize])
    }

    #[inline]
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.find(id)?;
        Some(&mut self.slab[self.index[at] as usize])
    }

    /// Adds a stream; its number is new.
    pub fn insert(&mut self, stream: Stream) {
        if (self.count + 1) * 2 > self.index.len() {
            self.grow();
        }
        let place = match self.free.pop() {
            Some(place) => {
                self.slab[place as usize] = stream;
                place
            }
            None => {
                self.slab.push(stream);
                self.slab.len() as u32 - 1
            }
        };
        self.place(stream.id, place);
        self.count += 1;
    }

    fn place(&mut self, id: u32, place: u32) {
        let mut at = self.start(id);
        while self.index[at] != VACANT {
            at = (at + 1) & (self.index.len() - 1);
        }
        self.index[at] = place;
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.index.len() * 2).max(16);
        let old = std::mem::replace(&mut self.index, vec![VACANT; size]);
        for place in old.into_iter().filter(|place| *place != VACANT) {
            self.place(self.slab[place as usize].id, place);
        }
    }

    /// Takes a stream out; the entries after it move up so that searches still find them.
    pub fn remove(&mut self, id: u32) -> Option<Stream> {
        let mut hole = self.find(id)?;
        let place = self.index[hole];
        let mask = self.index.len() - 1;
        let mut at = (hole + 1) & mask;
        while self.index[at] != VACANT {
            let home = self.start(self.slab[self.index[at] as usize].id);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = self.index[at];
                hole = at;
            }
            at = (at + 1) & mask;
        }
        self.index[hole] = VACANT;
        self.free.push(place);
        self.count -= 1;
        let stream = &mut self.slab[place as usize];
        let gone = *stream;
        stream.id = 0;
        Some(gone)
    }

    /// Every stream, in no order. Number 0 marks a free place.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slab.iter().filter(|stream| stream.id != 0)
    }

    /// Every stream, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slab.iter_mut().filter(|stream| stream.id != 0)
    }

    /// Gives memory back when nothing is open: a burst must not stay.
    pub fn shrink(&mut self) {
        if self.count == 0 && self.slab.capacity() > 256 {
            *self = Streams::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((any::<bool>(), 1u32..120), 0..400)) {
            let (mut streams, mut oracle) = (Streams::default(), HashMap::new());
            for (i, (add, id)) in steps.into_iter().enumerate() {
                if add && !oracle.contains_key(&id) {
                    streams.insert(Stream::new(id, i as u64, 0, 0));
                    oracle.insert(id, i as u64);
                } else if !add {
                    prop_assert_eq!(streams.remove(id).map(|stream| stream.token), oracle.remove(&id));
                }
                prop_assert_eq!(streams.len(), oracle.len());
                prop_assert!((1..120).all(|id| streams.get(id).map(|stream| stream.token) == oracle.get(&id).copied()));
                prop_assert_eq!(streams.iter().count(), oracle.len());
            }
        }
    }
}
