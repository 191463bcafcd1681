//! JSON lines: one object a row, keys in select order.

use firesteel_core::{
    block::{BlockRef, ColumnRef, Values},
    schema::{DataType, Field, Schema},
    time::{TimeZone, format_date, format_timestamp},
};

use super::{
    super::{base64, number::write_java},
    Style,
    text::{write_day_time, write_decimal, write_hex, write_integer, write_interval, write_year_month},
};

/// Writes rows of one schema as JSON lines.
#[derive(Debug)]
pub struct JsonWriter {
    columns: Vec<Node>,
    style: Style,
    batch_id: Option<u64>,
}

/// A column or a field of a struct: its key, and those inside it.
#[derive(Debug)]
struct Node {
    /// `"name":`, escaped.
    key: Box<[u8]>,
    inner: Vec<Node>,
}

impl JsonWriter {
    /// A writer of rows of this schema.
    pub fn new(schema: &Schema, style: Style) -> Self {
        Self { columns: schema.fields().iter().map(Node::new).collect(), style, batch_id: None }
    }

    /// Puts `"_batch_id": N` first in every row from here on.
    pub fn set_batch_id(&mut self, batch_id: Option<u64>) {
        self.batch_id = batch_id;
    }

    /// Appends the rows of a block that count, one line each.
    pub fn write_rows(&self, block: &BlockRef<'_>, out: &mut Vec<u8>) {
        let columns: Vec<ColumnRef<'_>> = (0..self.columns.len()).map(|i| block.column(i)).collect();
        block.rows().for_each(|row| {
            out.push(b'{');
            if let Some(id) = self.batch_id {
                out.extend_from_slice(b"\"_batch_id\": ");
                write_integer(id, out);
            }
            let fields = self.columns.iter().zip(&columns);
            fields.for_each(|(node, column)| self.write_field(node, column, row, out));
            out.extend_from_slice(b"}\n");
        });
    }

    /// One field, with the comma before it if something stands before it.
    #[inline]
    fn write_field(&self, node: &Node, column: &ColumnRef<'_>, row: usize, out: &mut Vec<u8>) {
        let is_null = !column.is_valid(row) || matches!(column.values, Values::Null);
        if is_null && self.leaves_out_nulls() {
            return;
        }
        if out.last() != Some(&b'{') {
            out.extend_from_slice(self.comma());
        }
        out.extend_from_slice(&node.key);
        if matches!(self.style, Style::Plain) {
            out.push(b' ');
        }
        if is_null {
            out.extend_from_slice(b"null");
        } else {
            self.write_value(node, column, column.index(row), out);
        }
    }

    /// The value at index `i`, which is not NULL.
    fn write_value(&self, node: &Node, column: &ColumnRef<'_>, i: usize, out: &mut Vec<u8>) {
        match (column.values, column.data_type) {
            (Values::Int64(v), DataType::Timestamp) => quoted(out, |out| self.write_timestamp(v[i], out)),
            (Values::Int64(v), DataType::TimestampNtz) => quoted(out, |out| self.write_timestamp_ntz(v[i], out)),
            (Values::Int64(v), DataType::IntervalDayTime(from, to)) => {
                quoted(out, |out| write_day_time(v[i], *from, *to, out))
            }
            (Values::Int32(v), DataType::IntervalYearMonth(from, to)) => {
                quoted(out, |out| write_year_month(v[i], *from, *to, out))
            }
            (Values::Int32(v), DataType::Date) => quoted(out, |out| self.write_date(v[i], out)),
            (Values::Int64(v), _) => write_integer(v[i], out),
            (Values::Int32(v), _) => write_integer(v[i], out),
            (Values::Int16(v), _) => write_integer(v[i], out),
            (Values::Int8(v), _) => write_integer(v[i], out),
            (Values::Float64(v), _) if v[i].is_finite() => {
                self.write_float(zmij::Buffer::new().format_finite(v[i]), out);
            }
            (Values::Float64(v), _) => quoted(out, |out| out.extend_from_slice(special(v[i]))),
            (Values::Float32(v), _) if v[i].is_finite() => {
                self.write_float(zmij::Buffer::new().format_finite(v[i]), out);
            }
            (Values::Float32(v), _) => quoted(out, |out| out.extend_from_slice(special(v[i].into()))),
            (Values::Boolean(bits), _) => out.extend_from_slice(if bits.get(i) { b"true" } else { b"false" }),
            (Values::Int128(v), DataType::Decimal(_, scale)) => match self.style {
                Style::Plain => quoted(out, |out| write_decimal(v[i], *scale, out)),
                Style::Spark(_) => write_decimal(v[i], *scale, out),
            },
            (Values::Bytes(bytes), DataType::Binary) => match self.style {
                Style::Plain => quoted(out, |out| write_hex(bytes.get(i), out)),
                Style::Spark(_) => quoted(out, |out| base64::encode(bytes.get(i), out)),
            },
            (Values::Bytes(bytes), _) => write_string(bytes.get(i), out),
            (Values::Interval(v), _) => quoted(out, |out| write_interval(v[i], out)),
            (Values::Struct(children), _) => {
                out.push(b'{');
                let fields = node.inner.iter().zip(children);
                fields.for_each(|(node, child)| self.write_field(node, &child.view(), i, out));
                out.push(b'}');
            }
            (Values::Array { offsets, elements }, _) => {
                let range = offsets[i] as usize..offsets[i + 1] as usize;
                self.write_array(&node.inner[0], &elements.view(), range, out);
            }
            (Values::Null | Values::Int128(_), _) => out.extend_from_slice(b"null"),
        }
    }

    fn write_array(&self, node: &Node, elements: &ColumnRef<'_>, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        out.push(b'[');
        for (n, i) in range.enumerate() {
            if n > 0 {
                out.extend_from_slice(self.comma());
            }
            if elements.is_valid(i) {
                self.write_value(node, elements, i, out);
            } else {
                out.extend_from_slice(b"null");
            }
        }
        out.push(b']');
    }

    fn write_timestamp(&self, micros: i64, out: &mut Vec<u8>) {
        match &self.style {
            Style::Plain => out.extend_from_slice(format_timestamp(micros, &TimeZone::UTC).as_bytes()),
            Style::Spark(style) => style.write_timestamp(micros, out),
        }
    }

    fn write_timestamp_ntz(&self, micros: i64, out: &mut Vec<u8>) {
        match &self.style {
            Style::Plain => out.extend_from_slice(format_timestamp(micros, &TimeZone::UTC).as_bytes()),
            Style::Spark(style) => style.write_timestamp_ntz(micros, out),
        }
    }

    fn write_date(&self, days: i32, out: &mut Vec<u8>) {
        match &self.style {
            Style::Plain => out.extend_from_slice(format_date(days).as_bytes()),
            Style::Spark(style) => style.write_date(days, out),
        }
    }

    fn write_float(&self, shortest: &str, out: &mut Vec<u8>) {
        match self.style {
            Style::Plain => out.extend_from_slice(shortest.as_bytes()),
            Style::Spark(_) => write_java(shortest, out),
        }
    }

    fn leaves_out_nulls(&self) -> bool {
        matches!(&self.style, Style::Spark(style) if style.ignore_null_fields)
    }

    fn comma(&self) -> &'static [u8] {
        if matches!(self.style, Style::Plain) { b", " } else { b"," }
    }
}

impl Node {
    fn new(field: &Field) -> Self {
        let mut key = Vec::new();
        write_string(field.name.as_bytes(), &mut key);
        key.push(b':');
        Self { key: key.into(), inner: Self::inner(&field.data_type) }
    }

    fn inner(data_type: &DataType) -> Vec<Self> {
        match data_type {
            DataType::Struct(fields) => fields.iter().map(Self::new).collect(),
            DataType::Array(element) => vec![Self { key: Box::default(), inner: Self::inner(element) }],
            _ => Vec::new(),
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn special(value: f64) -> &'static [u8] {
    match value {
        _ if value.is_nan() => b"NaN",
        _ if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    }
}

/// Text in quotes, escaped where JSON demands it.
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b < b' ' || matches!(b, b'"' | b'\\')) {
        out.extend_from_slice(&rest[..at]);
        write_escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let letter = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::{super::super::Options, *};
    use firesteel_core::block::{Block, Value};

    fn schema() -> Schema {
        let nested = DataType::Struct(vec![
            Field::new("n", DataType::Int16),
            Field::new("l", DataType::Array(Box::new(DataType::String))),
        ]);
        Schema::new(vec![
            Field::new("t", DataType::Timestamp),
            Field::new("d", DataType::Date),
            Field::new("x", DataType::Float64),
            Field::new("f", DataType::Float32),
            Field::new("m", DataType::Decimal(10, 2)),
            Field::new("s \"q\"", DataType::String),
            Field::new("b", DataType::Binary),
            Field::new("o", DataType::Boolean),
            Field::new("st", nested),
        ])
    }

    fn block() -> Block {
        let mut block = Block::new(&schema());
        block.push_row(&[
            Value::Int64(1_735_689_600_500_000),
            Value::Int32(20_089),
            Value::Float64(3.0),
            Value::Float32(0.1),
            Value::Decimal(-105),
            "a\"\\\n\u{1}é".into(),
            Value::Binary(vec![0xde, 0xad]),
            true.into(),
            Value::Struct(vec![Value::Int16(-1), Value::Array(vec!["x".into(), Value::Null])]),
        ]);
        block.push_row(&vec![Value::Null; 9]);
        let mut odd = vec![Value::Null; 9];
        odd[2] = Value::Float64(f64::NAN);
        odd[3] = Value::Float32(f32::NEG_INFINITY);
        odd[8] = Value::Struct(vec![Value::Null, Value::Array(vec![])]);
        block.push_row(&odd);
        block
    }

    fn written(writer: &JsonWriter) -> Vec<String> {
        let mut out = Vec::new();
        writer.write_rows(&block().view(), &mut out);
        String::from_utf8(out).unwrap().lines().map(Into::into).collect()
    }

    #[test]
    fn plain_rows_are_exact_and_complete() {
        let mut writer = JsonWriter::new(&schema(), Style::Plain);
        let first = concat!(
            r#"{"t": "2025-01-01 00:00:00.5", "d": "2025-01-01", "x": 3.0, "f": 0.1, "m": "-1.05", "#,
            r#""s \"q\"": "a\"\\\n\u0001é", "b": "dead", "o": true, "st": {"n": -1, "l": ["x", null]}}"#
        );
        let rows = written(&writer);
        assert_eq!(rows[0], first);
        assert!(rows[2].contains(r#""x": "NaN", "f": "-Infinity""#) && rows[2].ends_with(r#"{"n": null, "l": []}}"#));
        assert_eq!(rows[1].matches("null").count(), 9);
        writer.set_batch_id(Some(7));
        assert!(written(&writer)[1].starts_with(r#"{"_batch_id": 7, "t": null"#));
    }

    #[test]
    fn spark_rows_leave_nulls_out() {
        let style = Style::spark(&Options::default(), &TimeZone::UTC).unwrap();
        let rows = written(&JsonWriter::new(&schema(), style));
        let first = concat!(
            r#"{"t":"2025-01-01T00:00:00.500Z","d":"2025-01-01","x":3.0,"f":0.1,"m":-1.05,"#,
            r#""s \"q\"":"a\"\\\n\u0001é","b":"3q0=","o":true,"st":{"n":-1,"l":["x",null]}}"#
        );
        assert_eq!(rows, [first, "{}", r#"{"x":"NaN","f":"-Infinity","st":{"l":[]}}"#]);
    }
}
