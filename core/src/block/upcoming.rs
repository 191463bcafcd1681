//! Where a column lies that will be read soon, of this block or the next: an address to ask memory for, never one to
//! read from.

use core::ops::Range;

use super::{ColumnRef, Values};

/// Foresees where the next block's column lies: as far behind the last one as that behind the one before, as blocks of
/// a ring do.
#[derive(Debug, Default)]
pub struct Foresight {
    last: usize,
    distance: usize,
}

/// A column that will be read next, or two: a kernel that computes more than it reads asks for it on the way, so that
/// whoever only reads need not wait.
#[derive(Clone, Copy, Debug)]
pub struct Upcoming {
    /// The second may have rows of no width.
    columns: [Place; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    address: usize,
    row_bytes: usize,
}

impl Foresight {
    /// Takes note of a block's column, and says where the next one is to be expected; if that is unknown, in the same
    /// place. `None` if its rows have no width.
    pub fn behind(&mut self, column: &ColumnRef<'_>) -> Option<Upcoming> {
        Upcoming::of(column).map(|here| self.behind_place(here))
    }

    /// As [`Foresight::behind`], of the first column there.
    pub fn behind_place(&mut self, mut here: Upcoming) -> Upcoming {
        let [Place { address, .. }, _] = &mut here.columns;
        *address = self.behind_address(*address);
        here
    }

    fn behind_address(&mut self, here: usize) -> usize {
        let distance = here.wrapping_sub(self.last);
        let step = if distance == self.distance { distance } else { 0 };
        *self = Self { last: here, distance };
        here.wrapping_add(step)
    }
}

impl Upcoming {
    /// What lies at an address, so many bytes a row; there may be nothing.
    pub fn at(address: usize, row_bytes: usize) -> Self {
        Self { columns: [Place { address, row_bytes }, Place::default()] }
    }

    /// Both, if there are two: the first column of each.
    pub fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(Self { columns: [one.columns[0], other.columns[0]] }),
            (one, other) => one.or(other),
        }
    }

    /// A column that is at hand and will be read later; `None` if its rows have no width.
    pub fn of(column: &ColumnRef<'_>) -> Option<Self> {
        fn start<T>(values: &[T]) -> Option<Upcoming> {
            Some(Upcoming::at(values.as_ptr().addr(), size_of::<T>()))
        }
        match column.values {
            Values::Int32(values) => start(values),
            Values::Int64(values) => start(values),
            Values::Float32(values) => start(values),
            Values::Float64(values) => start(values),
            _ => None,
        }
        .filter(|_| !column.is_constant)
    }

    /// The same bytes, of which those who go through `rows` rows ask for as many as lie in `all` rows.
    pub fn shared_by(self, rows: usize, all: usize) -> Self {
        let share = |place: Place| Place { row_bytes: (place.row_bytes * all).div_ceil(rows.max(1)), ..place };
        Self { columns: self.columns.map(share) }
    }

    /// The columns from a row on.
    pub fn from_row(self, row: usize) -> Self {
        let on = |Place { address, row_bytes }| Place { address: address.wrapping_add(row * row_bytes), row_bytes };
        Self { columns: self.columns.map(on) }
    }

    /// Where these rows begin in each column, and how many bytes they have.
    pub fn rows(self, rows: Range<usize>) -> [(usize, usize); 2] {
        let from = self.from_row(rows.start);
        from.columns.map(|Place { address, row_bytes }| (address, rows.len() * row_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_at_equal_distances_are_foreseen_others_not() {
        let ring = [0_u64; 100];
        let mut foresight = Foresight::default();
        let mut foreseen =
            |at: usize| foresight.behind_address(ring[at..].as_ptr().addr()).wrapping_sub(ring.as_ptr().addr()) / 8;
        // Two distances must agree; where the ring begins anew they do not.
        assert_eq!([0, 10, 20, 30, 0, 10, 20].map(&mut foreseen), [0, 10, 30, 40, 0, 10, 30]);
        // One buffer that is used again and again, and rings in turn.
        assert_eq!([5, 5, 5, 50, 5, 50].map(foreseen), [5, 5, 5, 50, 5, 50]);
    }

    #[test]
    fn rows_are_so_many_bytes_of_each_column() {
        let both = Upcoming::both(Some(Upcoming::at(64, 8)), Some(Upcoming::at(1000, 21))).unwrap();
        assert_eq!(both.from_row(3).rows(0..2), [(88, 16), (1063, 42)]);
        assert_eq!(both.rows(3..5), [(88, 16), (1063, 42)]);
        assert_eq!(Upcoming::at(64, 4).rows(2..4), [(72, 8), (0, 0)]);
        assert_eq!(Upcoming::at(64, 4).shared_by(30, 100).rows(0..30), [(64, 30 * 14), (0, 0)]);
    }
}
