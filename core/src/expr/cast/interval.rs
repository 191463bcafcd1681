//! Intervals to intervals of other units, to numbers and from numbers. Numbers count the narrowest unit of the type.

use super::{
    Cast,
    number::{Integer, with_integer},
    print,
};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::Result,
    expr::{
        decimal::{self, Shape},
        kernel,
    },
    schema::DataType,
    time::interval::Unit,
};

/// What one of the narrowest unit of an interval type counts: microseconds or months.
fn unit_of(data_type: &DataType) -> i64 {
    match data_type {
        DataType::IntervalDayTime(_, to) => to.micros(),
        DataType::IntervalYearMonth(_, to) => to.months().into(),
        other => panic!("{other} is no interval"),
    }
}

impl Cast {
    /// From an interval.
    pub(super) fn convert_interval(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        match from.data_type {
            DataType::IntervalDayTime(..) => self.of_interval::<i64>(from, rows, out),
            _ => self.of_interval::<i32>(from, rows, out),
        }
    }

    fn of_interval<S: Integer>(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let unit = unit_of(from.data_type);
        match self.to {
            // What is finer than the new type's units is cut off; seconds have their fraction.
            DataType::IntervalDayTime(..) | DataType::IntervalYearMonth(..) => {
                let is_seconds = matches!(self.to, DataType::IntervalDayTime(_, Unit::Second));
                let unit = if is_seconds { 1 } else { unit_of(&self.to) };
                kernel::unary(from, rows, out, |x: S| S::of_i64(x.to_i64() - x.to_i64() % unit));
                Ok(())
            }
            DataType::Decimal(precision, scale) => {
                let to = Shape::new(precision, scale);
                let is_seconds = matches!(from.data_type, DataType::IntervalDayTime(_, Unit::Second));
                let (unit, digits) = if is_seconds { (1, 6) } else { (unit, 0) };
                let convert = |x: S| {
                    decimal::rescale((x.to_i64() / unit).into(), digits, to).map_or((0, true), |value| (value, false))
                };
                kernel::unary_checked(from, rows, out, self.mode, convert, |x: S| self.out_of_range(&text(x, from)))
            }
            ref to => with_integer!(to, R => {
                let convert = |x: S| {
                    let count = x.to_i64() / unit;
                    (R::of_i64(count), R::of_i64(count).to_i64() != count)
                };
                kernel::unary_checked(from, rows, out, self.mode, convert, |x: S| self.overflow_of(x, from.data_type))
            }, else panic!("no cast from {} to {to}", from.data_type)),
        }
    }

    /// Numbers to intervals.
    pub(super) fn to_interval(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        match self.to {
            DataType::IntervalDayTime(..) => self.as_interval::<i64>(from, rows, out),
            _ => self.as_interval::<i32>(from, rows, out),
        }
    }

    fn as_interval<S: Integer>(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let unit = unit_of(&self.to);
        let fits = |x: Option<i64>| {
            let x = x.unwrap_or(i64::MAX);
            (S::of_i64(x), S::of_i64(x).to_i64() != x)
        };
        if let DataType::Decimal(_, scale) = *from.data_type {
            let convert = |x: i128| {
                let count = decimal::multiply((x, scale), (unit.into(), 0), Shape::new(decimal::PRECISION_MAX, 0));
                let count = count.and_then(|count| i64::try_from(count).ok());
                (fits(count).0, count.is_none() || fits(count).1)
            };
            return kernel::unary_checked(from, rows, out, self.mode, convert, |x| {
                self.overflow(&decimal::format(x, scale), from.data_type)
            });
        }
        with_integer!(from.data_type, A => {
            let convert = |x: A| {
                let count = x.to_i64().checked_mul(unit);
                (fits(count).0, count.is_none() || fits(count).1)
            };
            kernel::unary_checked(from, rows, out, self.mode, convert, |x: A| self.overflow_of(x, from.data_type))
        }, else panic!("no cast from {} to {}", from.data_type, self.to))
    }
}

fn text<S: Integer>(value: S, of: &ColumnRef<'_>) -> alloc::string::String {
    print::native(value, of.data_type)
}
