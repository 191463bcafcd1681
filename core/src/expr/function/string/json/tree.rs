//! JSON text as a tree that borrows its text, and back.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt::Write;

use crate::{expr::cast::print::write_double, limits::EXPRESSION_DEPTH_MAX};

/// A value that borrows its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The first value of a text.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        Reader { rest: text }.value(0)
    }

    /// Appends it as JSON, without blanks.
    pub(super) fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Boolean(b) => text.push_str(if *b { "true" } else { "false" }),
            Self::Number(n) if n.bytes().all(|b| b.is_ascii_digit() || b == b'-') => text.push_str(n),
            // Fractions pass through a double, as in Spark: 1.50 becomes 1.5.
            Self::Number(n) => _ = write_double(text, n.parse().unwrap_or(f64::NAN)),
            Self::String(s) => write_string(s, text),
            Self::Array(items) => {
                text.push('[');
                for (i, item) in items.iter().enumerate() {
                    text.push_str(if i > 0 { "," } else { "" });
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    text.push_str(if i > 0 { "," } else { "" });
                    write_string(key, text);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

/// A string in quotes.
pub(super) fn write_string(s: &str, text: &mut String) {
    text.push('"');
    for c in s.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\x08' => text.push_str("\\b"),
            '\x0c' => text.push_str("\\f"),
            c if c < ' ' => _ = write!(text, "\\u{:04X}", c as u32),
            c => text.push(c),
        }
    }
    text.push('"');
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        if depth > EXPRESSION_DEPTH_MAX {
            return None;
        }
        self.blanks();
        match self.rest.chars().next()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' | '\'' => self.string().map(Json::String),
            '-' | '0'..='9' => self.number(),
            _ => {
                let words = [("null", Json::Null), ("true", Json::Boolean(true)), ("false", Json::Boolean(false))];
                let (word, value) = words.into_iter().find(|(word, _)| self.rest.starts_with(word))?;
                self.rest = &self.rest[word.len()..];
                Some(value)
            }
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether the next character is this one; takes it if so.
    fn eat(&mut self, c: char) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn object(&mut self, depth: usize) -> Option<Json<'a>> {
        self.eat('{');
        let mut fields = Vec::new();
        if self.eat('}') {
            return Some(Json::Object(fields));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            let value = if self.eat(':') { self.value(depth + 1)? } else { return None };
            fields.push((key, value));
            if self.eat('}') {
                return Some(Json::Object(fields));
            }
            if !self.eat(',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json<'a>> {
        self.eat('[');
        let mut items = Vec::new();
        if self.eat(']') {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(']') {
                return Some(Json::Array(items));
            }
            if !self.eat(',') {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Json<'a>> {
        let end = self.rest.find(|c| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let legal = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.ends_with(|c: char| c.is_ascii_digit())
            && !leading_zero
            && number.parse::<f64>().is_ok();
        self.rest = rest;
        legal.then_some(Json::Number(number))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let body = &self.rest[1..];
        let end = body.find([quote, '\\'])?;
        if body[end..].starts_with(quote) {
            self.rest = &body[end + 1..];
            return Some(Cow::Borrowed(&body[..end]));
        }
        let mut text = String::from(&body[..end]);
        let mut chars = body[end..].chars();
        loop {
            match chars.next()? {
                c if c == quote => {
                    self.rest = chars.as_str();
                    return Some(Cow::Owned(text));
                }
                '\\' => text.push(escaped(&mut chars)?),
                c => text.push(c),
            }
        }
    }
}

/// The character that an escape stands for, after its backslash.
fn escaped(chars: &mut core::str::Chars<'_>) -> Option<char> {
    let c = match chars.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\x08',
        'f' => '\x0c',
        c @ ('"' | '\\' | '/' | '\'') => c,
        'u' => {
            let high = hex4(chars)?;
            if !(0xd800..0xdc00).contains(&high) {
                return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            let mut ahead = chars.clone();
            let low = (ahead.next()? == '\\' && ahead.next()? == 'u').then(|| hex4(&mut ahead))??;
            *chars = ahead;
            char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff))?
        }
        _ => return None,
    };
    Some(c)
}

fn hex4(chars: &mut core::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code << 4 | chars.next()?.to_digit(16)?))
}
