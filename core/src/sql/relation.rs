//! FROM: tables, views, the names of WITH, queries in parentheses, table functions, joins.

use alloc::{format, string::String, vec::Vec};

use super::{
    query::{Planner, Scope},
    tree::{self, Argument, Constraint, Factor},
};
use crate::{
    error::{Error, Result, Span},
    expr::{Expr, ExprKind},
    plan::{JoinKind, JoinOn, PlanBuilder},
    schema::same_name,
};

impl Planner<'_> {
    /// The whole of FROM; without it, one row without columns.
    pub(super) fn from(&self, from: &[tree::Joined], scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let Some((first, rest)) = from.split_first() else {
            return Ok(PlanBuilder::one_row(self.exprs.settings));
        };
        let mut plan = self.joined(first, scope)?;
        for next in rest {
            let right = self.joined(next, scope)?;
            plan = plan.join(right, JoinKind::Cross, JoinOn::None).map_err(|e| e.at(Some(next.span)))?;
        }
        Ok(plan)
    }

    fn joined(&self, tables: &tree::Joined, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let mut plan = self.relation(&tables.relation, scope)?;
        for join in &tables.joins {
            let right = self.relation(&join.relation, scope)?;
            let (kind, on) = self.join_on(join.kind, &join.constraint, &plan, &right)?;
            plan = plan.join(right, kind, on).map_err(|e| e.at(Some(join.span)))?;
        }
        Ok(plan)
    }

    fn join_on(
        &self,
        kind: JoinKind,
        constraint: &Constraint,
        left: &PlanBuilder,
        right: &PlanBuilder,
    ) -> Result<(JoinKind, JoinOn)> {
        Ok(match constraint {
            Constraint::On(condition) => (kind, JoinOn::Condition(self.exprs.expr(condition)?)),
            Constraint::Using(names) => (kind, JoinOn::Using(names.clone())),
            Constraint::Natural => (kind, JoinOn::Using(common_columns(left, right))),
            Constraint::None if kind == JoinKind::Inner => (JoinKind::Cross, JoinOn::None),
            Constraint::None => (kind, JoinOn::None),
        })
    }

    fn relation(&self, relation: &tree::Relation, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let span = Some(relation.span);
        let plan = match &relation.factor {
            Factor::Table { name, stream, options } => self.named_with(name, scope, *stream, options, span)?,
            Factor::Function { name, args } => self.table_function(name, args, span)?,
            Factor::Query(query) => self.query(query, scope)?,
            Factor::Joined(tables) => self.joined(tables, scope)?,
        };
        aliased(self.watermarked(plan, relation.watermark.as_ref())?, relation.alias.as_ref())
    }

    /// A relation by name alone.
    pub(super) fn named(&self, parts: &[String], scope: Option<&Scope<'_>>, span: Option<Span>) -> Result<PlanBuilder> {
        self.named_with(parts, scope, false, &[], span)
    }

    fn named_with(
        &self,
        parts: &[String],
        scope: Option<&Scope<'_>>,
        stream: bool,
        options: &[(String, String)],
        span: Option<Span>,
    ) -> Result<PlanBuilder> {
        self.count_relation(span)?;
        let [.., last] = parts else { return Err(Error::internal("a relation without a name").at(span)) };
        let cte = if parts.len() == 1 { scope.and_then(|s| s.find(last)) } else { None };
        let Some((cte, visible)) = cte else {
            let plan = self.catalog.relation(parts, stream, options).map_err(|e| e.at(span))?;
            let named = plan.schema().fields().iter().all(|f| f.qualifier.as_deref() == Some(last));
            return if named { Ok(plan) } else { plan.alias(last, &[]) };
        };
        if stream || !options.is_empty() {
            return Err(Error::invalid(format!("`{last}` is a name of WITH, not a table"))
                .at(span)
                .hint("write STREAM and options in the query that WITH names"));
        }
        let plan = self.query(&cte.query, Some(&visible))?;
        aliased(plan, Some(&cte.alias))
    }

    fn watermarked(&self, plan: PlanBuilder, watermark: Option<&tree::Watermark>) -> Result<PlanBuilder> {
        let Some(watermark) = watermark else { return Ok(plan) };
        let mut expr = self.exprs.expr(&watermark.expr)?;
        if let Some(name) = &watermark.name {
            expr = expr.alias(name.clone());
        } else if !matches!(expr.kind, ExprKind::Column(_)) {
            return Err(Error::unsupported(
                "REQUIRES_EXPLICIT_NAME_IN_WATERMARK_CLAUSE",
                "an expression in WATERMARK needs a name",
            )
            .at(expr.span)
            .hint("write WATERMARK expression AS name DELAY OF INTERVAL ..."));
        }
        plan.with_watermark(expr, watermark.delay).map_err(|e| e.at(Some(watermark.span)))
    }

    /// `range(10)`, `explode(array(1, 2))`
    fn table_function(&self, name: &str, args: &[Argument], span: Option<Span>) -> Result<PlanBuilder> {
        self.count_relation(span)?;
        let arguments: Vec<Expr> = args.iter().map(|a| self.exprs.argument(a)).collect::<Result<_>>()?;
        let plan = match name.to_lowercase().as_str() {
            "range" => {
                let (start, end, step) = range_bounds(&arguments).map_err(|e| e.at(span))?;
                PlanBuilder::range(start, end, step, self.exprs.settings)
            }
            "explode" | "explode_outer" | "posexplode" | "posexplode_outer" | "inline" | "inline_outer" => {
                let generator = Expr::function(name, arguments).at(span);
                PlanBuilder::one_row(self.exprs.settings).explode(generator, false, None, Vec::new())
            }
            _ => Err(Error::unsupported("UNRESOLVABLE_TABLE_VALUED_FUNCTION", format!("no table function {name}()"))
                .hint("table functions are range, explode, posexplode and inline")),
        };
        plan.map_err(|e| e.at(span))
    }
}

pub(super) fn aliased(plan: PlanBuilder, alias: Option<&tree::Alias>) -> Result<PlanBuilder> {
    let Some(alias) = alias else { return Ok(plan) };
    plan.alias(&alias.name.text, &alias.columns).map_err(|e| e.at(Some(alias.name.span)))
}

/// `range(end)`, `range(start, end)`, `range(start, end, step)`, and a number of partitions, which does not matter.
fn range_bounds(arguments: &[Expr]) -> Result<(i64, i64, i64)> {
    let number = |e: &Expr| match &e.kind {
        ExprKind::Literal { value, .. } => value.as_i64(),
        _ => None,
    };
    let numbers: Option<Vec<i64>> = arguments.iter().map(number).collect();
    match numbers.as_deref() {
        Some([end]) => Ok((0, *end, 1)),
        Some([start, end]) => Ok((*start, *end, 1)),
        Some([start, end, step] | [start, end, step, _]) => Ok((*start, *end, *step)),
        _ => Err(Error::invalid("range() takes whole numbers: range(end), range(start, end), range(start, end, step)")
            .class("WRONG_NUM_ARGS")),
    }
}

/// The columns that NATURAL JOIN meets on.
fn common_columns(left: &PlanBuilder, right: &PlanBuilder) -> Vec<String> {
    let shared = |name: &str| right.schema().fields().iter().any(|f| same_name(&f.name, name));
    left.schema().fields().iter().filter(|f| shared(&f.name)).map(|f| f.name.clone()).collect()
}
