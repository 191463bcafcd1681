//! The job text before it is SQL: comments fall away, variables are put in, statements are cut apart. What remains
//! is characters that know where in the text they stand, so that every error points into the text as written.

use alloc::{format, string::String, vec::Vec};

use crate::{
    error::{Error, Result, Span},
    limits::JOB_TEXT_BYTES_MAX,
};

/// A character of a statement and its place in the job text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Char {
    pub c: char,
    pub line: u32,
    pub column: u32,
    /// Last column of what it stands for: beyond `column` only for the value of a variable.
    pub end_column: u32,
    /// It is the value of a variable inside quotes, where it means nothing but itself.
    pub verbatim: bool,
}

/// A statement: not yet tokens, no longer comments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub chars: Vec<Char>,
    /// As it stands in the job, variables and all.
    pub text: String,
    /// Where it ends: the semicolon, or the last character of the job.
    pub end: Span,
}

/// Cuts a job into its statements, leaving out the empty ones.
pub(super) fn split(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Source>> {
    if text.len() > JOB_TEXT_BYTES_MAX {
        return Err(too_long());
    }
    let mut scanner =
        Scanner { text, at: 0, line: 1, column: 1, variables, chars: Vec::new(), start: None, statements: Vec::new() };
    while scanner.peek().is_some() {
        scanner.step()?;
    }
    scanner.finish();
    Ok(scanner.statements)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column: u32,
    variables: &'a dyn Fn(&str) -> Option<String>,
    chars: Vec<Char>,
    /// Where the statement's first character is.
    start: Option<usize>,
    statements: Vec<Source>,
}

impl Scanner<'_> {
    fn step(&mut self) -> Result<()> {
        if self.starts_with("--") {
            self.line_comment();
            return Ok(());
        }
        if self.starts_with("/*") {
            return self.block_comment();
        }
        if self.start.is_none() && self.at_set() {
            return self.set_statement();
        }
        match self.peek() {
            Some(';') => self.finish(),
            Some(quote @ ('\'' | '"' | '`')) => return self.quoted(quote),
            Some('$') => return self.variable(false),
            _ => self.keep(false),
        }
        Ok(())
    }

    /// Ends the statement at the character before which we stand, and steps over it.
    fn finish(&mut self) {
        let end = self.here();
        if let Some(start) = self.start.take() {
            let text = self.text[start..self.at].trim_end().into();
            self.statements.push(Source { chars: core::mem::take(&mut self.chars), text, end });
        }
        self.chars.clear();
        self.advance();
    }

    /// Up to the end of the line, unless the last character of it is a backslash.
    fn line_comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            let goes_on = self.starts_with("\\\n");
            self.advance();
            if goes_on {
                self.advance();
            }
        }
    }

    /// Comments nest, as in Spark; one counts as a blank.
    fn block_comment(&mut self) -> Result<()> {
        let opening = self.here();
        let mut depth = 0_usize;
        loop {
            if self.starts_with("/*") {
                depth += 1;
                self.advance();
            } else if self.starts_with("*/") {
                depth -= 1;
                self.advance();
            } else if self.peek().is_none() {
                return Err(Error::invalid("the comment that begins here does not end")
                    .class("UNCLOSED_BRACKETED_COMMENT")
                    .at(Some(opening))
                    .hint("end it with */; comments nest, so each /* needs its own"));
            }
            self.advance();
            if depth == 0 {
                break;
            }
        }
        self.push(' ', opening, false);
        Ok(())
    }

    /// A string or a name in backticks, up to its closing quote. A doubled quote closes one and opens the next,
    /// which comes to the same here.
    fn quoted(&mut self, quote: char) -> Result<()> {
        let opening = self.here();
        let escapes = quote != '`' && !self.after_raw_prefix();
        self.keep(false);
        loop {
            match self.peek() {
                None => return Err(unclosed(quote, opening)),
                Some('$') => self.variable(true)?,
                Some('\\') if escapes => {
                    self.keep(false);
                    if self.peek().is_some() {
                        self.keep(false);
                    }
                }
                Some(c) => {
                    self.keep(false);
                    if c == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether what was read last is the `r` of `r'...'`.
    fn after_raw_prefix(&self) -> bool {
        let mut last = self.chars.iter().rev();
        let is_r = last.next().is_some_and(|c| matches!(c.c, 'r' | 'R'));
        is_r && last.next().is_none_or(|c| !is_word(c.c))
    }

    /// `${NAME}`, or just a dollar sign.
    fn variable(&mut self, verbatim: bool) -> Result<()> {
        let rest = &self.text[self.at..];
        let name = rest.strip_prefix("${").and_then(|r| r.split_once('}')).map(|(name, _)| name);
        let Some(name) = name.filter(|name| is_variable(name)) else {
            self.keep(false);
            return Ok(());
        };
        let length = name.chars().count() as u32 + 3;
        let place = Span { end_column: self.column + length - 1, ..self.here() };
        let value = (self.variables)(name).ok_or_else(|| {
            Error::invalid(format!("the variable {name} has no value"))
                .at(Some(place))
                .hint(format!("give it one with --set {name}=VALUE, or in the environment"))
        })?;
        self.start = self.start.or(Some(self.at));
        value.chars().for_each(|c| self.push(c, place, verbatim));
        (0..length).for_each(|_| self.advance());
        if self.chars.len() > JOB_TEXT_BYTES_MAX { Err(too_long().at(Some(place))) } else { Ok(()) }
    }

    /// Whether the next word is SET, whose statement is not SQL but text up to its end.
    fn at_set(&self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        let word = rest.get(..3).is_some_and(|w| w.eq_ignore_ascii_case(b"set"));
        word && rest.get(3).is_none_or(|&b| b == b';' || b.is_ascii_whitespace())
    }

    /// Text up to a semicolon outside quotes. Comments and quotes need a blank before them, so that `http://x--y` and
    /// `it's` are values; a quote that is not closed ends with its line.
    fn set_statement(&mut self) -> Result<()> {
        let mut quote = None;
        let mut after_blank = false;
        while let Some(c) = self.peek() {
            if after_blank && quote.is_none() && self.starts_with("--") {
                self.line_comment();
                continue;
            }
            match c {
                ';' if quote.is_none() => break,
                '\n' => quote = None,
                '\'' | '"' if quote.is_none() && after_blank => quote = Some(c),
                _ if quote == Some(c) => quote = None,
                _ => {}
            }
            after_blank = c.is_whitespace() || c == '=';
            if c == '$' { self.variable(true)? } else { self.keep(false) }
        }
        Ok(())
    }

    fn keep(&mut self, verbatim: bool) {
        if let Some(c) = self.peek() {
            if !c.is_whitespace() {
                self.start = self.start.or(Some(self.at));
            }
            self.push(c, self.here(), verbatim);
            self.advance();
        }
    }

    fn push(&mut self, c: char, place: Span, verbatim: bool) {
        if self.start.is_some() {
            let Span { line, column, end_column, .. } = place;
            self.chars.push(Char { c, line, column, end_column, verbatim });
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn starts_with(&self, wanted: &str) -> bool {
        self.text[self.at..].starts_with(wanted)
    }

    fn advance(&mut self) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
    }

    fn here(&self) -> Span {
        Span { line: self.line, column: self.column, end_line: self.line, end_column: self.column }
    }
}

/// Whether a character can stand inside a word.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_variable(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

fn unclosed(quote: char, opening: Span) -> Error {
    Error::invalid(format!("the quote {quote} that opens here is not closed"))
        .class("PARSE_SYNTAX_ERROR")
        .at(Some(opening))
        .hint(format!("close it with {quote}, and double a {quote} that belongs to the text"))
}

fn too_long() -> Error {
    Error::too_complex(format!("the job text is longer than {} MiB", JOB_TEXT_BYTES_MAX >> 20))
        .hint("read rows from a table instead of writing them into the job")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_variables(_: &str) -> Option<String> {
        None
    }

    fn texts(job: &str) -> Vec<String> {
        let read = |s: Source| s.chars.iter().map(|c| c.c).collect::<String>();
        split(job, &no_variables).unwrap().into_iter().map(read).collect()
    }

    #[test]
    fn statements_are_cut_at_semicolons_outside_quotes_and_comments() {
        assert_eq!(texts("a; b ;; c -- d;\n"), ["a", "b ", "c \n"]);
        assert_eq!(texts("'x;y' \"p;q\" `r;s`;t"), ["'x;y' \"p;q\" `r;s`", "t"]);
        assert_eq!(texts("a /* ; /* nested; */ ; */ b; ; -- end"), ["a   b"]);
        assert_eq!(texts("'it''s; \\'; fine'; x"), ["'it''s; \\'; fine'", "x"]);
        assert_eq!(texts("r'raw\\'; x"), ["r'raw\\'", "x"]);
        assert_eq!(texts("a -- b \\\n c; d\n; e"), ["a \n", "e"]);
        assert_eq!(texts(" \n -- nothing\n /* at all */ ;"), [""; 0]);
    }

    #[test]
    fn set_takes_its_value_as_it_is() {
        assert_eq!(texts("SET a = it's b;set x=1 -- note\n; y"), ["SET a = it's b", "set x=1 \n", "y"]);
        assert_eq!(texts("SET a = 'p;q' ; SET u = http://x--y"), ["SET a = 'p;q' ", "SET u = http://x--y"]);
    }

    #[test]
    fn variables_are_put_in_outside_comments_and_keep_the_place_of_their_name() {
        let values = |name: &str| (name == "DIR").then(|| String::from("/a'b\\c"));
        let statements = split("-- ${NOPE}\npath '${DIR}/x' ${ $x", &values).unwrap();
        let text: String = statements[0].chars.iter().map(|c| c.c).collect();
        assert_eq!(text, "path '/a'b\\c/x' ${ $x");
        assert_eq!(statements[0].text, "path '${DIR}/x' ${ $x");
        let value = statements[0].chars[7];
        assert_eq!((value.line, value.column, value.end_column, value.verbatim), (2, 7, 12, true));
        let after = statements[0].chars[13];
        assert_eq!((after.c, after.column), ('x', 14));
    }

    #[test]
    fn mistakes_have_a_place() {
        let cases = [
            ("a\n  'b", 2, 3, "not closed"),
            ("a /* b /* c */", 1, 3, "does not end"),
            ("x `y", 1, 3, "not closed"),
            ("x\n${Y}", 2, 1, "variable Y"),
        ];
        for (job, line, column, words) in cases {
            let error = split(job, &no_variables).unwrap_err();
            let span = error.span().unwrap();
            assert_eq!((span.line, span.column), (line, column), "{job}");
            assert!(error.message().contains(words), "{job}: {error}");
            assert!(error.hint_text().is_some());
        }
    }
}
