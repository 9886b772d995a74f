//! Endpoints in a row, to draw from by weight: in slots with what each weighs; out a slot. Bound: the caller's list.

use crate::dice::Dice;

/// Slots and, while they weigh differently, running sums of their weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    slots: Vec<u32>,
    sums: Vec<u64>,
}

impl Line {
    /// A line of slots with what each weighs.
    pub(super) fn new(from: &[(u32, u64)]) -> Line {
        let first = from.first().map(|(_, weight)| *weight);
        let mut line = Line { slots: from.iter().map(|(slot, _)| *slot).collect(), sums: Vec::new() };
        if from.iter().any(|(_, weight)| Some(*weight) != first) {
            line.sums.extend(from.iter().scan(0u64, |sum, (_, weight)| {
                *sum += weight;
                Some(*sum)
            }));
        }
        line
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A random place by weight and its slot, not the place `out` if there is another. The line is not empty.
    #[inline]
    pub(super) fn draw(&self, dice: &mut Dice, out: Option<usize>) -> (usize, u32) {
        let place = self.place(dice, out);
        (place, self.slots[place])
    }

    #[inline]
    fn place(&self, dice: &mut Dice, out: Option<usize>) -> usize {
        let Some(total) = self.sums.last() else {
            let others = self.slots.len() - usize::from(out.is_some());
            if others == 0 {
                return out.unwrap_or(0);
            }
            let place = dice.below(others as u64) as usize;
            return place + usize::from(out.is_some_and(|out| place >= out));
        };
        // Cut the stretch of the one left out from the line, then see where the point falls.
        let below = |place: usize| place.checked_sub(1).map_or(0, |before| self.sums[before]);
        let (cut_at, cut) = out.map_or((u64::MAX, 0), |out| (below(out), self.sums[out] - below(out)));
        if total - cut == 0 {
            // The others weigh nothing: stay with the one that does.
            return out.unwrap_or(0);
        }
        let point = dice.below(total - cut);
        let point = if point >= cut_at { point + cut } else { point };
        self.sums.partition_point(|sum| *sum <= point)
    }
}
