//! Sleeping until another process changes a word of a mapping both have: shared futexes. Where there are none, short
//! naps; callers loop and re-check in any case, because a futex may wake for nothing.

use std::{sync::atomic::AtomicU32, time::Duration};

/// Sleeps while `word` is `expected`, until woken or for `limit` at most. May return early.
#[cfg(target_os = "linux")]
pub fn wait(word: &AtomicU32, expected: u32, limit: Duration) {
    use rustix::thread::futex::{Flags, Timespec, wait};

    let nanos = i64::from(limit.subsec_nanos());
    let limit = Timespec { tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: nanos };
    // Woken, timed out, interrupted or changed before it slept: all mean to look again.
    let _ = wait(word, Flags::empty(), expected, Some(&limit));
}

/// Wakes all who wait on `word`.
#[cfg(target_os = "linux")]
pub fn wake_all(word: &AtomicU32) {
    use rustix::thread::futex::{Flags, wake};

    // It fails only for an address that is not mapped, and then nobody can wait there.
    let _ = wake(word, Flags::empty(), i32::MAX as u32);
}

/// Naps while `word` is `expected`, for `limit` or a millisecond.
#[cfg(not(target_os = "linux"))]
pub fn wait(word: &AtomicU32, expected: u32, limit: Duration) {
    if word.load(std::sync::atomic::Ordering::Acquire) == expected {
        std::thread::sleep(limit.min(Duration::from_millis(1)));
    }
}

/// Nobody sleeps for long here.
#[cfg(not(target_os = "linux"))]
pub fn wake_all(_word: &AtomicU32) {}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::Ordering},
        time::Instant,
    };

    use super::*;

    #[test]
    fn who_sleeps_is_woken_and_who_came_late_does_not_sleep() {
        let word = Arc::new(AtomicU32::new(0));
        let sleeper = {
            let word = word.clone();
            std::thread::spawn(move || {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, Duration::from_secs(10));
                }
            })
        };
        std::thread::sleep(Duration::from_millis(5));
        let start = Instant::now();
        word.store(1, Ordering::Release);
        wake_all(&word);
        sleeper.join().unwrap();
        wait(&word, 0, Duration::from_secs(10));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_limit_ends_the_sleep() {
        wait(&AtomicU32::new(0), 0, Duration::from_millis(2));
    }
}
