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
        (DataType::IntervalYearMonth(from, to), Values::Int32(v)) => interval::write_year_month(out, v[i], *from, *to),
        (DataType::Timestamp, Values::Int64(v)) => out.write_str(format_timestamp(v[i], style.zone).as_str()),
        (DataType::TimestampNtz, Values::Int64(v)) => out.write_str(format_timestamp(v[i], &TimeZone::UTC).as_str()),
        (DataType::IntervalDayTime(from, to), Values::Int64(v)) => interval::write_day_time(out, v[i], *from, *to),
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
        (_, Values::Float32(v)) => write_float(out, v[i]),
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
    write_special(out, value)?.map_or(Ok(()), |magnitude| {
        let two = || short(format_args!("{magnitude:.1e}"));
        let shortest = short(format_args!("{magnitude:e}"));
        write_digits(out, &java_digits(magnitude, f64::MANTISSA_DIGITS, shortest, two, |t| t.parse() == Ok(magnitude)))
    })
}

/// A FLOAT, likewise.
pub fn write_float(out: &mut impl Write, value: f32) -> fmt::Result {
    write_special(out, value.into())?.map_or(Ok(()), |_| {
        let magnitude = value.abs();
        let two = || short(format_args!("{magnitude:.1e}"));
        let shortest = short(format_args!("{magnitude:e}"));
        let is_same = |t: &str| t.parse() == Ok(magnitude);
        write_digits(out, &java_digits(magnitude.into(), f32::MANTISSA_DIGITS, shortest, two, is_same))
    })
}

/// As [`write_double`], to a string.
pub fn double(value: f64) -> String {
    let mut text = String::new();
    let _ = write_double(&mut text, value);
    text
}

/// As [`write_float`], to a string.
pub fn float(value: f32) -> String {
    let mut text = String::new();
    let _ = write_float(&mut text, value);
    text
}

/// Writes the sign, and all of what is no number; the magnitude is left.
fn write_special(out: &mut impl Write, value: f64) -> Result<Option<f64>, fmt::Error> {
    if value.is_nan() {
        return out.write_str("NaN").map(|()| None);
    }
    if value.is_sign_negative() {
        out.write_char('-')?;
    }
    if value.is_infinite() {
        return out.write_str("Infinity").map(|()| None);
    }
    Ok(Some(value.abs()))
}

/// Digits in scientific form: `1.5e-7`.
type Digits = heapless::String<40>;

fn short(text: fmt::Arguments<'_>) -> Digits {
    let mut digits = Digits::new();
    // 17 digits and an exponent always fit.
    let _ = digits.write_fmt(text);
    digits
}

/// The digits that Java 17 prints. They are the shortest that read back as the value, with two exceptions: a single
/// digit becomes two if two are closer (`4.9E-324`), and whole numbers past the mantissa keep all the digits that
/// the mantissa's last bit does not blur (`5.1387917850413178E17`).
fn java_digits(
    magnitude: f64,
    mantissa: u32,
    shortest: Digits,
    two: impl Fn() -> Digits,
    reads_back: impl Fn(&str) -> bool,
) -> Digits {
    const WHOLE_MAX: f64 = 9_223_372_036_854_775_808.0;
    let exponent = (magnitude.to_bits() >> 52) as i32 - 1023;
    if magnitude < WHOLE_MAX && exponent > mantissa as i32 {
        let blurred_bits = exponent as u32 - mantissa - 1;
        return whole_digits(magnitude as u64, blurred_bits);
    }
    match shortest.find('e') {
        Some(1) if reads_back(&two()) => two(),
        _ => shortest,
    }
}

/// A whole number without the decimal digits that lie within `bits` bits, rounded.
fn whole_digits(value: u64, bits: u32) -> Digits {
    let dropped = if bits > 1 { 2_u64.pow(bits).ilog10() } else { 0 };
    let unit = 10_u64.pow(dropped);
    let mut value = value / unit + u64::from(dropped > 0 && value % unit >= unit / 2);
    let mut exponent = dropped;
    while value.is_multiple_of(10) {
        value /= 10;
        exponent += 1;
    }
    let digits = short(format_args!("{value}"));
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    short(format_args!("{first}{point}{rest}e{}", exponent as usize + rest.len()))
}

fn write_digits(out: &mut impl Write, digits: &str) -> fmt::Result {
    let (mantissa, exponent) = digits.split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    match exponent {
        -3..0 => {
            let rest = if rest == "0" { "" } else { rest };
            write!(out, "0.{:0<zeros$}{first}{rest}", "", zeros = (-exponent - 1) as usize)
        }
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
            (5e-324, "4.9E-324"),
            (2e-3, "0.002"),
            (9_007_199_254_740_993.0, "9.007199254740992E15"),
            (513_879_178_504_131_776.0, "5.1387917850413178E17"),
            (-2.496_087_582_067_597_4e17, "-2.49608758206759744E17"),
            (1e18, "1.0E18"),
            (1e19, "1.0E19"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
        assert_eq!((float(1.1).as_str(), float(1e-45).as_str(), float(0.003).as_str()), ("1.1", "1.4E-45", "0.003"));
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
