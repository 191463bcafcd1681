//! Reading tokens one after another: what queries, statements, types and intervals have in common.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    syntax::unexpected,
    token::{Placed, Token, Word, join},
};
use crate::error::{Error, Result, Span};

/// A list of tokens being read. After the last one comes `EOF`, without end.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    tokens: &'a [Placed],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first of some tokens, the last of which is `EOF`.
    pub(super) fn new(tokens: &'a [Placed]) -> Self {
        assert!(matches!(tokens.last(), Some(t) if t.token == Token::EOF), "the lexer ends every statement");
        Self { tokens, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [Placed] {
        &self.tokens[self.at.min(self.tokens.len() - 1)..]
    }

    /// All of them.
    pub(super) fn all(&self) -> &'a [Placed] {
        self.tokens
    }

    /// Steps over all that is left, which somebody else has read.
    pub(super) fn finish(&mut self) {
        self.at = self.tokens.len() - 1;
    }

    /// The token `ahead` tokens ahead.
    pub(super) fn peek(&self, ahead: usize) -> &'a Placed {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    /// Steps over the next token.
    pub(super) fn skip(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Steps over the next tokens.
    pub(super) fn skip_many(&mut self, count: usize) {
        (0..count).for_each(|_| self.skip());
    }

    /// The next token, stepped over.
    pub(super) fn next(&mut self) -> &'a Placed {
        let token = self.peek(0);
        self.skip();
        token
    }

    /// The place of the next token.
    pub(super) fn span(&self) -> Span {
        self.peek(0).span
    }

    /// From a place to the last token that was read.
    pub(super) fn since(&self, first: Span) -> Span {
        join(first, self.tokens[self.at.saturating_sub(1)].span)
    }

    /// Whether a token is this word, in any case and without backticks.
    pub(super) fn is_word(&self, ahead: usize, wanted: &str) -> bool {
        is_word(&self.peek(ahead).token, wanted)
    }

    /// Whether the next tokens are these words.
    pub(super) fn are_words(&self, wanted: &[&str]) -> bool {
        wanted.iter().enumerate().all(|(i, w)| self.is_word(i, w))
    }

    /// Steps over these words if they are next.
    pub(super) fn eat_words(&mut self, wanted: &[&str]) -> bool {
        let found = self.are_words(wanted);
        if found {
            self.skip_many(wanted.len());
        }
        found
    }

    /// Steps over this word if it is next.
    pub(super) fn eat_word(&mut self, wanted: &str) -> bool {
        self.eat_words(&[wanted])
    }

    /// Steps over this token if it is next.
    pub(super) fn eat(&mut self, wanted: &Token) -> bool {
        let found = self.peek(0).token == *wanted;
        if found {
            self.skip();
        }
        found
    }

    pub(super) fn expect_word(&mut self, wanted: &str) -> Result<()> {
        if self.eat_word(wanted) { Ok(()) } else { Err(unexpected(self.peek(0), wanted)) }
    }

    pub(super) fn expect(&mut self, wanted: &Token) -> Result<()> {
        if self.eat(wanted) { Ok(()) } else { Err(unexpected(self.peek(0), &format!("`{wanted}`"))) }
    }

    /// Some of the same, with commas between them.
    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![read(self)?];
        while self.eat(&Token::Comma) {
            all.push(read(self)?);
        }
        Ok(all)
    }

    /// A name, in backticks or not.
    pub(super) fn identifier(&mut self, expected: &str) -> Result<String> {
        match &self.peek(0).token {
            Token::Word(Word { value, .. }) => {
                self.skip();
                Ok(value.clone())
            }
            token if token.is_string() => {
                Err(unexpected(self.peek(0), expected).hint("names stand in backticks, `like this`; quotes make text"))
            }
            _ => Err(unexpected(self.peek(0), expected)),
        }
    }

    /// `(name, name)`
    pub(super) fn names(&mut self, expected: &str) -> Result<Vec<String>> {
        self.expect(&Token::LParen)?;
        let names = self.list(|p| p.identifier(expected))?;
        self.expect(&Token::RParen)?;
        Ok(names)
    }

    /// `a.b.c`
    pub(super) fn name(&mut self, expected: &str) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier(expected)?];
        while self.eat(&Token::Period) {
            parts.push(self.identifier("a name after the dot")?);
        }
        Ok(parts)
    }

    /// `'text'`
    pub(super) fn string(&mut self, expected: &str) -> Result<String> {
        match &self.peek(0).token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => {
                self.skip();
                Ok(text.clone())
            }
            _ => Err(unexpected(self.peek(0), expected)),
        }
    }

    /// Refuses anything but the end.
    pub(super) fn end(&self, expected: &str) -> Result<()> {
        match self.peek(0).token {
            Token::EOF => Ok(()),
            _ => Err(unexpected(self.peek(0), expected)),
        }
    }
}

/// Whether a token is this word, in any case and without backticks.
pub(super) fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(w) if !w.quoted && w.value.eq_ignore_ascii_case(wanted))
}

/// Whether a token is one of these words.
pub(super) fn is_any_word(token: &Token, wanted: &[&str]) -> bool {
    wanted.iter().any(|w| is_word(token, w))
}

/// An error at a token.
pub(super) fn error_at(token: &Placed, message: impl Into<String>) -> Error {
    Error::invalid(message).class("PARSE_SYNTAX_ERROR").at(Some(token.span))
}
