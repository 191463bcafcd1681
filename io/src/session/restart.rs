//! When a stream that has failed is started again: after a pause that doubles with each failure in a row.

use std::time::{Duration, Instant};

use firesteel_core::Error;

/// What the settings `firesteel.restart...` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RestartPolicy {
    pub(crate) on_failure: bool,
    /// The first pause.
    pub(crate) delay: Duration,
    /// The longest pause. A stream that has run for so long has recovered: the next pause is the first.
    pub(crate) delay_max: Duration,
    /// Failures in a row that are answered with a start.
    pub(crate) most: Option<u32>,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { on_failure: false, delay: Duration::from_secs(1), delay_max: Duration::from_secs(60), most: None }
    }
}

/// Failures of one stream.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    policy: RestartPolicy,
    /// All of them.
    pub(super) count: u64,
    pub(super) last: Option<Error>,
    in_a_row: u32,
    started_at: Instant,
    /// When it starts again.
    pub(super) due: Option<Instant>,
}

impl Failures {
    pub(super) fn new(policy: RestartPolicy) -> Self {
        Self { policy, count: 0, last: None, in_a_row: 0, started_at: Instant::now(), due: None }
    }

    /// The stream has failed: how long until it starts again, if it does. A job text that is wrong stays wrong.
    pub(super) fn note(&mut self, error: &Error) -> Option<Duration> {
        if self.started_at.elapsed() >= self.policy.delay_max {
            self.in_a_row = 0;
        }
        let may =
            self.policy.on_failure && !error.is_invalid_job() && self.policy.most.is_none_or(|n| self.in_a_row < n);
        self.last = Some(error.clone());
        if !may {
            return None;
        }
        let pause = self.policy.delay.saturating_mul(1 << self.in_a_row.min(20)).min(self.policy.delay_max);
        self.in_a_row += 1;
        self.count += 1;
        self.due = Some(Instant::now() + pause);
        Some(pause)
    }

    /// It is started again, now.
    pub(super) fn note_start(&mut self) {
        self.due = None;
        self.started_at = Instant::now();
    }

    /// Whether it is time to start it again.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| Instant::now() >= due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_failures_in_a_row_are_counted() {
        let (delay, delay_max) = (Duration::from_secs(1), Duration::from_secs(5));
        let mut failures = Failures::new(RestartPolicy { on_failure: true, delay, delay_max, most: Some(4) });
        let pauses: Vec<_> = (0..6).map(|_| failures.note(&Error::io("away")).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(5), None, None]);
        assert_eq!(failures.count, 4);
        assert!(!failures.is_due());
    }

    #[test]
    fn nothing_is_started_again_unasked_or_with_a_wrong_text() {
        assert_eq!(Failures::new(RestartPolicy::default()).note(&Error::io("away")), None);
        let policy = RestartPolicy { on_failure: true, ..RestartPolicy::default() };
        assert_eq!(Failures::new(policy).note(&Error::invalid("wrong")), None);
    }
}
