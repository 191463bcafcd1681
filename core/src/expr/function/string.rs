//! Strings: case, trimming, searching, patterns, formatting.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
