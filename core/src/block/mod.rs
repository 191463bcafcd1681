//! The unit that travels: a block of rows, column by column, in Arrow's memory layout.
//!
//! ```text
//!   Block (owned, pooled)      a ring's mapped block        a projection
//!        └───────────────┬───────────────┴──────────────────────┘
//!                   dyn Columns ──► BlockRef { columns, rows, selection } ──► operators
//! ```
//! Operators see a [`BlockRef`]: columns by index, borrowed from wherever they lie, and an optional selection (the
//! rows that earlier filters let through). Nobody below a `BlockRef` knows whether the bytes are ours or mapped.

mod append;
mod bitmap;
mod buffer;
mod column;
mod gather;
mod order;
mod times;
mod upcoming;
mod value;
mod view;

use alloc::vec::Vec;

pub use bitmap::{Bitmap, BitmapRef};
pub use buffer::Buffer;
pub use column::{Column, ColumnValues, Native};
pub(crate) use order::sort_rows;
pub use order::{compare, compare_floats, compare_nullable};
pub use times::{Times, Told};
pub use upcoming::{Foresight, Upcoming};
pub use value::Value;
pub use view::{BytesRef, ColumnRef, Rows, Values};

use crate::schema::Schema;

/// Anything that has columns of one length: owned blocks, ring blocks, projections of either.
pub trait Columns {
    /// The column at a position of the schema that both sides agreed on at plan time.
    fn column(&self, index: usize) -> ColumnRef<'_>;

    /// Where a column lies that will be read later; `None` if it was made just now, and so is in the cache.
    fn place(&self, index: usize) -> Option<Upcoming> {
        Upcoming::of(&self.column(index))
    }

    /// What is known of a column of timestamps without a look at them, if whoever wrote them said anything.
    fn told(&self, _index: usize) -> Option<Told> {
        None
    }
}

/// A borrowed block: what operators take.
#[derive(Clone, Copy)]
pub struct BlockRef<'a> {
    columns: &'a dyn Columns,
    len: usize,
    selection: Option<BitmapRef<'a>>,
    upcoming: Option<Upcoming>,
}

impl<'a> BlockRef<'a> {
    /// A block of `len` rows, all selected.
    pub fn new(columns: &'a dyn Columns, len: usize) -> Self {
        Self { columns, len, selection: None, upcoming: None }
    }

    /// The same block, of which only the rows with a set bit count.
    pub fn select(self, selection: Option<BitmapRef<'a>>) -> Self {
        if let Some(bits) = selection {
            assert_eq!(bits.len(), self.len, "a selection has one bit a row");
        }
        Self { selection, ..self }
    }

    /// The same block, with what whoever computes on it shall ask for: the column of the next block that is read before
    /// anything is computed.
    pub fn foresee(self, upcoming: Option<Upcoming>) -> Self {
        Self { upcoming, ..self }
    }

    /// What is to be asked for while the block is worked on.
    pub fn upcoming(&self) -> Option<Upcoming> {
        self.upcoming
    }

    /// The column at a position.
    pub fn column(&self, index: usize) -> ColumnRef<'a> {
        self.columns.column(index)
    }

    /// Where the column at a position lies, unless it is in the cache.
    pub fn place(&self, index: usize) -> Option<Upcoming> {
        self.columns.place(index)
    }

    /// What the timestamps of the rows that count have in common, none of which is NULL, if that is known without a
    /// look at them.
    pub fn times(&self, index: usize) -> Option<Times> {
        self.told(index).filter(|told| told.are_all).map(|told| told.times)
    }

    /// Two times between which all of the rows that count lie, none of which is NULL, if that is known without a look
    /// at them.
    pub fn time_bounds(&self, index: usize) -> Option<(i64, i64)> {
        self.told(index).map(|Told { times, .. }| (times.min, times.max))
    }

    /// What is known of the times of the rows that count.
    pub fn told(&self, index: usize) -> Option<Told> {
        let Told { times, are_all } = self.columns.told(index)?;
        Some(Told { times, are_all: are_all && self.selection.is_none() })
    }

    /// Rows in the block, selected or not: the length of every column.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if the block has no rows at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows that count.
    pub fn rows(&self) -> Rows<'a> {
        Rows::new(self.len, self.selection)
    }
}

impl core::fmt::Debug for BlockRef<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockRef").field("len", &self.len).field("selection", &self.selection).finish_non_exhaustive()
    }
}

/// An owned block; reused by whoever filled it (`clear` keeps the memory).
#[derive(Clone, Debug, Default)]
pub struct Block {
    columns: Vec<Column>,
    len: usize,
}

impl Block {
    /// An empty block with one column a field.
    pub fn new(schema: &Schema) -> Self {
        Self { columns: schema.fields().iter().map(|f| Column::new(f.data_type.clone())).collect(), len: 0 }
    }

    /// Bytes that it has set aside.
    pub fn memory_bytes(&self) -> usize {
        self.columns.iter().map(Column::memory_bytes).sum()
    }

    /// A block of finished columns of one length.
    pub fn from_columns(columns: Vec<Column>, len: usize) -> Self {
        let block = Self { columns, len };
        block.check();
        block
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Column::clear);
        self.len = 0;
    }

    /// The columns, to be filled; call [`Block::set_len`] when all have the new length.
    pub fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Declares the number of rows after the columns were filled.
    pub fn set_len(&mut self, len: usize) {
        self.len = len;
        self.check();
    }

    /// Rows in the block.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if the block has no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one row of values, one a column. For tests, literals and the ends of the world, not for hot paths.
    pub fn push_row(&mut self, row: &[Value]) {
        assert_eq!(row.len(), self.columns.len(), "a row has one value a column");
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push_value(value);
        }
        self.len += 1;
    }

    /// Borrows the block for an operator.
    pub fn view(&self) -> BlockRef<'_> {
        BlockRef::new(self, self.len)
    }

    fn check(&self) {
        for column in &self.columns {
            assert_eq!(column.len(), self.len, "columns of a block have one length");
        }
    }
}

impl Columns for Block {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.columns[index].view()
    }
}
