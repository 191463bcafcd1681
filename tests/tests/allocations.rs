//! What a row and a block cost in allocations once everything is warm: nothing. Counted, not timed.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::sync::Arc;

use allocation_counter::measure;
use firesteel_core::{
    Result,
    block::{Block, BlockRef, Value},
    exec::{Driver, DriverOptions},
    expr::Settings,
    plan::{Catalog, OutputMode, PlanBuilder, Table, rewrite},
    schema::Schema,
    sql::{StatementKind, parse, plan_query},
};

const DDL: &str = "ts TIMESTAMP, id INT, host STRING, value DOUBLE";
const ROWS: usize = 200;
const KEYS: usize = 150;
/// Rows a second of event time: a window has a hundred blocks.
const ROWS_PER_SECOND: i64 = 20_000;

/// A stream `t`, and nothing else.
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

fn driver(query: &str) -> Driver {
    let statements = parse(query, &|_| None).unwrap();
    let StatementKind::Query(query) = &statements[0].kind else { panic!("{query} is no query") };
    let plan = rewrite(plan_query(query, &OneTable(Settings::default())).unwrap().into_plan());
    Driver::new(&plan, DriverOptions { mode: Some(OutputMode::Append), ..DriverOptions::default() }).unwrap()
}

fn blocks(first: usize, count: usize) -> Vec<Block> {
    let schema = Schema::parse_ddl(DDL).unwrap();
    let row = |b: usize, r: usize| {
        let id = (r * 7919 + b) % KEYS;
        let ts = ((b * ROWS + r) as i64) * 1_000_000 / ROWS_PER_SECOND;
        [ts.into(), (id as i32).into(), format!("host-{id}").as_str().into(), Value::Float64(r as f64)]
    };
    let block = |b: usize| {
        let mut block = Block::new(&schema);
        (0..ROWS).for_each(|r| block.push_row(&row(b, r)));
        block
    };
    (first..first + count).map(block).collect()
}

/// Runs epochs of ten blocks.
fn run(driver: &mut Driver, blocks: &[Block], rows_out: &mut usize) {
    let mut sink = |block: &BlockRef<'_>| {
        *rows_out += block.rows().count();
        Ok(())
    };
    for epoch in blocks.chunks(10) {
        driver.begin_epoch(0);
        driver.begin_stage(0);
        epoch.iter().for_each(|block| driver.push(0, &block.view(), &mut sink).unwrap());
        driver.finish_stage(0, &mut sink).unwrap();
        driver.end_epoch();
    }
}

const QUERIES: [&str; 7] = [
    "SELECT id, value * 2 AS twice FROM t WHERE value > 50 AND id % 3 = 0",
    "SELECT window.start AS at, count(*) AS n, sum(value) AS total FROM t WATERMARK ts DELAY OF INTERVAL 1 SECOND \
     GROUP BY window(ts, '1 second')",
    "SELECT window.start AS at, id, count(*) AS n, sum(value) AS total, min(value) AS low, max(value) AS high, \
     avg(value) AS mean FROM t WATERMARK ts DELAY OF INTERVAL 1 SECOND GROUP BY window(ts, '1 second'), id",
    "SELECT window.start AS at, host, count(*) AS n, stddev(value) AS spread FROM t \
     WATERMARK ts DELAY OF INTERVAL 1 SECOND GROUP BY window(ts, '1 second'), host",
    "SELECT window.start AS at, id, host, max(value) AS high FROM t WATERMARK ts DELAY OF INTERVAL 1 SECOND \
     WHERE value < 180 GROUP BY window(ts, '1 second'), id, host",
    "SELECT window.start AS at, id, avg(value) AS mean FROM t WATERMARK ts DELAY OF INTERVAL 1 SECOND \
     GROUP BY window(ts, '4 seconds', '1 second'), id HAVING avg(value) > 10",
    "SELECT session_window.start AS at, id, count(*) AS n FROM t WATERMARK ts DELAY OF INTERVAL 1 SECOND \
     GROUP BY session_window(ts, '1 second'), id",
];

/// Blocks that open and close no window cost nothing, however many rows they have.
#[test]
fn a_row_and_a_block_allocate_nothing() {
    for query in QUERIES {
        let mut driver = driver(query);
        let mut rows_out = 0;
        // Four seconds and a little: the fifth has begun.
        run(&mut driver, &blocks(0, 430), &mut rows_out);
        let more = blocks(430, 50);
        let counted = measure(|| run(&mut driver, &more, &mut rows_out));
        assert_eq!(counted.count_total, 0, "{query}");
    }
}

/// Windows come and go at a price that their rows have no part in.
#[test]
fn a_window_allocates_no_more_than_a_few_times() {
    for query in &QUERIES[1..] {
        let mut driver = driver(query);
        let mut rows_out = 0;
        run(&mut driver, &blocks(0, 1_000), &mut rows_out);
        let (more, before) = (blocks(1_000, 500), rows_out);
        let counted = measure(|| run(&mut driver, &more, &mut rows_out));
        assert!(rows_out > before || query.contains("session"), "{query}");
        assert!(counted.count_total <= 5 * 40, "{} allocations in five seconds: {query}", counted.count_total);
    }
}
