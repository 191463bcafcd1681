//! The loops that scalar functions share: a closure over one row's values, applied to columns.
//!
//! NULL in, NULL out, as for most of Spark's functions; rows that do not count become NULL without calling the
//! closure. Closures that give numbers are inlined, each into a loop of its own; one loop serves all that give texts
//! and the like, since those cost far more than a call. Functions that want other NULL rules or vector loops write
//! their own.

use alloc::format;

use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::{Error, Result},
    limits::{COLUMN_BYTES_MAX, TEXT_BYTES_MAX},
    schema::Physical,
};

/// How one row's value is taken out of a column.
pub trait Arg<'a>: Sized {
    /// The value of row `row`, which is not NULL.
    fn at(column: &ColumnRef<'a>, row: usize) -> Self;
}

/// An error if what an expression makes of a block takes too much.
pub fn check_column(out: &Column) -> Result<()> {
    let bytes = out.memory_bytes();
    if bytes <= COLUMN_BYTES_MAX {
        return Ok(());
    }
    let text = format!("the values of one block take {bytes} bytes, more than the allowed {COLUMN_BYTES_MAX}");
    Err(Error::limit(text).hint("make them shorter, or blocks of fewer rows: SET firesteel.blockRows"))
}

/// An error if one text that an expression makes is too long.
pub fn check_text(bytes: usize) -> Result<()> {
    if bytes <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(Error::limit(format!("a text of {bytes} bytes is longer than the allowed {TEXT_BYTES_MAX}"))
        .hint("no value of a row may fill the memory: make it shorter"))
}

/// How one row's result is appended to a column.
pub trait Ret {
    /// Results have any length.
    const GROWS: bool = false;

    /// Appends the result.
    fn push(self, out: &mut Column);
}

impl<'a, T: Native> Arg<'a> for T {
    #[inline]
    fn at(column: &ColumnRef<'a>, row: usize) -> Self {
        column.as_slice::<T>()[column.index(row)]
    }
}

impl<'a> Arg<'a> for &'a str {
    #[inline]
    fn at(column: &ColumnRef<'a>, row: usize) -> Self {
        column.str_at(row)
    }
}

impl<'a> Arg<'a> for &'a [u8] {
    #[inline]
    fn at(column: &ColumnRef<'a>, row: usize) -> Self {
        column.bytes_at(row)
    }
}

impl<'a> Arg<'a> for crate::time::Interval {
    fn at(column: &ColumnRef<'a>, row: usize) -> Self {
        match column.values {
            crate::block::Values::Interval(values) => values[column.index(row)],
            _ => panic!("{} is not stored as intervals", column.data_type),
        }
    }
}

impl<'a> Arg<'a> for bool {
    #[inline]
    fn at(column: &ColumnRef<'a>, row: usize) -> Self {
        column.bool_at(row)
    }
}

impl<T: Native> Ret for T {
    #[inline]
    fn push(self, out: &mut Column) {
        out.push(self);
    }
}

impl Ret for bool {
    fn push(self, out: &mut Column) {
        out.push_bool(self);
    }
}

impl Ret for crate::time::Interval {
    fn push(self, out: &mut Column) {
        out.push_interval(self);
    }
}

impl Ret for &str {
    const GROWS: bool = true;

    fn push(self, out: &mut Column) {
        out.push_str(self);
    }
}

impl Ret for alloc::string::String {
    const GROWS: bool = true;

    fn push(self, out: &mut Column) {
        out.push_str(&self);
    }
}

impl Ret for &[u8] {
    const GROWS: bool = true;

    fn push(self, out: &mut Column) {
        out.push_bytes(self);
    }
}

impl Ret for alloc::vec::Vec<u8> {
    const GROWS: bool = true;

    fn push(self, out: &mut Column) {
        out.push_bytes(&self);
    }
}

impl<T: Ret> Ret for Option<T> {
    const GROWS: bool = T::GROWS;

    #[inline]
    fn push(self, out: &mut Column) {
        match self {
            Some(value) => value.push(out),
            None => out.push_null(),
        }
    }
}

/// `out[row] = f(args[0][row])` for every row that counts and has no NULL.
pub fn apply1<'a, A: Arg<'a>, R: Ret>(
    args: &[ColumnRef<'a>],
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(A) -> Result<R>,
) -> Result<()> {
    let [a] = take(args);
    each(rows, out, &[a], |row| f(A::at(&a, row)))
}

/// `out[row] = f(args[0][row], args[1][row])` for every row that counts and has no NULL.
pub fn apply2<'a, A: Arg<'a>, B: Arg<'a>, R: Ret>(
    args: &[ColumnRef<'a>],
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(A, B) -> Result<R>,
) -> Result<()> {
    let [a, b] = take(args);
    each(rows, out, &[a, b], |row| f(A::at(&a, row), B::at(&b, row)))
}

/// `out[row] = f(args[0][row], args[1][row], args[2][row])` for every row that counts and has no NULL.
pub fn apply3<'a, A: Arg<'a>, B: Arg<'a>, C: Arg<'a>, R: Ret>(
    args: &[ColumnRef<'a>],
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(A, B, C) -> Result<R>,
) -> Result<()> {
    let [a, b, c] = take(args);
    each(rows, out, &[a, b, c], |row| f(A::at(&a, row), B::at(&b, row), C::at(&c, row)))
}

fn each<R: Ret, const N: usize>(
    rows: &Rows<'_>,
    out: &mut Column,
    args: &[ColumnRef<'_>; N],
    mut f: impl FnMut(usize) -> Result<R>,
) -> Result<()> {
    if R::GROWS {
        return each_row(args, rows, out, &mut |row, out| {
            f(row)?.push(out);
            Ok(())
        });
    }
    for row in 0..rows.len() {
        if rows.contains(row) && args.iter().all(|a| a.is_valid(row)) {
            f(row)?.push(out);
        } else {
            out.push_null();
        }
    }
    Ok(())
}

/// Calls `f(row, out)`, which appends one result, for every row that counts and has no NULL in `args`: one loop for
/// all functions that do far more with a row than a call costs.
pub fn each_row(
    args: &[ColumnRef<'_>],
    rows: &Rows<'_>,
    out: &mut Column,
    f: &mut dyn FnMut(usize, &mut Column) -> Result<()>,
) -> Result<()> {
    let grows = matches!(out.data_type().physical(), Physical::Bytes | Physical::Array);
    for row in 0..rows.len() {
        if rows.contains(row) && args.iter().all(|a| a.is_valid(row)) {
            f(row, out)?;
            if grows {
                check_column(out)?;
            }
        } else {
            out.push_null();
        }
    }
    Ok(())
}

fn take<'a, const N: usize>(args: &[ColumnRef<'a>]) -> [ColumnRef<'a>; N] {
    args.try_into().unwrap_or_else(|_| panic!("the binder passes {N} arguments, not {}", args.len()))
}
