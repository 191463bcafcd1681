//! Rewrites that keep a query's meaning: filters move down, unused columns go away, results are shared.
//!
//! Filters matter for more than speed: a condition that does not use the event time acts *below* the watermark, as
//! in Spark, so that rejected rows do not advance it.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{
    Aggregate, Deduplicate, EventKey, Join, JoinKind, LogicalPlan, Scan,
    builder::{Side, conjunction, conjuncts, map_columns, side_of, split_condition},
    deduplicate::event_time_of,
    share::share_parts,
    subqueries::sink,
};
use crate::{
    block::Value,
    expr::{
        BoundExpr, Settings, UnaryOp,
        fold::rejects_nulls,
        operator::{Site, unary},
    },
    schema::{Field, Schema},
};

/// The plan as it will run.
pub fn rewrite(plan: LogicalPlan) -> LogicalPlan {
    let plan = push_filters(sink(plan), Vec::new());
    let needed = vec![true; plan.schema().len()];
    share_parts(prune(plan, &needed))
}

/// Puts `conditions` (over the plan's output) as low as they may go.
fn push_filters(plan: LogicalPlan, conditions: Vec<BoundExpr>) -> LogicalPlan {
    match plan {
        LogicalPlan::Filter { input, predicate } => {
            let mut all = conjuncts(predicate);
            all.extend(conditions);
            push_filters(*input, all)
        }
        LogicalPlan::Project { input, exprs, schema } => {
            let movable = exprs.iter().all(BoundExpr::is_deterministic);
            let (down, up) = split(conditions, |_| movable);
            let down = down.into_iter().map(|c| substitute(c, &exprs)).collect();
            let input = Box::new(push_filters(*input, down));
            filter(LogicalPlan::Project { input, exprs, schema }, up)
        }
        LogicalPlan::Alias { input, schema } => {
            LogicalPlan::Alias { input: Box::new(push_filters(*input, conditions)), schema }
        }
        LogicalPlan::Sort { input, keys } => {
            LogicalPlan::Sort { input: Box::new(push_filters(*input, conditions)), keys }
        }
        LogicalPlan::Watermark { input, column, delay_us, schema } => {
            let (down, up) = split(conditions, |c| !reads(c, &|i| i == column));
            let input = Box::new(push_filters(*input, down));
            filter(LogicalPlan::Watermark { input, column, delay_us, schema }, up)
        }
        node @ (LogicalPlan::Window { .. } | LogicalPlan::Session { .. } | LogicalPlan::Explode { .. }) => {
            let width = node.inputs()[0].schema().len();
            let (down, up) = split(conditions, |c| !reads(c, &|i| i >= width));
            let mut down = Some(down);
            filter(node.map_inputs(&mut |input| push_filters(input, down.take().unwrap_or_default())), up)
        }
        LogicalPlan::Aggregate(aggregate) => push_through_aggregate(aggregate, conditions),
        LogicalPlan::Union { inputs, schema } => {
            let inputs = inputs.into_iter().map(|input| push_filters(input, conditions.clone())).collect();
            LogicalPlan::Union { inputs, schema }
        }
        LogicalPlan::Join(join) => push_through_join(join, conditions),
        LogicalPlan::Limit { .. } | LogicalPlan::Deduplicate(_) => {
            let node = plan.map_inputs(&mut |input| push_filters(input, Vec::new()));
            filter(node, conditions)
        }
        leaf @ (LogicalPlan::Scan(_) | LogicalPlan::Range { .. } | LogicalPlan::Values { .. }) => {
            filter(leaf, conditions)
        }
    }
}

/// Conditions on keys move below, but not those on a window: the aggregation stands right on its Window node.
fn push_through_aggregate(aggregate: Aggregate, conditions: Vec<BoundExpr>) -> LogicalPlan {
    let keys = aggregate.group.len();
    let window = match aggregate.event_key() {
        EventKey::Window { position, .. } | EventKey::Session { position } => Some(position),
        _ => None,
    };
    let (down, up) = split(conditions, |c| keys > 0 && !reads(c, &|i| i >= keys || Some(i) == window));
    let down = down.into_iter().map(|c| substitute(c, &aggregate.group)).collect();
    let input = Box::new(push_filters(*aggregate.input, down));
    filter(LogicalPlan::Aggregate(Aggregate { input, ..aggregate }), up)
}

fn push_through_join(join: Join, conditions: Vec<BoundExpr>) -> LogicalPlan {
    let width = join.left.schema().len();
    let (mut left, mut right, mut up) = (Vec::new(), Vec::new(), Vec::new());
    let mut residual = join.residual.map(conjuncts).unwrap_or_default();
    let (mut on, mut kind) = (join.on, matched_kind(join.kind, &conditions, width));
    let is_inner = matches!(kind, JoinKind::Inner | JoinKind::Cross);
    let outer_side = |side: Side| match side {
        Side::Left => is_inner || matches!(kind, JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti),
        Side::Right => is_inner || kind == JoinKind::Right,
    };
    for condition in conditions {
        match side_of(&condition, width) {
            _ if !condition.is_deterministic() => up.push(condition),
            Some(Side::Left) if outer_side(Side::Left) => left.push(condition),
            Some(Side::Right) if outer_side(Side::Right) => right.push(map_columns(condition, &|i| i - width)),
            _ if is_inner => residual.push(condition),
            _ => up.push(condition),
        }
    }
    let inner_side = |side: Side| match side {
        Side::Left => is_inner || matches!(kind, JoinKind::Right | JoinKind::LeftSemi),
        Side::Right => is_inner || matches!(kind, JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti),
    };
    let mut rest = Vec::new();
    for condition in residual {
        match side_of(&condition, width) {
            _ if !condition.is_deterministic() => rest.push(condition),
            Some(Side::Left) if inner_side(Side::Left) => left.push(condition),
            Some(Side::Right) if inner_side(Side::Right) => right.push(map_columns(condition, &|i| i - width)),
            _ => rest.push(condition),
        }
    }
    let (more_on, residual) = split_condition(conjunction(rest), width);
    on.extend(more_on);
    for (l, r) in &on {
        if inner_side(Side::Left) && l.nullable && !(join.subquery && kind == JoinKind::LeftSemi) {
            left.extend(is_not_null(l));
        }
        if inner_side(Side::Right) && r.nullable {
            right.extend(is_not_null(r));
        }
    }
    if kind == JoinKind::Cross && !on.is_empty() {
        kind = JoinKind::Inner;
    }
    let (left, right) = (Box::new(push_filters(*join.left, left)), Box::new(push_filters(*join.right, right)));
    filter(
        LogicalPlan::Join(Join { left, right, kind, on, residual, schema: join.schema, subquery: join.subquery }),
        up,
    )
}

/// The kind of a join without the rows that its conditions reject: those that are NULL on a side for want of a match.
fn matched_kind(kind: JoinKind, conditions: &[BoundExpr], width: usize) -> JoinKind {
    let rejects = |side| conditions.iter().any(|c| side_of(c, width) == Some(side) && rejects_nulls(c));
    match kind {
        JoinKind::Left if rejects(Side::Right) => JoinKind::Inner,
        JoinKind::Right if rejects(Side::Left) => JoinKind::Inner,
        JoinKind::Full => match (rejects(Side::Left), rejects(Side::Right)) {
            (true, true) => JoinKind::Inner,
            (true, false) => JoinKind::Left,
            (false, true) => JoinKind::Right,
            (false, false) => JoinKind::Full,
        },
        kind => kind,
    }
}

fn is_not_null(expr: &BoundExpr) -> Option<BoundExpr> {
    unary(UnaryOp::IsNotNull, expr.clone(), Site::new(&Settings::default(), None)).ok()
}

fn filter(plan: LogicalPlan, conditions: Vec<BoundExpr>) -> LogicalPlan {
    match conjunction(conditions) {
        Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
        None => plan,
    }
}

fn split(conditions: Vec<BoundExpr>, goes_down: impl Fn(&BoundExpr) -> bool) -> (Vec<BoundExpr>, Vec<BoundExpr>) {
    conditions.into_iter().partition(|c| c.is_deterministic() && goes_down(c))
}

fn reads(expr: &BoundExpr, column: &dyn Fn(usize) -> bool) -> bool {
    expr.any(&|e| e.as_column().is_some_and(column))
}

fn substitute(expr: BoundExpr, columns: &[BoundExpr]) -> BoundExpr {
    expr.replace(&mut |e| e.as_column().map(|i| columns[i].clone()))
}

/// Drops what nothing above uses: projected expressions become NULL, scans learn which columns to parse.
fn prune(plan: LogicalPlan, needed: &[bool]) -> LogicalPlan {
    match plan {
        LogicalPlan::Scan(scan) => LogicalPlan::Scan(Scan { needed: needed.to_vec(), ..scan }),
        leaf @ (LogicalPlan::Range { .. } | LogicalPlan::Values { .. }) => leaf,
        LogicalPlan::Alias { input, schema } => LogicalPlan::Alias { input: Box::new(prune(*input, needed)), schema },
        LogicalPlan::Limit { input, limit, offset } => {
            LogicalPlan::Limit { input: Box::new(prune(*input, needed)), limit, offset }
        }
        LogicalPlan::Union { inputs, schema } => {
            let inputs = inputs.into_iter().map(|input| prune(input, needed)).collect();
            LogicalPlan::Union { inputs, schema }
        }
        LogicalPlan::Project { input, mut exprs, schema } => {
            for (expr, _) in exprs.iter_mut().zip(needed).filter(|(_, needed)| !**needed) {
                *expr = BoundExpr::literal(Value::Null, expr.data_type.clone());
            }
            let below = used(input.schema().len(), exprs.iter(), None);
            LogicalPlan::Project { input: Box::new(prune(*input, &below)), exprs, schema }
        }
        LogicalPlan::Filter { input, predicate } => {
            let below = used(needed.len(), [&predicate].into_iter(), Some(needed));
            LogicalPlan::Filter { input: Box::new(prune(*input, &below)), predicate }
        }
        LogicalPlan::Sort { input, keys } => {
            let below = used(needed.len(), keys.iter().map(|k| &k.expr), Some(needed));
            LogicalPlan::Sort { input: Box::new(prune(*input, &below)), keys }
        }
        LogicalPlan::Watermark { input, column, delay_us, schema } => {
            let mut below = needed.to_vec();
            below[column] = true;
            LogicalPlan::Watermark { input: Box::new(prune(*input, &below)), column, delay_us, schema }
        }
        LogicalPlan::Window { input, window, schema } => {
            let below = used(input.schema().len(), [&window.time].into_iter(), Some(needed));
            LogicalPlan::Window { input: Box::new(prune(*input, &below)), window, schema }
        }
        LogicalPlan::Session { input, time, gap, schema } => {
            let below = used(input.schema().len(), [&time, &gap].into_iter(), Some(needed));
            LogicalPlan::Session { input: Box::new(prune(*input, &below)), time, gap, schema }
        }
        LogicalPlan::Explode { input, array, outer, with_position, schema } => {
            let below = used(input.schema().len(), [&array].into_iter(), Some(needed));
            LogicalPlan::Explode { input: Box::new(prune(*input, &below)), array, outer, with_position, schema }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let args = aggregate.aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.filter));
            let below = used(aggregate.input.schema().len(), aggregate.group.iter().chain(args), None);
            let input = Box::new(prune(*aggregate.input, &below));
            LogicalPlan::Aggregate(Aggregate { input, ..aggregate })
        }
        LogicalPlan::Deduplicate(Deduplicate { input, keys, within_watermark }) => {
            let mut below = needed.to_vec();
            keys.iter().copied().chain(event_time_of(input.schema())).for_each(|i| below[i] = true);
            LogicalPlan::Deduplicate(Deduplicate { input: Box::new(prune(*input, &below)), keys, within_watermark })
        }
        LogicalPlan::Join(join) => prune_join(join, needed),
    }
}

fn prune_join(join: Join, needed: &[bool]) -> LogicalPlan {
    let (width, right_width) = (join.left.schema().len(), join.right.schema().len());
    let mut both = needed.to_vec();
    both.resize(width + right_width, false);
    let both = used(width + right_width, join.residual.iter(), Some(&both));
    let left = used(width, join.on.iter().map(|(l, _)| l), Some(&both[..width]));
    let right = used(right_width, join.on.iter().map(|(_, r)| r), Some(&both[width..]));
    let is_streams = join.left.is_streaming() && join.right.is_streaming();
    let side = |plan: LogicalPlan, needed: &[bool]| {
        let plan = prune(plan, needed);
        Box::new(if is_streams { forget_unused_times(plan, needed) } else { plan })
    };
    let (left, right) = (side(*join.left, &left), side(*join.right, &right));
    LogicalPlan::Join(Join { left, right, ..join })
}

/// An event time that nothing above reads goes no further than its watermark: a join of streams drops late rows, and
/// forgets rows, only by event times that reach it.
fn forget_unused_times(plan: LogicalPlan, needed: &[bool]) -> LogicalPlan {
    let is_unused = |i: usize, field: &Field| !needed[i] && field.event_time.is_some();
    if !plan.schema().fields().iter().enumerate().any(|(i, f)| is_unused(i, f)) {
        return plan;
    }
    let mut fields = plan.schema().fields().to_vec();
    let exprs = fields.iter_mut().enumerate().map(|(i, field)| match is_unused(i, field) {
        false => BoundExpr::column(i, field.data_type.clone(), field.nullable),
        true => {
            (field.event_time, field.nullable) = (None, true);
            BoundExpr::literal(Value::Null, field.data_type.clone())
        }
    });
    let exprs = exprs.collect();
    LogicalPlan::Project { input: Box::new(plan), exprs, schema: Schema::new(fields) }
}

/// Which of `width` columns the expressions read, or are needed above anyway.
fn used<'a>(width: usize, exprs: impl Iterator<Item = &'a BoundExpr>, above: Option<&[bool]>) -> Vec<bool> {
    let mut columns = Vec::new();
    exprs.for_each(|e| e.collect_columns(&mut columns));
    let passed = |i: usize| above.is_some_and(|needed| needed[i]);
    (0..width).map(|i| passed(i) || columns.contains(&i)).collect()
}
