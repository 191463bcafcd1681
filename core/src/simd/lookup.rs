//! Values → ids through an array: the way of keys whose values lie close together.

use super::{level::kernel, prefetch};
use crate::{block::Upcoming, limits::GROUPS_MAX};

/// "No id": what unknown values get.
const NONE: u32 = u32::MAX;

/// Ids are not above this, so that the highest bit tells [`NONE`] from them.
const ID_MAX: u32 = u32::MAX / 2;
const _: () = assert!(GROUPS_MAX <= ID_MAX as usize, "ids of keys and groups are below this");

/// Rows of which is asked together whether they are in a table.
const REACH_ROWS: usize = 256;
/// Rows between two prefetches: a cache line of 32-bit integers.
const LINE_ROWS: usize = 16;

/// Integers that index an array.
pub trait Index: Copy {
    /// As 64 bits, sign kept.
    fn to_i64(self) -> i64;
}

macro_rules! index {
    ($($t:ty),*) => {$(
        impl Index for $t {
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
        }
    )*};
}

index!(i8, i16, i32, i64, u32);

/// Writes `table[values[row] - low]` to `ids[row]`, `u32::MAX` for values beyond the table; true if no row got
/// `u32::MAX`. `ids` is as long as `values`; what is in the table is below 2^31 or `u32::MAX`.
#[inline]
pub fn lookup<T: Index>(values: &[T], low: i64, table: &[u32], ids: &mut [u32]) -> bool {
    lookup_each(values, low, table, ids, |id| id, |_| ())
}

/// As [`lookup`], and then once more: writes `second[table[values[row] - low]]`, `u32::MAX` for what either table does
/// not know. On the way what is `upcoming` is asked for.
#[inline]
pub fn lookup_twice<T: Index>(
    values: &[T],
    low: i64,
    [table, second]: [&[u32]; 2],
    ids: &mut [u32],
    upcoming: Option<Upcoming>,
) -> bool {
    let then = |id: u32| second.get(id as usize).copied().unwrap_or(NONE);
    lookup_each(values, low, table, ids, then, |line| {
        if let Some(upcoming) = upcoming {
            prefetch::ask_for(upcoming, line * LINE_ROWS..(line + 1) * LINE_ROWS);
        }
    })
}

/// Writes `then(table[values[row] - low])`, with `each_line` called once for [`LINE_ROWS`] rows. Whether all are in the
/// table is asked once for many rows, and whether all were found once for all, which leaves two loads and little else a
/// row.
#[inline(always)]
fn lookup_each<T: Index>(
    values: &[T],
    low: i64,
    table: &[u32],
    ids: &mut [u32],
    then: impl Fn(u32) -> u32,
    each_line: impl Fn(usize),
) -> bool {
    assert_eq!(values.len(), ids.len(), "one id a value");
    // No id but NONE has the highest bit.
    let mut seen = 0;
    for (chunk, (ids, values)) in ids.chunks_mut(REACH_ROWS).zip(values.chunks(REACH_ROWS)).enumerate() {
        // Of tables as long as a power of two this says exactly whether all are within.
        if reach(values, low) < table.len() as u64 {
            // SAFETY: no place is above the reach, which is within the table.
            let id_of = |value: T| then(unsafe { *table.get_unchecked(place(value, low) as usize) });
            let (id_lines, last_ids) = ids.as_chunks_mut::<LINE_ROWS>();
            let (value_lines, last_values) = values.as_chunks::<LINE_ROWS>();
            for (line, (ids, line_values)) in id_lines.iter_mut().zip(value_lines).enumerate() {
                prefetch::ahead(values, line * LINE_ROWS);
                each_line(chunk * REACH_ROWS / LINE_ROWS + line);
                for (id, &value) in ids.iter_mut().zip(line_values) {
                    *id = id_of(value);
                    seen |= *id;
                }
            }
            for (id, &value) in last_ids.iter_mut().zip(last_values) {
                *id = id_of(value);
                seen |= *id;
            }
        } else {
            for (id, &value) in ids.iter_mut().zip(values) {
                *id = table.get(place(value, low) as usize).map_or(NONE, |&id| then(id));
                seen |= *id;
            }
        }
    }
    seen <= ID_MAX
}

#[inline(always)]
fn place<T: Index>(value: T, low: i64) -> u64 {
    value.to_i64().wrapping_sub(low) as u64
}

kernel! {
    /// A number not below any `values[row] - low`: it has every bit that one of them has.
    fn reach[T: Index](values: &[T], low: i64) -> u64,
    scalar = reach_lanes, lanes = reach_lanes
}

#[inline(always)]
fn reach_lanes<T: Index>(values: &[T], low: i64) -> u64 {
    values.iter().fold(0, |reach, &value| reach | place(value, low))
}

/// Writes `tables[numbers[row]][values[row]]` to `ids[row]`, `u32::MAX` for values beyond the table and for numbers of
/// no table; true if no row got `u32::MAX`. All slices are of one length.
#[inline]
pub fn lookup_among(values: &[u32], numbers: &[u32], tables: &[&[u32]], ids: &mut [u32]) -> bool {
    assert!(values.len() == ids.len() && numbers.len() == ids.len(), "one id a value");
    let mut is_complete = true;
    for ((id, &value), &number) in ids.iter_mut().zip(values).zip(numbers) {
        let table = tables.get(number as usize).copied().unwrap_or_default();
        *id = table.get(value as usize).copied().unwrap_or(NONE);
        is_complete &= *id != NONE;
    }
    is_complete
}

kernel! {
    /// Adds one digit to the mixed-radix index of each row: `digits |= (value - low) << shift`; false if a value does
    /// not fit into `bits`.
    pub fn lookup_radix[T: Index](values: &[T], low: i64, bits: u32, shift: u32, digits: &mut [u32]) -> bool,
    scalar = lookup_radix_lanes, lanes = lookup_radix_lanes
}

#[inline(always)]
fn lookup_radix_lanes<T: Index>(values: &[T], low: i64, bits: u32, shift: u32, digits: &mut [u32]) -> bool {
    let mut reach = 0;
    for (digit, &value) in digits.iter_mut().zip(values) {
        let place = place(value, low);
        reach |= place;
        *digit |= (place as u32) << shift;
    }
    reach >> bits == 0
}

kernel! {
    /// Whether all ids are the same; true of none.
    pub fn all_equal(ids: &[u32]) -> bool,
    scalar = all_equal_scalar, lanes = all_equal_lanes
}

fn all_equal_scalar(ids: &[u32]) -> bool {
    ids.iter().all(|&id| id == ids[0])
}

#[inline(always)]
fn all_equal_lanes(ids: &[u32]) -> bool {
    let Some(&first) = ids.first() else { return true };
    // Most blocks that differ do so at once.
    ids.chunks(256).all(|chunk| chunk.iter().fold(0, |different, &id| different | (id ^ first)) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block::Column, schema::DataType};

    #[test]
    fn values_beyond_the_table_have_no_id() {
        let table = [7, NONE, 9];
        let mut ids = [0; 5];
        assert!(!lookup(&[10_i32, 11, 12, 13, 9], 10, &table, &mut ids));
        assert_eq!(ids, [7, NONE, 9, NONE, NONE]);
        assert!(lookup(&[i64::MIN, i64::MIN + 2], i64::MIN, &table, &mut ids[..2]));
        assert!(!lookup(&[i64::MAX], i64::MIN, &table, &mut ids[..1]));
        assert!(lookup_among(&[0, 1, 0], &[0, 1, 1], &[&[4], &[5, 6]], &mut ids[..3]));
        assert_eq!(ids[..3], [4, 6, 5]);
        assert!(!lookup_among(&[1, 0, 0], &[0, 1, 2], &[&[4], &[5, 6]], &mut ids[..3]));
        assert_eq!(ids[..3], [NONE, 5, NONE]);
        let second = [1, 2, 3, 4, 5, 6, 70, 80];
        let later = Column::from_values(DataType::Int32, &[1.into(), 2.into()]);
        assert!(!lookup_twice(&[10_i32, 11, 12], 10, [&table, &second], &mut ids[..3], None));
        assert_eq!(ids[..3], [80, NONE, NONE]);
        assert!(lookup_twice(&[10_i64, 10], 10, [&table, &second], &mut ids[..2], Upcoming::of(&later.view())));
    }

    #[test]
    fn digits_stand_side_by_side_or_do_not_fit() {
        let mut digits = [0; 2];
        assert!(lookup_radix(&[5_i32, 8], 5, 2, 0, &mut digits));
        assert!(lookup_radix(&[-1_i64, 0], -1, 1, 2, &mut digits));
        assert_eq!(digits, [0, 0b111]);
        assert!(!lookup_radix(&[4_i32, 5], 5, 2, 0, &mut digits));
    }

    #[test]
    fn equality_is_noticed_wherever_it_ends() {
        let mut ids = [3; 600];
        assert!(all_equal(&ids) && all_equal(&[]));
        for at in [0, 1, 255, 256, 599] {
            ids[at] = 4;
            assert!(!all_equal(&ids) && !all_equal_scalar(&ids));
            ids[at] = 3;
        }
    }
}
