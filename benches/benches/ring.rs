//! The ring: rows of 24 bytes (a timestamp, an id, a value) into a lane and out of it, in rows a second. Beside it a
//! queue of rows (crossbeam's `ArrayQueue`), which is what a program without a ring would pass rows through, and
//! `memcpy` of as many bytes, which is what no ring can beat.
//!
//! Each bench first checks that what comes out is what went in. With `cargo test` each runs once.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench whose ring cannot be made has failed")]

use std::{hint::black_box, path::PathBuf, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam::queue::ArrayQueue;
use firesteel_core::{
    block::{Block, BlockRef},
    schema::Schema,
};
use firesteel_io::ring::{Producer, Reader, ReaderOptions, RingOptions, StreamFolder};

/// Rows of a block, and of one pass through a lane.
const BLOCK_ROWS: usize = 4096;
const PASS_ROWS: usize = 64 * BLOCK_ROWS;

fn schema() -> Schema {
    Schema::parse_ddl("ts TIMESTAMP NOT NULL, id BIGINT NOT NULL, value DOUBLE NOT NULL").unwrap()
}

fn row(n: usize) -> (i64, i64, f64) {
    (n as i64 * 1_000, (n % 1_000) as i64, (n % 64) as f64)
}

/// A stream in memory, removed at the end.
struct Stream(PathBuf);

impl Stream {
    fn new(name: &str, on_full: &str, capacity: &str) -> Self {
        let path = PathBuf::from(format!("/dev/shm/firesteel-bench-{name}-{}", std::process::id()));
        let options = RingOptions::parse([("capacity", capacity), ("onFull", on_full)]).unwrap();
        StreamFolder::create(&path, &schema(), &options).unwrap();
        Self(path)
    }

    fn producer(&self) -> Producer {
        Producer::open(&self.0, None).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.0, ReaderOptions::default()).unwrap()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn block(first: usize) -> Block {
    let mut block = Block::new(&schema());
    for (ts, id, value) in (first..first + BLOCK_ROWS).map(row) {
        let columns = block.columns_mut();
        columns[0].push(ts);
        columns[1].push(id);
        columns[2].push(value);
    }
    block.set_len(BLOCK_ROWS);
    block
}

/// What a reader does with a block here: adds up the three columns, which reads every byte of them.
fn sum(block: &BlockRef<'_>) -> f64 {
    let ts: i64 = block.column(0).as_slice::<i64>().iter().sum();
    let id: i64 = block.column(1).as_slice::<i64>().iter().sum();
    let value: f64 = block.column(2).as_slice::<f64>().iter().sum();
    ts as f64 + id as f64 + value
}

fn read_all(reader: &mut Reader) -> (u64, f64) {
    let mut total = (0, 0.0);
    loop {
        let take = |_: usize, block: &BlockRef<'_>| {
            total.1 += sum(block);
            Ok(())
        };
        match reader.poll(Duration::ZERO, take).unwrap() {
            0 => return total,
            rows => total.0 += rows,
        }
    }
}

fn expected(rows: std::ops::Range<usize>) -> f64 {
    rows.map(row).map(|(ts, id, value)| ts as f64 + id as f64 + value).sum()
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/append");
    group.throughput(Throughput::Elements(BLOCK_ROWS as u64));
    let block = block(0);
    // A lane that stays in a core's cache, and one that does not.
    for capacity in ["1MB", "64MB"] {
        let stream = Stream::new("append", "overwrite", capacity);
        let (mut producer, mut reader) = (stream.producer(), stream.reader());
        producer.append(&block.view()).unwrap();
        assert_eq!(read_all(&mut reader), (BLOCK_ROWS as u64, expected(0..BLOCK_ROWS)));
        group.bench_function(format!("block, lane of {capacity}"), |b| {
            b.iter(|| producer.append(&block.view()).unwrap());
        });
    }
    let stream = Stream::new("push", "overwrite", "1MB");
    let mut producer = stream.producer();
    for portion in [1, 64, BLOCK_ROWS] {
        group.bench_function(format!("rows, published every {portion}"), |b| {
            b.iter(|| {
                for n in 0..BLOCK_ROWS {
                    let (ts, id, value) = row(n);
                    producer.push(&[ts.into(), id.into(), value.into()]).unwrap();
                    if (n + 1) % portion == 0 {
                        producer.publish();
                    }
                }
            });
        });
    }
    let queue = ArrayQueue::new(PASS_ROWS);
    group.bench_function("crossbeam ArrayQueue", |b| {
        b.iter(|| (0..BLOCK_ROWS).for_each(|n| _ = queue.force_push(row(n))));
    });
    let (source, mut target) = (vec![1_u8; BLOCK_ROWS * 24], vec![0_u8; 64 << 20]);
    for (blocks, size) in [(10, "1MB"), (640, "64MB")] {
        let mut next = (0..blocks).cycle();
        group.bench_function(format!("memcpy into {size}"), |b| {
            b.iter(|| {
                let at = next.next().unwrap_or_default() * source.len();
                black_box(&mut target[at..at + source.len()]).copy_from_slice(black_box(&source));
            });
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/read");
    group.throughput(Throughput::Elements(PASS_ROWS as u64));
    let stream = Stream::new("read", "block", "16MB");
    let mut producer = stream.producer();
    (0..PASS_ROWS).step_by(BLOCK_ROWS).for_each(|first| {
        producer.append(&block(first).view()).unwrap();
    });
    let mut reader = stream.reader();
    let start = reader.positions();
    assert_eq!(read_all(&mut reader), (PASS_ROWS as u64, expected(0..PASS_ROWS)));

    group.bench_function("in place", |b| {
        b.iter(|| {
            reader.seek(&start).unwrap();
            read_all(&mut reader)
        });
    });
    let columns: Vec<Block> = (0..PASS_ROWS).step_by(BLOCK_ROWS).map(block).collect();
    group.bench_function("the same sums over our own memory", |b| {
        b.iter(|| columns.iter().map(|block| sum(&block.view())).sum::<f64>());
    });
    group.finish();
}

/// Rows go through the ring block by block and are given back, on one core: what both sides cost together.
fn through(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/through");
    group.throughput(Throughput::Elements(PASS_ROWS as u64));
    let stream = Stream::new("through", "block", "1MB");
    let (mut reader, mut producer) = (stream.reader(), stream.producer());
    let block = block(0);
    let mut pass = || {
        let mut total = 0;
        for _ in 0..PASS_ROWS / BLOCK_ROWS {
            producer.append(&block.view()).unwrap();
            total += read_all(&mut reader).0;
            reader.commit_read().unwrap();
        }
        total
    };
    assert_eq!(pass(), PASS_ROWS as u64);
    group.bench_function("blocks", |b| b.iter(&mut pass));

    let queue = ArrayQueue::new(2 * BLOCK_ROWS);
    group.bench_function("crossbeam ArrayQueue", |b| {
        b.iter(|| {
            let mut total = 0.0;
            for _ in 0..PASS_ROWS / BLOCK_ROWS {
                (0..BLOCK_ROWS).for_each(|n| queue.push(row(n)).unwrap());
                while let Some((ts, id, value)) = queue.pop() {
                    total += ts as f64 + id as f64 + value;
                }
            }
            total
        });
    });
    group.finish();
}

criterion_group! {
    name = ring;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = append, read, through
}
criterion_main!(ring);
