//! Latency of a whole query: from the moment a row was to be stored into a ring until a result that contains it can be
//! read from the sink's ring.
//!
//! The load is open: row n is due n microseconds after the start, whether or not anything was answered by then, and
//! latency counts from when the row was *due*. A stall is therefore charged to every row that it holds up, which is
//! what coordinated omission would hide.
//!
//! One thread stores rows and looks for results, on the first core; the query has the second. So two cores suffice, and
//! both ends of a latency are read from one clock. Every result is checked: no row is missing, counted twice, or out of
//! order. `firesteel bench` and the bench of the same name are two faces of this file.

mod histogram;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use firesteel_core::{Error, Result, block::BlockRef, plan::OutputMode, schema::Schema};
use firesteel_io::{
    engine::StreamingQuery,
    ring::{Producer, Reader, ReaderOptions, RingOptions, StreamFolder},
    session::Session,
    sys,
};

pub use histogram::Histogram;

pub const ROWS_PER_SECOND: u64 = 1_000_000;
const NANOS_PER_ROW: u64 = 1_000_000_000 / ROWS_PER_SECOND;
const COLUMNS: &str = "ts TIMESTAMP NOT NULL, id BIGINT NOT NULL, value DOUBLE NOT NULL";
/// Rows in a window of the query in append mode: a row a microsecond, a window a millisecond.
const WINDOW_ROWS: u64 = 1_000;
/// Rows under way, less than either ring holds: who waited for room in one would not empty the other. After a stall
/// rows are stored late, but count from when they were due.
const UNANSWERED_MAX: u64 = 16_384;
/// Of a ring in the second-level cache, and of one that holds the rows of two checkpoints without being a quarter full.
const CAPACITY: &str = "1MB";
const CAPACITY_HELD: &str = "256MB";
/// Results that do not come at all end the measurement.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the query does with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// A filter and a projection; each row comes out.
    Pass,
    /// Tumbling windows in update mode: each row changes its window's row, which comes out.
    Update,
    /// Tumbling windows of a millisecond in append mode: the row that closes a window makes its row come out.
    Append,
}

impl Query {
    pub const ALL: [Self; 3] = [Self::Pass, Self::Update, Self::Append];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Update => "update",
            Self::Append => "append",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Pass => "SELECT ts, value * 2 AS value, 1L AS n FROM readings WHERE id >= 0",
            Self::Update => {
                "SELECT max(ts) AS ts, sum(value) AS value, count(*) AS n
                 FROM readings WATERMARK ts DELAY OF INTERVAL 0 SECONDS GROUP BY window(ts, '1 second'), id"
            }
            Self::Append => {
                "SELECT max(ts) AS ts, sum(value) AS value, count(*) AS n
                 FROM readings WATERMARK ts DELAY OF INTERVAL 0 SECONDS GROUP BY window(ts, '1 millisecond'), id"
            }
        }
    }

    fn mode(self) -> OutputMode {
        if self == Self::Update { OutputMode::Update } else { OutputMode::Append }
    }

    /// The rows that a result tells of first, or the one that made it come out, given the newest row in it.
    fn answered(self, before: u64, newest: u64) -> std::ops::RangeInclusive<u64> {
        if self == Self::Append { newest + 1..=newest + 1 } else { before..=newest }
    }

    /// Whether a result whose newest row is this one has the value and the count that it must have.
    fn check(self, before: u64, newest: u64, value: f64, count: u64) -> Result<()> {
        let expected = match self {
            Self::Pass => (2.0, 1),
            Self::Update => ((newest % ROWS_PER_SECOND + 1) as f64, newest % ROWS_PER_SECOND + 1),
            Self::Append => (WINDOW_ROWS as f64, WINDOW_ROWS),
        };
        match newest >= before && (value, count) == expected {
            true => Ok(()),
            false => Err(Error::internal(format!(
                "{} has {count} rows of sum {value} up to row {newest}, after row {before}",
                self.name()
            ))),
        }
    }
}

/// The query, and what is before and behind it.
pub struct Rig {
    what: Query,
    producer: Producer,
    results: Reader,
    query: StreamingQuery,
    /// Rows stored.
    stored: u64,
    /// Rows that results have answered.
    answered: u64,
    /// Last, so that they go last.
    _folder: Folder,
    _checkpoints: Option<Folder>,
}

impl Rig {
    /// Starts the query, waiting as `firesteel.wait` says, over rings in a folder of their own below `base`, and with
    /// checkpoints if there is a folder for them. The calling thread is pinned to the first core.
    pub fn start(what: Query, wait: &str, base: &Path, checkpoints: Option<&Path>) -> Result<Self> {
        let folder = Folder::create(base, what, wait)?;
        let (readings, results) = (folder.0.join("readings"), folder.0.join("results"));
        let capacity = if checkpoints.is_some() { CAPACITY_HELD } else { CAPACITY };
        let producer = Producer::open_in(ring(&readings, COLUMNS, capacity)?, None)?;
        let results_ring = ring(&results, "ts TIMESTAMP, value DOUBLE, n BIGINT", CAPACITY)?;
        let reader = Reader::open_in(results_ring, ReaderOptions::default())?;
        let session = Session::builder().config("firesteel.wait", wait).build()?;
        let table = session.read_stream().format("ring").option("path", readings.display()).load()?;
        table.create_or_replace_temp_view("readings")?;
        let writer = session.sql(what.sql())?.write_stream().output_mode(what.mode());
        let mut writer = writer.format("ring").option("path", results.display());
        let checkpoints = checkpoints.map(|base| Folder::create(base, what, wait)).transpose()?;
        if let Some(folder) = &checkpoints {
            writer = writer.option("checkpointLocation", folder.0.display());
        }
        // On a machine of one core the query is not pinned to that of the producer.
        let cores = sys::cores();
        let query = if let [_, second, ..] = cores[..] { writer.cores([second]).start() } else { writer.start() }?;
        if let Some(&first) = cores.first() {
            sys::pin_to_core(first);
        }
        let (stored, answered) = (0, 0);
        Ok(Self {
            what,
            producer,
            results: reader,
            query,
            stored,
            answered,
            _folder: folder,
            _checkpoints: checkpoints,
        })
    }

    /// Stores so many rows at the rate and waits for all their results; latencies go into `nanos`, if that is wanted.
    pub fn run(&mut self, rows: u64, mut nanos: Option<&mut Histogram>) -> Result<()> {
        let (first, end) = (self.stored, self.stored + rows);
        let start = Instant::now();
        let mut asked = start;
        while self.stored < end || self.answered + self.unanswered() < end {
            let due = (start.elapsed().as_nanos() as u64 / NANOS_PER_ROW + 1).min(rows);
            while self.stored < first + due && self.stored - self.answered < UNANSWERED_MAX {
                // The row's number is its time: a row a microsecond.
                self.producer.push(&[(self.stored as i64).into(), 7_i64.into(), 1.0.into()])?;
                self.producer.publish();
                self.stored += 1;
            }
            let was_answered = self.answered;
            self.look(|row| {
                if let (Some(nanos), Some(number)) = (&mut nanos, row.checked_sub(first)) {
                    nanos.record((start.elapsed().as_nanos() as u64).saturating_sub(number * NANOS_PER_ROW));
                }
            })?;
            if self.answered != was_answered {
                asked = Instant::now();
            } else if self.stored == end && asked.elapsed() > PATIENCE {
                let row = self.answered;
                return Err(Error::internal(format!("row {row} of {end} has no result ({})", self.what.name())));
            }
        }
        Ok(())
    }

    /// Ends the query.
    pub fn stop(self) -> Result<()> {
        self.query.stop()
    }

    /// Rows that no result will tell of yet: their window is open.
    fn unanswered(&self) -> u64 {
        if self.what == Query::Append { (self.stored - 1) % WINDOW_ROWS + 1 } else { 0 }
    }

    /// Takes the results that are there; tells the rows that they answer, or that made them come.
    fn look(&mut self, mut tell: impl FnMut(u64)) -> Result<()> {
        let Self { what, results, answered, .. } = self;
        let rows = results.poll(Duration::ZERO, |_, block: &BlockRef<'_>| {
            let (newest, value) = (block.column(0).as_slice::<i64>(), block.column(1).as_slice::<f64>());
            let counts = block.column(2).as_slice::<i64>();
            for i in 0..block.len() {
                let row = newest[i] as u64;
                what.check(*answered, row, value[i], counts[i] as u64)?;
                what.answered(*answered, row).for_each(&mut tell);
                *answered = row + 1;
            }
            Ok(())
        })?;
        if rows > 0 {
            results.commit_read()?;
        }
        Ok(())
    }
}

fn ring(path: &Path, columns: &str, capacity: &str) -> Result<StreamFolder> {
    StreamFolder::create(path, &Schema::parse_ddl(columns)?, &RingOptions::parse([("capacity", capacity)])?)
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn create(base: &Path, query: Query, wait: &str) -> Result<Self> {
        let path = base.join(format!("firesteel-latency-{}-{}-{wait}", std::process::id(), query.name()));
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(Error::io(format!("cannot make the folder {}: {error}", path.display()))),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that cannot be removed is no reason to lose the figures.
        let _ = fs::remove_dir_all(&self.0);
    }
}
