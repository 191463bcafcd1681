//! How deep the syntax tree of some tokens can get. Whoever reads, walks or drops a tree recurses, and a sum of
//! many numbers makes one as deep as it is long. So the bound is checked on the tokens, before there is a tree.
//!
//! AND and OR do not count: balanced trees are made of them. Commas and clauses begin anew.

use alloc::{vec, vec::Vec};

use super::{
    cursor::{is_any_word, is_word},
    syntax::too_deep,
    token::{Placed, Token},
};
use crate::{error::Result, limits::NESTING_MAX};

/// Refuses tokens whose tree could be deeper than the bound.
pub(super) fn check(tokens: &[Placed]) -> Result<()> {
    let mut levels = vec![Level::default()];
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map_or(&Token::EOF, |i| &tokens[i].token);
        let after = tokens.get(i + 1).map_or(&Token::EOF, |t| &t.token);
        step(&mut levels, before, &token.token, after);
        let open: usize = levels.iter().map(|level| level.weight + level.run + level.sets).sum();
        if open > NESTING_MAX {
            return Err(too_deep().at(Some(token.span)));
        }
    }
    Ok(())
}

/// What a query in parentheses, or a relation, counts: reading them needs that much more stack.
const QUERY_WEIGHT: usize = 10;

/// What stands between a pair of parentheses, or in a CASE.
#[derive(Debug, Default)]
struct Level {
    is_case: bool,
    /// What the parentheses themselves count.
    weight: usize,
    /// In FROM, where parentheses hold relations.
    in_from: bool,
    /// Operators since the last comma or clause, and what is deepest below them.
    run: usize,
    /// The longest run before.
    longest: usize,
    /// Set operations, each of which has all before it as its left side.
    sets: usize,
}

impl Level {
    fn begin_anew(&mut self, run: usize) {
        self.longest = self.longest.max(self.run);
        self.run = run;
    }
}

fn step(levels: &mut Vec<Level>, before: &Token, token: &Token, after: &Token) {
    let Some(level) = levels.last_mut() else { return };
    match token {
        Token::LParen => {
            let opened = opened(level, before, after);
            levels.push(opened);
        }
        Token::RParen => {
            while levels.last().is_some_and(|l| l.is_case) && levels.len() > 1 {
                close(levels);
            }
            close(levels);
        }
        Token::Comma => level.begin_anew(0),
        Token::Word(word) if word.quoted || *before == Token::Period => {}
        token if is_word(token, "CASE") => levels.push(Level { is_case: true, weight: 1, ..Level::default() }),
        token if is_word(token, "END") && level.is_case => close(levels),
        // What follows is inside the balanced trees of one OR and one AND, however many there are.
        token if is_any_word(token, &["AND", "OR"]) => level.begin_anew(2),
        token if begins_anew(token) => {
            level.begin_anew(0);
            level.in_from = is_any_word(token, &["FROM", "JOIN", "ON"]);
        }
        token if is_any_word(token, &["UNION", "EXCEPT", "INTERSECT"]) => level.sets += 1,
        token if operates(token) => level.run += 1,
        _ => {}
    }
}

fn opened(outer: &Level, before: &Token, after: &Token) -> Level {
    let is_query = is_any_word(after, &["SELECT", "WITH", "VALUES"]);
    let inherits = *before == Token::LParen && outer.weight == QUERY_WEIGHT;
    let is_relation = outer.in_from && (*before == Token::Comma || is_any_word(before, &["FROM", "JOIN", "LATERAL"]));
    let weight = if is_query || is_relation || inherits { QUERY_WEIGHT } else { 1 };
    Level { weight, ..Level::default() }
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
    const WORDS: &[&str] =
        &["WHEN", "THEN", "ELSE", "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "ON", "JOIN"];
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
