//! Whole numbers: bits, bases, factorials, buckets.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use super::{
    super::{Call, Function, define::fill},
    overflow,
};
use crate::{
    error::{Error, Result},
    expr::{BoundExpr, apply1, apply2},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["factorial"], bind: factorial },
    Function { names: &["bin"], bind: bin },
    Function { names: &["conv"], bind: conv },
    Function { names: &["hex"], bind: hex },
    Function { names: &["unhex"], bind: unhex },
    Function { names: &["shiftleft"], bind: |call| shift(call, i32::wrapping_shl, i64::wrapping_shl) },
    Function { names: &["shiftright"], bind: |call| shift(call, i32::wrapping_shr, i64::wrapping_shr) },
    Function { names: &["shiftrightunsigned"], bind: |call| shift(call, shift_i32_unsigned, shift_i64_unsigned) },
    Function { names: &["bit_count"], bind: bit_count },
    Function { names: &["bit_get", "getbit"], bind: bit_get },
    Function { names: &["width_bucket"], bind: width_bucket },
];

fn factorial(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Int32])?;
    call.run_nullable(DataType::Int64, |_, args, rows, out| {
        apply1(args, rows, out, |n: i32| Ok((0..=20).contains(&n).then(|| (1..=i64::from(n)).product::<i64>())))
    })
}

fn bin(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Int64])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(x,): (i64,), text: &mut String| {
            let _ = write!(text, "{x:b}");
            Ok(())
        })
    })
}

fn conv(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::Int32, DataType::Int32])?;
    let ansi = call.settings.ansi;
    call.run_nullable(DataType::String, move |_, args, rows, out| {
        fill(args, rows, out, |(s, from, to): (&str, i32, i32), text: &mut String| convert(s, from, to, ansi, text))
    })
}

/// Reads `s` in base `from` up to the first foreign character and writes it in base `to`, signed if `to` is negative.
fn convert(s: &str, from: i32, to: i32, ansi: bool, text: &mut String) -> Result<Option<()>> {
    let base = to.unsigned_abs();
    let s = s.trim_matches(' ');
    if !(2..=36).contains(&from) || !(2..=36).contains(&base) || s.is_empty() {
        return Ok(None);
    }
    let (negative, digits) = s.strip_prefix('-').map_or((false, s), |digits| (true, digits));
    let mut value = 0_u64;
    for digit in digits.chars().map_while(|c| c.to_digit(from as u32)) {
        let next = value.checked_mul(from as u64).and_then(|v| v.checked_add(digit.into()));
        value = match next {
            Some(next) => next,
            None if ansi => return Err(overflow("conv")),
            None => u64::MAX,
        };
    }
    let mut negative = negative;
    if negative && to > 0 {
        // Too large to negate, it is all ones.
        value = if (value as i64) < 0 { u64::MAX } else { value.wrapping_neg() };
    }
    if to < 0 && (value as i64) < 0 {
        value = value.wrapping_neg();
        negative = true;
    }
    if negative && to < 0 {
        text.push('-');
    }
    push_in_base(value, base.into(), text);
    Ok(Some(()))
}

fn push_in_base(mut value: u64, base: u64, text: &mut String) {
    let mut digits = heapless::Vec::<char, 64>::new();
    loop {
        let digit = char::from_digit((value % base) as u32, base as u32).unwrap_or('0');
        // 64 binary digits are the most there can be.
        let _ = digits.push(digit.to_ascii_uppercase());
        value /= base;
        if value == 0 {
            break;
        }
    }
    text.extend(digits.iter().rev());
}

fn hex(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    if !call.type_of(0).is_numeric() && *call.type_of(0) != DataType::Null {
        if *call.type_of(0) != DataType::Binary {
            call.coerce(0, &DataType::String)?;
        }
        return call.run(DataType::String, |_, args, rows, out| {
            fill(args, rows, out, |(bytes,): (&[u8],), text: &mut String| {
                bytes.iter().for_each(|b| {
                    let _ = write!(text, "{b:02X}");
                });
                Ok(())
            })
        });
    }
    call.coerce(0, &DataType::Int64)?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(x,): (i64,), text: &mut String| {
            let _ = write!(text, "{x:X}");
            Ok(())
        })
    })
}

fn unhex(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::Binary, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), bytes: &mut Vec<u8>| Ok(push_unhexed(s, bytes)))
    })
}

/// An odd first digit is a byte of its own.
pub(in super::super) fn push_unhexed(s: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let (first, pairs) = s.as_bytes().split_at(s.len() % 2);
    for &b in first {
        bytes.push(digit(b)?);
    }
    for pair in pairs.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(())
}

/// The shifted number is an INT or a BIGINT; the distance counts modulo its width.
fn shift(mut call: Call<'_>, int: fn(i32, u32) -> i32, long: fn(i64, u32) -> i64) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    call.coerce(1, &DataType::Int32)?;
    if *call.type_of(0) == DataType::Int64 {
        return call.run(DataType::Int64, move |_, args, rows, out| {
            apply2(args, rows, out, |x: i64, by: i32| Ok(long(x, by as u32)))
        });
    }
    call.coerce(0, &DataType::Int32)?;
    call.run(DataType::Int32, move |_, args, rows, out| {
        apply2(args, rows, out, |x: i32, by: i32| Ok(int(x, by as u32)))
    })
}

fn shift_i32_unsigned(x: i32, by: u32) -> i32 {
    (x as u32).wrapping_shr(by) as i32
}

fn shift_i64_unsigned(x: i64, by: u32) -> i64 {
    (x as u64).wrapping_shr(by) as i64
}

/// Numbers are counted as BIGINTs, so every negative one has many bits.
fn bit_count(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    if *call.type_of(0) == DataType::Boolean {
        return call.run(DataType::Int32, |_, args, rows, out| apply1(args, rows, out, |x: bool| Ok(i32::from(x))));
    }
    if !call.type_of(0).is_integer() && *call.type_of(0) != DataType::Null {
        return Err(call.unexpected_type(0, "an integer or a BOOLEAN"));
    }
    call.coerce(0, &DataType::Int64)?;
    call.run(DataType::Int32, |_, args, rows, out| apply1(args, rows, out, |x: i64| Ok(x.count_ones() as i32)))
}

fn bit_get(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let width = match call.type_of(0) {
        DataType::Int8 => 8,
        DataType::Int16 => 16,
        DataType::Int32 => 32,
        DataType::Int64 | DataType::Null => 64,
        _ => return Err(call.unexpected_type(0, "an integer")),
    };
    call.coerce(0, &DataType::Int64)?;
    call.coerce(1, &DataType::Int32)?;
    call.run(DataType::Int8, move |_, args, rows, out| {
        apply2(args, rows, out, |x: i64, position: i32| match position {
            position if (0..width).contains(&position) => Ok((x >> position & 1) as i8),
            _ => {
                let text = alloc::format!("a bit position must lie in 0 to {}, not {position}", width - 1);
                Err(Error::data("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", text))
            }
        })
    })
}

fn width_bucket(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(4..=4)?;
    match call.type_of(0) {
        DataType::IntervalYearMonth(..) => {
            call.typed(&[DataType::YEAR_MONTH, DataType::YEAR_MONTH, DataType::YEAR_MONTH, DataType::Int64])?;
            bucket_of(call, |x: i32| f64::from(x))
        }
        DataType::IntervalDayTime(..) => {
            call.typed(&[DataType::DAY_TIME, DataType::DAY_TIME, DataType::DAY_TIME, DataType::Int64])?;
            bucket_of(call, |x: i64| x as f64)
        }
        _ => {
            call.typed(&[DataType::Float64, DataType::Float64, DataType::Float64, DataType::Int64])?;
            bucket_of(call, |x: f64| x)
        }
    }
}

fn bucket_of<T: crate::block::Native>(
    call: Call<'_>,
    number: impl Fn(T) -> f64 + Send + Sync + 'static,
) -> Result<BoundExpr> {
    call.run_nullable(DataType::Int64, move |_, args, rows, out| {
        super::super::define::each_row(args, rows, out, |row, out| {
            let at = |i: usize| number(args[i].as_slice::<T>()[args[i].index(row)]);
            let buckets = args[3].as_slice::<i64>()[args[3].index(row)];
            match bucket(at(0), at(1), at(2), buckets) {
                Some(bucket) => out.push(bucket),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

/// Buckets count from 1; 0 lies before the first, one more than there are after the last.
fn bucket(x: f64, min: f64, max: f64, buckets: i64) -> Option<i64> {
    let bad = |x: f64| x.is_nan();
    if buckets <= 0 || buckets == i64::MAX || bad(x) || min == max || !min.is_finite() || !max.is_finite() {
        return None;
    }
    let (lower, upper) = (min.min(max), min.max(max));
    let found = match (min < max, x) {
        (true, x) if x < lower => 0,
        (true, x) if x >= upper => buckets + 1,
        (true, x) => ((buckets as f64 * (x - lower) / (upper - lower)) as i64).saturating_add(1),
        (false, x) if x > upper => 0,
        (false, x) if x <= lower => buckets + 1,
        (false, x) => ((buckets as f64 * (upper - x) / (upper - lower)) as i64).saturating_add(1),
    };
    Some(found)
}
