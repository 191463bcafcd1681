//! Characters to tokens, as Spark's lexer cuts them. Every token carries the place of its first and last character; the
//! last token is always `EOF`.

use alloc::{format, string::String, vec::Vec};

use super::{
    source::{Char, Source, is_word},
    token::{OPERATORS, Placed, Token, Word},
};
use crate::error::{Error, Result, Span};

/// The tokens of a statement.
pub(super) fn tokens(source: &Source) -> Result<Vec<Placed>> {
    let mut lexer = Lexer { chars: &source.chars, at: 0, tokens: Vec::new() };
    while lexer.peek(0).is_some() {
        lexer.step()?;
    }
    let end = Span { end_line: source.end.line, end_column: source.end.column, ..source.end };
    lexer.tokens.push(Placed { token: Token::EOF, span: end });
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    chars: &'a [Char],
    at: usize,
    tokens: Vec<Placed>,
}

impl Lexer<'_> {
    fn step(&mut self) -> Result<()> {
        let start = self.at;
        let token = match self.chars[start].c {
            c if c.is_whitespace() => {
                self.at += 1;
                return Ok(());
            }
            quote @ ('\'' | '"') => self.string(quote),
            'r' | 'R' if matches!(self.peek(1), Some('\'' | '"')) => self.raw_string(),
            '`' => self.quoted_name(),
            '0'..='9' => self.number(),
            '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) && !self.after_operand() => self.number(),
            c if is_word(c) => self.word(),
            c => self.operator().ok_or_else(|| strange(c).at(Some(self.span(start, start))))?,
        };
        let place = self.span(start, self.at - 1);
        self.tokens.push(Placed { token, span: place });
        Ok(())
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        self.skip_while(is_word);
        Token::word(self.text(start))
    }

    /// `` `any``thing` ``: the source has made sure that it is closed.
    fn quoted_name(&mut self) -> Token {
        let mut name = String::new();
        self.at += 1;
        while let Some(Char { c, verbatim, .. }) = self.chars.get(self.at).copied() {
            self.at += 1;
            if c == '`' && !verbatim {
                if self.peek(0) != Some('`') {
                    break;
                }
                self.at += 1;
            }
            name.push(c);
        }
        Token::Word(Word { value: name, quoted: true })
    }

    fn raw_string(&mut self) -> Token {
        let quote = self.chars[self.at + 1].c;
        self.at += 2;
        let start = self.at;
        while self.chars.get(self.at).is_some_and(|c| c.c != quote || c.verbatim) {
            self.at += 1;
        }
        let text = self.text(start);
        self.at += 1;
        string_token(quote, text)
    }

    fn string(&mut self, quote: char) -> Token {
        let mut units: Vec<u16> = Vec::new();
        self.at += 1;
        while let Some(Char { c, verbatim, .. }) = self.chars.get(self.at).copied() {
            self.at += 1;
            if verbatim || (c != quote && c != '\\') {
                push(&mut units, c);
            } else if c == '\\' {
                self.escape(&mut units);
            } else if self.chars.get(self.at).is_some_and(|next| next.c == quote && !next.verbatim) {
                self.at += 1;
                push(&mut units, quote);
            } else {
                break;
            }
        }
        string_token(quote, String::from_utf16_lossy(&units))
    }

    /// What a backslash and what follows it stand for. `\u` and four digits are a UTF-16 unit, so that two of them
    /// may make one character, as in Java.
    fn escape(&mut self, units: &mut Vec<u16>) {
        if let Some(unit) = self.hex('u', 4) {
            return units.push(unit as u16);
        }
        if let Some(c) = self.hex('U', 8) {
            return push(units, char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if let Some(c) = self.octal() {
            return push(units, c);
        }
        let Some(c) = self.peek(0) else { return };
        self.at += 1;
        match c {
            '0' => push(units, '\0'),
            'b' => push(units, '\u{8}'),
            'n' => push(units, '\n'),
            'r' => push(units, '\r'),
            't' => push(units, '\t'),
            'Z' => push(units, '\u{1a}'),
            // LIKE patterns need these two as they are.
            '%' | '_' => {
                push(units, '\\');
                push(units, c);
            }
            other => push(units, other),
        }
    }

    fn hex(&mut self, letter: char, digits: usize) -> Option<u32> {
        if self.peek(0) != Some(letter) {
            return None;
        }
        let value = (1..=digits).try_fold(0_u32, |value, i| {
            let digit = self.peek(i)?.to_digit(16)?;
            value.checked_mul(16)?.checked_add(digit)
        })?;
        self.at += digits + 1;
        Some(value)
    }

    /// `\101`: three octal digits, the first 0 or 1.
    fn octal(&mut self) -> Option<char> {
        let digit = |i: usize| self.peek(i).and_then(|c| c.to_digit(8));
        let (high, middle, low) = (digit(0).filter(|&d| d < 2)?, digit(1)?, digit(2)?);
        self.at += 3;
        char::from_u32(high * 64 + middle * 8 + low)
    }

    /// `12`, `12L`, `1.5`, `.5`, `1.`, `1e3`, `1.5BD`; but `12abc` is a name.
    fn number(&mut self) -> Token {
        let start = self.at;
        self.digits();
        let dotted = self.peek(0) == Some('.') && self.fraction_follows();
        if dotted {
            self.at += 1;
            self.digits();
        }
        self.exponent();
        let digits_end = self.at;
        self.skip_while(is_word);
        let suffix = Suffix::parse(&self.text(digits_end));
        match (suffix, dotted) {
            (Some(_), _) => Token::Number(self.text(start)),
            (None, false) => Token::word(self.text(start)),
            (None, true) => {
                self.at = digits_end;
                Token::Number(self.text(start))
            }
        }
    }

    /// Whether the dot here belongs to the number: not in `1.a`, which no number continues.
    fn fraction_follows(&self) -> bool {
        let next = self.peek(1);
        let letter = next.is_some_and(|c| is_word(c) && !c.is_ascii_digit());
        !letter || {
            let rest: String = self.chars[self.at + 1..].iter().map(|c| c.c).take_while(|&c| is_word(c)).collect();
            let digits = rest.trim_start_matches(['e', 'E']).trim_start_matches(|c: char| c.is_ascii_digit());
            Suffix::parse(digits).is_some()
        }
    }

    fn exponent(&mut self) {
        let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
        let e = matches!(self.peek(0), Some('e' | 'E'));
        if e && self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1 + sign;
            self.digits();
        }
    }

    fn operator(&mut self) -> Option<Token> {
        let (text, token) = OPERATORS.iter().find(|(text, _)| self.starts_with(text))?;
        self.at += text.len();
        Some(token.clone())
    }

    /// Whether the last token ends an operand right here, so that a dot after it reaches into it.
    fn after_operand(&self) -> bool {
        let adjacent = self.at.checked_sub(1).is_some_and(|i| {
            let c = self.chars[i].c;
            is_word(c) || matches!(c, ')' | ']' | '`')
        });
        adjacent && !matches!(self.tokens.last().map(|t| &t.token), Some(Token::Number(..)))
    }

    fn digits(&mut self) {
        self.skip_while(|c| c.is_ascii_digit());
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.at += 1;
        }
    }

    fn starts_with(&self, wanted: &str) -> bool {
        wanted.chars().enumerate().all(|(i, c)| self.peek(i) == Some(c))
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).map(|c| c.c)
    }

    fn text(&self, start: usize) -> String {
        self.chars[start..self.at].iter().map(|c| c.c).collect()
    }

    fn span(&self, first: usize, last: usize) -> Span {
        let (first, last) = (self.chars[first], self.chars[last.min(self.chars.len() - 1)]);
        Span { line: first.line, column: first.column, end_line: last.line, end_column: last.end_column }
    }
}

/// What a number's last letters say about its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    None,
    TinyInt,
    SmallInt,
    BigInt,
    Float,
    Double,
    Decimal,
}

impl Suffix {
    /// `None` if no number ends so.
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" => Self::None,
            "y" | "Y" => Self::TinyInt,
            "s" | "S" => Self::SmallInt,
            "l" | "L" => Self::BigInt,
            "f" | "F" => Self::Float,
            "d" | "D" => Self::Double,
            _ if text.eq_ignore_ascii_case("bd") => Self::Decimal,
            _ => return None,
        })
    }

    /// The suffix of a whole number, and what stands before it.
    pub(super) fn cut(number: &str) -> (&str, Self) {
        let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        (digits, Self::parse(&number[digits.len()..]).unwrap_or(Self::None))
    }
}

fn push(units: &mut Vec<u16>, c: char) {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
}

fn string_token(quote: char, text: String) -> Token {
    if quote == '"' { Token::DoubleQuotedString(text) } else { Token::SingleQuotedString(text) }
}

fn strange(c: char) -> Error {
    let shown = if c.is_control() { format!("U+{:04X}", u32::from(c)) } else { c.into() };
    let error = Error::invalid(format!("unexpected character {shown}")).class("PARSE_SYNTAX_ERROR");
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => error.hint("write straight quotes: 'text'"),
        '$' => error.hint("a variable is written ${NAME}"),
        _ => error.hint("put text into quotes 'text', and unusual names into backticks `name`"),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    fn lex(text: &str) -> Result<Vec<Placed>> {
        tokens(&super::super::source::split(text, &|_| None)?.remove(0))
    }

    fn words(text: &str) -> Vec<String> {
        let mut all: Vec<String> = lex(text).unwrap().iter().map(|t| t.token.to_string()).collect();
        assert_eq!(all.pop().unwrap(), "EOF");
        all
    }

    fn string(text: &str) -> String {
        match lex(text).unwrap().remove(0).token {
            Token::SingleQuotedString(s) | Token::DoubleQuotedString(s) => s,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn strings_are_unescaped_as_spark_does() {
        let cases = [
            (r"'it''s'", "it's"),
            (r#""say ""hi""""#, "say \"hi\""),
            (r"'tab\there\n'", "tab\there\n"),
            (r"'caf\u00e9 \U0001F600 \uD83D\uDE00'", "café 😀 😀"),
            (r"'\101\0\Z\q\''", "A\0\u{1a}q'"),
            (r"'50\\%\%\_'", "50\\%\\%\\_"),
            (r"r'raw\t'", "raw\\t"),
            (r#"R"a'b""#, "a'b"),
            (r"'\u12'", "u12"),
            (r"'\uD83D'", "\u{fffd}"),
            (r"'\u00e9x\u00e9'", "éxé"),
        ];
        for (text, value) in cases {
            assert_eq!(string(text), value, "{text}");
        }
    }

    #[test]
    fn numbers_names_and_operators_are_cut_apart() {
        let cases: [(&str, &[&str]); 9] = [
            (
                "3L 4s 5Y 2.5D 1.5F 1.5BD 1e3 1.5e-3 .5 1.",
                &["3L", "4s", "5Y", "2.5D", "1.5F", "1.5BD", "1e3", "1.5e-3", ".5", "1."],
            ),
            ("1st 2nd_x 1e", &["1st", "2nd_x", "1e"]),
            ("a.b.1 t._1 a[0].x", &["a", ".", "b", ".", "1", "t", ".", "_1", "a", "[", "0", "]", ".", "x"]),
            ("a<=>b<=c<>d!=e==f", &["a", "<=>", "b", "<=", "c", "<>", "d", "<>", "e", "==", "f"]),
            ("x::int||y>>>2", &["x", "::", "int", "||", "y", ">>>", "2"]),
            ("`a b` `c``d`", &["`a b`", "`c`d`"]),
            ("größe >-1", &["größe", ">", "-", "1"]),
            ("1.5x", &["1.5", "x"]),
            ("10.f 1.d", &["10.f", "1.d"]),
        ];
        for (text, tokens) in cases {
            assert_eq!(words(text), tokens, "{text}");
        }
    }

    #[test]
    fn places_are_first_and_last_characters() {
        let tokens = lex("ab\n  'é' <= x").unwrap();
        let places: Vec<[u32; 4]> =
            tokens.iter().map(|t| [t.span.line, t.span.column, t.span.end_line, t.span.end_column]).collect();
        assert_eq!(places, vec![[1, 1, 1, 2], [2, 3, 2, 5], [2, 7, 2, 8], [2, 10, 2, 10], [2, 11, 2, 11]]);
    }

    #[test]
    fn what_a_variable_stands_for_is_not_escaped_in_quotes() {
        let values = |_: &str| Some(String::from(r"C:\new 'x'"));
        let source = super::super::source::split("'${P}!' `${P}`", &values).unwrap().remove(0);
        let texts: Vec<String> = tokens(&source).unwrap().iter().map(|t| t.token.to_string()).collect();
        assert_eq!(texts, [r"'C:\new 'x'!'", r"`C:\new 'x'`", "EOF"]);
    }

    #[test]
    fn characters_of_no_token_are_refused_with_a_hint() {
        for (text, hint) in [("a \u{201c}b\u{201d}", "straight"), ("$1", "${NAME}"), ("a € b", "quotes")] {
            let error = lex(text).unwrap_err();
            assert!(error.hint_text().unwrap().contains(hint), "{text}: {:?}", error.hint_text());
            assert!(error.span().is_some());
        }
    }
}
