//! Queries as users write them, over blocks at hand: SQL text through the planner into a driver, epoch by epoch, the
//! watermark at the latest event time. Static tables are read in the first epoch.

use std::sync::Arc;

use firesteel_core::{
    Result,
    block::{Block, BlockRef, Column, ColumnRef, Columns, Native, Times, Told},
    exec::{Driver, DriverOptions},
    expr::Settings,
    plan::{Catalog, OutputMode, PlanBuilder, Table, check, rewrite},
    schema::{DataType, Schema},
    simd,
    sql::{StatementKind, parse, plan_query},
};

/// A table of a query: its name, its columns as DDL, and its rows unless it is the stream.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// As in the text.
    pub name: &'a str,
    /// As in CREATE TABLE.
    pub ddl: &'a str,
    /// The rows of a static table.
    pub rows: Option<&'a Block>,
}

/// A streaming query in append mode.
#[derive(Debug)]
pub struct Query {
    driver: Driver,
    statics: Vec<(usize, usize, Block)>,
    stage: usize,
    port: usize,
}

struct Tables<'a> {
    inputs: &'a [Input<'a>],
    settings: Settings,
}

impl Catalog for Tables<'_> {
    fn relation(&self, name: &[String], _: bool, _: &[(String, String)]) -> Result<PlanBuilder> {
        let input = self.inputs.iter().find(|input| name == [input.name]).expect("a table of the bench");
        let schema = Schema::parse_ddl(input.ddl)?;
        let table = Table { name: input.name.into(), provider: "memory".into(), schema, ..Table::default() };
        Ok(PlanBuilder::scan(Arc::new(table), input.rows.is_none(), Arc::new(self.settings.clone())))
    }

    fn relation_names(&self) -> Vec<String> {
        self.inputs.iter().map(|input| input.name.into()).collect()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Query {
    /// Plans a query over one stream and any number of static tables.
    pub fn new(text: &str, inputs: &[Input<'_>]) -> Self {
        let statements = parse(text, &|_| None).expect("SQL");
        let StatementKind::Query(query) = &statements[0].kind else { panic!("{text} is no query") };
        let tables = Tables { inputs, settings: Settings::default() };
        let plan = plan_query(query, &tables).expect("a query").into_plan();
        check(&plan, OutputMode::Append).expect("a query for append mode");
        let options = DriverOptions { mode: Some(OutputMode::Append), ..DriverOptions::default() };
        let driver = Driver::new(&rewrite(plan), options).expect("a plan that runs");
        let (mut statics, mut stream) = (Vec::new(), None);
        for stage in driver.stages() {
            for scan in stage.scans {
                let input = inputs.iter().find(|input| scan.scan.table.name == input.name).expect("a table");
                match input.rows {
                    Some(rows) => statics.push((stage.stage, scan.port, rows.clone())),
                    None => assert_eq!(stream.replace((stage.stage, scan.port)), None, "one stream, read once"),
                }
            }
        }
        let (stage, port) = stream.expect("a stream");
        Self { driver, statics, stage, port }
    }

    /// Runs an epoch: `read` hands its blocks on.
    pub fn epoch(
        &mut self,
        read: impl FnOnce(&mut dyn FnMut(&BlockRef<'_>)),
        mut sink: impl FnMut(&BlockRef<'_>) + Send,
    ) {
        let mut sink = |block: &BlockRef<'_>| {
            sink(block);
            Ok(())
        };
        self.driver.begin_epoch(0);
        for (stage, port, rows) in self.statics.drain(..) {
            self.driver.begin_stage(stage);
            self.driver.push(port, &rows.view(), &mut sink).expect("no row fails");
            self.driver.finish_stage(stage, &mut sink).expect("no result fails");
        }
        self.driver.begin_stage(self.stage);
        read(&mut |block| self.driver.push(self.port, block, &mut sink).expect("no row fails"));
        self.driver.finish_stage(self.stage, &mut sink).expect("no result fails");
        self.driver.end_epoch();
    }
}

/// Blocks that are read again and again, never copied, time going on: of each block that is handed out the times alone
/// are written anew, into one column that stays in the cache. Whoever is measured pays for that alike. A block tells
/// between which two times its rows lie, as one of a ring does.
#[derive(Debug)]
pub struct Ring {
    blocks: Arc<Vec<Block>>,
    /// Of each block.
    times: Arc<Vec<Times>>,
    time: usize,
    lap_us: i64,
    stamped: Column,
    next: usize,
    laps: i64,
}

struct Stamped<'a> {
    block: &'a Block,
    time: usize,
    stamped: &'a Column,
    times: Times,
}

impl Columns for Stamped<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        if index == self.time { self.stamped.view() } else { self.block.column(index) }
    }

    fn told(&self, index: usize) -> Option<Told> {
        (index == self.time).then_some(Told { times: self.times, are_all: true })
    }
}

impl Ring {
    /// A ring whose column `time` goes on by `lap_us` with every lap.
    pub fn new(blocks: Vec<Block>, time: usize, lap_us: i64) -> Self {
        let stamped = Column::new(DataType::Timestamp);
        let times = blocks.iter().map(|block| simd::times(block.column(time).as_slice())).collect();
        Self { blocks: Arc::new(blocks), times: Arc::new(times), time, lap_us, stamped, next: 0, laps: 0 }
    }

    /// The same rows from the first on.
    pub fn again(&self) -> Self {
        let (blocks, times, stamped) = (self.blocks.clone(), self.times.clone(), self.stamped.clone());
        Self { blocks, times, stamped, next: 0, laps: 0, ..*self }
    }

    /// Blocks of one lap.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// True if there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Rows of one lap.
    pub fn rows(&self) -> usize {
        self.blocks.iter().map(Block::len).sum()
    }

    /// Hands out the next blocks.
    pub fn read(&mut self, blocks: usize, take: &mut dyn FnMut(&BlockRef<'_>)) {
        for _ in 0..blocks {
            let block = &self.blocks[self.next];
            let behind = self.laps * self.lap_us;
            let times = block.columns()[self.time].view().as_slice::<i64>();
            let stamps = self.stamped.native_dirty::<i64>(times.len());
            stamps.iter_mut().zip(times).for_each(|(stamp, time)| *stamp = time + behind);
            let Times { min, max, offsets } = self.times[self.next];
            let times = Times { min: min + behind, max: max + behind, offsets };
            take(&BlockRef::new(&Stamped { block, time: self.time, stamped: &self.stamped, times }, block.len()));
            self.next += 1;
            if self.next == self.blocks.len() {
                (self.next, self.laps) = (0, self.laps + 1);
            }
        }
    }
}

/// Blocks of these columns, each given as integers: floats are quarters, so that all sums are exact.
pub fn blocks(ddl: &str, columns: &[Vec<i64>], block_rows: usize) -> Vec<Block> {
    let schema = Schema::parse_ddl(ddl).expect("a schema");
    assert_eq!(schema.fields().len(), columns.len(), "one list a column");
    let rows = columns[0].len();
    let block = |from: usize| {
        let range = from..rows.min(from + block_rows);
        let made = schema.fields().iter().zip(columns).map(|(f, values)| column(&f.data_type, &values[range.clone()]));
        Block::from_columns(made.collect(), range.len())
    };
    (0..rows).step_by(block_rows).map(block).collect()
}

fn column(data_type: &DataType, values: &[i64]) -> Column {
    fn fill<T: Native>(data_type: &DataType, values: &[i64], of: impl Fn(i64) -> T) -> Column {
        let mut column = Column::new(data_type.clone());
        column.native_mut::<T>(values.len()).iter_mut().zip(values).for_each(|(to, &value)| *to = of(value));
        column
    }
    match data_type {
        DataType::Int32 => fill(data_type, values, |value| value as i32),
        DataType::Float32 => fill(data_type, values, |value| value as f32 / 4.0),
        DataType::Float64 => fill(data_type, values, |value| value as f64 / 4.0),
        _ => fill(data_type, values, |value| value),
    }
}

/// Numbers that look random and are the same in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound) as i64
    }

    /// Puts values into another order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}
