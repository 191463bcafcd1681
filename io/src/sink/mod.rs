//! Where rows go. A [`Sink`] takes the blocks of one epoch between `begin` and `commit`.

mod file;
mod memory;
pub mod registry;
mod ring;

pub use file::FileSink;
pub use memory::{ForeachBatch, ForeachBatchSink, MemorySink};
pub(crate) use registry::buffer_bytes;
pub use registry::{SinkContext, check, open, writable};
pub use ring::RingSink;

use std::{fmt, time::Duration};

use firesteel_core::{Result, block::BlockRef};

/// Takes results. Blocks are only borrowed.
pub trait Sink: Send + fmt::Debug {
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

    /// How long the next epoch of live rows should wait, for sinks that many small epochs would harm.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// The query is over: release everything.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
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
