//! Any rows through any join against a model that keeps two lists and looks at every pair.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{Epoch, Run, START_S};
use crate::{block::Value, plan::OutputMode, time::MICROS_PER_SECOND};

const L: (&str, &str) = ("l", "k INT, ts TIMESTAMP, v INT");
const R: (&str, &str) = ("r", "k INT, ts TIMESTAMP, v INT");

/// A row of either stream; its time in seconds since the start.
#[derive(Clone, Debug)]
struct Row {
    k: Option<i32>,
    ts: Option<i64>,
    v: i32,
}

#[derive(Clone, Debug)]
struct Query {
    kind: &'static str,
    /// `r.ts BETWEEN l.ts AND l.ts + range`, or else `l.ts = r.ts`.
    range: Option<i64>,
    /// `l.v > own`
    own: Option<i32>,
    delays: [i64; 2],
}

impl Query {
    fn text(&self) -> String {
        let columns =
            if self.is_semi() { "l.k, l.ts, l.v" } else { "l.k, l.ts, l.v, r.k AS rk, r.ts AS rts, r.v AS rv" };
        let time = match self.range {
            Some(range) => format!("r.ts BETWEEN l.ts AND l.ts + INTERVAL {range} SECONDS"),
            None => "l.ts = r.ts".into(),
        };
        let own = self.own.map_or_else(String::new, |own| format!(" AND l.v > {own}"));
        format!(
            "SELECT {columns} FROM l WATERMARK ts DELAY OF INTERVAL {} SECONDS \
             {} JOIN r WATERMARK ts DELAY OF INTERVAL {} SECONDS ON l.k = r.k AND {time}{own}",
            self.delays[0], self.kind, self.delays[1]
        )
    }

    fn is_semi(&self) -> bool {
        self.kind == "LEFT SEMI"
    }

    fn keeps(&self, side: usize) -> bool {
        self.kind == "FULL" || self.kind == ["LEFT", "RIGHT"][side]
    }

    /// Whether the row goes through what acts below the watermark: conditions that do not read the event time.
    fn enters(&self, side: usize, row: &Row) -> bool {
        self.keeps(side) || (row.k.is_some() && (side == 1 || self.meets_own(row)))
    }

    /// What acts above the watermark, in equalities of times only.
    fn passes(&self, side: usize, row: &Row) -> bool {
        self.keeps(side) || self.range.is_some() || row.ts.is_some()
    }

    fn meets_own(&self, left: &Row) -> bool {
        self.own.is_none_or(|own| left.v > own)
    }

    fn meets(&self, left: &Row, right: &Row) -> bool {
        let (Some(l), Some(r)) = (left.ts, right.ts) else { return false };
        let in_time = self.range.map_or(l == r, |range| l <= r && r <= l + range);
        left.k.is_some() && left.k == right.k && in_time && self.meets_own(left)
    }

    /// Whether a row that waits can find no partner above this watermark, in milliseconds.
    fn is_over(&self, side: usize, row: &Row, watermark_ms: i64) -> bool {
        let Some(ts) = row.ts else { return false };
        let bound_ms = match (self.range, side) {
            (None, _) => watermark_ms,
            (Some(range), 0) => watermark_ms.saturating_sub(range * 1_000 + 1),
            (Some(_), _) => watermark_ms.saturating_sub(1),
        };
        (START_S + ts) * 1_000 <= bound_ms
    }
}

fn show(row: Option<&Row>) -> String {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let Some(row) = row else { return "- - -".into() };
    format!("{} {} {}", or(row.k.map(|k| k.to_string())), or(row.ts.map(|t| t.to_string())), row.v)
}

#[derive(Default)]
struct Model {
    waiting: [Vec<(Row, bool)>; 2],
    watermark_ms: i64,
    late_ms: i64,
    highest_ms: [Option<i64>; 2],
}

impl Model {
    fn epoch(&mut self, query: &Query, rows: [&[Row]; 2]) -> Epoch {
        let (mut out, mut dropped) = (Vec::new(), 0);
        let used_ms = self.watermark_ms;
        for (side, rows) in rows.into_iter().enumerate() {
            for row in rows.iter().filter(|row| query.enters(side, row)) {
                let ms = row.ts.map_or(0, |ts| (START_S + ts) * 1_000) - query.delays[side] * 1_000;
                self.highest_ms[side] = self.highest_ms[side].max(Some(ms));
                if !query.passes(side, row) {
                    continue;
                }
                if row.ts.is_some_and(|ts| (START_S + ts) * 1_000 <= self.late_ms) {
                    dropped += 1;
                } else {
                    self.add(query, side, row, &mut out);
                }
            }
        }
        for side in 0..2 {
            let (over, stay): (Vec<_>, Vec<_>) =
                self.waiting[side].drain(..).partition(|(row, _)| query.is_over(side, row, used_ms));
            self.waiting[side] = stay;
            out.extend(over.iter().filter(|(_, met)| !met && query.keeps(side)).map(|(row, _)| lonely(side, row)));
        }
        let lowest = self.highest_ms.iter().map(|ms| ms.unwrap_or(0)).min().unwrap();
        (self.late_ms, self.watermark_ms) = (used_ms, used_ms.max(lowest));
        out.sort();
        let waiting = self.waiting.iter().map(Vec::len).sum::<usize>() as u64;
        Epoch { rows: out, watermark_ms: Some(used_ms), state: vec![(waiting, dropped)] }
    }

    fn add(&mut self, query: &Query, side: usize, row: &Row, out: &mut Vec<String>) {
        if side == 0 && !query.meets_own(row) {
            return out.push(lonely(0, row));
        }
        let mut met = false;
        for (other, other_met) in &mut self.waiting[1 - side] {
            let (left, right) = if side == 0 { (row, &*other) } else { (&*other, row) };
            if !query.meets(left, right) {
                continue;
            }
            match (query.is_semi(), side) {
                (false, _) => out.push(format!("{} {}", show(Some(left)), show(Some(right)))),
                (true, 0) if !met => out.push(show(Some(left))),
                (true, 1) if !*other_met => out.push(show(Some(left))),
                _ => {}
            }
            (met, *other_met) = (true, true);
        }
        let may_wait = query.keeps(side) || row.k.is_some();
        if may_wait && !(query.is_semi() && side == 0 && met) {
            self.waiting[side].push((row.clone(), met));
        }
    }
}

fn lonely(side: usize, row: &Row) -> String {
    match side {
        0 => format!("{} {}", show(Some(row)), show(None)),
        _ => format!("{} {}", show(None), show(Some(row))),
    }
}

fn rows() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let ts = prop_oneof![12 => (0..60_i64).prop_map(Some), 1 => Just(None)];
    let row = (prop_oneof![8 => (0..3).prop_map(Some), 1 => Just(None)], ts, -2..3);
    let row = row.prop_map(|(k, ts, v)| Row { k, ts, v });
    // Times go forward from epoch to epoch, by about as much as rows are apart within one.
    vec(vec(row, 0..8), 6).prop_map(|mut epochs: Vec<Vec<Row>>| {
        for (n, epoch) in epochs.iter_mut().enumerate() {
            epoch.iter_mut().for_each(|row| row.ts = row.ts.map(|ts| ts + 30 * n as i64));
        }
        epochs
    })
}

fn query() -> impl Strategy<Value = Query> {
    let kind = select(vec!["INNER", "LEFT", "RIGHT", "FULL", "LEFT SEMI"]);
    (kind, option::weighted(0.7, 0..40_i64), option::weighted(0.3, -2..2), [0..40_i64, 0..40_i64])
        .prop_map(|(kind, range, own, delays)| Query { kind, range, own, delays })
}

fn values(rows: &[Row]) -> Vec<Vec<Value>> {
    let time = |ts: Option<i64>| ts.map_or(Value::Null, |ts| ((START_S + ts) * MICROS_PER_SECOND).into());
    rows.iter().map(|r| vec![r.k.map_or(Value::Null, Value::from), time(r.ts), r.v.into()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_meet_epoch_by_epoch_as_the_model_says(
        query in query(),
        left in rows(),
        right in rows(),
        block_rows in select(vec![1, 2, 3, 4096]),
        in_order in any::<bool>(),
    ) {
        let mode = Some(OutputMode::Append);
        let (is_ended, restarts, keeps_order) = (false, false, false);
        let run = Run { tables: &[L, R], mode, block_rows, in_order, is_ended, restarts, keeps_order };
        let data = |table: &str, epoch: usize| {
            Some(values(if table == "l" { left.get(epoch)? } else { right.get(epoch)? }))
        };
        let mut got = run.run(&query.text(), &data).unwrap();
        let mut model = Model::default();
        let mut expected: Vec<Epoch> = left.iter().zip(&right).map(|(l, r)| model.epoch(&query, [l, r])).collect();
        while model.watermark_ms > model.late_ms {
            expected.push(model.epoch(&query, [&[], &[]]));
        }
        if query.is_semi() && !in_order {
            // A left row that meets its first partner at once need not wait, so the order shows in the state.
            got.iter_mut().chain(&mut expected).for_each(|e| e.state[0].0 = 0);
        }
        prop_assert_eq!(got, expected, "{}", query.text());
    }

    #[test]
    fn a_stream_that_ends_gives_the_batch_answer_if_nothing_is_late(
        query in query(),
        left in rows(),
        right in rows(),
        block_rows in select(vec![1, 2, 3, 4096]),
    ) {
        let query = Query { delays: [1_000_000; 2], ..query };
        let timed = |epochs: &[Vec<Row>]| -> Vec<Vec<Row>> {
            let timed = |epoch: &Vec<Row>| epoch.iter().filter(|row| row.ts.is_some()).cloned().collect();
            epochs.iter().map(timed).collect()
        };
        let (left, right) = (timed(&left), timed(&right));
        let side = |table: &str| if table == "l" { &left } else { &right };
        let stream = Run {
            tables: &[L, R],
            mode: Some(OutputMode::Append),
            block_rows,
            in_order: true,
            is_ended: true,
            restarts: false,
            keeps_order: false,
        };
        let epochs = stream.run(&query.text(), &|table, epoch| Some(values(side(table).get(epoch)?))).unwrap();
        let batch = Run { mode: None, ..stream };
        let whole = batch.run(&query.text(), &|table, _| Some(values(&side(table).concat()))).unwrap().remove(0);
        let mut all: Vec<String> = epochs.into_iter().flat_map(|e| e.rows).collect();
        all.sort();
        prop_assert_eq!(all, whole.rows, "{}", query.text());
    }
}
