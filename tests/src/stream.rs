//! The engine under test: a query run by drivers, with the rows split as the test says.

use firesteel_core::{
    block::{Block, BlockRef, ColumnRef, Columns, Times, Told},
    exec::{Driver, DriverOptions, ScanPort, Stage},
    plan::{OutputMode, check, rewrite},
    simd::Level,
};

use crate::{
    level,
    naive::{Out, sorted},
    query::{Query, Row},
};

/// How the rows of an epoch are cut up, and what works on them.
#[derive(Clone, Debug)]
pub struct Split {
    /// Rows in the blocks that operators make.
    pub block_rows: usize,
    /// Rows in each block that is pushed, in turn.
    pub pushes: Vec<usize>,
    /// Workers beside the query's own thread; blocks are dealt out in turn.
    pub workers: usize,
    /// Whether blocks tell their times, as full blocks of a ring do.
    pub tells_times: bool,
    /// The instruction set of the kernels.
    pub level: Level,
}

/// The engine's answer to a batch query.
pub fn batch(query: &Query, rows: &[Row], split: &Split) -> Vec<Out> {
    level::at(split.level, || Engine::new(query, None, split).epoch(rows))
}

/// The engine's answers to a stream, epoch by epoch, with trailing epochs without data.
pub fn stream(query: &Query, mode: OutputMode, epochs: &[Vec<Row>], split: &Split) -> Vec<Vec<Out>> {
    level::at(split.level, || {
        let mut engine = Engine::new(query, Some(mode), split);
        let mut results: Vec<Vec<Out>> = epochs.iter().map(|rows| engine.epoch(rows)).collect();
        while engine.driver.wants_empty_epoch() {
            results.push(engine.epoch(&[]));
        }
        results
    })
}

struct Engine<'a> {
    driver: Driver,
    workers: Vec<Driver>,
    stage: Stage,
    split: &'a Split,
}

impl<'a> Engine<'a> {
    fn new(query: &Query, mode: Option<OutputMode>, split: &'a Split) -> Self {
        let plan = query.plan(mode.is_some());
        if let Some(mode) = mode {
            check(&plan, mode).expect("a query that may run in this mode");
        }
        let options = DriverOptions { mode, block_rows: split.block_rows, ..DriverOptions::default() };
        let driver = Driver::new(&rewrite(plan), options).expect("a plan that runs");
        let worker = |_| driver.worker().expect("a worker").expect("an aggregation can be shared out");
        let workers = (0..split.workers).map(worker).collect();
        let stage = driver.stages().remove(0);
        Self { driver, workers, stage, split }
    }

    fn epoch(&mut self, rows: &[Row]) -> Vec<Out> {
        let mut out = Vec::new();
        let mut sink = |block: &BlockRef<'_>| {
            let row = |row: usize| (0..10).map(|c| block.column(c).value(row)).collect::<Out>();
            block.rows().for_each(|i| out.push(row(i)));
            Ok(())
        };
        self.driver.begin_epoch(0);
        self.driver.begin_stage(self.stage.stage);
        self.workers.iter_mut().for_each(|worker| worker.join_epoch(&self.driver));
        let ScanPort { port, scan } = &self.stage.scans[0];
        for (turn, block) in blocks(rows, &self.split.pushes, &scan.schema).iter().enumerate() {
            let told = Telling { block, times: times(block).filter(|_| self.split.tells_times) };
            let block = BlockRef::new(&told, block.len());
            match turn.checked_rem(self.workers.len() + 1) {
                Some(hand) if hand > 0 => self.workers[hand - 1].push(*port, &block, &mut |_: &BlockRef<'_>| Ok(())),
                _ => self.driver.push(*port, &block, &mut sink),
            }
            .expect("rows of the family do not fail");
        }
        for worker in &mut self.workers {
            self.driver.absorb(worker).expect("workers' state fits together");
        }
        self.driver.finish_stage(self.stage.stage, &mut sink).expect("results of the family do not fail");
        self.driver.end_epoch();
        sorted(out)
    }
}

/// A block that tells the times of its first column.
struct Telling<'a> {
    block: &'a Block,
    times: Option<Times>,
}

impl Columns for Telling<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.block.column(index)
    }

    fn told(&self, index: usize) -> Option<Told> {
        let times = self.times.filter(|_| index == 0)?;
        Some(Told { times, are_all: true })
    }
}

/// What the times of a block have in common; `None` if one is NULL.
fn times(block: &Block) -> Option<Times> {
    let column = block.column(0);
    let ts = &column.as_slice::<i64>()[..block.len()];
    let offsets = ts.iter().map(|t| t - ts[0]).sum();
    let all = column.validity.is_none();
    all.then(|| Some(Times { min: *ts.iter().min()?, max: *ts.iter().max()?, offsets }))?
}

fn blocks(rows: &[Row], pushes: &[usize], schema: &firesteel_core::schema::Schema) -> Vec<Block> {
    let mut sizes = pushes.iter().copied().cycle();
    let mut rest = rows;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        let mut block = Block::new(schema);
        rest[..size].iter().for_each(|row| block.push_row(&row.values()));
        blocks.push(block);
        rest = &rest[size..];
    }
    blocks
}
