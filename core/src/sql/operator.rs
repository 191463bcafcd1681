//! Operators: Spark's precedence, and expressions read by it. All of an expression is read here and in `prefix` and
//! `call`, none of it by sqlparser, which only asks for expressions where a query has them. So the grammar is Spark's
//! alone, and nesting costs little stack.

use alloc::{boxed::Box, vec, vec::Vec};

use sqlparser::{
    ast::{AccessExpr, BinaryOperator, Expr, Subscript},
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use super::{
    cursor::{Tokens, is_any_word, is_word},
    dialect::Spark,
    prefix,
    syntax::unexpected,
};

type Result<T> = core::result::Result<T, ParserError>;

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
pub(super) fn expr(spark: &Spark, p: &mut Parser, outer: u8) -> Result<Expr> {
    let operand = prefix::operand(spark, p)?;
    let mut left = postfix(spark, p, operand)?;
    loop {
        let inner = precedence(p);
        if inner <= outer {
            return Ok(left);
        }
        left = infix(spark, p, left, inner)?;
    }
}

/// Reads a whole expression.
pub(super) fn whole(spark: &Spark, p: &mut Parser) -> Result<Expr> {
    expr(spark, p, level::NONE)
}

/// Reads expressions with commas between them, at least one.
pub(super) fn list(spark: &Spark, p: &mut Parser) -> Result<Vec<Expr>> {
    let mut exprs = vec![whole(spark, p)?];
    while p.eat(&Token::Comma) {
        exprs.push(whole(spark, p)?);
    }
    Ok(exprs)
}

/// What reaches into an operand or casts it: `.name`, `[index]`, `::TYPE`.
fn postfix(spark: &Spark, p: &mut Parser, operand: Expr) -> Result<Expr> {
    let mut root = operand;
    let mut chain = Vec::new();
    loop {
        match (&p.peek(0).token, &p.peek(1).token) {
            // A star after the dot is not ours: `SELECT t.*`.
            (Token::Period, Token::Mul) => break,
            (Token::Period, _) => chain.push(AccessExpr::Dot(field(spark, p)?)),
            (Token::LBracket, _) => {
                p.skip();
                let index = whole(spark, p)?;
                p.expect_token(&Token::RBracket)?;
                chain.push(AccessExpr::Subscript(Subscript::Index { index }));
            }
            (Token::DoubleColon, _) => {
                root = prefix::double_colon(spark, p, accessed(root, core::mem::take(&mut chain)))?;
            }
            _ => break,
        }
    }
    Ok(accessed(root, chain))
}

fn field(spark: &Spark, p: &mut Parser) -> Result<Expr> {
    p.skip();
    let name = p.peek(0).clone();
    let Token::Word(word) = name.token else {
        return Err(spark.fail(unexpected(&name, "a name after the dot")));
    };
    p.skip();
    if p.peek(0).token == Token::LParen {
        return super::call::call(spark, p, &word, name.span);
    }
    Ok(Expr::Identifier(word.into_ident(name.span)))
}

/// Names with dots between them are one name.
fn accessed(root: Expr, chain: Vec<AccessExpr>) -> Expr {
    match root {
        root if chain.is_empty() => root,
        Expr::Identifier(first) if chain.iter().all(|a| matches!(a, AccessExpr::Dot(Expr::Identifier(_)))) => {
            let rest = chain.into_iter().filter_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(name)) => Some(name),
                _ => None,
            });
            Expr::CompoundIdentifier(core::iter::once(first).chain(rest).collect())
        }
        root => Expr::CompoundFieldAccess { root: Box::new(root), access_chain: chain },
    }
}

/// How tightly the operator ahead binds; [`level::NONE`] if there is none.
fn precedence(p: &Parser) -> u8 {
    match &p.peek(0).token {
        Token::Word(word) if word.quote_style.is_some() => level::NONE,
        token @ Token::Word(_) => word_precedence(token, &p.peek(1).token),
        Token::Eq | Token::DoubleEq | Token::Neq | Token::Spaceship => level::COMPARISON,
        Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => level::COMPARISON,
        Token::Pipe => level::BIT_OR,
        Token::Caret => level::BIT_XOR,
        Token::Ampersand => level::BIT_AND,
        Token::ShiftLeft | Token::ShiftRight | Token::CustomBinaryOperator(_) => level::SHIFT,
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

fn infix(spark: &Spark, p: &mut Parser, left: Expr, level: u8) -> Result<Expr> {
    match level {
        level::OR => chain(spark, p, left, BinaryOperator::Or, level),
        level::AND => chain(spark, p, left, BinaryOperator::And, level),
        level::PREDICATE => predicate(spark, p, left),
        _ => {
            let token = p.peek(0).clone();
            let op = operator(&token.token).ok_or_else(|| spark.fail(unexpected(&token, "an operator")))?;
            p.skip();
            Ok(binary(left, op, expr(spark, p, level)?))
        }
    }
}

fn operator(token: &Token) -> Option<BinaryOperator> {
    Some(match token {
        Token::Eq | Token::DoubleEq => BinaryOperator::Eq,
        Token::Neq => BinaryOperator::NotEq,
        Token::Spaceship => BinaryOperator::Spaceship,
        Token::Lt => BinaryOperator::Lt,
        Token::LtEq => BinaryOperator::LtEq,
        Token::Gt => BinaryOperator::Gt,
        Token::GtEq => BinaryOperator::GtEq,
        Token::Pipe => BinaryOperator::BitwiseOr,
        Token::Caret => BinaryOperator::BitwiseXor,
        Token::Ampersand => BinaryOperator::BitwiseAnd,
        Token::ShiftLeft => BinaryOperator::PGBitwiseShiftLeft,
        Token::ShiftRight => BinaryOperator::PGBitwiseShiftRight,
        Token::CustomBinaryOperator(name) => BinaryOperator::Custom(name.clone()),
        Token::Plus => BinaryOperator::Plus,
        Token::Minus => BinaryOperator::Minus,
        Token::StringConcat => BinaryOperator::StringConcat,
        Token::Mul => BinaryOperator::Multiply,
        Token::Div => BinaryOperator::Divide,
        Token::Mod => BinaryOperator::Modulo,
        Token::Word(_) => BinaryOperator::MyIntegerDivide,
        _ => return None,
    })
}

/// `a AND b AND c ...` as a balanced tree, as Spark builds it: the operators associate, and a thousand of them must
/// not make a tree a thousand levels deep.
fn chain(spark: &Spark, p: &mut Parser, first: Expr, op: BinaryOperator, level: u8) -> Result<Expr> {
    let word = if op == BinaryOperator::And { "AND" } else { "OR" };
    let mut operands = vec![first];
    while p.eat_word(word) {
        operands.push(expr(spark, p, level)?);
    }
    Ok(balanced(operands, &|left, right| binary(left, op.clone(), right)))
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
fn predicate(spark: &Spark, p: &mut Parser, left: Expr) -> Result<Expr> {
    if p.eat_word("IS") {
        return is(spark, p, left);
    }
    let negated = p.eat_word("NOT");
    let word = p.next_token();
    match &word.token {
        token if is_word(token, "IN") => within(spark, p, left, negated),
        token if is_word(token, "BETWEEN") => between(spark, p, left, negated),
        token if is_word(token, "LIKE") => like(spark, p, left, negated, false),
        token if is_word(token, "ILIKE") => like(spark, p, left, negated, true),
        _ => {
            let pattern = Box::new(expr(spark, p, level::PREDICATE)?);
            Ok(Expr::RLike { negated, expr: Box::new(left), pattern, regexp: false })
        }
    }
}

fn is(spark: &Spark, p: &mut Parser, left: Expr) -> Result<Expr> {
    let negated = p.eat_word("NOT");
    let left = Box::new(left);
    if p.eat_words(&["DISTINCT", "FROM"]) {
        let right = Box::new(expr(spark, p, level::PREDICATE)?);
        return Ok(if negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) });
    }
    let word = p.peek(0).clone();
    let test = match &word.token {
        token if is_word(token, "NULL") && negated => Expr::IsNotNull(left),
        token if is_word(token, "NULL") => Expr::IsNull(left),
        token if is_word(token, "TRUE") && negated => Expr::IsNotTrue(left),
        token if is_word(token, "TRUE") => Expr::IsTrue(left),
        token if is_word(token, "FALSE") && negated => Expr::IsNotFalse(left),
        token if is_word(token, "FALSE") => Expr::IsFalse(left),
        token if is_word(token, "UNKNOWN") && negated => Expr::IsNotUnknown(left),
        token if is_word(token, "UNKNOWN") => Expr::IsUnknown(left),
        _ => return Err(spark.fail(unexpected(&word, "[NOT] NULL, TRUE, FALSE or DISTINCT FROM after IS"))),
    };
    p.skip();
    Ok(test)
}

fn within(spark: &Spark, p: &mut Parser, left: Expr, negated: bool) -> Result<Expr> {
    p.expect_token(&Token::LParen)?;
    let expr = Box::new(left);
    let tested = if prefix::begins_query(&p.peek(0).token) {
        Expr::InSubquery { expr, subquery: p.parse_query()?, negated }
    } else {
        Expr::InList { expr, list: list(spark, p)?, negated }
    };
    p.expect_token(&Token::RParen)?;
    Ok(tested)
}

fn between(spark: &Spark, p: &mut Parser, left: Expr, negated: bool) -> Result<Expr> {
    let low = Box::new(expr(spark, p, level::PREDICATE)?);
    Tokens::expect_word(p, "AND").map_err(|e| spark.fail(e.hint("write BETWEEN low AND high")))?;
    let high = Box::new(expr(spark, p, level::PREDICATE)?);
    Ok(Expr::Between { expr: Box::new(left), negated, low, high })
}

/// `LIKE pattern [ESCAPE 'c']`, `LIKE ANY|SOME|ALL (patterns)`. NOT LIKE ANY is that one of them does not match.
fn like(spark: &Spark, p: &mut Parser, left: Expr, negated: bool, ignore_case: bool) -> Result<Expr> {
    let quantified = p.peek(1).token == Token::LParen && is_any_word(&p.peek(0).token, &["ANY", "SOME", "ALL"]);
    if !quantified {
        let pattern = expr(spark, p, level::PREDICATE)?;
        let escape = if p.eat_word("ESCAPE") { Some(Box::new(expr(spark, p, level::PREDICATE)?)) } else { None };
        return Ok(test(left, pattern, escape, negated, ignore_case));
    }
    let is_all = p.is_word(0, "ALL");
    (0..2).for_each(|_| p.skip());
    let patterns = Expr::Tuple(list(spark, p)?);
    p.expect_token(&Token::RParen)?;
    // One node, which tells ALL by brackets, and is taken apart later: a tree that is never copied makes the program
    // smaller by all the code that would copy it.
    let pattern = Box::new(if is_all { Expr::Nested(Box::new(patterns)) } else { patterns });
    let (expr, escape_char) = (Box::new(left), None);
    Ok(Expr::Nested(Box::new(match ignore_case {
        true => Expr::ILike { negated, any: true, expr, pattern, escape_char },
        false => Expr::Like { negated, any: true, expr, pattern, escape_char },
    })))
}

fn test(left: Expr, pattern: Expr, escape_char: Option<Box<Expr>>, negated: bool, ignore_case: bool) -> Expr {
    let (expr, pattern) = (Box::new(left), Box::new(pattern));
    if ignore_case {
        Expr::ILike { negated, any: false, expr, pattern, escape_char }
    } else {
        Expr::Like { negated, any: false, expr, pattern, escape_char }
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
