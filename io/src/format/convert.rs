//! One value's text to its column: what a CSV field may say for each type.

use firesteel_core::{
    Error, Result,
    block::Column,
    schema::{DataType, Field},
    time::{
        self, TimeZone, TimestampReader,
        interval::{self, Unit},
        pattern::Pattern,
    },
};

use super::{
    Format, Options,
    number::{parse_decimal, parse_double, parse_float, parse_integer},
};

/// How the fields of one column are read.
#[derive(Clone, Debug)]
pub(super) enum Converter {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32(FloatWords),
    Float64(FloatWords),
    Decimal(u8, i8),
    String,
    Binary,
    Date(Option<Pattern>),
    Timestamp(Option<Pattern>, TimestampReader),
    TimestampNtz(Option<Pattern>),
    IntervalDayTime(Unit, Unit),
    IntervalYearMonth(Unit, Unit),
    Void,
}

/// What stands for the numbers that have no digits.
#[derive(Clone, Debug)]
pub(super) struct FloatWords {
    nan: Vec<u8>,
    positive: Vec<u8>,
    negative: Vec<u8>,
    /// One of them begins with a digit, as numbers do.
    has_digits: bool,
}

impl Converter {
    /// The converter of a column; an error if CSV cannot hold its type.
    pub(super) fn new(field: &Field, options: &Options, session_zone: &TimeZone) -> Result<Self> {
        Ok(match field.data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::Float32 => Self::Float32(FloatWords::new(options)),
            DataType::Float64 => Self::Float64(FloatWords::new(options)),
            DataType::Decimal(precision, scale) => Self::Decimal(precision, scale),
            DataType::String => Self::String,
            DataType::Binary => Self::Binary,
            DataType::Date => Self::Date(options.pattern("dateFormat")?),
            DataType::Timestamp => {
                let reader = TimestampReader::new(options.zone(session_zone)?);
                Self::Timestamp(options.pattern("timestampFormat")?, reader)
            }
            DataType::TimestampNtz => Self::TimestampNtz(options.pattern("timestampNTZFormat")?),
            DataType::IntervalDayTime(from, to) => Self::IntervalDayTime(from, to),
            DataType::IntervalYearMonth(from, to) => Self::IntervalYearMonth(from, to),
            DataType::Null => Self::Void,
            _ => return Err(unsupported_type(field, Format::Csv)),
        })
    }

    /// Appends the value that `text` stands for, or NULL and `false` if it stands for none.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8], column: &mut Column) -> bool {
        match self {
            Self::String => return push_string(text, column),
            Self::Float64(words) => match words.parse(text).or_else(|| parse_double(text)) {
                Some(value) => column.push(value),
                None => return push_bad(column),
            },
            Self::Timestamp(pattern, reader) => match parse_timestamp(text, pattern.as_ref(), reader) {
                Some(value) => column.push(value),
                None => return push_bad(column),
            },
            Self::Binary => column.push_bytes(text),
            Self::Int64 => match parse_integer(text) {
                Some(value) => column.push(value),
                None => return push_bad(column),
            },
            Self::Int32 => match parse_integer(text).and_then(|x| i32::try_from(x).ok()) {
                Some(value) => column.push(value),
                None => return push_bad(column),
            },
            _ => return self.push_rarer(text, column),
        }
        true
    }

    fn push_rarer(&mut self, text: &[u8], column: &mut Column) -> bool {
        let pushed = match self {
            Self::Boolean => parse_boolean(text).map(|x| column.push_bool(x)),
            Self::Int8 => parse_integer(text).and_then(|x| i8::try_from(x).ok()).map(|x| column.push(x)),
            Self::Int16 => parse_integer(text).and_then(|x| i16::try_from(x).ok()).map(|x| column.push(x)),
            Self::Float32(words) => {
                words.parse(text).map(|x| x as f32).or_else(|| parse_float(text)).map(|x| column.push(x))
            }
            Self::Decimal(precision, scale) => parse_decimal(text, *precision, *scale).map(|x| column.push(x)),
            Self::Date(pattern) => parse_date(text, pattern.as_ref()).map(|x| column.push(x)),
            Self::TimestampNtz(pattern) => parse_timestamp_ntz(text, pattern.as_ref()).map(|x| column.push(x)),
            Self::IntervalDayTime(from, to) => parse_day_time(text, *from, *to).map(|x| column.push(x)),
            Self::IntervalYearMonth(from, to) => parse_year_month(text, *from, *to).map(|x| column.push(x)),
            _ => None,
        };
        pushed.is_some() || push_bad(column)
    }
}

impl FloatWords {
    fn new(options: &Options) -> Self {
        let word = |name: &str, default: &str| options.get(name).unwrap_or(default).as_bytes().to_vec();
        let (nan, positive, negative) =
            (word("nanValue", "NaN"), word("positiveInf", "Inf"), word("negativeInf", "-Inf"));
        let has_digits = [&nan, &positive, &negative].iter().any(|w| w.first().is_some_and(u8::is_ascii_digit));
        Self { nan, positive, negative, has_digits }
    }

    /// Whether no number can be mistaken for one of the words.
    pub(super) fn have_no_digits(&self) -> bool {
        [&self.nan, &self.positive, &self.negative].iter().all(|word| !word.iter().any(u8::is_ascii_digit))
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<f64> {
        // Numbers, which are almost all there is, begin with a digit; comparing three words would cost as much as
        // parsing.
        if !self.has_digits && text.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        match text {
            _ if text == self.nan => Some(f64::NAN),
            _ if text == self.negative => Some(f64::NEG_INFINITY),
            _ if text == self.positive => Some(f64::INFINITY),
            _ => None,
        }
    }
}

/// Text to TIMESTAMP: by the pattern if there is one, else by the rules of CAST.
#[inline]
pub(super) fn parse_timestamp(text: &[u8], pattern: Option<&Pattern>, reader: &mut TimestampReader) -> Option<i64> {
    match pattern {
        Some(pattern) => pattern.parse(std::str::from_utf8(text).ok()?, reader.zone()),
        None => reader.parse(text).or_else(|| time::parse_timestamp(&without_gmt(text)?, reader.zone())),
    }
}

/// Text to TIMESTAMP_NTZ: no zone may stand in it.
pub(super) fn parse_timestamp_ntz(text: &[u8], pattern: Option<&Pattern>) -> Option<i64> {
    match pattern {
        Some(pattern) => pattern.parse_ntz(std::str::from_utf8(text).ok()?, false),
        None => time::parse_timestamp_ntz(text, false),
    }
}

/// Text to DATE: by the pattern if there is one, else by the rules of CAST.
pub(super) fn parse_date(text: &[u8], pattern: Option<&Pattern>) -> Option<i32> {
    match pattern {
        Some(pattern) => pattern.parse_date(std::str::from_utf8(text).ok()?),
        None => time::parse_date(text).or_else(|| time::parse_date(&without_gmt(text)?)),
    }
}

/// Text to a day-time interval, as CAST reads it.
pub(super) fn parse_day_time(text: &[u8], from: Unit, to: Unit) -> Option<i64> {
    interval::parse_day_time(std::str::from_utf8(text).ok()?, from, to)
}

/// Text to a year-month interval, as CAST reads it.
pub(super) fn parse_year_month(text: &[u8], from: Unit, to: Unit) -> Option<i32> {
    interval::parse_year_month(std::str::from_utf8(text).ok()?, from, to)
}

/// Old Sparks wrote `GMT` before the offset; readers still take it out and try again.
#[cold]
fn without_gmt(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    text.contains("GMT").then(|| text.replace("GMT", "").into_bytes())
}

/// Appends text; bytes that are not UTF-8 become U+FFFD, as Java decodes them.
#[inline]
pub(super) fn push_string(text: &[u8], column: &mut Column) -> bool {
    if text.is_ascii() || std::str::from_utf8(text).is_ok() {
        column.push_bytes(text);
    } else {
        column.push_str(&String::from_utf8_lossy(text));
    }
    true
}

/// `true` and `false` in any case; nothing else, unlike CAST.
fn parse_boolean(text: &[u8]) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

#[cold]
fn push_bad(column: &mut Column) -> bool {
    column.push_null();
    false
}

/// The error for a column whose type a format cannot hold.
pub(super) fn unsupported_type(field: &Field, format: Format) -> Error {
    let message = format!("{} cannot hold column `{}` of type {}", format.name(), field.name, field.data_type);
    Error::unsupported("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", message)
}
