//! Rows one by one: how a producer takes a row of [`Cell`]s. The columns' places are at hand in
//! [`ColumnFill`](super::producer), so that storing a value is a compare, an addition and a store.

use alloc::format;

use super::{Cell, Producer, Pushed, producer::null_refused, sync::Ordering};
use crate::{
    error::{Error, Result},
    schema::Physical,
};

impl Producer {
    /// Stores one row, to be seen by readers at the next [`Producer::publish`]. A row that is refused with an error
    /// leaves no trace.
    #[inline]
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<Pushed> {
        if row.len() != self.fills.len() {
            return Err(Error::invalid(format!("a row of {} values for {} columns", row.len(), self.fills.len())));
        }
        // Asked of a full block, too: a string that no heap takes is refused before a block is begun for it.
        let has_heap = !self.has_strings || self.heaps_take(row)?;
        let has_room = has_heap && self.rows_left() > 0;
        if !has_room && !self.begin() {
            return Ok(Pushed::Full(0));
        }
        for (i, cell) in row.iter().enumerate() {
            if !self.store_cell(i, cell) {
                return Err(self.refuse(i, cell));
            }
        }
        if let Some(column) = self.times.column()
            && let Cell::I64(ts) = row[column]
        {
            self.times.add(ts);
        }
        self.at.rows += 1;
        Ok(Pushed::All)
    }

    /// Stores a value behind the last row; false if the column cannot hold it.
    #[inline]
    fn store_cell(&mut self, i: usize, cell: &Cell<'_>) -> bool {
        let fill = self.fills[i];
        let row = self.at.rows;
        let at = fill.values_at + row * fill.width;
        match (fill.physical, *cell) {
            (Physical::Int64, Cell::I64(x)) => self.region.write(at, x),
            (Physical::Float64, Cell::F64(x)) => self.region.write(at, x),
            (Physical::Int32, Cell::I32(x)) => self.region.write(at, x),
            (Physical::Boolean, Cell::Bool(x)) => self.region.write(at, u8::from(x)),
            (Physical::Int8, Cell::I8(x)) => self.region.write(at, x),
            (Physical::Int16, Cell::I16(x)) => self.region.write(at, x),
            (Physical::Float32, Cell::F32(x)) => self.region.write(at, x),
            (Physical::Int128, Cell::I128(x)) => self.region.write(at, x),
            (Physical::Bytes, Cell::Str(x)) => self.store_string(i, at, x.as_bytes()),
            (Physical::Bytes, Cell::Bytes(x)) if !fill.is_text => self.store_string(i, at, x),
            (physical, Cell::Null) if fill.is_nullable => {
                if physical == Physical::Bytes {
                    self.store_string(i, at, &[]);
                }
                self.mark(i, row, false);
                return true;
            }
            _ => return false,
        }
        if fill.nulls > 0 {
            self.mark(i, row, true);
        }
        true
    }

    fn store_string(&mut self, i: usize, at: usize, bytes: &[u8]) {
        let heap_at = self.slot + self.layout.columns()[i].heap_at;
        let fill = &mut self.fills[i];
        self.region.write_bytes(heap_at + fill.heap, bytes);
        fill.heap += bytes.len();
        self.region.write(at, fill.heap as u32);
    }

    /// Whether the heaps of the current block have room for the row's strings; an error if even empty ones had not.
    fn heaps_take(&self, row: &[Cell<'_>]) -> Result<bool> {
        let heap_bytes = self.layout.geometry().heap_bytes;
        let mut take = true;
        for (i, (fill, cell)) in self.fills.iter().zip(row).enumerate() {
            let len = cell.bytes().len();
            if fill.physical == Physical::Bytes && len > heap_bytes {
                return Err(self.too_long(i, len));
            }
            take &= fill.heap + len <= heap_bytes;
        }
        Ok(take)
    }

    /// Forgets what was stored of a row whose value for column `i` was refused, and says why.
    #[cold]
    fn refuse(&mut self, i: usize, cell: &Cell<'_>) -> Error {
        for fill in &mut self.fills {
            if fill.physical == Physical::Bytes {
                let last = self.at.rows.checked_sub(1).map(|row| fill.values_at + row * fill.width);
                fill.heap = last.map_or(0, |at| self.region.load_u32(at, Ordering::Relaxed) as usize);
            }
        }
        let column = &self.layout.columns()[i];
        if *cell == Cell::Null {
            return null_refused(&column.name);
        }
        Error::invalid(format!("column `{}` is {}, the value is {}", column.name, column.data_type, cell.kind()))
    }
}
