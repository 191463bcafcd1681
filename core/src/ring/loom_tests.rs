//! The ring's protocol under loom: every interleaving of a producer and a reader over the smallest lane, with every
//! load allowed to see every store that the memory model allows it to see.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p firesteel-core --release ring::loom`

use alloc::{sync::Arc, vec::Vec};

use loom::{model::Builder, thread};

use super::{
    Cell, Consumer, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode,
    region::{Region, RegionMut},
    sync::{AtomicU64, Ordering},
};
use crate::{block::Value, schema::Schema};

/// Rows of two values that must be seen together, the second of which a full block tells as its times; blocks of one
/// row, so that few steps go around the ring.
const DDL: &str = "a BIGINT NOT NULL, b TIMESTAMP NOT NULL";

fn lane(ddl: &str, on_full: OnFull, block_rows: usize) -> (LaneHeader, Region, Producer) {
    let geometry = Geometry { block_rows, slot_count: 4, heap_bytes: 8 };
    let layout = Layout::new(Schema::parse_ddl(ddl).unwrap(), geometry).unwrap().compact();
    let region = Region::modelled(layout.slots_at() + geometry.slot_count * layout.slot_bytes());
    let header = LaneHeader { layout, on_full, lane_id: 1, created_us: 0 };
    let producer = Producer::attach(RegionMut::modelled(&region), &header).unwrap();
    (header, region, producer)
}

fn explore(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(test);
}

/// The row that says `n` twice.
fn row(n: i64) -> [Cell<'static>; 2] {
    [Cell::I64(n), Cell::I64(n)]
}

/// Reads what is there; every row must be whole, and the one that its number says.
fn drain(consumer: &mut Consumer) -> Vec<i64> {
    let mut seen = Vec::new();
    while let Some(block) = consumer.next(10).unwrap() {
        let len = block.len();
        let view = block.view();
        for i in 0..len {
            let (Value::Int64(a), Value::Int64(b)) = (view.column(0).value(i), view.column(1).value(i)) else {
                panic!("a row that is not one")
            };
            assert_eq!(a, b, "a torn row");
            seen.push(a);
        }
        let rows = &seen[seen.len() - len..];
        if let Some(told) = view.times(1) {
            assert_eq!((told.min, told.max), (rows[0], rows[len - 1]), "times of other rows");
        }
        assert_eq!(rows[0], consumer.position() as i64, "a row out of its place");
        consumer.advance(len).unwrap();
    }
    seen
}

#[test]
fn published_rows_are_seen_whole_and_in_order() {
    explore(|| {
        let (header, region, mut producer) = lane(DDL, OnFull::Block, 2);
        let writer = thread::spawn(move || {
            for n in 0..3 {
                assert_eq!(producer.push(&row(n)).unwrap(), Pushed::All);
                producer.publish();
            }
        });
        let mut consumer = Consumer::new(region, &header, ReadMode::Copy).unwrap();
        let mut seen = drain(&mut consumer);
        writer.join().unwrap();
        seen.extend(drain(&mut consumer));
        assert_eq!(seen, [0, 1, 2]);
    });
}

#[test]
fn a_slot_given_back_is_reused_and_nothing_is_lost() {
    explore(|| {
        let (header, region, mut producer) = lane(DDL, OnFull::Block, 1);
        (0..4).for_each(|n| assert_eq!(producer.push(&row(n)).unwrap(), Pushed::All));
        producer.publish();
        let mut consumer = Consumer::new(region, &header, ReadMode::Copy).unwrap();
        let given_back = Arc::new(AtomicU64::new(0));
        let committed = given_back.clone();
        let writer = thread::spawn(move || {
            // What a reader's cursor file is in `firesteel-io`: its release store pairs with this acquire load.
            producer.release(committed.load(Ordering::Acquire));
            let pushed = producer.push(&row(4)).unwrap();
            producer.publish();
            (producer, pushed)
        });
        let mut seen = drain(&mut consumer);
        given_back.store(consumer.position(), Ordering::Release);
        let (mut producer, pushed) = writer.join().unwrap();
        if pushed != Pushed::All {
            producer.release(given_back.load(Ordering::Acquire));
            assert_eq!(producer.push(&row(4)).unwrap(), Pushed::All);
            producer.publish();
        }
        seen.extend(drain(&mut consumer));
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert_eq!(consumer.rows_lost(), 0);
    });
}

#[test]
fn overwritten_rows_are_lost_and_counted_never_torn() {
    explore(|| {
        let (header, region, mut producer) = lane(DDL, OnFull::Overwrite, 1);
        (0..4).for_each(|n| assert_eq!(producer.push(&row(n)).unwrap(), Pushed::All));
        producer.publish();
        let mut consumer = Consumer::new(region, &header, ReadMode::Copy).unwrap();
        let start = consumer.position();
        let writer = thread::spawn(move || {
            for n in 4..6 {
                assert_eq!(producer.push(&row(n)).unwrap(), Pushed::All);
                producer.publish();
            }
        });
        let mut seen = drain(&mut consumer);
        writer.join().unwrap();
        seen.extend(drain(&mut consumer));
        assert_eq!(seen.last(), Some(&5));
        assert_eq!(start + seen.len() as u64 + consumer.rows_lost(), 6, "{seen:?} of all from {start}");
    });
}

/// The first NULL of a block stores the validity of rows that readers may be reading already.
#[test]
fn a_late_null_does_not_change_rows_before_it() {
    explore(|| {
        let (header, region, mut producer) = lane("a BIGINT", OnFull::Block, 2);
        assert_eq!(producer.push(&[Cell::I64(7)]).unwrap(), Pushed::All);
        producer.publish();
        let mut consumer = Consumer::new(region, &header, ReadMode::Copy).unwrap();
        let writer = thread::spawn(move || {
            assert_eq!(producer.push(&[Cell::Null]).unwrap(), Pushed::All);
            producer.publish();
        });
        let mut seen = Vec::new();
        let mut drain = |consumer: &mut Consumer| {
            while let Some(block) = consumer.next(10).unwrap() {
                let len = block.len();
                (0..len).for_each(|i| seen.push(block.view().column(0).value(i)));
                consumer.advance(len).unwrap();
            }
        };
        drain(&mut consumer);
        writer.join().unwrap();
        drain(&mut consumer);
        assert_eq!(seen, [Value::Int64(7), Value::Null]);
    });
}
