//! Byte buffers lent to connections while they have bytes, taken back when they are empty.
//!
//! Limits: `KEPT` buffers of at most `SMALL` bytes and `FEW` of at most `LARGE` stay with the thread, and of those only what the last
//! second needed: a burst's buffers go back to the allocator within a few seconds.

use crate::base::conn::{Conn, Flags, HIGH};
use tls::Fed;

/// Buffers kept for reuse.
const KEPT: usize = 128;
const SMALL: usize = 64 << 10;
/// Those of long streams.
const FEW: usize = 4;
const LARGE: usize = 1 << 20;

/// The thread's buffers.
#[derive(Default)]
pub(crate) struct Buffers {
    small: Shelf,
    large: Shelf,
}

/// Buffers that wait, and how many of them nobody needed since the last rest.
#[derive(Default)]
struct Shelf {
    rooms: Vec<Vec<u8>>,
    least: usize,
}

impl Shelf {
    #[inline]
    fn take(&mut self) -> Option<Vec<u8>> {
        let room = self.rooms.pop()?;
        self.least = self.least.min(self.rooms.len());
        Some(room)
    }

    /// Lets go what nobody needed.
    fn rest(&mut self) {
        self.rooms.truncate(self.rooms.len() - self.least.min(self.rooms.len()));
        self.least = self.rooms.len();
        self.rooms.shrink_to(self.least);
    }
}

impl Buffers {
    /// Lends room to a buffer that has none.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0
            && let Some(room) = self.small.take()
        {
            *buffer = room;
        }
    }

    /// The same for many bytes.
    pub(crate) fn lend_large(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0 {
            *buffer = self.large.take().or_else(|| self.small.take()).unwrap_or_default();
        }
    }

    /// Once a second: what was not needed since the last time goes back to the allocator.
    pub(crate) fn rest(&mut self) {
        self.small.rest();
        self.large.rest();
    }

    /// Takes the room of a buffer back; what is in it is gone.
    #[inline]
    pub(crate) fn give(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut room = std::mem::take(buffer);
        room.clear();
        if room.capacity() > SMALL {
            if self.large.rooms.len() < FEW && room.capacity() <= LARGE {
                self.large.rooms.push(room);
            }
        } else if self.small.rooms.len() < KEPT {
            self.small.rooms.push(room);
        }
    }
}

/// A record's header (RFC 8446 section 5.1): type, version, length.
const HEADER: usize = 5;

impl Buffers {
    /// Decrypts what came, and keeps what is no whole record yet.
    pub(crate) fn decrypt(
        &mut self,
        conn: &mut Conn,
        session: &mut tls::Session,
        data: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Fed {
        if !conn.cipher.is_empty() {
            // Only the record that was cut is put together; once the handshake is over, records stand alone.
            let cut = match conn.cipher[..] {
                [_, _, _, high, low, ..] if conn.flags.has(Flags::UP) => {
                    (HEADER + usize::from(u16::from_be_bytes([high, low]))).saturating_sub(conn.cipher.len())
                }
                _ => data.len(),
            };
            let (first, rest) = data.split_at_mut(cut.min(data.len()));
            conn.cipher.extend_from_slice(first);
            let mut fed = session.feed(&mut conn.cipher, plain, &mut conn.wire);
            conn.cipher.drain(..fed.used);
            if !rest.is_empty() && !conn.cipher.is_empty() && fed.error.is_none() {
                conn.cipher.extend_from_slice(rest);
                fed = session.feed(&mut conn.cipher, plain, &mut conn.wire);
                conn.cipher.drain(..fed.used);
            } else if !rest.is_empty() && fed.error.is_none() && !fed.closed {
                let ready = fed.ready;
                fed = self.decrypt(conn, session, rest, plain);
                fed.ready |= ready;
            }
            if conn.cipher.is_empty() {
                self.give(&mut conn.cipher);
            }
            return fed;
        }
        let fed = session.feed(data, plain, &mut conn.wire);
        if fed.used < data.len() {
            self.lend(&mut conn.cipher);
            conn.cipher.extend_from_slice(&data[fed.used..]);
        } else {
            self.give(&mut conn.cipher);
        }
        fed
    }

    /// Turns what a TLS connection has to say into records, unless too many wait already.
    pub(crate) fn encrypt(&mut self, conn: &mut Conn) {
        let Some(session) = &mut conn.session else { return };
        if conn.flags.has(Flags::UP) && !conn.out.is_empty() && conn.wire.len() - conn.sent < HIGH {
            self.lend(&mut conn.wire);
            session.encrypt(&conn.out, &mut conn.wire);
            conn.out.clear();
        }
        if conn.flags.has(Flags::FIN) && conn.out.is_empty() && !conn.flags.has(Flags::FIN_SENT) {
            conn.flags.set(Flags::FIN_SENT);
            session.close(&mut conn.wire);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_and_too_large_room_is_let_go() {
        let mut buffers = Buffers::default();
        let rooms = [100, SMALL + 1, LARGE + 1];
        for size in rooms {
            let mut room = vec![1u8; size];
            buffers.give(&mut room);
            assert_eq!(room.capacity(), 0);
        }
        let (mut small, mut large, mut none) = (Vec::new(), Vec::new(), Vec::new());
        buffers.lend(&mut small);
        assert!(small.is_empty() && small.capacity() == 100);
        buffers.lend_large(&mut large);
        assert!(large.is_empty() && large.capacity() == SMALL + 1);
        buffers.lend_large(&mut none);
        assert_eq!(none.capacity(), 0);
    }

    #[test]
    fn what_a_burst_needed_is_let_go() {
        let mut buffers = Buffers::default();
        for _ in 0..100 {
            buffers.give(&mut vec![1u8; 100]);
        }
        buffers.rest();
        assert_eq!(buffers.small.rooms.len(), 100);
        let mut held: Vec<Vec<u8>> = vec![Vec::new(); 10];
        held.iter_mut().for_each(|room| buffers.lend(room));
        held.iter_mut().for_each(|room| buffers.give(room));
        buffers.rest();
        assert_eq!(buffers.small.rooms.len(), 10, "as many as the last second needed");
        buffers.rest();
        assert_eq!(buffers.small.rooms.len(), 0);
    }
}
