//! Spark's grammar for sqlparser: which of the things it knows Spark has, which words can be aliases, and the hook
//! through which it gets expressions (`operator`).

use alloc::{format, string::String, vec::Vec};
use core::cell::RefCell;

use sqlparser::{
    ast,
    dialect::Dialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use super::{
    cursor::{Tokens, is_any_word, is_word},
    operator,
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
    Timestamp(String),
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
        let place = error.span().map_or(String::new(), |s| format!(" at Line: {}, Column: {}", s.line, s.column));
        let text = format!("{}{place}", error.message());
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

impl Dialect for Spark {
    fn is_identifier_start(&self, ch: char) -> bool {
        super::source::is_word(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        super::source::is_word(ch)
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

    fn is_select_item_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        explicit || !ends_select_item(*kw, parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        explicit || !ends_relation(*kw, parser)
    }

    /// There are no operators for sqlparser: `parse_prefix` has read them all.
    fn get_next_precedence(&self, _: &Parser) -> Option<Result<u8, ParserError>> {
        Some(Ok(self.prec_unknown()))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<ast::Expr, ParserError>> {
        Some(operator::whole(self, parser))
    }
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
            !matches!(next, Token::Comma | Token::RParen) && !is_any_word(next, &["FROM", "WHERE", "AS"])
        }
        Keyword::WINDOW => matches!(next, Token::Word(_)) && is_word(&after.peek(1).token, "AS"),
        Keyword::FETCH | Keyword::FOR => matches!(next, Token::Word(_)),
        _ => false,
    }
}
