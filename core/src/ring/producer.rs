//! The writing side of a lane. One per lane; whoever owns the lane (see `firesteel-io`) makes sure of that.
//!
//! ```text
//!   attach ─► push, append ─► publish ─► ... ─► finish
//!                 │   ▲
//!            Full ▼   │ release(rows)        the caller finds out what readers have given back, and comes again
//! ```
//! Nothing here waits: a full lane is reported, and what to do about it is the caller's choice of [`OnFull`].

use alloc::{format, vec::Vec};

use super::{
    BlockNumber, ColumnLayout, Cursor, LaneHeader, Layout, OnFull, SlotHeader, control,
    region::RegionMut,
    rows_since,
    sync::{Ordering, fence},
    times::{self, BlockTimes},
};
use crate::{
    error::{Error, Result},
    schema::{DataType, Physical},
};

/// What became of rows offered to a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// All are in the lane.
    All,
    /// Only so many are; for the next one a block must be given back by the readers first.
    Full(usize),
}

/// The writing side of a lane.
#[derive(Debug)]
pub struct Producer {
    // Fixed properties.
    pub(super) region: RegionMut,
    pub(super) layout: Layout,
    on_full: OnFull,
    // State.
    /// The block being filled, and how many rows it has, published or not.
    pub(super) at: Cursor,
    /// Where the slot of that block lies.
    pub(super) slot: usize,
    /// Rows of the lane before that block.
    first_row: u64,
    /// False until the first block of a fresh lane was begun.
    begun: bool,
    published: Cursor,
    /// Rows that all readers have given back, as told for the next block; forgotten when that begins, because a reader
    /// who comes later may want what those before did not.
    released: Option<u64>,
    pub(super) fills: Vec<ColumnFill>,
    pub(super) times: BlockTimes,
    /// Whether any column has a heap.
    pub(super) has_strings: bool,
    /// Positions of selected rows, reused by `append`.
    pub(super) picks: Vec<u32>,
    // Metrics; the lane has them too, for others to see.
    dropped: u64,
    waits: u64,
}

/// A column of the current block: where it lies, and how far it is filled. All that storing a value needs, close
/// together.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnFill {
    // Fixed properties.
    pub physical: Physical,
    pub is_text: bool,
    pub is_nullable: bool,
    pub width: usize,
    // State.
    /// Where the values lie in the region.
    pub values_at: usize,
    /// Bytes in the heap.
    pub heap: usize,
    /// NULLs in the block. Validity bytes are kept from the first NULL on.
    pub nulls: u32,
}

impl Producer {
    /// Takes over a lane where its last producer left it: after its last published row.
    pub fn attach(region: RegionMut, header: &LaneHeader) -> Result<Self> {
        let layout = header.layout.clone();
        assert!(region.len() >= layout.slots_at() + layout.slot_bytes() * layout.geometry().slot_count);
        let word = region.load_u64(control::PUBLISHED, Ordering::Acquire);
        let published = Cursor::from_word(word, layout.geometry().block_rows).ok_or_else(damaged)?;
        let slot = layout.slot_at(published.block.slot(layout.geometry().slot_count));
        let fills = layout.columns().iter().map(|column| ColumnFill::new(column, slot)).collect();
        let mut producer = Self {
            on_full: header.on_full,
            at: published,
            slot,
            first_row: region.load_u64(slot + SlotHeader::FIRST_ROW, Ordering::Relaxed),
            begun: published.rows > 0,
            published,
            released: None,
            has_strings: layout.columns().iter().any(|column| column.physical == Physical::Bytes),
            fills,
            times: BlockTimes::new(&layout),
            picks: Vec::new(),
            dropped: region.load_u64(control::DROPPED, Ordering::Relaxed),
            waits: region.load_u64(control::WAITS, Ordering::Relaxed),
            region,
            layout,
        };
        producer.resume_fills()?;
        producer.region.store_u32(control::STATE, 0, Ordering::Release);
        Ok(producer)
    }

    /// Lets readers see all rows stored so far.
    #[inline]
    pub fn publish(&mut self) {
        if self.published != self.at {
            self.published = self.at;
            // Pairs with the acquire load in `Consumer::next`: a reader who sees this word sees the rows it counts.
            self.region.store_u64(control::PUBLISHED, self.at.word(), Ordering::Release);
        }
    }

    /// Publishes, and tells readers that no more rows will come from this producer.
    pub fn finish(&mut self) {
        self.publish();
        self.region.store_u32(control::STATE, 1, Ordering::Release);
    }

    /// Tells, after `Full`, that all readers have given back the rows before `row`: the next block may begin if that is
    /// enough for it. Once: for the block after it the readers are to be asked again.
    pub fn release(&mut self, row: u64) {
        self.released = Some(row);
    }

    /// After `Full`: up to which row readers must give back for the next block to begin.
    pub fn wanted(&self) -> Option<u64> {
        self.occupied_until(self.next_block())
    }

    /// Counts rows that were dropped because the lane was full.
    pub fn count_dropped(&mut self, rows: u64) {
        // Where it began is what the lane said.
        self.dropped = self.dropped.wrapping_add(rows);
        self.region.store_u64(control::DROPPED, self.dropped, Ordering::Relaxed);
    }

    /// Counts that the producer had to wait for readers.
    pub fn count_wait(&mut self) {
        self.waits = self.waits.wrapping_add(1);
        self.region.store_u64(control::WAITS, self.waits, Ordering::Relaxed);
    }

    /// Rows published in this lane since it was created.
    pub fn rows_published(&self) -> u64 {
        self.first_row.wrapping_add(self.published_rows_of_block() as u64)
    }

    /// Rows stored in this lane since it was created, published or not.
    pub fn rows_stored(&self) -> u64 {
        self.first_row.wrapping_add(self.at.rows as u64)
    }

    /// Rows dropped in this lane since it was created.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Times the producer waited in this lane since it was created.
    pub fn waits(&self) -> u64 {
        self.waits
    }

    /// What happens when the lane is full.
    pub fn on_full(&self) -> OnFull {
        self.on_full
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The memory.
    pub fn region(&self) -> &RegionMut {
        &self.region
    }

    /// Rows that still fit the current block, strings aside.
    pub(super) fn rows_left(&self) -> usize {
        if self.begun { self.layout.geometry().block_rows - self.at.rows } else { 0 }
    }

    /// Begins the next block if its slot is free: the current one, full or not, has its final row count then.
    pub(super) fn begin(&mut self) -> bool {
        let block = self.next_block();
        if self.on_full != OnFull::Overwrite && !self.is_released(block) {
            return false;
        }
        self.released = None;
        let rows = if self.begun { self.at.rows } else { 0 };
        if self.begun {
            self.publish();
            // Seen, as the row count, by whoever sees the next block.
            self.times.store(&self.region, self.slot, self.at.block, rows);
            self.region.store_u32(self.slot + SlotHeader::ROWS, rows as u32, Ordering::Relaxed);
        }
        self.first_row = self.first_row.wrapping_add(rows as u64);
        self.slot = self.layout.slot_at(block.slot(self.layout.geometry().slot_count));
        self.claim_slot(block);
        self.at = Cursor::new(block, 0);
        self.begun = true;
        true
    }

    fn claim_slot(&mut self, block: BlockNumber) {
        // Pairs with the acquire load in `Consumer::holds`: the block before this one is published.
        self.region.store_u64(self.slot + SlotHeader::STAMP, block.stamp(), Ordering::Release);
        // Pairs with the acquire fence in `Consumer::holds`: a reader who has copied any byte stored below, and then
        // looks at the stamp, sees the new one.
        fence(Ordering::Release);
        times::forget(&self.region, self.slot);
        self.region.store_u64(self.slot + SlotHeader::FIRST_ROW, self.first_row, Ordering::Relaxed);
        self.region.store_u32(self.slot + SlotHeader::ROWS, 0, Ordering::Relaxed);
        self.times.begin();
        for (column, fill) in self.layout.columns().iter().zip(&mut self.fills) {
            *fill = ColumnFill::new(column, self.slot);
            if column.nullable {
                self.region.store_u32(self.slot + column.nulls_at, 0, Ordering::Relaxed);
            }
        }
    }

    fn next_block(&self) -> BlockNumber {
        if self.begun { self.at.block.next() } else { self.at.block }
    }

    fn is_released(&self, block: BlockNumber) -> bool {
        let is_released = |end| self.released.is_some_and(|row| rows_since(row, end).is_some());
        self.occupied_until(block).is_none_or(is_released)
    }

    /// The row after the last of the block that still lies in the slot of `block`, if one does.
    fn occupied_until(&self, block: BlockNumber) -> Option<u64> {
        let slot_count = self.layout.geometry().slot_count;
        let old = block.minus(slot_count as u64);
        let slot = self.layout.slot_at(block.slot(slot_count));
        let stamp = self.region.load_u64(slot + SlotHeader::STAMP, Ordering::Relaxed);
        if stamp != old.stamp() {
            return None;
        }
        let after = self.layout.slot_at(old.next().slot(slot_count));
        Some(self.region.load_u64(after + SlotHeader::FIRST_ROW, Ordering::Relaxed))
    }

    #[cold]
    pub(super) fn too_long(&self, i: usize, bytes: usize) -> Error {
        let heap_bytes = self.layout.geometry().heap_bytes;
        let name = &self.layout.columns()[i].name;
        Error::limit(format!("a value of {bytes} bytes in column `{name}`: this ring takes up to {heap_bytes}"))
            .hint("create the ring with a larger capacity")
    }

    /// Stores a validity byte. The first NULL of a block also stores those of the rows before it.
    pub(super) fn mark(&mut self, i: usize, row: usize, valid: bool) {
        let column = &self.layout.columns()[i];
        let fill = &mut self.fills[i];
        let at = self.slot + column.validity_at;
        if fill.nulls == 0 {
            self.region.fill_bytes(at, row, 1);
        }
        self.region.write(at + row, u8::from(valid));
        if !valid {
            fill.nulls += 1;
            // Pairs with the acquire load in `view`: who sees that there are NULLs sees the bytes before this one.
            self.region.store_u32(self.slot + column.nulls_at, fill.nulls, Ordering::Release);
        }
    }

    fn published_rows_of_block(&self) -> usize {
        if self.published.block == self.at.block { self.published.rows } else { 0 }
    }

    /// Finds how far the columns of a half-filled block were filled, trusting nothing.
    fn resume_fills(&mut self) -> Result<()> {
        let stamp = self.region.load_u64(self.slot + SlotHeader::STAMP, Ordering::Relaxed);
        if self.begun && stamp != self.at.block.stamp() {
            return Err(damaged());
        }
        if !self.begun {
            return Ok(());
        }
        times::forget(&self.region, self.slot);
        for (column, fill) in self.layout.columns().iter().zip(&mut self.fills) {
            if column.nullable {
                fill.nulls = self.region.load_u32(self.slot + column.nulls_at, Ordering::Relaxed).min(u32::MAX / 2);
            }
            if column.physical == Physical::Bytes {
                let end = self.slot + column.values_at + (self.at.rows - 1) * column.width;
                fill.heap = self.region.load_u32(end, Ordering::Relaxed) as usize;
            }
        }
        let heap_bytes = self.layout.geometry().heap_bytes;
        if self.fills.iter().any(|fill| fill.heap > heap_bytes) { Err(damaged()) } else { Ok(()) }
    }
}

impl ColumnFill {
    fn new(column: &ColumnLayout, slot: usize) -> Self {
        Self {
            physical: column.physical,
            is_text: column.data_type == DataType::String,
            is_nullable: column.nullable,
            width: column.width,
            values_at: slot + column.values_at,
            heap: 0,
            nulls: 0,
        }
    }
}

pub(super) fn null_refused(column: &str) -> Error {
    Error::data(
        "NOT_NULL_CONSTRAINT_VIOLATION",
        format!("Column `{column}` of the ring is NOT NULL; a row has NULL there."),
    )
    .hint("filter such rows out, or create the ring with a nullable column")
}

fn damaged() -> Error {
    Error::corrupt("the lane's last block is damaged, nothing can be written behind it")
        .hint("write to another lane, or remove this one once it has been read")
}
