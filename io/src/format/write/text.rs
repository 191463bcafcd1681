//! What the writers share: numbers, decimals, intervals and plain lines as text.

use std::fmt;

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    schema::{DataType, Schema},
    time::{
        Interval,
        interval::{self, Unit},
    },
};

/// Appends to bytes what `fmt` writes.
pub(super) struct Appender<'a>(pub(super) &'a mut Vec<u8>);

impl fmt::Write for Appender<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[inline]
pub(super) fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// All digits of the scale, never an exponent.
pub(super) fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    if value < 0 {
        out.push(b'-');
    }
    let scale = usize::from(scale.max(0).unsigned_abs());
    if scale == 0 {
        return out.extend_from_slice(digits.as_bytes());
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    out.push(b'.');
    out.resize(out.len() + (scale - fraction.len()), b'0');
    out.extend_from_slice(fraction.as_bytes());
}

/// `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
pub(super) fn write_day_time(micros: i64, from: Unit, to: Unit, out: &mut Vec<u8>) {
    appended(interval::write_day_time(&mut Appender(out), micros, from, to));
}

/// `INTERVAL '1-2' YEAR TO MONTH`.
pub(super) fn write_year_month(months: i32, from: Unit, to: Unit, out: &mut Vec<u8>) {
    appended(interval::write_year_month(&mut Appender(out), months, from, to));
}

/// `1 months 2 days 3 seconds`.
pub(super) fn write_interval(interval: Interval, out: &mut Vec<u8>) {
    appended(fmt::Write::write_fmt(&mut Appender(out), format_args!("{interval}")));
}

/// Appending to memory does not fail.
fn appended(result: fmt::Result) {
    debug_assert!(result.is_ok(), "writing to memory failed");
}

/// Two lower-case digits a byte.
pub(super) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// A text sink takes one column of strings.
pub(super) fn check_schema(schema: &Schema) -> Result<()> {
    match schema.fields() {
        [field] if field.data_type == DataType::String => Ok(()),
        _ => Err(Error::unsupported("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", "text holds one column of type STRING")),
    }
}

/// A line a value; NULL is an empty line.
pub(super) fn write_lines(block: &BlockRef<'_>, out: &mut Vec<u8>) {
    let column = block.column(0);
    block.rows().for_each(|row| {
        if column.is_valid(row) {
            out.extend_from_slice(column.bytes_at(row));
        }
        out.push(b'\n');
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_have_all_digits_of_their_scale() {
        let cases = [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (-7, 0, "-7"),
            (1, 6, "0.000001"),
        ];
        for (value, scale, expected) in cases {
            assert_eq!(text(|out| write_decimal(value, scale, out)), expected);
        }
        let largest = 10_i128.pow(38) - 1;
        assert_eq!(text(|out| write_decimal(largest, 38, out)), format!("0.{}", "9".repeat(38)));
    }

    #[test]
    fn intervals_are_spark_s() {
        assert_eq!(
            text(|out| write_day_time(93_784_500_000, Unit::Day, Unit::Second, out)),
            "INTERVAL '1 02:03:04.5' DAY TO SECOND"
        );
        assert_eq!(
            text(|out| write_day_time(-1, Unit::Day, Unit::Second, out)),
            "INTERVAL '-0 00:00:00.000001' DAY TO SECOND"
        );
        assert_eq!(text(|out| write_year_month(-14, Unit::Year, Unit::Month, out)), "INTERVAL '-1-2' YEAR TO MONTH");
    }
}
