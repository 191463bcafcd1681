//! Cuts a stream of chunks into records at line ends. LF, CR and CRLF each end a line, as in Hadoop's reader that
//! Spark uses, unless the option `lineSep` says otherwise. A byte order mark at the start of a file is dropped.
//!
//! Lines inside a chunk are lent as they lie; only a line that straddles chunks is copied. A line beyond the limit is
//! dropped as it comes and reported once, so that no input grows the buffer without bound.

use firesteel_core::{Result, limits::LINE_BYTES_MAX};
use memchr::{memchr2, memmem};

/// What some editors put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A record as it lies, or the news that it was too long.
pub(super) type Line<'a> = std::result::Result<&'a [u8], TooLong>;

/// A line beyond [`LINE_BYTES_MAX`]; its bytes are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes lines as they are cut.
pub(super) trait Take {
    /// A line without its end.
    fn line(&mut self, line: Line<'_>) -> Result<()>;

    /// Whole lines from the front of these bytes, as many as can be read without being cut out; gives the bytes they
    /// had, ends included.
    #[inline]
    fn run(&mut self, _: &[u8]) -> Result<usize> {
        Ok(0)
    }
}

impl<F: FnMut(Line<'_>) -> Result<()>> Take for F {
    fn line(&mut self, line: Line<'_>) -> Result<()> {
        self(line)
    }
}

/// The state between chunks.
#[derive(Debug)]
pub(super) struct Lines {
    separator: Option<Box<memmem::Finder<'static>>>,
    /// The start of a line whose end has not come yet.
    carry: Vec<u8>,
    carry_is_too_long: bool,
    /// The last chunk ended in CR: a LF now belongs to it.
    after_cr: bool,
    /// Nothing of this file has been seen.
    at_start: bool,
}

impl Lines {
    /// Ends lines at `separator`, or at any of LF, CR and CRLF.
    pub(super) fn new(separator: Option<Vec<u8>>) -> Self {
        let separator = separator.map(|s| Box::new(memmem::Finder::new(&s).into_owned()));
        Self { separator, carry: Vec::new(), carry_is_too_long: false, after_cr: false, at_start: false }
    }

    /// A new file begins, at its first byte or further on.
    pub(super) fn begin(&mut self, at_start: bool) {
        self.carry.clear();
        (self.carry_is_too_long, self.after_cr, self.at_start) = (false, false, at_start);
    }

    /// Cuts a chunk; `take` gets every line that ends in it.
    #[inline]
    pub(super) fn push(&mut self, chunk: &[u8], take: &mut impl Take) -> Result<()> {
        let mut rest = self.skip_mark(chunk);
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        if !self.carry.is_empty() || self.carry_is_too_long {
            let Some((line, after)) = self.cut_carry(rest) else {
                return Ok(());
            };
            self.end_carry(line, take)?;
            rest = after;
        }
        loop {
            if self.separator.is_none() {
                rest = &rest[take.run(rest)?..];
            }
            let Some((line, after)) = self.cut(rest) else { break };
            take.line(if line.len() > LINE_BYTES_MAX { Err(TooLong) } else { Ok(line) })?;
            rest = after;
        }
        self.keep(rest);
        Ok(())
    }

    /// The file ends: what is left is a line without an end.
    pub(super) fn finish(&mut self, take: &mut impl Take) -> Result<()> {
        let result = match (self.carry_is_too_long, self.carry.is_empty()) {
            (true, _) => take.line(Err(TooLong)),
            (false, false) => take.line(Ok(&self.carry)),
            (false, true) => Ok(()),
        };
        self.begin(false);
        result
    }

    /// Whether a line has begun and not ended.
    pub(super) fn is_inside_line(&self) -> bool {
        !self.carry.is_empty() || self.carry_is_too_long
    }

    /// Drops a byte order mark, which itself may straddle chunks.
    fn skip_mark<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        if !self.at_start || chunk.is_empty() {
            return chunk;
        }
        let seen = self.carry.len();
        let wanted = &BYTE_ORDER_MARK[seen..];
        if chunk.len() < wanted.len() && wanted.starts_with(chunk) {
            return chunk;
        }
        self.at_start = false;
        match chunk.strip_prefix(wanted) {
            Some(rest) => {
                self.carry.clear();
                rest
            }
            None => chunk,
        }
    }

    /// The first line of `bytes` and what follows its end.
    #[inline]
    fn cut<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if let Some(separator) = &self.separator {
            let end = separator.find(bytes)?;
            return Some((&bytes[..end], &bytes[end + separator.needle().len()..]));
        }
        let end = memchr2(b'\n', b'\r', bytes)?;
        let mut next = end + 1;
        if bytes[end] == b'\r' {
            self.after_cr = next == bytes.len();
            next += usize::from(bytes.get(next) == Some(&b'\n'));
        }
        Some((&bytes[..end], &bytes[next..]))
    }

    /// The end of the line that has begun in an earlier chunk. Keeps everything if it does not end here either.
    fn cut_carry<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if self.separator.as_ref().is_some_and(|s| s.needle().len() > 1) {
            return self.cut_carry_at_long_separator(bytes);
        }
        let cut = self.cut(bytes);
        if cut.is_none() {
            self.keep(bytes);
        }
        cut
    }

    /// A separator of several bytes may itself straddle the chunks: look for it from the carry's end on.
    fn cut_carry_at_long_separator<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let separator = self.separator.as_ref()?;
        let width = separator.needle().len();
        let overlap = self.carry.len().min(width - 1);
        let mut seam = self.carry[self.carry.len() - overlap..].to_vec();
        seam.extend_from_slice(&bytes[..bytes.len().min(width - 1)]);
        if let Some(at) = separator.find(&seam) {
            let kept = self.carry.len() - overlap + at;
            self.carry.truncate(kept);
            return Some((&[], &bytes[at + width - overlap..]));
        }
        match separator.find(bytes) {
            Some(end) => Some((&bytes[..end], &bytes[end + width..])),
            None => {
                self.keep(bytes);
                None
            }
        }
    }

    fn end_carry(&mut self, tail: &[u8], take: &mut impl Take) -> Result<()> {
        self.keep(tail);
        let result = take.line(if self.carry_is_too_long { Err(TooLong) } else { Ok(&self.carry) });
        self.carry.clear();
        self.carry_is_too_long = false;
        result
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.carry.len() + bytes.len() <= LINE_BYTES_MAX && !self.carry_is_too_long {
            self.carry.extend_from_slice(bytes);
            return;
        }
        // The end of a separator may still be to come; nothing else of such a line is of use.
        self.carry_is_too_long = true;
        self.carry.extend_from_slice(&bytes[bytes.len().saturating_sub(SEAM)..]);
        self.carry.drain(..self.carry.len().saturating_sub(SEAM));
    }
}

/// How much of a line that is too long is kept to find its end.
const SEAM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(separator: Option<&str>, chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(separator.map(Into::into));
        let mut found = Vec::new();
        let mut take = |line: Line<'_>| {
            found.push(line.map_or("<too long>".into(), |l| String::from_utf8_lossy(l).into_owned()));
            Ok(())
        };
        lines.begin(true);
        chunks.iter().for_each(|chunk| lines.push(chunk, &mut take).unwrap());
        lines.finish(&mut take).unwrap();
        found
    }

    #[test]
    fn every_chunking_gives_the_same_lines() {
        let cases: [(Option<&str>, &[u8], &[&str]); 8] = [
            (None, b"a\nb\r\nc\rd", &["a", "b", "c", "d"]),
            (None, b"a\n\n\r\n\r\rb\n", &["a", "", "", "", "", "b"]),
            (None, b"\xef\xbb\xbfa\nb", &["a", "b"]),
            (None, b"\xef\xbb\n", &["\u{fffd}"]),
            (None, b"", &[]),
            (Some(";"), b"a;b\n;", &["a", "b\n"]),
            (Some("||"), b"a||b|c||||d|", &["a", "b|c", "", "d|"]),
            (Some("abab"), b"xababab", &["x", "ab"]),
        ];
        for (separator, bytes, expected) in cases {
            for size in 1..=bytes.len().max(1) {
                let chunks: Vec<_> = bytes.chunks(size).collect();
                assert_eq!(cut(separator, &chunks), expected, "{bytes:?} in chunks of {size}");
            }
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_reported_and_not_kept() {
        let mut lines = Lines::new(None);
        lines.begin(true);
        let chunk = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        let mut found = Vec::new();
        for chunk in [&chunk[..], &chunk, &chunk, b"\nok\n"] {
            lines
                .push(chunk, &mut |line: Line<'_>| {
                    found.push(line.map(<[u8]>::len));
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(found, [Err(TooLong), Ok(2)]);
        assert!(!lines.is_inside_line());
    }
}
