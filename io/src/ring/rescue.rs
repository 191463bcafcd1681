//! What is whole in a lane file that is not: its blocks are found by what their slots say, one by one, and rows are
//! believed as far as a reader believes them. The file is read, never mapped and never written.
//!
//! ```text
//!   slot ──► stamp fits the slot? ──► rows to go with it? ──► a lane of four slots in memory ──► a reader of that
//! ```

use std::fs::File;

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    ring::{
        BlockNumber, CONTROL_BYTES, Consumer, Cursor, Geometry, LaneHeader, Layout, ReadMode, SlotHeader, control,
        region::{HeapMemory, Region, RegionMut},
        rows_since,
        sync::Ordering,
    },
};

use crate::sys::file;

/// Slots of the lane in memory that blocks are read through; no lane may have fewer.
const SLOTS: usize = 4;

/// A lane file of which something may be missing.
#[derive(Debug)]
pub struct Wreck<'a> {
    file: &'a File,
    /// Bytes it has.
    len: u64,
    header: LaneHeader,
    /// Where its producer was, if that can be believed.
    published: Option<Cursor>,
    is_finished: bool,
}

/// A block that seems to be there.
#[derive(Clone, Copy, Debug)]
struct Found {
    block: BlockNumber,
    first_row: u64,
    rows: usize,
}

/// What became of a lane's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that are whole.
    pub rescued: u64,
    /// Rows that were in the lane and are not.
    pub lost: u64,
    /// Number of the first whole row.
    pub first_row: u64,
    /// Whether no row is missing behind the first that is whole.
    pub is_gapless: bool,
}

/// The header of a lane file of which the end may be missing.
pub fn read_header(file: &File, len: u64) -> Result<LaneHeader> {
    // The schema's text is behind the control words; more than this is no schema.
    let bytes = read_up_to(file, 0, len.min(CONTROL_BYTES as u64 + (1 << 20)))?;
    let region = RegionMut::new(HeapMemory::zeroed(bytes.len()));
    region.write_bytes(0, &bytes);
    LaneHeader::read_cut(&region)
}

impl<'a> Wreck<'a> {
    /// A file of `len` bytes that is taken for a lane with this header, its own or what it must have been.
    pub fn new(file: &'a File, len: u64, header: LaneHeader) -> Result<Self> {
        let words = read_up_to(file, control::PUBLISHED as u64, 8)?;
        let word = words.try_into().map_or(u64::MAX, u64::from_ne_bytes);
        let published = Cursor::from_word(word, header.layout.geometry().block_rows);
        let state = read_up_to(file, control::STATE as u64, 4)?;
        let is_finished = state.try_into().map(u32::from_ne_bytes) == Ok(1);
        Ok(Self { file, len, header, published, is_finished })
    }

    /// Whether its producer said that no more rows would come.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Lends all whole rows to `take`, in order.
    pub fn read(&self, take: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<Tally> {
        let mut tally = Tally { is_gapless: true, ..Tally::default() };
        let (mut next, mut reached) = (None, BlockNumber::default());
        for found in self.blocks()? {
            let gap = next.and_then(|next| rows_since(found.first_row, next)).unwrap_or(0);
            let rows = self.read_block(found, take)?;
            if tally.rescued == 0 {
                tally.first_row = found.first_row;
            }
            let missing = found.rows as u64 - rows;
            // What is missing before the first whole row leaves no gap.
            tally.is_gapless &= (tally.rescued == 0 || gap == 0) && (tally.rescued + rows == 0 || missing == 0);
            // Whoever jumps by more than fits a lane says nothing of rows.
            tally.lost += missing + if gap <= self.rows_max() { gap } else { 0 };
            tally.rescued += rows;
            next = Some(found.first_row.wrapping_add(found.rows as u64));
            reached = found.block;
        }
        tally.is_gapless &= self.published.is_some_and(|at| at.block == reached);
        Ok(tally)
    }

    /// The blocks that seem to be there, oldest first. Those of which a part lies behind the file's end are counted
    /// with their rows, and found to be unreadable later.
    fn blocks(&self) -> Result<Vec<Found>> {
        let layout = &self.header.layout;
        let Geometry { slot_count, block_rows, .. } = layout.geometry();
        let mut blocks = Vec::new();
        for slot in 0..slot_count {
            let bytes = read_up_to(self.file, layout.slot_at(slot) as u64, size_of::<SlotHeader>() as u64)?;
            let Some((stamp, first_row, sealed)) = slot_words(&bytes) else { break };
            let block = BlockNumber::new(stamp);
            let is_last = self.published.is_some_and(|at| at.block == block);
            let rows = if is_last { self.published.map_or(0, |at| at.rows) } else { sealed as usize };
            let is_right = block.stamp() == stamp && block.slot(slot_count) == slot;
            if is_right && (1..=block_rows).contains(&rows) {
                blocks.push(Found { block, first_row, rows });
            }
        }
        let seen = blocks.iter().map(|found| found.block).max_by_key(|block| block.stamp());
        let said = self.published.map(|at| at.block).filter(|said| blocks.iter().any(|found| found.block == *said));
        let Some(newest) = said.or(seen) else { return Ok(Vec::new()) };
        let oldest = newest.minus(slot_count as u64 - 1);
        // A block that is no part of the last round is a lie, or of a producer who died before publishing it.
        blocks.retain(|found| found.block.since(oldest).is_some_and(|age| age < slot_count as u64));
        blocks.sort_by_key(|found| found.block.since(oldest));
        Ok(blocks)
    }

    /// Lends the block's rows up to the first that is not whole; tells how many.
    fn read_block(&self, found: Found, take: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let layout = &self.header.layout;
        let at = layout.slot_at(found.block.slot(layout.geometry().slot_count)) as u64;
        if at + layout.slot_bytes() as u64 > self.len {
            return Ok(0);
        }
        let bytes = read_up_to(self.file, at, layout.slot_bytes() as u64)?;
        let geometry = Geometry { slot_count: SLOTS, ..layout.geometry() };
        let small = Layout::new(layout.schema().clone(), geometry)?;
        let region = RegionMut::new(HeapMemory::zeroed(small.file_bytes() as usize));
        let slot = small.slot_at(found.block.slot(SLOTS));
        region.write_bytes(slot, &bytes);
        // What it tells of its times may be what is wrong with it.
        region.store_u64(slot + SlotHeader::TIMES_OF, 0, Ordering::Relaxed);
        let header = LaneHeader { layout: small, ..self.header.clone() };
        // The more rows, the more can be wrong with them: the longest run without a fault is found by halving.
        let is_whole = |rows: usize| read_rows(&region, &header, found, rows, &mut |_| Ok(())).is_ok();
        let (mut whole, mut broken) = (0, found.rows + 1);
        while whole + 1 < broken {
            let middle = if broken > found.rows { found.rows } else { (whole + broken) / 2 };
            if is_whole(middle) { whole = middle } else { broken = middle }
        }
        if whole > 0 {
            read_rows(&region, &header, found, whole, take)?;
        }
        Ok(whole as u64)
    }

    fn rows_max(&self) -> u64 {
        let geometry = self.header.layout.geometry();
        geometry.block_rows as u64 * geometry.slot_count as u64
    }
}

/// Lends the first `rows` of the only block of a small lane.
fn read_rows(
    region: &RegionMut,
    header: &LaneHeader,
    found: Found,
    rows: usize,
    take: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>,
) -> Result<()> {
    region.store_u64(control::PUBLISHED, Cursor::new(found.block, rows).word(), Ordering::Release);
    let mut consumer = Consumer::new(Region::clone(region), header, ReadMode::Copy)?;
    if !consumer.seek(found.first_row)? {
        return Err(Error::corrupt("the block is not where it should be"));
    }
    let Some(block) = consumer.next(rows)? else { return Err(Error::corrupt("the block has no rows")) };
    if block.len() != rows {
        return Err(Error::corrupt("the block has fewer rows than it says"));
    }
    take(&block.view())
}

/// What a slot says of its block: number, first row, rows.
fn slot_words(bytes: &[u8]) -> Option<(u64, u64, u32)> {
    let word = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let rows = bytes.get(SlotHeader::ROWS..SlotHeader::ROWS + 4)?.try_into().ok()?;
    Some((word(SlotHeader::STAMP)?, word(SlotHeader::FIRST_ROW)?, u32::from_ne_bytes(rows)))
}

/// The bytes from `at` on; fewer if the file ends.
fn read_up_to(file: &File, at: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let count = file::read_some_at(file, &mut bytes, at).map_err(|e| Error::io(format!("reading: {e}")))?;
    bytes.truncate(count);
    Ok(bytes)
}
