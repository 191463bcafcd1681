//! FROM: tables, views, the names of WITH, queries in parentheses, table functions, joins.

use alloc::{format, string::String, vec::Vec};

use sqlparser::ast::{self, JoinConstraint, JoinOperator, SetExpr, Spanned, TableFactor};

use super::{
    clauses::{Relation, Start},
    expr::ident,
    query::{Planner, Scope, name_parts},
    syntax::place,
};
use crate::{
    error::{Error, Result, Span},
    expr::{Expr, ExprKind},
    plan::{JoinKind, JoinOn, PlanBuilder},
    schema::same_name,
};

/// What joins are made of: an operator and its condition.
type JoinParts<'a> = (JoinKind, &'a JoinConstraint);

impl Planner<'_> {
    /// The whole of FROM; without it, one row without columns.
    pub(super) fn from(&self, from: &[ast::TableWithJoins], scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let Some((first, rest)) = from.split_first() else {
            return Ok(PlanBuilder::one_row(self.exprs.settings));
        };
        let mut plan = self.joined(first, scope)?;
        for next in rest {
            let right = self.joined(next, scope)?;
            plan = plan.join(right, JoinKind::Cross, JoinOn::None).map_err(|e| e.at(place(next.span())))?;
        }
        Ok(plan)
    }

    fn joined(&self, tables: &ast::TableWithJoins, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let mut plan = self.relation(&tables.relation, scope)?;
        for join in &tables.joins {
            let span = place(join.span());
            let (kind, constraint) = join_parts(&join.join_operator).ok_or_else(|| unsupported_join(span))?;
            let right = self.relation(&join.relation, scope)?;
            let (kind, on) = self.join_on(kind, constraint, &plan, &right)?;
            plan = plan.join(right, kind, on).map_err(|e| e.at(span))?;
        }
        Ok(plan)
    }

    fn join_on(
        &self,
        kind: JoinKind,
        constraint: &JoinConstraint,
        left: &PlanBuilder,
        right: &PlanBuilder,
    ) -> Result<(JoinKind, JoinOn)> {
        Ok(match constraint {
            JoinConstraint::On(condition) => (kind, JoinOn::Condition(self.exprs.expr(condition)?)),
            JoinConstraint::Using(names) => {
                let names: Vec<String> = names.iter().map(super::expr::dotted).collect::<Result<_>>()?;
                (kind, JoinOn::Using(names))
            }
            JoinConstraint::Natural => (kind, JoinOn::Using(common_columns(left, right))),
            JoinConstraint::None if kind == JoinKind::Inner => (JoinKind::Cross, JoinOn::None),
            JoinConstraint::None => (kind, JoinOn::None),
        })
    }

    fn relation(&self, factor: &TableFactor, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let span = place(factor.span());
        match factor {
            TableFactor::Table { name, alias, args: None, sample: None, version: None, .. } => {
                self.aliased(self.table(name, scope)?, alias.as_ref())
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.table_function(name, &args.args, alias.as_ref(), span)
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let beside = first_of(subquery).and_then(|start| self.clauses.relations.get(&start));
                let plan = self.query(subquery, scope)?;
                let plan = self.watermarked(plan, beside)?;
                self.aliased(plan, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.aliased(self.joined(table_with_joins, scope)?, alias.as_ref())
            }
            TableFactor::Derived { lateral: true, .. } | TableFactor::Function { lateral: true, .. } => {
                Err(Error::unsupported("UNSUPPORTED_FEATURE", "LATERAL joins are not supported")
                    .at(span)
                    .hint("LATERAL VIEW explode(array) t AS x unnests an array"))
            }
            TableFactor::TableFunction { .. } => {
                Err(Error::unsupported("UNSUPPORTED_FEATURE", "TABLE(function) is not supported")
                    .at(span)
                    .hint("windows are made in GROUP BY: window(ts, '1 minute')"))
            }
            _ => Err(Error::unsupported("UNSUPPORTED_FEATURE", "this kind of relation is not supported")
                .at(span)
                .hint("TABLESAMPLE, PIVOT, UNPIVOT and versions of tables are not supported")),
        }
    }

    /// A table, a view or a name of WITH, with the clauses beside it.
    fn table(&self, name: &ast::ObjectName, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let parts = name_parts(name)?;
        let span = place(name.span());
        let start = name.0.first().and_then(|part| place(part.span())).map(|p| (p.line, p.column));
        let beside = start.and_then(|start| self.clauses.relations.get(&start));
        let plan = self.named_with(&parts, scope, beside, span)?;
        self.watermarked(plan, beside)
    }

    /// A relation by name alone.
    pub(super) fn named(&self, parts: &[String], scope: Option<&Scope<'_>>, span: Option<Span>) -> Result<PlanBuilder> {
        self.named_with(parts, scope, None, span)
    }

    fn named_with(
        &self,
        parts: &[String],
        scope: Option<&Scope<'_>>,
        beside: Option<&Relation>,
        span: Option<Span>,
    ) -> Result<PlanBuilder> {
        self.count_relation(span)?;
        let (stream, options) = beside.map_or((false, &[][..]), |r| (r.stream, &r.options[..]));
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
        self.aliased(plan, Some(&cte.alias))
    }

    fn watermarked(&self, plan: PlanBuilder, beside: Option<&Relation>) -> Result<PlanBuilder> {
        let Some(watermark) = beside.and_then(|r| r.watermark.as_ref()) else { return Ok(plan) };
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
        plan.with_watermark(expr, watermark.delay).map_err(|e| e.at(watermark.span))
    }

    fn aliased(&self, plan: PlanBuilder, alias: Option<&ast::TableAlias>) -> Result<PlanBuilder> {
        let Some(alias) = alias else { return Ok(plan) };
        let columns: Vec<String> = alias.columns.iter().map(|c| ident(&c.name)).collect::<Result<_>>()?;
        plan.alias(&ident(&alias.name)?, &columns).map_err(|e| e.at(place(alias.name.span)))
    }

    /// `range(10) AS r(n)`, `explode(array(1, 2))`
    fn table_function(
        &self,
        name: &ast::ObjectName,
        args: &[ast::FunctionArg],
        alias: Option<&ast::TableAlias>,
        span: Option<Span>,
    ) -> Result<PlanBuilder> {
        self.count_relation(span)?;
        let arguments: Vec<Expr> = args.iter().map(|a| self.exprs.argument(a, span)).collect::<Result<_>>()?;
        let name = name_parts(name)?.join(".");
        let plan = match name.to_lowercase().as_str() {
            "range" => {
                let (start, end, step) = range_bounds(&arguments).map_err(|e| e.at(span))?;
                PlanBuilder::range(start, end, step, self.exprs.settings)
            }
            "explode" | "explode_outer" | "posexplode" | "posexplode_outer" => {
                let generator = Expr::function(&name, arguments).at(span);
                PlanBuilder::one_row(self.exprs.settings).explode(generator, false, None, Vec::new())
            }
            _ => Err(Error::unsupported("UNRESOLVABLE_TABLE_VALUED_FUNCTION", format!("no table function {name}()"))
                .hint("table functions are range, explode and posexplode")),
        };
        self.aliased(plan.map_err(|e| e.at(span))?, alias)
    }
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

fn join_parts(operator: &JoinOperator) -> Option<JoinParts<'_>> {
    Some(match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => (JoinKind::Inner, on),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinKind::Left, on),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinKind::Right, on),
        JoinOperator::FullOuter(on) => (JoinKind::Full, on),
        JoinOperator::CrossJoin(on) => (JoinKind::Cross, on),
        JoinOperator::Semi(on) | JoinOperator::LeftSemi(on) => (JoinKind::LeftSemi, on),
        JoinOperator::Anti(on) | JoinOperator::LeftAnti(on) => (JoinKind::LeftAnti, on),
        _ => return None,
    })
}

fn unsupported_join(span: Option<Span>) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "this kind of join is not supported")
        .at(span)
        .hint("joins are INNER, LEFT, RIGHT, FULL, CROSS, LEFT SEMI and LEFT ANTI JOIN")
}

/// The columns that NATURAL JOIN meets on.
fn common_columns(left: &PlanBuilder, right: &PlanBuilder) -> Vec<String> {
    let shared = |name: &str| right.schema().fields().iter().any(|f| same_name(&f.name, name));
    left.schema().fields().iter().filter(|f| shared(&f.name)).map(|f| f.name.clone()).collect()
}

/// Where a query in parentheses begins, as `clauses` counts it.
fn first_of(query: &ast::Query) -> Option<Start> {
    let span = match (&query.with, &*query.body) {
        (Some(with), _) => with.with_token.0.span,
        (None, body) => first_of_body(body)?,
    };
    place(span).map(|p| (p.line, p.column))
}

fn first_of_body(body: &SetExpr) -> Option<sqlparser::tokenizer::Span> {
    match body {
        SetExpr::Select(select) => Some(select.select_token.0.span),
        SetExpr::SetOperation { left, .. } => first_of_body(left),
        SetExpr::Values(values) => values.rows.first().map(|row| row.opening_token.0.span),
        _ => None,
    }
}
