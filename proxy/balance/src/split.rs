//! One of several weighted backends, leaving out those that cannot serve.

use crate::dice::Dice;

/// The arms of a split. Immutable; built when a policy is compiled.
#[derive(Clone, Debug, Default)]
pub struct Split {
    weights: Vec<u32>,
    total: u64,
}

impl Split {
    /// Arms with these weights. An arm of weight 0 is never chosen by [`Split::choose`].
    pub fn new(weights: Vec<u32>) -> Split {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum();
        Split { weights, total }
    }

    /// Chooses an arm index by weight among those `ready` says yes to. `None`: none with weight is ready. `ready` must
    /// answer the same for the same arm during the call.
    #[inline]
    pub fn choose(&self, dice: &mut Dice, ready: impl Fn(usize) -> bool) -> Option<usize> {
        if self.total == 0 {
            return None;
        }
        // Most draws find a ready arm at once; only then are all asked.
        let first = self.at(dice.below(self.total), |_| true)?;
        if ready(first) {
            return Some(first);
        }
        let left: u64 = (0..self.weights.len()).filter(|arm| ready(*arm)).map(|arm| u64::from(self.weights[arm])).sum();
        if left == 0 { None } else { self.at(dice.below(left), ready) }
    }

    /// First ready arm in order ("first available").
    pub fn first(&self, ready: impl Fn(usize) -> bool) -> Option<usize> {
        (0..self.weights.len()).find(|arm| ready(*arm))
    }

    /// The arm under a point of the line that the counted arms make.
    #[inline]
    fn at(&self, mut point: u64, counted: impl Fn(usize) -> bool) -> Option<usize> {
        self.weights.iter().enumerate().filter(|(arm, _)| counted(*arm)).find_map(|(arm, weight)| {
            let weight = u64::from(*weight);
            if point < weight {
                return Some(arm);
            }
            point -= weight;
            None
        })
    }

    /// How many arms.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ninety_to_ten_is_ninety_to_ten() {
        let (split, mut dice) = (Split::new(vec![90, 10]), Dice::new(3));
        let second = (0..10_000).filter(|_| split.choose(&mut dice, |_| true) == Some(1)).count();
        assert!((850..1150).contains(&second), "{second}");
        assert!((0..100).all(|_| split.choose(&mut dice, |arm| arm == 1) == Some(1)));
    }

    proptest! {
        #[test]
        fn shares_follow_the_weights_of_the_ready(
            arms in proptest::collection::vec((0u32..100, any::<bool>()), 0..6),
            seed in any::<u64>(),
        ) {
            let (split, mut dice) = (Split::new(arms.iter().map(|arm| arm.0).collect()), Dice::new(seed));
            let total: u32 = arms.iter().filter(|arm| arm.1).map(|arm| arm.0).sum();
            let mut counts = vec![0u32; arms.len()];
            for _ in 0..4000 {
                match split.choose(&mut dice, |arm| arms[arm].1) {
                    Some(arm) => counts[arm] += 1,
                    None => prop_assert_eq!(total, 0),
                }
            }
            for (arm, (weight, ready)) in arms.iter().enumerate() {
                let share = if *ready && total > 0 { f64::from(*weight) / f64::from(total) } else { 0.0 };
                prop_assert!((f64::from(counts[arm]) / 4000.0 - share).abs() < 0.06);
            }
            prop_assert_eq!(split.first(|arm| arms[arm].1), arms.iter().position(|arm| arm.1));
        }
    }
}
