//! WHERE, and the subqueries in it, which are joins: `x IN (SELECT ...)` and EXISTS are semi joins, NOT IN and NOT
//! EXISTS are anti joins, a subquery that stands for a value is a cross join with its one row, or a left join by what
//! ties it to the query outside. IN and EXISTS beside other conditions, or as values, are left joins with what they
//! ask for, each row of it once.
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
    block::Value,
    error::{Error, Result, Span},
    expr::{BinaryOp, Expr, ExprKind, UnaryOp, lit},
    plan::{GroupBy, JoinKind, JoinOn, PlanBuilder, Select},
};

/// Plans a subquery that stands for a value, or a test against one, and gives what becomes of it.
#[derive(Clone, Copy)]
pub(super) struct Scalars<'a>(pub(super) &'a dyn Fn(&tree::Expr) -> Result<Expr>);

impl fmt::Debug for Scalars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalars")
    }
}

/// Subqueries that stand for a value.
pub(super) type Rows = RefCell<Vec<Row>>;

/// The one row that a subquery has, or has for every row of the query outside.
#[derive(Debug)]
pub(super) struct Row {
    plan: PlanBuilder,
    /// What ties it to a row outside.
    on: Option<Expr>,
    span: Option<Span>,
}

impl Row {
    /// The name of the column that stands for the subquery.
    pub(super) fn column(&self) -> Expr {
        let name = &self.plan.schema().field(0).name;
        Expr::new(ExprKind::Column(vec![name.clone(), name.clone()]))
    }
}

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
        let take = |e: &tree::Expr| self.scalar(e, &rows, scope);
        let predicate = Exprs { scalars: Some(Scalars(&take)), ..self.exprs }.expr(condition)?;
        beside(plan, rows)?.filter(predicate)
    }

    /// Plans a subquery that stands for a value, under a hidden name, or one that a value is tested against.
    pub(super) fn scalar(&self, e: &tree::Expr, rows: &Rows, scope: Option<&Scope<'_>>) -> Result<Expr> {
        if let Some(asked) = Subquery::of(e) {
            return self.existence(asked, Some(e.span), rows, scope);
        }
        let Kind::Subquery(query) = &e.kind else { return Err(Error::internal("a subquery that is none")) };
        let span = Some(query.span);
        let (row, value) = match self.one_row(query, span, scope) {
            Ok(plan) => {
                let name = hidden_name(&self.hidden);
                let row = Row { plan: plan.alias(&name, core::slice::from_ref(&name))?, on: None, span };
                let value = row.column();
                (row, value)
            }
            Err(error) if is_unresolved(&error) => self.tied_row(query, scope)?.ok_or(error)?,
            Err(error) => return Err(error),
        };
        rows.borrow_mut().push(row);
        Ok(value)
    }

    /// A subquery of one column and one row, whatever there is in its tables.
    fn one_row(&self, query: &tree::Query, span: Option<Span>, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let plain = query.ctes.is_empty() && is_unlimited(query);
        let aggregated = plain && plain_select(query).is_some_and(|s| s.having.is_none() && self.aggregates(s));
        let plan = self.query(query, scope)?;
        if plan.schema().len() != 1 {
            let text = format!("a subquery as a value must have one column, not {}", plan.schema().len());
            return Err(Error::invalid(text)
                .class("INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN")
                .at(span));
        }
        if aggregated {
            return Ok(plan);
        }
        let name = plan.schema().field(0).name.clone();
        let only = only(Expr::new(ExprKind::Column(vec![name.clone()]))).alias(name);
        plan.select(Select { projection: vec![only], ..Select::default() })
    }

    /// `(SELECT max(x) FROM u WHERE u.k = t.k)`: one row for every key, and what it is for a row outside. `None` if it
    /// is tied to the query outside by more than equalities.
    fn tied_row(&self, query: &tree::Query, scope: Option<&Scope<'_>>) -> Result<Option<(Row, Expr)>> {
        let plain = query.ctes.is_empty() && is_unlimited(query);
        let Some(select) = plain_select(query).filter(|s| plain && s.having.is_none()) else { return Ok(None) };
        let [tree::Item::Expr(item) | tree::Item::Named(item, _)] = select.items.as_slice() else { return Ok(None) };
        let (inner, ties) = self.ties(select, scope)?;
        let name = hidden_name(&self.hidden);
        let Some((keys, same)) = equalities(&inner, ties, &name, 0) else { return Ok(None) };
        let on = same.into_iter().reduce(Expr::and);
        let item = self.exprs.expr(item)?;
        let (value, empty) = match calls_aggregate(&item) {
            true => (item.clone(), of_no_rows(item)),
            false => (only(item), lit(Value::Null)),
        };
        let named = keys.iter().enumerate().map(|(i, key)| key.clone().alias(key_name(i)));
        let projection = core::iter::once(value.alias(&name)).chain(named).collect();
        let group_by = Some(GroupBy::Exprs(keys));
        let plan = inner.select(Select { projection, group_by, ..Select::default() })?.alias(&name, &[])?;
        let is_missing = column(&name, &key_name(0)).is_null();
        let branches = vec![(is_missing, empty)];
        let value = ExprKind::Case { operand: None, branches, otherwise: Some(column(&name, &name).into()) };
        Ok(Some((Row { plan, on, span: Some(query.span) }, Expr::new(value))))
    }

    /// Whether a SELECT without GROUP BY is an aggregation.
    pub(super) fn aggregates(&self, select: &tree::Select) -> bool {
        select.items.iter().any(|item| match item {
            tree::Item::Expr(e) | tree::Item::Named(e, _) => {
                let ignored = |_: &tree::Expr| Ok(lit(0));
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
                let tested = self.tested(tested)?;
                let (list, ties) = self.list_of(subquery.query, tested.len(), span, scope)?;
                let fields = list.schema().fields().to_vec();
                let values = fields.iter().map(|f| column(&fields[0].name, &f.name).at(span));
                let tests = tested.into_iter().zip(values).map(|(tested, value)| {
                    let same = tested.eq(value).at(span);
                    // NOT IN is true only if no comparison is true or unknown.
                    let unknown = same.clone().is_null();
                    if subquery.negated { same.or(unknown) } else { same }
                });
                let condition = tests.chain(ties).reduce(Expr::and);
                let condition = condition.ok_or_else(|| Error::internal("IN without a value"))?;
                plan.join_subquery(list, kind, JoinOn::Condition(condition)).map_err(|e| e.at(span))
            }
            None => {
                let (inner, condition) = self.correlated(subquery.query, span, scope)?;
                let on = condition.map_or(JoinOn::None, JoinOn::Condition);
                plan.join_subquery(inner, kind, on).map_err(|e| e.at(span))
            }
        }
    }

    fn tested(&self, tested: &tree::Expr) -> Result<Vec<Expr>> {
        match &tested.kind {
            Kind::Tuple(items) => self.exprs.exprs(items),
            _ => Ok(vec![self.exprs.expr(tested)?]),
        }
    }

    /// The columns of a subquery after IN, each under a hidden name, which is its table's as well, and what ties it to
    /// the query outside.
    fn list_of(
        &self,
        query: &tree::Query,
        columns: usize,
        span: Option<Span>,
        scope: Option<&Scope<'_>>,
    ) -> Result<(PlanBuilder, Vec<Expr>)> {
        let name = hidden_name(&self.hidden);
        let (list, width, ties) = match self.query(query, scope) {
            Ok(list) => (list.clone(), list.schema().len(), Vec::new()),
            Err(error) if is_unresolved(&error) => self.tied_list(query, &name, scope)?.ok_or(error)?,
            Err(error) => return Err(error),
        };
        if width != columns {
            let text = format!("the subquery after IN must have {columns} column(s), not {width}");
            return Err(Error::invalid(text).class("DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH").at(span));
        }
        let names: Vec<String> = (0..width).map(|i| if i == 0 { name.clone() } else { key_name(i) }).collect();
        let keys = (width..list.schema().len()).map(key_name);
        Ok((list.alias(&name, &names.into_iter().chain(keys).collect::<Vec<_>>())?, ties))
    }

    /// `x IN (SELECT y FROM u WHERE u.k = t.k)`: the columns of the list, then those that are tied to the query
    /// outside; how many of the former, and the ties. `None` if they are more than equalities.
    fn tied_list(
        &self,
        query: &tree::Query,
        name: &str,
        scope: Option<&Scope<'_>>,
    ) -> Result<Option<(PlanBuilder, usize, Vec<Expr>)>> {
        let Some(select) = self.rows_only(query) else { return Ok(None) };
        let mut items = Vec::new();
        for item in &select.items {
            let (tree::Item::Expr(item) | tree::Item::Named(item, _)) = item else { return Ok(None) };
            items.push(self.exprs.expr(item)?);
        }
        let (inner, ties) = self.ties(select, scope)?;
        let width = items.len();
        let Some((keys, same)) = equalities(&inner, ties, name, width) else { return Ok(None) };
        let named = items.into_iter().chain(keys).enumerate().map(|(i, e)| e.alias(key_name(i)));
        let list = inner.select(Select { projection: named.collect(), ..Select::default() })?;
        Ok(Some((list, width, same)))
    }

    /// The SELECT of a query whose rows are those of its tables.
    fn rows_only<'q>(&self, query: &'q tree::Query) -> Option<&'q tree::Select> {
        let is_plain = query.ctes.is_empty() && is_unlimited(query);
        plain_select(query).filter(|s| is_plain && s.having.is_none() && !self.aggregates(s))
    }

    /// IN and EXISTS as a value: whether there is such a row, in a column beside each row. As in Spark it is never
    /// unknown.
    fn existence(
        &self,
        asked: Subquery<'_>,
        span: Option<Span>,
        rows: &Rows,
        scope: Option<&Scope<'_>>,
    ) -> Result<Expr> {
        let name = hidden_name(&self.hidden);
        let (list, on) = match asked.tested {
            Some(_) if asked.negated => return Err(subquery(span)),
            Some(tested) => {
                let tested = self.tested(tested)?;
                let (list, ties) = self.list_of(asked.query, tested.len(), span, scope)?;
                let fields = list.schema().fields().to_vec();
                let values = fields.iter().map(|f| column(&fields[0].name, &f.name));
                let same = tested.into_iter().zip(values).map(|(tested, value)| tested.eq(value).at(span));
                (list, same.chain(ties).collect())
            }
            None => match self.correlated(asked.query, span, scope)? {
                (inner, None) => {
                    let found = Expr::function("count", [lit(1)]).gt(lit(0)).alias(&name);
                    let plan = inner.select(Select { projection: vec![found], ..Select::default() })?;
                    let row = Row { plan: plan.alias(&name, &[])?, on: None, span };
                    let found = row.column();
                    rows.borrow_mut().push(row);
                    return Ok(if asked.negated { found.unary(UnaryOp::Not) } else { found });
                }
                (inner, Some(ties)) => {
                    let Some((keys, same)) = equalities(&inner, conjuncts(ties), &name, 0) else {
                        return Err(subquery(span));
                    };
                    let named = keys.into_iter().enumerate().map(|(i, key)| key.alias(key_name(i)));
                    let list = inner.select(Select { projection: named.collect(), ..Select::default() })?;
                    (list.alias(&name, &[])?, same)
                }
            },
        };
        let first = list.schema().field(0).clone();
        let key = Expr::new(ExprKind::Column(first.qualifier.into_iter().chain([first.name]).collect()));
        let row = Row { plan: list.distinct()?, on: on.into_iter().reduce(Expr::and), span };
        rows.borrow_mut().push(row);
        Ok(key.unary(if asked.negated { UnaryOp::IsNull } else { UnaryOp::IsNotNull }))
    }

    /// The rows that EXISTS looks at, and the conditions that tie them to the query outside: those whose names are
    /// not all to be found inside.
    fn correlated(
        &self,
        query: &tree::Query,
        span: Option<Span>,
        scope: Option<&Scope<'_>>,
    ) -> Result<(PlanBuilder, Option<Expr>)> {
        let Some(select) = self.rows_only(query) else {
            let plan = self.query(query, scope);
            return plan.map(|plan| (plan, None)).map_err(|e| if is_unresolved(&e) { subquery(span) } else { e });
        };
        let (inner, ties) = self.ties(select, scope)?;
        Ok((inner, ties.into_iter().reduce(Expr::and)))
    }

    /// The rows of a subquery before its select list, and the conditions whose names are not all to be found inside.
    fn ties(&self, select: &tree::Select, scope: Option<&Scope<'_>>) -> Result<(PlanBuilder, Vec<Expr>)> {
        let mut inner = self.lateral_views(self.from(&select.from, scope)?, select)?;
        let mut conjuncts = Vec::new();
        if let Some(condition) = &select.selection {
            split_and(condition, &mut conjuncts);
        }
        let mut ties = Vec::new();
        for conjunct in conjuncts {
            match self.filtered(inner.clone(), conjunct, scope) {
                Ok(filtered) => inner = filtered,
                Err(error) if is_unresolved(&error) => ties.push(self.exprs.expr(conjunct)?),
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

/// Whether this is IN or EXISTS with a subquery, or NOT of that.
pub(super) fn is_test(e: &tree::Expr) -> bool {
    Subquery::of(e).is_some()
}

/// Whether conditions hold an IN with a subquery, which under a NOT would have to tell false from unknown.
pub(super) fn holds_list(e: &tree::Expr) -> bool {
    match &e.kind {
        Kind::InSubquery { .. } => true,
        Kind::Nested(x) | Kind::Unary(UnaryOp::Not, x) => holds_list(x),
        Kind::Binary(a, BinaryOp::And | BinaryOp::Or, b) => holds_list(a) || holds_list(b),
        _ => false,
    }
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

/// Ties that are equalities: what each compares inside, and its comparison with the column of `table` that stands for
/// that, which is named by its number from `first` on. `None` if a tie is something else.
fn equalities(inner: &PlanBuilder, ties: Vec<Expr>, table: &str, first: usize) -> Option<(Vec<Expr>, Vec<Expr>)> {
    let is_inside = |e: &Expr| inner.clone().filter(e.clone().is_null()).is_ok();
    let (mut keys, mut same) = (Vec::new(), Vec::new());
    for tie in ties {
        let ExprKind::Binary(left, BinaryOp::Eq, right) = tie.kind else { return None };
        let (key, outside) = match (is_inside(&left), is_inside(&right)) {
            (true, false) => (*left, *right),
            (false, true) => (*right, *left),
            _ => return None,
        };
        same.push(outside.eq(column(table, &key_name(first + keys.len()))).at(tie.span));
        keys.push(key);
    }
    Some((keys, same))
}

/// The conditions that AND joins.
fn conjuncts(e: Expr) -> Vec<Expr> {
    match e.kind {
        ExprKind::Binary(left, BinaryOp::And, right) => [conjuncts(*left), conjuncts(*right)].concat(),
        kind => vec![Expr::new(kind).at(e.span)],
    }
}

/// The plan with the rows of subqueries, a hidden column each.
pub(super) fn beside(plan: PlanBuilder, rows: Rows) -> Result<PlanBuilder> {
    rows.into_inner().into_iter().try_fold(plan, |plan, row| {
        let (kind, on) = match row.on {
            None => (JoinKind::Cross, JoinOn::None),
            Some(on) => (JoinKind::Left, JoinOn::Condition(on)),
        };
        plan.join_subquery(row.plan, kind, on).map_err(|e| e.at(row.span))
    })
}

fn column(table: &str, name: &str) -> Expr {
    Expr::new(ExprKind::Column(vec![table.into(), name.into()]))
}

/// The name of a column of a subquery beside the one that stands for it.
fn key_name(i: usize) -> String {
    format!("(key {i})")
}

/// The value of the only row that there may be; NULL without one.
fn only(value: Expr) -> Expr {
    let count = Expr::function("count", [lit(1)]);
    let text = "a subquery as a value must not have more than one row";
    let branches = vec![(count.gt(lit(1)), Expr::function("raise_error", [lit(text)]))];
    let otherwise = Some(Expr::function("first", [value]).into());
    Expr::new(ExprKind::Case { operand: None, branches, otherwise })
}

/// An aggregated value where there is nothing to aggregate.
fn of_no_rows(expr: Expr) -> Expr {
    match &expr.kind {
        ExprKind::Function { name, .. } if agg::lookup(name).is_some() => {
            let counts = ["count", "count_if", "approx_count_distinct", "regr_count"];
            let is_count = counts.iter().any(|count| name.eq_ignore_ascii_case(count));
            if is_count { lit(0_i64) } else { lit(Value::Null) }
        }
        _ => expr.map_children(&mut of_no_rows),
    }
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
