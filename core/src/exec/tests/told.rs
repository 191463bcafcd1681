//! Blocks that tell of their times what is not so: wrong rows are all that may come of it.

use alloc::vec::Vec;

use super::events;
use crate::{
    block::{Block, BlockRef, ColumnRef, Columns, Times, Told, Value},
    exec::{Driver, DriverOptions},
    expr::{Expr, col, lit},
    plan::{GroupBy, OutputMode, PlanBuilder, Select, rewrite},
    time::{Interval, MICROS_PER_SECOND},
};

const ENDS: [i64; 6] = [i64::MIN, -1, 0, 1_000 * MICROS_PER_SECOND, 1_010 * MICROS_PER_SECOND, i64::MAX];
const MODES: [OutputMode; 3] = [OutputMode::Append, OutputMode::Update, OutputMode::Complete];

struct Telling<'a> {
    block: &'a Block,
    times: Times,
}

impl Columns for Telling<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.block.column(index)
    }

    fn told(&self, index: usize) -> Option<Told> {
        (index == 0).then_some(Told { times: self.times, are_all: true })
    }
}

/// Counts by window and `keys`, of the rows that a WHERE lets through if there is one.
fn counts(window: &[&str], keys: &[&str], has_filter: bool) -> PlanBuilder {
    let delay = Interval::from_micros(5 * MICROS_PER_SECOND);
    let mut from = events().with_watermark(col("ts"), delay).unwrap();
    if has_filter {
        from = from.filter(col("v").gt(20)).unwrap();
    }
    let args = [col("ts")].into_iter().chain(window.iter().map(|text| lit(*text)));
    let group = [Expr::function("window", args.collect::<Vec<_>>())].into_iter().chain(keys.iter().map(|key| col(key)));
    let projection = [Expr::function("count", [lit(1)])].into();
    let group_by = Some(GroupBy::Exprs(group.collect()));
    from.select(Select { projection, group_by, ..Select::default() }).unwrap()
}

/// Runs three epochs of 40 rows; gives the rows that came out.
fn run(plan: PlanBuilder, mode: OutputMode, times: Times) -> usize {
    let options = DriverOptions { mode: Some(mode), ..Default::default() };
    let mut driver = Driver::new(&rewrite(plan.into_plan()), options).unwrap();
    let stage = driver.stages().remove(0);
    let scan = stage.scans[0].clone();
    let mut rows = 0;
    let mut sink = |block: &BlockRef<'_>| {
        rows += block.rows().count();
        Ok(())
    };
    for epoch in 0..3 {
        driver.begin_epoch(0);
        driver.begin_stage(stage.stage);
        let mut block = Block::new(&scan.scan.schema);
        for i in 0..40 {
            let ts = Value::Int64((1_000 + epoch * 7 + i % 9) * MICROS_PER_SECOND);
            block.push_row(&[ts, ["a", "b"][i as usize % 2].into(), (i as f64).into()]);
        }
        let told = Telling { block: &block, times };
        driver.push(scan.port, &BlockRef::new(&told, block.len()), &mut sink).unwrap();
        driver.finish_stage(stage.stage, &mut sink).unwrap();
        driver.end_epoch();
    }
    rows
}

#[test]
fn what_blocks_tell_need_not_be_true() {
    for window in [&["10 seconds"][..], &["10 seconds", "4 seconds"], &["60 seconds", "1 second"]] {
        for (mode, keys, has_filter) in MODES.into_iter().flat_map(|mode| {
            [(mode, &["dev"][..], false), (mode, &[], false), (mode, &["dev"], true), (mode, &[], true)]
        }) {
            for (i, min) in ENDS.into_iter().enumerate() {
                for max in ENDS.into_iter().skip(i) {
                    let rows = run(counts(window, keys, has_filter), mode, Times { min, max, offsets: i64::MAX });
                    assert!(mode != OutputMode::Complete || min <= 0 || rows > 0, "{window:?}, {min} to {max}");
                }
            }
        }
    }
}
