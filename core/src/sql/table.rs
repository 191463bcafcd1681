//! Tokens of FROM to its tree: tables, functions, queries in parentheses, inline rows, and how they are joined.

use alloc::{boxed::Box, vec::Vec};

use super::{
    alias, body, call, clauses,
    cursor::{Cursor, is_any_word},
    operator,
    syntax::unexpected,
    token::{Token, join},
    tree::{Body, Constraint, Factor, Join, Joined, OrderBy, Query, Relation},
};
use crate::{
    error::{Error, Result, Span},
    plan::JoinKind,
};

/// How joins are written.
const JOINS: &[(&[&str], JoinKind)] = &[
    (&["JOIN"], JoinKind::Inner),
    (&["INNER", "JOIN"], JoinKind::Inner),
    (&["CROSS", "JOIN"], JoinKind::Cross),
    (&["LEFT", "JOIN"], JoinKind::Left),
    (&["LEFT", "OUTER", "JOIN"], JoinKind::Left),
    (&["RIGHT", "JOIN"], JoinKind::Right),
    (&["RIGHT", "OUTER", "JOIN"], JoinKind::Right),
    (&["FULL", "JOIN"], JoinKind::Full),
    (&["FULL", "OUTER", "JOIN"], JoinKind::Full),
    (&["SEMI", "JOIN"], JoinKind::LeftSemi),
    (&["LEFT", "SEMI", "JOIN"], JoinKind::LeftSemi),
    (&["ANTI", "JOIN"], JoinKind::LeftAnti),
    (&["LEFT", "ANTI", "JOIN"], JoinKind::LeftAnti),
];
/// Words before JOIN: none of them is an alias.
const JOIN_WORDS: &[&str] = &["NATURAL", "INNER", "CROSS", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI", "OUTER", "ASOF"];

/// A relation and what is joined to it, up to a comma or the next clause.
pub(super) fn joined(p: &mut Cursor<'_>) -> Result<Joined> {
    let first = p.span();
    let relation = relation(p)?;
    let mut joins = Vec::new();
    while let Some(join) = next_join(p)? {
        joins.push(join);
    }
    Ok(Joined { relation, joins, span: p.since(first) })
}

fn next_join(p: &mut Cursor<'_>) -> Result<Option<Join>> {
    let natural = p.eat_word("NATURAL");
    let Some((_, kind)) = JOINS.iter().find(|(words, _)| p.eat_words(words)) else {
        return if natural || is_any_word(&p.peek(0).token, JOIN_WORDS) { Err(no_join(p)) } else { Ok(None) };
    };
    let first = p.span();
    let relation = relation(p)?;
    let constraint = if natural { Constraint::Natural } else { constraint(p)? };
    Ok(Some(Join { kind: *kind, relation, constraint, span: p.since(first) }))
}

fn constraint(p: &mut Cursor<'_>) -> Result<Constraint> {
    if p.eat_word("ON") {
        return operator::whole(p).map(Constraint::On);
    }
    if p.eat_word("USING") {
        return p.names("the name of a column").map(Constraint::Using);
    }
    Ok(Constraint::None)
}

/// The error for words that begin a join, and then make none that we know.
fn no_join(p: &Cursor<'_>) -> Error {
    let first = p.span();
    let found = (0..).map(|ahead| p.peek(ahead)).find(|t| !is_any_word(&t.token, JOIN_WORDS));
    match found {
        Some(found) if !is_any_word(&found.token, &["JOIN"]) => unexpected(found, "JOIN"),
        found => Error::unsupported("UNSUPPORTED_FEATURE", "this kind of join is not supported")
            .at(Some(found.map_or(first, |found| join(first, found.span))))
            .hint("joins are INNER, LEFT, RIGHT, FULL, CROSS, LEFT SEMI and LEFT ANTI JOIN"),
    }
}

fn relation(p: &mut Cursor<'_>) -> Result<Relation> {
    if p.is_word(0, "LATERAL") {
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", "LATERAL joins are not supported")
            .at(Some(p.span()))
            .hint("LATERAL VIEW explode(array) t AS x unnests an array"));
    }
    let relation = match &p.peek(0).token {
        Token::LParen if holds_query(p, 0) => query(p)?,
        Token::LParen => nested(p)?,
        _ if holds_rows(p) => values(p)?,
        token if is_any_word(token, &["TABLE"]) && p.peek(1).token == Token::LParen => return Err(table_function(p)?),
        token if is_any_word(token, &["SELECT", "FROM", "WHERE", "HAVING"]) => {
            return Err(unexpected(p.peek(0), "a table"));
        }
        _ => named(p)?,
    };
    refuse_sample(p, relation.span)?;
    Ok(relation)
}

fn refuse_sample(p: &Cursor<'_>, span: Span) -> Result<()> {
    if !is_any_word(&p.peek(0).token, &["TABLESAMPLE", "PIVOT", "UNPIVOT"]) {
        return Ok(());
    }
    Err(Error::unsupported("UNSUPPORTED_FEATURE", "this kind of relation is not supported")
        .at(Some(span))
        .hint("TABLESAMPLE, PIVOT, UNPIVOT and versions of tables are not supported"))
}

/// A table, a view, a name of WITH, or a function.
fn named(p: &mut Cursor<'_>) -> Result<Relation> {
    let stream = clauses::eat_stream(p);
    let parenthesis = stream && p.eat(&Token::LParen);
    let first = p.span();
    let name = p.name("a table")?;
    let span = p.since(first);
    if parenthesis {
        p.expect(&Token::RParen)?;
    } else if p.peek(0).token == Token::LParen {
        return if stream { Err(stream_of_function(p.span())) } else { function(p, name.join("."), first) };
    }
    let (options, watermark) = clauses::beside(p)?;
    let factor = Factor::Table { name, stream, options };
    Ok(Relation { factor, watermark, alias: alias::of_relation(p)?, span })
}

/// `range(10) AS r(n)`, `explode(array(1, 2))`
fn function(p: &mut Cursor<'_>, name: alloc::string::String, first: Span) -> Result<Relation> {
    let (_, args, _) = call::arguments(p)?;
    let span = p.since(first);
    Ok(Relation { factor: Factor::Function { name, args }, watermark: None, alias: alias::of_relation(p)?, span })
}

fn stream_of_function(span: Span) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "a table function cannot be read as a stream")
        .at(Some(span))
        .hint("leave out STREAM")
}

/// `TABLE(f(x))`
fn table_function(p: &mut Cursor<'_>) -> Result<Error> {
    let first = p.span();
    p.skip_many(2);
    operator::whole(p)?;
    p.expect(&Token::RParen)?;
    Ok(Error::unsupported("UNSUPPORTED_FEATURE", "TABLE(function) is not supported")
        .at(Some(p.since(first)))
        .hint("windows are made in GROUP BY: window(ts, '1 minute')"))
}

/// Whether VALUES is followed by rows, and not the name of a table.
fn holds_rows(p: &Cursor<'_>) -> bool {
    let next = &p.peek(1).token;
    let ends = matches!(next, Token::EOF | Token::RParen | Token::Comma | Token::Period) || alias::ends_relation(p, 1);
    p.is_word(0, "VALUES") && !ends
}

/// `VALUES (1, 'x'), (2, 'y')`, without parentheses around.
fn values(p: &mut Cursor<'_>) -> Result<Relation> {
    let first = p.span();
    p.skip();
    let body = Body::Values(p.list(body::row)?, None);
    let span = p.since(first);
    let order_by = OrderBy::Keys(Vec::new());
    let query = Query { ctes: Vec::new(), body, order_by, limit: None, offset: None, span };
    let factor = Factor::Query(Box::new(query));
    Ok(Relation { factor, watermark: None, alias: alias::of_relation(p)?, span })
}

/// `(SELECT ...)`
fn query(p: &mut Cursor<'_>) -> Result<Relation> {
    let first = p.span();
    p.skip();
    let factor = Factor::Query(Box::new(body::query(p)?));
    p.expect(&Token::RParen)?;
    let span = p.since(first);
    let (_, watermark) = clauses::beside(p)?;
    Ok(Relation { factor, watermark, alias: alias::of_relation(p)?, span })
}

/// `(a JOIN b)`
fn nested(p: &mut Cursor<'_>) -> Result<Relation> {
    let first = p.span();
    p.skip();
    let factor = Factor::Joined(Box::new(joined(p)?));
    p.expect(&Token::RParen)?;
    let span = p.since(first);
    clauses::refuse_watermark(p)?;
    Ok(Relation { factor, watermark: None, alias: alias::of_relation(p)?, span })
}

/// Whether the parenthesis that is so far ahead opens a query. One that begins with another parenthesis is a query if
/// what follows that one's end can only follow a query: `((SELECT 1) UNION ...)`, not `((SELECT 1) t JOIN ...)`.
fn holds_query(p: &Cursor<'_>, ahead: usize) -> bool {
    if p.peek(ahead + 1).token != Token::LParen {
        return body::begins_query(p, ahead + 1);
    }
    const FOLLOWING: &[&str] = &["UNION", "EXCEPT", "MINUS", "INTERSECT", "ORDER", "LIMIT", "OFFSET"];
    holds_query(p, ahead + 1) && {
        let after = &p.peek(closing(p, ahead + 1) + 1).token;
        *after == Token::RParen || is_any_word(after, FOLLOWING)
    }
}

/// Where the parenthesis that opens so far ahead closes.
fn closing(p: &Cursor<'_>, opening: usize) -> usize {
    let mut depth = 0_usize;
    for ahead in opening.. {
        match p.peek(ahead).token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return ahead,
            Token::RParen => depth -= 1,
            Token::EOF => return ahead,
            _ => {}
        }
    }
    opening
}
