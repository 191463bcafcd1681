//! Counting records that could not be read, by reason, and remembering the first for the message.

use std::fmt;

/// Why a record is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not a record of the format at all: JSON that does not parse.
    Syntax,
    /// A value does not have the type of its column.
    Type,
    /// More or fewer values than there are columns.
    Width,
    /// Longer than [`firesteel_core::limits::LINE_BYTES_MAX`].
    Length,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Syntax, Self::Type, Self::Width, Self::Length];

    fn words(self) -> &'static str {
        match self {
            Self::Syntax => "not a record",
            Self::Type => "value of another type",
            Self::Width => "wrong number of values",
            Self::Length => "line too long",
        }
    }
}

/// How many records were malformed, by reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Malformed {
    counts: [u64; Reason::ALL.len()],
    first: Option<String>,
}

impl Malformed {
    /// All malformed records.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Those malformed for one reason.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// Where the first one was, and what was wrong with it.
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Counts one; `place` is only asked for the first.
    pub(super) fn add(&mut self, reason: Reason, place: impl FnOnce() -> String) {
        self.counts[reason as usize] += 1;
        self.first.get_or_insert_with(place);
    }
}

/// `3 malformed records (2 value of another type, 1 not a record), first in a.json, line 4, column 7: ...`
impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.total() == 1 { "" } else { "s" };
        write!(f, "{} malformed record{plural}", self.total())?;
        let counted = Reason::ALL.into_iter().filter(|reason| self.count(*reason) > 0);
        for (i, reason) in counted.enumerate() {
            write!(f, "{}{} {}", if i == 0 { " (" } else { ", " }, self.count(reason), reason.words())?;
        }
        if let Some(first) = &self.first {
            write!(f, "), first in {first}")?;
        }
        Ok(())
    }
}
