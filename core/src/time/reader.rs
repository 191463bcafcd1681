//! Reading many timestamps, one after the other: what the last ones had in common is not worked out again.
//!
//! Invariant: the answers are those of [`parse_timestamp`], whatever came before.

use jiff::tz::TimeZone;

use super::{
    MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, Micros,
    text::{parse_timestamp, parse_usual_layout, parse_usual_tail},
    zone,
};
use crate::digits;

/// [`parse_timestamp`] for many texts: those of one day, which mostly come together, have their date read once,
/// those of one hour are placed in time once, and those of one minute are read from their seconds on.
#[derive(Clone, Debug)]
pub struct TimestampReader {
    zone: TimeZone,
    /// The last date, as the text had it, and the clock reading of its midnight.
    date: [u8; DATE],
    midnight: Micros,
    /// The last minute, as the text had it, its clock reading, and what lies between that and its instant.
    minute: [u8; MINUTE],
    minute_start: Micros,
    minute_shift: Micros,
    /// Clock readings from which the instants are all `shift` away.
    from: Micros,
    until: Micros,
    shift: Micros,
}

/// Bytes of `2025-01-01`.
const DATE: usize = 10;

/// Bytes of `2025-01-01 12:34:`.
const MINUTE: usize = 17;

/// Bytes of `2025-01-01 12:34:56`.
const SECOND: usize = 19;

impl TimestampReader {
    /// A reader of clock readings in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        let (from, until, shift) = match zone.to_fixed_offset() {
            Ok(offset) => (Micros::MIN, Micros::MAX, i64::from(-offset.seconds()) * MICROS_PER_SECOND),
            Err(_) => (0, 0, 0),
        };
        let (date, minute) = ([0; DATE], [0; MINUTE]);
        Self { zone, date, midnight: 0, minute, minute_start: 0, minute_shift: 0, from, until, shift }
    }

    /// The zone of readings that name none.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Text to TIMESTAMP; `None` if Spark's CAST rejects it.
    #[inline]
    pub fn parse(&mut self, text: &[u8]) -> Option<Micros> {
        if let Some((local, tail)) = self.seconds(text)
            && let Some((fraction, is_utc)) = parse_usual_tail(tail)
        {
            return self.instant(local + i64::from(fraction), is_utc);
        }
        self.parse_new_date(text)
    }

    /// The timestamp that `text` begins with, and its bytes, if it has the layout and the date of the last one.
    /// `None` says nothing about other texts.
    #[inline(always)]
    pub fn parse_prefix(&mut self, text: &[u8]) -> Option<(Micros, usize)> {
        let mut local = self.usual_seconds(text)?;
        let mut len = SECOND;
        if let [b'.', after @ ..] = &text[SECOND..] {
            let (fraction, count) = digits::leading(*after.first_chunk()?);
            local += fraction as i64 * FRACTION_UNITS.get(count)?;
            len += 1 + count;
        }
        if text.get(len) == Some(&b'Z') {
            return Some((local, len + 1));
        }
        Some((local + self.minute_shift, len))
    }

    /// The timestamp that the first `len` bytes of `text` are, on the same conditions; more bytes should follow.
    #[inline(always)]
    pub fn parse_front(&mut self, text: &[u8], len: usize) -> Option<Micros> {
        let local = self.usual_seconds(text)?;
        let is_utc = len > SECOND && text[len - 1] == b'Z';
        let start = if is_utc { local } else { local + self.minute_shift };
        match len - usize::from(is_utc) {
            SECOND => Some(start),
            len @ 21..=26 if text[SECOND] == b'.' => {
                let fraction = digits::number(*text.get(SECOND + 1..)?.first_chunk()?, len - SECOND - 1)?;
                Some(start + fraction as i64 * FRACTION_UNITS[len - SECOND - 1])
            }
            _ => None,
        }
    }

    /// The clock reading up to the seconds, as [`Self::seconds`] has it; then the minute is the last one.
    #[inline(always)]
    fn usual_seconds(&mut self, text: &[u8]) -> Option<Micros> {
        let text: &[u8; SECOND] = text.first_chunk()?;
        if text[..MINUTE] != self.minute {
            self.begin_minute(text)?;
        }
        let second = digits::two([text[MINUTE], text[MINUTE + 1]]).filter(|second| *second < 60)?;
        Some(self.minute_start + i64::from(second) * MICROS_PER_SECOND)
    }

    /// Remembers the minute that `text` begins with, if it has the date of the last one.
    #[inline(never)]
    fn begin_minute(&mut self, text: &[u8]) -> Option<()> {
        let (local, _) = self.seconds(text)?;
        let start = local - local.rem_euclid(MICROS_PER_MINUTE);
        let instant = self.instant(start, false)?;
        if !(self.from..self.until).contains(&start) {
            // The hour is not all of one offset: its readings are asked about one by one.
            return None;
        }
        self.minute = *text.first_chunk()?;
        (self.minute_start, self.minute_shift) = (start, instant - start);
        Some(())
    }

    /// The clock reading up to the seconds, if the date is the last one, and what follows.
    #[inline(always)]
    fn seconds<'t>(&self, text: &'t [u8]) -> Option<(Micros, &'t [u8])> {
        let (date, rest) = text.split_first_chunk::<DATE>()?;
        let (separator, rest) = rest.split_first()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        if *date != self.date || !matches!(separator, b' ' | b'T') {
            return None;
        }
        Some((self.midnight + i64::from(digits::second_of_day(*time)?) * MICROS_PER_SECOND, rest))
    }

    #[inline(always)]
    fn instant(&mut self, local: Micros, is_utc: bool) -> Option<Micros> {
        match is_utc {
            true => Some(local),
            false if self.from <= local && local < self.until => Some(local + self.shift),
            false => self.ask(local),
        }
    }

    /// Asks the zone, and whether its offset is the same throughout the hour.
    #[cold]
    fn ask(&mut self, local: Micros) -> Option<Micros> {
        let start = local - local.rem_euclid(MICROS_PER_HOUR);
        let first = zone::local_to_instant(start, &self.zone)?;
        let last = zone::local_to_instant(start + MICROS_PER_HOUR - 1, &self.zone)?;
        if last - first == MICROS_PER_HOUR - 1 {
            (self.from, self.until, self.shift) = (start, start + MICROS_PER_HOUR, first - start);
        }
        zone::local_to_instant(local, &self.zone)
    }

    fn parse_new_date(&mut self, text: &[u8]) -> Option<Micros> {
        if let (Some((local, _)), Some(date)) = (parse_usual_layout(text), text.first_chunk()) {
            (self.date, self.midnight) = (*date, local - local.rem_euclid(MICROS_PER_DAY));
        }
        parse_timestamp(text, &self.zone)
    }
}

/// Microseconds that the last digit of a fraction stands for, by the number of its digits.
const FRACTION_UNITS: [i64; 7] = [0, 100_000, 10_000, 1_000, 100, 10, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_reader_that_remembers_gives_the_same_answers() {
        let texts = [
            "2025-03-09 01:59:59.9",
            "2025-03-09 01:59:00",
            "2025-03-09 01:59:60",
            "2025-03-09 01:59:0x",
            "2025-03-09 01:59:30Z",
            "2025-03-09 01:59:30.25Z",
            "2025-03-09 01:59:30.123456789",
            "2025-03-09 01:59:30.",
            "2025-03-09 01:59:30+02:00",
            "2025-03-09 01:59:30 PST",
            "2025-03-09 01:59",
            "2025-03-09 02:00:00",
            "2025-03-09 02:30:00",
            "2025-03-09T02:30:00",
            "2025-03-09 03:00:00.000001",
            "2025-03-09 24:00:00",
            "1883-11-18 12:03:50",
            "1883-11-18 12:03:59",
            "bad",
            "2025-11-02 01:30:00",
            "2025-11-02 01:30:01.000001",
            "2025-11-02 00:30:01",
        ];
        for name in ["UTC", "America/New_York", "+05:30", "Australia/Lord_Howe"] {
            let zone = zone::find(name).unwrap();
            let mut reader = TimestampReader::new(zone.clone());
            for text in texts.iter().chain(texts.iter().rev()) {
                assert_eq!(reader.parse(text.as_bytes()), parse_timestamp(text.as_bytes(), &zone), "{text} in {name}");
                let longer = format!("{text},next value");
                if let Some((instant, len)) = reader.parse_prefix(longer.as_bytes()) {
                    assert_eq!(Some(instant), parse_timestamp(&longer.as_bytes()[..len], &zone), "{text} in {name}");
                }
                for len in 0..=longer.len() {
                    if let Some(instant) = reader.parse_front(longer.as_bytes(), len) {
                        assert_eq!(
                            Some(instant),
                            parse_timestamp(&longer.as_bytes()[..len], &zone),
                            "{text} in {name}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn timestamps_of_a_known_day_are_read_from_the_front_of_a_text() {
        let mut reader = TimestampReader::new(TimeZone::UTC);
        assert_eq!(reader.parse_prefix(b"2025-01-01 00:00:01.5,1,2.5\n"), None);
        let first = reader.parse(b"2025-01-01 00:00:00").unwrap();
        assert_eq!(reader.parse_prefix(b"2025-01-01 00:00:01.5,1,2.5\n"), Some((first + 1_500_000, 21)));
        assert_eq!(reader.parse_prefix(b"2025-01-01T00:00:01Z\"}\n"), Some((first + 1_000_000, 20)));
        assert_eq!(reader.parse_prefix(b"2025-01-02 00:00:01,1,2.5\n"), None);
    }
}
