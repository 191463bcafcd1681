//! A lane of layout version 1, byte for byte: producers in other languages and lanes on disk rely on it. A test that
//! fails here means that the layout has changed; then the version must, too, and what it was stays here to be refused.
//! Only bytes that were unused may come to mean something where zeroes say what they did before: nothing.
//!
//! The golden lists the lines of 16 bytes that are not all zero. To write it anew, on purpose:
//! `FIRESTEEL_WRITE_GOLDEN=1 cargo test -p firesteel-core ring::golden`

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};

use super::{
    Cell, Consumer, Geometry, LaneHeader, Layout, OnFull, Producer, ReadMode,
    region::{HeapMemory, Region, RegionMut},
};
use crate::{block::Value, schema::Schema};

const DDL: &str = "id BIGINT NOT NULL, at TIMESTAMP, name STRING, ok BOOLEAN, amount DECIMAL(20,2), tiny TINYINT, \
                   small SMALLINT, n INT, f FLOAT, d DOUBLE, raw BINARY NOT NULL, day DATE";
const GOLDEN: &str = include_str!("golden/lane_v1_le.txt");
const LINE: usize = 16;
/// Rows of the lane: a full block, and a block that its strings ended early, and one that is begun.
const ROWS: i64 = 9;

fn layout() -> Layout {
    let geometry = Geometry { block_rows: 4, slot_count: 4, heap_bytes: 24 };
    Layout::new(Schema::parse_ddl(DDL).unwrap(), geometry).unwrap()
}

fn memory() -> Arc<HeapMemory> {
    HeapMemory::zeroed(layout().file_bytes() as usize)
}

fn text(n: i64) -> Option<String> {
    (n % 3 != 1).then(|| "wärme".chars().cycle().take(n as usize).collect())
}

fn write() -> Region {
    let memory = memory();
    let header = LaneHeader {
        layout: layout(),
        on_full: OnFull::DropNewest,
        lane_id: 0x0123_4567_89ab_cdef,
        created_us: 1_735_689_600_000_000,
    };
    let region = RegionMut::new(memory.clone());
    header.write(&region);
    let mut producer = Producer::attach(region, &header).unwrap();
    for n in 0..ROWS {
        let (text, raw) = (text(n), vec![n as u8; n as usize % 4]);
        let row: [Cell<'_>; 12] = [
            n.into(),
            (n != 2).then_some(1_735_689_600_000_000 + n).into(),
            text.as_deref().into(),
            (n != 3).then_some(n % 2 == 0).into(),
            (i128::from(n) << 65).into(),
            (-n as i8).into(),
            (n as i16 * 300).into(),
            (n as i32 * 100_000).into(),
            (n as f32 / 2.0).into(),
            (n as f64 / 4.0).into(),
            raw[..].into(),
            (20_089 + n as i32).into(),
        ];
        assert_eq!(producer.push(&row).unwrap(), super::Pushed::All);
    }
    producer.publish();
    producer.count_dropped(3);
    producer.count_wait();
    Region::new(memory)
}

/// The lines that are not all zero, as text.
fn listing(region: &Region) -> String {
    let mut bytes = vec![0; region.len()];
    region.read_bytes(0, &mut bytes);
    let lines = bytes.chunks(LINE).enumerate().filter(|(_, line)| line.iter().any(|&b| b != 0));
    let hex = |line: &[u8]| line.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = lines.map(|(i, line)| format!("{:06x}: {}\n", i * LINE, hex(line))).collect();
    format!("{} bytes\n{}", bytes.len(), lines.concat())
}

fn golden() -> RegionMut {
    let region = RegionMut::new(memory());
    for line in GOLDEN.lines().skip(1) {
        let (at, hex) = line.split_once(": ").unwrap();
        let bytes: Vec<u8> = hex.split(' ').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
        region.write_bytes(usize::from_str_radix(at, 16).unwrap(), &bytes);
    }
    region
}

#[test]
#[cfg(target_endian = "little")]
fn a_lane_is_written_byte_for_byte_as_ever() {
    let written = listing(&write());
    if std::env::var_os("FIRESTEEL_WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ring/golden/lane_v1_le.txt");
        std::fs::write(path, &written).unwrap();
    } else {
        let differs = written.lines().zip(GOLDEN.lines()).find(|(now, then)| now != then);
        assert_eq!(differs, None, "the layout has changed: raise the version");
        assert_eq!(written.len(), GOLDEN.len());
    }
}

#[test]
#[cfg(target_endian = "little")]
fn a_lane_of_this_version_is_read_whoever_wrote_it() {
    let region = Region::clone(&golden());
    let header = LaneHeader::read(&region).unwrap();
    assert_eq!((header.on_full, header.lane_id), (OnFull::DropNewest, 0x0123_4567_89ab_cdef));
    let mut consumer = Consumer::new(region, &header, ReadMode::Copy).unwrap();
    assert_eq!((consumer.rows_dropped(), consumer.is_finished()), (3, false));
    let mut n = 0;
    while let Some(block) = consumer.next(100).unwrap() {
        let (len, view) = (block.len(), block.view());
        for row in 0..len {
            assert_eq!(view.column(0).value(row), Value::Int64(n));
            assert_eq!(view.column(2).value(row), text(n).map_or(Value::Null, Value::String));
            assert_eq!(view.column(4).value(row), Value::Decimal(i128::from(n) << 65));
            assert_eq!(view.column(10).value(row), Value::Binary(vec![n as u8; n as usize % 4]));
            n += 1;
        }
        consumer.advance(len).unwrap();
    }
    assert_eq!(n, ROWS);
}

#[test]
fn lanes_of_other_versions_and_byte_orders_are_refused_with_a_word_why() {
    let cases: [(usize, &[u8], &str, &str); 3] = [
        (8, &2_u32.to_ne_bytes(), "version 2", "the release that wrote it"),
        (12, &0x0403_0201_u32.to_ne_bytes(), "other byte order", "a machine like"),
        (0, b"FIRESTOP", "starts with", "remove the file"),
    ];
    for (at, bytes, expected, hint) in cases {
        let region = RegionMut::new(memory());
        let mut lane = vec![0; region.len()];
        write().read_bytes(0, &mut lane);
        region.write_bytes(0, &lane);
        region.write_bytes(at, bytes);
        let error = LaneHeader::read(&region).unwrap_err();
        assert!(error.is_corrupt() && error.message().contains(expected), "{error}");
        assert!(error.hint_text().unwrap().contains(hint), "{error:?}");
    }
}
