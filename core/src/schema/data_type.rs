//! Spark's data types as values.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::Field;
use crate::time::interval::Unit;

/// A Spark SQL data type.
#[derive(Clone, Debug, PartialEq)]
pub enum DataType {
    /// The type of a bare `NULL`; casts to everything.
    Null,
    /// BOOLEAN
    Boolean,
    /// TINYINT, 8 bits
    Int8,
    /// SMALLINT, 16 bits
    Int16,
    /// INT, 32 bits
    Int32,
    /// BIGINT, 64 bits
    Int64,
    /// FLOAT, 32 bits
    Float32,
    /// DOUBLE, 64 bits
    Float64,
    /// DECIMAL(precision, scale), precision at most 38; values are unscaled `i128`
    Decimal(u8, i8),
    /// STRING, UTF-8
    String,
    /// BINARY
    Binary,
    /// DATE, days since the epoch
    Date,
    /// TIMESTAMP: an instant in microseconds since the epoch
    Timestamp,
    /// TIMESTAMP_NTZ: a wall-clock reading without zone, in microseconds
    TimestampNtz,
    /// INTERVAL YEAR TO MONTH or a part of it, from one unit down to another, in months
    IntervalYearMonth(Unit, Unit),
    /// INTERVAL DAY TO SECOND or a part of it, from one unit down to another, in microseconds
    IntervalDayTime(Unit, Unit),
    /// CALENDAR INTERVAL: only as an argument (`session_window` gaps), never a column of a table
    Interval,
    /// STRUCT<...>
    Struct(Vec<Field>),
    /// ARRAY<...>; elements may be NULL
    Array(Box<DataType>),
}

/// How values of a type lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Physical {
    /// Nothing but NULLs.
    Null,
    /// One bit a value.
    Boolean,
    /// `i8`
    Int8,
    /// `i16`
    Int16,
    /// `i32`: INT, DATE, year-month intervals
    Int32,
    /// `i64`: BIGINT, timestamps, day-time intervals
    Int64,
    /// `f32`
    Float32,
    /// `f64`
    Float64,
    /// `i128`: decimals
    Int128,
    /// Offsets and bytes: STRING, BINARY
    Bytes,
    /// [`crate::time::Interval`], 16 bytes
    Interval,
    /// One child column a field
    Struct,
    /// Offsets and one child column
    Array,
}

impl DataType {
    /// INTERVAL YEAR TO MONTH
    pub const YEAR_MONTH: Self = Self::IntervalYearMonth(Unit::Year, Unit::Month);
    /// INTERVAL DAY TO SECOND
    pub const DAY_TIME: Self = Self::IntervalDayTime(Unit::Day, Unit::Second);

    /// The layout of this type's values.
    pub fn physical(&self) -> Physical {
        match self {
            Self::Null => Physical::Null,
            Self::Boolean => Physical::Boolean,
            Self::Int8 => Physical::Int8,
            Self::Int16 => Physical::Int16,
            Self::Int32 | Self::Date | Self::IntervalYearMonth(..) => Physical::Int32,
            Self::Int64 | Self::Timestamp | Self::TimestampNtz | Self::IntervalDayTime(..) => Physical::Int64,
            Self::Float32 => Physical::Float32,
            Self::Float64 => Physical::Float64,
            Self::Decimal(..) => Physical::Int128,
            Self::String | Self::Binary => Physical::Bytes,
            Self::Interval => Physical::Interval,
            Self::Struct(_) => Physical::Struct,
            Self::Array(_) => Physical::Array,
        }
    }

    /// TINYINT to BIGINT.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64)
    }

    /// FLOAT or DOUBLE.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }

    /// Integers, floats and decimals.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, Self::Decimal(..))
    }

    /// TIMESTAMP or TIMESTAMP_NTZ.
    pub fn is_timestamp(&self) -> bool {
        matches!(self, Self::Timestamp | Self::TimestampNtz)
    }

    /// The struct that `window(ts, ...)` gives: start and end of the same timestamp type.
    pub fn window_of(timestamp: DataType) -> Self {
        Self::Struct(alloc::vec![Field::new("start", timestamp.clone()), Field::new("end", timestamp)])
    }

    /// Fields of a struct, or nothing.
    pub fn struct_fields(&self) -> Option<&[Field]> {
        match self {
            Self::Struct(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Spark's spelling in messages and in DDL, upper case: `ARRAY<INT>`, `DECIMAL(10,2)`.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Null => "VOID",
            Self::Boolean => "BOOLEAN",
            Self::Int8 => "TINYINT",
            Self::Int16 => "SMALLINT",
            Self::Int32 => "INT",
            Self::Int64 => "BIGINT",
            Self::Float32 => "FLOAT",
            Self::Float64 => "DOUBLE",
            Self::String => "STRING",
            Self::Binary => "BINARY",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::Interval => "INTERVAL",
            Self::Decimal(p, s) => return write!(f, "DECIMAL({p},{s})"),
            Self::Array(element) => return write!(f, "ARRAY<{element}>"),
            Self::IntervalYearMonth(from, to) | Self::IntervalDayTime(from, to) if from == to => {
                return write!(f, "INTERVAL {}", from.name());
            }
            Self::IntervalYearMonth(from, to) | Self::IntervalDayTime(from, to) => {
                return write!(f, "INTERVAL {} TO {}", from.name(), to.name());
            }
            Self::Struct(fields) => return write_struct(f, fields),
        };
        f.write_str(name)
    }
}

fn write_struct(f: &mut fmt::Formatter<'_>, fields: &[Field]) -> fmt::Result {
    f.write_str("STRUCT<")?;
    for (i, field) in fields.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}{}: {}", field.name, field.data_type)?;
    }
    f.write_str(">")
}

/// Names a struct field list as a type.
impl From<Vec<(String, DataType)>> for DataType {
    fn from(fields: Vec<(String, DataType)>) -> Self {
        Self::Struct(fields.into_iter().map(|(name, t)| Field::new(name, t)).collect())
    }
}
