//! What Spark answers, batch by batch, with the watermark each batch ran with and the rows it left waiting.

use alloc::{format, string::String, vec, vec::Vec};

use super::{Epoch, Run, START_S, read_rows};
use crate::plan::OutputMode;

const IMPRESSIONS: (&str, &str) = ("imp", "id INT, lt TIMESTAMP, item STRING");
const CLICKS: (&str, &str) = ("clk", "id INT, rt TIMESTAMP, price DOUBLE");

const SHOWN: [&str; 5] = ["1 0 x | 2 3 y | 3 5 z", "4 30 w | 1 12 x2", "5 60 v | 2 1 late", "6 150 u", "7 300 t"];
const CLICKED: [&str; 5] =
    ["1 5 1.5 | 3 40 2.5 | 9 6 3", "1 20 4 | 2 22 5 | 4 31 6", "5 70 7 | 2 23 8", "6 149 9 | 6 170 10", "8 300 11"];

fn run(query: &str, mode: OutputMode, shown: &[&str], clicked: &[&str]) -> Vec<Epoch> {
    let run = Run {
        tables: &[IMPRESSIONS, CLICKS],
        mode: Some(mode),
        block_rows: 4096,
        in_order: true,
        is_ended: false,
        restarts: false,
        keeps_order: false,
    };
    let data = |table: &str, epoch: usize| match table {
        "imp" => Some(read_rows(IMPRESSIONS.1, shown.get(epoch)?)),
        _ => Some(read_rows(CLICKS.1, clicked.get(epoch)?)),
    };
    run.run(query, &data).unwrap()
}

fn batch(query: &str) -> Vec<String> {
    let run = Run {
        tables: &[IMPRESSIONS, CLICKS],
        mode: None,
        block_rows: 4096,
        in_order: true,
        is_ended: false,
        restarts: false,
        keeps_order: false,
    };
    let all = |ddl, parts: &[&str]| read_rows(ddl, &parts.join("|"));
    let data = |table: &str, _| match table {
        "imp" => Some(all(IMPRESSIONS.1, &SHOWN)),
        _ => Some(all(CLICKS.1, &CLICKED)),
    };
    run.run(query, &data).unwrap().remove(0).rows
}

/// An epoch's rows, its watermark in seconds since the start, rows waiting and dropped.
fn epoch(rows: &[&str], watermark_s: Option<i64>, waiting: u64, dropped: u64) -> Epoch {
    let mut rows: Vec<String> = rows.iter().map(|&row| row.into()).collect();
    rows.sort();
    let watermark_ms = watermark_s.map(|s| if s == 0 { 0 } else { (START_S + s) * 1_000 });
    Epoch { rows, watermark_ms, state: vec![(waiting, dropped)] }
}

const INNER: &str = "SELECT i.id, i.item, i.lt, c.rt, c.price
    FROM imp WATERMARK lt DELAY OF INTERVAL 10 SECONDS AS i
    JOIN clk WATERMARK rt DELAY OF INTERVAL 20 SECONDS AS c
      ON i.id = c.id AND c.rt >= i.lt AND c.rt <= i.lt + INTERVAL 20 SECONDS";

const OUTER: &str = "SELECT i.id, i.item, i.lt, c.rt, c.price
    FROM imp WATERMARK lt DELAY OF INTERVAL 10 SECONDS AS i
    LEFT OUTER JOIN clk WATERMARK rt DELAY OF INTERVAL 10 SECONDS AS c
      ON i.id = c.id AND c.rt BETWEEN i.lt AND i.lt + INTERVAL 20 SECONDS";

#[test]
fn inner_join_over_a_time_range() {
    let expected = [
        epoch(&["1 x 0 5 1.5"], Some(0), 6, 0),
        epoch(&["1 x 0 20 4", "1 x2 12 20 4", "2 y 3 22 5", "4 w 30 31 6"], Some(-5), 11, 0),
        epoch(&["2 y 3 23 8", "5 v 60 70 7"], Some(20), 13, 0),
        epoch(&["6 u 150 170 10"], Some(50), 6, 0),
        epoch(&[], Some(140), 5, 0),
        epoch(&[], Some(280), 2, 0),
    ];
    assert_eq!(run(INNER, OutputMode::Append, &SHOWN, &CLICKED), expected);
    assert_eq!(run(INNER, OutputMode::Update, &SHOWN, &CLICKED), expected);
    let all: Vec<String> = expected.into_iter().flat_map(|e| e.rows).collect();
    let mut in_order = all.clone();
    in_order.sort();
    assert_eq!(batch(INNER), in_order);
}

#[test]
fn left_join_gives_lonely_rows_when_their_time_is_over() {
    let expected = [
        epoch(&["1 x 0 5 1.5"], Some(0), 6, 0),
        epoch(&["1 x 0 20 4", "1 x2 12 20 4", "2 y 3 22 5", "4 w 30 31 6"], Some(-5), 11, 0),
        epoch(&["2 y 3 23 8", "5 v 60 70 7"], Some(20), 13, 0),
        epoch(&["2 late 1 - -", "3 z 5 - -", "6 u 150 170 10"], Some(50), 6, 0),
        epoch(&[], Some(140), 5, 0),
        epoch(&[], Some(290), 2, 0),
    ];
    assert_eq!(run(OUTER, OutputMode::Append, &SHOWN, &CLICKED), expected);
    assert_eq!(batch(OUTER).len(), 11);
}

#[test]
fn join_without_watermark_keeps_everything() {
    let query = "SELECT i.id, i.item, c.price FROM imp i JOIN clk c ON i.id = c.id";
    let expected = [
        epoch(&["1 x 1.5", "3 z 2.5"], None, 6, 0),
        epoch(&["1 x 4", "1 x2 1.5", "1 x2 4", "2 y 5", "4 w 6"], None, 11, 0),
        epoch(&["2 late 5", "2 late 8", "2 y 8", "5 v 7"], None, 15, 0),
        epoch(&["6 u 10", "6 u 9"], None, 18, 0),
        epoch(&[], None, 20, 0),
    ];
    assert_eq!(run(query, OutputMode::Append, &SHOWN, &CLICKED), expected);
}

#[test]
fn equal_event_times_expire_with_the_watermark() {
    let tables = [("a", "ts TIMESTAMP, dev STRING, v DOUBLE"), ("b", "ts TIMESTAMP, dev STRING, v DOUBLE")];
    let query = "SELECT a.ts, a.v AS va, b.v AS vb
        FROM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS
        LEFT JOIN b WATERMARK ts DELAY OF INTERVAL 5 SECONDS ON a.ts = b.ts AND a.dev = b.dev";
    let a = ["1 x 1 | 2 x 2", "10 x 3 | 3 x 4", "30 x 5 | 9 x 6", "90 x 5"];
    let b = ["1 x 10", "2 x 20 | 12 x 30", "10 x 40 | 31 x 50", "80 x 5"];
    let data = |table: &str, epoch: usize| {
        Some(read_rows(tables[0].1, if table == "a" { a.get(epoch)? } else { b.get(epoch)? }))
    };
    let run = Run {
        tables: &tables,
        mode: Some(OutputMode::Append),
        block_rows: 4096,
        in_order: true,
        is_ended: false,
        restarts: false,
        keeps_order: false,
    };
    let expected = [
        epoch(&["1 1 10"], Some(0), 3, 0),
        epoch(&["2 2 20"], Some(-4), 7, 0),
        epoch(&["3 4 -", "10 3 40"], Some(5), 6, 0),
        epoch(&["9 6 -"], Some(25), 4, 0),
        epoch(&["30 5 -"], Some(75), 2, 0),
    ];
    assert_eq!(run.run(query, &data).unwrap(), expected);
}

#[test]
fn conditions_of_one_side_act_below_its_watermark() {
    let query = "SELECT i.id, i.item, c.price
        FROM imp WATERMARK lt DELAY OF INTERVAL 5 SECONDS AS i
        LEFT JOIN clk WATERMARK rt DELAY OF INTERVAL 5 SECONDS AS c
          ON i.id = c.id AND c.rt BETWEEN i.lt AND i.lt + INTERVAL 10 SECONDS AND c.price >= 2";
    let shown = ["1 1 a | 2 2 b | - 3 n", "3 30 c", "4 50 d", "5 120 e"];
    let clicked = ["1 5 1 | 2 5 5 | 9 540 1", "3 35 2 | - 480 7", "4 65 3 | 4 59 4", "6 130 6"];
    let expected = [
        epoch(&["2 b 5"], Some(0), 4, 0),
        epoch(&["3 c 2"], Some(-2), 6, 0),
        epoch(&["1 a -", "4 d 4", "- n -"], Some(25), 5, 0),
        epoch(&[], Some(45), 5, 0),
        epoch(&[], Some(115), 2, 0),
    ];
    assert_eq!(run(query, OutputMode::Append, &shown, &clicked), expected);
}

#[test]
fn a_preserved_row_that_fails_its_own_condition_comes_out_at_once() {
    let query = format!("{OUTER} AND i.item <> 'x'");
    let first = &run(&query, OutputMode::Append, &SHOWN, &CLICKED)[0];
    assert_eq!(*first, epoch(&["1 x 0 - -"], Some(0), 5, 0));
}

#[test]
fn rows_are_late_only_by_an_event_time_that_reaches_the_join() {
    let clauses = "FROM imp WATERMARK lt DELAY OF INTERVAL 1 SECONDS AS i
        JOIN clk WATERMARK rt DELAY OF INTERVAL 1 SECONDS AS c ON i.id = c.id";
    let (shown, clicked) = (["1 100 x", "2 200 y", "1 5 z"], ["1 100 1", "2 200 2", "1 300 3"]);
    let blind = run(&format!("SELECT i.item, c.price {clauses}"), OutputMode::Append, &shown, &clicked);
    assert_eq!(blind[2], epoch(&["x 3", "z 1", "z 3"], Some(199), 6, 0));
    let sighted = run(&format!("SELECT i.item, c.price, i.lt {clauses}"), OutputMode::Append, &shown, &clicked);
    assert_eq!(sighted[2], epoch(&["x 3 100"], Some(199), 5, 1));
    assert_eq!((blind.len(), sighted.len()), (3, 3), "no epoch without data: nothing ever leaves");
}

#[test]
fn an_aggregation_above_lags_behind_as_far_as_rows_wait() {
    let query = "SELECT window.start AS at, count(*) AS n FROM (
          SELECT i.lt AS lt FROM imp WATERMARK lt DELAY OF INTERVAL 0 SECONDS AS i
          LEFT JOIN clk WATERMARK rt DELAY OF INTERVAL 0 SECONDS AS c
            ON i.id = c.id AND c.rt >= i.lt AND c.rt <= i.lt + INTERVAL 10 SECONDS)
        GROUP BY window(lt, '5 seconds')";
    let shown = ["1 1 x", "1 20 y", "1 40 z"];
    let clicked = ["2 1 1", "2 20 1", "2 40 1"];
    let rows: Vec<Vec<String>> = run(query, OutputMode::Append, &shown, &clicked).into_iter().map(|e| e.rows).collect();
    // The row of second 1 leaves the join when the watermark is 20, in the third epoch; its window, which closes at
    // 5, is complete when the watermark less 10 s and 1 ms is.
    let expected: [&[&str]; 4] = [&[], &[], &["0 1"], &["20 1"]];
    assert_eq!(rows, expected);
}

#[test]
fn queries_that_could_not_forget_are_refused() {
    let join = |kind: &str, on: &str| {
        format!(
            "SELECT i.id FROM imp WATERMARK lt DELAY OF INTERVAL 1 SECONDS AS i
             {kind} clk WATERMARK rt DELAY OF INTERVAL 1 SECONDS AS c ON {on}"
        )
    };
    let (append, update) = (OutputMode::Append, OutputMode::Update);
    let range = "i.id = c.id AND c.rt BETWEEN i.lt AND i.lt + INTERVAL 20 SECONDS";
    let cases = [
        (join("JOIN", "i.id = c.id"), append, None),
        (join("JOIN", "c.rt > i.lt"), append, Some("STREAM_STREAM_JOIN_WITHOUT_EQUALITY")),
        (join("LEFT JOIN", "i.id = c.id"), append, Some("STREAM_STREAM_JOIN_WITHOUT_WATERMARK")),
        (join("LEFT JOIN", "i.id = c.id AND c.rt >= i.lt"), append, Some("STREAM_STREAM_JOIN_WITHOUT_WATERMARK")),
        (join("RIGHT JOIN", "i.id = c.id AND c.rt >= i.lt"), append, None),
        (join("FULL JOIN", "i.id = c.id AND c.rt >= i.lt"), append, None),
        (join("LEFT JOIN", range), append, None),
        (join("LEFT JOIN", range), update, Some("STREAM_STREAM_OUTER_JOIN_MODE")),
        (join("LEFT SEMI JOIN", range), update, None),
        (join("LEFT SEMI JOIN", "i.id = c.id"), append, Some("STREAM_STREAM_JOIN_WITHOUT_WATERMARK")),
        (join("LEFT ANTI JOIN", range), append, Some("STREAM_STREAM_ANTI_JOIN")),
        (join("LEFT JOIN", "i.id = c.id AND i.lt = c.rt"), append, None),
    ];
    for (query, mode, class) in cases {
        let run = Run {
            tables: &[IMPRESSIONS, CLICKS],
            mode: Some(mode),
            block_rows: 1,
            in_order: true,
            is_ended: false,
            restarts: false,
            keeps_order: false,
        };
        let refused = run.plan(&query).err().map(|e| e.error_class().unwrap_or_default());
        assert_eq!(refused, class, "{query}");
    }
}
