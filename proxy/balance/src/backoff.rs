//! How long to leave alone what could not be reached: twice as long each time, within bounds, some of it by chance so that many
//! proxies do not come back at once.

use crate::dice::Dice;

/// Bounds of the wait, in the caller's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// After the first failure.
    pub min: u64,
    /// At most, before chance adds to it.
    pub max: u64,
    /// Part of the wait that chance may add, 0.0 to 1.0.
    pub jitter: f64,
}

/// The wait after `failures` in a row (1: the first). `cap`: never longer, chance included.
pub fn wait(failures: u32, params: &Params, cap: u64, dice: &mut Dice) -> u64 {
    let doubled = params.min.saturating_mul(1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX));
    let base = doubled.min(params.max.max(params.min));
    let added = (base as f64 * params.jitter.clamp(0.0, 1.0) * dice.unit()) as u64;
    base.saturating_add(added).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_doubles_up_to_its_bound() {
        let (params, mut dice) = (Params { min: 100, max: 1000, jitter: 0.0 }, Dice::new(1));
        for (failures, waits) in [(0, 100), (1, 100), (2, 200), (4, 800), (5, 1000), (200, 1000)] {
            assert_eq!(wait(failures, &params, u64::MAX, &mut dice), waits, "{failures}");
        }
        assert_eq!(wait(200, &params, 700, &mut dice), 700);
    }

    proptest! {
        #[test]
        fn chance_stays_in_its_share(failures in 0u32..300, jitter in 0.0f64..2.0, cap in 1u64..5000, seed in any::<u64>()) {
            let params = Params { min: 100, max: 1000, jitter };
            let plain = wait(failures, &Params { jitter: 0.0, ..params }, u64::MAX, &mut Dice::new(seed));
            let found = wait(failures, &params, cap, &mut Dice::new(seed));
            prop_assert!(found <= cap && (found >= plain || found == cap) && found <= plain * 2);
        }
    }
}
