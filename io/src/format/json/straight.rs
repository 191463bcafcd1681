//! The straight way through rows that look alike: known bytes, a value, known bytes, a value, and so on to the line
//! end, without cutting the line out first. Sensors and logs write little else.
//!
//! It is a short cut and no more. Numbers are plain digits here, strings have no quotes or escapes inside; where
//! anything is not as expected, the row is taken back and the scanner gets the line. So whatever comes through here
//! must be read exactly as the scanner would.

use firesteel_core::{Result, block::Column, limits::LINE_BYTES_MAX, time::TimestampReader};

use super::{
    super::{
        convert::parse_timestamp,
        number::{double_in_front, integer_in_front},
        pace::Pace,
        page::{Page, Sink},
    },
    rows::Rows,
};

/// What rows look like.
#[derive(Debug)]
pub(super) struct Straight {
    // Fixed properties.
    cells: Box<[Cell]>,
    /// What follows the last value.
    end: Literal,
    /// Columns of which such rows say nothing.
    missing: Box<[usize]>,
    // State.
    pace: Pace,
}

/// A value and what stands before it.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) before: Literal,
    pub(super) read: Read,
    pub(super) column: usize,
}

/// How a value is read.
#[derive(Debug)]
pub(super) enum Read {
    /// Not at all, only passed over.
    Skip,
    Int32,
    Int64,
    Float64,
    String,
    Timestamp(TimestampReader),
    /// By the scanner; the number is that of the field.
    Other(usize),
}

/// Bytes that are the same in every row.
#[derive(Debug)]
pub(super) struct Literal {
    words: [u64; 2],
    masks: [u64; 2],
    rest: Box<[u8]>,
    len: usize,
}

impl Straight {
    /// Rows of these values and nothing else.
    pub(super) fn new(cells: Vec<Cell>, end: Literal, missing: Vec<usize>) -> Self {
        Self { cells: cells.into(), end, missing: missing.into(), pace: Pace::default() }
    }

    /// Whether rows have come to look otherwise.
    pub(super) fn is_lost(&self) -> bool {
        self.pace.is_lost()
    }

    /// Takes the place of another one, which has lost its way so many times.
    pub(super) fn instead_of(self, other: Option<&Self>) -> Self {
        Self { pace: other.map_or(self.pace, |other| other.pace), ..self }
    }

    /// Reads whole rows from the front of `bytes` as long as it goes straight on; gives the bytes they had.
    #[inline]
    pub(super) fn run(
        &mut self,
        rows: &mut Rows<'_>,
        bytes: &[u8],
        page: &mut Page,
        line: &mut u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        if !self.pace.is_due() {
            return Ok(0);
        }
        let mut at = 0;
        while let Some(next) = self.row(rows, bytes, at, page.open().0) {
            *line += 1;
            page.commit(next - at, None, sink)?;
            at = next;
        }
        page.take_back();
        self.pace.went(at > 0);
        Ok(at)
    }

    /// One row; gives where the next one begins. Without a result, columns may have values that are to be taken back.
    #[inline(always)]
    fn row(&mut self, rows: &mut Rows<'_>, bytes: &[u8], start: usize, columns: &mut [Column]) -> Option<usize> {
        let mut at = start;
        for cell in &mut self.cells {
            at = cell.before.pass(bytes, at)?;
            at = cell.read(rows, bytes, at, columns)?;
        }
        at = self.end.pass(bytes, at)?;
        let next = line_end(bytes, at)?;
        self.missing.iter().for_each(|column| columns[*column].push_null());
        (next - start <= LINE_BYTES_MAX).then_some(next)
    }
}

impl Cell {
    #[inline(always)]
    fn read(&mut self, rows: &mut Rows<'_>, bytes: &[u8], at: usize, columns: &mut [Column]) -> Option<usize> {
        if let Read::Skip = self.read {
            return rows.skip(bytes, at);
        }
        let column = &mut columns[self.column];
        let next = match &mut self.read {
            Read::Timestamp(reader) => timestamp(rows, bytes, at, reader, column),
            Read::Float64 => double_in_front::<false>(bytes, at).map(|(value, next)| {
                column.push(value);
                next
            }),
            Read::Int64 => integer_in_front(bytes, at).map(|(value, next)| {
                column.push(value);
                next
            }),
            Read::Int32 => integer_in_front(bytes, at).and_then(|(value, next)| {
                column.push(i32::try_from(value).ok()?);
                Some(next)
            }),
            // NULL first: an empty text may stand for it.
            Read::String if rows.null(bytes, at).is_none() => string(rows, bytes, at, column),
            Read::Other(which) if rows.null(bytes, at).is_none() => rows.other(bytes, at, *which, column),
            Read::String | Read::Other(_) | Read::Skip => None,
        };
        next.or_else(|| null(rows, bytes, at, column))
    }
}

#[inline]
fn null(rows: &Rows<'_>, bytes: &[u8], at: usize, column: &mut Column) -> Option<usize> {
    let next = rows.null(bytes, at)?;
    column.push_null();
    Some(next)
}

#[inline(always)]
fn timestamp(
    rows: &Rows<'_>,
    bytes: &[u8],
    at: usize,
    reader: &mut TimestampReader,
    column: &mut Column,
) -> Option<usize> {
    let start = rows.open(bytes, at)?;
    if let Some((value, len)) = reader.parse_prefix(bytes.get(start..)?)
        && let Some(next) = rows.close(bytes, start + len)
    {
        column.push(value);
        return Some(next);
    }
    other_timestamp(rows, bytes, start, reader, column)
}

/// Of another day, or of another layout.
#[cold]
fn other_timestamp(
    rows: &Rows<'_>,
    bytes: &[u8],
    start: usize,
    reader: &mut TimestampReader,
    column: &mut Column,
) -> Option<usize> {
    let (end, _) = rows.text_end(bytes, start)?;
    column.push(parse_timestamp(&bytes[start..end], None, reader)?);
    rows.close(bytes, end)
}

#[inline(always)]
fn string(rows: &Rows<'_>, bytes: &[u8], at: usize, column: &mut Column) -> Option<usize> {
    let start = rows.open(bytes, at)?;
    let (end, is_ascii) = rows.text_end(bytes, start)?;
    let text = &bytes[start..end];
    if !is_ascii && std::str::from_utf8(text).is_err() {
        return None;
    }
    column.push_bytes(text);
    rows.close(bytes, end)
}

/// What follows the line end that is here: LF or CRLF.
#[inline(always)]
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'\n' => Some(at + 1),
        b'\r' if *bytes.get(at + 1)? == b'\n' => Some(at + 2),
        _ => None,
    }
}

impl Literal {
    pub(super) fn new(text: &[u8]) -> Self {
        let (mut bytes, mut masks) = ([0; 16], [0; 16]);
        let (short, rest) = text.split_at(text.len().min(16));
        bytes[..short.len()].copy_from_slice(short);
        masks[..short.len()].fill(0xff);
        let words = |bytes: [u8; 16]| {
            let both = u128::from_le_bytes(bytes);
            [both as u64, (both >> 64) as u64]
        };
        Self { words: words(bytes), masks: words(masks), rest: rest.into(), len: text.len() }
    }

    /// What follows these bytes, if they are here.
    #[inline(always)]
    fn pass(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let word = |i: usize| Some(u64::from_le_bytes(*bytes.get(at + 8 * i..)?.first_chunk()?));
        let differs = |i: usize| word(i).is_none_or(|word| (word ^ self.words[i]) & self.masks[i] != 0);
        let is_here = match self.len {
            0 => true,
            1 => *bytes.get(at)? == self.words[0] as u8,
            2..=8 => !differs(0),
            9..=16 => !differs(0) && !differs(1),
            _ => !differs(0) && !differs(1) && bytes[at + 16..].starts_with(&self.rest),
        };
        is_here.then_some(at + self.len)
    }
}
