//! Reading tokens one after another: what statements, types and intervals have in common. The same reading works on
//! a list of tokens and inside sqlparser, whose parser lends itself as a [`Tokens`].

use alloc::{format, string::String, vec, vec::Vec};

use sqlparser::{
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Word},
};

use super::syntax::{place, unexpected};
use crate::error::{Error, Result, Span};

/// Tokens ahead of a reader. After the last one comes `EOF`, without end.
pub(super) trait Tokens {
    /// The token `ahead` tokens ahead.
    fn peek(&self, ahead: usize) -> &TokenWithSpan;

    /// Steps over the next token.
    fn skip(&mut self);

    /// The next token, stepped over.
    fn next(&mut self) -> TokenWithSpan {
        let token = self.peek(0).clone();
        self.skip();
        token
    }

    /// Whether a token is this word, in any case and without backticks.
    fn is_word(&self, ahead: usize, wanted: &str) -> bool {
        is_word(&self.peek(ahead).token, wanted)
    }

    /// Steps over these words if they are next.
    fn eat_words(&mut self, wanted: &[&str]) -> bool {
        let found = wanted.iter().enumerate().all(|(i, w)| self.is_word(i, w));
        if found {
            wanted.iter().for_each(|_| self.skip());
        }
        found
    }

    /// Steps over this word if it is next.
    fn eat_word(&mut self, wanted: &str) -> bool {
        self.eat_words(&[wanted])
    }

    /// Steps over this token if it is next.
    fn eat(&mut self, wanted: &Token) -> bool {
        let found = self.peek(0).token == *wanted;
        if found {
            self.skip();
        }
        found
    }

    fn expect_word(&mut self, wanted: &str) -> Result<()> {
        if self.eat_word(wanted) { Ok(()) } else { Err(unexpected(self.peek(0), wanted)) }
    }

    fn expect(&mut self, wanted: &Token) -> Result<()> {
        if self.eat(wanted) { Ok(()) } else { Err(unexpected(self.peek(0), &format!("`{wanted}`"))) }
    }

    /// A name, in backticks or not.
    fn identifier(&mut self, expected: &str) -> Result<String> {
        match &self.peek(0).token {
            Token::Word(Word { value, .. }) => {
                let name = value.clone();
                self.skip();
                Ok(name)
            }
            Token::DoubleQuotedString(_) | Token::SingleQuotedString(_) => {
                Err(unexpected(self.peek(0), expected).hint("names stand in backticks, `like this`; quotes make text"))
            }
            _ => Err(unexpected(self.peek(0), expected)),
        }
    }

    /// `a.b.c`
    fn name(&mut self, expected: &str) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier(expected)?];
        while self.eat(&Token::Period) {
            parts.push(self.identifier("a name after the dot")?);
        }
        Ok(parts)
    }

    /// `'text'`
    fn string(&mut self, expected: &str) -> Result<String> {
        match &self.peek(0).token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => {
                let text = text.clone();
                self.skip();
                Ok(text)
            }
            _ => Err(unexpected(self.peek(0), expected)),
        }
    }

    /// Refuses anything but the end.
    fn end(&self, expected: &str) -> Result<()> {
        match self.peek(0).token {
            Token::EOF => Ok(()),
            _ => Err(unexpected(self.peek(0), expected)),
        }
    }
}

/// A list of tokens being read.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first of some tokens, the last of which is `EOF`.
    pub(super) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        assert!(matches!(tokens.last(), Some(t) if t.token == Token::EOF), "the lexer ends every statement");
        Self { tokens, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [TokenWithSpan] {
        &self.tokens[self.at.min(self.tokens.len() - 1)..]
    }

    /// All of them.
    pub(super) fn all(&self) -> &'a [TokenWithSpan] {
        self.tokens
    }

    /// Steps over all that is left, which somebody else has read.
    pub(super) fn finish(&mut self) {
        self.at = self.tokens.len() - 1;
    }

    /// The place of the next token.
    pub(super) fn place(&self) -> Option<Span> {
        place(self.peek(0).span)
    }
}

impl Tokens for Cursor<'_> {
    fn peek(&self, ahead: usize) -> &TokenWithSpan {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn skip(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }
}

impl Tokens for Parser<'_> {
    fn peek(&self, ahead: usize) -> &TokenWithSpan {
        self.peek_nth_token_ref(ahead)
    }

    fn skip(&mut self) {
        self.advance_token();
    }
}

/// Whether a token is this word, in any case and without backticks.
pub(super) fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(wanted))
}

/// Whether a token is one of these words.
pub(super) fn is_any_word(token: &Token, wanted: &[&str]) -> bool {
    wanted.iter().any(|w| is_word(token, w))
}

/// An error at a token.
pub(super) fn error_at(token: &TokenWithSpan, message: impl Into<String>) -> Error {
    Error::invalid(message).class("PARSE_SYNTAX_ERROR").at(place(token.span))
}
