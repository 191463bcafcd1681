//! A state that is full: groups that are there go on, rows of others are counted, and every row is one or the other,
//! however rows come in blocks.

use alloc::{format, string::String, vec::Vec};

use super::{
    joins::Run,
    saved::{EPOCHS, TABLES, rows},
};
use crate::{
    block::{Block, BlockRef, Value},
    exec::{Driver, DriverOptions, OnFullState, StateMetrics},
    limits::BLOCK_ROWS,
    plan::{LogicalPlan, OutputMode},
};

/// Aggregations whose last column is how many rows a group has, each in one group.
const COUNTS: [(&str, OutputMode); 7] = [
    (
        "SELECT window.start, s, count(*) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '10 seconds'), s",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, k, count(*) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '1 second'), k",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, count(*) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '1 second')",
        OutputMode::Append,
    ),
    (
        "SELECT session_window.start, session_window.end, s, count(*) FROM STREAM a \
      WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY session_window(ts, '4 seconds'), s",
        OutputMode::Append,
    ),
    (
        "SELECT ts, k, count(*) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS WHERE ts IS NOT NULL GROUP BY ts, k",
        OutputMode::Append,
    ),
    ("SELECT k, s, count(*) FROM STREAM a GROUP BY k, s", OutputMode::Complete),
    ("SELECT k, s, count(*) FROM STREAM a GROUP BY k, s", OutputMode::Update),
];

/// Others, of which only must be true that blocks make no difference.
const OTHERS: [(&str, OutputMode); 3] = [
    (
        "SELECT window.start, s, sum(v), collect_list(v) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '30 seconds', '4 seconds'), s",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, k, sum(v) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '12 seconds', '3 seconds'), k",
        OutputMode::Update,
    ),
    (
        "SELECT window.start, count(*) FROM (SELECT window AS w, k, count(*) AS n FROM STREAM a \
      WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY window(ts, '2 seconds'), k) GROUP BY window(w, '10 seconds')",
        OutputMode::Append,
    ),
];

fn plan(query: &str, mode: OutputMode) -> LogicalPlan {
    let (block_rows, in_order, is_ended, restarts, keeps_order) = (BLOCK_ROWS, true, true, false, true);
    let run = Run { tables: &TABLES, mode: Some(mode), block_rows, in_order, is_ended, restarts, keeps_order };
    run.plan(query).expect("a query")
}

fn driver(plan: &LogicalPlan, mode: OutputMode) -> Driver {
    let options = DriverOptions { mode: Some(mode), on_full: OnFullState::DropNewKeys, ..DriverOptions::default() };
    Driver::new(plan, options).expect("a plan that runs")
}

/// One epoch; gives its rows as text, and the sum of the last column.
fn epoch(
    (plan, driver): (&LogicalPlan, &mut Driver),
    rows: &[Vec<Value>],
    block_rows: usize,
    is_last: bool,
) -> (Vec<String>, u64) {
    let (mut out, mut sum) = (Vec::new(), 0);
    let mut sink = |block: &BlockRef<'_>| {
        block.rows().for_each(|row| {
            let values: Vec<Value> = (0..plan.schema().len()).map(|c| block.column(c).value(row)).collect();
            sum += values.last().and_then(Value::as_i64).unwrap_or_default() as u64;
            out.push(format!("{values:?}"));
        });
        Ok(())
    };
    if is_last {
        driver.begin_final_epoch(0)
    } else {
        driver.begin_epoch(0)
    }
    let stage = driver.stages().remove(0);
    driver.begin_stage(stage.stage);
    for chunk in rows.chunks(block_rows) {
        let mut block = Block::new(&stage.scans[0].scan.schema);
        chunk.iter().for_each(|row| block.push_row(row));
        driver.push(stage.scans[0].port, &block.view(), &mut sink).expect("rows without errors");
    }
    driver.finish_stage(stage.stage, &mut sink).expect("rows without errors");
    driver.end_epoch();
    out.sort();
    (out, sum)
}

/// Runs a query that is full after its first epoch. Gives its results, what was counted, and what was not taken.
fn run(query: &str, mode: OutputMode, seed: u64, block_rows: usize) -> (Vec<Vec<String>>, u64, u64) {
    let plan = plan(query, mode);
    let mut driver = driver(&plan, mode);
    let (mut results, mut counted, mut lost, mut groups_max) = (Vec::new(), 0, 0, 0);
    for number in 0..=EPOCHS {
        let of_epoch = rows(seed, "a", number);
        let (out, sum) =
            epoch((&plan, &mut driver), of_epoch.as_deref().unwrap_or_default(), block_rows, of_epoch.is_none());
        results.push(out);
        counted = if mode == OutputMode::Complete { sum } else { counted + sum };
        let metrics: Vec<StateMetrics> = driver.state_metrics().collect();
        lost += metrics.iter().map(|m| m.rows_late + m.rows_untimed + m.rows_without_room).sum::<u64>();
        if number == 0 {
            groups_max = metrics[0].rows_total.max(1);
            driver.check_memory(0, driver.memory_bytes() - 1).unwrap();
            assert!(driver.is_full(), "{query}");
        }
        assert!(metrics[0].rows_total <= groups_max, "{query}: {} > {groups_max} groups", metrics[0].rows_total);
    }
    (results, counted, lost)
}

#[test]
fn every_row_of_a_full_state_is_counted_or_dropped_and_counted() {
    for (query, mode) in COUNTS {
        for seed in 0..6 {
            let (results, counted, lost) = run(query, mode, seed, 30);
            let counts = |row: &Vec<Value>| !query.contains("WHERE") || row[0] != Value::Null;
            let all = (0..EPOCHS).filter_map(|epoch| rows(seed, "a", epoch)).flatten().filter(counts).count() as u64;
            assert!(lost > 0, "{query}");
            if mode != OutputMode::Update {
                assert_eq!(counted + lost, all, "{query}");
            }
            for block_rows in [1, 7] {
                assert_eq!(run(query, mode, seed, block_rows), (results.clone(), counted, lost), "{query}");
            }
        }
    }
    for (query, mode) in OTHERS {
        assert_eq!(run(query, mode, 1, 30), run(query, mode, 1, 1), "{query}");
    }
}

#[test]
fn new_groups_are_taken_again_when_others_have_closed_and_when_there_is_more_memory() {
    let (query, mode) = COUNTS[1];
    let plan = plan(query, mode);
    let mut driver = driver(&plan, mode);
    let at = |second: i64, key: i32| -> Vec<Value> {
        alloc::vec![Value::Int64((1_000_000 + second) * 1_000_000), Value::Int32(key), Value::Null, Value::Null]
    };
    let dropped = |driver: &Driver| driver.state_metrics().map(|m| m.rows_without_room).sum::<u64>();
    epoch((&plan, &mut driver), &[at(0, 1), at(0, 2)], 30, false);
    driver.check_memory(0, driver.memory_bytes() - 1).unwrap();
    epoch((&plan, &mut driver), &[at(0, 1), at(0, 3), at(60, 1)], 30, false);
    assert_eq!(dropped(&driver), 2, "the key is known, its group of this window is not");
    // The watermark is a minute on now: the first window closes in this epoch, and in the next there is room.
    let (out, counted) = epoch((&plan, &mut driver), &[], 30, false);
    assert_eq!((out.len(), counted, dropped(&driver)), (2, 3, 0));
    epoch((&plan, &mut driver), &[at(61, 7), at(61, 8), at(61, 7), at(61, 9)], 30, false);
    assert_eq!(dropped(&driver), 1);
    driver.check_memory(0, u64::MAX).unwrap();
    assert!(!driver.is_full());
    epoch((&plan, &mut driver), &[at(61, 9), at(61, 10), at(61, 7)], 30, false);
    assert_eq!(dropped(&driver), 0);
}

#[test]
fn what_cannot_do_without_new_keys_fails() {
    let mode = OutputMode::Append;
    let plan = plan("SELECT DISTINCT ts, k FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS", mode);
    let mut distinct = driver(&plan, mode);
    epoch((&plan, &mut distinct), &rows(1, "a", 0).unwrap(), 30, false);
    let held = distinct.memory_bytes();
    let failed = distinct.check_memory(0, held - 1);
    let is_group_by = distinct.state_metrics().any(|m| m.operator_name == "stateStoreSave");
    assert_eq!(failed.is_ok(), is_group_by, "DISTINCT may be planned as an aggregation");
    // Lists of keys that are there grow on: a state that doubles all the same ends the query.
    let (query, mode) = OTHERS[0];
    let plan = self::plan(query, mode);
    let mut lists = driver(&plan, mode);
    epoch((&plan, &mut lists), &rows(1, "a", 0).unwrap(), 30, false);
    let most = lists.memory_bytes() - 1;
    lists.check_memory(0, most).unwrap();
    let failed = (0..10_000).find_map(|_| {
        epoch((&plan, &mut lists), &rows(1, "a", 0).unwrap(), 30, false);
        lists.check_memory(0, most).err()
    });
    assert!(failed.expect("more than any memory").is_limit());
}
