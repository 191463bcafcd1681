//! CSV files.

use firesteel_core::schema::DataType;

use super::{
    super::{Format, Reason},
    Table, int, text,
};

fn id_v_s<'a>(options: &'a [(&'a str, &'a str)]) -> Table<'a> {
    Table::new(Format::Csv, &[int("id"), int("v"), text("s")], options)
}

#[test]
fn values_that_do_not_parse_are_null_and_the_rest_stays() {
    let file =
        "id,v,s\n1,5,x\n2,,\n3,NA,NA\n4,abc,y\n5,7.5,z\n6,99999999999,w\n7,1\n8,2,a,extra\n\n9,3,\"\"\n 1,+2,x\n";
    id_v_s(&[("header", "true")]).assert_reads(
        file,
        &[
            "1, 5, \"x\"",
            "2, null, null",
            "3, null, \"NA\"",
            "4, null, \"y\"",
            "5, null, \"z\"",
            "6, null, \"w\"",
            "7, 1, null",
            "8, 2, \"a\"",
            "9, 3, null",
            "null, 2, \"x\"",
        ],
    );
}

#[test]
fn null_and_empty_values_have_words() {
    let file = "1,,\"\"\n2,NA,NA\n3,1,x\n";
    id_v_s(&[("nullValue", "NA")]).assert_reads(file, &["1, null, \"\"", "2, null, null", "3, 1, \"x\""]);
    id_v_s(&[("emptyValue", "E")]).assert_reads(file, &["1, null, \"E\"", "2, null, \"NA\"", "3, 1, \"x\""]);
}

#[test]
fn types_have_their_own_texts() {
    let columns = [
        ("x", DataType::Float64),
        ("f", DataType::Float32),
        ("b", DataType::Boolean),
        ("m", DataType::Decimal(6, 2)),
        ("d", DataType::Date),
        ("i", DataType::Int8),
    ];
    let table = Table::new(Format::Csv, &columns, &[]);
    table.assert_reads(
        "1e3,0.1,TRUE,1.005,2025-01-02,127\nNaN,Inf,false,\"1,234.5\",2025,128\ninf,-Inf,1,99999,2025-01-02Tx,-128\n\
         Infinity, 7 ,t,abc,bad,1\n1.5d,1f,true,1e2,2025-1-2,+1\n",
        &[
            "1000.0, 0.1, true, \"1.01\", \"2025-01-02\", 127",
            "\"NaN\", \"Infinity\", false, \"1234.50\", \"2025-01-01\", null",
            "null, \"-Infinity\", null, null, \"2025-01-02\", -128",
            "\"Infinity\", 7.0, null, null, null, 1",
            "1.5, 1.0, true, \"100.00\", \"2025-01-02\", 1",
        ],
    );
    let words = [("nanValue", "n/a"), ("positiveInf", "up"), ("negativeInf", "down")];
    let table = Table::new(Format::Csv, &[("x", DataType::Float64)], &words);
    table.assert_reads("n/a\nup\ndown\nInf\n-7\n", &["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "null", "-7.0"]);
}

#[test]
fn timestamps_follow_the_cast_or_the_pattern() {
    let columns = [("t", DataType::Timestamp), ("n", DataType::TimestampNtz)];
    let file = "2025-01-01 00:00:01.5,2025-01-01 00:00:01\n2025-01-01T00:00Z,2025-01-01 00:00:01Z\n2025,2025-1-1\n";
    Table::new(Format::Csv, &columns, &[]).in_zone("+01:00").assert_reads(
        file,
        &[
            "\"2024-12-31 23:00:01.5\", \"2025-01-01 00:00:01\"",
            "null, null",
            "\"2024-12-31 23:00:00\", \"2025-01-01 00:00:00\"",
        ],
    );
    let options =
        [("timestampFormat", "dd/MM/yyyy HH:mm:ss.SSS"), ("dateFormat", "dd.MM.yyyy"), ("timeZone", "+01:00")];
    let columns = [("t", DataType::Timestamp), ("d", DataType::Date), ("v", DataType::Int32)];
    Table::new(Format::Csv, &columns, &options).assert_reads(
        "01/02/2025 10:00:01.5,03.02.2025,1\nbad,04.02.2025,3\n2025-01-01 00:00:00,2025-01-01,4\n,,6\n",
        &["\"2025-02-01 09:00:01.5\", \"2025-02-03\", 1", "null, \"2025-02-04\", 3", "null, null, 4", "null, null, 6"],
    );
}

#[test]
fn headers_are_skipped_once_and_columns_go_by_position() {
    let two = [int("a"), int("b")];
    Table::new(Format::Csv, &two, &[("header", "true")]).assert_reads("\n b,a\n1,2\nb,a\n", &["1, 2", "null, null"]);
    let strict = [("header", "true"), ("enforceSchema", "false")];
    let table = Table::new(Format::Csv, &two, &strict);
    table.assert_reads("A,b\n1,2\n", &["1, 2"]);
    let error = table.try_read(b"b,a\n1,2\n", 100, 10).unwrap_err();
    assert!(error.message().contains("b, a"), "{error}");
    let comment = [("header", "true"), ("comment", "#")];
    Table::new(Format::Csv, &two, &comment).assert_reads("# x\na,b\n1,2\n#3,4\n5,6\n", &["1, 2", "5, 6"]);
}

#[test]
fn modes_decide_what_becomes_of_malformed_rows() {
    let file = "1,2,a\nx,2,b\n3,4\n5,6,c,d\n7,8,e\n";
    id_v_s(&[("mode", "DROPMALFORMED")]).assert_reads(file, &["1, 2, \"a\"", "7, 8, \"e\""]);
    let error = id_v_s(&[("mode", "failfast")]).try_read(file.as_bytes(), 100, 10).unwrap_err();
    assert!(error.is_data() && error.message().contains("file, line 2, column 1"), "{error}");
    let (_, decoder) = id_v_s(&[]).try_read(file.as_bytes(), 100, 10).unwrap();
    let malformed = decoder.malformed();
    assert_eq!((malformed.total(), malformed.count(Reason::Type), malformed.count(Reason::Width)), (3, 1, 2));
    assert!(
        malformed.to_string().contains("3 malformed records (1 value of another type, 2 wrong number"),
        "{malformed}"
    );
}

#[test]
fn the_width_does_not_matter_if_columns_are_not_needed() {
    let file = "1,2,a\nx,2,b\n3,4\n5,6,c,d\n";
    let drop = [("mode", "DROPMALFORMED")];
    id_v_s(&drop).needing(&[true, true, false]).assert_reads(file, &["1, 2, null", "3, 4, null", "5, 6, null"]);
    id_v_s(&drop).needing(&[false; 3]).assert_reads(file, &["null, null, null"; 4]);
    id_v_s(&drop)
        .needing(&[false, false, true])
        .assert_reads(file, &["null, null, \"a\"", "null, null, \"b\"", "null, null, null", "null, null, \"c\""]);
}

#[test]
fn malformed_records_go_to_their_column() {
    let columns = [int("a"), text("_corrupt_record"), int("b")];
    let table = Table::new(Format::Csv, &columns, &[]);
    table.assert_reads("1,2\nx,\"3\"\n4\n", &["1, null, 2", "null, \"x,\\\"3\\\"\", 3", "4, \"4\", null"]);
    let named = [("columnNameOfCorruptRecord", "bad")];
    Table::new(Format::Csv, &[int("a"), text("bad")], &named).assert_reads("1\nx\n", &["1, null", "null, \"x\""]);
}

#[test]
fn line_ends_and_marks_are_no_part_of_values() {
    let two = [int("a"), text("b")];
    Table::new(Format::Csv, &two, &[]).assert_reads("\u{feff}1,x\r\n2,y\r3,z", &["1, \"x\"", "2, \"y\"", "3, \"z\""]);
    Table::new(Format::Csv, &two, &[("lineSep", ";")]).assert_reads("1,x;2,y;", &["1, \"x\"", "2, \"y\""]);
}

#[test]
fn quoted_values_span_lines_on_request() {
    let two = [int("a"), text("b")];
    let multi = [("multiLine", "true"), ("header", "true")];
    let table = Table::new(Format::Csv, &two, &multi);
    let file = "a,b\n1,\"x\ny\"\n\n2,z\n3,\"open\nto the end";
    table.assert_reads(file, &["1, \"x\\ny\"", "2, \"z\"", "3, \"open\\nto the end\""]);
    table.assert_reads(&file.replace('\n', "\r\n"), &["1, \"x\\ny\"", "2, \"z\"", "3, \"open\\nto the end\""]);
    let (_, decoder) = table.try_read(b"a,b\n1,\"x\ny\"\nz,\n", 3, 10).unwrap();
    assert!(decoder.malformed().first().is_some_and(|first| first.contains("line 4")), "{:?}", decoder.malformed());
    Table::new(Format::Csv, &two, &[]).assert_reads("1,\"x\ny\"\n", &["1, \"x\"", "null, null"]);
}

#[test]
fn text_that_is_not_utf8_is_replaced() {
    let table = Table::new(Format::Csv, &[int("a"), text("b")], &[]);
    let (rows, _) = table.try_read(b"1,\xff\xfe\n\xff,x\n", 100, 10).unwrap();
    assert_eq!(rows, ["{\"a\": 1, \"b\": \"\u{fffd}\u{fffd}\"}", "{\"a\": null, \"b\": \"x\"}"]);
}

#[test]
fn options_that_make_no_sense_are_errors() {
    let nested = DataType::Array(Box::new(DataType::Int32));
    type Pairs<'a, T> = &'a [(&'a str, T)];
    let cases: [(Pairs<'_, DataType>, Pairs<'_, &str>); 6] = [
        (&[int("a")], &[("header", "yes")]),
        (&[int("a")], &[("quote", "ab")]),
        (&[int("a")], &[("sep", "")]),
        (&[("t", DataType::Timestamp)], &[("timestampFormat", "YYYY")]),
        (&[int("a")], &[("unescapedQuoteHandling", "RAISE_ERROR")]),
        (&[("a", nested)], &[]),
    ];
    for (columns, options) in cases {
        let error = Table::new(Format::Csv, columns, options).decoder().unwrap_err();
        assert!(error.is_invalid_job(), "{options:?}: {error}");
    }
}
