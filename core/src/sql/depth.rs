//! How deep the syntax tree of some tokens can get. sqlparser bounds its own recursion, but `1 + 1 + 1 + ...` makes a
//! tree as deep as it is long without any recursion, and whoever walks or drops that tree recurses. So the bound is
//! checked on the tokens, before there is a tree.
//!
//! AND and OR do not count: the dialect makes balanced trees of them. Commas and clauses begin anew.

use alloc::{vec, vec::Vec};

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{
    cursor::{is_any_word, is_word},
    syntax::{place, too_deep},
};
use crate::{error::Result, limits::EXPRESSION_DEPTH_MAX};

/// Refuses tokens whose tree could be deeper than the bound.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![Level::default()];
    for (i, token) in tokens.iter().enumerate() {
        let named = i > 0 && tokens[i - 1].token == Token::Period;
        step(&mut levels, &token.token, named);
        let open: usize = levels.iter().map(|level| level.run + level.sets + 1).sum();
        if open > EXPRESSION_DEPTH_MAX {
            return Err(too_deep().at(place(token.span)));
        }
    }
    Ok(())
}

/// What stands between a pair of parentheses, or in a CASE.
#[derive(Debug, Default)]
struct Level {
    is_case: bool,
    /// Operators since the last comma or clause, and what is deepest below them.
    run: usize,
    /// The longest run before.
    longest: usize,
    /// Set operations, each of which has all before it as its left side.
    sets: usize,
}

impl Level {
    fn begin_anew(&mut self) {
        self.longest = self.longest.max(self.run);
        self.run = 0;
    }
}

fn step(levels: &mut Vec<Level>, token: &Token, named: bool) {
    let Some(level) = levels.last_mut() else { return };
    match token {
        Token::LParen => levels.push(Level::default()),
        Token::RParen => {
            while levels.last().is_some_and(|l| l.is_case) && levels.len() > 1 {
                close(levels);
            }
            close(levels);
        }
        Token::Comma => level.begin_anew(),
        Token::Word(word) if word.quote_style.is_some() || named => {}
        token if is_word(token, "CASE") => levels.push(Level { is_case: true, ..Level::default() }),
        token if is_word(token, "END") && level.is_case => close(levels),
        token if begins_anew(token) => level.begin_anew(),
        token if is_any_word(token, &["UNION", "EXCEPT", "INTERSECT"]) => level.sets += 1,
        token if operates(token) => level.run += 1,
        _ => {}
    }
}

/// The tree in the parentheses becomes part of the run around them.
fn close(levels: &mut Vec<Level>) {
    if levels.len() > 1
        && let Some(inner) = levels.pop()
        && let Some(outer) = levels.last_mut()
    {
        outer.run = outer.run.max(inner.longest.max(inner.run) + inner.sets + 1);
    }
}

fn begins_anew(token: &Token) -> bool {
    const WORDS: &[&str] = &[
        "AND", "OR", "WHEN", "THEN", "ELSE", "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "ON",
        "JOIN",
    ];
    is_any_word(token, WORDS)
}

fn operates(token: &Token) -> bool {
    const WORDS: &[&str] = &["NOT", "IS", "IN", "LIKE", "ILIKE", "RLIKE", "REGEXP", "BETWEEN", "DIV"];
    match token {
        Token::Word(_) => is_any_word(token, WORDS),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::EOF => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{lexer, source};

    fn allowed(text: &str) -> bool {
        let tokens = lexer::tokens(&source::split(text, &|_| None).unwrap().remove(0)).unwrap();
        check(&tokens).is_ok()
    }

    #[test]
    fn long_is_not_deep() {
        assert!(allowed(&("SELECT ".to_owned() + &"a + 1, ".repeat(5000) + "a")));
        assert!(allowed(&("SELECT a WHERE ".to_owned() + &"a = 1 OR ".repeat(5000) + "a")));
        assert!(allowed(&("SELECT CASE ".to_owned() + &"WHEN a = 1 THEN 1 + 2 ".repeat(5000) + "END")));
        assert!(allowed(&("SELECT ".to_owned() + &"f(g(a)), CASE WHEN a THEN b END, ".repeat(1000) + "window.end")));
    }

    #[test]
    fn chains_and_nests_are_bounded() {
        for piece in ["1 + ", "(", "f(", "CASE WHEN ", "NOT ", "- ", "a IS NULL = ", "SELECT 1 UNION ALL ", "(1 + 1 + "]
        {
            assert!(!allowed(&("SELECT ".to_owned() + &piece.repeat(1000) + "1")), "{piece}");
        }
        assert!(!allowed(&("SELECT a".to_owned() + &"::int".repeat(1000))));
        assert!(!allowed(&("SELECT a".to_owned() + &"[0]".repeat(1000))));
    }
}
