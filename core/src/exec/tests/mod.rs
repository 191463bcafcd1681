//! The driver over small plans: epochs, watermarks, windows and what comes out when.

mod deduplicate;
mod filter;
#[cfg(feature = "sql")]
mod full;
#[cfg(feature = "sql")]
mod joins;
#[cfg(feature = "sql")]
mod saved;
#[cfg(feature = "sql")]
mod sliding;
mod told;

use alloc::{sync::Arc, vec, vec::Vec};

use super::{Driver, DriverOptions};
use crate::{
    block::{Block, BlockRef, Value},
    expr::{Expr, Settings, col, lit},
    plan::{GroupBy, LogicalPlan, OutputMode, PlanBuilder, Select, Table, check, rewrite},
    schema::Schema,
    time::{Interval, MICROS_PER_SECOND},
};

fn events() -> PlanBuilder {
    let schema = Schema::parse_ddl("ts TIMESTAMP, dev STRING, v DOUBLE").unwrap();
    let table = Table { name: "ev".into(), provider: "memory".into(), schema, ..Table::default() };
    PlanBuilder::scan(Arc::new(table), true, Arc::new(Settings::default()))
}

fn windowed(delay_s: i64, window: &[&str]) -> PlanBuilder {
    let mut args = vec![col("ts")];
    args.extend(window.iter().map(|text| lit(*text)));
    let group = vec![Expr::function("window", args), col("dev")];
    let count = Expr::function("count", [lit(1)]).alias("n");
    let projection =
        vec![col("window.start").alias("at"), col("dev"), count, Expr::function("sum", [col("v")]).alias("s")];
    events()
        .with_watermark(col("ts"), Interval::from_micros(delay_s * MICROS_PER_SECOND))
        .unwrap()
        .select(Select { projection, group_by: Some(GroupBy::Exprs(group)), ..Select::default() })
        .unwrap()
}

/// Runs epochs of (second, device, value) rows and gives what came out, epoch by epoch, with the trailing empty ones.
/// The answer is the same if after every epoch another driver goes on with what the last one saved.
fn run(plan: PlanBuilder, mode: OutputMode, epochs: &[&[(i64, &str, f64)]]) -> Vec<Vec<Vec<Value>>> {
    let plan = plan.into_plan();
    check(&plan, mode).unwrap();
    let plan = rewrite(plan);
    let out = run_driver(&plan, mode, epochs, false);
    assert_eq!(out, run_driver(&plan, mode, epochs, true), "with restarts");
    out
}

fn run_driver(
    plan: &LogicalPlan,
    mode: OutputMode,
    epochs: &[&[(i64, &str, f64)]],
    restarts: bool,
) -> Vec<Vec<Vec<Value>>> {
    let width = plan.schema().len();
    let options = DriverOptions { mode: Some(mode), ..Default::default() };
    let mut driver = Driver::new(plan, options).unwrap();
    let stage = driver.stages().remove(0);
    let scan = stage.scans[0].clone();
    let mut results = Vec::new();
    let mut waiting = epochs.iter();
    loop {
        let rows = waiting.next();
        if rows.is_none() && !driver.wants_empty_epoch() {
            return results;
        }
        let mut out = Vec::new();
        let mut sink = |block: &BlockRef<'_>| {
            block.rows().for_each(|row| out.push((0..width).map(|c| block.column(c).value(row)).collect::<Vec<_>>()));
            Ok(())
        };
        driver.begin_epoch(0);
        driver.begin_stage(stage.stage);
        let mut block = Block::new(&scan.scan.schema);
        for (second, dev, v) in rows.copied().unwrap_or_default() {
            block.push_row(&[Value::Int64(second * MICROS_PER_SECOND), (*dev).into(), (*v).into()]);
        }
        driver.push(scan.port, &block.view(), &mut sink).unwrap();
        driver.finish_stage(stage.stage, &mut sink).unwrap();
        driver.end_epoch();
        if restarts {
            driver = restarted(&driver, plan, options);
        }
        results.push(out);
    }
}

/// A new driver that has loaded what this one saves.
fn restarted(driver: &Driver, plan: &LogicalPlan, options: DriverOptions) -> Driver {
    let (mut saved, mut again) = (Vec::new(), Vec::new());
    driver.save(&mut saved);
    let mut next = Driver::new(plan, options).unwrap();
    next.load(&saved).unwrap();
    next.save(&mut again);
    assert_eq!(saved, again, "what was loaded is saved the same");
    next
}

fn row(second: i64, dev: &str, n: i64, s: f64) -> Vec<Value> {
    vec![Value::Int64(second * MICROS_PER_SECOND), dev.into(), n.into(), s.into()]
}

#[test]
fn a_row_older_than_the_watermark_still_counts_in_a_window_that_closes_in_the_same_epoch() {
    let day = 1_000_000 * 60;
    let epochs: [&[(i64, &str, f64)]; 5] = [
        &[(day + 5, "a", 1.0), (day + 50, "a", 1.0)],
        &[(day + 70, "a", 1.0)],
        &[(day + 59, "a", 1.0)],
        &[(day + 150, "a", 1.0)],
        &[(day + 30, "a", 1.0)],
    ];
    let out = run(windowed(10, &["1 minute"]), OutputMode::Append, &epochs);
    assert_eq!(out[2], [row(day, "a", 3, 3.0)]);
    assert_eq!(out[4], [row(day + 60, "a", 1, 1.0)]);
    assert!(out[0].is_empty() && out[1].is_empty() && out[3].is_empty());
    assert_eq!(out.len(), 5);
}

#[test]
fn an_epoch_without_data_emits_what_the_last_one_closed() {
    let out = run(windowed(0, &["10 seconds"]), OutputMode::Append, &[&[(1_000, "a", 2.0)], &[(2_000, "b", 1.0)]]);
    assert_eq!(out, [vec![], vec![], vec![row(1_000, "a", 1, 2.0)]]);
}

#[test]
fn sliding_windows_are_merged_from_panes() {
    let epochs: [&[(i64, &str, f64)]; 2] =
        [&[(1_001, "a", 1.0), (1_009, "a", 2.0), (1_013, "b", 4.0)], &[(2_000, "x", 0.0)]];
    let out = run(windowed(0, &["10 seconds", "4 seconds"]), OutputMode::Append, &epochs);
    let expected = [
        row(992, "a", 1, 1.0),
        row(996, "a", 1, 1.0),
        row(1_000, "a", 2, 3.0),
        row(1_004, "a", 1, 2.0),
        row(1_004, "b", 1, 4.0),
        row(1_008, "a", 1, 2.0),
        row(1_008, "b", 1, 4.0),
        row(1_012, "b", 1, 4.0),
    ];
    let all: Vec<Vec<Value>> = out.concat();
    assert_eq!(all, expected);
}

#[test]
fn update_mode_emits_touched_groups_once_and_complete_mode_everything() {
    let epochs: [&[(i64, &str, f64)]; 2] = [&[(1_001, "a", 1.0), (1_002, "a", 2.0)], &[(1_003, "b", 4.0)]];
    let update = run(windowed(5, &["10 seconds"]), OutputMode::Update, &epochs);
    assert_eq!(update[..2], [vec![row(1_000, "a", 2, 3.0)], vec![row(1_000, "b", 1, 4.0)]]);
    let complete = run(windowed(5, &["10 seconds"]), OutputMode::Complete, &epochs);
    assert_eq!(complete[1], [row(1_000, "a", 2, 3.0), row(1_000, "b", 1, 4.0)]);
}
