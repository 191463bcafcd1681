//! The bytes of saved state: little-endian, every length checked against what is left before anything is
//! allocated, so that corrupt bytes cost an error and no more memory than they are long.

use alloc::{string::String, vec::Vec};

use crate::{
    block::Value,
    error::{Error, Result},
    limits::EXPRESSION_DEPTH_MAX,
    schema::{DataType, Physical},
    time::Interval,
};

/// Numbers with a fixed little-endian form. Never inlined: saving is rare, and every aggregate does it.
pub(crate) trait Scalar: Sized {
    fn save(self, out: &mut Vec<u8>);
    fn load(bytes: &mut &[u8]) -> Result<Self>;
}

macro_rules! scalar {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            #[inline(never)]
            fn save(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline(never)]
            fn load(bytes: &mut &[u8]) -> Result<Self> {
                let (head, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
                *bytes = rest;
                Ok(Self::from_le_bytes(*head))
            }
        }
    )*};
}

scalar!(u8, u32, u64, i8, i16, i32, i64, i128, f32, f64);

impl Scalar for bool {
    #[inline(never)]
    fn save(self, out: &mut Vec<u8>) {
        out.push(self.into());
    }

    #[inline(never)]
    fn load(bytes: &mut &[u8]) -> Result<Self> {
        match u8::load(bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::corrupt(alloc::format!("a saved flag is {other}"))),
        }
    }
}

impl Scalar for Interval {
    fn save(self, out: &mut Vec<u8>) {
        self.months.save(out);
        self.days.save(out);
        self.micros.save(out);
    }

    fn load(bytes: &mut &[u8]) -> Result<Self> {
        Ok(Self { months: i32::load(bytes)?, days: i32::load(bytes)?, micros: i64::load(bytes)? })
    }
}

/// Length first, then the bytes.
#[inline(never)]
pub(crate) fn save_bytes(value: &[u8], out: &mut Vec<u8>) {
    save_count(value.len(), out);
    out.extend_from_slice(value);
}

/// What [`save_bytes`] wrote, borrowed.
#[inline(never)]
pub(crate) fn load_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let len = load_count(bytes, 1)?;
    let (head, rest) = bytes.split_at(len);
    *bytes = rest;
    Ok(head)
}

/// Number of items that follow.
pub(crate) fn save_count(count: usize, out: &mut Vec<u8>) {
    (count as u64).save(out);
}

/// Number of items that follow, each at least `bytes_min` bytes: more than fit in what is left is an error.
#[inline(never)]
pub(crate) fn load_count(bytes: &mut &[u8], bytes_min: usize) -> Result<usize> {
    let count = u64::load(bytes)?;
    let most = bytes.len() / bytes_min.max(1);
    match usize::try_from(count) {
        Ok(count) if count <= most => Ok(count),
        _ => Err(Error::corrupt(alloc::format!("saved state announces {count} items where {most} fit"))),
    }
}

/// A number below `bound`, saved as 32 bits.
#[inline(never)]
pub(crate) fn load_index(bytes: &mut &[u8], bound: usize) -> Result<usize> {
    let index = u32::load(bytes)? as usize;
    match index < bound {
        true => Ok(index),
        false => Err(Error::corrupt(alloc::format!("saved state names item {index} of {bound}"))),
    }
}

/// The version of what follows: any other than this one is refused.
#[inline(never)]
pub(crate) fn load_version(bytes: &mut &[u8], known: u8, of: &str) -> Result<()> {
    match u8::load(bytes)? {
        version if version == known => Ok(()),
        version => Err(Error::corrupt(alloc::format!("saved {of} has version {version}, not {known}"))),
    }
}

/// Saves a value whose type is known to the reader.
pub(crate) fn save_value(value: &Value, out: &mut Vec<u8>) {
    if value.is_null() {
        return false.save(out);
    }
    true.save(out);
    match value {
        Value::Null => {}
        Value::Boolean(x) => x.save(out),
        Value::Int8(x) => x.save(out),
        Value::Int16(x) => x.save(out),
        Value::Int32(x) => x.save(out),
        Value::Int64(x) => x.save(out),
        Value::Float32(x) => x.save(out),
        Value::Float64(x) => x.save(out),
        Value::Decimal(x) => x.save(out),
        Value::String(s) => save_bytes(s.as_bytes(), out),
        Value::Binary(b) => save_bytes(b, out),
        Value::Interval(x) => x.save(out),
        Value::Struct(fields) => fields.iter().for_each(|f| save_value(f, out)),
        Value::Array(elements) => {
            save_count(elements.len(), out);
            elements.iter().for_each(|e| save_value(e, out));
        }
    }
}

/// Reads a value of this type: what comes back can be pushed to a column of the type.
pub(crate) fn load_value(bytes: &mut &[u8], data_type: &DataType) -> Result<Value> {
    load_nested(bytes, data_type, EXPRESSION_DEPTH_MAX)
}

fn load_nested(bytes: &mut &[u8], data_type: &DataType, depth: usize) -> Result<Value> {
    if !bool::load(bytes)? {
        return Ok(Value::Null);
    }
    let depth = depth.checked_sub(1).ok_or_else(cut)?;
    Ok(match data_type.physical() {
        Physical::Null => return Err(Error::corrupt("a saved NULL has a value")),
        Physical::Boolean => Value::Boolean(bool::load(bytes)?),
        Physical::Int8 => Value::Int8(i8::load(bytes)?),
        Physical::Int16 => Value::Int16(i16::load(bytes)?),
        Physical::Int32 => Value::Int32(i32::load(bytes)?),
        Physical::Int64 => Value::Int64(i64::load(bytes)?),
        Physical::Float32 => Value::Float32(f32::load(bytes)?),
        Physical::Float64 => Value::Float64(f64::load(bytes)?),
        Physical::Int128 => Value::Decimal(i128::load(bytes)?),
        Physical::Bytes if *data_type == DataType::String => Value::String(load_text(bytes)?),
        Physical::Bytes => Value::Binary(load_bytes(bytes)?.to_vec()),
        Physical::Interval => Value::Interval(Interval::load(bytes)?),
        Physical::Struct => {
            let fields = data_type.struct_fields().unwrap_or_default();
            let values = fields.iter().map(|f| load_nested(bytes, &f.data_type, depth));
            Value::Struct(values.collect::<Result<_>>()?)
        }
        Physical::Array => {
            let DataType::Array(element) = data_type else { unreachable!("only ARRAY is stored as an array") };
            let count = load_count(bytes, 1)?;
            let values = (0..count).map(|_| load_nested(bytes, element, depth));
            Value::Array(values.collect::<Result<_>>()?)
        }
    })
}

fn load_text(bytes: &mut &[u8]) -> Result<String> {
    let text = core::str::from_utf8(load_bytes(bytes)?);
    Ok(text.map_err(|_| Error::corrupt("a saved string is not UTF-8"))?.into())
}

/// The error for bytes that end too early.
pub(crate) fn cut() -> Error {
    Error::corrupt("saved state ends in the middle of a value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;
    use alloc::{boxed::Box, vec};

    #[test]
    fn values_survive_and_every_cut_is_an_error() {
        let data_type = DataType::Struct(vec![
            Field::new("a", DataType::Array(Box::new(DataType::String))),
            Field::new("b", DataType::Decimal(10, 2)),
        ]);
        let value = Value::Struct(vec![Value::Array(vec!["é".into(), Value::Null]), Value::Decimal(-7)]);
        let mut bytes = Vec::new();
        save_value(&value, &mut bytes);
        assert_eq!(load_value(&mut &bytes[..], &data_type).unwrap(), value);
        for end in 0..bytes.len() {
            assert!(load_value(&mut &bytes[..end], &data_type).unwrap_err().is_corrupt(), "cut at {end}");
        }
    }

    #[test]
    fn an_absurd_count_is_refused_before_allocating() {
        let mut bytes = Vec::new();
        save_count(usize::MAX, &mut bytes);
        assert!(load_bytes(&mut &bytes[..]).unwrap_err().is_corrupt());
    }
}
