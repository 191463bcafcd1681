//! What a reader has faulted in: the blocks that it will read next, and none that nobody has written.

use alloc::{sync::Arc, vec::Vec};
use core::{ops::Range, ptr::NonNull};
use std::sync::Mutex;

use super::{
    Cell, Consumer, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode,
    region::{HeapMemory, Memory, Region, RegionMut},
};
use crate::schema::Schema;

const BLOCK_ROWS: usize = 4;
const SLOTS: usize = 4;

/// Memory that notes what is faulted in.
#[derive(Debug)]
struct Noting {
    memory: Arc<HeapMemory>,
    noted: Mutex<Vec<Range<usize>>>,
}

// SAFETY: the memory is the heap's, which keeps these promises.
unsafe impl Memory for Noting {
    fn start(&self) -> NonNull<u8> {
        self.memory.start()
    }

    fn len(&self) -> usize {
        self.memory.len()
    }

    fn is_writable(&self) -> bool {
        false
    }

    fn fault_in(&self, bytes: Range<usize>) {
        self.noted.lock().unwrap().push(bytes);
    }
}

#[test]
fn blocks_that_will_be_read_are_faulted_in_and_no_others() {
    let geometry = Geometry { block_rows: BLOCK_ROWS, slot_count: SLOTS, heap_bytes: 64 };
    let layout = Layout::new(Schema::parse_ddl("n INT").unwrap(), geometry).unwrap();
    let header = LaneHeader { layout, on_full: OnFull::Block, lane_id: 1, created_us: 0 };
    let memory = HeapMemory::zeroed(header.layout.file_bytes() as usize);
    header.write(&RegionMut::new(memory.clone()));
    let mut producer = Producer::attach(RegionMut::new(memory.clone()), &header).unwrap();
    let noting = Arc::new(Noting { memory, noted: Mutex::default() });
    let mut consumer = Consumer::new(Region::new(noting.clone()), &header, ReadMode::InPlace).unwrap();
    // From which slot to before which was asked for.
    let slots = |consumer: &Consumer| -> Vec<(usize, usize)> {
        consumer.fault_in().unwrap();
        let slot = |at: usize| (at - header.layout.slots_at()) / header.layout.slot_bytes();
        let noted = core::mem::take(&mut *noting.noted.lock().unwrap());
        noted.into_iter().map(|bytes| (slot(bytes.start), slot(bytes.end))).filter(|(first, end)| first < end).collect()
    };
    let mut push = |rows: usize, given_back: u64| {
        for _ in 0..rows {
            producer.release(given_back);
            assert_eq!(producer.push(&[Cell::from(7_i32)]).unwrap(), Pushed::All);
        }
        producer.publish();
    };
    assert_eq!(slots(&consumer), [(0, 1)], "the block that comes first");
    push(2 * BLOCK_ROWS + 1, 0);
    assert_eq!(slots(&consumer), [(0, 3)]);
    for _ in 0..2 {
        let rows = consumer.next(usize::MAX).unwrap().unwrap().len();
        consumer.advance(rows).unwrap();
    }
    push(BLOCK_ROWS, consumer.position());
    assert_eq!(slots(&consumer), [(1, 4)], "the block of the last row that was read, and what comes after it");
    push(BLOCK_ROWS, consumer.position());
    assert_eq!(slots(&consumer), [(1, 4), (0, 1)], "round the end");
}
