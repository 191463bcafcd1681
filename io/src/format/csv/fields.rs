//! A record to its values, exactly as the univocity parser behind Spark cuts them.
//!
//! The rules that surprise: a quote only opens a value as its first character. `\"` is a quote inside quotes and `\\`
//! a backslash, any other backslash stays. Text after the closing quote (also a second quote, unless quotes are
//! escaped by doubling) means the quotes were part of the value: it then ends at the next delimiter, quotes included.
//! Blanks after a closing quote are dropped. A value whose quote never closes ends with the record.

use memchr::memchr2;

use super::dialect::Dialect;

/// One value of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// Nothing between two delimiters.
    Empty,
    /// Nothing between two quotes.
    QuotedEmpty,
    /// Text, never empty.
    Text(&'a [u8]),
}

impl<'a> Token<'a> {
    /// The text that is to be converted; `None` is NULL.
    #[inline]
    pub(super) fn value(self, null_value: &[u8], empty_value: &'a [u8]) -> Option<&'a [u8]> {
        let text = match self {
            Self::Text(text) => text,
            Self::QuotedEmpty => empty_value,
            Self::Empty => return None,
        };
        (text != null_value).then_some(text)
    }

    fn quoted(text: &'a [u8]) -> Self {
        if text.is_empty() { Self::QuotedEmpty } else { Self::Text(text) }
    }

    fn plain(text: &'a [u8]) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }
}

/// The values of a record, one after the other.
#[derive(Debug)]
pub(super) struct Fields<'d, 'r> {
    dialect: &'d Dialect,
    record: &'r [u8],
    /// Where the next value begins; past the end once there are no more.
    at: usize,
    token_start: usize,
}

impl<'d, 'r> Fields<'d, 'r> {
    pub(super) fn new(dialect: &'d Dialect, record: &'r [u8]) -> Self {
        Self { dialect, record, at: 0, token_start: 0 }
    }

    /// Where the last value began.
    pub(super) fn token_start(&self) -> usize {
        self.token_start
    }

    /// The next value. A delimiter at the end of the record is followed by an empty one.
    #[inline]
    pub(super) fn next<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Option<Token<'s>>
    where
        'r: 's,
    {
        let record = self.record;
        if self.at > record.len() {
            return None;
        }
        if self.dialect.trim_leading {
            self.skip_blanks();
        }
        let start = self.at;
        self.token_start = start;
        if self.dialect.quote.is_some() && record.get(start).copied() == self.dialect.quote {
            let (end, token) = self.quoted(start + 1, scratch);
            self.at = end + self.dialect.delimiter.len();
            return Some(token);
        }
        let end = self.plain_end(start);
        self.at = end + self.dialect.delimiter.len();
        let mut text = &record[start..end];
        if self.dialect.trim_trailing {
            text = trim_end(text);
        }
        Some(Token::plain(text))
    }

    /// Where the record ends, its line end included, in bytes of which it may be only the first; `None` if it may go
    /// on behind them.
    pub(super) fn record_end(&mut self, scratch: &mut Vec<u8>, at_end: bool) -> Option<usize> {
        let comment = self.dialect.comment;
        let is_comment = comment.is_some() && self.record.first().copied() == comment;
        if is_comment {
            self.at = self.line_end(0).map_or(self.record.len(), |(at, _)| at);
        }
        let width = self.dialect.delimiter.len();
        while !is_comment && self.at <= self.record.len() {
            self.next(scratch)?;
            let end = self.at - width;
            if end >= self.record.len() || self.dialect.line_end_at(self.record, end).is_some() {
                self.at = end;
                break;
            }
        }
        let at = self.at.min(self.record.len());
        match self.dialect.line_end_at(self.record, at) {
            Some(width) => Some(at + width),
            None => (at_end && !self.record.is_empty()).then_some(self.record.len()),
        }
    }

    /// The end of a value without quotes.
    #[inline]
    fn plain_end(&self, start: usize) -> usize {
        let rest = &self.record[start..];
        let end = self.dialect.delimiter.find(rest).map_or(self.record.len(), |i| start + i);
        if !self.dialect.multi_line {
            return end;
        }
        self.line_end(start).map_or(end, |(at, _)| at.min(end))
    }

    /// The next line end and its width, in records that may span lines.
    fn line_end(&self, start: usize) -> Option<(usize, usize)> {
        (start..self.record.len()).find_map(|at| Some((at, self.dialect.line_end_at(self.record, at)?)))
    }

    /// A quoted value whose text begins at `start`; gives its end, where a delimiter or the end of the record is.
    #[inline]
    fn quoted<'s>(&self, start: usize, scratch: &'s mut Vec<u8>) -> (usize, Token<'s>)
    where
        'r: 's,
    {
        let quote = self.dialect.quote.unwrap_or_default();
        let escape = self.dialect.escape.unwrap_or(quote);
        let first = memchr2(quote, escape, &self.record[start..]).map(|i| start + i);
        match first {
            Some(close) if self.record[close] == quote && self.ends_value(close + 1) && !self.dialect.multi_line => {
                (close + 1, Token::quoted(&self.record[start..close]))
            }
            _ => self.quoted_with_escapes(start, scratch),
        }
    }

    /// A delimiter, a line end or the end of the record.
    fn ends_value(&self, at: usize) -> bool {
        at >= self.record.len()
            || self.dialect.delimiter.is_at(self.record, at)
            || self.dialect.line_end_at(self.record, at).is_some()
    }

    /// The state machine: `previous` is the special character just read, if the next one may combine with it.
    #[cold]
    fn quoted_with_escapes<'s>(&self, start: usize, scratch: &'s mut Vec<u8>) -> (usize, Token<'s>) {
        scratch.clear();
        let Dialect { quote, escape, escape_escape, .. } = *self.dialect;
        let record = self.record;
        let mut previous = None;
        let mut at = start;
        if at == record.len() {
            // A quote that ends the record opens nothing.
            scratch.extend(quote);
            return (at, Token::quoted(scratch));
        }
        while at < record.len() {
            let byte = Some(record[at]);
            let after_quote = previous.is_some() && previous == quote;
            if after_quote && (record[at] <= b' ' || self.ends_value(at)) {
                return self.after_closing_quote(at, scratch);
            }
            if byte != quote && byte != escape {
                if after_quote {
                    scratch.extend(quote);
                    return self.until_delimiter(at, scratch);
                }
                if previous.is_some() && previous == escape {
                    scratch.extend(escape);
                }
                at = self.copy_plain(at, scratch);
                previous = record.get(at).copied();
            } else {
                if byte == escape && previous.is_some() && previous == escape_escape {
                    scratch.extend(escape);
                    previous = None;
                } else if previous.is_some() && previous == escape {
                    scratch.extend(if byte == quote { quote } else { escape });
                    previous = if byte == quote { None } else { byte };
                } else if byte == quote && after_quote {
                    scratch.extend(quote);
                    previous = byte;
                } else if after_quote {
                    scratch.extend(quote);
                    return self.until_delimiter(at, scratch);
                } else {
                    previous = byte;
                }
            }
            at += 1;
        }
        (record.len(), Token::quoted(scratch))
    }

    /// Copies up to the next quote or escape; line ends inside quotes become LF.
    fn copy_plain(&self, start: usize, scratch: &mut Vec<u8>) -> usize {
        let Dialect { quote, escape, escape_escape, .. } = *self.dialect;
        let is_special = |b: &u8| [quote, escape, escape_escape].contains(&Some(*b));
        let end = self.record[start..].iter().position(is_special).map_or(self.record.len(), |i| start + i);
        let mut from = start;
        while let Some((at, width)) = (from..end).find_map(|at| Some((at, self.dialect.line_end_at(self.record, at)?)))
        {
            scratch.extend_from_slice(&self.record[from..at]);
            scratch.push(b'\n');
            from = (at + width).min(end);
        }
        scratch.extend_from_slice(&self.record[from..end]);
        end
    }

    /// Behind a closing quote: blanks are dropped if nothing follows them, else all of it was one plain value.
    fn after_closing_quote<'s>(&self, close: usize, scratch: &'s mut Vec<u8>) -> (usize, Token<'s>) {
        if self.ends_value(close) {
            return (close, Token::quoted(scratch));
        }
        let mut at = close;
        while at < self.record.len() && self.record[at] <= b' ' && !self.ends_value(at) {
            at += 1;
        }
        if self.ends_value(at) {
            return (at, Token::quoted(scratch));
        }
        scratch.extend(self.dialect.quote);
        scratch.extend_from_slice(&self.record[close..at]);
        self.until_delimiter(at, scratch)
    }

    /// The quotes turned out to be part of the value: puts the opening one back and goes on to the delimiter.
    fn until_delimiter<'s>(&self, at: usize, scratch: &'s mut Vec<u8>) -> (usize, Token<'s>) {
        // The character at hand belongs to the value, even if a delimiter begins with it.
        let end = self.plain_end((at + 1).min(self.record.len()));
        scratch.splice(0..0, self.dialect.quote);
        scratch.extend_from_slice(&self.record[at..end]);
        if self.dialect.trim_trailing {
            let kept = trim_end(scratch).len();
            scratch.truncate(kept);
        }
        (end, Token::quoted(scratch))
    }

    fn skip_blanks(&mut self) {
        let is_blank = |at: usize| {
            let byte = self.record.get(at).copied();
            byte.is_some_and(|b| b <= b' ') && byte != self.dialect.quote && !self.ends_value(at)
        };
        let mut at = self.at;
        while is_blank(at) {
            at += 1;
        }
        self.at = at;
    }
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|b| *b > b' ').map_or(0, |i| i + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::{super::super::Options, *};

    fn cut(options: &[(&str, &str)], record: &str) -> Vec<String> {
        let dialect = Dialect::new(&Options::from_iter(options.iter().copied())).unwrap();
        let mut scratch = Vec::new();
        let mut fields = Fields::new(&dialect, record.as_bytes());
        let mut found = Vec::new();
        while let Some(token) = fields.next(&mut scratch) {
            found.push(match token {
                Token::Empty => "<null>".into(),
                Token::QuotedEmpty => "<empty>".into(),
                Token::Text(text) => String::from_utf8_lossy(text).into_owned(),
            });
        }
        found
    }

    #[test]
    fn values_are_cut_as_spark_cuts_them() {
        let cases: [(&str, &[&str]); 27] = [
            ("a,b,c", &["a", "b", "c"]),
            ("a,,c", &["a", "<null>", "c"]),
            ("a,", &["a", "<null>"]),
            (",", &["<null>", "<null>"]),
            ("\"a,b\",plain", &["a,b", "plain"]),
            ("\"\",x", &["<empty>", "x"]),
            ("x,\"\"", &["x", "<empty>"]),
            ("\"with \\\"escape\\\"\",x", &["with \"escape\"", "x"]),
            ("\"say \"\"hi\"\"\",NaN", &["\"say \"\"hi\"\"\"", "NaN"]),
            ("\"x\"\"\",y", &["x\"\"", "y"]),
            ("\"a\\\\\",b", &["a\\", "b"]),
            ("\"a\\nb\",c", &["a\\nb", "c"]),
            ("\"a\" ,b", &["a", "b"]),
            ("\"a\" ", &["a"]),
            ("\"a\" x,b", &["\"a\" x", "b"]),
            ("\"a\"x\"y,b", &["\"a\"x\"y", "b"]),
            ("\"open, never closed", &["open, never closed"]),
            ("a,\"", &["a", "\""]),
            ("a\"b\"c,d", &["a\"b\"c", "d"]),
            (" \"a\",b", &[" \"a\"", "b"]),
            ("it's,\"line\"", &["it's", "line"]),
            ("  keep  ,x", &["  keep  ", "x"]),
            ("\"  keep  \",  x ", &["  keep  ", "  x "]),
            ("\"a\\\"\",b", &["a\"", "b"]),
            ("\"a\\\"", &["a\""]),
            ("\"a\\", &["a"]),
            ("日本,\"ü,n\"", &["日本", "ü,n"]),
        ];
        for (record, expected) in cases {
            assert_eq!(cut(&[], record), expected, "{record}");
        }
    }

    #[test]
    fn a_quote_may_escape_itself() {
        let options = [("escape", "\"")];
        assert_eq!(cut(&options, "\"say \"\"hi\"\"\",\"\"\"\",\"\""), ["say \"hi\"", "\"", "<empty>"]);
        assert_eq!(cut(&options, "\"a\\\",b"), ["a\\", "b"]);
        assert_eq!(cut(&options, "\"\"\"a\"\"\""), ["\"a\""]);
    }

    #[test]
    fn blanks_are_trimmed_on_request() {
        let options = [("ignoreLeadingWhiteSpace", "true"), ("ignoreTrailingWhiteSpace", "true")];
        assert_eq!(cut(&options, " a , \"b\" , \" c \",  ,d "), ["a", "b", " c ", "<null>", "d"]);
        let leading = [("ignoreLeadingWhiteSpace", "true")];
        assert_eq!(cut(&leading, " a , b "), ["a ", "b "]);
    }

    #[test]
    fn delimiters_may_be_any_text() {
        assert_eq!(cut(&[("sep", "\\t")], "a\t\tb"), ["a", "<null>", "b"]);
        assert_eq!(cut(&[("delimiter", "||")], "a||\"b||c\"||d|e"), ["a", "b||c", "d|e"]);
        assert_eq!(cut(&[("sep", "¦")], "a¦b"), ["a", "b"]);
        assert_eq!(cut(&[("quote", "'")], "'a,b',\"c\""), ["a,b", "\"c\""]);
        assert_eq!(cut(&[("quote", "")], "\"a,b\""), ["\"a", "b\""]);
    }
}
