//! Vector loops over columns: one closure per row type, inlined; constants are not broadcast; NULL in, NULL out.
//!
//! Kernels compute every row, counting or not, because a loop without branches is faster than one that asks.
//! A closure that can fail says so with a flag beside its result; only if a flag was raised is it asked again, row
//! by row, which of the rows that count failed. So an error never comes from a row that nobody asked about, nor
//! from the unspecified value behind a NULL.

use super::EvalMode;
use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::{Error, Result},
    simd,
};

/// `out[row] = f(a[row])`.
pub(crate) fn unary<A: Native, R: Native>(a: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column, f: impl FnMut(A) -> R) {
    if all_null(&[a], rows, out) {
        return;
    }
    map(a.as_slice(), a.is_constant, out.native_dirty(rows.len()), f);
    nulls_of(&[a], out);
}

/// As [`unary`]; `f` also says whether it failed. A failure is an error (ANSI) or NULL.
pub(crate) fn unary_checked<A: Native, R: Native>(
    a: &ColumnRef<'_>,
    rows: &Rows<'_>,
    out: &mut Column,
    mode: EvalMode,
    f: impl Fn(A) -> (R, bool),
    error: impl Fn(A) -> Error,
) -> Result<()> {
    if all_null(&[a], rows, out) {
        return Ok(());
    }
    let values = a.as_slice::<A>();
    let mut failed = false;
    map(values, a.is_constant, out.native_dirty(rows.len()), |x| {
        let (result, bad) = f(x);
        failed |= bad;
        result
    });
    nulls_of(&[a], out);
    if !failed {
        return Ok(());
    }
    settle(rows, out, &[a], mode, &|row| f(values[a.index(row)]).1, &|row| error(values[a.index(row)]))
}

/// `out[row] = f(a[row], b[row])`.
pub(crate) fn binary<A: Native, B: Native, R: Native>(
    a: &ColumnRef<'_>,
    b: &ColumnRef<'_>,
    rows: &Rows<'_>,
    out: &mut Column,
    f: impl Fn(A, B) -> R,
) {
    if all_null(&[a, b], rows, out) {
        return;
    }
    zip((a.as_slice(), a.is_constant), (b.as_slice(), b.is_constant), out.native_dirty(rows.len()), f);
    nulls_of(&[a, b], out);
}

/// As [`binary`]; `f` also says whether it failed. A failure is an error (ANSI) or NULL.
pub(crate) fn binary_checked<A: Native, B: Native, R: Native>(
    a: &ColumnRef<'_>,
    b: &ColumnRef<'_>,
    rows: &Rows<'_>,
    out: &mut Column,
    mode: EvalMode,
    f: impl Fn(A, B) -> (R, bool),
    error: impl Fn(A, B) -> Error,
) -> Result<()> {
    if all_null(&[a, b], rows, out) {
        return Ok(());
    }
    let (x, y) = (a.as_slice::<A>(), b.as_slice::<B>());
    let mut failed = false;
    zip((x, a.is_constant), (y, b.is_constant), out.native_dirty(rows.len()), |x, y| {
        let (result, bad) = f(x, y);
        failed |= bad;
        result
    });
    nulls_of(&[a, b], out);
    if !failed {
        return Ok(());
    }
    let at = |row| (x[a.index(row)], y[b.index(row)]);
    let is_bad = |row| f(at(row).0, at(row).1).1;
    settle(rows, out, &[a, b], mode, &is_bad, &|row| error(at(row).0, at(row).1))
}

/// `out[row] = f(a[row], b[row])` into bits, or with `is_not` its opposite.
pub(crate) fn compare<A: Native>(
    a: &ColumnRef<'_>,
    b: &ColumnRef<'_>,
    rows: &Rows<'_>,
    out: &mut Column,
    is_not: bool,
    f: impl Fn(A, A) -> bool + Copy,
) {
    if all_null(&[a, b], rows, out) {
        return;
    }
    let (len, words) = (rows.len(), out.bools_mut(rows.len()).words_mut());
    let (x, y) = (a.as_slice::<A>(), b.as_slice::<A>());
    let flip = if is_not { u64::MAX } else { 0 };
    // Constants are taken out of their slices before the loop: a bounds check in it would keep it scalar.
    match (a.is_constant, b.is_constant, x.first(), y.first()) {
        (true, true, Some(&x), Some(&y)) => fill(words, len, f(x, y) != is_not),
        (false, true, _, Some(&y)) => simd::mask_of(&x[..len], words, flip, |x| f(x, y)),
        (true, false, Some(&x), _) => simd::mask_of(&y[..len], words, flip, |y| f(x, y)),
        _ => simd::mask_of_two(&x[..len], &y[..len], words, flip, f),
    }
    nulls_of(&[a, b], out);
}

/// `out[row] = f(row)` for every row of which no argument is NULL; other rows are NULL.
pub(crate) fn predicate(args: &[&ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column, f: impl Fn(usize) -> bool) {
    if all_null(args, rows, out) {
        return;
    }
    let bits = out.bools_mut(rows.len());
    rows.for_each(|row| {
        if args.iter().all(|a| a.is_valid(row)) && f(row) {
            bits.set(row, true);
        }
    });
    nulls_of(args, out);
}

/// If an argument is a constant NULL, makes every result NULL and says so.
pub(crate) fn all_null(args: &[&ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> bool {
    let is_null = args.iter().any(|a| a.is_constant && !a.is_valid(0));
    if is_null {
        out.clear();
        (0..rows.len()).for_each(|_| out.push_null());
    }
    is_null
}

/// Makes the rows NULL in which an argument is. Constants were seen to by [`all_null`].
pub(crate) fn nulls_of(args: &[&ColumnRef<'_>], out: &mut Column) {
    args.iter().filter(|a| !a.is_constant).for_each(|a| out.set_validity(a.validity));
}

/// Fails, or makes NULL, the rows that count for which `is_bad`. Rare, so there is one for all kernels.
#[cold]
pub(crate) fn settle(
    rows: &Rows<'_>,
    out: &mut Column,
    args: &[&ColumnRef<'_>],
    mode: EvalMode,
    is_bad: &dyn Fn(usize) -> bool,
    error: &dyn Fn(usize) -> Error,
) -> Result<()> {
    rows.try_for_each(|row| {
        if args.iter().all(|a| a.is_valid(row)) && is_bad(row) {
            if mode == EvalMode::Ansi {
                return Err(error(row));
            }
            out.set_null(row);
        }
        Ok(())
    })
}

#[inline(always)]
fn map<A: Copy, R: Copy>(a: &[A], is_constant: bool, out: &mut [R], mut f: impl FnMut(A) -> R) {
    if is_constant {
        return out.fill(f(a[0]));
    }
    let a = &a[..out.len()];
    out.iter_mut().zip(a).for_each(|(out, &a)| *out = f(a));
}

#[inline(always)]
fn zip<A: Copy, B: Copy, R: Copy>(
    (a, a_constant): (&[A], bool),
    (b, b_constant): (&[B], bool),
    out: &mut [R],
    mut f: impl FnMut(A, B) -> R,
) {
    match (a_constant, b_constant, a.first(), b.first()) {
        (true, _, Some(&a), _) => map(b, b_constant, out, |b| f(a, b)),
        (false, true, _, Some(&b)) => map(a, false, out, |a| f(a, b)),
        _ => {
            let (a, b) = (&a[..out.len()], &b[..out.len()]);
            out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (&a, &b))| *out = f(a, b));
        }
    }
}

fn fill(words: &mut [u64], len: usize, bit: bool) {
    for (w, word) in words.iter_mut().enumerate() {
        let rows = (len - w * 64).min(64);
        *word = if bit { u64::MAX >> (64 - rows) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block::Value, schema::DataType};
    use alloc::vec::Vec;

    #[test]
    fn a_failure_counts_only_where_it_was_asked_for() {
        let column = |values: &[Value]| Column::from_values(DataType::Int32, values);
        let a = column(&[1.into(), Value::Null, i32::MAX.into(), i32::MAX.into()]);
        let one = column(&[1.into()]);
        let add = |rows: &Rows<'_>, mode| {
            let mut out = Column::new(DataType::Int32);
            let overflow = |_: i32, _: i32| Error::data("ARITHMETIC_OVERFLOW", "overflow");
            binary_checked(&a.view(), &one.view_constant(), rows, &mut out, mode, i32::overflowing_add, overflow)
                .map(|()| (0..4).map(|i| out.view().value(i)).collect::<Vec<_>>())
        };
        let all = Rows::new(4, None);
        assert!(add(&all, EvalMode::Ansi).is_err());
        assert_eq!(add(&all, EvalMode::Try).unwrap(), [2.into(), Value::Null, Value::Null, Value::Null]);
        let some = [true, true, false, false].into_iter().collect::<crate::block::Bitmap>();
        assert_eq!(add(&Rows::new(4, Some(some.view())), EvalMode::Ansi).unwrap()[..2], [2.into(), Value::Null]);
    }
}
