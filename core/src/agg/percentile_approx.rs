//! `percentile_approx`, `approx_percentile`: percentiles within a relative error of rank of `1 / accuracy`, given as
//! values that occurred, in the argument's type.

use alloc::vec::Vec;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    percentile::{Doubles, Percentages},
    quantiles::Quantiles,
};
use crate::{
    block::{Column, Value},
    error::Result,
    expr::decimal::{self, Shape},
    schema::{DataType, Physical},
};

pub(super) const FUNCTIONS: &[AggregateFunction] =
    &[AggregateFunction { names: &["percentile_approx", "approx_percentile"], bind }];

/// Spark's default.
const ACCURACY: i64 = 10_000;

fn bind(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(2..=3)?;
    let accuracy = if call.args.len() == 3 { take_accuracy(&mut call)? } else { ACCURACY };
    let percentages = Percentages::take(&mut call, 1)?;
    let source = match call.type_of(0) {
        t @ (DataType::Date | DataType::Timestamp | DataType::TimestampNtz) => t.clone(),
        t @ (DataType::IntervalYearMonth(..) | DataType::IntervalDayTime(..)) => t.clone(),
        _ => {
            call.coerce_numeric(0)?;
            call.type_of(0).clone()
        }
    };
    let data_type = percentages.result_type(source.clone());
    call.finish(PercentileApprox { source, percentages, epsilon: 1.0 / accuracy as f64 }, data_type, true)
}

fn take_accuracy(call: &mut AggregateCall<'_>) -> Result<i64> {
    let (value, data_type) = call.take_constant(2, "accuracy")?;
    match value.as_i64() {
        Some(accuracy) if (1..=i64::from(i32::MAX)).contains(&accuracy) => Ok(accuracy),
        Some(accuracy) => Err(call.out_of_range("accuracy", "(0, 2147483647]", accuracy)),
        None if value == Value::Null => Err(call.unexpected_null("accuracy")),
        None => Err(call.unexpected(2, &data_type, "INTEGRAL")),
    }
}

#[derive(Clone, Debug)]
struct PercentileApprox {
    source: DataType,
    percentages: Percentages,
    epsilon: f64,
}

impl PercentileApprox {
    fn push(&self, value: f64, out: &mut Column) {
        match &self.source {
            // Through a double a decimal may gain digits that its type does not hold.
            DataType::Decimal(precision, scale) => match decimal::from_f64(value, Shape::new(*precision, *scale)) {
                Some(unscaled) => out.push(unscaled),
                None => out.push_null(),
            },
            other => match other.physical() {
                Physical::Int8 => out.push(value as i8),
                Physical::Int16 => out.push(value as i16),
                Physical::Int32 => out.push(value as i32),
                Physical::Int64 => out.push(value as i64),
                Physical::Float32 => out.push(value as f32),
                _ => out.push(value),
            },
        }
    }
}

impl Kernel for PercentileApprox {
    type Cell = Quantiles;

    fn empty(&self) -> Quantiles {
        Quantiles::new(self.epsilon)
    }

    fn update(&self, cells: &mut [Quantiles], batch: &Batch<'_>) -> Result<isize> {
        let input = Doubles::of(&batch.args[0]);
        self.grow_each(cells, batch, 1, |cell, row| {
            cell.insert(input.at(row));
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Quantiles, other: &Quantiles) -> Result<()> {
        cell.merge(other);
        Ok(())
    }

    fn emit(&self, cell: &Quantiles, out: &mut Column) -> Result<()> {
        let percentiles = cell.query(&self.percentages.list);
        self.percentages.emit(&percentiles, out, |&value, out| self.push(value, out));
        Ok(())
    }

    fn save(&self, cell: &Quantiles, out: &mut Vec<u8>) {
        cell.save(out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Quantiles> {
        Quantiles::load(self.epsilon, bytes)
    }

    fn heap(&self, cell: &Quantiles) -> usize {
        cell.heap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answer, bind, lit},
        expr::BoundExpr,
    };

    fn list(percentages: &[f64]) -> BoundExpr {
        let values = percentages.iter().map(|&p| p.into()).collect();
        lit(Value::Array(values), DataType::Array(DataType::Float64.into()))
    }

    #[test]
    fn answers_are_values_that_occurred_in_their_type() {
        let table = Table::new(&[(DataType::Decimal(3, 2), &[350, 150, 225].map(Value::Decimal))]);
        let call = bind("percentile_approx", [table.args(), [list(&[0.1, 0.5, 0.9])].into()].concat(), |_| ());
        let expected = Value::Array([150, 225, 350].map(Value::Decimal).into());
        assert_eq!(answer(&call.unwrap(), &table), expected);
    }

    /// `percentile_approx(value, percentages, accuracy)` over `rows` rows in one partition.
    fn over(rows: i64, value: fn(i64) -> i64, percentages: &[f64], accuracy: i32) -> Value {
        let accuracy = lit(accuracy, DataType::Int32);
        let args = [BoundExpr::column(0, DataType::Int64, true), list(percentages), accuracy];
        let mut aggregate = (bind("percentile_approx", args.into(), |_| ()).unwrap().make)();
        aggregate.grow(1);
        let values: Vec<Value> = (0..rows).map(|i| value(i).into()).collect();
        let column = Column::from_values(DataType::Int64, &values);
        let all = crate::block::Rows::new(values.len(), None);
        aggregate.update(&[column.view()], &alloc::vec![0; values.len()], &all).unwrap();
        let mut out = Column::new(DataType::Array(DataType::Int64.into()));
        aggregate.emit(&[0], &mut out).unwrap();
        out.view().value(0)
    }

    #[test]
    fn many_rows_give_the_answers_of_spark() {
        let array = |v: &[i64]| Value::Array(v.iter().map(|&x| x.into()).collect());
        assert_eq!(over(10_000, |i| i + 1, &[0.5, 0.95, 0.99], 10_000), array(&[4999, 9499, 9899]));
        let shuffled = |i: i64| i * 7919 % 200_003;
        let seven = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
        let rough = [0, 18_543, 48_132, 99_770, 148_793, 178_951, 200_002];
        assert_eq!(over(200_000, shuffled, &seven, 100), array(&rough));
        let fine = [1993, 20_004, 49_982, 99_984, 149_983, 179_988, 197_990];
        assert_eq!(over(200_000, shuffled, &seven, 10_000), array(&fine));
        assert_eq!(over(60_000, shuffled, &[0.9, 0.1, 0.5], 1000), array(&[179_887, 20_037, 99_919]));
    }

    #[test]
    fn accuracy_is_a_positive_integer() {
        let args = [BoundExpr::column(0, DataType::Int64, true), list(&[0.5]), lit(0, DataType::Int32)];
        let error = bind("percentile_approx", args.into(), |_| ()).unwrap_err();
        assert_eq!(error.error_class(), Some("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"));
    }
}
