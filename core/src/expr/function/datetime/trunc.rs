//! Rounding times down: date_trunc, trunc, time_bucket.

use alloc::format;

use super::{
    super::{
        Call, Function,
        define::{define, each_row},
    },
    fits, midnight, zone_of,
};
use crate::{
    block::{Column, ColumnRef, Rows, Value},
    error::{Error, Result},
    expr::{BoundExpr, apply3},
    schema::DataType,
    time::{
        Clock, Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MILLI, MICROS_PER_MINUTE, MICROS_PER_SECOND,
        Micros,
        calendar::{civil_from_days, days_from_civil, iso_weekday},
        timestamp_add, timestamp_add_day_time,
    },
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["date_trunc"], bind: date_trunc },
    Function { names: &["trunc"], bind: trunc },
    Function { names: &["time_bucket"], bind: time_bucket },
];

/// What a time is rounded down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    fn parse(name: &str) -> Option<Self> {
        let unit = match name.to_ascii_uppercase().as_str() {
            "MICROSECOND" => Self::Microsecond,
            "MILLISECOND" => Self::Millisecond,
            "SECOND" => Self::Second,
            "MINUTE" => Self::Minute,
            "HOUR" => Self::Hour,
            "DAY" | "DD" => Self::Day,
            "WEEK" => Self::Week,
            "MON" | "MONTH" | "MM" => Self::Month,
            "QUARTER" => Self::Quarter,
            "YEAR" | "YYYY" | "YY" => Self::Year,
            _ => return None,
        };
        Some(unit)
    }

    /// The first day of the unit that a day lies in. Weeks begin on Monday.
    fn first_day(self, days: i64) -> i64 {
        let date = civil_from_days(days);
        match self {
            Self::Week => days + 1 - i64::from(iso_weekday(days)),
            Self::Month => days + 1 - i64::from(date.day),
            Self::Quarter => days_from_civil(date.year, (date.month - 1) / 3 * 3 + 1, 1).unwrap_or(days),
            Self::Year => days_from_civil(date.year, 1, 1).unwrap_or(days),
            _ => days,
        }
    }

    /// The instant at which the unit of an instant began.
    fn start(self, instant: Micros, clock: &mut Clock<'_>) -> Option<Micros> {
        let on_the_clock = |unit: Micros, clock: &mut Clock<'_>| {
            let local = clock.local(instant);
            clock.instant_near(local.checked_sub(local.rem_euclid(unit))?, instant)
        };
        match self {
            Self::Microsecond => Some(instant),
            Self::Millisecond => instant.checked_sub(instant.rem_euclid(MICROS_PER_MILLI)),
            Self::Second => instant.checked_sub(instant.rem_euclid(MICROS_PER_SECOND)),
            Self::Minute => on_the_clock(MICROS_PER_MINUTE, clock),
            Self::Hour => on_the_clock(MICROS_PER_HOUR, clock),
            Self::Day => on_the_clock(MICROS_PER_DAY, clock),
            unit => midnight(unit.first_day(clock.local(instant).div_euclid(MICROS_PER_DAY)), clock),
        }
    }
}

fn date_trunc(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::Timestamp])?;
    let zone = call.settings.time_zone.clone();
    let unit = call.constant(0)?.map(|unit| unit.as_str().and_then(Unit::parse));
    call.run_nullable(DataType::Timestamp, move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        with_unit(unit, args, 0, rows, out, |unit, row, out| {
            let instant = args[1].as_slice::<i64>()[args[1].index(row)];
            match unit {
                Some(unit) => out.push(fits(unit.start(instant, &mut clock), "date_trunc")?),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

/// `trunc(date, unit)`: weeks and longer units only.
fn trunc(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Date, DataType::String])?;
    let unit = call.constant(1)?.map(|unit| unit.as_str().and_then(Unit::parse));
    call.run_nullable(DataType::Date, move |_, args, rows, out| {
        with_unit(unit, args, 1, rows, out, |unit, row, out| {
            let days = args[0].as_slice::<i32>()[args[0].index(row)];
            match unit.filter(|unit| *unit >= Unit::Week) {
                Some(unit) => out.push(unit.first_day(days.into()) as i32),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

/// Calls `f` with the unit of each row: a constant one was read when the call was bound.
fn with_unit(
    constant: Option<Option<Unit>>,
    args: &[ColumnRef<'_>],
    index: usize,
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(Option<Unit>, usize, &mut Column) -> Result<()>,
) -> Result<()> {
    each_row(args, rows, out, |row, out| {
        let unit = constant.unwrap_or_else(|| Unit::parse(args[index].str_at(row)));
        f(unit, row, out)
    })
}

/// `time_bucket(size, ts [, origin])`: the start of the bucket of `size` that `ts` lies in, counted from the origin.
fn time_bucket(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    let of = match call.type_of(1) {
        DataType::TimestampNtz => DataType::TimestampNtz,
        DataType::Timestamp | DataType::Null => DataType::Timestamp,
        _ => return Err(call.unexpected_type(1, "TIMESTAMP or TIMESTAMP_NTZ")),
    };
    let size = match (call.type_of(0), call.constant(0)?) {
        (DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..), Some(size)) => size,
        (DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..), None) => return Err(call.not_a_literal(0)),
        _ => return Err(call.unexpected_type(0, "INTERVAL DAY TO SECOND or INTERVAL YEAR TO MONTH")),
    };
    if size.as_i64().is_some_and(|size| size <= 0) {
        let text = format!("{}(): the size of a bucket must be positive", call.name);
        return Err(Error::invalid(text).class("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE").at(call.span));
    }
    let zone = zone_of(&of, &call.settings.time_zone);
    let epoch = Clock::new(&zone).instant(0).unwrap_or(0);
    call.default_arg(2, Value::Int64(epoch), of.clone());
    call.coerce(2, &of)?;
    let by_months = matches!(call.type_of(0), DataType::IntervalYearMonth(..));
    let run = define(call.name, move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        if by_months {
            return apply3(args, rows, out, |size: i32, ts: i64, origin: i64| {
                fits(month_bucket(size.into(), ts, origin, &mut clock), "time_bucket")
            });
        }
        apply3(args, rows, out, |size: i64, ts: i64, origin: i64| {
            fits(bucket(size, ts, origin, &mut clock), "time_bucket")
        })
    });
    call.finish(run, of)
}

/// The start of the bucket `n` counted from the origin that holds `ts`. Buckets shorter than a day are exact; the
/// days of longer ones are calendar days.
fn bucket(size: Micros, ts: Micros, origin: Micros, clock: &mut Clock<'_>) -> Option<Micros> {
    let n = ts.checked_sub(origin)?.div_euclid(size);
    if size < MICROS_PER_DAY {
        return origin.checked_add(n.checked_mul(size)?);
    }
    last_start(n, ts, |n| timestamp_add_day_time(origin, n.checked_mul(size)?, clock))
}

fn month_bucket(size: i64, ts: Micros, origin: Micros, clock: &mut Clock<'_>) -> Option<Micros> {
    let mut month = |instant| {
        let date = civil_from_days(clock.local(instant).div_euclid(MICROS_PER_DAY));
        date.year * 12 + i64::from(date.month)
    };
    let n = (month(ts) - month(origin)).div_euclid(size);
    last_start(n, ts, |n| {
        let months = i32::try_from(n.checked_mul(size)?).ok()?;
        timestamp_add(origin, Interval { months, days: 0, micros: 0 }, clock)
    })
}

/// The latest start that is not after `ts`, searched from a guess `n` that is off by one at most.
fn last_start(n: i64, ts: Micros, mut start: impl FnMut(i64) -> Option<Micros>) -> Option<Micros> {
    let guess = start(n)?;
    if guess > ts {
        return start(n - 1);
    }
    match start(n + 1) {
        Some(next) if next <= ts => Some(next),
        _ => Some(guess),
    }
}
