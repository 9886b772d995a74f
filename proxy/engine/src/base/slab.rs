//! Things by number: constant-time insert, find and remove; a number used again has another generation.
//!
//! In: values. Out: keys that find the value or, once it is gone, nothing.
//! Never here: references between values; keys are how they know each other.

use std::marker::PhantomData;

/// Finds a `T` in a `Slab<T>`, as long as it is there.
pub(crate) struct Key<T> {
    pub(crate) index: u32,
    generation: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Finds nothing, ever.
    pub(crate) const NONE: Key<T> = Key { index: u32::MAX, generation: 0, kind: PhantomData };

    pub(crate) fn is_none(self) -> bool {
        self.index == u32::MAX
    }

    /// As one number, for epoll.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_token(token: u64) -> Self {
        Key { index: token as u32, generation: (token >> 32) as u32, kind: PhantomData }
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}

impl<T> Eq for Key<T> {}

impl<T> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// Values by key.
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    /// New entries begin above this generation, so that no key of one that was given back finds them.
    base: u32,
}

/// Entries that are not worth giving back.
const SPARE: usize = 256;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), free: Vec::new(), base: 0 }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> Key<T> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(Entry { generation: self.base, value: None });
                self.entries.len() as u32 - 1
            }
        };
        let entry = &mut self.entries[index as usize];
        // 31 bits: the top one marks listeners in epoll tokens.
        entry.generation = (entry.generation + 1) & 0x7fff_ffff;
        entry.value = Some(value);
        Key { index, generation: entry.generation, kind: PhantomData }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key<T>) -> Option<&T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    pub(crate) fn has(&self, key: Key<T>) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn remove(&mut self, key: Key<T>) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        self.free.push(key.index);
        Some(value)
    }

    /// How many entries there are, used or not: every key's index is below.
    pub(crate) fn room(&self) -> usize {
        self.entries.len()
    }

    /// Gives room back when most of it is unused: after a burst. Keys stay as they are.
    pub(crate) fn rest(&mut self) {
        if self.entries.len() < SPARE || self.free.len() < self.entries.len() / 2 {
            return;
        }
        // Only what lies behind the last value can go, and only where generations may begin anew: see `base`.
        let last = self.entries.iter().rposition(|e| e.value.is_some()).map_or(0, |at| at + 1);
        let newest = self.entries[last..].iter().map(|e| e.generation).max().unwrap_or(0);
        self.base = self.base.max(newest);
        self.entries.truncate(last);
        self.entries.shrink_to(last.max(SPARE / 2));
        self.free.retain(|&index| (index as usize) < last);
        self.free.shrink_to(self.free.len().max(SPARE / 2));
    }

    /// The key of what is in a place.
    pub(crate) fn at(&self, index: u32) -> Option<Key<T>> {
        let entry = self.entries.get(index as usize).filter(|entry| entry.value.is_some())?;
        Some(Key { index, generation: entry.generation, kind: PhantomData })
    }

    /// All keys, for the rare walks over everything (drain, new policy, sweep).
    pub(crate) fn keys(&self) -> Vec<Key<T>> {
        let whole = self.entries.iter().enumerate().filter(|(_, e)| e.value.is_some());
        whole.map(|(i, e)| Key { index: i as u32, generation: e.generation, kind: PhantomData }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::default();
        let old = slab.insert("a");
        assert_eq!(slab.remove(old), Some("a"));
        let new = slab.insert("b");
        assert_eq!((old.index, slab.get(old), slab.get(new)), (new.index, None, Some(&"b")));
        assert_eq!((slab.remove(old), slab.keys()), (None, vec![new]));
        assert_eq!(Key::<&str>::from_token(new.token()), new);
        assert!(slab.get(Key::NONE).is_none());
    }

    #[test]
    fn room_comes_back_and_old_keys_find_nothing() {
        let mut slab = Slab::default();
        let keys: Vec<_> = (0..5_000).map(|i| slab.insert(i)).collect();
        let kept = 300;
        keys.iter().skip(kept).for_each(|&key| assert!(slab.remove(key).is_some()));
        slab.rest();
        assert_eq!((slab.entries.len(), slab.free.len()), (kept, 0));
        assert!(slab.entries.capacity() < 1_000);
        let again: Vec<_> = (0..1_000).map(|i| slab.insert(i)).collect();
        assert!(keys[kept..].iter().all(|&key| slab.get(key).is_none()));
        assert!(again.iter().all(|&key| slab.has(key)) && slab.has(keys[0]));
    }
}
