//! Blocks that tell of their times what is not so: wrong rows are all that may come of it.

use super::windowed;
use crate::{
    block::{Block, BlockRef, ColumnRef, Columns, Times, Value},
    exec::{Driver, DriverOptions},
    plan::{OutputMode, rewrite},
    time::MICROS_PER_SECOND,
};

const ENDS: [i64; 6] = [i64::MIN, -1, 0, 1_000 * MICROS_PER_SECOND, 1_010 * MICROS_PER_SECOND, i64::MAX];
const MODES: [OutputMode; 3] = [OutputMode::Append, OutputMode::Update, OutputMode::Complete];

struct Told<'a> {
    block: &'a Block,
    times: Times,
}

impl Columns for Told<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.block.column(index)
    }

    fn times(&self, index: usize) -> Option<Times> {
        (index == 0).then_some(self.times)
    }
}

/// Runs three epochs of 40 rows; gives the rows that came out.
fn run(window: &[&str], mode: OutputMode, times: Times) -> usize {
    let options = DriverOptions { mode: Some(mode), ..Default::default() };
    let mut driver = Driver::new(&rewrite(windowed(5, window).into_plan()), options).unwrap();
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
            block.push_row(&[ts, ["a", "b"][i as usize % 2].into(), 1.0.into()]);
        }
        let told = Told { block: &block, times };
        driver.push(scan.port, &BlockRef::new(&told, block.len()), &mut sink).unwrap();
        driver.finish_stage(stage.stage, &mut sink).unwrap();
        driver.end_epoch();
    }
    rows
}

#[test]
fn what_blocks_tell_need_not_be_true() {
    for window in [&["10 seconds"][..], &["10 seconds", "4 seconds"], &["60 seconds", "1 second"]] {
        for mode in MODES {
            for (i, min) in ENDS.into_iter().enumerate() {
                for max in ENDS.into_iter().skip(i) {
                    let rows = run(window, mode, Times { min, max, offsets: i64::MAX });
                    assert!(mode != OutputMode::Complete || min <= 0 || rows > 0, "{window:?}, {min} to {max}");
                }
            }
        }
    }
}
