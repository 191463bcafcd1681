//! The reading side of a lane: lends published rows as blocks, in order, each once, and notices what it lost.
//!
//! ```text
//!   new, seek ─► next ─► (use the block) ─► advance ─► next ─► ...
//! ```
//! The bytes are another process's. Every word that steers us is loaded once and checked; rows that may be overwritten
//! while we read them are copied, and believed only if the stamp says that their block was still there afterwards.

use alloc::{format, string::String, vec::Vec};

use super::{
    BlockNumber, Cursor, LaneHeader, Layout, OnFull, SlotHeader, control,
    region::Region,
    rows_since,
    sync::{Ordering, fence},
    times,
    view::ColumnView,
};
use crate::{
    block::{BlockRef, ColumnRef, Columns, Times, Told, Upcoming},
    error::{Error, Result},
    simd,
};

/// How often something is tried again that a producer who overwrites undid meanwhile: it may pass us by between two
/// loads, but not often in a row.
const ATTEMPTS: usize = 64;

/// How rows are lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// Where they lie. For lanes whose producer waits for readers and is trusted, i.e. runs under our own user.
    InPlace,
    /// As a copy that was checked to be of one block. For lanes that overwrite, and for strangers' lanes.
    Copy,
}

/// The reading side of a lane.
#[derive(Debug)]
pub struct Consumer {
    // Fixed properties.
    region: Region,
    layout: Layout,
    mode: ReadMode,
    on_full: OnFull,
    // State.
    /// The next row: its block, and its place there.
    at: Cursor,
    /// How many rows of the lane come before it.
    row: u64,
    /// The block we went to by ourselves: whether its producer knew of us before reusing it is not certain, so it is
    /// copied in any case.
    settling: BlockNumber,
    /// Rows from this one on are not lent.
    limit: Option<u64>,
    /// Rows in the block lent last.
    lent: usize,
    columns: Vec<ColumnView>,
    /// Which column blocks tell the times of.
    times_column: Option<usize>,
    /// What the lent rows are known to have there.
    times: Option<Times>,
    // Metrics.
    rows_read: u64,
    rows_lost: u64,
}

/// A lent block. Its columns stay what they are until [`Consumer::advance`].
#[derive(Debug)]
pub struct RingBlock<'a> {
    region: &'a Region,
    columns: &'a [ColumnView],
    len: usize,
    times: Option<(usize, Times)>,
    upcoming: Option<Upcoming>,
}

impl Consumer {
    /// A reader of a lane, at its oldest row.
    pub fn new(region: Region, header: &LaneHeader, mode: ReadMode) -> Result<Self> {
        let layout = header.layout.clone();
        assert!(region.len() >= layout.slots_at() + layout.slot_bytes() * layout.geometry().slot_count);
        let columns = layout.columns().iter().cloned().map(ColumnView::new).collect();
        let times_column = times::column(&layout);
        let mode = if cfg!(loom) { ReadMode::Copy } else { mode };
        let mut consumer = Self {
            region,
            layout,
            mode,
            on_full: header.on_full,
            at: Cursor::default(),
            row: 0,
            settling: BlockNumber::default(),
            limit: None,
            lent: 0,
            columns,
            times_column,
            times: None,
            rows_read: 0,
            rows_lost: 0,
        };
        consumer.rewind()?;
        Ok(consumer)
    }

    /// Prepares only these columns from now on; asking a block for another one is a mistake that panics.
    pub fn project(&mut self, columns: &[usize]) {
        self.columns.iter_mut().enumerate().for_each(|(i, column)| column.needed = columns.contains(&i));
    }

    /// Lends the next published rows, at most `rows_max` and of one block; `None` if there are none now.
    #[inline]
    pub fn next(&mut self, rows_max: usize) -> Result<Option<RingBlock<'_>>> {
        debug_assert!(rows_max > 0, "a block of no rows");
        self.lent = 0;
        for _ in 0..ATTEMPTS {
            let word = self.published_word();
            let rows = self.available()?.min(rows_max);
            if rows == 0 {
                if word == self.published_word() {
                    break;
                }
                continue;
            }
            let prepared = self.prepare(rows);
            // An error of bytes that were overwritten while being read says nothing.
            if self.holds(self.at.block) {
                self.check_intact()?;
                prepared.map_err(|what| self.broken(&what))?;
                self.lent = rows;
                break;
            }
        }
        let times = self.times_column.zip(self.times);
        let upcoming = self.upcoming();
        let block = RingBlock { region: &self.region, columns: &self.columns, len: self.lent, times, upcoming };
        Ok((block.len > 0).then_some(block))
    }

    /// Goes on behind the first `rows` of the block lent last.
    #[inline]
    pub fn advance(&mut self, rows: usize) -> Result<()> {
        assert!(rows <= self.lent, "{rows} of {} lent rows", self.lent);
        let intact = self.is_copied() || self.holds(self.at.block);
        self.at.rows += rows;
        self.row = self.row.wrapping_add(rows as u64);
        self.rows_read += rows as u64;
        self.lent = 0;
        if !self.is_copied() && !self.region.is_intact() {
            let first = self.row.wrapping_sub(rows as u64);
            return Err(self.broken(&format!("the file was cut off; rows {first} to {} may be zeroes", self.row)));
        }
        if intact { Ok(()) } else { Err(self.broken("rows were overwritten while they were read in place")) }
    }

    /// The next row's number in the lane, counted from the lane's creation.
    pub fn position(&self) -> u64 {
        self.row
    }

    /// The number of rows published so far, counted from the lane's creation.
    pub fn end(&self) -> Result<u64> {
        let (published, first_row) = self.settled()?;
        Ok(first_row.wrapping_add(published.rows as u64))
    }

    /// Asks for the memory of the next row, which its producer's core may still have. Its columns lie apart: who asks
    /// for all at once waits once, not once a column.
    #[inline]
    pub fn prefetch(&self) {
        let slot = self.slot_of(self.at.block);
        for column in self.columns.iter().filter(|column| column.needed) {
            self.region.prefetch(slot + column.value_at(self.at.rows));
        }
    }

    /// Sees to it that the rows that are published and were not read can be read without waiting for the system, as
    /// far as that is quick.
    pub fn fault_in(&self) -> Result<()> {
        let (published, _) = self.settled()?;
        let blocks = published.block.since(self.at.block).map_or(0, |blocks| blocks + 1);
        let (first, end) = (self.at.block.slot(self.layout.geometry().slot_count), self.layout.geometry().slot_count);
        let ahead = usize::try_from(blocks).map_or(end, |blocks| blocks.min(end));
        let until_end = ahead.min(end - first);
        self.fault_in_slots(first, until_end);
        self.fault_in_slots(0, ahead - until_end);
        Ok(())
    }

    /// Goes to a row by its number. Rows that are no longer there count as lost. False, and nothing done, if the lane
    /// has not come that far.
    pub fn seek(&mut self, row: u64) -> Result<bool> {
        self.lent = 0;
        let (published, first_row) = self.settled()?;
        if rows_since(first_row.wrapping_add(published.rows as u64), row).is_none() {
            return Ok(false);
        }
        let (mut block, mut first) = (published.block, first_row);
        while rows_since(row, first).is_none() {
            let missing = rows_since(first, row).unwrap_or_default();
            match self.block_before(block, missing, published.block) {
                Some(earlier) => (block, first) = earlier,
                None => {
                    self.count_lost(row, first)?;
                    self.settle(Cursor::new(block, 0), first);
                    return Ok(true);
                }
            }
        }
        let rows = rows_since(row, first).unwrap_or_default();
        if rows > self.layout.geometry().block_rows as u64 {
            return Err(self.broken("its row numbers do not fit its blocks"));
        }
        self.settle(Cursor::new(block, rows as usize), row);
        Ok(true)
    }

    /// Goes to the oldest row, in a lane that overwrites to one that will not be overwritten next. Counts nothing as
    /// lost.
    pub fn rewind(&mut self) -> Result<()> {
        self.lent = 0;
        let (published, first_row) = self.settled()?;
        let spare = if self.on_full == OnFull::Overwrite { self.slot_count() / 4 } else { 0 };
        let most = self.blocks_since_first(published.block).unwrap_or(u64::MAX).min(self.slot_count() - 1 - spare);
        let mut blocks = (1..=most).rev().map(|back| published.block.minus(back));
        let oldest = blocks.find_map(|block| Some((block, self.first_row_of(block)?)));
        let (block, row) = oldest.unwrap_or((published.block, first_row));
        self.settle(Cursor::new(block, 0), row);
        Ok(())
    }

    /// Goes behind the last published row.
    pub fn skip_to_end(&mut self) -> Result<()> {
        self.lent = 0;
        let (published, first_row) = self.settled()?;
        self.settle(published, first_row.wrapping_add(published.rows as u64));
        Ok(())
    }

    /// Lends no rows from this number on.
    pub fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Whether the producer said that no more rows will come.
    pub fn is_finished(&self) -> bool {
        self.region.load_u32(control::STATE, Ordering::Acquire) == 1
    }

    /// Rows that the producer dropped because the lane was full.
    pub fn rows_dropped(&self) -> u64 {
        self.region.load_u64(control::DROPPED, Ordering::Relaxed)
    }

    /// Rows read since this reader was made.
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Rows that were overwritten before this reader came to them.
    pub fn rows_lost(&self) -> u64 {
        self.rows_lost
    }

    /// The word that producers publish; changes whenever there are new rows.
    #[inline]
    pub fn published_word(&self) -> u64 {
        self.region.load_u64(control::PUBLISHED, Ordering::Acquire)
    }

    /// How rows are lent.
    pub fn mode(&self) -> ReadMode {
        self.mode
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The memory.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// How many rows lie ready in the block we stand in, having moved to the next block if this one is read.
    fn available(&mut self) -> Result<usize> {
        let mut published = self.published()?;
        // Each step either finds rows or was undone by the producer meanwhile.
        for _ in 0..ATTEMPTS {
            let ahead = published.block.since(self.at.block).ok_or_else(|| self.broken("it went backwards"))?;
            if ahead == 0 {
                return self.rows_of_last(published);
            }
            if ahead >= self.slot_count() || !self.holds(self.at.block) {
                published = self.published()?;
                if !self.catch_up(published.block)? {
                    return Ok(0);
                }
                continue;
            }
            let rows = self.region.load_u32(self.slot_of(self.at.block) + SlotHeader::ROWS, Ordering::Relaxed);
            if !self.holds(self.at.block) {
                continue;
            }
            if rows == 0 {
                return Err(self.broken("a block has no rows"));
            }
            let rows = self.rows_up_to(rows as usize)?;
            if rows > 0 || self.is_at_limit() {
                return Ok(rows);
            }
            self.at = Cursor::new(self.at.block.next(), 0);
            self.check_first_row()?;
        }
        Ok(0)
    }

    /// Rows of the block being published. Its slot cannot be reused before another block is published.
    fn rows_of_last(&self, published: Cursor) -> Result<usize> {
        let rows = self.rows_up_to(published.rows)?;
        if rows == 0 || self.holds(published.block) {
            Ok(rows)
        } else if self.published()? == published {
            Err(self.broken("its last block is not where it should be"))
        } else {
            Ok(0)
        }
    }

    /// Rows between where we stand and `rows` of the same block, within the limit.
    fn rows_up_to(&self, rows: usize) -> Result<usize> {
        let block_rows = self.layout.geometry().block_rows;
        let ready = rows.checked_sub(self.at.rows).filter(|_| rows <= block_rows);
        let ready = ready.ok_or_else(|| self.broken("a block's row count is not one"))?;
        let allowed = self.limit.map_or(u64::MAX, |limit| rows_since(limit, self.row).unwrap_or(0));
        Ok(ready.min(usize::try_from(allowed).unwrap_or(usize::MAX)))
    }

    fn is_at_limit(&self) -> bool {
        self.limit.is_some_and(|limit| rows_since(self.row, limit).is_some())
    }

    /// The row numbers of consecutive blocks follow each other, unless the next block has been overwritten already.
    fn check_first_row(&self) -> Result<()> {
        match self.first_row_of(self.at.block) {
            Some(first) if first != self.row => Err(self.broken("its row numbers jump")),
            _ => Ok(()),
        }
    }

    /// After an overrun: goes to a block some way ahead of the one that is overwritten next, and counts what is lost.
    /// False if that one is gone again already; the caller comes back later.
    fn catch_up(&mut self, published: BlockNumber) -> Result<bool> {
        let next = self.at.block.next();
        if self.first_row_of(next) == Some(self.row) {
            // We had read all of the block before it was overwritten.
            self.at = Cursor::new(next, 0);
            return Ok(true);
        }
        let margin = if self.on_full == OnFull::Overwrite { self.slot_count() / 4 } else { 1 };
        let block = published.minus(self.slot_count() - 1 - margin);
        if block.since(self.at.block).is_none_or(|ahead| ahead == 0) {
            return Err(self.broken("a block is not where it should be"));
        }
        let Some(first) = self.first_row_of(block) else { return Ok(false) };
        self.count_lost(self.row, first)?;
        self.settle(Cursor::new(block, 0), first);
        Ok(true)
    }

    fn fault_in_slots(&self, first: usize, slots: usize) {
        let start = self.layout.slot_at(first);
        self.region.fault_in(start..start + slots * self.layout.slot_bytes());
    }

    /// A block before this one and its first row: the one that the row `missing` rows before it lies in, if all blocks
    /// between are full, or else one behind that.
    fn block_before(&self, block: BlockNumber, missing: u64, published: BlockNumber) -> Option<(BlockNumber, u64)> {
        let room = (self.slot_count() - 1).checked_sub(published.since(block)?).filter(|room| *room > 0)?;
        let full = missing.div_ceil(self.layout.geometry().block_rows as u64).clamp(1, room);
        let back = |blocks| Some((block.minus(blocks), self.first_row_of(block.minus(blocks))?));
        back(full).or_else(|| back(1))
    }

    /// How many blocks come before this one in a lane that has not come round yet. What lies behind need not be looked
    /// through, which would bring pages of the file into memory that nobody has written.
    fn blocks_since_first(&self, block: BlockNumber) -> Option<u64> {
        let first = BlockNumber::default();
        // Numbers may have wrapped, after years.
        let blocks = block.since(first).filter(|blocks| *blocks < self.slot_count())?;
        self.first_row_of(first.minus(1)).is_none().then_some(blocks)
    }

    fn settle(&mut self, at: Cursor, row: u64) {
        (self.at, self.row, self.settling) = (at, row, at.block);
    }

    fn is_copied(&self) -> bool {
        self.mode == ReadMode::Copy || self.settling == self.at.block
    }

    fn count_lost(&mut self, from: u64, to: u64) -> Result<()> {
        let lost = rows_since(to, from).ok_or_else(|| self.broken("its row numbers go backwards"))?;
        self.rows_lost = self.rows_lost.saturating_add(lost);
        Ok(())
    }

    fn prepare(&mut self, rows: usize) -> Result<(), String> {
        let slot = self.slot_of(self.at.block);
        let range = self.at.rows..self.at.rows + rows;
        let heap_bytes = self.layout.geometry().heap_bytes;
        let copied = self.is_copied();
        self.times = self.told_times(slot, rows);
        self.columns.iter_mut().try_for_each(|c| c.prepare(&self.region, slot, range.clone(), heap_bytes, copied))?;
        if copied { self.check_told() } else { Ok(()) }
    }

    /// The strings of the next block, which will be copied before anything is done with them.
    fn upcoming(&self) -> Option<Upcoming> {
        let column = self.columns.iter().find(|column| column.needed && column.is_copied_text())?;
        let row_bytes = column.text_bytes().div_ceil(self.lent.max(1));
        Some(self.region.upcoming(self.slot_of(self.at.block.next()) + column.heap_at(), row_bytes))
    }

    /// Whether copied rows have the times that their block tells.
    fn check_told(&self) -> Result<(), String> {
        let Some((column, told)) = self.times_column.zip(self.times) else { return Ok(()) };
        let column = self.columns[column].view(&self.region);
        let are_told = column.validity.is_some() || simd::times(column.as_slice()) == told;
        if are_told { Ok(()) } else { Err("a block tells of times that its rows do not have".into()) }
    }

    /// What the block says of its times, if all of its rows are lent.
    fn told_times(&self, slot: usize, rows: usize) -> Option<Times> {
        let is_asked = self.times_column.is_some_and(|column| self.columns[column].needed);
        (is_asked && self.at.rows == 0).then(|| times::load(&self.region, slot, self.at.block, rows))?
    }

    /// The published cursor and the first row of its block.
    fn settled(&self) -> Result<(Cursor, u64)> {
        for _ in 0..ATTEMPTS {
            let published = self.published()?;
            if let Some(first_row) = self.first_row_of(published.block) {
                return Ok((published, first_row));
            }
            if published.rows == 0 {
                return Ok((published, 0));
            }
        }
        Err(self.broken("its last block is not where it should be"))
    }

    fn published(&self) -> Result<Cursor> {
        // Pairs with the release store in `Producer::publish`.
        let word = self.region.load_u64(control::PUBLISHED, Ordering::Acquire);
        Cursor::from_word(word, self.layout.geometry().block_rows)
            .ok_or_else(|| self.broken("the published row count is not one"))
    }

    fn first_row_of(&self, block: BlockNumber) -> Option<u64> {
        let first_row = self.region.load_u64(self.slot_of(block) + SlotHeader::FIRST_ROW, Ordering::Relaxed);
        self.holds(block).then_some(first_row)
    }

    /// Whether all that was loaded from the slot of `block` before this call was the block's.
    #[inline]
    fn holds(&self, block: BlockNumber) -> bool {
        // The fence pairs with the release fence in `Producer::claim_slot`: whatever we loaded before was not stored
        // after the claim. The load pairs with the release store there: who sees a slot claimed for a later block sees
        // the block before that one published, and so learns how far ahead the producer is.
        fence(Ordering::Acquire);
        self.region.load_u64(self.slot_of(block) + SlotHeader::STAMP, Ordering::Acquire) == block.stamp()
    }

    fn slot_of(&self, block: BlockNumber) -> usize {
        self.layout.slot_at(block.slot(self.layout.geometry().slot_count))
    }

    fn slot_count(&self) -> u64 {
        self.layout.geometry().slot_count as u64
    }

    #[inline]
    fn check_intact(&self) -> Result<()> {
        if self.region.is_intact() { Ok(()) } else { Err(self.broken("the file was cut off while it was read")) }
    }

    #[cold]
    fn broken(&self, what: &str) -> Error {
        let is_said = self.region.is_intact() || what.starts_with("the file was cut off");
        let what = if is_said { what } else { "the file was cut off while it was read" };
        Error::corrupt(format!("the lane broke the ring's rules at row {}: {what}", self.row))
            .hint("its producer is at fault, or another program wrote into the file; `firesteel ring check` tells more")
    }
}

impl RingBlock<'_> {
    /// The rows as operators take them.
    #[inline]
    pub fn view(&self) -> BlockRef<'_> {
        BlockRef::new(self, self.len).foresee(self.upcoming)
    }

    /// Number of rows, at least one.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true: a block of no rows is not lent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Columns for RingBlock<'_> {
    #[inline]
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.columns[index].view(self.region)
    }

    fn told(&self, index: usize) -> Option<Told> {
        let (column, times) = self.times?;
        (column == index && !self.columns[column].has_nulls()).then_some(Told { times, are_all: true })
    }
}
