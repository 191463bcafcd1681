//! Powers, logarithms, trigonometry: functions of DOUBLEs. `libm` computes them, so every machine gives the same bits.
//!
//! Spark's logarithms are NULL where they are not defined; everything else is NaN there.

use core::f64::consts;

use super::super::{Call, Function};
use crate::{
    block::Value,
    error::Result,
    expr::{
        BoundExpr, apply1, apply2,
        kernel::{binary, unary},
    },
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["sqrt"], bind: |call| quick(call, libm::sqrt) },
    Function { names: &["cbrt"], bind: |call| double1(call, libm::cbrt) },
    Function { names: &["exp"], bind: |call| double1(call, libm::exp) },
    Function { names: &["expm1"], bind: |call| double1(call, libm::expm1) },
    Function { names: &["sin"], bind: |call| double1(call, libm::sin) },
    Function { names: &["cos"], bind: |call| double1(call, libm::cos) },
    Function { names: &["tan"], bind: |call| double1(call, libm::tan) },
    Function { names: &["asin"], bind: |call| double1(call, libm::asin) },
    Function { names: &["acos"], bind: |call| double1(call, libm::acos) },
    Function { names: &["atan"], bind: |call| double1(call, libm::atan) },
    Function { names: &["sinh"], bind: |call| double1(call, libm::sinh) },
    Function { names: &["cosh"], bind: |call| double1(call, libm::cosh) },
    Function { names: &["tanh"], bind: |call| double1(call, libm::tanh) },
    Function { names: &["asinh"], bind: |call| double1(call, libm::asinh) },
    Function { names: &["acosh"], bind: |call| double1(call, libm::acosh) },
    Function { names: &["atanh"], bind: |call| double1(call, libm::atanh) },
    Function { names: &["sec"], bind: |call| double1(call, |x| 1.0 / libm::cos(x)) },
    Function { names: &["csc"], bind: |call| double1(call, |x| 1.0 / libm::sin(x)) },
    Function { names: &["cot"], bind: |call| double1(call, |x| 1.0 / libm::tan(x)) },
    Function { names: &["degrees"], bind: |call| quick(call, |x| x * (180.0 / consts::PI)) },
    Function { names: &["radians"], bind: |call| quick(call, |x| x * (consts::PI / 180.0)) },
    Function { names: &["rint"], bind: |call| quick(call, libm::rint) },
    Function { names: &["pow", "power"], bind: |call| double2(call, pow) },
    Function { names: &["hypot"], bind: |call| double2(call, libm::hypot) },
    Function { names: &["atan2"], bind: |call| double2(call, |y, x| libm::atan2(y + 0.0, x + 0.0)) },
    Function { names: &["ln"], bind: |call| logarithm(call, 0.0, libm::log) },
    Function { names: &["log2"], bind: |call| logarithm(call, 0.0, libm::log2) },
    Function { names: &["log10"], bind: |call| logarithm(call, 0.0, libm::log10) },
    Function { names: &["log1p"], bind: |call| logarithm(call, -1.0, libm::log1p) },
    Function { names: &["log"], bind: log },
    Function { names: &["pi"], bind: |call| constant(call, consts::PI) },
    Function { names: &["e"], bind: |call| constant(call, consts::E) },
    Function { names: &["isnan"], bind: isnan },
    Function { names: &["nanvl"], bind: nanvl },
];

/// A function that takes far longer than a call of it.
fn double1(call: Call<'_>, f: fn(f64) -> f64) -> Result<BoundExpr> {
    quick(call, f)
}

/// A function that may be of an instruction or two: compiled into a loop of its own.
fn quick(mut call: Call<'_>, f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Result<BoundExpr> {
    call.typed(&[DataType::Float64])?;
    call.run(DataType::Float64, move |_, args, rows, out| {
        unary(&args[0], rows, out, &f);
        Ok(())
    })
}

fn double2(mut call: Call<'_>, f: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Result<BoundExpr> {
    call.typed(&[DataType::Float64, DataType::Float64])?;
    call.run(DataType::Float64, move |_, args, rows, out| {
        binary(&args[0], &args[1], rows, out, &f);
        Ok(())
    })
}

/// Java's power of a base of size 1 to an infinite or unknown exponent is NaN, C's is 1.
fn pow(base: f64, exponent: f64) -> f64 {
    match exponent {
        e if e.is_nan() => f64::NAN,
        e if e.is_infinite() && libm::fabs(base) == 1.0 => f64::NAN,
        2.0 => base * base,
        e => libm::pow(base, e),
    }
}

/// NULL for arguments up to `limit`. A NaN passes.
fn logarithm(mut call: Call<'_>, limit: f64, f: fn(f64) -> f64) -> Result<BoundExpr> {
    call.typed(&[DataType::Float64])?;
    call.run_nullable(DataType::Float64, move |_, args, rows, out| {
        apply1(args, rows, out, |x: f64| Ok(if x <= limit { None } else { Some(f(x)) }))
    })
}

/// `log(x)` is natural, `log(base, x)` has the base first.
fn log(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=2)?;
    if call.args.len() == 1 {
        return logarithm(call, 0.0, libm::log);
    }
    call.coerce_all(&DataType::Float64)?;
    call.run_nullable(DataType::Float64, |_, args, rows, out| {
        apply2(args, rows, out, |base: f64, x: f64| {
            let undefined = base <= 0.0 || x <= 0.0;
            Ok(if undefined { None } else { Some(libm::log(x) / libm::log(base)) })
        })
    })
}

fn constant(call: Call<'_>, value: f64) -> Result<BoundExpr> {
    call.arity(0..=0)?;
    Ok(BoundExpr::literal(Value::Float64(value), DataType::Float64))
}

/// FALSE for NULL.
fn isnan(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(1..=1)?;
    if *call.type_of(0) == DataType::Float32 {
        return call.never_null(DataType::Boolean, |_, args, rows, out| {
            each_is(&args[0], rows, out, args[0].as_slice::<f32>(), |x| x.is_nan());
            Ok(())
        });
    }
    call.coerce(0, &DataType::Float64)?;
    call.never_null(DataType::Boolean, |_, args, rows, out| {
        each_is(&args[0], rows, out, args[0].as_slice::<f64>(), |x| x.is_nan());
        Ok(())
    })
}

fn each_is<T: Copy>(
    arg: &crate::block::ColumnRef<'_>,
    rows: &crate::block::Rows<'_>,
    out: &mut crate::block::Column,
    values: &[T],
    test: impl Fn(T) -> bool,
) {
    let bits = out.bools_mut(rows.len());
    rows.for_each(|row| bits.set(row, arg.is_valid(row) && test(values[arg.index(row)])));
}

/// The second argument where the first is NaN.
fn nanvl(mut call: Call<'_>) -> Result<BoundExpr> {
    call.arity(2..=2)?;
    let single = (0..2).all(|i| *call.type_of(i) == DataType::Float32);
    let of = if single { DataType::Float32 } else { DataType::Float64 };
    call.coerce_all(&of)?;
    call.run_nullable(of.clone(), move |_, args, rows, out| {
        let (first, second) = (&args[0], &args[1]);
        for row in 0..rows.len() {
            let is_nan = rows.contains(row)
                && first.is_valid(row)
                && match of {
                    DataType::Float32 => first.as_slice::<f32>()[first.index(row)].is_nan(),
                    _ => first.as_slice::<f64>()[first.index(row)].is_nan(),
                };
            out.push_from(if is_nan { second } else { first }, row);
        }
        Ok(())
    })
}
