//! Constant folding: what depends on literals alone is computed once, when it is bound.
//!
//! An expression that fails is left as it is, so that its error comes at run time, and only if a row asks for it. A
//! call without arguments (`current_timestamp()`) is no constant: it may depend on the epoch.

use super::{BoundExpr, BoundKind, EvalContext, Evaluator};
use crate::block::{Block, Value};

/// The literal that an expression over literals is, or the expression.
pub(crate) fn constant(expr: BoundExpr) -> BoundExpr {
    match value(&expr) {
        Some(value) => BoundExpr::literal(value, expr.data_type),
        None => expr,
    }
}

fn value(expr: &BoundExpr) -> Option<Value> {
    let operands = expr.children();
    let foldable = match &expr.kind {
        BoundKind::Call(call) => call.function.is_deterministic(),
        _ => true,
    };
    if operands.is_empty() || !foldable || operands.iter().any(|operand| operand.as_literal().is_none()) {
        return None;
    }
    let mut one_row = Block::default();
    one_row.set_len(1);
    let mut evaluator = Evaluator::new(expr);
    let column = evaluator.eval(&EvalContext::default(), &one_row.view()).ok()?;
    Some(column.value(0))
}
