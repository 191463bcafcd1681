//! Text of dates and timestamps by the rules of Spark's CAST, in both directions. No allocation; the layout that
//! logs and sensors write (`2025-01-01T00:00:00.123Z`) is read without branches on its digits, everything else by
//! the general scanner below it, which gives the same answers.

use core::fmt;

use jiff::tz::TimeZone;

use super::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Micros,
    calendar::{civil_from_days, days_from_civil},
    zone,
};

/// Text to TIMESTAMP: a reading without a zone is one of a clock in `zone`. `None` if Spark's CAST rejects it.
///
/// A time without a date (`12:30:00`), to which Spark adds today's date, is rejected: core has no clock.
#[inline]
pub fn parse_timestamp(text: &[u8], zone: &TimeZone) -> Option<Micros> {
    if let Some((local, is_utc)) = parse_usual_layout(text) {
        return if is_utc { Some(local) } else { zone::local_to_instant(local, zone) };
    }
    let reading = scan_timestamp(text)?;
    match reading.zone {
        None => zone::local_to_instant(reading.local, zone),
        Some(name) => zone::local_to_instant(reading.local, &zone::find(name)?),
    }
}

/// Text to TIMESTAMP_NTZ: a zone in the text is ignored, or makes it invalid.
#[inline]
pub fn parse_timestamp_ntz(text: &[u8], zone_allowed: bool) -> Option<Micros> {
    if let Some((local, is_utc)) = parse_usual_layout(text) {
        return (zone_allowed || !is_utc).then_some(local);
    }
    let reading = scan_timestamp(text)?;
    match reading.zone {
        None => Some(reading.local),
        Some(name) => zone::find(name).filter(|_| zone_allowed).map(|_| reading.local),
    }
}

/// Text to DATE, in days since the epoch: `2025`, `2025-1`, `2025-01-01`, and after a whole date a blank or a `T`
/// and anything.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    let (negative, text) = split_sign(trim(text))?;
    let mut parts = [1, 1, 1];
    let mut rest = text;
    for (i, part) in parts.iter_mut().enumerate() {
        let width = if i == 0 { 4..=7 } else { 1..=2 };
        (*part, rest) = scan_number(rest, width)?;
        match rest {
            [] => break,
            [b'-', tail @ ..] if i < 2 => rest = tail,
            [b' ' | b'T', ..] if i == 2 => break,
            _ => return None,
        }
    }
    let year = if negative { -parts[0] } else { parts[0] };
    i32::try_from(days_from_civil(year, parts[1] as u32, parts[2] as u32)?).ok()
}

/// TIMESTAMP to text: a clock reading in `zone`, the fraction as short as it is exact.
pub fn format_timestamp(micros: Micros, zone: &TimeZone) -> Text {
    // Beyond 64 bits only at the very ends of time; days and the rest are added apart so as not to wrap.
    let seconds = micros.div_euclid(MICROS_PER_SECOND) + i64::from(zone::offset_at(micros, zone));
    let fraction = micros.rem_euclid(MICROS_PER_SECOND) as u32;
    let mut text = Text::new();
    text.push_date(seconds.div_euclid(86_400));
    text.push(b' ');
    text.push_time(seconds.rem_euclid(86_400) as u32);
    text.push_fraction(fraction);
    text
}

/// DATE (days since the epoch) to text.
pub fn format_date(days: i32) -> Text {
    let mut text = Text::new();
    text.push_date(days.into());
    text
}

/// A short text on the stack: what a date or a timestamp prints as.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Text {
    /// `+294247-01-10 04:00:54.775807` and then some.
    const CAPACITY: usize = 40;

    const fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text, which is ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    fn push_two(&mut self, n: u32) {
        let digits = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        self.bytes[self.len..self.len + 2].copy_from_slice(&digits);
        self.len += 2;
    }

    fn push_number(&mut self, mut n: u64, width: usize) {
        self.bytes[self.len..self.len + width].iter_mut().rev().for_each(|byte| {
            *byte = b'0' + (n % 10) as u8;
            n /= 10;
        });
        self.len += width;
    }

    /// Years have four digits at least, and a sign if they have more or lie before year 0.
    fn push_date(&mut self, days: i64) {
        let date = civil_from_days(days);
        let year = date.year.unsigned_abs();
        if date.year < 0 {
            self.push(b'-');
        } else if year > 9999 {
            self.push(b'+');
        }
        if year <= 9999 {
            self.push_two(year as u32 / 100);
            self.push_two(year as u32 % 100);
        } else {
            self.push_number(year, year.ilog10() as usize + 1);
        }
        self.push(b'-');
        self.push_two(date.month);
        self.push(b'-');
        self.push_two(date.day);
    }

    fn push_time(&mut self, second_of_day: u32) {
        self.push_two(second_of_day / 3600);
        self.push(b':');
        self.push_two(second_of_day / 60 % 60);
        self.push(b':');
        self.push_two(second_of_day % 60);
    }

    fn push_fraction(&mut self, micros: u32) {
        if micros == 0 {
            return;
        }
        self.push(b'.');
        self.push_number(micros.into(), 6);
        while self.bytes[self.len - 1] == b'0' {
            self.len -= 1;
        }
    }
}

impl core::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// `YYYY-MM-DD[ T]HH:MM:SS[.f{0,}][Z]`: the clock reading, and whether it is UTC. `None` says only that the layout
/// is another one or the date does not exist; the general scanner decides.
#[inline]
pub(super) fn parse_usual_layout(text: &[u8]) -> Option<(Micros, bool)> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let digit = |i: usize| u32::from(head[i].wrapping_sub(b'0'));
    let two = |i: usize| digit(i) * 10 + digit(i + 1);
    let all_digits = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18].iter().fold(true, |ok, &i| ok & (digit(i) <= 9));
    let separators = head[4] == b'-' && head[7] == b'-' && head[13] == b':' && head[16] == b':';
    if !(all_digits && separators && matches!(head[10], b' ' | b'T')) {
        return None;
    }
    let (hour, minute, second) = (two(11), two(14), two(17));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, is_utc) = parse_usual_tail(tail)?;
    let days = days_from_civil(i64::from(two(0) * 100 + two(2)), two(5), two(8))?;
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    Some((seconds * MICROS_PER_SECOND + i64::from(fraction), is_utc))
}

/// What follows the seconds: a fraction, a `Z`, both or nothing.
#[inline]
pub(super) fn parse_usual_tail(tail: &[u8]) -> Option<(u32, bool)> {
    let (fraction, tail) = match tail {
        [b'.', digits @ ..] => scan_fraction(digits),
        _ => (0, tail),
    };
    match tail {
        [] => Some((fraction, false)),
        [b'Z'] => Some((fraction, true)),
        _ => None,
    }
}

/// A clock reading, and the name of the zone if the text has one.
struct Reading<'a> {
    local: Micros,
    zone: Option<&'a str>,
}

/// The general layout: `[+-]y{4,6}[-m[m][-d[d][ T]h[h]:m[m]:s[s][.f*][zone]]]`, each time part optional from the
/// right. Only whole seconds may be followed by a zone, as in Spark.
fn scan_timestamp(text: &[u8]) -> Option<Reading<'_>> {
    let (negative, mut rest) = split_sign(trim(text))?;
    let mut parts = [1, 1, 1, 0, 0, 0];
    let mut fraction = 0;
    let mut zone = None;
    for (i, part) in parts.iter_mut().enumerate() {
        let width = if i == 0 { 4..=6 } else { 1..=2 };
        (*part, rest) = scan_number(rest, width)?;
        rest = match (i, rest) {
            (_, []) => break,
            (0 | 1, [b'-', tail @ ..]) | (2, [b' ' | b'T', tail @ ..]) | (3 | 4, [b':', tail @ ..]) => tail,
            (5, tail) => tail,
            _ => return None,
        };
    }
    if let [b'.', digits @ ..] = rest {
        (fraction, rest) = scan_fraction(digits);
    }
    if !rest.is_empty() {
        zone = Some(core::str::from_utf8(trim_blanks(rest)).ok()?);
    }
    let [year, month, day, hour, minute, second] = parts;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(if negative { -year } else { year }, month as u32, day as u32)?;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    let local = i128::from(seconds) * i128::from(MICROS_PER_SECOND) + i128::from(fraction);
    Some(Reading { local: i64::try_from(local).ok()?, zone })
}

/// Digits after the point as microseconds; more than six are read and dropped.
#[inline]
fn scan_fraction(digits: &[u8]) -> (u32, &[u8]) {
    let (mut micros, mut count) = (0, 0);
    while let Some(digit) = digits.get(count).map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) {
        if count < 6 {
            micros = micros * 10 + u32::from(digit);
        }
        count += 1;
    }
    (micros * 10_u32.pow(6_u32.saturating_sub(count as u32)), &digits[count..])
}

/// A number of so many digits.
fn scan_number(text: &[u8], width: core::ops::RangeInclusive<usize>) -> Option<(i64, &[u8])> {
    let len = text.iter().take(width.end() + 1).take_while(|b| b.is_ascii_digit()).count();
    if !width.contains(&len) {
        return None;
    }
    let (digits, rest) = text.split_at(len);
    Some((digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')), rest))
}

/// Whether the year is negative, and what follows the sign. Nothing at all is not a date.
fn split_sign(text: &[u8]) -> Option<(bool, &[u8])> {
    match text {
        [] => None,
        [b'-', rest @ ..] => Some((true, rest)),
        [b'+', rest @ ..] => Some((false, rest)),
        _ => Some((false, text)),
    }
}

/// Without the blanks and control characters around it.
fn trim(text: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| *b <= b' ' || *b == 0x7f;
    let start = text.iter().position(|b| !is_blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_blank(b)).map_or(start, |i| i + 1);
    &text[start..end]
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| *b > b' ').unwrap_or(text.len());
    &text[start..]
}

const _: () = assert!(MICROS_PER_DAY == 86_400 * MICROS_PER_SECOND);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    const BASE: Micros = 1_735_689_600_000_000; // 2025-01-01 00:00:00 UTC

    #[test]
    fn timestamps_that_spark_reads() {
        let cases = [
            ("2025-01-01T00:00:00Z", 0),
            ("2025-01-01 00:00:00", 0),
            ("2025-01-01T02:00:00+02:00", 0),
            ("2025-01-01", 0),
            ("2025-01", 0),
            ("2025", 0),
            ("+2025", 0),
            ("2025-01-01T00:00:00.123456Z", 123_456),
            ("2025-01-01T00:00:00.1", 100_000),
            ("2025-01-01T00:00:00.", 0),
            ("2025-01-01T00:00:00.Z", 0),
            ("2025-01-01T00:00:00.123456789Z", 123_456),
            ("2025-01-01T00:00:00.123456789", 123_456),
            ("2025-01-01T10", 36_000_000_000),
            ("2025-01-01 10:30", 37_800_000_000),
            ("2025-1-1 1:2:3", 3_723_000_000),
            (" 2025-01-01 00:00:00 ", 0),
            ("\t2025-01-01\n", 0),
            ("2025-01-01T00:00:00-0800", 28_800_000_000),
            ("2025-01-01T00:00:00.5-8:00", 28_800_500_000),
            ("2025-01-01 00:00:00 UTC", 0),
            ("2025-01-01 00:00:00UTC", 0),
            ("2025-01-01 00:00:00 UTC+1", -3_600_000_000),
            ("2025-01-01 00:00:00 America/New_York", 18_000_000_000),
            ("2025-01-01 00:00:00 PST", 28_800_000_000),
        ];
        for (text, offset) in cases {
            assert_eq!(parse_timestamp(text.as_bytes(), &TimeZone::UTC), Some(BASE + offset), "{text:?}");
        }
    }

    #[test]
    fn timestamps_that_spark_rejects() {
        let cases = [
            "",
            " ",
            "20250101",
            "garbage",
            "2025-02-30",
            "2025-01-01T24:00:00Z",
            "1735689600",
            "2025-01-01T",
            "2025-01-01T10Z",
            "2025-01-01T10:00Z",
            "2025-01-01 00:00:60",
            "2025-13-01",
            "2025-1-",
            "2025-001-01",
            "25-01-01",
            "2025/01/01",
            "2025-01-01x",
            "2025-01-01 00:00:00 x",
            "2025-01-01 00:00:00.1.2",
            "2025-01-01 00:00:00 utc",
            "12:30:00",
            "T12:30:00",
            "-",
            "+",
            "2025-01-01 00:00:00+25:00",
            "999999-01-01",
            "2025-01-01 00:00:00\u{e9}",
        ];
        for text in cases {
            assert_eq!(parse_timestamp(text.as_bytes(), &TimeZone::UTC), None, "{text:?}");
        }
    }

    #[test]
    fn the_usual_layout_agrees_with_the_general_one() {
        for text in
            ["2025-01-01 00:00:00", "2024-02-29T23:59:59.5", "0001-01-01T00:00:00.000001Z", "9999-12-31 01:02:03.Z"]
        {
            let reading = scan_timestamp(text.as_bytes()).unwrap();
            let expected = (reading.local, reading.zone == Some("Z"));
            assert_eq!(parse_usual_layout(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_reading_without_zone_belongs_to_the_session() {
        let new_york = zone::find("America/New_York").unwrap();
        let in_new_york = |text: &str| parse_timestamp(text.as_bytes(), &new_york);
        assert_eq!(in_new_york("2025-01-01 00:00:00"), Some(BASE + 18_000_000_000));
        assert_eq!(in_new_york("2025-01-01 00:00:00Z"), Some(BASE));
        assert_eq!(in_new_york("2025-03-09 02:30:00"), in_new_york("2025-03-09 03:30:00"));
    }

    #[test]
    fn readings_without_zone_may_refuse_zones() {
        assert_eq!(parse_timestamp_ntz(b"2025-01-01 00:00:00", false), Some(BASE));
        for zoned in ["2025-01-01 00:00:00Z", "2025-01-01 00:00:00+02:00"] {
            assert_eq!(parse_timestamp_ntz(zoned.as_bytes(), false), None);
            assert_eq!(parse_timestamp_ntz(zoned.as_bytes(), true), Some(BASE));
        }
    }

    #[test]
    fn dates_that_spark_reads_and_rejects() {
        let cases = [
            ("2025-01-01", Some(20_089)),
            ("2025", Some(20_089)),
            ("2025-1", Some(20_089)),
            ("2025-1-1 ", Some(20_089)),
            ("2025-01-01T", Some(20_089)),
            ("2025-01-01Tx", Some(20_089)),
            ("2025-01-01 10:00:00 nonsense", Some(20_089)),
            (" +2025-01-01", Some(20_089)),
            ("-0001-01-01", Some(-719_893)),
            ("5881580-07-11", Some(i32::MAX)),
            ("5881580-07-12", None),
            ("2025-01-01x", None),
            ("2025-01T", None),
            ("2025-", None),
            ("025-01-01", None),
            ("2025-02-29", None),
            ("2025-1-1-1", None),
            ("", None),
            ("  ", None),
        ];
        for (text, days) in cases {
            assert_eq!(parse_date(text.as_bytes()), days, "{text:?}");
        }
    }

    #[test]
    fn text_is_as_short_as_it_is_exact() {
        let utc = TimeZone::UTC;
        let cases = [
            (BASE, "2025-01-01 00:00:00"),
            (BASE + 500_000, "2025-01-01 00:00:00.5"),
            (BASE + 120, "2025-01-01 00:00:00.00012"),
            (-1, "1969-12-31 23:59:59.999999"),
            (i64::MAX, "+294247-01-10 04:00:54.775807"),
            (i64::MIN, "-290308-12-21 19:59:05.224192"),
        ];
        for (micros, text) in cases {
            assert_eq!(format_timestamp(micros, &utc).as_str(), text);
            assert_eq!(parse_timestamp(text.as_bytes(), &utc), Some(micros), "{text}");
        }
        let zone = zone::find("Asia/Kolkata").unwrap();
        assert_eq!(format_timestamp(BASE, &zone).to_string(), "2025-01-01 05:30:00");
        assert_eq!(format!("{:?}", format_date(-719_893)), "\"-0001-01-01\"");
        assert_eq!(format_date(0).as_str(), "1970-01-01");
    }
}
