//! `+ - * /` with dates, timestamps and intervals.
//!
//! A timestamp moves by calendar months and by the whole days of an interval on the clock of the session's zone, and
//! exactly by the rest. The difference of two timestamps is the difference of what that clock shows.

use alloc::{format, string::String};

use jiff::tz::TimeZone;

use super::{Site, arithmetic::finish, negate, symbol};
use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, EvalContext, EvalMode, ScalarFunction,
        apply::apply2,
        cast,
        decimal::{self, Shape},
        kernel,
    },
    schema::DataType,
    time::{Clock, Interval, MICROS_PER_DAY, date_add_months, interval::Unit, timestamp_add, timestamp_add_day_time},
};
use DataType::{
    Date, Decimal, Float64, Int32, Int64, Interval as Calendar, IntervalDayTime, IntervalYearMonth, Null,
    String as Text, Timestamp, TimestampNtz,
};

const DAY_TIME: DataType = DataType::DAY_TIME;
const YEAR_MONTH: DataType = DataType::YEAR_MONTH;

/// Whether an operator over these types is about time.
pub(super) fn is_meant(a: &DataType, b: &DataType) -> bool {
    is_time(a) || is_time(b) || is_span(a) || is_span(b)
}

fn is_time(t: &DataType) -> bool {
    t.is_timestamp() || *t == Date
}

fn is_span(t: &DataType) -> bool {
    matches!(t, IntervalDayTime(..) | IntervalYearMonth(..) | Calendar)
}

/// `left op right`, one of them being a time or a span.
pub(super) fn bind(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    // Times and spans out of range are errors in every mode but `try_`.
    let mode = if site.mode == EvalMode::Try { EvalMode::Try } else { EvalMode::Ansi };
    let site = Site { mode, ..site };
    let (a, b) = (left.data_type.clone(), right.data_type.clone());
    match op {
        // NULL beside an interval is an interval.
        BinaryOp::Add | BinaryOp::Subtract if both_spans(&a, &b) => spans(left, op, right, site),
        BinaryOp::Add if is_span(&b) => shift(left, right, op, site),
        BinaryOp::Add if is_span(&a) => shift(right, left, op, site),
        BinaryOp::Add if a == Date && b != Null => days(left, right, op, site),
        BinaryOp::Add if b == Date && a != Null => days(right, left, op, site),
        BinaryOp::Subtract if is_span(&b) => shift(left, right, op, site),
        BinaryOp::Add if is_time(&a) && b == Null => shift(left, right, op, site),
        BinaryOp::Add if is_time(&b) && a == Null => shift(right, left, op, site),
        BinaryOp::Subtract if a.is_timestamp() || b.is_timestamp() => difference(left, right, site),
        BinaryOp::Subtract if b == Date || (a == Date && matches!(b, Text | Null)) => difference(left, right, site),
        BinaryOp::Subtract if a == Date => days(left, right, op, site),
        BinaryOp::Multiply if is_span(&a) => scale(left, op, right, site),
        BinaryOp::Multiply if is_span(&b) => scale(right, op, left, site),
        BinaryOp::Divide if is_span(&a) => scale(left, op, right, site),
        _ => Err(site.mismatch(symbol(op), &a, &b)),
    }
}

fn both_spans(a: &DataType, b: &DataType) -> bool {
    let may_be = |t: &DataType| is_span(t) || *t == Null;
    may_be(a) && may_be(b) && (is_span(a) || is_span(b))
}

/// A time moved by an interval. Text stands for a timestamp.
fn shift(time: BoundExpr, span: BoundExpr, op: BinaryOp, site: Site<'_>) -> Result<BoundExpr> {
    // Days, months and years keep a date a date; anything finer makes it a timestamp.
    let (time_type, data_type) = match (&time.data_type, &span.data_type) {
        (Date, IntervalYearMonth(..) | IntervalDayTime(Unit::Day, Unit::Day) | Calendar) => (Date, Date),
        (TimestampNtz, _) => (TimestampNtz, TimestampNtz),
        (Text, _) => (Timestamp, Text),
        (Date | Timestamp, _) => (Timestamp, Timestamp),
        (other, span) => return Err(site.mismatch(symbol(op), other, span)),
    };
    let (time, span) =
        (site.coerced(time, &time_type), if span.data_type == Null { site.coerced(span, &DAY_TIME) } else { span });
    let nullable = time.nullable || span.nullable || site.mode == EvalMode::Try;
    let zone = if time_type == TimestampNtz { TimeZone::UTC } else { site.settings.time_zone.clone() };
    let zone_name = site.settings.time_zone_name.clone();
    let function = Shift { backwards: op == BinaryOp::Subtract, mode: site.mode, zone, zone_name };
    let moved = finish(function, time, span, time_type, nullable, site);
    Ok(site.coerced(moved, &data_type))
}

/// A date moved by a number of days.
fn days(date: BoundExpr, count: BoundExpr, op: BinaryOp, site: Site<'_>) -> Result<BoundExpr> {
    if !matches!(count.data_type, DataType::Int8 | DataType::Int16 | Int32) {
        return Err(site.wrong_type(symbol(op), "a DATE and an INT", &count.data_type));
    }
    let count = site.coerced(count, &Int32);
    let nullable = date.nullable || count.nullable;
    Ok(finish(Days { backwards: op == BinaryOp::Subtract }, date, count, Date, nullable, site))
}

/// Time between two dates or timestamps.
fn difference(left: BoundExpr, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let time_type = match (&left.data_type, &right.data_type) {
        (TimestampNtz, Date | TimestampNtz | Text | Null) | (Date | Text | Null, TimestampNtz) => TimestampNtz,
        (Timestamp, t) | (t, Timestamp) if is_time(t) || matches!(t, Text | Null) => Timestamp,
        (Date, Date | Text | Null) | (Text | Null, Date) => Date,
        (a, b) => return Err(site.mismatch("-", a, b)),
    };
    let (left, right) = (site.coerced(left, &time_type), site.coerced(right, &time_type));
    let nullable = left.nullable || right.nullable || site.mode == EvalMode::Try;
    let zone = if time_type == Timestamp { site.settings.time_zone.clone() } else { TimeZone::UTC };
    let zone_name = site.settings.time_zone_name.clone();
    let function = Difference { mode: site.mode, zone, zone_name };
    let data_type = if time_type == Date { IntervalDayTime(Unit::Day, Unit::Day) } else { DAY_TIME };
    Ok(finish(function, left, right, data_type, nullable, site))
}

/// Two intervals of one kind.
fn spans(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let (a, b) = (&left.data_type, &right.data_type);
    let Some(data_type) = cast::tightest(a, b, site.settings.ansi).filter(is_span) else {
        return Err(site.mismatch(symbol(op), a, b));
    };
    let (left, mut right) = (site.coerced(left, &data_type), site.coerced(right, &data_type));
    if op == BinaryOp::Subtract && data_type == Calendar {
        right = negate::bind(right, site)?;
    }
    let nullable = left.nullable || right.nullable || site.mode == EvalMode::Try;
    Ok(finish(Spans { op, mode: site.mode }, left, right, data_type, nullable, site))
}

/// An interval times or by a number.
fn scale(span: BoundExpr, op: BinaryOp, number: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    if span.data_type == Calendar {
        return Err(site.mismatch(symbol(op), &span.data_type, &number.data_type));
    }
    let to = match &number.data_type {
        t if t.is_integer() => Int64,
        Decimal(..) => number.data_type.clone(),
        t if t.is_float() || matches!(t, Text | Null) => Float64,
        t => return Err(site.mismatch(symbol(op), &span.data_type, t)),
    };
    let number = site.coerced(number, &to);
    let data_type = if let IntervalYearMonth(..) = span.data_type { YEAR_MONTH } else { DAY_TIME };
    let nullable = span.nullable || number.nullable || site.mode == EvalMode::Try;
    Ok(finish(Scale { op, mode: site.mode }, span, number, data_type, nullable, site))
}

#[derive(Clone, Debug)]
struct Shift {
    backwards: bool,
    mode: EvalMode,
    zone: TimeZone,
    zone_name: String,
}

impl ScalarFunction for Shift {
    fn name(&self) -> &'static str {
        if self.backwards { "time -" } else { "time +" }
    }

    fn parameters(&self) -> String {
        format!("{:?} {}", self.mode, self.zone_name)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (time, span) = (&args[0], &args[1]);
        match (time.data_type, span.data_type) {
            (Date, IntervalDayTime(..)) => {
                let days = |span: i64| i32::try_from(span / MICROS_PER_DAY).ok();
                self.each(args, rows, out, |date: i32, span| date.checked_add(days(span)?), i64::checked_neg)
            }
            (Date, Calendar) => self.dates_by_calendar(args, rows, out),
            (Date, _) => self.each(args, rows, out, date_add_months, i32::checked_neg),
            (_, IntervalDayTime(..)) if self.zone.to_fixed_offset().is_ok() => {
                // Every day of such a clock has 24 hours, so all of the interval is exact.
                let shift = |us: i64, span: i64| match self.backwards {
                    true => us.overflowing_sub(span),
                    false => us.overflowing_add(span),
                };
                kernel::binary_checked(time, span, rows, out, self.mode, shift, |_, _| overflow())
            }
            (_, span) => {
                let mut clock = Clock::new(&self.zone);
                match span {
                    IntervalDayTime(..) => {
                        let add = |us, span| timestamp_add_day_time(us, span, &mut clock);
                        self.each(args, rows, out, add, i64::checked_neg)
                    }
                    IntervalYearMonth(..) => {
                        let add =
                            |us, months| timestamp_add(us, Interval { months, ..Interval::default() }, &mut clock);
                        self.each(args, rows, out, add, i32::checked_neg)
                    }
                    _ => {
                        let add = |us, span| timestamp_add(us, span, &mut clock);
                        self.each(args, rows, out, add, Interval::checked_neg)
                    }
                }
            }
        }
    }
}

impl Shift {
    fn each<'a, T: Native, S: crate::expr::Arg<'a>>(
        &self,
        args: &[ColumnRef<'a>],
        rows: &Rows<'_>,
        out: &mut Column,
        mut add: impl FnMut(T, S) -> Option<T>,
        negated: impl Fn(S) -> Option<S>,
    ) -> Result<()> {
        apply2(args, rows, out, |time: T, span: S| {
            let span = if self.backwards { negated(span) } else { Some(span) };
            match span.and_then(|span| add(time, span)) {
                None if self.mode == EvalMode::Ansi => Err(overflow()),
                result => Ok(result),
            }
        })
    }
}

impl Shift {
    /// A date moves by months and days only.
    fn dates_by_calendar(&self, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        apply2(args, rows, out, |date: i32, span: Interval| {
            if span.micros != 0 && self.mode != EvalMode::Try {
                let text = format!("a DATE cannot be moved by {span}");
                return Err(Error::data("INVALID_INTERVAL_WITH_MICROSECONDS_ADDITION", text)
                    .hint("CAST the date to a TIMESTAMP"));
            }
            let span = if self.backwards { span.checked_neg() } else { Some(span) };
            let moved = span.and_then(|span| date_add_months(date, span.months)?.checked_add(span.days));
            match moved {
                None if self.mode == EvalMode::Ansi => Err(overflow()),
                moved => Ok(moved),
            }
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Days {
    backwards: bool,
}

impl ScalarFunction for Days {
    fn name(&self) -> &'static str {
        if self.backwards { "date_sub" } else { "date_add" }
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        // Spark lets dates wrap around.
        match self.backwards {
            true => kernel::binary(&args[0], &args[1], rows, out, i32::wrapping_sub),
            false => kernel::binary(&args[0], &args[1], rows, out, i32::wrapping_add),
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Difference {
    mode: EvalMode,
    zone: TimeZone,
    zone_name: String,
}

impl ScalarFunction for Difference {
    fn name(&self) -> &'static str {
        "time difference"
    }

    fn parameters(&self) -> String {
        self.zone_name.clone()
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (a, b) = (&args[0], &args[1]);
        if *a.data_type == Date {
            kernel::binary(a, b, rows, out, |x: i32, y: i32| (i64::from(x) - i64::from(y)) * MICROS_PER_DAY);
            return Ok(());
        }
        if self.zone.to_fixed_offset().is_ok() {
            return kernel::binary_checked(a, b, rows, out, self.mode, i64::overflowing_sub, |_, _| overflow());
        }
        let (mut left, mut right) = (Clock::new(&self.zone), Clock::new(&self.zone));
        apply2(args, rows, out, |x: i64, y: i64| match left.local(x).checked_sub(right.local(y)) {
            None if self.mode == EvalMode::Ansi => Err(overflow()),
            result => Ok(result),
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Spans {
    op: BinaryOp,
    mode: EvalMode,
}

impl ScalarFunction for Spans {
    fn name(&self) -> &'static str {
        if self.op == BinaryOp::Add { "interval +" } else { "interval -" }
    }

    fn parameters(&self) -> String {
        format!("{:?}", self.mode)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (a, b, mode) = (&args[0], &args[1], self.mode);
        let error = |_: i64, _: i64| interval_overflow();
        let months_error = |_: i32, _: i32| interval_overflow();
        match (out.data_type(), self.op) {
            (IntervalDayTime(..), BinaryOp::Add) => {
                kernel::binary_checked(a, b, rows, out, mode, i64::overflowing_add, error)
            }
            (IntervalDayTime(..), _) => kernel::binary_checked(a, b, rows, out, mode, i64::overflowing_sub, error),
            (IntervalYearMonth(..), BinaryOp::Add) => {
                kernel::binary_checked(a, b, rows, out, mode, i32::overflowing_add, months_error)
            }
            (IntervalYearMonth(..), _) => {
                kernel::binary_checked(a, b, rows, out, mode, i32::overflowing_sub, months_error)
            }
            _ => apply2(args, rows, out, |x: Interval, y: Interval| match x.checked_add(y) {
                None if mode == EvalMode::Ansi => Err(interval_overflow()),
                result => Ok(result),
            }),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Scale {
    op: BinaryOp,
    mode: EvalMode,
}

impl ScalarFunction for Scale {
    fn name(&self) -> &'static str {
        if self.op == BinaryOp::Multiply { "interval *" } else { "interval /" }
    }

    fn parameters(&self) -> String {
        format!("{:?}", self.mode)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        match out.data_type() {
            IntervalYearMonth(..) => self.by_type::<i32>(args, rows, out),
            _ => self.by_type::<i64>(args, rows, out),
        }
    }
}

impl Scale {
    fn by_type<S: Native + Into<i64> + TryFrom<i128>>(
        &self,
        args: &[ColumnRef<'_>],
        rows: &Rows<'_>,
        out: &mut Column,
    ) -> Result<()> {
        let multiplies = self.op == BinaryOp::Multiply;
        match *args[1].data_type {
            Decimal(_, scale) => self.each(args, rows, out, |span: S, number: i128| {
                let (span, whole) = (span.into().into(), Shape::new(38, 0));
                match multiplies {
                    true => decimal::multiply((span, 0), (number, scale), whole),
                    false => decimal::divide((span, 0), (number, scale), whole),
                }
            }),
            Float64 => self.each(args, rows, out, |span: S, number: f64| {
                let span = span.into() as f64;
                rounded(if multiplies { span * number } else { span / number })
            }),
            _ => self.each(args, rows, out, |span: S, number: i64| {
                let (span, number) = (i128::from(span.into()), i128::from(number));
                match multiplies {
                    true => span.checked_mul(number),
                    false => Some(decimal::divide_half_up(span * number.signum(), number.abs())),
                }
            }),
        }
    }

    fn each<S: Native + TryFrom<i128>, N: Native>(
        &self,
        args: &[ColumnRef<'_>],
        rows: &Rows<'_>,
        out: &mut Column,
        f: impl Fn(S, N) -> Option<i128>,
    ) -> Result<()> {
        let divides = self.op == BinaryOp::Divide;
        let checked = |span: S, number: N| match divides && number == N::default() {
            true => (S::default(), true),
            false => match f(span, number).and_then(|result| S::try_from(result).ok()) {
                Some(result) => (result, false),
                None => (S::default(), true),
            },
        };
        kernel::binary_checked(&args[0], &args[1], rows, out, self.mode, checked, |_, number: N| {
            match divides && number == N::default() {
                true => Error::data("INTERVAL_DIVIDED_BY_ZERO", "an interval divided by zero")
                    .hint("try_divide gives NULL instead"),
                false => interval_overflow(),
            }
        })
    }
}

/// HALF_UP; `None` for what is no number of 64 bits.
fn rounded(x: f64) -> Option<i128> {
    let result = libm::round(x);
    (result.is_finite() && libm::fabs(result) < 1e19).then_some(result as i128)
}

fn overflow() -> Error {
    Error::data("DATETIME_OVERFLOW", "the timestamp is out of range").hint("try_add gives NULL instead")
}

fn interval_overflow() -> Error {
    Error::data("INTERVAL_ARITHMETIC_OVERFLOW", "the interval is out of range").hint("try_add gives NULL instead")
}
