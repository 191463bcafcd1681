//! Calls: the arguments of a function and what may follow them. sqlparser's own reading of calls knows every
//! dialect's clauses and takes four times the stack for it.

use alloc::{boxed::Box, vec, vec::Vec};

use sqlparser::{
    ast::{
        DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
        FunctionArguments, Ident, NullTreatment, ObjectName, OrderByExpr,
    },
    parser::{Parser, ParserError},
    tokenizer::{Span, Token, Word},
};

use super::{
    cursor::{Tokens, is_any_word},
    dialect::Spark,
    operator,
    syntax::{place, unexpected},
};
use crate::error::Error;

type Result<T> = core::result::Result<T, ParserError>;

/// Reads a call from its parenthesis on.
pub(super) fn call(spark: &Spark, p: &mut Parser, word: &Word, span: Span) -> Result<Expr> {
    p.skip();
    let mut list = FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() };
    if !p.eat(&Token::RParen) {
        list.duplicate_treatment = duplicate_treatment(p);
        arguments(spark, p, &mut list)?;
    }
    let mut function = plain(word, span, list);
    if p.is_word(0, "WITHIN") && p.is_word(1, "GROUP") {
        function.within_group = within_group(spark, p)?;
    }
    if p.is_word(0, "FILTER") && p.peek(1).token == Token::LParen {
        function.filter = Some(filter(spark, p)?);
    }
    function.null_treatment = null_treatment(p);
    if p.is_word(0, "OVER") && (p.peek(1).token == Token::LParen || names_window(p)) {
        return Err(spark.fail(windowed(p, span, word)));
    }
    Ok(Expr::Function(function))
}

/// A call with these arguments and nothing else.
pub(super) fn plain(word: &Word, span: Span, list: FunctionArgumentList) -> Function {
    Function {
        name: ObjectName::from(vec![word.to_ident(span)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

fn duplicate_treatment(p: &mut Parser) -> Option<DuplicateTreatment> {
    let alone = matches!(p.peek(1).token, Token::Comma | Token::RParen | Token::Period);
    if !alone && p.eat_word("DISTINCT") {
        return Some(DuplicateTreatment::Distinct);
    }
    (!alone && p.eat_word("ALL")).then_some(DuplicateTreatment::All)
}

fn arguments(spark: &Spark, p: &mut Parser, list: &mut FunctionArgumentList) -> Result<()> {
    loop {
        list.args.push(FunctionArg::Unnamed(argument(spark, p)?));
        if p.eat(&Token::Comma) {
            continue;
        }
        if let Some(treatment) = null_treatment(p) {
            list.clauses.push(FunctionArgumentClause::IgnoreOrRespectNulls(treatment));
        }
        if p.eat(&Token::RParen) {
            return Ok(());
        }
        if p.is_word(0, "ORDER") && p.is_word(1, "BY") {
            return Err(
                spark.fail(unexpected(p.peek(0), "`)`").hint("write WITHIN GROUP (ORDER BY ...) after the call"))
            );
        }
        return Err(spark.fail(unexpected(p.peek(0), "`,` or `)`")));
    }
}

fn argument(spark: &Spark, p: &mut Parser) -> Result<FunctionArgExpr> {
    if p.eat(&Token::Mul) {
        return Ok(FunctionArgExpr::Wildcard);
    }
    if p.peek(1).token == Token::RArrow && matches!(p.peek(0).token, Token::Word(_)) {
        let error = Error::unsupported("UNSUPPORTED_FEATURE", "arguments by name are not supported");
        let place = place(p.peek(0).span);
        return Err(spark.fail(error.at(place).hint("give arguments by position, without their names")));
    }
    match qualified_star(p) {
        Some(name) => Ok(FunctionArgExpr::QualifiedWildcard(name)),
        None => operator::whole(spark, p).map(FunctionArgExpr::Expr),
    }
}

/// `a.b.*`
fn qualified_star(p: &mut Parser) -> Option<ObjectName> {
    let mut parts: Vec<Ident> = Vec::new();
    loop {
        let ahead = 2 * parts.len();
        let Token::Word(word) = &p.peek(ahead).token else { return None };
        if p.peek(ahead + 1).token != Token::Period {
            return None;
        }
        parts.push(word.to_ident(p.peek(ahead).span));
        if p.peek(ahead + 2).token == Token::Mul {
            (0..ahead + 3).for_each(|_| p.skip());
            return Some(ObjectName::from(parts));
        }
    }
}

fn null_treatment(p: &mut Parser) -> Option<NullTreatment> {
    if p.eat_words(&["IGNORE", "NULLS"]) {
        return Some(NullTreatment::IgnoreNulls);
    }
    p.eat_words(&["RESPECT", "NULLS"]).then_some(NullTreatment::RespectNulls)
}

/// `WITHIN GROUP (ORDER BY ...)`
fn within_group(spark: &Spark, p: &mut Parser) -> Result<Vec<OrderByExpr>> {
    (0..2).for_each(|_| p.skip());
    p.expect_token(&Token::LParen)?;
    for word in ["ORDER", "BY"] {
        Tokens::expect_word(p, word).map_err(|e| spark.fail(e))?;
    }
    let keys = p.parse_comma_separated(Parser::parse_order_by_expr)?;
    p.expect_token(&Token::RParen)?;
    Ok(keys)
}

/// `FILTER (WHERE ...)`
fn filter(spark: &Spark, p: &mut Parser) -> Result<Box<Expr>> {
    (0..2).for_each(|_| p.skip());
    Tokens::expect_word(p, "WHERE").map_err(|e| spark.fail(e))?;
    let condition = operator::whole(spark, p)?;
    p.expect_token(&Token::RParen)?;
    Ok(Box::new(condition))
}

/// `OVER w`: unless OVER names the call, as in `f(x) over FROM`.
fn names_window(p: &Parser) -> bool {
    let next = &p.peek(1).token;
    matches!(next, Token::Word(_)) && !is_any_word(next, &["FROM", "WHERE", "UNION", "ORDER", "LIMIT", "GROUP"])
}

fn windowed(p: &Parser, span: Span, word: &Word) -> Error {
    let message = alloc::format!("window functions are not supported: {}(...) OVER", word.value);
    Error::unsupported("NON_TIME_WINDOW_NOT_SUPPORTED_IN_STREAMING", message)
        .at(place(span.union(&p.peek(0).span)))
        .hint("group by window(ts, '1 minute') instead; max_by(value, ts) gives the latest value of a group")
}
