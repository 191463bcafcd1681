//! What every `bind` does: count and coerce arguments, take literals, and refuse with Spark's error classes.

use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};

use super::{
    Aggregate, AggregateCall, BoundAggregate,
    cells::{Cells, Kernel},
};
use crate::{
    block::{Block, Value},
    error::{Error, Result},
    expr::{BoundExpr, EvalContext, Evaluator, cast},
    schema::DataType,
};

impl AggregateCall<'_> {
    /// Refuses a wrong number of arguments, as Spark's WRONG_NUM_ARGS.
    pub(super) fn arity(&self, allowed: core::ops::RangeInclusive<usize>) -> Result<()> {
        if allowed.contains(&self.args.len()) {
            return Ok(());
        }
        let (low, high) = (*allowed.start(), *allowed.end());
        let wanted = if low == high { format!("{low}") } else { format!("{low} to {high}") };
        let text = format!("{}() takes {wanted} argument(s), not {}", self.name, self.args.len());
        Err(Error::invalid(text).class("WRONG_NUM_ARGS.WITHOUT_SUGGESTION").at(self.span))
    }

    /// The type of argument `index`.
    pub(super) fn type_of(&self, index: usize) -> &DataType {
        &self.args[index].data_type
    }

    /// Casts argument `index` to `to` as Spark does implicitly; `wanted` says in an error what was expected.
    pub(super) fn coerce(&mut self, index: usize, to: &DataType, wanted: &str) -> Result<()> {
        if self.args[index].data_type == *to {
            return Ok(());
        }
        let arg = core::mem::replace(&mut self.args[index], BoundExpr::literal(Value::Null, DataType::Null));
        let from = arg.data_type.clone();
        if from == DataType::Null {
            self.args[index].data_type = to.clone();
            return Ok(());
        }
        let cast = cast::implicit(arg, to, self.settings);
        self.args[index] = cast.map_err(|_| self.unexpected(index, &from, wanted))?;
        Ok(())
    }

    /// Makes argument `index` a number: strings and NULL become DOUBLE, numbers stay, the rest is refused.
    pub(super) fn coerce_numeric(&mut self, index: usize) -> Result<()> {
        match self.type_of(index) {
            t if t.is_numeric() => Ok(()),
            DataType::String | DataType::Null => self.coerce(index, &DataType::Float64, "NUMERIC"),
            other => Err(self.unexpected(index, &other.clone(), "NUMERIC")),
        }
    }

    /// Makes argument `index` a DOUBLE, which only numbers, strings and NULL become.
    pub(super) fn coerce_double(&mut self, index: usize) -> Result<()> {
        self.coerce_numeric(index)?;
        self.coerce(index, &DataType::Float64, "DOUBLE")
    }

    /// Makes argument `index` a BOOLEAN.
    pub(super) fn coerce_boolean(&mut self, index: usize) -> Result<()> {
        match self.type_of(index) {
            DataType::Boolean | DataType::String | DataType::Null => self.coerce(index, &DataType::Boolean, "BOOLEAN"),
            other => Err(self.unexpected(index, &other.clone(), "BOOLEAN")),
        }
    }

    /// The error for an argument of a type that will not do.
    pub(super) fn unexpected(&self, index: usize, from: &DataType, wanted: &str) -> Error {
        let text = format!("argument {} of {}() must be {wanted}, not {from}", index + 1, self.name);
        Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE").at(self.span)
    }

    /// Takes argument `index` out of the call: a constant and its type.
    pub(super) fn take_constant(&mut self, index: usize, what: &str) -> Result<(Value, DataType)> {
        let arg = self.args.remove(index);
        constant(&arg).ok_or_else(|| {
            let text = format!("the {what} of {}() must be a constant", self.name);
            Error::invalid(text).class("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT").at(self.span)
        })
    }

    /// The error for a constant that is not within its bounds.
    pub(super) fn out_of_range(&self, what: &str, range: &str, value: impl core::fmt::Display) -> Error {
        let text = format!("the {what} of {}() must be between {range}, not {value}", self.name);
        Error::invalid(text).class("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE").at(self.span)
    }

    /// The error for a constant that must not be NULL.
    pub(super) fn unexpected_null(&self, what: &str) -> Error {
        let text = format!("the {what} of {}() must not be NULL", self.name);
        Error::invalid(text).class("DATATYPE_MISMATCH.UNEXPECTED_NULL").at(self.span)
    }

    /// Refuses types without an order.
    pub(super) fn orderable(&self, index: usize) -> Result<()> {
        if self.type_of(index) != &DataType::Interval {
            return Ok(());
        }
        let text = format!("{}() needs a type with an order, not {}", self.name, self.type_of(index));
        Err(Error::invalid(text).class("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE").at(self.span))
    }

    /// Finishes the binding. What the call holds of its own (`IGNORE NULLS`, `WITHIN GROUP`) must have been taken.
    pub(super) fn finish<K: Kernel>(self, kernel: K, data_type: DataType, nullable: bool) -> Result<BoundAggregate> {
        // Kernels hold nothing but what was captured, so their Debug form tells two calls apart.
        let parameters = format!("{kernel:?}");
        self.finish_with(parameters, Arc::new(move || Box::new(Cells::new(kernel.clone()))), data_type, nullable)
    }

    fn finish_with(
        self,
        parameters: String,
        make: Arc<dyn Fn() -> Box<dyn Aggregate> + Send + Sync>,
        data_type: DataType,
        nullable: bool,
    ) -> Result<BoundAggregate> {
        self.refuse_leftovers()?;
        Ok(BoundAggregate { name: self.name, parameters, args: self.args, data_type, nullable, make, part: None })
    }

    fn refuse_leftovers(&self) -> Result<()> {
        let left = match (self.ignore_nulls, self.ordered) {
            (true, _) => "IGNORE NULLS",
            (_, true) => "WITHIN GROUP (ORDER BY ...)",
            _ => return Ok(()),
        };
        let text = format!("the function `{}` does not support {left}", self.name);
        Err(Error::invalid(text).class("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX").at(self.span))
    }
}

/// The value of an expression without columns, and its type.
fn constant(expr: &BoundExpr) -> Option<(Value, DataType)> {
    if expr.any(&|e| e.as_column().is_some()) || !expr.is_deterministic() {
        return None;
    }
    let mut evaluator = Evaluator::new(expr);
    let row = Block::from_columns(Vec::new(), 1);
    let column = evaluator.eval(&EvalContext::default(), &row.view()).ok()?;
    Some((column.value(0), expr.data_type.clone()))
}

/// A numeric constant as a double.
pub(super) fn as_double(value: &Value, data_type: &DataType) -> Option<f64> {
    match (value, data_type) {
        (Value::Decimal(unscaled), DataType::Decimal(_, scale)) => Some(decimal_to_double(*unscaled, *scale)),
        // The shortest way to the right bits is the text form.
        (Value::String(s), _) => s.trim().parse().ok(),
        (value, _) => value.as_f64().or_else(|| value.as_i64().map(|x| x as f64)),
    }
}

/// The double nearest to `unscaled / 10^scale`, correctly rounded: through the decimal text, as Java does it.
pub(super) fn decimal_to_double(unscaled: i128, scale: i8) -> f64 {
    const EXACT: i128 = 1 << 53;
    if (0..=22).contains(&scale) && (-EXACT..=EXACT).contains(&unscaled) {
        // Both are exact doubles, so one division rounds once.
        return unscaled as f64 / POWERS[scale as usize];
    }
    let text: String = format!("{unscaled}e{}", -i32::from(scale));
    text.parse().unwrap_or(f64::NAN)
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
