//! Lanes for producers that are not trusted: the engine makes the memory, sizes and seals it, and hands it to whoever
//! connects to its socket and may. Nothing that a peer says is believed; the worst it can do is to fill its own lane
//! with rows that are wrong.
//!
//! ```text
//!   producer                                      engine (`hub`)
//!      │ connect                                    │ who is that? (the system says: SO_PEERCRED)
//!      ├── hello: name of the lane ────────────────►│ two pieces of memory, sizes sealed
//!      │◄── welcome, lane, page ────────────────────┤
//!      │ checks seals and header, writes rows       │ reads copies of rows, as of any stranger's lane
//!      ├── "you sleep, there are rows" ────────────►│
//!      └── end of the connection ──────────────────►│ what is in the lane is read, then the lane goes
//! ```
//! The *lane* is written by the producer and laid out as any other. The *page* is written by the engine alone (the
//! system refuses any other writable mapping), one for each producer:
//!
//! ```text
//! bytes     field
//!    0..8   magic       "FIREPAGE"
//!    8..12  version     1
//!   64..72  given_back  rows that all readers have given back
//!  128..132 asleep      1 if the engine sleeps: then, and only then, it wants to be told of rows
//! ```
//! Lanes of this kind have no name in the file system and end with the engine: rows in them that it had not read are
//! gone, and a checkpoint cannot bring them back.

pub mod hub;
pub mod link;
mod wire;

#[cfg(test)]
mod tests;

/// The engine's page for a producer.
mod page {
    /// Its bytes.
    pub const BYTES: u64 = 4096;
    pub const MAGIC: u64 = u64::from_ne_bytes(*b"FIREPAGE");
    pub const VERSION: u32 = 1;
    pub const VERSION_AT: usize = 8;
    pub const GIVEN_BACK: usize = 64;
    pub const ASLEEP: usize = 128;
}
