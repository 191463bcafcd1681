//! Lanes that a [`super::Reader`] has open, for the threads that read what it found: they read what it mapped, whatever
//! has become of the file's name since, and tell it of lanes that turned out to be bad.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use firesteel_core::Error;

use super::lane::OpenLane;

/// Lanes by key; clones share them.
#[derive(Clone, Debug, Default)]
pub struct OpenLanes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lanes: Mutex<Vec<(Arc<str>, Arc<OpenLane>)>>,
    faults: Mutex<Vec<(Arc<str>, Error)>>,
    /// So that asking for faults costs nothing while there are none.
    has_faults: AtomicBool,
}

impl OpenLanes {
    /// The lane with this key, if it is open.
    pub fn get(&self, key: &str) -> Option<Arc<OpenLane>> {
        self.lanes().iter().find(|(other, _)| **other == *key).map(|(_, open)| open.clone())
    }

    /// Tells of a lane that cannot be read.
    pub fn note_fault(&self, key: &Arc<str>, error: Error) {
        self.faults().push((key.clone(), error));
        self.0.has_faults.store(true, Ordering::Release);
    }

    pub(super) fn add(&self, key: &Arc<str>, open: &Arc<OpenLane>) {
        let mut lanes = self.lanes();
        lanes.retain(|(other, _)| other != key);
        lanes.push((key.clone(), open.clone()));
    }

    pub(super) fn remove(&self, key: &str) {
        self.lanes().retain(|(other, _)| **other != *key);
    }

    pub(super) fn take_faults(&self) -> Vec<(Arc<str>, Error)> {
        match self.0.has_faults.swap(false, Ordering::AcqRel) {
            true => std::mem::take(&mut *self.faults()),
            false => Vec::new(),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<(Arc<str>, Arc<OpenLane>)>> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Vec<(Arc<str>, Error)>> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
