//! Integer keys whose values lie close together: one array, indexed by the key's columns as digits side by side.
//!
//! ```text
//!   (plug 3, household 0, house 7)  ──►  0b0011_0_0111  ──►  table[55] = id
//! ```
//! A digit has as many bits as the distance between the least and the greatest value seen needs. A value outside widens
//! it, which builds the table anew; a key of one column then gets room where it grew, for numbers that count up. While
//! there are too few keys for the table they would need, there is none.

use alloc::vec::Vec;

use crate::{
    block::{ColumnRef, Upcoming, Values},
    simd,
};

/// Columns that a table takes.
pub(super) const DIGITS_MAX: usize = 6;
/// Bits of the largest table: 4 MiB of ids, which the last level of cache holds.
const BITS_MAX: u32 = 20;
/// Bits up to which a table may be as empty as it likes: 256 KiB, which L2 holds.
const BITS_FREE: u32 = 16;
/// Places a key, beyond that.
const SPARSENESS_MAX: usize = 64;
/// What a table of one column gets beyond its keys: where numbers count up, it is made anew that much less often.
const GROWTH_BITS: u32 = 2;

const NONE: u32 = u32::MAX;

/// The values of a key, one a column.
pub(super) type Digits = heapless::Vec<i64, DIGITS_MAX>;

/// The table.
#[derive(Debug)]
pub(super) struct Radix {
    columns: Vec<Digit>,
    /// Empty if nothing was seen, or keys lie too far apart.
    table: Vec<u32>,
    /// Without table: how many keys there must be before it is worth a look.
    wanted: usize,
    // Scratch.
    places: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Digit {
    low: i64,
    high: i64,
    bits: u32,
    shift: u32,
}

impl Radix {
    /// A table for keys of so many integer columns; for others there is none.
    pub fn new(integer_columns: Option<usize>) -> Self {
        let columns = integer_columns.filter(|n| (1..=DIGITS_MAX).contains(n)).unwrap_or_default();
        let digit = Digit { low: i64::MAX, high: i64::MIN, bits: 0, shift: 0 };
        Self { columns: alloc::vec![digit; columns], table: Vec::new(), wanted: 0, places: Vec::new() }
    }

    /// Writes the ids of the keys of the rows from `from` on, as many as `ids` takes, `u32::MAX` where they are not
    /// known; tells whether all are known. `None` if the table cannot be asked about these columns, and then `ids` is
    /// untouched.
    pub fn lookup(&mut self, columns: &[ColumnRef<'_>], from: usize, ids: &mut [u32]) -> Option<bool> {
        self.look(columns, from, None, ids)
    }

    /// As [`Radix::lookup`], but writes `second[id]` for each id, and asks for what is `upcoming`.
    pub fn lookup_twice(
        &mut self,
        columns: &[ColumnRef<'_>],
        from: usize,
        second: &[u32],
        ids: &mut [u32],
        upcoming: Option<Upcoming>,
    ) -> Option<bool> {
        self.look(columns, from, Some((second, upcoming)), ids)
    }

    fn look(
        &mut self,
        columns: &[ColumnRef<'_>],
        from: usize,
        second: Option<(&[u32], Option<Upcoming>)>,
        ids: &mut [u32],
    ) -> Option<bool> {
        let is_plain = |c: &ColumnRef<'_>| c.validity.is_none() && !c.is_constant;
        if self.table.is_empty() || !columns.iter().all(is_plain) {
            return None;
        }
        if let ([column], [digit]) = (columns, &self.columns[..]) {
            return Some(match column.values {
                Values::Int8(v) => find(&v[from..], digit.low, &self.table, second, ids),
                Values::Int16(v) => find(&v[from..], digit.low, &self.table, second, ids),
                Values::Int32(v) => find(&v[from..], digit.low, &self.table, second, ids),
                Values::Int64(v) => find(&v[from..], digit.low, &self.table, second, ids),
                _ => return None,
            });
        }
        self.places.clear();
        self.places.resize(ids.len(), 0);
        for (column, digit) in columns.iter().zip(&self.columns) {
            let Digit { low, bits, shift, .. } = *digit;
            let fits = match column.values {
                Values::Int8(v) => simd::lookup_radix(&v[from..], low, bits, shift, &mut self.places),
                Values::Int16(v) => simd::lookup_radix(&v[from..], low, bits, shift, &mut self.places),
                Values::Int32(v) => simd::lookup_radix(&v[from..], low, bits, shift, &mut self.places),
                Values::Int64(v) => simd::lookup_radix(&v[from..], low, bits, shift, &mut self.places),
                _ => return None,
            };
            if !fits {
                return None;
            }
        }
        Some(find(&self.places, 0, &self.table, second, ids))
    }

    /// The id of one row's key, if it is one integer and known here.
    pub fn id_at(&self, columns: &[ColumnRef<'_>], row: usize) -> Option<u32> {
        let ([column], [digit]) = (columns, &self.columns[..]) else { return None };
        if !column.is_valid(row) {
            return None;
        }
        let row = column.index(row);
        let value = match column.values {
            Values::Int8(v) => v[row].into(),
            Values::Int16(v) => v[row].into(),
            Values::Int32(v) => v[row].into(),
            Values::Int64(v) => v[row],
            _ => return None,
        };
        let at = usize::try_from(value.wrapping_sub(digit.low)).ok()?;
        self.table.get(at).copied().filter(|&id| id != NONE)
    }

    /// Whether there is a table, which then knows all keys.
    pub fn has_table(&self) -> bool {
        !self.table.is_empty()
    }

    /// Remembers the id of a key; `known` has all keys, `count` of them, this one included.
    pub fn insert(&mut self, key: &Digits, id: u32, count: usize, known: impl Iterator<Item = (u32, Digits)> + Clone) {
        if key.len() != self.columns.len() || key.is_empty() {
            return;
        }
        match self.place(key) {
            Some(place) => self.table[place] = id,
            None if self.table.is_empty() && count < self.wanted => {}
            None => self.rebuild(key, count, known),
        }
    }

    /// The id of a key, if there is a table and the key in it.
    pub fn get(&self, key: &Digits) -> Option<u32> {
        self.place(key).map(|place| self.table[place]).filter(|&id| id != NONE)
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &Digits) {
        if let Some(place) = self.place(key) {
            self.table[place] = NONE;
        }
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.table.fill(NONE);
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        (self.table.capacity() + self.places.capacity()) * size_of::<u32>()
    }

    fn place(&self, key: &Digits) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let mut place = 0;
        for (digit, value) in self.columns.iter().zip(key) {
            let offset = value.wrapping_sub(digit.low) as u64;
            if offset >> digit.bits != 0 {
                return None;
            }
            place |= (offset as usize) << digit.shift;
        }
        Some(place)
    }

    /// A table that holds all keys, with room in every digit up to the next power of two, or beyond for the only one.
    fn rebuild(&mut self, key: &Digits, count: usize, known: impl Iterator<Item = (u32, Digits)> + Clone) {
        let mut columns = core::mem::take(&mut self.columns);
        columns.iter_mut().for_each(|digit| (digit.low, digit.high) = (i64::MAX, i64::MIN));
        for (_, key) in known.clone() {
            for (digit, &value) in columns.iter_mut().zip(&key) {
                (digit.low, digit.high) = (digit.low.min(value), digit.high.max(value));
            }
        }
        let mut total: u32 = 0;
        let is_single = columns.len() == 1;
        for (digit, &value) in columns.iter_mut().zip(key) {
            let growth = is_single.then_some((value, count));
            *digit = Digit::covering(digit.low, digit.high, total.min(BITS_MAX), growth);
            total = total.saturating_add(digit.bits);
        }
        self.columns = columns;
        self.table.clear();
        if !is_filled(total, count) {
            let enough = 1_usize << total.min(BITS_MAX).saturating_sub(SPARSENESS_MAX.ilog2());
            self.wanted = enough.max(count * 2);
            return;
        }
        self.table.resize(1 << total, NONE);
        for (id, key) in known {
            if let Some(place) = self.place(&key) {
                self.table[place] = id;
            }
        }
    }
}

/// Whether a table of so many bits is worth its memory for so many keys.
fn is_filled(bits: u32, count: usize) -> bool {
    bits <= BITS_FREE || (bits <= BITS_MAX && 1_usize << bits <= count * SPARSENESS_MAX)
}

fn find<T: simd::Index>(
    values: &[T],
    low: i64,
    table: &[u32],
    second: Option<(&[u32], Option<Upcoming>)>,
    ids: &mut [u32],
) -> bool {
    let values = &values[..ids.len()];
    match second {
        None => simd::lookup(values, low, table, ids),
        Some((second, upcoming)) => simd::lookup_twice(values, low, [table, second], ids, upcoming),
    }
}

impl Digit {
    /// A digit for these values, and some beyond them: from zero if that costs nothing, else on both sides alike, or on
    /// the side where the value lies that made it grow, and then there is more of it, as far as so many keys may ask.
    fn covering(low: i64, high: i64, shift: u32, growth: Option<(i64, usize)>) -> Self {
        let distance = high.wrapping_sub(low) as u64;
        let bits = u64::BITS - distance.leading_zeros();
        if bits > BITS_MAX {
            return Self { low, high, bits, shift };
        }
        let is_allowed = |more: &u32| growth.is_some_and(|(_, count)| is_filled(bits + more, count));
        let bits = bits + (1..=GROWTH_BITS).rev().find(is_allowed).unwrap_or_default();
        let room = (1 << bits) - 1 - distance as i64;
        let low = match growth {
            _ if (0..=room).contains(&low) => 0,
            Some((value, _)) if value == high => low,
            Some((value, _)) if value == low => low.saturating_sub(room),
            _ => low.saturating_sub(room / 2),
        };
        Self { low, high, bits, shift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{Column, Value},
        schema::DataType,
    };

    fn ints(values: &[i32]) -> Column {
        Column::from_values(DataType::Int32, &values.iter().map(|&v| v.into()).collect::<Vec<Value>>())
    }

    /// Inserts keys one by one and looks all of them up after each.
    fn check(keys: &[[i32; 2]], has_table: bool) {
        let mut radix = Radix::new(Some(2));
        let all: Vec<(u32, Digits)> =
            keys.iter().enumerate().map(|(id, key)| (id as u32, key.iter().map(|&v| v.into()).collect())).collect();
        for n in 1..=keys.len() {
            radix.insert(&all[n - 1].1, n as u32 - 1, n, all[..n].iter().cloned());
            if radix.table.is_empty() {
                continue;
            }
            let columns = [0, 1].map(|c| ints(&keys[..n].iter().map(|k| k[c]).collect::<Vec<_>>()));
            let mut ids = alloc::vec![0; n];
            assert_eq!(radix.lookup(&[columns[0].view(), columns[1].view()], 0, &mut ids), Some(true));
            assert_eq!(ids, (0..n as u32).collect::<Vec<_>>());
        }
        assert_eq!(!radix.table.is_empty(), has_table, "{keys:?}");
    }

    #[test]
    fn keys_are_found_however_the_digits_grow() {
        check(&[[0, 0], [1, 0], [0, 1], [100, 7], [-3, 9], [-200, 2], [500, -1]], true);
        check(&[[7, 7], [8, 1_000_000_000]], false);
        check(&[[i32::MIN, 0], [i32::MAX, 0]], false);
    }

    #[test]
    fn a_table_comes_when_there_are_keys_enough() {
        let mut radix = Radix::new(Some(1));
        let key = |i: usize| -> Digits { [(i * 7919 % 100_000) as i64].into_iter().collect() };
        for n in 1..=5_000 {
            let known = (0..n).map(|i| (i as u32, key(i)));
            radix.insert(&key(n - 1), n as u32 - 1, n, known);
        }
        assert_eq!(radix.table.len(), 1 << 17);
    }

    #[test]
    fn what_is_not_known_has_no_id() {
        let mut radix = Radix::new(Some(1));
        let key: Digits = [5].into_iter().collect();
        radix.insert(&key, 3, 1, [(3, key.clone())].into_iter());
        let mut ids = [0; 3];
        assert_eq!(radix.lookup(&[ints(&[5, 4, 900]).view()], 0, &mut ids), Some(false));
        assert_eq!(ids, [3, NONE, NONE]);
        radix.remove(&key);
        assert_eq!(radix.lookup(&[ints(&[5]).view()], 0, &mut ids[..1]), Some(false));
        let with_null = Column::from_values(DataType::Int32, &[Value::Null]);
        assert_eq!(radix.lookup(&[with_null.view()], 0, &mut ids[..1]), None);
        assert!(Radix::new(None).lookup(&[], 0, &mut []).is_none());
    }
}
