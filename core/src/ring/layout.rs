//! Where everything of a lane lies: computed from the schema and three numbers by whoever creates a lane and by
//! whoever opens it, so that no offset is ever taken from the file.
//!
//! ```text
//!   lane   │ header │ schema text │ slot 0 │ slot 1 │ ... │            slots start on a page
//!   slot   │ SlotHeader │ NULL counts │ column 0 │ column 1 │ ... │    each part on a cache line
//!   column │ values: one a row │ validity: a byte a row │ heap │       validity if nullable, heap for strings
//! ```
//! Booleans and validity are bytes, because bits would share a byte with published rows. A string's value is where it
//! ends in the heap of its column (u32); it starts where the row before it ends.

use alloc::{format, string::String, vec::Vec};

use crate::{
    error::{Error, Result},
    limits::{
        BLOCK_ROWS, BLOCK_ROWS_MAX, COLUMN_ALIGN, RING_FILE_BYTES_MAX, RING_HEAP_BYTES_MAX, RING_HEAP_BYTES_MIN,
        RING_HEAP_BYTES_PER_ROW, RING_SCHEMA_BYTES_MAX, RING_SLOTS_MAX, RING_SLOTS_MIN,
    },
    ring::CONTROL_BYTES,
    schema::{DataType, Field, Physical, Schema},
};

/// Slots start on a page, so that a reader's page faults do not touch the control words.
const PAGE: usize = 4096;

/// Slots that are aimed at in a small lane: enough that producer and readers seldom meet in one.
const SLOTS_WANTED: usize = 8;

/// The three numbers that, with the schema, fix a lane's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Rows a block holds.
    pub block_rows: usize,
    /// Blocks the lane holds: a power of two.
    pub slot_count: usize,
    /// Bytes of strings a block holds in each string column; also the longest string.
    pub heap_bytes: usize,
}

/// A lane's layout.
#[derive(Clone, Debug)]
pub struct Layout {
    schema: Schema,
    ddl: String,
    geometry: Geometry,
    columns: Vec<ColumnLayout>,
    slots_at: usize,
    slot_bytes: usize,
}

/// Where a column lies in its slot.
#[derive(Clone, Debug)]
pub struct ColumnLayout {
    /// Name, for messages.
    pub name: String,
    /// Type of the values.
    pub data_type: DataType,
    /// How they are stored.
    pub physical: Physical,
    /// Whether there are validity bytes.
    pub nullable: bool,
    /// Bytes a row in the values.
    pub width: usize,
    /// Offset in the slot of the number of NULLs in the block (u32).
    pub nulls_at: usize,
    /// Offset in the slot of the values.
    pub values_at: usize,
    /// Offset in the slot of the validity bytes (1 = not NULL).
    pub validity_at: usize,
    /// Offset in the slot of the heap.
    pub heap_at: usize,
}

/// The first bytes of a slot.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct SlotHeader {
    /// Number of the block that the slot holds.
    pub stamp: u64,
    /// How many rows of the lane came before the block's first.
    pub first_row: u64,
    /// Rows in the block; stored when the block is full or ends early.
    pub rows: u32,
    /// Rows that `min_time` and what follows is said of: the block's first so many.
    pub timed_rows: u32,
    unused: u64,
    /// What the block says of its first column of timestamps, once the next one has begun: lowest, highest, and the sum
    /// of the differences to the first, modulo 2^64.
    pub min_time: i64,
    /// See `min_time`.
    pub max_time: i64,
    /// See `min_time`.
    pub time_offsets: i64,
    /// The number of the block that this is said of, plus one. Any other number: the block says nothing, as producers
    /// may.
    pub times_of: u64,
}

const _: () = assert!(size_of::<SlotHeader>() == COLUMN_ALIGN, "the parts of a slot start on cache lines");

impl Geometry {
    /// Spreads `capacity` bytes over blocks for `schema`: blocks of 4,096 to 8,191 rows if at least eight fit.
    pub fn fit(schema: &Schema, capacity: u64) -> Result<Self> {
        check_schema(schema)?;
        if capacity > RING_FILE_BYTES_MAX {
            let gib = RING_FILE_BYTES_MAX >> 30;
            return Err(Error::invalid(format!("capacity {capacity} is more than a lane may have: {gib} GiB")));
        }
        let bytes = usize::try_from(capacity).unwrap_or(usize::MAX);
        let slots_at = slots_at(schema.to_ddl().len());
        let available = bytes.saturating_sub(slots_at);
        let wanted = available / slot_bytes_for(schema, BLOCK_ROWS);
        let slot_count = prev_power_of_two(wanted).clamp(SLOTS_WANTED, RING_SLOTS_MAX);
        let block_rows = rows_that_fit(schema, available / slot_count);
        if block_rows == 0 {
            let least = slots_at + SLOTS_WANTED * slot_bytes_for(schema, 1);
            return Err(Error::invalid(format!("capacity {capacity} is too small for a ring of this schema"))
                .hint(format!("give it at least {} KiB", least.div_ceil(1024))));
        }
        Ok(Self { block_rows, slot_count, heap_bytes: heap_bytes_for(block_rows) })
    }

    fn check(self) -> Result<()> {
        let Self { block_rows, slot_count, heap_bytes } = self;
        let wrong = |what: &str, value: usize| Err(Error::corrupt(format!("a lane cannot have {value} {what}")));
        if block_rows == 0 || block_rows > BLOCK_ROWS_MAX {
            return wrong("rows in a block", block_rows);
        }
        if !slot_count.is_power_of_two() || !(RING_SLOTS_MIN..=RING_SLOTS_MAX).contains(&slot_count) {
            return wrong("blocks", slot_count);
        }
        if heap_bytes > RING_HEAP_BYTES_MAX {
            return wrong("bytes of strings in a block", heap_bytes);
        }
        Ok(())
    }
}

impl Layout {
    /// The layout of a lane of these numbers, which may come from a stranger's header.
    pub fn new(schema: Schema, geometry: Geometry) -> Result<Self> {
        check_schema(&schema)?;
        geometry.check()?;
        let ddl = schema.to_ddl();
        if ddl.len() > RING_SCHEMA_BYTES_MAX {
            return Err(Error::limit(format!("the schema's text has {} bytes", ddl.len()))
                .hint(format!("a ring's schema may have {RING_SCHEMA_BYTES_MAX}")));
        }
        let slots_at = slots_at(ddl.len());
        let (columns, slot_bytes) = place_columns(&schema, geometry);
        let layout = Self { schema, ddl, geometry, columns, slots_at, slot_bytes };
        if layout.file_bytes_exact().is_none_or(|bytes| bytes > RING_FILE_BYTES_MAX) {
            return Err(Error::limit(format!(
                "a lane of {geometry:?} would be larger than {RING_FILE_BYTES_MAX} bytes"
            )));
        }
        Ok(layout)
    }

    /// The columns' names and types.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The schema as the text in the header.
    pub fn ddl(&self) -> &str {
        &self.ddl
    }

    /// Rows and blocks.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The columns in order.
    pub fn columns(&self) -> &[ColumnLayout] {
        &self.columns
    }

    /// Where the first slot lies.
    pub fn slots_at(&self) -> usize {
        self.slots_at
    }

    /// Bytes from one slot to the next.
    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// Size of the whole lane.
    pub fn file_bytes(&self) -> u64 {
        (self.slots_at + self.slot_bytes * self.geometry.slot_count) as u64
    }

    /// Where slot `index` lies.
    pub fn slot_at(&self, index: usize) -> usize {
        assert!(index < self.geometry.slot_count, "slot {index} of {}", self.geometry.slot_count);
        self.slots_at + index * self.slot_bytes
    }

    /// The same layout with the slots right behind the control words: a region small enough for loom.
    #[cfg(all(test, loom))]
    pub(super) fn compact(mut self) -> Self {
        self.slots_at = CONTROL_BYTES;
        self
    }

    fn file_bytes_exact(&self) -> Option<u64> {
        let slots = (self.slot_bytes as u64).checked_mul(self.geometry.slot_count as u64)?;
        slots.checked_add(self.slots_at as u64)
    }
}

impl SlotHeader {
    /// Offset of `stamp`.
    pub const STAMP: usize = core::mem::offset_of!(Self, stamp);
    /// Offset of `first_row`.
    pub const FIRST_ROW: usize = core::mem::offset_of!(Self, first_row);
    /// Offset of `rows`.
    pub const ROWS: usize = core::mem::offset_of!(Self, rows);
    /// Offset of `timed_rows`.
    pub const TIMED_ROWS: usize = core::mem::offset_of!(Self, timed_rows);
    /// Offset of `min_time`.
    pub const MIN_TIME: usize = core::mem::offset_of!(Self, min_time);
    /// Offset of `max_time`.
    pub const MAX_TIME: usize = core::mem::offset_of!(Self, max_time);
    /// Offset of `time_offsets`.
    pub const TIME_OFFSETS: usize = core::mem::offset_of!(Self, time_offsets);
    /// Offset of `times_of`.
    pub const TIMES_OF: usize = core::mem::offset_of!(Self, times_of);
}

/// Rings hold flat columns only.
fn check_schema(schema: &Schema) -> Result<()> {
    if schema.is_empty() {
        return Err(Error::invalid("a ring needs at least one column"));
    }
    match schema.fields().iter().find(|f| width(f.data_type.physical()).is_none()) {
        None => Ok(()),
        Some(field) => Err(Error::unsupported(
            "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
            format!(
                "The RING datasource doesn't support the column `{}` of the type \"{}\".",
                field.name, field.data_type
            ),
        )
        .hint("write its parts as columns of their own, or as text with to_json")),
    }
}

/// Bytes a row in the values of a column; `None` if a ring cannot hold the type.
fn width(physical: Physical) -> Option<usize> {
    Some(match physical {
        Physical::Boolean | Physical::Int8 => 1,
        Physical::Int16 => 2,
        Physical::Int32 | Physical::Float32 | Physical::Bytes => 4,
        Physical::Int64 | Physical::Float64 => 8,
        Physical::Int128 => 16,
        Physical::Null | Physical::Interval | Physical::Struct | Physical::Array => return None,
    })
}

fn place_columns(schema: &Schema, geometry: Geometry) -> (Vec<ColumnLayout>, usize) {
    let mut end = align(size_of::<SlotHeader>() + schema.len() * 4, COLUMN_ALIGN);
    let place = |(i, field): (usize, &Field)| {
        let nulls_at = size_of::<SlotHeader>() + i * 4;
        place_column(field, geometry, nulls_at, &mut end)
    };
    let columns = schema.fields().iter().enumerate().map(place).collect();
    (columns, end)
}

fn place_column(field: &Field, geometry: Geometry, nulls_at: usize, end: &mut usize) -> ColumnLayout {
    let physical = field.data_type.physical();
    let width = width(physical).expect("the schema was checked");
    let mut take = |bytes: usize| {
        let start = *end;
        *end = align(start + bytes, COLUMN_ALIGN);
        start
    };
    ColumnLayout {
        name: field.name.clone(),
        data_type: field.data_type.clone(),
        physical,
        nullable: field.nullable,
        width,
        nulls_at,
        values_at: take(geometry.block_rows * width),
        validity_at: take(if field.nullable { geometry.block_rows } else { 0 }),
        heap_at: take(if physical == Physical::Bytes { geometry.heap_bytes } else { 0 }),
    }
}

fn slot_bytes_for(schema: &Schema, block_rows: usize) -> usize {
    let geometry = Geometry { block_rows, slot_count: RING_SLOTS_MIN, heap_bytes: heap_bytes_for(block_rows) };
    place_columns(schema, geometry).1
}

/// The most rows whose slot fits `bytes`: a multiple of 64 if that many fit.
fn rows_that_fit(schema: &Schema, bytes: usize) -> usize {
    let (mut fits, mut too_many) = (0, BLOCK_ROWS_MAX / 8);
    while fits + 1 < too_many {
        let middle = (fits + too_many) / 2;
        if slot_bytes_for(schema, middle) <= bytes { fits = middle } else { too_many = middle }
    }
    if fits > 64 { fits / 64 * 64 } else { fits }
}

fn heap_bytes_for(block_rows: usize) -> usize {
    (block_rows * RING_HEAP_BYTES_PER_ROW).clamp(RING_HEAP_BYTES_MIN, RING_HEAP_BYTES_MAX)
}

fn slots_at(ddl_bytes: usize) -> usize {
    align(CONTROL_BYTES + ddl_bytes, PAGE)
}

fn align(offset: usize, to: usize) -> usize {
    offset.next_multiple_of(to)
}

fn prev_power_of_two(n: usize) -> usize {
    if n == 0 { 0 } else { 1 << n.ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(ddl: &str) -> Schema {
        Schema::parse_ddl(ddl).unwrap()
    }

    #[test]
    fn capacities_are_used_well_and_never_exceeded() {
        for ddl in ["ts TIMESTAMP NOT NULL, id INT, v DOUBLE", "line STRING", "b BOOLEAN NOT NULL", "d DECIMAL(38,2)"] {
            for capacity in [160_000_u64, 1 << 20, 10_000_000, 64 << 20, 1 << 30] {
                let geometry = Geometry::fit(&schema(ddl), capacity).unwrap();
                let layout = Layout::new(schema(ddl), geometry).unwrap();
                assert!(layout.file_bytes() <= capacity, "{ddl} in {capacity}: {geometry:?}");
                assert!(layout.file_bytes() * 10 >= capacity * 6, "{ddl} in {capacity}: {geometry:?}");
                assert!(geometry.slot_count >= SLOTS_WANTED && geometry.block_rows <= 2 * BLOCK_ROWS);
                assert!(geometry.block_rows < 64 || geometry.block_rows.is_multiple_of(64), "{geometry:?}");
            }
        }
    }

    #[test]
    fn parts_lie_on_cache_lines_and_apart() {
        let ddl = "b BOOLEAN, t TINYINT NOT NULL, s SMALLINT, i INT, l BIGINT NOT NULL, f FLOAT, d DOUBLE, \
                   m DECIMAL(20,2), x STRING, y BINARY NOT NULL, day DATE, ts TIMESTAMP, n TIMESTAMP_NTZ";
        let geometry = Geometry { block_rows: 100, slot_count: 4, heap_bytes: 1000 };
        let layout = Layout::new(schema(ddl), geometry).unwrap();
        let mut end = size_of::<SlotHeader>() + 4 * layout.columns().len();
        for c in layout.columns() {
            for (at, bytes) in [
                (c.values_at, 100 * c.width),
                (c.validity_at, if c.nullable { 100 } else { 0 }),
                (c.heap_at, if c.physical == Physical::Bytes { 1000 } else { 0 }),
            ] {
                assert!(at >= end && at % COLUMN_ALIGN == 0, "{} at {at}", c.name);
                end = at + bytes;
            }
        }
        assert!(end <= layout.slot_bytes());
        assert_eq!(layout.slot_at(3) + layout.slot_bytes(), layout.file_bytes() as usize);
    }

    #[test]
    fn what_a_ring_cannot_hold_is_refused_by_name() {
        for ddl in ["a ARRAY<INT>", "s STRUCT<x: INT>", "v VOID"] {
            let error = Geometry::fit(&schema(ddl), 1 << 20).unwrap_err();
            assert_eq!(error.error_class(), Some("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE"), "{ddl}");
            assert!(error.message().contains(&ddl[..1]), "{error}");
        }
        let small = Geometry::fit(&schema("line STRING"), 1000).unwrap_err();
        assert!(small.hint_text().unwrap().contains("at least"), "{small}");
        assert!(Layout::new(schema("a INT"), Geometry { block_rows: 1, slot_count: 6, heap_bytes: 0 }).is_err());
        assert!(Layout::new(schema("a INT"), Geometry { block_rows: 0, slot_count: 8, heap_bytes: 0 }).is_err());
    }

    #[test]
    fn the_capacity_that_is_advised_is_the_least_that_works() {
        for ddl in ["line STRING", "b BOOLEAN NOT NULL", "ts TIMESTAMP, a STRING, b STRING, v DOUBLE"] {
            let error = Geometry::fit(&schema(ddl), 1).unwrap_err();
            let hint = error.hint_text().unwrap();
            let advised: u64 = hint.split(' ').find_map(|word| word.parse().ok()).unwrap();
            assert!(Geometry::fit(&schema(ddl), advised << 10).is_ok(), "{hint}");
            assert!(Geometry::fit(&schema(ddl), (advised - 1) << 10).is_err(), "{hint}");
        }
        let most = RING_FILE_BYTES_MAX;
        assert!(Geometry::fit(&schema("line STRING"), most).is_ok());
        assert!(Geometry::fit(&schema("line STRING"), most + 1).unwrap_err().message().contains("1024 GiB"));
    }

    #[test]
    fn numbers_are_taken_up_to_their_bounds_and_no_further() {
        let good = Geometry { block_rows: 1, slot_count: RING_SLOTS_MIN, heap_bytes: 0 };
        for (geometry, is_taken) in [
            (good, true),
            (Geometry { block_rows: BLOCK_ROWS_MAX, ..good }, true),
            (Geometry { block_rows: BLOCK_ROWS_MAX + 1, ..good }, false),
            (Geometry { block_rows: usize::MAX, ..good }, false),
            (Geometry { slot_count: RING_SLOTS_MAX, ..good }, true),
            (Geometry { slot_count: RING_SLOTS_MAX * 2, ..good }, false),
            (Geometry { slot_count: RING_SLOTS_MIN / 2, ..good }, false),
            (Geometry { heap_bytes: RING_HEAP_BYTES_MAX, ..good }, true),
            (Geometry { heap_bytes: RING_HEAP_BYTES_MAX + 1, ..good }, false),
            (Geometry { heap_bytes: usize::MAX, ..good }, false),
        ] {
            assert_eq!(Layout::new(schema("line STRING"), geometry).is_ok(), is_taken, "{geometry:?}");
        }
        let widest = Geometry { block_rows: BLOCK_ROWS_MAX, slot_count: RING_SLOTS_MAX, heap_bytes: 0 };
        assert!(Layout::new(schema("a INT"), widest).unwrap_err().is_limit(), "no lane has terabytes");
    }
}
