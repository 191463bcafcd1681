//! Where subqueries of WHERE act. Spark moves the condition that one stands in like any other, so that what it rejects
//! does not advance the watermark; only then it becomes a join. Ours are joins from the beginning, which go down here.
//!
//! ```text
//!   x IN (SELECT ...)   semi and anti joins go below the watermark, unless their condition reads the event time
//!   v > (SELECT ...)    its one row is brought below it, and the condition follows as a filter
//! ```

use alloc::{boxed::Box, vec::Vec};

use super::{Join, JoinKind, LogicalPlan};
use crate::{
    expr::BoundExpr,
    schema::{Field, Schema},
};

/// The plan with its subqueries as low as they may be.
pub(super) fn sink(plan: LogicalPlan) -> LogicalPlan {
    match plan.map_inputs(&mut sink) {
        LogicalPlan::Join(join) if join.subquery && !join.right.is_streaming() && reaches_watermark(&join.left) => {
            match join.kind {
                JoinKind::Cross => row_below(join),
                JoinKind::Left if asks_existence(&join.right) => row_below(join),
                // Spark makes this join before it moves conditions.
                JoinKind::Left => LogicalPlan::Join(join),
                _ => join_below(join),
            }
        }
        other => other,
    }
}

/// Whether there is a watermark with nothing but rows as they are above it.
fn reaches_watermark(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Watermark { .. } => true,
        LogicalPlan::Alias { input, .. }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Explode { input, .. } => reaches_watermark(input),
        LogicalPlan::Union { inputs, .. } => inputs.iter().any(reaches_watermark),
        LogicalPlan::Join(join) if join.subquery => reaches_watermark(&join.left),
        _ => false,
    }
}

/// Whether the right side is what IN or EXISTS asks for, each row of it once.
fn asks_existence(right: &LogicalPlan) -> bool {
    matches!(right, LogicalPlan::Aggregate(a) if a.is_distinct)
}

/// A row beside all rows of a plan, or one for each: its columns come last.
fn row_below(join: Join) -> LogicalPlan {
    let added: Vec<Field> = join.schema.fields()[join.left.schema().len()..].to_vec();
    let widened = |schema: &Schema| Schema::new([schema.fields(), &added].concat());
    let below = |input: Box<LogicalPlan>, join: Join| {
        Box::new(row_below(Join { schema: widened(input.schema()), left: input, ..join }))
    };
    let (left, join) = without_left(join);
    match left {
        LogicalPlan::Watermark { input, column, delay_us, schema } if !reads(&join, schema.len(), &|i| i == column) => {
            let schema = widened(&schema);
            LogicalPlan::Watermark { input: below(input, join), column, delay_us, schema }
        }
        LogicalPlan::Alias { input, schema } => {
            let schema = widened(&schema);
            LogicalPlan::Alias { input: below(input, join), schema }
        }
        LogicalPlan::Filter { input, predicate } => LogicalPlan::Filter { input: below(input, join), predicate },
        LogicalPlan::Project { input, mut exprs, schema }
            if join.on.is_empty() || exprs.iter().all(BoundExpr::is_deterministic) =>
        {
            let width = input.schema().len();
            let join = over(join, &exprs, width);
            let column =
                |(i, field): (usize, &Field)| BoundExpr::column(width + i, field.data_type.clone(), field.nullable);
            exprs.extend(added.iter().enumerate().map(column));
            let schema = widened(&schema);
            LogicalPlan::Project { input: below(input, join), exprs, schema }
        }
        left => LogicalPlan::Join(Join { left: Box::new(left), ..join }),
    }
}

/// The left side, and the join with nothing in its place.
fn without_left(join: Join) -> (LogicalPlan, Join) {
    let nothing = Box::new(LogicalPlan::Values { rows: Vec::new(), schema: Schema::default() });
    (*join.left, Join { left: nothing, ..join })
}

/// A semi or anti join as far below its left side as its condition has meaning there.
fn join_below(join: Join) -> LogicalPlan {
    let below = |input: Box<LogicalPlan>, join: Join| {
        Box::new(join_below(Join { schema: input.schema().clone(), left: input, ..join }))
    };
    let (left, join) = without_left(join);
    match left {
        LogicalPlan::Filter { input, predicate } => LogicalPlan::Filter { input: below(input, join), predicate },
        LogicalPlan::Alias { input, schema } => LogicalPlan::Alias { input: below(input, join), schema },
        LogicalPlan::Watermark { input, column, delay_us, schema } if !reads(&join, schema.len(), &|i| i == column) => {
            LogicalPlan::Watermark { input: below(input, join), column, delay_us, schema }
        }
        LogicalPlan::Project { input, exprs, schema } if exprs.iter().all(BoundExpr::is_deterministic) => {
            let join = over(join, &exprs, input.schema().len());
            LogicalPlan::Project { input: below(input, join), exprs, schema }
        }
        LogicalPlan::Explode { input, array, outer, with_position, schema }
            if !reads(&join, schema.len(), &|i| i >= input.schema().len()) =>
        {
            let columns: Vec<BoundExpr> = (0..schema.len()).map(|i| super::builder::column_of(&schema, i)).collect();
            let join = over(join, &columns, input.schema().len());
            LogicalPlan::Explode { input: below(input, join), array, outer, with_position, schema }
        }
        LogicalPlan::Union { inputs, schema } => {
            let inputs = inputs.into_iter().map(|input| *below(Box::new(input), join.clone())).collect();
            LogicalPlan::Union { inputs, schema }
        }
        left => LogicalPlan::Join(Join { left: Box::new(left), ..join }),
    }
}

/// Whether the condition reads a column of the left side.
fn reads(join: &Join, width: usize, column: &dyn Fn(usize) -> bool) -> bool {
    let is_read = |e: &BoundExpr| e.any(&|e| e.as_column().is_some_and(|i| i < width && column(i)));
    join.on.iter().any(|(left, _)| is_read(left)) || join.residual.as_ref().is_some_and(is_read)
}

/// The join below a projection: what its condition reads is what the projection calculates.
fn over(join: Join, exprs: &[BoundExpr], width: usize) -> Join {
    let moved = |e: &BoundExpr| {
        let i = e.as_column()?;
        let right = || BoundExpr::column(i - exprs.len() + width, e.data_type.clone(), e.nullable);
        Some(exprs.get(i).cloned().unwrap_or_else(right))
    };
    let on = join.on.into_iter().map(|(left, right)| (left.replace(&mut |e| moved(e)), right)).collect();
    let residual = join.residual.map(|e| e.replace(&mut |e| moved(e)));
    Join { on, residual, ..join }
}
