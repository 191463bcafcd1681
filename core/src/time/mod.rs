//! Event time: microseconds since 1970-01-01 00:00 UTC in an `i64`, as Spark's TIMESTAMP. The core never reads a
//! clock; whoever drives it passes the time in.
//!
//! Rooms: `calendar` counts days (proleptic Gregorian, any year), `zone` knows zone names and offsets as Java spells
//! them, `clock` is a zone's clock that remembers its offset, `shift` moves times by spans, `text` has Spark's rules
//! for casting strings to and from dates and timestamps, `reader` reads many timestamps, `interval` has the rules for
//! intervals, `pattern` those of datetime patterns. Casts, functions and formats share them.

pub mod calendar;
mod clock;
pub mod interval;
pub mod pattern;
mod reader;
mod shift;
pub mod text;
pub mod zone;

pub use clock::Clock;
pub use jiff::tz::TimeZone;
pub use reader::TimestampReader;
pub use shift::{date_add_months, timestamp_add, timestamp_add_day_time};
pub use text::{Text, format_date, format_timestamp, parse_date, parse_timestamp, parse_timestamp_ntz};

/// Microseconds since the epoch, UTC.
pub type Micros = i64;

/// Microseconds in a millisecond.
pub const MICROS_PER_MILLI: i64 = 1_000;
/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Microseconds in an hour.
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
/// Microseconds in a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// A span of time as Spark's CALENDAR INTERVAL: months and days vary in length, so they are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Interval {
    /// Calendar months.
    pub months: i32,
    /// Calendar days.
    pub days: i32,
    /// The rest, exact.
    pub micros: i64,
}

impl Interval {
    /// An interval of so many microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self { months: 0, days: 0, micros }
    }

    /// The length if a day has 24 hours and a month `days_per_month` days (Spark's watermark delay counts 31);
    /// `None` if that does not fit.
    pub fn total_micros(&self, days_per_month: i64) -> Option<i64> {
        let days = i64::from(self.months).checked_mul(days_per_month)?.checked_add(i64::from(self.days))?;
        days.checked_mul(MICROS_PER_DAY)?.checked_add(self.micros)
    }
}
