//! Where rows go. A [`Sink`] takes the blocks of one epoch between `begin` and `commit`.

mod file;
mod memory;
mod patience;
pub mod registry;
mod ring;

pub use file::FileSink;
pub use memory::{ForeachBatch, ForeachBatchSink, MemorySink};
pub use patience::{Attendant, Patience};
pub(crate) use registry::buffer_bytes;
pub use registry::{SinkContext, check, open, writable};
pub use ring::RingSink;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use firesteel_core::{Result, block::BlockRef};
use serde_json::Value as Json;

/// Takes results. Blocks are only borrowed.
pub trait Sink: Send {
    /// Spark's description, e.g. `FileSink[/data/out]`.
    fn description(&self) -> String;

    /// An epoch starts. Its number is the same if the epoch is run again after a crash.
    fn begin(&mut self, epoch: u64) -> Result<()>;

    /// Takes rows of the epoch. [`firesteel_core::Error::stopped`] says that nobody wants more.
    fn write(&mut self, block: &BlockRef<'_>) -> Result<()>;

    /// The epoch is complete: make it visible.
    fn commit(&mut self, epoch: u64) -> Result<()>;

    /// Rows written in the epoch that was committed last.
    fn rows_written(&self) -> u64;

    /// Rows that were handed over and not written, by reason.
    fn rows_dropped(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// Rows of epochs that were committed and are still hidden.
    fn rows_pending(&self) -> u64 {
        0
    }

    /// Whether rows could be written now. A query that begins is refused if not; one that runs waits.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// How to wait for what takes the rows, from now on.
    fn attend(&mut self, _patience: Patience) {}

    /// How long the next epoch of live rows should wait, for sinks that many small epochs would harm.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// From now on what is committed stays hidden until it is published, because a crash before that takes it back.
    fn hold(&mut self) {}

    /// What a checkpoint must remember of all that has been committed, so that it can be published.
    fn prepare(&mut self) -> Result<Prepared> {
        Ok(Prepared::default())
    }

    /// One of the files that were prepared could not be made durable, and may be lost. It is written anew before
    /// anything else is prepared, or that fails.
    fn note_lost(&mut self, _file: &Path) {}

    /// Shows what was prepared, now that a checkpoint remembers it.
    fn publish(&mut self, _prepared: &Json) -> Result<()> {
        Ok(())
    }

    /// Goes on from a checkpoint: shows what it remembers as prepared, takes back what epochs from `next_epoch` on
    /// left.
    fn recover(&mut self, _prepared: &Json, _next_epoch: u64) -> Result<()> {
        Ok(())
    }

    /// The query is over: release everything.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for dyn Sink + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

/// Committed results that are not published yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    /// For [`Sink::publish`] and [`Sink::recover`].
    pub position: Json,
    /// Files that must be durable, their folders too, before a checkpoint may remember them.
    pub files: Vec<PathBuf>,
    /// Those of them that were written anew, in the place of files that were lost.
    pub renewed: Vec<PathBuf>,
}

/// Takes rows and forgets them.
#[derive(Debug, Default)]
pub struct NoopSink {
    rows: u64,
}

impl Sink for NoopSink {
    fn description(&self) -> String {
        "NoopSink".into()
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.rows = 0;
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.rows += block.rows().count() as u64;
        Ok(())
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}
