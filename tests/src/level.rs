//! Parts of tests at one SIMD level. The level is the whole process's, so one part runs at a time: not for the answers,
//! which every level must give, but so that a part that claims to run at a level does.

use std::sync::{Mutex, PoisonError};

use firesteel_core::simd::Level;

/// The levels that this CPU has, least first.
pub fn levels() -> Vec<Level> {
    Level::available().collect()
}

/// Runs `part` at a level that this CPU has.
pub fn at<T>(level: Level, part: impl FnOnce() -> T) -> T {
    static ONE: Mutex<()> = Mutex::new(());
    // A part that failed leaves nothing behind.
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(level.force(), level);
    part()
}
