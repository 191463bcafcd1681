//! `- x` and `+ x` over numbers and intervals.

use alloc::{format, string::String, vec};

use super::{Site, arithmetic::Integer};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::{Error, Result},
    expr::{BoundExpr, EvalContext, EvalMode, ScalarFunction, apply::apply1, fold, kernel},
    schema::DataType,
    time::Interval,
};

/// `- operand`
pub(crate) fn bind(operand: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let operand = number_or_interval("-", operand, site)?;
    let (data_type, nullable) = (operand.data_type.clone(), operand.nullable);
    let call = BoundExpr::call(Negate { mode: site.mode }, vec![operand], data_type);
    Ok(fold::constant(call.nullable(nullable || site.mode == EvalMode::Try).at(site.span)))
}

/// `+ operand` is the operand, if it is something that has a sign.
pub(crate) fn plus(operand: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    number_or_interval("+", operand, site)
}

fn number_or_interval(op: &str, operand: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    use DataType::{Float64, Interval, IntervalDayTime, IntervalYearMonth, Null, String};
    match &operand.data_type {
        String | Null => Ok(site.coerced(operand, &Float64)),
        Interval | IntervalDayTime(..) | IntervalYearMonth(..) => Ok(operand),
        t if t.is_numeric() => Ok(operand),
        t => Err(site.wrong_type(op, "a number or an interval", t)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Negate {
    mode: EvalMode,
}

impl ScalarFunction for Negate {
    fn name(&self) -> &'static str {
        "negative"
    }

    fn parameters(&self) -> String {
        format!("{:?}", self.mode)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        use DataType::{
            Decimal, Float32, Float64, Int8, Int16, Int32, Int64, Interval as Calendar, IntervalDayTime,
            IntervalYearMonth,
        };
        let x = &args[0];
        match out.data_type() {
            Int8 => return self.integers::<i8>(x, rows, out),
            Int16 => return self.integers::<i16>(x, rows, out),
            Int32 | IntervalYearMonth(..) => return self.integers::<i32>(x, rows, out),
            Int64 | IntervalDayTime(..) => return self.integers::<i64>(x, rows, out),
            Float32 => kernel::unary(x, rows, out, |x: f32| -x),
            Float64 => kernel::unary(x, rows, out, |x: f64| -x),
            Decimal(..) => kernel::unary(x, rows, out, i128::wrapping_neg),
            Calendar => return self.calendar(x, rows, out),
            other => panic!("no sign in {other}"),
        }
        Ok(())
    }
}

impl Negate {
    fn integers<T: Integer>(&self, x: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        if self.mode == EvalMode::Legacy {
            kernel::unary(x, rows, out, |x: T| x.negate().0);
            return Ok(());
        }
        let error = |x: T| Error::data("ARITHMETIC_OVERFLOW", format!("- ({x:?}) overflows {}", T::SQL));
        kernel::unary_checked(x, rows, out, self.mode, T::negate, error)
    }

    fn calendar(&self, x: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        apply1(&[*x], rows, out, |x: Interval| match x.checked_neg() {
            None if self.mode == EvalMode::Ansi => {
                Err(Error::data("INTERVAL_ARITHMETIC_OVERFLOW", format!("- ({x}) overflows INTERVAL")))
            }
            result => Ok(result),
        })
    }
}
