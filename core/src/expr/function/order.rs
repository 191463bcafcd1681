//! The order of values of one type: NaN is equal to itself and above everything, `-0.0` equals `0.0`, strings compare
//! by their bytes, arrays and structs element by element with NULL below everything.

use core::cmp::Ordering;

use crate::block::{ColumnRef, Values};

/// Compares two values that are not NULL, of columns of one type.
pub(crate) fn compare(a: &ColumnRef<'_>, row_a: usize, b: &ColumnRef<'_>, row_b: usize) -> Ordering {
    let (i, j) = (a.index(row_a), b.index(row_b));
    match (a.values, b.values) {
        (Values::Boolean(x), Values::Boolean(y)) => x.get(i).cmp(&y.get(j)),
        (Values::Int8(x), Values::Int8(y)) => x[i].cmp(&y[j]),
        (Values::Int16(x), Values::Int16(y)) => x[i].cmp(&y[j]),
        (Values::Int32(x), Values::Int32(y)) => x[i].cmp(&y[j]),
        (Values::Int64(x), Values::Int64(y)) => x[i].cmp(&y[j]),
        (Values::Int128(x), Values::Int128(y)) => x[i].cmp(&y[j]),
        (Values::Float32(x), Values::Float32(y)) => compare_doubles(x[i].into(), y[j].into()),
        (Values::Float64(x), Values::Float64(y)) => compare_doubles(x[i], y[j]),
        (Values::Bytes(x), Values::Bytes(y)) => x.get(i).cmp(y.get(j)),
        (Values::Struct(x), Values::Struct(y)) => {
            let fields = x.iter().zip(y).map(|(x, y)| compare_nullable(&x.view(), i, &y.view(), j));
            fields.fold(Ordering::Equal, Ordering::then)
        }
        (Values::Array { offsets: p, elements: x }, Values::Array { offsets: q, elements: y }) => {
            let (x, y) = (x.view(), y.view());
            let (from, to) = (p[i] as usize..p[i + 1] as usize, q[j] as usize..q[j + 1] as usize);
            let lengths = from.len().cmp(&to.len());
            let elements = from.zip(to).map(|(i, j)| compare_nullable(&x, i, &y, j));
            elements.fold(Ordering::Equal, Ordering::then).then(lengths)
        }
        _ => Ordering::Equal,
    }
}

/// As [`compare`], NULL below everything and equal to itself.
pub(crate) fn compare_nullable(a: &ColumnRef<'_>, row_a: usize, b: &ColumnRef<'_>, row_b: usize) -> Ordering {
    match (a.is_valid(row_a), b.is_valid(row_b)) {
        (true, true) => compare(a, row_a, b, row_b),
        (valid_a, valid_b) => valid_a.cmp(&valid_b),
    }
}

/// NaN above everything, zeros equal.
pub(super) fn compare_doubles(x: f64, y: f64) -> Ordering {
    x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
}
