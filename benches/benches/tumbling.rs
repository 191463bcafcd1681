//! One-second tumbling windows by 1,000 integer keys, rows `{ts, id, value}` read in place: count, sum, min, max and
//! avg through the whole chain of operators, beside the plain scalar loop over the same columns. The sums of both are
//! compared before anything is timed.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firesteel_benches::windows::{plan, schema};
use firesteel_core::{
    block::{Block, BlockRef, Value},
    exec::{Driver, DriverOptions},
    limits::BLOCK_ROWS,
    plan::LogicalPlan,
    time::MICROS_PER_SECOND,
};

const KEYS: usize = 1_000;
const BLOCKS: usize = 256;
/// Event time moves one second in so many rows.
const ROWS_PER_SECOND: i64 = 100_000;

/// How keys follow each other.
#[derive(Clone, Copy, Debug)]
enum Keys {
    Uniform,
    Runs,
    Same,
}

fn blocks(keys: Keys) -> Vec<Block> {
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let schema = schema();
    let mut made = Vec::new();
    for b in 0..BLOCKS {
        let mut block = Block::new(&schema);
        for r in 0..BLOCK_ROWS {
            let row = b * BLOCK_ROWS + r;
            let id = match keys {
                Keys::Uniform => next() % KEYS as u64,
                Keys::Runs => (row / 64 % KEYS) as u64,
                Keys::Same => 7,
            };
            let ts = row as i64 * MICROS_PER_SECOND / ROWS_PER_SECOND;
            block.push_row(&[Value::Int64(ts), Value::Int32(id as i32), Value::Float64((next() % 1_000) as f64)]);
        }
        made.push(block);
    }
    made
}

/// The engine: number of groups and sum of all sums.
fn engine(plan: &LogicalPlan, blocks: &[Block]) -> (usize, f64) {
    let mut driver = Driver::new(plan, DriverOptions::default()).expect("a plan that runs");
    let stage = driver.stages().remove(0);
    let (mut groups, mut sum) = (0, 0.0);
    let mut sink = |block: &BlockRef<'_>| {
        let sums = block.column(2);
        block.rows().for_each(|row| sum += sums.as_slice::<f64>()[row]);
        groups += block.rows().count();
        Ok(())
    };
    driver.begin_epoch(0);
    for block in blocks {
        driver.push(stage.scans[0].port, &block.view(), &mut sink).expect("no row fails");
    }
    driver.finish_stage(stage.stage, &mut sink).expect("no result fails");
    driver.end_epoch();
    (groups, sum)
}

/// The plain loop over the same columns: one table of accumulators, emitted when the second changes.
fn plain(blocks: &[Block]) -> (usize, f64) {
    let empty = (0_u64, 0.0_f64, f64::INFINITY, f64::NEG_INFINITY);
    let mut table = vec![empty; KEYS];
    let (mut groups, mut total, mut second) = (0, 0.0, 0);
    let mut emit = |table: &mut Vec<(u64, f64, f64, f64)>| {
        for entry in table.iter_mut().filter(|entry| entry.0 > 0) {
            groups += 1;
            total += entry.1;
            black_box((entry.2, entry.3, entry.1 / entry.0 as f64));
            *entry = empty;
        }
    };
    for block in blocks {
        let view = block.view();
        let (ts, ids) = (view.column(0).as_slice::<i64>(), view.column(1).as_slice::<i32>());
        let values = view.column(2).as_slice::<f64>();
        for ((&ts, &id), &value) in ts.iter().zip(ids).zip(values) {
            if ts / MICROS_PER_SECOND != second {
                second = ts / MICROS_PER_SECOND;
                emit(&mut table);
            }
            let entry = &mut table[id as usize];
            *entry = (entry.0 + 1, entry.1 + value, entry.2.min(value), entry.3.max(value));
        }
    }
    emit(&mut table);
    (groups, total)
}

fn tumbling(c: &mut Criterion) {
    let plan = plan();
    for keys in [Keys::Uniform, Keys::Runs, Keys::Same] {
        let blocks = blocks(keys);
        assert_eq!(engine(&plan, &blocks), plain(&blocks), "the engine and the plain loop agree");
        let mut group = c.benchmark_group(format!("tumbling/{keys:?}"));
        group.throughput(Throughput::Elements((BLOCKS * BLOCK_ROWS) as u64));
        group.bench_function("engine", |b| b.iter(|| engine(&plan, black_box(&blocks))));
        group.bench_function("plain loop", |b| b.iter(|| plain(black_box(&blocks))));
        group.finish();
    }
}

criterion_group!(benches, tumbling);
criterion_main!(benches);
