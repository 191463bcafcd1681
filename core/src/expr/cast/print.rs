//! Everything to text, as Spark's CAST to STRING writes it: doubles Java style, timestamps in the session's zone,
//! arrays as `[1, 2]`, structs as `{1, a}`.

use alloc::string::String;
use core::fmt::{self, Write};

use jiff::tz::TimeZone;

use super::Cast;
use crate::{
    block::{Column, ColumnRef, Native, Rows, Values},
    expr::{EvalMode, decimal},
    schema::DataType,
    time::{format_date, format_timestamp, interval},
};

/// How values are written.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// Zone of TIMESTAMP values.
    pub zone: &'a TimeZone,
    /// Decimals with all their zeros, never scientific: ANSI mode.
    pub plain_decimals: bool,
}

impl Cast {
    /// Any type to text.
    pub(super) fn print_text(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) {
        let style = Style { zone: &self.zone, plain_decimals: self.mode != EvalMode::Legacy };
        let is_short = !matches!(from.data_type, DataType::Array(_) | DataType::Struct(_) | DataType::Binary);
        let mut long = String::new();
        for row in 0..rows.len() {
            if !rows.contains(row) || !from.is_valid(row) {
                out.push_null();
            } else if is_short {
                let mut short = heapless::String::<SHORT_MAX>::new();
                // Longest is an interval or a double, both far below the capacity.
                let _ = write_value(&mut short, from, row, style);
                out.push_str(&short);
            } else {
                long.clear();
                let _ = write_value(&mut long, from, row, style);
                out.push_str(&long);
            }
        }
    }
}

/// Longest text of a value that is neither nested nor binary.
const SHORT_MAX: usize = 128;

/// Writes row `row`, which is not NULL.
pub fn write_value(out: &mut impl Write, column: &ColumnRef<'_>, row: usize, style: Style<'_>) -> fmt::Result {
    let i = column.index(row);
    match (column.data_type, column.values) {
        (DataType::Date, Values::Int32(v)) => out.write_str(format_date(v[i]).as_str()),
        (DataType::IntervalYearMonth, Values::Int32(v)) => interval::write_year_month(out, v[i]),
        (DataType::Timestamp, Values::Int64(v)) => out.write_str(format_timestamp(v[i], style.zone).as_str()),
        (DataType::TimestampNtz, Values::Int64(v)) => out.write_str(format_timestamp(v[i], &TimeZone::UTC).as_str()),
        (DataType::IntervalDayTime, Values::Int64(v)) => interval::write_day_time(out, v[i]),
        (DataType::Decimal(_, scale), Values::Int128(v)) if style.plain_decimals => {
            decimal::write_plain(out, v[i], *scale);
            Ok(())
        }
        (DataType::Decimal(_, scale), Values::Int128(v)) => out.write_str(&decimal::format_java(v[i], *scale)),
        (_, Values::Null) => out.write_str("null"),
        (_, Values::Boolean(_)) => out.write_str(if column.bool_at(row) { "true" } else { "false" }),
        (_, Values::Int8(v)) => write!(out, "{}", v[i]),
        (_, Values::Int16(v)) => write!(out, "{}", v[i]),
        (_, Values::Int32(v)) => write!(out, "{}", v[i]),
        (_, Values::Int64(v)) => write!(out, "{}", v[i]),
        (_, Values::Int128(v)) => write!(out, "{}", v[i]),
        (_, Values::Float32(v)) => write_float(out, v[i].into(), format_args!("{:e}", v[i])),
        (_, Values::Float64(v)) => write_double(out, v[i]),
        (_, Values::Interval(v)) => write!(out, "{}", v[i]),
        (_, Values::Bytes(bytes)) => out.write_str(&String::from_utf8_lossy(bytes.get(i))),
        (_, Values::Struct(fields)) => {
            let fields = fields.iter().map(|field| (field, i));
            write_list(out, ('{', '}'), fields, style)
        }
        (_, Values::Array { offsets, elements }) => {
            let items = (offsets[i] as usize..offsets[i + 1] as usize).map(|j| (elements, j));
            write_list(out, ('[', ']'), items, style)
        }
    }
}

fn write_list<'a>(
    out: &mut impl Write,
    (open, close): (char, char),
    items: impl Iterator<Item = (&'a Column, usize)>,
    style: Style<'_>,
) -> fmt::Result {
    out.write_char(open)?;
    for (n, (column, row)) in items.enumerate() {
        if n > 0 {
            out.write_str(", ")?;
        }
        let column = column.view();
        match column.is_valid(row) {
            // One writer type for all depths, else the compiler would recurse too.
            true => {
                let mut text = String::new();
                write_value(&mut text, &column, row, style)?;
                out.write_str(&text)?;
            }
            false => out.write_str("null")?,
        }
    }
    out.write_char(close)
}

/// A DOUBLE as Java's `Double.toString`: `1.0E7`, `0.001`, `1.0E-4`, `NaN`, `Infinity`.
pub fn write_double(out: &mut impl Write, value: f64) -> fmt::Result {
    write_float(out, value, format_args!("{value:e}"))
}

/// As [`write_double`], to a string.
pub fn double(value: f64) -> String {
    let mut text = String::new();
    let _ = write_double(&mut text, value);
    text
}

/// A FLOAT, likewise.
pub fn float(value: f32) -> String {
    let mut text = String::new();
    let _ = write_float(&mut text, value.into(), format_args!("{value:e}"));
    text
}

/// `scientific` has the shortest digits that read back as the value: `1.5e-7`.
fn write_float(out: &mut impl Write, value: f64, scientific: fmt::Arguments<'_>) -> fmt::Result {
    if value.is_nan() {
        return out.write_str("NaN");
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return write!(out, "{sign}Infinity");
    }
    let mut text = heapless::String::<40>::new();
    text.write_fmt(scientific)?;
    let (mantissa, exponent) = text.trim_start_matches('-').split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.write_str(sign)?;
    match exponent {
        -3..0 => write!(out, "0.{:0<zeros$}{first}{rest}", "", zeros = (-exponent - 1) as usize),
        0..7 => {
            let whole = rest.len().min(exponent as usize);
            let zeros = exponent as usize - whole;
            let fraction = if rest.len() > whole { &rest[whole..] } else { "0" };
            write!(out, "{first}{}{:0<zeros$}.{fraction}", &rest[..whole], "")
        }
        _ => write!(out, "{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest }),
    }
}

/// A number for a message.
pub(super) fn native<A: Native>(value: A, data_type: &DataType) -> String {
    let mut column = Column::new(data_type.clone());
    column.push(value);
    let mut text = String::new();
    let style = Style { zone: &TimeZone::UTC, plain_decimals: true };
    let _ = write_value(&mut text, &column.view(), 0, style);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block::Value, schema::Field};
    use alloc::vec;

    #[test]
    fn doubles_print_as_in_java() {
        let cases = [
            (1.5, "1.5"),
            (-2.9, "-2.9"),
            (0.05, "0.05"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (100.0, "100.0"),
            (1e-5, "1.0E-5"),
            (12345.67, "12345.67"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.234_567_89e10, "1.23456789E10"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e300, "1.0E300"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn nested_values_print_with_commas_and_null() {
        let element = DataType::Array(DataType::Int32.into());
        let t = DataType::Struct(vec![Field::new("a", element), Field::new("b", DataType::String)]);
        let value = Value::Struct(vec![Value::Array(vec![1.into(), Value::Null]), "x".into()]);
        let column = Column::from_values(t, &[value]);
        let mut text = String::new();
        let style = Style { zone: &TimeZone::UTC, plain_decimals: true };
        write_value(&mut text, &column.view(), 0, style).unwrap();
        assert_eq!(text, "{[1, null], x}");
    }
}
