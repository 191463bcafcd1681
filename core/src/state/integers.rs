//! Keys of integers: their types, and the numbers in their encoded form.

use super::{
    packed::Packed,
    radix::{DIGITS_MAX, Digits},
};
use crate::schema::{DataType, Physical};

/// Bytes of an integer type's values.
pub(super) fn integer_width(data_type: &DataType) -> Option<usize> {
    match data_type.physical() {
        Physical::Int8 => Some(1),
        Physical::Int16 => Some(2),
        Physical::Int32 => Some(4),
        Physical::Int64 => Some(8),
        _ => None,
    }
}

/// Whether keys of these types are integers of which a packed key has room for all.
pub(super) fn are_integers_packed(types: &[DataType]) -> bool {
    let widths = types.iter().map(|t| integer_width(t).map(|width| width + 1));
    widths.sum::<Option<usize>>().is_some_and(|bytes| bytes < size_of::<Packed>()) && types.len() <= DIGITS_MAX
}

/// The integers of a key; `None` if one is NULL or no integer.
pub(super) fn digits_of(types: &[DataType], key: &Packed) -> Option<Digits> {
    let mut bytes = key.bytes()?;
    let mut digits = Digits::new();
    for data_type in types {
        let (head, rest) = bytes.split_at_checked(1 + integer_width(data_type)?)?;
        let [1, value @ ..] = head else { return None };
        let mut wide = [if value.last()? & 0x80 == 0 { 0 } else { 0xff }; 8];
        wide[..value.len()].copy_from_slice(value);
        digits.push(i64::from_le_bytes(wide)).ok()?;
        bytes = rest;
    }
    Some(digits)
}
