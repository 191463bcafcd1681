//! Operands: literals of all forms, CASE, CAST, the functions with words between their arguments, names, calls,
//! parentheses, and what has an operator before it.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{
    body, call,
    cursor::{Cursor, is_any_word, is_word},
    interval, literal,
    operator::{self, level},
    syntax::unexpected,
    token::{Token, Word},
    tree::{Argument, Call, Expr, Kind},
    types,
};
use crate::{
    block::Value,
    error::{Error, Result, Span},
    expr::UnaryOp,
    schema::DataType,
    time::{parse_date, parse_timestamp_ntz},
};

/// Words that no expression begins with, although Spark lets most of them be names elsewhere.
const NO_OPERANDS: &[&str] = &[
    "SELECT", "FROM", "WHERE", "HAVING", "UNION", "WHEN", "THEN", "ELSE", "AND", "OR", "ON", "AS", "JOIN", "IN", "IS",
    "LIKE", "BETWEEN", "USING",
];

/// Reads an operand: everything but binary operators and what follows a dot or a bracket.
pub(super) fn operand(p: &mut Cursor<'_>) -> Result<Expr> {
    let first = p.span();
    let kind = match &p.peek(0).token {
        Token::Number(text) => {
            p.skip();
            number(text, first)?
        }
        token if token.is_string() => strings(p),
        Token::Minus => match &p.peek(1).token {
            Token::Number(text) => {
                p.skip_many(2);
                // A minus belongs to the number after it, so that the smallest numbers can be written.
                number(&format!("-{text}"), p.since(first))?
            }
            _ => unary(p, UnaryOp::Negate, level::PRODUCT)?,
        },
        Token::Plus => unary(p, UnaryOp::Plus, level::PRODUCT)?,
        Token::Tilde => unary(p, UnaryOp::BitNot, level::PRODUCT)?,
        Token::ExclamationMark => unary(p, UnaryOp::Not, level::NOT)?,
        Token::LParen => parenthesised(p)?,
        Token::Word(word) if word.quoted => name_or_call(p, word)?,
        Token::Word(word) => keyword(p, word)?,
        _ => return Err(unexpected(p.peek(0), "an expression")),
    };
    Ok(Expr { kind, span: p.since(first) })
}

/// `x::TYPE`
pub(super) fn double_colon(p: &mut Cursor<'_>, left: Expr) -> Result<Kind> {
    p.skip();
    Ok(Kind::Cast { data_type: types::data_type(p)?, expr: Box::new(left), is_try: false })
}

fn keyword(p: &mut Cursor<'_>, word: &Word) -> Result<Kind> {
    let upper = word.value.to_ascii_uppercase();
    let called = p.peek(1).token == Token::LParen;
    let before_string = p.peek(1).token.is_string();
    match upper.as_str() {
        "NULL" => Ok(constant(p, Value::Null, DataType::Null)),
        "TRUE" | "FALSE" => Ok(constant(p, Value::Boolean(upper == "TRUE"), DataType::Boolean)),
        "NOT" => unary(p, UnaryOp::Not, level::NOT),
        "CASE" if begins_operand(p) => case(p),
        "CAST" | "TRY_CAST" if called => call_of_cast(p, upper == "TRY_CAST"),
        "EXISTS" if called && body::begins_query(p, 2) => exists(p),
        "INTERVAL" if interval::follows(p) => {
            let (value, data_type) = interval::interval(p)?.literal();
            Ok(Kind::Literal(value, data_type))
        }
        "DATE" | "TIMESTAMP" | "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" | "X" if before_string => typed_literal(p, &upper),
        "CURRENT_DATE" | "CURRENT_TIMESTAMP" | "CURRENT_USER" if !called => {
            p.skip();
            Ok(call_of(&word.value, Vec::new()))
        }
        "STRUCT" if called && separated_by(p, "AS") => structure(p, word),
        "EXTRACT" if called && separated_by(p, "FROM") => extract(p, word),
        "TRIM" if called && separated_by(p, "FROM") => trim(p),
        "SUBSTRING" | "SUBSTR" if called && separated_by(p, "FROM") => arguments(p, "substring", &["FROM", "FOR"]),
        "OVERLAY" if called && separated_by(p, "PLACING") => arguments(p, &word.value, &["PLACING", "FROM", "FOR"]),
        "POSITION" if called && separated_by(p, "IN") => position(p),
        other if NO_OPERANDS.contains(&other) && !called && p.peek(1).token != Token::Period => {
            Err(unexpected(p.peek(0), "an expression"))
        }
        "GROUP" | "ORDER" if is_word(&p.peek(1).token, "BY") => Err(unexpected(p.peek(0), "an expression")),
        _ => name_or_call(p, word),
    }
}

/// A column, or a function and its arguments.
fn name_or_call(p: &mut Cursor<'_>, word: &Word) -> Result<Kind> {
    let first = p.span();
    p.skip();
    match p.peek(0).token {
        Token::LParen => call::call(p, word, first),
        Token::Arrow => Err(lambda(first)),
        _ => Ok(Kind::Name(vec![word.value.clone()])),
    }
}

fn number(text: &str, span: Span) -> Result<Kind> {
    let (value, data_type) = literal::number(text).map_err(|e| e.at(Some(span)))?;
    Ok(Kind::Literal(value, data_type))
}

/// Adjacent strings are one string.
fn strings(p: &mut Cursor<'_>) -> Kind {
    let mut text = String::new();
    while let Token::SingleQuotedString(part) | Token::DoubleQuotedString(part) = &p.peek(0).token {
        text.push_str(part);
        p.skip();
    }
    Kind::Literal(Value::String(text), DataType::String)
}

fn unary(p: &mut Cursor<'_>, op: UnaryOp, level: u8) -> Result<Kind> {
    p.skip();
    Ok(Kind::Unary(op, Box::new(operator::expr(p, level)?)))
}

/// `(x)`, `(x, y)` or `(SELECT ...)`.
fn parenthesised(p: &mut Cursor<'_>) -> Result<Kind> {
    p.skip();
    if begins_query(&p.peek(0).token) {
        let query = body::query(p)?;
        p.expect(&Token::RParen)?;
        return Ok(Kind::Subquery(Box::new(query)));
    }
    let mut exprs = operator::list(p)?;
    p.expect(&Token::RParen)?;
    Ok(if exprs.len() == 1 { Kind::Nested(Box::new(exprs.remove(0))) } else { Kind::Tuple(exprs) })
}

fn case(p: &mut Cursor<'_>) -> Result<Kind> {
    p.skip();
    let operand = if p.is_word(0, "WHEN") { None } else { Some(Box::new(operator::whole(p)?)) };
    let mut branches = Vec::new();
    while branches.is_empty() || p.is_word(0, "WHEN") {
        p.expect_word("WHEN")?;
        let condition = operator::whole(p)?;
        p.expect_word("THEN")?;
        branches.push((condition, operator::whole(p)?));
    }
    let otherwise = if p.eat_word("ELSE") { Some(Box::new(operator::whole(p)?)) } else { None };
    p.expect_word("END")?;
    Ok(Kind::Case { operand, branches, otherwise })
}

fn call_of_cast(p: &mut Cursor<'_>, is_try: bool) -> Result<Kind> {
    p.skip_many(2);
    let expr = Box::new(operator::whole(p)?);
    p.expect_word("AS")?;
    let data_type = types::data_type(p)?;
    p.expect(&Token::RParen)?;
    Ok(Kind::Cast { expr, data_type, is_try })
}

fn exists(p: &mut Cursor<'_>) -> Result<Kind> {
    p.skip_many(2);
    let query = body::query(p)?;
    p.expect(&Token::RParen)?;
    Ok(Kind::Exists(Box::new(query)))
}

/// `DATE '2025-01-01'`, `X'CAFE'`.
fn typed_literal(p: &mut Cursor<'_>, kind: &str) -> Result<Kind> {
    let first = p.span();
    p.skip();
    let text = p.string("a string")?;
    let literal = match kind {
        "DATE" => parse_date(text.as_bytes()).map(|x| Kind::Literal(Value::Int32(x), DataType::Date)),
        "TIMESTAMP_NTZ" => {
            parse_timestamp_ntz(text.as_bytes(), false).map(|x| Kind::Literal(Value::Int64(x), DataType::TimestampNtz))
        }
        "X" => bytes_of_hex(&text).map(|x| Kind::Literal(Value::Binary(x), DataType::Binary)),
        _ => Some(Kind::Timestamp(text.clone())),
    };
    literal.ok_or_else(|| invalid_typed_literal(kind, &text).at(Some(p.since(first))))
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
fn extract(p: &mut Cursor<'_>, word: &Word) -> Result<Kind> {
    p.skip_many(2);
    let field = p.next();
    let name = match &field.token {
        Token::Word(Word { value, .. }) => value,
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text,
        _ => return Err(unexpected(field, "a field such as YEAR, MONTH, DAY, HOUR")),
    };
    let kind = Kind::Literal(Value::String(name.clone()), DataType::String);
    p.expect_word("FROM")?;
    let source = operator::whole(p)?;
    p.expect(&Token::RParen)?;
    Ok(call_of(&word.value, vec![Expr { kind, span: field.span }, source]))
}

/// `STRUCT(x AS a, y)`: fields may be named.
fn structure(p: &mut Cursor<'_>, word: &Word) -> Result<Kind> {
    p.skip_many(2);
    let fields = p.list(|p| {
        let expr = operator::whole(p)?;
        if !p.eat_word("AS") {
            return Ok(expr);
        }
        let (first, name) = (expr.span, p.identifier("a name")?);
        Ok(Expr { kind: Kind::Named(Box::new(expr), name), span: p.since(first) })
    })?;
    if !p.eat(&Token::RParen) {
        return Err(unexpected(p.peek(0), "`,` or `)`"));
    }
    Ok(call_of(&word.value, fields))
}

/// `TRIM(BOTH x FROM s)`: a function of its own for each side; the characters come first.
fn trim(p: &mut Cursor<'_>) -> Result<Kind> {
    p.skip_many(2);
    let sides = [("BOTH", "trim"), ("LEADING", "ltrim"), ("TRAILING", "rtrim")];
    let (_, name) = sides.into_iter().find(|(side, _)| p.eat_word(side)).unwrap_or(sides[0]);
    let characters = if p.is_word(0, "FROM") { None } else { Some(operator::whole(p)?) };
    p.expect_word("FROM")?;
    let source = operator::whole(p)?;
    p.expect(&Token::RParen)?;
    Ok(call_of(name, characters.into_iter().chain([source]).collect()))
}

/// `POSITION(x IN s)`: x ends before IN, which otherwise is an operator.
fn position(p: &mut Cursor<'_>) -> Result<Kind> {
    p.skip_many(2);
    let part = operator::expr(p, level::PREDICATE)?;
    p.expect_word("IN")?;
    let whole = operator::whole(p)?;
    p.expect(&Token::RParen)?;
    Ok(call_of("locate", vec![part, whole]))
}

/// `SUBSTRING(x FROM a FOR b)`: arguments with words for commas; the last ones may be left out.
fn arguments(p: &mut Cursor<'_>, name: &str, separators: &[&str]) -> Result<Kind> {
    p.skip_many(2);
    let mut arguments = vec![operator::whole(p)?];
    for separator in separators {
        if p.eat_word(separator) {
            arguments.push(operator::whole(p)?);
        }
    }
    p.expect(&Token::RParen)?;
    Ok(call_of(name, arguments))
}

/// Whether the parentheses after the next word hold this word, and not in parentheses of their own.
fn separated_by(p: &Cursor<'_>, wanted: &str) -> bool {
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
fn begins_operand(p: &Cursor<'_>) -> bool {
    let next = &p.peek(1).token;
    !matches!(next, Token::Comma | Token::RParen | Token::Period | Token::EOF) && !is_any_word(next, &["FROM", "AS"])
}

pub(super) fn begins_query(token: &Token) -> bool {
    is_any_word(token, &["SELECT", "WITH", "FROM"])
}

fn lambda(span: Span) -> Error {
    Error::unsupported("UNSUPPORTED_FEATURE", "lambda functions (x -> ...) are not supported")
        .at(Some(span))
        .hint("unnest the array with LATERAL VIEW explode(...)")
}

fn constant(p: &mut Cursor<'_>, value: Value, data_type: DataType) -> Kind {
    p.skip();
    Kind::Literal(value, data_type)
}

/// A call of a function with these arguments.
fn call_of(name: &str, arguments: Vec<Expr>) -> Kind {
    let args = arguments.into_iter().map(Argument::Expr).collect();
    Kind::Call(Box::new(Call { name: name.into(), args, ..Call::default() }))
}
