//! The rows of one `update`, and the loops over them: which rows count and are not NULL is decided a word of bits
//! at a time, so that the closures see only rows to add.

use crate::{
    block::{BitmapRef, ColumnRef, Native, Rows},
    simd,
};

/// Arguments, group ids and the rows that count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    /// One column an argument.
    pub args: &'a [ColumnRef<'a>],
    /// The group of each row; anything for rows that do not count.
    pub groups: &'a [u32],
    /// The rows that count.
    pub rows: Rows<'a>,
}

impl<'a> Batch<'a> {
    /// Checks that the parts belong together.
    pub fn new(args: &'a [ColumnRef<'a>], groups: &'a [u32], rows: &Rows<'a>) -> Self {
        assert_eq!(groups.len(), rows.len(), "one group id a row");
        Self { args, groups, rows: *rows }
    }

    /// Calls `f(row, group)` for every row that counts.
    #[inline]
    pub fn each(&self, mut f: impl FnMut(usize, usize)) {
        match self.rows.selection() {
            None => self.groups.iter().enumerate().for_each(|(row, &g)| f(row, g as usize)),
            Some(bits) => bits.for_each_set(|row| f(row, self.groups[row] as usize)),
        }
    }

    /// Calls `f(row, group)` for every row that counts and has a value in each of the first `args` arguments.
    #[inline]
    pub fn each_valid(&self, args: usize, mut f: impl FnMut(usize, usize)) {
        let mut bits = [None; 4];
        let mut used = 0;
        for map in self.args[..args].iter().filter(|a| !a.is_constant).filter_map(|a| a.validity) {
            assert!(used < 3, "more arguments with NULLs than any aggregate has");
            bits[used] = Some(map);
            used += 1;
        }
        if self.args[..args].iter().any(|a| a.is_constant && !a.is_valid(0)) {
            return;
        }
        bits[used] = self.rows.selection();
        match bits {
            [None, ..] => self.groups.iter().enumerate().for_each(|(row, &g)| f(row, g as usize)),
            [Some(a), None, ..] => a.for_each_set(|row| f(row, self.groups[row] as usize)),
            _ => for_each_in_all(&bits, |row| f(row, self.groups[row] as usize)),
        }
    }

    /// As [`Batch::each_valid`], one loop for all closures: for those that do far more with a row than a call costs.
    pub fn each_valid_slowly(&self, args: usize, f: &mut dyn FnMut(usize, usize)) {
        self.each_valid(args, f);
    }

    /// As [`Batch::each_valid`] until `f` fails.
    #[inline]
    pub fn try_each_valid<E>(&self, args: usize, mut f: impl FnMut(usize, usize) -> Result<(), E>) -> Result<(), E> {
        let mut result = Ok(());
        self.each_valid(args, |row, group| {
            if result.is_ok() {
                result = f(row, group);
            }
        });
        result
    }

    /// The values of argument `index` as they lie, if every row counts and none is NULL: the case for plain loops.
    #[inline]
    pub fn dense<T: Native>(&self, index: usize) -> Option<&'a [T]> {
        let column = &self.args[index];
        let plain = self.rows.selection().is_none() && column.validity.is_none() && !column.is_constant;
        plain.then(|| &column.as_slice::<T>()[..self.groups.len()])
    }

    /// Whether every row counts and has a value as argument `index`.
    pub fn has_all(&self, index: usize) -> bool {
        self.rows.selection().is_none() && self.args[index].validity.is_none()
    }

    /// The group of all rows, if they all count and have one.
    pub fn only_group(&self) -> Option<usize> {
        let &first = self.groups.first()?;
        (self.rows.selection().is_none() && simd::all_equal(self.groups)).then_some(first as usize)
    }
}

#[inline]
fn for_each_in_all(bits: &[Option<BitmapRef<'_>>], mut f: impl FnMut(usize)) {
    let words = bits.iter().flatten().map(|b| b.words().len()).min().unwrap_or(0);
    for w in 0..words {
        let mut rest = bits.iter().flatten().fold(u64::MAX, |word, b| word & b.words()[w]);
        while rest != 0 {
            f(w * 64 + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{Bitmap, Column, Value},
        schema::DataType,
    };
    use alloc::vec::Vec;

    #[test]
    fn rows_are_those_that_count_and_have_values() {
        let values = |every: usize| (0..150).map(move |i| if i % every == 0 { Value::Null } else { Value::Int32(1) });
        let a = Column::from_values(DataType::Int32, &values(3).collect::<Vec<_>>());
        let b = Column::from_values(DataType::Int32, &values(4).collect::<Vec<_>>());
        let picked: Bitmap = (0..150).map(|i| i % 5 != 0).collect();
        let groups: Vec<u32> = (0..150).map(|i| i % 7).collect();
        let args = [a.view(), b.view()];
        for selection in [None, Some(picked.view())] {
            let batch = Batch::new(&args, &groups, &Rows::new(150, selection));
            for n in 0..=2 {
                let mut seen = Vec::new();
                batch.each_valid(n, |row, group| seen.push((row, group)));
                let wanted = |row: &usize| {
                    (n < 1 || !row.is_multiple_of(3))
                        && (n < 2 || !row.is_multiple_of(4))
                        && (selection.is_none() || !row.is_multiple_of(5))
                };
                assert_eq!(seen, (0..150).filter(wanted).map(|r| (r, r % 7)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn one_group_is_noticed() {
        let mut groups = [5_u32; 200];
        let only = |groups: &[u32]| Batch::new(&[], groups, &Rows::new(groups.len(), None)).only_group();
        assert_eq!(only(&groups), Some(5));
        groups[199] = 4;
        assert_eq!(only(&groups), None);
    }
}
