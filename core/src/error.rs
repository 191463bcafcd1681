//! The one error of the engine: what went wrong, where in the job text, and what to try.
//!
//! Errors are small, cloneable and made of words for the user. Callers ask questions (`is_invalid_job`)
//! instead of matching variants, so that new kinds do not break them. Errors that Spark names carry Spark's
//! error class, because its users search for it.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
};
use core::fmt;

/// Result with the engine's [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Spark's class for statements that are too complex.
const TOO_COMPLEX: &str = "FAILED_TO_PARSE_TOO_COMPLEX";

/// A place in the job text: 1-based line and column of the first and last character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Line of the first character, from 1.
    pub line: u32,
    /// Column of the first character, from 1.
    pub column: u32,
    /// Line of the last character.
    pub end_line: u32,
    /// Column of the last character.
    pub end_column: u32,
}

/// What went wrong. One machine word to move around.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    kind: Kind,
    class: Option<&'static str>,
    message: String,
    span: Option<Span>,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    InvalidJob,
    Data,
    Io,
    Scarce,
    Corrupt,
    Limit,
    Stopped,
    Internal,
}

impl Error {
    /// The job text or the call is wrong: found before any row is read.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidJob, message)
    }

    /// The job asks for what Spark rejects too (class as in Spark) or what we do not have.
    pub fn unsupported(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidJob, message).class(class)
    }

    /// A row made the query fail, with Spark's error class, e.g. `DIVIDE_BY_ZERO`.
    pub fn data(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message).class(class)
    }

    /// The world outside failed: a file, a mapping, a pipe.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(Kind::Io, message)
    }

    /// The operating system has too little of something: handles, threads, memory. What was to be done may be right.
    pub fn scarce(message: impl Into<String>) -> Self {
        Self::new(Kind::Scarce, message)
    }

    /// Bytes that somebody else wrote are not what they claim to be.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }

    /// A bound of `limits.rs`, of a table or of `--memory` was reached.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }

    /// Whoever takes the results has gone (a closed pipe): the query ends quietly.
    pub fn stopped() -> Self {
        Self::new(Kind::Stopped, "the reader of the results is gone")
    }

    /// The job text asks for more than a bound of `limits.rs` allows, which shows before any row is read.
    pub fn too_complex(message: impl Into<String>) -> Self {
        Self::limit(message).class(TOO_COMPLEX)
    }

    /// Our own mistake, reported instead of a panic where a query can end alone.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Adds Spark's error class.
    pub fn class(mut self, class: &'static str) -> Self {
        self.0.class = Some(class);
        self
    }

    /// Adds the place in the job text, unless a more precise one is known.
    pub fn at(mut self, span: Option<Span>) -> Self {
        if self.0.span.is_none() {
            self.0.span = span;
        }
        self
    }

    /// Adds what to try, unless a more precise hint is there.
    #[cold]
    #[inline(never)]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.0.hint.is_none() {
            self.0.hint = Some(hint.into());
        }
        self
    }

    /// Puts what was being done before the message: `reading /data/a.csv: ...`.
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// The job text is wrong (exit status 2), as opposed to a job that failed (exit status 1).
    pub fn is_invalid_job(&self) -> bool {
        self.0.kind == Kind::InvalidJob || self.0.class == Some(TOO_COMPLEX)
    }

    /// A row, not the environment, is at fault.
    pub fn is_data(&self) -> bool {
        self.0.kind == Kind::Data
    }

    /// The operating system or a peer is at fault.
    pub fn is_io(&self) -> bool {
        matches!(self.0.kind, Kind::Io | Kind::Scarce)
    }

    /// And that is because the system has too little of something.
    pub fn is_scarce(&self) -> bool {
        self.0.kind == Kind::Scarce
    }

    /// Bytes read from outside were malformed.
    pub fn is_corrupt(&self) -> bool {
        self.0.kind == Kind::Corrupt
    }

    /// A bound was reached.
    pub fn is_limit(&self) -> bool {
        self.0.kind == Kind::Limit
    }

    /// Nothing is wrong; nobody wants more results.
    pub fn is_stopped(&self) -> bool {
        self.0.kind == Kind::Stopped
    }

    /// Spark's error class, if Spark has one for this.
    pub fn error_class(&self) -> Option<&'static str> {
        self.0.class
    }

    /// The error and what to try in one line, for a log.
    pub fn with_hint(&self) -> String {
        match self.hint_text() {
            Some(hint) => format!("{self} ({hint})"),
            None => self.to_string(),
        }
    }

    /// The message without class, place and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the job text.
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }

    /// What to try.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Cold, as errors are: out of line, and what leads to it out of the way.
    #[cold]
    #[inline(never)]
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, class: None, message: message.into(), span: None, hint: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = self.0.class {
            write!(f, "[{class}] ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Error {}
