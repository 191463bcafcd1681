//! One-second windows by key: the query that several benches run, over rows of their own.

use std::sync::Arc;

use firesteel_core::{
    expr::{Expr, Settings, col, lit},
    plan::{GroupBy, LogicalPlan, PlanBuilder, Select, Table, rewrite},
    schema::Schema,
};

/// `{ts, id, value}`
pub fn schema() -> Schema {
    Schema::parse_ddl("ts TIMESTAMP, id INT, value DOUBLE").expect("a schema")
}

/// Key, count, sum, min, max and avg of each key and second, as a batch or over a stream.
pub fn plan(is_stream: bool) -> LogicalPlan {
    let table = Table { name: "t".into(), provider: "memory".into(), schema: schema(), ..Table::default() };
    let from = PlanBuilder::scan(Arc::new(table), is_stream, Arc::new(Settings::default()));
    let mut projection = vec![col("id"), Expr::function("count", [lit(1)]).alias("n")];
    projection.extend(["sum", "min", "max", "avg"].map(|f| Expr::function(f, [col("value")]).alias(f)));
    let group = vec![Expr::function("window", [col("ts"), lit("1 second")]), col("id")];
    let select = Select { projection, group_by: Some(GroupBy::Exprs(group)), ..Select::default() };
    rewrite(from.select(select).expect("a query").into_plan())
}
