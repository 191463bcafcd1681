//! The ring's atomics. Every atomic of this room comes from here, so that `--cfg loom` swaps all of them for loom's
//! and the same protocol code is run through every interleaving.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
