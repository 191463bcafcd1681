//! What the schema asks of the text: for every field its key, and how its value is read.

use firesteel_core::{
    Result,
    schema::{DataType, Field},
    time::{TimeZone, TimestampReader, interval::Unit, pattern::Pattern},
};

use super::super::{Format, Options, convert::unsupported_type};

/// How the value of a field becomes a value of a column.
#[derive(Debug)]
pub(super) enum Target {
    /// Not needed: the text is checked and passed over.
    Skip,
    /// Of type VOID: anything is NULL.
    Void,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal(u8, i8),
    String,
    Binary,
    Date,
    Timestamp,
    TimestampNtz,
    IntervalDayTime(Unit, Unit),
    IntervalYearMonth(Unit, Unit),
    Struct(Record),
    Array(Box<Target>),
}

/// The fields of an object.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) fields: Vec<Key>,
    /// How many of them are read.
    pub(super) read: usize,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Box<[u8]>,
    /// The name with its closing quote: what the text most likely says. Empty if the name needs escapes.
    pub(super) quoted: Box<[u8]>,
    pub(super) target: Target,
}

/// How texts of dates and times are read.
#[derive(Debug)]
pub(super) struct Formats {
    pub(super) date: Option<Pattern>,
    pub(super) timestamp: Option<Pattern>,
    pub(super) timestamp_ntz: Option<Pattern>,
    pub(super) timestamps: TimestampReader,
}

impl Record {
    /// `is_read` says which fields are needed; those of nested objects all are.
    pub(super) fn new(fields: &[Field], is_read: impl Fn(usize) -> bool) -> Result<Self> {
        let fields = fields
            .iter()
            .enumerate()
            .map(|(i, field)| {
                let target = Target::new(field, &field.data_type)?;
                Ok(Key::new(&field.name, if is_read(i) { target } else { Target::Skip }))
            })
            .collect::<Result<Vec<_>>>()?;
        let read = fields.iter().filter(|f| !matches!(f.target, Target::Skip)).count();
        Ok(Self { fields, read })
    }

    /// The field with this name; names are case-sensitive in JSON.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.fields.iter().position(|field| *field.name == *name)
    }
}

impl Key {
    fn new(name: &str, target: Target) -> Self {
        let is_plain = name.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\');
        let quoted = if is_plain { format!("{name}\"").into_bytes() } else { Vec::new() };
        Self { name: name.as_bytes().into(), quoted: quoted.into(), target }
    }
}

impl Target {
    fn new(field: &Field, data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Null => Self::Void,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Decimal(precision, scale) => Self::Decimal(*precision, *scale),
            DataType::String => Self::String,
            DataType::Binary => Self::Binary,
            DataType::Date => Self::Date,
            DataType::Timestamp => Self::Timestamp,
            DataType::TimestampNtz => Self::TimestampNtz,
            DataType::IntervalDayTime(from, to) => Self::IntervalDayTime(*from, *to),
            DataType::IntervalYearMonth(from, to) => Self::IntervalYearMonth(*from, *to),
            DataType::Struct(fields) => Self::Struct(Record::new(fields, |_| true)?),
            DataType::Array(element) => Self::Array(Box::new(Self::new(field, element)?)),
            _ => return Err(unsupported_type(field, Format::Json)),
        })
    }
}

impl Formats {
    pub(super) fn new(options: &Options, session_zone: &TimeZone) -> Result<Self> {
        Ok(Self {
            date: options.pattern("dateFormat")?,
            timestamp: options.pattern("timestampFormat")?,
            timestamp_ntz: options.pattern("timestampNTZFormat")?,
            timestamps: TimestampReader::new(options.zone(session_zone)?),
        })
    }
}
