//! The buffer of reads: small by nature, large while a stream is long, given back when none is.
//!
//! In: how much the last reads of a socket brought. Out: room for the next one.
//! Limits: `BULK` bytes a worker, for `REST` after the last long read; `SCRATCH` else.

/// One read.
pub(crate) const SCRATCH: usize = 64 << 10;
/// One read of a long stream.
pub(crate) const BULK: usize = 256 << 10;
/// Bytes without a pause that make a stream long.
const LONG: u32 = 128 << 10;
/// How long (ns) the large buffer is kept without use.
const REST: u64 = 2_000_000_000;

/// Bytes a socket brought while each read found as much as there was room for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Streak(u32);

impl Streak {
    /// A read brought `n` bytes; `full`: as many as there was room for.
    pub(crate) fn read(&mut self, n: usize, full: bool) {
        // A long stream that falls behind its source for a moment stays one.
        self.0 = if full || n >= SCRATCH { self.0.saturating_add(n as u32) } else { self.0 / 2 };
    }

    /// Whether the stream is worth large reads.
    pub(crate) fn long(self) -> bool {
        self.0 >= LONG
    }
}

/// The worker's buffer.
pub(crate) struct Scratch {
    room: Vec<u8>,
    used: bool,
    since: u64,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { room: vec![0; SCRATCH], used: false, since: 0 }
    }
}

impl Scratch {
    /// Room for the next read of a socket.
    pub(crate) fn room(&mut self, long: bool) -> &mut [u8] {
        if !long {
            return &mut self.room[..SCRATCH];
        }
        self.used = true;
        if self.room.len() < BULK {
            self.room.resize(BULK, 0);
        }
        &mut self.room
    }

    /// A turn is over, at `now` (ns).
    pub(crate) fn rest(&mut self, now: u64) {
        if std::mem::take(&mut self.used) {
            self.since = now;
        } else if self.room.len() > SCRATCH && now > self.since + REST {
            self.room = vec![0; SCRATCH];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_streams_are_read_in_large_pieces() {
        let (mut scratch, mut streak) = (Scratch::default(), Streak::default());
        for _ in 0..2 {
            assert_eq!(scratch.room(streak.long()).len(), SCRATCH);
            streak.read(SCRATCH, true);
        }
        assert_eq!(scratch.room(streak.long()).len(), BULK);
        for _ in 0..20 {
            streak.read(1_000, false);
        }
        assert_eq!(scratch.room(streak.long()).len(), SCRATCH);
        scratch.rest(1);
        scratch.rest(REST);
        assert_eq!(scratch.room.len(), BULK);
        scratch.rest(REST + 2);
        assert_eq!(scratch.room.len(), SCRATCH);
    }
}
