//! Times from their parts: make_date, make_timestamp, make_interval, make_dt_interval, make_ym_interval.
//!
//! Parts that make no time are an error under ANSI rules, else NULL; `try_` forms always give NULL.

use alloc::format;

use jiff::tz::TimeZone;

use super::{
    super::{Call, Function, define::each_row},
    zoned::Zones,
};
use crate::{
    block::{ColumnRef, Value},
    error::{Error, Result},
    expr::{BoundExpr, apply2, apply3},
    schema::DataType,
    time::{
        Clock, Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, Micros,
        calendar::days_from_civil,
    },
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["make_date"], bind: make_date },
    Function {
        names: &["make_timestamp", "make_timestamp_ltz"],
        bind: |call| make_timestamp(call, DataType::Timestamp, false),
    },
    Function { names: &["make_timestamp_ntz"], bind: |call| make_timestamp(call, DataType::TimestampNtz, false) },
    Function {
        names: &["try_make_timestamp", "try_make_timestamp_ltz"],
        bind: |call| make_timestamp(call, DataType::Timestamp, true),
    },
    Function { names: &["try_make_timestamp_ntz"], bind: |call| make_timestamp(call, DataType::TimestampNtz, true) },
    Function { names: &["make_interval"], bind: |call| make_interval(call, false) },
    Function { names: &["try_make_interval"], bind: |call| make_interval(call, true) },
    Function { names: &["make_dt_interval"], bind: make_dt_interval },
    Function { names: &["make_ym_interval"], bind: make_ym_interval },
];

fn out_of_bounds(what: &str) -> Error {
    Error::data("DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION", format!("there is no such {what}"))
}

/// Seconds are numbers or text that is one.
fn check_seconds(call: &Call<'_>, index: usize) -> Result<()> {
    match call.type_of(index) {
        DataType::String | DataType::Null => Ok(()),
        number if number.is_numeric() => Ok(()),
        _ => Err(call.unexpected_type(index, "a number")),
    }
}

fn make_date(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Int32, DataType::Int32, DataType::Int32])?;
    let ansi = call.settings.ansi;
    call.run_nullable(DataType::Date, move |_, args, rows, out| {
        apply3(args, rows, out, |year: i32, month: i32, day: i32| match days(year, month, day) {
            None if ansi => Err(out_of_bounds(&format!("date: {year}-{month}-{day}"))),
            days => Ok(days),
        })
    })
}

fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let days = days_from_civil(year.into(), u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    i32::try_from(days).ok()
}

/// Seconds as Spark takes them: DECIMAL(16,6), so that they are exact.
const SECONDS: DataType = DataType::Decimal(16, 6);

/// `make_timestamp(date)`: its midnight.
fn midnight(mut call: Call<'_>) -> Result<BoundExpr> {
    if !matches!(call.type_of(0), DataType::Date | DataType::Null) {
        return Err(call.unexpected_type(0, "DATE"));
    }
    call.cast(0, &DataType::Timestamp, false)?;
    call.into_first()
}

/// `make_timestamp(year, month, day, hour, minute, second [, zone])`
fn make_timestamp(mut call: Call<'_>, to: DataType, is_try: bool) -> Result<BoundExpr> {
    if call.args.len() == 1 && matches!(call.name, "make_timestamp" | "try_make_timestamp") {
        return midnight(call);
    }
    let most = if to == DataType::TimestampNtz { 6 } else { 7 };
    call.arity(6..=most)?;
    for index in 0..5 {
        call.coerce(index, &DataType::Int32)?;
    }
    check_seconds(&call, 5)?;
    call.cast(5, &SECONDS, is_try)?;
    if call.args.len() == 7 {
        call.coerce(6, &DataType::String)?;
    }
    let strict = call.settings.ansi && !is_try;
    let session = if to == DataType::TimestampNtz { TimeZone::UTC } else { call.settings.time_zone.clone() };
    call.run_nullable(to, move |_, args, rows, out| {
        let mut zones = Zones::default();
        each_row(args, rows, out, |row, out| {
            let zone = match args.get(6) {
                Some(zone) => zones.find(zone.str_at(row))?,
                None => &session,
            };
            match reading(args, row).map(|local| local.and_then(|local| Clock::new(zone).instant(local))) {
                Ok(Some(instant)) => out.push(instant),
                Ok(None) if strict => return Err(out_of_bounds("timestamp")),
                Err(error) if strict => return Err(error),
                _ => out.push_null(),
            }
            Ok(())
        })
    })
}

/// The clock reading of a row of parts. 60 seconds are a minute, but only without a fraction.
fn reading(args: &[ColumnRef<'_>], row: usize) -> Result<Option<Micros>> {
    let part = |i: usize| args[i].as_slice::<i32>()[args[i].index(row)];
    let seconds = args[5].as_slice::<i128>()[args[5].index(row)];
    let minute = i128::from(MICROS_PER_MINUTE);
    if seconds > minute && seconds < 61 * i128::from(MICROS_PER_SECOND) {
        let text = "seconds must lie in 0 to 60, and 60 has no fraction";
        return Err(Error::data("INVALID_FRACTION_OF_SECOND", text));
    }
    let in_range = (0..24).contains(&part(3)) && (0..60).contains(&part(4)) && (0..=minute).contains(&seconds);
    let days = days(part(0), part(1), part(2)).filter(|_| in_range);
    Ok(days.and_then(|days| {
        let time = i64::from(part(3)) * MICROS_PER_HOUR + i64::from(part(4)) * MICROS_PER_MINUTE + seconds as i64;
        i64::from(days).checked_mul(MICROS_PER_DAY)?.checked_add(time)
    }))
}

/// `make_interval(years, months, weeks, days, hours, minutes, seconds)`, all optional.
fn make_interval(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    call.arity(0..=7)?;
    (0..6).for_each(|index| call.default_arg(index, 0, DataType::Int32));
    call.default_arg(6, Value::Decimal(0), DataType::Decimal(18, 6));
    for index in 0..6 {
        call.coerce(index, &DataType::Int32)?;
    }
    call.cast(6, &DataType::Decimal(18, 6), is_try)?;
    let strict = call.settings.ansi && !is_try;
    call.run_nullable(DataType::Interval, move |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let part = |i: usize| args[i].as_slice::<i32>()[args[i].index(row)];
            let seconds = args[6].as_slice::<i128>()[args[6].index(row)];
            match interval([part(0), part(1), part(2), part(3), part(4), part(5)], seconds) {
                Some(interval) => out.push_interval(interval),
                None if strict => return Err(too_large()),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

fn interval([years, months, weeks, days, hours, minutes]: [i32; 6], seconds: i128) -> Option<Interval> {
    Some(Interval {
        months: years.checked_mul(12)?.checked_add(months)?,
        days: weeks.checked_mul(7)?.checked_add(days)?,
        micros: day_time(0, hours, minutes, seconds)?,
    })
}

fn day_time(days: i32, hours: i32, minutes: i32, seconds: i128) -> Option<Micros> {
    let whole = i64::from(hours) * MICROS_PER_HOUR + i64::from(minutes) * MICROS_PER_MINUTE;
    let days = i64::from(days).checked_mul(MICROS_PER_DAY)?;
    days.checked_add(whole)?.checked_add(i64::try_from(seconds).ok()?)
}

fn too_large() -> Error {
    Error::data("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "the parts make an interval that is too large")
}

/// `make_dt_interval(days, hours, minutes, seconds)`, all optional.
fn make_dt_interval(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(0..=4)?;
    (0..3).for_each(|index| call.default_arg(index, 0, DataType::Int32));
    call.default_arg(3, Value::Decimal(0), DataType::Decimal(18, 6));
    for index in 0..3 {
        call.coerce(index, &DataType::Int32)?;
    }
    check_seconds(&call, 3)?;
    call.cast(3, &DataType::Decimal(18, 6), false)?;
    call.run(DataType::DAY_TIME, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let part = |i: usize| args[i].as_slice::<i32>()[args[i].index(row)];
            let seconds = args[3].as_slice::<i128>()[args[3].index(row)];
            out.push(day_time(part(0), part(1), part(2), seconds).ok_or_else(too_large)?);
            Ok(())
        })
    })
}

/// `make_ym_interval(years, months)`, both optional.
fn make_ym_interval(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(0..=2)?;
    (0..2).for_each(|index| call.default_arg(index, 0, DataType::Int32));
    call.typed(&[DataType::Int32, DataType::Int32])?;
    call.run(DataType::YEAR_MONTH, |_, args, rows, out| {
        apply2(args, rows, out, |years: i32, months: i32| {
            years.checked_mul(12).and_then(|years| years.checked_add(months)).ok_or_else(too_large)
        })
    })
}
