//! Filters and projections over blocks of 4,096 rows: the evaluator beside the plain loop that a programmer would
//! write for that one expression. The gap is what generality costs.
//!
//! `cargo bench --bench expression`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firesteel_core::{
    block::{Bitmap, Block, Value},
    expr::{EvalContext, Evaluator, Expr, SchemaScope, Settings, bind, col},
    limits::BLOCK_ROWS,
    schema::{DataType, Field, Schema},
};

fn schema() -> Schema {
    Schema::new([Field::new("id", DataType::Int32), Field::new("v", DataType::Float64)])
}

/// Ids 0 to 999 and values of a sensor between -40 and 100, one row in `null_every` without a value.
fn block(null_every: usize) -> Block {
    let mut block = Block::new(&schema());
    for i in 0..BLOCK_ROWS {
        let value = ((i * 7919) % 1400) as f64 / 10.0 - 40.0;
        let value = if null_every > 0 && i % null_every == 0 { Value::Null } else { Value::Float64(value) };
        block.push_row(&[Value::Int32(((i * 31) % 1000) as i32), value]);
    }
    block
}

fn fahrenheit() -> Expr {
    col("v") * 9 / 5 + 32
}

fn hot() -> Expr {
    fahrenheit().gt(100).and(col("id").lt(500))
}

fn evaluator(expr: &Expr) -> Evaluator {
    let bound = bind(expr, &mut SchemaScope(&schema()), &Settings::default());
    Evaluator::new(&bound.unwrap_or_else(|e| panic!("{e}")))
}

/// What the filter must pass, by the plain loop.
fn plain(ids: &[i32], values: &[f64], passed: &mut Vec<u32>) {
    passed.clear();
    for (row, (&id, &v)) in ids.iter().zip(values).enumerate() {
        if v * 9.0 / 5.0 + 32.0 > 100.0 && id < 500 {
            passed.push(row as u32);
        }
    }
}

fn filters(c: &mut Criterion) {
    let mut group = c.benchmark_group("expression");
    group.throughput(Throughput::Elements(BLOCK_ROWS as u64));
    let cx = EvalContext::default();
    let dense = block(0);
    let view = dense.view();
    let (ids, values) = (view.column(0).as_slice::<i32>(), view.column(1).as_slice::<f64>());

    let (mut filter, mut bits, mut rows) = (evaluator(&hot()), Bitmap::new(), Vec::new());
    plain(ids, values, &mut rows);
    filter.eval_filter(&cx, &view, &mut bits).unwrap_or_else(|e| panic!("{e}"));
    let mut found = Vec::new();
    bits.view().for_each_set(|row| found.push(row as u32));
    assert_eq!(found, rows, "checked before it is timed");

    group.bench_function("filter v * 9 / 5 + 32 > 100 AND id < 500", |b| {
        b.iter(|| filter.eval_filter(&cx, black_box(&view), &mut bits));
    });
    group.bench_function("filter, plain loop", |b| {
        b.iter(|| plain(black_box(ids), black_box(values), &mut rows));
    });
    let sparse = block(10);
    group.bench_function("filter, one value in ten NULL", |b| {
        b.iter(|| filter.eval_filter(&cx, black_box(&sparse.view()), &mut bits));
    });
    let mut projection = evaluator(&fahrenheit());
    group.bench_function("project v * 9 / 5 + 32", |b| {
        b.iter(|| black_box(projection.eval(&cx, black_box(&view)).map(|column| column.values).is_ok()));
    });
    let mut out = vec![0.0; BLOCK_ROWS];
    group.bench_function("project, plain loop", |b| {
        b.iter(|| {
            black_box(&mut out).iter_mut().zip(black_box(values)).for_each(|(out, v)| *out = v * 9.0 / 5.0 + 32.0)
        });
    });
    group.finish();
}

criterion_group!(benches, filters);
criterion_main!(benches);
