//! round, bround, floor, ceil, abs, sign: on every numeric type, as Java's BigDecimal rounds.
//!
//! A DOUBLE is rounded by the digits that it prints with, not by its binary value: 1.005 becomes 1.01.

use core::fmt::Write;

use super::{
    super::{Call, Function, define::define},
    overflow,
};
use crate::{
    block::{Native, Value},
    error::{Error, Result},
    expr::{BoundExpr, apply1, kernel::unary},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["round"], bind: |call| round(call, Mode::HalfUp) },
    Function { names: &["bround"], bind: |call| round(call, Mode::HalfEven) },
    Function { names: &["floor"], bind: |call| floor_or_ceil(call, Mode::Floor) },
    Function { names: &["ceil", "ceiling"], bind: |call| floor_or_ceil(call, Mode::Ceiling) },
    Function { names: &["abs"], bind: abs },
    Function { names: &["sign", "signum"], bind: sign },
];

/// Java's rounding modes of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Mode {
    HalfUp,
    HalfEven,
    Floor,
    Ceiling,
}

impl Mode {
    /// Whether a magnitude `quotient + remainder / divisor` is rounded away from zero.
    fn rounds_away(self, quotient: u128, remainder: u128, divisor: u128, negative: bool) -> bool {
        if remainder == 0 {
            return false;
        }
        let rest = divisor - remainder;
        match self {
            Self::HalfUp => remainder >= rest,
            Self::HalfEven => remainder > rest || (remainder == rest && quotient % 2 == 1),
            Self::Floor => negative,
            Self::Ceiling => !negative,
        }
    }

    /// `x / 10^digits`, rounded.
    pub(in super::super) fn divide(self, x: i128, digits: u32) -> i128 {
        let magnitude = x.unsigned_abs();
        // 10^39 is larger than twice any magnitude, so more digits change nothing.
        let (quotient, remainder, divisor) = match 10_u128.checked_pow(digits) {
            Some(divisor) => (magnitude / divisor, magnitude % divisor, divisor),
            None => (0, magnitude, u128::MAX),
        };
        let rounded = quotient + u128::from(self.rounds_away(quotient, remainder, divisor, x < 0));
        if x < 0 { -(rounded as i128) } else { rounded as i128 }
    }
}

fn round(mut call: Call<'_>, mode: Mode) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    call.default_arg(1, 0, DataType::Int32);
    let of = call.type_of(0).clone();
    if !of.is_numeric() {
        call.coerce(0, &DataType::Float64)?;
    }
    let Some(scale) = scale_of(&mut call)? else {
        let of = if let DataType::Decimal(p, s) = of { rounded_type(p, s, 0) } else { call.type_of(0).clone() };
        return Ok(BoundExpr::literal(Value::Null, of));
    };
    match call.type_of(0).clone() {
        DataType::Int8 => round_integers::<i8>(call, mode, scale),
        DataType::Int16 => round_integers::<i16>(call, mode, scale),
        DataType::Int32 => round_integers::<i32>(call, mode, scale),
        DataType::Int64 => round_integers::<i64>(call, mode, scale),
        DataType::Decimal(p, s) => round_decimals(call, mode, (p, s), scale),
        DataType::Float32 => round_floats(call, mode, scale, |x: f32| f64::from(x), |x| x as f32),
        _ => round_floats(call, mode, scale, |x: f64| x, |x| x),
    }
}

/// Takes the scale, which must be a constant, out of the arguments.
fn scale_of(call: &mut Call<'_>) -> Result<Option<i32>> {
    if matches!(call.name, "ceil" | "ceiling" | "floor") && !matches!(call.type_of(1), DataType::Int32 | DataType::Null)
    {
        let text = alloc::format!("the scale of {}() must be an INT literal", call.name);
        return Err(Error::unsupported("NON_FOLDABLE_ARGUMENT", text).at(call.span));
    }
    call.coerce(1, &DataType::Int32)?;
    let scale = call.required_constant(1)?;
    call.args.truncate(1);
    Ok(scale.as_i64().map(|scale| scale as i32))
}

fn round_floats<T: Native>(
    call: Call<'_>,
    mode: Mode,
    scale: i32,
    widen: impl Fn(T) -> f64 + Send + Sync + 'static,
    narrow: impl Fn(f64) -> T + Send + Sync + 'static,
) -> Result<BoundExpr> {
    let of = call.type_of(0).clone();
    let run = define(call.name, move |_, args, rows, out| {
        unary(&args[0], rows, out, |x: T| narrow(round_f64(widen(x), scale, mode)));
        Ok(())
    });
    call.finish(run.with(scale), of)
}

/// Rounds the digits that Java would print. Zero loses its sign, as BigDecimal has none.
fn round_f64(x: f64, scale: i32, mode: Mode) -> f64 {
    const ALL_INTEGERS_FROM: f64 = (1_u64 << 52) as f64;
    if !x.is_finite() || (scale >= 0 && libm::fabs(x) >= ALL_INTEGERS_FROM) {
        return x;
    }
    let (digits, exponent) = shortest_digits(libm::fabs(x));
    let dropped = (-exponent).saturating_sub(scale);
    if dropped <= 0 {
        return x + 0.0;
    }
    let rounded = mode.divide(i128::from(digits), dropped as u32) as u64;
    let magnitude = scaled(rounded, scale.saturating_neg());
    if x < 0.0 && rounded != 0 { -magnitude } else { magnitude }
}

/// `digits * 10^exponent`, the shortest that reads back as `x`.
pub(in super::super) fn shortest_digits(x: f64) -> (u64, i32) {
    let mut text = heapless::String::<32>::new();
    // 17 digits, a point, an exponent of three digits: it always fits.
    let _ = write!(text, "{x:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    let decimals = mantissa.len().saturating_sub(2) as i32;
    (digits, exponent.parse::<i32>().unwrap_or(0) - decimals)
}

/// The double nearest to `digits * 10^exponent`.
fn scaled(digits: u64, exponent: i32) -> f64 {
    // Both numbers are exact, so one operation rounds once.
    let power = |n: i32| (0..n).fold(1.0_f64, |p, _| p * 10.0);
    if digits <= 1 << 53 && exponent.abs() <= 22 {
        let digits = digits as f64;
        return if exponent < 0 { digits / power(-exponent) } else { digits * power(exponent) };
    }
    let mut text = heapless::String::<40>::new();
    let _ = write!(text, "{digits}e{exponent}");
    text.parse().unwrap_or(f64::NAN)
}

fn round_integers<T: Native + Into<i64> + TryFrom<i128>>(call: Call<'_>, mode: Mode, scale: i32) -> Result<BoundExpr> {
    let of = call.type_of(0).clone();
    if scale >= 0 {
        return call.into_first();
    }
    let (ansi, name, digits) = (call.settings.ansi, call.name, scale.unsigned_abs().min(39));
    let run = define(name, move |_, args, rows, out| {
        apply1(args, rows, out, |x: T| {
            let quotient = mode.divide(i128::from(x.into()), digits);
            let rounded = 10_i128.checked_pow(digits).map_or(0, |power| quotient * power);
            match T::try_from(rounded) {
                Ok(rounded) => Ok(rounded),
                Err(_) if ansi => Err(overflow(name)),
                Err(_) => Ok(wrap(rounded)),
            }
        })
    });
    call.finish(run.with(scale), of)
}

/// The low bits, as Java narrows.
fn wrap<T: Native>(x: i128) -> T {
    bytemuck::pod_read_unaligned(&x.to_le_bytes()[..size_of::<T>()])
}

fn round_decimals(call: Call<'_>, mode: Mode, (p, s): (u8, i8), scale: i32) -> Result<BoundExpr> {
    let to = rounded_type(p, s, scale);
    let DataType::Decimal(precision, new_scale) = to else { unreachable!("a rounded decimal is a decimal") };
    let digits = i32::from(s).saturating_sub(scale.min(s.into()));
    let bound = 10_i128.pow(u32::from(precision));
    let run = define(call.name, move |_, args, rows, out| {
        apply1(args, rows, out, |x: i128| {
            let quotient = mode.divide(x, digits.unsigned_abs().min(39));
            let rounded = match 10_i128.checked_pow(scale.min(0).unsigned_abs()) {
                Some(power) => quotient.checked_mul(power),
                None => (quotient == 0).then_some(0),
            };
            match rounded.filter(|r| r.abs() < bound) {
                Some(rounded) => Ok(rounded),
                None => Err(out_of_range(precision, new_scale)),
            }
        })
    });
    call.finish(run.with(scale), to)
}

fn out_of_range(precision: u8, scale: i8) -> Error {
    let text = alloc::format!("the rounded number does not fit DECIMAL({precision},{scale})");
    Error::data("NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION", text)
}

/// Rounding may carry into one more digit before the point.
fn rounded_type(p: u8, s: i8, scale: i32) -> DataType {
    let integral = i32::from(p) - i32::from(s) + 1;
    if scale < 0 {
        return DataType::Decimal(integral.max(1_i32.saturating_sub(scale)).min(38) as u8, 0);
    }
    let new_scale = i32::from(s).min(scale);
    DataType::Decimal((integral + new_scale).min(38) as u8, new_scale as i8)
}

fn floor_or_ceil(mut call: Call<'_>, mode: Mode) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    let of = call.type_of(0).clone();
    if call.args.len() == 2 {
        return floor_to_scale(call, mode);
    }
    match of {
        DataType::Decimal(_, 0) => call.into_first(),
        DataType::Decimal(p, s) => {
            let to = DataType::Decimal((p - s as u8 + 1).min(38), 0);
            let digits = s.unsigned_abs().into();
            call.run(to, move |_, args, rows, out| {
                unary(&args[0], rows, out, |x: i128| mode.divide(x, digits));
                Ok(())
            })
        }
        of if of.is_integer() => {
            call.coerce(0, &DataType::Int64)?;
            call.into_first()
        }
        _ => floor_doubles(call, mode),
    }
}

fn floor_doubles(mut call: Call<'_>, mode: Mode) -> Result<BoundExpr> {
    call.coerce(0, &DataType::Float64)?;
    let (ansi, name) = (call.settings.ansi, call.name);
    call.run(DataType::Int64, move |_, args, rows, out| {
        apply1(args, rows, out, |x: f64| {
            let whole = if mode == Mode::Floor { libm::floor(x) } else { libm::ceil(x) };
            // 2^63 itself does not fit. A NaN becomes 0, as in Java.
            let fits = whole.is_nan() || (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
            if fits || !ansi { Ok(whole as i64) } else { Err(overflow(name)) }
        })
    })
}

/// With a scale every number becomes a decimal first.
fn floor_to_scale(mut call: Call<'_>, mode: Mode) -> Result<BoundExpr> {
    let (p, s) = match call.type_of(0) {
        DataType::Decimal(p, s) => (*p, *s),
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 | DataType::Null => (10, 0),
        DataType::Int64 => (20, 0),
        DataType::Float32 => (14, 7),
        DataType::Float64 => (30, 15),
        _ => (38, 18),
    };
    call.coerce(0, &DataType::Decimal(p, s))?;
    let (name, span) = (call.name, call.span);
    match scale_of(&mut call)? {
        Some(scale) => round_decimals(call, mode, (p, s), scale),
        None => Err(Error::invalid(alloc::format!("the scale of {name}() must not be NULL"))
            .class("NON_FOLDABLE_ARGUMENT")
            .at(span)),
    }
}

fn abs(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    match call.type_of(0) {
        DataType::Int8 => abs_integers(call, i8::checked_abs, i8::wrapping_abs),
        DataType::Int16 => abs_integers(call, i16::checked_abs, i16::wrapping_abs),
        DataType::Int32 => abs_integers(call, i32::checked_abs, i32::wrapping_abs),
        DataType::Int64 => abs_integers(call, i64::checked_abs, i64::wrapping_abs),
        DataType::IntervalYearMonth(..) => abs_integers(call, i32::checked_abs, i32::wrapping_abs),
        DataType::IntervalDayTime(..) => abs_integers(call, i64::checked_abs, i64::wrapping_abs),
        DataType::Decimal(..) => abs_floats(call, i128::abs),
        DataType::Float32 => abs_floats(call, libm::fabsf),
        _ => {
            call.coerce(0, &DataType::Float64)?;
            abs_floats(call, libm::fabs)
        }
    }
}

fn abs_floats<T: Native>(call: Call<'_>, f: impl Fn(T) -> T + Send + Sync + 'static) -> Result<BoundExpr> {
    let of = call.type_of(0).clone();
    call.run(of, move |_, args, rows, out| {
        unary(&args[0], rows, out, &f);
        Ok(())
    })
}

/// Under ANSI rules the smallest number, which has no positive twin, is an error; an interval always.
fn abs_integers<T: Native>(call: Call<'_>, checked: fn(T) -> Option<T>, wrapping: fn(T) -> T) -> Result<BoundExpr> {
    let of = call.type_of(0).clone();
    let (strict, name) = (call.settings.ansi || !of.is_integer(), call.name);
    call.run(of, move |_, args, rows, out| {
        if !strict {
            unary(&args[0], rows, out, wrapping);
            return Ok(());
        }
        apply1(args, rows, out, |x: T| checked(x).ok_or_else(|| overflow(name)))
    })
}

fn sign(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    match call.type_of(0) {
        DataType::IntervalYearMonth(..) => sign_of(call, |x: i32| f64::from(x.signum())),
        DataType::IntervalDayTime(..) => sign_of(call, |x: i64| x.signum() as f64),
        _ => {
            call.coerce(0, &DataType::Float64)?;
            // Zeros keep their sign, NaN stays.
            sign_of(call, |x: f64| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            })
        }
    }
}

fn sign_of<T: Native>(call: Call<'_>, f: impl Fn(T) -> f64 + Send + Sync + 'static) -> Result<BoundExpr> {
    call.run(DataType::Float64, move |_, args, rows, out| {
        unary(&args[0], rows, out, &f);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_by_their_printed_digits() {
        let cases = [
            (1.005, 2, 1.01),
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (0.15, 1, 0.2),
            (-0.25, 1, -0.3),
            (-0.25, 0, 0.0),
            (1_000_000.55, 1, 1_000_000.6),
            (12_345.678, -2, 12_300.0),
            (55.0, -2, 100.0),
            (49.0, -2, 0.0),
            (1e300, -299, 1e300),
            (5e-324, 400, 5e-324),
            (5e-324, 3, 0.0),
            (1.5, i32::MAX, 1.5),
            (1.5, i32::MIN, 0.0),
        ];
        for (x, scale, rounded) in cases {
            assert_eq!(round_f64(x, scale, Mode::HalfUp).to_bits(), f64::to_bits(rounded), "round({x}, {scale})");
        }
        assert_eq!(round_f64(2.5, 0, Mode::HalfEven), 2.0);
        assert_eq!(round_f64(3.5, 0, Mode::HalfEven), 4.0);
        assert!(round_f64(f64::NAN, 1, Mode::HalfUp).is_nan());
    }

    #[test]
    fn modes_differ_only_where_digits_are_lost() {
        let cases = [(25, 3, 2, 2, 3), (-25, -3, -2, -3, -2), (35, 4, 4, 3, 4), (21, 2, 2, 2, 3), (20, 2, 2, 2, 2)];
        for (x, half_up, half_even, floor, ceiling) in cases {
            let rounded = [Mode::HalfUp, Mode::HalfEven, Mode::Floor, Mode::Ceiling].map(|mode| mode.divide(x, 1));
            assert_eq!(rounded, [half_up, half_even, floor, ceiling], "{x}");
        }
    }
}
