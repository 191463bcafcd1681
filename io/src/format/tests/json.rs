//! JSON lines.

use firesteel_core::schema::{DataType, Field};

use super::{
    super::{Format, Reason},
    Table, int, text,
};

fn id_v_s<'a>(options: &'a [(&'a str, &'a str)]) -> Table<'a> {
    Table::new(Format::Json, &[int("id"), ("v", DataType::Float64), text("s")], options)
}

#[test]
fn malformed_lines_are_null_and_blank_ones_are_none() {
    let file = concat!(
        "{\"id\":1,\"v\":1.5,\"s\":\"a\"}\n{\"id\":2,\"v\":\nnot json\n{\"id\":3,\"v\":2,\"s\":\"b\"}\n\n",
        "{\"id\":4,\"v\":3,\"s\":\"c\"} trailing\n[1,2]\n{\"id\":5,\"v\":1,\"s\":\"d\"\n\"just a string\"\n42\n{}\nnull\n",
        "  {'id':6,'s':'e','v':0}  \r\n\u{feff}{\"id\":7}\n"
    );
    let none = "null, null, null";
    let expected = ["1, 1.5, \"a\"", none, none, "3, 2.0, \"b\"", "4, 3.0, \"c\"", none, none, none, none, none, none];
    let expected = [&expected[..], &["6, 0.0, \"e\"", "7, null, null"]].concat();
    id_v_s(&[]).assert_reads(file, &expected);
    let (_, decoder) = id_v_s(&[]).try_read(file.as_bytes(), 100, 10).unwrap();
    assert_eq!(decoder.malformed().count(Reason::Syntax), 7);
    // `{}` is a good record, so that dropping malformed ones keeps it.
    assert_eq!(id_v_s(&[("mode", "DROPMALFORMED")]).read(file).len(), 6);
}

#[test]
fn keys_are_case_sensitive_and_the_last_one_wins() {
    let file = concat!(
        "{\"id\":1}\n{\"v\":2,\"id\":2,\"extra\":{\"a\":[1,{}]},\"s\":\"x\"}\n{\"ID\":3,\"V\":1,\"s\":\"case\"}\n",
        "{\"id\":5,\"id\":55,\"v\":1}\n{\"id\":5,\"id\":\"x\",\"s\":\"y\",\"s\":null}\n{\"\\u0069d\":6}\n"
    );
    let expected =
        ["1, null, null", "2, 2.0, \"x\"", "null, null, \"case\"", "55, 1.0, null", "5, null, null", "6, null, null"];
    id_v_s(&[]).assert_reads(file, &expected);
}

#[test]
fn values_of_another_type_are_null() {
    let columns = [
        int("i"),
        ("l", DataType::Int64),
        ("d", DataType::Float64),
        ("b", DataType::Boolean),
        text("s"),
        ("t", DataType::Timestamp),
    ];
    let file = concat!(
        r#"{"i":1,"l":2,"d":3,"b":true,"s":"x","t":"2025-01-01T00:00:00Z"}"#,
        "\n",
        r#"{"i":"7","l":1.9,"d":"2.5","b":"true","s":5,"t":0}"#,
        "\n",
        r#"{"i":99999999999,"l":99999999999999999999,"d":1e400,"b":1,"s":true,"t":"garbage"}"#,
        "\n",
        r#"{"i":1.0,"l":-5,"d":"Infinity","b":false,"s":{"a": 1, "b":[2]},"t":1735689600}"#,
        "\n",
        r#"{"i":true,"l":null,"d":null,"b":null,"s":[1, 2],"t":null}"#,
        "\n",
        r#"{"i":-0,"l":9223372036854775807,"d":-INF,"b":"x","s":1.50,"t":"2025-01-01 00:00:00.5"}"#,
        "\n",
        r#"{"i":[1],"l":{"a":{}},"d":"inf","b":[],"s":NaN,"t":1735689600.5}"#,
        "\n",
        r#"{"i":"","l":1e3,"d":NaN,"b":"","s":"","t":""}"#,
        "\n",
    );
    Table::new(Format::Json, &columns, &[]).assert_reads(
        file,
        &[
            r#"1, 2, 3.0, true, "x", "2025-01-01 00:00:00""#,
            r#"null, null, null, null, "5", "1970-01-01 00:00:00""#,
            r#"null, null, "Infinity", null, "true", null"#,
            r#"null, -5, "Infinity", false, "{\"a\": 1, \"b\":[2]}", "2025-01-01 00:00:00""#,
            r#"null, null, null, null, "[1, 2]", null"#,
            r#"0, 9223372036854775807, "-Infinity", null, "1.50", "2025-01-01 00:00:00.5""#,
            r#"null, null, null, null, "NaN", null"#,
            r#"null, null, "NaN", null, "", null"#,
        ],
    );
}

#[test]
fn rarer_types_have_their_texts() {
    let columns = [
        ("m", DataType::Decimal(6, 2)),
        ("b", DataType::Binary),
        ("d", DataType::Date),
        ("n", DataType::TimestampNtz),
        ("y", DataType::Int8),
        ("f", DataType::Float32),
    ];
    let file = concat!(
        r#"{"m":1.005,"b":"3q0=","d":"2025-01-02","n":"2025-01-01 00:00:00","y":200,"f":0.1}"#,
        "\n",
        r#"{"m":"1,234.5","b":"","d":"123","n":"2025-01-01T00:00:00Z","y":-128,"f":"NaN"}"#,
        "\n",
        r#"{"m":99999,"b":"***","d":"20250102","n":1,"y":256,"f":16777217}"#,
        "\n",
        r#"{"m":"x","b":5,"d":5,"n":"","y":1.0,"f":"+INF"}"#,
        "\n",
    );
    Table::new(Format::Json, &columns, &[]).assert_reads(
        file,
        &[
            r#""1.01", "dead", "2025-01-02", "2025-01-01 00:00:00", -56, 0.1"#,
            r#""1234.50", "", "1970-05-04", null, -128, "NaN""#,
            r#"null, null, "+57412-11-24", null, null, 16777216.0"#,
            r#"null, null, null, null, null, "Infinity""#,
        ],
    );
}

#[test]
fn patterns_replace_the_rules_of_the_cast() {
    let columns = [("t", DataType::Timestamp), ("d", DataType::Date)];
    let options = [("timestampFormat", "dd/MM/yyyy HH:mm"), ("dateFormat", "dd.MM.yyyy")];
    let file = "{\"t\":\"01/02/2025 10:00\",\"d\":\"03.02.2025\"}\n{\"t\":\"2025-01-01 00:00:00\",\"d\":\"2025-01-01\"}\n{\"t\":7}\n";
    Table::new(Format::Json, &columns, &options).in_zone("America/New_York").assert_reads(
        file,
        &[r#""2025-02-01 15:00:00", "2025-02-03""#, "null, null", r#""1970-01-01 00:00:07", null"#],
    );
}

#[test]
fn intervals_are_what_the_cast_reads() {
    let columns = [("a", DataType::DAY_TIME), ("b", DataType::YEAR_MONTH)];
    let rows = [r#""INTERVAL '1 02:03:04.5' DAY TO SECOND", "INTERVAL '1-2' YEAR TO MONTH""#, "null, null"];
    let file = "{\"a\":\"1 02:03:04.5\",\"b\":\"1-2\"}\n{\"a\":1,\"b\":\"x\"}\n";
    Table::new(Format::Json, &columns, &[]).assert_reads(file, &rows);
    Table::new(Format::Csv, &columns, &[]).assert_reads("1 02:03:04.5,1-2\n1,x\n", &rows);
}

fn nested() -> Table<'static> {
    let point = DataType::Struct(vec![Field::new("x", DataType::Int32), Field::new("y", DataType::String)]);
    let columns = [
        ("p", point.clone()),
        ("l", DataType::Array(Box::new(DataType::Int32))),
        ("ps", DataType::Array(Box::new(point))),
        ("ll", DataType::Array(Box::new(DataType::Array(Box::new(DataType::Int64))))),
        int("after"),
    ];
    Table::new(Format::Json, &columns, &[])
}

#[test]
fn nested_values_keep_what_can_be_read() {
    let null = r#""p": null, "l": null, "ps": null, "ll": null"#;
    let cases = [
        (r#"{"p":{"y":"a","x":1,"z":[]},"l":[1,null,3],"ps":[{"x":1},{}],"ll":[[1],[]],"after":1}"#,
         r#"{"p": {"x": 1, "y": "a"}, "l": [1, null, 3], "ps": [{"x": 1, "y": null}, {"x": null, "y": null}], "ll": [[1], []], "after": 1}"#.to_string()),
        // A bad field of a struct is NULL in it; so it is in a struct of an array.
        (r#"{"p":{"x":"bad","y":2},"ps":[{"x":"bad"},{"x":2}],"after":1}"#,
         r#"{"p": {"x": null, "y": "2"}, "l": null, "ps": [{"x": null, "y": null}, {"x": 2, "y": null}], "ll": null, "after": 1}"#.into()),
        // A bad element makes the whole array NULL, at any depth.
        (r#"{"l":[1,"x",3],"ll":[[1],["x"]],"ps":[{"x":1},5],"after":1}"#, format!("{{{null}, \"after\": 1}}")),
        (r#"{"p":[1],"l":{"a":[1]},"ps":{"x":1},"ll":[1],"after":1}"#, format!("{{{null}, \"after\": 1}}")),
        (r#"{"p":{"x":1},"l":[1],"after":1"#, format!("{{{null}, \"after\": null}}")),
        (r#"{"ps":[{"x":1},{"x":2,}],"after":1}"#, format!("{{{null}, \"after\": null}}")),
        (r#"{"p":{"x":1,"x":2},"p":{"y":"b"},"l":[],"l":[2]}"#,
         r#"{"p": {"x": null, "y": "b"}, "l": [2], "ps": null, "ll": null, "after": null}"#.into()),
    ];
    let table = nested();
    for (line, expected) in &cases {
        assert_eq!(table.read(line), std::slice::from_ref(expected), "{line}");
    }
    let file: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let expected: Vec<String> = cases.iter().map(|(_, row)| row.clone()).collect();
    assert_eq!(table.read(&file.join("\n")), expected);
}

#[test]
fn an_array_of_objects_is_a_row_each() {
    let file = concat!(
        r#"[{"id":1,"v":1},{"id":2,"s":"x"},{}]"#,
        "\n[]\n",
        r#"[{"id":3},{"id":"bad","s":"y"}]"#,
        "\n",
        r#"[{"id":4},null]"#,
        "\n",
        r#"[{"id":5},"#,
        "\n",
        r#"{"id":6}"#
    );
    let none = "null, null, null";
    let expected =
        ["1, 1.0, null", "2, null, \"x\"", none, "3, null, null", "null, null, \"y\"", none, none, "6, null, null"];
    id_v_s(&[]).assert_reads(file, &expected);
    let kept = id_v_s(&[("mode", "DROPMALFORMED")]).read(file);
    assert_eq!(kept.len(), 4, "{kept:?}");
}

#[test]
fn strings_are_unescaped() {
    let cases = [
        (r#""h\u00e9llo""#, "héllo"),
        (r#""\ud83d\ude00""#, "😀"),
        (r#""\ud83d x""#, "? x"),
        (r#""\ude00""#, "?"),
        (r#""\ud83d\ud83d\ude00""#, "?😀"),
        (r#""tab\tnew\nline \"q\" \\ \/ \b\f\r""#, "tab\tnew\nline \"q\" \\ / \u{8}\u{c}\r"),
        (r#""it\'s""#, "it's"),
        (r#"'single "q"'"#, "single \"q\""),
        (r#""日本""#, "日本"),
        (r#""\u0000""#, "\0"),
    ];
    for (value, expected) in cases {
        let row = &Table::new(Format::Json, &[text("s")], &[]).read(&format!("{{\"s\":{value}}}"))[0];
        let parsed: serde_json::Value = serde_json::from_str(row).unwrap();
        assert_eq!(parsed["s"], expected, "{value}");
    }
}

#[test]
fn what_is_not_json_is_malformed_whether_it_is_needed_or_not() {
    let wrong = [
        "{\"s\":\"a\\qb\"}",
        "{\"s\":\"a\tb\"}",
        "{\"s\":\"\\u12\"}",
        "{\"s\":\"open}",
        "{s:1}",
        "{\"s\":01}",
        "{\"s\":1.}",
        "{\"s\":.5}",
        "{\"s\":1e}",
        "{\"s\":-}",
        "{\"s\":+1}",
        "{\"s\":tru}",
        "{\"s\":truex}",
        "{\"s\":nul}",
        "{\"s\":1,}",
        "{\"s\" 1}",
        "{\"s\":}",
        "{\"s\":1 \"t\":2}",
        "{,}",
        "{\"s\":[1,]}",
        "{\"s\":[1}",
        "{\"s\":{]}",
        "{\"s\":1 /* c */}",
        "{\"s\":Infinit}",
        "{\"s\":--1}",
        "{\"s\":{\"a\":1,}}",
    ];
    for key in ["s", "other"] {
        for line in wrong {
            let line = line.replace("\"s\"", &format!("\"{key}\""));
            let table = Table::new(Format::Json, &[int("id"), text("s")], &[]);
            let (rows, decoder) = table.try_read(line.as_bytes(), 100, 10).unwrap();
            assert_eq!((rows.len(), decoder.malformed().count(Reason::Syntax)), (1, 1), "{line}");
        }
    }
    let table = Table::new(Format::Json, &[int("id"), text("s")], &[]);
    let (rows, _) = table.try_read(b"{\"id\":1,\"s\":\"\xff\"}\n{\"id\":2} \xff\n", 100, 10).unwrap();
    assert_eq!(rows, ["{\"id\": null, \"s\": null}", "{\"id\": 2, \"s\": null}"]);
    let deep = format!("{{\"x\":{}1{},\"id\":3}}", "[".repeat(1001), "]".repeat(1001));
    assert_eq!(table.read(&deep), ["{\"id\": null, \"s\": null}"]);
    let deep = format!("{{\"x\":{}1{},\"id\":3}}", "[{\"a\":".repeat(499), "}]".repeat(499));
    assert_eq!(table.read(&deep), ["{\"id\": 3, \"s\": null}"]);
}

#[test]
fn the_grammar_can_be_loosened() {
    let cases = [
        ("allowUnquotedFieldNames", "{id:1,$s_1:2}"),
        ("allowNumericLeadingZeros", "{\"id\":001}"),
        ("allowComments", "/* a */ {\"id\": /* b */ 1} // c"),
        ("allowBackslashEscapingAnyCharacter", "{\"x\":\"\\q\",\"id\":1}"),
        ("allowUnquotedControlChars", "{\"x\":\"a\tb\",\"id\":1}"),
    ];
    for (option, line) in cases {
        Table::new(Format::Json, &[int("id")], &[(option, "true")]).assert_reads(line, &["1"]);
        Table::new(Format::Json, &[int("id")], &[]).assert_reads(line, &["null"]);
    }
    let strict = [("allowSingleQuotes", "false"), ("allowNonNumericNumbers", "false")];
    let table = Table::new(Format::Json, &[("v", DataType::Float64)], &strict);
    table.assert_reads("{'v':1}\n{\"v\":NaN}\n{\"v\":\"NaN\"}\n{\"v\":2}", &["null", "null", "null", "2.0"]);
}

#[test]
fn modes_and_the_column_for_malformed_records() {
    let file = "{\"id\":1,\"v\":1.5,\"s\":\"a\"}\nnot json\n{\"id\":\"x\",\"v\":2,\"s\":\"b\"}\n{\"id\":3,\"v\":2.5,\"s\":\"b\"}\n{\"id\":4\n";
    id_v_s(&[("mode", "DROPMALFORMED")]).assert_reads(file, &["1, 1.5, \"a\"", "3, 2.5, \"b\""]);
    let error = id_v_s(&[("mode", "FAILFAST")]).try_read(file.as_bytes(), 100, 10).unwrap_err();
    assert!(error.message().contains("file, line 2, column 1"), "{error}");
    let columns = [int("id"), text("_corrupt_record")];
    Table::new(Format::Json, &columns, &[]).assert_reads(
        "{\"id\":1}\n{\"id\":\"x\"}\n oops\n",
        &["1, null", r#"null, "{\"id\":\"x\"}""#, "null, \" oops\""],
    );
    // A wrong value of a column that is not needed is not noticed, as in Spark.
    let table = id_v_s(&[("mode", "DROPMALFORMED")]).needing(&[false, true, true]);
    table.assert_reads(file, &["null, 1.5, \"a\"", "null, 2.0, \"b\"", "null, 2.5, \"b\""]);
}

#[test]
fn one_file_may_be_one_value() {
    let file = "\n[\n {\"id\": 1,\n  \"v\": 2},\n {\"id\": 2}\n]\n";
    id_v_s(&[("multiLine", "true")]).assert_reads(file, &["1, 2.0, null", "2, null, null"]);
    id_v_s(&[("multiLine", "true")]).assert_reads("{\n\"id\": 1}\n{\"id\": 2}", &["1, null, null"]);
    id_v_s(&[("multiLine", "true")]).assert_reads("", &[]);
}
