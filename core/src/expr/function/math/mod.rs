//! Numbers, one file a topic: `arithmetic` (operators as functions, try_ forms, pmod), `elementary` (powers,
//! logarithms, trigonometry), `rounding`, `integer` (bits, bases, counting), `random`.

pub(super) mod arithmetic;
pub(super) mod elementary;
pub(super) mod integer;
pub(super) mod random;
pub(super) mod rounding;

use crate::error::Error;

/// Spark's error for a result that its type cannot hold.
fn overflow(function: &str) -> Error {
    Error::data("ARITHMETIC_OVERFLOW", alloc::format!("overflow in {function}()"))
        .hint("SET spark.sql.ansi.enabled = false to let numbers wrap around")
}
