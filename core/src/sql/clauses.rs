//! Clauses that only Spark has: `STREAM name`, `WITH (options)`, `IDENTIFIED BY name` and `WATERMARK expr DELAY OF
//! interval` beside a relation, and LATERAL VIEW. STREAM, WATERMARK and OUTER may be names as well: what follows tells.

use alloc::{format, vec::Vec};

use super::{
    alias::ends_relation,
    cursor::{Cursor, error_at, is_any_word, is_word},
    interval, operator, options, prefix,
    syntax::unexpected,
    token::{Token, Word, join},
    tree::{Kind, LateralView, Options, Watermark},
};
use crate::error::Result;

/// Steps over STREAM if it is the word before a table, and not the name of one.
pub(super) fn eat_stream(p: &mut Cursor<'_>) -> bool {
    let is_stream = p.is_word(0, "STREAM") && !watermark_ahead(p, 1).unwrap_or(true) && {
        match &p.peek(1).token {
            Token::LParen => matches!(p.peek(2).token, Token::Word(_)),
            Token::Word(Word { quoted, .. }) => *quoted || !ends_relation(p, 1),
            _ => false,
        }
    };
    is_stream && p.eat_word("STREAM")
}

/// What stands between a relation and its alias: options and a watermark.
pub(super) fn beside(p: &mut Cursor<'_>) -> Result<(Options, Option<Watermark>)> {
    let mut options = Options::new();
    if p.is_word(0, "WITH") && p.peek(1).token == Token::LParen {
        p.skip();
        options = options::list(p)?;
    }
    if p.eat_words(&["IDENTIFIED", "BY"]) {
        p.identifier("a name after IDENTIFIED BY")?;
    }
    if watermark_ahead(p, 0)? {
        return Ok((options, Some(watermark(p)?)));
    }
    refuse_alias_before_watermark(p)?;
    Ok((options, None))
}

/// Joined relations have none.
pub(super) fn refuse_watermark(p: &Cursor<'_>) -> Result<()> {
    if !watermark_ahead(p, 0)? {
        return Ok(());
    }
    Err(error_at(p.peek(0), "WATERMARK after joined tables is not supported")
        .hint("write it after each table of the join, or after a query: (SELECT ...) WATERMARK ..."))
}

/// Whether a WATERMARK clause is ahead, and not a table's alias of that name.
fn watermark_ahead(p: &Cursor<'_>, ahead: usize) -> Result<bool> {
    if !p.is_word(ahead, "WATERMARK") {
        return Ok(false);
    }
    if is_delayed(p, ahead + 1) {
        return Ok(true);
    }
    match &p.peek(ahead + 1).token {
        Token::Word(Word { quoted, .. }) if *quoted || !ends_relation(p, ahead + 1) => {
            Err(unexpected(p.peek(ahead + 2), "DELAY OF INTERVAL after WATERMARK and its column")
                .hint("write for example WATERMARK ts DELAY OF INTERVAL 10 SECONDS"))
        }
        _ => Ok(false),
    }
}

/// Whether DELAY OF is ahead, before anything that an expression cannot hold.
fn is_delayed(p: &Cursor<'_>, from: usize) -> bool {
    let mut depth = 0_usize;
    for ahead in from.. {
        match &p.peek(ahead).token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return false,
            Token::RParen => depth -= 1,
            Token::EOF => return false,
            Token::Comma if depth == 0 => return false,
            token if depth == 0 && is_word(token, "DELAY") && p.is_word(ahead + 1, "OF") => return true,
            token if depth == 0 && is_any_word(token, &["SELECT", "FROM", "WHERE", "JOIN", "GROUP", "ON"]) => {
                return false;
            }
            _ => {}
        }
    }
    false
}

fn watermark(p: &mut Cursor<'_>) -> Result<Watermark> {
    let first = p.next().span;
    let expr = operator::whole(p)?;
    let named = p.eat_word("AS") || (matches!(p.peek(0).token, Token::Word(_)) && !p.are_words(&["DELAY", "OF"]));
    let name = if named { Some(p.identifier("a name after AS")?) } else { None };
    if !p.eat_words(&["DELAY", "OF"]) {
        return Err(unexpected(p.peek(0), "DELAY OF INTERVAL"));
    }
    let delay = interval::interval(p)?;
    Ok(Watermark { expr, name, delay: delay.interval(), span: join(first, delay.span) })
}

/// `FROM t AS e WATERMARK ...` has its parts in the wrong order.
fn refuse_alias_before_watermark(p: &Cursor<'_>) -> Result<()> {
    let alias = usize::from(p.is_word(0, "AS"));
    let named = matches!(&p.peek(alias).token, Token::Word(_));
    if !named || !p.is_word(alias + 1, "WATERMARK") || !is_delayed(p, alias + 2) {
        return Ok(());
    }
    let name = &p.peek(alias).token;
    Err(error_at(p.peek(alias + 1), "WATERMARK must stand before the alias of its table")
        .hint(format!("write: ... WATERMARK column DELAY OF INTERVAL 10 SECONDS AS {name}")))
}

/// LATERAL VIEW, as many as there are.
pub(super) fn lateral_views(p: &mut Cursor<'_>) -> Result<Vec<LateralView>> {
    let mut views = Vec::new();
    while p.eat_words(&["LATERAL", "VIEW"]) {
        views.push(lateral_view(p)?);
    }
    Ok(views)
}

/// `[OUTER] generator [table] [[AS] columns]`
fn lateral_view(p: &mut Cursor<'_>) -> Result<LateralView> {
    let outer = p.is_word(0, "OUTER") && p.peek(1).token != Token::LParen && p.eat_word("OUTER");
    let found = p.peek(0);
    let generator = prefix::operand(p)?;
    if !matches!(generator.kind, Kind::Call(_)) {
        return Err(unexpected(found, "a call such as explode(column)"));
    }
    let table = if names_next(p) { Some(p.identifier("a name")?) } else { None };
    let mut columns = Vec::new();
    if p.eat_word("AS") || names_next(p) {
        columns = p.list(|p| p.identifier("a name for the column"))?;
    }
    Ok(LateralView { generator, outer, table, columns })
}

/// Whether the next word names what stands before it.
fn names_next(p: &Cursor<'_>) -> bool {
    matches!(&p.peek(0).token, Token::Word(Word { quoted, .. }) if *quoted || !ends_relation(p, 0))
}
