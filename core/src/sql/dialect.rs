//! Spark's grammar for sqlparser: precedence of operators, which words can be aliases, and hooks where an expression
//! begins or goes on (`prefix`). The hooks decide every expression themselves, so that sqlparser's guesses about
//! other dialects never come into play.

use alloc::{boxed::Box, vec::Vec};
use core::cell::RefCell;

use sqlparser::{
    ast::{self, BinaryOperator},
    dialect::{Dialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use super::{
    cursor::{Tokens, is_any_word, is_word},
    prefix,
};
use crate::{block::Value, error::Error, schema::DataType};

/// The dialect, and what its hooks found out on the way: the syntax tree refers to it by index.
#[derive(Debug, Default)]
pub(super) struct Spark {
    found: RefCell<Found>,
}

/// What the syntax tree has no words for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Types of casts.
    pub(super) types: Vec<DataType>,
    /// Literals other than numbers and strings.
    pub(super) literals: Vec<Literal>,
    /// The last error in our own words; sqlparser only has text.
    error: Option<Error>,
}

/// A literal that is more than a number or a string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// Known as it stands.
    Value(Value, DataType),
    /// `TIMESTAMP 'text'`: what instant it is depends on the session's zone.
    Timestamp(alloc::string::String),
}

impl Spark {
    /// What the hooks found, taken out.
    pub(super) fn into_found(self) -> Found {
        self.found.into_inner()
    }

    /// The last error in our own words.
    pub(super) fn error(&self) -> Option<Error> {
        self.found.borrow().error.clone()
    }

    /// Forgets errors of guesses that came to nothing.
    pub(super) fn clear_error(&self) {
        self.found.borrow_mut().error = None;
    }

    /// Keeps our error, and gives sqlparser one of its own.
    pub(super) fn fail(&self, error: Error) -> ParserError {
        let text = error.message().into();
        self.found.borrow_mut().error = Some(error);
        ParserError::ParserError(text)
    }

    /// Keeps a type, and gives the index it is found by.
    pub(super) fn keep_type(&self, data_type: DataType) -> usize {
        let types = &mut self.found.borrow_mut().types;
        types.push(data_type);
        types.len() - 1
    }

    /// Keeps a literal, and gives the index it is found by.
    pub(super) fn keep_literal(&self, literal: Literal) -> usize {
        let literals = &mut self.found.borrow_mut().literals;
        literals.push(literal);
        literals.len() - 1
    }
}

// Spark's levels, loosest first. Predicates (IS, IN, LIKE, BETWEEN) bind looser than comparisons.
const OR: u8 = 5;
const AND: u8 = 10;
const NOT: u8 = 15;
const PREDICATE: u8 = 17;
const COMPARISON: u8 = 20;
const BIT_OR: u8 = 21;
const BIT_XOR: u8 = 22;
const BIT_AND: u8 = 23;
const SHIFT: u8 = 24;
const SUM: u8 = 30;
const PRODUCT: u8 = 40;
const CAST: u8 = 50;

impl Dialect for Spark {
    fn is_identifier_start(&self, ch: char) -> bool {
        super::source::is_word(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        super::source::is_word(ch)
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_select_item_multi_column_alias(&self) -> bool {
        true
    }

    fn supports_select_expr_star(&self) -> bool {
        true
    }

    fn supports_cte_without_as(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn is_select_item_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        explicit || !ends_select_item(*kw, parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        explicit || !ends_relation(*kw, parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Or => OR,
            Precedence::And => AND,
            Precedence::UnaryNot => NOT,
            Precedence::Is | Precedence::Like | Precedence::Between => PREDICATE,
            Precedence::Eq => COMPARISON,
            Precedence::Pipe | Precedence::PgOther | Precedence::Colon => BIT_OR,
            Precedence::Caret => BIT_XOR,
            Precedence::Ampersand | Precedence::Xor => BIT_AND,
            Precedence::PlusMinus => SUM,
            Precedence::MulDivModOp => PRODUCT,
            Precedence::AtTz | Precedence::DoubleColon | Precedence::Period => CAST,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        Some(Ok(precedence(parser)))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<ast::Expr, ParserError>> {
        Some(prefix::expression(self, parser))
    }

    fn parse_infix(&self, parser: &mut Parser, left: &ast::Expr, level: u8) -> Option<Result<ast::Expr, ParserError>> {
        match &parser.peek(0).token {
            token if is_word(token, "AND") => Some(chain(parser, left, BinaryOperator::And, level)),
            token if is_word(token, "OR") => Some(chain(parser, left, BinaryOperator::Or, level)),
            token if is_word(token, "DIV") => Some(div(parser, left, level)),
            Token::DoubleColon => Some(prefix::double_colon(self, parser, left)),
            _ => None,
        }
    }
}

/// How tightly the operator ahead binds; 0 if there is none.
fn precedence(parser: &Parser) -> u8 {
    match &parser.peek(0).token {
        Token::Word(word) if word.quote_style.is_some() => 0,
        token @ Token::Word(_) => word_precedence(token, &parser.peek(1).token),
        Token::Eq | Token::DoubleEq | Token::Neq | Token::Spaceship => COMPARISON,
        Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => COMPARISON,
        Token::Pipe => BIT_OR,
        Token::Caret => BIT_XOR,
        Token::Ampersand => BIT_AND,
        Token::ShiftLeft | Token::ShiftRight | Token::CustomBinaryOperator(_) => SHIFT,
        Token::Plus | Token::Minus | Token::StringConcat => SUM,
        Token::Mul | Token::Div | Token::Mod => PRODUCT,
        Token::DoubleColon => CAST,
        _ => 0,
    }
}

fn word_precedence(token: &Token, next: &Token) -> u8 {
    const PREDICATES: &[&str] = &["IN", "BETWEEN", "LIKE", "ILIKE", "RLIKE", "REGEXP"];
    match token {
        token if is_word(token, "OR") => OR,
        token if is_word(token, "AND") => AND,
        token if is_word(token, "DIV") => PRODUCT,
        token if is_word(token, "IS") || is_any_word(token, PREDICATES) => PREDICATE,
        token if is_word(token, "NOT") && is_any_word(next, PREDICATES) => PREDICATE,
        _ => 0,
    }
}

/// `a AND b AND c ...` as a balanced tree, as Spark builds it: the operators associate, and a thousand of them must
/// not make a tree a thousand levels deep.
fn chain(parser: &mut Parser, first: &ast::Expr, op: BinaryOperator, level: u8) -> Result<ast::Expr, ParserError> {
    let word = if op == BinaryOperator::And { "AND" } else { "OR" };
    let mut operands = alloc::vec![first.clone()];
    while parser.eat_word(word) {
        operands.push(parser.parse_subexpr(level)?);
    }
    Ok(balanced(operands, &op))
}

fn balanced(mut operands: Vec<ast::Expr>, op: &BinaryOperator) -> ast::Expr {
    let right = operands.split_off(operands.len().div_ceil(2));
    match right.len() {
        0 => operands.remove(0),
        _ => binary(balanced(operands, op), op.clone(), balanced(right, op)),
    }
}

fn div(parser: &mut Parser, left: &ast::Expr, level: u8) -> Result<ast::Expr, ParserError> {
    parser.skip();
    let right = parser.parse_subexpr(level)?;
    Ok(binary(left.clone(), BinaryOperator::MyIntegerDivide, right))
}

fn binary(left: ast::Expr, op: BinaryOperator, right: ast::Expr) -> ast::Expr {
    ast::Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// Whether a word after a select item begins what comes next instead of naming the item. The parser has read it.
fn ends_select_item(keyword: Keyword, after: &impl Tokens) -> bool {
    match keyword {
        Keyword::FROM
        | Keyword::WHERE
        | Keyword::HAVING
        | Keyword::UNION
        | Keyword::EXCEPT
        | Keyword::INTERSECT
        | Keyword::MINUS
        | Keyword::QUALIFY
        | Keyword::INTO
        | Keyword::AS
        | Keyword::NOT => true,
        other => begins_clause(other, after),
    }
}

/// Whether a word after a table, a query or a join begins what comes next instead of naming it.
pub(super) fn ends_relation(keyword: Keyword, after: &impl Tokens) -> bool {
    match keyword {
        Keyword::WHERE
        | Keyword::HAVING
        | Keyword::UNION
        | Keyword::EXCEPT
        | Keyword::INTERSECT
        | Keyword::MINUS
        | Keyword::QUALIFY
        | Keyword::JOIN
        | Keyword::INNER
        | Keyword::LEFT
        | Keyword::RIGHT
        | Keyword::FULL
        | Keyword::CROSS
        | Keyword::SEMI
        | Keyword::ANTI
        | Keyword::NATURAL
        | Keyword::ASOF
        | Keyword::LATERAL
        | Keyword::ON
        | Keyword::USING
        | Keyword::TABLESAMPLE
        | Keyword::PIVOT
        | Keyword::UNPIVOT
        | Keyword::SELECT
        | Keyword::FROM
        | Keyword::AS
        | Keyword::WITH
        | Keyword::SET => true,
        other => begins_clause(other, after),
    }
}

/// Words that begin a clause only together with what follows them.
fn begins_clause(keyword: Keyword, after: &impl Tokens) -> bool {
    let next = &after.peek(0).token;
    match keyword {
        Keyword::GROUP | Keyword::ORDER | Keyword::SORT | Keyword::CLUSTER | Keyword::DISTRIBUTE => is_word(next, "BY"),
        Keyword::LATERAL => is_word(next, "VIEW"),
        Keyword::LIMIT | Keyword::OFFSET => {
            !matches!(next, Token::Comma | Token::RParen | Token::EOF) && !is_any_word(next, &["FROM", "WHERE", "AS"])
        }
        Keyword::WINDOW => matches!(next, Token::Word(_)) && is_word(&after.peek(1).token, "AS"),
        Keyword::FETCH | Keyword::FOR => matches!(next, Token::Word(_)),
        _ => false,
    }
}
