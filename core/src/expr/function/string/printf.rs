//! format_string and printf: Java's `Formatter` for the conversions that text is made with.
//!
//! Dates and timestamps are numbers to it (days, microseconds), as they are in Spark.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    super::{Call, Function, define::each_row, math::rounding::shortest_digits},
    format::push_grouped,
};
use crate::{
    block::{ColumnRef, Values},
    error::{Error, Result},
    expr::{
        BoundExpr,
        cast::print::{Style, write_value},
    },
    limits::TEXT_BYTES_MAX,
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] =
    &[Function { names: &["format_string", "printf"], bind: format_string }];

fn format_string(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=usize::MAX)?;
    call.coerce(0, &DataType::String)?;
    let nullable = call.args[0].nullable;
    let zone = call.settings.time_zone.clone();
    let formatted = call.run(DataType::String, move |_, args, rows, out| {
        let mut template = Template::default();
        let mut text = String::new();
        each_row(&args[..1], rows, out, |row, out| {
            template.prepare(args[0].str_at(row))?;
            text.clear();
            template.write(&args[1..], row, &zone, &mut text)?;
            out.push_str(&text);
            Ok(())
        })
    })?;
    Ok(formatted.nullable(nullable))
}

/// A format taken apart, kept from row to row while it is the same.
#[derive(Default)]
struct Template {
    source: Option<String>,
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Directive(Directive),
}

/// `%[index$][flags][width][.precision]conversion`
#[derive(Clone, Debug, Default)]
struct Directive {
    /// Which argument, from 1; the next one if not said.
    index: Option<usize>,
    left: bool,
    plus: bool,
    blank: bool,
    zeros: bool,
    commas: bool,
    parentheses: bool,
    width: usize,
    precision: Option<usize>,
    /// In lower case; `upper` says how it was written.
    conversion: char,
    upper: bool,
}

fn bad_format(text: impl Into<String>) -> Error {
    Error::data("INVALID_PARAMETER_VALUE", text)
}

impl Template {
    fn prepare(&mut self, source: &str) -> Result<()> {
        if self.source.as_deref() == Some(source) {
            return Ok(());
        }
        self.pieces.clear();
        self.source = Some(source.into());
        let mut rest = source;
        while let Some((text, directive)) = rest.split_once('%') {
            self.pieces.push(Piece::Text(text.into()));
            let (directive, after) = Directive::parse(directive)?;
            self.pieces.push(Piece::Directive(directive));
            rest = after;
        }
        self.pieces.push(Piece::Text(rest.into()));
        Ok(())
    }

    fn write(&self, args: &[ColumnRef<'_>], row: usize, zone: &TimeZone, text: &mut String) -> Result<()> {
        let mut next = 0;
        for piece in &self.pieces {
            let directive = match piece {
                Piece::Text(plain) => {
                    text.push_str(plain);
                    continue;
                }
                Piece::Directive(directive) => directive,
            };
            match directive.conversion {
                '%' => directive.pad("%", text),
                'n' => text.push('\n'),
                _ => {
                    let index = directive.index.unwrap_or_else(|| {
                        next += 1;
                        next
                    });
                    let arg = index.checked_sub(1).and_then(|i| args.get(i));
                    let arg = arg.ok_or_else(|| bad_format(format!("the format asks for argument {index}")))?;
                    directive.write(&Item::at(arg, row, zone), text)?;
                }
            }
        }
        Ok(())
    }
}

/// What a directive formats.
enum Item {
    Null,
    Boolean(bool),
    /// A number and the bits of its type.
    Integer(i64, u32),
    Double(f64),
    /// Everything else as it prints.
    Text(String),
}

impl Item {
    fn at(column: &ColumnRef<'_>, row: usize, zone: &TimeZone) -> Self {
        if matches!(column.values, Values::Null) || !column.is_valid(row) {
            return Self::Null;
        }
        let i = column.index(row);
        match column.values {
            Values::Boolean(bits) => Self::Boolean(bits.get(i)),
            Values::Int8(v) => Self::Integer(v[i].into(), 8),
            Values::Int16(v) => Self::Integer(v[i].into(), 16),
            Values::Int32(v) => Self::Integer(v[i].into(), 32),
            Values::Int64(v) => Self::Integer(v[i], 64),
            Values::Float64(v) => Self::Double(v[i]),
            // The digits of a FLOAT are fewer than those of the same DOUBLE.
            Values::Float32(v) => Self::Double(v[i].to_string().parse().unwrap_or(v[i].into())),
            _ => {
                let mut text = String::new();
                // Writing to a String cannot fail.
                let _ = write_value(&mut text, column, row, Style { zone, plain_decimals: true });
                Self::Text(text)
            }
        }
    }

    /// As `%s` prints it.
    fn text(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Boolean(b) => b.to_string(),
            Self::Integer(x, _) => x.to_string(),
            Self::Double(x) => crate::expr::cast::print::double(*x),
            Self::Text(s) => s.clone(),
        }
    }
}

impl Directive {
    /// The directive behind a percent sign, and what follows it.
    fn parse(source: &str) -> Result<(Self, &str)> {
        let mut directive = Self::default();
        let mut rest = source;
        if let Some((index, after)) = leading_number(rest)
            && let Some(after) = after.strip_prefix('$')
        {
            directive.index = Some(index);
            rest = after;
        }
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => directive.left = true,
                '+' => directive.plus = true,
                ' ' => directive.blank = true,
                '0' => directive.zeros = true,
                ',' => directive.commas = true,
                '(' => directive.parentheses = true,
                '#' => {}
                _ => break,
            }
            rest = &rest[1..];
        }
        if let Some((width, after)) = leading_number(rest) {
            directive.width = width;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) =
                leading_number(after).ok_or_else(|| bad_format("a precision must follow the point of a format"))?;
            directive.precision = Some(precision);
            rest = after;
        }
        if directive.width.max(directive.precision.unwrap_or(0)) > TEXT_BYTES_MAX {
            return Err(Error::limit("a width in a format is too large"));
        }
        let conversion = rest.chars().next().ok_or_else(|| bad_format("the format ends in a percent sign"))?;
        directive.upper = conversion.is_ascii_uppercase();
        directive.conversion = conversion.to_ascii_lowercase();
        if !"%nsdxofegcb".contains(directive.conversion) {
            return Err(bad_format(format!("the format has no conversion %{conversion}")));
        }
        Ok((directive, &rest[conversion.len_utf8()..]))
    }

    fn write(&self, item: &Item, text: &mut String) -> Result<()> {
        let body = match (self.conversion, item) {
            ('s', item) => self.cut(item.text()),
            ('b', Item::Null) => self.cut("false".into()),
            ('b', Item::Boolean(b)) => self.cut(b.to_string()),
            ('b', _) => self.cut("true".into()),
            (_, Item::Null) => self.cut("null".into()),
            ('d', Item::Integer(x, _)) => return self.write_number(*x < 0, &x.unsigned_abs().to_string(), text),
            ('x', Item::Integer(x, bits)) => format!("{:x}", unsigned(*x, *bits)),
            ('o', Item::Integer(x, bits)) => format!("{:o}", unsigned(*x, *bits)),
            ('c', Item::Integer(x, _)) => {
                let c = u32::try_from(*x).ok().and_then(char::from_u32);
                c.ok_or_else(|| bad_format(format!("{x} is no character")))?.to_string()
            }
            ('f' | 'e' | 'g', Item::Double(x)) if x.is_finite() => {
                return self.write_number(x.is_sign_negative(), &self.digits(libm::fabs(*x)), text);
            }
            ('f' | 'e' | 'g', Item::Double(x)) => crate::expr::cast::print::double(*x),
            (conversion, item) => {
                return Err(bad_format(format!("%{conversion} cannot format '{}'", item.text())));
            }
        };
        let body = if self.upper { body.to_uppercase() } else { body };
        if self.zeros && matches!(self.conversion, 'x' | 'o') {
            text.extend(core::iter::repeat_n('0', self.width.saturating_sub(body.len())));
            text.push_str(&body);
        } else {
            self.pad(&body, text);
        }
        Ok(())
    }

    /// To the precision, which for text is a length.
    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(length) => text.chars().take(length).collect(),
            None => text,
        }
    }

    fn pad(&self, body: &str, text: &mut String) {
        let missing = self.width.saturating_sub(super::char_count(body));
        if !self.left {
            text.extend(core::iter::repeat_n(' ', missing));
        }
        text.push_str(body);
        if self.left {
            text.extend(core::iter::repeat_n(' ', missing));
        }
    }

    /// A magnitude with its sign, commas and zeros.
    fn write_number(&self, negative: bool, magnitude: &str, text: &mut String) -> Result<()> {
        let (before, after) = match negative {
            true if self.parentheses => ("(", ")"),
            true => ("-", ""),
            false if self.plus => ("+", ""),
            false if self.blank => (" ", ""),
            false => ("", ""),
        };
        let end = magnitude.find(|c: char| !c.is_ascii_digit()).unwrap_or(magnitude.len());
        let mut digits = String::new();
        push_grouped(&magnitude[..end], if self.commas { 3 } else { 0 }, &mut digits);
        digits.push_str(&magnitude[end..]);
        if self.upper {
            digits.make_ascii_uppercase();
        }
        let taken = before.len() + digits.len() + after.len();
        let zeros = if self.zeros { self.width.saturating_sub(taken) } else { 0 };
        let body: String = [before, &"0".repeat(zeros), &digits, after].concat();
        self.pad(&body, text);
        Ok(())
    }

    /// A double by its conversion.
    fn digits(&self, x: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        match self.conversion {
            'f' => fixed(x, precision),
            'e' => scientific(x, precision),
            _ => {
                let significant = precision.max(1);
                let rounded = scientific(x, significant - 1);
                let exponent: i32 = rounded.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
                if x == 0.0 || (-4..significant as i32).contains(&exponent) {
                    fixed(x, (significant as i32 - 1 - if x == 0.0 { 0 } else { exponent }).unsigned_abs() as usize)
                } else {
                    rounded
                }
            }
        }
    }
}

fn leading_number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    // A leading zero is a flag.
    let number = text[..end].parse().ok().filter(|_| !text.starts_with('0') || end == 1)?;
    Some((number, &text[end..]))
}

/// Two's complement in the width of the type.
fn unsigned(x: i64, bits: u32) -> u64 {
    x as u64 & (u64::MAX >> (64 - bits))
}

/// With so many decimals, rounding the printed digits half up, as Java does.
fn fixed(x: f64, decimals: usize) -> String {
    let (digits, exponent) = shortest_digits(x);
    let digits = digits.to_string();
    let point = digits.len() as i32 + exponent;
    let rounded = round_digits(&digits, point + decimals as i32);
    // `rounded` counts units of the last decimal.
    let padded = format!("{rounded:0>width$}", width = decimals + 1);
    let (integer, fraction) = padded.split_at(padded.len() - decimals);
    if decimals == 0 { integer.into() } else { format!("{integer}.{fraction}") }
}

/// The first `count` digits of a number, rounded half up by the rest; zeros are added if it has fewer.
fn round_digits(digits: &str, count: i32) -> String {
    let Ok(count) = usize::try_from(count) else { return "0".into() };
    if count >= digits.len() {
        return format!("{digits}{}", "0".repeat(count - digits.len()));
    }
    let (kept, rest) = digits.split_at(count);
    let kept: u128 = kept.parse().unwrap_or(0);
    let up = rest.as_bytes()[0] >= b'5';
    (kept + u128::from(up)).to_string()
}

fn scientific(x: f64, decimals: usize) -> String {
    let (digits, exponent) = shortest_digits(x);
    let digits = digits.to_string();
    let mut exponent = if x == 0.0 { 0 } else { digits.len() as i32 - 1 + exponent };
    let mut rounded = round_digits(&digits, decimals as i32 + 1);
    if rounded.len() > decimals + 1 {
        // 9.99 became 10.0.
        rounded.pop();
        exponent += 1;
    }
    let (first, rest) = rounded.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let mut text = format!("{first}{point}{rest}e");
    let _ = write!(text, "{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
    text
}
