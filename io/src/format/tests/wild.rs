//! Any bytes at all: nothing panics, chunks and blocks make no difference, and what is valid agrees with another
//! parser.

use firesteel_core::schema::{DataType, Field};
use proptest::prelude::*;

use super::{super::Format, Table, int, text};

fn columns() -> Vec<(&'static str, DataType)> {
    let point = DataType::Struct(vec![Field::new("x", DataType::Float32), Field::new("y", DataType::Boolean)]);
    vec![
        int("i"),
        text("s"),
        ("t", DataType::Timestamp),
        ("x", DataType::Float64),
        ("m", DataType::Decimal(10, 3)),
        ("d", DataType::Date),
        ("p", DataType::Array(Box::new(point))),
    ]
}

fn flat() -> Vec<(&'static str, DataType)> {
    columns().into_iter().take(6).collect()
}

const OPTIONS: [&[(&str, &str)]; 5] = [
    &[],
    &[("multiLine", "true"), ("header", "true")],
    &[("escape", "\""), ("comment", "#"), ("ignoreLeadingWhiteSpace", "true"), ("ignoreTrailingWhiteSpace", "true")],
    &[("mode", "DROPMALFORMED"), ("sep", "||"), ("lineSep", "\r\n")],
    &[("allowComments", "true"), ("allowUnquotedFieldNames", "true"), ("allowBackslashEscapingAnyCharacter", "true")],
];

/// Reads bytes every way there is and expects the same rows.
fn read_every_way(format: Format, columns: &[(&str, DataType)], bytes: &[u8]) {
    for options in OPTIONS {
        // What separates records must do so for every format.
        if format == Format::Json && options.iter().any(|(name, _)| *name == "lineSep") {
            continue;
        }
        let table = Table::new(format, columns, options);
        let whole = table.try_read(bytes, usize::MAX, 100).unwrap().0;
        for (chunk, block_rows) in [(1, 1), (3, 7)] {
            assert_eq!(table.try_read(bytes, chunk, block_rows).unwrap().0, whole, "{options:?}");
        }
    }
}

/// Text made of what formats take for structure.
fn structured() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just("\"".to_string()),
        Just("\\".into()),
        Just(",".into()),
        Just("\n".into()),
        Just("\r\n".into()),
        Just("{".into()),
        Just("}".into()),
        Just("[".into()),
        Just("]".into()),
        Just(":".into()),
        Just("||".into()),
        Just("\"i\":1".into()),
        Just("\"p\":[{\"x\":1.5}]".into()),
        Just("\"s\":\"a\"".into()),
        Just("null".into()),
        Just(" ".into()),
        Just("#".into()),
        Just("/*".into()),
        Just("'".into()),
        Just("1e5".into()),
        Just("-".into()),
        Just("2025-01-01T00:00:00Z".into()),
        Just("\\u00e9".into()),
        Just("\\ud83d".into()),
        "[a-z0-9.é]{0,3}",
    ];
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_read_the_same_in_any_chunks(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_every_way(Format::Csv, &flat(), &bytes);
        read_every_way(Format::Json, &columns(), &bytes);
        read_every_way(Format::Text, &[text("value")], &bytes);
    }

    #[test]
    fn any_structure_reads_the_same_in_any_chunks(bytes in structured()) {
        read_every_way(Format::Csv, &flat(), &bytes);
        read_every_way(Format::Json, &columns(), &bytes);
    }

    #[test]
    fn a_damaged_row_harms_no_other(at in 0_usize..120, byte in any::<u8>()) {
        let row = r#"{"i":1,"s":"a\u00e9","t":"2025-01-01T00:00:00Z","x":1.5,"m":"1.25","d":"2025-01-01","p":[{"x":1}]}"#;
        let mut damaged = row.as_bytes().to_vec();
        let at = at % damaged.len();
        damaged[at] = byte;
        prop_assume!(!matches!(byte, b'\n' | b'\r'));
        let file = [row.as_bytes(), b"\n", &damaged, b"\n", row.as_bytes()].concat();
        let table = columns();
        let rows = Table::new(Format::Json, &table, &[]).try_read(&file, 50, 2).unwrap().0;
        prop_assert_eq!(rows.len(), 3);
        prop_assert_eq!(&rows[0], &rows[2]);
        prop_assert!(rows[0].contains("\"x\": 1.5"));
    }

    #[test]
    fn valid_json_agrees_with_another_parser(i in any::<i32>(), x in any::<f64>(), s in "\\PC{0,12}", pretty in any::<bool>()) {
        let value = serde_json::json!({ "s": s, "x": x, "more": [null, { "k": [s] }], "i": i });
        let line = if pretty { serde_json::to_string_pretty(&value).unwrap().replace('\n', " ") } else { value.to_string() };
        let table = Table::new(Format::Json, &[int("i"), ("x", DataType::Float64), text("s")], &[]);
        let rows = table.try_read(line.as_bytes(), 9, 4).unwrap().0;
        let back: serde_json::Value = serde_json::from_str(&rows[0]).unwrap();
        prop_assert_eq!(&back["s"], &value["s"]);
        prop_assert_eq!(&back["i"], &value["i"]);
        prop_assert_eq!(&back["x"], &value["x"]);
    }

    #[test]
    fn quoted_csv_comes_back_as_it_was(values in prop::collection::vec("[a-z,\"\\\\ é]{1,8}", 1..5)) {
        let quote = |v: &String| format!("\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\""));
        let line = values.iter().map(quote).collect::<Vec<_>>().join(",");
        let names: Vec<String> = (0..values.len()).map(|i| format!("c{i}")).collect();
        let columns: Vec<(&str, DataType)> = names.iter().map(|n| (n.as_str(), DataType::String)).collect();
        let rows = Table::new(Format::Csv, &columns, &[]).try_read(line.as_bytes(), 5, 4).unwrap().0;
        let back: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&rows[0]).unwrap();
        let back: Vec<&str> = back.values().map(|v| v.as_str().unwrap_or_default()).collect();
        prop_assert_eq!(back, values);
    }
}
