//! JSON text token by token, by the grammar of the Jackson parser behind Spark with the liberties that Spark's options
//! give it. Everything that is passed over is checked as strictly as what is read.
//!
//! Positions only move forward and every loop consumes, so any bytes end in a token or a [`Syntax`] error.

use firesteel_core::Result as EngineResult;

use super::super::{Options, page::Fault, words::plain_len};

/// Levels of arrays and objects in one value.
const DEPTH_MAX: usize = 1000;
/// Characters of one number.
const NUMBER_BYTES_MAX: usize = 1000;

type Result<T> = std::result::Result<T, Syntax>;

/// Text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Syntax {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// Liberties with the grammar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    comments: bool,
    unquoted_names: bool,
    single_quotes: bool,
    leading_zeros: bool,
    non_numeric_numbers: bool,
    any_escape: bool,
    control_characters: bool,
}

impl Dialect {
    pub(super) fn new(options: &Options) -> EngineResult<Self> {
        Ok(Self {
            comments: options.flag("allowComments", false)?,
            unquoted_names: options.flag("allowUnquotedFieldNames", false)?,
            single_quotes: options.flag("allowSingleQuotes", true)?,
            leading_zeros: options.flag("allowNumericLeadingZeros", false)?,
            non_numeric_numbers: options.flag("allowNonNumericNumbers", true)?,
            any_escape: options.flag("allowBackslashEscapingAnyCharacter", false)?,
            control_characters: options.flag("allowUnquotedControlChars", false)?,
        })
    }
}

/// A number as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    pub(super) text: &'a [u8],
    pub(super) negative: bool,
    /// Digits without the point, wrapped if there are more than 19.
    pub(super) digits: u64,
    pub(super) digit_count: usize,
    /// Power of ten of the last digit, if the exponent is small.
    pub(super) exponent: Option<i32>,
    pub(super) is_integer: bool,
}

/// A string as it stands: without escapes it can be lent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    Plain(&'a [u8]),
    /// Between the quotes, escapes and all: see [`Scanner::unescape`].
    Escaped(&'a [u8]),
}

/// Reads one line.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], dialect: Dialect) -> Self {
        Self { bytes, at: 0, dialect }
    }

    /// Reads on in the middle of a line.
    pub(super) fn resume(bytes: &'a [u8], at: usize, dialect: Dialect) -> Self {
        Self { bytes, at, dialect }
    }

    /// The first character of the value; `None` if there is nothing but blanks.
    pub(super) fn start(&mut self) -> Result<Option<u8>> {
        self.skip_blanks()?;
        Ok(self.bytes.get(self.at).copied())
    }

    /// How far the text has been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What lies between two positions.
    pub(super) fn between(&self, start: usize, end: usize) -> &'a [u8] {
        &self.bytes[start..end]
    }

    pub(super) fn error(&self, what: &'static str) -> Syntax {
        Syntax { at: self.at, what }
    }

    /// What has been read must be UTF-8; what follows the value does not matter.
    #[inline]
    pub(super) fn check_text(&self) -> Result<()> {
        match std::str::from_utf8(&self.bytes[..self.at]) {
            Ok(_) => Ok(()),
            Err(e) => Err(Syntax { at: e.valid_up_to(), what: "the text is not UTF-8" }),
        }
    }

    /// The next character, blanks passed over.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8> {
        self.skip_blanks()?;
        self.bytes.get(self.at).copied().ok_or(Syntax { at: self.at, what: "the text ends too early" })
    }

    /// Passes the bracket that `peek` found.
    pub(super) fn open(&mut self, bracket: u8) -> Result<()> {
        if self.peek()? != bracket {
            return Err(self.error("there is a bracket missing"));
        }
        self.at += 1;
        Ok(())
    }

    /// Moves to the next element of an array; false if it ends.
    #[inline]
    pub(super) fn next_element(&mut self, is_first: bool) -> Result<bool> {
        let is_more = self.next_item(is_first, b']')?;
        if is_more {
            self.peek()?;
        }
        Ok(is_more)
    }

    /// Moves to the next key of an object; false if it ends.
    #[inline]
    pub(super) fn next_key(&mut self, is_first: bool) -> Result<bool> {
        self.next_item(is_first, b'}')
    }

    #[inline]
    fn next_item(&mut self, is_first: bool, close: u8) -> Result<bool> {
        let next = self.peek()?;
        if next == close {
            self.at += 1;
            return Ok(false);
        }
        if !is_first {
            if next != b',' {
                return Err(self.error("a comma is missing"));
            }
            self.at += 1;
            if self.peek()? == close {
                return Err(self.error("a comma is followed by nothing"));
            }
        }
        Ok(true)
    }

    /// Passes the opening quote of a key and the key itself, if it is this one (given with its closing quote).
    #[inline]
    pub(super) fn key_is(&mut self, quoted: &[u8]) -> bool {
        let is_it = !quoted.is_empty()
            && self.bytes.get(self.at) == Some(&b'"')
            && self.bytes[self.at + 1..].starts_with(quoted);
        if is_it {
            self.at += 1 + quoted.len();
        }
        is_it
    }

    /// A key.
    pub(super) fn key(&mut self) -> Result<Text<'a>> {
        match self.peek()? {
            b'"' => self.string(),
            b'\'' if self.dialect.single_quotes => self.string(),
            byte if self.dialect.unquoted_names && is_name_byte(byte) && !byte.is_ascii_digit() => {
                let start = self.at;
                let len = self.bytes[start..].iter().take_while(|b| is_name_byte(**b)).count();
                self.at += len;
                Ok(Text::Plain(&self.bytes[start..self.at]))
            }
            _ => Err(self.error("a key in double quotes is missing")),
        }
    }

    /// The colon between key and value; what follows is the value.
    #[inline]
    pub(super) fn colon(&mut self) -> Result<()> {
        if self.bytes.get(self.at) != Some(&b':') && self.peek()? != b':' {
            return Err(self.error("a colon is missing"));
        }
        self.at += 1;
        self.peek().map(|_| ())
    }

    /// Whether a string begins here.
    #[inline]
    pub(super) fn is_string(&self, first: u8) -> bool {
        first == b'"' || (first == b'\'' && self.dialect.single_quotes)
    }

    /// Whether a number begins here, the words for special ones included.
    #[inline]
    pub(super) fn is_number(&self, first: u8) -> bool {
        matches!(first, b'0'..=b'9' | b'-') || (self.dialect.non_numeric_numbers && matches!(first, b'N' | b'I' | b'+'))
    }

    /// Whether words stand for special numbers, in quotes too.
    pub(super) fn accepts_words(&self) -> bool {
        self.dialect.non_numeric_numbers
    }

    /// A string, from its opening quote.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>> {
        let quote = self.bytes[self.at];
        let start = self.at + 1;
        let mut end = start + plain_len(&self.bytes[start..], quote);
        while let Some(&byte) = self.bytes.get(end) {
            if byte == quote {
                self.at = end + 1;
                return Ok(Text::Plain(&self.bytes[start..end]));
            }
            if byte == b'\\' || byte < b' ' {
                return self.string_with_escapes(start, end, quote);
            }
            end += 1;
        }
        Err(Syntax { at: end, what: "a string is not closed" })
    }

    /// Goes on at the first special character of a string.
    fn string_with_escapes(&mut self, start: usize, special: usize, quote: u8) -> Result<Text<'a>> {
        self.at = special;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                _ if byte == quote => return Ok(Text::Escaped(&self.bytes[start..self.at - 1])),
                b'\\' => self.check_escape()?,
                0..b' ' if !self.dialect.control_characters => {
                    return Err(Syntax { at: self.at - 1, what: "a control character must be escaped" });
                }
                _ => {}
            }
        }
        Err(self.error("a string is not closed"))
    }

    /// The character after a backslash, and the digits of `\u`.
    fn check_escape(&mut self) -> Result<()> {
        let escaped = *self.bytes.get(self.at).ok_or(self.error("a string is not closed"))?;
        let is_known = matches!(escaped, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u')
            || (escaped == b'\'' && self.dialect.single_quotes)
            || self.dialect.any_escape;
        if !is_known {
            return Err(self.error("an unknown escape"));
        }
        self.at += 1;
        if escaped == b'u' {
            if hex4(&self.bytes[self.at..]).is_none() {
                return Err(self.error("\\u is followed by four hexadecimal digits"));
            }
            self.at += 4;
        }
        Ok(())
    }

    /// Appends what a checked string says. Halves of surrogate pairs without their other half become `?`, as in Java.
    pub(super) fn unescape(mut text: &[u8], out: &mut Vec<u8>) {
        while let Some(at) = memchr::memchr(b'\\', text) {
            out.extend_from_slice(&text[..at]);
            let escaped = text.get(at + 1).copied().unwrap_or_default();
            text = text.get(at + 2..).unwrap_or_default();
            match escaped {
                b'b' => out.push(0x08),
                b'f' => out.push(0x0c),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => text = unescape_unicode(text, out),
                // Whatever it is, with the continuation bytes that follow it.
                other => out.push(other),
            }
        }
        out.extend_from_slice(text);
    }

    /// A number; `None` for the words that stand for special ones (see [`Scanner::special_number`]).
    #[inline]
    pub(super) fn number(&mut self) -> Result<Option<Number<'a>>> {
        let start = self.at;
        let negative = self.bytes[start] == b'-';
        self.at += usize::from(negative);
        let first_digit = self.at;
        let mut digits = 0_u64;
        self.at = self.digits(self.at, &mut digits);
        let whole = self.at - first_digit;
        if whole == 0 {
            self.at = start;
            return if self.dialect.non_numeric_numbers { Ok(None) } else { Err(self.error("a number has no digits")) };
        }
        if whole > 1 && self.bytes[first_digit] == b'0' && !self.dialect.leading_zeros {
            return Err(Syntax { at: first_digit, what: "a number begins with a zero" });
        }
        let (mut fraction, mut power) = (0, Some(0));
        if self.bytes.get(self.at) == Some(&b'.') {
            let point = self.at + 1;
            self.at = self.digits(point, &mut digits);
            fraction = self.at - point;
            if fraction == 0 {
                return Err(self.error("a point is followed by a digit"));
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            power = self.power()?;
        }
        let text = &self.bytes[start..self.at];
        if text.len() > NUMBER_BYTES_MAX {
            return Err(self.error("a number is too long"));
        }
        let is_integer = self.at == first_digit + whole;
        let exponent = power.and_then(|p| p.checked_sub(fraction as i32));
        Ok(Some(Number { text, negative, digits, digit_count: whole + fraction, exponent, is_integer }))
    }

    #[inline]
    fn digits(&self, mut at: usize, sum: &mut u64) -> usize {
        while let Some(digit) = self.bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) {
            *sum = sum.wrapping_mul(10).wrapping_add(digit.into());
            at += 1;
        }
        at
    }

    /// An exponent; `None` if it is beyond what a short cut needs.
    fn power(&mut self) -> Result<Option<i32>> {
        self.at += 1;
        let negative = self.bytes.get(self.at) == Some(&b'-');
        if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
            self.at += 1;
        }
        let first_digit = self.at;
        let mut power = 0;
        self.at = self.digits(self.at, &mut power);
        match self.at - first_digit {
            0 => Err(self.error("an exponent has no digits")),
            1..=4 => Ok(Some(if negative { -(power as i32) } else { power as i32 })),
            _ => Ok(None),
        }
    }

    /// `NaN`, `Infinity`, `-INF` and the like.
    pub(super) fn special_number(&mut self) -> Result<f64> {
        const WORDS: [(&str, f64); 6] = [
            ("NaN", f64::NAN),
            ("Infinity", f64::INFINITY),
            ("+Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("+INF", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
        ];
        let rest = &self.bytes[self.at..];
        let found = WORDS.iter().find(|(word, _)| rest.starts_with(word.as_bytes()));
        match found {
            Some((word, value)) if !rest.get(word.len()).is_some_and(|b| is_name_byte(*b)) => {
                self.at += word.len();
                Ok(*value)
            }
            _ => Err(self.error("an unknown word")),
        }
    }

    /// `true`, `false` or `null`, whose first character is here.
    #[inline]
    pub(super) fn word(&mut self, word: &str) -> Result<()> {
        let rest = &self.bytes[self.at..];
        if !rest.starts_with(word.as_bytes()) || rest.get(word.len()).is_some_and(|b| is_name_byte(*b)) {
            return Err(self.error("an unknown word"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over a value, checking it.
    pub(super) fn skip_value(&mut self) -> Result<()> {
        let mut nesting = Nesting::default();
        loop {
            match self.peek()? {
                b'{' => {
                    self.at += 1;
                    nesting.enter(true).ok_or(self.error("the value is nested too deeply"))?;
                    if self.next_key(true)? {
                        self.skip_key()?;
                        continue;
                    }
                    nesting.leave();
                }
                b'[' => {
                    self.at += 1;
                    nesting.enter(false).ok_or(self.error("the value is nested too deeply"))?;
                    if self.next_element(true)? {
                        continue;
                    }
                    nesting.leave();
                }
                first => self.skip_scalar(first)?,
            }
            if !self.skip_to_next(&mut nesting)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what ends, moves to the next value inside; false if the outermost has ended.
    fn skip_to_next(&mut self, nesting: &mut Nesting) -> Result<bool> {
        while nesting.depth > 0 {
            let is_more = if nesting.in_object() { self.next_key(false)? } else { self.next_element(false)? };
            if is_more {
                if nesting.in_object() {
                    self.skip_key()?;
                }
                return Ok(true);
            }
            nesting.leave();
        }
        Ok(false)
    }

    fn skip_key(&mut self) -> Result<()> {
        self.key()?;
        self.colon()
    }

    fn skip_scalar(&mut self, first: u8) -> Result<()> {
        match first {
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ if self.is_string(first) => self.string().map(|_| ()),
            _ if self.is_number(first) => match self.number()? {
                Some(_) => Ok(()),
                None => self.special_number().map(|_| ()),
            },
            _ => Err(self.error("there is no value")),
        }
    }

    #[inline]
    fn skip_blanks(&mut self) -> Result<()> {
        // Most often there is nothing to skip.
        if self.bytes.get(self.at).is_some_and(|b| *b > b'/' || *b == b'"' || *b == b',') {
            return Ok(());
        }
        self.skip_more_blanks()
    }

    fn skip_more_blanks(&mut self) -> Result<()> {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'/' => self.skip_comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    #[cold]
    fn skip_comment(&mut self) -> Result<()> {
        let rest = &self.bytes[self.at..];
        let len = match rest.get(1) {
            _ if !self.dialect.comments => None,
            Some(b'*') => memchr::memmem::find(&rest[2..], b"*/").map(|end| end + 4),
            Some(b'/') => Some(memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())),
            _ => None,
        };
        self.at += len.ok_or(self.error("comments are not allowed"))?;
        Ok(())
    }
}

/// Which brackets are open: one bit a level.
struct Nesting {
    objects: [u64; DEPTH_MAX.div_ceil(64)],
    depth: usize,
}

impl Default for Nesting {
    fn default() -> Self {
        Self { objects: [0; DEPTH_MAX.div_ceil(64)], depth: 0 }
    }
}

impl Nesting {
    fn enter(&mut self, is_object: bool) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        self.objects[word] = if is_object { self.objects[word] | bit } else { self.objects[word] & !bit };
        self.depth += 1;
        Some(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.objects[level / 64] >> (level % 64) & 1 != 0
    }
}

fn unescape_unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(unit) = hex4(text) else { return text };
    let rest = &text[4..];
    let low = || hex4(rest.strip_prefix(b"\\u")?).filter(|low| (0xdc00..0xe000).contains(low));
    let (point, rest) = match unit {
        0xd800..0xdc00 => match low() {
            Some(low) => (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), &rest[6..]),
            None => (u32::from(b'?'), rest),
        },
        _ => (unit, rest),
    };
    let decoded = char::from_u32(point).unwrap_or('?');
    out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hex4(text: &[u8]) -> Option<u32> {
    text.get(..4)?.iter().try_fold(0, |n, b| Some(n << 4 | (*b as char).to_digit(16)?))
}

/// Letters of words and unquoted names, as far as ASCII goes.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

const _: () = assert!(size_of::<Fault>() <= 48, "verdicts are returned by value");
