//! Sliding windows of many keys: the ways in which a window's rows come out (copied, lent, picked) against a naive
//! evaluator, and with restarts.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::ops::Range;

use super::{joins::Run, restarted};
use crate::{
    block::{Block, BlockRef, Value},
    exec::{Driver, DriverOptions},
    limits::BLOCK_ROWS,
    plan::OutputMode,
    time::MICROS_PER_SECOND,
};

const TABLES: [(&str, &str); 1] = [("a", "ts TIMESTAMP, id INT, name STRING, v DOUBLE, n INT")];
const SECONDS: i64 = 30;
const EPOCH_S: i64 = 7;
/// The seconds of an epoch by block: some blocks are of one pane, others of several.
const BLOCKS_S: [Range<i64>; 3] = [0..1, 1..3, 3..EPOCH_S];
const SIZE_S: i64 = 8;

/// Rows of a second: of `keys` keys one in `every` is missing, and one value in eleven.
fn rows(second: i64, keys: i64, every: i64, null_key_s: i64) -> Vec<[Value; 5]> {
    let present = (0..keys).filter(|key| (key * 7 + second * 13) % every != 0);
    let row = |key: i64| {
        let id = if key == 3 && second == null_key_s { Value::Null } else { ((key * 3 - 50) as i32).into() };
        let v = if (key + second) % 11 == 0 { Value::Null } else { ((key * second % 17) as f64 / 4.0).into() };
        let name = Value::from(format!("host {key}").as_str());
        [Value::Int64(second * MICROS_PER_SECOND), id, name, v, ((key - second) as i32).into()]
    };
    present.map(row).collect()
}

/// What an aggregate makes of a group's values, as text.
fn result(call: &str, values: &[Value]) -> String {
    let floats = || values.iter().filter_map(Value::as_f64);
    let integers = || values.iter().filter_map(Value::as_i64);
    let count = values.iter().filter(|v| !matches!(v, Value::Null)).count();
    let value = match call {
        "count(v)" => Value::Int64(count as i64),
        "sum(n)" => Value::Int64(integers().sum()),
        "min(n)" => Value::Int32(integers().min().unwrap_or_default() as i32),
        _ if count == 0 => Value::Null,
        _ => Value::Float64(floats().sum::<f64>() / count as f64),
    };
    format!("{value:?}")
}

/// Runs a query, hands out its rows, and the rows that went in.
fn run(
    query: &str,
    (keys, every, null_key_s): (i64, i64, i64),
    restarts: bool,
    mut take: impl FnMut(&[Value]) + Send,
    mut seen: impl FnMut(i64, &[Value; 5]),
) {
    let (in_order, is_ended, keeps_order, mode) = (true, true, true, Some(OutputMode::Append));
    let run = Run { tables: &TABLES, mode, block_rows: BLOCK_ROWS, in_order, is_ended, restarts, keeps_order };
    let plan = run.plan(query).expect("a query");
    let options = DriverOptions { mode, ..DriverOptions::default() };
    let mut driver = Driver::new(&plan, options).expect("a plan that runs");
    let width = plan.schema().len();
    let mut sink = |block: &BlockRef<'_>| {
        block.rows().for_each(|row| take(&(0..width).map(|c| block.column(c).value(row)).collect::<Vec<_>>()));
        Ok(())
    };
    for from in (0..SECONDS).step_by(EPOCH_S as usize) {
        let until = SECONDS.min(from + EPOCH_S);
        if until == SECONDS {
            driver.begin_final_epoch(0)
        } else {
            driver.begin_epoch(0)
        }
        let stage = driver.stages().remove(0);
        driver.begin_stage(stage.stage);
        for seconds in BLOCKS_S {
            let mut block = Block::new(&stage.scans[0].scan.schema);
            for second in (from + seconds.start..from + seconds.end).take_while(|second| *second < until) {
                for row in rows(second, keys, every, null_key_s) {
                    block.push_row(&row);
                    seen(second, &row);
                }
            }
            driver.push(stage.scans[0].port, &block.view(), &mut sink).expect("rows without errors");
        }
        driver.finish_stage(stage.stage, &mut sink).expect("rows without errors");
        driver.end_epoch();
        if restarts {
            driver = restarted(&driver, &plan, options);
        }
    }
}

fn check(key: &str, call: &str, data: (i64, i64, i64), restarts: bool) {
    let query = format!(
        "SELECT window.start, {key}, {call} FROM STREAM a WATERMARK ts DELAY OF INTERVAL 0 SECONDS \
         GROUP BY window(ts, '{SIZE_S} seconds', '1 second'), {key}"
    );
    let (key, argument) = (if key == "id" { 1 } else { 2 }, if call.ends_with("(v)") { 3 } else { 4 });
    let (mut out, mut groups) = (Vec::new(), BTreeMap::<(i64, String), Vec<Value>>::new());
    let take = |row: &[Value]| {
        out.push((row[0].as_i64().expect("a start"), format!("{:?}", row[1]), format!("{:?}", row[2])));
    };
    run(&query, data, restarts, take, |second, row| {
        for start in (second - SIZE_S + 1)..=second {
            let group = (start * MICROS_PER_SECOND, format!("{:?}", row[key]));
            groups.entry(group).or_default().push(row[argument].clone());
        }
    });
    assert!(out.is_sorted_by_key(|(start, ..)| *start), "windows come in order");
    out.sort();
    let expected: Vec<_> =
        groups.into_iter().map(|((start, key), values)| (start, key, result(call, &values))).collect();
    assert_eq!(out.len(), expected.len(), "{query} of {data:?}");
    for (ours, naive) in out.iter().zip(&expected) {
        assert_eq!(ours, naive, "{query} of {data:?}");
    }
}

#[test]
fn windows_of_few_and_many_keys_are_those_of_a_naive_evaluator() {
    let never = -1;
    for (keys, every, null_key_s) in
        [(1, 5, never), (5, 3, never), (100, 2, never), (300, 4, never), (300, 2, 12), (700, 9, never)]
    {
        for call in ["count(v)", "avg(v)", "sum(n)", "min(n)"] {
            check("id", call, (keys, every, null_key_s), false);
        }
        check("name", "avg(v)", (keys, every, null_key_s), false);
    }
}

#[test]
fn windows_of_few_and_many_keys_survive_restarts() {
    for keys in [5, 300] {
        for key in ["id", "name"] {
            check(key, "avg(v)", (keys, 3, -1), true);
        }
    }
}

/// What stands on windows that are lent takes them as others: as those of keys that are texts, which are copied.
#[test]
fn operators_above_take_windows_in_every_form() {
    let grouped =
        "FROM STREAM a WATERMARK ts DELAY OF INTERVAL 0 SECONDS GROUP BY window(ts, '8 seconds', '1 second'), KEY";
    let queries = [
        format!("SELECT window, avg(v) {grouped} HAVING avg(v) > 1.5"),
        format!("SELECT window.end, window_time(window), abs(avg(v) - 2) + 1 {grouped}"),
        format!("SELECT concat('w', CAST(window.start AS STRING)), count(v) > 4 {grouped}"),
        format!(
            "SELECT window.start, count(*), sum(n) FROM (SELECT window AS w, KEY, sum(n) AS n {grouped} HAVING sum(n) > 9) \
             GROUP BY window(w, '10 seconds')"
        ),
        format!(
            "SELECT window.end, count(*) FROM (SELECT window_time(window) AS at, sum(n) AS n {grouped}) \
             GROUP BY window(at, '3 seconds')"
        ),
        format!("SELECT DISTINCT window, n % 7 FROM (SELECT window, sum(n) AS n {grouped})"),
    ];
    for query in &queries {
        for data in [(400, 3, -1), (200, 3, -1), (20, 3, -1)] {
            let [lent, copied] = ["id", "name"].map(|key| {
                let mut out = Vec::new();
                run(&query.replace("KEY", key), data, false, |row| out.push(format!("{row:?}")), |_, _| ());
                out.sort();
                out
            });
            assert!(!lent.is_empty(), "{query} has rows");
            assert_eq!(lent, copied, "{query} of {data:?}");
        }
    }
}
