//! Tokens of a query to its tree: WITH, set operations, SELECT and its clauses, VALUES, ORDER BY and LIMIT. `table` has
//! FROM, `operator` the expressions.

use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

use super::{
    alias, call, clauses,
    cursor::{Cursor, is_any_word},
    operator,
    syntax::unexpected,
    table,
    token::Token,
    tree::{
        Alias, Body, Cte, Expr, GroupBy, Grouping, Item, Key, Kind, Modifier, Name, OrderBy, Quantifier, Query, Row,
        Select, SetOperator,
    },
};
use crate::error::{Error, Result, Span};

/// Words that a query begins with.
const BEGINNINGS: &[&str] = &["SELECT", "WITH", "VALUES", "FROM"];

/// Whether a query begins with the token so far ahead, parentheses around it aside. `TABLE` may be a name as well.
pub(super) fn begins_query(p: &Cursor<'_>, ahead: usize) -> bool {
    let names_table = p.is_word(ahead, "TABLE") && matches!(p.peek(ahead + 1).token, Token::Word(_));
    names_table || is_any_word(&p.peek(ahead).token, BEGINNINGS)
}

/// Reads a query up to what cannot belong to it.
pub(super) fn query(p: &mut Cursor<'_>) -> Result<Query> {
    let first = p.span();
    let ctes = if p.is_word(0, "WITH") { ctes(p)? } else { Vec::new() };
    let body = set_operations(p, 0)?;
    let order_by = order_by(p)?;
    let (limit, offset) = limit(p)?;
    if is_any_word(&p.peek(0).token, &["FETCH", "FOR"]) {
        let error = Error::unsupported("UNSUPPORTED_FEATURE", "FETCH and FOR are not supported");
        return Err(error.at(Some(p.span())).hint("write LIMIT n"));
    }
    Ok(Query { ctes, body, order_by, limit, offset, span: p.since(first) })
}

// WITH ---------------------------------------------------------------------------------------------------------

pub(super) fn ctes(p: &mut Cursor<'_>) -> Result<Vec<Cte>> {
    let with = p.next().span;
    if p.is_word(0, "RECURSIVE") && matches!(p.peek(1).token, Token::Word(_)) && !p.is_word(1, "AS") {
        let error = Error::unsupported("UNSUPPORTED_FEATURE", "WITH RECURSIVE is not supported");
        return Err(error.at(Some(with)));
    }
    p.list(cte)
}

/// `name [(columns)] [AS] (query)`
fn cte(p: &mut Cursor<'_>) -> Result<Cte> {
    let name = Name { span: p.span(), text: p.identifier("a name")? };
    let named = p.peek(0).token == Token::LParen && p.peek(1).token != Token::LParen && !begins_query(p, 1);
    let columns = if named { p.names("the name of a column")? } else { Vec::new() };
    p.eat_word("AS");
    p.expect(&Token::LParen)?;
    let query = query(p)?;
    p.expect(&Token::RParen)?;
    Ok(Cte { alias: Alias { name, columns }, query })
}

// Set operations -----------------------------------------------------------------------------------------------

/// Operands and the set operators between them that bind tighter than `outer`; those that bind alike, to the left.
fn set_operations(p: &mut Cursor<'_>, outer: u8) -> Result<Body> {
    let mut left = operand(p)?;
    while let Some((op, inner)) = set_operator(p).filter(|(_, inner)| *inner > outer) {
        p.skip();
        let quantifier = quantifier(p);
        let right = Box::new(set_operations(p, inner)?);
        left = Body::SetOperation { left: Box::new(left), op, quantifier, right };
    }
    Ok(left)
}

/// INTERSECT binds tighter than the others.
fn set_operator(p: &Cursor<'_>) -> Option<(SetOperator, u8)> {
    let token = &p.peek(0).token;
    let operators: [(&[&str], _, _); 3] = [
        (&["UNION"], SetOperator::Union, 1),
        (&["EXCEPT", "MINUS"], SetOperator::Except, 1),
        (&["INTERSECT"], SetOperator::Intersect, 2),
    ];
    let found = operators.into_iter().find(|(words, ..)| is_any_word(token, words));
    found.map(|(_, op, level)| (op, level))
}

fn quantifier(p: &mut Cursor<'_>) -> Quantifier {
    let all = p.eat_word("ALL");
    if !all {
        p.eat_word("DISTINCT");
    }
    Quantifier { all, by_name: p.eat_words(&["BY", "NAME"]) }
}

fn operand(p: &mut Cursor<'_>) -> Result<Body> {
    let first = p.span();
    if p.is_word(0, "SELECT") {
        return Ok(Body::Select(Box::new(select(p)?)));
    }
    if p.eat_word("FROM") {
        return Ok(Body::Select(Box::new(from_first(p, first)?)));
    }
    if p.eat(&Token::LParen) {
        let query = query(p)?;
        p.expect(&Token::RParen)?;
        return Ok(Body::Query(Box::new(query)));
    }
    if p.eat_word("VALUES") {
        return Ok(Body::Values(p.list(row)?, alias::of_relation(p)?));
    }
    if p.eat_word("TABLE") {
        let name = p.name("the name of a table")?;
        return Ok(Body::Table(name, p.since(first)));
    }
    Err(unexpected(p.peek(0), "a query (SELECT, WITH or VALUES)"))
}

/// `(1, 'x')`, or one value without parentheses: an expression, of which `(1) + 1` is one too.
pub(super) fn row(p: &mut Cursor<'_>) -> Result<Row> {
    let row = operator::whole(p)?;
    Ok(Row { span: row.span, values: values(row) })
}

fn values(row: Expr) -> Vec<Expr> {
    match row.kind {
        Kind::Nested(inner) => values(*inner),
        Kind::Tuple(values) => values,
        _ => vec![row],
    }
}

// SELECT -------------------------------------------------------------------------------------------------------

fn select(p: &mut Cursor<'_>) -> Result<Select> {
    let span = p.next().span;
    let distinct = distinct(p)?;
    let items = p.list(item)?;
    refuse_clause(p)?;
    let from = if p.eat_word("FROM") { p.list(table::joined)? } else { Vec::new() };
    let lateral_views = clauses::lateral_views(p)?;
    clauses_after_from(p, Select { distinct, items, from, lateral_views, ..Select::new(span) })
}

/// `FROM t SELECT a WHERE ...`; all columns without SELECT.
fn from_first(p: &mut Cursor<'_>, span: Span) -> Result<Select> {
    let from = p.list(table::joined)?;
    let lateral_views = clauses::lateral_views(p)?;
    let mut select = Select { from, lateral_views, ..Select::new(span) };
    if !p.eat_word("SELECT") {
        select.items.push(Item::Star { of: None, except: None, span });
        return Ok(select);
    }
    select.distinct = distinct(p)?;
    select.items = p.list(item)?;
    select.lateral_views.extend(clauses::lateral_views(p)?);
    clauses_after_from(p, select)
}

fn clauses_after_from(p: &mut Cursor<'_>, select: Select) -> Result<Select> {
    refuse_clause(p)?;
    let selection = if p.eat_word("WHERE") { Some(operator::whole(p)?) } else { None };
    refuse_clause(p)?;
    let group_by = if p.are_words(&["GROUP", "BY"]) { group_by(p)? } else { GroupBy::default() };
    refuse_clause(p)?;
    let having = if p.eat_word("HAVING") { Some(operator::whole(p)?) } else { None };
    refuse_clause(p)?;
    Ok(Select { selection, group_by, having, ..select })
}

fn distinct(p: &mut Cursor<'_>) -> Result<bool> {
    let distinct = p.eat_word("DISTINCT");
    if distinct && p.is_word(0, "ON") && p.peek(1).token == Token::LParen {
        return Err(refused(p, "DISTINCT ON", "group, and take first(...)"));
    }
    if !distinct {
        p.eat_word("ALL");
    }
    if p.is_word(0, "TOP") && matches!(p.peek(1).token, Token::Number(_)) {
        return Err(refused(p, "TOP", "write LIMIT n at the end of the query"));
    }
    Ok(distinct)
}

/// Says of the clauses that others have and we do not, that we do not.
fn refuse_clause(p: &Cursor<'_>) -> Result<()> {
    let clauses: [(&[&str], &str); 6] = [
        (&["INTO"], "write INSERT INTO table SELECT ..."),
        (&["QUALIFY"], "filter in an outer query"),
        (&["WINDOW"], "windows over time are made by GROUP BY window(ts, '1 minute')"),
        (&["SORT", "BY"], "write ORDER BY"),
        (&["CLUSTER", "BY"], "leave it out"),
        (&["DISTRIBUTE", "BY"], "leave it out"),
    ];
    match clauses.iter().find(|(words, _)| p.are_words(words)) {
        Some((words, hint)) => Err(refused(p, &words.join(" "), hint)),
        None => Ok(()),
    }
}

fn refused(p: &Cursor<'_>, part: &str, hint: &str) -> Error {
    let error = Error::unsupported("UNSUPPORTED_FEATURE", format!("{part} is not supported"));
    error.at(Some(p.span())).hint(hint)
}

fn item(p: &mut Cursor<'_>) -> Result<Item> {
    let first = p.span();
    if p.eat(&Token::Mul) {
        return star(p, None, first);
    }
    let bracketed = [Token::LParen, Token::Mul, Token::RParen];
    if bracketed.iter().enumerate().all(|(ahead, token)| p.peek(ahead).token == *token) {
        p.skip_many(bracketed.len());
        return Ok(Item::Star { of: None, except: None, span: p.since(first) });
    }
    if let Some(of) = call::qualified_star(p) {
        return star(p, Some(of), p.since(first));
    }
    let expr = operator::whole(p)?;
    if p.peek(0).token == Token::Period && p.peek(1).token == Token::Mul {
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", "* after an expression is not supported")
            .at(Some(expr.span))
            .hint("name the struct in a subquery, then select name.*"));
    }
    let explicit = usize::from(p.is_word(0, "AS"));
    if p.peek(explicit).token == Token::LParen {
        p.skip_many(explicit);
        return Ok(Item::NamedAll(expr, p.names("a name")?));
    }
    Ok(match alias::of_item(p)? {
        Some(name) => Item::Named(expr, name),
        None => Item::Expr(expr),
    })
}

fn star(p: &mut Cursor<'_>, of: Option<String>, span: Span) -> Result<Item> {
    let except = if p.is_word(0, "EXCEPT") && p.peek(1).token == Token::LParen {
        p.skip_many(2);
        let names = p.list(|p| p.name("the name of a column"))?;
        p.expect(&Token::RParen)?;
        Some(names)
    } else {
        None
    };
    Ok(Item::Star { of, except, span })
}

// GROUP BY -----------------------------------------------------------------------------------------------------

fn group_by(p: &mut Cursor<'_>) -> Result<GroupBy> {
    let first = p.span();
    p.skip_many(2);
    let all = p.eat_word("ALL");
    let elements = if all { Vec::new() } else { p.list(grouping)? };
    let modifier = modifier(p)?;
    Ok(GroupBy { all, elements, modifier, span: Some(p.since(first)) })
}

fn grouping(p: &mut Cursor<'_>) -> Result<Grouping> {
    let first = p.span();
    let called = p.peek(1).token == Token::LParen;
    if called && p.eat_word("ROLLUP") {
        return sets(p).map(Grouping::Rollup);
    }
    if called && p.eat_word("CUBE") {
        return sets(p).map(|sets| Grouping::Cube(sets, p.since(first)));
    }
    if begins_sets(p) {
        p.skip_many(2);
        return sets(p).map(Grouping::Sets);
    }
    if p.peek(0).token == Token::LParen && p.peek(1).token == Token::RParen {
        p.skip_many(2);
        return Err(Error::invalid("expected an expression in GROUP BY, found `()`")
            .class("PARSE_SYNTAX_ERROR")
            .at(Some(p.since(first)))
            .hint("leave out GROUP BY to aggregate all rows"));
    }
    operator::whole(p).map(Grouping::Key)
}

fn begins_sets(p: &Cursor<'_>) -> bool {
    p.are_words(&["GROUPING", "SETS"]) && p.peek(2).token == Token::LParen
}

fn modifier(p: &mut Cursor<'_>) -> Result<Option<Modifier>> {
    if p.eat_words(&["WITH", "ROLLUP"]) {
        return Ok(Some(Modifier::Rollup));
    }
    if p.eat_words(&["WITH", "CUBE"]) {
        return Ok(Some(Modifier::Cube));
    }
    if begins_sets(p) {
        p.skip_many(2);
        return sets(p).map(Modifier::Sets).map(Some);
    }
    Ok(None)
}

/// `(a, (b, c), ())`: keys that come and go together.
fn sets(p: &mut Cursor<'_>) -> Result<Vec<Vec<Expr>>> {
    p.expect(&Token::LParen)?;
    let sets = p.list(|p| {
        if !p.eat(&Token::LParen) {
            return Ok(vec![operator::whole(p)?]);
        }
        let keys = if p.peek(0).token == Token::RParen { Vec::new() } else { operator::list(p)? };
        p.expect(&Token::RParen)?;
        Ok(keys)
    })?;
    p.expect(&Token::RParen)?;
    Ok(sets)
}

// ORDER BY and LIMIT -------------------------------------------------------------------------------------------

fn order_by(p: &mut Cursor<'_>) -> Result<OrderBy> {
    if !p.eat_words(&["ORDER", "BY"]) {
        return Ok(OrderBy::Keys(Vec::new()));
    }
    if p.eat_word("ALL") {
        let (descending, nulls_first) = direction(p);
        return Ok(OrderBy::All { descending, nulls_first });
    }
    p.list(key).map(OrderBy::Keys)
}

/// `expr DESC NULLS LAST`
pub(super) fn key(p: &mut Cursor<'_>) -> Result<Key> {
    let expr = operator::whole(p)?;
    let (descending, nulls_first) = direction(p);
    Ok(Key { expr, descending, nulls_first })
}

fn direction(p: &mut Cursor<'_>) -> (bool, Option<bool>) {
    let descending = p.eat_word("DESC");
    if !descending {
        p.eat_word("ASC");
    }
    let first = p.eat_words(&["NULLS", "FIRST"]);
    (descending, if first || p.eat_words(&["NULLS", "LAST"]) { Some(first) } else { None })
}

/// LIMIT and OFFSET, in any order; LIMIT ALL is no limit.
fn limit(p: &mut Cursor<'_>) -> Result<(Option<Expr>, Option<Expr>)> {
    let mut offset = offset(p)?;
    let mut limit = None;
    if p.eat_word("LIMIT") && !p.eat_word("ALL") {
        limit = Some(operator::whole(p)?);
    }
    if offset.is_none() {
        offset = self::offset(p)?;
    }
    Ok((limit, offset))
}

fn offset(p: &mut Cursor<'_>) -> Result<Option<Expr>> {
    if !p.eat_word("OFFSET") {
        return Ok(None);
    }
    let offset = operator::whole(p)?;
    let _ = p.eat_word("ROWS") || p.eat_word("ROW");
    Ok(Some(offset))
}
