//! Finding and replacing plain text: instr, locate, contains, replace, translate, find_in_set.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use super::{
    super::{
        Call, Function,
        define::{each_row, fill},
    },
    byte_offset, char_count,
};
use crate::{
    block::Value,
    error::{Error, Result},
    expr::{BoundExpr, apply2, check_text},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["instr"], bind: instr },
    Function { names: &["locate", "position"], bind: locate },
    Function { names: &["contains"], bind: contains },
    Function { names: &["startswith"], bind: startswith },
    Function { names: &["endswith"], bind: endswith },
    Function { names: &["replace"], bind: replace },
    Function { names: &["translate"], bind: translate },
    Function { names: &["find_in_set"], bind: find_in_set },
];

/// `instr(text, wanted [, start [, occurrence]])`: a negative start counts from the end, and looks towards the front.
fn instr(mut call: Call<'_>) -> Result<BoundExpr> {
    if call.args.len() <= 2 {
        call.typed(&[DataType::String, DataType::String])?;
        return call.run(DataType::Int32, |_, args, rows, out| {
            apply2(args, rows, out, |s: &str, wanted: &str| Ok(position(s, wanted, 0)))
        });
    }
    call.default_arg(3, 1, DataType::Int32);
    call.typed(&[DataType::String, DataType::String, DataType::Int32, DataType::Int32])?;
    call.run(DataType::Int32, |_, args, rows, out| {
        each_row(args, rows, out, |row, out| {
            let number = |i: usize| args[i].as_slice::<i32>()[args[i].index(row)];
            out.push(occurrence(args[0].str_at(row), args[1].str_at(row), number(2), number(3))?);
            Ok(())
        })
    })
}

/// Position (from 1) of the `count`th occurrence from `start` on; they may overlap.
fn occurrence(s: &str, wanted: &str, start: i32, count: i32) -> Result<i32> {
    if count < 1 {
        let text = format!("occurrence must be a positive number, not {count}");
        return Err(Error::data("INVALID_PARAMETER_VALUE.OCCURRENCE", text));
    }
    if wanted.is_empty() {
        return Ok(1);
    }
    let places = || s.char_indices().map(|(at, _)| at).enumerate();
    let is_there = |&(_, at): &(usize, usize)| s[at..].starts_with(wanted);
    let (skipped, nth) = ((start.unsigned_abs() as usize).wrapping_sub(1), count as usize - 1);
    let found = match start {
        0 => None,
        1.. => places().skip(skipped).filter(is_there).nth(nth),
        _ => {
            let starts: Vec<_> = places().collect();
            starts.into_iter().rev().skip(skipped).filter(is_there).nth(nth)
        }
    };
    Ok(found.map_or(0, |(character, _)| character as i32 + 1))
}

/// Position (from 1) of the first occurrence that starts at character `from` (from 0) or later; 0 if there is none.
fn position(s: &str, wanted: &str, from: usize) -> i32 {
    if wanted.is_empty() {
        return 1;
    }
    let start = byte_offset(s, from);
    s[start..].find(wanted).map_or(0, |at| char_count(&s[..start + at]) as i32 + 1)
}

/// A NULL start gives 0, not NULL, whatever the texts are.
fn locate(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, 1, DataType::Int32);
    call.typed(&[DataType::String, DataType::String, DataType::Int32])?;
    call.run(DataType::Int32, |_, args, rows, out| {
        let start = &args[2];
        let starts = start.as_slice::<i32>();
        each_row(&[], rows, out, |row, out| {
            if !start.is_valid(row) {
                out.push(0);
            } else if !args[0].is_valid(row) || !args[1].is_valid(row) {
                out.push_null();
            } else {
                let from = starts[start.index(row)];
                let (wanted, text) = (args[0].str_at(row), args[1].str_at(row));
                out.push(if from < 1 { 0 } else { position(text, wanted, from as usize - 1) });
            }
            Ok(())
        })
    })
}

fn contains(call: Call<'_>) -> Result<BoundExpr> {
    compare(call, |s, wanted| s.contains(wanted), |b, wanted| find_bytes(b, wanted).is_some())
}

fn startswith(call: Call<'_>) -> Result<BoundExpr> {
    compare(call, |s, wanted| s.starts_with(wanted), |b, wanted| b.starts_with(wanted))
}

fn endswith(call: Call<'_>) -> Result<BoundExpr> {
    compare(call, |s, wanted| s.ends_with(wanted), |b, wanted| b.ends_with(wanted))
}

fn compare(mut call: Call<'_>, text: fn(&str, &str) -> bool, binary: fn(&[u8], &[u8]) -> bool) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    if (0..2).all(|i| *call.type_of(i) == DataType::Binary) {
        return call.run(DataType::Boolean, move |_, args, rows, out| {
            apply2(args, rows, out, |b: &[u8], wanted: &[u8]| Ok(binary(b, wanted)))
        });
    }
    call.coerce_all(&DataType::String)?;
    call.run(DataType::Boolean, move |_, args, rows, out| {
        apply2(args, rows, out, |s: &str, wanted: &str| Ok(text(s, wanted)))
    })
}

fn find_bytes(b: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    b.windows(wanted.len()).position(|part| part == wanted)
}

fn replace(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=3)?;
    call.default_arg(2, Value::from(""), DataType::String);
    call.typed(&[DataType::String, DataType::String, DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s, old, new): (&str, &str, &str), text: &mut String| push_replaced(s, old, new, text))
    })
}

fn push_replaced(s: &str, old: &str, new: &str, text: &mut String) -> Result<()> {
    if old.is_empty() {
        text.push_str(s);
        return Ok(());
    }
    for (i, kept) in s.split(old).enumerate() {
        if i > 0 {
            text.push_str(new);
            check_text(text.len() + kept.len())?;
        }
        text.push_str(kept);
    }
    Ok(())
}

fn translate(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String, DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        let mut table = Translation::default();
        fill(args, rows, out, |(s, from, to): (&str, &str, &str), text: &mut String| {
            table.prepare(from, to);
            text.extend(s.chars().filter_map(|c| table.of(c)));
            Ok(())
        })
    })
}

/// What each character becomes, kept from row to row while the arguments are the same.
#[derive(Default)]
struct Translation {
    from: String,
    to: String,
    /// Sorted by the character; `None` deletes it.
    pairs: Vec<(char, Option<char>)>,
}

impl Translation {
    fn prepare(&mut self, from: &str, to: &str) {
        if self.from == from && self.to == to {
            return;
        }
        (self.from, self.to) = (from.to_owned(), to.to_owned());
        let mut targets = to.chars();
        self.pairs.clear();
        self.pairs.extend(from.chars().map(|c| (c, targets.next())));
        // The first of equal characters counts: the sort is stable and dedup keeps the first.
        self.pairs.sort_by_key(|pair| pair.0);
        self.pairs.dedup_by_key(|pair| pair.0);
    }

    fn of(&self, c: char) -> Option<char> {
        self.pairs.binary_search_by_key(&c, |pair| pair.0).map_or(Some(c), |found| self.pairs[found].1)
    }
}

fn find_in_set(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    call.run(DataType::Int32, |_, args, rows, out| {
        apply2(args, rows, out, |wanted: &str, set: &str| {
            let found = set.split(',').position(|item| item == wanted);
            Ok(if wanted.contains(',') { 0 } else { found.map_or(0, |i| i as i32 + 1) })
        })
    })
}
