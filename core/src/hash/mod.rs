//! Spark's row hashes: XxHash64 (`xxhash64`, `approx_count_distinct`) and Murmur3 (`hash`), bit for bit.
//!
//! A type decides which bits of its value are hashed, the algorithm how. A row of several columns is hashed by
//! using the hash of one column as the seed of the next; a NULL leaves the seed as it is. `-0.0` hashes as `0.0` and
//! every NaN as the one NaN, so that equal values hash alike.

pub mod murmur3;
pub mod xxhash64;

use alloc::vec::Vec;

use crate::{
    block::{ColumnRef, Rows, Values},
    schema::DataType,
};

/// The seed of Spark's SQL functions `hash` and `xxhash64`, and of HyperLogLog++.
pub const SEED: u32 = 42;

/// A hash of primitive values; what a type feeds into it is the same for all.
pub trait Algorithm {
    /// The hash and the seed.
    type Hash: Copy;

    /// Hashes 32 bits.
    fn int(value: i32, seed: Self::Hash) -> Self::Hash;
    /// Hashes 64 bits.
    fn long(value: i64, seed: Self::Hash) -> Self::Hash;
    /// Hashes bytes.
    fn bytes(value: &[u8], seed: Self::Hash) -> Self::Hash;
}

/// Replaces `hashes[row]` by the hash of the column's value with the old hash as seed, for every row that counts.
pub fn update<A: Algorithm>(column: &ColumnRef<'_>, rows: &Rows<'_>, hashes: &mut [A::Hash]) {
    assert_eq!(hashes.len(), rows.len(), "one hash a row");
    match column.values {
        Values::Int64(v) if !column.is_constant && column.validity.is_none() => {
            rows.for_each(|row| hashes[row] = A::long(v[row], hashes[row]));
        }
        Values::Int32(v) if !column.is_constant && column.validity.is_none() => {
            rows.for_each(|row| hashes[row] = A::int(v[row], hashes[row]));
        }
        _ => rows.for_each(|row| hashes[row] = hash_at::<A>(column, row, hashes[row])),
    }
}

/// The hash of one value of a column; the seed if it is NULL.
pub fn hash_at<A: Algorithm>(column: &ColumnRef<'_>, row: usize, seed: A::Hash) -> A::Hash {
    if !column.is_valid(row) {
        return seed;
    }
    let i = column.index(row);
    match column.values {
        Values::Null => seed,
        Values::Boolean(bits) => A::int(bits.get(i).into(), seed),
        Values::Int8(v) => A::int(v[i].into(), seed),
        Values::Int16(v) => A::int(v[i].into(), seed),
        Values::Int32(v) => A::int(v[i], seed),
        Values::Int64(v) => A::long(v[i], seed),
        Values::Float32(v) => A::int(float_bits(v[i]), seed),
        Values::Float64(v) => A::long(double_bits(v[i]), seed),
        Values::Int128(v) => decimal::<A>(v[i], column.data_type, seed),
        Values::Bytes(bytes) => A::bytes(bytes.get(i), seed),
        Values::Interval(v) => A::int(v[i].months, A::int(v[i].days, A::long(v[i].micros, seed))),
        Values::Struct(fields) => fields.iter().fold(seed, |h, field| hash_at::<A>(&field.view(), i, h)),
        Values::Array { offsets, elements } => {
            let elements = elements.view();
            (offsets[i] as usize..offsets[i + 1] as usize).fold(seed, |h, j| hash_at::<A>(&elements, j, h))
        }
    }
}

/// The bits of a double that Spark hashes.
pub fn double_bits(x: f64) -> i64 {
    match x {
        0.0 => 0,
        x if x.is_nan() => 0x7ff8_0000_0000_0000,
        x => x.to_bits() as i64,
    }
}

/// The bits of a float that Spark hashes.
pub fn float_bits(x: f32) -> i32 {
    match x {
        0.0 => 0,
        x if x.is_nan() => 0x7fc0_0000,
        x => x.to_bits() as i32,
    }
}

/// Decimals of up to 18 digits are hashed as longs, larger ones as the bytes of Java's `BigInteger`.
fn decimal<A: Algorithm>(unscaled: i128, data_type: &DataType, seed: A::Hash) -> A::Hash {
    match data_type {
        DataType::Decimal(precision, _) if *precision > 18 => A::bytes(&big_integer_bytes(unscaled), seed),
        _ => A::long(unscaled as i64, seed),
    }
}

/// Big-endian two's complement without redundant sign bytes, at least one byte.
fn big_integer_bytes(x: i128) -> Vec<u8> {
    let sign_bits = if x < 0 { x.leading_ones() } else { x.leading_zeros() };
    let used = (129 - sign_bits as usize).div_ceil(8);
    x.to_be_bytes()[16 - used..].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_integers_have_no_redundant_bytes() {
        let cases: [(i128, &[u8]); 6] =
            [(0, &[0]), (127, &[127]), (128, &[0, 128]), (-1, &[255]), (-128, &[128]), (-129, &[255, 127])];
        for (x, bytes) in cases {
            assert_eq!(big_integer_bytes(x), bytes, "{x}");
        }
        assert_eq!(big_integer_bytes(i128::MIN).len(), 16);
    }

    #[test]
    fn equal_floats_have_equal_bits() {
        assert_eq!(double_bits(-0.0), double_bits(0.0));
        assert_eq!(double_bits(-f64::NAN), double_bits(f64::NAN));
        assert_eq!(float_bits(-0.0), 0);
        assert_eq!(double_bits(1.5), 0x3ff8_0000_0000_0000);
    }
}
