//! Queries: from tokens to a syntax tree, and from the tree to builder calls: WITH, set operations and what stands
//! after them. `body` reads; here and in `select` (SELECT), `relation` (FROM) and `expr` is what becomes of the tree.

use alloc::{boxed::Box, format, sync::Arc, vec::Vec};
use core::cell::Cell;

use super::{
    body,
    cursor::{Cursor, error_at},
    depth,
    expr::Exprs,
    lexer, relation, select, source,
    syntax::{advised, too_deep},
    token::{Placed, Token},
    tree::{self, Body},
};
use crate::{
    error::{Error, Result, Span},
    expr::{Expr, Settings, SortKey, lit},
    limits::{QUERY_DEPTH_MAX, RELATIONS_MAX},
    plan::{Catalog, PlanBuilder},
    schema::same_name,
};

/// A query that was read but not resolved: [`plan_query`] does that, each time it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Query(Arc<tree::Query>);

/// Reads a query, which must be all that is left of a statement.
pub(super) fn query(tokens: &[Placed]) -> Result<Query> {
    Ok(Query(Arc::new(read(tokens)?)))
}

/// Reads the WITH before an INSERT.
pub(super) fn ctes(p: &mut Cursor<'_>) -> Result<Vec<tree::Cte>> {
    let tokens = p.rest();
    depth::check(tokens)?;
    body::ctes(p).map_err(|error| explained(error, tokens))
}

/// Reads the query of an INSERT, which sees the names of the WITH before it.
pub(super) fn query_with(ctes: Vec<tree::Cte>, tokens: &[Placed]) -> Result<Query> {
    let inner = read(tokens)?;
    let (span, order_by) = (inner.span, tree::OrderBy::Keys(Vec::new()));
    let body = Body::Query(Box::new(inner));
    Ok(Query(Arc::new(tree::Query { ctes, body, order_by, limit: None, offset: None, span })))
}

fn read(tokens: &[Placed]) -> Result<tree::Query> {
    depth::check(tokens)?;
    let mut p = Cursor::new(tokens);
    let query = body::query(&mut p).and_then(|query| p.end("the end of the statement").map(|()| query));
    query.map_err(|error| explained(error, tokens))
}

/// An error that says no more than what was expected gets a hint about the mistake that is probably behind it.
fn explained(error: Error, tokens: &[Placed]) -> Error {
    match tokens.iter().position(|t| Some(t.span) == error.span()) {
        Some(index) if closes_nothing(tokens, index) => {
            error_at(&tokens[index], "this `)` closes nothing").hint("remove it, or open a parenthesis before")
        }
        Some(index) if error.hint_text().is_none() => advised(error, tokens, index),
        _ => error,
    }
}

fn closes_nothing(tokens: &[Placed], index: usize) -> bool {
    let count = |wanted: Token| tokens[..index].iter().filter(|t| t.token == wanted).count();
    tokens[index].token == Token::RParen && count(Token::LParen) <= count(Token::RParen)
}

/// Turns a query into a plan over what the catalog knows.
pub fn plan_query(query: &Query, catalog: &dyn Catalog) -> Result<PlanBuilder> {
    let exprs = Exprs { settings: catalog.settings(), scalars: None };
    let planner = Planner { exprs, catalog, relations: Cell::new(0), depth: Cell::new(0), hidden: Cell::new(0) };
    planner.query(&query.0, None)
}

/// Reads expressions as a select list has them: `a + 1 AS b, count(*)`.
///
/// ```
/// use firesteel_core::{expr::Settings, sql::parse_expressions};
///
/// let exprs = parse_expressions("v * 2 AS twice, upper(name)", &Settings::default())?;
/// assert_eq!(exprs.len(), 2);
/// assert_eq!(exprs[0].output_name(), "twice");
/// assert!(parse_expressions("v FROM t", &Settings::default()).is_err());
/// # Ok::<(), firesteel_core::Error>(())
/// ```
pub fn parse_expressions(text: &str, settings: &Settings) -> Result<Vec<Expr>> {
    let wrong = || Error::invalid(format!("`{text}` is not a list of expressions")).class("PARSE_SYNTAX_ERROR");
    let sources = source::split(&format!("SELECT {text}"), &|_| None)?;
    let [source] = sources.as_slice() else { return Err(wrong()) };
    let query = read(&lexer::tokens(source)?)?;
    let exprs = Exprs { settings, scalars: None };
    match &query.body {
        Body::Select(select) if is_bare(&query, select) => select::expressions(&exprs, select),
        _ => Err(wrong()),
    }
}

/// Only a select list, nothing after it.
fn is_bare(query: &tree::Query, select: &tree::Select) -> bool {
    let ordered = query.order_by != tree::OrderBy::Keys(Vec::new());
    let tail = ordered || query.limit.is_some() || query.offset.is_some() || select.distinct;
    let grouped = select.group_by != tree::GroupBy::default();
    let from = !select.from.is_empty() || !select.lateral_views.is_empty();
    !(tail || grouped || from || select.selection.is_some() || select.having.is_some())
}

/// Translates the tree of one query.
pub(super) struct Planner<'a> {
    pub(super) exprs: Exprs<'a>,
    pub(super) catalog: &'a dyn Catalog,
    relations: Cell<usize>,
    depth: Cell<usize>,
    /// How many hidden names there are.
    pub(super) hidden: Cell<usize>,
}

/// The names that WITH gives, inner ones before outer ones. Each sees those before it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    parent: Option<&'a Scope<'a>>,
    ctes: &'a [tree::Cte],
}

impl<'a> Scope<'a> {
    /// The query of this name, and the names that it sees itself.
    pub(super) fn find(&self, name: &str) -> Option<(&'a tree::Cte, Scope<'a>)> {
        let found = self.ctes.iter().rposition(|cte| same_name(&cte.alias.name.text, name));
        match found {
            Some(i) => Some((&self.ctes[i], Scope { parent: self.parent, ctes: &self.ctes[..i] })),
            None => self.parent?.find(name),
        }
    }
}

/// What follows the body of a query.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) order_by: Vec<SortKey>,
    /// ORDER BY ALL: descending or not, and where NULLs go.
    all: Option<(bool, Option<bool>)>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
}

impl Tail {
    /// What to sort the rows of a finished query by.
    fn keys(&self, columns: usize) -> Vec<SortKey> {
        let Some((descending, nulls_first)) = self.all else { return self.order_by.clone() };
        let ordinal = |i: usize| lit(i as i32 + 1);
        (0..columns).map(|i| SortKey { expr: ordinal(i), descending, nulls_first }).collect()
    }
}

impl Planner<'_> {
    /// A query with the names around it.
    pub(super) fn query(&self, query: &tree::Query, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        self.depth.set(self.depth.get() + 1);
        if self.depth.get() > QUERY_DEPTH_MAX {
            return Err(too_deep().at(Some(query.span)));
        }
        refuse_same_names(&query.ctes)?;
        let inner = Scope { parent: scope, ctes: &query.ctes };
        let tail = self.tail(query)?;
        let scope = if query.ctes.is_empty() { scope } else { Some(&inner) };
        let plan = match &query.body {
            Body::Select(select) if tail.all.is_none() => self.select(select, tail, scope)?,
            body => {
                let plan = self.body(body, scope)?;
                let keys = tail.keys(plan.schema().len());
                plan.sort(keys)?.limit(tail.limit, tail.offset)?
            }
        };
        self.depth.set(self.depth.get() - 1);
        Ok(plan)
    }

    fn tail(&self, query: &tree::Query) -> Result<Tail> {
        let (order_by, all) = match &query.order_by {
            tree::OrderBy::Keys(keys) => (keys.iter().map(|k| self.exprs.sort_key(k)).collect::<Result<_>>()?, None),
            tree::OrderBy::All { descending, nulls_first } => (Vec::new(), Some((*descending, *nulls_first))),
        };
        let expr = |e: &Option<tree::Expr>| e.as_ref().map(|e| self.exprs.expr(e)).transpose();
        Ok(Tail { order_by, all, limit: expr(&query.limit)?, offset: expr(&query.offset)? })
    }

    /// UNION is read to the left; a loop, so that many of them do not recurse.
    fn body(&self, body: &Body, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let mut first = body;
        let mut rest = Vec::new();
        while let Body::SetOperation { left, op, quantifier, right } = first {
            rest.push((*op, *quantifier, &**right));
            first = &**left;
        }
        let mut plan = self.operand(first, scope)?;
        for (op, quantifier, right) in rest.into_iter().rev() {
            let at = right.span();
            let right = self.body(right, scope)?;
            plan = self.combined(plan, right, op, quantifier).map_err(|e| e.at(at))?;
        }
        Ok(plan)
    }

    fn operand(&self, body: &Body, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        match body {
            Body::Select(select) => self.select(select, Tail::default(), scope),
            Body::Query(query) => self.query(query, scope),
            Body::Values(rows, alias) => relation::aliased(self.values(rows)?, alias.as_ref()),
            Body::Table(name, span) => self.named(name, scope, Some(*span)),
            Body::SetOperation { .. } => self.body(body, scope),
        }
    }

    fn values(&self, rows: &[tree::Row]) -> Result<PlanBuilder> {
        let first = rows.first().map(|row| row.span);
        let width = rows.first().map_or(0, |row| row.values.len());
        if let Some(row) = rows.iter().find(|row| row.values.len() != width) {
            return Err(Error::invalid("the rows of VALUES differ in their number of columns")
                .class("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH")
                .at(Some(row.span)));
        }
        let rows = rows.iter().map(|row| self.exprs.exprs(&row.values)).collect::<Result<Vec<_>>>()?;
        PlanBuilder::values(rows, None, self.exprs.settings).map_err(|e| e.at(first))
    }

    /// Counts a relation against the bound.
    pub(super) fn count_relation(&self, span: Option<Span>) -> Result<()> {
        self.relations.set(self.relations.get() + 1);
        if self.relations.get() > RELATIONS_MAX {
            return Err(Error::too_complex(format!("the query reads more than {RELATIONS_MAX} relations"))
                .at(span)
                .hint("each use of a view or a name of WITH counts all that it reads"));
        }
        Ok(())
    }
}

fn refuse_same_names(ctes: &[tree::Cte]) -> Result<()> {
    for (i, name) in ctes.iter().map(|cte| &cte.alias.name).enumerate() {
        if ctes[..i].iter().any(|other| same_name(&other.alias.name.text, &name.text)) {
            return Err(Error::invalid(format!("WITH gives the name `{}` twice", name.text))
                .class("DUPLICATED_CTE_NAMES")
                .at(Some(name.span)));
        }
    }
    Ok(())
}
