//! Operators under names: mod, negative, try_add and its like; and pmod, the remainder that has no sign.

use super::super::{Call, Function, define::define};
use crate::{
    block::Native,
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, EvalMode, UnaryOp, apply2, cast,
        decimal::{self, Shape},
        operator::{self, Site},
    },
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["mod"], bind: |call| operator(call, BinaryOp::Modulo, false) },
    Function { names: &["div"], bind: |call| operator(call, BinaryOp::IntegerDivide, false) },
    Function { names: &["try_mod"], bind: |call| operator(call, BinaryOp::Modulo, true) },
    Function { names: &["try_add"], bind: |call| operator(call, BinaryOp::Add, true) },
    Function { names: &["try_subtract"], bind: |call| operator(call, BinaryOp::Subtract, true) },
    Function { names: &["try_multiply"], bind: |call| operator(call, BinaryOp::Multiply, true) },
    Function { names: &["try_divide"], bind: |call| operator(call, BinaryOp::Divide, true) },
    Function { names: &["negative"], bind: |call| sign(call, UnaryOp::Negate) },
    Function { names: &["positive"], bind: |call| sign(call, UnaryOp::Plus) },
    Function { names: &["pmod"], bind: pmod },
];

fn operator(call: Call<'_>, op: BinaryOp, is_try: bool) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let mut site = Site::new(call.settings, call.span);
    if is_try {
        site.mode = EvalMode::Try;
    }
    let [left, right] = call.take_args();
    operator::binary(left, op, right, site)
}

fn sign(call: Call<'_>, op: UnaryOp) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    let site = Site::new(call.settings, call.span);
    let [operand] = call.take_args();
    operator::unary(op, operand, site)
}

/// The remainder, or the divisor's complement of it where it is negative: `pmod(-10, 3)` is 2.
fn pmod(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    // The operator knows which types the two are coerced to and what type the remainder has.
    let site = Site { mode: EvalMode::Try, ..Site::new(call.settings, call.span) };
    let remainder = operator::binary(call.args[0].clone(), BinaryOp::Modulo, call.args[1].clone(), site)?.data_type;
    if let DataType::Decimal(..) = remainder {
        return pmod_decimals(call, &remainder);
    }
    for index in 0..2 {
        call.cast(index, &remainder, false)?;
    }
    match remainder {
        DataType::Int8 => pmod_of(call, |a: i8, n: i8| positive(a.into(), n.into()).map(|r| r as i8)),
        DataType::Int16 => pmod_of(call, |a: i16, n: i16| positive(a.into(), n.into()).map(|r| r as i16)),
        DataType::Int32 => pmod_of(call, |a: i32, n: i32| positive(a.into(), n.into()).map(|r| r as i32)),
        DataType::Int64 => pmod_of(call, |a: i64, n: i64| positive(a.into(), n.into()).map(|r| r as i64)),
        DataType::Float32 => pmod_of(call, |a: f32, n: f32| positive_float(a.into(), n.into()).map(|r| r as f32)),
        _ => pmod_of(call, positive_float),
    }
}

/// `None` if the divisor is zero.
fn positive(a: i128, n: i128) -> Option<i128> {
    let r = a.checked_rem(n)?;
    Some(if r < 0 { (r + n) % n } else { r })
}

fn positive_float(a: f64, n: f64) -> Option<f64> {
    if n == 0.0 {
        return None;
    }
    let r = libm::fmod(a, n);
    Some(if r < 0.0 { libm::fmod(r + n, n) } else { r })
}

fn pmod_of<T: Native>(call: Call<'_>, f: impl Fn(T, T) -> Option<T> + Send + Sync + 'static) -> Result<BoundExpr> {
    let of = call.type_of(0).clone();
    let ansi = call.settings.ansi;
    let run = define(call.name, move |_, args, rows, out| {
        apply2(args, rows, out, |a: T, n: T| match f(a, n) {
            None if ansi => Err(by_zero()),
            result => Ok(result),
        })
    });
    call.finish_nullable(run, of)
}

fn pmod_decimals(mut call: Call<'_>, to: &DataType) -> Result<BoundExpr> {
    let Some(shape) = Shape::of(to) else { return Err(Error::internal("a decimal has a shape")) };
    // An integer literal is as wide as its digits, any other integer as wide as its type.
    for index in 0..2 {
        let wanted = Shape::of_operand(&call.args[index]).map_or(DataType::Decimal(38, 18), Shape::data_type);
        let arg =
            core::mem::replace(&mut call.args[index], BoundExpr::literal(crate::block::Value::Null, DataType::Null));
        call.args[index] = cast::coerced(arg, &wanted, call.settings);
    }
    let scale = |call: &Call<'_>, i: usize| if let DataType::Decimal(_, s) = call.type_of(i) { *s } else { 0 };
    let (a_scale, n_scale) = (scale(&call, 0), scale(&call, 1));
    let ansi = call.settings.ansi;
    let run = define(call.name, move |_, args, rows, out| {
        apply2(args, rows, out, |a: i128, n: i128| {
            if n == 0 {
                return if ansi { Err(by_zero()) } else { Ok(None) };
            }
            let remainder = decimal::remainder((a, a_scale), (n, n_scale), shape);
            Ok(match remainder {
                Some(r) if r < 0 => {
                    let sum = decimal::add((r, shape.scale), (n, n_scale), Shape::new(38, shape.scale));
                    sum.and_then(|sum| decimal::remainder((sum, shape.scale), (n, n_scale), shape))
                }
                remainder => remainder,
            })
        })
    });
    call.finish_nullable(run, to.clone())
}

fn by_zero() -> Error {
    Error::data("REMAINDER_BY_ZERO", "remainder by zero").hint("try_mod() gives NULL instead")
}
