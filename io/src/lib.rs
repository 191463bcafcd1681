//! Everything of Firesteel that touches the world: files, rings in shared memory, formats, sources, sinks, and the
//! engine that drives `firesteel-core` with them.

pub mod checkpoint;
pub mod engine;
pub mod format;
pub mod ring;
pub mod session;
pub mod sink;
pub mod source;
pub mod sys;
