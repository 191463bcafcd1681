//! Moving and comparing times: date_add, add_months, timestampadd, timestampdiff, months_between, last_day, next_day.

use alloc::string::String;
use core::cmp::Ordering;

use super::{
    super::{Call, Function},
    fits, midnight, zone_of,
};
use crate::{
    error::{Error, Result},
    expr::{BoundExpr, apply1, apply2, apply3, kernel::binary},
    schema::DataType,
    time::{
        Clock, Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MILLI, MICROS_PER_MINUTE, MICROS_PER_SECOND,
        Micros,
        calendar::{civil_from_days, days_in_month, iso_weekday},
        date_add_months, timestamp_add,
    },
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["date_add"], bind: |call| date_add(call, 1) },
    Function { names: &["date_sub"], bind: |call| date_add(call, -1) },
    Function { names: &["dateadd"], bind: dateadd },
    Function { names: &["timestampadd"], bind: timestampadd },
    Function { names: &["date_diff", "datediff"], bind: datediff },
    Function { names: &["timestampdiff"], bind: timestampdiff },
    Function { names: &["add_months"], bind: add_months },
    Function { names: &["months_between"], bind: months_between },
    Function { names: &["last_day"], bind: last_day },
    Function { names: &["next_day"], bind: next_day },
];

fn date_add(mut call: Call<'_>, sign: i32) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    match call.type_of(1) {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::String | DataType::Null => {}
        _ => return Err(call.unexpected_type(1, "INT, SMALLINT or TINYINT")),
    }
    call.typed(&[DataType::Date, DataType::Int32])?;
    call.run(DataType::Date, move |_, args, rows, out| {
        binary(&args[0], &args[1], rows, out, |date: i32, days: i32| date.wrapping_add(days.wrapping_mul(sign)));
        Ok(())
    })
}

/// `dateadd(date, days)` or `dateadd(unit, n, ts)`.
fn dateadd(call: Call<'_>) -> Result<BoundExpr> {
    if call.args.len() == 3 { timestampadd(call) } else { date_add(call, 1) }
}

/// `datediff(end, start)` in days or `datediff(unit, start, end)`.
fn datediff(mut call: Call<'_>) -> Result<BoundExpr> {
    if call.args.len() == 3 {
        return timestampdiff(call);
    }
    call.typed(&[DataType::Date, DataType::Date])?;
    call.run(DataType::Int32, |_, args, rows, out| {
        binary(&args[0], &args[1], rows, out, |end: i32, start: i32| end.wrapping_sub(start));
        Ok(())
    })
}

/// A unit of `timestampadd` and `timestampdiff`: exact time, calendar days or months.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Micros(Micros),
    Days(i64),
    Months(i64),
}

impl Unit {
    fn parse(name: &str) -> Option<Self> {
        let unit = match name.to_ascii_uppercase().as_str() {
            "MICROSECOND" => Self::Micros(1),
            "MILLISECOND" => Self::Micros(MICROS_PER_MILLI),
            "SECOND" => Self::Micros(MICROS_PER_SECOND),
            "MINUTE" => Self::Micros(MICROS_PER_MINUTE),
            "HOUR" => Self::Micros(MICROS_PER_HOUR),
            "DAY" | "DAYOFYEAR" => Self::Days(1),
            "WEEK" => Self::Days(7),
            "MONTH" => Self::Months(1),
            "QUARTER" => Self::Months(3),
            "YEAR" => Self::Months(12),
            _ => return None,
        };
        Some(unit)
    }

    /// The unit in the first argument, a string constant.
    fn of(call: &Call<'_>) -> Result<Self> {
        let name = call.required_constant(0)?;
        name.as_str().and_then(Self::parse).ok_or_else(|| {
            let text = alloc::format!("{}() does not know the unit {}", call.name, name.as_str().unwrap_or("NULL"));
            Error::invalid(text)
                .class("INVALID_PARAMETER_VALUE.DATETIME_UNIT")
                .hint("YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND or MICROSECOND")
                .at(call.span)
        })
    }

    fn add(self, instant: Micros, count: i64, clock: &mut Clock<'_>) -> Option<Micros> {
        match self {
            Self::Micros(unit) => instant.checked_add(count.checked_mul(unit)?),
            Self::Days(unit) => {
                let days = i32::try_from(count.checked_mul(unit)?).ok()?;
                timestamp_add(instant, Interval { months: 0, days, micros: 0 }, clock)
            }
            Self::Months(unit) => {
                let months = i32::try_from(count.checked_mul(unit)?).ok()?;
                timestamp_add(instant, Interval { months, days: 0, micros: 0 }, clock)
            }
        }
    }

    /// Whole units from one clock reading to another.
    fn between(self, start: Micros, end: Micros) -> Option<i64> {
        match self {
            Self::Micros(unit) => Some(end.checked_sub(start)? / unit),
            Self::Days(unit) => Some(end.checked_sub(start)? / (unit * MICROS_PER_DAY)),
            Self::Months(unit) => Some(months_until(start, end) / unit),
        }
    }
}

/// Whole months from one reading to another: a month is full when day and time of day are reached. Where the time of
/// day is not, the last day does not count: from 31 January 10:00 to 1 March 9:00 is as far as to 28 February.
fn months_until(start: Micros, end: Micros) -> i64 {
    let (first, mut last) = (start.div_euclid(MICROS_PER_DAY), end.div_euclid(MICROS_PER_DAY));
    let (from, to) = (start.rem_euclid(MICROS_PER_DAY), end.rem_euclid(MICROS_PER_DAY));
    match last.cmp(&first) {
        Ordering::Greater if to < from => last -= 1,
        Ordering::Less if to > from => last += 1,
        _ => {}
    }
    // Months, then 32 places for days.
    let packed = |days: i64| {
        let date = civil_from_days(days);
        (date.year * 12 + i64::from(date.month)) * 32 + i64::from(date.day)
    };
    (packed(last) - packed(first)) / 32
}

fn timestampadd(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=3)?;
    let unit = Unit::of(&call)?;
    let of = timestamp_type(call.type_of(2));
    call.typed(&[DataType::String, DataType::Int64, of.clone()])?;
    let zone = zone_of(&of, &call.settings.time_zone);
    call.run(of, move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        apply2(&args[1..], rows, out, |count: i64, instant: i64| {
            fits(unit.add(instant, count, &mut clock), "a timestamp is moved too far")
        })
    })
}

fn timestamp_type(t: &DataType) -> DataType {
    if *t == DataType::TimestampNtz { DataType::TimestampNtz } else { DataType::Timestamp }
}

fn timestampdiff(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=3)?;
    let unit = Unit::of(&call)?;
    call.typed(&[DataType::String, DataType::Timestamp, DataType::Timestamp])?;
    let zone = call.settings.time_zone.clone();
    call.run(DataType::Int64, move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        apply2(&args[1..], rows, out, |start: i64, end: i64| {
            fits(unit.between(clock.local(start), clock.local(end)), "two timestamps are too far apart")
        })
    })
}

fn add_months(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Date, DataType::Int32])?;
    call.run(DataType::Date, |_, args, rows, out| {
        apply2(args, rows, out, |date: i32, months: i32| fits(date_add_months(date, months), "a date is moved too far"))
    })
}

fn months_between(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, true, DataType::Boolean);
    call.typed(&[DataType::Timestamp, DataType::Timestamp, DataType::Boolean])?;
    let zone = call.settings.time_zone.clone();
    call.run(DataType::Float64, move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        apply3(args, rows, out, |a: i64, b: i64, rounded: bool| Ok(months_apart(a, b, rounded, &mut clock)))
    })
}

/// Months of 31 days, but whole ones between equal days and between ends of months. Rounded to 8 digits if asked.
fn months_apart(a: Micros, b: Micros, rounded: bool, clock: &mut Clock<'_>) -> f64 {
    let mut split = |instant: Micros| {
        let days = clock.local(instant).div_euclid(MICROS_PER_DAY);
        let date = civil_from_days(days);
        // Seconds that have passed since midnight, which on the day of a change are not those on the clock.
        let seconds = midnight(days, clock).map_or(0, |midnight| (instant - midnight) / MICROS_PER_SECOND);
        (date, date.day == days_in_month(date.year, date.month), seconds)
    };
    let ((a, a_is_last, a_seconds), (b, b_is_last, b_seconds)) = (split(a), split(b));
    let months = ((a.year - b.year) * 12 + i64::from(a.month) - i64::from(b.month)) as f64;
    if a.day == b.day || (a_is_last && b_is_last) {
        return months;
    }
    let seconds = (i64::from(a.day) - i64::from(b.day)) * 86_400 + a_seconds - b_seconds;
    let apart = months + seconds as f64 / (31 * 86_400) as f64;
    if rounded { libm::floor(apart * 1e8 + 0.5) / 1e8 } else { apart }
}

fn last_day(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Date])?;
    call.run(DataType::Date, |_, args, rows, out| {
        apply1(args, rows, out, |days: i32| {
            let date = civil_from_days(days.into());
            Ok(days.wrapping_add((days_in_month(date.year, date.month) - date.day) as i32))
        })
    })
}

/// The first day after the date that has this name. An unknown name is an error under ANSI rules, else NULL.
fn next_day(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Date, DataType::String])?;
    let ansi = call.settings.ansi;
    call.run_nullable(DataType::Date, move |_, args, rows, out| {
        apply2(args, rows, out, |days: i32, name: &str| match weekday(name) {
            Some(weekday) => {
                let today = iso_weekday(days.into()) as i32;
                Ok(Some(days.wrapping_add((weekday - today + 6).rem_euclid(7) + 1)))
            }
            None if ansi => {
                Err(Error::data("ILLEGAL_DAY_OF_WEEK", alloc::format!("illegal input for day of week: {name}")))
            }
            None => Ok(None),
        })
    })
}

/// Monday is 1.
fn weekday(name: &str) -> Option<i32> {
    const NAMES: [&str; 7] = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
    let name: String = name.to_ascii_uppercase();
    let is = |full: &&str| *full == name || full[..2] == name || full[..3] == name;
    NAMES.iter().position(is).map(|i| i as i32 + 1)
}
