//! CSV rows on the straight way: values without quotes, between delimiters of one character.

use firesteel_core::block::Column;

use super::{
    super::{
        convert::Converter,
        straight::{Cell, Grammar, Literal, Read, Straight},
        words::{find_any, non_ascii},
    },
    dialect::{Delimiter, Dialect},
};

/// What a dialect says about plain rows.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) plan: &'a mut [Option<(usize, Converter)>],
}

/// The straight way through rows of these columns, if the dialect allows one. `is_open`: only the first values count.
pub(super) fn straight(dialect: &Dialect, plan: &[Option<(usize, Converter)>], is_open: bool) -> Option<Straight> {
    let delimiter = delimiter(dialect)?;
    let cells = plan.iter().enumerate().map(|(position, cell)| Cell {
        before: Literal::new(if position == 0 { &[] } else { std::slice::from_ref(&delimiter) }),
        read: cell.as_ref().map_or(Read::Skip, |(_, converter)| read(converter, position)),
        column: cell.as_ref().map_or(0, |(column, _)| *column),
    });
    let straight = Straight::new(cells.collect(), Literal::new(&[]), Vec::new());
    Some(if is_open { straight.open_ended() } else { straight })
}

/// The delimiter, if rows can be cut at it without looking twice: nothing that a value may have is one.
pub(super) fn delimiter(dialect: &Dialect) -> Option<u8> {
    let Delimiter::Byte(delimiter) = dialect.delimiter else { return None };
    let is_free = !delimiter.is_ascii_alphanumeric() && !b"+-.: \n\r".contains(&delimiter) && delimiter.is_ascii();
    let is_alone = dialect.quote != Some(delimiter) && dialect.comment != Some(delimiter);
    let is_plain = !dialect.trim_leading && !dialect.trim_trailing && !dialect.multi_line;
    (is_free && is_alone && is_plain).then_some(delimiter)
}

fn read(converter: &Converter, position: usize) -> Read {
    match converter {
        Converter::Int32 => Read::Int32,
        Converter::Int64 => Read::Int64,
        Converter::Float64(words) if words.have_no_digits() => Read::Float64,
        Converter::String => Read::String,
        Converter::Timestamp(None, reader) => Read::Timestamp(reader.clone()),
        _ => Read::Other(position),
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn ends(&self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }
}

impl Grammar for Rows<'_> {
    const LEADING_ZEROS: bool = true;
    const LOSSY: bool = true;

    /// Lines of blanks are none.
    #[inline(always)]
    fn begins(&self, first: u8) -> bool {
        first > b' ' && Some(first) != self.comment
    }

    #[inline(always)]
    fn open(&self, bytes: &[u8], at: usize) -> Option<usize> {
        (Some(*bytes.get(at)?) != self.quote).then_some(at)
    }

    #[inline(always)]
    fn text_end(&self, bytes: &[u8], at: usize) -> Option<(usize, bool)> {
        let len = find_any(bytes.get(at..)?, [self.delimiter, b'\n', b'\r'])?;
        Some((at + len, !non_ascii(&bytes[at..at + len])))
    }

    #[inline(always)]
    fn close(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.ends(*bytes.get(at)?).then_some(at)
    }

    #[inline(always)]
    fn null(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.close(bytes, at)
    }

    #[inline(always)]
    fn skip(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let start = self.open(bytes, at)?;
        Some(start + find_any(bytes.get(start..)?, [self.delimiter, b'\n', b'\r'])?)
    }

    fn other(&mut self, bytes: &[u8], at: usize, which: usize, column: &mut Column) -> Option<usize> {
        let start = self.open(bytes, at)?;
        let end = start + find_any(bytes.get(start..)?, [self.delimiter, b'\n', b'\r'])?;
        let (_, converter) = self.plan[which].as_mut()?;
        converter.push(&bytes[start..end], column).then_some(end)
    }
}
