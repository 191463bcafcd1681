//! Operands: literals of all forms, CASE, CAST, the functions with words between their arguments, names, calls,
//! parentheses, and what has an operator before it.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use sqlparser::{
    ast::{
        self, CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, Ident, ObjectName, Spanned,
        UnaryOperator, helpers::attached_token::AttachedToken,
    },
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Span, Token, Word},
};

use super::{
    call,
    cursor::{Tokens, is_any_word, is_word},
    dialect::{Literal, Spark},
    interval,
    operator::{self, level},
    syntax::{place, span_of_place, unexpected},
    types,
};
use crate::{
    block::Value,
    error::{Error, Result as CoreResult},
    schema::DataType,
    time::{parse_date, parse_timestamp_ntz},
};

type Result<T> = core::result::Result<T, ParserError>;

/// Words that no expression begins with, although Spark lets most of them be names elsewhere.
const NO_OPERANDS: &[&str] = &[
    "SELECT", "FROM", "WHERE", "HAVING", "UNION", "WHEN", "THEN", "ELSE", "AND", "OR", "ON", "AS", "JOIN", "IN", "IS",
    "LIKE", "BETWEEN", "USING",
];

/// Reads an operand: everything but binary operators and what follows a dot or a bracket.
pub(super) fn operand(spark: &Spark, p: &mut Parser) -> Result<Expr> {
    let token = p.peek(0).clone();
    match token.token {
        Token::Number(text, _) => {
            p.skip();
            Ok(value(ast::Value::Number(text, false), token.span))
        }
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => Ok(strings(p)),
        Token::Minus if matches!(p.peek(1).token, Token::Number(..)) => Ok(negative_number(p)),
        Token::Minus => unary(spark, p, UnaryOperator::Minus, level::PRODUCT),
        Token::Plus => unary(spark, p, UnaryOperator::Plus, level::PRODUCT),
        Token::Tilde => unary(spark, p, UnaryOperator::BitwiseNot, level::PRODUCT),
        Token::ExclamationMark => unary(spark, p, UnaryOperator::Not, level::NOT),
        Token::LParen => parenthesised(spark, p),
        Token::Word(word) if word.quote_style.is_none() => keyword(spark, p, &word, token.span),
        Token::Word(word) => name_or_call(spark, p, &word, token.span),
        _ => Err(spark.fail(unexpected(p.peek(0), "an expression"))),
    }
}

/// `x::TYPE`
pub(super) fn double_colon(spark: &Spark, p: &mut Parser, left: Expr) -> Result<Expr> {
    p.skip();
    let data_type = types::data_type(p).map_err(|e| spark.fail(e))?;
    let end = p.get_current_token().span;
    let span = left.span().union(&end);
    Ok(cast(spark, CastKind::DoubleColon, left, data_type, span))
}

fn keyword(spark: &Spark, p: &mut Parser, word: &Word, span: Span) -> Result<Expr> {
    let upper = word.value.to_ascii_uppercase();
    let called = p.peek(1).token == Token::LParen;
    let before_string = matches!(p.peek(1).token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_));
    match upper.as_str() {
        "NULL" => Ok(constant(p, ast::Value::Null, span)),
        "TRUE" | "FALSE" => Ok(constant(p, ast::Value::Boolean(upper == "TRUE"), span)),
        "NOT" => unary(spark, p, UnaryOperator::Not, level::NOT),
        "CASE" if begins_operand(p) => case(spark, p),
        "CAST" | "TRY_CAST" if called => call_of_cast(spark, p, &upper),
        "EXISTS" if called && begins_query(&p.peek(2).token) => exists(p),
        "INTERVAL" if interval::follows(p) => read_interval(spark, p),
        "DATE" | "TIMESTAMP" | "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" | "X" if before_string => {
            typed_literal(spark, p, &upper)
        }
        "CURRENT_DATE" | "CURRENT_TIMESTAMP" | "CURRENT_USER" if !called => {
            p.skip();
            Ok(call_of(word, span, Vec::new()))
        }
        "STRUCT" if called && separated_by(p, "AS") => structure(spark, p, word, span),
        "EXTRACT" if called && separated_by(p, "FROM") => extract(spark, p, word, span),
        "TRIM" if called && separated_by(p, "FROM") => trim(spark, p, span),
        "SUBSTRING" | "SUBSTR" if called && separated_by(p, "FROM") => {
            arguments(spark, p, &named("substring"), span, &["FROM", "FOR"])
        }
        "OVERLAY" if called && separated_by(p, "PLACING") => {
            arguments(spark, p, word, span, &["PLACING", "FROM", "FOR"])
        }
        "POSITION" if called && separated_by(p, "IN") => position(spark, p, span),
        other if NO_OPERANDS.contains(&other) && !called && p.peek(1).token != Token::Period => {
            Err(spark.fail(unexpected(p.peek(0), "an expression")))
        }
        "GROUP" | "ORDER" if is_word(&p.peek(1).token, "BY") => Err(spark.fail(unexpected(p.peek(0), "an expression"))),
        _ => name_or_call(spark, p, word, span),
    }
}

/// A column, or a function and its arguments.
fn name_or_call(spark: &Spark, p: &mut Parser, word: &Word, span: Span) -> Result<Expr> {
    p.skip();
    match p.peek(0).token {
        Token::LParen => call::call(spark, p, word, span),
        Token::Arrow => Err(spark.fail(lambda(place(span)))),
        _ => Ok(Expr::Identifier(word.to_ident(span))),
    }
}

/// Adjacent strings are one string.
fn strings(p: &mut Parser) -> Expr {
    let mut text = String::new();
    let mut span = p.peek(0).span;
    while let Token::SingleQuotedString(part) | Token::DoubleQuotedString(part) = &p.peek(0).token {
        text.push_str(part);
        span = span.union(&p.peek(0).span);
        p.skip();
    }
    value(ast::Value::SingleQuotedString(text), span)
}

/// A minus belongs to the number after it, so that the smallest numbers can be written.
fn negative_number(p: &mut Parser) -> Expr {
    let span = p.peek(0).span.union(&p.peek(1).span);
    let text = format!("-{}", p.peek(1).token);
    p.skip();
    p.skip();
    value(ast::Value::Number(text, false), span)
}

fn unary(spark: &Spark, p: &mut Parser, op: UnaryOperator, level: u8) -> Result<Expr> {
    p.skip();
    Ok(Expr::UnaryOp { op, expr: Box::new(operator::expr(spark, p, level)?) })
}

/// `(x)`, `(x, y)` or `(SELECT ...)`.
fn parenthesised(spark: &Spark, p: &mut Parser) -> Result<Expr> {
    p.skip();
    if begins_query(&p.peek(0).token) {
        let query = p.parse_query()?;
        p.expect_token(&Token::RParen)?;
        return Ok(Expr::Subquery(query));
    }
    let mut exprs = operator::list(spark, p)?;
    p.expect_token(&Token::RParen)?;
    Ok(if exprs.len() == 1 { Expr::Nested(Box::new(exprs.remove(0))) } else { Expr::Tuple(exprs) })
}

fn case(spark: &Spark, p: &mut Parser) -> Result<Expr> {
    let case_token = AttachedToken(Tokens::next(p));
    let operand = if p.is_word(0, "WHEN") { None } else { Some(Box::new(operator::whole(spark, p)?)) };
    let mut conditions = Vec::new();
    while conditions.is_empty() || p.is_word(0, "WHEN") {
        expect_word(spark, p, "WHEN")?;
        let condition = operator::whole(spark, p)?;
        expect_word(spark, p, "THEN")?;
        conditions.push(ast::CaseWhen { condition, result: operator::whole(spark, p)? });
    }
    let else_result = if p.eat_word("ELSE") { Some(Box::new(operator::whole(spark, p)?)) } else { None };
    let end_token = AttachedToken(p.peek(0).clone());
    expect_word(spark, p, "END")?;
    Ok(Expr::Case { case_token, end_token, operand, conditions, else_result })
}

fn call_of_cast(spark: &Spark, p: &mut Parser, name: &str) -> Result<Expr> {
    let start = p.peek(0).span;
    p.skip();
    p.skip();
    let expr = operator::whole(spark, p)?;
    expect_word(spark, p, "AS")?;
    let data_type = types::data_type(p).map_err(|e| spark.fail(e))?;
    let end = p.expect_token(&Token::RParen)?.span;
    let kind = if name == "CAST" { CastKind::Cast } else { CastKind::TryCast };
    Ok(cast(spark, kind, expr, data_type, start.union(&end)))
}

/// The type and the place of a cast hide in the name of a custom type.
fn cast(spark: &Spark, kind: CastKind, expr: Expr, data_type: DataType, span: Span) -> Expr {
    let index = spark.keep_type(data_type).to_string();
    let name = ObjectName::from(vec![Ident::with_span(span, index)]);
    Expr::Cast { kind, expr: Box::new(expr), data_type: ast::DataType::Custom(name, Vec::new()), format: None }
}

fn exists(p: &mut Parser) -> Result<Expr> {
    p.skip();
    p.parse_exists_expr(false)
}

fn read_interval(spark: &Spark, p: &mut Parser) -> Result<Expr> {
    let literal = interval::interval(p).map_err(|e| spark.fail(e))?;
    let (data, data_type) = literal.literal();
    let span = literal.span.map_or(Span::empty(), span_of_place);
    Ok(kept(spark, Literal::Value(data, data_type), span))
}

/// `DATE '2025-01-01'`, `X'CAFE'`.
fn typed_literal(spark: &Spark, p: &mut Parser, kind: &str) -> Result<Expr> {
    let start = Tokens::next(p).span;
    let string = Tokens::next(p);
    let span = start.union(&string.span);
    let (Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) = string.token else {
        return Err(spark.fail(unexpected(&string, "a string")));
    };
    let literal = match kind {
        "DATE" => parse_date(text.as_bytes()).map(|x| Literal::Value(Value::Int32(x), DataType::Date)),
        "TIMESTAMP_NTZ" => {
            parse_timestamp_ntz(text.as_bytes(), false).map(|x| Literal::Value(Value::Int64(x), DataType::TimestampNtz))
        }
        "X" => bytes_of_hex(&text).map(|x| Literal::Value(Value::Binary(x), DataType::Binary)),
        _ => Some(Literal::Timestamp(text.clone())),
    };
    let literal = literal.ok_or_else(|| spark.fail(invalid_typed_literal(kind, &text).at(place(span))))?;
    Ok(kept(spark, literal, span))
}

/// Spark's error for `DATE 'tomorrow-ish'`.
pub(super) fn invalid_typed_literal(kind: &str, text: &str) -> Error {
    Error::invalid(format!("The value of the typed literal \"{kind}\" is invalid: '{text}'."))
        .class("INVALID_TYPED_LITERAL")
        .hint("write DATE '2025-01-31', TIMESTAMP '2025-01-31 10:00:00', X'CAFE'")
}

/// Two hexadecimal digits a byte; an odd first digit stands for a byte of its own.
fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let even = if text.len().is_multiple_of(2) { text.to_string() } else { format!("0{text}") };
    let digit = |b: u8| char::from(b).to_digit(16);
    even.as_bytes().chunks(2).map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}

/// `EXTRACT(YEAR FROM x)`
fn extract(spark: &Spark, p: &mut Parser, word: &Word, span: Span) -> Result<Expr> {
    p.skip();
    p.skip();
    let field = Tokens::next(p);
    let name = match field.token {
        Token::Word(ref w) => w.value.clone(),
        Token::SingleQuotedString(ref s) | Token::DoubleQuotedString(ref s) => s.clone(),
        _ => return Err(spark.fail(unexpected(&field, "a field such as YEAR, MONTH, DAY, HOUR"))),
    };
    expect_word(spark, p, "FROM")?;
    let source = operator::whole(spark, p)?;
    p.expect_token(&Token::RParen)?;
    Ok(call_of(word, span, vec![value(ast::Value::SingleQuotedString(name), field.span), source]))
}

/// `STRUCT(x AS a, y)`: fields may be named.
fn structure(spark: &Spark, p: &mut Parser, word: &Word, span: Span) -> Result<Expr> {
    p.skip();
    p.skip();
    let mut fields = Vec::new();
    while fields.is_empty() || p.eat(&Token::Comma) {
        let expr = operator::whole(spark, p)?;
        fields.push(match p.eat_word("AS") {
            true => Expr::Named { expr: Box::new(expr), name: p.parse_identifier()? },
            false => expr,
        });
    }
    if !p.eat(&Token::RParen) {
        return Err(spark.fail(unexpected(p.peek(0), "`,` or `)`")));
    }
    Ok(call_of(word, span, fields))
}

/// A function that the text has no word for.
fn named(name: &str) -> Word {
    Word { value: name.into(), quote_style: None, keyword: Keyword::NoKeyword }
}

/// `TRIM(BOTH x FROM s)`: a function of its own for each side; the characters come first.
fn trim(spark: &Spark, p: &mut Parser, span: Span) -> Result<Expr> {
    p.skip();
    p.skip();
    let sides = [("BOTH", "trim"), ("LEADING", "ltrim"), ("TRAILING", "rtrim")];
    let (_, name) = sides.into_iter().find(|(side, _)| p.eat_word(side)).unwrap_or(sides[0]);
    let characters = if p.is_word(0, "FROM") { None } else { Some(operator::whole(spark, p)?) };
    p.expect_keyword_is(Keyword::FROM)?;
    let source = operator::whole(spark, p)?;
    p.expect_token(&Token::RParen)?;
    let arguments = match characters {
        None => vec![source],
        Some(characters) => vec![characters, source],
    };
    Ok(call_of(&named(name), span, arguments))
}

/// `POSITION(x IN s)`: x ends before IN, which otherwise is an operator.
fn position(spark: &Spark, p: &mut Parser, span: Span) -> Result<Expr> {
    p.skip();
    p.skip();
    let part = operator::expr(spark, p, level::PREDICATE)?;
    p.expect_keyword_is(Keyword::IN)?;
    let whole = operator::whole(spark, p)?;
    p.expect_token(&Token::RParen)?;
    Ok(call_of(&named("locate"), span, vec![part, whole]))
}

/// `SUBSTRING(x FROM a FOR b)`: arguments with words for commas; the last ones may be left out.
fn arguments(spark: &Spark, p: &mut Parser, word: &Word, span: Span, separators: &[&str]) -> Result<Expr> {
    p.skip();
    p.skip();
    let mut arguments = vec![operator::whole(spark, p)?];
    for separator in separators {
        if p.eat_word(separator) {
            arguments.push(operator::whole(spark, p)?);
        }
    }
    p.expect_token(&Token::RParen)?;
    Ok(call_of(word, span, arguments))
}

/// Whether the parentheses after the next word hold this word, and not in parentheses of their own.
fn separated_by(p: &Parser, wanted: &str) -> bool {
    let mut depth = 0_usize;
    for ahead in 1.. {
        match &p.peek(ahead).token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => return false,
            Token::RParen => depth -= 1,
            Token::EOF => return false,
            token if depth == 1 && is_word(token, wanted) => return true,
            _ => {}
        }
    }
    false
}

/// Whether CASE is the beginning of one, and not a name.
fn begins_operand(p: &Parser) -> bool {
    let next = &p.peek(1).token;
    !matches!(next, Token::Comma | Token::RParen | Token::Period | Token::EOF) && !is_any_word(next, &["FROM", "AS"])
}

pub(super) fn begins_query(token: &Token) -> bool {
    is_any_word(token, &["SELECT", "WITH"])
}

fn lambda(span: Option<crate::error::Span>) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "lambda functions (x -> ...) are not supported")
        .at(span)
        .hint("unnest the array with LATERAL VIEW explode(...)")
}

fn expect_word(spark: &Spark, p: &mut Parser, wanted: &str) -> Result<()> {
    let read: CoreResult<()> = Tokens::expect_word(p, wanted);
    read.map_err(|e| spark.fail(e))
}

fn constant(p: &mut Parser, constant: ast::Value, span: Span) -> Expr {
    p.skip();
    value(constant, span)
}

fn value(value: ast::Value, span: Span) -> Expr {
    Expr::Value(ast::ValueWithSpan { value, span })
}

/// A literal that the tree refers to by index: no other placeholders exist, for the lexer makes none.
fn kept(spark: &Spark, literal: Literal, span: Span) -> Expr {
    value(ast::Value::Placeholder(spark.keep_literal(literal).to_string()), span)
}

/// A call of a function with these arguments.
fn call_of(word: &Word, span: Span, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(call::plain(word, span, list))
}
