//! Times as text, through datetime patterns: to_timestamp, to_date, date_format, unix_timestamp, from_unixtime.
//!
//! A constant pattern is compiled when the call is bound, so a wrong one is found before any row is read; others are
//! compiled once a block while they stay the same.

use alloc::{format, string::String};

use jiff::tz::TimeZone;

use super::super::{
    Call, Function,
    define::{each_row, fill},
};
use crate::{
    block::{Column, ColumnRef, Native, Rows, Value},
    error::{Error, Result},
    expr::{BoundExpr, EvalContext, kernel::unary},
    schema::DataType,
    time::{Clock, MICROS_PER_DAY, MICROS_PER_SECOND, Micros, pattern::Pattern},
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["to_timestamp", "to_timestamp_ltz"],
        bind: |call| to_timestamp(call, DataType::Timestamp, false),
    },
    Function { names: &["to_timestamp_ntz"], bind: |call| to_timestamp(call, DataType::TimestampNtz, false) },
    Function { names: &["try_to_timestamp"], bind: |call| to_timestamp(call, DataType::Timestamp, true) },
    Function { names: &["to_date"], bind: |call| to_date(call, false) },
    Function { names: &["try_to_date"], bind: |call| to_date(call, true) },
    Function { names: &["date_format"], bind: date_format },
    Function { names: &["unix_timestamp"], bind: unix_timestamp },
    Function { names: &["to_unix_timestamp"], bind: unix_timestamp },
    Function { names: &["from_unixtime"], bind: from_unixtime },
];

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

fn to_timestamp(mut call: Call<'_>, to: DataType, is_try: bool) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    if call.args.len() == 1 || is_time(call.type_of(0)) {
        call.cast(0, &to, is_try)?;
        return call.into_first();
    }
    let zone = call.settings.time_zone.clone();
    if to == DataType::TimestampNtz {
        return parse_with(call, to, is_try, |pattern, text| pattern.parse_ntz(text, true));
    }
    parse_with(call, to, is_try, move |pattern, text| pattern.parse(text, &zone))
}

fn to_date(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    if call.args.len() == 1 || is_time(call.type_of(0)) {
        if !is_time(call.type_of(0)) {
            call.coerce(0, &DataType::String)?;
        }
        call.cast(0, &DataType::Date, is_try)?;
        return call.into_first();
    }
    let zone = call.settings.time_zone.clone();
    parse_with(call, DataType::Date, is_try, move |pattern, text| {
        let instant = pattern.parse(text, &zone)?;
        Some(Clock::new(&zone).local(instant).div_euclid(MICROS_PER_DAY) as i32)
    })
}

fn is_time(t: &DataType) -> bool {
    matches!(t, DataType::Date | DataType::Timestamp | DataType::TimestampNtz)
}

/// `f(text, pattern)`, both arguments strings. What does not match is an error under ANSI rules, else NULL.
fn parse_with<R: Native>(
    mut call: Call<'_>,
    to: DataType,
    is_try: bool,
    parse: impl Fn(&Pattern, &str) -> Option<R> + Send + Sync + 'static,
) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    let constant = constant_pattern(&call, 1, true)?;
    let strict = call.settings.ansi && !is_try;
    let hint = if to == DataType::Date { "try_to_date" } else { "try_to_timestamp" };
    call.run_nullable(to, move |_, args, rows, out| {
        each_with_pattern(&constant, true, args, 1, rows, out, |pattern, row, out| {
            let text = args[0].str_at(row);
            match parse(pattern, text) {
                Some(result) => out.push(result),
                None if strict => return Err(cannot_parse(text, hint)),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

fn cannot_parse(text: &str, hint: &str) -> Error {
    Error::data("CANNOT_PARSE_TIMESTAMP", format!("text '{text}' does not match the pattern"))
        .hint(format!("{hint}() gives NULL instead"))
}

fn date_format(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Timestamp, DataType::String])?;
    format_with(call, |micros| micros)
}

/// `from_unixtime(seconds [, pattern])`
fn from_unixtime(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    call.default_arg(1, DEFAULT_PATTERN, DataType::String);
    call.typed(&[DataType::Int64, DataType::String])?;
    Ok(format_with(call, |seconds| seconds.wrapping_mul(MICROS_PER_SECOND))?.nullable(true))
}

/// Writes instants through the pattern in the second argument.
fn format_with(call: Call<'_>, instant: fn(i64) -> Micros) -> Result<BoundExpr> {
    let zone = call.settings.time_zone.clone();
    let constant = constant_pattern(&call, 1, false)?;
    call.run(DataType::String, move |_, args, rows, out| {
        if let Some(pattern) = &constant {
            return fill(&args[..1], rows, out, |(time,): (i64,), text: &mut String| {
                write(pattern, instant(time), &zone, text)
            });
        }
        let mut patterns = Patterns::default();
        fill(args, rows, out, |(time, pattern): (i64, &str), text: &mut String| {
            write(patterns.find(pattern, false)?, instant(time), &zone, text)
        })
    })
}

fn write(pattern: &Pattern, instant: Micros, zone: &TimeZone, text: &mut String) -> Result<()> {
    pattern.format(instant, zone, text).map_err(|_| Error::data("DATETIME_OVERFLOW", "a time cannot be written"))
}

/// Seconds since the epoch of a time, or of text that matches a pattern; of the present without arguments.
fn unix_timestamp(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(0..=2)?;
    if call.args.is_empty() {
        return call.run(DataType::Int64, |cx: &EvalContext, _, rows, out| {
            out.native_mut(rows.len()).fill(cx.now_us / MICROS_PER_SECOND);
            Ok(())
        });
    }
    if is_time(call.type_of(0)) {
        call.args.truncate(1);
        if *call.type_of(0) == DataType::Date {
            call.coerce(0, &DataType::Timestamp)?;
        }
        // Unlike unix_seconds, this drops the fraction: half a second before the epoch is 0.
        return call.run(DataType::Int64, |_, args, rows, out| {
            unary(&args[0], rows, out, |micros: i64| micros / MICROS_PER_SECOND);
            Ok(())
        });
    }
    call.default_arg(1, DEFAULT_PATTERN, DataType::String);
    call.uncast(0, &DataType::String)?;
    call.uncast(1, &DataType::String)?;
    let zone = call.settings.time_zone.clone();
    parse_with(call, DataType::Int64, false, move |pattern, text| {
        pattern.parse(text, &zone).map(|micros| micros / MICROS_PER_SECOND)
    })
}

/// The compiled pattern, if the argument is a constant that is not NULL.
fn constant_pattern(call: &Call<'_>, index: usize, parsing: bool) -> Result<Option<Pattern>> {
    match call.constant(index)? {
        Some(Value::String(pattern)) => compile(&pattern, parsing).map(Some).map_err(|e| e.at(call.span)),
        _ => Ok(None),
    }
}

fn compile(pattern: &str, parsing: bool) -> Result<Pattern> {
    if parsing { Pattern::for_parsing(pattern) } else { Pattern::compile(pattern) }
}

/// Calls `f(pattern, row, out)` for every row that counts and has no NULL.
fn each_with_pattern(
    constant: &Option<Pattern>,
    parsing: bool,
    args: &[ColumnRef<'_>],
    index: usize,
    rows: &Rows<'_>,
    out: &mut Column,
    mut f: impl FnMut(&Pattern, usize, &mut Column) -> Result<()>,
) -> Result<()> {
    let mut patterns = Patterns::default();
    each_row(args, rows, out, |row, out| match constant {
        Some(pattern) => f(pattern, row, out),
        None => f(patterns.find(args[index].str_at(row), parsing)?, row, out),
    })
}

/// The pattern that was used last.
#[derive(Default)]
struct Patterns {
    last: Option<(String, Pattern)>,
}

impl Patterns {
    fn find(&mut self, text: &str, parsing: bool) -> Result<&Pattern> {
        if self.last.as_ref().is_none_or(|(last, _)| last != text) {
            self.last = Some((text.into(), compile(text, parsing)?));
        }
        match &self.last {
            Some((_, pattern)) => Ok(pattern),
            None => Err(Error::internal("a pattern was just compiled")),
        }
    }
}
