//! How much has been read, counted as it is read: for progress bars and rates.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::Part;

/// Counts what a query has read so far; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    rows: AtomicU64,
    bytes: AtomicU64,
    bytes_planned: AtomicU64,
}

impl Meter {
    /// Rows read.
    pub fn rows(&self) -> u64 {
        self.counts.rows.load(Ordering::Relaxed)
    }

    /// Bytes of files read.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of files that the query will read.
    pub fn bytes_planned(&self) -> u64 {
        self.counts.bytes_planned.load(Ordering::Relaxed)
    }

    /// Adds rows that were read.
    pub fn add_rows(&self, rows: u64) {
        self.counts.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Adds bytes of a file that were read.
    pub fn add_bytes(&self, bytes: u64) {
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds the bytes of files that will be read.
    pub fn plan(&self, parts: &[Part]) {
        let bytes = parts.iter().map(|part| if let Part::File { bytes, .. } = part { *bytes } else { 0 }).sum();
        self.counts.bytes_planned.fetch_add(bytes, Ordering::Relaxed);
    }
}
