//! LIMIT and OFFSET: the first rows of a batch, of a stream as a whole (append), or of each trigger (complete).

use alloc::vec::Vec;
use core::any::Any;

use crate::{
    block::{Bitmap, BlockRef},
    codec::Scalar,
    error::Result,
    exec::operator::{Epoch, Operator, Output, StateMetrics},
    plan::OutputMode,
};

#[derive(Debug)]
pub(in crate::exec) struct LimitOperator {
    limit: u64,
    offset: u64,
    is_stream: bool,
    /// Only rows that stay come from below: they are counted over all triggers in every output mode.
    is_of_new_rows: bool,
    // State: rows seen, counting those that were skipped.
    seen: u64,
    // Scratch.
    passed: Bitmap,
}

impl LimitOperator {
    pub(in crate::exec) fn new(limit: Option<u64>, offset: u64, is_stream: bool, is_of_new_rows: bool) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        Self { limit, offset, is_stream, is_of_new_rows, seen: 0, passed: Bitmap::new() }
    }

    fn end(&self) -> u64 {
        self.offset.saturating_add(self.limit)
    }
}

impl Operator for LimitOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, _: &Epoch, out: &mut dyn Output) -> Result<()> {
        let count = block.rows().count() as u64;
        let (before, after) = (self.seen, self.seen.saturating_add(count));
        self.seen = after;
        if before >= self.offset && after <= self.end() {
            return out.push(block);
        }
        if after <= self.offset || before >= self.end() {
            return Ok(());
        }
        let (offset, end, passed) = (self.offset, self.end(), &mut self.passed);
        passed.clear();
        passed.resize(block.len(), false);
        let mut position = before;
        block.rows().for_each(|row| {
            passed.set(row, (offset..end).contains(&position));
            position += 1;
        });
        out.push(&block.select(Some(self.passed.view())))
    }

    fn finish(&mut self, epoch: &Epoch, _: &mut dyn Output) -> Result<()> {
        if epoch.mode != Some(OutputMode::Append) && !(self.is_stream && self.is_of_new_rows) {
            self.seen = 0;
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        // A stream goes on: its later rows still count, and a trigger in complete mode starts anew.
        self.is_stream || self.seen < self.end()
    }

    fn state_metrics(&self) -> Option<StateMetrics> {
        let metrics =
            StateMetrics { operator_name: "globalLimit", rows_total: 1, memory_bytes: 8, ..Default::default() };
        self.is_stream.then_some(metrics)
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.seen.save(out);
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        self.seen = u64::load(bytes)?;
        Ok(())
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
