//! Functions about NULL and choice: coalesce, nvl, nullif, if, greatest, least.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
