//! Text formats: bytes of files, pipes and lines to blocks, and blocks back to bytes, as Spark's own readers and
//! writers have them.
//!
//! ```text
//!   bytes ─► lines ─► csv | json | text ─► page (columns, mode, _corrupt_record) ─► blocks     Decoder
//!   blocks ─► write::{csv, json, cell} ─► bytes
//! ```
//! A [`Decoder`] serves every source alike: it takes bytes in chunks of any size, records may straddle chunks, and
//! whole blocks go to the caller. Values are parsed straight into columns; columns that the query does not need are
//! not parsed. `options` are Spark's, `files` finds what a path means, `write` is the way back.
//!
//! Invariant: no bytes, however wrong, make a reader panic or read without bound; a malformed record is counted, and
//! becomes NULLs, nothing or an error as the `mode` says.

mod base64;
mod convert;
mod csv;
mod decoder;
pub mod files;
mod json;
mod lines;
mod malformed;
mod number;
mod options;
mod pace;
pub(crate) mod packed;
mod page;
mod plain;
#[cfg(test)]
mod tests;
mod words;
pub mod write;

pub use decoder::Decoder;
pub use malformed::{Malformed, Reason};
pub use options::Options;

use firesteel_core::{Error, Result};

/// A text format, as named after `USING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON value a line.
    Json,
    /// One string a line.
    Text,
}

impl Format {
    /// The format with this name, in any case.
    pub fn parse(name: &str) -> Result<Self> {
        [Self::Csv, Self::Json, Self::Text].into_iter().find(|f| f.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            Error::unsupported("DATA_SOURCE_NOT_FOUND", format!("there is no text format {name:?}"))
                .hint("the text formats are csv, json and text")
        })
    }

    /// The name after `USING`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}
