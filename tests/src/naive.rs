//! The naive evaluator: one row at a time, maps of vectors, no blocks, no panes, no state that is ever merged. Slow,
//! short and written straight from Spark's rules, so that it can be believed.

use std::collections::BTreeMap;

use firesteel_core::{block::Value, plan::OutputMode};

use crate::query::{Query, Row, Window};

/// A group: window start and end, then the two keys. Missing parts are 0.
type Key = (i64, i64, Option<String>, Option<i64>);
/// A result row, as the engine gives it.
pub type Out = Vec<Value>;

/// What the query answers over all rows at once.
pub fn batch(query: &Query, rows: &[Row]) -> Vec<Out> {
    let mut state = State::default();
    state.add(query, rows, None);
    state.rows(query, |_| true)
}

/// What the query hands out epoch by epoch as a stream, with trailing epochs without data: Spark's micro-batch rules.
pub fn stream(query: &Query, mode: OutputMode, epochs: &[Vec<Row>]) -> Vec<Vec<Out>> {
    let (mut late, mut watermark, mut highest) = (0, 0, None);
    let mut state = State::default();
    let mut results = Vec::new();
    let mut waiting = epochs.iter();
    loop {
        let rows = waiting.next();
        let evict = watermark;
        let closes = mode != OutputMode::Complete && evict > late && !results.is_empty();
        if rows.is_none() && !closes {
            return results;
        }
        let rows = rows.map_or(&[][..], |rows| rows);
        let drops =
            query.delay.is_some() && (mode != OutputMode::Complete || matches!(query.window, Window::Session(_)));
        let touched = state.add(query, rows, drops.then_some(late * 1000));
        let is_closed = |key: &Key| query.delay.is_some() && query.window != Window::None && key.1 <= evict * 1000;
        results.push(match mode {
            OutputMode::Append => state.rows(query, is_closed),
            OutputMode::Update => state.rows(query, |key| touched.contains(key)),
            OutputMode::Complete => state.rows(query, |_| true),
        });
        if mode != OutputMode::Complete {
            state.groups.retain(|key, _| !is_closed(key));
        }
        if let Some(delay) = query.delay {
            let passed = rows.iter().filter(|row| passes(query, row)).map(|row| row.ts.unwrap_or(0).div_euclid(1000));
            highest = passed.max().max(highest);
            watermark = watermark.max(highest.map_or(0, |ms| ms - delay / 1000));
        }
        late = evict;
    }
}

#[derive(Default)]
struct State {
    groups: BTreeMap<Key, Vec<Option<i32>>>,
}

impl State {
    /// Adds rows, but for those whose window ends at or before `late`; gives the groups they went to.
    fn add(&mut self, query: &Query, rows: &[Row], late: Option<i64>) -> Vec<Key> {
        let mut touched = Vec::new();
        if query.window == Window::None && !query.by_dev && !query.by_k {
            let key = (0, 0, None, None);
            self.groups.entry(key.clone()).or_default();
            touched.push(key);
        }
        for row in rows.iter().filter(|row| passes(query, row)) {
            for (start, end) in windows(query.window, row.ts) {
                if query.window != Window::None && late.is_some_and(|late| end <= late) {
                    continue;
                }
                let dev = query.by_dev.then(|| row.dev.unwrap_or("NULL").to_string());
                let k = query.by_k.then(|| row.k.map_or(i64::MIN, i64::from));
                let key = self.merge_sessions(query, (start, end, dev, k));
                self.groups.entry(key.clone()).or_default().push(row.v);
                touched.push(key);
            }
        }
        touched
    }

    /// A session swallows those of its key that it overlaps or touches.
    fn merge_sessions(&mut self, query: &Query, mut key: Key) -> Key {
        if !matches!(query.window, Window::Session(_)) {
            return key;
        }
        let mut merged = Vec::new();
        while let Some(other) =
            self.groups.keys().find(|o| (&o.2, o.3) == (&key.2, key.3) && o.0 <= key.1 && key.0 <= o.1)
        {
            let other = other.clone();
            merged.extend(self.groups.remove(&other).unwrap_or_default());
            key = (key.0.min(other.0), key.1.max(other.1), key.2, key.3);
        }
        self.groups.insert(key.clone(), merged);
        key
    }

    fn rows(&self, query: &Query, wanted: impl Fn(&Key) -> bool) -> Vec<Out> {
        let enough = |values: &[Option<i32>]| query.at_least.is_none_or(|n| values.len() as i64 >= n);
        let groups = self.groups.iter().filter(|(key, values)| wanted(key) && enough(values));
        sorted(groups.map(|(key, values)| result(query, key, values)).collect())
    }
}

fn passes(query: &Query, row: &Row) -> bool {
    query.above.is_none_or(|above| row.v.is_some_and(|v| v > above))
}

/// The windows of an event time, by Spark's formula.
fn windows(window: Window, ts: Option<i64>) -> Vec<(i64, i64)> {
    match (window, ts) {
        (Window::None, _) => vec![(0, 0)],
        (_, None) => Vec::new(),
        (Window::Session(gap), Some(ts)) => vec![(ts, ts + gap)],
        (Window::Time { size, slide, start }, Some(ts)) => {
            let rem = (ts - start) % slide;
            let last = ts - if rem < 0 { rem + slide } else { rem };
            let count = (size + slide - 1) / slide;
            let all = (0..count).map(|i| (last - i * slide, last - i * slide + size));
            all.filter(|&(start, end)| start <= ts && ts < end).collect()
        }
    }
}

fn result(query: &Query, key: &Key, values: &[Option<i32>]) -> Out {
    let present: Vec<f64> = values.iter().flatten().map(|&v| f64::from(v)).collect();
    let number = |x: Option<f64>| x.map_or(Value::Null, Value::Float64);
    let sum = (!present.is_empty()).then(|| present.iter().sum::<f64>());
    let dev = match (&key.2, query.by_dev) {
        (_, false) => Value::Int64(0),
        (Some(dev), _) if dev != "NULL" => Value::String(dev.clone()),
        _ => Value::Null,
    };
    let k = match (key.3, query.by_k) {
        (_, false) => Value::Int64(0),
        (Some(k), _) if k != i64::MIN => Value::Int32(k as i32),
        _ => Value::Null,
    };
    vec![
        Value::Int64(key.0),
        Value::Int64(key.1),
        dev,
        k,
        Value::Int64(values.len() as i64),
        Value::Int64(present.len() as i64),
        number(sum),
        number(present.iter().copied().reduce(f64::min)),
        number(present.iter().copied().reduce(f64::max)),
        number(sum.map(|sum| sum / present.len() as f64)),
    ]
}

/// Rows in an order of their own, so that two answers can be compared.
pub fn sorted(mut rows: Vec<Out>) -> Vec<Out> {
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}
