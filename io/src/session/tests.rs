//! What statements do to a session, by table.

use firesteel_core::Result;

use super::{Job, JobOptions, Session, Streams};
use crate::sink::NoopSink;

fn rows(session: &Session, text: &str) -> Result<Vec<String>> {
    Ok(session.sql(text)?.collect()?.iter().map(|row| row.to_string()).collect())
}

#[test]
fn names_are_made_replaced_and_dropped() {
    let session = Session::new().unwrap();
    let cases: [(&str, &[&str]); 9] = [
        ("CREATE TEMP VIEW v AS SELECT 1 AS a; SELECT * FROM V", &["[1]"]),
        ("CREATE OR REPLACE TEMPORARY VIEW v (b) AS SELECT 2; SELECT b FROM v", &["[2]"]),
        ("CREATE VIEW IF NOT EXISTS v AS SELECT 3; SELECT b FROM v", &["[2]"]),
        ("CREATE TABLE t (x INT) USING memory; INSERT INTO t VALUES (1), (2); SELECT sum(x) FROM t", &["[3]"]),
        ("CREATE TABLE IF NOT EXISTS t (y STRING) USING json; SELECT x FROM default.t", &["[1]", "[2]"]),
        ("DROP TABLE t; CREATE TABLE t (x INT) USING memory; SELECT count(*) FROM t", &["[0]"]),
        ("CREATE TABLE nowhere USING noop; INSERT INTO nowhere SELECT id FROM range(9); SELECT 1", &["[1]"]),
        ("DROP VIEW IF EXISTS nobody; SET spark.sql.ansi.enabled = false; SELECT 1 / 0", &["[null]"]),
        ("SET spark.sql.ansi.enabled", &["[spark.sql.ansi.enabled,false]"]),
    ];
    for (text, expected) in cases {
        assert_eq!(rows(&session, text).unwrap(), expected, "{text}");
    }
    let plan = rows(&session, "EXPLAIN SELECT x + 1 FROM t").unwrap().concat();
    assert!(plan.contains("Logical plan") && plan.contains("Scan memory t as batch"), "{plan}");
}

#[test]
fn mistakes_have_spark_s_class_a_place_and_a_way_out() {
    let setup = "CREATE TABLE t (x INT) USING json OPTIONS (path '/nowhere'); CREATE TEMP VIEW v AS SELECT 1 AS a;\n";
    let cases = [
        ("SELECT * FROM tt", "TABLE_OR_VIEW_NOT_FOUND", "did you mean `t`?"),
        ("CREATE TABLE T (y INT) USING csv", "TABLE_OR_VIEW_ALREADY_EXISTS", "CREATE OR REPLACE"),
        ("CREATE TEMP VIEW v AS SELECT 2", "TABLE_OR_VIEW_ALREADY_EXISTS", "CREATE OR REPLACE"),
        ("CREATE TABLE u (y INT) USING jsn", "DATA_SOURCE_NOT_FOUND", "did you mean `json`?"),
        (
            "CREATE TABLE u USING json OPTIONS (path '/x'); SELECT * FROM u",
            "UNABLE_TO_INFER_SCHEMA",
            "CREATE TABLE u (",
        ),
        ("DROP TABLE nobody", "TABLE_OR_VIEW_NOT_FOUND", "there are t, v"),
        ("INSERT INTO v SELECT 1", "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", ""),
        ("INSERT INTO t SELECT 1, 2", "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS", "the table has x"),
        ("SELECT * FROM STREAM v", "", "leave out STREAM"),
        ("INSERT OVERWRITE t SELECT x FROM STREAM t", "", "write INSERT INTO"),
        ("SET spark.sql.session.timeZone = Mars", "INVALID_CONF_VALUE", ""),
        ("SET firesteel.blockRow = 1", "", "firesteel.blockRows"),
    ];
    for (text, class, hint) in cases {
        let error = Session::new().unwrap().sql(&format!("{setup}{text}")).unwrap_err();
        assert_eq!(error.error_class().unwrap_or(""), class, "{text}: {error}");
        assert_eq!(error.span().map(|span| span.line), Some(2), "{text}: {error}");
        assert!(error.hint_text().unwrap_or("").contains(hint), "{text}: {:?}", error.hint_text());
        assert!(error.is_invalid_job(), "{text}");
    }
}

#[test]
fn tables_are_streams_as_the_options_say() {
    let job = "CREATE TABLE a (x INT) USING json OPTIONS (path '/a'); CREATE TABLE r USING rate;
               CREATE TABLE m (x INT) USING memory; SELECT x FROM a; SELECT x FROM STREAM a; SELECT value FROM r;
               SELECT x FROM m";
    let cases = [
        (Streams::AsWritten, ["batch", "stream", "stream", "batch"]),
        (Streams::All, ["stream", "stream", "stream", "batch"]),
        (Streams::Named(vec!["A".into()]), ["stream", "stream", "stream", "batch"]),
    ];
    let job = Job::parse(job, &|_| None).unwrap();
    for (streams, expected) in cases {
        let options = JobOptions { streams, ..JobOptions::default() };
        let text = job.explain(&Session::new().unwrap(), &options).unwrap();
        let titles = text.lines().filter(|line| line.starts_with("Query at line"));
        let kind = |title: &str| ["batch", "stream"].into_iter().find(|kind| title.contains(kind)).unwrap();
        let kinds: Vec<&str> = titles.map(kind).collect();
        assert_eq!(kinds, expected, "{text}");
    }
}

#[test]
fn checking_a_job_changes_nothing_and_tells_warnings() {
    let session = Session::new().unwrap();
    let job =
        "SET spark.sql.ansi.enabled = false; SET spark.sql.ansi.enable = true; CREATE TABLE t (x INT) USING memory;
               INSERT INTO t VALUES (1); SELECT * FROM t";
    let job = Job::parse(job, &|_| None).unwrap();
    job.check(&session, &JobOptions::default()).unwrap();
    assert!(session.table("t").is_err());
    assert_eq!(session.setting("spark.sql.ansi.enabled").as_deref(), Some("true"));
    assert_eq!(session.take_warnings().len(), 1);
    let mut schemas = Vec::new();
    job.run(&session, &JobOptions::default(), &mut |schema, is_stream| {
        schemas.push((schema.to_ddl(), is_stream));
        Ok(Box::new(NoopSink::default()))
    })
    .unwrap();
    assert_eq!(schemas, [("x INT".to_string(), false)]);
    assert_eq!(rows(&session, "SELECT * FROM t").unwrap(), ["[1]"]);
}

#[test]
fn rows_without_a_name_go_with_their_last_frame() {
    let session = Session::new().unwrap();
    let frame = session.create_data_frame([vec![1.into()]], "x BIGINT").unwrap();
    let name = frame.plan().scans()[0].table.name.clone();
    let is_there = || session.shared.memory.tables.find(&name).is_some();
    let derived = frame.union(&frame).unwrap().filter("x > 0").unwrap();
    drop(frame);
    assert_eq!(derived.count().unwrap(), 2);
    derived.create_or_replace_temp_view("kept").unwrap();
    drop(derived);
    assert_eq!(rows(&session, "SELECT * FROM kept").unwrap(), ["[1]", "[1]"]);
    let frame = session.create_data_frame([vec![1.into()]], "x INT").unwrap();
    let other = frame.plan().scans()[0].table.name.clone();
    drop(frame);
    assert!(is_there() && session.shared.memory.tables.find(&other).is_none());
}

#[test]
fn rows_that_do_not_fit_are_told() {
    let session = Session::new().unwrap();
    let make = |row: Vec<firesteel_core::block::Value>, schema: &str| {
        session.create_data_frame([row], schema).map(|f| f.collect().unwrap()[0].to_string())
    };
    assert_eq!(make(vec![5.into(), 7.into()], "a BIGINT, b DOUBLE").unwrap(), "[5,7.0]");
    for (row, schema) in [
        (vec![1.into()], "a INT, b INT"),
        (vec!["1".into()], "a INT"),
        (vec![300.into()], "a TINYINT"),
        (vec![firesteel_core::block::Value::Null], "a INT NOT NULL"),
    ] {
        let error = make(row, schema).unwrap_err();
        assert!(error.message().starts_with("row 0: "), "{error}");
    }
}

#[test]
fn order_by_means_the_names_of_the_select_list_before_those_of_the_input() {
    let session = Session::new().unwrap();
    let cases: [(&str, &[&str]); 5] = [
        ("SELECT id % 3 AS id FROM range(4) ORDER BY -id", &["[2]", "[1]", "[0]", "[0]"]),
        ("SELECT 10 - id AS k FROM range(3) ORDER BY k + 0", &["[8]", "[9]", "[10]"]),
        ("SELECT -id AS k FROM range(3) ORDER BY k * id DESC, id", &["[0]", "[-1]", "[-2]"]),
        ("SELECT DISTINCT id % 2 AS k FROM range(9) ORDER BY abs(k) DESC", &["[1]", "[0]"]),
        ("SELECT id % 2 AS k, count(*) AS n FROM range(5) GROUP BY 1 ORDER BY n * 2", &["[1,2]", "[0,3]"]),
    ];
    for (text, expected) in cases {
        assert_eq!(rows(&session, text).unwrap(), expected, "{text}");
    }
}
