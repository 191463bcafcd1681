//! Calls: the arguments of a function and what may follow them.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{
    body,
    cursor::{Cursor, is_any_word},
    operator,
    syntax::unexpected,
    token::{Token, Word},
    tree::{Argument, Call, Expr, Key, Kind},
};
use crate::error::{Error, Result, Span};

/// Reads a call from its parenthesis on.
pub(super) fn call(p: &mut Cursor<'_>, word: &Word, first: Span) -> Result<Kind> {
    let mut call = Call { name: word.value.clone(), ..Call::default() };
    (call.distinct, call.args, call.ignore_nulls) = arguments(p)?;
    if p.are_words(&["WITHIN", "GROUP"]) {
        call.within_group = within_group(p)?;
    }
    if p.is_word(0, "FILTER") && p.peek(1).token == Token::LParen {
        call.filter = Some(filter(p)?);
    }
    call.ignore_nulls = null_treatment(p).or(call.ignore_nulls);
    if p.is_word(0, "OVER") && (p.peek(1).token == Token::LParen || names_window(p)) {
        p.skip();
        return Err(windowed(word, p.since(first)));
    }
    Ok(Kind::Call(Box::new(call)))
}

/// `(DISTINCT x, y IGNORE NULLS)`
pub(super) fn arguments(p: &mut Cursor<'_>) -> Result<(bool, Vec<Argument>, Option<bool>)> {
    p.skip();
    if p.eat(&Token::RParen) {
        return Ok((false, Vec::new(), None));
    }
    let distinct = is_distinct(p);
    let arguments = p.list(argument)?;
    let nulls = null_treatment(p);
    if p.eat(&Token::RParen) {
        return Ok((distinct, arguments, nulls));
    }
    if p.are_words(&["ORDER", "BY"]) {
        return Err(unexpected(p.peek(0), "`)`").hint("write WITHIN GROUP (ORDER BY ...) after the call"));
    }
    Err(unexpected(p.peek(0), "`,` or `)`"))
}

/// DISTINCT or ALL, unless it is the name of an argument.
fn is_distinct(p: &mut Cursor<'_>) -> bool {
    let alone = matches!(p.peek(1).token, Token::Comma | Token::RParen | Token::Period);
    if alone || p.eat_word("DISTINCT") {
        return !alone;
    }
    p.eat_word("ALL");
    false
}

fn argument(p: &mut Cursor<'_>) -> Result<Argument> {
    let first = p.span();
    if p.eat(&Token::Mul) {
        return Ok(Argument::Star(None, first));
    }
    if p.peek(1).token == Token::RArrow && matches!(p.peek(0).token, Token::Word(_)) {
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", "arguments by name are not supported")
            .at(Some(first))
            .hint("give arguments by position, without their names"));
    }
    match qualified_star(p) {
        Some(name) => Ok(Argument::Star(Some(name), p.since(first))),
        None => operator::whole(p).map(Argument::Expr),
    }
}

/// `a.b.*`
pub(super) fn qualified_star(p: &mut Cursor<'_>) -> Option<String> {
    let mut name = String::new();
    for ahead in (0..).step_by(2) {
        let Token::Word(word) = &p.peek(ahead).token else { return None };
        if p.peek(ahead + 1).token != Token::Period {
            return None;
        }
        name.push_str(&word.value);
        if p.peek(ahead + 2).token == Token::Mul {
            p.skip_many(ahead + 3);
            return Some(name);
        }
        name.push('.');
    }
    None
}

fn null_treatment(p: &mut Cursor<'_>) -> Option<bool> {
    if p.eat_words(&["IGNORE", "NULLS"]) {
        return Some(true);
    }
    p.eat_words(&["RESPECT", "NULLS"]).then_some(false)
}

/// `WITHIN GROUP (ORDER BY ...)`
fn within_group(p: &mut Cursor<'_>) -> Result<Vec<Key>> {
    p.skip_many(2);
    p.expect(&Token::LParen)?;
    p.expect_word("ORDER")?;
    p.expect_word("BY")?;
    let keys = p.list(body::key)?;
    p.expect(&Token::RParen)?;
    Ok(keys)
}

/// `FILTER (WHERE ...)`
fn filter(p: &mut Cursor<'_>) -> Result<Expr> {
    p.skip_many(2);
    p.expect_word("WHERE")?;
    let condition = operator::whole(p)?;
    p.expect(&Token::RParen)?;
    Ok(condition)
}

/// `OVER w`: unless OVER names the call, as in `f(x) over FROM`.
fn names_window(p: &Cursor<'_>) -> bool {
    let next = &p.peek(1).token;
    matches!(next, Token::Word(_)) && !is_any_word(next, &["AS", "FROM", "WHERE", "UNION", "ORDER", "LIMIT", "GROUP"])
}

fn windowed(word: &Word, span: Span) -> Error {
    let message = format!("window functions are not supported: {}(...) OVER", word.value);
    Error::unsupported("NON_TIME_WINDOW_NOT_SUPPORTED_IN_STREAMING", message)
        .at(Some(span))
        .hint("group by window(ts, '1 minute') instead; max_by(value, ts) gives the latest value of a group")
}
