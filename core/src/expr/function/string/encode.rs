//! Bytes as text and back: encode, decode, base64, UTF-8 checks.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::super::{Call, Function, define::fill};
use crate::{
    block::Value,
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, apply1,
        bind::choose,
        operator::{self, Site},
    },
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["encode"], bind: encode },
    Function { names: &["decode"], bind: decode },
    Function { names: &["base64"], bind: base64 },
    Function { names: &["unbase64"], bind: unbase64 },
    Function { names: &["to_binary"], bind: |call| to_binary(call, false) },
    Function { names: &["try_to_binary"], bind: |call| to_binary(call, true) },
    Function { names: &["is_valid_utf8"], bind: is_valid_utf8 },
    Function { names: &["make_valid_utf8"], bind: make_valid_utf8 },
    Function { names: &["validate_utf8"], bind: |call| validate_utf8(call, false) },
    Function { names: &["try_validate_utf8"], bind: |call| validate_utf8(call, true) },
];

/// The character sets that Spark takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Latin1,
    Ascii,
    Utf8,
    /// With a byte order mark.
    Utf16,
    Utf16Be,
    Utf16Le,
    Utf32,
}

impl Charset {
    fn parse(name: &str, function: &str) -> Result<Self> {
        let charset = match name.to_ascii_uppercase().as_str() {
            "ISO-8859-1" => Self::Latin1,
            "US-ASCII" => Self::Ascii,
            "UTF-8" => Self::Utf8,
            "UTF-16" => Self::Utf16,
            "UTF-16BE" => Self::Utf16Be,
            "UTF-16LE" => Self::Utf16Le,
            "UTF-32" => Self::Utf32,
            _ => {
                let text = format!("{function}() does not know the character set {name}");
                return Err(Error::data("INVALID_PARAMETER_VALUE.CHARSET", text)
                    .hint("iso-8859-1, us-ascii, utf-8, utf-16, utf-16be, utf-16le or utf-32"));
            }
        };
        Ok(charset)
    }

    /// `None` if a character is not in the set.
    fn encode(self, s: &str, bytes: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Utf8 => bytes.extend_from_slice(s.as_bytes()),
            Self::Latin1 => s.chars().try_for_each(|c| u8::try_from(c as u32).ok().map(|b| bytes.push(b)))?,
            Self::Ascii if s.is_ascii() => bytes.extend_from_slice(s.as_bytes()),
            Self::Ascii => return None,
            Self::Utf16 | Self::Utf16Be => {
                if self == Self::Utf16 && !s.is_empty() {
                    bytes.extend([0xfe, 0xff]);
                }
                s.encode_utf16().for_each(|unit| bytes.extend(unit.to_be_bytes()));
            }
            Self::Utf16Le => s.encode_utf16().for_each(|unit| bytes.extend(unit.to_le_bytes())),
            Self::Utf32 => s.chars().for_each(|c| bytes.extend((c as u32).to_be_bytes())),
        }
        Some(())
    }

    /// `None` if the bytes are no text of the set.
    fn decode(self, bytes: &[u8], text: &mut String) -> Option<()> {
        match self {
            Self::Utf8 => text.push_str(core::str::from_utf8(bytes).ok()?),
            Self::Latin1 => text.extend(bytes.iter().map(|b| char::from(*b))),
            Self::Ascii if bytes.is_ascii() => text.push_str(core::str::from_utf8(bytes).ok()?),
            Self::Ascii => return None,
            Self::Utf16 => match bytes {
                [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes, text)?,
                [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes, text)?,
                all => decode_utf16(all, u16::from_be_bytes, text)?,
            },
            Self::Utf16Be => decode_utf16(bytes, u16::from_be_bytes, text)?,
            Self::Utf16Le => decode_utf16(bytes, u16::from_le_bytes, text)?,
            Self::Utf32 => {
                let (words, []) = bytes.as_chunks::<4>() else { return None };
                words.iter().try_for_each(|w| char::from_u32(u32::from_be_bytes(*w)).map(|c| text.push(c)))?;
            }
        }
        Some(())
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, text: &mut String) -> Option<()> {
    let (units, []) = bytes.as_chunks::<2>() else { return None };
    char::decode_utf16(units.iter().map(|u| unit(*u))).try_for_each(|c| c.ok().map(|c| text.push(c)))
}

fn malformed(function: &str, charset: &str) -> Error {
    Error::data("MALFORMED_CHARACTER_CODING", format!("{function}() met what {charset} cannot express"))
}

fn encode(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String, DataType::String])?;
    call.run(DataType::Binary, |_, args, rows, out| {
        fill(args, rows, out, |(s, charset): (&str, &str), bytes: &mut Vec<u8>| {
            Charset::parse(charset, "encode")?.encode(s, bytes).ok_or_else(|| malformed("encode", charset))
        })
    })
}

/// `decode(bytes, charset)`, or `decode(x, search, result, ... [, default])`, which is a CASE that finds NULL too.
fn decode(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=usize::MAX)?;
    if call.args.len() > 2 {
        return decode_cases(call);
    }
    call.typed(&[DataType::Binary, DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(bytes, charset): (&[u8], &str), text: &mut String| {
            Charset::parse(charset, "decode")?.decode(bytes, text).ok_or_else(|| malformed("decode", charset))
        })
    })
}

fn decode_cases(mut call: Call<'_>) -> Result<BoundExpr> {
    let site = Site::new(call.settings, call.span);
    let mut args = core::mem::take(&mut call.args).into_iter();
    let tested = args.next().ok_or_else(|| Error::internal("decode() has arguments"))?;
    let mut branches = Vec::new();
    let mut otherwise = BoundExpr::literal(Value::Null, DataType::Null);
    while let Some(search) = args.next() {
        match args.next() {
            Some(result) => {
                branches.push((operator::binary(tested.clone(), BinaryOp::NullSafeEq, search, site)?, result));
            }
            None => otherwise = search,
        }
    }
    choose(branches, otherwise, site)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    if *call.type_of(0) != DataType::Binary {
        call.uncast(0, &DataType::String)?;
    }
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(bytes,): (&[u8],), text: &mut String| {
            push_base64(bytes, text);
            Ok(())
        })
    })
}

pub(super) fn push_base64(bytes: &[u8], text: &mut String) {
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        let digit = |i: usize| char::from(ALPHABET[(word >> (18 - 6 * i) & 63) as usize]);
        text.extend((0..=group.len()).map(digit));
        text.extend(core::iter::repeat_n('=', 3 - group.len()));
    }
}

fn unbase64(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::Binary, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), bytes: &mut Vec<u8>| {
            push_unbase64(s, bytes).ok_or_else(|| Error::invalid(format!("'{s}' is no base64")))
        })
    })
}

/// As MIME decodes: foreign characters are skipped, padding ends the text. `None` if digits are missing or too many.
pub(super) fn push_unbase64(s: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (digits, padding) = s.split_at(s.find('=').unwrap_or(s.len()));
    let (mut word, mut bits, mut count) = (0_u32, 0, 0);
    for digit in digits.bytes().filter_map(digit) {
        word = word << 6 | digit;
        bits += 6;
        count += 1;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    let is_padded = match count % 4 {
        0 => padding.is_empty(),
        1 => false,
        2 => padding.is_empty() || padding.starts_with("=="),
        _ => true,
    };
    (is_padded && !padding.bytes().any(|b| digit(b).is_some())).then_some(())
}

fn digit(b: u8) -> Option<u32> {
    ALPHABET.iter().position(|a| *a == b).map(|digit| digit as u32)
}

/// Digits and blanks, with the padding that is due or with none.
fn is_strict_base64(s: &str) -> bool {
    let text: Vec<u8> = s.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let count = text.iter().take_while(|b| digit(**b).is_some()).count();
    let padding = &text[count..];
    padding.iter().all(|b| *b == b'=') && padding.len() <= 2 && (padding.is_empty() || text.len().is_multiple_of(4))
}

/// `to_binary(text [, format])`: hex (the default), utf-8 or base64.
fn to_binary(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    call.default_arg(1, "hex", DataType::String);
    call.typed(&[DataType::String, DataType::String])?;
    call.run_nullable(DataType::Binary, move |_, args, rows, out| {
        fill(args, rows, out, |(s, format): (&str, &str), bytes: &mut Vec<u8>| {
            let converted = match format.to_ascii_lowercase().as_str() {
                "hex" => super::super::math::integer::push_unhexed(s, bytes),
                "utf-8" | "utf8" => {
                    bytes.extend_from_slice(s.as_bytes());
                    Some(())
                }
                "base64" if is_strict_base64(s) => push_unbase64(s, bytes),
                _ => None,
            };
            match converted {
                None if !is_try => {
                    Err(Error::data("CONVERSION_INVALID_INPUT", format!("'{s}' is no {format} of a binary"))
                        .hint("try_to_binary() gives NULL instead"))
                }
                converted => Ok(converted),
            }
        })
    })
}

/// A STRING is valid by construction; the question makes sense for a BINARY.
fn bytes_of_text(call: &mut Call<'_>) -> Result<()> {
    call.arity(1..=1)?;
    if *call.type_of(0) == DataType::Binary { Ok(()) } else { call.coerce(0, &DataType::String) }
}

fn is_valid_utf8(mut call: Call<'_>) -> Result<BoundExpr> {
    bytes_of_text(&mut call)?;
    call.run(DataType::Boolean, |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| Ok(core::str::from_utf8(bytes).is_ok()))
    })
}

fn make_valid_utf8(mut call: Call<'_>) -> Result<BoundExpr> {
    bytes_of_text(&mut call)?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(bytes,): (&[u8],), text: &mut String| {
            text.push_str(&String::from_utf8_lossy(bytes));
            Ok(())
        })
    })
}

fn validate_utf8(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    bytes_of_text(&mut call)?;
    call.run_nullable(DataType::String, move |_, args, rows, out| {
        apply1(args, rows, out, |bytes: &[u8]| match core::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_string())),
            Err(_) if is_try => Ok(None),
            Err(_) => Err(Error::data("INVALID_UTF8_STRING", "a string holds bytes that are not UTF-8")),
        })
    })
}
