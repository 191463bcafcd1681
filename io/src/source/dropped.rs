//! Rows that could not be read, counted across all readers of a table.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use crate::format::{Malformed, Reason};

/// The reasons, and the names under which progress reports show them.
const REASONS: [(Reason, &str); 4] = [
    (Reason::Syntax, "malformedSyntax"),
    (Reason::Type, "malformedType"),
    (Reason::Width, "malformedWidth"),
    (Reason::Length, "malformedLength"),
];

/// Counts of malformed records; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    counts: Arc<[AtomicU64; REASONS.len()]>,
    first: Arc<OnceLock<String>>,
}

impl Dropped {
    /// Adds what a decoder has counted beyond `before`.
    pub fn add(&self, before: &Malformed, after: &Malformed) {
        if before.total() == after.total() {
            return;
        }
        for ((reason, _), count) in REASONS.iter().zip(&*self.counts) {
            // Statistics: no order with anything.
            count.fetch_add(after.count(*reason) - before.count(*reason), Ordering::Relaxed);
        }
        if let Some(first) = after.first() {
            self.first.get_or_init(|| first.into());
        }
    }

    /// Counts that are not zero.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let counts = REASONS.iter().zip(&*self.counts).map(|((_, name), n)| (*name, n.load(Ordering::Relaxed)));
        counts.filter(|(_, n)| *n > 0).map(|(name, n)| (name.into(), n)).collect()
    }

    /// Where the first one was, and what was wrong with it.
    pub fn first(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }
}
