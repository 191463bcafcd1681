//! The ring: rows pass from one process to others through memory that both have mapped, column by column, without a
//! copy, a lock or a call.
//!
//! A *lane* is one region with one producer and any number of readers. It holds a power of two of *slots*; block
//! number `b` lives in slot `b % slots`. The producer fills block after block, and publishes rows by storing one word:
//!
//! ```text
//!              published = (block 6, 2 rows)
//!                              │
//!   slot     0         1       ▼ 2         3
//!         ┌─────────┬─────────┬─────────┬─────────┐
//!         │ block 4 │ block 5 │ block 6 │ block 3 │      block 7 will overwrite block 3
//!         │ ███████ │ ███████ │ ██      │ ███████ │      once every reader has given it back
//!         └─────────┴─────────┴─────────┴─────────┘
//! ```
//! Rules, each kept by one function:
//! 1. Rows are stored, then `published` is stored with release; a reader loads it with acquire and finds the rows
//!    complete (`Producer::publish`, `Consumer::next`).
//! 2. Published rows never change while their slot holds their block.
//! 3. A slot's *stamp* says which block it holds. The producer stores it before anything else of a new block, with a
//!    release fence behind it; a reader who has copied rows out and then finds, behind an acquire fence, the stamp it
//!    expected, has copied rows of that block (`Producer::begin`, `Consumer::holds`).
//! 4. A slot is reused when all readers have given its block back (`block`, `drop_newest`), or at once (`overwrite`).
//! 5. Whatever is read from a region and becomes an index, a length or a branch is loaded once, checked, then used.
//!    Bytes that break the rules give an error of kind *corrupt*, never a crash. What a block tells of its times is
//!    compared with its rows if they are copied, and believed as they are if not (`times`).
//!
//! Who the readers are, what waiting means and where the memory comes from is `firesteel-io`'s business.
#![expect(unsafe_code, reason = "shared memory is reached through raw pointers; see `region` and `view`")]

mod cell;
mod consumer;
mod cursor;
#[cfg(test)]
#[cfg(not(loom))]
mod fault_in_tests;
mod fill;
#[cfg(test)]
#[cfg(not(loom))]
mod golden_tests;
mod header;
#[cfg(test)]
#[cfg(not(loom))]
mod hostile_tests;
mod layout;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod model_tests;
mod producer;
mod push;
pub mod region;
pub mod sync;
#[cfg(test)]
#[cfg(not(loom))]
mod thread_tests;
mod times;
#[cfg(test)]
#[cfg(not(loom))]
mod times_tests;
mod view;

pub use cell::Cell;
pub use consumer::{Consumer, ReadMode, RingBlock};
pub use cursor::{BlockNumber, Cursor, rows_since};
pub use header::{CONTROL_BYTES, LaneHeader, control};
pub use layout::{ColumnLayout, Geometry, Layout, SlotHeader};
pub use producer::{Producer, Pushed};

use alloc::format;

use crate::error::{Error, Result};

/// What a producer does when the block it wants to reuse has not been read by all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFull {
    /// Wait for the readers.
    #[default]
    Block,
    /// Drop the new rows and count them.
    DropNewest,
    /// Overwrite the oldest rows; readers count what they lost.
    Overwrite,
}

impl OnFull {
    /// All of them, in the order of their numbers in a header.
    pub const ALL: [Self; 3] = [Self::Block, Self::DropNewest, Self::Overwrite];

    /// The name in the option `onFull`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropNewest => "drop_newest",
            Self::Overwrite => "overwrite",
        }
    }

    /// Reads the option `onFull`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
            Error::invalid(format!("onFull is '{text}'")).hint("use 'block', 'drop_newest' or 'overwrite'")
        })
    }
}
