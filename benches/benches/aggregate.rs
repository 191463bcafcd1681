//! Aggregates over 1,000 integer groups whose ids are given: rows a second of each, beside the plain scalar loop that
//! does nothing else. Each result is compared with the loop's before anything is timed.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firesteel_core::{
    agg::{Aggregate, AggregateCall, lookup},
    block::{Column, Native, Rows, Value},
    expr::{BoundExpr, Settings},
    limits::BLOCK_ROWS,
    schema::DataType,
};

const GROUPS: usize = 1_000;
const BLOCKS: usize = 64;

/// Blocks of values and group ids, the same in every run.
struct Input {
    columns: Vec<Column>,
    groups: Vec<Vec<u32>>,
    data_type: DataType,
}

impl Input {
    fn new<T: Native>(data_type: DataType, groups: usize, value: impl Fn(u64) -> T) -> Self {
        let mut seed = 1_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        let (mut columns, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..BLOCKS {
            let mut column = Column::new(data_type.clone());
            (0..BLOCK_ROWS).for_each(|_| column.push(value(next() % 1_000_000)));
            columns.push(column);
            ids.push((0..BLOCK_ROWS).map(|_| (next() % groups as u64) as u32).collect());
        }
        Self { columns, groups: ids, data_type }
    }

    fn rows(&self) -> u64 {
        (BLOCKS * BLOCK_ROWS) as u64
    }

    /// Runs the aggregate over all blocks.
    fn feed(&self, aggregate: &mut dyn Aggregate) {
        for (column, groups) in self.columns.iter().zip(&self.groups) {
            aggregate.update(&[column.view()], groups, &Rows::new(column.len(), None)).expect("no overflow");
        }
    }

    /// Runs the plain loop over all blocks.
    fn scan<T: Native>(&self, mut f: impl FnMut(usize, T)) {
        for (column, groups) in self.columns.iter().zip(&self.groups) {
            for (&value, &group) in column.view().as_slice::<T>().iter().zip(groups) {
                f(group as usize, value);
            }
        }
    }

    fn make(&self, name: &str) -> (Box<dyn Aggregate>, DataType) {
        let (name, function) = lookup(name).expect("the function exists");
        let args = vec![BoundExpr::column(0, self.data_type.clone(), true)];
        let settings = &Settings::default();
        let call =
            AggregateCall { name, args, ignore_nulls: false, ordered: false, descending: false, settings, span: None };
        let bound = (function.bind)(call).expect("the call binds");
        let mut aggregate = (bound.make)();
        aggregate.grow(GROUPS);
        (aggregate, bound.data_type)
    }

    /// The results of all groups.
    fn results(&self, name: &str) -> Vec<Value> {
        let (mut aggregate, data_type) = self.make(name);
        self.feed(&mut *aggregate);
        let mut out = Column::new(data_type);
        aggregate.emit(&(0..GROUPS as u32).collect::<Vec<_>>(), &mut out).expect("results");
        (0..GROUPS).map(|i| out.view().value(i)).collect()
    }
}

fn aggregates(c: &mut Criterion) {
    let doubles = Input::new(DataType::Float64, GROUPS, |x| x as f64 / 7.0);
    let ints = Input::new(DataType::Int32, GROUPS, |x| x as i32);
    let longs = Input::new(DataType::Int64, GROUPS, |x| x as i64);
    let one = Input::new(DataType::Float64, 1, |x| x as f64 / 7.0);
    check(&doubles, &ints);
    for (kind, input) in [("f64", &doubles), ("i32", &ints), ("i64", &longs), ("f64, one group", &one)] {
        let mut group = c.benchmark_group(format!("aggregate {kind}"));
        group.throughput(Throughput::Elements(input.rows()));
        for name in ["count", "sum", "avg", "min", "max"] {
            let (mut aggregate, _) = input.make(name);
            group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| input.feed(&mut *aggregate)));
        }
        group.finish();
    }
    let mut group = c.benchmark_group("aggregate plain loop");
    group.throughput(Throughput::Elements(doubles.rows()));
    group.bench_function("count", |b| b.iter(|| plain(&doubles, |n: &mut i64, _: f64| *n += 1)));
    group.bench_function("sum f64", |b| b.iter(|| plain(&doubles, |sum: &mut f64, x: f64| *sum += x)));
    group.bench_function("sum i32", |b| b.iter(|| plain(&ints, |sum: &mut i64, x: i32| *sum += i64::from(x))));
    group.bench_function("max f64", |b| b.iter(|| plain(&doubles, |max: &mut f64, x: f64| *max = max.max(x))));
    group.finish();
}

/// What anyone would write by hand.
fn plain<A: Clone + Default, T: Native>(input: &Input, mut f: impl FnMut(&mut A, T)) -> Vec<A> {
    let mut cells = vec![A::default(); GROUPS];
    input.scan(|group, value| f(&mut cells[group], value));
    black_box(cells)
}

fn check(doubles: &Input, ints: &Input) {
    let sums = plain(doubles, |sum: &mut f64, x: f64| *sum += x);
    assert_eq!(doubles.results("sum"), sums.into_iter().map(Value::Float64).collect::<Vec<_>>());
    let sums = plain(ints, |sum: &mut i64, x: i32| *sum += i64::from(x));
    assert_eq!(ints.results("sum"), sums.into_iter().map(Value::Int64).collect::<Vec<_>>());
    let counts = plain(ints, |n: &mut i64, _: i32| *n += 1);
    assert_eq!(ints.results("count"), counts.into_iter().map(Value::Int64).collect::<Vec<_>>());
    let highs = plain(doubles, |max: &mut f64, x: f64| *max = max.max(x));
    assert_eq!(doubles.results("max"), highs.into_iter().map(Value::Float64).collect::<Vec<_>>());
}

criterion_group!(benches, aggregates);
criterion_main!(benches);
