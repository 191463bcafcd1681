//! Dates, timestamps and intervals, in the session's time zone where Spark uses it.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
