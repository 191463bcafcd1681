//! Tests of statements: what is read of each, and what is said of what is none.

use alloc::string::String;

use crate::{
    error::Span,
    sql::{StatementKind, parse},
};

fn one(text: &str) -> StatementKind {
    parse(text, &|_| None).unwrap_or_else(|e| panic!("{text}: {e} {:?}", e.hint_text())).remove(0).kind
}

fn pairs(options: &[(String, String)]) -> Vec<(&str, &str)> {
    options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

#[test]
fn tables_are_read_with_all_their_clauses() {
    let text = "create or replace table if not exists db.`t 1` (ts TIMESTAMP NOT NULL COMMENT 'when', `from` STRING, \
                s STRUCT<x: INT, y: ARRAY<ARRAY<DECIMAL(10, 2)>>>, d dec, l LONG NULL, n: TIMESTAMP_NTZ) USING JSON \
                OPTIONS (path '/a', maxFilesPerTrigger=1, 'header' = TRUE, kafka.group.id \"g\", sep -1) COMMENT 'c' \
                LOCATION '/b' TBLPROPERTIES ('x' = 'y')";
    let StatementKind::CreateTable { name, if_not_exists, or_replace, schema, provider, options, comment } = one(text)
    else {
        panic!()
    };
    assert_eq!((name.join("/").as_str(), if_not_exists, or_replace, provider.as_str()), ("db/t 1", true, true, "json"));
    assert_eq!(
        schema.unwrap().to_ddl(),
        "ts TIMESTAMP NOT NULL, from STRING, s STRUCT<x: INT, y: ARRAY<ARRAY<DECIMAL(10,2)>>>, d DECIMAL(10,0), \
         l BIGINT, n TIMESTAMP_NTZ"
    );
    assert_eq!(
        pairs(&options),
        [
            ("path", "/a"),
            ("maxFilesPerTrigger", "1"),
            ("header", "true"),
            ("kafka.group.id", "g"),
            ("sep", "-1"),
            ("path", "/b")
        ]
    );
    assert_eq!(comment.as_deref(), Some("c"));
    let StatementKind::CreateTable { schema: None, .. } = one("CREATE TABLE t USING json LOCATION 'x'") else {
        panic!()
    };
    let StatementKind::CreateTable { or_replace: true, .. } =
        one("CREATE OR REPLACE TEMPORARY VIEW v (a INT) USING csv OPTIONS (path 'x')")
    else {
        panic!()
    };
}

#[test]
fn views_inserts_and_drops() {
    let text =
        "CREATE OR REPLACE GLOBAL TEMP VIEW v (a COMMENT 'x', b) COMMENT 'y' AS WITH q AS (SELECT 1) SELECT * FROM q";
    let StatementKind::CreateView { name, or_replace, columns, .. } = one(text) else { panic!() };
    assert_eq!((name, or_replace, columns), (["v".into()].into(), true, ["a".into(), "b".into()].into()));
    for (text, expected) in [
        ("INSERT INTO t SELECT 1", (false, false, 0)),
        ("INSERT INTO TABLE t (a, b) VALUES (1, 2), (3, 4)", (false, false, 2)),
        ("INSERT OVERWRITE t (SELECT 1)", (true, false, 0)),
        ("INSERT INTO t BY NAME SELECT 1 AS a", (false, true, 0)),
        ("INSERT INTO t ((SELECT 1) UNION ALL (SELECT 2))", (false, false, 0)),
    ] {
        let StatementKind::Insert { columns, overwrite, by_name, .. } = one(text) else { panic!("{text}") };
        assert_eq!((overwrite, by_name, columns.len()), expected, "{text}");
    }
    let StatementKind::Drop { if_exists: true, is_view: false, .. } = one("DROP TABLE IF EXISTS a.b") else { panic!() };
    let StatementKind::Drop { if_exists: false, is_view: true, .. } = one("DROP VIEW v") else { panic!() };
    let StatementKind::Explain(inner) = one("EXPLAIN EXTENDED SELECT 1") else { panic!() };
    assert!(matches!(*inner, StatementKind::Query(_)));
}

#[test]
fn set_has_a_key_and_a_value_or_not() {
    let cases = [
        (
            "SET spark.sql.session.timeZone = America/New_York",
            Some("spark.sql.session.timeZone"),
            Some("America/New_York"),
        ),
        ("set a.b=c d = e ", Some("a.b"), Some("c d = e")),
        ("SET `a.b` = 'x'", Some("a.b"), Some("'x'")),
        ("SET TIME ZONE 'Europe/Berlin'", Some("spark.sql.session.timeZone"), Some("Europe/Berlin")),
        ("SET a.b", Some("a.b"), None),
        ("SET", None, None),
        ("SET -v", None, None),
    ];
    for (text, key, value) in cases {
        let expected = StatementKind::Set { key: key.map(String::from), value: value.map(String::from) };
        assert_eq!(one(text), expected, "{text}");
    }
}

#[test]
fn statements_know_where_they_stand() {
    let statements = parse("SET a = 1;\n-- x\n  SELECT 1,\n 2 ; ;", &|_| None).unwrap();
    assert_eq!(statements[1].span, Span { line: 3, column: 3, end_line: 4, end_column: 2 });
    assert_eq!((statements.len(), statements[1].text.as_str()), (2, "SELECT 1,\n 2"));
}

#[test]
fn what_is_no_statement_of_ours_says_what_is() {
    let cases = [
        ("SELEC 1", 1, "a statement", "did you mean SELECT"),
        ("FOO BAR", 1, "a statement", "statements are SELECT"),
        ("UPDATE t SET a = 1", 1, "a statement", "INSERT INTO"),
        ("CREATE TABLE t (a INT)", 23, "USING", "USING json"),
        ("CREATE TABLE t (a INT b INT) USING json", 23, "`,` or `)`", "comma missing before b"),
        ("CREATE TABLE t (a INT, A STRING) USING json", 24, "twice", "case"),
        ("CREATE TABLE t (a FOO) USING json", 19, "data type", "types are"),
        ("CREATE TABLE t (a ARRAY<INT) USING json", 28, "expected `>`", ""),
        ("CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts) USING json", 41, "a type", "DELAY OF"),
        ("CREATE TABLE t USING json OPTIONS (path '/a' header 'b')", 46, "`,` or `)`", "comma missing before header"),
        ("CREATE TABLE t USING json OPTIONS (path /a)", 41, "value of an option", "quote it"),
        ("CREATE TABLE t USING json AS SELECT 1", 27, "with a query", "INSERT INTO"),
        ("CREATE TABLE t (a INT) USING json PARTITIONED BY (a)", 35, "PARTITIONED", "leave it out"),
        ("CREATE STREAMING TABLE t AS SELECT 1", 8, "pipelines", "INSERT INTO"),
        ("CREATE VIEW v SELECT 1", 15, "expected AS", "AS SELECT"),
        ("CREATE INDEX i", 8, "TABLE or VIEW", "statements are"),
        ("INSERT t SELECT 1", 8, "expected INTO", ""),
        ("INSERT INTO t PARTITION (a = 1) SELECT 1", 15, "PARTITION", "INSERT INTO"),
        ("DROP t", 6, "expected TABLE", "DROP VIEW"),
        ("EXPLAIN EXPLAIN SELECT 1", 9, "a statement", "statements are"),
        ("DROP TABLE t x", 14, "the end", ""),
    ];
    for (text, column, message, hint) in cases {
        let error = parse(text, &|_| None).unwrap_err();
        assert!(error.message().contains(message), "{text}: {error}");
        assert!(error.hint_text().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint_text());
        assert_eq!(error.span().unwrap().column, column, "{text}: {error}");
    }
}
