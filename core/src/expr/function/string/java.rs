//! Regular expressions as Java writes them, for an engine that never backtracks.
//!
//! The two syntaxes are close; this translates what differs: `\d \w \s` are ASCII in Java, `.` stops at every line
//! ending, `\Q..\E` quotes, every punctuation mark may be escaped, POSIX names stand in `\p{..}`. Look-around, back
//! references and possessive repetition need backtracking and are refused with a word why.

use alloc::{format, string::String, vec::Vec};
use core::{fmt::Write, iter::Peekable, str::Chars};

use regex::Regex;

use crate::{
    error::{Error, Result},
    limits::EXPRESSION_DEPTH_MAX,
};

/// What a pattern is used for, which decides what `$` may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Only whether it matches: `$` may eat the last line ending, as Java's `$` stands before it.
    Test,
    /// Where it matches: `$` is the very end, because what it eats would be seen.
    Find,
}

/// Compiles a Java pattern.
pub(crate) fn compile(pattern: &str, purpose: Use) -> Result<Regex> {
    let mut translation = Translation::new(pattern, purpose);
    translation.whole()?;
    Regex::new(&translation.out).map_err(|_| invalid(pattern, "it cannot be read"))
}

fn invalid(pattern: &str, why: &str) -> Error {
    Error::invalid(format!("the regular expression '{pattern}' is invalid: {why}"))
        .class("INVALID_PARAMETER_VALUE.PATTERN")
}

fn unsupported(pattern: &str, what: &str) -> Error {
    Error::invalid(format!("the regular expression '{pattern}' uses {what}, which this engine does not have"))
        .class("INVALID_PARAMETER_VALUE.PATTERN")
        .hint("patterns here run in linear time, without look-around, back references and possessive repetition")
}

/// What `.` matches: anything but a line ending.
const DOT: &str = r"[^\n\r\x{85}\x{2028}\x{2029}]";
const DIGIT: &str = "0-9";
const WORD: &str = "a-zA-Z_0-9";
const SPACE: &str = r" \t\n\x0B\f\r";
const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";

/// The flags of the group we are in that change the translation.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// `s`: the dot matches everything.
    dot_all: bool,
    /// `m`: `^` and `$` match at lines.
    multiline: bool,
}

struct Translation<'a> {
    pattern: &'a str,
    rest: Peekable<Chars<'a>>,
    purpose: Use,
    flags: Flags,
    /// Flags to return to, one entry an open group.
    groups: Vec<Flags>,
    /// Whether the last thing was a repetition, so that `+` after it would be possessive.
    after_repetition: bool,
    out: String,
}

impl<'a> Translation<'a> {
    fn new(pattern: &'a str, purpose: Use) -> Self {
        Self {
            pattern,
            rest: pattern.chars().peekable(),
            purpose,
            flags: Flags::default(),
            groups: Vec::new(),
            after_repetition: false,
            out: String::with_capacity(pattern.len() + 16),
        }
    }

    fn whole(&mut self) -> Result<()> {
        while let Some(c) = self.rest.next() {
            let repeats = matches!(c, '*' | '+' | '?' | '}');
            match c {
                '+' if self.after_repetition => return Err(unsupported(self.pattern, "possessive repetition")),
                '\\' => self.escape()?,
                '[' => self.class(0)?,
                '(' => self.group()?,
                ')' => {
                    self.flags = self.groups.pop().unwrap_or_default();
                    self.out.push(')');
                }
                '.' => self.out.push_str(if self.flags.dot_all { "(?s:.)" } else { DOT }),
                '$' => self.end(),
                c => self.out.push(c),
            }
            self.after_repetition = repeats;
        }
        Ok(())
    }

    /// `$` and `\Z`: the end, or before the line ending at the end.
    fn end(&mut self) {
        match (self.flags.multiline, self.purpose) {
            (true, _) => self.out.push('$'),
            (false, Use::Test) => {
                let _ = write!(self.out, r"(?:(?:\r\n|[\n\r\x{{85}}\x{{2028}}\x{{2029}}])?\z)");
            }
            (false, Use::Find) => self.out.push_str(r"\z"),
        }
    }

    fn escape(&mut self) -> Result<()> {
        let c = self.rest.next().ok_or_else(|| invalid(self.pattern, "it ends in a backslash"))?;
        match c {
            'Q' => self.quoted(),
            'b' | 'B' | 'A' | 'z' => self.out.extend(['\\', c]),
            'Z' => self.end(),
            'R' => {
                let _ = write!(self.out, r"(?:\r\n|[{VERTICAL}])");
            }
            '1'..='9' | 'k' => return Err(unsupported(self.pattern, "a back reference")),
            'G' => return Err(unsupported(self.pattern, "\\G")),
            c => self.set_or_character(c)?,
        }
        Ok(())
    }

    /// What may follow a backslash inside and outside of a class.
    fn set_or_character(&mut self, c: char) -> Result<()> {
        match c {
            'd' => self.set(DIGIT, false),
            'D' => self.set(DIGIT, true),
            'w' => self.set(WORD, false),
            'W' => self.set(WORD, true),
            's' => self.set(SPACE, false),
            'S' => self.set(SPACE, true),
            'h' => self.set(HORIZONTAL, false),
            'H' => self.set(HORIZONTAL, true),
            'v' => self.set(VERTICAL, false),
            'V' => self.set(VERTICAL, true),
            'p' => self.property(false)?,
            'P' => self.property(true)?,
            't' | 'n' | 'r' | 'f' => self.out.extend(['\\', c]),
            'a' => self.literal('\x07'),
            'e' => self.literal('\x1b'),
            '0' => self.octal()?,
            'x' => self.hexadecimal()?,
            'u' => self.unicode()?,
            'c' => {
                let control = self.rest.next().filter(char::is_ascii).ok_or_else(|| self.bad_escape('c'))?;
                self.literal(char::from(control as u8 ^ 64));
            }
            c if c.is_ascii_alphabetic() => return Err(self.bad_escape(c)),
            c => self.literal(c),
        }
        Ok(())
    }

    fn bad_escape(&self, c: char) -> Error {
        invalid(self.pattern, &format!("\\{c} is not an escape"))
    }

    fn set(&mut self, members: &str, negated: bool) {
        let not = if negated { "^" } else { "" };
        let _ = write!(self.out, "[{not}{members}]");
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if c.is_alphanumeric() && c.is_ascii() {
            self.out.push(c);
        } else {
            let _ = write!(self.out, "\\x{{{:x}}}", c as u32);
        }
    }

    /// `\Q...\E`
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    fn octal(&mut self) -> Result<()> {
        let mut code = 0;
        for _ in 0..3 {
            match self.rest.next_if(|c| c.is_digit(8)) {
                Some(digit) if code * 8 + digit.to_digit(8).unwrap_or(0) <= 0o377 => {
                    code = code * 8 + digit.to_digit(8).unwrap_or(0);
                }
                _ => break,
            }
        }
        self.literal(char::from_u32(code).ok_or_else(|| self.bad_escape('0'))?);
        Ok(())
    }

    fn hexadecimal(&mut self) -> Result<()> {
        if self.rest.next_if_eq(&'{').is_none() {
            let code = self.hex_digits(2)?;
            self.literal(char::from_u32(code).ok_or_else(|| self.bad_escape('x'))?);
            return Ok(());
        }
        let mut code = 0_u32;
        while let Some(c) = self.rest.next_if(|c| *c != '}') {
            code = c
                .to_digit(16)
                .map(|d| code << 4 | d)
                .filter(|_| code >> 24 == 0)
                .ok_or_else(|| self.bad_escape('x'))?;
        }
        self.rest.next();
        self.literal(char::from_u32(code).ok_or_else(|| self.bad_escape('x'))?);
        Ok(())
    }

    /// `\uhhhh`; characters beyond 16 bits are written as two of them.
    fn unicode(&mut self) -> Result<()> {
        let mut code = self.hex_digits(4)?;
        if (0xd800..0xdc00).contains(&code) && self.rest.next_if_eq(&'\\').is_some() {
            self.rest.next_if_eq(&'u').ok_or_else(|| self.bad_escape('u'))?;
            let low = self.hex_digits(4)?;
            code = 0x1_0000 + ((code - 0xd800) << 10) + low.wrapping_sub(0xdc00) % 0x400;
        }
        self.literal(char::from_u32(code).ok_or_else(|| self.bad_escape('u'))?);
        Ok(())
    }

    fn hex_digits(&mut self, count: usize) -> Result<u32> {
        let mut code = 0;
        for _ in 0..count {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.bad_escape('x'))?;
        }
        Ok(code)
    }

    /// `\p{Name}`, `\pL`
    fn property(&mut self, negated: bool) -> Result<()> {
        let mut name = String::new();
        if self.rest.next_if_eq(&'{').is_some() {
            while let Some(c) = self.rest.next_if(|c| *c != '}') {
                name.push(c);
            }
            self.rest.next().ok_or_else(|| self.bad_escape('p'))?;
        } else {
            name.extend(self.rest.next());
        }
        let members = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => DIGIT,
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"!-/:-@\[-`{-\x7E",
            "Graph" => r"!-\x7E",
            "Print" => r" -\x7E",
            "Blank" => r" \t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => SPACE,
            "IsAlphabetic" | "javaAlphabetic" => r"\p{L}\p{Nl}",
            "IsDigit" | "javaDigit" => r"\p{Nd}",
            "IsLetter" | "javaLetter" => r"\p{L}",
            "IsUppercase" | "javaUpperCase" => r"\p{Lu}",
            "IsLowercase" | "javaLowerCase" => r"\p{Ll}",
            "IsPunctuation" => r"\p{P}",
            "IsWhite_Space" | "javaWhitespace" => r"\p{Z}\t-\r",
            category => {
                let category = category.strip_prefix("Is").unwrap_or(category);
                let _ = write!(self.out, "\\{}{{{category}}}", if negated { 'P' } else { 'p' });
                return Ok(());
            }
        };
        self.set(members, negated);
        Ok(())
    }

    /// `[...]`, after the bracket.
    fn class(&mut self, depth: usize) -> Result<()> {
        if depth > EXPRESSION_DEPTH_MAX {
            return Err(invalid(self.pattern, "its classes are nested too deep"));
        }
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.rest.next_if_eq(&']').is_some() {
            self.literal(']');
        }
        while let Some(c) = self.rest.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => self.class(depth + 1)?,
                '\\' => {
                    let c = self.rest.next().ok_or_else(|| invalid(self.pattern, "it ends in a backslash"))?;
                    if c == 'Q' { self.quoted() } else { self.set_or_character(c)? }
                }
                '-' if self.rest.peek() == Some(&'-') => self.literal('-'),
                // Java has no [:alpha:]: these are five characters.
                '~' | ':' => self.literal(c),
                c => self.out.push(c),
            }
        }
        Err(invalid(self.pattern, "a [ is not closed"))
    }

    /// `(...`, after the parenthesis.
    fn group(&mut self) -> Result<()> {
        self.groups.push(self.flags);
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => self.out.push_str("?:"),
            Some('=' | '!') => return Err(unsupported(self.pattern, "look-ahead")),
            Some('>') => return Err(unsupported(self.pattern, "an atomic group")),
            Some('<') => match self.rest.peek() {
                Some('=' | '!') => return Err(unsupported(self.pattern, "look-behind")),
                _ => self.out.push_str("?P<"),
            },
            Some(c) => self.flags(c)?,
            None => return Err(invalid(self.pattern, "a ( is not closed")),
        }
        Ok(())
    }

    /// `(?is-m)` for the rest of the group around it, `(?is-m:...)` for its own.
    fn flags(&mut self, first: char) -> Result<()> {
        let (mut on, mut names) = (true, String::new());
        let mut next = Some(first);
        while let Some(c) = next {
            match c {
                '-' => on = false,
                's' => self.flags.dot_all = on,
                'm' => self.flags.multiline = on,
                // d, u and U widen or narrow what case and classes mean; here they are as wide as they get.
                'i' | 'x' | 'd' | 'u' | 'U' => {}
                ':' => {
                    let _ = write!(self.out, "?{names}:");
                    return Ok(());
                }
                ')' => {
                    // The flags outlive their parentheses: they belong to the group around.
                    self.groups.pop();
                    let set = names.chars().any(|c| c != '-');
                    self.out.push_str(if set { "?" } else { "?:" });
                    self.out.push_str(if set { &names } else { "" });
                    self.out.push(')');
                    return Ok(());
                }
                c => return Err(invalid(self.pattern, &format!("there is no flag {c}"))),
            }
            if matches!(c, 's' | 'm' | 'i' | 'x') {
                if !on && !names.contains('-') {
                    names.push('-');
                }
                names.push(c);
            }
            next = self.rest.next();
        }
        Err(invalid(self.pattern, "a ( is not closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_has_and_we_have_not_is_refused() {
        for pattern in ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?>a)", "(a)\\1", "a++", "a*+", "(?<n>a)\\k<n>"] {
            let error = compile(pattern, Use::Test).expect_err(pattern);
            assert!(error.hint_text().is_some(), "{pattern}: {error}");
        }
        let deep = "[".repeat(100_000);
        for pattern in ["(", "[a", "a\\", "\\y", "*a", &deep] {
            assert!(compile(pattern, Use::Test).is_err(), "{pattern}");
        }
    }

    #[test]
    fn classes_and_escapes_mean_what_they_mean_in_java() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "٣", false),
            (r"^[\w.-]+$", "a.b-c_1", true),
            (r"^[^\W\d]+$", "ab", true),
            (r"^[\[\]]+$", "[]", true),
            (r"a{2,3}", "aa", true),
            (r"^\x41\u00e9\t$", "Aé\t", true),
            (r"^\uD83D\uDE00$", "😀", true),
            (r"^(?i)AB(?-i)c$", "abc", true),
            (r"^(?i:AB)C$", "abc", false),
            (r"(?m)^b$", "a\nb\nc", true),
            (r"a.c", "a\u{2028}c", false),
            (r"\Q.*\E", "a.*", true),
            (r"^\p{Punct}+$", "!~[", true),
            (r"[a--c]", "-", true),
            (r"^\cA$", "\u{1}", true),
            (r"^\0101$", "A", true),
        ];
        for (pattern, text, matches) in cases {
            let regex = compile(pattern, Use::Test).expect(pattern);
            assert_eq!(regex.is_match(text), matches, "{pattern} on {text}: {regex}");
        }
    }
}
