//! Who owns a file that one process alone may write: a word that is exchanged atomically, the identity of the owner
//! beside it, and a lock on the file for the case that the owner's process number means nothing here.
//!
//! ```text
//!   free (0) ── take ──► owned ── give_back ──► free
//!                          │ the owner dies
//!                          └────── take ──► owned by the next
//! ```
//! The exchange decides: of two who find the owner dead, one gets the file. A process that is merely slow or stopped
//! is not dead, and nobody takes from it.

use std::fs::File;

use firesteel_core::ring::{
    control,
    region::{Region, RegionMut},
    sync::Ordering,
};

use crate::sys::{Identity, Watch};

/// Where the claim lies in its file.
#[derive(Clone, Copy, Debug)]
pub struct ClaimPlace {
    /// The word.
    pub owner: usize,
    /// The four words of the identity.
    pub process: usize,
}

/// The claim in a lane.
pub const LANE: ClaimPlace = ClaimPlace { owner: control::OWNER, process: control::OWNER_PROCESS };

/// Who has the claim.
#[derive(Debug)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A process; dead or alive.
    Process(Watch),
    /// Somebody who had no time yet to say who, or never will.
    Unknown,
}

/// Takes the claim for this process; the error is the process that has it.
pub fn take(region: &RegionMut, place: ClaimPlace, file: &File) -> Result<u64, Option<u32>> {
    let locked = file.try_lock().is_ok();
    let word = region.word_u64(place.owner);
    let seen = word.load(Ordering::Acquire);
    let holder = holder(region, place);
    if holder.is_alive(|| !locked) {
        return Err(holder.pid());
    }
    let us = Identity::current();
    word.compare_exchange(seen, us.claim(), Ordering::AcqRel, Ordering::Acquire).map_err(|_| None)?;
    store_process(region, place, us);
    Ok(us.claim())
}

/// Makes a file ours that nobody else has seen yet.
pub fn take_new(region: &RegionMut, place: ClaimPlace) {
    let us = Identity::current();
    store_process(region, place, us);
    region.store_u64(place.owner, us.claim(), Ordering::Release);
}

fn store_process(region: &RegionMut, place: ClaimPlace, us: Identity) {
    for (i, part) in us.words().into_iter().enumerate() {
        region.store_u64(place.process + i * 8, part, Ordering::Release);
    }
}

/// Gives the claim back, if it is still ours.
pub fn give_back(region: &RegionMut, place: ClaimPlace, claim: u64) {
    // Taken by another who found us dead: then it is not ours to give.
    let _ = region.word_u64(place.owner).compare_exchange(claim, 0, Ordering::AcqRel, Ordering::Acquire);
}

/// Who has the claim.
pub fn holder(region: &Region, place: ClaimPlace) -> Holder {
    let claim = region.load_u64(place.owner, Ordering::Acquire);
    if claim == 0 {
        return Holder::Nobody;
    }
    let words = [0, 1, 2, 3].map(|i| region.load_u64(place.process + i * 8, Ordering::Acquire));
    let identity = Identity::from_words(words);
    if identity.claim() == claim { Holder::Process(Watch::new(identity)) } else { Holder::Unknown }
}

impl Holder {
    /// Whether it lives. Where its number says nothing, the lock on the file does.
    pub fn is_alive(&self, is_locked: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Process(watch) => watch.is_alive().unwrap_or_else(is_locked),
            Self::Unknown => is_locked(),
        }
    }

    /// Its number, if known.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(watch) => Some(watch.identity().pid),
            _ => None,
        }
    }
}

/// Whether somebody holds the lock on a file.
pub fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // Nothing is lost if it stays locked until the file is closed.
            let _ = file.unlock();
            false
        }
        Err(_) => true,
    }
}
