//! Text of intervals by Spark's rules, in both directions.
//!
//! `'5 seconds'`, `'1 hour 30 minutes'` are calendar intervals (durations of windows, gaps of sessions);
//! `'1 02:03:04' DAY TO SECOND` and `'1-2' YEAR TO MONTH` are the two SQL interval types, exact microseconds and
//! months.

use core::fmt::{self, Write};

use super::{Interval, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MILLI, MICROS_PER_MINUTE, MICROS_PER_SECOND};

/// A unit of an interval, from the widest to the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they are SQL's own")]
pub enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

impl Unit {
    /// `second` or `seconds`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let singular = match name.as_bytes() {
            [.., b's' | b'S'] => &name[..name.len() - 1],
            _ => name,
        };
        let units = [
            ("year", Self::Year),
            ("month", Self::Month),
            ("week", Self::Week),
            ("day", Self::Day),
            ("hour", Self::Hour),
            ("minute", Self::Minute),
            ("second", Self::Second),
            ("millisecond", Self::Millisecond),
            ("microsecond", Self::Microsecond),
        ];
        units.into_iter().find(|(unit, _)| singular.eq_ignore_ascii_case(unit)).map(|(_, unit)| unit)
    }

    /// Upper case, as Spark prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "YEAR",
            Self::Month => "MONTH",
            Self::Week => "WEEK",
            Self::Day => "DAY",
            Self::Hour => "HOUR",
            Self::Minute => "MINUTE",
            Self::Second => "SECOND",
            Self::Millisecond => "MILLISECOND",
            Self::Microsecond => "MICROSECOND",
        }
    }

    /// `count` of this unit; `None` if that does not fit.
    pub fn times(self, count: i64) -> Option<Interval> {
        let months = |n: i64| Some(Interval { months: i32::try_from(n).ok()?, ..Interval::default() });
        let days = |n: i64| Some(Interval { days: i32::try_from(n).ok()?, ..Interval::default() });
        match self {
            Self::Year => months(count.checked_mul(12)?),
            Self::Month => months(count),
            Self::Week => days(count.checked_mul(7)?),
            Self::Day => days(count),
            _ => Some(Interval::from_micros(count.checked_mul(self.micros())?)),
        }
    }

    /// Months in one, of the units that have any.
    pub const fn months(self) -> i32 {
        match self {
            Self::Year => 12,
            Self::Month => 1,
            _ => 0,
        }
    }

    /// Microseconds in one; of a day 24 hours. Years and months have none.
    pub const fn micros(self) -> i64 {
        match self {
            Self::Year | Self::Month => 0,
            Self::Week => 7 * MICROS_PER_DAY,
            Self::Day => MICROS_PER_DAY,
            Self::Hour => MICROS_PER_HOUR,
            Self::Minute => MICROS_PER_MINUTE,
            Self::Second => MICROS_PER_SECOND,
            Self::Millisecond => MICROS_PER_MILLI,
            Self::Microsecond => 1,
        }
    }
}

impl Interval {
    /// The sum, if it fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// The opposite, if it fits.
    pub fn checked_neg(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }
}

/// `[interval] {[+-] number unit}`: `5 seconds`, `1 minute 30 seconds`, `-1 month`, `1.5 seconds`.
pub fn parse_interval(text: &str) -> Option<Interval> {
    let text = text.trim();
    let mut words = match text.get(..8) {
        Some(prefix) if prefix.eq_ignore_ascii_case("interval") => text[8..].split_ascii_whitespace(),
        _ => text.split_ascii_whitespace(),
    };
    let mut total: Option<Interval> = None;
    while let Some(word) = words.next() {
        // A sign may stand apart from its number.
        let (negative, number) = match word.as_bytes() {
            b"-" => (true, words.next()?),
            b"+" => (false, words.next()?),
            [b'-', ..] => (true, &word[1..]),
            [b'+', ..] => (false, &word[1..]),
            _ => (false, word),
        };
        let part = parse_part(number, words.next()?)?;
        let part = if negative { part.checked_neg()? } else { part };
        total = Some(total.unwrap_or_default().checked_add(part)?);
    }
    total
}

/// Only seconds have fractions; digits past microseconds are cut off.
fn parse_part(number: &str, unit: &str) -> Option<Interval> {
    let unit = Unit::parse(unit)?;
    let Some((whole, fraction)) = number.split_once('.') else { return unit.times(parse_digits(number)?) };
    if unit != Unit::Second || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { parse_digits(whole)? };
    unit.times(whole)?.checked_add(Interval::from_micros(parse_fraction(fraction)?))
}

fn parse_digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Up to nine digits behind the point, as microseconds.
fn parse_fraction(text: &str) -> Option<i64> {
    if text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().chain(core::iter::repeat(b'0')).take(6).fold(0, |n, b| n * 10 + i64::from(b - b'0')))
}

/// The text of `INTERVAL 'text' FROM TO to`: `1 02:03:04` DAY TO SECOND, `02:03` HOUR TO MINUTE, `1-2` YEAR TO
/// MONTH, `90` SECOND. Days come as days, everything below as microseconds.
pub fn parse_fields(text: &str, from: Unit, to: Unit) -> Option<Interval> {
    let text = text.trim();
    let (negative, text) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = match (from, to) {
        (from, to) if from == to => parse_part(text, from.name()),
        (Unit::Year, Unit::Month) => {
            let (years, months) = text.split_once('-')?;
            let months = parse_digits(months).filter(|m| *m < 12)?;
            Unit::Year.times(parse_digits(years)?)?.checked_add(Unit::Month.times(months)?)
        }
        (Unit::Day, Unit::Hour | Unit::Minute | Unit::Second) => {
            let (days, clock) = text.split_once(' ')?;
            Unit::Day.times(parse_digits(days)?)?.checked_add(parse_clock(clock.trim_start(), Unit::Hour, to, true)?)
        }
        (Unit::Hour | Unit::Minute, Unit::Minute | Unit::Second) if from < to => parse_clock(text, from, to, false),
        _ => None,
    }?;
    if negative { magnitude.checked_neg() } else { Some(magnitude) }
}

/// `h:m:s.f` from one unit down to another; only a leading part may exceed its bound.
fn parse_clock(text: &str, from: Unit, to: Unit, below_day: bool) -> Option<Interval> {
    let mut total = Interval::default();
    let mut parts = text.split(':');
    for unit in [Unit::Hour, Unit::Minute, Unit::Second].into_iter().filter(|unit| (from..=to).contains(unit)) {
        let part = parse_part(parts.next()?, unit.name())?;
        let bound = if unit == Unit::Hour { MICROS_PER_DAY } else { 60 * unit.micros() };
        if part.micros >= bound && (unit != from || below_day) {
            return None;
        }
        total = total.checked_add(part)?;
    }
    parts.next().is_none().then_some(total)
}

/// A string cast to an interval type of days and below: `1 02:03:04.5` or the whole literal around it.
pub fn parse_day_time(text: &str, from: Unit, to: Unit) -> Option<i64> {
    let (text, negative) = inside_literal(text, from, to)?;
    let micros = parse_fields(text, from, to)?.total_micros(0)?;
    if negative { micros.checked_neg() } else { Some(micros) }
}

/// A string cast to an interval type of years and months: `1-2` or the whole literal around it.
pub fn parse_year_month(text: &str, from: Unit, to: Unit) -> Option<i32> {
    let (text, negative) = inside_literal(text, from, to)?;
    let months = parse_fields(text, from, to)?.months;
    if negative { months.checked_neg() } else { Some(months) }
}

/// What stands between the quotes of `interval [+-]'...' units`; text without the word stands for itself.
fn inside_literal(text: &str, from: Unit, to: Unit) -> Option<(&str, bool)> {
    let text = text.trim();
    let Some(rest) = text.get(..8).filter(|w| w.eq_ignore_ascii_case("interval")).map(|_| text[8..].trim_start())
    else {
        return Some((text, false));
    };
    let (before, rest) = rest.split_once('\'')?;
    let (inside, after) = rest.split_once('\'')?;
    let mut units = after.split_ascii_whitespace();
    let mut is_next = |word: &str| units.next().is_some_and(|unit| unit.eq_ignore_ascii_case(word));
    let is_units = is_next(from.name()) && (from == to || (is_next("to") && is_next(to.name())));
    match before.trim() {
        "" | "+" if is_units => Some((inside, false)),
        "-" if is_units => Some((inside, true)),
        _ => None,
    }
}

/// `INTERVAL '0 00:05:00.5' DAY TO SECOND`, `INTERVAL '90' MINUTE`: the first unit holds all that is above it.
pub fn write_day_time(out: &mut impl Write, micros: i64, from: Unit, to: Unit) -> fmt::Result {
    out.write_str(if micros < 0 { "INTERVAL '-" } else { "INTERVAL '" })?;
    let magnitude = micros.unsigned_abs();
    for (unit, bound) in [(Unit::Day, u64::MAX), (Unit::Hour, 24), (Unit::Minute, 60), (Unit::Second, 60)] {
        if unit < from || unit > to {
            continue;
        }
        let count = magnitude / unit.micros().unsigned_abs();
        let count = if unit == from { count } else { count % bound };
        let fraction = if unit == Unit::Second { magnitude % MICROS_PER_SECOND.unsigned_abs() } else { 0 };
        write_seconds(out, count, fraction, if unit == Unit::Day { 1 } else { 2 })?;
        if unit != to {
            out.write_str(if unit == Unit::Day { " " } else { ":" })?;
        }
    }
    write_units(out, from, to)
}

/// `INTERVAL '1-2' YEAR TO MONTH`, `INTERVAL '14' MONTH`
pub fn write_year_month(out: &mut impl Write, months: i32, from: Unit, to: Unit) -> fmt::Result {
    out.write_str(if months < 0 { "INTERVAL '-" } else { "INTERVAL '" })?;
    let magnitude = months.unsigned_abs();
    match (from, to) {
        (Unit::Month, _) => write!(out, "{magnitude}")?,
        (_, Unit::Year) => write!(out, "{}", magnitude / 12)?,
        _ => write!(out, "{}-{}", magnitude / 12, magnitude % 12)?,
    }
    write_units(out, from, to)
}

fn write_units(out: &mut impl Write, from: Unit, to: Unit) -> fmt::Result {
    match from == to {
        true => write!(out, "' {}", from.name()),
        false => write!(out, "' {} TO {}", from.name(), to.name()),
    }
}

/// A calendar interval as Spark casts it to text: `1 years 2 days 3.5 seconds`, `0 seconds`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.micros % MICROS_PER_MINUTE;
        let parts = [
            (i64::from(self.months / 12), "years"),
            (i64::from(self.months % 12), "months"),
            (i64::from(self.days), "days"),
            (self.micros / MICROS_PER_HOUR, "hours"),
            (self.micros % MICROS_PER_HOUR / MICROS_PER_MINUTE, "minutes"),
        ];
        let mut space = "";
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
            write!(f, "{space}{count} {unit}")?;
            space = " ";
        }
        if rest != 0 || space.is_empty() {
            f.write_str(if rest < 0 { if space.is_empty() { "-" } else { " -" } } else { space })?;
            let rest = rest.unsigned_abs();
            write_seconds(f, rest / 1_000_000, rest % 1_000_000, 1)?;
            f.write_str(" seconds")?;
        }
        Ok(())
    }
}

/// Seconds with the shortest exact fraction.
fn write_seconds(out: &mut impl Write, seconds: u64, mut fraction: u64, width: usize) -> fmt::Result {
    write!(out, "{seconds:0width$}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut digits = 6;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    write!(out, ".{fraction:0digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};

    #[test]
    fn durations_are_read_as_spark_reads_them() {
        let second = MICROS_PER_SECOND;
        let cases = [
            ("5 seconds", Some((0, 0, 5 * second))),
            ("1 minute 30 seconds", Some((0, 0, 90 * second))),
            ("interval 1 day", Some((0, 1, 0))),
            ("INTERVAL 1 Hour", Some((0, 0, 3600 * second))),
            ("1500 microseconds", Some((0, 0, 1500))),
            ("10 milliseconds", Some((0, 0, 10_000))),
            ("1 week", Some((0, 7, 0))),
            ("1 year 2 months", Some((14, 0, 0))),
            ("-1 month", Some((-1, 0, 0))),
            ("- 1 month + 2 days", Some((-1, 2, 0))),
            ("1.5 seconds", Some((0, 0, 1_500_000))),
            ("-.1234567 second", Some((0, 0, -123_456))),
            ("1.5 minutes", None),
            ("1second", None),
            ("5", None),
            ("interval", None),
            ("", None),
            ("five seconds", None),
            ("1 fortnight", None),
            ("9223372036854775807 seconds", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(months, days, micros)| Interval { months, days, micros });
            assert_eq!(parse_interval(text), expected, "{text:?}");
        }
    }

    #[test]
    fn fields_are_read_from_their_units() {
        use Unit::*;
        let us = |text: &str, from, to| parse_fields(text, from, to).and_then(|i| i.total_micros(0));
        assert_eq!(us("1 02:03:04", Day, Second), Some(93_784 * MICROS_PER_SECOND));
        assert_eq!(us("-0 00:00:00.5", Day, Second), Some(-500_000));
        assert_eq!(us("02:03", Hour, Minute), Some(7_380 * MICROS_PER_SECOND));
        assert_eq!(us("90", Second, Second), Some(90 * MICROS_PER_SECOND));
        assert_eq!(us("100:30", Minute, Second), Some(6_030 * MICROS_PER_SECOND));
        assert_eq!(us("1 25:00:00", Day, Second), None);
        assert_eq!(us("1:60", Hour, Minute), None);
        assert_eq!(parse_fields("-1-2", Year, Month).map(|i| i.months), Some(-14));
        assert_eq!(parse_fields("1-12", Year, Month), None);
        let minute_half = Some(90 * MICROS_PER_SECOND);
        assert_eq!(parse_day_time("INTERVAL '0 00:01:30' DAY TO SECOND", Day, Second), minute_half);
        assert_eq!(parse_day_time("interval -'-90' second", Second, Second), minute_half);
        assert_eq!(parse_day_time("interval '90' second", Minute, Minute), None);
        assert_eq!(parse_day_time("00:01:30", Hour, Second), minute_half);
        assert_eq!(parse_year_month("2-1", Year, Month), Some(25));
        assert_eq!(parse_year_month("2", Year, Year), Some(24));
    }

    #[test]
    fn intervals_print_as_spark_prints_them() {
        use Unit::*;
        let day_time = |micros, from, to| {
            let mut text = String::new();
            write_day_time(&mut text, micros, from, to).expect("strings grow");
            text
        };
        let cases = [
            (300 * MICROS_PER_SECOND, Day, Second, "INTERVAL '0 00:05:00' DAY TO SECOND"),
            (-600 * MICROS_PER_SECOND, Day, Second, "INTERVAL '-0 00:10:00' DAY TO SECOND"),
            (500_000, Day, Second, "INTERVAL '0 00:00:00.5' DAY TO SECOND"),
            (i64::MIN, Day, Second, "INTERVAL '-106751991 04:00:54.775808' DAY TO SECOND"),
            (90 * MICROS_PER_SECOND, Second, Second, "INTERVAL '90' SECOND"),
            (1_500_000, Second, Second, "INTERVAL '01.5' SECOND"),
            (100 * MICROS_PER_HOUR, Hour, Hour, "INTERVAL '100' HOUR"),
            (26 * MICROS_PER_HOUR, Day, Hour, "INTERVAL '1 02' DAY TO HOUR"),
            (26 * MICROS_PER_HOUR, Hour, Minute, "INTERVAL '26:00' HOUR TO MINUTE"),
            (3 * MICROS_PER_DAY, Day, Day, "INTERVAL '3' DAY"),
        ];
        for (micros, from, to, text) in cases {
            assert_eq!(day_time(micros, from, to), text);
        }
        let year_month = |months, from, to| {
            let mut text = String::new();
            write_year_month(&mut text, months, from, to).expect("strings grow");
            text
        };
        assert_eq!(year_month(-14, Year, Month), "INTERVAL '-1-2' YEAR TO MONTH");
        assert_eq!(year_month(14, Month, Month), "INTERVAL '14' MONTH");
        assert_eq!(year_month(24, Year, Year), "INTERVAL '2' YEAR");
        let interval = Interval { months: 14, days: 3, micros: 3_661_500_000 };
        assert_eq!(format!("{interval}"), "1 years 2 months 3 days 1 hours 1 minutes 1.5 seconds");
        assert_eq!(format!("{}", Interval::from_micros(-500_000)), "-0.5 seconds");
        assert_eq!(format!("{}", Interval::default()), "0 seconds");
    }
}
