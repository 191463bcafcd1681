//! Constant folding: what depends on literals alone is computed once, when it is bound.
//!
//! An expression that fails is left as it is, so that its error comes at run time, and only if a row asks for it. A
//! call without arguments (`current_timestamp()`) is no constant: it may depend on the epoch. A long array is made
//! where it is wanted: as a column it takes a fifth of the memory.

use super::{BoundExpr, BoundKind, EvalContext, Evaluator};
use crate::{
    block::{Block, ColumnRef, Value, Values},
    limits::LITERAL_VALUES_MAX,
};

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
    (value_count(&column) <= LITERAL_VALUES_MAX).then(|| column.value(0))
}

/// Whether a condition cannot be true where all columns that it reads are NULL.
pub(crate) fn rejects_nulls(condition: &BoundExpr) -> bool {
    let nulls =
        condition.clone().replace(&mut |e| e.as_column().map(|_| BoundExpr::literal(Value::Null, e.data_type.clone())));
    let mut one_row = Block::default();
    one_row.set_len(1);
    let mut evaluator = Evaluator::new(&nulls);
    let answer = evaluator.eval(&EvalContext::default(), &one_row.view()).map(|column| column.value(0));
    condition.is_deterministic() && matches!(answer, Ok(Value::Null | Value::Boolean(false)))
}

/// Values in a column's arrays, those that lie in others included.
fn value_count(column: &ColumnRef<'_>) -> usize {
    match column.values {
        Values::Array { elements, .. } => elements.len() + value_count(&elements.view()),
        Values::Struct(fields) => fields.iter().map(|field| value_count(&field.view())).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        expr::{Expr, SchemaScope, Settings, bind, lit},
        schema::Schema,
    };

    #[test]
    fn short_arrays_become_literals_long_ones_do_not() {
        let repeated = |value: Expr, count: i32| Expr::function("array_repeat", [value, lit(count)]);
        for (expr, is_literal) in [
            (repeated(lit(1), 10), true),
            (repeated(lit(1), 20_000), false),
            (repeated(repeated(lit(1), 1_000), 3), true),
            (repeated(repeated(lit(1), 1_000), 20), false),
        ] {
            let bound = bind(&expr, &mut SchemaScope(&Schema::new(Vec::new())), &Settings::default()).unwrap();
            assert_eq!(bound.as_literal().is_some(), is_literal, "{}", expr.output_name());
        }
    }
}
