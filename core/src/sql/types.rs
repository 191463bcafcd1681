//! Type names among tokens. What a type is, the schema's DDL reader knows; here is only where one ends.

use alloc::{
    format,
    string::{String, ToString},
};

use super::{
    cursor::{Cursor, is_any_word},
    syntax::unexpected,
    token::{Token, Word, join},
};
use crate::{
    error::{Result, Span},
    schema::DataType,
};

/// Reads `INT`, `DECIMAL(10,2)`, `ARRAY<STRUCT<x: INT>>`.
pub(super) fn data_type(tokens: &mut Cursor<'_>) -> Result<DataType> {
    let first = tokens.peek(0).span;
    if !matches!(tokens.peek(0).token, Token::Word(_)) {
        return Err(unexpected(tokens.peek(0), "a type such as INT, STRING or TIMESTAMP"));
    }
    let mut text = String::new();
    let mut last = first;
    take(tokens, &mut text, &mut last);
    match tokens.peek(0).token {
        Token::LParen => take_parentheses(tokens, &mut text, &mut last)?,
        Token::Lt | Token::Neq => take_angles(tokens, &mut text, &mut last)?,
        _ if text.eq_ignore_ascii_case("interval") => take_units(tokens, &mut text, &mut last),
        _ => {}
    }
    DataType::parse(&text).map_err(|e| e.at(Some(join(first, last))))
}

fn take(tokens: &mut Cursor<'_>, text: &mut String, last: &mut Span) {
    let token = tokens.next();
    *last = token.span;
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(&source_of(&token.token));
}

fn take_parentheses(tokens: &mut Cursor<'_>, text: &mut String, last: &mut Span) -> Result<()> {
    loop {
        match tokens.peek(0).token {
            Token::EOF => return Err(unexpected(tokens.peek(0), "`)`")),
            Token::RParen => {
                take(tokens, text, last);
                return Ok(());
            }
            _ => take(tokens, text, last),
        }
    }
}

fn take_angles(tokens: &mut Cursor<'_>, text: &mut String, last: &mut Span) -> Result<()> {
    let mut open = 0_i64;
    let mut parentheses = 0_usize;
    loop {
        match tokens.peek(0).token {
            Token::LParen => parentheses += 1,
            Token::RParen if parentheses == 0 => return Err(unexpected(tokens.peek(0), "`>`")),
            Token::RParen => parentheses -= 1,
            _ => {}
        }
        open += match &tokens.peek(0).token {
            Token::EOF => return Err(unexpected(tokens.peek(0), "`>`")),
            Token::Lt => 1,
            Token::Gt => -1,
            Token::ShiftRight => -2,
            Token::ShiftRightUnsigned => -3,
            _ => 0,
        };
        take(tokens, text, last);
        if open <= 0 {
            return Ok(());
        }
    }
}

fn take_units(tokens: &mut Cursor<'_>, text: &mut String, last: &mut Span) {
    const UNITS: &[&str] = &["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];
    if is_any_word(&tokens.peek(0).token, UNITS) {
        take(tokens, text, last);
        if tokens.is_word(0, "TO") {
            take(tokens, text, last);
            take(tokens, text, last);
        }
    }
}

/// A token as the DDL reader takes it.
fn source_of(token: &Token) -> String {
    match token {
        Token::Word(Word { value, quoted: true }) => format!("`{}`", value.replace('`', "``")),
        Token::SingleQuotedString(s) | Token::DoubleQuotedString(s) => {
            format!("'{}'", s.replace('\\', "\\\\").replace('\'', "''"))
        }
        other => other.to_string(),
    }
}
