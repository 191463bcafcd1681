//! Rows as bytes: two rows are equal to GROUP BY if and only if their bytes are equal, and the bytes give the row
//! back. Keys in tables, DISTINCT sets and checkpoints are such bytes.
//!
//! A value is one byte (0 NULL, 1 not), then: fixed-width values little-endian; strings and binaries a `u32` length
//! and the bytes; structs their fields; arrays a `u32` length and the elements. Floats are normalised as Spark
//! groups them: every NaN is one NaN, −0.0 is 0.0. Rows that are kept for their values rather than for their identity
//! are written the same way but for that.

use alloc::vec::Vec;

use crate::{
    block::{Column, ColumnRef, Values},
    error::{Error, Result},
    schema::{DataType, Physical},
    time::Interval,
};

/// Appends row `row` of the columns to `out`.
pub fn encode_row(columns: &[ColumnRef<'_>], row: usize, out: &mut Vec<u8>) {
    columns.iter().for_each(|column| encode_value::<true>(column, row, out));
}

/// As [`encode_row`], but floats keep their bits, so that the row comes back exactly.
pub fn encode_row_exact(columns: &[ColumnRef<'_>], row: usize, out: &mut Vec<u8>) {
    columns.iter().for_each(|column| encode_value::<false>(column, row, out));
}

fn encode_value<const NORMAL: bool>(column: &ColumnRef<'_>, row: usize, out: &mut Vec<u8>) {
    if !column.is_valid(row) || matches!(column.values, Values::Null) {
        return out.push(0);
    }
    out.push(1);
    let i = column.index(row);
    match column.values {
        Values::Null => unreachable!("handled above"),
        Values::Boolean(bits) => out.push(bits.get(i).into()),
        Values::Int8(v) => out.extend_from_slice(&v[i].to_le_bytes()),
        Values::Int16(v) => out.extend_from_slice(&v[i].to_le_bytes()),
        Values::Int32(v) => out.extend_from_slice(&v[i].to_le_bytes()),
        Values::Int64(v) => out.extend_from_slice(&v[i].to_le_bytes()),
        Values::Int128(v) => out.extend_from_slice(&v[i].to_le_bytes()),
        Values::Float32(v) => out.extend_from_slice(&normal_f32::<NORMAL>(v[i]).to_le_bytes()),
        Values::Float64(v) => out.extend_from_slice(&normal_f64::<NORMAL>(v[i]).to_le_bytes()),
        Values::Bytes(bytes) => encode_bytes(bytes.get(i), out),
        Values::Interval(v) => {
            out.extend_from_slice(&v[i].months.to_le_bytes());
            out.extend_from_slice(&v[i].days.to_le_bytes());
            out.extend_from_slice(&v[i].micros.to_le_bytes());
        }
        Values::Struct(fields) => fields.iter().for_each(|f| encode_value::<NORMAL>(&f.view(), i, out)),
        Values::Array { offsets, elements } => {
            let range = offsets[i] as usize..offsets[i + 1] as usize;
            out.extend_from_slice(&(range.len() as u32).to_le_bytes());
            let elements = elements.view();
            range.for_each(|j| encode_value::<NORMAL>(&elements, j, out));
        }
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn normal_f64<const NORMAL: bool>(x: f64) -> f64 {
    match NORMAL {
        false => x,
        true if x.is_nan() => f64::NAN,
        true => x + 0.0,
    }
}

fn normal_f32<const NORMAL: bool>(x: f32) -> f32 {
    match NORMAL {
        false => x,
        true if x.is_nan() => f32::NAN,
        true => x + 0.0,
    }
}

/// Appends an encoded row to columns of the types it was encoded from, and advances `bytes` past it.
pub fn decode_row(bytes: &mut &[u8], columns: &mut [Column]) -> Result<()> {
    columns.iter_mut().try_for_each(|column| decode_value(bytes, column))
}

/// Advances `bytes` past an encoded row of these types.
pub fn skip_row(bytes: &mut &[u8], types: &[DataType]) -> Result<()> {
    let mut scratch: Vec<Column> = types.iter().map(|t| Column::new(t.clone())).collect();
    decode_row(bytes, &mut scratch)
}

fn decode_value(bytes: &mut &[u8], column: &mut Column) -> Result<()> {
    match take::<1>(bytes)?[0] {
        0 => {
            column.push_null();
            return Ok(());
        }
        1 => {}
        other => return Err(Error::corrupt(alloc::format!("a value's first byte is {other}, not 0 or 1"))),
    }
    match column.data_type().physical() {
        Physical::Null => return Err(Error::corrupt("a value of type VOID that is not NULL")),
        Physical::Boolean => column.push_bool(take::<1>(bytes)?[0] != 0),
        Physical::Int8 => column.push(i8::from_le_bytes(take(bytes)?)),
        Physical::Int16 => column.push(i16::from_le_bytes(take(bytes)?)),
        Physical::Int32 => column.push(i32::from_le_bytes(take(bytes)?)),
        Physical::Int64 => column.push(i64::from_le_bytes(take(bytes)?)),
        Physical::Int128 => column.push(i128::from_le_bytes(take(bytes)?)),
        Physical::Float32 => column.push(f32::from_le_bytes(take(bytes)?)),
        Physical::Float64 => column.push(f64::from_le_bytes(take(bytes)?)),
        Physical::Bytes => {
            let len = u32::from_le_bytes(take(bytes)?) as usize;
            column.push_bytes(take_slice(bytes, len)?);
        }
        Physical::Interval => {
            let (months, days) = (i32::from_le_bytes(take(bytes)?), i32::from_le_bytes(take(bytes)?));
            column.push_interval(Interval { months, days, micros: i64::from_le_bytes(take(bytes)?) });
        }
        Physical::Struct => {
            let mut result = Ok(());
            column.push_struct(|children| {
                for child in children {
                    match &result {
                        Ok(()) => result = decode_value(bytes, child),
                        Err(_) => child.push_null(),
                    }
                }
            });
            result?;
        }
        Physical::Array => {
            let len = u32::from_le_bytes(take(bytes)?) as usize;
            if len > bytes.len() {
                return Err(truncated());
            }
            let mut result = Ok(());
            column.push_array(|child| result = (0..len).try_for_each(|_| decode_value(bytes, child)));
            result?;
        }
    }
    Ok(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(truncated)?;
    *bytes = rest;
    Ok(*head)
}

fn take_slice<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len).ok_or_else(truncated)?;
    *bytes = rest;
    Ok(head)
}

fn truncated() -> Error {
    Error::corrupt("an encoded row ends in the middle of a value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block::Value, schema::Field};
    use alloc::{boxed::Box, vec};

    #[test]
    fn rows_come_back_and_equal_rows_have_equal_bytes() {
        let types = [
            DataType::Int32,
            DataType::String,
            DataType::Float64,
            DataType::Array(Box::new(DataType::Boolean)),
            DataType::Struct(vec![Field::new("a", DataType::Int64)]),
        ];
        let rows = [
            vec![1.into(), "x".into(), 0.5.into(), Value::Array(vec![true.into(), Value::Null]), Value::Null],
            vec![Value::Null, "".into(), Value::Null, Value::Array(vec![]), Value::Struct(vec![7_i64.into()])],
        ];
        let columns: Vec<Column> = (0..types.len())
            .map(|c| Column::from_values(types[c].clone(), &rows.iter().map(|r| r[c].clone()).collect::<Vec<_>>()))
            .collect();
        let views: Vec<ColumnRef<'_>> = columns.iter().map(Column::view).collect();
        for (r, row) in rows.iter().enumerate() {
            let mut bytes = Vec::new();
            encode_row(&views, r, &mut bytes);
            let mut back: Vec<Column> = types.iter().map(|t| Column::new(t.clone())).collect();
            decode_row(&mut &bytes[..], &mut back).unwrap();
            let values: Vec<Value> = back.iter().map(|c| c.view().value(0)).collect();
            assert_eq!(values, *row);
            for cut in 0..bytes.len() {
                let mut back: Vec<Column> = types.iter().map(|t| Column::new(t.clone())).collect();
                assert!(decode_row(&mut &bytes[..cut], &mut back).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn zeros_of_both_signs_are_one_group_and_so_are_nans() {
        let column =
            Column::from_values(DataType::Float64, &[0.0.into(), (-0.0).into(), f64::NAN.into(), (-f64::NAN).into()]);
        let bytes: Vec<Vec<u8>> = (0..4)
            .map(|row| {
                let mut out = Vec::new();
                encode_row(&[column.view()], row, &mut out);
                out
            })
            .collect();
        assert_eq!(bytes[0], bytes[1]);
        assert_eq!(bytes[2], bytes[3]);
    }

    #[test]
    fn an_exact_row_keeps_the_sign_of_zero() {
        let column = Column::from_values(DataType::Float64, &[(-0.0).into()]);
        let (mut bytes, mut back) = (Vec::new(), [Column::new(DataType::Float64)]);
        encode_row_exact(&[column.view()], 0, &mut bytes);
        decode_row(&mut &bytes[..], &mut back).unwrap();
        assert!(back[0].view().as_slice::<f64>()[0].is_sign_negative());
    }
}
