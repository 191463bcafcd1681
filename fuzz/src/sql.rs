//! Any text as a job: read, planned, and, if that succeeds, run over a few rows.

use std::sync::LazyLock;

use firesteel_core::{
    Error,
    plan::OutputMode,
    sql::{StatementKind, parse, render},
};

use super::queries::{self, Job, Tables};

const TABLES: [(&str, &str); 3] = [
    (
        "ev",
        "ts TIMESTAMP, dev STRING, v DOUBLE, n INT, b BIGINT, ok BOOLEAN, d DATE, m DECIMAL(10,2), f FLOAT, tiny TINYINT, \
         raw BINARY, tags ARRAY<STRING>, s STRUCT<x: INT, y: STRING>",
    ),
    ("dim", "dev STRING, room STRING, lim DOUBLE"),
    ("t", "a INT, b STRING"),
];
/// Relations of a query that is run: five rows each, every one with every other, are as many as are worth waiting for.
const SCANS_MAX: usize = 4;

static CATALOG: LazyLock<Tables> = LazyLock::new(|| Tables::new(&TABLES));

/// Reads the text, plans each of its queries in each output mode that takes it, and runs them.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let statements = match parse(&text, &|name| (name == "DIR").then(|| "/data".into())) {
        Ok(statements) => statements,
        Err(error) => return explain(&text, &error, true),
    };
    for statement in statements {
        let query = match statement.kind {
            StatementKind::Query(query) => query,
            StatementKind::Insert { query, .. } | StatementKind::CreateView { query, .. } => query,
            _ => continue,
        };
        for mode in [OutputMode::Append, OutputMode::Update, OutputMode::Complete] {
            match Job::new(&query, &CATALOG, mode) {
                Ok(job) => run_job(&job),
                Err(error) => explain(&text, &error, false),
            }
        }
    }
}

/// A mistake is shown with what was wrong and, where a text cannot be read at all, the place.
fn explain(text: &str, error: &Error, has_place: bool) {
    assert!(!error.message().is_empty(), "an error says something");
    assert!(!has_place || error.span().is_some() || error.is_limit(), "an error without a place: {error}");
    if let Some(span) = error.span() {
        assert!(span.line >= 1 && span.column >= 1, "places count from 1: {span:?}");
        assert!(span.line as usize <= text.split('\n').count() + 1, "the place is in the text: {span:?}");
    }
    assert!(!render(error, "job.sql", text).is_empty());
}

fn run_job(job: &Job) {
    if job.plan.scans().len() > SCANS_MAX {
        return;
    }
    let Ok(mut driver) = job.driver(4) else { return };
    for _ in 0..2 {
        if queries::epoch(job, &mut driver, &queries::sample, 2).is_err() || job.mode.is_none() {
            return;
        }
    }
}
