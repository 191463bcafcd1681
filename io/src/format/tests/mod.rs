//! Whole files through decoders: what Spark answers for the same bytes. Every case runs with several chunk and block
//! sizes, which must make no difference.

mod alike;
mod csv;
mod json;
mod wild;

use firesteel_core::{
    Result,
    block::Value,
    schema::{DataType, Field, Schema},
    time::{TimeZone, zone},
};

use super::{
    Decoder, Format, Options,
    write::{JsonWriter, Style},
};

/// A table to read.
struct Table<'a> {
    format: Format,
    schema: Schema,
    options: &'a [(&'a str, &'a str)],
    needed: Vec<bool>,
    zone: TimeZone,
}

impl<'a> Table<'a> {
    fn new(format: Format, columns: &[(&str, DataType)], options: &'a [(&'a str, &'a str)]) -> Self {
        let fields: Vec<Field> = columns.iter().map(|(name, t)| Field::new(*name, t.clone())).collect();
        let needed = vec![true; fields.len()];
        Self { format, schema: Schema::new(fields), options, needed, zone: TimeZone::UTC }
    }

    fn needing(mut self, needed: &[bool]) -> Self {
        self.needed = needed.into();
        self
    }

    fn in_zone(mut self, name: &str) -> Self {
        self.zone = zone::find(name).unwrap();
        self
    }

    fn decoder(&self) -> Result<Decoder> {
        let options = Options::from_iter(self.options.iter().copied());
        Decoder::new(self.format, &self.schema, &options, &self.needed, &self.zone)
    }

    /// The rows of a file as JSON texts, and the decoder for what it counted.
    fn try_read(&self, bytes: &[u8], chunk: usize, block_rows: usize) -> Result<(Vec<String>, Decoder)> {
        let mut decoder = self.decoder()?.block_rows(block_rows);
        let writer = JsonWriter::new(&self.schema, Style::Plain);
        let mut out = Vec::new();
        let mut sink = |block: &firesteel_core::block::BlockRef<'_>| {
            assert!((1..=block_rows).contains(&block.len()), "a block has 1 to {block_rows} rows");
            writer.write_rows(block, &mut out);
            Ok(())
        };
        decoder.begin_file("file");
        for part in bytes.chunks(chunk) {
            decoder.push(part, &mut sink)?;
        }
        decoder.end_file(&mut sink)?;
        decoder.flush(&mut sink)?;
        let rows: Vec<String> = String::from_utf8(out).unwrap().lines().map(Into::into).collect();
        assert_eq!(decoder.rows(), rows.len() as u64);
        Ok((rows, decoder))
    }

    fn read(&self, text: &str) -> Vec<String> {
        let whole = self.try_read(text.as_bytes(), usize::MAX, 4096).unwrap().0;
        for (chunk, block_rows) in [(1, 1), (7, 3), (64, 2)] {
            assert_eq!(self.try_read(text.as_bytes(), chunk, block_rows).unwrap().0, whole, "in chunks of {chunk}");
        }
        whole
    }

    /// Asserts what a file reads as; rows are written without the names.
    fn assert_reads(&self, text: &str, expected: &[&str]) {
        let rows: Vec<String> = self.read(text).iter().map(|row| without_names(row)).collect();
        assert_eq!(rows, expected, "{text}");
    }
}

/// `{"a": 1, "b": "x"}` as `1, "x"`, for tables without nested columns.
fn without_names(row: &str) -> String {
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).unwrap();
    parsed.values().map(|v| v.to_string()).collect::<Vec<_>>().join(", ")
}

fn int(name: &str) -> (&str, DataType) {
    (name, DataType::Int32)
}

fn text(name: &str) -> (&str, DataType) {
    (name, DataType::String)
}

#[test]
fn text_lines_are_values() {
    let table = Table::new(Format::Text, &[text("value")], &[]);
    table.assert_reads("a\r\n\nc d\n", &[r#""a""#, r#""""#, r#""c d""#]);
    let whole = Table::new(Format::Text, &[text("value")], &[("wholetext", "true")]);
    whole.assert_reads("a\nb\n", &[r#""a\nb\n""#]);
    assert!(Table::new(Format::Text, &[int("value")], &[]).decoder().is_err());
}

#[test]
fn rows_of_several_files_share_blocks() {
    let table = Table::new(Format::Csv, &[int("a"), int("b")], &[("header", "true")]);
    let mut decoder = table.decoder().unwrap();
    let mut blocks = Vec::new();
    let mut sink = |block: &firesteel_core::block::BlockRef<'_>| {
        blocks.push((0..block.len()).map(|i| block.column(0).value(i)).collect::<Vec<_>>());
        Ok(())
    };
    for file in ["a,b\n1,2\n", "a,b\n3,4"] {
        decoder.begin_file("f");
        decoder.push(file.as_bytes(), &mut sink).unwrap();
        decoder.end_file(&mut sink).unwrap();
    }
    decoder.resume_file("f", 2);
    decoder.push(b"5,6\n", &mut sink).unwrap();
    decoder.flush(&mut sink).unwrap();
    decoder.flush(&mut sink).unwrap();
    assert_eq!(blocks, [[Value::Int32(1), Value::Int32(3), Value::Int32(5)]]);
}

#[test]
fn only_utf8_is_read() {
    let error = Table::new(Format::Csv, &[int("a")], &[("encoding", "UTF-16")]).decoder().unwrap_err();
    assert!(error.is_invalid_job() && error.hint_text().is_some());
}
