//! Text to everything else, by Spark's and Java's rules for what a number, a boolean or a date may look like.

use alloc::{format, string::String};
use core::str::from_utf8;

use super::Cast;
use crate::{
    block::{Column, ColumnRef, Rows},
    error::{Error, Result},
    expr::{
        EvalMode,
        apply::{Ret, apply1},
        decimal::{PRECISION_MAX, Reading, Shape},
    },
    schema::DataType,
    time::{interval, parse_date, parse_timestamp, parse_timestamp_ntz},
};

impl Cast {
    /// Text to any type that is not nested.
    pub(super) fn parse_text(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let fraction = self.mode == EvalMode::Legacy;
        let integer = |text: &[u8]| parse_integer(text, fraction);
        match self.to {
            DataType::Boolean => self.each(from, rows, out, parse_boolean),
            DataType::Int8 => self.each(from, rows, out, |t| i8::try_from(integer(t)?).ok()),
            DataType::Int16 => self.each(from, rows, out, |t| i16::try_from(integer(t)?).ok()),
            DataType::Int32 => self.each(from, rows, out, |t| i32::try_from(integer(t)?).ok()),
            DataType::Int64 => self.each(from, rows, out, integer),
            DataType::Float32 => self.each(from, rows, out, parse_float::<f32>),
            DataType::Float64 => self.each(from, rows, out, parse_float::<f64>),
            DataType::Decimal(precision, scale) => self.parse_decimal(from, rows, out, Shape::new(precision, scale)),
            DataType::Binary => apply1(&[*from], rows, out, |text: &[u8]| Ok(text)),
            DataType::Date => self.each(from, rows, out, parse_date),
            DataType::Timestamp => self.each(from, rows, out, |t| parse_timestamp(t, &self.zone)),
            DataType::TimestampNtz => self.each(from, rows, out, |t| parse_timestamp_ntz(t, true)),
            DataType::IntervalDayTime(a, b) => {
                self.each(from, rows, out, |t| interval::parse_day_time(from_utf8(t).ok()?, a, b))
            }
            DataType::IntervalYearMonth(a, b) => {
                self.each(from, rows, out, |t| interval::parse_year_month(from_utf8(t).ok()?, a, b))
            }
            DataType::Interval => self.each(from, rows, out, |t| interval::parse_interval(from_utf8(t).ok()?)),
            _ => panic!("no cast from {} to {}", from.data_type, self.to),
        }
    }

    fn each<R: Ret>(
        &self,
        from: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
        parse: impl Fn(&[u8]) -> Option<R>,
    ) -> Result<()> {
        // What is no interval is an error in legacy mode too.
        let is_interval = matches!(self.to, DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..));
        let fails = self.mode == EvalMode::Ansi || (is_interval && self.mode == EvalMode::Legacy);
        apply1(&[*from], rows, out, |text: &[u8]| match parse(text) {
            None if fails && is_interval => Err(self.invalid_interval(&String::from_utf8_lossy(text))),
            None if fails => Err(self.invalid_input(&String::from_utf8_lossy(text))),
            result => Ok(result),
        })
    }

    /// Digits that are a number but do not fit the type are out of range, not malformed.
    fn parse_decimal(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column, to: Shape) -> Result<()> {
        apply1(&[*from], rows, out, |text: &[u8]| {
            let reading = Reading::parse(trim(text));
            match (reading, reading.and_then(|reading| reading.to_shape(to))) {
                (_, Some(value)) => Ok(Some(value)),
                (_, None) if self.mode != EvalMode::Ansi => Ok(None),
                (None, None) => Err(self.invalid_input(&String::from_utf8_lossy(text))),
                (Some(reading), None) if reading.to_shape(Shape::new(PRECISION_MAX, 0)).is_none() => {
                    let text = format!("the value {} has more digits than a DECIMAL", String::from_utf8_lossy(text));
                    Err(Error::data("NUMERIC_OUT_OF_SUPPORTED_RANGE", text))
                }
                (Some(_), None) => Err(self.out_of_range(&String::from_utf8_lossy(text))),
            }
        })
    }
}

/// Without the blanks and control characters around it.
fn trim(text: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| *b <= b' ' || *b == 0x7f;
    let start = text.iter().position(|b| !is_blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// `[+-]digits`; before ANSI mode a fraction may follow and is cut off, even `.` alone being 0.
pub(super) fn parse_integer(text: &[u8], fraction: bool) -> Option<i64> {
    let text = trim(text);
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (digits, rest) = match digits.iter().position(|b| *b == b'.') {
        Some(point) if fraction => (&digits[..point], &digits[point + 1..]),
        _ => (digits, &[][..]),
    };
    if text.is_empty() || (digits.is_empty() && !(fraction && text.contains(&b'.'))) {
        return None;
    }
    let mut value = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        value = value.checked_mul(10)?.checked_sub(i64::from((digit <= 9).then_some(digit)?))?;
    }
    if !rest.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// `t true y yes 1` and `f false n no 0`, in any case.
pub(super) fn parse_boolean(text: &[u8]) -> Option<bool> {
    let text = trim(text);
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is_one_of(&["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else {
        is_one_of(&["f", "false", "n", "no", "0"]).then_some(false)
    }
}

/// What Java's `Double.parseDouble` reads (but for hexadecimal), and Spark's words for the special values.
pub(super) fn parse_float<T: core::str::FromStr + From<f32>>(text: &[u8]) -> Option<T> {
    let text = trim(text);
    // Java lets a number end in its type; the digits before must stand alone.
    let number = match text {
        [rest @ .., b'd' | b'D' | b'f' | b'F'] => rest,
        _ => text,
    };
    if Reading::parse(number).is_some() {
        return from_utf8(number).ok()?.parse().ok();
    }
    let (negative, word) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("inf") || is("infinity") {
        return Some(if negative { f32::NEG_INFINITY } else { f32::INFINITY }.into());
    }
    let is_nan = text.eq_ignore_ascii_case(b"nan") || word == b"NaN";
    is_nan.then(|| f32::NAN.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_java_s() {
        let cases = [
            (" 42 ", Some(42), Some(42)),
            ("+5", Some(5), Some(5)),
            ("-0", Some(0), Some(0)),
            ("0012", Some(12), Some(12)),
            ("-9223372036854775808", Some(i64::MIN), Some(i64::MIN)),
            ("9223372036854775808", None, None),
            ("1.5", None, Some(1)),
            ("1.", None, Some(1)),
            (".", None, Some(0)),
            ("-.7", None, Some(0)),
            ("1.5x", None, None),
            ("1e3", None, None),
            ("0x1F", None, None),
            ("1L", None, None),
            ("", None, None),
            ("-", None, None),
            ("\t7\n", Some(7), Some(7)),
            ("1 2", None, None),
        ];
        for (text, ansi, legacy) in cases {
            assert_eq!(parse_integer(text.as_bytes(), false), ansi, "{text:?}");
            assert_eq!(parse_integer(text.as_bytes(), true), legacy, "{text:?} before ANSI");
        }
    }

    #[test]
    fn floats_are_java_s() {
        let parse = |text: &str| parse_float::<f64>(text.as_bytes());
        for (text, value) in [
            (" 1e3 ", 1000.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("-0", -0.0),
            ("1d", 1.0),
            ("1.5F", 1.5),
            ("1e400", f64::INFINITY),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("+INF", f64::INFINITY),
        ] {
            assert_eq!(parse(text), Some(value), "{text:?}");
        }
        assert!(parse("NaN").is_some_and(f64::is_nan) && parse("nan").is_some_and(f64::is_nan));
        for text in ["", ".", "1e", "1x", "1 2", "infd", "d", "e5", "--1", "1_000"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn booleans_are_words() {
        for (text, value) in [
            (" y ", Some(true)),
            ("TRUE", Some(true)),
            ("0", Some(false)),
            ("No", Some(false)),
            ("on", None),
            ("12", None),
        ] {
            assert_eq!(parse_boolean(text.as_bytes()), value, "{text:?}");
        }
    }
}
