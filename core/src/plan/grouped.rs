//! Expressions above an aggregation: aggregate calls and grouped expressions become columns of its output.
//!
//! They are bound in two steps: first against the input with aggregate calls standing for extra columns, then every
//! sub-expression that equals a group expression becomes that group's column. What still refers to the input after
//! that is Spark's MISSING_AGGREGATION.

use alloc::{boxed::Box, format, vec::Vec};

use super::{
    AggregateExpr,
    builder::{boolean, projected_field},
    windows::WindowScope,
};
use crate::{
    agg::{self, AggregateCall},
    error::{Error, Result},
    expr::{BoundExpr, Expr, ExprKind, Scope, Settings, bind},
    schema::{Field, Schema, same_name},
};

/// Binds expressions above an aggregation; collects the aggregate calls it meets.
pub(super) struct AboveAggregate<'a> {
    pub(super) input: WindowScope<'a>,
    pub(super) settings: &'a Settings,
    /// Select items whose names HAVING and ORDER BY may use.
    pub(super) aliases: &'a [Expr],
    pub(super) aggregates: Vec<AggregateExpr>,
}

impl Scope for AboveAggregate<'_> {
    fn schema(&self) -> &Schema {
        self.input.schema
    }

    fn resolve_special(&mut self, expr: &Expr) -> Option<Result<BoundExpr>> {
        if is_aggregate_call(expr) {
            return Some(self.aggregate(expr));
        }
        if let Some(aliased) = self.alias_target(expr) {
            let settings = self.settings;
            // What a name stands for was written below the names: `upper(a) AS a` means the input's `a`.
            let aliases = core::mem::take(&mut self.aliases);
            let bound = bind(aliased, self, settings);
            self.aliases = aliases;
            return Some(bound);
        }
        self.input.resolve_special(expr)
    }

    fn aggregate_names(&self) -> Box<dyn Iterator<Item = &'static str>> {
        self.input.aggregate_names()
    }
}

impl<'a> AboveAggregate<'a> {
    /// The expression over the aggregation's output.
    pub(super) fn bind(&mut self, expr: &Expr, group: &[BoundExpr]) -> Result<BoundExpr> {
        let settings = self.settings;
        let bound = bind(expr, self, settings)?;
        let width = self.input.schema.len();
        let lifted = bound.replace(&mut |e| {
            if let Some(g) = group.iter().position(|key| key == e) {
                return Some(BoundExpr::column(MARK + g, e.data_type.clone(), e.nullable));
            }
            let aggregate = e.as_column()?.checked_sub(width)?;
            Some(BoundExpr::column(MARK + group.len() + aggregate, e.data_type.clone(), e.nullable))
        });
        // Whatever is not marked is an input column that was not grouped by.
        if lifted.any(&|e| e.as_column().is_some_and(|i| i < MARK)) {
            return Err(missing_aggregation(expr));
        }
        Ok(super::builder::map_columns(lifted, &|i| if i >= MARK { i - MARK } else { i }))
    }

    fn alias_target(&self, expr: &Expr) -> Option<&'a Expr> {
        let ExprKind::Column(parts) = &expr.kind else { return None };
        let [name] = parts.as_slice() else { return None };
        let target = self.aliases.iter().find(|e| matches!(&e.kind, ExprKind::Alias(_, a) if same_name(a, name)))?;
        Some(unaliased(target))
    }

    /// Binds an aggregate call and gives the column that stands for it: the input's width plus its position.
    fn aggregate(&mut self, expr: &Expr) -> Result<BoundExpr> {
        let ExprKind::Function { name, args, distinct, filter, ignore_nulls, within_group } = &expr.kind else {
            unreachable!("is_aggregate_call looked at the kind");
        };
        let (name, entry) = agg::lookup(name).ok_or_else(|| Error::internal("an aggregate vanished"))?;
        let count_star = matches!(args.as_slice(), [Expr { kind: ExprKind::Star(_), .. }]);
        let args = if count_star { &[][..] } else { &args[..] };
        let nested = args.iter().find(|a| contains_aggregate(a));
        if let Some(inner) = nested {
            return Err(Error::invalid("an aggregate inside an aggregate")
                .class("NESTED_AGGREGATE_FUNCTION")
                .at(inner.span)
                .hint("aggregate the inner one in a subquery"));
        }
        let (mut input, settings) = (self.input, self.settings);
        let mut bind_arg = |e: &Expr| bind(e, &mut input, settings);
        let mut bound: Vec<BoundExpr> = args.iter().map(&mut bind_arg).collect::<Result<_>>()?;
        if *distinct {
            // Every argument tells rows apart: count() leaves out none for never being NULL.
            bound.iter_mut().for_each(|arg| arg.nullable = true);
        }
        for key in within_group {
            bound.push(bind_arg(&key.expr)?);
        }
        let call = (entry.bind)(AggregateCall {
            name,
            args: bound,
            ignore_nulls: *ignore_nulls,
            ordered: !within_group.is_empty(),
            descending: within_group.first().is_some_and(|key| key.descending),
            settings,
            span: expr.span,
        })?;
        let call = if *distinct { call.distinct() } else { call };
        let filter = match filter {
            Some(predicate) => Some(boolean(bind_arg(predicate)?, predicate)?),
            None => None,
        };
        let (data_type, nullable) = (call.data_type.clone(), call.nullable);
        let position = self.position_of(AggregateExpr { call, filter, distinct: *distinct });
        Ok(BoundExpr::column(self.input.schema.len() + position, data_type, nullable))
    }

    fn position_of(&mut self, aggregate: AggregateExpr) -> usize {
        let known = self.aggregates.iter().position(|a| *a == aggregate);
        known.unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        })
    }
}

/// Added to the index of a column that is already one of the aggregation's output, while the rest is checked.
pub(super) const MARK: usize = 1 << 32;

pub(super) fn missing_aggregation(expr: &Expr) -> Error {
    let text = format!("`{}` is neither grouped by nor aggregated", expr.output_name());
    Error::unsupported("MISSING_AGGREGATION", text).at(expr.span).hint("add it to GROUP BY, or take any_value() of it")
}

pub(super) fn aggregate_schema(group: &[BoundExpr], aggregates: &[AggregateExpr], input: &Schema) -> Schema {
    let keys = group.iter().enumerate().map(|(i, e)| {
        let name = e.as_column().map_or_else(|| format!("group{i}"), |c| input.field(c).name.clone());
        projected_field(e, name, input)
    });
    let results =
        aggregates.iter().map(|a| Field::new(a.call.name, a.call.data_type.clone()).nullable(a.call.nullable));
    Schema::new(keys.chain(results).collect::<Vec<_>>())
}

pub(super) fn is_aggregate_call(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Function { name, .. } => agg::lookup(name).is_some(),
        _ => false,
    }
}

pub(super) fn contains_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |e| found |= is_aggregate_call(e));
    found
}

pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Alias(inner, _) => inner,
        _ => expr,
    }
}
