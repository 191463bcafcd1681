//! Aliases, and which words cannot be one: any word is a name in Spark, unless what follows a relation or an item of
//! the select list begins with it.

use alloc::string::String;

use super::{
    cursor::{Cursor, is_any_word, is_word},
    syntax::unexpected,
    token::{Token, Word},
    tree::{Alias, Name},
};
use crate::error::Result;

/// `AS name`, `name`
pub(super) fn of_item(p: &mut Cursor<'_>) -> Result<Option<String>> {
    Ok(alias(p, ends_item)?.map(|name| name.text))
}

/// `AS name (columns)`
pub(super) fn of_relation(p: &mut Cursor<'_>) -> Result<Option<Alias>> {
    let Some(name) = alias(p, ends_relation)? else { return Ok(None) };
    let columns = if p.peek(0).token == Token::LParen { p.names("the name of a column")? } else { Default::default() };
    Ok(Some(Alias { name, columns }))
}

fn alias(p: &mut Cursor<'_>, ends: fn(&Cursor<'_>, usize) -> bool) -> Result<Option<Name>> {
    let explicit = p.eat_word("AS");
    let found = p.peek(0);
    match &found.token {
        Token::Word(Word { value, quoted }) if explicit || *quoted || !ends(p, 0) => {
            p.skip();
            Ok(Some(Name { text: value.clone(), span: found.span }))
        }
        _ if explicit => p.identifier("a name after AS").map(|text| Some(Name { text, span: found.span })),
        token if token.is_string() => Err(unexpected(found, "a name").hint("names stand in backticks: `name`")),
        _ => Ok(None),
    }
}

/// Whether a word after a select item begins what comes next instead of naming the item.
fn ends_item(p: &Cursor<'_>, ahead: usize) -> bool {
    const WORDS: &[&str] =
        &["FROM", "WHERE", "HAVING", "UNION", "EXCEPT", "INTERSECT", "MINUS", "QUALIFY", "INTO", "AS", "NOT"];
    is_any_word(&p.peek(ahead).token, WORDS) || begins_clause(p, ahead)
}

/// Whether a word after a table, a query or a join begins what comes next instead of naming it.
pub(super) fn ends_relation(p: &Cursor<'_>, ahead: usize) -> bool {
    const WORDS: &[&str] = &[
        "WHERE",
        "HAVING",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "MINUS",
        "QUALIFY",
        "JOIN",
        "INNER",
        "LEFT",
        "RIGHT",
        "FULL",
        "CROSS",
        "SEMI",
        "ANTI",
        "NATURAL",
        "ASOF",
        "LATERAL",
        "ON",
        "USING",
        "TABLESAMPLE",
        "PIVOT",
        "UNPIVOT",
        "SELECT",
        "FROM",
        "AS",
        "WITH",
    ];
    is_any_word(&p.peek(ahead).token, WORDS) || begins_clause(p, ahead)
}

/// Words that begin a clause only together with what follows them.
fn begins_clause(p: &Cursor<'_>, ahead: usize) -> bool {
    let (word, next) = (&p.peek(ahead).token, &p.peek(ahead + 1).token);
    if is_any_word(word, &["GROUP", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE"]) {
        return is_word(next, "BY");
    }
    if is_any_word(word, &["LIMIT", "OFFSET"]) {
        return !matches!(next, Token::Comma | Token::RParen) && !is_any_word(next, &["FROM", "WHERE", "AS"]);
    }
    is_word(word, "LATERAL") && is_word(next, "VIEW")
        || is_word(word, "WINDOW") && matches!(next, Token::Word(_)) && p.is_word(ahead + 2, "AS")
        || is_any_word(word, &["FETCH", "FOR"]) && matches!(next, Token::Word(_))
}
