//! Kernels of `core::simd` over columns that lie in L2, at every level of this CPU: rows a second of each, beside the
//! rate at which the same column is summed as integers, which is no more than reading it.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firesteel_core::simd::{self, Level, Summary};

/// 512 KiB of timestamps or doubles.
const ROWS: usize = 1 << 16;
const KEYS: u32 = 1_000;

/// The same columns in every run.
struct Columns {
    ts: Vec<i64>,
    ids: Vec<i32>,
    values: Vec<f64>,
    /// Key ids, in no order and in runs of 64.
    groups: Vec<u32>,
    runs: Vec<u32>,
    table: Vec<u32>,
}

impl Columns {
    fn new() -> Self {
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let ids: Vec<i32> = (0..ROWS).map(|_| next(KEYS.into()) as i32).collect();
        Self {
            ts: (0..ROWS as i64).collect(),
            groups: ids.iter().map(|&id| id as u32).collect(),
            ids,
            values: (0..ROWS).map(|_| next(1_000) as f64).collect(),
            runs: (0..ROWS as u32).map(|row| row / 64 % KEYS).collect(),
            table: (0..KEYS).collect(),
        }
    }
}

fn kernels(c: &mut Criterion) {
    let columns = Columns::new();
    let Columns { ts, ids, values, groups, runs, table } = &columns;
    let (mut cells, mut found) = (vec![Summary::EMPTY; KEYS as usize], vec![0; ROWS]);
    let mut lost = vec![0.0; KEYS as usize];
    check(&columns);
    let mut group = c.benchmark_group("kernel");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("limit: read", |b| b.iter(|| black_box(ts).iter().fold(0_i64, |a, &t| a.wrapping_add(t))));
    for level in Level::available() {
        level.force();
        let mut bench = |name: &str, f: &mut dyn FnMut()| {
            group.bench_function(BenchmarkId::new(name, level), |b| b.iter(&mut *f));
        };
        bench("times", &mut || _ = black_box(simd::times(black_box(ts))));
        bench("summarize", &mut || _ = black_box(simd::summarize(black_box(values))));
        bench("add_by_group", &mut || _ = black_box(simd::add_by_group(&mut cells, groups, black_box(values))));
        bench("add_by_group, runs", &mut || _ = black_box(simd::add_by_group(&mut cells, runs, black_box(values))));
        bench("sum_compensated", &mut || _ = black_box(simd::sum_compensated(black_box(values))));
        bench("add_by_group_compensated", &mut || {
            black_box(simd::add_by_group_compensated(&mut cells, &mut lost, groups, black_box(values)));
        });
        bench("lookup", &mut || _ = black_box(simd::lookup(black_box(ids), 0, table, &mut found)));
    }
    group.finish();
    Level::best().force();
}

/// Every level gives the answers of the plain loops.
fn check(columns: &Columns) {
    let Columns { ts, ids, values, groups, table, .. } = columns;
    for level in Level::available() {
        level.force();
        let (times, summary) = (simd::times(ts), simd::summarize(values));
        assert_eq!((times.min, times.max), (0, ROWS as i64 - 1));
        assert_eq!((summary.sum, summary.count), (values.iter().sum::<f64>(), ROWS as f64), "values are whole");
        let mut cells = vec![Summary::EMPTY; KEYS as usize];
        assert_eq!(simd::add_by_group(&mut cells, groups, values), ROWS);
        assert_eq!(cells.iter().map(|cell| cell.sum).sum::<f64>(), summary.sum);
        let mut found = vec![0; ROWS];
        assert!(simd::lookup(ids, 0, table, &mut found) && found == *groups);
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
