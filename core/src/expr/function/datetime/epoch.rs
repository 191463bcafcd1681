//! Times as counts since the epoch: unix_seconds, unix_millis, timestamp_seconds, unix_date.

use super::{
    super::{Call, Function},
    datetime_overflow, fits,
};
use crate::{
    error::{Error, Result},
    expr::{BoundExpr, apply1, kernel::unary},
    schema::DataType,
    time::{MICROS_PER_MILLI, MICROS_PER_SECOND, Micros},
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["unix_seconds"], bind: |call| unix(call, MICROS_PER_SECOND) },
    Function { names: &["unix_millis"], bind: |call| unix(call, MICROS_PER_MILLI) },
    Function { names: &["unix_micros"], bind: |call| unix(call, 1) },
    Function { names: &["unix_date"], bind: unix_date },
    Function { names: &["date_from_unix_date"], bind: date_from_unix_date },
    Function { names: &["timestamp_seconds"], bind: timestamp_seconds },
    Function { names: &["timestamp_millis"], bind: |call| timestamp_of(call, MICROS_PER_MILLI) },
    Function { names: &["timestamp_micros"], bind: |call| timestamp_of(call, 1) },
];

/// Whole units since the epoch, rounded down: half a second before it is -1.
fn unix(mut call: Call<'_>, unit: Micros) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    if !call.type_of(0).is_timestamp() {
        if *call.type_of(0) != DataType::Null {
            return Err(call.unexpected_type(0, "TIMESTAMP or TIMESTAMP_NTZ"));
        }
        call.coerce(0, &DataType::Timestamp)?;
    }
    call.run(DataType::Int64, move |_, args, rows, out| {
        unary(&args[0], rows, out, |micros: i64| micros.div_euclid(unit));
        Ok(())
    })
}

fn unix_date(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    call.uncast(0, &DataType::Date)?;
    call.run(DataType::Int32, |_, args, rows, out| {
        unary(&args[0], rows, out, |days: i32| days);
        Ok(())
    })
}

fn date_from_unix_date(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Int32])?;
    call.run(DataType::Date, |_, args, rows, out| {
        unary(&args[0], rows, out, |days: i32| days);
        Ok(())
    })
}

fn timestamp_of(mut call: Call<'_>, unit: Micros) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    if !call.type_of(0).is_integer() && *call.type_of(0) != DataType::Null {
        return Err(call.unexpected_type(0, "an integer"));
    }
    call.coerce(0, &DataType::Int64)?;
    call.run(DataType::Timestamp, move |_, args, rows, out| {
        apply1(args, rows, out, |count: i64| fits(count.checked_mul(unit), "a count since the epoch is too large"))
    })
}

/// Whole seconds, decimals (no digit below a microsecond may be lost) and doubles (NULL if not finite).
fn timestamp_seconds(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    match call.type_of(0) {
        DataType::Decimal(_, scale) => {
            let scale = *scale;
            call.run(DataType::Timestamp, move |_, args, rows, out| {
                apply1(args, rows, out, |seconds: i128| decimal_seconds(seconds, scale))
            })
        }
        DataType::Float32 | DataType::Float64 => {
            call.coerce(0, &DataType::Float64)?;
            call.run_nullable(DataType::Timestamp, |_, args, rows, out| {
                apply1(args, rows, out, |seconds: f64| {
                    Ok(seconds.is_finite().then_some((seconds * MICROS_PER_SECOND as f64) as i64))
                })
            })
        }
        DataType::String => Err(call.unexpected_type(0, "a number")),
        _ => timestamp_of(call, MICROS_PER_SECOND),
    }
}

fn decimal_seconds(seconds: i128, scale: i8) -> Result<Micros> {
    let micros = match i32::from(scale) - 6 {
        lost if lost > 0 => {
            let power = 10_i128.pow(lost.unsigned_abs());
            if seconds % power != 0 {
                let text = "a timestamp has no digits below a microsecond: rounding necessary";
                return Err(Error::data("ARITHMETIC_OVERFLOW", text));
            }
            Some(seconds / power)
        }
        missing => seconds.checked_mul(10_i128.pow(missing.unsigned_abs())),
    };
    let micros = micros.and_then(|micros| i64::try_from(micros).ok());
    micros.ok_or_else(|| datetime_overflow("a count of seconds since the epoch is too large"))
}
