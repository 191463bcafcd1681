//! A zone's clock that remembers: times of one block mostly lie between the same two changes of the offset, so the
//! zone data is asked once, not once a row.
//!
//! Invariant: every instant in `from..until` has the offset `offset`.

use jiff::{Timestamp, tz::TimeZone};

use super::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Micros,
    zone::{local_to_instant, offset_at},
};

/// Instants between which the zone data is exact: years 1 to 9998. Beyond, every time is asked on its own.
const KNOWN: core::ops::Range<Micros> = -62_135_596_800_000_000..253_370_764_800_000_000;

/// A clock in a zone. Cheap to make, one a block.
#[derive(Clone, Debug)]
pub struct Clock<'z> {
    zone: &'z TimeZone,
    from: Micros,
    until: Micros,
    offset: Micros,
}

impl<'z> Clock<'z> {
    /// A clock that has not been asked yet; one of a fixed offset never needs to be.
    pub fn new(zone: &'z TimeZone) -> Self {
        match zone.to_fixed_offset() {
            Ok(offset) => {
                let offset = i64::from(offset.seconds()) * MICROS_PER_SECOND;
                Self { zone, from: Micros::MIN, until: Micros::MAX, offset }
            }
            Err(_) => Self { zone, from: 0, until: 0, offset: 0 },
        }
    }

    /// What the clock shows at an instant, in microseconds as if it were a clock in UTC. Saturates at the ends.
    #[inline]
    pub fn local(&mut self, instant: Micros) -> Micros {
        if !(self.from..self.until).contains(&instant) {
            self.ask(instant);
        }
        instant.saturating_add(self.offset)
    }

    /// The instant at which the clock shows `local`; see [`local_to_instant`]. `None` if it does not fit.
    #[inline]
    pub fn instant(&self, local: Micros) -> Option<Micros> {
        // More than a day away from both changes no reading is skipped or comes twice.
        let guess = local.checked_sub(self.offset)?;
        let far =
            guess >= self.from.saturating_add(MICROS_PER_DAY) && guess < self.until.saturating_sub(MICROS_PER_DAY);
        let fixed = self.from == Micros::MIN && self.until == Micros::MAX;
        if far || fixed { Some(guess) } else { local_to_instant(local, self.zone) }
    }

    /// The instant at which the clock shows `local`, the one with the offset of `near` if it comes twice.
    pub fn instant_near(&mut self, local: Micros, near: Micros) -> Option<Micros> {
        self.local(near);
        let same_offset = local.checked_sub(self.offset)?;
        if (self.from..self.until).contains(&same_offset) { Some(same_offset) } else { self.instant(local) }
    }

    /// Learns between which changes `instant` lies.
    #[cold]
    fn ask(&mut self, instant: Micros) {
        self.offset = i64::from(offset_at(instant, self.zone)) * MICROS_PER_SECOND;
        (self.from, self.until) = (instant, instant.saturating_add(1));
        if !KNOWN.contains(&instant) {
            return;
        }
        let (Ok(at), Ok(after)) = (Timestamp::from_microsecond(instant), Timestamp::from_microsecond(instant + 1))
        else {
            return;
        };
        // A change takes effect at its own instant, hence the microsecond after.
        self.from = self.zone.preceding(after).next().map_or(KNOWN.start, |t| t.timestamp().as_microsecond());
        self.until = self.zone.following(at).next().map_or(KNOWN.end, |t| t.timestamp().as_microsecond());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MICROS_PER_MINUTE, zone};

    #[test]
    fn remembering_gives_what_asking_gives() {
        for name in ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC", "+03:00"] {
            let zone = zone::find(name).expect("a known zone");
            let mut clock = Clock::new(&zone);
            // A stride that meets changes from both sides, forwards and back.
            let times = (-4000_i64..6000).map(|i| i * 3 * MICROS_PER_DAY + i % 48 * 30 * MICROS_PER_MINUTE);
            for instant in times.clone().chain(times.rev()) {
                let local = clock.local(instant);
                assert_eq!(local, zone::instant_to_local(instant, &zone), "{name} {instant}");
                assert_eq!(clock.instant(local), local_to_instant(local, &zone), "{name} {local}");
                assert_eq!(clock.instant_near(local, instant), Some(instant), "{name} {instant}");
            }
        }
    }

    #[test]
    fn changes_take_effect_at_their_instant() {
        let zone = zone::find("America/New_York").expect("a known zone");
        // 2025-03-09 07:00 UTC, 2025-11-02 06:00 UTC, and far past and future.
        for change in [1_741_503_600_000_000, 1_762_063_200_000_000, i64::MIN / 2, i64::MAX / 2] {
            for order in [[-1, 0, 1], [1, 0, -1], [0, -1, 0]] {
                let mut clock = Clock::new(&zone);
                for step in order {
                    let instant = change + step;
                    assert_eq!(clock.local(instant), zone::instant_to_local(instant, &zone), "{instant}");
                }
            }
        }
    }
}
