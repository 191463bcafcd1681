//! Tests of the whole way from text to plan, over a catalog that knows only what the job declares.

mod any_text;
mod mistakes;
mod shapes;
mod statements;

use alloc::{format, string::String, sync::Arc, vec::Vec};

use super::*;
use crate::{
    error::{Error, Result},
    expr::Settings,
    plan::{Catalog, PlanBuilder, Table, explain},
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

/// What the queries of these tests can read.
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

/// Spark's golden cases, where they are at hand: all parse, and those that Spark accepts as a batch have a plan.
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

/// Which parts the plans have: the outermost first.
#[test]
fn clauses_make_the_plans_they_should() {
    let cases: &[(&str, &[&str])] = &[
        ("SELECT * FROM ev", &["Project", "Scan json ev as batch"]),
        ("SELECT dev FROM STREAM ev", &["Project", "Scan json ev as stream"]),
        (
            "SELECT e.dev FROM STREAM(ev) WITH (x = 1) IDENTIFIED BY i AS e",
            &["Project", "Alias e", "Scan json ev as stream"],
        ),
        (
            "SELECT e.dev FROM ev WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS e WHERE e.v > 1",
            &["Project", "Filter", "Alias e", "Watermark ts delay 10 seconds", "Scan"],
        ),
        ("SELECT * FROM ev WATERMARK ts DELAY OF INTERVAL 1 MONTH", &["Watermark ts delay 31 days"]),
        (
            "SELECT t FROM ev WATERMARK timestamp_seconds(n) AS t DELAY OF INTERVAL '5 seconds'",
            &["Watermark t delay 5 seconds", "Project", "Scan"],
        ),
        (
            "SELECT t FROM (SELECT ts AS t FROM ev) WATERMARK t DELAY OF INTERVAL 5 SECONDS q",
            &["Alias q", "Watermark t", "Project", "Scan"],
        ),
        (
            "SELECT e.n FROM ev WATERMARK ts DELAY OF INTERVAL 1 SECOND AS e JOIN STREAM dim d ON e.dev = d.dev",
            &["Join Inner", "Watermark", "ev as batch", "dim as stream"],
        ),
        ("SELECT watermark.n FROM ev watermark JOIN dim stream", &["Join Cross", "Alias watermark", "Alias stream"]),
        ("SELECT * FROM ev LEFT JOIN dim USING (dev)", &["Join Left on [dev = dev]"]),
        ("SELECT * FROM ev NATURAL JOIN dim", &["Join Inner on [dev = dev]"]),
        ("SELECT * FROM ev SEMI JOIN dim ON ev.dev = dim.dev", &["Join LeftSemi"]),
        ("SELECT * FROM ev LEFT ANTI JOIN dim ON ev.dev = dim.dev", &["Join LeftAnti"]),
        ("SELECT * FROM ev, dim", &["Join Cross"]),
        ("SELECT e.dev FROM (ev e FULL OUTER JOIN dim d ON e.dev = d.dev)", &["Join Full"]),
        ("SELECT a FROM VALUES (1, 'x'), (2, 'y') AS t(a, b)", &["Project [a]", "Alias t", "Values 2 row"]),
        ("SELECT a FROM (VALUES 1, 2, 3) t(a)", &["Project [a]", "Alias t", "Values 3 row"]),
        (
            "SELECT t.a FROM (VALUES (1, 'x') AS t(a, b) LIMIT 1)",
            &["Project [a]", "Limit 1", "Alias t", "Values 1 row"],
        ),
        ("VALUES (1) + 1, ((2)) AS t(a) UNION ALL SELECT n FROM ev", &["Union", "Alias t", "Values 2 row", "Scan"]),
        ("TABLE ev LIMIT 1", &["Limit 1", "Scan"]),
        ("SELECT d.lim FROM (TABLE dim) d", &["Alias d", "Scan json dim"]),
        ("INSERT INTO dim (TABLE dim)", &["Scan json dim"]),
        ("WITH table (TABLE dim), values AS (SELECT 1 AS a) SELECT * FROM table, values", &["Scan json dim", "Values"]),
        ("SELECT (*) FROM dim", &["Project [dev, room, lim]"]),
        ("SELECT t.dev FROM ((SELECT dev FROM ev) UNION (SELECT dev FROM dim)) t", &["Alias t", "Aggregate", "Union"]),
        ("SELECT t.dev FROM (((SELECT dev FROM ev)) t JOIN dim d ON t.dev = d.dev)", &["Join Inner", "Alias t"]),
        ("SELECT t.dev FROM ((SELECT dev FROM ev) ORDER BY dev LIMIT 1) t", &["Alias t", "Limit 1", "Sort"]),
        ("SELECT * FROM ((ev e JOIN dim d USING (dev)) JOIN dim f ON f.dev = e.dev)", &["Join Inner", "Join Inner"]),
        ("SELECT * FROM ev NATURAL LEFT JOIN dim", &["Join Left on [dev = dev]"]),
        (
            "SELECT dev FROM ev UNION ALL SELECT dev FROM dim INTERSECT SELECT dev FROM ev",
            &["Union", "Scan json ev", "Join LeftSemi"],
        ),
        ("WITH a(SELECT 1 AS x), b(y) (SELECT x FROM a) SELECT y FROM b", &["Alias b", "Alias a"]),
        ("SELECT dev FROM ev OFFSET 2 ROWS", &["Offset 2"]),
        ("SELECT n FROM range(2, 10, 3) AS r(n)", &["Alias r", "Range 2 to 10 by 3"]),
        ("SELECT tag FROM ev LATERAL VIEW OUTER explode(tags) x AS tag WHERE v > 1", &["Filter", "Explode"]),
        (
            "SELECT p FROM ev LATERAL VIEW posexplode(tags) x AS p, c LATERAL VIEW explode(tags) y",
            &["Explode", "Explode"],
        ),
        ("SELECT col FROM ev LATERAL VIEW explode(tags) x ORDER BY col", &["Sort", "Explode"]),
        (
            "SELECT *, posexplode(tags) AS (p, c) FROM ev",
            &["Project [ts, dev, v, n, tags, s, pos AS p, col AS c]", "Explode"],
        ),
        ("SELECT posexplode(tags) (p, c) FROM ev", &["Project [pos AS p, col AS c]", "Explode"]),
        ("SELECT over.y FROM ev set LATERAL VIEW explode(tags) over AS y WHERE set.n > 1", &["Filter", "Explode"]),
        ("SELECT * EXCEPT (ev.ts, d.dev, v, n, tags, s) FROM ev, dim d", &["Project [dev, room, lim]"]),
        ("SELECT * EXCEPT (tags, s) FROM ev", &["Project [ts, dev, v, n]"]),
        ("SELECT s.* FROM ev", &["Project [s.x AS x, s.y AS y]"]),
        ("SELECT dev, sum(v) FROM ev GROUP BY ALL HAVING sum(v) > 1", &["Filter", "Aggregate by [dev]"]),
        ("SELECT DISTINCT dev FROM ev", &["Aggregate by [dev]"]),
        ("SELECT dev FROM ev UNION SELECT dev FROM dim", &["Aggregate", "Union"]),
        (
            "SELECT dev FROM ev UNION ALL SELECT dev FROM dim ORDER BY dev LIMIT 2 OFFSET 1",
            &["Limit 2 offset 1", "Sort", "Union"],
        ),
        ("SELECT dev FROM ev INTERSECT SELECT dev FROM dim", &["Join LeftSemi", "Aggregate by [dev]", "ev", "dim"]),
        (
            "SELECT dev, n FROM ev EXCEPT SELECT dev, 1 FROM dim",
            &["Project [", "Join LeftAnti", "Aggregate by [dev, n]"],
        ),
        (
            "SELECT dev, v FROM ev UNION ALL BY NAME SELECT lim AS v, dev FROM dim",
            &["Union", "Project [dev, v]", "Project [dev, v]", "Project [lim AS v, dev]"],
        ),
        ("(SELECT dev FROM ev LIMIT 1) UNION ALL SELECT dev FROM dim", &["Union", "Limit 1"]),
        ("SELECT dev, n FROM ev ORDER BY ALL DESC LIMIT 2", &["Limit 2", "Sort [dev DESC, n DESC]"]),
        (
            "WITH a AS (SELECT dev FROM ev), b(d) AS (SELECT dev FROM a) SELECT d FROM b",
            &["Alias b", "Alias a", "Scan"],
        ),
        ("WITH ev AS (SELECT n FROM ev) SELECT * FROM ev", &["Project [n]", "Scan json ev"]),
        (
            "WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH a AS (SELECT 2 AS y) SELECT * FROM a) t, a",
            &["Project [y, x]", "Join Cross"],
        ),
        ("SELECT * FROM ev WHERE dev IN (SELECT dev FROM dim) AND v > 2", &["Project [ts", "Join LeftSemi", "Filter"]),
        ("SELECT * FROM ev WHERE dev NOT IN (SELECT dev FROM dim)", &["Join LeftAnti on [] and", "isnull"]),
        (
            "SELECT * FROM ev WHERE EXISTS (SELECT 1 FROM dim WHERE dim.dev = ev.dev AND lim > 2)",
            &["Join LeftSemi on [dev = dev]", "Filter (lim"],
        ),
        (
            "SELECT * FROM ev e WHERE NOT EXISTS (SELECT 1 FROM dim d WHERE d.dev = e.dev)",
            &["Join LeftAnti on [dev = dev]"],
        ),
        (
            "SELECT * FROM ev WHERE v > (SELECT max(lim) FROM dim)",
            &["Project [ts, dev, v, n, tags, s]", "Filter", "Join Cross", "Aggregate"],
        ),
        ("SELECT dev, (SELECT max(lim) FROM dim) AS m FROM ev", &["Project [dev, (subquery 1) AS m]", "Join Cross"]),
        (
            "SELECT dev, n, sum(v) FROM ev GROUP BY ROLLUP(dev, n) HAVING dev IS NULL",
            &["Project", "Filter", "Aggregate by", "Join Cross", "Scan", "Values 3 row"],
        ),
        ("SELECT dev AS d, n, count(n) FROM ev GROUP BY d, 2 WITH CUBE", &["Aggregate by", "Values 4 row"]),
        (
            "SELECT window.start, dev, grouping(dev), count(*) FROM ev GROUP BY window(ts, '1 minute'), ROLLUP(dev)",
            &["Aggregate by [window,", "Window ts", "Join Cross", "Values 2 row"],
        ),
        ("SELECT sum(v) FROM ev GROUP BY GROUPING SETS ((dev, n), (dev), ())", &["Values 3 row"]),
        ("SELECT 1 AS one", &["Values 1 row"]),
        ("WITH a AS (SELECT 1 AS x) INSERT INTO dim SELECT x FROM a LIMIT 1", &["Limit 1", "Project [x]", "Alias a"]),
        (
            "WITH a AS (SELECT 1 AS x) INSERT INTO dim WITH a AS (SELECT x AS y FROM a) SELECT y FROM a",
            &["Project [y]", "Alias a", "Alias a", "Values"],
        ),
        ("INSERT INTO dim SELECT dev, dev, v FROM ev", &["Project", "Scan"]),
        ("CREATE TEMPORARY VIEW w AS SELECT dev FROM STREAM ev; SELECT * FROM w", &["Scan json ev as stream"]),
    ];
    for (query, parts) in cases {
        let plan = planned(query);
        let mut rest = plan.as_str();
        for part in *parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("{query}: no {part} (in this order) in\n{plan}"));
            rest = &rest[at + part.len()..];
        }
    }
}
