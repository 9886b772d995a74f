//! Byte buffers lent to connections while they have bytes, taken back when they are empty.
//!
//! Limit: `KEPT` buffers of at most `LARGEST` bytes stay with the thread (8 MiB at worst); the rest goes to the allocator.

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
