//! Latency of a whole query: from the moment a row was to be stored into a ring until a result that contains it can be
//! read from the sink's ring. Three queries, each with every way of waiting (`SET firesteel.wait`):
//!
//! * `pass`: a filter and a projection; each row comes out,
//! * `update`: tumbling windows in update mode; each row changes its window's row, which comes out,
//! * `append`: tumbling windows of a millisecond in append mode; the row that closes a window makes its row come out.
//!
//! The load is open: row n is due n microseconds after the start, whether or not anything was answered by then, and
//! latency counts from when the row was *due*. A stall is therefore charged to every row that it holds up, which is
//! what coordinated omission would hide.
//!
//! One thread stores rows and looks for results, on core 0; the query has core 1. So two cores suffice, and both ends
//! of a latency are read from one clock. Every result is checked: no row is missing, counted twice, or out of order.
//!
//! `cargo bench --bench latency [-- QUERY] [WAIT] [ROWS]` measures; `cargo test --benches` runs a few rows of each.
#![allow(clippy::unwrap_used, reason = "a bench whose query cannot run has failed")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use firesteel::{OutputMode, Session, StreamingQuery};
use firesteel_core::{block::BlockRef, schema::Schema};
use firesteel_io::{
    ring::{Producer, Reader, ReaderOptions, RingOptions, StreamFolder},
    sys,
};
use hdrhistogram::Histogram;

const COLUMNS: &str = "ts TIMESTAMP NOT NULL, id BIGINT NOT NULL, value DOUBLE NOT NULL";
/// Rows in a window of the query in append mode: a row a microsecond, a window a millisecond.
const WINDOW_ROWS: u64 = 1_000;
const ROWS_PER_SECOND: u64 = 1_000_000;
/// Rows under way, less than either ring holds: who waited for room in one would not empty the other. After a stall
/// rows are stored late, but count from when they were due.
const UNANSWERED_MAX: u64 = 16_384;
/// Results that do not come at all end the bench.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_full = arguments.iter().any(|a| a == "--bench");
    let number = |argument: &String| argument.parse::<u64>().ok();
    let names: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-') && number(a).is_none()).collect();
    let rows_full = if is_full { 5 * ROWS_PER_SECOND } else { 20_000 };
    let rows = arguments.iter().find_map(number).unwrap_or(rows_full);
    // Before what counts: pages are touched and caches filled.
    let warm_up = rows / 10;
    println!("latency at {ROWS_PER_SECOND} rows/s, open loop, {rows} rows; microseconds");
    println!(
        "{:8} {:9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "query", "wait", "p50", "p99", "p99.9", "max", "results", "stolen", "idle CPU"
    );
    for query in [Query::Pass, Query::Update, Query::Append] {
        for wait in ["spin", "adaptive", "sleep"] {
            let is_wanted = |name: &&String| name.as_str() == query.name() || name.as_str() == wait;
            if names.is_empty() || names.iter().all(is_wanted) {
                let outcome = measure(query, wait, warm_up, rows, is_full);
                println!("{:8} {wait:9} {outcome}", query.name());
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    Pass,
    Update,
    Append,
}

impl Query {
    fn name(self) -> &'static str {
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

    /// Which row made a result come out, given the newest row in it.
    fn cause(self, newest: u64) -> u64 {
        if self == Self::Append { newest + 1 } else { newest }
    }

    /// How many results there are once this many rows have been answered. In update mode any number.
    fn check(self, newest: u64, value: f64, count: u64) {
        let expected = match self {
            Self::Pass => (2.0, 1),
            Self::Update => ((newest % ROWS_PER_SECOND + 1) as f64, newest % ROWS_PER_SECOND + 1),
            Self::Append => (WINDOW_ROWS as f64, WINDOW_ROWS),
        };
        assert_eq!((value, count), expected, "{} rows up to row {newest}", self.name());
    }
}

/// What was measured of one query.
struct Outcome {
    nanos: Histogram<u64>,
    stolen: f64,
    idle_cpu: Option<f64>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        for quantile in [0.5, 0.99, 0.999] {
            write!(f, "{:9.2} ", micros(self.nanos.value_at_quantile(quantile)))?;
        }
        write!(f, "{:9.2} {:9} {:7.2}%", micros(self.nanos.max()), self.nanos.len(), self.stolen * 100.0)?;
        self.idle_cpu.map_or(Ok(()), |cpu| write!(f, " {:7.3}%", cpu * 100.0))
    }
}

fn measure(query: Query, wait: &str, warm_up: u64, rows: u64, is_full: bool) -> Outcome {
    let folder = Folder::new(query, wait);
    let mut rig = Rig::new(query, wait, &folder);
    // The first rows, for warmth, are not counted.
    rig.run(warm_up, None);
    let mut nanos = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let before = stolen_ticks();
    let clock = Instant::now();
    rig.run(rows, Some(&mut nanos));
    let ticks = clock.elapsed().as_secs_f64() * 100.0 * core_count();
    let stolen = (stolen_ticks() - before) as f64 / ticks;
    let idle_cpu = (is_full && wait != "spin").then(|| rig.idle_cpu());
    rig.query.stop().unwrap();
    Outcome { nanos, stolen, idle_cpu }
}

/// The query, and what is before and behind it.
struct Rig {
    what: Query,
    producer: Producer,
    results: Reader,
    query: StreamingQuery,
    /// Rows stored.
    stored: u64,
    /// Rows that results have answered.
    answered: u64,
}

impl Rig {
    fn new(what: Query, wait: &str, folder: &Folder) -> Self {
        let (readings, results) = (folder.0.join("readings"), folder.0.join("results"));
        let ring = |path: &PathBuf, columns: &str, capacity: &str| {
            let options = RingOptions::parse([("capacity", capacity)]).unwrap();
            StreamFolder::create(path, &Schema::parse_ddl(columns).unwrap(), &options).unwrap()
        };
        let producer = Producer::open_in(ring(&readings, COLUMNS, "1MB"), None).unwrap();
        let results_folder = ring(&results, "ts TIMESTAMP, value DOUBLE, n BIGINT", "1MB");
        let results = Reader::open_in(results_folder, ReaderOptions::default()).unwrap();
        let session = Session::builder().config("firesteel.wait", wait).build().unwrap();
        session
            .read_stream()
            .format("ring")
            .option("path", readings.display())
            .load()
            .unwrap()
            .create_or_replace_temp_view("readings")
            .unwrap();
        let path = folder.0.join("results");
        let writer = session.sql(what.sql()).unwrap().write_stream().output_mode(what.mode());
        let writer = writer.format("ring").option("path", path.display());
        // On a machine of one core the query is not pinned to that of the producer.
        let writer = if core_count() > 1.0 { writer.cores([1]) } else { writer };
        let query = writer.start().unwrap();
        sys::pin_to_core(0);
        Self { what, producer, results, query, stored: 0, answered: 0 }
    }

    /// Stores so many rows at the rate and waits for all their results.
    fn run(&mut self, rows: u64, mut nanos: Option<&mut Histogram<u64>>) {
        let (first, end) = (self.stored, self.stored + rows);
        let nanos_per_row = 1_000_000_000 / ROWS_PER_SECOND;
        let start = Instant::now();
        let mut asked = start;
        while self.stored < end || self.answered + self.unanswered() < end {
            let due = (start.elapsed().as_nanos() as u64 / nanos_per_row + 1).min(rows);
            while self.stored < first + due && self.stored - self.answered < UNANSWERED_MAX {
                // The row's number is its time: a row a microsecond.
                self.producer.push(&[(self.stored as i64).into(), 7_i64.into(), 1.0.into()]).unwrap();
                self.producer.publish();
                self.stored += 1;
            }
            let was_answered = self.answered;
            self.look(|row| {
                if let (Some(nanos), Some(number)) = (&mut nanos, row.checked_sub(first)) {
                    let latency = start.elapsed().as_nanos() as u64 - number * nanos_per_row;
                    nanos.record(latency.max(1)).unwrap();
                }
            });
            if self.answered != was_answered {
                asked = Instant::now();
            } else if self.stored == end {
                assert!(asked.elapsed() < PATIENCE, "row {} of {end} has no result", self.answered);
            }
        }
    }

    /// Rows that no result will tell of yet: their window is open.
    fn unanswered(&self) -> u64 {
        if self.what == Query::Append { (self.stored - 1) % WINDOW_ROWS + 1 } else { 0 }
    }

    /// Takes the results that are there; tells the rows that they answer, or that made them come.
    fn look(&mut self, mut tell: impl FnMut(u64)) {
        let Self { what, results, answered, .. } = self;
        let rows = results.poll(Duration::ZERO, |_, block: &BlockRef<'_>| {
            let (newest, value) = (block.column(0).as_slice::<i64>(), block.column(1).as_slice::<f64>());
            let counts = block.column(2).as_slice::<i64>();
            for i in 0..block.len() {
                let row = newest[i] as u64;
                assert!(row >= *answered, "row {row} was answered before, up to {answered}");
                what.check(row, value[i], counts[i] as u64);
                match what {
                    Query::Append => tell(what.cause(row)),
                    _ => (*answered..=row).for_each(&mut tell),
                }
                *answered = row + 1;
            }
            Ok(())
        });
        if rows.unwrap() > 0 {
            results.commit_read().unwrap();
        }
    }

    /// The share of a core that the process takes while no rows come.
    fn idle_cpu(&self) -> f64 {
        std::thread::sleep(Duration::from_millis(500));
        let (before, clock) = (cpu_nanos(), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        (cpu_nanos() - before) as f64 / clock.elapsed().as_nanos() as f64
    }
}

/// A folder in memory, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(query: Query, wait: &str) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = base.join(format!("firesteel-latency-{}-{}-{wait}", std::process::id(), query.name()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn core_count() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

/// Hundredths of a second that the hypervisor gave our cores to others.
fn stolen_ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines().next().and_then(|line| line.split_whitespace().nth(8)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Time on a core of all threads of this process.
fn cpu_nanos() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.sum()
}
