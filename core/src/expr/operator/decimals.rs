//! Decimal arithmetic: result shapes by Spark's rules, exact results rounded HALF_UP.

use alloc::{format, string::String};

use super::{
    Site,
    arithmetic::{finish, gives_null, zero_divisor},
    symbol,
};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, EvalContext, EvalMode, ScalarFunction,
        decimal::{self, Shape},
        kernel,
    },
    schema::DataType,
};

/// `left op right`, both decimals.
pub(super) fn bind(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let (Some(a), Some(b)) = (Shape::of(&left.data_type), Shape::of(&right.data_type)) else {
        return Err(site.mismatch(symbol(op), &left.data_type, &right.data_type));
    };
    let to = match op {
        BinaryOp::Add | BinaryOp::Subtract => a.sum(b),
        BinaryOp::Multiply => a.product(b),
        BinaryOp::Divide => a.quotient(b),
        BinaryOp::Modulo => a.remainder(b),
        // `div` gives a BIGINT whatever its operands.
        _ => Shape::new(20, 0),
    };
    let data_type = if op == BinaryOp::IntegerDivide { DataType::Int64 } else { to.data_type() };
    let nullable = left.nullable || right.nullable || site.mode != EvalMode::Ansi || gives_null(op, site.mode);
    let function = Decimals { op, mode: site.mode, scales: (a.scale, b.scale), to };
    Ok(finish(function, left, right, data_type, nullable, site))
}

#[derive(Clone, Copy, Debug)]
struct Decimals {
    op: BinaryOp,
    mode: EvalMode,
    scales: (i8, i8),
    to: Shape,
}

impl ScalarFunction for Decimals {
    fn name(&self) -> &'static str {
        symbol(self.op)
    }

    fn parameters(&self) -> String {
        format!("{:?}", self.mode)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (a, b, to) = (self.scales.0, self.scales.1, self.to);
        match self.op {
            BinaryOp::Add => self.each(args, rows, out, |x, y| decimal::add((x, a), (y, b), to)),
            BinaryOp::Subtract => self.each(args, rows, out, |x, y| decimal::add((x, a), (y.wrapping_neg(), b), to)),
            BinaryOp::Multiply => self.each(args, rows, out, |x, y| decimal::multiply((x, a), (y, b), to)),
            BinaryOp::Divide => self.each(args, rows, out, |x, y| decimal::divide((x, a), (y, b), to)),
            BinaryOp::Modulo => self.each(args, rows, out, |x, y| decimal::remainder((x, a), (y, b), to)),
            _ => {
                // Spark keeps the low bits of a quotient beyond BIGINT.
                let whole = |x, y| decimal::divide_whole((x, a), (y, b)).map(|quotient| quotient as i64);
                self.each(args, rows, out, whole)
            }
        }
    }
}

impl Decimals {
    fn each<R: crate::block::Native>(
        &self,
        args: &[ColumnRef<'_>],
        rows: &Rows<'_>,
        out: &mut Column,
        f: impl Fn(i128, i128) -> Option<R>,
    ) -> Result<()> {
        let divides = matches!(self.op, BinaryOp::Divide | BinaryOp::IntegerDivide | BinaryOp::Modulo);
        let checked = |x: i128, y: i128| match divides && y == 0 {
            true => (R::default(), true),
            // Behind a NULL may lie digits that no decimal has.
            false => f(x, y).map_or((R::default(), true), |result| (result, false)),
        };
        kernel::binary_checked(&args[0], &args[1], rows, out, self.mode, checked, |x, y| self.error(divides, x, y))
    }

    fn error(&self, divides: bool, x: i128, y: i128) -> Error {
        if divides && y == 0 {
            return zero_divisor(self.op);
        }
        let (a, b) = (decimal::format(x, self.scales.0), decimal::format(y, self.scales.1));
        let sign = symbol(self.op);
        if self.op == BinaryOp::IntegerDivide {
            return Error::data("ARITHMETIC_OVERFLOW", format!("{a} div {b} overflows BIGINT"));
        }
        let text = format!("{a} {sign} {b} cannot be represented as {}", self.to.data_type());
        Error::data("NUMERIC_VALUE_OUT_OF_RANGE", text).hint("CAST the operands to decimals of fewer digits")
    }
}
