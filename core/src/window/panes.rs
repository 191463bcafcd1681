//! Panes of sliding and tumbling windows.

/// The grid of windows `[k * slide + start, k * slide + start + size)` and of the panes they are made of.
///
/// Arithmetic saturates at the ends of time (years ±292,277), where no real window lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panes {
    size_us: i64,
    slide_us: i64,
    start_us: i64,
    pane_us: i64,
}

impl Panes {
    /// The grid of `window(ts, size, slide, start)`: positive size, `0 < slide <= size`, `|start| < slide`.
    pub fn new(size_us: i64, slide_us: i64, start_us: i64) -> Self {
        assert!(size_us > 0 && slide_us > 0 && slide_us <= size_us, "window {size_us} by {slide_us}");
        assert!(start_us.unsigned_abs() < slide_us.unsigned_abs(), "start {start_us} of slide {slide_us}");
        Self { size_us, slide_us, start_us, pane_us: gcd(size_us, slide_us) }
    }

    /// Length of a window.
    pub fn size_us(&self) -> i64 {
        self.size_us
    }

    /// Length of a pane.
    pub fn pane_us(&self) -> i64 {
        self.pane_us
    }

    /// True if windows do not overlap: a pane is a window.
    pub fn is_tumbling(&self) -> bool {
        self.pane_us == self.size_us
    }

    /// Start of the pane that a timestamp falls into. Panes lie on the windows' grid.
    #[inline]
    pub fn pane_of(&self, ts: i64) -> i64 {
        floor_to(ts, self.start_us, self.pane_us)
    }

    /// Start of the last window that holds the pane; windows step back from it by the slide.
    #[inline]
    pub fn last_window(&self, pane: i64) -> i64 {
        if self.pane_us == self.slide_us {
            return pane;
        }
        floor_to(pane, self.start_us, self.slide_us)
    }

    /// Start of the first window that holds the pane.
    pub fn first_window(&self, pane: i64) -> i64 {
        let last = self.last_window(pane);
        let room = last.saturating_add(self.size_us - 1).saturating_sub(pane);
        last.saturating_sub(room / self.slide_us * self.slide_us)
    }

    /// End of the first window that holds the pane: until the watermark reaches it, nothing in the pane is late and
    /// nothing of it comes out.
    #[inline]
    pub fn first_end(&self, pane: i64) -> i64 {
        self.first_window(pane).saturating_add(self.size_us)
    }

    /// Start of the first window that starts after `ts`.
    pub fn first_window_after(&self, ts: i64) -> i64 {
        floor_to(ts, self.start_us, self.slide_us).saturating_add(self.slide_us)
    }

    /// By how much windows step.
    pub fn slide_us(&self) -> i64 {
        self.slide_us
    }

    /// Starts of the windows that hold the pane, latest first; never none.
    pub fn windows_of(&self, pane: i64) -> impl Iterator<Item = i64> + use<> {
        let (size, slide) = (self.size_us, self.slide_us);
        let last = self.last_window(pane);
        let starts = (0..).map_while(move |i: i64| last.checked_sub(slide.checked_mul(i)?));
        starts.take_while(move |&start| pane < start.saturating_add(size))
    }

    /// End of the last window that holds the pane: when the watermark reaches it, the pane is no longer needed.
    #[inline]
    pub fn pane_expiry(&self, pane: i64) -> i64 {
        self.last_window(pane).saturating_add(self.size_us)
    }
}

/// The largest `start + k * step` that is not after `ts`.
#[inline]
fn floor_to(ts: i64, start: i64, step: i64) -> i64 {
    let offset = ts.saturating_sub(start).rem_euclid(step);
    ts.saturating_sub(offset)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Spark's rule, word for word: `last = ts - (rem < 0 ? rem + slide : rem)`, windows `last - i * slide` for
    /// `i` in `0..ceil(size / slide)`, kept if they hold `ts`.
    fn spark(ts: i64, size: i64, slide: i64, start: i64) -> Vec<i64> {
        let rem = (ts - start) % slide;
        let last = ts - if rem < 0 { rem + slide } else { rem };
        let count = (size + slide - 1) / slide;
        (0..count).map(|i| last - i * slide).filter(|&w| w <= ts && ts < w + size).collect()
    }

    #[test]
    fn windows_of_a_pane_are_sparks_windows_of_its_rows() {
        for (size, slide, start) in [(10, 10, 0), (10, 4, 0), (10, 3, -2), (60, 15, 5), (7, 7, 3), (5, 2, 1), (9, 6, 0)]
        {
            let panes = Panes::new(size, slide, start);
            for ts in -100..100 {
                let ours: Vec<i64> = panes.windows_of(panes.pane_of(ts)).collect();
                assert_eq!(ours, spark(ts, size, slide, start), "{ts} in {size} by {slide} from {start}");
                assert_eq!(ours.last(), Some(&panes.first_window(panes.pane_of(ts))));
                let next = panes.first_window_after(ts);
                assert_eq!((next - ours[0], next > ts), (slide, true));
                for window in ours {
                    assert!((window..window + size).contains(&panes.pane_of(ts)));
                    assert!(window + size <= panes.pane_expiry(panes.pane_of(ts)));
                }
            }
        }
    }

    /// Panes are as long as they can be: what a row costs is the groups of its pane.
    #[test]
    fn a_grid_is_what_it_was_made_of() {
        for (size, slide, start, pane) in [(10, 10, 3, 10), (10, 4, 0, 2), (60, 15, 5, 15), (9, 6, -1, 3), (7, 2, 1, 1)]
        {
            let panes = Panes::new(size, slide, start);
            assert_eq!((panes.size_us(), panes.slide_us(), panes.pane_us()), (size, slide, pane));
            assert_eq!(panes.is_tumbling(), size == slide);
            for ts in -50..50 {
                let windows = spark(ts, size, slide, start);
                let (first, last) = (windows[windows.len() - 1], windows[0]);
                let of = panes.pane_of(ts);
                assert!(of <= ts && ts < of + pane, "{ts} is in its pane {of}");
                assert_eq!((panes.first_end(of), panes.pane_expiry(of)), (first + size, last + size));
                assert_eq!((size % pane, panes.pane_of(first)), (0, first), "panes make up windows");
            }
        }
    }

    #[test]
    fn grids_that_no_window_has_are_refused() {
        for (size, slide, start) in [(0, 1, 0), (-1, -1, 0), (10, 0, 0), (10, 11, 0), (10, 5, 5), (10, 5, -5)] {
            assert!(std::panic::catch_unwind(|| Panes::new(size, slide, start)).is_err(), "{size} {slide} {start}");
        }
        assert_eq!(Panes::new(10, 5, -4).pane_of(0), -4);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let panes = Panes::new(60, 1, 0);
        for ts in [i64::MIN, i64::MAX] {
            assert!(panes.windows_of(panes.pane_of(ts)).count() <= 61);
        }
    }
}
