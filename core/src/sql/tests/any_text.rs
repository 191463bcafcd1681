//! Any text does no harm: it is read or refused, with a place in it, and without an end of the stack.

use alloc::{format, string::String, vec::Vec};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{TABLES, jobs, plan_job, planned, refused};
use crate::sql::{parse, render};

#[test]
fn what_is_nested_too_deeply_is_an_error() {
    let pieces = [
        ("(", ")"),
        ("f(", ")"),
        ("CASE WHEN ", " THEN 1 END"),
        ("NOT ", ""),
        ("- ", ""),
        ("1 + (", ")"),
        ("CAST(", " AS INT)"),
        ("a IN (1, ", ")"),
        ("(SELECT ", ")"),
        ("x[", "]"),
        ("1 + ", ""),
        ("a = b AND (", ")"),
        ("EXISTS (SELECT ", ")"),
        ("1 FROM (SELECT ", ") t"),
        ("1 FROM a JOIN ((", "))"),
        ("1 UNION SELECT ", ""),
        ("a LIKE ANY (", ")"),
        ("CASE CASE ", " END"),
        ("1 FROM b, (((", ")))"),
    ];
    for (open, close) in pieces {
        for count in [3, 5, 9, 20, 33, 50, 75, 99, 120, 200, 5000] {
            let text = format!("SELECT {}1{}", open.repeat(count), close.repeat(count));
            let parsed = parse(&text, &|_| None);
            assert!(count < 120 || parsed.is_err(), "{count} times {open}");
        }
    }
    let long = format!("SELECT {} FROM ev WHERE {}", "n + 1, ".repeat(3000) + "n", "n = 1 OR ".repeat(3000) + "n = 2");
    assert!(plan_job(&format!("{TABLES}{long}")).is_ok());
}

#[test]
fn names_of_with_cannot_multiply_without_end() {
    let mut text = String::from("WITH c0 AS (SELECT 1 AS x)");
    for i in 1..40 {
        text += &format!(", c{i} AS (SELECT a.x FROM c{} a, c{} b)", i - 1, i - 1);
    }
    let error = refused(&format!("{text} SELECT * FROM c39"));
    assert!(error.is_limit(), "{error}");
    let mut text = String::from("WITH c0 AS (SELECT 1 AS x)");
    for i in 1..200 {
        text += &format!(", c{i} AS (SELECT x FROM c{})", i - 1);
    }
    assert!(refused(&format!("{text} SELECT * FROM c199")).is_limit());
    assert!(planned(&format!("{text} SELECT * FROM c18")).contains("c18"));
}

/// What jobs are made of, so that random ones get far into the parser.
const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "WITH",
    "AS",
    "(",
    ")",
    ",",
    ";",
    "a",
    "b.c",
    "ev",
    "dim",
    "*",
    "1",
    "2.5D",
    "'x'",
    "\"y\"",
    "`z`",
    "+",
    "-",
    "=",
    "<=>",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS NULL",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "CAST(",
    "::INT",
    "INTERVAL",
    "1 DAY",
    "DATE '2025-01-01'",
    "STREAM",
    "WATERMARK",
    "DELAY OF",
    "INTERVAL 1 SECOND",
    "LATERAL VIEW",
    "explode(a)",
    "JOIN",
    "LEFT",
    "ON",
    "USING (a)",
    "UNION ALL",
    "VALUES",
    "(1, 2)",
    "CREATE TABLE t",
    "(a INT)",
    "USING json",
    "OPTIONS (",
    "SET x = y",
    "INSERT INTO t",
    "--",
    "/*",
    "*/",
    "\n",
    "${V}",
    "[0]",
    ".",
    "x ->",
    "EXISTS (SELECT 1)",
    "OVER (",
    "FILTER (WHERE",
    "count(*)",
    "window(ts, '1 minute')",
    "e",
    "\\",
    "'",
    "\u{1F600}",
    "TRIM(BOTH FROM",
    "DISTINCT",
    "TABLE",
    "TOP",
];

/// Reads, plans and renders: whatever the text is, that ends, and places are places in the text.
fn survives(text: &str) {
    let with_tables = format!("{TABLES}\n{text}");
    for text in [text, &with_tables] {
        let result = plan_job(text).err();
        if let Some(error) = result {
            let shown = render(&error, "job.sql", text);
            assert!(shown.starts_with("error: "));
            let lines = text.split('\n').count() as u32;
            assert!(error.span().is_none_or(|s| s.line >= 1 && s.line <= lines && s.column >= 1), "{text}: {error:?}");
        }
    }
}

/// A job with most of what there is, for when the golden ones are not at hand.
const OWN: &str = "SELECT window.start AS ws, count(*) FILTER (WHERE v > 1) AS n FROM STREAM ev
    WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS e LEFT JOIN dim d ON e.dev = d.dev AND d.lim BETWEEN 1 AND 2.5D
    LATERAL VIEW explode(tags) x AS tag WHERE e.dev IN ('a', \"b\") AND NOT CAST(n AS STRING) LIKE 'x%'
    GROUP BY window(ts, '1 minute') HAVING count(*) > 2 ORDER BY ws DESC NULLS LAST LIMIT 3;";

static ALL: LazyLock<Vec<String>> =
    LazyLock::new(|| jobs().into_iter().map(|(_, text)| text).chain([OWN.into()]).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_characters_do_no_harm(text in "\\PC{0,60}|[ -~\n\t]{0,80}") {
        survives(&text);
    }

    #[test]
    fn any_words_do_no_harm(words in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        survives(&words.join(" "));
        survives(&format!("SELECT {}", words.join(" ")));
    }

    #[test]
    fn jobs_with_a_piece_changed_do_no_harm(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        put in prop::sample::select(PIECES),
    ) {
        let text: Vec<char> = ALL[which.index(ALL.len())].chars().collect();
        let at = at.index(text.len());
        let changed: String = text[..at].iter().collect::<String>()
            + put
            + &text[(at + length).min(text.len())..].iter().collect::<String>();
        survives(&changed);
    }
}
