//! After a load: memory that nobody needs goes back to the kernel.
//!
//! In: the process's CPU time, looked at every `LOOK`. Out: one trim when a load has ended and one `LATER`, when what it left idle has
//! ended too; one every `LONGEST` while it goes on.
//! Never here: a trim in a busy moment; it holds up whoever allocates for some milliseconds.

use std::time::Duration;

const LOOK: Duration = Duration::from_secs(10);
const LONGEST: u32 = 30;
const LATER: u32 = 3;
/// CPU time since the last trim that can have left something behind.
const WORK: Duration = Duration::from_millis(100);

/// Watches for ever.
pub async fn run() {
    let (mut watch, mut every) = (Watch { last: sock::cpu_time(), ..Watch::default() }, tokio::time::interval(LOOK));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if watch.look(sock::cpu_time()) {
            sock::trim();
        }
    }
}

#[derive(Default)]
struct Watch {
    /// CPU time at the last look and at the last trim.
    last: Duration,
    trimmed: Duration,
    /// Looks since there was something to let go.
    looks: u32,
    /// The last trim was for work; what that left idle was still in use then.
    early: bool,
}

impl Watch {
    /// Whether now is a time to trim.
    fn look(&mut self, cpu: Duration) -> bool {
        let calm = cpu.saturating_sub(self.last) < LOOK / 20;
        self.last = cpu;
        let worked = cpu.saturating_sub(self.trimmed) >= WORK;
        self.looks = if worked || self.early { self.looks + 1 } else { 0 };
        let due = if worked { calm || self.looks >= LONGEST } else { self.early && self.looks >= LATER };
        if due {
            (self.trimmed, self.looks, self.early) = (cpu, 0, worked);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_after_a_load_and_seldom_within_one() {
        let mut watch = Watch::default();
        let mut look = |millis| watch.look(Duration::from_millis(millis));
        assert!(!look(10), "nothing was done yet");
        assert!(!look(5_000) && !look(10_000), "busy");
        assert!(look(10_010), "it has ended");
        assert!(!look(10_020) && !look(10_030) && look(10_040), "what was idle has ended");
        assert!((0..100).all(|i| !look(10_040 + i / 2)), "nothing since");
        let within = (0..70u64).filter(|i| look(20_000 + i * 5_000)).count();
        assert_eq!(within, 2);
    }
}
