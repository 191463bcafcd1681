//! What a query leaves to the one that takes its place in the same process, so that a job can be changed as it runs:
//! its state, the positions of its inputs, and the inputs themselves, open, because rows would be lost between the
//! closing of one and the opening of another.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{checkpoint::Header, source::Source};

/// What the queries of a job leave, by the names of their streams. Clones share it.
#[derive(Clone, Default)]
pub struct Legacies {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_wanted: AtomicBool,
    by_name: Mutex<BTreeMap<String, Legacy>>,
}

/// What one query left.
pub(super) struct Legacy {
    pub(super) header: Header,
    pub(super) state: Vec<u8>,
    /// By what they read.
    pub(super) sources: Vec<(String, Box<dyn Source>)>,
}

/// The part of one stream.
#[derive(Clone)]
pub struct LegacyOf {
    legacies: Legacies,
    name: String,
}

impl Legacies {
    /// Queries that end from now on leave what they have.
    pub fn want(&self) {
        self.shared.is_wanted.store(true, Ordering::Release);
    }

    /// What was left and nobody took is gone, and queries that end leave nothing until it is wanted again.
    pub fn forget(&self) {
        self.shared.is_wanted.store(false, Ordering::Release);
        self.lock().clear();
    }

    /// The part of the stream with this name.
    pub fn of(&self, name: &str) -> LegacyOf {
        LegacyOf { legacies: self.clone(), name: name.into() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Legacy>> {
        self.shared.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LegacyOf {
    pub(super) fn is_wanted(&self) -> bool {
        self.legacies.shared.is_wanted.load(Ordering::Acquire)
    }

    pub(super) fn leave(&self, legacy: Legacy) {
        self.legacies.lock().insert(self.name.clone(), legacy);
    }

    /// Looks at what was left, if anything was.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Legacy) -> T) -> Option<T> {
        self.legacies.lock().get(&self.name).map(look)
    }

    /// The input that reads just this, still open. With a checkpoint, which says where replayable ones go on, only one
    /// that cannot be opened again.
    pub(crate) fn take_source(&self, reads: &str, has_checkpoint: bool) -> Option<Box<dyn Source>> {
        let mut legacies = self.legacies.lock();
        let sources = &mut legacies.get_mut(&self.name)?.sources;
        let fits =
            |(known, source): &(String, Box<dyn Source>)| known == reads && !(has_checkpoint && source.is_replayable());
        let at = sources.iter().position(fits)?;
        Some(sources.remove(at).1)
    }

    /// The query has begun with it.
    pub(super) fn settle(&self) {
        self.legacies.lock().remove(&self.name);
    }
}

impl fmt::Debug for Legacies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Legacies").field("names", &self.lock().keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl fmt::Debug for LegacyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyOf").field("name", &self.name).finish_non_exhaustive()
    }
}
