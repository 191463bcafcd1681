//! The characters that give a CSV file its structure.

use firesteel_core::{Error, Result};
use memchr::{memchr_iter, memmem};

use super::super::{Options, words};

/// What Spark's options say about delimiters, quotes and blanks.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: Delimiter,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    /// Escapes the escape: the same character, unless the escape is the quote.
    pub(super) escape_escape: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) trim_leading: bool,
    pub(super) trim_trailing: bool,
    /// Line ends may stand inside quotes.
    pub(super) multi_line: bool,
    /// How lines of the file at hand end, where that matters.
    line_end: Option<LineEnd>,
    fixed_line_end: Option<LineEnd>,
}

/// What stands between values.
#[derive(Debug)]
pub(super) enum Delimiter {
    Byte(u8),
    Text(Box<memmem::Finder<'static>>),
}

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum LineEnd {
    Byte(u8),
    CrLf,
}

impl Dialect {
    pub(super) fn new(options: &Options) -> Result<Self> {
        check_unescaped_quotes(options)?;
        let quote = options.character("quote", Some(b'"'))?;
        let escape = options.character("escape", Some(b'\\'))?;
        let default_escape = escape.filter(|_| escape != quote);
        let multi_line = options.flag("multiLine", false)?;
        let fixed_line_end = match options.get("lineSep").filter(|_| multi_line).map(str::as_bytes) {
            None => None,
            Some(b"\r\n") => Some(LineEnd::CrLf),
            Some(&[byte]) => Some(LineEnd::Byte(byte)),
            Some(_) => return Err(Error::invalid("with multiLine, lineSep must be one ASCII character or CRLF")),
        };
        Ok(Self {
            delimiter: Delimiter::new(options.get_any(&["sep", "delimiter"]).unwrap_or(","))?,
            quote,
            escape,
            escape_escape: options.character("charToEscapeQuoteEscaping", default_escape)?,
            comment: options.character("comment", None)?,
            trim_leading: options.flag("ignoreLeadingWhiteSpace", false)?,
            trim_trailing: options.flag("ignoreTrailingWhiteSpace", false)?,
            multi_line,
            line_end: fixed_line_end,
            fixed_line_end,
        })
    }

    /// A file begins; lines of another file may end otherwise.
    pub(super) fn begin(&mut self, at_start: bool) {
        if at_start {
            self.line_end = self.fixed_line_end;
        }
    }

    /// Finds out how lines end from the first line end there is; `None` if there is none yet.
    pub(super) fn detect_line_end(&mut self, bytes: &[u8], at_end: bool) -> Option<()> {
        if self.line_end.is_some() {
            return Some(());
        }
        let first = memchr::memchr2(b'\n', b'\r', bytes);
        self.line_end = match first.map(|i| &bytes[i..]) {
            Some([b'\r', b'\n', ..]) => Some(LineEnd::CrLf),
            Some([b'\r']) if !at_end => None,
            Some([byte, ..]) => Some(LineEnd::Byte(*byte)),
            _ if at_end => Some(LineEnd::Byte(b'\n')),
            _ => None,
        };
        self.line_end.map(|_| ())
    }

    /// Bytes of the line end that stands at `at`, if lines may end inside a record.
    #[inline]
    pub(super) fn line_end_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        if !self.multi_line {
            return None;
        }
        match self.line_end? {
            LineEnd::Byte(byte) => (bytes.get(at) == Some(&byte)).then_some(1),
            LineEnd::CrLf => bytes[at..].starts_with(b"\r\n").then_some(2),
        }
    }

    /// A record without its line end.
    pub(super) fn strip_line_end<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        let stripped = match self.line_end {
            Some(LineEnd::Byte(byte)) => record.strip_suffix(&[byte]),
            Some(LineEnd::CrLf) => record.strip_suffix(b"\r\n"),
            None => None,
        };
        stripped.unwrap_or(record)
    }

    pub(super) fn count_lines(&self, record: &[u8]) -> u64 {
        let byte = match self.line_end {
            Some(LineEnd::Byte(byte)) => byte,
            _ => b'\n',
        };
        memchr_iter(byte, record).count() as u64
    }
}

impl Delimiter {
    /// Reads the option: one or more characters, some of them written as Java escapes.
    fn new(text: &str) -> Result<Self> {
        let delimiter = unescape(text)?;
        match *delimiter.as_slice() {
            [] => Err(Error::invalid("the delimiter must not be empty")),
            [byte] => Ok(Self::Byte(byte)),
            _ => Ok(Self::Text(Box::new(memmem::Finder::new(&delimiter).into_owned()))),
        }
    }

    /// Where it stands next.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => words::find(bytes, *byte),
            Self::Text(finder) => finder.find(bytes),
        }
    }

    /// Whether it stands at `at`.
    #[inline]
    pub(super) fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        match self {
            Self::Byte(byte) => bytes.get(at) == Some(byte),
            Self::Text(finder) => bytes[at..].starts_with(finder.needle()),
        }
    }

    /// How many bytes it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Text(finder) => finder.needle().len(),
        }
    }
}

fn unescape(text: &str) -> Result<Vec<u8>> {
    if text == "\\u0000" {
        return Ok(vec![0]);
    }
    if text == "\\" {
        return Err(Error::invalid("the delimiter must not be a single backslash").hint("write two"));
    }
    let mut delimiter = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let unescaped = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\x08',
                Some('f') => '\x0c',
                Some(c @ ('"' | '\'' | '\\')) => c,
                _ => return Err(Error::invalid(format!("unsupported special character in the delimiter {text:?}"))),
            },
            other => other,
        };
        delimiter.extend_from_slice(unescaped.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(delimiter)
}

/// Only Spark's default is there: text after a closing quote makes the whole value, quotes and all, plain.
fn check_unescaped_quotes(options: &Options) -> Result<()> {
    match options.get("unescapedQuoteHandling") {
        None => Ok(()),
        Some(handling) if handling.eq_ignore_ascii_case("STOP_AT_DELIMITER") => Ok(()),
        Some(handling) => {
            let message = format!("unescapedQuoteHandling {handling:?} is not supported");
            Err(Error::unsupported("UNSUPPORTED_FEATURE", message).hint("leave the option out: STOP_AT_DELIMITER"))
        }
    }
}
