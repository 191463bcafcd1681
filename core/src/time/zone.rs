//! Time zones as Java names them and as Spark reads them: which names exist, and wall clock to instant and back.
//!
//! Zone data knows the years -9999 to 9999. Beyond them the clock is asked in a year of the same shape (400-year
//! cycles repeat, weekdays included), so that every timestamp that Spark can hold has an offset.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use super::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Micros,
    calendar::{DAYS_PER_400_YEARS, civil_from_days},
};

/// Largest distance from UTC that Java accepts, in seconds.
const OFFSET_SECONDS_MAX: i32 = 18 * 3600;

/// Ends of the zone data, a cycle away from what it can express.
const LOCAL_MIN: Micros = -377_000_000_000 * MICROS_PER_SECOND;
const LOCAL_MAX: Micros = 253_000_000_000 * MICROS_PER_SECOND;

/// Java's three-letter ids (`ZoneId.SHORT_IDS`), which Spark accepts.
const SHORT_IDS: [(&str, &str); 28] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("EST", "-05:00"),
    ("HST", "-10:00"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("MST", "-07:00"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// The zone with this name: `Z`, `+2`, `-08:00`, `UTC+1`, `PST`, `America/New_York`. Case matters, as in Java.
pub fn find(name: &str) -> Option<TimeZone> {
    match name {
        "Z" | "UTC" | "GMT" | "UT" => return Some(TimeZone::UTC),
        _ if name.starts_with(['+', '-']) => return parse_offset(name).map(fixed),
        _ => {}
    }
    if let Ok(i) = SHORT_IDS.binary_search_by_key(&name, |(short, _)| short) {
        return find(SHORT_IDS[i].1);
    }
    for prefix in ["UTC", "GMT", "UT"] {
        if let Some(offset) = name.strip_prefix(prefix).filter(|rest| rest.starts_with(['+', '-'])) {
            return parse_offset(offset).map(fixed);
        }
    }
    let zone = TimeZone::get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

/// Seconds east of UTC of an offset such as `+2`, `+02`, `+0230`, `-02:30`, `+2:30`, `+02:3`, `+02:30:15`.
pub fn parse_offset(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let (&sign, digits) = bytes.split_first()?;
    let two = |at: usize, width: usize| number(digits.get(at..at + width)?);
    let (hours, minutes, seconds) = match digits {
        [_] => (two(0, 1)?, 0, 0),
        [_, _] => (two(0, 2)?, 0, 0),
        // One-digit hours or minutes are Spark's own courtesy.
        [_, b':', _, _] => (two(0, 1)?, two(2, 2)?, 0),
        [_, b':', _] => (two(0, 1)?, two(2, 1)?, 0),
        [_, _, b':', _] => (two(0, 2)?, two(3, 1)?, 0),
        [_, _, b':', _, _] => (two(0, 2)?, two(3, 2)?, 0),
        [_, b':', _, _, b':', _, _] => (two(0, 1)?, two(2, 2)?, two(5, 2)?),
        [_, _, b':', _, _, b':', _, _] => (two(0, 2)?, two(3, 2)?, two(6, 2)?),
        [_, _, _, _] => (two(0, 2)?, two(2, 2)?, 0),
        [_, _, _, _, _, _] => (two(0, 2)?, two(2, 2)?, two(4, 2)?),
        _ => return None,
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    let valid = minutes < 60 && seconds < 60 && total <= OFFSET_SECONDS_MAX;
    match sign {
        b'+' if valid => Some(total),
        b'-' if valid => Some(-total),
        _ => None,
    }
}

/// A zone that is always so many seconds east of UTC.
fn fixed(seconds: i32) -> TimeZone {
    if seconds == 0 {
        return TimeZone::UTC;
    }
    Offset::from_seconds(seconds).map_or(TimeZone::UTC, TimeZone::fixed)
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0')))
}

/// The instant at which a clock in `zone` shows `local` (microseconds as if the clock were UTC). A reading that a
/// forward change skips counts from before the change (02:30 is 03:30); one that comes twice is the first.
/// `None` if the instant does not fit.
#[inline]
pub fn local_to_instant(local: Micros, zone: &TimeZone) -> Option<Micros> {
    if *zone == TimeZone::UTC {
        return Some(local);
    }
    let (known, shift) = into_known_years(local);
    let offset = match zone.to_ambiguous_timestamp(datetime(known)).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
    };
    let instant = known - i64::from(offset.seconds()) * MICROS_PER_SECOND;
    instant.checked_sub(shift)
}

/// What a clock in `zone` shows at an instant, in microseconds as if the clock were UTC. Saturates at the ends.
#[inline]
pub fn instant_to_local(instant: Micros, zone: &TimeZone) -> Micros {
    instant.saturating_add(i64::from(offset_at(instant, zone)) * MICROS_PER_SECOND)
}

/// Seconds that `zone` is east of UTC at an instant.
#[inline]
pub fn offset_at(instant: Micros, zone: &TimeZone) -> i32 {
    if *zone == TimeZone::UTC {
        return 0;
    }
    zone.to_offset(timestamp(into_known_years(instant).0)).seconds()
}

/// The instant as zone data takes it; beyond its years, the same moment of a year of the same shape.
pub(super) fn timestamp(instant: Micros) -> Timestamp {
    Timestamp::from_microsecond(into_known_years(instant).0).unwrap_or_default()
}

/// Moves a time by whole 400-year cycles into the years of the zone data; gives the distance too.
#[inline]
fn into_known_years(micros: Micros) -> (Micros, Micros) {
    if (LOCAL_MIN..=LOCAL_MAX).contains(&micros) {
        return (micros, 0);
    }
    let cycle = DAYS_PER_400_YEARS * MICROS_PER_DAY;
    let cycles =
        if micros < LOCAL_MIN { (LOCAL_MIN - micros) / cycle + 1 } else { -((micros - LOCAL_MAX) / cycle + 1) };
    (micros + cycles * cycle, cycles * cycle)
}

/// A wall clock reading inside the known years.
fn datetime(local: Micros) -> DateTime {
    let days = local.div_euclid(MICROS_PER_DAY);
    let micros = local.rem_euclid(MICROS_PER_DAY);
    let date = civil_from_days(days);
    let seconds = (micros / MICROS_PER_SECOND) as i32;
    let nanos = (micros % MICROS_PER_SECOND) as i32 * 1000;
    let time = Time::new((seconds / 3600) as i8, (seconds / 60 % 60) as i8, (seconds % 60) as i8, nanos);
    let date = Date::new(date.year as i16, date.month as i8, date.day as i8);
    // Both are in range by construction; midnight of the epoch keeps a mistake here from ending the process.
    DateTime::from_parts(date.unwrap_or_default(), time.unwrap_or_default())
}

const _: () = assert!(LOCAL_MAX - LOCAL_MIN > 2 * DAYS_PER_400_YEARS * MICROS_PER_DAY, "a cycle fits into the years");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_timestamp_ntz;

    fn at(text: &str) -> Micros {
        parse_timestamp_ntz(text.as_bytes(), false).unwrap()
    }

    #[test]
    fn names_are_those_of_java() {
        let cases = [
            ("Z", Some(0)),
            ("UTC", Some(0)),
            ("+2", Some(7200)),
            ("+02:30", Some(9000)),
            ("-0800", Some(-28800)),
            ("+2:30", Some(9000)),
            ("+02:3", Some(7380)),
            ("+18:00", Some(64800)),
            ("+18:01", None),
            ("+02:60", None),
            ("UTC+1", Some(3600)),
            ("GMT-01:30", Some(-5400)),
            ("EST", Some(-18000)),
            ("IST", Some(19800)),
            ("Asia/Tokyo", Some(32400)),
            ("asia/tokyo", None),
            ("utc", None),
            ("z", None),
            ("", None),
            ("Nowhere/Else", None),
            ("+", None),
            ("+1234567", None),
        ];
        for (name, offset) in cases {
            assert_eq!(find(name).map(|z| offset_at(0, &z)), offset, "{name:?}");
        }
    }

    #[test]
    fn every_short_id_names_a_zone() {
        assert!(SHORT_IDS.is_sorted());
        assert!(SHORT_IDS.iter().all(|(short, _)| find(short).is_some()));
    }

    #[test]
    fn gaps_shift_forward_and_folds_take_the_first() {
        let new_york = find("America/New_York").unwrap();
        let cases = [
            ("2025-03-09 02:30:00", "2025-03-09 07:30:00"),
            ("2025-03-09 01:59:59.999999", "2025-03-09 06:59:59.999999"),
            ("2025-11-02 01:30:00", "2025-11-02 05:30:00"),
            ("2025-07-01 12:00:00", "2025-07-01 16:00:00"),
        ];
        for (local, utc) in cases {
            assert_eq!(local_to_instant(at(local), &new_york), Some(at(utc)), "{local}");
        }
        assert_eq!(instant_to_local(at("2025-11-02 06:30:00"), &new_york), at("2025-11-02 01:30:00"));
    }

    #[test]
    fn years_beyond_the_zone_data_have_offsets() {
        let new_york = find("America/New_York").unwrap();
        for year in ["20000", "100000", "290000"] {
            let summer = at(&alloc::format!("{year}-07-01 12:00:00"));
            assert_eq!(local_to_instant(summer, &new_york), Some(summer + 4 * 3600 * MICROS_PER_SECOND), "{year}");
            assert_eq!(offset_at(summer, &new_york), -4 * 3600);
        }
        assert_eq!(local_to_instant(i64::MAX, &new_york), None);
        assert!(offset_at(i64::MIN, &new_york) < 0);
    }
}
