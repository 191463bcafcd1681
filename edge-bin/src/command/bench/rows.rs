//! Rows for the workloads: the same on every machine, in a ring of their own that is removed afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
};

use firesteel_core::{Error, Result, block::Block, limits::BLOCK_ROWS, schema::Schema, time::MICROS_PER_SECOND};
use firesteel_io::ring::{Producer, Reader, ReaderOptions, RingOptions, StreamFolder};

use super::workload::{Data, Keys};

/// Rows a second of event time.
const ROWS_PER_SECOND: i64 = 1_000_000;
/// The first event time: 2025-01-01.
const START_US: i64 = 1_735_689_600 * MICROS_PER_SECOND;

/// A ring full of rows.
#[derive(Debug)]
pub struct Rows {
    pub path: PathBuf,
    pub count: u64,
    /// Sum of the values.
    pub total: f64,
    /// Keeps the lane mapped between two queries, as it would be while a stream runs.
    open: Option<Reader>,
}

impl Rows {
    /// Writes `count` rows, whole blocks of them.
    pub fn write(folder: &Path, data: Data, count: u64) -> Result<Self> {
        let path = folder.join(format!("firesteel-bench-{}", std::process::id()));
        let schema = schema(data);
        // A lane sets more aside for strings than these need.
        let bytes_per_row = if data.has_hosts { 80 } else { 28 };
        let capacity = (count * bytes_per_row).max(1 << 20).to_string();
        StreamFolder::create(&path, &schema, &RingOptions::parse([("capacity", capacity.as_str())])?)?;
        let mut rows = Self { path, count: 0, total: 0.0, open: None };
        let mut producer = Producer::open(&rows.path, None)?;
        let (mut block, mut source) = (Block::new(&schema), Source::new(data));
        while rows.count < count {
            block.clear();
            (0..BLOCK_ROWS as u64).for_each(|row| rows.total += source.push(&mut block, rows.count + row, data));
            block.set_len(BLOCK_ROWS);
            if producer.append(&block.view())? != BLOCK_ROWS as u64 {
                return Err(Error::internal("the ring of a benchmark is too small"));
            }
            rows.count += BLOCK_ROWS as u64;
        }
        producer.finish();
        rows.open = Some(Reader::open(&rows.path, ReaderOptions { observe: true, ..ReaderOptions::default() })?);
        Ok(rows)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.open = None;
        // A ring that cannot be removed is no reason to lose the figures.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn schema(data: Data) -> Schema {
    let host = if data.has_hosts { "host STRING, " } else { "" };
    let ddl = format!("ts TIMESTAMP, id INT, {host}value DOUBLE");
    Schema::parse_ddl(&ddl).unwrap_or_else(|e| panic!("{ddl}: {e}"))
}

/// A generator of rows.
struct Source {
    seed: u64,
    /// Running sum of 1/k.
    harmonic: Vec<f64>,
}

impl Source {
    fn new(data: Data) -> Self {
        let mut sum = 0.0;
        let harmonic = (1..=data.count).map(|k| {
            sum += 1.0 / f64::from(k);
            sum
        });
        Self { seed: 1, harmonic: harmonic.collect() }
    }

    /// Appends one row; gives its value.
    fn push(&mut self, block: &mut Block, row: u64, data: Data) -> f64 {
        let late = if data.is_late && self.next().is_multiple_of(10) {
            self.next() % (5 * MICROS_PER_SECOND as u64)
        } else {
            0
        };
        let ts = START_US + row as i64 * MICROS_PER_SECOND / ROWS_PER_SECOND - late as i64;
        let id = self.key(row, data);
        let value = (self.next() % 1_000) as f64;
        let mut columns = block.columns_mut().iter_mut();
        let mut column = || columns.next().unwrap_or_else(|| panic!("a block has its columns"));
        column().push(ts);
        column().push(id as i32);
        if data.has_hosts {
            column().push_str(&format!("host-{id:04}"));
        }
        column().push(value);
        value
    }

    fn key(&mut self, row: u64, data: Data) -> u64 {
        match data.keys {
            Keys::Uniform => self.next() % u64::from(data.count),
            Keys::Runs => row / 64 % u64::from(data.count),
            Keys::Same => 7,
            Keys::Zipf => {
                let all = self.harmonic.last().copied().unwrap_or_default();
                let point = (self.next() % 1_000_000) as f64 / 1e6 * all;
                self.harmonic.partition_point(|&sum| sum < point) as u64
            }
        }
    }

    /// Knuth's linear congruence, without its lowest bits.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }
}
