//! The straight way through plain rows, a column at a time. Sensors and logs write little else.
//!
//! ```text
//!   bytes ─► places of delimiters and line ends ─► rows as wide as the table ─► column ─► column ─► ... ─► page
//! ```
//! Without quotes a value ends at the next delimiter, so all of a few hundred rows' values are found before any of them
//! is read; then there is a loop a column, which knows its type. Where a row has a quote, another width or a value that
//! cannot be read, the rows before it count, and the reader of lines gets the row: this is a short cut and no more.

use firesteel_core::{
    Result,
    simd::{PLACES_BEHIND, places_of},
};

use super::{
    super::{
        convert::Converter,
        pace::Pace,
        page::{Page, Sink},
    },
    cells::{BEFORE, Cells, behind},
    dialect::{Delimiter, Dialect},
};

/// Bytes that are cut into rows at a time: they, their places and their rows stay in the first cache.
const REACH_MAX: usize = 16 << 10;

/// Where odd rows stand among plain ones, less is cut, lest much of it be cut in vain.
const REACH_MIN: usize = 256;

/// For each position of a record: the column it goes to and how it is read, if it is needed.
type Plan = [Option<(usize, Converter)>];

/// What plain rows look like, and where those at hand are.
#[derive(Debug)]
pub(super) struct Straight {
    // Fixed properties.
    delimiter: u8,
    quote: Option<u8>,
    comment: Option<u8>,
    width: usize,
    /// Anything may stand behind the last value.
    is_open: bool,
    // State.
    /// Where delimiters and line ends are, behind [`BEFORE`].
    places: Box<[u32]>,
    /// For each row, which place is the end of the one before; then the end of the last one.
    rows: Vec<u32>,
    /// Bytes to cut next.
    reach: usize,
    pace: Pace,
}

impl Straight {
    /// The straight way through rows of so many values, if the dialect allows one. `is_open`: only these values count.
    pub(super) fn new(dialect: &Dialect, width: usize, is_open: bool) -> Option<Self> {
        let Delimiter::Byte(delimiter) = dialect.delimiter else { return None };
        let is_alone = ![Some(b'\n'), Some(b'\r'), dialect.quote, dialect.comment].contains(&Some(delimiter));
        // What begins like a number or a time is read before it is asked for quotes.
        let is_quote_plain = dialect.quote.is_none_or(|quote| quote != b'-' && !quote.is_ascii_digit());
        let is_plain = !dialect.trim_leading && !dialect.trim_trailing && !dialect.multi_line;
        (is_alone && is_quote_plain && is_plain && (width > 0 || is_open)).then(|| Self {
            delimiter,
            quote: dialect.quote,
            comment: dialect.comment,
            width,
            is_open,
            places: vec![BEFORE; 1 + REACH_MAX + PLACES_BEHIND].into(),
            rows: Vec::new(),
            reach: REACH_MAX,
            pace: Pace::default(),
        })
    }

    /// Reads whole rows from the front of `bytes` as long as it goes straight on; gives the bytes they had.
    pub(super) fn run(
        &mut self,
        plan: &mut Plan,
        bytes: &[u8],
        page: &mut Page,
        line: &mut u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        if !self.pace.is_due() {
            return Ok(0);
        }
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let goes_on = self.cut(rest);
            let found = self.rows.len() - 1;
            let read = self.read(plan, rest, page, sink)?;
            *line += read as u64;
            at += self.start(read);
            if read < found || !goes_on {
                // Odd rows may come as often from now on.
                self.reach = at.next_multiple_of(REACH_MIN).clamp(REACH_MIN, REACH_MAX);
                break;
            }
            if found == 0 && (self.reach == REACH_MAX || rest.len() <= self.reach) {
                break;
            }
            self.reach = (self.reach * 2).min(REACH_MAX);
        }
        self.pace.went(at > 0);
        Ok(at)
    }

    /// Finds the plain rows at the front of `rest`. False if a row that is none follows them.
    fn cut(&mut self, rest: &[u8]) -> bool {
        let text = &rest[..rest.len().min(self.reach)];
        let count = places_of(text, [self.delimiter, b'\n', b'\r'], &mut self.places[1..]);
        let places = &self.places[..1 + count];
        let mut row = 0;
        self.rows.clear();
        self.rows.push(0);
        while let Some(end) = self.row_end(row, text, places) {
            self.rows.push(end as u32);
            row = end;
        }
        places[row + 1..].iter().all(|place| text[*place as usize] == self.delimiter)
    }

    /// Which place is the end of the row behind that at `row`, if it is a plain one and whole.
    #[inline(always)]
    fn row_end(&self, row: usize, text: &[u8], places: &[u32]) -> Option<usize> {
        let mut last = row + self.width.max(1);
        let mut end = *places.get(last)? as usize;
        let delimiters = &places[row + 1..last];
        // Lines of blanks are none.
        let first = text[behind(places[row])];
        let begins = first > b' ' && Some(first) != self.comment;
        if !begins || delimiters.iter().any(|place| text[*place as usize] != self.delimiter) {
            return None;
        }
        while self.is_open && text[end] == self.delimiter {
            last += 1;
            end = *places.get(last)? as usize;
        }
        match text[end] {
            b'\n' => Some(last),
            b'\r' if *text.get(end + 1)? == b'\n' => Some(last + 1),
            _ => None,
        }
    }

    /// Where the row with this number begins.
    fn start(&self, row: usize) -> usize {
        behind(self.places[self.rows[row] as usize])
    }

    /// Reads the rows that were found, as far as they can be; gives their number.
    fn read(&self, plan: &mut Plan, bytes: &[u8], page: &mut Page, sink: &mut Sink<'_>) -> Result<usize> {
        let (rows, mut read) = (self.rows.len() - 1, 0);
        while read < rows {
            let wanted = page.room().min(rows - read);
            let mut good = wanted;
            for (position, cell) in plan[..self.width].iter_mut().enumerate() {
                let rows = &self.rows[read..read + good];
                let cells = Cells { bytes, places: &self.places, rows, position, quote: self.quote };
                good = match cell {
                    Some((column, converter)) => cells.read(converter, &mut page.open().0[*column]),
                    None => cells.skip(),
                };
            }
            let len = self.start(read + good) - self.start(read);
            page.commit_many(good, len, sink)?;
            read += good;
            if good < wanted {
                break;
            }
        }
        Ok(read)
    }
}
