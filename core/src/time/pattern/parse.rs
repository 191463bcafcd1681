//! Text through a pattern to fields, and fields to an instant: strict, as Java resolves them, with Spark's defaults.

use jiff::tz::TimeZone;

use super::{Field, Item, Number, Offset, Pattern, Sign, names};
use crate::time::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Micros,
    calendar::{civil_from_days, days_from_civil, is_leap_year},
    zone,
};

impl Pattern {
    /// Text to TIMESTAMP; a reading without a zone is one of a clock in `zone`. `None` if the text does not match.
    pub fn parse(&self, text: &str, zone: &TimeZone) -> Option<Micros> {
        let parsed = self.parse_fields(text)?;
        let local = parsed.local_micros()?;
        zone::local_to_instant(local, parsed.zone.as_ref().unwrap_or(zone))
    }

    /// Text to TIMESTAMP_NTZ; a zone in the text is dropped, or makes it invalid.
    pub fn parse_ntz(&self, text: &str, zone_allowed: bool) -> Option<Micros> {
        let parsed = self.parse_fields(text)?;
        (zone_allowed || parsed.zone.is_none()).then(|| parsed.local_micros())?
    }

    /// Text to DATE, in days since the epoch.
    pub fn parse_date(&self, text: &str) -> Option<i32> {
        i32::try_from(self.parse_fields(text)?.days()?).ok()
    }

    fn parse_fields(&self, text: &str) -> Option<Parsed> {
        if self.format_only.is_some() {
            return None;
        }
        let mut parsed = Parsed::default();
        let rest = parse_items(&self.items, text, &mut parsed)?;
        rest.is_empty().then_some(parsed)
    }
}

/// What the text said. Out-of-range numbers are rejected as they are read.
#[derive(Clone, Default)]
struct Parsed {
    era: Option<i64>,
    year: Option<i64>,
    year_of_era: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    half: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    micros: Option<i64>,
    zone: Option<TimeZone>,
}

impl Parsed {
    /// Notes a field; `None` if it is out of range or was said before and differently.
    fn set(&mut self, field: Field, value: i64) -> Option<()> {
        let (slot, value, range) = match field {
            Field::Era => (&mut self.era, value, 0..=1),
            Field::Year => (&mut self.year, value, -999_999_999..=999_999_999),
            Field::YearOfEra => (&mut self.year_of_era, value, 1..=999_999_999),
            Field::Month => (&mut self.month, value, 1..=12),
            Field::Day => (&mut self.day, value, 1..=31),
            Field::DayOfYear => (&mut self.day_of_year, value, 1..=366),
            Field::AmPm => (&mut self.half, value, 0..=1),
            Field::Hour => (&mut self.hour, value, 0..=23),
            Field::ClockHour => (&mut self.hour, from_clock(value, 24), 0..=23),
            Field::HourOfHalf => (&mut self.hour_of_half, value, 0..=11),
            Field::ClockHourOfHalf => (&mut self.hour_of_half, from_clock(value, 12), 0..=11),
            Field::Minute => (&mut self.minute, value, 0..=59),
            Field::Second => (&mut self.second, value, 0..=59),
            Field::Quarter | Field::Weekday | Field::AlignedWeekday => return None,
        };
        let is_new = slot.is_none_or(|known| known == value);
        *slot = Some(value);
        (is_new && range.contains(&value)).then_some(())
    }

    fn days(&self) -> Option<i64> {
        let year = self.year()?.unwrap_or(1970);
        let Some(day_of_year) = self.day_of_year else {
            return days_from_civil(year, self.month.unwrap_or(1) as u32, self.day.unwrap_or(1) as u32);
        };
        if day_of_year == 366 && !is_leap_year(year) {
            return None;
        }
        let days = days_from_civil(year, 1, 1)? + day_of_year - 1;
        let date = civil_from_days(days);
        let agrees = |said: Option<i64>, is: u32| said.is_none_or(|said| said == i64::from(is));
        (agrees(self.month, date.month) && agrees(self.day, date.day)).then_some(days)
    }

    /// The proleptic year, if the text says one. A year of an era needs the era.
    fn year(&self) -> Option<Option<i64>> {
        match (self.year, self.year_of_era, self.era) {
            (_, None, _) => Some(self.year),
            (_, Some(year), None | Some(1)) => Some(Some(year)),
            (_, Some(year), Some(_)) => Some(Some(1 - year)),
        }
    }

    fn micros_of_day(&self) -> Option<i64> {
        let from_half = self.hour_of_half.map(|hour| hour + 12 * self.half.unwrap_or(0));
        let hour = match (self.hour, from_half, self.half) {
            (Some(hour), Some(other), Some(_)) if hour != other => return None,
            (Some(hour), _, Some(half)) if hour / 12 != half => return None,
            (Some(hour), ..) | (None, Some(hour), _) => hour,
            (None, None, half) => 12 * half.unwrap_or(0),
        };
        let seconds = hour * 3600 + self.minute.unwrap_or(0) * 60 + self.second.unwrap_or(0);
        Some(seconds * MICROS_PER_SECOND + self.micros.unwrap_or(0))
    }

    fn local_micros(&self) -> Option<Micros> {
        self.days()?.checked_mul(MICROS_PER_DAY)?.checked_add(self.micros_of_day()?)
    }
}

/// An hour of a clock that shows `hours` for 0, which it never shows.
fn from_clock(value: i64, hours: i64) -> i64 {
    match value {
        0 => -1,
        _ if value == hours => 0,
        _ => value,
    }
}

/// Parses the items in order; gives the text that is left, or `None` if one does not match.
fn parse_items<'a>(items: &[Item], mut text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    // Fixed numbers that touch a first number of free width have had their digits reserved by it.
    for item in items {
        text = match item {
            Item::Literal(literal) => strip_prefix_ignoring_case(text, literal)?,
            Item::Number(number) => parse_number(number, text, parsed)?,
            Item::YearOfCentury => parse_year_of_century(text, parsed)?,
            Item::Fraction(width) => parse_fraction(*width, text, parsed)?,
            Item::Text { field, full } => parse_text(*field, *full, text, parsed)?,
            Item::Offset(offset) => parse_offset(offset, text, parsed)?,
            Item::GmtOffset { .. } => parse_gmt_offset(text, parsed)?,
            Item::ZoneId | Item::ZoneName { .. } => parse_zone(text, parsed)?,
            Item::Optional(inner) => {
                let mut attempt = parsed.clone();
                match parse_items(inner, text, &mut attempt) {
                    Some(rest) => {
                        *parsed = attempt;
                        rest
                    }
                    None => text,
                }
            }
        };
    }
    Some(text)
}

fn parse_number<'a>(number: &Number, text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' if number.sign != Sign::Never => (Some(-1), &text[1..]),
        b'+' if number.sign == Sign::ExceedsPad => (Some(1), &text[1..]),
        _ => (None, text),
    };
    let (width_min, width_max) = (usize::from(number.width_min), usize::from(number.width_max));
    let reserved = usize::from(number.reserved);
    let run = digits.bytes().take(width_max + reserved).take_while(u8::is_ascii_digit).count();
    let width = if reserved > 0 { run.saturating_sub(reserved).max(width_min) } else { run };
    if width < width_min || width > run {
        return None;
    }
    let value = digits[..width].bytes().try_fold(0_i64, |n, b| n.checked_mul(10)?.checked_add(i64::from(b - b'0')))?;
    let is_padded = match sign {
        Some(1) => width > width_min,
        Some(_) => value != 0,
        None => number.sign != Sign::ExceedsPad || width <= width_min,
    };
    if !is_padded {
        return None;
    }
    parsed.set(number.field, value * sign.unwrap_or(1))?;
    Some(&digits[width..])
}

fn parse_year_of_century<'a>(text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    let digits = text.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    parsed.set(Field::Year, 2000 + digits.parse::<i64>().ok()?)?;
    Some(&text[2..])
}

fn parse_fraction<'a>(width_max: u8, text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    let width = text.bytes().take(width_max.into()).take_while(u8::is_ascii_digit).count();
    if width == 0 {
        return None;
    }
    let kept = &text[..width.min(6)];
    let micros = kept.parse::<i64>().ok()? * 10_i64.pow(6 - kept.len() as u32);
    if parsed.micros.is_some_and(|known| known != micros) {
        return None;
    }
    parsed.micros = Some(micros);
    Some(&text[width..])
}

fn parse_text<'a>(field: Field, full: bool, text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    let (choices, first): (&[&str], i64) = match (field, full) {
        (Field::Month, _) => (&names::MONTHS, 1),
        (Field::AmPm, _) => (&names::HALVES, 0),
        (Field::Era, true) => (&names::ERAS, 0),
        (Field::Era, false) => (&names::ERAS_SHORT, 0),
        _ => return None,
    };
    let is_cut = field == Field::Month && !full;
    let (value, rest) = (first..).zip(choices).find_map(|(value, name)| {
        let name = if is_cut { &name[..names::SHORT] } else { name };
        Some((value, strip_prefix_ignoring_case(text, name)?))
    })?;
    parsed.set(field, value)?;
    Some(rest)
}

fn parse_offset<'a>(offset: &Offset, text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    if let Some(rest) = offset.zero.and_then(|zero| strip_prefix_ignoring_case(text, zero)) {
        return parsed.set_zone(TimeZone::UTC).map(|()| rest);
    }
    let negative = match text.as_bytes().first()? {
        b'+' => false,
        b'-' => true,
        _ => return None,
    };
    let (hours, rest) = two_digits(&text[1..])?;
    let (minutes, rest) = match offset_part(offset.colon, rest) {
        Some(part) => part,
        None if offset.minutes => return None,
        None => (0, rest),
    };
    let (seconds, rest) = offset_part(offset.colon, rest).filter(|_| offset.seconds).unwrap_or((0, rest));
    let total = hours * 3600 + minutes * 60 + seconds;
    if minutes > 59 || seconds > 59 || total > 18 * 3600 {
        return None;
    }
    parsed.set_offset(if negative { -total } else { total })?;
    Some(rest)
}

fn offset_part(colon: bool, text: &str) -> Option<(i32, &str)> {
    two_digits(if colon { text.strip_prefix(':')? } else { text })
}

fn two_digits(text: &str) -> Option<(i32, &str)> {
    let digits = text.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[2..]))
}

/// `GMT`, `GMT+8`, `GMT+08:00`.
fn parse_gmt_offset<'a>(text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    let rest = strip_prefix_ignoring_case(text, "GMT")?;
    let len = rest.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b':')).count();
    match zone::parse_offset(&rest[..len]) {
        Some(seconds) => parsed.set_offset(seconds).map(|()| &rest[len..]),
        None => parsed.set_zone(TimeZone::UTC).map(|()| rest),
    }
}

/// The longest prefix that names a zone. Summer-time abbreviations stand for their zone, as in Java.
fn parse_zone<'a>(text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'+' | b'-' | b':');
    let longest = text.bytes().take_while(|b| is_name(b)).count();
    (1..=longest).rev().find_map(|len| {
        let zone = zone::find(summer_zone(&text[..len]))?;
        parsed.set_zone(zone).map(|()| &text[len..])
    })
}

/// The zone that an abbreviation of American time means.
fn summer_zone(name: &str) -> &str {
    match name {
        "EST" | "EDT" => "America/New_York",
        "CST" | "CDT" => "America/Chicago",
        "MST" | "MDT" => "America/Denver",
        "PST" | "PDT" => "America/Los_Angeles",
        _ => name,
    }
}

impl Parsed {
    fn set_offset(&mut self, seconds: i32) -> Option<()> {
        self.set_zone(TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?))
    }

    fn set_zone(&mut self, zone: TimeZone) -> Option<()> {
        let is_new = self.zone.as_ref().is_none_or(|known| *known == zone);
        self.zone = Some(zone);
        is_new.then_some(())
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{format_date, format_timestamp};
    use alloc::string::{String, ToString};

    fn parse(pattern: &str, text: &str) -> Option<String> {
        let parsed = Pattern::for_parsing(pattern).unwrap().parse(text, &TimeZone::UTC)?;
        Some(format_timestamp(parsed, &TimeZone::UTC).to_string())
    }

    #[test]
    fn texts_that_match() {
        let cases = [
            ("dd/MM/yyyy HH:mm:ss", "01/02/2025 10:00:01", "2025-02-01 10:00:01"),
            ("dd.MM.yyyy", "03.02.2025", "2025-02-03 00:00:00"),
            ("yyyyMMdd", "20250203", "2025-02-03 00:00:00"),
            ("yyyyMMddHHmmss", "20250203040506", "2025-02-03 04:05:06"),
            ("yyMMdd", "250203", "2025-02-03 00:00:00"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2025-02-03T04:05:06.7", "2025-02-03 04:05:06.7"),
            ("yyyy-MM-dd HH:mm:ss.SSSSSSSSS", "2025-02-03 04:05:06.123456789", "2025-02-03 04:05:06.123456"),
            ("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2025-02-03T04:05:06", "2025-02-03 04:05:06"),
            ("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2025-02-03T04:05:06.789+02:00", "2025-02-03 02:05:06.789"),
            ("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2025-02-03T04:05:06Z", "2025-02-03 04:05:06"),
            ("yyyy-M-d H:m:s", "2025-2-3 4:5:6", "2025-02-03 04:05:06"),
            ("yyyy-M-d", "2025-12-31", "2025-12-31 00:00:00"),
            ("dd/MMM/yyyy:HH:mm:ss Z", "17/May/2015:10:05:03 +0000", "2015-05-17 10:05:03"),
            ("d MMMM yyyy", "3 FEBRUARY 2025", "2025-02-03 00:00:00"),
            ("hh:mm a", "12:30 AM", "1970-01-01 00:30:00"),
            ("hh:mm a", "12:30 pm", "1970-01-01 12:30:00"),
            ("h a", "7 PM", "1970-01-01 19:00:00"),
            ("kk:mm", "24:15", "1970-01-01 00:15:00"),
            ("yyyy", "2025", "2025-01-01 00:00:00"),
            ("MM-dd", "02-03", "1970-02-03 00:00:00"),
            ("yyyy-DDD", "2024-366", "2024-12-31 00:00:00"),
            ("y G", "5 BC", "-0004-01-01 00:00:00"),
            ("yyyy-MM-dd HH:mm:ss VV", "2025-07-01 12:00:00 America/New_York", "2025-07-01 16:00:00"),
            ("yyyy-MM-dd HH:mm:ss z", "2025-07-01 12:00:00 PDT", "2025-07-01 19:00:00"),
            ("yyyy-MM-dd HH:mm:ss X", "2025-07-01 12:00:00 +02", "2025-07-01 10:00:00"),
            ("yyyy-MM-dd HH:mm:ss O", "2025-07-01 12:00:00 GMT+2", "2025-07-01 10:00:00"),
            ("yyyy''MM 'o''clock'", "2025'02 o'clock", "2025-02-01 00:00:00"),
            ("yyyy-MM-dd", "+12025-02-03", "+12025-02-03 00:00:00"),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(parse(pattern, text).as_deref(), Some(expected), "{pattern} {text}");
        }
    }

    #[test]
    fn texts_that_do_not() {
        let cases = [
            ("dd/MM/yyyy HH:mm:ss", "bad"),
            ("dd.MM.yyyy", "x"),
            ("dd.MM.yyyy", "3.2.2025"),
            ("dd.MM.yyyy", "03.02.2025 "),
            ("dd.MM.yyyy", "30.02.2025"),
            ("dd.MM.yyyy", "03.13.2025"),
            ("yyyy-MM-dd", "12025-02-03"),
            ("yyyy-MM-dd", "+2025-02-03"),
            ("yyyy-MM-dd", "2025-02-03T00:00:00"),
            ("HH:mm", "24:00"),
            ("HH:mm", "12:60"),
            ("HH:mm:ss.SSS", "12:00:00."),
            ("HH:mm:ss.SSS", "12:00:00.1234"),
            ("hh a", "13 PM"),
            ("hh a", "00 PM"),
            ("kk", "00"),
            ("HH a", "01 PM"),
            ("yyyy-DDD", "2025-366"),
            ("XXX", "+0200"),
            ("yyyy", ""),
            // The fraction is of variable width, so the year takes its digits, as in Spark 3.
            ("yyyyMMddHHmmssSSS", "20250203040506789"),
        ];
        for (pattern, text) in cases {
            assert_eq!(parse(pattern, text), None, "{pattern} {text}");
        }
    }

    #[test]
    fn dates_and_readings_without_zone() {
        let pattern = Pattern::for_parsing("dd.MM.yyyy").unwrap();
        assert_eq!(format_date(pattern.parse_date("03.02.2025").unwrap()).as_str(), "2025-02-03");
        let zoned = Pattern::for_parsing("yyyy-MM-dd HH:mm[XXX]").unwrap();
        assert_eq!(zoned.parse_ntz("1970-01-01 00:01", false), Some(60_000_000));
        assert_eq!(zoned.parse_ntz("1970-01-01 00:01+02:00", true), Some(60_000_000));
        assert_eq!(zoned.parse_ntz("1970-01-01 00:01+02:00", false), None);
    }
}
