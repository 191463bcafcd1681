//! What the targets do with bytes. One function a target, which returns if nothing is wrong and panics if something is;
//! `tests/tests/fuzz_seeds.rs` calls the same functions on a stable toolchain, over the seeds and mutations of them.
//!
//! ```text
//!   input      takes choices and numbers off the front of the bytes
//!   queries    a small catalog, and queries run over a few rows of it
//!   ring, checkpoint, sql, rows (csv, json, text)      the targets
//!   seeds      those that a program wrote
//! ```

pub mod checkpoint;
mod input;
mod queries;
pub mod ring;
pub mod rows;
pub mod seeds;
pub mod sql;

/// What a target does with an input.
pub type Run = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Run); 6] = [
    ("ring", ring::run),
    ("checkpoint", checkpoint::run),
    ("sql", sql::run),
    ("csv", rows::csv),
    ("json", rows::json),
    ("text", rows::text),
];
