//! Rings as folders. A stream is a folder; in it every producer has a lane of its own, every reader a cursor file of
//! its own, and nobody ever writes what another writes.
//!
//! ```text
//!   readings/            the stream
//!     stream             what it is: schema, capacity, what to do when full       (text; `folder`)
//!     bell               words to sleep on                                        (`bell`)
//!     NAME.lane          rows of one producer; readers map it read-only           (`lane`, `producer`)
//!     NAME.cursor        how far one reader has come; producers map it read-only  (`cursors`, `reader`)
//! ```
//! Producers that are not trusted get lanes without a name, over a socket (`sealed`).
//!
//! * Files appear whole: created under a temporary name, their space set aside, then renamed into place.
//! * A producer or reader that dies takes nothing with it: its process is recognised as dead by number, start time and
//!   boot, whoever comes next takes its lane over, and its cursor holds nobody up once another reader lives.
//! * A bad file is an error that names it, says what is wrong and what to try. It never ends the process.

mod bell;
mod claim;
mod cursors;
#[cfg(test)]
mod file_tests;
mod folder;
mod inspect;
mod lane;
mod lane_reader;
mod open_lanes;
mod options;
mod producer;
mod reader;
mod repair;
#[cfg(test)]
mod repair_tests;
mod rescue;
#[cfg(target_os = "linux")]
mod sealed;
#[cfg(test)]
mod tests;
mod wait;

pub use firesteel_core::ring::{Cell, OnFull, Pushed};
pub use folder::StreamFolder;
pub use inspect::{Checked, CheckedLane, LaneInfo, LaneState, Problem, ReaderInfo, StreamInfo, check, info};
pub(crate) use lane_reader::Failure;
pub use lane_reader::{LaneReader, LaneStatus};
pub(crate) use open_lanes::OpenLanes;
pub(crate) use options::KNOWN as KNOWN_OPTIONS;
pub use options::{CAPACITY_DEFAULT, Listen, RingOptions, parse_bytes};
pub use producer::Producer;
pub use reader::{BrokenLane, Reader, ReaderOptions, ReadyRows, Start};
pub use repair::{Repair, forget_reader, repair};
pub use wait::Wait;

use std::{fmt::Display, io, path::Path};

use firesteel_core::Error;

use crate::sys::scarce;

/// Longest name of a lane or a reader.
const NAME_BYTES_MAX: usize = 64;

/// A name that can be part of a file name and of nothing else: letters, digits, `_`, and behind the first also `.`
/// and `-`.
fn check_name(what: &str, name: &str) -> firesteel_core::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(plain) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Error::invalid(format!("'{name}' cannot be the name of a {what}")).hint(format!(
        "use up to {NAME_BYTES_MAX} letters, digits, '_', '.' and '-', the first a letter, a digit or '_'"
    )))
}

/// An error of the system, with what was done to which file, and what that usually means.
fn io_error(doing: &str, path: &Path, error: io::Error) -> Error {
    let message = scarce::error(format!("{doing} {}: {error}", path.display()), &error);
    match error.kind() {
        io::ErrorKind::NotFound => message.hint("check the path; `firesteel ring create` makes a ring"),
        io::ErrorKind::PermissionDenied => message.hint("check the owner and the mode of the folder and the file"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            message.hint("free some space, or create the ring with a smaller capacity")
        }
        _ => message,
    }
}

/// An error about a file's contents, with the file's name.
fn about(path: &Path) -> impl Fn(Error) -> Error {
    move |error| error.context(path_text(path))
}

fn path_text(path: &Path) -> impl Display {
    path.display().to_string()
}

/// A random word, never 0.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now()) | 1
}
