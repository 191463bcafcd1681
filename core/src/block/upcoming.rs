//! Where a column lies that will be read soon, of this block or the next: an address to ask memory for, never one to
//! read from.

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
    address: usize,
    /// A second column, or the same.
    other: usize,
}

impl Foresight {
    /// Takes note of a block's column, and says where the next one is to be expected; if that is unknown, in the same
    /// place. `None` if its rows have no width.
    pub fn behind(&mut self, column: &ColumnRef<'_>) -> Option<Upcoming> {
        Upcoming::of(column).map(|here| self.behind_address(here.address))
    }

    fn behind_address(&mut self, here: usize) -> Upcoming {
        let distance = here.wrapping_sub(self.last);
        let step = if distance == self.distance { distance } else { 0 };
        *self = Self { last: here, distance };
        Upcoming::at(here.wrapping_add(step))
    }
}

impl Upcoming {
    /// What lies at an address; there may be nothing.
    pub fn at(address: usize) -> Self {
        Self { address, other: address }
    }

    /// Both, if there are two: the first column of each.
    pub fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(Self { address: one.address, other: other.address }),
            (one, other) => one.or(other),
        }
    }

    /// A column that is at hand and will be read later; `None` if its rows have no width.
    pub fn of(column: &ColumnRef<'_>) -> Option<Self> {
        fn start<T>(values: &[T]) -> Option<Upcoming> {
            Some(Upcoming::at(values.as_ptr().addr()))
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

    /// The column from a row on, if its values are of this type.
    pub fn from_row<T>(self, row: usize) -> Self {
        let [address, other] = [self.address, self.other].map(|place| place.wrapping_add(row * size_of::<T>()));
        Self { address, other }
    }

    /// Where they begin; there may be nothing.
    pub fn addresses(self) -> [usize; 2] {
        [self.address, self.other]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_at_equal_distances_are_foreseen_others_not() {
        let ring = [0_u64; 100];
        let mut foresight = Foresight::default();
        let mut foreseen = |at: usize| {
            foresight.behind_address(ring[at..].as_ptr().addr()).address.wrapping_sub(ring.as_ptr().addr()) / 8
        };
        // Two distances must agree; where the ring begins anew they do not.
        assert_eq!([0, 10, 20, 30, 0, 10, 20].map(&mut foreseen), [0, 10, 30, 40, 0, 10, 30]);
        // One buffer that is used again and again, and rings in turn.
        assert_eq!([5, 5, 5, 50, 5, 50].map(foreseen), [5, 5, 5, 50, 5, 50]);
    }

    #[test]
    fn rows_on_are_so_many_values_on() {
        let upcoming = Upcoming::at(64);
        assert_eq!(upcoming.from_row::<i64>(3).addresses(), [88, 88]);
    }
}
