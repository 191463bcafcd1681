//! Work whose instructions `benches/counts.py` counts under valgrind: `counts NAME LEVEL TIMES` does it so many times
//! over the same rows and prints how many rows that is each time; without arguments it prints the names. What differs
//! between two numbers of times is the work alone, without what sets it up.

use std::{env, hint::black_box, process::ExitCode};

use firesteel_benches::{
    text,
    windows::{plan, schema},
};
use firesteel_core::{
    block::{Block, BlockRef, ColumnRef, Times, Told, Upcoming, Value, Values},
    exec::{Driver, DriverOptions},
    limits::BLOCK_ROWS,
    plan::OutputMode,
    schema::DataType,
    simd::{self, Level, Summary},
    time::MICROS_PER_SECOND,
};
use firesteel_io::format::{Decoder, Format, Options};

/// Rows of the columns that kernels read.
const ROWS: usize = 4 * BLOCK_ROWS;
/// How often the columns are read in one window, so that rows outweigh results.
const ROUNDS: usize = 16;
/// Lines of a text.
const LINES: usize = 2_000;
const KEYS: usize = 1_000;

/// Does its work so many times and gives the rows of one time.
type Work = fn(usize) -> usize;

const WORKS: [(&str, Work); 12] = [
    ("times", |times| over_columns(times, |c| black_box(simd::times(&c.ts)).min)),
    ("times_of", |times| over_columns(times, |c| black_box(simd::times_of(&c.ts, &c.words)).min)),
    ("panes_between", |times| over_columns(times, panes_between)),
    ("summarize", |times| over_columns(times, |c| black_box(simd::summarize(&c.values)).count as i64)),
    ("add_by_group", |times| over_columns(times, add_by_group)),
    ("lookup", |times| over_columns(times, lookup)),
    ("lookup_twice", |times| over_columns(times, lookup_twice)),
    ("csv", |times| lines(times, Format::Csv, &text::csv(LINES).0, &[("header", "true")])),
    ("json", |times| lines(times, Format::Json, &text::json(LINES).0, &[])),
    ("tumbling", |times| tumbling(times, None, false)),
    ("tumbling_told", |times| tumbling(times, None, true)),
    ("tumbling_update", |times| tumbling(times, Some(OutputMode::Update), false)),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [name, level, times] = args.as_slice() else {
        WORKS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let work = WORKS.iter().find(|(known, _)| known == name);
    let (Some((_, work)), Some(level), Ok(times)) = (work, Level::by_name(level), times.parse()) else {
        eprintln!("write counts NAME LEVEL TIMES");
        return ExitCode::from(2);
    };
    if level.force() != level {
        eprintln!("this CPU has no {level}");
        return ExitCode::FAILURE;
    }
    println!("{}", work(times));
    ExitCode::SUCCESS
}

/// Columns for kernels, and where they write.
struct Columns {
    ts: Vec<i64>,
    ids: Vec<i32>,
    values: Vec<f64>,
    groups: Vec<u32>,
    /// A bit a row, every other set.
    words: Vec<u64>,
    table: Vec<u32>,
    cells: Vec<Summary>,
}

impl Columns {
    fn new() -> Self {
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        let ids: Vec<i32> = (0..ROWS).map(|_| (random() % KEYS) as i32).collect();
        Self {
            ts: (0..ROWS as i64).map(|row| row * 10).collect(),
            values: (0..ROWS).map(|_| (random() % 1_000) as f64).collect(),
            groups: vec![0; ROWS],
            words: vec![0x5555_5555_5555_5555; ROWS / 64],
            table: (0..KEYS as u32).rev().collect(),
            cells: vec![Summary::EMPTY; KEYS],
            ids,
        }
    }
}

fn over_columns(times: usize, mut kernel: impl FnMut(&mut Columns) -> i64) -> usize {
    let mut columns = Columns::new();
    lookup(&mut columns);
    for _ in 0..times {
        black_box(kernel(black_box(&mut columns)));
    }
    ROWS
}

fn panes_between(columns: &mut Columns) -> i64 {
    let ends = [1, 2, 3].map(|quarter| (quarter * ROWS * 10 / 4) as i64);
    simd::panes_between(&columns.ts, &ends, &mut columns.groups);
    i64::from(columns.groups[ROWS - 1])
}

fn add_by_group(columns: &mut Columns) -> i64 {
    simd::add_by_group(&mut columns.cells, &columns.groups, &columns.values);
    columns.cells[0].count as i64
}

fn lookup(columns: &mut Columns) -> i64 {
    i64::from(simd::lookup(&columns.ids, 0, &columns.table, &mut columns.groups))
}

fn lookup_twice(columns: &mut Columns) -> i64 {
    let values = Values::Int32(&columns.ids);
    let ids = ColumnRef { data_type: &DataType::Int32, values, validity: None, is_constant: false };
    i64::from(simd::lookup_twice(&columns.ids, 0, [&columns.table; 2], &mut columns.groups, Upcoming::of(&ids)))
}

fn lines(times: usize, format: Format, file: &[u8], options: &[(&str, &str)]) -> usize {
    let options = Options::from_iter(options.iter().copied());
    for _ in 0..times {
        let decoder = Decoder::new(format, &text::schema(), &options, &[true; 3], &text::zone()).expect("options");
        assert_eq!(text::drain(decoder, black_box(file)), LINES as u64);
    }
    LINES
}

/// One-second windows by 1,000 keys: count, sum, min, max and avg through all operators; a window a time, as a batch or
/// as the epoch of a stream. Blocks may tell their times, as full ones of a ring do.
fn tumbling(times: usize, mode: Option<OutputMode>, tells_times: bool) -> usize {
    let options = DriverOptions { mode, ..DriverOptions::default() };
    let mut driver = Driver::new(&plan(mode.is_some()), options).expect("a plan that runs");
    let stage = driver.stages().remove(0);
    let (blocks, mut groups) = (blocks(), 0);
    let mut sink = |block: &BlockRef<'_>| {
        groups += block.rows().count();
        Ok(())
    };
    for _ in 0..times {
        driver.begin_epoch(0);
        for (block, told) in (0..ROUNDS).flat_map(|_| &blocks) {
            let told = Telling { block: black_box(block), times: told.filter(|_| tells_times) };
            let block = BlockRef::new(&told, block.len());
            driver.push(stage.scans[0].port, &block, &mut sink).expect("no row fails");
        }
        driver.finish_stage(stage.stage, &mut sink).expect("no result fails");
        driver.end_epoch();
    }
    assert_eq!(groups, times * KEYS);
    ROUNDS * ROWS
}

/// A block, and what it tells of its first column.
struct Telling<'a> {
    block: &'a Block,
    times: Option<Times>,
}

impl firesteel_core::block::Columns for Telling<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.block.column(index)
    }

    fn told(&self, index: usize) -> Option<Told> {
        let times = self.times.filter(|_| index == 0)?;
        Some(Told { times, are_all: true })
    }
}

/// The rows, with the times that their blocks might tell.
fn blocks() -> Vec<(Block, Option<Times>)> {
    let columns = Columns::new();
    let row = |row: usize| {
        let ts = columns.ts[row] * MICROS_PER_SECOND / (10 * ROWS as i64);
        [Value::Int64(ts), Value::Int32(columns.ids[row]), Value::Float64(columns.values[row])]
    };
    let block = |rows: std::ops::Range<usize>| {
        let mut block = Block::new(&schema());
        rows.for_each(|i| block.push_row(&row(i)));
        let times = simd::times(&block.view().column(0).as_slice()[..block.len()]);
        (block, Some(times))
    };
    (0..ROWS / BLOCK_ROWS).map(|i| block(i * BLOCK_ROWS..(i + 1) * BLOCK_ROWS)).collect()
}
