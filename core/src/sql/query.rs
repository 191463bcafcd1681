//! Queries: from tokens to a syntax tree, and from the tree to builder calls: WITH, set operations and what stands
//! after them. `select` has SELECT, `relation` has FROM, `expr` the expressions.

use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};
use core::{cell::Cell, fmt};

use sqlparser::{
    ast::{self, SetExpr, Spanned},
    parser::ParserError,
    tokenizer::{Token, TokenWithSpan},
};

use super::{
    clauses::{self, Clauses, Cut},
    cursor::Tokens,
    depth,
    dialect::{Found, Spark},
    expr::{Exprs, ident, name_part},
    lexer, parser, select, source,
    syntax::{self, advised, place, too_deep, unexpected},
};
use crate::{
    error::{Error, Result, Span},
    expr::{Expr, Settings, SortKey, lit},
    limits::{QUERY_DEPTH_MAX, RELATIONS_MAX},
    plan::{Catalog, PlanBuilder},
    schema::same_name,
};

/// A query that was read but not resolved: [`plan_query`] does that, each time it is used.
#[derive(Clone)]
pub struct Query(Arc<dyn Readable>);

/// What was read of a query.
#[derive(PartialEq)]
struct Reading {
    ast: Box<ast::Query>,
    clauses: Clauses,
    found: Found,
}

/// A [`Reading`] behind a pointer that knows how to free it: the code for that is a twelfth of sqlparser's, and every
/// crate that holds queries would have its own.
trait Readable: Send + Sync {
    fn reading(&self) -> &Reading;
}

impl Readable for Reading {
    fn reading(&self) -> &Reading {
        self
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.0.reading() == other.0.reading()
    }
}

/// The tree is not printed: the code that prints each of sqlparser's types is as big as its parser.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").finish_non_exhaustive()
    }
}

/// How many of the queries in parentheses are read once more to find out which of them an error is in.
const QUERIES_TRIED_MAX: usize = 64;

/// Reads a query, which must be all that is left of a statement.
pub(super) fn query(tokens: &[TokenWithSpan]) -> Result<Query> {
    Ok(Query(Arc::new(read(tokens)?)))
}

fn read(tokens: &[TokenWithSpan]) -> Result<Reading> {
    depth::check(tokens)?;
    let spark = Spark::default();
    let cut = clauses::cut(&spark, tokens)?;
    let ast = tree(&spark, &cut)?;
    Ok(Reading { ast, clauses: cut.clauses, found: spark.into_found() })
}

fn tree(spark: &Spark, cut: &Cut) -> Result<Box<ast::Query>> {
    match whole_query(spark, &cut.tokens, &Token::EOF) {
        Ok(ast) => Ok(ast),
        Err(outer) => Err(innermost_error(spark, cut).unwrap_or(outer)),
    }
}

/// A query and the token that must follow it.
fn whole_query(spark: &Spark, tokens: &[TokenWithSpan], end: &Token) -> Result<Box<ast::Query>> {
    spark.clear_error();
    let mut p = parser(spark, tokens.to_vec());
    let ast = match p.parse_query() {
        Ok(ast) => ast,
        Err(e) => return Err(better(spark.error(), e, tokens, p.index())),
    };
    if p.peek(0).token == *end {
        return Ok(ast);
    }
    let expected = if *end == Token::EOF { "the end of the statement" } else { "`)`" };
    Err(advised(unexpected(p.peek(0), expected), tokens, p.index().min(tokens.len() - 1)))
}

/// sqlparser tries a query in parentheses first as a query, then as a join, and tells only what was wrong with it as
/// a join. So each is read on its own; the error in the innermost is the real one.
fn innermost_error(spark: &Spark, cut: &Cut) -> Option<Error> {
    let tried = cut.queries.iter().rev().take(QUERIES_TRIED_MAX);
    tried.filter_map(|&start| whole_query(spark, &cut.tokens[start..], &Token::RParen).err()).next()
}

/// Of our error and sqlparser's, the one further on; ours says more if they are about one place.
fn better(ours: Option<Error>, theirs: ParserError, tokens: &[TokenWithSpan], index: usize) -> Error {
    let theirs = syntax::from_parser(theirs, tokens, index);
    let start = |e: &Error| e.span().map(|s| (s.line, s.column));
    match ours {
        Some(ours) if theirs.is_limit() || start(&ours) >= start(&theirs) => {
            let index = tokens.iter().position(|t| place(t.span) == ours.span());
            match index {
                Some(index) if ours.hint_text().is_none() => advised(ours, tokens, index),
                _ => ours,
            }
        }
        _ => theirs,
    }
}

/// Turns a query into a plan over what the catalog knows.
pub fn plan_query(query: &Query, catalog: &dyn Catalog) -> Result<PlanBuilder> {
    let Reading { ast, clauses, found } = query.0.reading();
    let exprs = Exprs { found, calls: &clauses.calls, settings: catalog.settings(), scalars: None };
    let planner =
        Planner { clauses, exprs, catalog, relations: Cell::new(0), depth: Cell::new(0), hidden: Cell::new(0) };
    planner.query(ast, None)
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
    let Reading { ast, clauses, found } = read(&lexer::tokens(source)?)?;
    let exprs = Exprs { found: &found, calls: &clauses.calls, settings, scalars: None };
    match &*ast.body {
        SetExpr::Select(select) if is_bare(&ast, select) => select::expressions(&exprs, select),
        _ => Err(wrong()),
    }
}

/// Only a select list, nothing after it.
fn is_bare(query: &ast::Query, select: &ast::Select) -> bool {
    let grouped = !matches!(&select.group_by, ast::GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    let tail = query.order_by.is_some() || query.limit_clause.is_some() || select.distinct.is_some();
    !(tail || grouped || !select.from.is_empty() || select.selection.is_some() || select.having.is_some())
}

/// Translates the tree of one query.
pub(super) struct Planner<'a> {
    pub(super) clauses: &'a Clauses,
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
    ctes: &'a [ast::Cte],
}

impl<'a> Scope<'a> {
    /// The query of this name, and the names that it sees itself.
    pub(super) fn find(&self, name: &str) -> Option<(&'a ast::Cte, Scope<'a>)> {
        let found = self.ctes.iter().rposition(|cte| same_name(&cte.alias.name.value, name));
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
    pub(super) fn query(&self, query: &ast::Query, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        self.depth.set(self.depth.get() + 1);
        if self.depth.get() > QUERY_DEPTH_MAX {
            return Err(too_deep().at(place(query.span())));
        }
        let ctes = self.ctes(query)?;
        let inner = Scope { parent: scope, ctes };
        let tail = self.tail(query)?;
        let scope = if ctes.is_empty() { scope } else { Some(&inner) };
        let plan = match &*query.body {
            SetExpr::Select(select) if tail.all.is_none() => self.select(select, tail, scope)?,
            body => {
                let plan = self.set_expr(body, scope)?;
                let keys = tail.keys(plan.schema().len());
                plan.sort(keys)?.limit(tail.limit, tail.offset)?
            }
        };
        self.depth.set(self.depth.get() - 1);
        Ok(plan)
    }

    fn ctes<'q>(&self, query: &'q ast::Query) -> Result<&'q [ast::Cte]> {
        let Some(with) = &query.with else { return Ok(&[]) };
        if with.recursive {
            return Err(Error::unsupported("UNSUPPORTED_FEATURE", "WITH RECURSIVE is not supported")
                .at(place(with.with_token.0.span)));
        }
        for (i, cte) in with.cte_tables.iter().enumerate() {
            let name = ident(&cte.alias.name)?;
            if with.cte_tables[..i].iter().any(|other| same_name(&other.alias.name.value, &name)) {
                return Err(Error::invalid(format!("WITH gives the name `{name}` twice"))
                    .class("DUPLICATED_CTE_NAMES")
                    .at(place(cte.alias.name.span)));
            }
        }
        Ok(&with.cte_tables)
    }

    fn tail(&self, query: &ast::Query) -> Result<Tail> {
        if query.fetch.is_some() || !query.locks.is_empty() || query.for_clause.is_some() {
            return Err(Error::unsupported("UNSUPPORTED_FEATURE", "FETCH and FOR are not supported")
                .at(place(query.span()))
                .hint("write LIMIT n"));
        }
        let (order_by, all) = match query.order_by.as_ref().map(|o| &o.kind) {
            None => (Vec::new(), None),
            Some(ast::OrderByKind::Expressions(keys)) => {
                (keys.iter().map(|k| self.exprs.sort_key(k)).collect::<Result<_>>()?, None)
            }
            Some(ast::OrderByKind::All(options)) => {
                (Vec::new(), Some((options.sort == Some(ast::OrderBySort::Desc), options.nulls_first)))
            }
        };
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|o| &o.value))
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let expr = |e: Option<&ast::Expr>| e.map(|e| self.exprs.expr(e)).transpose();
        Ok(Tail { order_by, all, limit: expr(limit)?, offset: expr(offset)? })
    }

    /// UNION is parsed to the left; a loop, so that many of them do not recurse.
    fn set_expr(&self, body: &SetExpr, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        let mut first = body;
        let mut rest = Vec::new();
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            rest.push((*op, *set_quantifier, &**right));
            first = &**left;
        }
        let mut plan = self.set_operand(first, scope)?;
        for (op, quantifier, right) in rest.into_iter().rev() {
            let at = place(right.span());
            let right = self.set_expr(right, scope)?;
            plan = self.combined(plan, right, op, quantifier).map_err(|e| e.at(at))?;
        }
        Ok(plan)
    }

    fn set_operand(&self, body: &SetExpr, scope: Option<&Scope<'_>>) -> Result<PlanBuilder> {
        match body {
            SetExpr::Select(select) => self.select(select, Tail::default(), scope),
            SetExpr::Query(query) => self.query(query, scope),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Table(table) => {
                let name = table.table_name.clone().ok_or_else(|| Error::invalid("TABLE needs a name"))?;
                self.named(&[name], scope, None)
            }
            other => {
                Err(Error::unsupported("UNSUPPORTED_FEATURE", "only queries can stand here").at(place(other.span())))
            }
        }
    }

    fn values(&self, values: &ast::Values) -> Result<PlanBuilder> {
        let span = values.rows.first().and_then(|row| place(row.opening_token.0.span));
        let rows = values.rows.iter().map(|row| self.exprs.exprs(&row.content)).collect::<Result<Vec<_>>>()?;
        if let Some(row) = values.rows.iter().find(|row| row.content.len() != values.rows[0].content.len()) {
            return Err(Error::invalid("the rows of VALUES differ in their number of columns")
                .class("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH")
                .at(place(row.opening_token.0.span)));
        }
        PlanBuilder::values(rows, None, self.exprs.settings).map_err(|e| e.at(span))
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

/// The parts of a dotted name.
pub(super) fn name_parts(name: &ast::ObjectName) -> Result<Vec<String>> {
    name.0.iter().map(name_part).collect()
}
