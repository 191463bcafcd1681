//! When a stream looks for new rows, as Spark's triggers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When the next epoch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Trigger {
    /// As soon as there is something to read.
    #[default]
    AsFastAsPossible,
    /// At multiples of an interval on the wall clock; missed ones are not made up.
    ProcessingTime(Duration),
    /// Reads what is there now, in as many epochs as the rate limits want, then stops.
    AvailableNow,
}

impl Trigger {
    /// How long until the next epoch may start, after one that started at `started`.
    pub(super) fn delay(self, started: SystemTime, now: SystemTime) -> Duration {
        let Self::ProcessingTime(interval) = self else { return Duration::ZERO };
        let interval_us = interval.as_micros().max(1);
        let since_epoch = |t: SystemTime| t.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let next_us = since_epoch(started) / interval_us * interval_us + interval_us;
        let wait_us = next_us.saturating_sub(since_epoch(now));
        // A clock that was set back must not make the stream sleep longer than one interval.
        Duration::from_micros(wait_us.min(interval_us) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processing_time_is_aligned_to_the_clock() {
        let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
        let every = Trigger::ProcessingTime(Duration::from_secs(1));
        assert_eq!(every.delay(at(10_200), at(10_300)), Duration::from_millis(700));
        assert_eq!(every.delay(at(10_200), at(12_300)), Duration::ZERO, "an overrun runs at once");
        assert_eq!(every.delay(at(10_200), at(2_000)), Duration::from_secs(1), "the clock went back");
        assert_eq!(Trigger::AsFastAsPossible.delay(at(0), at(0)), Duration::ZERO);
    }
}
