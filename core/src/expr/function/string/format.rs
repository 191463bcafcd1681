//! Numbers as text: format_number.

use alloc::string::String;
use core::fmt::Write;

use super::super::{Call, Function, define::each_row, math::rounding::Mode};
use crate::{
    block::{ColumnRef, Values},
    error::Result,
    expr::{BoundExpr, decimal},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[Function { names: &["format_number"], bind: format_number }];

/// `format_number(number, decimals)` or `format_number(number, pattern)`.
fn format_number(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    if !call.type_of(0).is_numeric() && *call.type_of(0) != DataType::Null {
        return Err(call.unexpected_type(0, "a number"));
    }
    let by_pattern = *call.type_of(1) == DataType::String;
    if !by_pattern {
        call.uncast(1, &DataType::Int32)?;
    }
    call.run_nullable(DataType::String, move |_, args, rows, out| {
        let (mut digits, mut text) = (String::new(), String::new());
        each_row(args, rows, out, |row, out| {
            text.clear();
            let pattern = match by_pattern {
                true => Pattern::parse(args[1].str_at(row)),
                false => Pattern::with_decimals(args[1].as_slice::<i32>()[args[1].index(row)]),
            };
            match pattern {
                Some(pattern) => {
                    pattern.write(&args[0], row, &mut digits, &mut text);
                    out.push_str(&text);
                }
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

/// What of Java's `DecimalFormat` patterns is used for numbers: `$#,##0.00%`.
#[derive(Debug)]
struct Pattern<'a> {
    prefix: &'a str,
    suffix: &'a str,
    /// Digits between commas; 0 for none.
    group: usize,
    integers_min: usize,
    decimals_min: usize,
    decimals_max: usize,
    is_percent: bool,
}

impl<'a> Pattern<'a> {
    /// `#,##0.00` with so many decimals; NULL if negative.
    fn with_decimals(decimals: i32) -> Option<Self> {
        let decimals = usize::try_from(decimals).ok()?.min(400);
        Some(Self {
            prefix: "",
            suffix: "",
            group: 3,
            integers_min: 1,
            decimals_min: decimals,
            decimals_max: decimals,
            is_percent: false,
        })
    }

    fn parse(text: &'a str) -> Option<Self> {
        if text.is_empty() {
            return Self::with_decimals(0);
        }
        let is_number = |c: char| matches!(c, '#' | '0' | ',' | '.');
        let start = text.find(is_number).unwrap_or(text.len());
        let end = text[start..].find(|c| !is_number(c)).map_or(text.len(), |at| start + at);
        let (prefix, number, suffix) = (&text[..start], &text[start..end], &text[end..]);
        let (integer, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = |s: &str, kinds: &[char]| s.chars().filter(|c| kinds.contains(c)).count();
        let group = integer.rsplit_once(',').map_or(0, |(_, last)| last.len());
        let zeros = digits(integer, &['0']);
        // `#.##` shows the zero of 0.5 all the same; a lone `#` does not insist.
        let has_point = number.contains('.');
        Some(Self {
            prefix,
            suffix,
            group,
            integers_min: if has_point && zeros == 0 && digits(decimals, &['0']) == 0 { 1 } else { zeros },
            decimals_min: digits(decimals, &['0']),
            decimals_max: digits(decimals, &['0', '#']),
            is_percent: suffix.contains('%') || prefix.contains('%'),
        })
    }

    fn write(&self, column: &ColumnRef<'_>, row: usize, digits: &mut String, text: &mut String) {
        digits.clear();
        let exponent = if self.is_percent { 2 } else { 0 };
        if !self.push_digits(column, row, exponent, digits) {
            // NaN and infinity have no digits.
            return text.push_str(digits);
        }
        let (negative, magnitude) = digits.strip_prefix('-').map_or((false, digits.as_str()), |rest| (true, rest));
        let (integer, decimals) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        let trimmed = decimals.trim_end_matches('0').len().max(self.decimals_min.min(decimals.len()));
        let decimals = &decimals[..trimmed];
        text.push_str(if negative { "-" } else { "" });
        text.push_str(self.prefix);
        let integer = integer.trim_start_matches('0');
        let missing = self.integers_min.saturating_sub(integer.len());
        let shown: String = core::iter::repeat_n('0', missing).chain(integer.chars()).collect();
        if shown.is_empty() && decimals.is_empty() {
            text.push('0');
        }
        push_grouped(&shown, self.group, text);
        if !decimals.is_empty() {
            text.push('.');
            text.push_str(decimals);
        }
        text.push_str(self.suffix);
    }

    /// The number times `10^exponent`, rounded HALF_EVEN to the most decimals; false if it is not finite.
    fn push_digits(&self, column: &ColumnRef<'_>, row: usize, exponent: i8, digits: &mut String) -> bool {
        let i = column.index(row);
        match (column.values, column.data_type) {
            (Values::Float32(v), _) => self.push_double(v[i].into(), exponent, digits),
            (Values::Float64(v), _) => self.push_double(v[i], exponent, digits),
            (Values::Int128(v), DataType::Decimal(_, scale)) => self.push_decimal(v[i], *scale - exponent, digits),
            (Values::Int8(v), _) => self.push_decimal(v[i].into(), -exponent, digits),
            (Values::Int16(v), _) => self.push_decimal(v[i].into(), -exponent, digits),
            (Values::Int32(v), _) => self.push_decimal(v[i].into(), -exponent, digits),
            (Values::Int64(v), _) => self.push_decimal(v[i].into(), -exponent, digits),
            _ => false,
        }
    }

    fn push_decimal(&self, unscaled: i128, scale: i8, digits: &mut String) -> bool {
        let scale = i32::from(scale);
        let most = self.decimals_max as i32;
        let (rounded, scale) = if scale > most {
            (Mode::HalfEven.divide(unscaled, (scale - most).unsigned_abs()), most)
        } else if scale < 0 {
            (unscaled.saturating_mul(10_i128.pow(scale.unsigned_abs())), 0)
        } else {
            (unscaled, scale)
        };
        // A negative number that rounds to zero keeps its sign.
        digits.push_str(if unscaled < 0 { "-" } else { "" });
        digits.push_str(&decimal::format(rounded.saturating_abs(), scale as i8));
        pad_decimals(scale as usize, self.decimals_min, digits);
        true
    }

    /// As DecimalFormat does: the fewest digits that are this double, and zeros behind them; if those are too many, the
    /// exact binary value is rounded half to even.
    fn push_double(&self, x: f64, exponent: i8, digits: &mut String) -> bool {
        if x.is_nan() {
            digits.push_str("NaN");
            return false;
        }
        if x.is_infinite() {
            digits.push_str(if x < 0.0 { "-∞" } else { "∞" });
            return false;
        }
        let x = if exponent == 0 { x } else { x * 100.0 };
        let _ = write!(digits, "{x}");
        let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        if decimals <= self.decimals_max {
            pad_decimals(decimals, self.decimals_min, digits);
            return true;
        }
        digits.clear();
        let _ = write!(digits, "{x:.*}", self.decimals_max);
        true
    }
}

fn pad_decimals(have: usize, want: usize, digits: &mut String) {
    if have == 0 && want > 0 {
        digits.push('.');
    }
    digits.extend(core::iter::repeat_n('0', want.saturating_sub(have)));
}

/// Digits with a comma before every group, counted from the right.
pub(super) fn push_grouped(digits: &str, group: usize, text: &mut String) {
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && group > 0 && (digits.len() - i).is_multiple_of(group) {
            text.push(',');
        }
        text.push(c);
    }
}
