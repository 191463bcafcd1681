//! Strings, one file a topic: `case` (letters and lengths), `slice` (parts, padding, trimming), `search` (finding and
//! replacing plain text), `regex` (patterns; `java` translates Java's syntax, `course` walks the simple ones), `join`
//! (concatenation), `encode` (bytes as text), `format` and `printf` (numbers as text), `web` (URLs), `json`.
//!
//! Positions count characters from 1, as SQL does; the helpers here turn them into byte offsets.

pub(super) mod case;
mod course;
pub(super) mod encode;
mod extract;
pub(super) mod format;
pub(crate) mod java;
pub(super) mod join;
pub(super) mod json;
pub(super) mod printf;
pub(super) mod regex;
pub(super) mod search;
pub(super) mod slice;
pub(super) mod web;

use crate::schema::DataType;

/// Number of characters.
fn char_count(s: &str) -> usize {
    // Bytes that start a character are those that do not look like 0b10xx_xxxx; the loop vectorises.
    s.bytes().filter(|&b| (b as i8) >= -0x40).count()
}

/// Byte offset of character `index` (from 0), or the length of the text if it has fewer.
fn byte_offset(s: &str, index: usize) -> usize {
    if s.is_ascii() {
        return index.min(s.len());
    }
    s.char_indices().nth(index).map_or(s.len(), |(offset, _)| offset)
}

/// STRING for anything but BINARY, which stays what it is.
fn text_or_binary(t: &DataType) -> DataType {
    if *t == DataType::Binary { DataType::Binary } else { DataType::String }
}
