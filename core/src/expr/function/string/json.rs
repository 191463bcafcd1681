//! JSON in strings: get_json_object, json_array_length, json_object_keys.
//!
//! Only the first value of a text counts; text that is no JSON gives NULL. Strings may stand in single quotes.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt::Write;

use super::super::{
    Call, Function,
    define::{each_row, fill},
};
use crate::{
    error::Result,
    expr::{BoundExpr, apply1, cast::print::write_double},
    limits::EXPRESSION_DEPTH_MAX,
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["get_json_object"], bind: get_json_object },
    Function { names: &["json_array_length"], bind: json_array_length },
    Function { names: &["json_object_keys"], bind: json_object_keys },
];

/// A value that borrows its text.
#[derive(Clone, Debug, PartialEq)]
enum Json<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

fn get_json_object(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    call.run_nullable(DataType::String, |_, args, rows, out| {
        let mut last: Option<(String, Option<Vec<Step>>)> = None;
        fill(args, rows, out, |(json, path): (&str, &str), text: &mut String| {
            if last.as_ref().is_none_or(|(known, _)| known != path) {
                last = Some((path.into(), parse_path(path)));
            }
            let steps = last.as_ref().and_then(|(_, steps)| steps.as_deref());
            let found = steps
                .zip(Json::parse(json))
                .is_some_and(|(steps, json)| Writer { text, needs_comma: false }.evaluate(&json, steps, Style::Raw));
            Ok(found.then_some(()))
        })
    })
}

fn json_array_length(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::Int32, |_, args, rows, out| {
        apply1(args, rows, out, |json: &str| match Json::parse(json) {
            Some(Json::Array(items)) => Ok(Some(items.len() as i32)),
            _ => Ok(None),
        })
    })
}

fn json_object_keys(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::Array(DataType::String.into()), |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            match Json::parse(args[0].str_at(row)) {
                Some(Json::Object(fields)) => {
                    out.push_array(|keys| fields.iter().for_each(|(key, _)| keys.push_str(key)));
                }
                _ => out.push_null(),
            }
            Ok(())
        })
    })
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// `.name`, `['name']`
    Name(String),
    /// `[3]`
    Index(usize),
    /// `[*]`
    All,
}

/// `$.a['b'][0][*]`; `None` if it is no path. `.*` is read by Spark but matches nothing.
fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = if let Some(quoted) = rest.strip_prefix("['") {
            let (name, rest) = quoted.split_once("']")?;
            (Step::Name(name.into()), rest)
        } else if let Some(subscript) = rest.strip_prefix('[') {
            let (index, rest) = subscript.split_once(']')?;
            (if index == "*" { Step::All } else { Step::Index(index.parse().ok()?) }, rest)
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 || &name[..end] == "*" {
                return None;
            }
            (Step::Name(name[..end].into()), &name[end..])
        };
        steps.push(step);
    }
    Some(steps)
}

/// How matches are written, as in Hive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A string without its quotes.
    Raw,
    /// As JSON.
    Quoted,
    /// As JSON, arrays as their items.
    Flat,
}

struct Writer<'t> {
    text: &'t mut String,
    needs_comma: bool,
}

impl Writer<'_> {
    /// Writes what the path leads to; false if it leads nowhere.
    fn evaluate(&mut self, json: &Json<'_>, path: &[Step], style: Style) -> bool {
        match (json, path) {
            (Json::String(s), []) if style == Style::Raw => {
                self.text.push_str(s);
                true
            }
            (Json::Array(items), []) if style == Style::Flat => self.evaluate_all(items, &[], style),
            (json, []) => {
                self.separate();
                json.write(self.text);
                true
            }
            (Json::Object(fields), [Step::Name(name), rest @ ..]) => {
                let named = fields.iter().filter(|(key, value)| key == name && *value != Json::Null);
                named.map(|(_, value)| value).any(|value| self.evaluate(value, rest, style))
            }
            (Json::Array(items), [Step::All, Step::All, rest @ ..]) => self.array(items, rest, Style::Flat),
            (Json::Array(items), [Step::All, rest @ ..]) if style == Style::Quoted => {
                self.array(items, rest, Style::Quoted)
            }
            (Json::Array(items), [Step::All, rest @ ..]) => self.unwrapped(items, rest, style),
            (Json::Array(items), [Step::Index(index), rest @ ..]) => {
                let style = if rest.first() == Some(&Step::All) { Style::Quoted } else { style };
                items.get(*index).is_some_and(|item| self.evaluate(item, rest, style))
            }
            _ => false,
        }
    }

    /// Every item is asked, found or not.
    fn evaluate_all(&mut self, items: &[Json<'_>], rest: &[Step], style: Style) -> bool {
        items.iter().filter(|item| self.evaluate(item, rest, style)).count() > 0
    }

    /// The matches of all items as an array.
    fn array(&mut self, items: &[Json<'_>], rest: &[Step], style: Style) -> bool {
        self.separate();
        self.text.push('[');
        self.needs_comma = false;
        let found = self.evaluate_all(items, rest, style);
        self.text.push(']');
        self.needs_comma = true;
        found
    }

    /// As an array if there are several matches; a single one alone.
    fn unwrapped(&mut self, items: &[Json<'_>], rest: &[Step], style: Style) -> bool {
        let inner_style = if style == Style::Raw { Style::Quoted } else { style };
        let mut matches = String::new();
        let mut inner = Writer { text: &mut matches, needs_comma: false };
        let count = items.iter().filter(|item| inner.evaluate(item, rest, inner_style)).count();
        if count == 0 {
            return false;
        }
        self.separate();
        if count == 1 {
            self.text.push_str(&matches);
        } else {
            self.text.extend(["[", &matches, "]"]);
        }
        true
    }

    fn separate(&mut self) {
        if self.needs_comma {
            self.text.push(',');
        }
        self.needs_comma = true;
    }
}

impl<'a> Json<'a> {
    /// The first value of a text.
    fn parse(text: &'a str) -> Option<Self> {
        Reader { rest: text }.value(0)
    }

    fn write(&self, text: &mut String) {
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

fn write_string(s: &str, text: &mut String) {
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
