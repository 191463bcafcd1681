//! The straight way through rows that look alike: known bytes, a value, known bytes, a value, and so on to the line
//! end, without cutting the line out first. Sensors and logs write little else.
//!
//! It is a short cut and no more. Numbers are plain digits here, strings have no quotes or escapes inside; where
//! anything is not as expected, the row is taken back and the format's own reader gets the line. So whatever comes
//! through here must be read exactly as that reader would.

use firesteel_core::{Result, block::Column, digits::leading, limits::LINE_BYTES_MAX, time::TimestampReader};

use super::{
    convert::parse_timestamp,
    number::{Decimal, parse_double},
    page::{Page, Sink},
};

/// Bytes of a number above which the format decides whether it is one.
const NUMBER_BYTES_MAX: usize = 300;

/// Most lines that are left to the format's reader before the short cut is tried again.
const PAUSE_MAX: u32 = 1024;

/// What rows look like.
#[derive(Debug)]
pub(super) struct Straight {
    // Fixed properties.
    cells: Box<[Cell]>,
    /// What follows the last value.
    end: Literal,
    /// Anything may stand between that and the line end.
    is_open: bool,
    /// Columns of which such rows say nothing.
    missing: Box<[usize]>,
    // State.
    /// Times in a row that not one row came through.
    misses: u32,
    /// Lines to leave alone until the next try.
    pause: u32,
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
    /// As the format says; the number is the format's own.
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

/// What a format says about the values of its rows. Every position given or returned is one in `bytes`; `None` means
/// that the row is not for the straight way, or that the bytes end too early to say.
pub(super) trait Grammar {
    /// Whether numbers may begin with zeros.
    const LEADING_ZEROS: bool;
    /// Whether bytes that are not UTF-8 are replaced.
    const LOSSY: bool;

    /// Whether a row of the straight way may begin with this byte.
    fn begins(&self, first: u8) -> bool;
    /// Where the text of a value begins.
    fn open(&self, bytes: &[u8], at: usize) -> Option<usize>;
    /// Where the text ends that began at `at`, and whether it is ASCII.
    fn text_end(&self, bytes: &[u8], at: usize) -> Option<(usize, bool)>;
    /// What follows a text that ended at `at`.
    fn close(&self, bytes: &[u8], at: usize) -> Option<usize>;
    /// What follows a NULL at `at`, if there is one.
    fn null(&self, bytes: &[u8], at: usize) -> Option<usize>;
    /// Passes over a value, checking what its reader would check.
    fn skip(&mut self, bytes: &[u8], at: usize) -> Option<usize>;
    /// Appends a value of [`Read::Other`].
    fn other(&mut self, bytes: &[u8], at: usize, which: usize, column: &mut Column) -> Option<usize>;
}

impl Straight {
    /// Rows of these values and nothing else.
    pub(super) fn new(cells: Vec<Cell>, end: Literal, missing: Vec<usize>) -> Self {
        Self { cells: cells.into(), end, is_open: false, missing: missing.into(), misses: 0, pause: 0 }
    }

    /// Rows that may go on behind the last value in any way.
    pub(super) fn open_ended(self) -> Self {
        Self { is_open: true, ..self }
    }

    /// Whether rows have come to look otherwise.
    pub(super) fn is_lost(&self) -> bool {
        self.misses > 1
    }

    /// Takes the place of another one, which has lost its way so many times.
    pub(super) fn instead_of(self, other: Option<&Self>) -> Self {
        Self { misses: other.map_or(0, |o| o.misses), pause: other.map_or(0, |o| o.pause), ..self }
    }

    /// Reads whole rows from the front of `bytes` as long as it goes straight on; gives the bytes they had.
    #[inline]
    pub(super) fn run<G: Grammar>(
        &mut self,
        grammar: &mut G,
        bytes: &[u8],
        page: &mut Page,
        line: &mut u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        if self.pause > 0 {
            self.pause -= 1;
            return Ok(0);
        }
        let mut at = 0;
        while let Some(next) = self.row(grammar, bytes, at, page.open().0) {
            *line += 1;
            page.commit(next - at, None, sink)?;
            at = next;
        }
        page.take_back();
        self.misses = if at > 0 { 0 } else { self.misses + 1 };
        self.pause = ((1 << self.misses.min(PAUSE_MAX.ilog2())) - 1) / 2 * 2;
        Ok(at)
    }

    /// One row; gives where the next one begins. Without a result, columns may have values that are to be taken back.
    #[inline(always)]
    fn row<G: Grammar>(
        &mut self,
        grammar: &mut G,
        bytes: &[u8],
        start: usize,
        columns: &mut [Column],
    ) -> Option<usize> {
        if !grammar.begins(*bytes.get(start)?) {
            return None;
        }
        let mut at = start;
        for cell in &mut self.cells {
            at = cell.before.pass(bytes, at)?;
            at = cell.read(grammar, bytes, at, columns)?;
        }
        at = self.end.pass(bytes, at)?;
        if self.is_open {
            // The last value must end here.
            if !self.cells.is_empty() {
                at = grammar.close(bytes, at)?;
            }
            at += memchr::memchr2(b'\n', b'\r', &bytes[at..])?;
        }
        let next = line_end(bytes, at)?;
        self.missing.iter().for_each(|column| columns[*column].push_null());
        (next - start <= LINE_BYTES_MAX).then_some(next)
    }
}

impl Cell {
    #[inline(always)]
    fn read<G: Grammar>(&mut self, grammar: &mut G, bytes: &[u8], at: usize, columns: &mut [Column]) -> Option<usize> {
        if let Read::Skip = self.read {
            return grammar.skip(bytes, at);
        }
        let column = &mut columns[self.column];
        let next = match &mut self.read {
            Read::Timestamp(reader) => timestamp(grammar, bytes, at, reader, column),
            Read::Float64 => double::<G>(bytes, at).map(|(value, next)| {
                column.push(value);
                next
            }),
            Read::Int64 => integer::<G>(bytes, at).map(|(value, next)| {
                column.push(value);
                next
            }),
            Read::Int32 => integer::<G>(bytes, at).and_then(|(value, next)| {
                column.push(i32::try_from(value).ok()?);
                Some(next)
            }),
            // NULL first: an empty text may stand for it.
            Read::String if grammar.null(bytes, at).is_none() => string(grammar, bytes, at, column),
            Read::Other(which) if grammar.null(bytes, at).is_none() => grammar.other(bytes, at, *which, column),
            Read::String | Read::Other(_) | Read::Skip => None,
        };
        next.or_else(|| null(grammar, bytes, at, column))
    }
}

#[inline]
fn null<G: Grammar>(grammar: &G, bytes: &[u8], at: usize, column: &mut Column) -> Option<usize> {
    let next = grammar.null(bytes, at)?;
    column.push_null();
    Some(next)
}

#[inline(always)]
fn timestamp<G: Grammar>(
    grammar: &G,
    bytes: &[u8],
    at: usize,
    reader: &mut TimestampReader,
    column: &mut Column,
) -> Option<usize> {
    let start = grammar.open(bytes, at)?;
    if let Some((value, len)) = reader.parse_prefix(bytes.get(start..)?)
        && let Some(next) = grammar.close(bytes, start + len)
    {
        column.push(value);
        return Some(next);
    }
    other_timestamp(grammar, bytes, start, reader, column)
}

/// Of another day, or of another layout.
#[cold]
fn other_timestamp<G: Grammar>(
    grammar: &G,
    bytes: &[u8],
    start: usize,
    reader: &mut TimestampReader,
    column: &mut Column,
) -> Option<usize> {
    let (end, _) = grammar.text_end(bytes, start)?;
    column.push(parse_timestamp(&bytes[start..end], None, reader)?);
    grammar.close(bytes, end)
}

#[inline(always)]
fn string<G: Grammar>(grammar: &G, bytes: &[u8], at: usize, column: &mut Column) -> Option<usize> {
    let start = grammar.open(bytes, at)?;
    let (end, is_ascii) = grammar.text_end(bytes, start)?;
    let text = &bytes[start..end];
    if is_ascii || std::str::from_utf8(text).is_ok() {
        column.push_bytes(text);
    } else if G::LOSSY {
        column.push_str(&String::from_utf8_lossy(text));
    } else {
        return None;
    }
    grammar.close(bytes, end)
}

/// Digits at a place: their number, if they are at most 16, and how many they are.
#[inline(always)]
fn digits(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let (high, count) = leading(*bytes.get(at..)?.first_chunk()?);
    if count < 8 {
        return Some((high, count));
    }
    let (low, more) = leading(*bytes.get(at + 8..)?.first_chunk()?);
    Some((high * POWERS[more] + low, 8 + more))
}

/// Powers of ten.
const POWERS: [u64; 17] = {
    let mut powers = [1; 17];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Digits as a number begins with them: some, perhaps with zeros in front.
#[inline(always)]
fn whole<G: Grammar>(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let (value, count) = digits(bytes, at)?;
    let is_number = count > 0 && (G::LEADING_ZEROS || count == 1 || bytes[at] != b'0');
    is_number.then_some((value, count))
}

/// An integer of up to 16 digits, and what follows it. After more digits nothing expected can follow.
#[inline(always)]
fn integer<G: Grammar>(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = *bytes.get(at)? == b'-';
    let start = at + usize::from(negative);
    let (value, count) = whole::<G>(bytes, start)?;
    let value = value as i64;
    Some((if negative { -value } else { value }, start + count))
}

/// A double without exponent, and what follows it.
#[inline(always)]
fn double<G: Grammar>(bytes: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = *bytes.get(at)? == b'-';
    let start = at + usize::from(negative);
    let (whole, count) = whole::<G>(bytes, start)?;
    let point = start + count;
    let (mut fraction, mut places) = (0, 0);
    if *bytes.get(point)? == b'.' {
        (fraction, places) = digits(bytes, point + 1)?;
        if places == 0 {
            return None;
        }
    }
    if count + places > 19 || places > 15 {
        return long_double(bytes, at, point);
    }
    let end = if places > 0 { point + 1 + places } else { point };
    let number = Decimal { negative, digits: whole * POWERS[places] + fraction, exponent: -(places as i32) };
    match number.to_f64() {
        Some(value) => Some((value, end)),
        None => long_double(bytes, at, point),
    }
}

/// A double of many digits: the slow way decides.
#[inline(never)]
fn long_double(bytes: &[u8], at: usize, point: usize) -> Option<(f64, usize)> {
    let skip_digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = skip_digits(point);
    if *bytes.get(end)? == b'.' {
        end = skip_digits(end + 1);
    }
    let text = bytes.get(at..end).filter(|text| text.len() <= NUMBER_BYTES_MAX)?;
    Some((parse_double(text)?, end))
}

/// Passes over a number.
#[inline]
pub(super) fn skip_number<G: Grammar>(bytes: &[u8], at: usize) -> Option<usize> {
    double::<G>(bytes, at).map(|(_, next)| next)
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
