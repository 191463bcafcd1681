//! Instants through a pattern to text.

use core::fmt::{self, Write};

use jiff::tz::TimeZone;

use super::{Field, Item, Number, Offset, Pattern, Sign, names};
use crate::time::{
    MICROS_PER_SECOND, Micros,
    calendar::{self, CivilDate, civil_from_days},
    zone,
};

impl Pattern {
    /// Writes what a clock and calendar in `zone` show at an instant.
    pub fn format(&self, micros: Micros, zone: &TimeZone, out: &mut impl Write) -> fmt::Result {
        format_items(&self.items, &Moment::new(micros, zone), out)
    }
}

/// An instant taken apart.
struct Moment<'a> {
    instant: Micros,
    zone: &'a TimeZone,
    offset_seconds: i32,
    days: i64,
    date: CivilDate,
    second_of_day: i64,
    micros: u32,
}

impl<'a> Moment<'a> {
    fn new(instant: Micros, zone: &'a TimeZone) -> Self {
        let offset_seconds = zone::offset_at(instant, zone);
        let seconds = instant.div_euclid(MICROS_PER_SECOND) + i64::from(offset_seconds);
        let days = seconds.div_euclid(86_400);
        Self {
            instant,
            zone,
            offset_seconds,
            days,
            date: civil_from_days(days),
            second_of_day: seconds.rem_euclid(86_400),
            micros: instant.rem_euclid(MICROS_PER_SECOND) as u32,
        }
    }

    fn field(&self, field: Field) -> i64 {
        let hour = self.second_of_day / 3600;
        let clock = |hour: i64, hours: i64| if hour % hours == 0 { hours } else { hour % hours };
        match field {
            Field::Era => i64::from(self.date.year > 0),
            Field::Year => self.date.year,
            Field::YearOfEra => {
                if self.date.year > 0 {
                    self.date.year
                } else {
                    1 - self.date.year
                }
            }
            Field::Quarter => i64::from(self.date.month.div_ceil(3)),
            Field::Month => self.date.month.into(),
            Field::Day => self.date.day.into(),
            Field::DayOfYear => calendar::day_of_year(self.date).into(),
            Field::AlignedWeekday => i64::from((self.date.day - 1) % 7 + 1),
            Field::Weekday => calendar::iso_weekday(self.days).into(),
            Field::AmPm => hour / 12,
            Field::Hour => hour,
            Field::ClockHour => clock(hour, 24),
            Field::HourOfHalf => hour % 12,
            Field::ClockHourOfHalf => clock(hour, 12),
            Field::Minute => self.second_of_day / 60 % 60,
            Field::Second => self.second_of_day % 60,
        }
    }
}

fn format_items(items: &[Item], moment: &Moment<'_>, out: &mut impl Write) -> fmt::Result {
    items.iter().try_for_each(|item| match item {
        Item::Literal(text) => out.write_str(text),
        Item::Number(number) => format_number(number, moment.field(number.field), out),
        Item::YearOfCentury => write!(out, "{:02}", moment.date.year.rem_euclid(100)),
        Item::Fraction(width) => format_fraction(*width, moment.micros, out),
        Item::Text { field, full } => out.write_str(name(*field, *full, moment.field(*field))),
        Item::Offset(offset) => format_offset(offset, moment.offset_seconds, out),
        Item::GmtOffset { full } => format_gmt_offset(*full, moment.offset_seconds, out),
        Item::ZoneId => format_zone_id(moment, out),
        Item::ZoneName { full } => format_zone_name(*full, moment, out),
        // Everything a pattern can ask for is there, so optional sections are always written.
        Item::Optional(inner) => format_optional(inner, moment, out),
    })
}

fn format_optional(items: &[Item], moment: &Moment<'_>, out: &mut impl Write) -> fmt::Result {
    // Through a trait object: sections nest, generic writers must not.
    let mut out: &mut dyn Write = out;
    format_items(items, moment, &mut out)
}

fn format_number(number: &Number, value: i64, out: &mut impl Write) -> fmt::Result {
    let exceeds = value.unsigned_abs() >= 10_u64.pow(number.width_min.into());
    match number.sign {
        _ if value < 0 => out.write_char('-')?,
        Sign::ExceedsPad if exceeds => out.write_char('+')?,
        _ => {}
    }
    write!(out, "{:0width$}", value.unsigned_abs(), width = usize::from(number.width_min))
}

fn format_fraction(width: u8, micros: u32, out: &mut impl Write) -> fmt::Result {
    let nanos = micros * 1000;
    write!(out, "{:0width$}", nanos / 10_u32.pow(9 - u32::from(width)), width = usize::from(width))
}

fn name(field: Field, full: bool, value: i64) -> &'static str {
    let index = value as usize;
    let cut = |name: &'static str| if full { name } else { &name[..names::SHORT] };
    match (field, full) {
        (Field::Month, _) => cut(names::MONTHS[index - 1]),
        (Field::Weekday, _) => cut(names::WEEKDAYS[index - 1]),
        (Field::Quarter, true) => names::QUARTERS[index - 1],
        (Field::Quarter, false) => names::QUARTERS_SHORT[index - 1],
        (Field::Era, true) => names::ERAS[index],
        (Field::Era, false) => names::ERAS_SHORT[index],
        (Field::AmPm, _) => names::HALVES[index],
        _ => unreachable!("{field:?} has no names"),
    }
}

fn format_offset(offset: &Offset, seconds: i32, out: &mut impl Write) -> fmt::Result {
    if let Some(zero) = offset.zero.filter(|_| seconds == 0) {
        return out.write_str(zero);
    }
    let (sign, total) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let colon = if offset.colon { ":" } else { "" };
    write!(out, "{sign}{:02}", total / 3600)?;
    if offset.minutes || total / 60 % 60 != 0 {
        write!(out, "{colon}{:02}", total / 60 % 60)?;
    }
    if offset.seconds && total % 60 != 0 {
        write!(out, "{colon}{:02}", total % 60)?;
    }
    Ok(())
}

fn format_gmt_offset(full: bool, seconds: i32, out: &mut impl Write) -> fmt::Result {
    out.write_str("GMT")?;
    let (sign, total) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes) = (total / 3600, total / 60 % 60);
    match (seconds, full) {
        (0, _) => Ok(()),
        (_, true) => write!(out, "{sign}{hours:02}:{minutes:02}"),
        (_, false) if minutes == 0 => write!(out, "{sign}{hours}"),
        (_, false) => write!(out, "{sign}{hours}:{minutes:02}"),
    }
}

fn format_zone_id(moment: &Moment<'_>, out: &mut impl Write) -> fmt::Result {
    match moment.zone.iana_name() {
        Some(name) => out.write_str(name),
        None => format_offset(&Offset::new(5, Some("Z")), moment.offset_seconds, out),
    }
}

fn format_zone_name(full: bool, moment: &Moment<'_>, out: &mut impl Write) -> fmt::Result {
    if moment.zone.iana_name().is_none() {
        return format_zone_id(moment, out);
    }
    let info = moment.zone.to_offset_info(zone::timestamp(moment.instant));
    let short = info.abbreviation();
    out.write_str(if full { full_zone_name(short) } else { short })
}

/// The names of the zones that have one everybody uses; others keep their abbreviation.
fn full_zone_name(short: &str) -> &str {
    match short {
        "UTC" => "Coordinated Universal Time",
        "GMT" => "Greenwich Mean Time",
        "EST" => "Eastern Standard Time",
        "EDT" => "Eastern Daylight Time",
        "CST" => "Central Standard Time",
        "CDT" => "Central Daylight Time",
        "MST" => "Mountain Standard Time",
        "MDT" => "Mountain Daylight Time",
        "PST" => "Pacific Standard Time",
        "PDT" => "Pacific Daylight Time",
        "CET" => "Central European Standard Time",
        "CEST" => "Central European Summer Time",
        "JST" => "Japan Standard Time",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_timestamp;
    use alloc::string::String;

    #[test]
    fn letters_print_what_java_prints() {
        let utc = TimeZone::UTC;
        let new_york = zone::find("America/New_York").unwrap();
        let kolkata = zone::find("+05:30").unwrap();
        let cases = [
            ("yyyy-MM-dd HH:mm", &utc, "2025-03-05 17:06"),
            ("dd/MM/yy H:m:s", &utc, "05/03/25 17:6:7"),
            ("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", &utc, "2025-03-05T17:06:07.089Z"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", &new_york, "2025-03-05T12:06:07.089012-05:00"),
            ("E EEEE MMM MMMM LLL", &utc, "Wed Wednesday Mar March Mar"),
            ("Q QQ QQQ QQQQ", &utc, "1 01 Q1 1st quarter"),
            ("D DDD F", &utc, "64 064 5"),
            ("hh:mm a K kk", &utc, "05:06 PM 5 17"),
            ("y G GGGG", &utc, "2025 AD Anno Domini"),
            ("X XX XXX x xx xxx Z ZZZZ ZZZZZ", &utc, "Z Z Z +00 +0000 +00:00 +0000 GMT Z"),
            ("X XX XXX Z O OOOO", &kolkata, "+0530 +0530 +05:30 +0530 GMT+5:30 GMT+05:30"),
            ("z zzzz VV", &new_york, "EST Eastern Standard Time America/New_York"),
            ("z VV", &utc, "UTC UTC"),
            ("VV", &kolkata, "+05:30"),
            ("S SSSSSSSSS", &utc, "0 089012000"),
            ("yyyyyy 'it''s' ''", &utc, "002025 it's '"),
        ];
        let moment = parse_timestamp(b"2025-03-05 17:06:07.089012", &utc).unwrap();
        for (pattern, zone, expected) in cases {
            let mut text = String::new();
            Pattern::compile(pattern).unwrap().format(moment, zone, &mut text).unwrap();
            assert_eq!(text, expected, "{pattern}");
        }
    }
}
