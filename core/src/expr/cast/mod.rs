//! Casts: which type may become which, explicitly (`CAST`) and implicitly (coercion), and how values change.

use super::{BoundExpr, Settings};
use crate::{
    error::{Error, Result},
    schema::DataType,
};

/// Casts as Spark does on its own where a function or operator wants type `to`; an error if it would not.
pub fn implicit(expr: BoundExpr, to: &DataType, _settings: &Settings) -> Result<BoundExpr> {
    if expr.data_type == *to {
        return Ok(expr);
    }
    Err(Error::invalid(alloc::format!("cannot use {} as {to}", expr.data_type)))
}
