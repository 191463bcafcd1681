//! What a query needs to go on, kept so that no power cut, full disk or flipped bit can take it away: a folder of
//! generations, each one file that proves by itself that it is whole.
//!
//! ```text
//!   lock                                        held by the process that writes; names it
//!   generation-00000000000000000041.ckpt        the last but one
//!   generation-00000000000000000042.ckpt        the newest: what open gives
//!   generation-00000000000000000043.ckpt.tmp    being written
//! ```
//! A generation is one file and never a set of files, so that there is no order in which its parts could be lost. It is
//! written under a temporary name, made durable, renamed, and then the folder is made durable: only then has `save`
//! succeeded. A number is never used twice by one store, and a file that could not be made durable is given up, since
//! the system may call it clean the next time it is asked. Two good generations are kept: should the medium damage one,
//! the other is there.
//!
//! [`Disk`] is all that a store asks of a file system; the tests have one that loses power.

mod disk;
mod layout;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{io, path::Path};

use firesteel_core::Error;
use serde::{Deserialize, Serialize};

use crate::sys::scarce;

pub use disk::{Content, Disk, Lock, RealDisk};
pub use store::{Discarded, Lost, Opened, Store};

/// What a query needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Which query this is, and where it stands.
    pub header: Header,
    /// What its operators remember, in their own encoding.
    pub state: Vec<u8>,
}

/// Which query a checkpoint belongs to, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The identity that the query keeps from start to start.
    pub query_id: String,
    /// The epoch to run next.
    pub next_epoch: u64,
    /// The output mode.
    pub mode: String,
    /// What each stateful operator is, in words, topmost first.
    pub operators: Vec<String>,
    /// The streams, in the order of the plan.
    pub sources: Vec<SourceHeader>,
    /// Where the sink stands, in its own words.
    pub sink: serde_json::Value,
}

/// A stream and how far it has been read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceHeader {
    /// What the source is, as progress reports say it.
    pub description: String,
    /// How far it has been read, in its own words.
    pub position: serde_json::Value,
}

/// An error of the file system, with what a user can do about it.
fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let failed = scarce::error(format!("{doing} {}: {error}", path.display()), error);
    match error.kind() {
        io::ErrorKind::PermissionDenied => failed.hint("check the owner and the mode of the folder"),
        io::ErrorKind::ReadOnlyFilesystem => failed.hint("checkpoints need a file system that can be written"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failed.hint("free some space: a checkpoint needs room for three times its size")
        }
        io::ErrorKind::NotFound => failed.hint("it was there when the query started: has it been removed?"),
        _ => failed,
    }
}
