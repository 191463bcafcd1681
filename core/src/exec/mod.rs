//! Plans made to run: operators in a chain, and the driver that moves epochs through them.
//!
//! ```text
//!   source ──blocks──► Driver::push ──► operator ──► operator ──► Output      within an epoch
//!                      Driver::finish   stateful operators emit and evict     at its end
//! ```
//! An *epoch* is Spark's micro-batch: the rows between two moments at which the watermark may move. A batch query is
//! one epoch at whose end everything is emitted. Nothing here waits, reads a clock or knows where rows come from.
//!
//! Architecture invariant: one set of operators serves batch and stream, every output mode and every worker; they
//! differ only in the [`Epoch`] that operators are given.

mod aggregate;
mod driver;
mod full;
mod operator;
mod operators;
mod pipeline;
#[cfg(test)]
mod tests;

pub use driver::{Driver, DriverOptions, EpochReport, ScanPort, Stage};
pub use full::OnFullState;
pub use operator::{Epoch, Lateness, Output, StateMetrics};
pub use pipeline::check_memory;
