//! Moving dates and timestamps by spans: months clamp to the end of the month, days are calendar days of a clock in
//! the session's zone, the rest is exact. `None` where the result does not fit.

use super::{
    Clock, Interval, MICROS_PER_DAY, Micros,
    calendar::{civil_from_days, days_from_civil, days_in_month},
};

/// A date (days since the epoch) moved by months: 31 January and one month is the last day of February.
pub fn date_add_months(days: i32, months: i32) -> Option<i32> {
    days_add_months(days.into(), months.into())?.try_into().ok()
}

/// A timestamp moved by months, days and the rest, in this order.
pub fn timestamp_add(instant: Micros, span: Interval, clock: &mut Clock<'_>) -> Option<Micros> {
    if span.months == 0 && span.days == 0 {
        return instant.checked_add(span.micros);
    }
    let local = clock.local(instant);
    let days = days_add_months(local.div_euclid(MICROS_PER_DAY), span.months.into())?;
    let moved = days.checked_add(span.days.into())?.checked_mul(MICROS_PER_DAY)?;
    let moved = moved.checked_add(local.rem_euclid(MICROS_PER_DAY))?;
    clock.instant_near(moved, instant)?.checked_add(span.micros)
}

/// A timestamp moved by a day-time interval: its whole days are calendar days, the rest is exact.
pub fn timestamp_add_day_time(instant: Micros, span: Micros, clock: &mut Clock<'_>) -> Option<Micros> {
    let days = i32::try_from(span / MICROS_PER_DAY).ok()?;
    timestamp_add(instant, Interval { months: 0, days, micros: span % MICROS_PER_DAY }, clock)
}

fn days_add_months(days: i64, months: i64) -> Option<i64> {
    if months == 0 {
        return Some(days);
    }
    let date = civil_from_days(days);
    let month = date.year * 12 + i64::from(date.month) - 1 + months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
    days_from_civil(year, month, date.day.min(days_in_month(year, month)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MICROS_PER_HOUR, zone};

    fn date(year: i64, month: u32, day: u32) -> i32 {
        days_from_civil(year, month, day).expect("a date") as i32
    }

    #[test]
    fn months_clamp_to_the_end() {
        let cases = [
            (date(2016, 8, 31), 1, date(2016, 9, 30)),
            (date(2016, 8, 31), -6, date(2016, 2, 29)),
            (date(2016, 2, 29), 12, date(2017, 2, 28)),
            (date(2016, 12, 15), 1, date(2017, 1, 15)),
            (date(1, 1, 1), -1, date(0, 12, 1)),
        ];
        for (from, months, to) in cases {
            assert_eq!(date_add_months(from, months), Some(to));
        }
        assert_eq!(date_add_months(i32::MAX, i32::MAX), None);
    }

    #[test]
    fn days_follow_the_clock_and_hours_do_not() {
        let zone = zone::find("America/New_York").expect("a known zone");
        let mut clock = Clock::new(&zone);
        // 2025-03-08 12:00 in New York; the next day has 23 hours.
        let noon = 1_741_453_200_000_000;
        let day = Interval { months: 0, days: 1, micros: 0 };
        assert_eq!(timestamp_add(noon, day, &mut clock), Some(noon + 23 * MICROS_PER_HOUR));
        assert_eq!(timestamp_add_day_time(noon, MICROS_PER_DAY, &mut clock), Some(noon + 23 * MICROS_PER_HOUR));
        assert_eq!(timestamp_add_day_time(noon, 23 * MICROS_PER_HOUR, &mut clock), Some(noon + 23 * MICROS_PER_HOUR));
        assert_eq!(timestamp_add(i64::MAX, day, &mut clock), None);
    }
}
