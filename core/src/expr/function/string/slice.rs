//! Parts of strings and binaries: substring, left, right, split_part, trimming, padding, overlay.

use alloc::{string::String, vec::Vec};

use super::{
    super::{
        Call, Function,
        define::{each_row, fill},
    },
    byte_offset, char_count, text_or_binary,
};
use crate::{
    block::Value,
    error::{Error, Result},
    expr::{BoundExpr, apply2, apply3, check_text},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["substring", "substr"], bind: substring },
    Function { names: &["substring_index"], bind: substring_index },
    Function { names: &["split_part"], bind: split_part },
    Function { names: &["left"], bind: left },
    Function { names: &["right"], bind: right },
    Function { names: &["trim"], bind: trim },
    Function { names: &["ltrim"], bind: ltrim },
    Function { names: &["rtrim"], bind: rtrim },
    Function { names: &["btrim"], bind: btrim },
    Function { names: &["repeat"], bind: repeat },
    Function { names: &["space"], bind: space },
    Function { names: &["lpad"], bind: lpad },
    Function { names: &["rpad"], bind: rpad },
    Function { names: &["overlay"], bind: overlay },
    Function { names: &["mask"], bind: mask },
];

fn substring(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    let of = text_or_binary(call.type_of(0));
    call.default_arg(2, i32::MAX, DataType::Int32);
    call.typed(&[of.clone(), DataType::Int32, DataType::Int32])?;
    call.run(of.clone(), move |_, args, rows, out| match of {
        DataType::Binary => apply3(args, rows, out, |b: &[u8], position, length| {
            let (start, end) = sql_range(position, length, b.len());
            Ok(&b[start..end])
        }),
        _ => apply3(args, rows, out, |s: &str, position, length| Ok(sql_substring(s, position, length))),
    })
}

/// The part of `s` from character `position` (from 1; from the end if negative; 0 is 1), `length` characters.
fn sql_substring(s: &str, position: i32, length: i32) -> &str {
    if position >= 0 || s.is_ascii() {
        // Character positions past the text are cut by `byte_offset`, so the exact count is needed only from the end.
        let (start, end) = sql_range(position, length, s.len());
        return slice(s, start, end);
    }
    let (start, end) = sql_range(position, length, char_count(s));
    slice(s, start, end)
}

fn slice(s: &str, start: usize, end: usize) -> &str {
    let rest = &s[byte_offset(s, start)..];
    &rest[..byte_offset(rest, end - start)]
}

/// SQL's position and length as a range within `0..count`.
fn sql_range(position: i32, length: i32, count: usize) -> (usize, usize) {
    let count = count as i64;
    let start = match i64::from(position) {
        p if p > 0 => p - 1,
        p if p < 0 => count + p,
        _ => 0,
    };
    let end = if length == i32::MAX { count } else { start + i64::from(length) };
    let (start, end) = (start.clamp(0, count), end.clamp(0, count));
    (start as usize, end.max(start) as usize)
}

fn substring_index(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String, DataType::Int32])?;
    call.run(DataType::String, |_, args, rows, out| {
        apply3(args, rows, out, |s: &str, delimiter: &str, count: i32| Ok(before_index(s, delimiter, count)))
    })
}

/// What stands before the `count`-th delimiter, or after the `count`-th from the end. Delimiters may overlap.
fn before_index<'a>(s: &'a str, delimiter: &str, count: i32) -> &'a str {
    if delimiter.is_empty() || count == 0 {
        return "";
    }
    let step = |at: usize| at + s[at..].chars().next().map_or(1, char::len_utf8);
    if count > 0 {
        let mut from = 0;
        for n in 1..=count {
            let Some(at) = s.get(from..).and_then(|rest| rest.find(delimiter)) else { return s };
            if n == count {
                return &s[..from + at];
            }
            from = step(from + at);
        }
        return s;
    }
    let mut to = s.len();
    for n in 1..=count.unsigned_abs() {
        let Some(at) = s[..to].rfind(delimiter) else { return s };
        if n == count.unsigned_abs() {
            return &s[at + delimiter.len()..];
        }
        // The next one may overlap this one, but must start before it.
        to = (at + delimiter.len()).saturating_sub(1);
        while !s.is_char_boundary(to) {
            to -= 1;
        }
        if at == 0 {
            return s;
        }
    }
    s
}

fn split_part(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String, DataType::Int32])?;
    call.run(DataType::String, |_, args, rows, out| {
        apply3(args, rows, out, |s: &str, delimiter: &str, index: i32| part(s, delimiter, index))
    })
}

fn part<'a>(s: &'a str, delimiter: &str, index: i32) -> Result<&'a str> {
    let nth = index.unsigned_abs() as usize;
    if nth == 0 {
        return Err(index_of_zero());
    }
    let found = match (delimiter.is_empty(), index > 0) {
        (true, _) => (nth == 1).then_some(s),
        (false, true) => s.split(delimiter).nth(nth - 1),
        // Not rsplit: splitting from the end cuts overlapping delimiters elsewhere.
        (false, false) => {
            let count = s.split(delimiter).count();
            count.checked_sub(nth).and_then(|i| s.split(delimiter).nth(i))
        }
    };
    Ok(found.unwrap_or_default())
}

fn index_of_zero() -> Error {
    let text = "the index 0 is invalid: the first element has index 1, the last -1";
    Error::data("INVALID_INDEX_OF_ZERO", text)
}

fn left(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let of = text_or_binary(call.type_of(0));
    call.typed(&[of.clone(), DataType::Int32])?;
    call.run(of.clone(), move |_, args, rows, out| match of {
        DataType::Binary => apply2(args, rows, out, |b: &[u8], n: i32| Ok(&b[..b.len().min(n.max(0) as usize)])),
        _ => apply2(args, rows, out, |s: &str, n: i32| Ok(&s[..byte_offset(s, n.max(0) as usize)])),
    })
}

fn right(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::Int32])?;
    call.run(DataType::String, |_, args, rows, out| {
        apply2(args, rows, out, |s: &str, n: i32| {
            let skipped = char_count(s).saturating_sub(n.max(0) as usize);
            Ok(&s[byte_offset(s, skipped)..])
        })
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Both,
    Left,
    Right,
}

fn trim(call: Call<'_>) -> Result<BoundExpr> {
    trim_ends(call, Ends::Both)
}

fn ltrim(call: Call<'_>) -> Result<BoundExpr> {
    trim_ends(call, Ends::Left)
}

fn rtrim(call: Call<'_>) -> Result<BoundExpr> {
    trim_ends(call, Ends::Right)
}

/// `btrim(text, characters)`: the other three take the characters first.
fn btrim(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    call.args.reverse();
    trim_ends(call, Ends::Both)
}

fn trim_ends(mut call: Call<'_>, ends: Ends) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    if call.args.len() == 1 {
        call.args.insert(0, BoundExpr::literal(Value::from(" "), DataType::String));
    }
    call.typed(&[DataType::String, DataType::String])?;
    call.run(DataType::String, move |_, args, rows, out| {
        apply2(args, rows, out, |set: &str, s: &str| Ok(without_ends(s, set, ends)))
    })
}

fn without_ends<'a>(s: &'a str, set: &str, ends: Ends) -> &'a str {
    let s = if ends == Ends::Right { s } else { s.trim_start_matches(|c| set.contains(c)) };
    if ends == Ends::Left { s } else { s.trim_end_matches(|c| set.contains(c)) }
}

fn repeat(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::Int32])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s, n): (&str, i32), text: &mut String| {
            let times = n.max(0) as usize;
            check_text(s.len().saturating_mul(times))?;
            (0..times).for_each(|_| text.push_str(s));
            Ok(())
        })
    })
}

fn space(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Int32])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(n,): (i32,), text: &mut String| {
            let length = n.max(0) as usize;
            check_text(length)?;
            text.extend(core::iter::repeat_n(' ', length));
            Ok(())
        })
    })
}

fn lpad(call: Call<'_>) -> Result<BoundExpr> {
    pad(call, true)
}

fn rpad(call: Call<'_>) -> Result<BoundExpr> {
    pad(call, false)
}

fn pad(mut call: Call<'_>, at_left: bool) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    let binary =
        *call.type_of(0) == DataType::Binary && call.args.get(2).is_none_or(|pad| pad.data_type == DataType::Binary);
    if binary {
        call.default_arg(2, Value::Binary(alloc::vec![0]), DataType::Binary);
        call.typed(&[DataType::Binary, DataType::Int32, DataType::Binary])?;
        return call.run(DataType::Binary, move |_, args, rows, out| {
            fill(args, rows, out, |(b, n, pad): (&[u8], i32, &[u8]), bytes: &mut Vec<u8>| {
                push_padded_bytes(b, n.max(0) as usize, pad, at_left, bytes)
            })
        });
    }
    call.default_arg(2, " ", DataType::String);
    call.typed(&[DataType::String, DataType::Int32, DataType::String])?;
    call.run(DataType::String, move |_, args, rows, out| {
        fill(args, rows, out, |(s, n, pad): (&str, i32, &str), text: &mut String| {
            push_padded(s, n.max(0) as usize, pad, at_left, text)
        })
    })
}

fn push_padded(s: &str, length: usize, pad: &str, at_left: bool, text: &mut String) -> Result<()> {
    let missing = length.saturating_sub(char_count(s));
    if missing == 0 || pad.is_empty() {
        text.push_str(&s[..byte_offset(s, length)]);
        return Ok(());
    }
    check_text(missing.saturating_mul(4))?;
    if !at_left {
        text.push_str(s);
    }
    text.extend(pad.chars().cycle().take(missing));
    if at_left {
        text.push_str(s);
    }
    Ok(())
}

fn push_padded_bytes(b: &[u8], length: usize, pad: &[u8], at_left: bool, bytes: &mut Vec<u8>) -> Result<()> {
    let missing = length.saturating_sub(b.len());
    if missing == 0 || pad.is_empty() {
        bytes.extend_from_slice(&b[..b.len().min(length)]);
        return Ok(());
    }
    check_text(missing)?;
    if !at_left {
        bytes.extend_from_slice(b);
    }
    bytes.extend(pad.iter().cycle().take(missing));
    if at_left {
        bytes.extend_from_slice(b);
    }
    Ok(())
}

fn overlay(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(3..=4)?;
    let of = text_or_binary(call.type_of(0));
    if (of == DataType::Binary) != (*call.type_of(1) == DataType::Binary) && *call.type_of(1) != DataType::Null {
        return Err(call.different_types());
    }
    call.default_arg(3, -1, DataType::Int32);
    call.typed(&[of.clone(), of.clone(), DataType::Int32, DataType::Int32])?;
    call.run(of.clone(), move |_, args, rows, out| match of {
        DataType::Binary => fill(args, rows, out, |(b, new, at, n): (&[u8], &[u8], i32, i32), bytes: &mut Vec<u8>| {
            let (head, tail) = overlaid(at, n, new.len());
            bytes.extend_from_slice(&b[..b.len().min(head.1)]);
            bytes.extend_from_slice(new);
            let (start, end) = sql_range(tail, i32::MAX, b.len());
            bytes.extend_from_slice(&b[start..end]);
            Ok(())
        }),
        _ => fill(args, rows, out, |(s, new, at, n): (&str, &str, i32, i32), text: &mut String| {
            let (head, tail) = overlaid(at, n, char_count(new));
            text.push_str(slice(s, head.0, head.1));
            text.push_str(new);
            text.push_str(sql_substring(s, tail, i32::MAX));
            Ok(())
        }),
    })
}

/// What stays of an overlaid text: a range before (from 0) and an SQL position after the replaced part.
fn overlaid(at: i32, length: i32, new_length: usize) -> ((usize, usize), i32) {
    let replaced = if length >= 0 { length } else { new_length as i32 };
    let head = (0, at.saturating_sub(1).max(0) as usize);
    (head, at.saturating_add(replaced))
}

fn mask(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=5)?;
    call.default_arg(1, "X", DataType::String);
    call.default_arg(2, "x", DataType::String);
    call.default_arg(3, "n", DataType::String);
    call.default_arg(4, Value::Null, DataType::String);
    for index in 0..5 {
        call.uncast(index, &DataType::String)?;
    }
    let nullable = call.args[0].nullable;
    let masked_text = call.run(DataType::String, |_, args, rows, out| {
        let mut text = String::new();
        each_row(&args[..1], rows, out, |row, out| {
            let first = |i: usize| args[i].is_valid(row).then(|| args[i].str_at(row).chars().next())?;
            let replacements = [first(1), first(2), first(3), first(4)];
            text.clear();
            text.extend(args[0].str_at(row).chars().map(|c| masked(c, &replacements)));
            out.push_str(&text);
            Ok(())
        })
    })?;
    Ok(masked_text.nullable(nullable))
}

/// Replacements for upper case letters, lower case letters, digits and the rest; `None` keeps the character.
fn masked(c: char, replacements: &[Option<char>; 4]) -> char {
    let kind = match c {
        c if c.is_uppercase() => 0,
        c if c.is_lowercase() => 1,
        c if c.is_ascii_digit() => 2,
        _ => 3,
    };
    replacements[kind].unwrap_or(c)
}
