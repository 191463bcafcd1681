//! Results in memory, for programs: in a table that grows with each epoch, or handed to a function, epoch by epoch.

use std::fmt;

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef},
    limits::BLOCK_ROWS,
    plan::OutputMode,
    schema::Schema,
};

use super::Sink;
use crate::source::MemoryTable;

/// The rows of one epoch, copied.
#[derive(Debug)]
struct Gathered {
    schema: Schema,
    blocks: Vec<Block>,
}

impl Gathered {
    fn new(schema: Schema) -> Self {
        Self { schema, blocks: Vec::new() }
    }

    /// Small blocks share one, so that an epoch of few rows is one block.
    fn add(&mut self, block: &BlockRef<'_>) {
        let count = block.rows().count();
        match self.blocks.last_mut() {
            Some(last) if last.len() + count <= BLOCK_ROWS => last.append(block),
            _ if count > 0 => {
                let mut copy = Block::new(&self.schema);
                copy.append(block);
                self.blocks.push(copy);
            }
            _ => {}
        }
    }

    fn rows(&self) -> u64 {
        self.blocks.iter().map(|block| block.len() as u64).sum()
    }

    fn take(&mut self) -> Vec<Block> {
        core::mem::take(&mut self.blocks)
    }
}

/// Writes a table in memory. An epoch's rows appear together, when it is committed.
#[derive(Debug)]
pub struct MemorySink {
    table: MemoryTable,
    is_complete: bool,
    epoch: Gathered,
    rows: u64,
}

impl MemorySink {
    /// In complete mode each epoch replaces the rows; otherwise it adds to them.
    pub fn new(table: MemoryTable, mode: Option<OutputMode>) -> Self {
        let epoch = Gathered::new(table.schema().clone());
        Self { table, is_complete: mode == Some(OutputMode::Complete), epoch, rows: 0 }
    }
}

impl Sink for MemorySink {
    fn description(&self) -> String {
        "MemorySink".into()
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.epoch.take();
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.epoch.add(block);
        Ok(())
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        self.rows = self.epoch.rows();
        let blocks = self.epoch.take();
        if self.is_complete {
            self.table.replace(blocks);
        } else {
            self.table.add_blocks(blocks);
        }
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}

/// A function that gets the rows of each epoch, and the epoch's number: Spark's `foreachBatch`.
pub type ForeachBatch = Box<dyn FnMut(Vec<Block>, u64) -> Result<()> + Send>;

/// Hands each epoch's rows to a function; also epochs without rows, as Spark does.
pub struct ForeachBatchSink {
    function: ForeachBatch,
    epoch: Gathered,
    rows: u64,
}

impl ForeachBatchSink {
    /// `schema` is that of the rows.
    pub fn new(schema: Schema, function: ForeachBatch) -> Self {
        Self { function, epoch: Gathered::new(schema), rows: 0 }
    }
}

impl fmt::Debug for ForeachBatchSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeachBatchSink").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Sink for ForeachBatchSink {
    fn description(&self) -> String {
        "ForeachBatchSink".into()
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.epoch.take();
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.epoch.add(block);
        Ok(())
    }

    fn commit(&mut self, epoch: u64) -> Result<()> {
        self.rows = self.epoch.rows();
        let blocks = self.epoch.take();
        (self.function)(blocks, epoch).map_err(|error| {
            let error: Error = error.context(format!("the function for epoch {epoch}"));
            if error.error_class().is_none() { error.class("FOREACH_BATCH_USER_FUNCTION_ERROR") } else { error }
        })
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use firesteel_core::block::Value;

    use super::*;

    fn block(values: std::ops::Range<i64>) -> (Schema, Block) {
        let schema = Schema::parse_ddl("x BIGINT").unwrap();
        let mut block = Block::new(&schema);
        values.for_each(|x| block.push_row(&[x.into()]));
        (schema, block)
    }

    fn run(sink: &mut dyn Sink, epoch: u64, blocks: &[std::ops::Range<i64>]) {
        sink.begin(epoch).unwrap();
        blocks.iter().for_each(|values| sink.write(&block(values.clone()).1.view()).unwrap());
        sink.commit(epoch).unwrap();
    }

    #[test]
    fn a_memory_sink_adds_or_replaces_when_an_epoch_is_committed() {
        for (mode, expected) in [(OutputMode::Append, vec![0, 1, 2, 5]), (OutputMode::Complete, vec![5])] {
            let table = MemoryTable::new(block(0..0).0);
            let mut sink = MemorySink::new(table.clone(), Some(mode));
            run(&mut sink, 0, &[0..2, 2..3]);
            assert_eq!((sink.rows_written(), table.row_count()), (3, 3));
            sink.begin(1).unwrap();
            sink.write(&block(8..9).1.view()).unwrap();
            assert_eq!(table.row_count(), 3, "not committed");
            run(&mut sink, 1, &[5..5, 5..6]);
            let expected: Vec<_> = expected.into_iter().map(|x| vec![Value::Int64(x)]).collect();
            assert_eq!(table.rows(), expected);
        }
    }

    #[test]
    fn a_function_gets_the_rows_of_an_epoch_and_its_number() {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let function: ForeachBatch = Box::new(move |blocks, epoch| {
            seen.lock().unwrap().push((epoch, blocks.iter().map(Block::len).collect::<Vec<_>>()));
            if epoch == 8 { Err(Error::invalid("no")) } else { Ok(()) }
        });
        let mut sink = ForeachBatchSink::new(block(0..0).0, function);
        run(&mut sink, 7, &[0..2, 0..BLOCK_ROWS as i64, 2..3]);
        sink.begin(8).unwrap();
        let error = sink.commit(8).unwrap_err();
        assert_eq!(*calls.lock().unwrap(), [(7, vec![2, BLOCK_ROWS, 1]), (8, vec![])]);
        assert_eq!(error.error_class(), Some("FOREACH_BATCH_USER_FUNCTION_ERROR"));
    }
}
