//! One-second tumbling windows, without a key and by integer keys, rows `{ts, id, value}` in the cache of a core, time
//! going on from lap to lap: count, sum, min, max and avg through the whole chain of operators as a stream, each window
//! handed out and dropped when the watermark passes it, beside the plain scalar loop that knows that keys are dense and
//! rows in order. What both hand out is compared before anything is timed.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firesteel_benches::stream::{Input, Query, Random, Ring, blocks};
use firesteel_core::{block::BlockRef, limits::BLOCK_ROWS, time::MICROS_PER_SECOND};

const DDL: &str = "ts TIMESTAMP NOT NULL, id INT NOT NULL, value DOUBLE NOT NULL";
const TEXT: &str = "SELECT window.end, count(*) AS n, sum(value) AS total, min(value) AS low, max(value) AS high, \
                    avg(value) AS mean FROM t WATERMARK ts DELAY OF INTERVAL 0 SECONDS \
                    GROUP BY window(ts, '1 second')";
/// A lap: 1.3 MB, as L2 holds.
const BLOCKS: usize = 16;
const EPOCH_BLOCKS: usize = 16;
const LAPS: usize = 64;
/// Event time moves one second in so many rows.
const ROWS_PER_SECOND: i64 = 1 << 20;

/// How keys follow each other.
#[derive(Clone, Copy, Debug)]
enum Keys {
    None,
    Uniform(u64),
    Runs,
    Same,
}

impl Keys {
    fn count(self) -> usize {
        if let Self::Uniform(count) = self { count as usize } else { 1_000 }
    }

    fn query(self) -> String {
        if matches!(self, Self::None) { TEXT.into() } else { format!("{TEXT}, id") }
    }
}

fn ring(keys: Keys) -> Ring {
    let mut random = Random(1);
    let rows = BLOCKS * BLOCK_ROWS;
    let ids = (0..rows).map(|row| match keys {
        Keys::Uniform(count) => random.below(count),
        Keys::Runs => row as i64 / 64 % 1_000,
        Keys::None | Keys::Same => 7,
    });
    let ids: Vec<i64> = ids.collect();
    let times = (0..rows as i64).map(|row| row * MICROS_PER_SECOND / ROWS_PER_SECOND).collect();
    let values = (0..rows).map(|_| random.below(1_000)).collect();
    let lap_us = rows as i64 * MICROS_PER_SECOND / ROWS_PER_SECOND;
    Ring::new(blocks(DDL, &[times, ids, values], BLOCK_ROWS), 0, lap_us)
}

/// What was handed out: groups, rows in them, sum of all sums.
type Answer = (usize, i64, f64);

fn engine(query: &mut Query, ring: &mut Ring) -> Answer {
    let mut answer = (0, 0, 0.0);
    for _ in 0..LAPS * BLOCKS / EPOCH_BLOCKS {
        query.epoch(
            |take| ring.read(EPOCH_BLOCKS, take),
            |block| {
                let (counts, sums) = (block.column(1), block.column(2));
                let (counts, sums) = (counts.as_slice::<i64>(), sums.as_slice::<f64>());
                block.rows().for_each(|row| answer = (answer.0 + 1, answer.1 + counts[row], answer.2 + sums[row]));
            },
        );
    }
    answer
}

/// One table of accumulators, handed out when the second changes.
struct Plain {
    table: Vec<(u64, f64, f64, f64)>,
    second: i64,
    answer: Answer,
}

impl Plain {
    const EMPTY: (u64, f64, f64, f64) = (0, 0.0, f64::INFINITY, f64::NEG_INFINITY);

    fn new(keys: Keys) -> Self {
        Self { table: vec![Self::EMPTY; keys.count()], second: 0, answer: (0, 0, 0.0) }
    }

    fn run(&mut self, ring: &mut Ring) -> Answer {
        self.answer = (0, 0, 0.0);
        ring.read(LAPS * BLOCKS, &mut |block| self.add(block));
        self.answer
    }

    fn add(&mut self, block: &BlockRef<'_>) {
        let (ts, ids, values) = (block.column(0), block.column(1), block.column(2));
        let rows = ts.as_slice::<i64>().iter().zip(ids.as_slice::<i32>()).zip(values.as_slice::<f64>());
        for ((&ts, &id), &value) in rows {
            if ts / MICROS_PER_SECOND != self.second {
                self.second = ts / MICROS_PER_SECOND;
                self.emit();
            }
            let entry = &mut self.table[id as usize];
            *entry = (entry.0 + 1, entry.1 + value, entry.2.min(value), entry.3.max(value));
        }
    }

    fn emit(&mut self) {
        for entry in self.table.iter_mut().filter(|entry| entry.0 > 0) {
            self.answer = (self.answer.0 + 1, self.answer.1 + entry.0 as i64, self.answer.2 + entry.1);
            black_box((entry.2, entry.3, entry.1 / entry.0 as f64));
            *entry = Self::EMPTY;
        }
    }
}

fn tumbling(c: &mut Criterion) {
    for keys in [Keys::None, Keys::Uniform(1_000), Keys::Runs, Keys::Same, Keys::Uniform(100_000)] {
        let ring = ring(keys);
        let inputs = [Input { name: "t", ddl: DDL, rows: None }];
        let (mut query, mut rows) = (Query::new(&keys.query(), &inputs), ring.again());
        let (mut plain, mut plain_rows) = (Plain::new(keys), ring.again());
        // Windows are handed out when they are passed, by the engine with the epoch that passes them.
        let [a, b] = [0, 1].map(|_| (engine(&mut query, &mut rows), plain.run(&mut plain_rows)));
        assert_eq!((a.0.0 + b.0.0, a.0.1 + b.0.1, a.0.2 + b.0.2), (a.1.0 + b.1.0, a.1.1 + b.1.1, a.1.2 + b.1.2));
        let mut group = c.benchmark_group(format!("tumbling/{keys:?}"));
        group.throughput(Throughput::Elements((LAPS * ring.rows()) as u64));
        group.bench_function("engine", |b| b.iter(|| engine(&mut query, &mut rows)));
        group.bench_function("plain loop", |b| b.iter(|| plain.run(&mut plain_rows)));
        group.finish();
    }
}

criterion_group!(benches, tumbling);
criterion_main!(benches);
