//! What must get on: request bodies of strangers, answers that wait to be taken, connections nobody uses.
//!
//! In: once a second, a share of all connections from other pods. Out: those that stand still are told so, or end.
//! A stranger is whoever shows no certificate that holds. Verified peers carry many clients' requests on one link: of them only a
//! link that takes nothing at all ends. Our own application may take its time.
//! Never here: opaque connections, which may be silent for as long as they like.

use crate::base::conn::{Conn, Flags, Role, State};
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::tally::refused::Reason;
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::Fault;

/// Bytes a second that count as getting on.
const RATE: u64 = 240;
/// A gRPC request may pause for so many times as long: a stream of messages may have nothing to say.
const GRPC: u32 = 10;

/// A flow: how far it was when it was last seen moving, or had nothing to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    moved: u32,
    /// Milliseconds since the engine began, modulo 2^32.
    since: u32,
}

impl Pace {
    pub(crate) fn new(now: u64) -> Pace {
        Pace { moved: 0, since: now as u32 }
    }

    /// Whether it stands still: `due` says that something waits to be moved, `moved` how much ever was. Fewer than `need` bytes
    /// within `limit` milliseconds are too few.
    pub(crate) fn stuck(&mut self, due: bool, moved: u32, need: u32, now: u64, limit: u32) -> bool {
        if !due || moved.wrapping_sub(self.moved) >= need.max(1) {
            *self = Pace { moved, since: now as u32 };
            return false;
        }
        (now as u32).wrapping_sub(self.since) >= limit
    }

    /// Stuck, but given `more` milliseconds.
    fn lend(&mut self, now: u64, limit: u32, more: u32) {
        self.since = (now as u32).wrapping_sub(limit.saturating_sub(more));
    }
}

fn millis(limit: std::time::Duration) -> u32 {
    u32::try_from(limit.as_millis()).unwrap_or(u32::MAX >> 1)
}

impl Engine {
    /// Looks at so many connections that each gets its turn eight times within the limit.
    pub(crate) fn sweep_paces(&mut self) {
        let places = u32::try_from(self.conns.room()).unwrap_or(u32::MAX);
        let turns = u32::try_from(self.config.progress_timeout.as_secs() / 8).unwrap_or(1).max(1);
        for _ in 0..places.div_ceil(turns) {
            self.paced = if self.paced + 1 < places { self.paced + 1 } else { 0 };
            if let Some(key) = self.conns.at(self.paced) {
                self.pace(key);
            }
        }
    }

    fn pace(&mut self, key: Key<Conn>) {
        let (now, limit) = (self.millis(), millis(self.config.progress_timeout));
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.role != Role::PeerIn || !matches!(conn.state, State::Server1(_) | State::Link(_)) {
            return;
        }
        let (stranger, waits, wrote) = (!conn.verified(), conn.backlog() > 0, conn.wrote);
        let need = if stranger { (u64::from(limit) * RATE / 1_000) as u32 } else { 1 };
        let Some(info) = conn.info.as_deref_mut() else { return };
        if info.taking.stuck(waits, wrote, need, now, limit) {
            return self.turn_away(key, Reason::ReaderTimeout);
        }
        if !stranger || conn.flags.has(Flags::CLOSING) {
            return;
        }
        let paused = conn.flags.has(Flags::PAUSED);
        match &conn.state {
            State::Server1(server) => {
                let (ex, idle) = (server.ex, server.ex.is_none() && server.seen == 0);
                self.pace_exchange(ex, key, need, paused);
                self.pace_idle(key, idle);
            }
            State::Link(link) => {
                let streams: Vec<u64> = link.h2.streams().map(|(_, token)| token).collect();
                for token in &streams {
                    self.pace_exchange(Key::from_token(*token), key, need, paused);
                }
                self.pace_idle(key, streams.is_empty());
            }
            _ => {}
        }
    }

    /// One request of a stranger.
    fn pace_exchange(&mut self, ex: Key<Exchange>, key: Key<Conn>, need: u32, paused: bool) {
        let (now, limit) = (self.millis(), millis(self.config.progress_timeout));
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        // Once the server has answered, when the client goes on is between the two of them.
        let owes = !x.facts.has(Facts::ASKED)
            && !x.facts.has(Facts::ANSWERED)
            && !paused
            && x.waiting.is_none()
            && x.req.is_empty();
        let patience = if x.facts.has(Facts::GRPC) { limit.saturating_mul(GRPC) } else { limit };
        let taken = x.res.came.wrapping_sub((x.res.kept.len() - x.res.at) as u32);
        let reason = if x.asking.stuck(owes, x.req.came, need, now, patience) {
            Reason::BodyTimeout
        } else if x.taking.stuck(!x.res.is_empty(), taken, need, now, limit) {
            Reason::ReaderTimeout
        } else {
            return;
        };
        self.count_refused(key, reason);
        self.fail(ex, &Fault::BadRequest(408, "client is too slow"));
    }

    /// A stranger's connection between requests.
    fn pace_idle(&mut self, key: Key<Conn>, idle: bool) {
        let (now, limit) = (self.millis(), millis(self.config.stranger_idle));
        let more = millis(self.config.progress_timeout);
        let Some(conn) = self.conns.get_mut(key) else { return };
        let wrote = conn.wrote;
        let Some(info) = conn.info.as_deref_mut() else { return };
        if !info.using.stuck(idle, wrote, 1, now, limit) {
            return;
        }
        info.using.lend(now, limit, more);
        match &conn.state {
            // The last request may be on its way: it is still answered, and the farewell has its time.
            State::Link(link) if !link.h2.going() => {
                self.count_refused(key, Reason::IdleTimeout);
                self.link_drain(key);
            }
            State::Link(_) => self.kill(key, false),
            _ => {
                self.count_refused(key, Reason::IdleTimeout);
                self.close_after(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn a_flow_is_stuck_when_it_is_due_and_moves_too_little() {
        let mut pace = Pace::new(0);
        for (now, due, moved, stuck) in [
            (1_000, false, 0, false),
            (5_000, true, 0, false),
            (10_999, true, 99, false),
            (11_000, true, 99, true),
            (11_001, true, 100, false),
            (21_000, true, 199, false),
            (21_001, true, 199, true),
            (21_002, false, 199, false),
            (31_001, true, 200, false),
            (31_002, true, 200, true),
        ] {
            assert_eq!(pace.stuck(due, moved, 100, now, 10_000), stuck, "{now}");
        }
    }

    #[test]
    fn numbers_go_round() {
        let mut pace = Pace { moved: u32::MAX - 10, since: u32::MAX - 10 };
        assert!(!pace.stuck(true, u32::MAX, 100, u64::from(u32::MAX) + 50, 100));
        assert!(!pace.stuck(true, 89, 100, u64::from(u32::MAX) + 1_000, 100));
        assert!(pace.stuck(true, 90, 100, u64::from(u32::MAX) + 1_100, 100));
    }
}
