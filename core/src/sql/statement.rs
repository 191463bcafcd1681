//! Statements: which one it is, and everything in it that is not a query.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    body,
    cursor::{Cursor, error_at, is_any_word, is_word},
    lexer, options,
    query::{self, Query},
    source::{Char, Source},
    syntax::{advised, is_near, unexpected},
    token::{Placed, Token},
    tree::Cte,
    types,
};
use crate::{
    error::{Error, Result, Span},
    schema::{Field, Schema, same_name},
};

/// One statement of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it does.
    pub kind: StatementKind,
    /// Where it stands, without its semicolon.
    pub span: Span,
    /// As it stands in the job, variables not put in: they may be secrets.
    pub text: String,
}

/// What statements do. Names of tables are their parts: `a.b` is `["a", "b"]`.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// `CREATE TABLE name (columns) USING provider OPTIONS (...)`, and `CREATE TEMPORARY VIEW ... USING`.
    CreateTable {
        /// Name of the table.
        name: Vec<String>,
        /// Leave a table of this name alone.
        if_not_exists: bool,
        /// Replace a table of this name.
        or_replace: bool,
        /// Columns, if written.
        schema: Option<Schema>,
        /// `json`, `csv`, `ring`, ...: lower case.
        provider: String,
        /// Options in the order written; LOCATION is the option `path`.
        options: Vec<(String, String)>,
        /// COMMENT
        comment: Option<String>,
    },
    /// `CREATE [OR REPLACE] [TEMPORARY] VIEW name (columns) AS query`
    CreateView {
        /// Name of the view.
        name: Vec<String>,
        /// Replace a view of this name.
        or_replace: bool,
        /// Leave a view of this name alone.
        if_not_exists: bool,
        /// Names for the columns, if written.
        columns: Vec<String>,
        /// What the view stands for.
        query: Query,
    },
    /// `INSERT INTO table [(columns)] query`
    Insert {
        /// The table that rows go into.
        table: Vec<String>,
        /// Which of its columns, if written.
        columns: Vec<String>,
        /// OVERWRITE
        overwrite: bool,
        /// BY NAME: columns meet by name, not by position.
        by_name: bool,
        /// Where rows come from.
        query: Query,
    },
    /// `SET key = value`, `SET key`, `SET`
    Set {
        /// The setting; none asks for all.
        key: Option<String>,
        /// Its new value; none asks for the old one.
        value: Option<String>,
    },
    /// A query of its own: its rows go to whoever runs the job.
    Query(Query),
    /// `EXPLAIN [EXTENDED] statement`
    Explain(Box<StatementKind>),
    /// `DROP TABLE|VIEW [IF EXISTS] name`
    Drop {
        /// Name of the table or view.
        name: Vec<String>,
        /// It may be missing.
        if_exists: bool,
        /// It is a view.
        is_view: bool,
    },
}

/// Words that statements begin with.
const BEGINNINGS: &[&str] = &["SELECT", "WITH", "VALUES", "INSERT", "CREATE", "SET", "EXPLAIN", "DROP"];

const SUPPORTED: &str =
    "statements are SELECT, WITH, VALUES, INSERT INTO, CREATE TABLE, CREATE VIEW, SET, EXPLAIN, DROP TABLE, DROP VIEW";

/// Reads a statement, which is not empty.
pub(super) fn statement(source: &Source) -> Result<Statement> {
    let kind = if is_set(&source.chars) { set(&source.chars) } else { sql(source)? };
    Ok(Statement { kind, span: whole(&source.chars), text: source.text.clone() })
}

fn sql(source: &Source) -> Result<StatementKind> {
    let tokens = lexer::tokens(source)?;
    kind(&mut Cursor::new(&tokens), true)
}

fn whole(chars: &[Char]) -> Span {
    let first = chars[0];
    let last = chars.iter().rfind(|c| !c.c.is_whitespace()).copied().unwrap_or(first);
    Span { line: first.line, column: first.column, end_line: last.line, end_column: last.end_column }
}

fn kind(tokens: &mut Cursor<'_>, explain: bool) -> Result<StatementKind> {
    let first = tokens.peek(0).clone();
    if tokens.is_word(0, "WITH") && inserts(tokens) {
        let ctes = query::ctes(tokens)?;
        tokens.expect_word("INSERT")?;
        return insert(tokens, ctes);
    }
    if body::begins_query(tokens, 0) || first.token == Token::LParen {
        let query = query::query(tokens.rest())?;
        tokens.finish();
        return Ok(StatementKind::Query(query));
    }
    let kind = if tokens.eat_word("CREATE") {
        create(tokens)?
    } else if tokens.eat_word("INSERT") {
        insert(tokens, Vec::new())?
    } else if tokens.eat_word("DROP") {
        drop_relation(tokens)?
    } else if explain && tokens.eat_word("EXPLAIN") {
        let _ = ["EXTENDED", "FORMATTED", "CODEGEN", "COST"].iter().any(|word| tokens.eat_word(word));
        StatementKind::Explain(Box::new(kind(tokens, false)?))
    } else {
        return Err(unknown_statement(tokens));
    };
    tokens.end("the end of the statement").map_err(|e| advised(e, tokens.all(), tokens.at))?;
    Ok(kind)
}

fn unknown_statement(tokens: &Cursor<'_>) -> Error {
    let found = tokens.peek(0);
    let error = unexpected(found, "a statement");
    let word = found.token.to_string().to_uppercase();
    if let Some(near) = BEGINNINGS.iter().find(|b| word != **b && is_near(&word, b)) {
        return error.hint(format!("did you mean {near}?"));
    }
    match word.as_str() {
        "FROM" => error.hint("a query begins with SELECT"),
        "UPDATE" | "DELETE" | "MERGE" => error.hint("rows are only ever added: INSERT INTO table SELECT ..."),
        _ => error.hint(SUPPORTED),
    }
}

// SET ----------------------------------------------------------------------------------------------------------

fn is_set(chars: &[Char]) -> bool {
    let word: String = chars.iter().map(|c| c.c).take_while(|c| !c.is_whitespace()).take(4).collect();
    word.eq_ignore_ascii_case("set")
}

/// Everything after `=` is the value, as it stands.
fn set(chars: &[Char]) -> StatementKind {
    let text: String = chars[3..].iter().map(|c| c.c).collect();
    let text = text.trim();
    if let Some(zone) = time_zone(text) {
        return StatementKind::Set { key: Some("spark.sql.session.timeZone".into()), value: Some(zone.into()) };
    }
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.trim().into())),
        None => (text, None),
    };
    let key = key.trim_matches('`');
    let key = (!key.is_empty() && key != "-v").then(|| key.into());
    StatementKind::Set { key, value }
}

/// `TIME ZONE 'x'`, `TIME ZONE x`
fn time_zone(text: &str) -> Option<&str> {
    let mut words = text.splitn(3, char::is_whitespace);
    let is_zone = words.next()?.eq_ignore_ascii_case("time") && words.next()?.eq_ignore_ascii_case("zone");
    let zone = words.next()?.trim();
    is_zone.then(|| zone.trim_matches(['\'', '"']))
}

// CREATE -------------------------------------------------------------------------------------------------------

fn create(tokens: &mut Cursor<'_>) -> Result<StatementKind> {
    let or_replace = tokens.eat_words(&["OR", "REPLACE"]);
    let place = Some(tokens.span());
    if tokens.eat_word("TABLE") || tokens.eat_words(&["EXTERNAL", "TABLE"]) {
        return create_table(tokens, or_replace);
    }
    if tokens.eat_words(&["TEMPORARY", "TABLE"]) || tokens.eat_words(&["TEMP", "TABLE"]) {
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", "temporary tables are not supported")
            .at(place)
            .hint("write CREATE TABLE, or CREATE TEMPORARY VIEW name AS SELECT ..."));
    }
    tokens.eat_word("GLOBAL");
    let _ = tokens.eat_word("TEMPORARY") || tokens.eat_word("TEMP");
    if tokens.eat_word("VIEW") {
        return create_view(tokens, or_replace);
    }
    let pipeline = ["STREAMING", "MATERIALIZED", "FLOW", "LIVE"];
    if is_any_word(&tokens.peek(0).token, &pipeline) {
        let message = format!("CREATE {} runs only in Spark's pipelines", tokens.peek(0).token);
        return Err(Error::unsupported("UNSUPPORTED_FEATURE.CREATE_PIPELINE_DATASET_QUERY_EXECUTION", message)
            .at(place)
            .hint("write CREATE TABLE name USING ... and INSERT INTO name SELECT ..."));
    }
    Err(unexpected(tokens.peek(0), "TABLE or VIEW after CREATE").hint(SUPPORTED))
}

fn create_table(tokens: &mut Cursor<'_>, or_replace: bool) -> Result<StatementKind> {
    let if_not_exists = tokens.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = tokens.name("the name of the table")?;
    create_named_table(tokens, name, if_not_exists, or_replace)
}

fn create_named_table(
    tokens: &mut Cursor<'_>,
    name: Vec<String>,
    if_not_exists: bool,
    or_replace: bool,
) -> Result<StatementKind> {
    let schema = if tokens.peek(0).token == Token::LParen { Some(columns(tokens)?) } else { None };
    let mut table = TableClauses::default();
    table.read(tokens)?;
    let provider = table.provider.ok_or_else(|| {
        error_at(tokens.peek(0), "CREATE TABLE must say what the table is: USING and a format")
            .hint("add for example USING json OPTIONS (path '/data/readings')")
    })?;
    let (options, comment) = (table.options, table.comment);
    Ok(StatementKind::CreateTable { name, if_not_exists, or_replace, schema, provider, options, comment })
}

/// What may follow the columns of a table, in any order.
#[derive(Debug, Default)]
struct TableClauses {
    provider: Option<String>,
    options: Vec<(String, String)>,
    comment: Option<String>,
}

impl TableClauses {
    fn read(&mut self, tokens: &mut Cursor<'_>) -> Result<()> {
        loop {
            if tokens.eat_word("USING") {
                self.provider = Some(tokens.name("a format after USING")?.join(".").to_lowercase());
            } else if tokens.eat_word("OPTIONS") {
                self.options.extend(options::list(tokens)?);
            } else if tokens.eat_word("TBLPROPERTIES") {
                options::list(tokens)?;
            } else if tokens.eat_word("LOCATION") {
                self.options.push(("path".into(), tokens.string("a path in quotes after LOCATION")?));
            } else if tokens.eat_word("COMMENT") {
                self.comment = Some(tokens.string("a comment in quotes")?);
            } else {
                return refuse_table_clause(tokens);
            }
        }
    }
}

fn refuse_table_clause(tokens: &Cursor<'_>) -> Result<()> {
    let found = tokens.peek(0);
    if is_any_word(&found.token, &["AS", "SELECT"]) {
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", "CREATE TABLE with a query is not supported")
            .at(Some(tokens.span()))
            .hint("end the statement here, and write INSERT INTO table SELECT ... after it"));
    }
    if is_any_word(&found.token, &["PARTITIONED", "CLUSTERED", "SORTED"]) {
        let message = format!("{} BY is not supported for tables", found.token);
        return Err(Error::unsupported("UNSUPPORTED_FEATURE", message).at(Some(tokens.span())).hint("leave it out"));
    }
    if matches!(found.token, Token::EOF) {
        return Ok(());
    }
    let wanted = "USING, OPTIONS, LOCATION, COMMENT or the end of the statement";
    Err(advised(unexpected(found, wanted), tokens.all(), tokens.at))
}

/// `(name TYPE [NOT NULL] [COMMENT 'text'], ...)`
fn columns(tokens: &mut Cursor<'_>) -> Result<Schema> {
    tokens.expect(&Token::LParen)?;
    let mut fields: Vec<Field> = Vec::new();
    loop {
        let field = column(tokens, &fields)?;
        fields.push(field);
        if tokens.eat(&Token::RParen) {
            return Ok(Schema::new(fields));
        }
        if !tokens.eat(&Token::Comma) {
            let found = tokens.peek(0);
            return Err(unexpected(found, "`,` or `)` after a column")
                .hint(format!("is a comma missing before {}?", found.token)));
        }
    }
}

fn column(tokens: &mut Cursor<'_>, before: &[Field]) -> Result<Field> {
    let place = Some(tokens.span());
    if tokens.is_word(0, "WATERMARK") && tokens.is_word(1, "FOR") {
        return Err(unexpected(tokens.peek(1), "a type").hint(
            "the watermark is declared where the table is read: FROM t WATERMARK ts DELAY OF INTERVAL 10 SECONDS",
        ));
    }
    let name = tokens.identifier("the name of a column")?;
    if before.iter().any(|f| same_name(&f.name, &name)) {
        return Err(Error::invalid(format!("the column `{name}` is there twice"))
            .class("COLUMN_ALREADY_EXISTS")
            .at(place)
            .hint("names that differ only in case are the same name"));
    }
    tokens.eat(&Token::Colon);
    let mut field = Field::new(name, types::data_type(tokens)?);
    loop {
        if tokens.eat_words(&["NOT", "NULL"]) {
            field.nullable = false;
        } else if tokens.eat_word("COMMENT") {
            tokens.string("a comment in quotes")?;
        } else if !tokens.eat_word("NULL") {
            return Ok(field);
        }
    }
}

fn create_view(tokens: &mut Cursor<'_>, or_replace: bool) -> Result<StatementKind> {
    let if_not_exists = tokens.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = tokens.name("the name of the view")?;
    let typed = tokens.peek(0).token == Token::LParen && matches!(tokens.peek(2).token, Token::Word(_));
    if tokens.is_word(0, "USING") || (typed && !tokens.is_word(2, "COMMENT")) {
        return create_named_table(tokens, name, if_not_exists, or_replace);
    }
    let columns = view_columns(tokens)?;
    loop {
        if tokens.eat_word("COMMENT") {
            tokens.string("a comment in quotes")?;
        } else if tokens.eat_word("TBLPROPERTIES") {
            options::list(tokens)?;
        } else {
            break;
        }
    }
    tokens.expect_word("AS").map_err(|e| e.hint("write CREATE VIEW name AS SELECT ..."))?;
    let query = query::query(tokens.rest())?;
    tokens.finish();
    Ok(StatementKind::CreateView { name, or_replace, if_not_exists, columns, query })
}

fn view_columns(tokens: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if !tokens.eat(&Token::LParen) {
        return Ok(names);
    }
    loop {
        names.push(tokens.identifier("the name of a column")?);
        if tokens.eat_word("COMMENT") {
            tokens.string("a comment in quotes")?;
        }
        if tokens.eat(&Token::RParen) {
            return Ok(names);
        }
        tokens.expect(&Token::Comma)?;
    }
}

// INSERT and DROP ----------------------------------------------------------------------------------------------

/// Whether the names of a WITH are for an INSERT.
fn inserts(tokens: &Cursor<'_>) -> bool {
    let begins = |at: &[Placed]| {
        at[0].token == Token::RParen
            && is_word(&at[1].token, "INSERT")
            && is_any_word(&at[2].token, &["INTO", "OVERWRITE"])
    };
    tokens.rest().windows(3).any(begins)
}

/// From the word after INSERT on, with the names that a WITH before it gave.
fn insert(tokens: &mut Cursor<'_>, ctes: Vec<Cte>) -> Result<StatementKind> {
    let overwrite = tokens.eat_word("OVERWRITE");
    if !overwrite {
        tokens.expect_word("INTO")?;
    }
    tokens.eat_word("TABLE");
    let table = tokens.name("the name of the table")?;
    refuse_insert_clause(tokens)?;
    let by_name = tokens.eat_words(&["BY", "NAME"]);
    let has_columns = tokens.peek(0).token == Token::LParen
        && !body::begins_query(tokens, 1)
        && tokens.peek(1).token != Token::LParen;
    let columns = if has_columns { view_columns(tokens)? } else { Vec::new() };
    let query = if ctes.is_empty() { query::query(tokens.rest()) } else { query::query_with(ctes, tokens.rest()) }?;
    tokens.finish();
    Ok(StatementKind::Insert { table, columns, overwrite, by_name, query })
}

fn refuse_insert_clause(tokens: &Cursor<'_>) -> Result<()> {
    let found = &tokens.peek(0).token;
    if !is_any_word(found, &["PARTITION", "REPLACE", "IF"]) {
        return Ok(());
    }
    let message = format!("{found} in INSERT is not supported");
    Err(Error::unsupported("UNSUPPORTED_FEATURE", message)
        .at(Some(tokens.span()))
        .hint("write INSERT INTO table SELECT ..."))
}

fn drop_relation(tokens: &mut Cursor<'_>) -> Result<StatementKind> {
    let is_view = tokens.eat_word("VIEW");
    if !is_view {
        tokens.expect_word("TABLE").map_err(|e| e.hint("write DROP TABLE name or DROP VIEW name"))?;
    }
    let if_exists = tokens.eat_words(&["IF", "EXISTS"]);
    let name = tokens.name("a name")?;
    if !is_view {
        tokens.eat_word("PURGE");
    }
    Ok(StatementKind::Drop { name, if_exists, is_view })
}
