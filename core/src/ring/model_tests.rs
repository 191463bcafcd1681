//! The ring against a model: random operations on a lane and on a `Vec` that remembers every row, for every policy,
//! with counters that start at zero or just below every place where they wrap.

use alloc::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::{
    Cell, Consumer, Cursor, Geometry, LaneHeader, Layout, OnFull, Producer, Pushed, ReadMode, SlotHeader, control,
    cursor::{BlockNumber, rows_since},
    region::{HeapMemory, Region, RegionMut},
    sync::Ordering,
};
use crate::{
    block::{Bitmap, Block, BlockRef, Times, Value},
    schema::Schema,
};

#[derive(Clone, Debug)]
enum Operation {
    /// Store rows one by one.
    Push(usize),
    Publish,
    /// Store a block of so many rows, of which those with a set bit count.
    Append(usize, u64),
    /// Read at most so many blocks of at most so many rows.
    Read(usize, usize),
    /// Tell the producer what the reader has given back.
    Release,
    /// The producer dies with what it has not published, and another takes over.
    TakeOver,
    /// The reader is replaced by one that goes to the same row.
    Seek,
    Finish,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => (0..9_usize).prop_map(Operation::Push),
        3 => Just(Operation::Publish),
        3 => (0..30_usize, any::<u64>()).prop_map(|(rows, bits)| Operation::Append(rows, bits)),
        5 => (1..4_usize, 1..9_usize).prop_map(|(blocks, rows)| Operation::Read(blocks, rows)),
        3 => Just(Operation::Release),
        1 => Just(Operation::TakeOver),
        1 => Just(Operation::Seek),
        1 => Just(Operation::Finish),
    ];
    prop::collection::vec(operation, 1..120)
}

const DDL: &str = "id BIGINT NOT NULL, name STRING, ok BOOLEAN, amount DECIMAL(20,2), tiny TINYINT, bytes BINARY NOT NULL, \
     at TIMESTAMP";
/// Which of them is a time.
const TIME: usize = 6;

/// Row number `n` of the test's own counting: what it holds follows from the number.
fn values(n: u64) -> Vec<Value> {
    let name: String = "häh".chars().cycle().take((n % 7) as usize).collect();
    let or_null = |every: u64, value: Value| if n.is_multiple_of(every) { Value::Null } else { value };
    alloc::vec![
        Value::Int64(n as i64),
        or_null(3, Value::String(name)),
        or_null(5, Value::Boolean(n.is_multiple_of(2))),
        or_null(31, Value::Decimal(-i128::from(n) << 40)),
        or_null(2, Value::Int8(n as i8)),
        Value::Binary(alloc::vec![n as u8; (n % 4) as usize]),
        or_null(37, Value::Int64((n as i64).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8)),
    ]
}

struct Model {
    header: LaneHeader,
    region: Region,
    memory: alloc::sync::Arc<HeapMemory>,
    producer: Producer,
    consumer: Consumer,
    mode: ReadMode,
    first_row: u64,
    next: u64,
    /// Every row in the lane since it was created; those from `published` on are not yet to be seen.
    rows: Vec<u64>,
    published: usize,
    dropped: u64,
    /// Where the reader is, relative to `first_row`, and what the earlier ones lost.
    position: usize,
}

impl Model {
    fn new(on_full: OnFull, mode: ReadMode, block: u64, first_row: u64) -> Self {
        Self::with_slots(4, on_full, mode, block, first_row)
    }

    fn with_slots(slot_count: usize, on_full: OnFull, mode: ReadMode, block: u64, first_row: u64) -> Self {
        let geometry = Geometry { block_rows: 6, slot_count, heap_bytes: 24 };
        let layout = Layout::new(Schema::parse_ddl(DDL).unwrap(), geometry).unwrap();
        let header = LaneHeader { layout, on_full, lane_id: 1, created_us: 0 };
        let memory = HeapMemory::zeroed(header.layout.file_bytes() as usize);
        let region = RegionMut::new(memory.clone());
        header.write(&region);
        let block = BlockNumber::new(block);
        for slot in 0..geometry.slot_count {
            region.store_u64(header.layout.slot_at(slot) + SlotHeader::STAMP, u64::MAX, Ordering::Relaxed);
        }
        let slot = header.layout.slot_at(block.slot(geometry.slot_count));
        region.store_u64(control::PUBLISHED, Cursor::new(block, 0).word(), Ordering::Relaxed);
        region.store_u64(slot + SlotHeader::STAMP, block.stamp(), Ordering::Relaxed);
        region.store_u64(slot + SlotHeader::FIRST_ROW, first_row, Ordering::Relaxed);
        let producer = Producer::attach(region, &header).unwrap();
        let region = Region::new(memory.clone());
        let consumer = Consumer::new(region.clone(), &header, mode).unwrap();
        let (next, published, dropped, position) = (0, 0, 0, 0);
        let rows = Vec::new();
        Self { header, region, memory, producer, consumer, mode, first_row, next, rows, published, dropped, position }
    }

    fn run(&mut self, operation: &Operation) {
        match *operation {
            Operation::Push(rows) => (0..rows).for_each(|_| self.push()),
            Operation::Publish => self.publish(),
            Operation::Append(rows, bits) => self.append(rows, bits),
            Operation::Read(blocks, rows) => self.read(blocks, rows),
            Operation::Release => self.producer.release(self.consumer.position()),
            Operation::TakeOver => self.take_over(),
            Operation::Seek => self.seek(),
            Operation::Finish => {
                self.publish();
                self.producer.finish();
                assert!(self.consumer.is_finished());
            }
        }
        assert_eq!(self.producer.rows_stored(), self.first_row.wrapping_add(self.rows.len() as u64));
        assert_eq!(self.producer.rows_published(), self.first_row.wrapping_add(self.published as u64));
        assert_eq!(self.consumer.end().unwrap(), self.producer.rows_published());
        assert_eq!((self.consumer.rows_dropped(), self.producer.dropped()), (self.dropped, self.dropped));
    }

    fn push(&mut self) {
        let row = values(self.next);
        let cells: Vec<Cell<'_>> = row.iter().map(|v| Cell::try_from(v).unwrap()).collect();
        match self.producer.push(&cells).unwrap() {
            Pushed::All => self.rows.push(self.next),
            Pushed::Full(done) => {
                assert_eq!(done, 0);
                self.refused(1);
            }
        }
        // Whoever begins a block publishes the one before it.
        self.published = self.published.max(self.producer.rows_published().wrapping_sub(self.first_row) as usize);
        self.next += 1;
    }

    fn append(&mut self, rows: usize, bits: u64) {
        let mut block = Block::new(self.header.layout.schema());
        (0..rows as u64).for_each(|i| block.push_row(&values(self.next + i)));
        let selection: Bitmap = (0..rows).map(|i| bits >> (i % 64) & 1 != 0).collect();
        let selected = (!bits.is_multiple_of(3)).then(|| selection.view());
        let view = block.view().select(selected);
        let mut picked = Vec::new();
        view.rows().for_each(|i| picked.push(self.next + i as u64));
        let skip = (bits % 4) as usize;
        picked.drain(..skip.min(picked.len()));
        let done = match self.producer.append(&view, skip).unwrap() {
            Pushed::All => picked.len(),
            Pushed::Full(done) => done,
        };
        self.rows.extend(&picked[..done]);
        self.published = self.rows.len();
        if done < picked.len() {
            self.refused((picked.len() - done) as u64);
        }
        self.next += rows as u64;
    }

    /// A lane may only be full if its next block is wanted and was not given back.
    fn refused(&mut self, rows: u64) {
        assert_ne!(self.header.on_full, OnFull::Overwrite);
        assert!(self.producer.wanted().is_some());
        if self.header.on_full == OnFull::DropNewest {
            self.producer.count_dropped(rows);
            self.dropped += rows;
        }
    }

    fn publish(&mut self) {
        self.producer.publish();
        self.published = self.rows.len();
    }

    fn take_over(&mut self) {
        self.rows.truncate(self.published);
        self.producer = Producer::attach(RegionMut::new(self.memory.clone()), &self.header).unwrap();
        assert!(!self.consumer.is_finished());
    }

    fn seek(&mut self) {
        let row = self.consumer.position();
        let mut consumer = Consumer::new(self.region.clone(), &self.header, self.mode).unwrap();
        let is_kept = self.header.on_full != OnFull::Overwrite;
        assert!(!is_kept || rows_since(row, consumer.position()).is_some(), "it begins at the oldest row");
        assert!(!consumer.seek(self.producer.rows_published().wrapping_add(1)).unwrap());
        assert!(consumer.seek(row).unwrap());
        assert_eq!(consumer.rows_lost(), consumer.position().wrapping_sub(row));
        self.position += consumer.rows_lost() as usize;
        self.consumer = consumer;
    }

    fn read(&mut self, blocks: usize, rows_max: usize) {
        for _ in 0..blocks {
            let lost = self.consumer.rows_lost();
            let Some(block) = self.consumer.next(rows_max).unwrap() else {
                assert_eq!(self.position, self.published, "rows are left unread");
                return;
            };
            let len = block.len();
            let (found, told) = (rows_of(&block.view()), block.view().times(TIME));
            self.position += (self.consumer.rows_lost() - lost) as usize;
            assert!(self.consumer.rows_lost() == 0 || self.header.on_full == OnFull::Overwrite);
            assert_eq!(self.consumer.position(), self.first_row.wrapping_add(self.position as u64));
            let expected = &self.rows[self.position..self.position + len];
            assert!(self.position + len <= self.published && len <= rows_max);
            assert_eq!(found, expected.iter().map(|&n| values(n)).collect::<Vec<_>>());
            check_told(told, &found);
            self.consumer.advance(len).unwrap();
            self.position += len;
        }
    }
}

/// What a block tells of its times must be what its rows say.
fn check_told(told: Option<Times>, rows: &[Vec<Value>]) {
    let Some(told) = told else { return };
    let time = |row: &Vec<Value>| match row[TIME] {
        Value::Int64(ts) => ts,
        _ => panic!("a block with a NULL tells no times"),
    };
    let times: Vec<i64> = rows.iter().map(time).collect();
    assert_eq!(told, crate::simd::times(&times));
}

fn rows_of(block: &BlockRef<'_>) -> Vec<Vec<Value>> {
    let row = |row: usize| (0..7).map(|column| block.column(column).value(row)).collect();
    (0..block.len()).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lane_behaves_like_a_list(
        operations in operations(),
        on_full in prop::sample::select(&OnFull::ALL[..]),
        mode in prop::sample::select(&[ReadMode::InPlace, ReadMode::Copy][..]),
        slot_count in prop::sample::select(&[4_usize, 16][..]),
        block in prop::sample::select(&[0_u64, 1, (1 << 32) - 2, (1 << 46) - 3, (1 << 47) - 2][..]),
        first_row in prop::sample::select(&[0_u64, (1 << 32) - 3, (1 << 63) - 5, u64::MAX - 20][..]),
    ) {
        let mut model = Model::with_slots(slot_count, on_full, mode, block, first_row);
        operations.iter().for_each(|operation| model.run(operation));
        model.publish();
        model.read(usize::MAX, usize::MAX);
    }

    /// Whatever the bytes behind the header are, a reader ends, with an error or without, and never leaves the region.
    #[test]
    fn hostile_bytes_never_crash_a_reader(
        operations in operations(),
        words in prop::collection::vec((0_usize..1200, hostile_word()), 1..20),
        mode in prop::sample::select(&[ReadMode::InPlace, ReadMode::Copy][..]),
        on_full in prop::sample::select(&OnFull::ALL[..]),
    ) {
        let mut model = Model::new(on_full, ReadMode::Copy, 0, 0);
        operations.iter().for_each(|operation| model.run(operation));
        model.publish();
        let region = RegionMut::new(model.memory.clone());
        let places = (control::PUBLISHED..super::CONTROL_BYTES).step_by(8)
            .chain((model.header.layout.slots_at()..region.len()).step_by(8));
        let places: Vec<usize> = places.collect();
        for (place, word) in words {
            region.store_u64(places[place % places.len()], word, Ordering::Relaxed);
        }
        read_what_there_is(&model, mode);
        let _ = Producer::attach(region, &model.header);
    }
}

fn hostile_word() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..100_u64,
        Just(u64::MAX),
        (0..8_u64, 0..8_u64).prop_map(|(block, rows)| Cursor::new(BlockNumber::new(block), rows as usize).word()),
    ]
}

fn read_what_there_is(model: &Model, mode: ReadMode) {
    let Ok(mut consumer) = Consumer::new(model.region.clone(), &model.header, mode) else { return };
    let _ = consumer.seek(3);
    for _ in 0..100 {
        match consumer.next(5) {
            Ok(Some(block)) => {
                let len = block.len();
                assert!(format!("{:?}", rows_of(&block.view())).len() > len);
                if consumer.advance(len).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return assert!(error.is_corrupt(), "{error}"),
        }
    }
}

#[test]
fn a_row_that_does_not_fit_is_refused_whole() {
    let mut model = Model::new(OnFull::Block, ReadMode::InPlace, 0, 0);
    model.push();
    let mut row = values(1);
    row[1] = Value::String("x".repeat(25));
    let too_long: Vec<Cell<'_>> = row.iter().map(|v| Cell::try_from(v).unwrap()).collect();
    assert!(model.producer.push(&too_long).unwrap_err().is_limit());
    let mut null: Vec<Cell<'_>> = too_long.clone();
    (null[0], null[1]) = (Cell::Null, Cell::Str("y"));
    assert_eq!(model.producer.push(&null).unwrap_err().error_class(), Some("NOT_NULL_CONSTRAINT_VIOLATION"));
    null[0] = Cell::F64(1.0);
    assert!(model.producer.push(&null).unwrap_err().message().contains("`id` is BIGINT, the value is an f64"));
    let mut block = Block::new(model.header.layout.schema());
    block.push_row(&row);
    assert!(model.producer.append(&block.view(), 0).unwrap_err().is_limit());
    let other = Block::new(&Schema::parse_ddl("a INT, b INT, c INT, d INT, e INT, f INT").unwrap());
    assert!(model.producer.append(&other.view(), 0).unwrap_err().is_invalid_job());
    model.next = 1;
    model.push();
    model.publish();
    model.read(9, 9);
    assert_eq!(model.position, 2);
}

#[test]
fn a_limit_is_not_passed() {
    let mut model = Model::new(OnFull::Block, ReadMode::InPlace, 0, 0);
    (0..20).for_each(|_| model.push());
    model.publish();
    model.consumer.set_limit(Some(13));
    let mut read = 0;
    while let Some(block) = model.consumer.next(100).unwrap() {
        let len = block.len();
        read += len;
        model.consumer.advance(len).unwrap();
    }
    assert_eq!((read, model.consumer.position()), (13, 13));
    model.consumer.set_limit(None);
    assert!(model.consumer.next(100).unwrap().is_some());
}

#[test]
fn a_new_reader_starts_with_the_oldest_row_that_waits() {
    let mut model = Model::new(OnFull::Block, ReadMode::InPlace, 0, 0);
    (0..40).for_each(|_| model.push());
    model.publish();
    let consumer = Consumer::new(model.region.clone(), &model.header, ReadMode::InPlace).unwrap();
    assert_eq!((consumer.position(), consumer.rows_lost()), (0, 0));
    assert!(consumer.end().unwrap() > 12);
}

#[test]
fn columns_that_are_not_asked_for_are_not_prepared() {
    let mut model = Model::new(OnFull::Block, ReadMode::InPlace, 0, 0);
    (0..5).for_each(|_| model.push());
    model.publish();
    model.consumer.project(&[0, 2]);
    let block = model.consumer.next(10).unwrap().unwrap();
    assert_eq!(block.view().column(2).value(1), Value::Boolean(false));
    let other = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block.view().column(1).value(1)));
    assert!(other.is_err());
}

#[test]
fn policies_are_read_by_the_names_that_they_show() {
    for policy in OnFull::ALL {
        assert_eq!(OnFull::parse(&format!(" {} ", policy.name().to_uppercase())), Ok(policy));
    }
    assert!(OnFull::parse("").unwrap_err().hint_text().is_some_and(|hint| hint.contains("drop_newest")));
}

/// A string may be as long as a heap, and takes a block of its own then; one byte more is too long.
#[test]
fn the_longest_string_is_a_heap() {
    let heap_bytes = 24;
    for len in [heap_bytes - 1, heap_bytes, heap_bytes + 1] {
        let mut model = Model::new(OnFull::Block, ReadMode::InPlace, 0, 0);
        let mut row = values(1);
        row[1] = Value::String("x".repeat(len));
        let cells: Vec<Cell<'_>> = row.iter().map(|v| Cell::try_from(v).unwrap()).collect();
        let mut block = Block::new(model.header.layout.schema());
        (0..2).for_each(|_| block.push_row(&row));
        let pushed = (0..2).map(|_| model.producer.push(&cells)).collect::<Vec<_>>();
        let appended = model.producer.append(&block.view(), 0);
        if len > heap_bytes {
            assert!(pushed.iter().all(|result| result.is_err()) && appended.is_err());
            continue;
        }
        assert!(pushed.iter().all(|result| *result == Ok(Pushed::All)));
        assert_eq!(appended, Ok(Pushed::All));
        let mut read = Vec::new();
        while let Some(block) = model.consumer.next(9).unwrap() {
            read.extend(rows_of(&block.view()));
            let len = block.len();
            model.consumer.advance(len).unwrap();
        }
        assert_eq!(read, alloc::vec![row.clone(); 4]);
    }
}

#[test]
fn a_published_block_whose_slot_holds_another_is_an_error() {
    for mode in [ReadMode::InPlace, ReadMode::Copy] {
        let mut model = Model::new(OnFull::Block, mode, 0, 0);
        (0..3).for_each(|_| model.push());
        model.publish();
        let region = RegionMut::new(model.memory.clone());
        region.store_u64(model.header.layout.slot_at(0) + SlotHeader::STAMP, 4, Ordering::Relaxed);
        let error = model.consumer.next(9).map(|block| block.map(|block| block.len())).unwrap_err();
        assert!(error.message().contains("its last block is not where it should be"), "{error}");
    }
}

/// The block to which a reader went by itself may be reused by a producer that had not heard of it.
#[test]
fn the_first_block_is_a_copy_in_any_mode() {
    for mode in [ReadMode::InPlace, ReadMode::Copy] {
        let mut model = Model::new(OnFull::Block, mode, 0, 0);
        (0..3).for_each(|_| model.push());
        model.publish();
        let expected: Vec<_> = (0..3).map(values).collect();
        let block = model.consumer.next(9).unwrap().unwrap();
        let slots = model.header.layout.slots_at();
        let region = RegionMut::new(model.memory.clone());
        region.fill_bytes(slots, region.len() - slots, 0x5a);
        assert_eq!(rows_of(&block.view()), expected);
        model.consumer.advance(3).unwrap();
    }
}

/// What was stored of a row before one of its values was refused is not there for the next row.
#[test]
fn a_refused_row_leaves_no_bytes() {
    let mut model = Model::new(OnFull::Block, ReadMode::Copy, 0, 0);
    (0..5).for_each(|_| model.push());
    let row = values(9);
    let mut cells: Vec<Cell<'_>> = row.iter().map(|v| Cell::try_from(v).unwrap()).collect();
    (cells[1], cells[5]) = (Cell::Str("abc"), Cell::Null);
    for _ in 0..9 {
        assert!(model.producer.push(&cells).unwrap_err().is_data());
    }
    model.push();
    model.publish();
    model.read(9, 9);
    assert_eq!((model.position, model.published), (6, 6));
}

#[test]
fn rows_without_nulls_have_no_validity() {
    let mut model = Model::new(OnFull::Block, ReadMode::InPlace, 0, 0);
    (0..6).for_each(|_| model.push());
    model.publish();
    // Row 0 lacks its boolean, rows 1 to 4 have theirs.
    for (rows_max, has_nulls) in [(1, true), (4, false), (4, true)] {
        let block = model.consumer.next(rows_max).unwrap().unwrap();
        assert_eq!(block.view().column(2).validity.is_some(), has_nulls);
        let len = block.len();
        model.consumer.advance(len).unwrap();
    }
}

#[test]
fn a_lane_remembers_how_often_its_producers_waited() {
    let mut model = Model::new(OnFull::Block, ReadMode::Copy, 0, 0);
    (0..3).for_each(|_| model.producer.count_wait());
    model.producer.count_dropped(5);
    model.take_over();
    model.producer.count_wait();
    assert_eq!((model.producer.waits(), model.producer.dropped()), (4, 5));
    assert_eq!(model.producer.on_full(), OnFull::Block);
    assert_eq!(model.region.load_u64(control::WAITS, Ordering::Relaxed), 4);
}

#[test]
fn row_numbers_that_jump_from_block_to_block_are_an_error() {
    for mode in [ReadMode::InPlace, ReadMode::Copy] {
        let mut model = Model::new(OnFull::Block, mode, 0, 0);
        // Strings of a heap each: a row a block.
        let text = "x".repeat(24);
        let row = [Cell::I64(0), Cell::Str(&text), Cell::Null, Cell::Null, Cell::Null, Cell::Bytes(b""), Cell::Null];
        (0..3).for_each(|_| assert_eq!(model.producer.push(&row), Ok(Pushed::All)));
        model.publish();
        let region = RegionMut::new(model.memory.clone());
        region.store_u64(model.header.layout.slot_at(1) + SlotHeader::FIRST_ROW, 2, Ordering::Relaxed);
        assert_eq!(model.consumer.next(9).unwrap().map(|block| block.len()), Some(1));
        model.consumer.advance(1).unwrap();
        let error = model.consumer.next(9).map(|block| block.map(|block| block.len())).unwrap_err();
        assert!(error.message().contains("its row numbers jump"), "{error}");
    }
}

#[test]
fn the_published_word_changes_with_every_row() {
    let mut model = Model::new(OnFull::Block, ReadMode::Copy, 0, 0);
    let mut words = alloc::vec![model.consumer.published_word()];
    for _ in 0..9 {
        model.push();
        model.publish();
        words.push(model.consumer.published_word());
    }
    assert!(words.windows(2).all(|pair| pair[0] < pair[1]), "{words:?}");
}
