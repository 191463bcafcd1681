//! The rows that one side of a stream-stream join waits with: by key, with a mark whether each has found a partner,
//! and by the time at which it expires.
//!
//! ```text
//!   key id ──► first ⇄ row ⇄ row ⇄ last         a list a key, threaded through the rows' slots
//!                       │
//!                       └──► segment 7, byte 120  encoded values, many rows to an allocation
//! ```
//! Slots and segments are used again when their rows are gone. Rows of a time lie together, and leave together, so
//! that segments empty whole.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::cmp::Reverse;

use crate::{
    block::Column,
    codec::{self, Scalar},
    error::{Error, Result},
    limits::GROUPS_MAX,
    state::{KeyTable, decode_row},
};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Bytes after which a segment takes no further row: large enough that rows need no allocation of their own, small
/// enough that one row which stays behind holds little.
const SEGMENT_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct BufferedRows {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// By key id.
    lists: Vec<List>,
    /// Time of expiry, number of the row, its slot: of rows that expire at once the first to come is the first to go.
    expiring: BinaryHeap<Reverse<(i64, u64, u32)>>,
    segments: Vec<Segment>,
    free_segments: Vec<u32>,
    /// The segment that takes the next row.
    open: u32,
    bytes: usize,
    /// Rows taken so far: the number of the next.
    taken: u64,
}

/// A row's place, its neighbours among the rows of its key, and what became of it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u32,
    before: u32,
    after: u32,
    segment: u32,
    start: u32,
    end: u32,
    is_used: bool,
    is_matched: bool,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    rows: u32,
}

impl BufferedRows {
    /// Takes a row of a key, which `write` encodes. Without an expiry it stays for good.
    pub(super) fn insert(
        &mut self,
        key: u32,
        expires_us: Option<i64>,
        is_matched: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        let (segment, start, end) = self.write(write)?;
        let before = self.append_to_list(key);
        let number = self.taken;
        self.taken += 1;
        let slot = Slot { key, before, after: NONE, segment, start, end, is_used: true, is_matched, number };
        let index = self.place(slot)?;
        match before {
            NONE => self.lists[key as usize].first = index,
            before => self.slots[before as usize].after = index,
        }
        self.lists[key as usize].last = index;
        if let Some(expires_us) = expires_us {
            self.expiring.push(Reverse((expires_us, number, index)));
        }
        Ok(())
    }

    /// The first row of a key, [`NONE`] if it has none.
    #[inline]
    pub(super) fn first(&self, key: u32) -> u32 {
        self.lists.get(key as usize).map_or(NONE, |list| list.first)
    }

    /// The row after this one among those of its key.
    #[inline]
    pub(super) fn after(&self, slot: u32) -> u32 {
        self.slots[slot as usize].after
    }

    /// The encoded values of a row.
    pub(super) fn bytes(&self, slot: u32) -> &[u8] {
        let Slot { segment, start, end, .. } = self.slots[slot as usize];
        &self.segments[segment as usize].bytes[start as usize..end as usize]
    }

    pub(super) fn is_matched(&self, slot: u32) -> bool {
        self.slots[slot as usize].is_matched
    }

    pub(super) fn set_matched(&mut self, slot: u32) {
        self.slots[slot as usize].is_matched = true;
    }

    /// The rows that expire at or before a time, earliest first. They must be removed then.
    pub(super) fn take_expired(&mut self, until_us: i64) -> Vec<u32> {
        let mut expired = Vec::new();
        while let Some(&Reverse((expires_us, _, slot))) = self.expiring.peek()
            && expires_us <= until_us
        {
            self.expiring.pop();
            expired.push(slot);
        }
        expired
    }

    /// All rows. They must be removed then.
    pub(super) fn take_all(&mut self) -> Vec<u32> {
        self.expiring.clear();
        self.in_order()
    }

    /// Appends all rows in the order in which they came.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        let mut expiry = alloc::vec![None; self.slots.len()];
        self.expiring.iter().for_each(|&Reverse((expires_us, _, slot))| expiry[slot as usize] = Some(expires_us));
        let rows = self.in_order();
        codec::save_count(rows.len(), out);
        for slot in rows {
            let Slot { key, is_matched, .. } = self.slots[slot as usize];
            key.save(out);
            is_matched.save(out);
            let expires_us = expiry[slot as usize];
            expires_us.is_some().save(out);
            expires_us.unwrap_or_default().save(out);
            codec::save_bytes(self.bytes(slot), out);
        }
    }

    /// Reads what [`BufferedRows::save`] wrote, of these keys; `row` is columns of a row's types.
    pub(super) fn load(&mut self, keys: &KeyTable, row: &mut [Column], bytes: &mut &[u8]) -> Result<()> {
        for _ in 0..codec::load_count(bytes, 22)? {
            let key = keys.load_id(bytes)?;
            let is_matched = bool::load(bytes)?;
            let expires_us = Some((bool::load(bytes)?, i64::load(bytes)?)).filter(|e| e.0).map(|e| e.1);
            let values = codec::load_bytes(bytes)?;
            let rest = &mut &*values;
            row.iter_mut().for_each(Column::clear);
            decode_row(rest, row)?;
            if !rest.is_empty() {
                return Err(Error::corrupt("a saved row is longer than its columns"));
            }
            self.insert(key, expires_us, is_matched, |out| out.extend_from_slice(values))?;
        }
        Ok(())
    }

    fn in_order(&self) -> Vec<u32> {
        let used = (0..).zip(&self.slots).filter(|(_, slot)| slot.is_used);
        let mut used: Vec<(u64, u32)> = used.map(|(i, slot)| (slot.number, i)).collect();
        used.sort_unstable();
        used.into_iter().map(|(_, i)| i).collect()
    }

    /// Removes a row; gives its key.
    pub(super) fn remove(&mut self, slot: u32) -> u32 {
        let Slot { key, before, after, segment, start, end, is_used, .. } = self.slots[slot as usize];
        assert!(is_used, "row {slot} is removed twice");
        self.slots[slot as usize].is_used = false;
        self.free.push(slot);
        match before {
            NONE => self.lists[key as usize].first = after,
            before => self.slots[before as usize].after = after,
        }
        match after {
            NONE => self.lists[key as usize].last = before,
            after => self.slots[after as usize].before = before,
        }
        self.release(segment, (end - start) as usize);
        key
    }

    /// Rows held.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes held, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let slots = self.slots.capacity() * size_of::<Slot>() + self.lists.capacity() * size_of::<List>();
        slots + self.expiring.capacity() * size_of::<(i64, u64, u32)>() + self.bytes
    }

    /// The last row of a key so far.
    fn append_to_list(&mut self, key: u32) -> u32 {
        if self.lists.len() <= key as usize {
            self.lists.resize(key as usize + 1, List { first: NONE, last: NONE });
        }
        self.lists[key as usize].last
    }

    fn place(&mut self, slot: Slot) -> Result<u32> {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            return Ok(index);
        }
        if self.slots.len() >= GROUPS_MAX {
            return Err(Error::limit(alloc::format!("more than {GROUPS_MAX} rows wait in a join"))
                .hint("a WATERMARK on both sides and a time range in the condition let rows go"));
        }
        self.slots.push(slot);
        Ok(self.slots.len() as u32 - 1)
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(u32, u32, u32)> {
        if self.segments.get(self.open as usize).is_none_or(|s| s.bytes.len() >= SEGMENT_BYTES) {
            self.open = self.free_segments.pop().unwrap_or(self.segments.len() as u32);
            if self.open as usize == self.segments.len() {
                self.segments.push(Segment::default());
            }
        }
        let segment = &mut self.segments[self.open as usize];
        let start = segment.bytes.len();
        write(&mut segment.bytes);
        segment.rows += 1;
        self.bytes += segment.bytes.len() - start;
        let end = u32::try_from(segment.bytes.len()).map_err(|_| Error::limit("a row of more than 4 GiB"))?;
        Ok((self.open, start as u32, end))
    }

    fn release(&mut self, segment: u32, bytes: usize) {
        self.bytes -= bytes;
        let Segment { bytes, rows } = &mut self.segments[segment as usize];
        *rows -= 1;
        if *rows == 0 && segment == self.open {
            bytes.clear();
        } else if *rows == 0 {
            *bytes = Vec::new();
            self.free_segments.push(segment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn rows_of(rows: &BufferedRows, key: u32) -> Vec<Vec<u8>> {
        let mut slot = rows.first(key);
        let mut all = Vec::new();
        while slot != NONE {
            all.push(rows.bytes(slot).to_vec());
            slot = rows.after(slot);
        }
        all
    }

    #[test]
    fn rows_leave_in_the_order_of_their_times_and_the_others_stay_listed() {
        let mut rows = BufferedRows::default();
        for (key, time, text) in [(3, Some(30), "c"), (0, None, "x"), (3, Some(10), "a"), (3, Some(20), "b")] {
            rows.insert(key, time, false, |out| out.extend_from_slice(text.as_bytes())).unwrap();
        }
        let expired = rows.take_expired(20);
        assert_eq!(expired.iter().map(|&s| rows.bytes(s)).collect::<Vec<_>>(), [b"a", b"b"]);
        expired.into_iter().for_each(|slot| assert_eq!(rows.remove(slot), 3));
        assert_eq!((rows_of(&rows, 3), rows_of(&rows, 0), rows.len()), (vec![b"c".to_vec()], vec![b"x".to_vec()], 2));
        assert_eq!(rows_of(&rows, 9), Vec::<Vec<u8>>::new());
        assert_eq!(rows.take_all().into_iter().map(|slot| rows.remove(slot)).collect::<Vec<_>>(), [3, 0]);
        assert_eq!((rows.len(), rows.bytes, rows.first(3), rows.first(0)), (0, 0, NONE, NONE));
    }

    #[test]
    fn memory_is_used_again_when_rows_have_left() {
        let mut rows = BufferedRows::default();
        for round in 0..50 {
            for i in 0..1_000 {
                rows.insert(i % 7, Some(round), i % 2 == 0, |out| out.extend_from_slice(&[i as u8; 200])).unwrap();
            }
            assert!(rows.take_expired(round - 1).is_empty());
            assert!(rows.take_expired(round).into_iter().all(|slot| rows.remove(slot) < 7));
        }
        assert_eq!((rows.len(), rows.slots.len()), (0, 1_000));
        assert!(rows.segments.len() <= 5, "{} segments", rows.segments.len());
    }
}
