//! `= <> < <= > >= <=>`: coercion to a common type, then one loop a type.
//!
//! NaN equals itself and is above everything, `-0.0` equals `0.0`, strings compare by their bytes, arrays and structs
//! element by element.

use super::{Site, arithmetic::finish, logic, symbol};
use crate::{
    block::{Column, ColumnRef, Native, Rows, Value, Values},
    error::Result,
    expr::{
        BinaryOp, BoundExpr, EvalContext, ScalarFunction, Settings,
        cast::{self, string_becomes},
        decimal::Shape,
        function::order,
        kernel,
    },
    schema::DataType,
};
use DataType::{Boolean, Decimal, Float64, Interval, String};

/// `left op right`
pub(crate) fn bind(left: BoundExpr, op: BinaryOp, right: BoundExpr, site: Site<'_>) -> Result<BoundExpr> {
    let (a, b) = (&left.data_type, &right.data_type);
    let Some(common) = operand_type(&left, &right, site.settings).filter(is_ordered) else {
        return Err(site.mismatch(symbol(op), a, b));
    };
    let nullable = left.nullable || right.nullable;
    let (left, right) = (site.coerced(left, &common), site.coerced(right, &common));
    if op != BinaryOp::NullSafeEq {
        return Ok(finish(Compare { op }, left, right, Boolean, nullable, site));
    }
    // `x <=> NULL` needs no values.
    let is_null = |x: &BoundExpr| x.as_literal().is_some_and(Value::is_null);
    Ok(match (is_null(&left), is_null(&right)) {
        (_, true) => logic::test(left, logic::Test::Null),
        (true, _) => logic::test(right, logic::Test::Null),
        _ => finish(Compare { op }, left, right, Boolean, false, site),
    })
}

/// The type in which two operands are compared.
fn operand_type(left: &BoundExpr, right: &BoundExpr, settings: &Settings) -> Option<DataType> {
    let (a, b) = (&left.data_type, &right.data_type);
    match (a, b) {
        (String, String) => Some(String),
        (String, other) | (other, String) if settings.ansi => {
            string_becomes(other).or_else(|| cast::tightest(a, b, true))
        }
        (String, Decimal(..)) | (Decimal(..), String) => Some(Float64),
        // Before ANSI mode the string became what it is compared with, or NULL.
        (String, other) | (other, String) => {
            string_becomes(other).map(|_| other.clone()).or_else(|| cast::tightest(a, b, false))
        }
        (Boolean, other) | (other, Boolean) if !settings.ansi && other.is_numeric() => Some(other.clone()),
        (Decimal(..), other) | (other, Decimal(..)) if !other.is_float() && other.is_numeric() => {
            Some(Shape::of_operand(left)?.wider(Shape::of_operand(right)?).data_type())
        }
        _ => cast::common_type(a, b, settings),
    }
}

fn is_ordered(data_type: &DataType) -> bool {
    match data_type {
        Interval => false,
        DataType::Array(element) => is_ordered(element),
        DataType::Struct(fields) => fields.iter().all(|f| is_ordered(&f.data_type)),
        _ => true,
    }
}

/// A comparison of two columns of one type.
#[derive(Clone, Copy, Debug)]
struct Compare {
    op: BinaryOp,
}

impl ScalarFunction for Compare {
    fn name(&self) -> &'static str {
        symbol(self.op)
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        match self.op {
            BinaryOp::NullSafeEq => self.null_safe(&args[0], &args[1], rows, out),
            _ => self.each(&args[0], &args[1], rows, out),
        }
        Ok(())
    }
}

impl Compare {
    fn each(&self, a: &ColumnRef<'_>, b: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) {
        match (a.values, b.values) {
            (Values::Int8(_), Values::Int8(_)) => self.native::<i8>(a, b, rows, out),
            (Values::Int16(_), Values::Int16(_)) => self.native::<i16>(a, b, rows, out),
            (Values::Int32(_), Values::Int32(_)) => self.native::<i32>(a, b, rows, out),
            (Values::Int64(_), Values::Int64(_)) => self.native::<i64>(a, b, rows, out),
            (Values::Int128(_), Values::Int128(_)) => self.native::<i128>(a, b, rows, out),
            (Values::Float32(_), Values::Float32(_)) => self.native::<f32>(a, b, rows, out),
            (Values::Float64(_), Values::Float64(_)) => self.native::<f64>(a, b, rows, out),
            (Values::Null, _) | (_, Values::Null) => (0..rows.len()).for_each(|_| out.push_null()),
            (Values::Bytes(x), Values::Bytes(y)) if matches!(self.op, BinaryOp::Eq | BinaryOp::NotEq) => {
                let equal = self.op != BinaryOp::NotEq;
                kernel::predicate(&[a, b], rows, out, |row| (x.get(a.index(row)) == y.get(b.index(row))) == equal);
            }
            _ => {
                let holds = self.holds();
                kernel::predicate(&[a, b], rows, out, |row| holds(order::compare(a, row, b, row)));
            }
        }
    }

    fn native<T: Ordered>(&self, a: &ColumnRef<'_>, b: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) {
        // Two loops do for six operators: `a > b` is `b < a`, and the others are the opposite of one of these.
        let is_not = matches!(self.op, BinaryOp::NotEq | BinaryOp::LessEq | BinaryOp::GreaterEq);
        match self.op {
            BinaryOp::Less | BinaryOp::GreaterEq => kernel::compare(a, b, rows, out, is_not, T::is_below),
            BinaryOp::Greater | BinaryOp::LessEq => kernel::compare(b, a, rows, out, is_not, T::is_below),
            _ => kernel::compare(a, b, rows, out, is_not, T::equals),
        }
    }

    fn holds(&self) -> fn(core::cmp::Ordering) -> bool {
        match self.op {
            BinaryOp::NotEq => core::cmp::Ordering::is_ne,
            BinaryOp::Less => core::cmp::Ordering::is_lt,
            BinaryOp::LessEq => core::cmp::Ordering::is_le,
            BinaryOp::Greater => core::cmp::Ordering::is_gt,
            BinaryOp::GreaterEq => core::cmp::Ordering::is_ge,
            _ => core::cmp::Ordering::is_eq,
        }
    }

    /// Two NULLs are equal, a NULL and a value are not. Constants that are NULL were bound as IS NULL.
    fn null_safe(&self, a: &ColumnRef<'_>, b: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) {
        let bare = |x: &ColumnRef<'_>| -> bool { x.validity.is_none() };
        if bare(a) && bare(b) {
            return self.each(a, b, rows, out);
        }
        let bits = out.bools_mut(rows.len());
        rows.for_each(|row| bits.set(row, order::compare_nullable(a, row, b, row).is_eq()));
    }
}

/// Spark's order of numbers.
pub(crate) trait Ordered: Native {
    fn equals(self, other: Self) -> bool;
    fn is_below(self, other: Self) -> bool;
}

macro_rules! ordered {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            #[inline]
            fn equals(self, other: Self) -> bool {
                self == other
            }

            #[inline]
            fn is_below(self, other: Self) -> bool {
                self < other
            }
        }
    )*};
}

ordered!(i8, i16, i32, i64, i128);

macro_rules! ordered_float {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            #[inline]
            fn equals(self, other: Self) -> bool {
                (self == other) | (self.is_nan() & other.is_nan())
            }

            #[inline]
            fn is_below(self, other: Self) -> bool {
                (self < other) | (!self.is_nan() & other.is_nan())
            }
        }
    )*};
}

ordered_float!(f32, f64);
