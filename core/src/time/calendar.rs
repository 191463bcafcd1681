//! Days and civil dates in the proleptic Gregorian calendar: pure arithmetic, exact for every year Spark can hold.
//!
//! Years begin in March here, so that the leap day is the last day of the year and months have a closed form.

/// Days in a cycle of 400 years; weekdays repeat with it.
pub const DAYS_PER_400_YEARS: i64 = 146_097;

/// Days from 1970-01-01 back to 0000-03-01, where the arithmetic has its origin.
const EPOCH_SHIFT: i64 = 719_468;

/// Year, month 1-12 and day 1-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilDate {
    /// Proleptic year; 0 is 1 BC.
    pub year: i64,
    /// Month, 1-12.
    pub month: u32,
    /// Day of the month, 1-31.
    pub day: u32,
}

/// Days since the epoch of a civil date; `None` if there is no such day.
#[inline]
pub fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * DAYS_PER_400_YEARS + day_of_era - EPOCH_SHIFT)
}

/// The civil date of a day since the epoch.
#[inline]
pub fn civil_from_days(days: i64) -> CivilDate {
    let shifted = days + EPOCH_SHIFT;
    let era = shifted.div_euclid(DAYS_PER_400_YEARS);
    let day_of_era = shifted.rem_euclid(DAYS_PER_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    CivilDate { year: era * 400 + year_of_era + i64::from(month <= 2), month, day }
}

/// Days in a month of a year.
#[inline]
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap_year(year)),
        _ => 31,
    }
}

/// Whether February has 29 days.
#[inline]
pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Day of the week, Monday = 1 to Sunday = 7.
pub fn iso_weekday(days: i64) -> u32 {
    (days + 3).rem_euclid(7) as u32 + 1
}

/// Day of the year, from 1.
pub fn day_of_year(date: CivilDate) -> u32 {
    (1..date.month).map(|m| days_in_month(date.year, m)).sum::<u32>() + date.day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000_000..800_000_000).step_by(99_991).chain(-1000..1000) {
            let date = civil_from_days(days);
            assert_eq!(days_from_civil(date.year, date.month, date.day), Some(days), "{date:?}");
        }
    }

    #[test]
    fn known_days() {
        assert_eq!(days_from_civil(1970, 1, 1), Some(0));
        assert_eq!(days_from_civil(2025, 1, 1), Some(20_089));
        assert_eq!(days_from_civil(2024, 2, 29), Some(19_782));
        assert_eq!(days_from_civil(2025, 2, 29), None);
        assert_eq!(days_from_civil(2025, 13, 1), None);
        assert_eq!(days_from_civil(1, 1, 1), Some(-719_162));
        assert_eq!((iso_weekday(0), iso_weekday(-4), iso_weekday(20_089)), (4, 7, 3));
        assert_eq!(day_of_year(CivilDate { year: 2024, month: 12, day: 31 }), 366);
    }
}
