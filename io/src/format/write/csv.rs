//! CSV: quoted where Spark quotes, escaped with a backslash, an empty string as `""`, NULL as nothing.

use firesteel_core::{
    Error, Result,
    block::{BlockRef, ColumnRef, Values},
    schema::{DataType, Schema},
    time::{TimeZone, format_date, format_timestamp},
};

use super::{
    super::{Format, Options, convert::unsupported_type},
    Style, cell,
};

/// Writes rows of one schema as CSV.
#[derive(Debug)]
pub struct CsvWriter {
    names: Vec<String>,
    style: Style,
    delimiter: Vec<u8>,
    quote: u8,
    escape: u8,
    null_value: Vec<u8>,
    empty_value: Vec<u8>,
    has_header: bool,
    quotes_all: bool,
    /// Spark trims what it writes; plain text is left as it is.
    trims: (bool, bool),
}

impl CsvWriter {
    /// A writer of rows of this schema, with Spark's options; in plain style there is a header unless `header` is
    /// false, and nested values are written as tables print them.
    pub fn new(schema: &Schema, style: Style, options: &Options) -> Result<Self> {
        let is_plain = matches!(style, Style::Plain);
        let is_nested = |t: &DataType| matches!(t, DataType::Struct(_) | DataType::Array(_));
        if let Some(field) = schema.fields().iter().find(|f| !is_plain && is_nested(&f.data_type)) {
            return Err(unsupported_type(field, Format::Csv).hint("write json, or select the fields"));
        }
        let delimiter = options.get_any(&["sep", "delimiter"]).unwrap_or(",").replace("\\t", "\t");
        if delimiter.is_empty() {
            return Err(Error::invalid("the delimiter must not be empty"));
        }
        Ok(Self {
            names: schema.fields().iter().map(|f| f.name.clone()).collect(),
            style,
            delimiter: delimiter.into_bytes(),
            quote: options.character("quote", Some(b'"'))?.unwrap_or(0),
            escape: options.character("escape", Some(b'\\'))?.unwrap_or(b'\\'),
            null_value: options.get("nullValue").unwrap_or_default().into(),
            empty_value: options.get("emptyValue").unwrap_or("\"\"").into(),
            has_header: options.flag("header", is_plain)?,
            quotes_all: options.flag("quoteAll", false)?,
            trims: (
                options.flag("ignoreLeadingWhiteSpace", !is_plain)?,
                options.flag("ignoreTrailingWhiteSpace", !is_plain)?,
            ),
        })
    }

    /// Appends the names of the columns, if a header is wanted.
    pub fn write_header(&self, out: &mut Vec<u8>) {
        if !self.has_header {
            return;
        }
        for (i, name) in self.names.iter().enumerate() {
            self.delimit(i, out);
            self.write_text(name.as_bytes(), out);
        }
        out.push(b'\n');
    }

    /// Appends the rows of a block that count, one line each.
    pub fn write_rows(&self, block: &BlockRef<'_>, out: &mut Vec<u8>) {
        let columns: Vec<ColumnRef<'_>> = (0..self.names.len()).map(|i| block.column(i)).collect();
        let mut scratch = Vec::new();
        block.rows().for_each(|row| {
            for (i, column) in columns.iter().enumerate() {
                self.delimit(i, out);
                self.write_value(column, row, &mut scratch, out);
            }
            out.push(b'\n');
        });
    }

    fn write_value(&self, column: &ColumnRef<'_>, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if !column.is_valid(row) {
            return out.extend_from_slice(&self.null_value);
        }
        let i = column.index(row);
        match (column.values, column.data_type, &self.style) {
            (Values::Bytes(bytes), DataType::String, _) => self.write_text(bytes.get(i), out),
            (Values::Int64(v), DataType::Timestamp, Style::Spark(style)) => {
                self.write_formatted(|out| style.write_timestamp(v[i], out), scratch, out);
            }
            (Values::Int64(v), DataType::TimestampNtz, Style::Spark(style)) => {
                self.write_formatted(|out| style.write_timestamp_ntz(v[i], out), scratch, out);
            }
            (Values::Int32(v), DataType::Date, Style::Spark(style)) => {
                self.write_formatted(|out| style.write_date(v[i], out), scratch, out);
            }
            (Values::Int64(v), DataType::Timestamp | DataType::TimestampNtz, Style::Plain) => {
                out.extend_from_slice(format_timestamp(v[i], &TimeZone::UTC).as_bytes());
            }
            (Values::Int32(v), DataType::Date, Style::Plain) => out.extend_from_slice(format_date(v[i]).as_bytes()),
            _ => self.write_formatted(|out| cell::write(column, row, &TimeZone::UTC, out), scratch, out),
        }
    }

    /// A value whose text may need quotes.
    fn write_formatted(&self, write: impl FnOnce(&mut Vec<u8>), scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        scratch.clear();
        write(scratch);
        self.write_text(scratch, out);
    }

    fn write_text(&self, text: &[u8], out: &mut Vec<u8>) {
        let text = self.trim(text);
        if text.is_empty() {
            return out.extend_from_slice(&self.empty_value);
        }
        if !self.needs_quotes(text) {
            return out.extend_from_slice(text);
        }
        out.push(self.quote);
        for &byte in text {
            if byte == self.quote || byte == self.escape {
                out.push(self.escape);
            }
            out.push(byte);
        }
        out.push(self.quote);
    }

    fn needs_quotes(&self, text: &[u8]) -> bool {
        let is_special = |b: &u8| matches!(b, b'\n' | b'\r') || *b == self.quote;
        let has_delimiter = || match self.delimiter[..] {
            [byte] => text.contains(&byte),
            _ => memchr::memmem::find(text, &self.delimiter).is_some(),
        };
        self.quote != 0 && (self.quotes_all || text.iter().any(is_special) || has_delimiter())
    }

    fn trim<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let is_dark = |b: &u8| *b > b' ';
        let start = if self.trims.0 { text.iter().position(is_dark).unwrap_or(text.len()) } else { 0 };
        let text = &text[start..];
        let end = if self.trims.1 { text.iter().rposition(is_dark).map_or(0, |i| i + 1) } else { text.len() };
        &text[..end]
    }

    fn delimit(&self, i: usize, out: &mut Vec<u8>) {
        if i > 0 {
            out.extend_from_slice(&self.delimiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firesteel_core::{
        block::{Block, Value},
        schema::Field,
    };

    fn written(style: Style, options: &Options) -> String {
        let schema = Schema::new(vec![
            Field::new("t", DataType::Timestamp),
            Field::new("x,y", DataType::Float64),
            Field::new("s", DataType::String),
        ]);
        let mut block = Block::new(&schema);
        block.push_row(&[Value::Int64(1_735_689_600_123_456), Value::Float64(1e7), "plain".into()]);
        block.push_row(&[Value::Null, Value::Null, Value::Null]);
        block.push_row(&[Value::Null, Value::Float64(f64::NAN), "".into()]);
        block.push_row(&[Value::Null, Value::Null, "a,\"b\"\\c\n ".into()]);
        let writer = CsvWriter::new(&schema, style, options).unwrap();
        let mut out = Vec::new();
        writer.write_header(&mut out);
        writer.write_rows(&block.view(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_rows_have_a_header_and_keep_blanks() {
        let expected = concat!(
            "t,\"x,y\",s\n2025-01-01 00:00:00.123456,1.0E7,plain\n,,\n,NaN,\"\"\n",
            ",,\"a,\\\"b\\\"\\\\c\n \"\n"
        );
        assert_eq!(written(Style::Plain, &Options::default()), expected);
    }

    #[test]
    fn spark_rows_follow_its_options() {
        let options = Options::from_iter([("sep", ";"), ("nullValue", "NA"), ("header", "true")]);
        let style = Style::spark(&options, &TimeZone::UTC).unwrap();
        let expected = concat!(
            "t;x,y;s\n2025-01-01T00:00:00.123Z;1.0E7;plain\nNA;NA;NA\nNA;NaN;\"\"\n",
            "NA;NA;\"a,\\\"b\\\"\\\\c\"\n"
        );
        assert_eq!(written(style, &options), expected);
    }
}
