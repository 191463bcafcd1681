//! What blocks tell of their times: nothing but what their rows say.

use alloc::{sync::Arc, vec::Vec};

use super::{
    BlockNumber, Cell, Consumer, Cursor, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode, SlotHeader,
    control,
    region::{HeapMemory, Region, RegionMut},
    sync::Ordering,
};
use crate::{
    block::{Bitmap, Block, Times, Value},
    schema::Schema,
    simd,
};

const BLOCK_ROWS: usize = 4;

struct Lane {
    header: LaneHeader,
    memory: Arc<HeapMemory>,
}

impl Lane {
    fn new(ddl: &str) -> Self {
        let geometry = Geometry { block_rows: BLOCK_ROWS, slot_count: 4, heap_bytes: 64 };
        let layout = Layout::new(Schema::parse_ddl(ddl).unwrap(), geometry).unwrap();
        let header = LaneHeader { layout, on_full: OnFull::DropNewest, lane_id: 1, created_us: 0 };
        let memory = HeapMemory::zeroed(header.layout.file_bytes() as usize);
        header.write(&RegionMut::new(memory.clone()));
        Self { header, memory }
    }

    fn region(&self) -> RegionMut {
        RegionMut::new(self.memory.clone())
    }

    fn producer(&self) -> Producer {
        Producer::attach(self.region(), &self.header).unwrap()
    }

    /// What the blocks tell of column `index`, read in parts of so many rows.
    fn told(&self, index: usize, rows_max: usize) -> Vec<Option<Times>> {
        let mut consumer = Consumer::new(Region::new(self.memory.clone()), &self.header, ReadMode::Copy).unwrap();
        let mut told = Vec::new();
        while let Some(block) = consumer.next(rows_max).unwrap() {
            let len = block.len();
            told.push(block.view().times(index));
            consumer.advance(len).unwrap();
        }
        told
    }
}

fn push(producer: &mut Producer, times: &[Option<i64>]) {
    for ts in times {
        let cells: [Cell<'_>; 2] = [1_i32.into(), (*ts).into()];
        assert_eq!(producer.push(&cells).unwrap(), Pushed::All);
    }
    producer.publish();
}

const DDL: &str = "id INT, at TIMESTAMP";
const TIMES: [Option<i64>; 9] =
    [Some(50), Some(70), Some(-20), Some(60), Some(5), None, Some(7), Some(8), Some(i64::MAX)];

#[test]
fn a_full_block_without_nulls_tells_its_times_once_the_next_is_begun() {
    let lane = Lane::new(DDL);
    let mut producer = lane.producer();
    push(&mut producer, &TIMES[..4]);
    assert_eq!(lane.told(1, 100), [None], "rows may still be missing");
    push(&mut producer, &TIMES[4..]);
    let first = Times { min: -20, max: 70, offsets: 20 - 70 + 10 };
    assert_eq!(lane.told(1, 100), [Some(first), None, None], "the second has a NULL, the third is begun");
    assert_eq!(lane.told(0, 100), [None; 3], "it is about the times alone");
    assert_eq!(lane.told(1, 3)[..2], [None; 2], "a part of a block is not what it tells of");
}

#[test]
fn blocks_that_are_taken_whole_tell_the_same() {
    let lane = Lane::new(DDL);
    let mut block = Block::new(lane.header.layout.schema());
    let rows = [3, 900, 40, 17, 5, 5, -8, 6, 1, 2, 3];
    rows.iter().for_each(|&ts| block.push_row(&[Value::Int32(1), Value::Int64(ts)]));
    let mut producer = lane.producer();
    // Begun in the middle of a block, and once more by picking rows.
    assert_eq!(producer.append(&block.view(), 9).unwrap(), Pushed::All);
    assert_eq!(producer.append(&block.view(), 8).unwrap(), Pushed::All);
    let picked = rows.iter().map(|ts| *ts > 5).collect::<Bitmap>();
    assert_eq!(producer.append(&block.view().select(Some(picked.view())), 0).unwrap(), Pushed::All);
    let all: Vec<i64> = [2, 3, 1, 2, 3, 900, 40, 17, 6].into();
    let (blocks, _) = all.as_chunks::<BLOCK_ROWS>();
    let wanted: Vec<_> = blocks[1..].iter().map(|ts| simd::times(ts)).collect();
    let told = lane.told(1, 100);
    // Three rows of the second time went into the first block.
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], Some(simd::times(&[2, 3, 1, 2])));
    assert_eq!(told[1], Some(wanted[0]));
}

#[test]
fn who_takes_over_in_the_middle_of_a_block_does_not_speak_for_it() {
    let lane = Lane::new(DDL);
    push(&mut lane.producer(), &[Some(1_000), Some(2)]);
    push(&mut lane.producer(), &[Some(3), Some(4), Some(5), Some(6), Some(7), Some(8), Some(9)]);
    let second = Times { min: 5, max: 8, offsets: 6 };
    assert_eq!(lane.told(1, 100), [None, Some(second), None]);
}

/// A block that its strings ended early goes on under another producer, if nothing was published behind it.
#[test]
fn a_block_that_goes_on_tells_nothing_more() {
    let lane = Lane::new("at TIMESTAMP, name STRING");
    let text = "x".repeat(40);
    let mut producer = lane.producer();
    assert_eq!(producer.push(&[7_i64.into(), text.as_str().into()]).unwrap(), Pushed::All);
    assert_eq!(producer.push(&[8_i64.into(), text.as_str().into()]).unwrap(), Pushed::All);
    assert_eq!(lane.told(0, 100), [Some(Times { min: 7, max: 7, offsets: 0 })], "the second begins a block");
    let mut producer = lane.producer();
    for ts in [1_000_i64, 2_000, 3_000, 4_000] {
        assert_eq!(producer.push(&[ts.into(), "".into()]).unwrap(), Pushed::All);
        producer.publish();
        assert_eq!(lane.told(0, 100)[0], None, "{ts}");
    }
}

/// As after a power cut, when slots may be newer on the disk than what says how far they are published.
#[test]
fn blocks_that_are_filled_anew_tell_anew() {
    for (rows, then, told) in
        [(9_i64, [1_000_i64, 2_000].as_slice(), 0), (8, &[1_000, 2_000, 3_000, 4_000, 5_000, 6_000], 1)]
    {
        let lane = Lane::new("at TIMESTAMP NOT NULL");
        let mut producer = lane.producer();
        (0..=rows).for_each(|ts| assert_eq!(producer.push(&[ts.into()]).unwrap(), Pushed::All));
        producer.publish();
        lane.region().store_u64(control::PUBLISHED, Cursor::new(BlockNumber::default(), 2).word(), Ordering::Relaxed);
        let mut producer = lane.producer();
        then.iter().for_each(|&ts| assert_eq!(producer.push(&[ts.into()]).unwrap(), Pushed::All));
        producer.publish();
        assert_eq!(lane.told(0, 100)[told], None, "{rows} rows, then {then:?}");
    }
}

#[test]
fn what_is_told_of_another_block_or_cannot_be_is_not_believed() {
    let lane = Lane::new("at TIMESTAMP_NTZ NOT NULL");
    let mut producer = lane.producer();
    (0..9_i64).for_each(|ts| assert_eq!(producer.push(&[ts.into()]).unwrap(), Pushed::All));
    producer.publish();
    let (region, slot) = (lane.region(), lane.header.layout.slot_at(0));
    assert!(lane.told(0, 100)[0].is_some());
    for (place, word) in [(SlotHeader::TIMES_OF, 0), (SlotHeader::TIMES_OF, 5), (SlotHeader::MIN_TIME, 100)] {
        let before = region.load_u64(slot + place, Ordering::Relaxed);
        region.store_u64(slot + place, word, Ordering::Relaxed);
        assert_eq!(lane.told(0, 100)[0], None, "{place}: {word}");
        region.store_u64(slot + place, before, Ordering::Relaxed);
    }
}
