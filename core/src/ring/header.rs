//! The first bytes of a lane: what it is, checked before anything else is believed, and the words that change while it
//! is used. All numbers are in the byte order of the machine, and the header says which that is.
//!
//! ```text
//! bytes      field          what it is
//!    0..8    magic          "FIRELANE"
//!    8..12   version        1
//!   12..16   byte_order     0x01020304 as this machine stores it
//!   16..24   checksum       FNV-1a of bytes 0..128 (with this field 0) and of the schema text
//!   24..32   file_bytes     size of the lane
//!   32..40   slots_at       where slot 0 lies
//!   40..48   slot_bytes     from one slot to the next
//!   48..52   slot_count     blocks the lane holds
//!   52..56   block_rows     rows a block holds
//!   56..60   heap_bytes     bytes of strings a block holds in each string column
//!   60..64   column_count   columns in the schema
//!   64..68   on_full        0 block, 1 drop_newest, 2 overwrite
//!   68..72   schema_bytes   length of the schema text at 512
//!   72..80   lane_id        random; a lane created anew under an old name has another
//!   80..88   created_us     microseconds since 1970
//!  128..136  published      block number and rows: the word that makes rows visible
//!  256..260  state          0 open, 1 finished
//!  264..272  dropped        rows dropped because the lane was full
//!  272..280  waits          times the producer had to wait for readers
//!  320..328  owner          claim of the producer that owns the lane; 0 if none
//!  328..360  owner_process  who that is: four words of the operating system's
//! ```

use alloc::{format, string::String, vec, vec::Vec};
use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use super::{
    Geometry, Layout, OnFull,
    region::{Region, RegionMut},
};
use crate::{
    error::{Error, Result},
    limits::{RING_HEAP_BYTES_MAX, RING_SCHEMA_BYTES_MAX},
    schema::Schema,
};

const MAGIC: [u8; 8] = *b"FIRELANE";
const VERSION: u32 = 1;
const BYTE_ORDER: u32 = 0x0102_0304;

/// Bytes before the schema text.
pub const CONTROL_BYTES: usize = 512;

/// What a lane says about itself, checked.
#[derive(Clone, Debug)]
pub struct LaneHeader {
    /// Where everything lies.
    pub layout: Layout,
    /// What its producer does when it is full.
    pub on_full: OnFull,
    /// Random; tells a lane from an earlier one of the same name.
    pub lane_id: u64,
    /// When it was created, in microseconds since 1970.
    pub created_us: i64,
}

/// Offsets of the words that change.
pub mod control {
    use super::{Control, offset_of};

    /// Block number and rows: see [`crate::ring::Cursor`].
    pub const PUBLISHED: usize = offset_of!(Control, published);
    /// 0 open, 1 finished (u32).
    pub const STATE: usize = offset_of!(Control, state);
    /// Rows dropped because the lane was full.
    pub const DROPPED: usize = offset_of!(Control, dropped);
    /// Times the producer had to wait for readers.
    pub const WAITS: usize = offset_of!(Control, waits);
    /// Claim of the producer that owns the lane; 0 if none.
    pub const OWNER: usize = offset_of!(Control, owner);
    /// Four words that identify the owner's process.
    pub const OWNER_PROCESS: usize = offset_of!(Control, owner_process);
}

/// The part that never changes.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Fixed {
    magic: [u8; 8],
    version: u32,
    byte_order: u32,
    checksum: u64,
    file_bytes: u64,
    slots_at: u64,
    slot_bytes: u64,
    slot_count: u32,
    block_rows: u32,
    heap_bytes: u32,
    column_count: u32,
    on_full: u32,
    schema_bytes: u32,
    lane_id: u64,
    created_us: i64,
    unused: [u64; 5],
}

/// All of it. Words of different writers and of different rhythm lie 64 or 128 bytes apart (adjacent lines are
/// fetched together).
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Control {
    fixed: Fixed,
    published: u64,
    unused1: [u64; 15],
    state: u32,
    unused2: u32,
    dropped: u64,
    waits: u64,
    unused3: [u64; 5],
    owner: u64,
    owner_process: [u64; 4],
    unused4: [u64; 19],
}

const _: () = assert!(size_of::<Fixed>() == 128 && size_of::<Control>() == CONTROL_BYTES);
const _: () = assert!(offset_of!(Control, published) % 128 == 0, "the published word has its lines to itself");
const _: () = assert!(offset_of!(Control, state) % 128 == 0 && offset_of!(Control, owner) % 64 == 0);

impl LaneHeader {
    /// Writes the header into a region of zeroes. The magic comes last.
    pub fn write(&self, region: &RegionMut) {
        assert!(region.len() as u64 >= self.layout.file_bytes(), "{} bytes for {self:?}", region.len());
        let mut bytes = bytemuck::bytes_of(&self.fixed()).to_vec();
        bytes[..MAGIC.len()].fill(0);
        region.write_bytes(0, &bytes);
        region.write_bytes(CONTROL_BYTES, self.layout.ddl().as_bytes());
        region.write_bytes(0, &MAGIC);
    }

    /// Reads and checks the header of a region that anybody may have written.
    pub fn read(region: &Region) -> Result<Self> {
        let header = Self::read_cut(region)?;
        let (found, said) = (region.len() as u64, header.layout.file_bytes());
        if found < said {
            return Err(corrupt(format!("it was cut off: it has {found} bytes and says it has {said}")));
        }
        Ok(header)
    }

    /// As [`LaneHeader::read`], of a lane of which the end may be missing.
    pub fn read_cut(region: &Region) -> Result<Self> {
        let fixed = Self::read_fixed(region)?;
        let ddl = read_schema(region, &fixed)?;
        expect("the checksum", fixed.checksum, checksum(&fixed, ddl.as_bytes()))?;
        let schema = Schema::parse_ddl(&ddl).map_err(|e| corrupt(format!("its schema is not one: {}", e.message())))?;
        let geometry = Geometry {
            block_rows: fixed.block_rows as usize,
            slot_count: fixed.slot_count as usize,
            heap_bytes: (fixed.heap_bytes as usize).min(RING_HEAP_BYTES_MAX + 1),
        };
        let layout = Layout::new(schema, geometry).map_err(|e| corrupt(e.message()))?;
        let on_full =
            *OnFull::ALL.get(fixed.on_full as usize).ok_or_else(|| corrupt(format!("on_full is {}", fixed.on_full)))?;
        let header = Self { layout, on_full, lane_id: fixed.lane_id, created_us: fixed.created_us };
        header.check_sizes(&fixed)?;
        Ok(header)
    }

    fn read_fixed(region: &Region) -> Result<Fixed> {
        if region.len() < CONTROL_BYTES {
            return Err(corrupt(format!("it has {} bytes, a lane's header has {CONTROL_BYTES}", region.len())));
        }
        let mut bytes = [0; size_of::<Fixed>()];
        region.read_bytes(0, &mut bytes);
        let fixed: Fixed = bytemuck::pod_read_unaligned(&bytes);
        if fixed.magic != MAGIC {
            return Err(corrupt(format!("it starts with {:02x?}, a lane with {MAGIC:02x?}", fixed.magic)));
        }
        if fixed.byte_order != BYTE_ORDER {
            return Err(unusable("it was written on a machine of the other byte order")
                .hint("read it on a machine like the one that wrote it"));
        }
        if fixed.version != VERSION {
            return Err(unusable(format!("it is of version {}, this build knows version {VERSION}", fixed.version))
                .hint("read it with the release that wrote it, or remove it and let its producer create it anew"));
        }
        Ok(fixed)
    }

    fn check_sizes(&self, fixed: &Fixed) -> Result<()> {
        let layout = &self.layout;
        expect("slots_at", fixed.slots_at, layout.slots_at() as u64)?;
        expect("slot_bytes", fixed.slot_bytes, layout.slot_bytes() as u64)?;
        expect("column_count", fixed.column_count.into(), layout.columns().len() as u64)?;
        expect("file_bytes", fixed.file_bytes, layout.file_bytes())
    }

    fn fixed(&self) -> Fixed {
        let Geometry { block_rows, slot_count, heap_bytes } = self.layout.geometry();
        let mut fixed = Fixed {
            magic: MAGIC,
            version: VERSION,
            byte_order: BYTE_ORDER,
            checksum: 0,
            file_bytes: self.layout.file_bytes(),
            slots_at: self.layout.slots_at() as u64,
            slot_bytes: self.layout.slot_bytes() as u64,
            slot_count: slot_count as u32,
            block_rows: block_rows as u32,
            heap_bytes: heap_bytes as u32,
            column_count: self.layout.columns().len() as u32,
            on_full: self.on_full as u32,
            schema_bytes: self.layout.ddl().len() as u32,
            lane_id: self.lane_id,
            created_us: self.created_us,
            unused: [0; 5],
        };
        fixed.checksum = checksum(&fixed, self.layout.ddl().as_bytes());
        fixed
    }
}

fn read_schema(region: &Region, fixed: &Fixed) -> Result<String> {
    let len = fixed.schema_bytes as usize;
    if len > RING_SCHEMA_BYTES_MAX || CONTROL_BYTES + len > region.len() {
        return Err(corrupt(format!("its schema would have {len} bytes")));
    }
    let mut bytes: Vec<u8> = vec![0; len];
    region.read_bytes(CONTROL_BYTES, &mut bytes);
    String::from_utf8(bytes).map_err(|_| corrupt("its schema is not text"))
}

fn expect(what: &str, found: u64, expected: u64) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(corrupt(format!("{what} is {found}, but the rest of the header asks for {expected}")))
}

fn corrupt(what: impl Into<String>) -> Error {
    unusable(what).hint("if nothing in it is needed, remove the file and let its producer create it anew")
}

fn unusable(what: impl Into<String>) -> Error {
    Error::corrupt(format!("not a usable lane: {}", what.into()))
}

/// FNV-1a, 64 bits: tells damage, not malice; malice is met by checking everything else.
fn checksum(fixed: &Fixed, schema: &[u8]) -> u64 {
    let fixed = Fixed { checksum: 0, ..*fixed };
    let bytes = bytemuck::bytes_of(&fixed).iter().chain(schema);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::region::HeapMemory;

    fn header() -> LaneHeader {
        let schema = Schema::parse_ddl("ts TIMESTAMP, line STRING NOT NULL").unwrap();
        let layout = Layout::new(schema, Geometry { block_rows: 8, slot_count: 4, heap_bytes: 100 }).unwrap();
        LaneHeader { layout, on_full: OnFull::DropNewest, lane_id: 77, created_us: -5 }
    }

    fn written() -> RegionMut {
        let header = header();
        let region = RegionMut::new(HeapMemory::zeroed(header.layout.file_bytes() as usize));
        header.write(&region);
        region
    }

    /// The picture at the head of this file, made from the structs.
    #[test]
    fn the_picture_shows_the_struct() {
        macro_rules! rows {
            ($base:expr, $t:ty: $($field:ident $size:expr),*) => {
                vec![$((stringify!($field), $base + offset_of!($t, $field), $size)),*]
            };
        }
        let mut rows = rows!(0, Fixed: magic 8, version 4, byte_order 4, checksum 8, file_bytes 8, slots_at 8,
            slot_bytes 8, slot_count 4, block_rows 4, heap_bytes 4, column_count 4, on_full 4, schema_bytes 4,
            lane_id 8, created_us 8);
        rows.extend(rows!(0, Control: published 8, state 4, dropped 8, waits 8, owner 8, owner_process 32));
        let source = include_str!("header.rs");
        for (name, at, size) in rows {
            let line = format!("//! {:>4}..{:<5}{name:<15}", at, at + size);
            assert!(source.contains(&line), "the picture lacks: {line}");
        }
        let pictured = source.lines().filter(|l| l.starts_with("//! ") && l.contains("..") && l.len() > 30).count();
        assert_eq!(pictured, 21, "the picture has a line too many");
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (region, expected) = (written(), header());
        let read = LaneHeader::read(&region).unwrap();
        assert_eq!(read.layout.schema(), expected.layout.schema());
        assert_eq!(read.layout.geometry(), expected.layout.geometry());
        assert_eq!((read.on_full, read.lane_id, read.created_us), (OnFull::DropNewest, 77, -5));
    }

    /// Every bit of the header and of the schema: flipped, it is noticed.
    #[test]
    fn no_flipped_bit_is_believed() {
        let region = written();
        let fixed = (0..size_of::<Fixed>()).chain(CONTROL_BYTES..CONTROL_BYTES + header().layout.ddl().len());
        for at in fixed {
            for bit in 0..8 {
                let mut byte = [0];
                region.read_bytes(at, &mut byte);
                region.write_bytes(at, &[byte[0] ^ 1 << bit]);
                let error = LaneHeader::read(&region).expect_err("a flipped bit");
                assert!(error.is_corrupt() && error.hint_text().is_some(), "byte {at} bit {bit}: {error}");
                region.write_bytes(at, &byte);
            }
        }
        assert!(LaneHeader::read(&region).is_ok());
    }

    /// A liar who also fixes the checksum.
    #[test]
    fn lies_with_a_right_checksum_are_refused() {
        let lies: &[fn(&mut Fixed)] = &[
            |f| f.block_rows = 1 << 20,
            |f| f.block_rows = 0,
            |f| f.slot_count = 1 << 30,
            |f| f.slot_count = 3,
            |f| f.heap_bytes = u32::MAX,
            |f| f.slot_bytes = 64,
            |f| f.slots_at = 0,
            |f| f.file_bytes = u64::MAX,
            |f| f.on_full = 9,
            |f| f.column_count = 3,
            |f| f.schema_bytes = 3,
            |f| f.schema_bytes = u32::MAX,
            |f| (f.block_rows, f.slot_count) = (65_536, 1 << 24),
        ];
        for (i, lie) in lies.iter().enumerate() {
            let region = written();
            let mut fixed = header().fixed();
            lie(&mut fixed);
            let ddl = header().layout.ddl().as_bytes().to_vec();
            fixed.checksum = checksum(&fixed, &ddl[..ddl.len().min(fixed.schema_bytes as usize)]);
            region.write_bytes(0, bytemuck::bytes_of(&fixed));
            assert!(LaneHeader::read(&region).expect_err("a lie").is_corrupt(), "lie {i}");
        }
    }

    /// The lane's first bytes are enough to know what it is.
    #[test]
    fn a_lane_of_the_largest_heaps_is_one() {
        // A schema of 64 bytes: it ends where the region ends.
        let schema = Schema::parse_ddl(&format!("{} STRING", "x".repeat(57))).unwrap();
        let geometry = Geometry { block_rows: 8, slot_count: 4, heap_bytes: RING_HEAP_BYTES_MAX };
        let header = LaneHeader { layout: Layout::new(schema, geometry).unwrap(), ..header() };
        assert_eq!(header.layout.ddl().len(), 64);
        let region = RegionMut::new(HeapMemory::zeroed(CONTROL_BYTES + 64));
        region.write_bytes(0, bytemuck::bytes_of(&header.fixed()));
        region.write_bytes(CONTROL_BYTES, header.layout.ddl().as_bytes());
        assert_eq!(LaneHeader::read_cut(&region).unwrap().layout.geometry(), geometry);
        assert!(LaneHeader::read(&region).unwrap_err().message().contains("cut off"));
        // One byte more than any heap has, while all else fits the largest.
        let mut lie = header.fixed();
        lie.heap_bytes += 1;
        lie.checksum = checksum(&lie, header.layout.ddl().as_bytes());
        region.write_bytes(0, bytemuck::bytes_of(&lie));
        assert!(LaneHeader::read_cut(&region).unwrap_err().message().contains("bytes of strings"));
    }

    #[test]
    fn files_of_every_length_are_refused_until_whole() {
        let whole = written();
        let mut bytes = vec![0; whole.len()];
        whole.read_bytes(0, &mut bytes);
        for len in [0, 64, 448, 512, 576, 4096, bytes.len() - 64] {
            let region = RegionMut::new(HeapMemory::zeroed(len));
            region.write_bytes(0, &bytes[..len]);
            let error = LaneHeader::read(&region).expect_err("cut off");
            assert!(error.message().contains("bytes") || error.message().contains("checksum"), "{len}: {error}");
        }
    }
}
