//! Interval literals: `INTERVAL 90 SECONDS`, `INTERVAL '1 02:03:04' DAY TO SECOND`, `INTERVAL '1 hour 30 minutes'`.
//! As in Spark, years and months do not mix with days and smaller units.

use alloc::{format, string::String, vec::Vec};

use super::{
    cursor::{Cursor, is_any_word},
    syntax::unexpected,
    token::{Token, Word, join},
};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    schema::DataType,
    time::{
        Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MILLI, MICROS_PER_MINUTE, MICROS_PER_SECOND,
        interval::Unit,
    },
};

/// An interval as written: either months or microseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IntervalLiteral {
    interval: Interval,
    /// The widest and the narrowest unit it was written in.
    units: (Unit, Unit),
    pub(super) span: Span,
}

impl IntervalLiteral {
    /// Months and microseconds, for delays.
    pub(super) fn interval(&self) -> Interval {
        self.interval
    }

    /// As a literal of its type.
    pub(super) fn literal(&self) -> (Value, DataType) {
        let (from, to) = self.units;
        match to {
            Unit::Year | Unit::Month => (Value::Int32(self.interval.months), DataType::IntervalYearMonth(from, to)),
            _ => (Value::Int64(self.interval.micros), DataType::IntervalDayTime(from, to)),
        }
    }
}

/// Whether the words after INTERVAL make a literal of it, so that it is no name.
pub(super) fn follows(tokens: &Cursor<'_>) -> bool {
    let signed = usize::from(matches!(tokens.peek(1).token, Token::Plus | Token::Minus));
    is_value(&tokens.peek(1 + signed).token) && (signed == 0 || is_unit(&tokens.peek(3).token))
}

/// Reads an interval from its word INTERVAL on.
pub(super) fn interval(tokens: &mut Cursor<'_>) -> Result<IntervalLiteral> {
    let start = tokens.peek(0).span;
    if !tokens.is_word(0, "INTERVAL") {
        let error = unexpected(tokens.peek(0), "INTERVAL");
        return Err(error.hint("write for example INTERVAL 10 SECONDS"));
    }
    tokens.skip();
    let mut sum = Sum::default();
    let mut end = start;
    loop {
        end = term(tokens, &mut sum, end).map_err(|e| e.at(Some(join(start, tokens.peek(0).span))))?;
        if !another_term(tokens) {
            break;
        }
    }
    sum.finish(join(start, end))
}

/// One value and its unit; or a whole string.
fn term(tokens: &mut Cursor<'_>, sum: &mut Sum, mut end: Span) -> Result<Span> {
    let negative = tokens.peek(0).token == Token::Minus;
    if negative || tokens.peek(0).token == Token::Plus {
        tokens.skip();
    }
    let value = tokens.peek(0).clone();
    let (text, quoted) = match &value.token {
        Token::Number(text) => (text.clone(), false),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => (text.clone(), true),
        _ => return Err(unexpected(&value, "a number or a string after INTERVAL")),
    };
    tokens.skip();
    if !is_unit(&tokens.peek(0).token) {
        if !quoted {
            return Err(unexpected(tokens.peek(0), "a unit such as SECONDS, MINUTES or DAYS"));
        }
        sum.add_text(&text, negative)?;
        return Ok(value.span);
    }
    let unit = tokens.next();
    end = join(end, unit.span);
    let from = unit_name(&unit.token);
    if !tokens.eat_word("TO") {
        sum.add(&text, &from, negative)?;
        return Ok(end);
    }
    let last = tokens.next();
    sum.add_range(&text, &from, &unit_name(&last.token), negative)?;
    Ok(last.span)
}

/// `INTERVAL 1 HOUR 30 MINUTES`: whether there is another value with a unit.
fn another_term(tokens: &Cursor<'_>) -> bool {
    let signed = usize::from(matches!(tokens.peek(0).token, Token::Plus | Token::Minus));
    is_value(&tokens.peek(signed).token) && is_unit(&tokens.peek(signed + 1).token)
}

fn is_value(token: &Token) -> bool {
    matches!(token, Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_))
}

fn is_unit(token: &Token) -> bool {
    const UNITS: &[&str] = &[
        "YEAR",
        "YEARS",
        "MONTH",
        "MONTHS",
        "WEEK",
        "WEEKS",
        "DAY",
        "DAYS",
        "HOUR",
        "HOURS",
        "MINUTE",
        "MINUTES",
        "SECOND",
        "SECONDS",
        "MILLISECOND",
        "MILLISECONDS",
        "MICROSECOND",
        "MICROSECONDS",
        "NANOSECOND",
        "NANOSECONDS",
    ];
    is_any_word(token, UNITS)
}

/// Lower case, singular.
fn unit_name(token: &Token) -> String {
    match token {
        Token::Word(Word { value, .. }) => singular(value),
        other => format!("{other}"),
    }
}

fn singular(unit: &str) -> String {
    let lower = unit.to_lowercase();
    lower.strip_suffix('s').map(String::from).unwrap_or(lower)
}

/// Months and microseconds so far, wide enough that no sum of literals wraps before it is checked.
#[derive(Debug, Default)]
struct Sum {
    months: i128,
    micros: i128,
    units: Option<(Unit, Unit)>,
}

impl Sum {
    fn finish(self, span: Span) -> Result<IntervalLiteral> {
        let units = self.units.unwrap_or((Unit::Second, Unit::Second));
        if units.0 <= Unit::Month && units.1 > Unit::Month {
            return Err(Error::invalid("years and months do not mix with days and smaller units in one interval")
                .class("INVALID_INTERVAL_FORMAT")
                .at(Some(span))
                .hint("add two intervals: INTERVAL 1 MONTH + INTERVAL 2 DAYS"));
        }
        let (Ok(months), Ok(micros)) = (i32::try_from(self.months), i64::try_from(self.micros)) else {
            return Err(Error::invalid("the interval is too long")
                .class("INTERVAL_ARITHMETIC_OVERFLOW")
                .at(Some(span)));
        };
        Ok(IntervalLiteral { interval: Interval { months, days: 0, micros }, units, span })
    }

    fn add(&mut self, value: &str, unit: &str, negative: bool) -> Result<()> {
        let text = value.trim();
        let (text, minus) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (rest.trim_start(), text.starts_with('-')),
            None => (text, false),
        };
        let sign = if negative == minus { 1 } else { -1 };
        if unit == "second" {
            self.count(Unit::Second, sign * seconds(text)?);
            return Ok(());
        }
        let number = whole(text, unit)? * sign;
        let micros = match unit {
            "year" | "month" => {
                self.months += number * if unit == "year" { 12 } else { 1 };
                0
            }
            "nanosecond" => number / 1000,
            other => number * i128::from(micros_per(other).ok_or_else(|| unknown_unit(other))?),
        };
        self.count(field(unit), micros);
        Ok(())
    }

    fn count(&mut self, unit: Unit, micros: i128) {
        let (from, to) = self.units.unwrap_or((unit, unit));
        self.units = Some((from.min(unit), to.max(unit)));
        self.micros += micros;
    }

    /// `'1 hour -30 minutes'`
    fn add_text(&mut self, text: &str, negative: bool) -> Result<()> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if words.first().is_some_and(|w| w.eq_ignore_ascii_case("interval")) {
            words.remove(0);
        }
        let mut words = words.into_iter().peekable();
        if words.peek().is_none() {
            return Err(malformed(text));
        }
        while let Some(value) = words.next() {
            // A sign may stand apart from its number.
            let apart = matches!(value, "-" | "+");
            let number = if apart { words.next().ok_or_else(|| malformed(text))? } else { value };
            let unit = words.next().map(singular).ok_or_else(|| malformed(text))?;
            self.add(number, &unit, negative != (value == "-"))?;
        }
        Ok(())
    }

    /// `'1 02:03:04' DAY TO SECOND`
    fn add_range(&mut self, text: &str, from: &str, to: &str, negative: bool) -> Result<()> {
        let wrong = || {
            Error::invalid(format!("'{text}' is not an interval {} TO {}", from.to_uppercase(), to.to_uppercase()))
                .class("INVALID_INTERVAL_FORMAT")
                .hint("write '1-6' YEAR TO MONTH, '1 02:03:04.5' DAY TO SECOND, '02:03' HOUR TO MINUTE")
        };
        let body = text.trim();
        let minus = body.starts_with('-');
        let body = body.strip_prefix(['-', '+']).unwrap_or(body);
        let negative = negative != minus;
        if (from, to) == ("year", "month") {
            let (years, months) = body.split_once('-').ok_or_else(wrong)?;
            self.add(years, "year", negative)?;
            return self.add(bounded(months, 11).ok_or_else(wrong)?, "month", negative);
        }
        const UNITS: [&str; 4] = ["day", "hour", "minute", "second"];
        let position = |unit: &str| UNITS.iter().position(|u| *u == unit);
        let (Some(first), Some(last)) = (position(from), position(to)) else { return Err(wrong()) };
        let parts: Vec<&str> = body.splitn(2, [' ']).flat_map(|part| part.trim().split(':')).collect();
        let day_apart = body.contains(' ') == (first == 0);
        if first >= last || parts.len() != last - first + 1 || !day_apart {
            return Err(wrong());
        }
        for (i, part) in parts.iter().enumerate() {
            let unit = UNITS[first + i];
            let limit = if unit == "hour" { 23 } else { 59 };
            let part = if i == 0 { *part } else { bounded(part, limit).ok_or_else(wrong)? };
            self.add(part, unit, negative).map_err(|_| wrong())?;
        }
        Ok(())
    }
}

/// The text again, if it is a number up to a limit (its fraction does not count).
fn bounded(text: &str, limit: u32) -> Option<&str> {
    let whole = text.split('.').next()?;
    let plain = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    (plain && whole.parse::<u32>().is_ok_and(|n| n <= limit)).then_some(text)
}

fn whole(text: &str, unit: &str) -> Result<i128> {
    let digits = !text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let fraction = text.contains('.') && micros_per(unit).is_some();
        let hint = if fraction { "only seconds may have a fraction" } else { "write a whole number before the unit" };
        malformed(&format!("{text} {unit}")).hint(hint)
    })
}

/// Seconds with up to nine digits of fraction, of which the last three do not count.
fn seconds(text: &str) -> Result<i128> {
    let (whole_part, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    if !digits || (whole_part.is_empty() && fraction.is_empty()) {
        return Err(malformed(&format!("{text} seconds")));
    }
    let whole_part = if whole_part.is_empty() { 0 } else { whole(whole_part, "second")? };
    let nanos: i128 = format!("{fraction:0<9}").parse().unwrap_or(0);
    Ok(whole_part * i128::from(MICROS_PER_SECOND) + nanos / 1000)
}

/// The field of an interval type that a unit counts in: weeks are days, what is finer than seconds is seconds.
fn field(unit: &str) -> Unit {
    match Unit::parse(unit) {
        Some(Unit::Week) => Unit::Day,
        Some(unit @ (Unit::Year | Unit::Month | Unit::Day | Unit::Hour | Unit::Minute)) => unit,
        _ => Unit::Second,
    }
}

fn micros_per(unit: &str) -> Option<i64> {
    Some(match unit {
        "week" => 7 * MICROS_PER_DAY,
        "day" => MICROS_PER_DAY,
        "hour" => MICROS_PER_HOUR,
        "minute" => MICROS_PER_MINUTE,
        "second" => MICROS_PER_SECOND,
        "millisecond" => MICROS_PER_MILLI,
        "microsecond" => 1,
        _ => return None,
    })
}

fn unknown_unit(unit: &str) -> Error {
    Error::invalid(format!("{unit} is not a unit of time"))
        .class("INVALID_INTERVAL_FORMAT")
        .hint("units are YEAR, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND")
}

fn malformed(text: &str) -> Error {
    Error::invalid(format!("'{text}' is not an interval"))
        .class("INVALID_INTERVAL_FORMAT")
        .hint("write numbers with units: '5 seconds', '1 hour 30 minutes'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{cursor::Cursor, lexer, source};

    fn read(text: &str) -> Result<(IntervalLiteral, usize)> {
        let tokens = lexer::tokens(&source::split(text, &|_| None)?.remove(0))?;
        let mut cursor = Cursor::new(&tokens);
        let literal = interval(&mut cursor)?;
        Ok((literal, cursor.rest().len() - 1))
    }

    #[test]
    fn forms_of_day_time_intervals() {
        const S: i64 = MICROS_PER_SECOND;
        let cases = [
            ("INTERVAL 90 SECONDS", 90 * S),
            ("INTERVAL '1' DAY", 86_400 * S),
            ("interval -1 day", -86_400 * S),
            ("INTERVAL - '2' HOURS", -7200 * S),
            ("INTERVAL '-2' HOURS", -7200 * S),
            ("INTERVAL '1 02:03:04' DAY TO SECOND", (86_400 + 7384) * S),
            ("INTERVAL '-1 02:03:04.5' DAY TO SECOND", -((86_400 + 7384) * S + S / 2)),
            ("INTERVAL '1 2' DAY TO HOUR", 93_600 * S),
            ("INTERVAL '1 2:3' DAY TO MINUTE", 93_780 * S),
            ("INTERVAL '26:03' HOUR TO MINUTE", 93_780 * S),
            ("INTERVAL '2:3:4' HOUR TO SECOND", 7384 * S),
            ("INTERVAL '3:4.25' MINUTE TO SECOND", 184 * S + S / 4),
            ("INTERVAL 1 HOUR 30 MINUTES", 5400 * S),
            ("INTERVAL '5 minutes'", 300 * S),
            ("INTERVAL '1 hour -30 minutes'", 1800 * S),
            ("INTERVAL 'interval 1 week - 1 day'", 6 * 86_400 * S),
            ("INTERVAL 1.5 SECONDS", 3 * S / 2),
            ("INTERVAL '0.0000015' SECOND", 1),
            ("INTERVAL 1 MILLISECOND 5 MICROSECONDS", 1005),
            ("INTERVAL 0 SECONDS", 0),
        ];
        for (text, micros) in cases {
            let (literal, rest) = read(text).unwrap();
            assert_eq!(literal.literal().0, Value::Int64(micros), "{text}");
            assert_eq!((literal.interval(), rest), (Interval::from_micros(micros), 0), "{text}");
        }
    }

    #[test]
    fn forms_of_year_month_intervals() {
        for (text, months) in [
            ("INTERVAL 1 MONTH", 1),
            ("INTERVAL '2-6' YEAR TO MONTH", 30),
            ("INTERVAL '-2-6' YEAR TO MONTH", -30),
            ("INTERVAL 1 YEAR 2 MONTHS", 14),
            ("INTERVAL '3 years'", 36),
        ] {
            let (literal, _) = read(text).unwrap();
            assert_eq!(literal.literal().0, Value::Int32(months), "{text}");
        }
    }

    #[test]
    fn units_are_those_written() {
        for (text, data_type) in [
            ("INTERVAL 90 SECONDS", "INTERVAL SECOND"),
            ("INTERVAL 1 WEEK", "INTERVAL DAY"),
            ("INTERVAL 1 DAY 2 HOURS", "INTERVAL DAY TO HOUR"),
            ("INTERVAL '1 hour 5 milliseconds'", "INTERVAL HOUR TO SECOND"),
            ("INTERVAL '02:03' HOUR TO MINUTE", "INTERVAL HOUR TO MINUTE"),
            ("INTERVAL 18 MONTHS", "INTERVAL MONTH"),
            ("INTERVAL '1-6' YEAR TO MONTH", "INTERVAL YEAR TO MONTH"),
        ] {
            assert_eq!(read(text).unwrap().0.literal().1.to_string(), data_type, "{text}");
        }
    }

    #[test]
    fn an_interval_ends_where_no_value_with_a_unit_follows() {
        for (text, left) in [("INTERVAL 1 DAY - 1", 2), ("INTERVAL 1 DAY AS e", 2), ("INTERVAL '1 day' + x", 2)] {
            assert_eq!(read(text).unwrap().1, left, "{text}");
        }
        assert_eq!(read("INTERVAL 1 DAY - 1 HOUR").unwrap().1, 0, "as in Spark, this is one interval");
    }

    #[test]
    fn malformed_intervals_say_why() {
        let cases = [
            ("INTERVAL 1 MONTH 2 DAYS", "do not mix"),
            ("INTERVAL '1 month 2 days'", "do not mix"),
            ("INTERVAL 1.5 DAYS", "'1.5 day'"),
            ("INTERVAL 10", "a unit"),
            ("INTERVAL x", "a number or a string"),
            ("INTERVAL '1 25:00:00' DAY TO SECOND", "DAY TO SECOND"),
            ("INTERVAL '1:2' DAY TO HOUR", "DAY TO HOUR"),
            ("INTERVAL '5 lightyears'", "lightyear"),
            ("INTERVAL ''", "''"),
            ("INTERVAL 99999999999999 YEARS", "too long"),
            ("INTERVAL '1 2' HOUR TO DAY", "HOUR TO DAY"),
        ];
        for (text, words) in cases {
            let error = read(text).unwrap_err();
            assert!(error.message().contains(words), "{text}: {error}");
            assert!(error.span().is_some(), "{text}");
        }
    }
}
