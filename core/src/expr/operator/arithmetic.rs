//! `+ - * / div %` over numbers: coercion by Spark's rules, then one loop a type.
//!
//! Integers keep their type (`div` gives BIGINT); `/` divides doubles or decimals only. Overflow and a zero divisor
//! are errors in ANSI mode; before it integers wrapped around and a zero divisor gave NULL.

use alloc::{format, string::String, vec};

use super::{Site, datetime, decimals, symbol};
use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::{Error, Result},
    expr::{
        BinaryOp, BoundExpr, EvalContext, EvalMode, ScalarFunction,
        cast::{self, string_becomes},
        decimal::Shape,
        fold, kernel,
    },
    schema::DataType,
};
use DataType::{Decimal, Float64, Int64, Null};

/// `left op right`, `op` being arithmetic.
pub(crate) fn bind(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    if datetime::is_meant(&left.data_type, &right.data_type) {
        return datetime::bind(left, op, right, site);
    }
    let (left, right) = promote_strings(left, right, site);
    let (left, right) = match (left.data_type.clone(), right.data_type.clone()) {
        (Null, Null) => (site.coerced(left, &Float64), site.coerced(right, &Float64)),
        (Null, t) => (site.coerced(left, &t), right),
        (t, Null) => (left, site.coerced(right, &t)),
        _ => (left, right),
    };
    let (a, b) = (&left.data_type, &right.data_type);
    if !a.is_numeric() || !b.is_numeric() {
        return Err(site.mismatch(symbol(op), a, b));
    }
    let is_float = a.is_float() || b.is_float();
    if !is_float && (matches!(a, Decimal(..)) || matches!(b, Decimal(..))) {
        return decimals::bind(as_decimal(left, site), op, as_decimal(right, site), site);
    }
    let common = match op {
        BinaryOp::Divide => Float64,
        BinaryOp::IntegerDivide if is_float => return Err(site.wrong_type("div", "integers or decimals", &Float64)),
        BinaryOp::IntegerDivide => Int64,
        _ if matches!(a, Decimal(..)) || matches!(b, Decimal(..)) => Float64,
        _ => match cast::tightest(a, b, site.settings.ansi) {
            Some(common) => common,
            None => return Err(site.mismatch(symbol(op), a, b)),
        },
    };
    let (left, right) = (site.coerced(left, &common), site.coerced(right, &common));
    let nullable = left.nullable || right.nullable || gives_null(op, site.mode);
    Ok(finish(Arithmetic { op, mode: site.mode }, left, right, common, nullable, site))
}

/// A call over two operands, folded if they are literals.
pub(super) fn finish(
    function: impl ScalarFunction + 'static,
    left: BoundExpr,
    right: BoundExpr,
    data_type: DataType,
    nullable: bool,
    site: Site<'_>,
) -> BoundExpr {
    fold::constant(BoundExpr::call(function, vec![left, right], data_type).nullable(nullable).at(site.span))
}

/// Whether a failure is NULL.
pub(super) fn gives_null(op: BinaryOp, mode: EvalMode) -> bool {
    match mode {
        EvalMode::Ansi => false,
        EvalMode::Try => true,
        EvalMode::Legacy => matches!(op, BinaryOp::Divide | BinaryOp::IntegerDivide | BinaryOp::Modulo),
    }
}

/// `'5' + 1` adds numbers: under ANSI the string is read as BIGINT or DOUBLE by the other side, before as DOUBLE.
fn promote_strings(left: BoundExpr, right: BoundExpr, site: Site<'_>) -> (BoundExpr, BoundExpr) {
    let promoted = |x: BoundExpr, other: &DataType| match x.data_type {
        DataType::String if !site.settings.ansi => site.coerced(x, &Float64),
        DataType::String => match string_becomes(other).filter(DataType::is_numeric) {
            Some(to) => site.coerced(x, &to),
            None => x,
        },
        _ => x,
    };
    let (a, b) = (left.data_type.clone(), right.data_type.clone());
    (promoted(left, &b), promoted(right, &a))
}

/// An integer beside a decimal: a literal takes as many digits as it has, a column as many as its type.
fn as_decimal(expr: BoundExpr, site: Site<'_>) -> BoundExpr {
    match Shape::of_operand(&expr) {
        Some(shape) => site.coerced(expr, &shape.data_type()),
        None => expr,
    }
}

/// Arithmetic over two columns of one numeric type, which is also the result's.
#[derive(Clone, Copy, Debug)]
struct Arithmetic {
    op: BinaryOp,
    mode: EvalMode,
}

impl ScalarFunction for Arithmetic {
    fn name(&self) -> &'static str {
        symbol(self.op)
    }

    fn parameters(&self) -> String {
        format!("{:?}", self.mode)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let (a, b) = (&args[0], &args[1]);
        match out.data_type() {
            DataType::Int8 => self.integers::<i8>(a, b, rows, out),
            DataType::Int16 => self.integers::<i16>(a, b, rows, out),
            DataType::Int32 => self.integers::<i32>(a, b, rows, out),
            DataType::Int64 => self.integers::<i64>(a, b, rows, out),
            DataType::Float32 => self.floats::<f32>(a, b, rows, out),
            DataType::Float64 => self.floats::<f64>(a, b, rows, out),
            other => panic!("{} gives no {other}", symbol(self.op)),
        }
    }
}

impl Arithmetic {
    fn integers<T: Integer>(
        &self,
        a: &ColumnRef<'_>,
        b: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
    ) -> Result<()> {
        if self.mode == EvalMode::Legacy {
            match self.op {
                BinaryOp::Add => return self.wrap(a, b, rows, out, |x: T, y| x.add(y).0),
                BinaryOp::Subtract => return self.wrap(a, b, rows, out, |x: T, y| x.subtract(y).0),
                BinaryOp::Multiply => return self.wrap(a, b, rows, out, |x: T, y| x.multiply(y).0),
                _ => {}
            }
        }
        let wraps = self.mode == EvalMode::Legacy;
        let error = |x: T, y: T| self.integer_error(x, y);
        match self.op {
            BinaryOp::Add => kernel::binary_checked(a, b, rows, out, self.mode, T::add, error),
            BinaryOp::Subtract => kernel::binary_checked(a, b, rows, out, self.mode, T::subtract, error),
            BinaryOp::Multiply => kernel::binary_checked(a, b, rows, out, self.mode, T::multiply, error),
            BinaryOp::Modulo => kernel::binary_checked(a, b, rows, out, self.mode, T::remainder, error),
            _ => {
                let divide = |x: T, y: T| {
                    let (result, overflows) = x.divide(y);
                    (result, y.is_zero() || (overflows && !wraps))
                };
                kernel::binary_checked(a, b, rows, out, self.mode, divide, error)
            }
        }
    }

    fn wrap<T: Native>(
        &self,
        a: &ColumnRef<'_>,
        b: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
        f: impl Fn(T, T) -> T,
    ) -> Result<()> {
        kernel::binary(a, b, rows, out, f);
        Ok(())
    }

    fn floats<T: Float>(&self, a: &ColumnRef<'_>, b: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let by_zero = |_: T, _: T| zero_divisor(self.op);
        match self.op {
            BinaryOp::Add => kernel::binary(a, b, rows, out, |x: T, y: T| x + y),
            BinaryOp::Subtract => kernel::binary(a, b, rows, out, |x: T, y: T| x - y),
            BinaryOp::Multiply => kernel::binary(a, b, rows, out, |x: T, y: T| x * y),
            BinaryOp::Divide => {
                let divide = |x: T, y: T| (x / y, y == T::default());
                return kernel::binary_checked(a, b, rows, out, self.mode, divide, by_zero);
            }
            _ => {
                let remainder = |x: T, y: T| (x % y, y == T::default());
                return kernel::binary_checked(a, b, rows, out, self.mode, remainder, by_zero);
            }
        }
        Ok(())
    }

    fn integer_error<T: Integer>(&self, x: T, y: T) -> Error {
        if y.is_zero() && matches!(self.op, BinaryOp::IntegerDivide | BinaryOp::Modulo) {
            return zero_divisor(self.op);
        }
        let sign = symbol(self.op);
        overflow(format!("{x:?} {sign} {y:?} overflows {}", T::SQL), T::CLASS, self.op)
    }
}

/// The error for a divisor of zero.
pub(super) fn zero_divisor(op: BinaryOp) -> Error {
    match op {
        BinaryOp::Modulo => Error::data("REMAINDER_BY_ZERO", "remainder by zero").hint("try_mod gives NULL instead"),
        _ => Error::data("DIVIDE_BY_ZERO", "division by zero").hint("try_divide gives NULL instead"),
    }
}

/// The error for a result that does not fit.
pub(super) fn overflow(message: String, class: &'static str, op: BinaryOp) -> Error {
    let error = Error::data(class, message);
    match op {
        BinaryOp::Add => error.hint("try_add gives NULL instead"),
        BinaryOp::Subtract => error.hint("try_subtract gives NULL instead"),
        BinaryOp::Multiply => error.hint("try_multiply gives NULL instead"),
        _ => error.hint("CAST the operands to a wider type"),
    }
}

/// Results wrapped around, and whether they did. Closures over these vectorise.
pub(super) trait Integer: Native {
    /// Spark's name of the type.
    const SQL: &'static str;
    /// Spark's error class of an overflow.
    const CLASS: &'static str;
    fn add(self, other: Self) -> (Self, bool);
    fn subtract(self, other: Self) -> (Self, bool);
    fn multiply(self, other: Self) -> (Self, bool);
    /// Fails for a divisor of zero.
    fn remainder(self, other: Self) -> (Self, bool);
    /// Unspecified for a divisor of zero.
    fn divide(self, other: Self) -> (Self, bool);
    fn negate(self) -> (Self, bool);
    fn is_zero(self) -> bool;
}

macro_rules! integer {
    ($($t:ty, $sql:literal, $class:literal;)*) => {$(
        impl Integer for $t {
            const SQL: &'static str = $sql;
            const CLASS: &'static str = $class;

            #[inline]
            fn add(self, other: Self) -> (Self, bool) {
                self.overflowing_add(other)
            }

            #[inline]
            fn subtract(self, other: Self) -> (Self, bool) {
                self.overflowing_sub(other)
            }

            #[inline]
            fn multiply(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }

            #[inline]
            fn remainder(self, other: Self) -> (Self, bool) {
                if other == 0 { (0, true) } else { (self.wrapping_rem(other), false) }
            }

            #[inline]
            fn divide(self, other: Self) -> (Self, bool) {
                if other == 0 { (0, false) } else { self.overflowing_div(other) }
            }

            #[inline]
            fn negate(self) -> (Self, bool) {
                self.overflowing_neg()
            }

            #[inline]
            fn is_zero(self) -> bool {
                self == 0
            }
        }
    )*};
}

integer! {
    i8, "TINYINT", "BINARY_ARITHMETIC_OVERFLOW";
    i16, "SMALLINT", "BINARY_ARITHMETIC_OVERFLOW";
    i32, "INT", "ARITHMETIC_OVERFLOW";
    i64, "BIGINT", "ARITHMETIC_OVERFLOW";
}

/// FLOAT and DOUBLE. `%` is exact (C's fmod), so it has the same bits everywhere.
pub(super) trait Float:
    Native
    + core::ops::Add<Output = Self>
    + core::ops::Sub<Output = Self>
    + core::ops::Mul<Output = Self>
    + core::ops::Div<Output = Self>
    + core::ops::Rem<Output = Self>
{
}

impl Float for f32 {}
impl Float for f64 {}
