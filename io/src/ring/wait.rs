//! Waiting in three steps: a moment on the core in case the other side is just about to, then giving the core away,
//! then asleep. The other side is on another core in the first case and may need this one in the others.

use std::{
    hint,
    sync::atomic::AtomicU32,
    thread,
    time::{Duration, Instant},
};

use crate::sys::futex;

/// Looks on the core before giving it away: some microseconds.
const SPINS: u32 = 200;

/// Times the core is given away before sleeping.
const YIELDS: u32 = 20;

/// Longest sleep. Wakers are other processes, which may die or be stopped before they wake us, so nobody trusts a
/// wake-up to come.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// One wait for something, step after step.
#[derive(Debug)]
pub struct Waiting {
    steps: u32,
    until: Option<Instant>,
}

impl Waiting {
    /// Waits up to `timeout`.
    pub fn up_to(timeout: Duration) -> Self {
        Self { steps: 0, until: Instant::now().checked_add(timeout) }
    }

    /// Whether the time is up.
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Spins or yields; false once it is time to sleep.
    pub fn pause(&mut self) -> bool {
        self.steps = self.steps.saturating_add(1);
        match self.steps {
            0..=SPINS => hint::spin_loop(),
            steps if steps <= SPINS + YIELDS => thread::yield_now(),
            _ => return false,
        }
        true
    }

    /// Sleeps on a word that was `seen`.
    pub fn sleep(&self, word: &AtomicU32, seen: u32) {
        futex::wait(word, seen, self.sleep_limit());
    }

    /// Sleeps without a word to sleep on.
    pub fn nap(&self) {
        thread::sleep(self.sleep_limit().min(Duration::from_millis(1)));
    }

    fn sleep_limit(&self) -> Duration {
        let left = self.until.map_or(SLEEP_MAX, |until| until.saturating_duration_since(Instant::now()));
        left.min(SLEEP_MAX)
    }
}
