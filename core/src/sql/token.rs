//! What the lexer makes of characters and the grammar reads: tokens, each with its place.

use alloc::string::String;
use core::fmt;

use crate::error::Span;

/// A token and the place of its first and last character.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) span: Span,
}

/// The smallest thing that means something.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::upper_case_acronyms, reason = "the end of a statement is EOF everywhere")]
pub(super) enum Token {
    /// Nothing more: every list of tokens ends with it.
    EOF,
    Word(Word),
    /// As written, with its suffix.
    Number(String),
    /// What its quotes and escapes stand for.
    SingleQuotedString(String),
    DoubleQuotedString(String),
    Spaceship,
    LtEq,
    Neq,
    ShiftLeft,
    Lt,
    GtEq,
    ShiftRightUnsigned,
    ShiftRight,
    Gt,
    ExclamationMark,
    DoubleEq,
    RArrow,
    Eq,
    Arrow,
    Minus,
    StringConcat,
    VerticalBarRightAngleBracket,
    Pipe,
    Overlap,
    Ampersand,
    DoubleColon,
    Colon,
    Plus,
    Mul,
    Div,
    Mod,
    Caret,
    Tilde,
    LParen,
    RParen,
    LBracket,
    RBracket,
    LBrace,
    RBrace,
    Comma,
    SemiColon,
    Period,
    Question,
    AtSign,
    Sharp,
    Backslash,
}

/// A name, or a word that means something where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) value: String,
    /// In backticks, and so nothing but a name.
    pub(super) quoted: bool,
}

/// How operators are written. The longest first, so that the first that fits is the right one.
pub(super) const OPERATORS: &[(&str, Token)] = &[
    ("<=>", Token::Spaceship),
    ("<=", Token::LtEq),
    ("<>", Token::Neq),
    ("<<", Token::ShiftLeft),
    ("<", Token::Lt),
    (">=", Token::GtEq),
    (">>>", Token::ShiftRightUnsigned),
    (">>", Token::ShiftRight),
    (">", Token::Gt),
    ("!=", Token::Neq),
    ("!>", Token::LtEq),
    ("!<", Token::GtEq),
    ("!", Token::ExclamationMark),
    ("==", Token::DoubleEq),
    ("=>", Token::RArrow),
    ("=", Token::Eq),
    ("->", Token::Arrow),
    ("-", Token::Minus),
    ("||", Token::StringConcat),
    ("|>", Token::VerticalBarRightAngleBracket),
    ("|", Token::Pipe),
    ("&&", Token::Overlap),
    ("&", Token::Ampersand),
    ("::", Token::DoubleColon),
    (":", Token::Colon),
    ("+", Token::Plus),
    ("*", Token::Mul),
    ("/", Token::Div),
    ("%", Token::Mod),
    ("^", Token::Caret),
    ("~", Token::Tilde),
    ("(", Token::LParen),
    (")", Token::RParen),
    ("[", Token::LBracket),
    ("]", Token::RBracket),
    ("{", Token::LBrace),
    ("}", Token::RBrace),
    (",", Token::Comma),
    (";", Token::SemiColon),
    (".", Token::Period),
    ("?", Token::Question),
    ("@", Token::AtSign),
    ("#", Token::Sharp),
    ("\\", Token::Backslash),
];

impl Token {
    pub(super) fn word(value: String) -> Self {
        Self::Word(Word { value, quoted: false })
    }

    pub(super) fn is_string(&self) -> bool {
        matches!(self, Self::SingleQuotedString(_) | Self::DoubleQuotedString(_))
    }
}

/// As it was written, but for what escapes stood for.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EOF => f.write_str("EOF"),
            Self::Word(Word { value, quoted: false }) | Self::Number(value) => f.write_str(value),
            Self::Word(Word { value, quoted: true }) => write!(f, "`{value}`"),
            Self::SingleQuotedString(text) => write!(f, "'{text}'"),
            Self::DoubleQuotedString(text) => write!(f, "\"{text}\""),
            operator => f.write_str(OPERATORS.iter().find(|(_, token)| token == operator).map_or("", |(text, _)| text)),
        }
    }
}

/// From the first character of one to the last of the other.
pub(super) fn join(first: Span, last: Span) -> Span {
    Span { end_line: last.end_line, end_column: last.end_column, ..first }
}
