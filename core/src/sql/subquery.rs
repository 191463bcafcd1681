//! WHERE, and the subqueries in it, which are joins: `x IN (SELECT ...)` and EXISTS are semi joins, NOT IN and NOT
//! EXISTS are anti joins, a subquery of one aggregated row is a cross join.
//!
//! What a subquery adds has a name that no user can type, so no column is mistaken for it.

use alloc::{format, string::String, vec, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    fmt,
};

use super::{
    expr::{Exprs, subquery},
    query::{Planner, Scope},
    tree::{self, Body, Kind},
};
use crate::{
    agg,
    error::{Error, Result, Span},
    expr::{BinaryOp, Expr, ExprKind, UnaryOp, lit},
    plan::{JoinKind, JoinOn, PlanBuilder},
};

/// Plans a subquery that stands for a value and gives the column it becomes.
#[derive(Clone, Copy)]
pub(super) struct Scalars<'a>(pub(super) &'a dyn Fn(&tree::Query) -> Result<Expr>);

impl fmt::Debug for Scalars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalars")
    }
}

/// Subqueries that stand for a value: their one row, and where they stand.
pub(super) type Rows = RefCell<Vec<(PlanBuilder, Option<Span>)>>;

impl Planner<'_> {
    /// Filters by WHERE: first what is no subquery, then the others.
    pub(super) fn filtered(
        &self,
        mut plan: PlanBuilder,
        condition: &tree::Expr,
        scope: Option<&Scope<'_>>,
    ) -> Result<PlanBuilder> {
        let mut conjuncts = Vec::new();
        split_and(condition, &mut conjuncts);
        if !conjuncts.iter().any(|e| Subquery::of(e).is_some()) {
            return self.filtered_by(plan, condition, scope);
        }
        for filter in conjuncts.iter().filter(|e| Subquery::of(e).is_none()) {
            plan = self.filtered_by(plan, filter, scope)?;
        }
        for conjunct in conjuncts {
            if let Some(subquery) = Subquery::of(conjunct) {
                plan = self.joined_to(plan, subquery, Some(conjunct.span), scope)?;
            }
        }
        Ok(plan)
    }

    /// A condition, whose scalar subqueries become columns.
    fn filtered_by(&self, plan: PlanBuilder, condition: &tree::Expr, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let rows = Rows::default();
        let take = |query: &tree::Query| self.scalar(query, &rows, scope);
        let predicate = Exprs { scalars: Some(Scalars(&take)), ..self.exprs }.expr(condition)?;
        beside(plan, rows)?.filter(predicate)
    }

    /// Plans a subquery that stands for a value, under a hidden name.
    pub(super) fn scalar(&self, query: &tree::Query, rows: &Rows, scope: Option<&Scope<'_>>) -> Result<Expr> {
        let (span, name) = (Some(query.span), hidden_name(&self.hidden));
        let row = self.one_row(query, span, scope)?.alias(&name, core::slice::from_ref(&name))?;
        rows.borrow_mut().push((row, span));
        Ok(Expr::new(ExprKind::Column(vec![name.clone(), name])))
    }

    /// A subquery that has one row, whatever there is in its tables.
    fn one_row(&self, query: &tree::Query, span: Option<Span>, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let plain = query.ctes.is_empty() && is_unlimited(query);
        let aggregated = plain && plain_select(query).is_some_and(|s| s.having.is_none() && self.aggregates(s));
        if !aggregated {
            return Err(Error::unsupported(
                "UNSUPPORTED_FEATURE",
                "a subquery as a value must be an aggregate without GROUP BY, HAVING, WITH and LIMIT",
            )
            .at(span)
            .hint("write for example (SELECT max(x) FROM t), or join the table"));
        }
        let plan = self.query(query, scope)?;
        if plan.schema().len() != 1 {
            let text = format!("a subquery as a value must have one column, not {}", plan.schema().len());
            return Err(Error::invalid(text)
                .class("INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN")
                .at(span));
        }
        Ok(plan)
    }

    /// Whether a SELECT without GROUP BY is an aggregation.
    pub(super) fn aggregates(&self, select: &tree::Select) -> bool {
        select.items.iter().any(|item| match item {
            tree::Item::Expr(e) | tree::Item::Named(e, _) => {
                let ignored = |_: &tree::Query| Ok(lit(0));
                let exprs = Exprs { scalars: Some(Scalars(&ignored)), ..self.exprs };
                exprs.expr(e).is_ok_and(|e| calls_aggregate(&e))
            }
            _ => false,
        })
    }

    fn joined_to(
        &self,
        plan: PlanBuilder,
        subquery: Subquery<'_>,
        span: Option<Span>,
        scope: Option<&Scope<'_>>,
    ) -> Result<PlanBuilder> {
        let kind = if subquery.negated { JoinKind::LeftAnti } else { JoinKind::LeftSemi };
        match subquery.tested {
            Some(tested) => {
                let list = self.list_of(subquery.query, span, scope)?;
                let value = list.schema().field(0).name.clone();
                let same =
                    self.exprs.expr(tested)?.eq(Expr::new(ExprKind::Column(vec![value.clone(), value])).at(span));
                // NOT IN is true only if no comparison is true or unknown.
                let unknown = same.clone().at(span).is_null();
                let condition = if subquery.negated { same.at(span).or(unknown) } else { same.at(span) };
                plan.join_subquery(list, kind, JoinOn::Condition(condition)).map_err(|e| e.at(span))
            }
            None => {
                let (inner, condition) = self.correlated(subquery.query, span, scope)?;
                let on = condition.map_or(JoinOn::None, JoinOn::Condition);
                plan.join_subquery(inner, kind, on).map_err(|e| e.at(span))
            }
        }
    }

    /// The one column of a subquery after IN, under a hidden name.
    fn list_of(&self, query: &tree::Query, span: Option<Span>, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let list = self.query(query, scope)?;
        if list.schema().len() != 1 {
            let text = format!("the subquery after IN must have one column, not {}", list.schema().len());
            return Err(Error::invalid(text).class("DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH").at(span));
        }
        let name = hidden_name(&self.hidden);
        list.alias(&name, core::slice::from_ref(&name))
    }

    /// The rows that EXISTS looks at, and the conditions that tie them to the query outside: those whose names are
    /// not all to be found inside.
    fn correlated(
        &self,
        query: &tree::Query,
        span: Option<Span>,
        scope: Option<&Scope<'_>>,
    ) -> Result<(PlanBuilder, Option<Expr>)> {
        let select = plain_select(query)
            .filter(|s| query.ctes.is_empty() && is_unlimited(query) && s.having.is_none() && !self.aggregates(s));
        let Some(select) = select else { return Err(subquery(span)) };
        let mut inner = self.lateral_views(self.from(&select.from, scope)?, select)?;
        let mut conjuncts = Vec::new();
        if let Some(condition) = &select.selection {
            split_and(condition, &mut conjuncts);
        }
        let mut ties: Option<Expr> = None;
        for conjunct in conjuncts {
            match self.filtered(inner.clone(), conjunct, scope) {
                Ok(filtered) => inner = filtered,
                Err(error) if is_unresolved(&error) => {
                    let tie = self.exprs.expr(conjunct)?;
                    ties = Some(match ties {
                        Some(before) => before.and(tie),
                        None => tie,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok((inner, ties))
    }
}

/// A conjunct that is a join.
#[derive(Clone, Copy)]
struct Subquery<'a> {
    query: &'a tree::Query,
    /// What is before IN; nothing for EXISTS.
    tested: Option<&'a tree::Expr>,
    negated: bool,
}

impl<'a> Subquery<'a> {
    fn of(conjunct: &'a tree::Expr) -> Option<Self> {
        match &conjunct.kind {
            Kind::InSubquery { expr, query, negated } => Some(Self { query, tested: Some(expr), negated: *negated }),
            Kind::Exists(query) => Some(Self { query, tested: None, negated: false }),
            Kind::Nested(inner) => Self::of(inner),
            Kind::Unary(UnaryOp::Not, inner) => Self::of(inner).map(|inner| Self { negated: !inner.negated, ..inner }),
            _ => None,
        }
    }
}

/// The plan with the rows of subqueries, a hidden column each.
pub(super) fn beside(plan: PlanBuilder, rows: Rows) -> Result<PlanBuilder> {
    rows.into_inner().into_iter().try_fold(plan, |plan, (row, span)| {
        plan.join_subquery(row, JoinKind::Cross, JoinOn::None).map_err(|e| e.at(span))
    })
}

/// A name for what a subquery adds.
pub(super) fn hidden_name(count: &Cell<usize>) -> String {
    count.set(count.get() + 1);
    format!("(subquery {})", count.get())
}

/// A query that is one SELECT without GROUP BY and DISTINCT.
fn plain_select(query: &tree::Query) -> Option<&tree::Select> {
    let Body::Select(select) = &query.body else { return None };
    (select.group_by == tree::GroupBy::default() && !select.distinct).then_some(select)
}

fn is_unlimited(query: &tree::Query) -> bool {
    query.limit.is_none() && query.offset.is_none()
}

fn calls_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |e| {
        found |= matches!(&e.kind, ExprKind::Function { name, .. } if agg::lookup(name).is_some());
    });
    found
}

fn is_unresolved(error: &Error) -> bool {
    error.error_class().is_some_and(|class| class.starts_with("UNRESOLVED_COLUMN"))
}

/// The conditions that AND joins.
fn split_and<'e>(e: &'e tree::Expr, out: &mut Vec<&'e tree::Expr>) {
    match &e.kind {
        Kind::Binary(left, BinaryOp::And, right) => {
            split_and(left, out);
            split_and(right, out);
        }
        Kind::Nested(inner) => split_and(inner, out),
        _ => out.push(e),
    }
}
