//! Text of sensors for the benches of formats, and the sums that a reader must arrive at.

use firesteel_core::{
    block::BlockRef,
    schema::{DataType, Field, Schema},
    time::{TimeZone, format_timestamp},
};
use firesteel_io::format::Decoder;

/// Rows of a file: about 4 MB of CSV, more than a second-level cache holds.
pub const ROWS: usize = 100_000;

/// Bytes handed to a reader at once, as a file source reads them.
const CHUNK: usize = 64 << 10;

/// `ts TIMESTAMP, id INT, value DOUBLE`.
pub fn schema() -> Schema {
    Schema::new(vec![
        Field::new("ts", DataType::Timestamp),
        Field::new("id", DataType::Int32),
        Field::new("value", DataType::Float64),
    ])
}

/// The zone of the readings.
pub fn zone() -> TimeZone {
    TimeZone::UTC
}

/// What the columns add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    rows: usize,
    ts: i64,
    id: i64,
    value: f64,
}

impl Expected {
    /// What a decoder makes of a file.
    pub fn of(mut decoder: Decoder, file: &[u8]) -> Self {
        let mut sums = Self { rows: 0, ts: 0, id: 0, value: 0.0 };
        let mut add = |block: &BlockRef<'_>| {
            let is_read = |i: usize| block.column(i).validity.is_none();
            sums.rows += block.len();
            if is_read(0) {
                sums.ts = block.column(0).as_slice::<i64>().iter().fold(sums.ts, |sum, x| sum.wrapping_add(*x));
            }
            if is_read(1) {
                sums.id += block.column(1).as_slice::<i32>().iter().map(|x| i64::from(*x)).sum::<i64>();
            }
            if is_read(2) {
                sums.value += block.column(2).as_slice::<f64>().iter().sum::<f64>();
            }
            Ok(())
        };
        decoder.begin_file("bench");
        for chunk in file.chunks(CHUNK) {
            decoder.push(chunk, &mut add).expect("a good file");
        }
        decoder.end_file(&mut add).and_then(|()| decoder.flush(&mut add)).expect("a good file");
        sums
    }

    /// The sums of a reader that leaves columns out.
    pub fn seen_through(self, needed: &[bool; 3]) -> Self {
        let [ts, id, value] = *needed;
        Self {
            rows: self.rows,
            ts: if ts { self.ts } else { 0 },
            id: if id { self.id } else { 0 },
            value: if value { self.value } else { 0.0 },
        }
    }
}

/// Reads a file and gives the number of rows.
pub fn drain(mut decoder: Decoder, file: &[u8]) -> u64 {
    let mut ignore = |_: &BlockRef<'_>| Ok(());
    decoder.begin_file("bench");
    for chunk in file.chunks(CHUNK) {
        decoder.push(chunk, &mut ignore).expect("a good file");
    }
    decoder.end_file(&mut ignore).expect("a good file");
    decoder.rows()
}

/// A CSV file with a header.
pub fn csv(rows: usize) -> (Vec<u8>, Expected) {
    let mut file = b"ts,id,value\n".to_vec();
    let expected = generate(rows, |ts, id, value| {
        file.extend_from_slice(format!("{ts},{id},{value}\n").as_bytes());
    });
    (file, expected)
}

/// A file of JSON lines.
pub fn json(rows: usize) -> (Vec<u8>, Expected) {
    let mut file = Vec::new();
    let expected = generate(rows, |ts, id, value| {
        file.extend_from_slice(format!("{{\"ts\":\"{ts}\",\"id\":{id},\"value\":{value}}}\n").as_bytes());
    });
    (file, expected)
}

/// Readings of a thousand sensors, a millisecond apart, in quarters, so that sums are exact.
fn generate(rows: usize, mut write: impl FnMut(&str, i32, f64)) -> Expected {
    let mut sums = Expected { rows, ts: 0, id: 0, value: 0.0 };
    let mut random = 0x9e37_79b9_u32;
    for row in 0..rows as i64 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (ts, id) = (1_735_689_600_000_000 + row * 1000, (random >> 16) as i32 % 1000);
        let value = f64::from(random >> 20) / 4.0;
        write(&format_timestamp(ts, &TimeZone::UTC), id, value);
        sums.ts = sums.ts.wrapping_add(ts);
        sums.id += i64::from(id);
        sums.value += value;
    }
    sums
}
