//! Clauses that Spark has and sqlparser has not: `STREAM name`, `WITH (options)`, `IDENTIFIED BY name` and
//! `WATERMARK expr DELAY OF interval` beside a relation, and LATERAL VIEW, whose end sqlparser misjudges.
//!
//! They are cut out of the tokens before sqlparser sees them, and kept by the place of the relation (of the SELECT,
//! for LATERAL VIEW) that they belong to. The tree has the same places, so nothing needs to be put in their stead.

use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};

use sqlparser::{
    ast,
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};

use super::{
    cursor::{Cursor, Tokens, error_at, is_any_word, is_word},
    dialect::{Spark, ends_relation},
    interval, options, parser,
    syntax::{self, join, place, unexpected},
};
use crate::{
    error::{Error, Result, Span},
    time::Interval,
};

/// Line and column of a first character: what the tree and the clauses have in common.
pub(super) type Start = (u32, u32);

/// The clauses of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Clauses {
    /// By the first character of the relation's name, or of the query in its parentheses.
    pub(super) relations: BTreeMap<Start, Relation>,
    /// By the first character of SELECT.
    pub(super) lateral_views: BTreeMap<Start, Vec<LateralView>>,
    /// Where the parentheses after a name close, for the places of calls.
    pub(super) calls: BTreeMap<Start, Start>,
}

/// What stands beside a relation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Relation {
    pub(super) stream: bool,
    pub(super) options: Vec<(String, String)>,
    pub(super) watermark: Option<Watermark>,
}

/// `WATERMARK expr [AS name] DELAY OF delay`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Watermark {
    pub(super) expr: ast::Expr,
    pub(super) name: Option<String>,
    pub(super) delay: Interval,
    pub(super) span: Option<Span>,
}

/// `LATERAL VIEW [OUTER] generator table AS columns`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LateralView {
    pub(super) generator: ast::Expr,
    pub(super) outer: bool,
    pub(super) table: Option<String>,
    pub(super) columns: Vec<String>,
}

/// What is left for sqlparser, and what was cut out.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Which tokens begin a query in parentheses, to find out which of them an error is in.
    pub(super) queries: Vec<usize>,
    pub(super) clauses: Clauses,
}

/// Cuts the clauses out of a query's tokens.
pub(super) fn cut(spark: &Spark, tokens: &[TokenWithSpan]) -> Result<Cut> {
    let cut = Cut { tokens: Vec::with_capacity(tokens.len()), queries: Vec::new(), clauses: Clauses::default() };
    let levels = vec![Level { is_query: true, ..Level::default() }];
    let mut cutter = Cutter { spark, ahead: Cursor::new(tokens), cut, levels, relation_next: false };
    while cutter.ahead.peek(0).token != Token::EOF {
        cutter.step()?;
    }
    cutter.keep();
    Ok(cutter.cut)
}

/// What stands between a pair of parentheses.
#[derive(Debug, Default)]
struct Level {
    /// It is a query: FROM begins a clause in it.
    is_query: bool,
    /// We are in its FROM clause, where commas and JOIN come before relations.
    in_from: bool,
    /// The parentheses stand where a relation does.
    is_relation: bool,
    /// Among the rows of VALUES, where commas come before rows.
    in_values: bool,
    /// Where its (last) SELECT is.
    select: Option<Start>,
    /// What comes first in it.
    first: Option<Start>,
    /// The name before the parentheses.
    call: Option<Start>,
}

struct Cutter<'a> {
    spark: &'a Spark,
    ahead: Cursor<'a>,
    cut: Cut,
    levels: Vec<Level>,
    /// What comes next is a relation.
    relation_next: bool,
}

impl Cutter<'_> {
    fn step(&mut self) -> Result<()> {
        let relation = core::mem::take(&mut self.relation_next);
        let is_word = matches!(self.ahead.peek(0).token, Token::Word(_));
        if let Some(level) = self.levels.last_mut() {
            level.in_values &= !is_word;
        }
        match &self.ahead.peek(0).token {
            Token::LParen => self.open(relation),
            Token::RParen => return self.close(),
            Token::Comma => {
                self.keep();
                self.relation_next = self.level().in_from && !self.level().in_values;
            }
            Token::Word(_) if relation => return self.relation(),
            Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) if relation => {
                self.ahead.identifier("a table")?;
            }
            Token::Word(word) if word.quote_style.is_none() && !self.is_name() => return self.word(),
            _ => self.keep(),
        }
        Ok(())
    }

    fn open(&mut self, is_relation: bool) {
        let call = match self.cut.tokens.last() {
            Some(before) if matches!(before.token, Token::Word(_)) => Some(start(before)),
            _ => None,
        };
        self.keep();
        let next = self.ahead.peek(0);
        let is_query = is_any_word(&next.token, &["SELECT", "WITH", "VALUES"]);
        // The tree has no place for VALUES, but one for the parenthesis after it.
        let first = if is_word(&next.token, "VALUES") { self.ahead.peek(1) } else { next };
        let level = Level {
            is_query,
            is_relation,
            in_from: is_relation && !is_query,
            first: Some(start(first)),
            call,
            ..Level::default()
        };
        if is_query {
            self.cut.queries.push(self.cut.tokens.len());
        }
        self.relation_next = level.in_from;
        self.levels.push(level);
    }

    fn close(&mut self) -> Result<()> {
        if self.levels.len() == 1 {
            let error = error_at(self.ahead.peek(0), "this `)` closes nothing");
            return Err(error.hint("remove it, or open a parenthesis before"));
        }
        let end = start(self.ahead.peek(0));
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.keep();
        if let Some(call) = level.call {
            self.cut.clauses.calls.insert(call, end);
        }
        match level.first {
            Some(first) if level.is_relation && level.is_query => self.beside_relation(first, Relation::default()),
            _ if level.is_relation && self.watermark_ahead(0)? => {
                Err(error_at(self.ahead.peek(0), "WATERMARK after joined tables is not supported")
                    .hint("write it after each table of the join, or after a query: (SELECT ...) WATERMARK ..."))
            }
            _ => Ok(()),
        }
    }

    fn word(&mut self) -> Result<()> {
        let token = self.ahead.peek(0).clone();
        if is_word(&token.token, "LATERAL") && self.ahead.is_word(1, "VIEW") {
            return self.lateral_view();
        }
        let ends_from = self.ends_from(&token.token);
        let from = self.level().is_query && is_word(&token.token, "FROM") && !self.after_distinct();
        let joins = self.level().in_from && is_word(&token.token, "JOIN");
        if let Some(level) = self.levels.last_mut() {
            if is_word(&token.token, "SELECT") {
                level.select = Some(start(&token));
            }
            level.in_from = from || (level.in_from && !ends_from);
        }
        self.relation_next = from || joins;
        self.keep();
        Ok(())
    }

    fn ends_from(&self, token: &Token) -> bool {
        let clause = &["SELECT", "WHERE", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "QUALIFY"];
        let with_by = &["GROUP", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE"];
        is_any_word(token, clause) || (is_any_word(token, with_by) && self.ahead.is_word(1, "BY"))
    }

    /// A word after a dot or AS is a name, whatever it spells.
    fn is_name(&self) -> bool {
        let before = self.cut.tokens.last().map(|t| &t.token);
        before.is_some_and(|t| *t == Token::Period || is_word(t, "AS"))
    }

    /// `IS [NOT] DISTINCT FROM` has a FROM that begins no clause.
    fn after_distinct(&self) -> bool {
        let mut before = self.cut.tokens.iter().rev().map(|t| &t.token);
        before.next().is_some_and(|t| is_word(t, "DISTINCT"))
            && before.next().is_some_and(|t| is_any_word(t, &["IS", "NOT"]))
    }

    /// A named relation, from its first word on.
    fn relation(&mut self) -> Result<()> {
        if is_any_word(&self.ahead.peek(0).token, &["LATERAL", "VALUES", "TABLE", "SELECT"]) {
            self.relation_next = self.ahead.is_word(0, "LATERAL");
            let in_values = self.ahead.is_word(0, "VALUES");
            if let Some(level) = self.levels.last_mut() {
                level.in_values = in_values;
            }
            self.keep();
            return Ok(());
        }
        let stream = self.stream_ahead();
        if stream {
            self.ahead.skip();
        }
        let parenthesis = stream && self.ahead.eat(&Token::LParen);
        let first = start(self.ahead.peek(0));
        self.keep();
        while self.ahead.peek(0).token == Token::Period && matches!(self.ahead.peek(1).token, Token::Word(_)) {
            self.keep();
            self.keep();
        }
        if parenthesis {
            self.ahead.expect(&Token::RParen)?;
        } else if self.ahead.peek(0).token == Token::LParen {
            return if stream { Err(self.stream_of_function()) } else { Ok(()) };
        }
        self.beside_relation(first, Relation { stream, ..Relation::default() })
    }

    /// Whether STREAM is the word before a table, and not the name of one.
    fn stream_ahead(&self) -> bool {
        if !self.ahead.is_word(0, "STREAM") || self.watermark_ahead(1).unwrap_or(true) {
            return false;
        }
        match &self.ahead.peek(1).token {
            Token::LParen => matches!(self.ahead.peek(2).token, Token::Word(_)),
            Token::Word(Word { keyword, .. }) => {
                let mut after = self.ahead.clone();
                (0..2).for_each(|_| after.skip());
                !ends_relation(*keyword, &after)
            }
            _ => false,
        }
    }

    fn stream_of_function(&self) -> Error {
        Error::unsupported("UNSUPPORTED_FEATURE", "a table function cannot be read as a stream")
            .at(self.ahead.place())
            .hint("leave out STREAM")
    }

    /// Cuts what stands between a relation and its alias.
    fn beside_relation(&mut self, first: Start, mut relation: Relation) -> Result<()> {
        if self.ahead.is_word(0, "WITH") && self.ahead.peek(1).token == Token::LParen {
            self.ahead.skip();
            relation.options = options::list(&mut self.ahead)?;
        }
        if self.ahead.eat_words(&["IDENTIFIED", "BY"]) {
            self.ahead.identifier("a name after IDENTIFIED BY")?;
        }
        if self.watermark_ahead(0)? {
            relation.watermark = Some(self.watermark()?);
        } else {
            self.refuse_alias_before_watermark()?;
        }
        if relation != Relation::default() {
            self.cut.clauses.relations.insert(first, relation);
        }
        Ok(())
    }

    /// Whether a WATERMARK clause is ahead, and not a table's alias of that name.
    fn watermark_ahead(&self, ahead: usize) -> Result<bool> {
        if !self.ahead.is_word(ahead, "WATERMARK") {
            return Ok(false);
        }
        if self.delay_ahead(ahead + 1).is_some() {
            return Ok(true);
        }
        match &self.ahead.peek(ahead + 1).token {
            Token::Word(Word { keyword, quote_style, .. }) => {
                let mut after = self.ahead.clone();
                (0..ahead + 2).for_each(|_| after.skip());
                if quote_style.is_none() && ends_relation(*keyword, &after) {
                    return Ok(false);
                }
                Err(unexpected(after.peek(0), "DELAY OF INTERVAL after WATERMARK and its column")
                    .hint("write for example WATERMARK ts DELAY OF INTERVAL 10 SECONDS"))
            }
            _ => Ok(false),
        }
    }

    /// How far ahead DELAY OF is.
    fn delay_ahead(&self, from: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for ahead in from.. {
            match &self.ahead.peek(ahead).token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.checked_sub(1)?,
                Token::EOF => return None,
                Token::Comma if depth == 0 => return None,
                token if depth == 0 && is_word(token, "DELAY") && self.ahead.is_word(ahead + 1, "OF") => {
                    return Some(ahead);
                }
                token if depth == 0 && is_any_word(token, &["SELECT", "FROM", "WHERE", "JOIN", "GROUP", "ON"]) => {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    fn watermark(&mut self) -> Result<Watermark> {
        let word = self.ahead.peek(0).span;
        let length = self.delay_ahead(1).unwrap_or(1);
        let expr_tokens = up_to(self.ahead.rest(), 1, length);
        (0..length + 2).for_each(|_| self.ahead.skip());
        let mut p = parser(self.spark, expr_tokens.clone());
        let expr = self.parsed(p.parse_expr(), &expr_tokens)?;
        let named = p.eat_word("AS") || matches!(p.peek(0).token, Token::Word(_));
        let name = if named { Some(p.identifier("a name after AS")?) } else { None };
        p.end("DELAY OF INTERVAL")?;
        let delay = interval::interval(&mut self.ahead)?;
        let end = delay.span.map_or(word, syntax::span_of_place);
        Ok(Watermark { expr, name, delay: delay.interval(), span: join(word, end) })
    }

    /// `FROM t AS e WATERMARK ...` has its parts in the wrong order.
    fn refuse_alias_before_watermark(&self) -> Result<()> {
        let alias = usize::from(self.ahead.is_word(0, "AS"));
        let named = matches!(&self.ahead.peek(alias).token, Token::Word(_));
        if !named || !self.ahead.is_word(alias + 1, "WATERMARK") || self.delay_ahead(alias + 2).is_none() {
            return Ok(());
        }
        let name = &self.ahead.peek(alias).token;
        Err(error_at(self.ahead.peek(alias + 1), "WATERMARK must stand before the alias of its table")
            .hint(format!("write: ... WATERMARK column DELAY OF INTERVAL 10 SECONDS AS {name}")))
    }

    fn lateral_view(&mut self) -> Result<()> {
        let view = self.ahead.peek(0).clone();
        let Some(select) = self.level().select else {
            return Err(unexpected(&view, "LATERAL VIEW only after FROM"));
        };
        (0..2).for_each(|_| self.ahead.skip());
        let outer = self.ahead.is_word(0, "OUTER") && self.ahead.peek(1).token != Token::LParen;
        if outer {
            self.ahead.skip();
        }
        let length = self.call_length()?;
        let tokens = up_to(self.ahead.rest(), 0, length);
        (0..length).for_each(|_| self.ahead.skip());
        let generator = self.parsed(parser(self.spark, tokens.clone()).parse_expr(), &tokens)?;
        let table = self.alias_ahead().then(|| self.ahead.identifier("a name")).transpose()?;
        let columns = self.lateral_columns()?;
        let view = LateralView { generator, outer, table, columns };
        self.cut.clauses.lateral_views.entry(select).or_default().push(view);
        Ok(())
    }

    /// Tokens of `name(...)`.
    fn call_length(&self) -> Result<usize> {
        let mut depth = 0_usize;
        for ahead in 0.. {
            match &self.ahead.peek(ahead).token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 1 => return Ok(ahead + 1),
                Token::RParen if depth > 1 => depth -= 1,
                Token::Word(_) | Token::Period if depth == 0 && ahead < 8 => {}
                Token::EOF => return Err(unexpected(self.ahead.peek(ahead), "`)`")),
                _ if depth == 0 => return Err(unexpected(self.ahead.peek(ahead), "a call such as explode(column)")),
                _ => {}
            }
        }
        Ok(0)
    }

    fn lateral_columns(&mut self) -> Result<Vec<String>> {
        let mut columns = Vec::new();
        if !self.ahead.eat_word("AS") && !self.alias_ahead() {
            return Ok(columns);
        }
        columns.push(self.ahead.identifier("a name for the column")?);
        while self.ahead.eat(&Token::Comma) {
            columns.push(self.ahead.identifier("a name for the column")?);
        }
        Ok(columns)
    }

    /// Whether the next word names what stands before it.
    fn alias_ahead(&self) -> bool {
        let mut after = self.ahead.clone();
        after.skip();
        matches!(&self.ahead.peek(0).token, Token::Word(word) if !ends_relation(word.keyword, &after))
    }

    fn parsed<T>(
        &self,
        result: core::result::Result<T, sqlparser::parser::ParserError>,
        tokens: &[TokenWithSpan],
    ) -> Result<T> {
        result.map_err(|e| self.spark.error().unwrap_or_else(|| syntax::from_parser(e, tokens, tokens.len() - 1)))
    }

    fn keep(&mut self) {
        let mut token = self.ahead.next();
        // A column may be called so; sqlparser would take it for a clause.
        let is_column = is_word(&token.token, "TOP") && !matches!(self.ahead.peek(0).token, Token::Number(..));
        if let Token::Word(word) = &mut token.token
            && is_column
        {
            word.keyword = Keyword::NoKeyword;
        }
        self.cut.tokens.push(token);
    }

    fn level(&self) -> &Level {
        &self.levels[self.levels.len() - 1]
    }
}

/// Some of the tokens, and an end after them where the next one is.
fn up_to(tokens: &[TokenWithSpan], from: usize, to: usize) -> Vec<TokenWithSpan> {
    let mut slice = tokens[from.min(to)..to].to_vec();
    slice.push(TokenWithSpan::new(Token::EOF, tokens[to.min(tokens.len() - 1)].span));
    slice
}

/// Where a token begins.
fn start(token: &TokenWithSpan) -> Start {
    place(token.span).map_or((0, 0), |p| (p.line, p.column))
}
