//! Single integer keys that lie far apart: a table with one place a key, found by a multiplication. The multiplier is
//! chosen so that few keys meet in a place; those that do are left to the general table.

use alloc::{vec, vec::Vec};

use crate::block::{ColumnRef, Values};

/// Places a key, at least.
const PLACES_PER_KEY: usize = 16;
/// Places of the largest table: with 12 bytes each they fit into L2.
const PLACES_MAX: usize = 1 << 16;
/// Multipliers that are tried.
const TRIES: usize = 16;
/// An odd number without a pattern: the golden ratio in 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

const NONE: u32 = u32::MAX;

/// The table. Empty until there is a key, and again when there are too many.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    multiplier: u64,
    shift: u32,
    keys: Vec<i64>,
    /// [`NONE`] where no key is.
    ids: Vec<u32>,
}

impl Sparse {
    /// Writes the id of each row's key, [`NONE`] where it is not known here; tells whether all are. `None` if the table
    /// cannot be asked about these columns, and then `ids` is untouched.
    pub fn lookup(&self, columns: &[ColumnRef<'_>], ids: &mut [u32]) -> Option<bool> {
        let [column] = columns else { return None };
        if self.ids.is_empty() || column.validity.is_some() || column.is_constant {
            return None;
        }
        Some(match column.values {
            Values::Int8(v) => self.find(v, ids),
            Values::Int16(v) => self.find(v, ids),
            Values::Int32(v) => self.find(v, ids),
            Values::Int64(v) => self.find(v, ids),
            _ => return None,
        })
    }

    /// Remembers the id of a key; `known` has all keys, `count` of them, this one included.
    pub fn insert(&mut self, key: i64, id: u32, count: usize, known: impl Iterator<Item = (u32, i64)> + Clone) {
        let wanted = (count * PLACES_PER_KEY).next_power_of_two();
        if wanted > PLACES_MAX {
            self.clear();
        } else if wanted > self.ids.len() {
            self.rebuild(wanted * 2, known);
        } else {
            let place = self.place(key);
            if self.ids[place] == NONE {
                (self.keys[place], self.ids[place]) = (key, id);
            }
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: i64, id: u32) {
        if !self.ids.is_empty() {
            let place = self.place(key);
            if self.ids[place] == id {
                self.ids[place] = NONE;
            }
        }
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.ids.clear();
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<i64>() + self.ids.capacity() * size_of::<u32>()
    }

    #[inline]
    fn place(&self, key: i64) -> usize {
        ((key as u64).wrapping_mul(self.multiplier) >> self.shift) as usize
    }

    fn find<T: Copy + Into<i64>>(&self, values: &[T], found: &mut [u32]) -> bool {
        let keys = &self.keys[..];
        let ids = &self.ids[..keys.len()];
        let mut is_complete = true;
        for (found, &value) in found.iter_mut().zip(values) {
            let key: i64 = value.into();
            let place = self.place(key);
            *found = if keys[place] == key { ids[place] } else { NONE };
            is_complete &= *found != NONE;
        }
        is_complete
    }

    /// A table of so many places, with the multiplier of those tried under which the fewest keys meet.
    fn rebuild(&mut self, places: usize, known: impl Iterator<Item = (u32, i64)> + Clone) {
        self.shift = u64::BITS - places.ilog2();
        let mut best = (usize::MAX, MULTIPLIER);
        self.multiplier = MULTIPLIER;
        for _ in 0..TRIES {
            let met = self.fill(places, known.clone());
            best = best.min((met, self.multiplier));
            if met == 0 {
                return;
            }
            self.multiplier = self.multiplier.wrapping_mul(MULTIPLIER) | 1;
        }
        self.multiplier = best.1;
        self.fill(places, known);
    }

    /// Fills the table anew; gives the number of keys that found their place taken.
    fn fill(&mut self, places: usize, known: impl Iterator<Item = (u32, i64)>) -> usize {
        self.clear();
        self.keys.resize(places, 0);
        self.ids = vec![NONE; places];
        let mut met = 0;
        for (id, key) in known {
            let place = self.place(key);
            match self.ids[place] {
                NONE => (self.keys[place], self.ids[place]) = (key, id),
                _ => met += 1,
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{Column, Value},
        schema::DataType,
    };

    #[test]
    fn keys_are_found_or_left_to_others() {
        let key = |i: i64| (i * 0x1234_5678_9abc) ^ (i << 50);
        let mut sparse = Sparse::default();
        let mut met = 0;
        for n in 1..=6_000 {
            let known = (0..n).map(|i| (i as u32, key(i)));
            sparse.insert(key(n - 1), n as u32 - 1, n as usize, known);
            if n % 500 != 0 {
                continue;
            }
            let values: Vec<Value> = (0..n).map(|i| key(i).into()).collect();
            let column = Column::from_values(DataType::Int64, &values);
            let mut ids = vec![7; n as usize];
            let is_complete = sparse.lookup(&[column.view()], &mut ids);
            assert_eq!(is_complete.is_none(), n * 16 > 1 << 16, "there are too many for a table");
            if let Some(is_complete) = is_complete {
                assert!(ids.iter().enumerate().all(|(i, &id)| id == NONE || id == i as u32));
                met = ids.iter().filter(|id| **id == NONE).count();
                assert_eq!(is_complete, met == 0);
                assert!(met * 20 < n as usize, "{met} of {n} keys have no place");
            }
        }
        assert!(met > 0, "4,000 keys do not all have a place of their own");
    }

    #[test]
    fn removed_keys_are_not_found() {
        let mut sparse = Sparse::default();
        let known = [(0, 5), (1, 1 << 40)];
        sparse.insert(5, 0, 1, known[..1].iter().copied());
        sparse.insert(1 << 40, 1, 2, known.iter().copied());
        sparse.remove(5, 0);
        let column = Column::from_values(DataType::Int64, &[5_i64.into(), (1_i64 << 40).into(), 0_i64.into()]);
        let mut ids = [9; 3];
        assert_eq!(sparse.lookup(&[column.view()], &mut ids), Some(false));
        assert_eq!(ids, [NONE, 1, NONE]);
    }
}
