//! Where rows come from. A [`Source`] decides *what* the next epoch reads; a [`Reader`] reads it into blocks.
//!
//! ```text
//!   Source::plan ──► parts ──► Reader::read(part) ──► blocks        one reader a worker
//! ```
//! Planning and reading are apart so that the rows of an epoch are fixed before the first is read (that is what a
//! checkpoint remembers), and so that several workers can read parts of one epoch.

mod dropped;
mod file;
mod file_reader;
pub mod host;
mod memory;
mod meter;
pub mod options;
mod pipe;
mod place;
mod rate;
pub mod registry;
mod ring;
#[cfg(test)]
pub(crate) mod testing;

pub use dropped::Dropped;
pub use file::FileSource;
pub use file_reader::{Decoding, FileReader};
pub use host::HostSource;
pub use memory::{MemorySource, MemoryTable, MemoryTables};
pub use meter::Meter;
pub use pipe::{PipeInput, PipeSource};
pub use rate::{RateMicroBatchSource, RateSource};
pub(crate) use registry::buffer_bytes;
pub use registry::{Provider, SourceContext, find, is_bounded, nothing_there, open, providers, schema_of, warnings};
pub use ring::RingSource;
pub(crate) use ring::ring_options;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use firesteel_core::{Error, Result, block::BlockRef};
use serde_json::Value as Json;

use crate::ring::Wait;

/// A table being read as a stream, or once as a batch.
pub trait Source: Send {
    /// Spark's description, e.g. `FileStreamSource[file:/data/in]`.
    fn description(&self) -> String;

    /// Fixes what the next epoch reads: everything that is there, up to the table's rate limit. Adds it to `parts`, in
    /// order, and gives false if nothing new is there. Called only after the epoch before was committed.
    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool>;

    /// Spark's offset behind what was planned last; `null` before that.
    fn offset(&self) -> Json;

    /// A reader of this table's parts; each worker has its own.
    fn reader(&mut self) -> Result<Box<dyn Reader>>;

    /// The epoch that was planned last is done with: its rows will not be asked for again.
    fn commit(&mut self) -> Result<()>;

    /// Waits until [`Source::plan`] may have something, at most so long. Sources that cannot tell sleep; only those
    /// that are stored to by others as we look wait in the manner of `how`.
    fn wait(&mut self, timeout: Duration, _how: Wait) -> Result<()> {
        std::thread::sleep(timeout);
        Ok(())
    }

    /// Takes what is there now as all there will ever be (`--available-now`, and every file table).
    fn freeze(&mut self) -> Result<()>;

    /// Whether nothing more can come: a frozen source that has been read, or an input that has ended.
    fn is_exhausted(&self) -> bool;

    /// Whether the input has truly ended, as a pipe does at end of file: then open windows close, too.
    fn has_ended(&self) -> bool {
        false
    }

    /// Whether the table has an `idleTimeout` and has had no row for so long: the watermarks of other tables do not
    /// wait for it then. `None` without the option.
    fn is_idle(&self) -> Option<bool> {
        None
    }

    /// Changes when a static table must be read again.
    fn fingerprint(&mut self) -> Result<u64> {
        Ok(0)
    }

    /// Where the next epoch begins: what a checkpoint remembers, for [`Source::seek`]. `null` for sources that cannot
    /// go back (pipes, sensors).
    fn position(&self) -> Json {
        Json::Null
    }

    /// Goes on from a position that an earlier run of the same table had; called before the first plan and before
    /// [`Source::freeze`]. The position comes from a file: one that is none of this kind of table is an error that says
    /// what is wrong.
    fn seek(&mut self, position: &Json) -> Result<()> {
        match position {
            Json::Null => Ok(()),
            other => Err(Error::corrupt(format!("the position {other} belongs to another kind of table"))),
        }
    }

    /// From now on rows stay where others keep them for this table until they are released: after a crash they are
    /// asked for again. `name` tells this reader from all others and is the same in the next run; `checkpoint` is
    /// the folder that says up to where they are not needed any more.
    fn hold(&mut self, _name: &str, _checkpoint: &Path) -> Result<()> {
        Ok(())
    }

    /// No run will ever ask for what lies before this position.
    fn release(&mut self, _position: &Json) -> Result<()> {
        Ok(())
    }

    /// How much of the room that others have for held rows is taken, 0.0 to 1.0: near 1 producers wait or drop rows.
    fn pressure(&self) -> f64 {
        0.0
    }

    /// Whether [`Source::seek`] can bring rows back after a crash.
    fn is_replayable(&self) -> bool {
        false
    }

    /// What a user should know of this table and was not told yet.
    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Rows that did not parse or were lost, by reason, since the table was opened.
    fn dropped(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// What a progress report shows as metrics of the source.
    fn metrics(&self) -> Vec<(String, u64)> {
        self.dropped()
    }

    /// What others have put here for this table, and what became of it. `None` if rows come into being only when they
    /// are read.
    fn account(&self) -> Option<Account> {
        None
    }
}

/// What no one prints is not compiled: each type would bring the code for all its parts.
impl fmt::Debug for dyn Source + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

/// Rows that others have put into a table since it was opened, counted where they lie and not where they are read; all
/// at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All of them.
    pub accepted: u64,
    /// [`Source::dropped`].
    pub dropped: Vec<(String, u64)>,
    /// Not dropped, and not in an epoch that was committed.
    pub pending: u64,
}

/// Reads parts of one table into blocks.
pub trait Reader: Send {
    /// Reads a part, handing each block to `sink`. Gives the number of rows, which Spark calls input rows.
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64>;
}

impl fmt::Debug for dyn Reader + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// A piece of an epoch that one worker reads.
#[derive(Clone, Debug)]
pub enum Part {
    /// The lines of a file that begin in a range of its bytes; of most files, all.
    File {
        /// Its path.
        path: PathBuf,
        /// First byte of the range.
        start: u64,
        /// First byte that is not in it; `None`: the file's end, wherever it is by then.
        end: Option<u64>,
        /// Bytes in it when it was planned, for progress bars.
        bytes: u64,
    },
    /// Numbered rows of a generator, from `start` up to `end`, and the event time of the first (microseconds).
    Rows {
        /// First row.
        start: i64,
        /// First row that is not in it.
        end: i64,
        /// Meaning is the source's own.
        at_us: i64,
    },
    /// Numbered rows of one lane of a ring.
    Lane {
        /// The lane's key.
        key: Arc<str>,
        /// First row.
        start: u64,
        /// First row that is not in it.
        end: u64,
    },
    /// Whatever the reader finds when it looks: pipes, sensors.
    Live,
}

impl Part {
    /// Whether an epoch has these rows only because they were there when it began.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Lane { .. } | Self::Live)
    }
}
