//! Parts of dates, timestamps and intervals: year, dayofweek, hour, extract, date_part.

use super::{
    super::{Call, Function, define::fill},
    zone_of,
};
use crate::{
    block::{Native, Value, Values},
    error::{Error, Result},
    expr::{BoundExpr, kernel::unary},
    schema::DataType,
    time::{
        Clock, Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, Micros,
        calendar::{civil_from_days, day_of_year, iso_weekday},
        interval::Unit,
    },
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["year"], bind: |call| of_day(call, year) },
    Function { names: &["quarter"], bind: |call| of_day(call, quarter) },
    Function { names: &["month"], bind: |call| of_day(call, month) },
    Function { names: &["day", "dayofmonth"], bind: |call| of_day(call, day) },
    Function { names: &["dayofweek"], bind: |call| of_day(call, day_of_week) },
    Function { names: &["weekday"], bind: |call| of_day(call, |days| iso_weekday(days) as i32 - 1) },
    Function { names: &["dayofyear"], bind: |call| of_day(call, day_of_the_year) },
    Function { names: &["weekofyear"], bind: |call| of_day(call, |days| week_of_year(days).1) },
    Function { names: &["hour"], bind: |call| of_clock(call, hour) },
    Function { names: &["minute"], bind: |call| of_clock(call, minute) },
    Function {
        names: &["second"],
        bind: |call| of_clock(call, |local| (local.rem_euclid(MICROS_PER_MINUTE) / MICROS_PER_SECOND) as i32),
    },
    Function { names: &["dayname"], bind: |call| name_of_day(call, |days| DAYS[iso_weekday(days) as usize - 1]) },
    Function { names: &["monthname"], bind: |call| name_of_day(call, |days| MONTHS[month(days) as usize - 1]) },
    Function { names: &["extract", "date_part", "datepart"], bind: extract },
];

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn year(days: i64) -> i32 {
    civil_from_days(days).year as i32
}

fn quarter(days: i64) -> i32 {
    (month(days) + 2) / 3
}

fn month(days: i64) -> i32 {
    civil_from_days(days).month as i32
}

fn day(days: i64) -> i32 {
    civil_from_days(days).day as i32
}

/// Sunday is 1.
fn day_of_week(days: i64) -> i32 {
    iso_weekday(days) as i32 % 7 + 1
}

fn day_of_the_year(days: i64) -> i32 {
    day_of_year(civil_from_days(days)) as i32
}

/// ISO year and week: a week belongs to the year of its Thursday.
fn week_of_year(days: i64) -> (i32, i32) {
    let thursday = days + 4 - i64::from(iso_weekday(days));
    (year(thursday), (day_of_the_year(thursday) - 1) / 7 + 1)
}

fn hour(local: Micros) -> i32 {
    (local.rem_euclid(MICROS_PER_DAY) / MICROS_PER_HOUR) as i32
}

fn minute(local: Micros) -> i32 {
    (local.rem_euclid(MICROS_PER_HOUR) / MICROS_PER_MINUTE) as i32
}

/// Seconds with their fraction, as the unscaled value of a DECIMAL(8,6).
fn second_with_fraction(local: Micros) -> i128 {
    local.rem_euclid(MICROS_PER_MINUTE).into()
}

/// A function of the day that the argument shows.
fn of_day(mut call: Call<'_>, f: impl Fn(i64) -> i32 + Send + Sync + 'static) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    of_day_as(&mut call)?;
    day_field(call, DataType::Int32, f)
}

/// Timestamps stay what they are, everything else becomes a DATE.
fn of_day_as(call: &mut Call<'_>) -> Result<()> {
    if call.type_of(0).is_timestamp() { Ok(()) } else { call.coerce(0, &DataType::Date) }
}

fn day_field<R: Native>(
    call: Call<'_>,
    data_type: DataType,
    f: impl Fn(i64) -> R + Send + Sync + 'static,
) -> Result<BoundExpr> {
    if *call.type_of(0) == DataType::Date {
        return call.run(data_type, move |_, args, rows, out| {
            unary(&args[0], rows, out, |days: i32| f(days.into()));
            Ok(())
        });
    }
    clock_field(call, data_type, move |local| f(local.div_euclid(MICROS_PER_DAY)))
}

/// A function of the time that the clock shows.
fn of_clock(mut call: Call<'_>, f: impl Fn(Micros) -> i32 + Send + Sync + 'static) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    of_clock_as(&mut call)?;
    clock_field(call, DataType::Int32, f)
}

fn of_clock_as(call: &mut Call<'_>) -> Result<()> {
    if call.type_of(0).is_timestamp() { Ok(()) } else { call.coerce(0, &DataType::Timestamp) }
}

fn clock_field<R: Native>(
    call: Call<'_>,
    data_type: DataType,
    f: impl Fn(Micros) -> R + Send + Sync + 'static,
) -> Result<BoundExpr> {
    let zone = zone_of(call.type_of(0), &call.settings.time_zone);
    call.run(data_type, move |_, args, rows, out| {
        let mut clock = Clock::new(&zone);
        unary(&args[0], rows, out, |instant: i64| f(clock.local(instant)));
        Ok(())
    })
}

fn name_of_day(mut call: Call<'_>, f: fn(i64) -> &'static str) -> Result<BoundExpr> {
    call.typed(&[DataType::Date])?;
    call.run(DataType::String, move |_, args, rows, out| {
        fill(args, rows, out, |(days,): (i32,), text: &mut alloc::string::String| {
            text.push_str(f(days.into()));
            Ok(())
        })
    })
}

/// A field that `extract` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    YearOfWeek,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfWeekIso,
    DayOfYear,
    Hour,
    Minute,
    Second,
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        let field = match name.to_ascii_uppercase().as_str() {
            "YEAROFWEEK" => Self::YearOfWeek,
            "YEAR" | "Y" | "YEARS" | "YR" | "YRS" => Self::Year,
            "QUARTER" | "QTR" => Self::Quarter,
            "MONTH" | "MON" | "MONS" | "MONTHS" => Self::Month,
            "WEEK" | "W" | "WEEKS" => Self::Week,
            "DAY" | "D" | "DAYS" => Self::Day,
            "DAYOFWEEK" | "DOW" => Self::DayOfWeek,
            "DAYOFWEEK_ISO" | "DOW_ISO" => Self::DayOfWeekIso,
            "DOY" => Self::DayOfYear,
            "HOUR" | "H" | "HOURS" | "HR" | "HRS" => Self::Hour,
            "MINUTE" | "M" | "MIN" | "MINS" | "MINUTES" => Self::Minute,
            "SECOND" | "S" | "SEC" | "SECONDS" | "SECS" => Self::Second,
            _ => return None,
        };
        Some(field)
    }
}

/// Seconds with six decimals.
const SECONDS: DataType = DataType::Decimal(8, 6);

/// `extract(field, source)`, the field a string constant.
fn extract(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let name = match call.required_constant(0)? {
        Value::Null => return Ok(BoundExpr::literal(Value::Null, DataType::Float64)),
        name => name.as_str().map(alloc::string::String::from).ok_or_else(|| call.unexpected_type(0, "STRING"))?,
    };
    let unknown = || {
        let text = alloc::format!("cannot extract `{name}` from {}", call.type_of(1));
        Error::unsupported("INVALID_EXTRACT_FIELD", text).at(call.span)
    };
    let field = Field::parse(&name).ok_or_else(unknown)?;
    match call.type_of(1) {
        DataType::IntervalYearMonth(first, last) | DataType::IntervalDayTime(first, last)
            if unit_of(field).is_none_or(|unit| unit < *first || unit > *last) =>
        {
            return Err(unknown());
        }
        DataType::Interval if !is_day_time(field) && !matches!(field, Field::Year | Field::Month) => {
            return Err(unknown());
        }
        _ => {}
    }
    call.args.remove(0);
    match call.type_of(0) {
        DataType::IntervalYearMonth(..) => of_months(call, field),
        DataType::IntervalDayTime(..) => of_day_time(call, field),
        DataType::Interval => of_interval(call, field),
        _ => of_time(call, field),
    }
}

/// The unit of an interval that holds this field: `INTERVAL '1' DAY` has no hours.
fn unit_of(field: Field) -> Option<Unit> {
    Some(match field {
        Field::Year => Unit::Year,
        Field::Month => Unit::Month,
        Field::Day => Unit::Day,
        Field::Hour => Unit::Hour,
        Field::Minute => Unit::Minute,
        Field::Second => Unit::Second,
        _ => return None,
    })
}

fn is_day_time(field: Field) -> bool {
    matches!(field, Field::Day | Field::Hour | Field::Minute | Field::Second)
}

fn of_time(mut call: Call<'_>, field: Field) -> Result<BoundExpr> {
    // Two calls differ in their field, which is no longer an argument, so the name must tell them apart.
    call.name = match field {
        Field::YearOfWeek => "extract yearofweek",
        Field::Year => "year",
        Field::Quarter => "quarter",
        Field::Month => "month",
        Field::Week => "weekofyear",
        Field::Day => "day",
        Field::DayOfWeek => "dayofweek",
        Field::DayOfWeekIso => "extract dayofweek_iso",
        Field::DayOfYear => "dayofyear",
        Field::Hour => "hour",
        Field::Minute => "minute",
        Field::Second => "extract second",
    };
    match field {
        Field::YearOfWeek => of_day(call, |days| week_of_year(days).0),
        Field::Year => of_day(call, year),
        Field::Quarter => of_day(call, quarter),
        Field::Month => of_day(call, month),
        Field::Week => of_day(call, |days| week_of_year(days).1),
        Field::Day => of_day(call, day),
        Field::DayOfWeek => of_day(call, day_of_week),
        Field::DayOfWeekIso => of_day(call, |days| iso_weekday(days) as i32),
        Field::DayOfYear => of_day(call, day_of_the_year),
        Field::Hour => of_clock(call, hour),
        Field::Minute => of_clock(call, minute),
        Field::Second => {
            of_clock_as(&mut call)?;
            clock_field(call, SECONDS, second_with_fraction)
        }
    }
}

fn of_months(mut call: Call<'_>, field: Field) -> Result<BoundExpr> {
    if field == Field::Year {
        call.name = "extract year";
        return call.run(DataType::Int32, |_, args, rows, out| {
            unary(&args[0], rows, out, |months: i32| months / 12);
            Ok(())
        });
    }
    call.name = "extract month";
    call.run(DataType::Int8, |_, args, rows, out| {
        unary(&args[0], rows, out, |months: i32| (months % 12) as i8);
        Ok(())
    })
}

fn of_day_time(mut call: Call<'_>, field: Field) -> Result<BoundExpr> {
    call.name = day_time_name(field);
    match field {
        Field::Day => call.run(DataType::Int32, |_, args, rows, out| {
            unary(&args[0], rows, out, |micros: i64| (micros / MICROS_PER_DAY) as i32);
            Ok(())
        }),
        Field::Second => call.run(SECONDS, |_, args, rows, out| {
            unary(&args[0], rows, out, |micros: i64| i128::from(micros % MICROS_PER_MINUTE));
            Ok(())
        }),
        _ => call.run(DataType::Int8, move |_, args, rows, out| {
            unary(&args[0], rows, out, |micros: i64| small_part(micros, field));
            Ok(())
        }),
    }
}

fn day_time_name(field: Field) -> &'static str {
    match field {
        Field::Year => "extract year",
        Field::Month => "extract month",
        Field::Day => "extract day",
        Field::Hour => "extract hour",
        Field::Minute => "extract minute",
        _ => "extract second",
    }
}

/// The hour or minute of a span.
fn small_part(micros: Micros, field: Field) -> i8 {
    match field {
        Field::Hour => (micros % MICROS_PER_DAY / MICROS_PER_HOUR) as i8,
        _ => (micros % MICROS_PER_HOUR / MICROS_PER_MINUTE) as i8,
    }
}

fn of_interval(mut call: Call<'_>, field: Field) -> Result<BoundExpr> {
    call.name = day_time_name(field);
    match field {
        Field::Year => each_interval(call, DataType::Int32, |i| i.months / 12),
        Field::Month => each_interval(call, DataType::Int8, |i| (i.months % 12) as i8),
        Field::Day => each_interval(call, DataType::Int32, |i| i.days.wrapping_add((i.micros / MICROS_PER_DAY) as i32)),
        Field::Second => each_interval(call, SECONDS, |i| i128::from(i.micros % MICROS_PER_MINUTE)),
        field => each_interval(call, DataType::Int8, move |i| small_part(i.micros, field)),
    }
}

fn each_interval<R: Native>(
    call: Call<'_>,
    data_type: DataType,
    f: impl Fn(Interval) -> R + Send + Sync + 'static,
) -> Result<BoundExpr> {
    call.run(data_type, move |_, args, rows, out| {
        for row in 0..rows.len() {
            match args[0].values {
                Values::Interval(v) if args[0].is_valid(row) => out.push(f(v[args[0].index(row)])),
                _ => out.push_null(),
            }
        }
        Ok(())
    })
}
