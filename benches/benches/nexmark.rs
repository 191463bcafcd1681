//! Nexmark's queries q5, q7 and q12 as Spark SQL over bids that lie in memory, 32 bytes each, on one core. Each answer
//! is compared with a naive evaluator's before anything is timed.
//!
//! A run reads all bids once, in epochs of 64 Ki rows, the watermark at the latest bid, and hands out all windows that
//! have closed. `--features rivals` has renoir and timely dataflow answer the same (`src/rivals.rs`).
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firesteel_benches::{
    nexmark::{Answer, BIDS, Bid, CASES, Case, bids, columns},
    stream::{Input, Query},
    suite,
};
use firesteel_core::block::{Block, BlockRef};

/// Enough for 240 windows of q5, and 128 MiB.
const ROWS: usize = 1 << 22;
/// Enough to check answers.
const CHECKED_ROWS: usize = 1 << 18;
const EPOCH_BLOCKS: usize = 16;

fn run(case: &Case, blocks: &[Block], mut take: impl FnMut(&BlockRef<'_>) + Send) {
    let mut query = Query::new(case.sql, &[Input { name: "bids", ddl: BIDS, rows: None }]);
    for epoch in blocks.chunks(EPOCH_BLOCKS) {
        query.epoch(|push| epoch.iter().for_each(|block| push(&block.view())), &mut take);
    }
    // What the last bids closed. Aggregations of aggregations are an epoch behind.
    (0..2).for_each(|_| query.epoch(|_| (), &mut take));
}

fn answers(case: &Case, blocks: &[Block]) -> Vec<Answer> {
    let mut rows = Vec::new();
    run(case, blocks, |made| {
        let width = if case.name == "q7" { 4 } else { 3 };
        let mut wide = Vec::new();
        suite::answers(made, width, &mut wide);
        rows.extend(wide.into_iter().map(|[a, b, c, d, ..]| [a, b, c, d]));
    });
    rows.sort_unstable();
    rows
}

fn check(case: &Case, bids: &[Bid]) {
    let blocks = columns(bids);
    let expected = (case.naive)(bids);
    assert!(!expected.is_empty(), "{} has answers", case.name);
    assert!(answers(case, &blocks) == expected, "{}: the engine is right", case.name);
    assert!((case.plain)(&blocks) == expected, "{}: the plain loop is right", case.name);
}

fn nexmark(c: &mut Criterion) {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let all = bids(if is_test { CHECKED_ROWS } else { ROWS });
    let blocks = columns(&all);
    for case in &CASES {
        check(case, &all[..CHECKED_ROWS]);
        let mut group = c.benchmark_group(format!("nexmark/{}", case.name));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        group.throughput(Throughput::Elements(all.len() as u64));
        group.bench_function("engine", |b| b.iter(|| run(case, &blocks, |made| _ = black_box(made.len()))));
        group.bench_function("plain loop", |b| b.iter(|| black_box((case.plain)(&blocks)).len()));
        #[cfg(feature = "rivals")]
        rivals(&mut group, case, &all);
        group.finish();
    }
}

#[cfg(feature = "rivals")]
fn rivals(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, case: &Case, bids: &[Bid]) {
    use std::sync::Arc;
    type Rival = fn(&str, &Arc<Vec<Bid>>) -> Vec<Answer>;
    let (some, all) = (Arc::new(bids[..CHECKED_ROWS].to_vec()), Arc::new(bids.to_vec()));
    let rivals: [(&str, Rival); 2] =
        [("timely", firesteel_benches::rivals::timely), ("renoir", firesteel_benches::rivals::renoir)];
    for (name, rival) in rivals {
        let mut answers = rival(case.name, &some);
        answers.sort_unstable();
        assert!(answers == (case.naive)(&some), "{}: {name} is right", case.name);
        group.bench_function(name, |b| b.iter(|| black_box(rival(case.name, &all)).len()));
    }
}

criterion_group!(benches, nexmark);
criterion_main!(benches);
