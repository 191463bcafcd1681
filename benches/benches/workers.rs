//! What a second worker brings: one-second windows of rows `{ts, id, host, value}` that two lanes in shared memory hold
//! and that are read over and over, event time moving on from pass to pass; every pass is an epoch. Beside it what the
//! machine has to give: two queries that know nothing of each other, one a core, each over a lane of its own.
//!
//! One, two and the ceiling take turns within a sample, and the table at the end has their medians. The rows counted
//! and their sum are compared in every run.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot set up has failed")]

use std::{
    cell::RefCell,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use firesteel_core::{
    Result,
    block::{Block, BlockRef, ColumnRef, Columns, Times, Told, Values},
    exec::{Driver, DriverOptions},
    expr::Settings,
    limits::BLOCK_ROWS,
    plan::{Catalog, OutputMode, PlanBuilder, Table, rewrite},
    schema::Schema,
    sql::{StatementKind, parse, plan_query},
};
use firesteel_io::{
    engine::{Execution, Input, QueryOptions, Trigger},
    ring::{self, LaneReader, Producer, ReaderOptions, RingOptions, StreamFolder, Wait},
    sink::Sink,
    source::{Part, Reader, Source},
};

const DDL: &str = "ts TIMESTAMP NOT NULL, id INT NOT NULL, host STRING NOT NULL, value DOUBLE NOT NULL";
const LANES: usize = 2;
/// Rows a second of event time, all lanes together.
const ROWS_PER_SECOND: usize = 1_000_000;

/// What is asked, of how many keys.
struct Workload {
    name: &'static str,
    keys: usize,
    by: &'static str,
}

const WORKLOADS: [Workload; 4] = [
    Workload { name: "no key", keys: 1_000, by: "" },
    Workload { name: "1,000 ids", keys: 1_000, by: ", id" },
    Workload { name: "100,000 ids", keys: 100_000, by: ", id" },
    Workload { name: "1,000 hosts", keys: 1_000, by: ", host" },
];

/// Rows in a lane, and passes of one iteration.
const SIZES: [(&str, usize, u64); 3] = match cfg!(debug_assertions) {
    true => [("cache", 2 * BLOCK_ROWS, 2), ("L2", 3 * BLOCK_ROWS, 2), ("memory", 4 * BLOCK_ROWS, 2)],
    // All lanes in one L2 cache; a lane a cache; in no cache at all.
    false => [("cache", 4 * BLOCK_ROWS, 400), ("L2", 16 * BLOCK_ROWS, 100), ("memory", 512 * BLOCK_ROWS, 4)],
};

/// Lanes full of rows, removed at the end.
struct Lanes {
    path: PathBuf,
    keys: Vec<Arc<str>>,
    rows: usize,
    /// Rows and sum of their values, one pass.
    counted: (i64, f64),
    /// Keeps the lanes mapped between two runs, as they are while a stream runs.
    open: Option<ring::Reader>,
}

impl Lanes {
    fn new(name: &str, lanes: usize, rows: usize, keys: usize) -> Self {
        let shared = std::path::Path::new("/dev/shm");
        let folder = if shared.is_dir() { shared.into() } else { std::env::temp_dir() };
        let path = folder.join(format!("firesteel-workers-{name}-{}", std::process::id()));
        let schema = Schema::parse_ddl(DDL).unwrap();
        let capacity = (rows * 96).max(1 << 20).to_string();
        StreamFolder::create(&path, &schema, &RingOptions::parse([("capacity", capacity.as_str())]).unwrap()).unwrap();
        let mut made = Self { path, keys: Vec::new(), rows, counted: (0, 0.0), open: None };
        (0..lanes).for_each(|lane| made.fill(lane, &schema, keys));
        let options = ReaderOptions { observe: true, ..ReaderOptions::default() };
        let reader = ring::Reader::open(&made.path, options).unwrap();
        made.keys = reader.positions().into_iter().map(|(key, _)| key.into()).collect();
        made.open = Some(reader);
        assert_eq!(made.keys.len(), lanes);
        made
    }

    fn fill(&mut self, lane: usize, schema: &Schema, keys: usize) {
        let mut producer = Producer::open(&self.path, Some(&format!("lane-{lane}"))).unwrap();
        let (mut block, mut seed) = (Block::new(schema), lane as u64 + 1);
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        for first in (0..self.rows).step_by(BLOCK_ROWS) {
            block.clear();
            for row in first..first + BLOCK_ROWS {
                let (id, value) = (next() % keys, (next() % 1_000) as f64);
                let columns = block.columns_mut();
                columns[0].push((row * LANES * 1_000_000 / ROWS_PER_SECOND) as i64);
                columns[1].push(id as i32);
                columns[2].push_str(&format!("host-{id:04}"));
                columns[3].push(value);
                self.counted = (self.counted.0 + 1, self.counted.1 + value);
            }
            block.set_len(BLOCK_ROWS);
            assert_eq!(producer.append(&block.view()).unwrap(), BLOCK_ROWS as u64);
        }
        producer.finish();
    }

    /// Event time of one pass, microseconds.
    fn pass_us(&self) -> i64 {
        (self.rows * LANES * 1_000_000 / ROWS_PER_SECOND) as i64
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.open = None;
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The lanes, read so many times.
#[derive(Debug)]
struct Replay {
    path: PathBuf,
    keys: Vec<Arc<str>>,
    rows: usize,
    columns: Vec<usize>,
    passes: u64,
    pass_us: i64,
    /// What is added to event times in this pass.
    moved_us: Arc<AtomicI64>,
}

impl Source for Replay {
    fn description(&self) -> String {
        "Replay".into()
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        let Some(left) = self.passes.checked_sub(1) else { return Ok(false) };
        self.passes = left;
        self.moved_us.fetch_add(self.pass_us, Ordering::Relaxed);
        parts.extend(self.keys.iter().map(|key| Part::Lane { key: key.clone(), start: 0, end: self.rows as u64 }));
        Ok(true)
    }

    fn offset(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        let open = |key: &Arc<str>| Ok((key.clone(), LaneReader::open(&self.path, key, Some(&self.columns), true)?));
        let lanes = self.keys.iter().map(open).collect::<Result<_>>()?;
        Ok(Box::new(ReplayReader { lanes, moved_us: self.moved_us.clone(), times: Vec::new() }))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn freeze(&mut self) -> Result<()> {
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.passes == 0
    }

    fn has_ended(&self) -> bool {
        self.passes == 0
    }
}

#[derive(Debug)]
struct ReplayReader {
    lanes: Vec<(Arc<str>, LaneReader)>,
    moved_us: Arc<AtomicI64>,
    times: Vec<i64>,
}

impl Reader for ReplayReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let Part::Lane { key, start, end } = part else { panic!("a replay reads lanes") };
        let lane = self.lanes.iter_mut().find(|(other, _)| Arc::ptr_eq(other, key)).map(|(_, lane)| lane).unwrap();
        let (moved_us, times) = (self.moved_us.load(Ordering::Relaxed), &mut self.times);
        lane.read(*start, *end, &mut |block| {
            times.clear();
            times.extend(block.column(0).as_slice::<i64>()[..block.len()].iter().map(|ts| ts + moved_us));
            sink(&BlockRef::new(&Moved { block, times, moved_us }, block.len()))
        })
    }
}

/// A block at another time.
struct Moved<'a> {
    block: &'a BlockRef<'a>,
    times: &'a [i64],
    moved_us: i64,
}

impl Columns for Moved<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        let column = self.block.column(index);
        if index == 0 { ColumnRef { values: Values::Int64(self.times), ..column } } else { column }
    }

    fn told(&self, index: usize) -> Option<Told> {
        let Times { min, max, offsets } = self.block.times(index)?;
        let times = Times { min: min + self.moved_us, max: max + self.moved_us, offsets };
        Some(Told { times, are_all: true })
    }
}

/// Adds up what comes out: rows counted, their sum.
#[derive(Clone, Debug, Default)]
struct Totals(Arc<Mutex<(i64, f64)>>);

impl Sink for Totals {
    fn description(&self) -> String {
        "Totals".into()
    }

    fn begin(&mut self, _: u64) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        let (counts, sums) = (block.column(0), block.column(1));
        let mut totals = self.0.lock().unwrap();
        block.rows().for_each(|row| {
            totals.0 += counts.as_slice::<i64>()[row];
            totals.1 += sums.as_slice::<f64>()[row];
        });
        Ok(())
    }

    fn commit(&mut self, _: u64) -> Result<()> {
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        0
    }
}

struct OneTable(Settings);

impl Catalog for OneTable {
    fn relation(&self, _: &[String], _: bool, _: &[(String, String)]) -> Result<PlanBuilder> {
        let schema = Schema::parse_ddl(DDL)?;
        let table = Table { name: "t".into(), provider: "memory".into(), schema, ..Table::default() };
        Ok(PlanBuilder::scan(Arc::new(table), true, Arc::new(self.0.clone())))
    }

    fn relation_names(&self) -> Vec<String> {
        vec!["t".into()]
    }

    fn settings(&self) -> &Settings {
        &self.0
    }
}

/// Runs the query over so many passes on these cores; gives the time from its first row to its last result.
fn run(workload: &Workload, lanes: &Lanes, cores: &[usize], passes: u64) -> Duration {
    let text = format!(
        "SELECT count(*) AS n, sum(value) AS total, min(value) AS low, max(value) AS high, avg(value) AS mean \
         FROM t WATERMARK ts DELAY OF INTERVAL 0 SECONDS GROUP BY window(ts, '1 second'){}",
        workload.by
    );
    let statements = parse(&text, &|_| None).unwrap();
    let StatementKind::Query(query) = &statements[0].kind else { panic!("{text} is no query") };
    let plan = rewrite(plan_query(query, &OneTable(Settings::default())).unwrap().into_plan());
    let options = DriverOptions { mode: Some(OutputMode::Append), ..DriverOptions::default() };
    let driver = Driver::new(&plan, options).unwrap();
    let scan = &driver.stages()[0].scans[0];
    let needed = scan.scan.needed.iter().enumerate().filter(|(_, needed)| **needed);
    let source = Replay {
        path: lanes.path.clone(),
        keys: lanes.keys.clone(),
        rows: lanes.rows,
        columns: needed.map(|(column, _)| column).collect(),
        passes,
        pass_us: lanes.pass_us(),
        moved_us: Arc::default(),
    };
    let source = Box::new(source);
    let input = Input { port: scan.port, is_stream: true, source, reads: String::new(), is_inherited: false };
    let totals = Totals::default();
    let options = QueryOptions {
        trigger: Trigger::AvailableNow,
        cores: cores.iter().map(|core| Some(*core)).collect(),
        wait: Wait::Spin,
        ..QueryOptions::default()
    };
    let execution = Execution::new(driver, vec![input], Box::new(totals.clone()), options).unwrap();
    let begin = Instant::now();
    // On a thread of its own, which is pinned.
    std::thread::scope(|scope| scope.spawn(|| execution.run_stream().unwrap()).join().unwrap());
    let took = begin.elapsed();
    let wanted = (lanes.counted.0 * passes as i64, lanes.counted.1 * passes as f64);
    assert_eq!(*totals.0.lock().unwrap(), wanted, "every row counts once");
    took
}

/// Two queries at once, one a core, each over a lane of its own.
fn run_apart(workload: &Workload, lanes: &[Lanes; LANES], cores: &[usize; 2], passes: u64) -> Duration {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for (lanes, &core) in lanes.iter().zip(cores) {
            scope.spawn(move || run(workload, lanes, &[core], passes));
        }
    });
    begin.elapsed()
}

/// A table of medians.
#[derive(Default)]
struct Ratios(RefCell<Vec<String>>);

impl Ratios {
    fn add(&self, name: &str, rows: u64, mut samples: [Vec<f64>; 4]) {
        let median = |samples: &mut Vec<f64>| {
            samples.sort_unstable_by(f64::total_cmp);
            samples[samples.len() / 2]
        };
        let [one, two, alone, apart] = samples.each_mut().map(median);
        let rate = |nanos: f64| rows as f64 * 1e3 / nanos;
        self.0.borrow_mut().push(format!(
            "{name:<24} one {:>7.0}  two {:>7.0} M rows/s  {:.2}x; the machine gives {:.2}x",
            rate(one),
            rate(two),
            one / two,
            2.0 * alone / apart
        ));
    }
}

fn workers(c: &mut Criterion) {
    let there = firesteel_io::sys::cores();
    let cores = [there[0], there[1 % there.len()]];
    let ratios = Ratios::default();
    for (size, rows, passes) in SIZES {
        let mut group = c.benchmark_group(format!("workers/{size}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
        group.throughput(Throughput::Elements((rows * LANES) as u64 * passes));
        WORKLOADS.iter().for_each(|w| bench(&mut group, w, (size, rows, passes), &cores, &ratios));
        group.finish();
    }
    ratios.0.borrow().iter().for_each(|line| println!("{line}"));
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    workload: &Workload,
    (size, rows, passes): (&str, usize, u64),
    cores: &[usize; 2],
    ratios: &Ratios,
) {
    let mut made = None;
    let mut samples: [Vec<f64>; 4] = Default::default();
    group.bench_function(workload.name, |b| {
        let (both, own) = made.get_or_insert_with(|| {
            let own = ["a", "b"].map(|name| Lanes::new(name, 1, rows, workload.keys));
            (Lanes::new("both", LANES, rows, workload.keys), own)
        });
        b.iter_custom(|iters| {
            let passes = iters * passes;
            let taken = [
                run(workload, both, &cores[..1], passes),
                run(workload, both, cores, passes),
                run(workload, &own[0], &cores[..1], passes),
                run_apart(workload, own, cores, passes),
            ];
            let nanos = |taken: Duration| taken.as_nanos() as f64 / passes as f64;
            samples.iter_mut().zip(taken).for_each(|(samples, taken)| samples.push(nanos(taken)));
            taken[1]
        });
    });
    if !samples[0].is_empty() {
        ratios.add(&format!("{size}, {}", workload.name), (rows * LANES) as u64, samples);
    }
}

criterion_group!(benches, workers);
criterion_main!(benches);
