//! Plans as text, one node a line, inputs indented below.

use alloc::{format, string::String, vec::Vec};

use super::{Aggregate, Join, LogicalPlan, Scan};
use crate::{
    block::Value,
    expr::{BoundExpr, BoundKind},
    schema::Schema,
};

/// The plan as an indented tree.
pub fn explain(plan: &LogicalPlan) -> String {
    let mut text = String::new();
    write_node(plan, 0, &mut text);
    text
}

fn write_node(plan: &LogicalPlan, depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
    out.push_str(&describe(plan));
    out.push('\n');
    plan.inputs().into_iter().for_each(|input| write_node(input, depth + 1, out));
}

fn describe(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Scan(scan) => describe_scan(scan),
        LogicalPlan::Range { start, end, step, .. } => format!("Range {start} to {end} by {step}"),
        LogicalPlan::Values { rows, .. } => format!("Values {} row(s)", rows.len()),
        LogicalPlan::Alias { schema, .. } => {
            format!("Alias {}", schema.fields().first().and_then(|f| f.qualifier.as_deref()).unwrap_or(""))
        }
        LogicalPlan::Watermark { column, delay_us, schema, .. } => {
            format!("Watermark {} delay {} us", schema.field(*column).name, delay_us)
        }
        LogicalPlan::Filter { input, predicate } => format!("Filter {}", show(predicate, input.schema())),
        LogicalPlan::Project { input, exprs, schema } => {
            let items = exprs.iter().zip(schema.fields());
            list("Project", items.map(|(e, f)| named(e, &f.name, input.schema())))
        }
        LogicalPlan::Window { input, window, .. } => format!(
            "Window {} size {} us slide {} us start {} us",
            show(&window.time, input.schema()),
            window.size_us,
            window.slide_us,
            window.start_us
        ),
        LogicalPlan::Session { input, time, gap, .. } => {
            format!("Session {} gap {}", show(time, input.schema()), show(gap, input.schema()))
        }
        LogicalPlan::Explode { input, array, .. } => format!("Explode {}", show(array, input.schema())),
        LogicalPlan::Aggregate(aggregate) => describe_aggregate(aggregate),
        LogicalPlan::Join(join) => describe_join(join),
        LogicalPlan::Union { inputs, .. } => format!("Union of {}", inputs.len()),
        LogicalPlan::Sort { input, keys } => {
            let direction = |d: bool| if d { " DESC" } else { "" };
            list("Sort", keys.iter().map(|k| format!("{}{}", show(&k.expr, input.schema()), direction(k.descending))))
        }
        LogicalPlan::Limit { limit, offset, .. } => match limit {
            Some(limit) => format!("Limit {limit} offset {offset}"),
            None => format!("Offset {offset}"),
        },
    }
}

fn describe_scan(scan: &Scan) -> String {
    let kind = if scan.is_stream { "stream" } else { "batch" };
    let fields = scan.schema.fields().iter().zip(&scan.needed).filter(|(_, needed)| **needed);
    let columns: Vec<&str> = fields.map(|(f, _)| f.name.as_str()).collect();
    format!("Scan {} {} as {kind} [{}]", scan.table.provider, scan.table.name, columns.join(", "))
}

fn describe_aggregate(aggregate: &Aggregate) -> String {
    let schema = aggregate.input.schema();
    let keys: Vec<String> = aggregate.group.iter().map(|e| show(e, schema)).collect();
    let calls: Vec<String> = aggregate
        .aggregates
        .iter()
        .map(|a| {
            let args: Vec<String> = a.call.args.iter().map(|e| show(e, schema)).collect();
            let distinct = if a.distinct { "DISTINCT " } else { "" };
            let filter = a.filter.as_ref().map_or_else(String::new, |f| format!(" FILTER {}", show(f, schema)));
            format!("{}({distinct}{}){filter}", a.call.name, args.join(", "))
        })
        .collect();
    format!("Aggregate by [{}] compute [{}]", keys.join(", "), calls.join(", "))
}

fn describe_join(join: &Join) -> String {
    let (left, right) = (join.left.schema(), join.right.schema());
    let on: Vec<String> = join.on.iter().map(|(l, r)| format!("{} = {}", show(l, left), show(r, right))).collect();
    let both = Schema::new(left.fields().iter().chain(right.fields()).cloned().collect::<Vec<_>>());
    let rest = join.residual.as_ref().map_or_else(String::new, |e| format!(" and {}", show(e, &both)));
    format!("Join {:?} on [{}]{rest}", join.kind, on.join(", "))
}

fn list(what: &str, items: impl Iterator<Item = String>) -> String {
    format!("{what} [{}]", items.collect::<Vec<_>>().join(", "))
}

fn named(expr: &BoundExpr, name: &str, input: &Schema) -> String {
    let text = show(expr, input);
    if text == name { text } else { format!("{text} AS {name}") }
}

/// An expression over these columns, as text.
pub(crate) fn show(expr: &BoundExpr, input: &Schema) -> String {
    let all = |args: &[BoundExpr]| args.iter().map(|a| show(a, input)).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        BoundKind::Column(i) => input.field(*i).name.clone(),
        BoundKind::Literal(value) => show_literal(value),
        BoundKind::And(a, b) => format!("({} AND {})", show(a, input), show(b, input)),
        BoundKind::Or(a, b) => format!("({} OR {})", show(a, input), show(b, input)),
        BoundKind::Coalesce(args) => format!("coalesce({})", all(args)),
        BoundKind::Case { .. } => "CASE ... END".into(),
        BoundKind::Call(call) => match call.args.as_slice() {
            [a, b] if !call.function.name().starts_with(char::is_alphabetic) => {
                format!("({} {} {})", show(a, input), call.function.name(), show(b, input))
            }
            args => format!("{}({})", call.function.name(), all(args)),
        },
    }
}

fn show_literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::String(text) => format!("'{text}'"),
        Value::Boolean(x) => format!("{x}"),
        Value::Float32(x) => format!("{x}"),
        Value::Float64(x) => format!("{x}"),
        Value::Decimal(x) => format!("{x}"),
        other => other.as_i64().map_or_else(|| format!("{other:?}"), |x| format!("{x}")),
    }
}
