//! Operators: Spark's precedence, and expressions read by it. Operands are in `prefix`, calls in `call`.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{
    body,
    cursor::{Cursor, is_any_word, is_word},
    prefix,
    syntax::unexpected,
    token::{Token, join},
    tree::{Argument, Call, Expr, Kind},
};
use crate::{
    error::{Error, Result},
    expr::{BinaryOp, UnaryOp},
};

/// How tightly operators bind, loosest first. Predicates (IS, IN, LIKE, BETWEEN) bind looser than comparisons.
pub(super) mod level {
    pub(in super::super) const NONE: u8 = 0;
    pub(in super::super) const OR: u8 = 1;
    pub(in super::super) const AND: u8 = 2;
    pub(in super::super) const NOT: u8 = 3;
    pub(in super::super) const PREDICATE: u8 = 4;
    pub(in super::super) const COMPARISON: u8 = 5;
    pub(in super::super) const BIT_OR: u8 = 6;
    pub(in super::super) const BIT_XOR: u8 = 7;
    pub(in super::super) const BIT_AND: u8 = 8;
    pub(in super::super) const SHIFT: u8 = 9;
    pub(in super::super) const SUM: u8 = 10;
    pub(in super::super) const PRODUCT: u8 = 11;
}

const PREDICATES: &[&str] = &["IN", "BETWEEN", "LIKE", "ILIKE", "RLIKE", "REGEXP"];

/// Reads an expression of operators that bind tighter than `outer`.
pub(super) fn expr(p: &mut Cursor<'_>, outer: u8) -> Result<Expr> {
    let operand = prefix::operand(p)?;
    let mut left = postfix(p, operand)?;
    loop {
        let inner = precedence(p);
        if inner <= outer {
            return Ok(left);
        }
        left = infix(p, left, inner)?;
    }
}

/// Reads a whole expression.
pub(super) fn whole(p: &mut Cursor<'_>) -> Result<Expr> {
    expr(p, level::NONE)
}

/// Reads expressions with commas between them, at least one.
pub(super) fn list(p: &mut Cursor<'_>) -> Result<Vec<Expr>> {
    p.list(whole)
}

/// What reaches into an operand or casts it: `.name`, `[index]`, `::TYPE`.
fn postfix(p: &mut Cursor<'_>, operand: Expr) -> Result<Expr> {
    let mut reached = operand;
    loop {
        let first = reached.span;
        let kind = match (&p.peek(0).token, &p.peek(1).token) {
            // A star after the dot is not ours: `SELECT t.*`.
            (Token::Period, Token::Mul) => return Ok(reached),
            (Token::Period, _) => field(p, reached)?,
            (Token::LBracket, _) => {
                p.skip();
                let index = whole(p)?;
                p.expect(&Token::RBracket)?;
                Kind::Index(Box::new(reached), Box::new(index))
            }
            (Token::DoubleColon, _) => prefix::double_colon(p, reached)?,
            _ => return Ok(reached),
        };
        reached = Expr { kind, span: p.since(first) };
    }
}

/// Names with dots between them are one name.
fn field(p: &mut Cursor<'_>, of: Expr) -> Result<Kind> {
    p.skip();
    let name = p.peek(0);
    let Token::Word(word) = &name.token else {
        return Err(unexpected(name, "a name after the dot"));
    };
    p.skip();
    if p.peek(0).token == Token::LParen {
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", "a call after a dot is not supported")
            .at(Some(name.span))
            .hint("write the function's name alone: f(x)"));
    }
    Ok(match of.kind {
        Kind::Name(mut parts) => {
            parts.push(word.value.clone());
            Kind::Name(parts)
        }
        _ => Kind::Field(Box::new(of), word.value.clone()),
    })
}

/// How tightly the operator ahead binds; [`level::NONE`] if there is none.
fn precedence(p: &Cursor<'_>) -> u8 {
    match &p.peek(0).token {
        Token::Word(word) if word.quoted => level::NONE,
        token @ Token::Word(_) => word_precedence(token, &p.peek(1).token),
        Token::Eq | Token::DoubleEq | Token::Neq | Token::Spaceship => level::COMPARISON,
        Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => level::COMPARISON,
        Token::Pipe => level::BIT_OR,
        Token::Caret => level::BIT_XOR,
        Token::Ampersand => level::BIT_AND,
        Token::ShiftLeft | Token::ShiftRight | Token::ShiftRightUnsigned => level::SHIFT,
        Token::Plus | Token::Minus | Token::StringConcat => level::SUM,
        Token::Mul | Token::Div | Token::Mod => level::PRODUCT,
        _ => level::NONE,
    }
}

fn word_precedence(token: &Token, next: &Token) -> u8 {
    match token {
        token if is_word(token, "OR") => level::OR,
        token if is_word(token, "AND") => level::AND,
        token if is_word(token, "DIV") => level::PRODUCT,
        token if is_word(token, "IS") || is_any_word(token, PREDICATES) => level::PREDICATE,
        token if is_word(token, "NOT") && is_any_word(next, PREDICATES) => level::PREDICATE,
        _ => level::NONE,
    }
}

fn infix(p: &mut Cursor<'_>, left: Expr, level: u8) -> Result<Expr> {
    match level {
        level::OR => chain(p, left, BinaryOp::Or, level),
        level::AND => chain(p, left, BinaryOp::And, level),
        level::PREDICATE => predicate(p, left),
        level::SHIFT => shift(p, left),
        _ => {
            let op = operator(&p.peek(0).token).ok_or_else(|| unexpected(p.peek(0), "an operator"))?;
            p.skip();
            Ok(binary(left, op, expr(p, level)?))
        }
    }
}

fn operator(token: &Token) -> Option<BinaryOp> {
    Some(match token {
        Token::Eq | Token::DoubleEq => BinaryOp::Eq,
        Token::Neq => BinaryOp::NotEq,
        Token::Spaceship => BinaryOp::NullSafeEq,
        Token::Lt => BinaryOp::Less,
        Token::LtEq => BinaryOp::LessEq,
        Token::Gt => BinaryOp::Greater,
        Token::GtEq => BinaryOp::GreaterEq,
        Token::Pipe => BinaryOp::BitOr,
        Token::Caret => BinaryOp::BitXor,
        Token::Ampersand => BinaryOp::BitAnd,
        Token::Plus => BinaryOp::Add,
        Token::Minus => BinaryOp::Subtract,
        Token::StringConcat => BinaryOp::Concat,
        Token::Mul => BinaryOp::Multiply,
        Token::Div => BinaryOp::Divide,
        Token::Mod => BinaryOp::Modulo,
        Token::Word(_) => BinaryOp::IntegerDivide,
        _ => return None,
    })
}

/// `a << b` is a function.
fn shift(p: &mut Cursor<'_>, left: Expr) -> Result<Expr> {
    let name = match p.next().token {
        Token::ShiftLeft => "shiftleft",
        Token::ShiftRight => "shiftright",
        _ => "shiftrightunsigned",
    };
    let right = expr(p, level::SHIFT)?;
    let span = join(left.span, right.span);
    let args = vec![Argument::Expr(left), Argument::Expr(right)];
    Ok(Expr { kind: Kind::Call(Box::new(Call { name: name.into(), args, ..Call::default() })), span })
}

/// `a AND b AND c ...` as a balanced tree, as Spark builds it: the operators associate, and a thousand of them must
/// not make a tree a thousand levels deep.
fn chain(p: &mut Cursor<'_>, first: Expr, op: BinaryOp, level: u8) -> Result<Expr> {
    let word = if op == BinaryOp::And { "AND" } else { "OR" };
    let mut operands = vec![first];
    while p.eat_word(word) {
        operands.push(expr(p, level)?);
    }
    Ok(balanced(operands, &|left, right| binary(left, op, right)))
}

/// The operands, of which there is at least one, joined two by two.
pub(super) fn balanced<T>(mut operands: Vec<T>, join: &impl Fn(T, T) -> T) -> T {
    let right = operands.split_off(operands.len().div_ceil(2));
    match right.len() {
        0 => operands.remove(0),
        _ => join(balanced(operands, join), balanced(right, join)),
    }
}

/// `IS ...`, `[NOT] IN (...)`, `[NOT] BETWEEN a AND b`, `[NOT] LIKE ...`
fn predicate(p: &mut Cursor<'_>, left: Expr) -> Result<Expr> {
    let first = left.span;
    let kind = if p.eat_word("IS") { is(p, left)? } else { tested(p, left)? };
    Ok(Expr { kind, span: p.since(first) })
}

fn tested(p: &mut Cursor<'_>, left: Expr) -> Result<Kind> {
    let negated = p.eat_word("NOT");
    match &p.next().token {
        token if is_word(token, "IN") => within(p, left, negated),
        token if is_word(token, "BETWEEN") => between(p, left, negated),
        token if is_word(token, "LIKE") => like(p, left, if negated { BinaryOp::NotLike } else { BinaryOp::Like }),
        token if is_word(token, "ILIKE") => like(p, left, if negated { BinaryOp::NotILike } else { BinaryOp::ILike }),
        _ => {
            let op = if negated { BinaryOp::NotRLike } else { BinaryOp::RLike };
            Ok(Kind::Binary(Box::new(left), op, Box::new(expr(p, level::PREDICATE)?)))
        }
    }
}

fn is(p: &mut Cursor<'_>, left: Expr) -> Result<Kind> {
    let negated = p.eat_word("NOT");
    if p.eat_words(&["DISTINCT", "FROM"]) {
        let same = binary(left, BinaryOp::NullSafeEq, expr(p, level::PREDICATE)?);
        return Ok(if negated { same.kind } else { Kind::Unary(UnaryOp::Not, Box::new(same)) });
    }
    let op = match &p.peek(0).token {
        token if is_any_word(token, &["NULL", "UNKNOWN"]) && negated => UnaryOp::IsNotNull,
        token if is_any_word(token, &["NULL", "UNKNOWN"]) => UnaryOp::IsNull,
        token if is_word(token, "TRUE") && negated => UnaryOp::IsNotTrue,
        token if is_word(token, "TRUE") => UnaryOp::IsTrue,
        token if is_word(token, "FALSE") && negated => UnaryOp::IsNotFalse,
        token if is_word(token, "FALSE") => UnaryOp::IsFalse,
        _ => return Err(unexpected(p.peek(0), "[NOT] NULL, TRUE, FALSE or DISTINCT FROM after IS")),
    };
    p.skip();
    Ok(Kind::Unary(op, Box::new(left)))
}

fn within(p: &mut Cursor<'_>, left: Expr, negated: bool) -> Result<Kind> {
    p.expect(&Token::LParen)?;
    let expr = Box::new(left);
    // With a parenthesis, VALUES is a function to Spark.
    let has_rows = p.is_word(0, "VALUES") && p.peek(1).token != Token::LParen;
    let tested = if has_rows || prefix::begins_query(&p.peek(0).token) {
        Kind::InSubquery { expr, query: Box::new(body::query(p)?), negated }
    } else {
        Kind::InList { expr, list: list(p)?, negated }
    };
    p.expect(&Token::RParen)?;
    Ok(tested)
}

fn between(p: &mut Cursor<'_>, left: Expr, negated: bool) -> Result<Kind> {
    let low = Box::new(expr(p, level::PREDICATE)?);
    p.expect_word("AND").map_err(|e| e.hint("write BETWEEN low AND high"))?;
    let high = Box::new(expr(p, level::PREDICATE)?);
    Ok(Kind::Between { expr: Box::new(left), low, high, negated })
}

/// `LIKE pattern [ESCAPE 'c']`, `LIKE ANY|SOME|ALL (patterns)`. NOT LIKE ANY is that one of them does not match.
fn like(p: &mut Cursor<'_>, left: Expr, op: BinaryOp) -> Result<Kind> {
    let left = Box::new(left);
    let quantified = p.peek(1).token == Token::LParen && is_any_word(&p.peek(0).token, &["ANY", "SOME", "ALL"]);
    if quantified {
        let is_all = p.is_word(0, "ALL");
        p.skip_many(2);
        let patterns = list(p)?;
        p.expect(&Token::RParen)?;
        return Ok(Kind::LikeAny { expr: left, op, patterns, is_all });
    }
    let pattern = Box::new(expr(p, level::PREDICATE)?);
    let escape = if p.eat_word("ESCAPE") { Some(Box::new(expr(p, level::PREDICATE)?)) } else { None };
    Ok(Kind::Like { expr: left, op, pattern, escape })
}

fn binary(left: Expr, op: BinaryOp, right: Expr) -> Expr {
    let span = join(left.span, right.span);
    Expr { kind: Kind::Binary(Box::new(left), op, Box::new(right)), span }
}
