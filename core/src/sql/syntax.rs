//! Syntax errors in the user's words: what stands there, what could stand there instead, and for the mistakes that
//! people make often, what to write.

use alloc::{
    format,
    string::{String, ToString},
};

use super::{
    cursor::{is_any_word, is_word},
    token::{Placed, Token, Word},
};
use crate::error::Error;

/// Words that shape a query; a name that is nearly one of them, just before the error, was probably meant to be it.
const SHAPING: &[&str] = &[
    "SELECT",
    "DISTINCT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "UNION",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "OUTER",
    "CROSS",
    "USING",
    "LATERAL",
    "VIEW",
    "WATERMARK",
    "DELAY",
    "INTERVAL",
    "STREAM",
    "BETWEEN",
    "WHEN",
    "THEN",
    "ELSE",
    "AND",
    "AS",
    "OPTIONS",
    "VALUES",
    "INTO",
    "TABLE",
];

/// Words that are nearly one of these and mean something themselves, or are usual names: spelt as meant.
const MEANT: &[&str] = &["VALUE", "OPTION", "TABLES", "VIEWS", "INT", "GROUPS", "WITHIN", "FORMAT", "ORDERS", "THERE"];

/// The error at a token that should be something else.
pub(super) fn unexpected(found: &Placed, expected: &str) -> Error {
    Error::invalid(format!("expected {expected}, found {}", described(&found.token)))
        .class("PARSE_SYNTAX_ERROR")
        .at(Some(found.span))
}

/// Adds a hint about the mistake that is probably behind an error at a token.
pub(super) fn advised(error: Error, tokens: &[Placed], index: usize) -> Error {
    let open =
        ["the end of the statement", "`)`", "`,`"].iter().any(|e| error.message().contains(&format!("expected {e}")));
    let hint = advice(tokens, index).or_else(|| if open { separator(tokens, index) } else { None });
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The error for what is nested beyond the bound.
pub(super) fn too_deep() -> Error {
    Error::too_complex("the statement is nested too deeply")
        .hint("split it: name parts of it with WITH or CREATE TEMPORARY VIEW")
}

/// A token as a message names it.
fn described(token: &Token) -> String {
    match token {
        Token::EOF => "the end of the statement".into(),
        Token::SingleQuotedString(s) | Token::DoubleQuotedString(s) => format!("the text '{s}'"),
        Token::Number(n) => format!("the number {n}"),
        Token::Word(Word { value, quoted: true }) => format!("the name `{value}`"),
        other => format!("`{other}`"),
    }
}

fn advice(tokens: &[Placed], index: usize) -> Option<String> {
    let found = &tokens[index].token;
    let before = index.checked_sub(1).map(|i| &tokens[i].token);
    foreign(tokens, index)
        .or_else(|| left_out(tokens, index))
        .or_else(|| before.filter(|_| *found != Token::EOF).and_then(misspelt))
        .or_else(|| misspelt(found))
}

/// A word that is missing beside what was found, or a comma too many.
fn left_out(tokens: &[Placed], index: usize) -> Option<String> {
    let word_before =
        |back: usize, words: &[&str]| index.checked_sub(back).is_some_and(|i| is_any_word(&tokens[i].token, words));
    let found = &tokens[index].token;
    if word_before(1, &["GROUP", "ORDER"]) && !is_word(found, "BY") {
        return Some(format!("write {} BY", tokens[index - 1].token.to_string().to_uppercase()));
    }
    if tokens[index.saturating_sub(1)].token == Token::Comma && is_any_word(found, &["FROM", "WHERE", "GROUP", "ORDER"])
    {
        return Some(format!("remove the comma before {found}"));
    }
    if word_before(2, &["AS"]) && word_before(1, &["FROM", "WHERE", "GROUP", "ORDER"]) {
        return Some("a name is missing after AS".into());
    }
    None
}

/// What other engines have and Spark writes otherwise.
fn foreign(tokens: &[Placed], index: usize) -> Option<String> {
    let near = |count: usize| &tokens[index.saturating_sub(count)..=index];
    let has = |words: &[&str]| near(1).iter().any(|t| is_any_word(&t.token, words));
    let table_function = near(4).iter().any(|t| is_any_word(&t.token, &["TUMBLE", "HOP", "CUMULATE", "DESCRIPTOR"]));
    let hint = if has(&["EMIT"]) {
        "Spark SQL has no EMIT: the output mode (--output-mode append, update or complete) says when rows come out"
    } else if table_function || has(&["TUMBLING", "HOPPING", "SLIDING"]) {
        "windows are made in GROUP BY: window(ts, '1 minute'), or window(ts, '10 minutes', '1 minute') for sliding ones"
    } else if has(&["TOP"]) {
        "write LIMIT n at the end of the query"
    } else if has(&["TABLESAMPLE", "PIVOT", "UNPIVOT"]) {
        "TABLESAMPLE, PIVOT and UNPIVOT are not supported; filter and aggregate with WHERE and FILTER (WHERE ...)"
    } else {
        match tokens[index].token {
            Token::Overlap => "write AND",
            Token::Arrow => "lambda functions are not supported",
            Token::VerticalBarRightAngleBracket => "the pipe syntax |> is not supported",
            Token::DoubleQuotedString(_) => "double quotes make text; names stand in backticks: `name`",
            Token::SingleQuotedString(_) => "quotes make text; names stand in backticks: `name`",
            Token::SemiColon => "the value of a variable cannot end a statement",
            _ => return None,
        }
    };
    Some(hint.into())
}

fn misspelt(token: &Token) -> Option<String> {
    let Token::Word(Word { value, quoted: false }) = token else { return None };
    let upper = value.to_uppercase();
    if SHAPING.contains(&upper.as_str()) || MEANT.contains(&upper.as_str()) {
        return None;
    }
    let near = SHAPING.iter().find(|word| word.len() > 3 && is_near(&upper, word))?;
    Some(format!("did you mean {near} instead of {value}?"))
}

/// What is missing between two operands: a comma, or in a condition an AND.
fn separator(tokens: &[Placed], index: usize) -> Option<String> {
    let (before, found) = (&tokens[index.checked_sub(1)?].token, &tokens[index].token);
    let ends = matches!(before, Token::Word(_) | Token::Number(..) | Token::RParen | Token::RBracket)
        || matches!(before, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_));
    let begins = matches!(found, Token::Word(_) | Token::Number(..));
    if !ends || !begins || is_operating(before) || is_operating(found) {
        return None;
    }
    let clauses = &["SELECT", "FROM", "WHERE", "HAVING", "ON", "BY", "VALUES"];
    let clause = tokens[..index].iter().rev().find(|t| is_any_word(&t.token, clauses))?;
    let in_condition = is_any_word(&clause.token, &["WHERE", "HAVING", "ON"]);
    if is_word(&clause.token, "FROM") {
        return None;
    }
    Some(format!("is {} missing before {found}?", if in_condition { "AND or OR" } else { "a comma" }))
}

fn is_operating(token: &Token) -> bool {
    const WORDS: &[&str] = &["END", "ON", "IS", "NOT", "IN", "LIKE", "DIV", "CASE", "NULL", "TRUE", "FALSE"];
    is_any_word(token, SHAPING) || is_any_word(token, WORDS)
}

/// Whether one word becomes the other by one letter more, less or other, or by swapping two neighbours.
pub(super) fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (alloc::vec::Vec<char>, alloc::vec::Vec<char>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let swapped = a.len() >= 2 && b.len() >= 2 && a[0] == b[1] && a[1] == b[0] && a[2..] == b[2..];
    let tail = |s: &[char]| s.get(1..).unwrap_or_default().to_vec();
    swapped || tail(a) == b || a == tail(b) || tail(a) == tail(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_differ_by_one_slip() {
        for (a, b) in
            [("FORM", "FROM"), ("WERE", "WHERE"), ("GRUOP", "GROUP"), ("HAVNG", "HAVING"), ("LIMITT", "LIMIT")]
        {
            assert!(is_near(a, b), "{a} {b}");
        }
        for (a, b) in [("FOMR", "WHERE"), ("TABLE", "LATERAL"), ("ABCD", "DCBA")] {
            assert!(!is_near(a, b), "{a} {b}");
        }
    }
}
