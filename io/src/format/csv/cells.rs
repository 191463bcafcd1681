//! The values of one column in rows that were cut: a loop for each type that is common, and for what is odd in it the
//! converter, a value at a time.

use firesteel_core::{block::Column, digits};

use super::super::{
    convert::Converter,
    number::{EXACT_POWERS, POWERS, double_in_front},
};

/// The place before the first byte.
pub(super) const BEFORE: u32 = u32::MAX;

/// The values at one position of these rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'a> {
    /// Rows lie in its front; what follows may be looked at.
    pub(super) bytes: &'a [u8],
    /// Where values end; before them stands the place before the first row.
    pub(super) places: &'a [u32],
    /// For each row, which place is the end of the one before.
    pub(super) rows: &'a [u32],
    pub(super) position: usize,
    pub(super) quote: Option<u8>,
}

impl Cells<'_> {
    /// Appends the values up to the first that is quoted or cannot be read; gives how many were good. The column may
    /// have more then.
    pub(super) fn read(&self, converter: &mut Converter, column: &mut Column) -> usize {
        let mut read = 0;
        loop {
            let rest = Self { rows: &self.rows[read..], ..*self };
            read += rest.read_usual(converter, column);
            let Some(row) = self.rows.get(read) else { return read };
            if !self.read_any(*row, converter, column) {
                return read;
            }
            read += 1;
        }
    }

    /// Passes over values up to the first that is quoted.
    pub(super) fn skip(&self) -> usize {
        let is_quoted = |row: &u32| self.quote == Some(self.bytes[self.span(*row).0]);
        self.rows.iter().position(is_quoted).unwrap_or(self.rows.len())
    }

    /// Appends values as long as they are written in the usual way.
    fn read_usual(&self, converter: &mut Converter, column: &mut Column) -> usize {
        // Copied, so that loops have them in registers.
        let (cells, bytes, count) = (*self, self.bytes, self.rows.len());
        let span = move |i: usize| cells.span(cells.rows[i]);
        match converter {
            Converter::Int32 => column.push_while(count, |i| i32::try_from(integer(bytes, span(i))?).ok()),
            Converter::Int64 => column.push_while(count, |i| integer(bytes, span(i))),
            Converter::Float64(words) if words.have_no_digits() => column.push_while(count, |i| double(bytes, span(i))),
            Converter::Timestamp(None, reader) => column.push_while(count, |i| {
                let (start, end) = span(i);
                reader.parse_front(bytes.get(start..)?, end - start)
            }),
            _ => self.rows.iter().take_while(|row| self.read_any(**row, converter, column)).count(),
        }
    }

    #[inline]
    fn read_any(&self, row: u32, converter: &mut Converter, column: &mut Column) -> bool {
        let (start, end) = self.span(row);
        match &self.bytes[start..end] {
            [] => {
                column.push_null();
                true
            }
            [first, ..] if self.quote == Some(*first) => false,
            text => converter.push(text, column),
        }
    }

    /// Where the value of a row begins and ends.
    #[inline(always)]
    fn span(&self, row: u32) -> (usize, usize) {
        let ends = &self.places[row as usize + self.position..][..2];
        (behind(ends[0]), ends[1] as usize)
    }
}

/// The byte behind a place; the first one behind [`BEFORE`].
#[inline(always)]
pub(super) fn behind(place: u32) -> usize {
    place.wrapping_add(1) as usize
}

/// An integer of up to 16 digits.
#[inline(always)]
fn integer(bytes: &[u8], (start, end): (usize, usize)) -> Option<i64> {
    let negative = *bytes.get(start)? == b'-';
    let start = start + usize::from(negative);
    let eight = |at: usize| bytes.get(at..)?.first_chunk().copied();
    let value = match end - start {
        len @ 1..=8 => digits::number(eight(start)?, len)?,
        len @ 9..=16 => {
            digits::number(eight(start)?, 8)? * POWERS[len - 8] + digits::number(eight(start + 8)?, len - 8)?
        }
        _ => return None,
    } as i64;
    Some(if negative { -value } else { value })
}

/// A double without exponent.
#[inline(always)]
fn double(bytes: &[u8], (start, end): (usize, usize)) -> Option<f64> {
    let negative = *bytes.get(start)? == b'-';
    let first = start + usize::from(negative);
    if !(1..=8).contains(&(end - first)) {
        let (value, next) = double_in_front::<true>(bytes, start)?;
        return (next == end).then_some(value);
    }
    let (digits, places) = digits::decimal(*bytes.get(first..)?.first_chunk()?, end - first)?;
    // Both are exact, so that dividing rounds once.
    let value = digits as f64 / EXACT_POWERS[places];
    Some(if negative { -value } else { value })
}
