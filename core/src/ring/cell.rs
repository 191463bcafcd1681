//! One value of one row on its way into a lane: what the row-wise side of a producer takes.

use crate::block::Value;

/// A borrowed value. `From` makes one of every Rust type that a ring's column can hold, and of `Option`s of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// NULL of any type
    Null,
    /// BOOLEAN
    Bool(bool),
    /// TINYINT
    I8(i8),
    /// SMALLINT
    I16(i16),
    /// INT, DATE (days since 1970)
    I32(i32),
    /// BIGINT, TIMESTAMP and TIMESTAMP_NTZ (microseconds since 1970)
    I64(i64),
    /// FLOAT
    F32(f32),
    /// DOUBLE
    F64(f64),
    /// DECIMAL, unscaled
    I128(i128),
    /// STRING
    Str(&'a str),
    /// BINARY
    Bytes(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// The bytes of a STRING or BINARY; none for anything else.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        match *self {
            Self::Str(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::I8(_) => "an i8",
            Self::I16(_) => "an i16",
            Self::I32(_) => "an i32",
            Self::I64(_) => "an i64",
            Self::F32(_) => "an f32",
            Self::F64(_) => "an f64",
            Self::I128(_) => "an i128",
            Self::Str(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// `None` if a ring cannot hold such a value.
impl<'a> TryFrom<&'a Value> for Cell<'a> {
    type Error = ();

    fn try_from(value: &'a Value) -> Result<Self, ()> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Boolean(x) => Self::Bool(*x),
            Value::Int8(x) => Self::I8(*x),
            Value::Int16(x) => Self::I16(*x),
            Value::Int32(x) => Self::I32(*x),
            Value::Int64(x) => Self::I64(*x),
            Value::Float32(x) => Self::F32(*x),
            Value::Float64(x) => Self::F64(*x),
            Value::Decimal(x) => Self::I128(*x),
            Value::String(x) => Self::Str(x),
            Value::Binary(x) => Self::Bytes(x),
            Value::Interval(_) | Value::Struct(_) | Value::Array(_) => return Err(()),
        })
    }
}

macro_rules! from {
    ($($t:ty => $variant:ident),*) => {$(
        impl<'a> From<$t> for Cell<'a> {
            #[inline]
            fn from(value: $t) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

from!(bool => Bool, i8 => I8, i16 => I16, i32 => I32, i64 => I64, f32 => F32, f64 => F64, i128 => I128,
    &'a str => Str, &'a [u8] => Bytes);

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    #[inline]
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
