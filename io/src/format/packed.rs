//! Files that are not text: packed ones and columnar ones, known by their first bytes. Read as text they would give
//! rows of rubbish, so they are refused by name.

use firesteel_core::{Error, Result};

/// Bytes from a file's beginning that tell its kind.
pub const HEAD_BYTES: usize = 10;

/// What a file begins with, what it then is, and what unpacks it to standard output.
const KINDS: &[(&[u8], &str, Option<&str>)] = &[
    (b"\x1f\x8b\x08", "packed with gzip", Some("zcat")),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", Some("zstdcat")),
    (b"BZh91AY&SY", "packed with bzip2", Some("bzcat")),
    (b"\xfd7zXZ\0", "packed with xz", Some("xzcat")),
    (b"\x04\x22\x4d\x18", "packed with lz4", Some("lz4cat")),
    (b"\xff\x06\0\0sNaPpY", "packed with snappy", None),
    (b"PK\x03\x04", "a zip archive", Some("unzip -p")),
    (b"PAR1", "a Parquet file", None),
    (b"ORC", "an ORC file", None),
    (b"Obj\x01", "an Avro file", None),
    (b"SQLite for", "an SQLite database", None),
    (b"\x7fELF", "a program", None),
];

/// Fails if text cannot begin with these bytes: the first [`HEAD_BYTES`] of `name`, or all if it has fewer.
pub fn refuse(name: &str, head: &[u8]) -> Result<()> {
    let Some((magic, what, unpack)) = KINDS.iter().find(|(magic, ..)| head.starts_with(magic)) else {
        return Ok(());
    };
    // Three letters begin words, too: what follows them in an ORC file is no letter of a text.
    if magic == b"ORC" && !head[magic.len()..].iter().any(|byte| *byte < b'\t' || *byte >= 0x80) {
        return Ok(());
    }
    let hint = match unpack {
        Some(tool) => format!(
            "unpack it first, or pipe it in: {tool} FILE | firesteel run JOB.sql, the table's path being '-' (standard input)"
        ),
        None => "csv, json and text are what can be read".into(),
    };
    Err(Error::io(format!("{name} is {what}, not text")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_known_by_its_first_bytes() {
        let cases: [(&[u8], Option<&str>); 11] = [
            (b"\x1f\x8b\x08\x00\x00\x00", Some("gzip")),
            (b"\x28\xb5\x2f\xfd....", Some("zstd")),
            (b"BZh91AY&SY", Some("bzip2")),
            (b"PAR1\x15\x04", Some("Parquet")),
            (b"ORC\x0a\x03\x00", Some("ORC")),
            (b"ORCHID,1,2", None),
            (b"BZh,BZi", None),
            (b"ORC", None),
            (b"\x1f\x8b", None),
            (b"", None),
            ("å,1\n".as_bytes(), None),
        ];
        for (head, expected) in cases {
            let found = refuse("x", head).err().map(|e| e.message().to_string());
            assert_eq!(found.is_some(), expected.is_some(), "{head:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        let error = refuse("logs.gz", b"\x1f\x8b\x08").unwrap_err();
        assert!(error.is_io() && error.hint_text().unwrap().contains("zcat FILE | firesteel run"), "{error}");
    }
}
