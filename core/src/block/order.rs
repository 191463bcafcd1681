//! Spark's order of values: for ORDER BY, min, max and whatever else compares values of one type.

use core::cmp::Ordering;

use super::{ColumnRef, Values};

/// Compares two values that are not NULL, of columns of one type: numbers by value (NaN greatest, −0.0 = 0.0),
/// false before true, strings and binaries by bytes, structs field by field, arrays element by element (NULL first).
pub fn compare(a: &ColumnRef<'_>, row_a: usize, b: &ColumnRef<'_>, row_b: usize) -> Ordering {
    let (i, j) = (a.index(row_a), b.index(row_b));
    match (a.values, b.values) {
        (Values::Null, Values::Null) => Ordering::Equal,
        (Values::Boolean(x), Values::Boolean(y)) => x.get(i).cmp(&y.get(j)),
        (Values::Int8(x), Values::Int8(y)) => x[i].cmp(&y[j]),
        (Values::Int16(x), Values::Int16(y)) => x[i].cmp(&y[j]),
        (Values::Int32(x), Values::Int32(y)) => x[i].cmp(&y[j]),
        (Values::Int64(x), Values::Int64(y)) => x[i].cmp(&y[j]),
        (Values::Int128(x), Values::Int128(y)) => x[i].cmp(&y[j]),
        (Values::Float32(x), Values::Float32(y)) => compare_floats(x[i].into(), y[j].into()),
        (Values::Float64(x), Values::Float64(y)) => compare_floats(x[i], y[j]),
        (Values::Bytes(x), Values::Bytes(y)) => x.get(i).cmp(y.get(j)),
        (Values::Interval(x), Values::Interval(y)) => {
            let key = |v: &crate::time::Interval| (v.months, v.days, v.micros);
            key(&x[i]).cmp(&key(&y[j]))
        }
        (Values::Struct(x), Values::Struct(y)) => {
            let fields = x.iter().zip(y).map(|(f, g)| compare_nullable(&f.view(), i, &g.view(), j));
            fields.into_iter().find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        }
        (Values::Array { offsets: ox, elements: ex }, Values::Array { offsets: oy, elements: ey }) => {
            let (ex, ey) = (ex.view(), ey.view());
            let (x, y) = (ox[i] as usize..ox[i + 1] as usize, oy[j] as usize..oy[j + 1] as usize);
            let lengths = x.len().cmp(&y.len());
            let pairs = x.zip(y).map(|(k, l)| compare_nullable(&ex, k, &ey, l));
            pairs.into_iter().find(|o| o.is_ne()).unwrap_or(lengths)
        }
        _ => panic!("values of {} and {} do not compare", a.data_type, b.data_type),
    }
}

/// As [`compare`], with NULL before everything.
pub fn compare_nullable(a: &ColumnRef<'_>, row_a: usize, b: &ColumnRef<'_>, row_b: usize) -> Ordering {
    match (a.is_valid(row_a), b.is_valid(row_b)) {
        (true, true) => compare(a, row_a, b, row_b),
        (valid_a, valid_b) => valid_a.cmp(&valid_b),
    }
}

/// NaN is equal to NaN and greater than anything; zeros of both signs are equal.
#[inline]
pub fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
/// Sorts rows by any order, equals as they are: one sort for all whose comparisons cost far more than a call.
pub(crate) fn sort_rows(rows: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    rows.sort_by(|&a, &b| compare(a, b));
}
