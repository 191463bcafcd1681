//! Where a lane stands, in one word: the number of a block and how many of its rows are published. Pure arithmetic;
//! nothing here touches memory.
//!
//! ```text
//!   63                                17 16            0
//!   ┌───────────────────────────────────┬───────────────┐
//!   │ block number, modulo 2^47         │ rows, 0..=64Ki│
//!   └───────────────────────────────────┴───────────────┘
//! ```
//! Block numbers only grow and wrap at 2^47: at a million blocks a second that is after four years, and being wrong
//! then is no excuse. They are compared by distance, which is right while two numbers in use are less than 2^46
//! apart; rings have far fewer slots.

use crate::limits::BLOCK_ROWS_MAX;

const ROWS_BITS: u32 = 17;
const ROWS_MASK: u64 = (1 << ROWS_BITS) - 1;
const BLOCK_MASK: u64 = u64::MAX >> ROWS_BITS;

const _: () = assert!(BLOCK_ROWS_MAX as u64 <= ROWS_MASK, "a full block's row count must fit the word");

/// The number of a block in its lane, modulo 2^47.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct BlockNumber(u64);

impl BlockNumber {
    /// The block that a word names; whatever does not fit is cut off.
    pub fn new(number: u64) -> Self {
        Self(number & BLOCK_MASK)
    }

    /// The number as stored in a slot's stamp.
    pub fn stamp(self) -> u64 {
        self.0
    }

    /// The block after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The block `blocks` after this one.
    #[must_use]
    pub fn plus(self, blocks: u64) -> Self {
        Self(self.0.wrapping_add(blocks) & BLOCK_MASK)
    }

    /// The block `blocks` before this one.
    #[must_use]
    pub fn minus(self, blocks: u64) -> Self {
        Self(self.0.wrapping_sub(blocks) & BLOCK_MASK)
    }

    /// How many blocks this one comes after `earlier`, or `None` if it comes before.
    pub fn since(self, earlier: Self) -> Option<u64> {
        let distance = self.minus(earlier.0).0;
        (distance <= BLOCK_MASK / 2).then_some(distance)
    }

    /// Which of `slot_count` (a power of two, so that wrapping keeps the order) slots holds it.
    pub fn slot(self, slot_count: usize) -> usize {
        debug_assert!(slot_count.is_power_of_two(), "{slot_count} slots");
        (self.0 as usize) & (slot_count - 1)
    }
}

/// A block and a number of its rows; fits one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Cursor {
    /// The block.
    pub block: BlockNumber,
    /// Rows of the block, counted from its first.
    pub rows: usize,
}

impl Cursor {
    /// A cursor; `rows` is at most [`BLOCK_ROWS_MAX`].
    pub fn new(block: BlockNumber, rows: usize) -> Self {
        let cursor = Self { block, rows };
        cursor.invariants();
        cursor
    }

    /// Reads a word that another process wrote; `None` if the rows are more than `rows_max`.
    pub fn from_word(word: u64, rows_max: usize) -> Option<Self> {
        let rows = (word & ROWS_MASK) as usize;
        (rows <= rows_max).then(|| Self::new(BlockNumber::new(word >> ROWS_BITS), rows))
    }

    /// The cursor as a word to publish.
    pub fn word(self) -> u64 {
        self.invariants();
        self.block.0 << ROWS_BITS | self.rows as u64
    }

    fn invariants(self) {
        assert!(self.rows <= BLOCK_ROWS_MAX, "{} rows in a block", self.rows);
        assert!(self.block.0 <= BLOCK_MASK, "block number {}", self.block.0);
    }
}

/// How many rows `later` is after `earlier`, or `None` if it is before: row counts are 64 bits and wrap.
pub fn rows_since(later: u64, earlier: u64) -> Option<u64> {
    let distance = later.wrapping_sub(earlier);
    (distance <= u64::MAX / 2).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers around every place where something could wrap: 0, u32, 2^46, 2^47.
    fn corners() -> impl Iterator<Item = u64> {
        let places = [0, 1 << 31, 1 << 32, 1 << 46, 1 << 47, u64::MAX >> 1];
        places.into_iter().flat_map(|p: u64| (0..=8).map(move |i| p.wrapping_add(i).wrapping_sub(4)))
    }

    #[test]
    fn words_hold_every_corner() {
        for number in corners() {
            for rows in [0, 1, 4095, 4096, BLOCK_ROWS_MAX - 1, BLOCK_ROWS_MAX] {
                let cursor = Cursor::new(BlockNumber::new(number), rows);
                assert_eq!(Cursor::from_word(cursor.word(), BLOCK_ROWS_MAX), Some(cursor));
                assert_eq!(Cursor::from_word(cursor.word(), rows), Some(cursor));
                assert!(rows == 0 || Cursor::from_word(cursor.word(), rows - 1).is_none());
            }
        }
        assert_eq!(Cursor::from_word(u64::MAX, BLOCK_ROWS_MAX), None);
    }

    #[test]
    #[should_panic(expected = "65537 rows in a block")]
    fn a_cursor_has_no_more_rows_than_a_block() {
        let _ = Cursor::new(BlockNumber::new(1), BLOCK_ROWS_MAX + 1);
    }

    #[test]
    fn distances_undo_steps_at_every_corner() {
        for number in corners() {
            let block = BlockNumber::new(number);
            for step in 0..=8 {
                assert_eq!(block.plus(step).since(block), Some(step));
                assert_eq!(block.plus(step).minus(step), block);
                assert_eq!(block.since(block.plus(step)), (step == 0).then_some(0));
            }
            assert_eq!(block.next(), block.plus(1));
        }
    }

    /// Every ring of 1 to 16 slots, from every corner, for three rounds: consecutive blocks take consecutive slots,
    /// and blocks that are in use together never share one.
    #[test]
    fn slots_follow_each_other_round_and_round() {
        for slot_count in [1, 2, 4, 8, 16] {
            for number in corners() {
                let first = BlockNumber::new(number);
                for i in 0..3 * slot_count as u64 {
                    let (block, next) = (first.plus(i), first.plus(i + 1));
                    assert_eq!(next.slot(slot_count), (block.slot(slot_count) + 1) % slot_count);
                    assert_eq!(block.slot(slot_count), block.plus(slot_count as u64).slot(slot_count));
                }
            }
        }
    }

    #[test]
    fn row_counts_compare_across_the_wrap() {
        for row in corners().chain([u64::MAX - 1, u64::MAX]) {
            for step in 0..=8 {
                assert_eq!(rows_since(row.wrapping_add(step), row), Some(step));
                assert_eq!(rows_since(row, row.wrapping_add(step)), (step == 0).then_some(0));
            }
        }
    }
}
