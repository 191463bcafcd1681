//! Lanes that nobody wrote as they should be, through the readers of production.
//!
//! ```text
//!   program   header 4 bytes, then steps: what a reader does, what its producer does, and words stored by somebody who
//!             keeps no rule, in any order, over a lane on the heap (a byte past its end is the sanitizer's to find)
//!   memory    the whole lane as bytes, its checksum made right or not, and read to its end
//!   file      the same as a file, through `Reader`, `check` and `info`
//! ```

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use firesteel_core::{
    Result,
    ring::{
        CONTROL_BYTES, Cell, Consumer, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode, SlotHeader,
        control,
        region::{HeapMemory, Region, RegionMut},
        sync::Ordering,
    },
    schema::Schema,
};
use firesteel_io::ring::{Reader, ReaderOptions, Start, check, info};

use super::{input::Input, queries::values};

const DDL: &str = "id BIGINT NOT NULL, name STRING, ok BOOLEAN, amount DECIMAL(20,2), tiny TINYINT, raw BINARY NOT NULL, \
     at TIMESTAMP";
const COLUMNS: usize = 7;
const GEOMETRIES: [Geometry; 3] = [
    Geometry { block_rows: 6, slot_count: 4, heap_bytes: 24 },
    Geometry { block_rows: 1, slot_count: 8, heap_bytes: 8 },
    Geometry { block_rows: 64, slot_count: 4, heap_bytes: 100 },
];
/// Steps of a program: what comes behind them would only take time.
const STEPS_MAX: usize = 300;
/// Bytes of a lane that an input may ask for beyond those that it has.
const LANE_BYTES_MAX: usize = 256 << 10;

/// What the first byte says is done with the others.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 8 {
        0..=4 => program(input),
        5 | 6 => memory(input),
        _ => file(input),
    }
}

/// A lane with rows, for seeds.
pub fn lane_with_rows() -> Arc<HeapMemory> {
    let mut lane = Lane::new(&mut Input::new(&[]));
    lane.produce(&mut Input::new(&[15]));
    lane.memory
}

fn program(mut input: Input<'_>) {
    let mut lane = Lane::new(&mut input);
    let Ok(mut consumer) = lane.consumer() else { panic!("an empty lane can be read") };
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        match input.byte() % 16 {
            0..=3 => lane.store(&mut input),
            4 | 5 => lane.produce(&mut input),
            6 => lane.take_over(),
            7 => {
                let Ok(new) = lane.consumer() else { continue };
                consumer = new;
            }
            _ => {
                // A reader that found a lane broken leaves it; here it goes on, which must do no harm either.
                let _ = lane.read(&mut consumer, &mut input);
            }
        }
    }
}

/// A lane on the heap, and the producer that it may have.
struct Lane {
    header: LaneHeader,
    memory: Arc<HeapMemory>,
    region: RegionMut,
    producer: Option<Producer>,
    mode: ReadMode,
}

impl Lane {
    fn new(input: &mut Input<'_>) -> Self {
        let layout = Layout::new(Schema::parse_ddl(DDL).expect("columns"), input.pick(&GEOMETRIES)).expect("a layout");
        let header = LaneHeader { layout, on_full: input.pick(&OnFull::ALL), lane_id: 1, created_us: 0 };
        let memory = HeapMemory::zeroed(header.layout.file_bytes() as usize);
        let region = RegionMut::new(memory.clone());
        header.write(&region);
        let mode = input.pick(&[ReadMode::Copy, ReadMode::InPlace]);
        let mut lane = Self { header, memory, region, producer: None, mode };
        lane.take_over();
        lane
    }

    fn consumer(&self) -> Result<Consumer> {
        Consumer::new(Region::new(self.memory.clone()), &self.header, self.mode)
    }

    /// Another producer comes.
    fn take_over(&mut self) {
        self.producer = Producer::attach(RegionMut::new(self.memory.clone()), &self.header).ok();
    }

    /// A word over any word: half of them steer a reader, and half of what is stored looks right.
    fn store(&self, input: &mut Input<'_>) {
        let (layout, which) = (&self.header.layout, input.byte());
        let slot = layout.slot_at(usize::from(which >> 4) % layout.geometry().slot_count);
        let place = match which % 8 {
            0 | 1 => control::PUBLISHED,
            2 => slot + SlotHeader::STAMP,
            3 => slot + SlotHeader::FIRST_ROW,
            4 => slot + SlotHeader::ROWS / 8 * 8,
            5 => slot + input.below(layout.slot_bytes()) / 8 * 8,
            6 if which >= 128 => slot + SlotHeader::TIMES_OF,
            6 => control::STATE,
            _ => control::PUBLISHED + input.below(self.region.len() - control::PUBLISHED) / 8 * 8,
        };
        let word = match input.byte() % 4 {
            0 => input.word(),
            1 => u64::MAX - u64::from(input.byte()),
            2 => u64::from(input.byte()) << 17 | u64::from(input.byte()),
            _ => u64::from(input.byte()),
        };
        self.region.store_u64(place, word, Ordering::Relaxed);
    }

    fn produce(&mut self, input: &mut Input<'_>) {
        let Some(producer) = &mut self.producer else { return };
        for n in 0..1 + i64::from(input.byte()) % 16 {
            let bytes = n.to_ne_bytes();
            let row: [Cell<'_>; COLUMNS] = [
                n.into(),
                (n % 3 != 0).then_some("häh").into(),
                (n % 2 == 0).into(),
                i128::from(n).into(),
                (n as i8).into(),
                bytes[..n as usize % 8].into(),
                (n % 64 != 0).then_some(n).into(),
            ];
            if let Ok(Pushed::Full(_)) = producer.push(&row) {
                let _ = producer.wanted().map(|row| producer.release(row));
            }
        }
        producer.publish();
    }

    fn read(&self, consumer: &mut Consumer, input: &mut Input<'_>) -> Result<()> {
        match input.byte() % 8 {
            0 => _ = consumer.seek(u64::from(input.byte()))?,
            1 => _ = consumer.seek(input.word())?,
            2 => consumer.rewind()?,
            3 => consumer.skip_to_end()?,
            4 => consumer.set_limit(Some(consumer.end()?.wrapping_add(u64::from(input.byte())))),
            _ => return self.lend(consumer, input),
        }
        Ok(())
    }

    /// Lends a block, over which somebody may write meanwhile, if it is a copy.
    fn lend(&self, consumer: &mut Consumer, input: &mut Input<'_>) -> Result<()> {
        let rows_max = 1 + input.below(70);
        let Some(block) = consumer.next(rows_max)? else { return Ok(()) };
        let rows = block.len();
        assert!((1..=rows_max).contains(&rows), "{rows} of {rows_max} rows");
        let before = values(&block.view(), COLUMNS);
        if self.mode == ReadMode::Copy {
            self.store(input);
            assert_eq!(format!("{:?}", values(&block.view(), COLUMNS)), format!("{before:?}"), "a copy has changed");
        }
        consumer.advance(rows - rows / 2)
    }
}

/// The bytes of a lane: as they are, or with the magic, the version and the checksum made right.
fn lane_bytes(mut input: Input<'_>) -> Vec<u8> {
    let (is_mended, extra) = (input.byte() % 4 < 3, usize::from(input.half()) * 8);
    let mut bytes = input.rest().to_vec();
    bytes.resize((bytes.len() + extra).min(LANE_BYTES_MAX), 0);
    if is_mended && bytes.len() >= CONTROL_BYTES {
        mend(&mut bytes);
    }
    bytes
}

/// As in the picture of `core/src/ring/header.rs`.
fn mend(bytes: &mut [u8]) {
    bytes[..8].copy_from_slice(b"FIRELANE");
    bytes[8..12].copy_from_slice(&1_u32.to_ne_bytes());
    bytes[12..16].copy_from_slice(&0x0102_0304_u32.to_ne_bytes());
    bytes[16..24].fill(0);
    let schema = u32::from_ne_bytes([bytes[68], bytes[69], bytes[70], bytes[71]]) as usize;
    let schema = CONTROL_BYTES..CONTROL_BYTES.saturating_add(schema).min(bytes.len());
    let checked = bytes[..128].iter().chain(&bytes[schema]);
    let hash = checked.fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3_u64));
    bytes[16..24].copy_from_slice(&hash.to_ne_bytes());
}

fn memory(input: Input<'_>) {
    let bytes = lane_bytes(input);
    let memory = HeapMemory::zeroed(bytes.len());
    RegionMut::new(memory.clone()).write_bytes(0, &bytes);
    let region = Region::new(memory);
    let Ok(header) = LaneHeader::read(&region) else { return };
    let columns = header.layout.columns().len();
    for mode in [ReadMode::Copy, ReadMode::InPlace] {
        let Ok(mut consumer) = Consumer::new(region.clone(), &header, mode) else { continue };
        // Nobody writes any more: each block can be lent once.
        for _ in 0..=header.layout.geometry().slot_count {
            let Ok(Some(block)) = consumer.next(usize::MAX) else { return };
            let rows = block.len();
            values(&block.view(), columns);
            let Ok(()) = consumer.advance(rows) else { return };
        }
        panic!("more blocks than slots");
    }
}

/// Where the lane file of this process lies: in memory if the machine has such a place.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let folder = if shared.is_dir() { shared } else { std::env::temp_dir() };
    folder.join(format!("firesteel-fuzz-{}.lane", std::process::id()))
});

fn file(mut input: Input<'_>) {
    let start = input.pick(&[Start::Oldest, Start::Newest]);
    std::fs::write(&*PLACE, lane_bytes(input)).expect("room for a lane");
    let _ = read_file(start);
    let _ = std::fs::remove_file(&*PLACE);
}

fn read_file(start: Start) -> Result<()> {
    check(&PLACE)?;
    let _ = info(&PLACE);
    let mut reader = Reader::open(&*PLACE, ReaderOptions { start, ..ReaderOptions::default() })?;
    let columns = reader.schema().fields().len();
    let mut polls = 0;
    while reader.poll(Duration::ZERO, |_, block| {
        values(block, columns);
        Ok(())
    })? > 0
    {
        polls += 1;
        assert!(polls < 1 << 16, "a file without a writer has no end");
    }
    reader.positions();
    reader.end_positions()?;
    reader.lanes();
    Ok(())
}
