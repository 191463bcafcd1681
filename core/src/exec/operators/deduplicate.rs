//! The first row of each key. A stream remembers keys until the watermark says that none like it can come: keys with
//! the event time in them at that time, others for good, or for the watermark's delay if that is asked for.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::{any::Any, cmp::Reverse};

use super::watermark::event_time;
use crate::{
    block::{Bitmap, BlockRef, ColumnRef},
    codec::{self, Scalar},
    error::{Error, Result},
    exec::operator::{Epoch, Operator, Output, StateMetrics},
    plan::{Deduplicate, event_time_of},
    state::KeyTable,
};

/// Of saved state.
const VERSION: u8 = 1;

#[derive(Debug)]
pub(in crate::exec) struct DeduplicateOperator {
    // Properties.
    columns: Vec<usize>,
    event_time: Option<usize>,
    /// How long after its event time a key is forgotten; `None` for never.
    kept_us: Option<i64>,
    // State: the keys, and when each may go.
    keys: KeyTable,
    expiring: BinaryHeap<Reverse<(i64, u32)>>,
    /// By id, whether a row of the key has been seen.
    is_known: Bitmap,
    // Metrics.
    metrics: StateMetrics,
    new_rows: u64,
    late_rows: u64,
    // Scratch.
    ids: Vec<u32>,
    passed: Bitmap,
}

impl DeduplicateOperator {
    pub(in crate::exec) fn new(node: &Deduplicate) -> Self {
        let schema = node.input.schema();
        let event_time = event_time_of(schema);
        let delay_us = event_time.and_then(|i| schema.field(i).event_time).map(|e| e.delay_us);
        let kept_us = match node.within_watermark {
            true => delay_us,
            false => event_time.filter(|i| node.keys.contains(i)).map(|_| 0),
        };
        let name = if node.within_watermark { "dedupeWithinWatermark" } else { "dedupe" };
        Self {
            columns: node.keys.clone(),
            event_time,
            kept_us,
            keys: KeyTable::new(node.keys.iter().map(|&i| schema.field(i).data_type.clone()).collect()),
            expiring: BinaryHeap::new(),
            is_known: Bitmap::new(),
            metrics: StateMetrics { operator_name: name, ..StateMetrics::default() },
            new_rows: 0,
            late_rows: 0,
            ids: Vec::new(),
            passed: Bitmap::new(),
        }
    }

    /// Marks the rows that are not late.
    fn find_in_time(&mut self, times: Option<&ColumnRef<'_>>, block: &BlockRef<'_>, epoch: &Epoch) {
        let (passed, late_rows) = (&mut self.passed, &mut self.late_rows);
        let times = times.filter(|_| epoch.has_lateness());
        passed.clear();
        passed.resize(block.len(), false);
        block.rows().for_each(|row| {
            let is_late = times.and_then(|t| event_time(t, row)).is_some_and(|ts| ts <= epoch.lateness.late_us);
            passed.set(row, !is_late);
            *late_rows += u64::from(is_late);
        });
    }

    /// Of the rows marked, leaves the first of each key that was not known.
    fn find_new(&mut self, times: Option<&ColumnRef<'_>>, block: &BlockRef<'_>) -> Result<()> {
        let columns: Vec<ColumnRef<'_>> = self.columns.iter().map(|&c| block.column(c)).collect();
        let in_time = core::mem::take(&mut self.passed);
        let rows = block.select(Some(in_time.view()));
        self.keys.assign(&columns, &rows.rows(), &mut self.ids)?;
        let mut passed = in_time.clone();
        if self.keys.id_bound() > self.is_known.len() {
            self.is_known.resize(self.keys.id_bound(), false);
        }
        rows.rows().for_each(|row| {
            let id = self.ids[row];
            let is_new = !self.is_known.view().get(id as usize);
            passed.set(row, is_new);
            if !is_new {
                return;
            }
            self.is_known.set(id as usize, true);
            self.new_rows += 1;
            if let Some(kept_us) = self.kept_us {
                let ts = times.and_then(|t| event_time(t, row)).unwrap_or(0);
                self.expiring.push(Reverse((ts.saturating_add(kept_us), id)));
            }
        });
        self.passed = passed;
        Ok(())
    }

    fn forget(&mut self, until_us: i64) -> u64 {
        let mut removed = 0;
        while let Some(&Reverse((expires_us, id))) = self.expiring.peek()
            && expires_us <= until_us
        {
            self.expiring.pop();
            self.keys.remove(id);
            self.is_known.set(id as usize, false);
            removed += 1;
        }
        removed
    }
}

impl Operator for DeduplicateOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let times = self.event_time.map(|i| block.column(i));
        self.find_in_time(times.as_ref(), block, epoch);
        self.find_new(times.as_ref(), block)?;
        if self.passed.view().count() == 0 {
            return Ok(());
        }
        out.push(&block.select(Some(self.passed.view())))
    }

    fn finish(&mut self, epoch: &Epoch, _: &mut dyn Output) -> Result<()> {
        let removed = match epoch.mode {
            Some(_) => self.forget(epoch.lateness.evict_us),
            None => {
                self.keys.clear();
                self.expiring.clear();
                self.is_known.clear();
                0
            }
        };
        let late_rows = core::mem::take(&mut self.late_rows);
        self.metrics = StateMetrics {
            rows_total: self.keys.len() as u64,
            rows_updated: core::mem::take(&mut self.new_rows),
            rows_removed: removed,
            rows_dropped_by_watermark: late_rows,
            rows_late: late_rows,
            memory_bytes: (self.keys.memory_bytes() + self.expiring.capacity() * 16) as u64,
            ..self.metrics.clone()
        };
        Ok(())
    }

    fn state_metrics(&self) -> Option<StateMetrics> {
        Some(self.metrics.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        VERSION.save(out);
        self.keys.save(out);
        codec::save_count(self.expiring.len(), out);
        for &Reverse((expires_us, id)) in &self.expiring {
            expires_us.save(out);
            id.save(out);
        }
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        codec::load_version(bytes, VERSION, "keys")?;
        self.keys.load(bytes)?;
        // A key that is remembered has had its row.
        self.is_known.resize(self.keys.id_bound(), false);
        self.keys.ids().for_each(|id| self.is_known.set(id as usize, true));
        let mut has_end = Bitmap::new();
        has_end.resize(self.keys.id_bound(), false);
        for _ in 0..codec::load_count(bytes, 12)? {
            let expires_us = i64::load(bytes)?;
            let id = self.keys.load_id(bytes)?;
            if has_end.view().get(id as usize) {
                return Err(Error::corrupt("a saved key expires twice"));
            }
            has_end.set(id as usize, true);
            self.expiring.push(Reverse((expires_us, id)));
        }
        Ok(())
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
