//! Rows that mostly look alike, as sensors write them, with the odd one between: read straight or line by line, they
//! give the same rows and the same complaints.

use firesteel_core::schema::DataType;
use proptest::prelude::*;

use super::{super::Format, Table, int, text};

const OPTIONS: [&[(&str, &str)]; 7] = [
    &[],
    &[("mode", "DROPMALFORMED"), ("comment", "-")],
    &[("sep", ";"), ("nanValue", "1.5"), ("allowNumericLeadingZeros", "true")],
    &[("nullValue", "7"), ("columnPruning", "false"), ("allowNonNumericNumbers", "false")],
    &[("header", "true"), ("quote", ""), ("allowSingleQuotes", "false"), ("timestampFormat", "yyyy-MM-dd HH:mm:ss")],
    &[("sep", "\\t"), ("quote", "\u{0}"), ("timeZone", "America/New_York"), ("columnNameOfCorruptRecord", "bad")],
    &[("sep", "e"), ("quote", "9")],
];

const NEEDED: [[bool; 7]; 5] = [
    [true; 7],
    [true, true, true, true, true, true, false],
    [false, true, false, true, false, false, false],
    [true, false, false, false, false, false, true],
    [false; 7],
];

fn columns() -> [(&'static str, DataType); 7] {
    [
        ("t", DataType::Timestamp),
        int("i"),
        ("l", DataType::Int64),
        ("x", DataType::Float64),
        text("s"),
        ("d", DataType::Date),
        text("bad"),
    ]
}

/// Most of the time `usual`, else one of the odd ones.
fn mostly(usual: impl Strategy<Value = String> + 'static, odd: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![12 => usual, 1 => prop::sample::select(odd).prop_map(Into::into)].boxed()
}

/// The texts of six values.
fn values() -> impl Strategy<Value = [String; 6]> {
    let time = (8..11, 0..25, 0..60, prop::sample::select(&["", ".5", ".123", ".123456", "Z", ".12Z"][..]))
        .prop_map(|(day, hour, second, tail)| format!("2025-03-{day:02} {hour:02}:59:{second:02}{tail}"));
    let odd_times = &["", "null", "2025", "2025-03-09T01:00:00+02:00", "2025-03-09 01:00:00.1234567", "x\"", "1"];
    let odd_numbers = &[
        "",
        "null",
        "-",
        "+1",
        "007",
        "2147483648",
        "99999999999999999999",
        "1e3",
        "1.",
        ".5",
        "-0",
        "NaN",
        " 1",
        "1 ",
        "true",
        "\"1\"",
        "12345678",
        "1234567890123456",
        "12345678901234567",
        "0.12345678901234567",
        "9007199254740993.5",
        "00000000000000000001.5",
        "123456789.123456789",
        "1.5",
        "Infinity",
        "1x",
        "é",
        "{\"a\":[1]}",
        "\\",
    ];
    let odd_texts =
        &["", "null", "\"q\"", "a\"b", "\\n", "a,b", "a;b", "ü", "\u{1}", "a longer text without an end", "-"];
    [
        mostly(time, odd_times),
        mostly((-2000..2000).prop_map(|i: i32| i.to_string()), odd_numbers),
        mostly(any::<i32>().prop_map(|i| (i64::from(i) << 20).to_string()), odd_numbers),
        mostly((-1e6..1e6).prop_map(|x: f64| ((x * 100.0).round() / 100.0).to_string()), odd_numbers),
        mostly("[a-z0-9 é]{0,20}".prop_map(String::from), odd_texts),
        mostly((1..29).prop_map(|day: i32| format!("2025-02-{day:02}")), &["", "null", "2025-2-1", "x"]),
    ]
}

/// Bytes between rows: LF nearly always.
fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\r"), 1 => Just("\n\n"), 1 => Just(" \n"), 1 => Just(",1\n")]
}

fn csv_row(values: &[String; 6], separator: &str) -> String {
    values.join(separator)
}

fn json_row(values: &[String; 6], blank: &str) -> String {
    let [t, i, l, x, s, d] = values;
    let quoted = |text: &str| if text == "null" { text.to_string() } else { format!("\"{text}\"") };
    let (t, s, d) = (quoted(t), quoted(s), quoted(d));
    format!("{{\"t\":{blank}{t},\"i\":{i},\"other\":{x},\"l\":{l},\"x\":{x},\"s\":{s}{blank},\"d\":{d}}}")
}

fn assert_same(format: Format, bytes: &[u8], options: &[(&str, &str)]) {
    for needed in NEEDED {
        let table = Table::new(format, &columns(), options).needing(&needed);
        // One byte at a time there is never a whole row to go straight through.
        let (slow, counted) = table.try_read(bytes, 1, 64).unwrap();
        for (chunk, block_rows) in [(usize::MAX, 64), (usize::MAX, 3), (300, 64)] {
            let (rows, decoder) = table.try_read(bytes, chunk, block_rows).unwrap();
            assert_eq!(rows, slow, "{options:?} {needed:?}\n{}", String::from_utf8_lossy(bytes));
            assert_eq!(decoder.malformed(), counted.malformed(), "{options:?} {needed:?}");
            assert_eq!(decoder.lines(), counted.lines(), "{options:?} {needed:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 5_000 }))]

    #[test]
    fn csv_rows_read_the_same_straight_or_not(rows in prop::collection::vec((values(), line_end()), 1..30)) {
        for options in OPTIONS {
            let separator = options.iter().find(|(name, _)| *name == "sep").map_or(",", |(_, sep)| *sep);
            let separator = if separator == "\\t" { "\t" } else { separator };
            let file: String = rows.iter().map(|(values, end)| csv_row(values, separator) + end).collect();
            assert_same(Format::Csv, file.as_bytes(), options);
        }
    }

    #[test]
    fn json_lines_read_the_same_straight_or_not(
        rows in prop::collection::vec((values(), line_end()), 1..30),
        blank in prop::sample::select(&["", " "][..]),
    ) {
        for options in OPTIONS {
            let file: String = rows.iter().map(|(values, end)| json_row(values, blank) + end).collect();
            assert_same(Format::Json, file.as_bytes(), options);
        }
    }
}
