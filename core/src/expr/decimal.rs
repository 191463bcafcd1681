//! Decimals: result types by Spark's rules, exact arithmetic with HALF_UP rounding, text in both directions.
//!
//! A decimal is its unscaled digits in an `i128`; precision and scale stand in the type. Every function here gives
//! `None` for a result of more digits than its type has, and the caller decides what that means.

use alloc::{format, string::String};
use core::fmt::Write;

use super::{BoundExpr, wide::Wide};
use crate::{block::Value, schema::DataType};

/// Most digits a decimal may have.
pub const PRECISION_MAX: u8 = 38;

/// Digits after the point that an exact result keeps before it keeps digits before the point.
const SCALE_KEPT_MIN: i32 = 6;

/// `10^exponent`, for exponents up to 38.
pub const fn power_of_ten(exponent: u8) -> i128 {
    POWERS[exponent as usize]
}

const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < 39 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Precision and scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Digits.
    pub precision: u8,
    /// Digits of them after the point.
    pub scale: i8,
}

impl Shape {
    /// A shape.
    pub const fn new(precision: u8, scale: i8) -> Self {
        Self { precision, scale }
    }

    /// The shape of a DECIMAL; of an integer type, the one that holds all its values.
    pub fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Decimal(precision, scale) => Self::new(*precision, *scale),
            DataType::Int8 => Self::new(3, 0),
            DataType::Int16 => Self::new(5, 0),
            DataType::Int32 => Self::new(10, 0),
            DataType::Int64 => Self::new(20, 0),
            _ => return None,
        })
    }

    /// The shape of an operand beside a decimal: a literal, but for a TINYINT, takes as many digits as it has.
    pub(crate) fn of_operand(expr: &BoundExpr) -> Option<Self> {
        let literal = expr.as_literal().filter(|value| !matches!(value, Value::Int8(_)));
        match literal.and_then(Value::as_i64).filter(|_| expr.data_type.is_integer()) {
            Some(value) => Some(Self::new(digits(value.into()), 0)),
            None => Self::of(&expr.data_type),
        }
    }

    /// The type.
    pub fn data_type(self) -> DataType {
        DataType::Decimal(self.precision, self.scale)
    }

    fn whole(self) -> i32 {
        i32::from(self.precision) - i32::from(self.scale)
    }

    /// Of a sum or difference.
    pub fn sum(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale).into();
        Self::adjusted(self.whole().max(other.whole()) + scale + 1, scale)
    }

    /// Of a product.
    pub fn product(self, other: Self) -> Self {
        let scale = i32::from(self.scale) + i32::from(other.scale);
        Self::adjusted(i32::from(self.precision) + i32::from(other.precision) + 1, scale)
    }

    /// Of a quotient.
    pub fn quotient(self, other: Self) -> Self {
        let whole = self.whole() + i32::from(other.scale);
        let scale = SCALE_KEPT_MIN.max(i32::from(self.scale) + i32::from(other.precision) + 1);
        Self::adjusted(whole + scale, scale)
    }

    /// Of a remainder.
    pub fn remainder(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale).into();
        Self::adjusted(self.whole().min(other.whole()) + scale, scale)
    }

    /// The narrowest shape that holds the values of both; digits before the point are kept first.
    pub fn wider(self, other: Self) -> Self {
        let scale = i32::from(self.scale.max(other.scale));
        let precision = self.whole().max(other.whole()) + scale;
        let excess = (precision - i32::from(PRECISION_MAX)).max(0);
        Self::new((precision - excess) as u8, (scale - excess).max(0) as i8)
    }

    /// Whether every value of `other` can be a value of this shape.
    pub fn holds(self, other: Self) -> bool {
        self.whole() >= other.whole() && self.scale >= other.scale
    }

    /// Spark's `adjustPrecisionScale`: too many digits are taken from behind the point, down to 6 of them.
    fn adjusted(precision: i32, scale: i32) -> Self {
        let max = i32::from(PRECISION_MAX);
        if precision <= max {
            return Self::new(precision as u8, scale as i8);
        }
        let kept = (max - (precision - scale)).max(scale.min(SCALE_KEPT_MIN));
        Self::new(PRECISION_MAX, kept as i8)
    }

    /// The value, if it has no more digits than this shape.
    pub fn check(self, value: i128) -> Option<i128> {
        (value.unsigned_abs() < power_of_ten(self.precision).unsigned_abs()).then_some(value)
    }
}

/// Number of decimal digits; 0 has one.
pub fn digits(value: i128) -> u8 {
    let value = value.unsigned_abs();
    (1..=PRECISION_MAX).find(|&n| value < power_of_ten(n).unsigned_abs()).unwrap_or(PRECISION_MAX + 1)
}

/// `value` at scale `from` as a value of `to`, rounded HALF_UP.
#[inline]
pub fn rescale(value: i128, from: i8, to: Shape) -> Option<i128> {
    let shift = i32::from(to.scale) - i32::from(from);
    let scaled = match shift {
        0 => value,
        1.. => value.checked_mul(power_of_ten(u8::try_from(shift).ok().filter(|s| *s <= PRECISION_MAX)?))?,
        _ => match u8::try_from(-shift) {
            Ok(shift @ ..=PRECISION_MAX) => divide_half_up(value, power_of_ten(shift)),
            _ => 0,
        },
    };
    to.check(scaled)
}

/// `value / divisor` rounded HALF_UP: away from zero at the half. The divisor is positive.
pub fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    let up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() && rest != 0;
    quotient + if up { value.signum() } else { 0 }
}

/// `a + b` at the scale of `to`.
#[inline]
pub fn add((a, a_scale): (i128, i8), (b, b_scale): (i128, i8), to: Shape) -> Option<i128> {
    if a_scale == b_scale && a_scale == to.scale {
        return to.check(a.checked_add(b)?);
    }
    let scale = a_scale.max(b_scale);
    let align = |x: i128, from: i8| Wide::product(x.unsigned_abs(), pow((scale - from).into()));
    let (x, y) = (align(a, a_scale), align(b, b_scale));
    let (sum, negative) = match (a < 0) == (b < 0) {
        true => (x.checked_add(y)?, a < 0),
        false if x >= y => (x.minus(y), a < 0),
        false => (y.minus(x), b < 0),
    };
    finish(sum, i32::from(to.scale) - i32::from(scale), negative, to)
}

/// `a * b` at the scale of `to`.
#[inline]
pub fn multiply((a, a_scale): (i128, i8), (b, b_scale): (i128, i8), to: Shape) -> Option<i128> {
    let shift = i32::from(to.scale) - i32::from(a_scale) - i32::from(b_scale);
    finish(Wide::product(a.unsigned_abs(), b.unsigned_abs()), shift, (a < 0) != (b < 0), to)
}

/// `a / b` at the scale of `to`, HALF_UP; the divisor is not zero.
#[inline]
pub fn divide((a, a_scale): (i128, i8), (b, b_scale): (i128, i8), to: Shape) -> Option<i128> {
    let shift = i32::from(to.scale) - i32::from(a_scale) + i32::from(b_scale);
    let negative = (a < 0) != (b < 0);
    let b = b.unsigned_abs();
    if shift < 0 {
        // The quotient itself is to be rounded: scale the divisor up instead.
        let divisor = b.checked_mul(pow((-shift).min(PRECISION_MAX.into())))?;
        return signed(half_up(Wide::new(a.unsigned_abs()), divisor)?, negative, to);
    }
    // Should the dividend not fit 256 bits, the quotient has more than 38 digits for sure.
    let mut dividend = Wide::new(a.unsigned_abs());
    let mut rest = shift;
    while rest > 0 {
        let step = rest.min(PRECISION_MAX.into());
        dividend = dividend.checked_mul(pow(step))?;
        rest -= step;
    }
    signed(half_up(dividend, b)?, negative, to)
}

/// `a / b` without what is behind the point; the divisor is not zero.
pub fn divide_whole((a, a_scale): (i128, i8), (b, b_scale): (i128, i8)) -> Option<i128> {
    let negative = (a < 0) != (b < 0);
    let (mut x, mut y) = (Wide::new(a.unsigned_abs()), b.unsigned_abs());
    match i32::from(b_scale) - i32::from(a_scale) {
        shift @ 0.. => x = x.checked_mul(pow(shift))?,
        shift => match y.checked_mul(pow(-shift)) {
            Some(scaled) => y = scaled,
            None => return Some(0),
        },
    }
    let quotient = i128::try_from(x.div_rem(y).0.narrow()?).ok()?;
    Some(if negative { -quotient } else { quotient })
}

/// `a % b`, with the sign of `a`; the divisor is not zero.
#[inline]
pub fn remainder((a, a_scale): (i128, i8), (b, b_scale): (i128, i8), to: Shape) -> Option<i128> {
    let (mut x, mut y) = (Wide::new(a.unsigned_abs()), b.unsigned_abs());
    let scale = a_scale.max(b_scale);
    x = x.checked_mul(pow((scale - a_scale).into()))?;
    match y.checked_mul(pow((scale - b_scale).into())) {
        Some(scaled) => y = scaled,
        // A divisor beyond 128 bits is greater than any dividend, which is then the remainder.
        None => return rescale(a, a_scale, to),
    }
    let rest = x.div_rem(y).1;
    finish(Wide::new(rest), i32::from(to.scale) - i32::from(scale), a < 0, to)
}

/// `magnitude * 10^shift`, HALF_UP, with a sign.
#[inline]
fn finish(magnitude: Wide, shift: i32, negative: bool, to: Shape) -> Option<i128> {
    let scaled = match shift {
        0 => magnitude.narrow()?,
        1.. => magnitude.checked_mul(pow(shift))?.narrow()?,
        _ => half_up(magnitude, pow(-shift))?,
    };
    signed(scaled, negative, to)
}

fn signed(magnitude: u128, negative: bool, to: Shape) -> Option<i128> {
    let value = to.check(i128::try_from(magnitude).ok()?)?;
    Some(if negative { -value } else { value })
}

fn half_up(dividend: Wide, divisor: u128) -> Option<u128> {
    let (quotient, rest) = dividend.div_rem(divisor);
    let quotient = quotient.narrow()?;
    if rest >= divisor - rest { quotient.checked_add(1) } else { Some(quotient) }
}

/// `10^exponent`; exponents are differences of scales, which are at most 38.
fn pow(exponent: i32) -> u128 {
    POWERS[usize::try_from(exponent).unwrap_or(0).min(38)].unsigned_abs()
}

/// What text or a double says, before it has a shape: `digits * 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    negative: bool,
    /// Digits before and after the point.
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

impl<'a> Reading<'a> {
    /// Reads `[+-]digits[.digits][e[+-]digits]`, at least one digit before the exponent.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(text);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            _ => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }

    /// The value in a shape, rounded HALF_UP.
    pub fn to_shape(self, to: Shape) -> Option<i128> {
        let digits = || self.whole.iter().chain(self.fraction).map(|b| i128::from(b - b'0')).skip_while(|d| *d == 0);
        let count = i64::try_from(digits().count()).ok()?;
        let shift = i64::from(self.exponent) - self.fraction.len() as i64 + i64::from(to.scale);
        let kept = count + shift;
        if count == 0 || kept < 0 {
            return Some(0);
        }
        if kept > PRECISION_MAX.into() {
            return None;
        }
        let taken = kept.min(count) as usize;
        let value = digits().take(taken).fold(0, |n, d| n * 10 + d) * POWERS[(kept - taken as i64) as usize];
        let up = digits().nth(taken).is_some_and(|d| d >= 5);
        let value = to.check(value + i128::from(up))?;
        Some(if self.negative { -value } else { value })
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|b| b.is_ascii_digit()).count())
}

/// Exponents beyond what matters are all the same.
fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i32, |n, b| (n * 10 + i32::from(b - b'0')).min(100_000_000));
    Some(if negative { -value } else { value })
}

/// A double as the decimal it prints as; `None` for NaN, infinities and what has too many digits.
pub fn from_f64(value: f64, to: Shape) -> Option<i128> {
    let mut text = heapless::String::<32>::new();
    write!(text, "{value:e}").ok()?;
    Reading::parse(text.as_bytes())?.to_shape(to)
}

/// The nearest double.
#[inline]
pub fn to_f64(value: i128, scale: i8) -> f64 {
    // Two exact doubles divide to the nearest double; anything bigger goes through its digits.
    const EXACT: u128 = 1 << 53;
    match usize::try_from(scale) {
        Ok(0) if value.unsigned_abs() <= EXACT => value as f64,
        Ok(scale @ ..=22) if value.unsigned_abs() <= EXACT => value as f64 / POWERS[scale] as f64,
        _ => format!("{value}e{}", -i32::from(scale)).parse().unwrap_or(f64::NAN),
    }
}

/// Plain digits: `-1.50`.
pub fn format(value: i128, scale: i8) -> String {
    let mut text = String::new();
    write_plain(&mut text, value, scale);
    text
}

/// Appends plain digits.
pub fn write_plain(out: &mut impl Write, value: i128, scale: i8) {
    let sign = if value < 0 { "-" } else { "" };
    let magnitude = value.unsigned_abs();
    // Writing to a String cannot fail, and other writers report overflow themselves.
    let _ = match u8::try_from(scale) {
        Ok(0) | Err(_) => write!(out, "{value}{:0<1$}", "", usize::from(scale.unsigned_abs())),
        Ok(scale) => {
            let unit = power_of_ten(scale.min(PRECISION_MAX)).unsigned_abs();
            write!(out, "{sign}{}.{:02$}", magnitude / unit, magnitude % unit, usize::from(scale))
        }
    };
}

/// As Java's `BigDecimal.toString`: scientific if there are more than six zeros behind the point.
pub fn format_java(value: i128, scale: i8) -> String {
    let exponent = i32::from(digits(value)) - 1 - i32::from(scale);
    if scale >= 0 && exponent >= -6 {
        return format(value, scale);
    }
    let all = format!("{}", value.unsigned_abs());
    let (first, rest) = all.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{}{first}{point}{rest}E{exponent:+}", if value < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_shapes_are_spark_s() {
        let cases = [
            (Shape::new(10, 2).quotient(Shape::new(1, 0)), (14, 6)),
            (Shape::new(10, 0).product(Shape::new(2, 1)), (13, 1)),
            (Shape::new(2, 1).quotient(Shape::new(1, 0)), (7, 6)),
            (Shape::new(38, 10).product(Shape::new(38, 10)), (38, 6)),
            (Shape::new(38, 18).sum(Shape::new(38, 18)), (38, 17)),
            (Shape::new(38, 0).quotient(Shape::new(38, 38)), (38, 6)),
            (Shape::new(5, 2).remainder(Shape::new(3, 1)), (4, 2)),
            (Shape::new(20, 0).wider(Shape::new(38, 20)), (38, 18)),
        ];
        for (shape, (precision, scale)) in cases {
            assert_eq!(shape, Shape::new(precision, scale));
        }
    }

    #[test]
    fn arithmetic_rounds_half_up_away_from_zero() {
        let to = |scale| Shape::new(38, scale);
        assert_eq!(divide((7, 0), (2, 0), to(6)), Some(3_500_000));
        assert_eq!(divide((-1, 0), (3, 0), to(6)), Some(-333_333));
        assert_eq!(divide((-2, 0), (3, 0), to(6)), Some(-666_667));
        assert_eq!(multiply((15, 1), (15, 1), to(1)), Some(23));
        assert_eq!(multiply((-15, 1), (15, 1), to(1)), Some(-23));
        assert_eq!(add((15, 1), (-25, 2), to(2)), Some(125));
        assert_eq!(add((5, 1), (-25, 2), to(1)), Some(3));
        assert_eq!(remainder((-725, 2), (3, 0), to(2)), Some(-125));
        assert_eq!(divide_whole((-75, 1), (2, 0)), Some(-3));
        let max = 10_i128.pow(38) - 1;
        assert_eq!(multiply((max, 38), (max, 38), to(38)), Some(max - 1));
        assert_eq!(multiply((max, 0), (10, 0), to(0)), None);
        assert_eq!(divide((max, 0), (1, 38), to(6)), None);
        assert_eq!(divide((max, 0), (max, 38), to(0)), Some(10_i128.pow(38)).and_then(|v| to(0).check(v)));
    }

    #[test]
    fn text_becomes_the_nearest_decimal() {
        let read = |text: &str, p, s| Reading::parse(text.as_bytes()).and_then(|r| r.to_shape(Shape::new(p, s)));
        let cases = [
            ("12.5", 5, 2, Some(1250)),
            ("-0", 5, 2, Some(0)),
            ("1234.567", 5, 2, None),
            ("0.05", 12, 1, Some(1)),
            ("-0.05", 12, 1, Some(-1)),
            (".5", 1, 0, Some(1)),
            ("5.", 1, 0, Some(5)),
            ("1e3", 5, 0, Some(1000)),
            ("1e-3", 5, 2, Some(0)),
            ("1e99999999999", 38, 0, None),
            ("0e99999999999", 38, 0, Some(0)),
            ("000000000000000000000000000000000000000001", 1, 0, Some(1)),
            ("9.995", 3, 2, None),
            (".", 3, 2, None),
            ("1e", 3, 2, None),
            ("1x", 3, 2, None),
        ];
        for (text, precision, scale, expected) in cases {
            assert_eq!(read(text, precision, scale), expected, "{text} as DECIMAL({precision},{scale})");
        }
    }

    #[test]
    fn doubles_become_what_they_print_as() {
        let to = Shape::new(12, 1);
        assert_eq!(from_f64(0.05, to), Some(1));
        assert_eq!(from_f64(12345.125, to), Some(123_451));
        assert_eq!(from_f64(1e-5, to), Some(0));
        assert_eq!(from_f64(f64::NAN, to), None);
        assert_eq!(to_f64(12_345_678_901_234_567_890_123, 10), 1_234_567_890_123.456_8);
        assert_eq!(to_f64(-15, 1), -1.5);
    }

    #[test]
    fn text_is_java_s() {
        assert_eq!((format(-5, 2).as_str(), format(150, 2).as_str()), ("-0.05", "1.50"));
        assert_eq!((format_java(1, 7).as_str(), format_java(0, 7).as_str()), ("1E-7", "0E-7"));
        assert_eq!((format_java(15, 8).as_str(), format_java(1, 6).as_str()), ("1.5E-7", "0.000001"));
    }
}
