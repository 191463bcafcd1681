//! A byte region that another process may read and write while we do: the only way to the memory of a ring.
//!
//! * [`Region`] loads, [`RegionMut`] also stores. Every access is bounds-checked and atomic (relaxed unless said
//!   otherwise), element by element, so that two sides racing over a block is a race of atomics: values may be torn
//!   between elements, nothing worse. The protocol decides which values to believe.
//! * [`Region::slice`] alone borrows memory in place; it is `unsafe`, and its contract is the protocol's promise that
//!   published rows stay as they are until they are given back.
//!
//! Under `--cfg loom` the same interface is backed by one loom atomic a word (`modelled`).

#[cfg(not(loom))]
mod mapped;
#[cfg(loom)]
mod modelled;

#[cfg(not(loom))]
pub use mapped::{HeapMemory, Memory, Region, RegionMut};
#[cfg(loom)]
pub use modelled::{Region, RegionMut};
