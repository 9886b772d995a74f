//! One of several weighted backends, leaving out those that cannot serve.

use crate::dice::Dice;

/// The arms of a split. Immutable; built when a policy is compiled.
#[derive(Clone, Debug, Default)]
pub struct Split {
    weights: Vec<u32>,
}

#[allow(unused_variables)]
impl Split {
    /// Arms with these weights. An arm with weight 0 is chosen only if no other is ready and all weights are 0: never otherwise.
    pub fn new(weights: Vec<u32>) -> Split {
        Split { weights }
    }
    /// Chooses an arm index by weight among those `ready` says yes to. `None`: none with weight is ready.
    pub fn choose(&self, dice: &mut Dice, ready: impl Fn(usize) -> bool) -> Option<usize> {
        unimplemented!()
    }
    /// First ready arm in order ("first available").
    pub fn first(&self, ready: impl Fn(usize) -> bool) -> Option<usize> {
        unimplemented!()
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
