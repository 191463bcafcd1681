//! When to try a short cut again that did not lead on: the more often in a row it failed, the later.

/// Most lines that are left alone before the next try.
const PAUSE_MAX: u32 = 1024;

/// How a short cut has been doing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Times in a row that not one row came through.
    misses: u32,
    /// Lines to leave alone until the next try.
    pause: u32,
}

impl Pace {
    /// Asked once a line: whether to try.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        is_due
    }

    /// It was tried, and some row came through or none.
    pub(super) fn went(&mut self, well: bool) {
        self.misses = if well { 0 } else { self.misses + 1 };
        self.pause = ((1 << self.misses.min(PAUSE_MAX.ilog2())) - 1) / 2 * 2;
    }

    /// Whether it has failed more than once.
    pub(super) fn is_lost(&self) -> bool {
        self.misses > 1
    }
}
