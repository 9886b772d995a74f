//! How many connections each address has open to us.
//!
//! In: who comes and goes. Out: whether one more may. An IPv6 host has a /64 to choose from, which counts as one address.
//! Limits: an entry per address with open connections, so at most `Config::max_connections`; the table shrinks again.

use crate::base::conn::{Conn, Role};
use crate::engine::Engine;
use std::collections::HashMap;
use std::net::IpAddr;

/// Open connections by address.
#[derive(Default)]
pub(crate) struct Sources(HashMap<(bool, u64), u32>);

/// Room that is kept though nobody needs it.
const ROOM: usize = 1024;

fn place(ip: IpAddr) -> (bool, u64) {
    match ip {
        IpAddr::V4(ip) => (false, u64::from(u32::from(ip))),
        IpAddr::V6(ip) => (true, (u128::from(ip) >> 64) as u64),
    }
}

impl Sources {
    /// One more, unless it has `limit`.
    pub(crate) fn enter(&mut self, ip: IpAddr, limit: usize) -> bool {
        let count = self.0.entry(place(ip)).or_default();
        let room = (*count as usize) < limit.max(1);
        *count += u32::from(room);
        room
    }

    /// One less.
    pub(crate) fn leave(&mut self, ip: IpAddr) {
        let place = place(ip);
        if let Some(count) = self.0.get_mut(&place) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&place);
            }
        }
    }

    /// Gives memory back after a rush.
    pub(crate) fn sweep(&mut self) {
        if self.0.capacity() > ROOM && self.0.capacity() > 4 * self.0.len() {
            self.0.shrink_to(ROOM.max(2 * self.0.len()));
        }
    }
}

impl Engine {
    /// A connection that was accepted is gone.
    pub(crate) fn sources_leave(&mut self, conn: &Conn) {
        if let Some(info) = conn.info.as_deref().filter(|_| conn.role == Role::PeerIn)
            && !info.remote.ip().is_loopback()
        {
            self.sources.leave(info.remote.ip());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_limit_and_gets_it_back() {
        let mut sources = Sources::default();
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().expect("a"), "10.0.0.2".parse().expect("b"));
        assert!(sources.enter(a, 2) && sources.enter(a, 2) && !sources.enter(a, 2) && sources.enter(b, 2));
        sources.leave(a);
        assert!(sources.enter(a, 2));
        let (c, d): (IpAddr, IpAddr) = ("fd00::1".parse().expect("c"), "fd00::ffff:1".parse().expect("d"));
        assert!(sources.enter(c, 1) && !sources.enter(d, 1), "one host, many addresses");
        for ip in [a, a, b, c] {
            sources.leave(ip);
        }
        sources.leave(a);
        assert!(sources.0.is_empty());
    }

    #[test]
    fn a_rush_of_addresses_is_forgotten() {
        let mut sources = Sources::default();
        let ips: Vec<IpAddr> = (0..20_000u32).map(|n| IpAddr::from(n.to_be_bytes())).collect();
        assert!(ips.iter().all(|&ip| sources.enter(ip, 1)));
        ips.iter().for_each(|&ip| sources.leave(ip));
        sources.sweep();
        assert!(sources.0.capacity() <= 2 * ROOM);
    }
}
