//! The `WATERMARK` clause: looks at the event times of the rows that pass. All do, unless the query turns away those
//! that lie too far ahead of the clock.

use core::any::Any;

use crate::{
    block::{Bitmap, BlockRef, ColumnRef, Values},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    watermark::EventTimeStats,
};

#[derive(Debug)]
pub(in crate::exec) struct WatermarkOperator {
    column: usize,
    seen: EventTimeStats,
    /// The rows that pass, of a block that has others.
    passed: Bitmap,
}

impl WatermarkOperator {
    pub(in crate::exec) fn new(column: usize) -> Self {
        Self { column, seen: EventTimeStats::default(), passed: Bitmap::new() }
    }

    fn look_at(&mut self, block: &BlockRef<'_>) {
        let (column, seen) = (block.column(self.column), &mut self.seen);
        match column.values {
            Values::Int64(ts) if column.validity.is_none() && !column.is_constant => {
                seen.add_all(&ts[..block.len()], block.rows().selection(), block.times(self.column));
            }
            _ => block.rows().for_each(|row| seen.add(event_time(&column, row).unwrap_or(0))),
        }
    }

    /// Counts the rows that are later than they may be; false if there are none, else `passed` has the others.
    fn turn_away(&mut self, block: &BlockRef<'_>, latest_us: i64) -> bool {
        if block.times(self.column).is_some_and(|times| times.max <= latest_us) {
            return false;
        }
        let column = block.column(self.column);
        if let Values::Int64(ts) = column.values
            && !column.is_constant
            && !ts[..block.len()].iter().fold(false, |any, ts| any | (*ts > latest_us))
        {
            return false;
        }
        let mut ahead = 0;
        self.passed.clear();
        self.passed.resize(block.len(), false);
        block.rows().for_each(|row| {
            let is_ahead = event_time(&column, row).is_some_and(|ts| ts > latest_us);
            self.passed.set(row, !is_ahead);
            ahead += u64::from(is_ahead);
        });
        self.seen.ahead += ahead;
        ahead > 0
    }
}

impl Operator for WatermarkOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if epoch.latest_us == i64::MAX || !self.turn_away(block, epoch.latest_us) {
            self.look_at(block);
            return out.push(block);
        }
        let passed = core::mem::take(&mut self.passed);
        let block = block.select(Some(passed.view()));
        self.look_at(&block);
        let pushed = out.push(&block);
        self.passed = passed;
        pushed
    }

    fn take_event_times(&mut self) -> Option<EventTimeStats> {
        Some(core::mem::take(&mut self.seen))
    }

    fn absorb(&mut self, other: &mut dyn Operator, _: Option<&Epoch>) -> Result<()> {
        if let Some(stats) = other.take_event_times() {
            self.seen.merge(&stats);
        }
        Ok(())
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The event time of a row: the timestamp itself, or the end of a window.
#[inline]
pub(in crate::exec) fn event_time(column: &ColumnRef<'_>, row: usize) -> Option<i64> {
    if !column.is_valid(row) {
        return None;
    }
    let i = column.index(row);
    match column.values {
        Values::Int64(ts) => Some(ts[i]),
        Values::Struct(fields) => event_time(&fields[1].view(), i),
        _ => panic!("event time of type {}", column.data_type),
    }
}
