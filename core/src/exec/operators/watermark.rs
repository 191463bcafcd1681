//! The `WATERMARK` clause: looks at the event times of the rows that pass, changes nothing.

use core::any::Any;

use crate::{
    block::{BlockRef, ColumnRef, Values},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    watermark::EventTimeStats,
};

#[derive(Debug)]
pub(in crate::exec) struct WatermarkOperator {
    column: usize,
    seen: EventTimeStats,
}

impl WatermarkOperator {
    pub(in crate::exec) fn new(column: usize) -> Self {
        Self { column, seen: EventTimeStats::default() }
    }
}

impl Operator for WatermarkOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, _: &Epoch, out: &mut dyn Output) -> Result<()> {
        let (column, seen) = (block.column(self.column), &mut self.seen);
        match column.values {
            Values::Int64(ts) if column.validity.is_none() && !column.is_constant => {
                seen.add_all(&ts[..block.len()], block.rows().selection());
            }
            _ => block.rows().for_each(|row| seen.add(event_time(&column, row).unwrap_or(0))),
        }
        out.push(block)
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
