//! What a block says of its times, so that readers need not look at all of them: gathered while the block is filled,
//! told when the next one begins. It is about the first column of timestamps, because that is most often the event
//! time.
//!
//! A block that says nothing is read as well: a producer may leave it out, and one who takes over in the middle of a
//! block does. Which block and how many rows it is about stands beside it, so that nothing is ever taken for another
//! block's, or for rows that a later producer added.

use super::{
    BlockNumber, Layout, SlotHeader,
    region::{Region, RegionMut},
    sync::Ordering,
};
use crate::{block::Times, schema::DataType, simd};

/// The times of the block that is being filled.
#[derive(Debug)]
pub(super) struct BlockTimes {
    /// Which column they are.
    column: Option<usize>,
    /// All of the block's have been seen.
    are_all: bool,
    len: usize,
    first: i64,
    seen: Times,
}

impl BlockTimes {
    /// Of a block that may have rows that were not seen.
    pub fn new(layout: &Layout) -> Self {
        Self { column: column(layout), are_all: false, len: 0, first: 0, seen: Times::NONE }
    }

    /// A new block begins.
    pub fn begin(&mut self) {
        *self = Self { column: self.column, are_all: true, len: 0, first: 0, seen: Times::NONE };
    }

    /// Which column they are.
    #[inline]
    pub fn column(&self) -> Option<usize> {
        self.column
    }

    /// Adds one.
    #[inline]
    pub fn add(&mut self, ts: i64) {
        if self.len == 0 {
            self.first = ts;
        }
        self.len += 1;
        let Times { min, max, offsets } = &mut self.seen;
        (*min, *max) = ((*min).min(ts), (*max).max(ts));
        *offsets = offsets.wrapping_add(ts.wrapping_sub(self.first));
    }

    /// Adds many.
    pub fn add_all(&mut self, ts: &[i64]) {
        let Some(&next) = ts.first() else { return };
        if self.len == 0 {
            self.first = next;
        }
        self.len += ts.len();
        self.seen = self.seen.followed_by(self.first, simd::times(ts), next, ts.len());
    }

    /// Tells them as the block ends, if all `rows` of the block were seen and none was NULL.
    pub fn store(&self, region: &RegionMut, slot: usize, block: BlockNumber, rows: usize) {
        if !self.are_all || self.len != rows {
            return;
        }
        let words = [self.seen.min, self.seen.max, self.seen.offsets].map(|us| us as u64);
        let places = [SlotHeader::MIN_TIME, SlotHeader::MAX_TIME, SlotHeader::TIME_OFFSETS];
        for (place, word) in places.into_iter().zip(words) {
            region.store_u64(slot + place, word, Ordering::Relaxed);
        }
        region.store_u32(slot + SlotHeader::TIMED_ROWS, rows as u32, Ordering::Relaxed);
        // Pairs with the acquire load in `load`: who sees this word sees those before it.
        region.store_u64(slot + SlotHeader::TIMES_OF, told_of(block), Ordering::Release);
    }
}

/// Forgets what a slot tells. After a power cut it may be of a block that was never published, and is filled anew.
pub(super) fn forget(region: &RegionMut, slot: usize) {
    region.store_u64(slot + SlotHeader::TIMES_OF, 0, Ordering::Relaxed);
}

/// Which column of a lane the blocks tell the times of.
pub(super) fn column(layout: &Layout) -> Option<usize> {
    let is_time = |data_type: &DataType| matches!(data_type, DataType::Timestamp | DataType::TimestampNtz);
    layout.columns().iter().position(|column| is_time(&column.data_type))
}

/// What a block tells of its first `rows` rows; `None` if that is nothing, or cannot be.
pub(super) fn load(region: &Region, slot: usize, block: BlockNumber, rows: usize) -> Option<Times> {
    let word = |place: usize| region.load_u64(slot + place, Ordering::Relaxed);
    if region.load_u64(slot + SlotHeader::TIMES_OF, Ordering::Acquire) != told_of(block)
        || region.load_u32(slot + SlotHeader::TIMED_ROWS, Ordering::Relaxed) as usize != rows
    {
        return None;
    }
    let [min, max, offsets] =
        [SlotHeader::MIN_TIME, SlotHeader::MAX_TIME, SlotHeader::TIME_OFFSETS].map(|place| word(place) as i64);
    Some(Times { min, max, offsets }).filter(|times| times.min <= times.max)
}

/// What stands in the slot of a block that tells its times; never zero, which is where nobody ever wrote.
fn told_of(block: BlockNumber) -> u64 {
    block.stamp() + 1
}
