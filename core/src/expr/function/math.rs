//! Numbers: rounding, powers, logarithms, trigonometry, try_ arithmetic.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
