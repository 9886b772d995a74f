//! Discovery paths: numbered once, held while a target uses them, watched while a used target does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use table::outbound::Endpoints;
use table::{Lookup, PathId};

/// One path.
pub(super) struct Path {
    pub(super) name: Arc<str>,
    /// Targets that have it in a backend, watched or kept.
    pub(super) targets: HashSet<Lookup>,
    /// How many of them are watched.
    pub(super) live: u32,
    /// The newest set.
    last: Option<Arc<Endpoints>>,
    /// The newest set may be told: it came on the running stream, or that one is late.
    fresh: bool,
}

impl Path {
    /// What workers are told now.
    pub(super) fn told(&self) -> Arc<Endpoints> {
        self.last.clone().filter(|_| self.fresh).unwrap_or_default()
    }
}

/// All paths.
#[derive(Default)]
pub(super) struct Paths {
    numbers: HashMap<Arc<str>, PathId>,
    pub(super) all: HashMap<PathId, Path>,
    next: u32,
}

impl Paths {
    /// The number of a path, new or known.
    pub(super) fn number(&mut self, name: &str) -> PathId {
        if let Some(&id) = self.numbers.get(name) {
            return id;
        }
        let (id, name): (_, Arc<str>) = (PathId(self.next), name.into());
        self.next = self.next.wrapping_add(1);
        self.numbers.insert(name.clone(), id);
        self.all.insert(id, Path { name, targets: HashSet::new(), live: 0, last: None, fresh: false });
        id
    }

    /// `lookup` is watched from now on; true when the path must be watched now and was not.
    pub(super) fn revive(&mut self, id: PathId) -> bool {
        let Some(path) = self.all.get_mut(&id) else { return false };
        path.live += 1;
        if path.live == 1 {
            path.fresh = false;
        }
        path.live == 1
    }

    /// `lookup` is no longer watched; true when the path need not be watched any more.
    pub(super) fn rest(&mut self, id: PathId) -> bool {
        let Some(path) = self.all.get_mut(&id) else { return false };
        path.live = path.live.saturating_sub(1);
        path.live == 0
    }

    /// `lookup` does not have it any more; forgets a path nobody has.
    pub(super) fn release(&mut self, id: PathId, lookup: &Lookup) {
        if let Some(path) = self.all.get_mut(&id) {
            path.targets.remove(lookup);
        }
        self.drop_unused(id);
    }

    /// Forgets a path that was numbered and not used.
    pub(super) fn drop_unused(&mut self, id: PathId) {
        if let Some(path) = self.all.get(&id)
            && path.targets.is_empty()
        {
            self.numbers.remove(&path.name);
            self.all.remove(&id);
        }
    }

    /// A newer set; false when the path is gone.
    pub(super) fn learn(&mut self, id: PathId, set: Arc<Endpoints>) -> bool {
        self.all.get_mut(&id).map(|path| (path.last, path.fresh) = (Some(set), true)).is_some()
    }

    /// The stream is late: what was known before it counts again. True when there is something to tell.
    pub(super) fn late(&mut self, id: PathId) -> bool {
        let Some(path) = self.all.get_mut(&id).filter(|p| !p.fresh) else { return false };
        path.fresh = true;
        path.last.is_some()
    }
}
