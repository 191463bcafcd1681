//! A family of queries and the rows they run over: small enough for an evaluator of a few hundred lines, wide enough
//! to reach every path of grouping, windows and watermarks.

use std::sync::Arc;

use firesteel_core::{
    block::Value,
    expr::{Expr, Settings, col, lit},
    plan::{GroupBy, LogicalPlan, PlanBuilder, Select, Table},
    schema::Schema,
    time::Interval,
};

/// A row of the table `ev (ts TIMESTAMP, dev STRING, k INT, v DOUBLE)`; `v` is a small whole number, so that sums are
/// exact in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Event time, microseconds.
    pub ts: Option<i64>,
    /// A key with few values.
    pub dev: Option<&'static str>,
    /// Another key.
    pub k: Option<i32>,
    /// What is aggregated.
    pub v: Option<i32>,
}

/// The time window of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Window {
    /// Grouped by keys alone.
    None,
    /// `window(ts, size, slide, start)`, microseconds.
    Time {
        /// Length.
        size: i64,
        /// Distance of two starts.
        slide: i64,
        /// Offset of the starts.
        start: i64,
    },
    /// `session_window(ts, gap)`, microseconds.
    Session(i64),
}

/// A query of the family: `SELECT window, keys, aggregates FROM ev WHERE .. GROUP BY window, keys HAVING ..`.
#[derive(Clone, Debug)]
pub struct Query {
    /// The window.
    pub window: Window,
    /// Group by `dev`.
    pub by_dev: bool,
    /// Group by `k`.
    pub by_k: bool,
    /// `WHERE v > ..`
    pub above: Option<i32>,
    /// `HAVING count(*) >= ..`
    pub at_least: Option<i64>,
    /// `WATERMARK ts DELAY OF ..`, microseconds.
    pub delay: Option<i64>,
}

impl Row {
    /// The row as the engine takes it.
    pub fn values(&self) -> [Value; 4] {
        [
            self.ts.map_or(Value::Null, Value::Int64),
            self.dev.map_or(Value::Null, Value::from),
            self.k.map_or(Value::Null, Value::Int32),
            self.v.map_or(Value::Null, |v| Value::Float64(v.into())),
        ]
    }
}

impl Query {
    /// The query's plan, as written (not rewritten), over a table that is read as a stream or not.
    pub fn plan(&self, is_stream: bool) -> LogicalPlan {
        let mut from = PlanBuilder::scan(Arc::new(table()), is_stream, Arc::new(Settings::default()));
        if let Some(delay) = self.delay {
            from = from.with_watermark(col("ts"), Interval::from_micros(delay)).expect("a watermark on ts");
        }
        if let Some(above) = self.above {
            from = from.filter(col("v").gt(above)).expect("a condition on v");
        }
        from.select(self.select()).expect("a query of the family").into_plan()
    }

    fn select(&self) -> Select {
        let micros = |us: i64| lit(format!("{us} microseconds").as_str());
        let window = match self.window {
            Window::None => None,
            Window::Time { size, slide, start } => {
                Some(Expr::function("window", [col("ts"), micros(size), micros(slide), micros(start)]))
            }
            Window::Session(gap) => Some(Expr::function("session_window", [col("ts"), micros(gap)])),
        };
        let mut group: Vec<Expr> = window.into_iter().collect();
        let mut projection: Vec<Expr> = Vec::new();
        for bound in ["start", "end"] {
            projection.push(group.first().map_or_else(|| lit(0_i64), |w| w.clone().field(bound)).alias(bound));
        }
        for (name, is_key) in [("dev", self.by_dev), ("k", self.by_k)] {
            projection.push(if is_key { col(name) } else { lit(0_i64) }.alias(format!("key_{name}")));
            group.extend(is_key.then(|| col(name)));
        }
        let count = || Expr::function("count", [lit(1)]);
        projection.push(count().alias("n"));
        projection.extend(["count", "sum", "min", "max", "avg"].map(|f| Expr::function(f, [col("v")]).alias(f)));
        Select {
            projection,
            group_by: (!group.is_empty()).then_some(GroupBy::Exprs(group)),
            having: self.at_least.map(|n| count().gt_eq(n)),
            ..Select::default()
        }
    }
}

fn table() -> Table {
    let schema = Schema::parse_ddl("ts TIMESTAMP, dev STRING, k INT, v DOUBLE").expect("a schema");
    Table { name: "ev".into(), provider: "memory".into(), schema, ..Table::default() }
}
