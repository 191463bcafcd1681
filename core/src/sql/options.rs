//! `(key 'value', key = value, ...)`: options of tables and relations.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    cursor::Cursor,
    syntax::unexpected,
    token::{Token, Word},
};
use crate::error::Result;

/// Reads a list of options with its parentheses. Keys keep their case; look-ups ignore it.
pub(super) fn list(tokens: &mut Cursor<'_>) -> Result<Vec<(String, String)>> {
    tokens.expect(&Token::LParen)?;
    let mut options = Vec::new();
    loop {
        let key = key(tokens)?;
        tokens.eat(&Token::Eq);
        options.push((key, value(tokens)?));
        if tokens.eat(&Token::RParen) {
            return Ok(options);
        }
        if !tokens.eat(&Token::Comma) {
            let found = tokens.peek(0);
            return Err(unexpected(found, "`,` or `)` after an option")
                .hint(format!("is a comma missing before {}?", found.token)));
        }
    }
}

fn key(tokens: &mut Cursor<'_>) -> Result<String> {
    match &tokens.peek(0).token {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => tokens.string("the name of an option"),
        _ => Ok(tokens.name("the name of an option")?.join(".")),
    }
}

fn value(tokens: &mut Cursor<'_>) -> Result<String> {
    let minus = tokens.peek(0).token == Token::Minus && matches!(tokens.peek(1).token, Token::Number(..));
    if minus {
        tokens.skip();
    }
    let text = match &tokens.peek(0).token {
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text.clone(),
        Token::Number(text) if minus => format!("-{text}"),
        Token::Number(text) => text.to_string(),
        Token::Word(Word { value, quoted: false }) if is_boolean(value) => value.to_lowercase(),
        _ => {
            return Err(unexpected(tokens.peek(0), "the value of an option").hint("quote it: path '/data/readings'"));
        }
    };
    tokens.skip();
    Ok(text)
}

fn is_boolean(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}
