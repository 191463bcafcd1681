//! `& | ^ ~` over integers.

use alloc::vec;

use super::{Site, arithmetic::finish, symbol};
use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::Result,
    expr::{
        BinaryOp, BoundExpr, EvalContext, ScalarFunction,
        cast::{self, string_becomes},
        fold, kernel,
    },
    schema::DataType,
};

/// `left op right` over the wider of two integer types.
pub(super) fn bind(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let (a, b) = (&left.data_type, &right.data_type);
    let common = match (a, b) {
        (DataType::String, t) | (t, DataType::String) if site.settings.ansi => string_becomes(t),
        (DataType::Null, DataType::Null) => Some(DataType::Int32),
        (a, b) => cast::tightest(a, b, site.settings.ansi),
    };
    let Some(common) = common.filter(DataType::is_integer) else { return Err(site.mismatch(symbol(op), a, b)) };
    let nullable = left.nullable || right.nullable;
    let (left, right) = (site.coerced(left, &common), site.coerced(right, &common));
    Ok(finish(Bits { op }, left, right, common, nullable, site))
}

/// `~ operand`
pub(super) fn not(operand: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let data_type = match &operand.data_type {
        t if t.is_integer() => t.clone(),
        DataType::Null => DataType::Int32,
        t => return Err(site.wrong_type("~", "an integer", t)),
    };
    let operand = site.coerced(operand, &data_type);
    let nullable = operand.nullable;
    Ok(fold::constant(BoundExpr::call(BitNot, vec![operand], data_type).nullable(nullable).at(site.span)))
}

#[derive(Clone, Copy, Debug)]
struct Bits {
    op: BinaryOp,
}

impl ScalarFunction for Bits {
    fn name(&self) -> &'static str {
        symbol(self.op)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        match out.data_type() {
            DataType::Int8 => self.each::<i8>(args, rows, out),
            DataType::Int16 => self.each::<i16>(args, rows, out),
            DataType::Int32 => self.each::<i32>(args, rows, out),
            _ => self.each::<i64>(args, rows, out),
        }
        Ok(())
    }
}

impl Bits {
    fn each<T>(&self, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column)
    where
        T: Native + core::ops::BitAnd<Output = T> + core::ops::BitOr<Output = T> + core::ops::BitXor<Output = T>,
    {
        let (a, b) = (&args[0], &args[1]);
        match self.op {
            BinaryOp::BitAnd => kernel::binary(a, b, rows, out, |x: T, y: T| x & y),
            BinaryOp::BitOr => kernel::binary(a, b, rows, out, |x: T, y: T| x | y),
            _ => kernel::binary(a, b, rows, out, |x: T, y: T| x ^ y),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct BitNot;

impl ScalarFunction for BitNot {
    fn name(&self) -> &'static str {
        "~"
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        match out.data_type() {
            DataType::Int8 => kernel::unary(&args[0], rows, out, |x: i8| !x),
            DataType::Int16 => kernel::unary(&args[0], rows, out, |x: i16| !x),
            DataType::Int32 => kernel::unary(&args[0], rows, out, |x: i32| !x),
            _ => kernel::unary(&args[0], rows, out, |x: i64| !x),
        }
        Ok(())
    }
}
