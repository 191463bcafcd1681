//! Plans as text, one node a line, inputs indented below.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use jiff::tz::TimeZone;

use super::{Aggregate, Join, LogicalPlan, Scan, TimeWindow};
use crate::{
    block::{Column, Value},
    expr::{
        BoundExpr, BoundKind, FunctionCall,
        cast::print::{Style, write_value},
    },
    schema::{DataType, Schema},
    time::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MILLI, MICROS_PER_MINUTE, MICROS_PER_SECOND},
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

/// What an operator that makes this node's rows remembers: the node, its window, the types of its columns.
pub(crate) fn describe_state(plan: &LogicalPlan) -> String {
    let below = plan.inputs();
    let window = below.iter().find(|i| matches!(i, LogicalPlan::Window { .. } | LogicalPlan::Session { .. }));
    let window = window.map_or_else(String::new, |window| format!("{}, ", describe(window)));
    let types =
        |schema: &Schema| schema.fields().iter().map(|f| f.data_type.to_string()).collect::<Vec<_>>().join(", ");
    // A join and a deduplication keep whole rows of what is below.
    let kept = match plan {
        LogicalPlan::Aggregate(_) => types(plan.schema()),
        _ => below.iter().map(|input| types(input.schema())).collect::<Vec<_>>().join("; "),
    };
    format!("{window}{} ({kept})", describe(plan))
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
            format!("Watermark {} delay {}", schema.field(*column).name, duration(*delay_us))
        }
        LogicalPlan::Filter { input, predicate } => format!("Filter {}", show(predicate, input.schema())),
        LogicalPlan::Project { input, exprs, schema } => {
            let items = exprs.iter().zip(schema.fields());
            list("Project", items.map(|(e, f)| named(e, &f.name, input.schema())))
        }
        LogicalPlan::Window { input, window, .. } => describe_window(window, input.schema()),
        LogicalPlan::Session { input, time, gap, .. } => {
            format!("Session {} gap {}", show(time, input.schema()), show(gap, input.schema()))
        }
        LogicalPlan::Explode { input, array, .. } => format!("Explode {}", show(array, input.schema())),
        LogicalPlan::Aggregate(aggregate) => describe_aggregate(aggregate),
        LogicalPlan::Deduplicate(node) => {
            let schema = node.input.schema();
            let what = if node.within_watermark { "Deduplicate within the watermark by" } else { "Deduplicate by" };
            list(what, node.keys.iter().map(|&i| schema.field(i).name.clone()))
        }
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

fn describe_window(window: &TimeWindow, input: &Schema) -> String {
    let mut text = format!("Window {} of {}", show(&window.time, input), duration(window.size_us));
    if window.slide_us != window.size_us {
        text += &format!(" every {}", duration(window.slide_us));
    }
    if window.start_us != 0 {
        text += &format!(" from {}", duration(window.start_us));
    }
    text
}

/// Microseconds in the largest unit that holds them whole.
fn duration(us: i64) -> String {
    let units = [
        (MICROS_PER_DAY, "days"),
        (MICROS_PER_HOUR, "hours"),
        (MICROS_PER_MINUTE, "minutes"),
        (MICROS_PER_SECOND, "seconds"),
        (MICROS_PER_MILLI, "ms"),
    ];
    match units.iter().find(|(unit, _)| us != 0 && us % unit == 0) {
        Some((unit, name)) if us == *unit => {
            format!("1 {}", name.strip_suffix("s").filter(|_| *name != "ms").unwrap_or(name))
        }
        Some((unit, name)) => format!("{} {name}", us / unit),
        None if us == 0 => "0 seconds".into(),
        None => format!("{us} us"),
    }
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
            let args = if args.is_empty() { "*".into() } else { args.join(", ") };
            format!("{}({distinct}{args}){filter}", a.call.name)
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
        BoundKind::Literal(value) => literal(value, &expr.data_type),
        BoundKind::And(a, b) => format!("({} AND {})", show(a, input), show(b, input)),
        BoundKind::Or(a, b) => format!("({} OR {})", show(a, input), show(b, input)),
        BoundKind::Coalesce(args) => format!("coalesce({})", all(args)),
        BoundKind::Case { .. } => "CASE ... END".into(),
        BoundKind::Call(call) => match (call.function.name(), call.args.as_slice()) {
            ("cast" | "try_cast", [a]) => format!("CAST({} AS {})", show(a, input), expr.data_type),
            ("field", [a]) => format!("{}.{}", show(a, input), field_name(call, a)),
            (operator, [a, b]) if !operator.starts_with(char::is_alphabetic) => {
                format!("({} {operator} {})", show(a, input), show(b, input))
            }
            (name, args) => format!("{name}({})", all(args)),
        },
    }
}

/// The name of the field that a call takes out of a struct.
fn field_name(call: &FunctionCall, of: &BoundExpr) -> String {
    let index = call.function.parameters().parse().ok();
    let field = of.data_type.struct_fields().zip(index).and_then(|(fields, i): (_, usize)| fields.get(i));
    field.map_or_else(|| "?".into(), |field| field.name.clone())
}

fn literal(value: &Value, data_type: &DataType) -> String {
    if value.is_null() {
        return "NULL".into();
    }
    let column = Column::from_values(data_type.clone(), core::slice::from_ref(value));
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = write_value(&mut text, &column.view(), 0, Style { zone: &TimeZone::UTC, plain_decimals: true });
    if data_type.is_numeric() || *data_type == DataType::Boolean { text } else { format!("'{text}'") }
}
