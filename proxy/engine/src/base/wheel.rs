//! Deadlines: a wheel of slots, a tick of 8 ms, one lap of about 8 s; later deadlines stay in their slot for more laps.
//!
//! In: a deadline and what it is for. Out: what is due. An entry is a hint: whoever owns the deadline checks it again, so moving
//! a deadline needs no search (`Alarm`).
//! All entries lie in one block, so that a burst's deadlines leave no crumbs all over the heap; `rest` makes it small again.
//! Never here: clocks; time is an argument, in milliseconds since the engine began.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::route::endpoint::Endpoint;
use crate::traffic::exchange::Exchange;

const TICK: u64 = 8;
const SLOTS: u64 = 1024;
/// Entries whose room is not worth giving back.
const SPARE: usize = 256;
/// The end of a list.
const END: u32 = u32::MAX;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A connection's own deadline.
    Conn(Key<Conn>),
    /// A request's.
    Exchange(Key<Exchange>),
    /// An endpoint may be tried again.
    Endpoint(Key<Endpoint>),
    /// Once a second: forget what nobody uses.
    Sweep,
    /// The end of the grace period.
    Grace,
}

struct Entry {
    tick: u64,
    timer: Timer,
    /// The next one of its slot, or of those free.
    next: u32,
}

/// The wheel.
pub(crate) struct Wheel {
    /// The first entry of each slot's list.
    slots: Box<[u32]>,
    entries: Vec<Entry>,
    free: u32,
    tick: u64,
    /// Nothing is due before this tick, so that the search for the next one goes over a slot once and not in every turn.
    first: u64,
    count: usize,
}

/// A deadline that is moved often: at most one wheel entry that matters, checked when it comes up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm {
    /// When; 0: never.
    pub(crate) at: u64,
    /// When the wheel will ask; 0: it will not.
    asked: u64,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Wheel { slots: (0..SLOTS).map(|_| END).collect(), entries: Vec::new(), free: END, tick: 0, first: 0, count: 0 }
    }

    /// Asks for `timer` at or after `at`.
    pub(crate) fn insert(&mut self, at: u64, timer: Timer) {
        let tick = at.div_ceil(TICK).max(self.tick + 1);
        let first = &mut self.slots[(tick % SLOTS) as usize];
        let entry = Entry { tick, timer, next: *first };
        *first = self.free;
        if let Some(room) = self.entries.get_mut(self.free as usize) {
            self.free = room.next;
            *room = entry;
        } else {
            *first = self.entries.len() as u32;
            self.entries.push(entry);
        }
        self.count += 1;
        self.first = self.first.min(tick);
    }

    /// Sets an alarm; a later deadline than the one asked for costs nothing now.
    #[inline]
    pub(crate) fn set(&mut self, alarm: &mut Alarm, at: u64, timer: Timer) {
        alarm.at = at;
        if alarm.asked == 0 || at < alarm.asked {
            alarm.asked = at;
            self.insert(at, timer);
        }
    }

    /// Whether an alarm that came up is due; if its deadline has moved, asks again.
    pub(crate) fn due(&mut self, alarm: &mut Alarm, now: u64, timer: Timer) -> bool {
        alarm.asked = 0;
        if alarm.at == 0 {
            return false;
        }
        if alarm.at <= now {
            alarm.at = 0;
            return true;
        }
        alarm.asked = alarm.at;
        self.insert(alarm.at, timer);
        false
    }

    /// Moves to `now` and appends what came up.
    pub(crate) fn advance(&mut self, now: u64, due: &mut Vec<Timer>) {
        let to = now / TICK;
        if self.count == 0 {
            self.tick = self.tick.max(to);
            return;
        }
        let laps = to.saturating_sub(self.tick).min(SLOTS);
        for step in 1..=laps {
            let slot = ((self.tick + step) % SLOTS) as usize;
            let mut at = std::mem::replace(&mut self.slots[slot], END);
            while let Some(entry) = self.entries.get_mut(at as usize) {
                let list = if entry.tick > to {
                    &mut self.slots[slot]
                } else {
                    due.push(entry.timer);
                    self.count -= 1;
                    &mut self.free
                };
                let this = std::mem::replace(list, at);
                at = std::mem::replace(&mut entry.next, this);
            }
        }
        self.tick = self.tick.max(to);
    }

    /// Gives room back when most of it is unused: after a burst.
    pub(crate) fn rest(&mut self) {
        if self.entries.len() < SPARE || self.count > self.entries.len() / 4 {
            return;
        }
        let old = std::mem::replace(&mut self.entries, Vec::with_capacity(self.count * 2));
        (self.free, self.count) = (END, 0);
        for slot in 0..self.slots.len() {
            let mut at = std::mem::replace(&mut self.slots[slot], END);
            while let Some(entry) = old.get(at as usize) {
                self.insert(entry.tick * TICK, entry.timer);
                at = entry.next;
            }
        }
    }

    /// How many milliseconds from `now` until something is due; at most a lap.
    pub(crate) fn next(&mut self, now: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let lap = self.tick + SLOTS;
        self.first = (self.first.max(self.tick + 1)..lap).find(|&tick| self.due_at(tick)).unwrap_or(lap);
        Some((self.first * TICK).saturating_sub(now))
    }

    /// Whether a slot holds something for this tick, not only for a later lap.
    fn due_at(&self, tick: u64) -> bool {
        let mut at = self.slots[(tick % SLOTS) as usize];
        while let Some(entry) = self.entries.get(at as usize) {
            if entry.tick <= tick {
                return true;
            }
            at = entry.next;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel, now: u64) -> Vec<Timer> {
        let mut out = Vec::new();
        wheel.advance(now, &mut out);
        out
    }

    #[test]
    fn deadlines_come_up_once_and_never_early() {
        for at in [1, 8, 9, 5_000, 8_191, 8_192, 8_200, 100_000] {
            let mut wheel = Wheel::new();
            wheel.insert(at, Timer::Sweep);
            let mut now = 0;
            while due(&mut wheel, now).is_empty() {
                now += wheel.next(now).expect("one is waiting").max(1);
            }
            assert!(now >= at && now < at + 2 * TICK, "{at} came up at {now}");
            assert_eq!((due(&mut wheel, now + 200_000), wheel.next(now)), (vec![], None));
        }
    }

    #[test]
    fn an_alarm_moves_without_a_search() {
        let (mut wheel, mut alarm) = (Wheel::new(), Alarm::default());
        wheel.set(&mut alarm, 100, Timer::Sweep);
        wheel.set(&mut alarm, 300, Timer::Sweep);
        assert_eq!(due(&mut wheel, 110), vec![Timer::Sweep]);
        assert!(!wheel.due(&mut alarm, 110, Timer::Sweep));
        assert_eq!(due(&mut wheel, 310), vec![Timer::Sweep]);
        assert!(wheel.due(&mut alarm, 310, Timer::Sweep));
    }

    #[test]
    fn later_laps_wake_nobody() {
        let mut wheel = Wheel::new();
        (1..1_000).for_each(|at| wheel.insert(100_000 + at * 8, Timer::Sweep));
        let (mut now, mut wakes) = (0, 0);
        while due(&mut wheel, now).is_empty() {
            now += wheel.next(now).expect("some wait");
            wakes += 1;
        }
        assert!((100_008..100_016).contains(&now) && wakes < 15, "{wakes} until {now}");
        wheel.insert(now + 20, Timer::Sweep);
        assert_eq!(wheel.next(now), Some(8), "the next of the thousand");
    }

    #[test]
    fn an_earlier_deadline_is_seen_after_a_later_one_was() {
        let mut wheel = Wheel::new();
        wheel.insert(8_000, Timer::Sweep);
        assert_eq!(wheel.next(0), Some(8_000));
        wheel.insert(80, Timer::Sweep);
        assert_eq!(wheel.next(0), Some(80));
        assert_eq!((due(&mut wheel, 80).len(), wheel.next(80)), (1, Some(7_920)));
    }

    #[test]
    fn a_burst_leaves_no_room_behind_and_loses_nothing() {
        let mut wheel = Wheel::new();
        (0..5_000).for_each(|at| wheel.insert(at, Timer::Sweep));
        for at in [9_000, 9_001, 60_000] {
            wheel.insert(at, Timer::Grace);
        }
        assert_eq!(due(&mut wheel, 6_000).len(), 5_000);
        wheel.rest();
        assert!(wheel.entries.capacity() < 10, "{}", wheel.entries.capacity());
        assert_eq!((due(&mut wheel, 9_010).len(), due(&mut wheel, 59_000).len(), wheel.count), (2, 0, 1));
        assert_eq!((due(&mut wheel, 60_010), wheel.next(60_010)), (vec![Timer::Grace], None));
    }

    #[test]
    fn room_is_used_again() {
        let mut wheel = Wheel::new();
        for now in 0..100 {
            (1..50).for_each(|ahead| wheel.insert(now * 1_000 + ahead * 10, Timer::Sweep));
            assert_eq!(due(&mut wheel, now * 1_000 + 900).len(), 49);
        }
        assert_eq!(wheel.entries.len(), 49);
    }

    #[test]
    fn a_long_sleep_misses_nothing() {
        let mut wheel = Wheel::new();
        for at in [10, 4_000, 9_000, 50_000] {
            wheel.insert(at, Timer::Sweep);
        }
        assert_eq!(due(&mut wheel, 1_000_000).len(), 4);
    }
}
