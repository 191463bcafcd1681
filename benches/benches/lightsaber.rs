//! The suite that LightSaber was measured with, as Spark SQL, on one core: millions of rows a second go in, and every
//! row of every window comes out. Before anything is timed the engine's rows are compared with those of a naive
//! evaluator and of the plain loop, one by one.
//!
//! - Rows are read in place from a ring as large as LightSaber's (8 or 16 MiB of its rows; ours lie by column, and of
//!   them only those are touched that a query names), lap after lap, for as long as is measured: state is warm, and a
//!   lap closes as many windows as it has seconds. Each block is stamped with times that go on; that is measured too,
//!   for the plain loop as well.
//! - An epoch is as long as LightSaber's batch, and the watermark is at the latest time.
//! - `YSB/shuffled` has events and advertisements in no order; `YSB/memory` reads 768 MiB of the columns it needs.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firesteel_benches::{
    stream::{Query, Ring},
    suite::{Answer, CASES, Case, answers, data, naive::Naive},
};
use firesteel_core::block::BlockRef;

/// One epoch of a query, its result rows counted and looked at.
fn epoch(query: &mut Query, ring: &mut Ring, blocks: usize) -> usize {
    let mut rows = 0;
    query.epoch(
        |push| ring.read(blocks, push),
        |made: &BlockRef<'_>| {
            rows += made.rows().count();
            black_box(made);
        },
    );
    rows
}

fn check(case: &Case, ring: &mut Ring) {
    let campaigns = data::campaigns();
    let (mut query, mut plain, mut naive) = (case.query(&campaigns), (case.plain)(), Naive::new(case.window));
    let columns = 1 + case.width.0 + case.width.1;
    let (mut engine_rows, mut plain_rows) = (Vec::new(), Vec::new());
    let blocks = case.checked_blocks;
    for _ in 0..blocks.div_ceil(case.epoch_blocks) {
        let read = |push: &mut dyn FnMut(&BlockRef<'_>)| {
            ring.read(case.epoch_blocks, &mut |block| {
                naive.add(block, case.row);
                plain.push(block, &mut |rows| plain_rows.extend_from_slice(rows));
                push(block);
            });
        };
        query.epoch(read, |made| answers(made, columns, &mut engine_rows));
    }
    // What the last rows closed comes out when there are none.
    query.epoch(|_| (), |made| answers(made, columns, &mut engine_rows));
    let expected = sorted(naive.answers(case.width.0, case.result));
    assert!(expected.len() > 100, "{}: {} rows are enough to compare", case.name, expected.len());
    assert!(sorted(plain_rows) == expected, "{}: the plain loop is right", case.name);
    assert!(sorted(engine_rows) == expected, "{}: the engine is right", case.name);
}

fn sorted(mut rows: Vec<Answer>) -> Vec<Answer> {
    rows.sort_unstable();
    rows
}

fn measure(c: &mut Criterion, case: &Case, name: &str, mut ring: Ring) {
    check(case, &mut ring);
    let mut group = c.benchmark_group(format!("lightsaber/{name}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(ring.rows() as u64));
    let campaigns = data::campaigns();
    let epochs = ring.len() / case.epoch_blocks;
    let mut query = case.query(&campaigns);
    let mut running = ring.again();
    group.bench_function("engine", |b| {
        b.iter(|| (0..epochs).map(|_| epoch(&mut query, &mut running, case.epoch_blocks)).sum::<usize>());
    });
    let mut plain = (case.plain)();
    let mut running = ring.again();
    group.bench_function("plain loop", |b| {
        b.iter(|| {
            let mut rows = 0;
            running.read(running.len(), &mut |block| {
                plain.push(block, &mut |made| rows += black_box(made).len());
            });
            rows
        });
    });
    group.finish();
}

fn suite(c: &mut Criterion) {
    for case in &CASES {
        measure(c, case, case.name, (case.ring)());
    }
}

fn ysb(c: &mut Criterion) {
    let case = CASES.last().expect("the suite");
    measure(c, case, "YSB/shuffled", data::ads(1 << 17, true));
    let is_test = std::env::args().any(|arg| arg == "--test");
    measure(c, case, "YSB/memory", data::ads(if is_test { 1 << 17 } else { 1 << 25 }, false));
}

criterion_group!(benches, suite, ysb);
criterion_main!(benches);
