//! Dates, timestamps and intervals, one file a topic: `field` takes times apart, `trunc` rounds them down, `shift`
//! moves and compares them, `make` builds them, `text` reads and writes them through patterns, `epoch` counts them,
//! `zoned` changes their zone and tells the present.
//!
//! A TIMESTAMP is an instant; what its clock shows depends on the session's zone, which a function captures when it
//! is bound. A TIMESTAMP_NTZ is the reading itself.

pub(super) mod epoch;
pub(super) mod field;
pub(super) mod make;
pub(super) mod shift;
pub(super) mod text;
pub(super) mod trunc;
pub(super) mod zoned;

use jiff::tz::TimeZone;

use crate::{
    error::{Error, Result},
    schema::DataType,
    time::{Clock, Micros},
};

/// The zone whose clock tells what a value of this type shows: the session's for instants, UTC for readings.
pub(super) fn zone_of(data_type: &DataType, session: &TimeZone) -> TimeZone {
    if *data_type == DataType::TimestampNtz { TimeZone::UTC } else { session.clone() }
}

/// The instant at which the clock shows midnight of a day.
fn midnight(days: i64, clock: &Clock<'_>) -> Option<Micros> {
    clock.instant(days.checked_mul(crate::time::MICROS_PER_DAY)?)
}

/// Spark's error for a time outside the range of its type.
fn datetime_overflow(doing: &str) -> Error {
    Error::data("DATETIME_OVERFLOW", alloc::format!("datetime operation overflow: {doing}"))
}

/// A result that must fit.
fn fits<T>(result: Option<T>, doing: &str) -> Result<T> {
    result.ok_or_else(|| datetime_overflow(doing))
}
