//! Waiting in three steps: a moment on the core in case the other side is just about to, then giving the core away,
//! then asleep. The other side is on another core in the first case and may need this one in the others. Who would
//! rather spend a core, or never spend one, says so with a [`Wait`].

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

/// Looks on the core between two looks at the clock.
const SPINS_PER_CLOCK: u32 = 16;

/// Longest sleep. Wakers are other processes, which may die or be stopped before they wake us, so nobody trusts a
/// wake-up to come.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// How to wait for what others store: how soon it is to be seen, against what looking for it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wait {
    /// On the core all the time, without a call to the system: soonest, for a core.
    Spin,
    /// Some microseconds on the core, then giving it away, then asleep.
    #[default]
    Adaptive,
    /// Asleep at once: cheapest, for the time that it takes to wake up.
    Sleep,
}

/// One wait for something, step after step.
#[derive(Debug)]
pub struct Waiting {
    how: Wait,
    timeout: Duration,
    /// When the clock was first looked at: most waits are over before.
    since: Option<Instant>,
    steps: u32,
}

/// What a wait does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look again.
    Look,
    /// Sleep, then look again.
    Sleep,
    /// The time is up.
    Over,
}

impl Waiting {
    /// Waits up to `timeout`.
    pub fn up_to(timeout: Duration, how: Wait) -> Self {
        Self { how, timeout, since: None, steps: 0 }
    }

    /// Whether the time is up.
    pub fn is_over(&mut self) -> bool {
        self.timeout.is_zero() || self.elapsed() >= self.timeout
    }

    /// Spins or yields, unless it is time to sleep, or over.
    pub fn step(&mut self) -> Step {
        self.steps = self.steps.wrapping_add(1);
        let spins = match self.how {
            Wait::Spin => u32::MAX,
            Wait::Adaptive => SPINS,
            Wait::Sleep => 0,
        };
        if self.steps <= spins {
            hint::spin_loop();
            let is_over = self.steps.is_multiple_of(SPINS_PER_CLOCK) && self.is_over();
            return if is_over { Step::Over } else { Step::Look };
        }
        match self.is_over() {
            true => Step::Over,
            false if self.how == Wait::Adaptive && self.steps <= SPINS + YIELDS => {
                thread::yield_now();
                Step::Look
            }
            false => Step::Sleep,
        }
    }

    /// Sleeps on a word that was `seen`.
    pub fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        futex::wait(word, seen, self.sleep_limit());
    }

    /// Sleeps without a word to sleep on.
    pub fn nap(&mut self) {
        thread::sleep(self.sleep_limit().min(Duration::from_millis(1)));
    }

    fn sleep_limit(&mut self) -> Duration {
        self.timeout.saturating_sub(self.elapsed()).min(SLEEP_MAX)
    }

    fn elapsed(&mut self) -> Duration {
        self.since.get_or_insert_with(Instant::now).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(how: Wait, timeout: Duration) -> Vec<Step> {
        let mut waiting = Waiting::up_to(timeout, how);
        (0..SPINS + YIELDS + 1).map(|_| waiting.step()).collect()
    }

    #[test]
    fn each_way_of_waiting_takes_its_steps() {
        let hour = Duration::from_secs(3600);
        assert!(steps(Wait::Spin, hour).iter().all(|&step| step == Step::Look));
        assert!(steps(Wait::Sleep, hour).iter().all(|&step| step == Step::Sleep));
        let adaptive = steps(Wait::Adaptive, hour);
        let (looks, sleep) = adaptive.split_at((SPINS + YIELDS) as usize);
        assert!(looks.iter().all(|&step| step == Step::Look));
        assert_eq!(sleep, [Step::Sleep]);
    }

    #[test]
    fn every_wait_ends() {
        for how in [Wait::Spin, Wait::Adaptive, Wait::Sleep] {
            assert!(Waiting::up_to(Duration::ZERO, how).is_over());
            let mut waiting = Waiting::up_to(Duration::from_millis(2), how);
            let word = AtomicU32::new(0);
            loop {
                match waiting.step() {
                    Step::Look => {}
                    Step::Sleep => waiting.sleep(&word, 0),
                    Step::Over => break,
                }
            }
            assert!(waiting.is_over());
        }
    }
}
