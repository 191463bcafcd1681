//! Functions of regular expressions: rlike, regexp_extract, regexp_replace, split and their kin.
//!
//! A constant pattern is compiled when the call is bound; others once a block for each distinct text.

use alloc::{string::String, vec::Vec};

use hashbrown::HashMap;
use regex::{Match, Regex};

use super::{
    super::{
        Call, Function,
        define::{each_row, fill},
    },
    byte_offset, char_count,
    extract::Extract,
    java::{Use, compile},
};
use crate::{
    block::{Column, ColumnRef, Rows, Value},
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, apply2, check_text,
        operator::{self, Site},
    },
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["rlike", "regexp", "regexp_like"], bind: |call| matching(call, BinaryOp::RLike) },
    Function { names: &["like"], bind: |call| like(call, BinaryOp::Like) },
    Function { names: &["ilike"], bind: |call| like(call, BinaryOp::ILike) },
    Function { names: &["regexp_extract"], bind: |call| regexp_extract(call, false) },
    Function { names: &["regexp_extract_all"], bind: |call| regexp_extract(call, true) },
    Function { names: &["regexp_replace"], bind: regexp_replace },
    Function { names: &["regexp_count"], bind: regexp_count },
    Function { names: &["regexp_substr"], bind: regexp_substr },
    Function { names: &["regexp_instr"], bind: regexp_instr },
    Function { names: &["split"], bind: split },
];

/// The pattern of a call.
enum Patterns {
    /// Known when bound; `None` if it is NULL, and then no row will ask.
    Constant(Option<Regex>),
    PerRow,
}

impl Patterns {
    fn of(call: &Call<'_>, index: usize) -> Result<Self> {
        match call.constant(index)? {
            Some(Value::String(pattern)) => {
                compile(&pattern, Use::Find).map(|regex| Self::Constant(Some(regex))).map_err(|e| e.at(call.span))
            }
            Some(_) => Ok(Self::Constant(None)),
            None => Ok(Self::PerRow),
        }
    }

    fn block(&self) -> BlockPatterns<'_> {
        BlockPatterns { patterns: self, seen: HashMap::new() }
    }
}

/// The patterns that were met in a block.
struct BlockPatterns<'p> {
    patterns: &'p Patterns,
    seen: HashMap<String, Regex>,
}

impl BlockPatterns<'_> {
    fn find(&mut self, pattern: &str) -> Result<&Regex> {
        if let Patterns::Constant(Some(regex)) = self.patterns {
            return Ok(regex);
        }
        if !self.seen.contains_key(pattern) {
            let regex = compile(pattern, Use::Find)?;
            self.seen.insert(pattern.into(), regex);
        }
        self.seen.get(pattern).ok_or_else(|| Error::internal("a pattern was just compiled"))
    }
}

/// Matches as Java finds them: an empty one may stand right behind another.
fn matches<'t>(regex: &Regex, text: &'t str) -> impl Iterator<Item = Match<'t>> {
    let mut from = Some(0);
    core::iter::from_fn(move || {
        let found = regex.find_at(text, from?);
        from = found.and_then(|m| next_start(text, m.start(), m.end()));
        found
    })
}

/// Where to look for the next match, if anywhere.
fn next_start(text: &str, start: usize, end: usize) -> Option<usize> {
    if end > start {
        return Some(end);
    }
    text[end..].chars().next().map(|c| end + c.len_utf8())
}

/// The operators as functions.
fn matching(call: Call<'_>, op: BinaryOp) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let site = Site::new(call.settings, call.span);
    let [text, pattern] = call.take_args();
    operator::binary(text, op, pattern, site)
}

/// `like(text, pattern [, escape])`, as `text LIKE pattern ESCAPE escape`.
fn like(mut call: Call<'_>, op: BinaryOp) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    if call.args.len() == 2 {
        return matching(call, op);
    }
    let Some(escape) = call.literal_str(2).and_then(|escape| escape.parse().ok()) else {
        let error = Error::invalid("the escape character must be a literal of one character");
        return Err(error.class("INVALID_ESCAPE_CHAR").at(call.span));
    };
    call.args.truncate(2);
    let site = Site::new(call.settings, call.span);
    let [text, pattern] = call.take_args();
    operator::like_escaped(text, op, pattern, escape, site)
}

/// A group of the first match, or of all. What did not match, or took no part in the match, is the empty string.
fn regexp_extract(mut call: Call<'_>, all: bool) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, 1, DataType::Int32);
    call.typed(&[DataType::String, DataType::String, DataType::Int32])?;
    let patterns = Patterns::of(&call, 1)?;
    if let (Patterns::Constant(Some(regex)), Some(Value::Int32(group)), false) = (&patterns, call.constant(2)?, all)
        && let Some(group) = usize::try_from(group).ok().filter(|group| *group < regex.captures_len())
    {
        let to = DataType::String;
        return call.finish(Extract::new(regex, group), to);
    }
    let to = if all { DataType::Array(DataType::String.into()) } else { DataType::String };
    call.run(to, move |_, args, rows, out| {
        let mut patterns = patterns.block();
        each_row(args, rows, out, |row, out| {
            let (text, group) = (args[0].str_at(row), args[2].as_slice::<i32>()[args[2].index(row)]);
            let regex = patterns.find(args[1].str_at(row))?;
            let mut groups = groups(regex, text, group);
            match all {
                false => out.push_str(groups.next().transpose()?.unwrap_or_default()),
                true => push_strings(groups, out)?,
            }
            Ok(())
        })
    })
}

fn groups<'t>(regex: &Regex, text: &'t str, group: i32) -> impl Iterator<Item = Result<&'t str>> {
    let mut from = Some(0);
    core::iter::from_fn(move || {
        let found = regex.captures_at(text, from?)?;
        let whole = found.get(0)?;
        from = next_start(text, whole.start(), whole.end());
        Some(match usize::try_from(group) {
            Ok(group) if group < found.len() => Ok(found.get(group).map_or("", |m| m.as_str())),
            _ => Err(no_group(group, found.len() - 1)),
        })
    })
}

fn no_group(group: i32, count: usize) -> Error {
    let text = alloc::format!("the pattern has the groups 0 to {count}, not {group}");
    Error::data("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", text)
}

fn push_strings<'t>(mut strings: impl Iterator<Item = Result<&'t str>>, out: &mut Column) -> Result<()> {
    let mut result = Ok(());
    out.push_array(|elements| {
        result = strings.try_for_each(|s| {
            elements.push_str(s?);
            Ok(())
        });
    });
    result
}

fn regexp_replace(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=4)?;
    call.default_arg(3, 1, DataType::Int32);
    call.typed(&[DataType::String, DataType::String, DataType::String, DataType::Int32])?;
    let position = call.required_constant(3)?;
    if position.as_i64().is_some_and(|position| position < 1) {
        let text = alloc::format!("{}(): the position must be 1 or more", call.name);
        return Err(Error::invalid(text).class("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE").at(call.span));
    }
    let patterns = Patterns::of(&call, 1)?;
    call.run(DataType::String, move |_, args, rows, out| {
        let mut patterns = patterns.block();
        let mut replacement = Replacement::default();
        fill(args, rows, out, |(s, pattern, with, position): (&str, &str, &str, i32), text: &mut String| {
            let regex = patterns.find(pattern)?;
            replacement.prepare(with)?;
            let (kept, searched) = s.split_at(byte_offset(s, position as usize - 1));
            text.push_str(kept);
            // A position behind the text changes nothing, not even by an empty match.
            if searched.is_empty() && !kept.is_empty() { Ok(()) } else { replacement.push(regex, searched, text) }
        })
    })
}

/// What replaces a match, kept from row to row while it is the same: `$1` and `${name}` are groups, a backslash makes
/// the next character plain.
#[derive(Default)]
struct Replacement {
    source: Option<String>,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    /// The digits behind a `$`: as many of them as name a group.
    Group(String),
    Named(String),
}

impl Replacement {
    fn prepare(&mut self, source: &str) -> Result<()> {
        if self.source.as_deref() == Some(source) {
            return Ok(());
        }
        self.parts.clear();
        self.source = Some(source.into());
        let mut rest = source.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' => self.push_plain(rest.next().ok_or_else(|| bad_replacement(source))?),
                '$' if rest.next_if_eq(&'{').is_some() => {
                    let name: String = core::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
                    rest.next().ok_or_else(|| bad_replacement(source))?;
                    self.parts.push(Part::Named(name));
                }
                '$' => {
                    let digits: String = core::iter::from_fn(|| rest.next_if(char::is_ascii_digit)).collect();
                    if digits.is_empty() {
                        return Err(bad_replacement(source));
                    }
                    self.parts.push(Part::Group(digits));
                }
                c => self.push_plain(c),
            }
        }
        Ok(())
    }

    fn push_plain(&mut self, c: char) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            return text.push(c);
        }
        self.parts.push(Part::Text(c.into()));
    }

    fn push(&self, regex: &Regex, s: &str, text: &mut String) -> Result<()> {
        let mut done = 0;
        if let [] | [Part::Text(_)] = &self.parts[..] {
            // Nothing of the match is needed but where it is.
            for found in matches(regex, s) {
                text.push_str(&s[done..found.start()]);
                self.parts.iter().for_each(|part| {
                    if let Part::Text(plain) = part {
                        text.push_str(plain)
                    }
                });
                done = found.end();
                check_text(text.len())?;
            }
            text.push_str(&s[done..]);
            return Ok(());
        }
        let mut from = Some(0);
        while let Some(found) = from.and_then(|from| regex.captures_at(s, from)) {
            let Some(whole) = found.get(0) else { break };
            text.push_str(&s[done..whole.start()]);
            self.parts.iter().try_for_each(|part| self.push_part(part, &found, text))?;
            done = whole.end();
            check_text(text.len())?;
            from = next_start(s, whole.start(), whole.end());
        }
        text.push_str(&s[done..]);
        Ok(())
    }

    fn push_part(&self, part: &Part, found: &regex::Captures<'_>, text: &mut String) -> Result<()> {
        let bad = || bad_replacement(self.source.as_deref().unwrap_or_default());
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Named(name) => text.push_str(found.name(name).map_or("", |m| m.as_str())),
            Part::Group(digits) => {
                let fits = |len: &usize| digits[..*len].parse().is_ok_and(|group: usize| group < found.len());
                let len = (1..=digits.len()).take_while(fits).last().ok_or_else(bad)?;
                let group = digits[..len].parse().map_err(|_| bad())?;
                text.push_str(found.get(group).map_or("", |m| m.as_str()));
                text.push_str(&digits[len..]);
            }
        }
        Ok(())
    }
}

fn bad_replacement(source: &str) -> Error {
    Error::data("INVALID_REGEXP_REPLACE", alloc::format!("the replacement '{source}' names a group that is not there"))
        .hint("write \\$ for a dollar sign")
}

fn regexp_count(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    let patterns = Patterns::of(&call, 1)?;
    call.run(DataType::Int32, move |_, args, rows, out| {
        let mut patterns = patterns.block();
        apply2(args, rows, out, |s: &str, pattern: &str| Ok(matches(patterns.find(pattern)?, s).count() as i32))
    })
}

fn regexp_substr(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    let patterns = Patterns::of(&call, 1)?;
    call.run_nullable(DataType::String, move |_, args, rows, out| {
        let mut patterns = patterns.block();
        // An empty match counts as none.
        let found = |m: Option<Match<'_>>| m.map(|m| m.range()).filter(|range| !range.is_empty());
        apply2(args, rows, out, |s: &str, pattern: &str| {
            Ok(found(patterns.find(pattern)?.find(s)).map(|range| &s[range]))
        })
    })
}

/// Position of the first match; the group index is taken and ignored, as in Spark.
fn regexp_instr(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, 0, DataType::Int32);
    call.typed(&[DataType::String, DataType::String, DataType::Int32])?;
    let patterns = Patterns::of(&call, 1)?;
    call.run(DataType::Int32, move |_, args, rows, out| {
        let mut patterns = patterns.block();
        each_row(args, rows, out, |row, out| {
            let s = args[0].str_at(row);
            let found = patterns.find(args[1].str_at(row))?.find(s);
            out.push(found.map_or(0, |m| char_count(&s[..m.start()]) as i32 + 1));
            Ok(())
        })
    })
}

fn split(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, -1, DataType::Int32);
    call.typed(&[DataType::String, DataType::String, DataType::Int32])?;
    let patterns = Patterns::of(&call, 1)?;
    call.run(DataType::Array(DataType::String.into()), move |_, args, rows, out| {
        let mut patterns = patterns.block();
        split_rows(&mut patterns, args, rows, out)
    })
}

fn split_rows(
    patterns: &mut BlockPatterns<'_>,
    args: &[ColumnRef<'_>],
    rows: &Rows<'_>,
    out: &mut Column,
) -> Result<()> {
    each_row(args, rows, out, |row, out| {
        let (s, pattern) = (args[0].str_at(row), args[1].str_at(row));
        let limit = args[2].as_slice::<i32>()[args[2].index(row)];
        // A limit of 0 or less is none.
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let regex = patterns.find(pattern)?;
        out.push_array(|parts| match pattern {
            "" if !s.is_empty() => push_characters(s, limit, parts),
            plain if is_plain(plain) => s.splitn(limit, plain).for_each(|part| parts.push_str(part)),
            _ => push_split(regex, s, limit, parts),
        });
        Ok(())
    })
}

/// Whether a pattern means just its own text.
fn is_plain(pattern: &str) -> bool {
    !pattern.is_empty() && !pattern.contains(['\\', '.', '[', ']', '(', ')', '{', '}', '*', '+', '?', '^', '$', '|'])
}

/// One part a character, the last with the rest.
fn push_characters(s: &str, limit: usize, parts: &mut Column) {
    let count = char_count(s).min(limit);
    let mut rest = s;
    for _ in 1..count {
        let (first, others) = rest.split_at(byte_offset(rest, 1));
        parts.push_str(first);
        rest = others;
    }
    parts.push_str(rest);
}

/// As Java splits: an empty match at the start makes no part, empty parts at the end stay.
fn push_split(regex: &Regex, s: &str, limit: usize, parts: &mut Column) {
    let (mut from, mut count) = (0, 1);
    for found in matches(regex, s) {
        if count == limit {
            break;
        }
        if found.end() > 0 {
            parts.push_str(&s[from..found.start()]);
            from = found.end();
            count += 1;
        }
    }
    parts.push_str(&s[from..]);
}
