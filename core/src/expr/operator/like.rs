//! LIKE, ILIKE and RLIKE. A pattern that is a literal is compiled when it is bound, any other when it changes.

use alloc::{borrow::Cow, format, string::String, vec, vec::Vec};

use regex::Regex;

use super::{Site, arithmetic::finish, symbol};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::{Error, Result},
    expr::{BinaryOp, BoundExpr, EvalContext, ScalarFunction, function::java, kernel},
    schema::DataType,
};

/// `left op right` over strings, with a backslash to escape.
pub(super) fn bind(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    escaped(left, op, right, '\\', site)
}

/// `left op right ESCAPE escape`
pub(crate) fn escaped(
    left: BoundExpr,
    op: BinaryOp,
    right: BoundExpr,
    escape: char,
    site: Site<'_>,
) -> Result<BoundExpr> {
    let left = site.implicit(symbol(op), left, &DataType::String)?;
    let right = site.implicit(symbol(op), right, &DataType::String)?;
    let literal = right.as_literal().and_then(|value| value.as_str());
    let matcher = literal.map(|pattern| Matcher::new(op, pattern, escape)).transpose().map_err(|e| e.at(site.span))?;
    let nullable = left.nullable || right.nullable;
    Ok(finish(Pattern { op, escape, matcher }, left, right, DataType::Boolean, nullable, site))
}

/// A pattern match; `matcher` is there if the pattern is a literal.
#[derive(Clone, Debug)]
struct Pattern {
    op: BinaryOp,
    escape: char,
    matcher: Option<Matcher>,
}

impl ScalarFunction for Pattern {
    fn name(&self) -> &'static str {
        symbol(self.op)
    }

    fn parameters(&self) -> String {
        self.escape.into()
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (text, pattern) = (&args[0], &args[1]);
        if let Some(matcher) = &self.matcher {
            kernel::predicate(&[text, pattern], rows, out, |row| matcher.matches(text.str_at(row)));
            return Ok(());
        }
        if kernel::all_null(&[text, pattern], rows, out) {
            return Ok(());
        }
        let bits = out.bools_mut(rows.len());
        let mut last: Option<(&str, Matcher)> = None;
        rows.try_for_each(|row| {
            if !text.is_valid(row) || !pattern.is_valid(row) {
                return Ok(());
            }
            let wanted = pattern.str_at(row);
            if last.as_ref().is_none_or(|(compiled, _)| *compiled != wanted) {
                last = Some((wanted, Matcher::new(self.op, wanted, self.escape)?));
            }
            let matches = last.as_ref().is_some_and(|(_, matcher)| matcher.matches(text.str_at(row)));
            bits.set(row, matches);
            Ok(())
        })?;
        kernel::nulls_of(&[text, pattern], out);
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Matcher {
    Like(Vec<Token>),
    /// Both sides in lower case.
    ILike(Vec<Token>),
    Starts(String),
    Ends(String),
    Contains(String),
    Equals(String),
    Regex(Regex),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `%`
    Any,
    /// `_`
    One,
    Char(char),
}

impl Matcher {
    fn new(op: BinaryOp, pattern: &str, escape: char) -> Result<Self> {
        match op {
            BinaryOp::RLike => java::compile(pattern, java::Use::Test).map(Self::Regex),
            BinaryOp::ILike => tokens(&pattern.to_lowercase(), escape).map(Self::ILike),
            _ => tokens(pattern, escape).map(Self::of_tokens),
        }
    }

    /// The usual shapes need no backtracking.
    fn of_tokens(tokens: Vec<Token>) -> Self {
        let literal = |tokens: &[Token]| -> Option<String> {
            tokens.iter().map(|t| if let Token::Char(c) = t { Some(*c) } else { None }).collect()
        };
        let shape = match &tokens[..] {
            [Token::Any, inner @ .., Token::Any] => literal(inner).map(Self::Contains),
            [Token::Any, rest @ ..] => literal(rest).map(Self::Ends),
            [rest @ .., Token::Any] => literal(rest).map(Self::Starts),
            all => literal(all).map(Self::Equals),
        };
        shape.unwrap_or(Self::Like(tokens))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Like(tokens) => like(text, tokens),
            Self::ILike(tokens) => like(&lower(text), tokens),
            Self::Starts(start) => text.starts_with(start.as_str()),
            Self::Ends(end) => text.ends_with(end.as_str()),
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Equals(whole) => text == whole,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
        true => text.to_lowercase().into(),
        false => text.into(),
    }
}

/// `escape` takes the special meaning from `%`, `_` and itself, and may stand before nothing else.
fn tokens(pattern: &str, escape: char) -> Result<Vec<Token>> {
    let mut tokens = vec![];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let token = match c {
            c if c == escape => match chars.next() {
                Some(c) if c == escape || c == '%' || c == '_' => Token::Char(c),
                Some(c) => return Err(wrong(pattern, false, &format!("before '{c}'"))),
                None => return Err(wrong(pattern, true, "at the end")),
            },
            '%' if tokens.last() == Some(&Token::Any) => continue,
            '%' => Token::Any,
            '_' => Token::One,
            c => Token::Char(c),
        };
        tokens.push(token);
    }
    Ok(tokens)
}

fn wrong(pattern: &str, is_end: bool, place: &str) -> Error {
    let class = if is_end { "INVALID_FORMAT.ESC_AT_THE_END" } else { "INVALID_FORMAT.ESC_IN_THE_MIDDLE" };
    Error::data(class, format!("the pattern '{pattern}' is invalid: the escape character must not stand {place}"))
}

/// Greedy, with one place to go back to: the last `%`, which takes one more character each time.
fn like(text: &str, tokens: &[Token]) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut retry: Option<(usize, core::str::Chars<'_>)> = None;
    loop {
        match tokens.get(at) {
            Some(Token::Any) => {
                at += 1;
                retry = Some((at, rest.clone()));
                continue;
            }
            None if rest.as_str().is_empty() => return true,
            Some(token) => {
                let mut ahead = rest.clone();
                let next = ahead.next();
                if next.is_some_and(|c| *token == Token::One || *token == Token::Char(c)) {
                    rest = ahead;
                    at += 1;
                    continue;
                }
                if next.is_none() {
                    return false;
                }
            }
            None => {}
        }
        let Some((after, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *after;
        rest = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_like(text: &str, pattern: &str) -> bool {
        Matcher::new(BinaryOp::Like, pattern, '\\').expect("a valid pattern").matches(text)
    }

    #[test]
    fn like_is_spark_s() {
        let cases = [
            ("abc", "a%", true),
            ("", "%", true),
            ("", "_", false),
            ("xbx", "_b_", true),
            ("50%off", "%50\\%%", true),
            ("500off", "%50\\%%", false),
            ("a\nb", "a%b", true),
            ("a\nb", "a_b", true),
            ("é", "_", true),
            ("😀", "_", true),
            ("abc ", "abc", false),
            ("mississippi", "m%iss%ip%", true),
            ("mississippi", "m%iss%ip", false),
            ("mississippi", "%i_p_", true),
            ("aab", "%ab", true),
            ("aaab", "a%%_b", true),
            ("ab", "a%%_b", false),
            ("a\\b", "a\\\\b", true),
        ];
        for (text, pattern, expected) in cases {
            assert_eq!(is_like(text, pattern), expected, "{text:?} LIKE {pattern:?}");
            let general = like(text, &tokens(pattern, '\\').expect("a valid pattern"));
            assert_eq!(general, expected, "{text:?} LIKE {pattern:?} by backtracking");
        }
        assert!(tokens("a\\", '\\').is_err() && tokens("\\a", '\\').is_err());
        assert!(like("a/_\\", &tokens("a///_\\", '/').expect("a valid pattern")));
    }

    #[test]
    fn ilike_ignores_case_and_rlike_searches() {
        assert!(Matcher::new(BinaryOp::ILike, "ÀBC%", '\\').expect("valid").matches("àbcd"));
        let regex = |pattern| java::compile(pattern, java::Use::Test);
        let matches = |text, pattern| regex(pattern).expect("valid").is_match(text);
        assert!(matches("b12", "^[a-c]+[0-9]*$") && !matches("a\nb", "^[a-c]+[0-9]*$"));
        assert!(matches("xyz", "y") && matches("x7", "\\p{Digit}"));
        assert!(regex("(?=a)").is_err());
    }
}
