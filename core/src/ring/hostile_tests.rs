//! A lane whose memory changes while it is read, by somebody who keeps no rule: random words over the header, the
//! control words, the slots' headers and the rows. Wrong rows are all that may come of it: every call of a reader or
//! a producer ends soon, with rows or with an error, and never leaves the region.
//!
//! The seed is in the test, so that a run can be had again, as far as threads allow.

use alloc::{format, sync::Arc, vec::Vec};
use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use super::{
    Cell, Consumer, Cursor, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode, SlotHeader, control,
    cursor::BlockNumber,
    region::{HeapMemory, Region, RegionMut},
    sync::Ordering,
};
use crate::{
    block::{BlockRef, Value},
    schema::Schema,
};

const DDL: &str = "id BIGINT NOT NULL, name STRING, ok BOOLEAN, amount DECIMAL(20,2), tiny TINYINT, raw BINARY NOT NULL, \
     at TIMESTAMP";
/// Calls of a reader a test, unless the environment says how many.
const CALLS: usize = 4_000;
/// Longer than any single call may take, on a machine that does many other things.
const SOON: Duration = Duration::from_secs(5);

/// xorshift: what is written where need not be good randomness.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

struct Lane {
    header: LaneHeader,
    memory: Arc<HeapMemory>,
}

impl Lane {
    fn new(on_full: OnFull) -> Self {
        let geometry = Geometry { block_rows: 6, slot_count: 4, heap_bytes: 24 };
        let layout = Layout::new(Schema::parse_ddl(DDL).unwrap(), geometry).unwrap();
        let header = LaneHeader { layout, on_full, lane_id: 1, created_us: 0 };
        let memory = HeapMemory::zeroed(header.layout.file_bytes() as usize);
        header.write(&RegionMut::new(memory.clone()));
        Self { header, memory }
    }

    fn writable(&self) -> RegionMut {
        RegionMut::new(self.memory.clone())
    }

    /// Words that steer a reader: where lies are worth most.
    fn steering(&self) -> Vec<usize> {
        let slots = (0..self.header.layout.geometry().slot_count).map(|slot| self.header.layout.slot_at(slot));
        let words = [SlotHeader::STAMP, SlotHeader::FIRST_ROW, SlotHeader::ROWS, SlotHeader::TIMES_OF];
        let of_slot = |slot: usize| words.map(|word| slot + word);
        let nulls = size_of::<SlotHeader>();
        let mut places: Vec<usize> = slots.flat_map(|slot| of_slot(slot).into_iter().chain([slot + nulls])).collect();
        places.extend([control::PUBLISHED; 4]);
        places.extend([control::STATE, control::DROPPED, control::OWNER]);
        places
    }

    /// Stores random words until told to end.
    fn scribble(&self, seed: u64, ends: &AtomicBool, spares_header: bool) {
        let (region, steering, mut random) = (self.writable(), self.steering(), Random(seed));
        let first = if spares_header { control::PUBLISHED } else { 0 };
        while !ends.load(Ordering::Relaxed) {
            let place = match random.next() % 4 {
                0 => first + random.below(region.len() - first) / 8 * 8,
                1 => self.header.layout.slots_at() + random.below(region.len() - self.header.layout.slots_at()) / 8 * 8,
                _ => steering[random.below(steering.len())],
            };
            region.store_u64(place / 8 * 8, word(&mut random), Ordering::Relaxed);
            // Storms and calms: between storms there is something to be read.
            if random.next().is_multiple_of(8) {
                (0..random.below(40)).for_each(|_| thread::yield_now());
            }
        }
    }

    /// Produces as if nothing was wrong, again and again from what the lane says.
    fn produce(&self, ends: &AtomicBool) {
        while !ends.load(Ordering::Relaxed) {
            let Ok(mut producer) = Producer::attach(self.writable(), &self.header) else {
                let region = self.writable();
                region.fill_bytes(control::PUBLISHED, super::CONTROL_BYTES - control::PUBLISHED, 0);
                region.fill_bytes(self.header.layout.slots_at(), region.len() - self.header.layout.slots_at(), 0);
                continue;
            };
            for n in 0..100_i64 {
                let bytes = n.to_ne_bytes();
                let row: [Cell<'_>; 7] = [
                    n.into(),
                    (n % 3 != 0).then_some("häh").into(),
                    (n % 2 == 0).into(),
                    i128::from(n).into(),
                    (n as i8).into(),
                    bytes[..n as usize % 8].into(),
                    (n % 64 != 0).then_some(n).into(),
                ];
                if matches!(producer.push(&row), Ok(Pushed::Full(_))) {
                    let _ = producer.wanted().map(|row| producer.release(row));
                }
                producer.publish();
            }
        }
    }

    /// Reads whatever comes; counts rows.
    fn read(&self, mode: ReadMode, calls: usize, seed: u64) -> u64 {
        let (region, mut random) = (Region::new(self.memory.clone()), Random(seed));
        let (mut rows, mut call) = (0, 0);
        // Bad luck is not a failure: something is to be read at last.
        while call < calls || (rows == 0 && call < 100 * calls) {
            call += 1;
            let Ok(mut consumer) = soon(|| Consumer::new(region.clone(), &self.header, mode)) else { continue };
            for _ in 0..50 {
                call += 1;
                let read = soon(|| step(&mut consumer, &mut random));
                let Ok(more) = read else { break };
                rows += more;
            }
        }
        rows
    }
}

/// One of the things that readers do.
fn step(consumer: &mut Consumer, random: &mut Random) -> crate::error::Result<u64> {
    match random.next() % 8 {
        0 => consumer.seek(random.next() % 200).map(|_| 0),
        1 => consumer.end().map(|_| 0),
        2 => consumer.rewind().map(|()| 0),
        3 => consumer.skip_to_end().map(|()| 0),
        _ => {
            let Some(block) = consumer.next(1 + random.below(9))? else { return Ok(0) };
            let len = block.len();
            assert!(len <= 9 && format!("{:?}", rows_of(&block.view())).len() > len);
            consumer.advance(len).map(|()| len as u64)
        }
    }
}

fn rows_of(block: &BlockRef<'_>) -> Vec<Vec<Value>> {
    let row = |row: usize| (0..7).map(|column| block.column(column).value(row)).collect();
    (0..block.len()).map(row).collect()
}

/// Words that look right now and then.
fn word(random: &mut Random) -> u64 {
    match random.next() % 6 {
        0 => random.next(),
        1 => u64::MAX - random.next() % 8,
        2 => u64::from(u32::MAX) - 4 + random.next() % 8,
        3 => Cursor::new(BlockNumber::new(random.next() % 8), random.below(7)).word(),
        _ => random.next() % 16,
    }
}

fn soon<T>(call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = call();
    assert!(start.elapsed() < SOON, "a call took {:?}", start.elapsed());
    result
}

fn calls() -> usize {
    std::env::var("FIRESTEEL_HOSTILE_CALLS").map_or(CALLS, |text| text.parse().unwrap())
}

fn attack(on_full: OnFull, mode: ReadMode, seed: u64) {
    let (lane, ends) = (Lane::new(on_full), AtomicBool::new(false));
    let rows = thread::scope(|scope| {
        scope.spawn(|| lane.scribble(seed, &ends, true));
        scope.spawn(|| lane.produce(&ends));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lane.read(mode, calls(), seed + 1)));
        ends.store(true, Ordering::Relaxed);
        result
    });
    assert!(rows.unwrap() > 0, "nothing was read at all: the test tests nothing");
}

#[test]
fn random_words_over_a_lane_harm_nobody_who_copies() {
    OnFull::ALL.into_iter().enumerate().for_each(|(i, on_full)| attack(on_full, ReadMode::Copy, 1 + i as u64));
}

/// Numbers are then read while they change, which is why only producers of our own user are read so; text, lengths
/// and everything else that steers is copied here, too.
#[test]
fn random_words_over_a_lane_harm_nobody_who_reads_in_place() {
    attack(OnFull::Block, ReadMode::InPlace, 7);
}

#[test]
fn a_header_that_changes_while_it_is_read_is_believed_whole_or_not_at_all() {
    let (lane, ends) = (Lane::new(OnFull::Block), AtomicBool::new(false));
    let region = Region::new(lane.memory.clone());
    let good: Vec<u64> = (0..control::PUBLISHED / 8).map(|i| region.load_u64(i * 8, Ordering::Relaxed)).collect();
    thread::scope(|scope| {
        scope.spawn(|| lane.scribble(99, &ends, false));
        scope.spawn(|| {
            let region = lane.writable();
            while !ends.load(Ordering::Relaxed) {
                good.iter().enumerate().for_each(|(i, &word)| region.store_u64(i * 8, word, Ordering::Relaxed));
                region.write_bytes(super::CONTROL_BYTES, lane.header.layout.ddl().as_bytes());
            }
        });
        for _ in 0..calls() / 10 {
            match soon(|| LaneHeader::read(&region)) {
                Ok(header) => assert_eq!(header.layout.geometry(), lane.header.layout.geometry()),
                Err(error) => assert!(error.is_corrupt(), "{error}"),
            }
        }
        ends.store(true, Ordering::Relaxed);
    });
}
