//! Columns into columns: how a producer takes a whole block. Selected rows are copied column by column, as many as fit
//! the lane's current block, and each lane block is published once.

use alloc::format;

use super::{Producer, Pushed, producer::null_refused};
use crate::{
    block::{BlockRef, ColumnRef, Native, Rows, Values},
    error::{Error, Result},
    schema::Physical,
};

/// The rows of the source that go into the current lane block.
#[derive(Clone, Copy)]
enum Picks<'a> {
    /// So many from this one on.
    Range(usize, usize),
    /// These.
    List(&'a [u32]),
}

impl Producer {
    /// Stores and publishes the rows that count of a block, from the `skip`-th of them on. If the lane fills up, tells
    /// how many it took; call again with so many more skipped.
    pub fn append(&mut self, block: &BlockRef<'_>, skip: usize) -> Result<Pushed> {
        self.check_block(block)?;
        let mut picks = core::mem::take(&mut self.picks);
        picks.clear();
        if block.rows().selection().is_some() {
            block.rows().for_each(|row| picks.push(row as u32));
        }
        let result = self.append_picked(block, block.rows(), &picks, skip);
        self.picks = picks;
        self.publish();
        result
    }

    fn append_picked(&mut self, block: &BlockRef<'_>, rows: Rows<'_>, list: &[u32], skip: usize) -> Result<Pushed> {
        let total = rows.count();
        let mut done = skip.min(total);
        while done < total {
            if self.rows_left() == 0 && !self.begin() {
                return Ok(Pushed::Full(done - skip));
            }
            let want = (total - done).min(self.rows_left());
            let picks = match rows.selection() {
                None => Picks::Range(done, want),
                Some(_) => Picks::List(&list[done..done + want]),
            };
            let fit = self.rows_that_fit(block, picks)?;
            if fit == 0 && !self.begin() {
                return Ok(Pushed::Full(done - skip));
            }
            self.store_rows(block, picks.first(fit));
            done += fit;
        }
        Ok(Pushed::All)
    }

    /// How many of the picked rows the heaps have room for; an error if one would not even fit an empty heap.
    fn rows_that_fit(&self, block: &BlockRef<'_>, picks: Picks<'_>) -> Result<usize> {
        let heap_bytes = self.layout.geometry().heap_bytes;
        let mut fit = picks.len();
        for (i, column) in self.layout.columns().iter().enumerate() {
            if column.physical != Physical::Bytes {
                continue;
            }
            let source = block.column(i);
            let mut heap = self.fills[i].heap;
            for k in 0..fit {
                let len = bytes_of(&source, picks.row(k)).len();
                if len > heap_bytes {
                    return Err(self.too_long(i, len));
                }
                if heap + len > heap_bytes {
                    fit = k;
                    break;
                }
                heap += len;
            }
        }
        Ok(fit)
    }

    fn store_rows(&mut self, block: &BlockRef<'_>, picks: Picks<'_>) {
        for i in 0..self.fills.len() {
            let source = block.column(i);
            match source.values {
                Values::Null => {}
                Values::Boolean(bits) => self.store_each(i, picks, |row| u8::from(bits.get(source.index(row)))),
                Values::Int8(values) => self.store_fixed(i, &source, values, picks),
                Values::Int16(values) => self.store_fixed(i, &source, values, picks),
                Values::Int32(values) => self.store_fixed(i, &source, values, picks),
                Values::Int64(values) => self.store_fixed(i, &source, values, picks),
                Values::Float32(values) => self.store_fixed(i, &source, values, picks),
                Values::Float64(values) => self.store_fixed(i, &source, values, picks),
                Values::Int128(values) => self.store_fixed(i, &source, values, picks),
                Values::Bytes(_) => self.store_bytes(i, &source, picks),
                Values::Interval(_) | Values::Struct(_) | Values::Array { .. } => {
                    unreachable!("the block was checked to have the lane's types")
                }
            }
            self.store_validity(i, &source, picks);
        }
        self.note_times(block, picks);
        self.at.rows += picks.len();
    }

    /// Looks at the times of the picked rows, while they are in the cache.
    fn note_times(&mut self, block: &BlockRef<'_>, picks: Picks<'_>) {
        let Some(source) = self.times.column().map(|column| block.column(column)) else { return };
        let Values::Int64(values) = source.values else { return };
        match picks {
            Picks::Range(start, len) if source.validity.is_none() && !source.is_constant => {
                self.times.add_all(&values[start..start + len]);
            }
            _ => {
                let rows = (0..picks.len()).map(|k| picks.row(k)).filter(|&row| source.is_valid(row));
                rows.for_each(|row| self.times.add(values[source.index(row)]));
            }
        }
    }

    fn store_fixed<T: Native>(&mut self, i: usize, source: &ColumnRef<'_>, values: &[T], picks: Picks<'_>) {
        match picks {
            Picks::Range(start, len) if !source.is_constant => {
                let at = self.value_at(i, 0);
                self.region.write_bytes(at, bytemuck::cast_slice(&values[start..start + len]));
            }
            _ => self.store_each(i, picks, |row| values[source.index(row)]),
        }
    }

    #[inline]
    fn store_each<T: bytemuck::Pod>(&mut self, i: usize, picks: Picks<'_>, value: impl Fn(usize) -> T) {
        let at = self.value_at(i, 0);
        (0..picks.len()).for_each(|k| self.region.write(at + k * size_of::<T>(), value(picks.row(k))));
    }

    fn store_bytes(&mut self, i: usize, source: &ColumnRef<'_>, picks: Picks<'_>) {
        let heap_at = self.slot + self.layout.columns()[i].heap_at;
        let mut heap = self.fills[i].heap;
        for k in 0..picks.len() {
            let bytes = bytes_of(source, picks.row(k));
            self.region.write_bytes(heap_at + heap, bytes);
            heap += bytes.len();
            self.region.write(self.value_at(i, k), heap as u32);
        }
        self.fills[i].heap = heap;
    }

    fn store_validity(&mut self, i: usize, source: &ColumnRef<'_>, picks: Picks<'_>) {
        if source.validity.is_none() && self.fills[i].nulls == 0 {
            return;
        }
        for k in 0..picks.len() {
            let valid = source.is_valid(picks.row(k));
            if !valid || self.fills[i].nulls > 0 {
                self.mark(i, self.at.rows + k, valid);
            }
        }
    }

    /// Where value `k` after the rows stored so far lies.
    fn value_at(&self, i: usize, k: usize) -> usize {
        let column = &self.layout.columns()[i];
        self.slot + column.values_at + (self.at.rows + k) * column.width
    }

    fn check_block(&self, block: &BlockRef<'_>) -> Result<()> {
        for (i, column) in self.layout.columns().iter().enumerate() {
            let source = block.column(i);
            if *source.data_type != column.data_type {
                return Err(Error::invalid(format!(
                    "column `{}` of the ring is {}, the rows have {}",
                    column.name, column.data_type, source.data_type
                ))
                .hint("cast it in the query"));
            }
            let refused = |row: usize| if source.is_valid(row) { Ok(()) } else { Err(null_refused(&column.name)) };
            if !column.nullable && source.validity.is_some() {
                block.rows().try_for_each(refused)?;
            }
        }
        Ok(())
    }
}

impl Picks<'_> {
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Range(_, len) => *len,
            Self::List(list) => list.len(),
        }
    }

    /// The `k`-th picked row.
    #[inline]
    fn row(&self, k: usize) -> usize {
        match self {
            Self::Range(start, _) => start + k,
            Self::List(list) => list[k] as usize,
        }
    }

    /// The first `len` of them.
    fn first(self, len: usize) -> Self {
        match self {
            Self::Range(start, _) => Self::Range(start, len),
            Self::List(list) => Self::List(&list[..len]),
        }
    }
}

/// The bytes of a row; none if it is NULL.
#[inline]
fn bytes_of<'a>(source: &ColumnRef<'a>, row: usize) -> &'a [u8] {
    if source.is_valid(row) { source.bytes_at(row) } else { &[] }
}
