//! Saved state: a query that is saved and loaded between any two epochs answers as one that was left alone, and bytes
//! that nobody saved are an error, never a panic.

use alloc::{string::String, vec, vec::Vec};

use super::joins::{Epoch, Run, START_S};
use crate::{
    block::{Block, Value},
    exec::{Driver, DriverOptions},
    limits::BLOCK_ROWS,
    plan::OutputMode,
    time::MICROS_PER_SECOND,
};

pub(super) const TABLES: [(&str, &str); 2] =
    [("a", "ts TIMESTAMP, k INT, s STRING, v DOUBLE"), ("b", "ts TIMESTAMP, k INT, s STRING, v DOUBLE")];
pub(super) const EPOCHS: usize = 7;

/// Queries of every operator that has a state, with a mode that they run in.
const QUERIES: [(&str, OutputMode); 15] = [
    (
        "SELECT window.start, k, count(*), sum(v), avg(v), min(s) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '10 seconds'), k",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, s, sum(v), collect_list(v) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '30 seconds', '4 seconds'), s",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, sum(v) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '12 seconds', '3 seconds')",
        OutputMode::Update,
    ),
    (
        "SELECT session_window.start, session_window.end, k, sum(v), max(s) FROM STREAM a \
      WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY session_window(ts, '4 seconds'), k",
        OutputMode::Append,
    ),
    (
        "SELECT k, s, approx_count_distinct(v), stddev(v), percentile(v, 0.5) FROM STREAM a GROUP BY k, s",
        OutputMode::Complete,
    ),
    ("SELECT k, first(s), last(v), max_by(s, v) FROM STREAM a GROUP BY k", OutputMode::Update),
    (
        "SELECT window.start, s, k, sum(v) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      GROUP BY window(ts, '12 seconds', '2 seconds'), s, k",
        OutputMode::Update,
    ),
    ("SELECT count(*), sum(v) FROM STREAM a", OutputMode::Complete),
    ("SELECT ts, k, sum(v) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY ts, k", OutputMode::Append),
    ("SELECT DISTINCT k, s FROM STREAM a", OutputMode::Update),
    ("SELECT DISTINCT ts, k FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS", OutputMode::Append),
    ("SELECT * FROM STREAM a LIMIT 70", OutputMode::Append),
    (
        "SELECT a.ts, a.k, a.v, b.v FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      JOIN STREAM b WATERMARK ts DELAY OF INTERVAL 5 SECONDS ON a.k = b.k \
      AND b.ts BETWEEN a.ts - INTERVAL 6 SECONDS AND a.ts + INTERVAL 6 SECONDS",
        OutputMode::Append,
    ),
    (
        "SELECT a.ts, a.k, a.v, b.v FROM STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
      LEFT JOIN STREAM b WATERMARK ts DELAY OF INTERVAL 5 SECONDS ON a.k = b.k \
      AND b.ts BETWEEN a.ts - INTERVAL 6 SECONDS AND a.ts + INTERVAL 6 SECONDS",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, count(*) FROM (SELECT window AS w, k, count(*) AS n FROM STREAM a \
      WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY window(ts, '2 seconds'), k) GROUP BY window(w, '10 seconds')",
        OutputMode::Append,
    ),
];

/// Rows of an epoch: times go forward and some lag behind, values are no whole numbers, and some of all are NULL.
pub(super) fn rows(seed: u64, table: &str, epoch: usize) -> Option<Vec<Vec<Value>>> {
    let mut state = seed ^ (epoch as u64) << 32 ^ u64::from(table.as_bytes()[0]) << 48;
    let mut next = move |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % below
    };
    let nullable = |value: Value, at: i64| if at == 0 { Value::Null } else { value };
    let row = |_| {
        let ts = START_S + epoch as i64 * 11 + next(20) - 9;
        vec![
            nullable((ts * MICROS_PER_SECOND).into(), next(40)),
            nullable(Value::Int32(next(5) as i32), next(20)),
            nullable(Value::String(alloc::format!("key {}", "x".repeat(next(30) as usize))), next(20)),
            nullable(Value::Float64(next(1_000_000) as f64 / 7.0), next(10)),
        ]
    };
    (epoch < EPOCHS).then(|| (0..30).map(row).collect())
}

fn run(query: &str, mode: OutputMode, seed: u64, restarts: bool) -> Vec<Epoch> {
    let (block_rows, in_order, is_ended, keeps_order) = (BLOCK_ROWS, true, true, true);
    let run = Run { tables: &TABLES, mode: Some(mode), block_rows, in_order, is_ended, restarts, keeps_order };
    run.run(query, &|table, epoch| rows(seed, table, epoch)).unwrap_or_else(|e| panic!("{query}: {e}"))
}

#[test]
fn a_query_goes_on_from_saved_state_as_if_nothing_had_been() {
    for (query, mode) in QUERIES {
        for seed in 0..8 {
            let (alone, restarted) = (run(query, mode, seed, false), run(query, mode, seed, true));
            assert!(alone.iter().any(|epoch| !epoch.rows.is_empty()), "{query} has no answer");
            for (epoch, (alone, restarted)) in alone.iter().zip(&restarted).enumerate() {
                for (alone, restarted) in alone.rows.iter().zip(&restarted.rows) {
                    assert_eq!(alone, restarted, "epoch {epoch} of {query}");
                }
                assert!(alone == restarted, "epoch {epoch} of {query}");
            }
            assert_eq!(alone.len(), restarted.len(), "{query}");
        }
    }
}

/// A driver after some epochs, its plan's new driver, and what the first one saves.
fn saved(query: &str, mode: OutputMode) -> (impl Fn() -> Driver, Vec<u8>) {
    let (block_rows, in_order, is_ended, restarts, keeps_order) = (BLOCK_ROWS, true, false, false, true);
    let run = Run { tables: &TABLES, mode: Some(mode), block_rows, in_order, is_ended, restarts, keeps_order };
    let plan = run.plan(query).expect("a query");
    let new = move || {
        Driver::new(&plan, DriverOptions { mode: Some(mode), ..DriverOptions::default() }).expect("a plan that runs")
    };
    let mut driver = new();
    (0..3).for_each(|epoch| push_epoch(&mut driver, epoch).expect("rows without errors"));
    let mut bytes = Vec::new();
    driver.save(&mut bytes);
    (new, bytes)
}

fn push_epoch(driver: &mut Driver, epoch: usize) -> crate::Result<()> {
    driver.begin_epoch(0);
    for stage in driver.stages() {
        driver.begin_stage(stage.stage);
        for scan in &stage.scans {
            let mut block = Block::new(&scan.scan.schema);
            let rows = rows(1, &scan.scan.table.name, epoch).unwrap_or_default();
            rows.iter().for_each(|row| block.push_row(row));
            driver.push(scan.port, &block.view(), &mut |_: &crate::block::BlockRef<'_>| Ok(()))?;
        }
        driver.finish_stage(stage.stage, &mut |_: &crate::block::BlockRef<'_>| Ok(()))?;
    }
    driver.end_epoch();
    Ok(())
}

#[test]
fn saved_state_that_is_cut_is_refused_and_no_flipped_bit_is_a_panic() {
    for (query, mode) in QUERIES {
        let (new, bytes) = saved(query, mode);
        for end in (0..bytes.len()).step_by(bytes.len() / 300 + 1) {
            assert!(new().load(&bytes[..end]).is_err(), "cut at {end} of {}: {query}", bytes.len());
        }
        for at in (0..bytes.len()).step_by(bytes.len() / 300 + 1) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let mut driver = new();
            // Whatever is not noticed must still run: wrong answers are the checksum's to prevent.
            if driver.load(&flipped).is_ok() {
                let _: Option<String> = push_epoch(&mut driver, 3).err().map(|e| alloc::format!("{e}"));
            }
        }
    }
}
