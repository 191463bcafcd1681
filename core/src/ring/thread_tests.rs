//! A producer and readers on threads of their own, in place and copied, round and round a small lane: every row whole,
//! once, in order. For ThreadSanitizer, which sees every pair of accesses that nothing orders:
//!
//! `TSAN_OPTIONS=suppressions=$PWD/.ci/tsan.supp RUSTFLAGS="-Zsanitizer=thread
//! -Cunsafe-allow-abi-mismatch=sanitizer" cargo +nightly test -p firesteel-core --lib
//! --target x86_64-unknown-linux-gnu ring::thread`

use alloc::sync::Arc;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use super::{
    Cell, Consumer, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode,
    region::{HeapMemory, Region, RegionMut},
};
use crate::{block::Value, schema::Schema};

const ROWS: i64 = 8_000;

fn lane(on_full: OnFull) -> (LaneHeader, Arc<HeapMemory>) {
    let geometry = Geometry { block_rows: 32, slot_count: 4, heap_bytes: 256 };
    let schema = Schema::parse_ddl("n BIGINT NOT NULL, text STRING, half DOUBLE, at TIMESTAMP NOT NULL").unwrap();
    let header = LaneHeader { layout: Layout::new(schema, geometry).unwrap(), on_full, lane_id: 1, created_us: 0 };
    let memory = HeapMemory::zeroed(header.layout.file_bytes() as usize);
    header.write(&RegionMut::new(memory.clone()));
    (header, memory)
}

fn text(n: i64) -> Option<&'static str> {
    (n % 7 != 0).then(|| &"abcdefgh"[..(n % 9) as usize])
}

/// Writes all rows; waits for what the slowest reader has given back.
fn produce(header: &LaneHeader, memory: &Arc<HeapMemory>, given_back: &[AtomicU64]) {
    let mut producer = Producer::attach(RegionMut::new(memory.clone()), header).unwrap();
    for n in 0..ROWS {
        let row: [Cell<'_>; 4] = [n.into(), text(n).into(), (n as f64 / 2.0).into(), n.into()];
        while producer.push(&row).unwrap() != Pushed::All {
            producer.publish();
            // Pairs with the readers' release stores: they have read what they give back.
            let slowest = given_back.iter().map(|row| row.load(Ordering::Acquire)).min().unwrap();
            producer.release(slowest);
            thread::yield_now();
        }
        if n % 5 == 0 {
            producer.publish();
        }
    }
    producer.finish();
}

/// Reads to the end; tells how many rows were read, and how many were lost or gone before it came.
fn read(header: &LaneHeader, memory: &Arc<HeapMemory>, mode: ReadMode, given_back: &AtomicU64) -> (u64, u64) {
    let mut consumer = Consumer::new(Region::new(memory.clone()), header, mode).unwrap();
    let missed = consumer.position();
    loop {
        let is_finished = consumer.is_finished();
        let first = consumer.position();
        let lost = consumer.rows_lost();
        // Whole blocks, which may tell their times, and parts of some.
        let rows_max = if first.is_multiple_of(64) { 40 } else { 17 };
        let Some(block) = consumer.next(rows_max).unwrap() else {
            if is_finished && consumer.end().unwrap() == consumer.position() {
                return (consumer.rows_read(), missed + consumer.rows_lost());
            }
            thread::yield_now();
            continue;
        };
        let (len, view) = (block.len(), block.view());
        let start = match view.column(0).value(0) {
            Value::Int64(n) => n,
            other => panic!("{other:?}"),
        };
        for i in 0..len {
            let n = start + i as i64;
            assert_eq!(view.column(0).value(i), Value::Int64(n));
            assert_eq!(view.column(1).value(i), text(n).map_or(Value::Null, |text| Value::String(text.into())));
            assert_eq!(view.column(2).value(i), Value::Float64(n as f64 / 2.0));
        }
        if let Some(told) = view.times(3) {
            assert_eq!((told.min, told.max), (start, start + len as i64 - 1));
        }
        consumer.advance(len).unwrap();
        assert_eq!(start as u64, first + consumer.rows_lost() - lost, "a row out of its order");
        given_back.store(consumer.position(), Ordering::Release);
    }
}

#[test]
fn readers_in_place_and_copying_see_every_row_of_a_producer_that_waits() {
    let (header, memory) = lane(OnFull::Block);
    let given_back = [AtomicU64::new(0), AtomicU64::new(0)];
    thread::scope(|scope| {
        scope.spawn(|| produce(&header, &memory, &given_back));
        let in_place = scope.spawn(|| read(&header, &memory, ReadMode::InPlace, &given_back[0]));
        let copying = scope.spawn(|| read(&header, &memory, ReadMode::Copy, &given_back[1]));
        assert_eq!(in_place.join().unwrap(), (ROWS as u64, 0));
        assert_eq!(copying.join().unwrap(), (ROWS as u64, 0));
    });
}

#[test]
fn a_reader_of_a_lane_that_overwrites_sees_whole_rows_and_counts_the_others() {
    let (header, memory) = lane(OnFull::Overwrite);
    let given_back = [AtomicU64::new(0)];
    thread::scope(|scope| {
        scope.spawn(|| produce(&header, &memory, &given_back));
        let (rows, lost) = scope.spawn(|| read(&header, &memory, ReadMode::Copy, &given_back[0])).join().unwrap();
        assert_eq!(rows + lost, ROWS as u64);
    });
}
