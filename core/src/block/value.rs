//! One value of any type: literals, rows handed to users, state of aggregates that keep whole values. Never the
//! currency of a hot path; that is columns.

use alloc::{string::String, vec::Vec};

use crate::time::Interval;

/// A single value. Which type it is a value of is known from the column or expression beside it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL of any type
    Null,
    /// BOOLEAN
    Boolean(bool),
    /// TINYINT
    Int8(i8),
    /// SMALLINT
    Int16(i16),
    /// INT, DATE (days since the epoch), year-month interval (months)
    Int32(i32),
    /// BIGINT, TIMESTAMP and TIMESTAMP_NTZ (microseconds), day-time interval (microseconds)
    Int64(i64),
    /// FLOAT
    Float32(f32),
    /// DOUBLE
    Float64(f64),
    /// DECIMAL: unscaled digits
    Decimal(i128),
    /// STRING
    String(String),
    /// BINARY
    Binary(Vec<u8>),
    /// CALENDAR INTERVAL
    Interval(Interval),
    /// STRUCT: one value a field
    Struct(Vec<Value>),
    /// ARRAY
    Array(Vec<Value>),
}

impl Value {
    /// True for NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Integers of any width, dates, timestamps.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int8(x) => Some(x.into()),
            Self::Int16(x) => Some(x.into()),
            Self::Int32(x) => Some(x.into()),
            Self::Int64(x) => Some(x),
            _ => None,
        }
    }

    /// DOUBLE or FLOAT.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Float32(x) => Some(x.into()),
            Self::Float64(x) => Some(x),
            _ => None,
        }
    }

    /// STRING.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(s.into())
    }
}

impl From<i32> for Value {
    fn from(x: i32) -> Self {
        Self::Int32(x)
    }
}

impl From<i64> for Value {
    fn from(x: i64) -> Self {
        Self::Int64(x)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Float64(x)
    }
}

impl From<bool> for Value {
    fn from(x: bool) -> Self {
        Self::Boolean(x)
    }
}
