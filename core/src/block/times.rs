//! What is known of a block's timestamps without a look at them.

/// What timestamps have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Lowest.
    pub min: i64,
    /// Highest.
    pub max: i64,
    /// Sum of the differences to the first, modulo 2^64.
    pub offsets: i64,
}

/// What a block knows of a column's timestamps, none of which is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What they have in common.
    pub times: Times,
    /// If not, they are some of those that `times` is of.
    pub are_all: bool,
}

impl Times {
    /// Those of no timestamp.
    pub(crate) const NONE: Self = Self { min: i64::MAX, max: i64::MIN, offsets: 0 };

    /// Adds `len` timestamps behind those that are in it, of which `first` was the first; `next` is the first of the
    /// new ones.
    #[must_use]
    pub(crate) fn followed_by(self, first: i64, other: Self, next: i64, len: usize) -> Self {
        let moved = next.wrapping_sub(first).wrapping_mul(len as i64);
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            offsets: self.offsets.wrapping_add(other.offsets).wrapping_add(moved),
        }
    }
}
