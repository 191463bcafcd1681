//! The operating system: whatever needs more than safe std calls lives here, so that nothing else does.

mod affinity;

pub use affinity::pin_to_core;
