//! Letters and lengths: upper, lower, initcap, length, ascii, chr, soundex, levenshtein.

use alloc::{string::String, vec::Vec};

use super::{
    super::{Call, Function, define::fill},
    char_count, text_or_binary,
};
use crate::{
    error::Result,
    expr::{BoundExpr, apply1, apply2, apply3},
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["upper", "ucase"], bind: upper },
    Function { names: &["lower", "lcase"], bind: lower },
    Function { names: &["initcap"], bind: initcap },
    Function { names: &["length", "char_length", "character_length", "len"], bind: length },
    Function { names: &["octet_length"], bind: octet_length },
    Function { names: &["bit_length"], bind: bit_length },
    Function { names: &["ascii"], bind: ascii },
    Function { names: &["chr", "char"], bind: chr },
    Function { names: &["soundex"], bind: soundex },
    Function { names: &["levenshtein"], bind: levenshtein },
    Function { names: &["quote"], bind: quote },
    Function { names: &["luhn_check"], bind: luhn_check },
];

fn upper(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            push_upper(s, text);
            Ok(())
        })
    })
}

fn push_upper(s: &str, text: &mut String) {
    if s.is_ascii() {
        text.push_str(s);
        text.make_ascii_uppercase();
    } else {
        text.extend(s.chars().flat_map(char::to_uppercase));
    }
}

fn lower(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            push_lower(s, text);
            Ok(())
        })
    })
}

fn push_lower(s: &str, text: &mut String) {
    if s.is_ascii() {
        text.push_str(s);
        text.make_ascii_lowercase();
    } else {
        // Not character by character: a sigma at the end of a word has a form of its own.
        text.push_str(&s.to_lowercase());
    }
}

fn initcap(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            push_initcap(s, text);
            Ok(())
        })
    })
}

/// Only a space begins a new word.
fn push_initcap(s: &str, text: &mut String) {
    for (i, word) in s.split(' ').enumerate() {
        if i > 0 {
            text.push(' ');
        }
        if let Some(first) = word.chars().next() {
            // A letter that has no single capital (ß) becomes a capital and small letters (Ss).
            let mut title = first.to_uppercase();
            text.extend(title.next());
            text.extend(title.flat_map(char::to_lowercase));
            let small = word.to_lowercase();
            text.extend(small.chars().skip(first.to_lowercase().count()));
        }
    }
}

fn length(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let input = text_or_binary(call.type_of(0));
    call.coerce(0, &input)?;
    if input == DataType::Binary {
        return byte_length(call, 1);
    }
    call.run(DataType::Int32, |_, args, rows, out| apply1(args, rows, out, |s: &str| Ok(char_count(s) as i32)))
}

fn octet_length(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let input = text_or_binary(call.type_of(0));
    call.coerce(0, &input)?;
    byte_length(call, 1)
}

fn bit_length(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let input = text_or_binary(call.type_of(0));
    call.coerce(0, &input)?;
    byte_length(call, 8)
}

fn byte_length(call: Call<'_>, unit: i32) -> Result<BoundExpr> {
    call.run(DataType::Int32, move |_, args, rows, out| {
        apply1(args, rows, out, |b: &[u8]| Ok((b.len() as i32).wrapping_mul(unit)))
    })
}

fn ascii(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::Int32, |_, args, rows, out| {
        apply1(args, rows, out, |s: &str| Ok(s.chars().next().map_or(0, |c| c as i32)))
    })
}

fn chr(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::Int64])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(code,): (i64,), text: &mut String| {
            if code >= 0 {
                text.push(char::from(code as u8));
            }
            Ok(())
        })
    })
}

fn soundex(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    call.uncast(0, &DataType::String)?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            push_soundex(s, text);
            Ok(())
        })
    })
}

/// The code of each letter A to Z: digits count, `0` is a vowel and separates equal digits, `7` (H and W) does not.
const SOUNDEX: &[u8; 26] = b"01230127022455012623017202";

fn push_soundex(s: &str, text: &mut String) {
    let Some(first) = s.bytes().next().filter(u8::is_ascii_alphabetic) else {
        return text.push_str(s);
    };
    let code = |b: u8| SOUNDEX[usize::from(b.to_ascii_uppercase() - b'A')];
    text.push(char::from(first.to_ascii_uppercase()));
    let mut last = code(first);
    for b in s.bytes().skip(1) {
        if !b.is_ascii_alphabetic() {
            last = b'0';
            continue;
        }
        let digit = code(b);
        if digit == b'7' {
            continue;
        }
        if digit != b'0' && digit != last {
            text.push(char::from(digit));
            if text.len() == 4 {
                return;
            }
        }
        last = digit;
    }
    while text.len() < 4 {
        text.push('0');
    }
}

fn levenshtein(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed_from(2, &[DataType::String, DataType::String, DataType::Int32])?;
    let has_threshold = call.args.len() == 3;
    call.run(DataType::Int32, move |_, args, rows, out| {
        let mut row = Vec::new();
        if has_threshold {
            return apply3(args, rows, out, |a: &str, b: &str, threshold: i32| {
                let distance = distance(a, b, &mut row);
                Ok(if distance <= threshold { distance } else { -1 })
            });
        }
        apply2(args, rows, out, |a: &str, b: &str| Ok(distance(a, b, &mut row)))
    })
}

/// Edits between two texts: one row of the table is kept, and one cell of the row above.
fn distance(a: &str, b: &str, row: &mut Vec<i32>) -> i32 {
    row.clear();
    row.extend(0..=char_count(b) as i32);
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i as i32;
        row[0] = diagonal + 1;
        for (j, y) in b.chars().enumerate() {
            let substituted = diagonal + i32::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

fn quote(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            text.push('\'');
            for c in s.chars() {
                if c == '\'' {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('\'');
            Ok(())
        })
    })
}

fn luhn_check(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::Boolean, |_, args, rows, out| apply1(args, rows, out, |s: &str| Ok(luhn(s))))
}

fn luhn(s: &str) -> bool {
    let digit = |(i, b): (usize, u8)| {
        let d = u32::from(b - b'0') << (i % 2);
        if d > 9 { d - 9 } else { d }
    };
    !s.is_empty()
        && s.bytes().all(|b| b.is_ascii_digit())
        && s.bytes().rev().enumerate().map(digit).sum::<u32>().is_multiple_of(10)
}
