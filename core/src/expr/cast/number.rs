//! Numbers and booleans to numbers and booleans.
//!
//! Legacy mode converts as Java does: integers wrap, doubles saturate (and pass through `int` on the way to smaller
//! integers). Otherwise a value that does not fit is an error or NULL.

use super::{Cast, print};
use crate::{
    block::{Column, ColumnRef, Native, Rows},
    error::{Error, Result},
    expr::{
        EvalMode,
        decimal::{self, Shape},
        kernel,
    },
    schema::DataType,
};

/// Integers of SQL.
pub(super) trait Integer: Native {
    /// Whether `x` truncates to a value of the type, by Spark's bounds.
    fn holds_f64(x: f64) -> bool;
    /// Java's `(type) x`.
    fn of_f64(x: f64) -> Self;
    /// The low bits.
    fn of_i64(x: i64) -> Self;
    /// The value.
    fn to_i64(self) -> i64;
}

macro_rules! integer {
    ($($t:ty, $x:ident => $holds:expr, $of:expr;)*) => {$(
        impl Integer for $t {
            #[inline]
            fn holds_f64($x: f64) -> bool {
                $holds
            }

            #[inline]
            fn of_f64($x: f64) -> Self {
                $of
            }

            #[inline]
            fn of_i64(x: i64) -> Self {
                x as Self
            }

            #[inline]
            fn to_i64(self) -> i64 {
                self.into()
            }
        }
    )*};
}

integer! {
    i8, x => x > -129.0 && x < 128.0, x as i32 as i8;
    i16, x => x > -32_769.0 && x < 32_768.0, x as i32 as i16;
    i32, x => x > -2_147_483_649.0 && x < 2_147_483_648.0, x as i32;
    // The upper bound is itself the double nearest to the greatest value, as in Spark.
    i64, x => x >= i64::MIN as f64 && x <= i64::MAX as f64, x as i64;
}

/// FLOAT and DOUBLE.
pub(super) trait Float: Native {
    fn to_f64(self) -> f64;
    fn of_f64(x: f64) -> Self;
}

impl Float for f32 {
    #[inline]
    fn to_f64(self) -> f64 {
        self.into()
    }

    #[inline]
    fn of_f64(x: f64) -> Self {
        x as f32
    }
}

impl Float for f64 {
    #[inline]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline]
    fn of_f64(x: f64) -> Self {
        x
    }
}

/// Runs the body with `$T` being the Rust type of an integer type.
macro_rules! with_integer {
    ($data_type:expr, $T:ident => $body:expr, else $other:expr) => {
        match $data_type {
            DataType::Int8 => {
                type $T = i8;
                $body
            }
            DataType::Int16 => {
                type $T = i16;
                $body
            }
            DataType::Int32 => {
                type $T = i32;
                $body
            }
            DataType::Int64 => {
                type $T = i64;
                $body
            }
            _ => $other,
        }
    };
}
pub(super) use with_integer;

/// Runs the body with `$T` being the Rust type of FLOAT or DOUBLE.
macro_rules! with_float {
    ($data_type:expr, $T:ident => $body:expr, else $other:expr) => {
        match $data_type {
            DataType::Float32 => {
                type $T = f32;
                $body
            }
            DataType::Float64 => {
                type $T = f64;
                $body
            }
            _ => $other,
        }
    };
}
pub(super) use with_float;

impl Cast {
    /// Integers and floats to numbers.
    pub(super) fn convert_number(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        with_integer!(from.data_type, A => self.convert_integer::<A>(from, rows, out), else {
            with_float!(from.data_type, A => self.convert_float::<A>(from, rows, out), else {
                panic!("no cast from {} to {}", from.data_type, self.to)
            })
        })
    }

    fn convert_integer<A: Integer>(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        if let DataType::Decimal(precision, scale) = self.to {
            let to = Shape::new(precision, scale);
            return self.to_decimal(from, rows, out, move |x: A| decimal::rescale(x.to_i64().into(), 0, to));
        }
        with_integer!(self.to, R => self.integer_to_integer::<A, R>(from, rows, out), else {
            with_float!(self.to, R => {
                // Directly, since a detour through DOUBLE would round twice on the way to FLOAT.
                kernel::unary(from, rows, out, |x: A| x.to_i64() as R);
                Ok(())
            }, else panic!("no cast from {} to {}", from.data_type, self.to))
        })
    }

    fn integer_to_integer<A: Integer, R: Integer>(
        &self,
        from: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
    ) -> Result<()> {
        if size_of::<R>() >= size_of::<A>() || self.mode == EvalMode::Legacy {
            kernel::unary(from, rows, out, |x: A| R::of_i64(x.to_i64()));
            return Ok(());
        }
        let narrow = |x: A| {
            let result = R::of_i64(x.to_i64());
            (result, result.to_i64() != x.to_i64())
        };
        kernel::unary_checked(from, rows, out, self.mode, narrow, |x: A| self.overflow_of(x, from.data_type))
    }

    fn convert_float<A: Float>(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        if let DataType::Decimal(precision, scale) = self.to {
            let to = Shape::new(precision, scale);
            return self.float_to_decimal::<A>(from, rows, out, to);
        }
        with_integer!(self.to, R => self.float_to_integer::<A, R>(from, rows, out), else {
            with_float!(self.to, R => {
                kernel::unary(from, rows, out, |x: A| R::of_f64(x.to_f64()));
                Ok(())
            }, else panic!("no cast from {} to {}", from.data_type, self.to))
        })
    }

    fn float_to_integer<A: Float, R: Integer>(
        &self,
        from: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
    ) -> Result<()> {
        if self.mode == EvalMode::Legacy {
            kernel::unary(from, rows, out, |x: A| R::of_f64(x.to_f64()));
            return Ok(());
        }
        let truncate = |x: A| (R::of_f64(x.to_f64()), !R::holds_f64(x.to_f64()));
        kernel::unary_checked(from, rows, out, self.mode, truncate, |x: A| {
            self.overflow(&print::double(x.to_f64()), from.data_type)
        })
    }

    /// A NaN or an infinity has no decimal and is NULL in every mode.
    fn float_to_decimal<A: Float>(
        &self,
        from: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
        to: Shape,
    ) -> Result<()> {
        self.to_decimal(from, rows, out, |x: A| match x.to_f64() {
            x if x.is_finite() => decimal::from_f64(x, to),
            _ => Some(0),
        })?;
        let values = from.as_slice::<A>();
        rows.for_each(|row| {
            if !values[from.index(row)].to_f64().is_finite() {
                out.set_null(row);
            }
        });
        Ok(())
    }

    fn to_decimal<A: Native>(
        &self,
        from: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
        f: impl Fn(A) -> Option<i128>,
    ) -> Result<()> {
        let checked = |x: A| f(x).map_or((0, true), |result| (result, false));
        kernel::unary_checked(from, rows, out, self.mode, checked, |x: A| {
            self.out_of_range(&print::native(x, from.data_type))
        })
    }

    /// Decimals to numbers.
    pub(super) fn convert_decimal(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let DataType::Decimal(_, scale) = *from.data_type else { panic!("{} is no decimal", from.data_type) };
        if let DataType::Decimal(precision, to_scale) = self.to {
            let to = Shape::new(precision, to_scale);
            return self.to_decimal(from, rows, out, |x: i128| decimal::rescale(x, scale, to));
        }
        with_integer!(self.to, R => self.decimal_to_integer::<R>(from, scale, rows, out), else {
            with_float!(self.to, R => {
                kernel::unary(from, rows, out, |x: i128| <R as Float>::of_f64(decimal::to_f64(x, scale)));
                Ok(())
            }, else panic!("no cast from {} to {}", from.data_type, self.to))
        })
    }

    /// What is behind the point is cut off.
    fn decimal_to_integer<R: Integer>(
        &self,
        from: &ColumnRef<'_>,
        scale: i8,
        rows: &Rows<'_>,
        out: &mut Column,
    ) -> Result<()> {
        let unit = decimal::power_of_ten(scale.unsigned_abs());
        let legacy = self.mode == EvalMode::Legacy;
        let truncate = |x: i128| {
            let whole = x / unit;
            let result = R::of_i64(whole as i64);
            (result, !legacy && i128::from(result.to_i64()) != whole)
        };
        kernel::unary_checked(from, rows, out, self.mode, truncate, |x| {
            self.overflow(&decimal::format(x, scale), from.data_type)
        })
    }

    /// Booleans to numbers: 1 and 0.
    pub(super) fn convert_boolean(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        if let DataType::Decimal(precision, scale) = self.to {
            let one = decimal::rescale(1, 0, Shape::new(precision, scale));
            let values = out.native_mut::<i128>(rows.len());
            (0..rows.len()).for_each(|row| values[row] = if from.bool_at(row) { one.unwrap_or(0) } else { 0 });
            kernel::nulls_of(&[from], out);
            let is_bad = |row| one.is_none() && from.bool_at(row);
            return kernel::settle(rows, out, &[from], self.mode, &is_bad, &|_| self.out_of_range("true"));
        }
        let fill = |out: &mut Column| {
            with_integer!(self.to, R => fill_bool::<R>(from, rows, out, 1, 0), else {
                with_float!(self.to, R => fill_bool::<R>(from, rows, out, 1.0, 0.0), else {
                    panic!("no cast from {} to {}", from.data_type, self.to)
                })
            });
        };
        fill(out);
        kernel::nulls_of(&[from], out);
        Ok(())
    }

    /// Numbers to booleans: 0 is false, anything else, NaN too, is true.
    pub(super) fn to_boolean(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) {
        with_integer!(from.data_type, A => kernel::compare(from, from, rows, out, false, |x: A, _| x != 0), else {
            with_float!(from.data_type, A => kernel::compare(from, from, rows, out, false, |x: A, _| x != 0.0), else {
                kernel::compare(from, from, rows, out, false, |x: i128, _| x != 0);
            })
        });
    }

    pub(super) fn overflow_of<A: Native>(&self, value: A, from: &DataType) -> Error {
        self.overflow(&print::native(value, from), from)
    }
}

fn fill_bool<R: Native>(from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column, yes: R, no: R) {
    let values = out.native_mut::<R>(rows.len());
    (0..rows.len()).for_each(|row| values[row] = if from.bool_at(row) { yes } else { no });
}
