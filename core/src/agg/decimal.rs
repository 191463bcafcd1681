//! `sum` and `avg` of decimals: sums in 128 bits of precision `p + 10`, means of scale `s + 4` rounded half up.
//! What does not fit is an error (ANSI) or NULL, found when the result is asked for, as Spark does.

use alloc::{format, vec::Vec};

use super::{
    AggregateCall, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    item::{Item, Number},
    sum::{Overflow, divide_half_up},
};
use crate::{
    block::Column,
    error::{Error, Result},
    schema::DataType,
};

const PRECISION_MAX: u8 = 38;

pub(super) fn bind_sum(call: AggregateCall<'_>, p: u8, s: i8, overflow: Overflow) -> Result<BoundAggregate> {
    let precision = sum_precision(p);
    call.finish(Decimals { precision, mean: None, overflow }, DataType::Decimal(precision, s), true)
}

pub(super) fn bind_avg(call: AggregateCall<'_>, p: u8, s: i8, overflow: Overflow) -> Result<BoundAggregate> {
    let mean = Mean { precision: (p + 4).min(PRECISION_MAX), digits: ((s + 4).min(PRECISION_MAX as i8) - s) as u8 };
    let data_type = DataType::Decimal(mean.precision, s + mean.digits as i8);
    call.finish(Decimals { precision: sum_precision(p), mean: Some(mean), overflow }, data_type, true)
}

fn sum_precision(p: u8) -> u8 {
    (p + 10).min(PRECISION_MAX)
}

/// Sum of decimals, or their mean.
#[derive(Clone, Copy, Debug)]
struct Decimals {
    /// Digits a sum may have.
    precision: u8,
    mean: Option<Mean>,
    overflow: Overflow,
}

#[derive(Clone, Copy, Debug)]
struct Mean {
    /// Digits the result may have.
    precision: u8,
    /// Digits after the point that the result has more than the argument.
    digits: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    sum: i128,
    count: i64,
    is_over: bool,
}

impl Cell {
    #[inline]
    fn add(&mut self, value: i128, count: i64) {
        let (sum, over) = self.sum.overflowing_add(value);
        self.sum = sum;
        self.is_over |= over;
        self.count = self.count.saturating_add(count);
    }
}

impl Kernel for Decimals {
    type Cell = Cell;

    fn empty(&self) -> Cell {
        Cell::default()
    }

    fn update(&self, cells: &mut [Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = Number::<i128>::open(&batch.args[0]);
        batch.each_valid(1, |row, group| cells[group].add(Number::<i128>::at(input, row), 1));
        Ok(0)
    }

    fn merge(&self, cell: &mut Cell, other: &Cell) -> Result<()> {
        cell.add(other.sum, other.count);
        cell.is_over |= other.is_over;
        Ok(())
    }

    fn emit(&self, cell: &Cell, out: &mut Column) -> Result<()> {
        if cell.count == 0 {
            out.push_null();
            return Ok(());
        }
        match (self.result(cell), self.overflow) {
            (Some(value), _) => out.push(value),
            (None, Overflow::Error) => return Err(self.error(cell)),
            (None, _) => out.push_null(),
        }
        Ok(())
    }

    fn save(&self, cell: &Cell, out: &mut Vec<u8>) {
        cell.sum.save(out);
        cell.count.save(out);
        cell.is_over.save(out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Cell> {
        Ok(Cell { sum: i128::load(bytes)?, count: i64::load(bytes)?, is_over: bool::load(bytes)? })
    }
}

impl Decimals {
    fn sum(&self, cell: &Cell) -> Option<i128> {
        Some(cell.sum).filter(|s| !cell.is_over && fits(s, self.precision))
    }

    fn result(&self, cell: &Cell) -> Option<i128> {
        let sum = self.sum(cell)?;
        let Some(mean) = self.mean else { return Some(sum) };
        // The quotient's whole part and its new digits apart: together they may need more than 128 bits.
        let (count, power) = (i128::from(cell.count.max(1)), 10_i128.pow(mean.digits.into()));
        let digits = divide_half_up(sum % count * power, cell.count.max(1));
        let value = (sum / count).checked_mul(power)?.checked_add(digits)?;
        Some(value).filter(|v| fits(v, mean.precision))
    }

    /// A mean may fail for its sum.
    fn error(&self, cell: &Cell) -> Error {
        match self.mean.filter(|_| self.sum(cell).is_some()) {
            None => Error::data("ARITHMETIC_OVERFLOW", "overflow in sum of decimals")
                .hint("use try_sum, which gives NULL, or a smaller scale"),
            Some(mean) => {
                let text = format!("the mean of decimals does not fit {} digits", mean.precision);
                Error::data("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", text)
                    .hint("use try_avg, which gives NULL, or CAST to DOUBLE first")
            }
        }
    }
}

fn fits(value: &i128, precision: u8) -> bool {
    value.unsigned_abs() < 10_u128.pow(precision.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answer, bind, bind_with},
        block::Value,
        expr::Settings,
    };

    fn table(p: u8, s: i8, values: &[i128]) -> Table {
        let values: Vec<Value> = values.iter().map(|&x| Value::Decimal(x)).collect();
        Table::new(&[(DataType::Decimal(p, s), &values)])
    }

    #[test]
    fn results_have_the_types_and_digits_of_spark() {
        let table = table(12, 4, &[11000, 22500, 1, -55500]);
        let sum = bind("sum", table.args(), |_| ()).unwrap();
        assert_eq!((&sum.data_type, answer(&sum, &table)), (&DataType::Decimal(22, 4), Value::Decimal(-21_999)));
        let avg = bind("avg", table.args(), |_| ()).unwrap();
        assert_eq!((&avg.data_type, answer(&avg, &table)), (&DataType::Decimal(16, 8), Value::Decimal(-54_997_500)));
    }

    #[test]
    fn means_round_half_up_and_scales_stop_at_38_digits() {
        let cases = [(3, 2, [150, 225, -10], 7, 6, 1_216_667), (36, 2, [150, 225, -10], 38, 6, 1_216_667)];
        for (p, s, values, precision, scale, mean) in cases {
            let table = table(p, s, &values);
            let avg = bind("avg", table.args(), |_| ()).unwrap();
            assert_eq!(
                (&avg.data_type, answer(&avg, &table)),
                (&DataType::Decimal(precision, scale), Value::Decimal(mean))
            );
        }
    }

    #[test]
    fn too_many_digits_fail_or_are_null() {
        let nines = 10_i128.pow(38) - 1;
        let table = table(38, 0, &[nines, 1]);
        let error = |name| {
            let call = bind(name, table.args(), |_| ()).unwrap();
            crate::agg::testing::answers(&call, &table, &[0, 0], 1).unwrap_err()
        };
        assert_eq!(error("sum").error_class(), Some("ARITHMETIC_OVERFLOW"));
        assert_eq!(error("avg").error_class(), Some("ARITHMETIC_OVERFLOW"));
        assert_eq!(answer(&bind("try_sum", table.args(), |_| ()).unwrap(), &table), Value::Null);
        let settings = Settings { ansi: false, ..Settings::default() };
        assert_eq!(answer(&bind_with(&settings, "avg", table.args(), |_| ()).unwrap(), &table), Value::Null);
    }
}
