//! Byte buffers lent to connections while they have bytes, taken back when they are empty.
//!
//! Limit: `KEPT` buffers of at most `LARGEST` bytes stay with the thread (8 MiB at worst); the rest goes to the allocator.

use crate::base::conn::{Conn, Flags, HIGH};

/// Buffers kept for reuse.
const KEPT: usize = 128;
/// Larger ones are let go, so that memory falls after a burst.
const LARGEST: usize = 64 << 10;

/// The thread's buffers.
#[derive(Default)]
pub(crate) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// Lends room to a buffer that has none.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0
            && let Some(room) = self.0.pop()
        {
            *buffer = room;
        }
    }

    /// Takes the room of a buffer back; what is in it is gone.
    #[inline]
    pub(crate) fn give(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut room = std::mem::take(buffer);
        if self.0.len() < KEPT && room.capacity() <= LARGEST {
            room.clear();
            self.0.push(room);
        }
    }
}

impl Buffers {
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
    fn room_comes_back_and_large_room_is_let_go() {
        let mut buffers = Buffers::default();
        let (mut small, mut large) = (vec![1u8; 100], vec![1u8; LARGEST + 1]);
        buffers.give(&mut small);
        buffers.give(&mut large);
        assert_eq!((small.capacity(), large.capacity()), (0, 0));
        buffers.lend(&mut small);
        assert!(small.is_empty() && small.capacity() >= 100);
    }
}
