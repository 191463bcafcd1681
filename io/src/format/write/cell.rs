//! A value as Spark's `show` prints it: what CAST AS STRING says, `NULL` for NULL, `{1, a}` for a struct, `[1, 2]` for
//! an array, `[DE AD]` for a binary.

use firesteel_core::{
    block::{ColumnRef, Values},
    schema::DataType,
    time::{TimeZone, format_date, format_timestamp},
};

use super::{
    super::number::write_java,
    text::{write_day_time, write_decimal, write_integer, write_interval, write_year_month},
};

/// The text of row `row`.
pub fn text(column: &ColumnRef<'_>, row: usize, zone: &TimeZone) -> String {
    let mut out = Vec::new();
    write(column, row, zone, &mut out);
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Appends the text of row `row`; timestamps are clock readings in `zone`.
pub fn write(column: &ColumnRef<'_>, row: usize, zone: &TimeZone, out: &mut Vec<u8>) {
    if !column.is_valid(row) {
        return out.extend_from_slice(b"NULL");
    }
    let i = column.index(row);
    match (column.values, column.data_type) {
        (Values::Null, _) => out.extend_from_slice(b"NULL"),
        (Values::Boolean(bits), _) => out.extend_from_slice(if bits.get(i) { b"true" } else { b"false" }),
        (Values::Int64(v), DataType::Timestamp) => out.extend_from_slice(format_timestamp(v[i], zone).as_bytes()),
        (Values::Int64(v), DataType::TimestampNtz) => {
            out.extend_from_slice(format_timestamp(v[i], &TimeZone::UTC).as_bytes());
        }
        (Values::Int64(v), DataType::IntervalDayTime(from, to)) => write_day_time(v[i], *from, *to, out),
        (Values::Int32(v), DataType::IntervalYearMonth(from, to)) => write_year_month(v[i], *from, *to, out),
        (Values::Int32(v), DataType::Date) => out.extend_from_slice(format_date(v[i]).as_bytes()),
        (Values::Int8(v), _) => write_integer(v[i], out),
        (Values::Int16(v), _) => write_integer(v[i], out),
        (Values::Int32(v), _) => write_integer(v[i], out),
        (Values::Int64(v), _) => write_integer(v[i], out),
        (Values::Float32(v), _) => write_float(v[i].into(), zmij::Buffer::new().format(v[i]), out),
        (Values::Float64(v), _) => write_float(v[i], zmij::Buffer::new().format(v[i]), out),
        (Values::Int128(v), DataType::Decimal(_, scale)) => write_decimal(v[i], *scale, out),
        (Values::Int128(v), _) => write_integer(v[i], out),
        (Values::Bytes(bytes), DataType::Binary) => write_binary(bytes.get(i), out),
        (Values::Bytes(bytes), _) => out.extend_from_slice(bytes.get(i)),
        (Values::Interval(v), _) => write_interval(v[i], out),
        (Values::Struct(children), _) => write_list(b"{}", out, children.len(), |n, out| {
            write(&children[n].view(), i, zone, out);
        }),
        (Values::Array { offsets, elements }, _) => {
            let (start, end) = (offsets[i] as usize, offsets[i + 1] as usize);
            let elements = elements.view();
            write_list(b"[]", out, end - start, |n, out| write(&elements, start + n, zone, out));
        }
    }
}

fn write_list(brackets: &[u8; 2], out: &mut Vec<u8>, len: usize, mut item: impl FnMut(usize, &mut Vec<u8>)) {
    out.push(brackets[0]);
    for n in 0..len {
        if n > 0 {
            out.extend_from_slice(b", ");
        }
        item(n, out);
    }
    out.push(brackets[1]);
}

fn write_float(value: f64, shortest: &str, out: &mut Vec<u8>) {
    match value {
        _ if value.is_nan() => out.extend_from_slice(b"NaN"),
        f64::INFINITY => out.extend_from_slice(b"Infinity"),
        f64::NEG_INFINITY => out.extend_from_slice(b"-Infinity"),
        _ => write_java(shortest, out),
    }
}

fn write_binary(bytes: &[u8], out: &mut Vec<u8>) {
    write_list(b"[]", out, 0, |_, _| {});
    out.pop();
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(format!("{byte:02X}").as_bytes());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use firesteel_core::{
        block::{Column, Value},
        schema::Field,
    };

    #[test]
    fn cells_read_as_in_spark() {
        let point = DataType::Struct(vec![Field::new("x", DataType::Int32), Field::new("s", DataType::String)]);
        let cases: [(DataType, Value, &str); 12] = [
            (DataType::Int32, Value::Null, "NULL"),
            (DataType::Boolean, true.into(), "true"),
            (DataType::Float64, Value::Float64(1e7), "1.0E7"),
            (DataType::Float64, Value::Float64(f64::NAN), "NaN"),
            (DataType::Float32, Value::Float32(0.1), "0.1"),
            (DataType::Decimal(5, 2), Value::Decimal(150), "1.50"),
            (DataType::Timestamp, Value::Int64(0), "1970-01-01 00:00:00"),
            (DataType::Date, Value::Int32(1), "1970-01-02"),
            (DataType::Binary, Value::Binary(vec![0xde, 0xad]), "[DE AD]"),
            (DataType::String, "a b".into(), "a b"),
            (point, Value::Struct(vec![1.into(), Value::Null]), "{1, NULL}"),
            (DataType::Array(Box::new(DataType::Int64)), Value::Array(vec![1_i64.into(), 2_i64.into()]), "[1, 2]"),
        ];
        for (data_type, value, expected) in cases {
            let column = Column::from_values(data_type, &[value]);
            assert_eq!(text(&column.view(), 0, &TimeZone::UTC), expected);
        }
    }
}
