//! Arrays and structs: array, size, element_at, array_contains, named_struct, split results.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
