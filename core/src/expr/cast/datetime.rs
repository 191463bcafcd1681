//! Dates and timestamps to each other and to numbers. Numbers are seconds.

use super::{
    Cast,
    number::{Float, Integer, with_float, with_integer},
    print,
};
use crate::{
    block::{Column, ColumnRef, Rows},
    error::Result,
    expr::{
        EvalMode,
        decimal::{self, Shape},
        kernel,
    },
    schema::DataType,
    time::{MICROS_PER_DAY, MICROS_PER_SECOND, zone},
};

/// Digits behind the point that a second has.
const MICROS_SCALE: i8 = 6;

impl Cast {
    /// From or to a timestamp.
    pub(super) fn convert_timestamp(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        use DataType::{Boolean, Date, Decimal, Timestamp, TimestampNtz};
        match (from.data_type, &self.to) {
            (Timestamp, TimestampNtz) => {
                kernel::unary(from, rows, out, |us: i64| zone::instant_to_local(us, &self.zone));
            }
            (TimestampNtz, Timestamp) => return self.local_to_instant(from, rows, out, |us: i64| Some(us)),
            (Timestamp, Date) => {
                kernel::unary(from, rows, out, |us: i64| days(zone::instant_to_local(us, &self.zone)));
            }
            (TimestampNtz, Date) => kernel::unary(from, rows, out, days),
            (Timestamp, Boolean) => kernel::compare(from, from, rows, out, false, |us: i64, _| us != 0),
            (Timestamp, Decimal(precision, scale)) => {
                return self.micros_to_decimal(from, rows, out, Shape::new(*precision, *scale));
            }
            (Timestamp, to) => with_integer!(to, R => return self.seconds::<R>(from, rows, out), else {
                with_float!(to, R => {
                    kernel::unary(from, rows, out, |us: i64| R::of_f64(us as f64 / MICROS_PER_SECOND as f64));
                }, else panic!("no cast from TIMESTAMP to {to}"))
            }),
            (Boolean, Timestamp) => {
                let micros = out.native_mut::<i64>(rows.len());
                // True is one microsecond, as in Spark.
                (0..rows.len()).for_each(|row| micros[row] = from.bool_at(row).into());
                kernel::nulls_of(&[from], out);
            }
            (_, Timestamp) => return self.number_to_timestamp(from, rows, out),
            (from, to) => panic!("no cast from {from} to {to}"),
        }
        Ok(())
    }

    fn local_to_instant<A: crate::block::Native>(
        &self,
        from: &ColumnRef<'_>,
        rows: &Rows<'_>,
        out: &mut Column,
        local: impl Fn(A) -> Option<i64>,
    ) -> Result<()> {
        let instant = |x: A| match local(x).and_then(|us| zone::local_to_instant(us, &self.zone)) {
            Some(us) => (us, false),
            None => (0, true),
        };
        kernel::unary_checked(from, rows, out, self.mode, instant, |x| self.overflow_of(x, from.data_type))
    }

    /// Whole seconds, rounded down.
    fn seconds<R: Integer>(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        // What does not fit is NULL in legacy mode: this cast never wrapped around.
        let seconds = |us: i64| {
            let seconds = us.div_euclid(MICROS_PER_SECOND);
            let result = R::of_i64(seconds);
            (result, result.to_i64() != seconds)
        };
        kernel::unary_checked(from, rows, out, self.mode, seconds, |us: i64| self.overflow_of(us, from.data_type))
    }

    fn micros_to_decimal(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column, to: Shape) -> Result<()> {
        let convert = |us: i64| match decimal::rescale(us.into(), MICROS_SCALE, to) {
            Some(value) => (value, false),
            None => (0, true),
        };
        kernel::unary_checked(from, rows, out, self.mode, convert, |us| {
            self.out_of_range(&decimal::format(us.into(), MICROS_SCALE))
        })
    }

    fn number_to_timestamp(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        if let DataType::Decimal(_, scale) = *from.data_type {
            let micros = |x: i128| micros_of_decimal(x, scale).map_or((0, true), |us| (us, false));
            return kernel::unary_checked(from, rows, out, self.mode, micros, |x| {
                self.overflow(&decimal::format(x, scale), from.data_type)
            });
        }
        with_integer!(from.data_type, A => {
            kernel::unary(from, rows, out, |s: A| s.to_i64().saturating_mul(MICROS_PER_SECOND));
            Ok(())
        }, else {
            with_float!(from.data_type, A => self.float_to_timestamp::<A>(from, rows, out), else {
                panic!("no cast from {} to TIMESTAMP", from.data_type)
            })
        })
    }

    fn float_to_timestamp<A: Float>(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let legacy = self.mode == EvalMode::Legacy;
        let micros = |s: A| {
            let us = s.to_f64() * MICROS_PER_SECOND as f64;
            (us as i64, if legacy { !s.to_f64().is_finite() } else { !i64::holds_f64(us) })
        };
        kernel::unary_checked(from, rows, out, self.mode, micros, |s| match s.to_f64().is_finite() {
            true => self.overflow_of(s, from.data_type),
            false => self.malformed(&print::double(s.to_f64()), from.data_type),
        })
    }

    /// From a date.
    pub(super) fn convert_date(&self, from: &ColumnRef<'_>, rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        use DataType::{Date, Timestamp, TimestampNtz};
        let midnight = |days: i32| i64::from(days).checked_mul(MICROS_PER_DAY);
        match (from.data_type, &self.to) {
            (Date, Timestamp) => self.local_to_instant(from, rows, out, midnight),
            (Date, TimestampNtz) => {
                let micros = |days: i32| midnight(days).map_or((0, true), |us| (us, false));
                kernel::unary_checked(from, rows, out, self.mode, micros, |d| self.overflow_of(d, from.data_type))
            }
            // Before ANSI mode a date had a number, but the number was NULL.
            (Date, to) if to.is_numeric() || *to == DataType::Boolean => {
                super::nested::nulls(rows, out);
                Ok(())
            }
            (from, to) => panic!("no cast from {from} to {to}"),
        }
    }
}

fn days(local_us: i64) -> i32 {
    // 2^63 us are 106 million days.
    local_us.div_euclid(MICROS_PER_DAY) as i32
}

/// Seconds as a decimal to microseconds; finer digits are cut off.
fn micros_of_decimal(value: i128, scale: i8) -> Option<i64> {
    let micros = match scale {
        ..=MICROS_SCALE => value.checked_mul(decimal::power_of_ten((MICROS_SCALE - scale).unsigned_abs()))?,
        _ => value / decimal::power_of_ten((scale - MICROS_SCALE).unsigned_abs()),
    };
    i64::try_from(micros).ok()
}
