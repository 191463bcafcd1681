//! Exact percentiles: `percentile`, `median`, `percentile_cont`, `percentile_disc`. The state is each value with its
//! count, sorted when a result is asked for.

use alloc::{format, vec::Vec};

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    call::{as_double, decimal_to_double},
    cells::Kernel,
    codec::Scalar,
    item::{Item, Number},
    mode::merge_counts,
    tally::Tally,
};
use crate::{
    block::{Column, ColumnRef, Value, Values},
    error::{Error, Result},
    schema::{DataType, Physical},
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["percentile"], bind: bind_percentile },
    AggregateFunction { names: &["median"], bind: bind_median },
    AggregateFunction { names: &["percentile_cont"], bind: |call| bind_ordered(call, Between::Interpolate) },
    AggregateFunction { names: &["percentile_disc"], bind: |call| bind_ordered(call, Between::Step) },
];

/// What a percentile between two values is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// On the line from one to the other.
    Interpolate,
    /// The first value that at least the percentage of rows do not exceed.
    Step,
}

fn bind_percentile(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(2..=3)?;
    let percentages = Percentages::take(&mut call, 1)?;
    if call.args.len() == 2 {
        if !call.type_of(1).is_integer() && call.type_of(1) != &DataType::Null {
            let from = call.type_of(1).clone();
            return Err(call.unexpected(1, &from, "INTEGRAL"));
        }
        call.coerce(1, &DataType::Int64, "INTEGRAL")?;
    }
    bind(call, percentages, Between::Interpolate, false)
}

fn bind_median(call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    bind(call, Percentages { list: [0.5].into(), is_array: false }, Between::Interpolate, false)
}

fn bind_ordered(mut call: AggregateCall<'_>, between: Between) -> Result<BoundAggregate> {
    if !core::mem::take(&mut call.ordered) {
        let text = format!("{}() needs WITHIN GROUP (ORDER BY ...)", call.name);
        let error = Error::invalid(text).class("INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING");
        return Err(error.at(call.span).hint(format!("write {}(0.5) WITHIN GROUP (ORDER BY x)", call.name)));
    }
    call.arity(2..=2)?;
    let percentages = Percentages::take(&mut call, 0)?;
    let is_descending = call.descending;
    bind(call, percentages, between, is_descending)
}

fn bind(
    mut call: AggregateCall<'_>,
    percentages: Percentages,
    between: Between,
    is_descending: bool,
) -> Result<BoundAggregate> {
    let result = match call.type_of(0) {
        DataType::IntervalYearMonth(..) => DataType::YEAR_MONTH,
        DataType::IntervalDayTime(..) => DataType::DAY_TIME,
        DataType::Date | DataType::Timestamp | DataType::TimestampNtz => {
            let text = format!("{}() does not take {}", call.name, call.type_of(0));
            return Err(Error::unsupported("UNSUPPORTED_TIME_TYPE", text).at(call.span));
        }
        _ => {
            call.coerce_numeric(0)?;
            DataType::Float64
        }
    };
    let data_type = percentages.result_type(result);
    call.finish(Percentile { percentages, between, is_descending }, data_type, true)
}

/// The percentages of a call, captured when it is bound.
#[derive(Clone, Debug)]
pub(super) struct Percentages {
    pub list: Vec<f64>,
    pub is_array: bool,
}

impl Percentages {
    /// Takes argument `index`: a constant between 0 and 1 or an array of such.
    pub fn take(call: &mut AggregateCall<'_>, index: usize) -> Result<Self> {
        let (value, data_type) = call.take_constant(index, "percentage")?;
        let (values, element) = match (&value, &data_type) {
            (Value::Array(values), DataType::Array(element)) => (&values[..], &**element),
            (single, data_type) => (core::slice::from_ref(single), data_type),
        };
        let list = values.iter().map(|v| fraction(call, v, element)).collect::<Result<_>>()?;
        Ok(Self { list, is_array: matches!(value, Value::Array(_)) })
    }

    /// The type of the result, given that of one percentile.
    pub fn result_type(&self, of_one: DataType) -> DataType {
        if self.is_array { DataType::Array(of_one.into()) } else { of_one }
    }

    /// Appends the percentiles, NULL if there are none.
    pub fn emit<T>(&self, percentiles: &[T], out: &mut Column, mut push: impl FnMut(&T, &mut Column)) {
        match percentiles {
            [] => out.push_null(),
            all if self.is_array => out.push_array(|elements| all.iter().for_each(|p| push(p, elements))),
            [one, ..] => push(one, out),
        }
    }
}

fn fraction(call: &AggregateCall<'_>, value: &Value, data_type: &DataType) -> Result<f64> {
    if value.is_null() {
        return Err(call.unexpected_null("percentage"));
    }
    match as_double(value, data_type) {
        Some(p) if (0.0..=1.0).contains(&p) => Ok(p),
        Some(p) => Err(call.out_of_range("percentage", "[0.0, 1.0]", p)),
        None => Err(call.unexpected(1, data_type, "DOUBLE")),
    }
}

/// Percentiles of what numbers, and the numbers of intervals, are as doubles: no answer tells more of them.
#[derive(Clone, Debug)]
struct Percentile {
    percentages: Percentages,
    between: Between,
    is_descending: bool,
}

/// A column of numbers, dates, times or intervals, read as doubles.
#[derive(Clone, Copy)]
pub(super) struct Doubles<'a>(ColumnRef<'a>);

impl<'a> Doubles<'a> {
    pub fn of(column: &ColumnRef<'a>) -> Self {
        Self(*column)
    }

    /// The value of a row that is not NULL.
    #[inline]
    pub fn at(self, row: usize) -> f64 {
        let at = self.0.index(row);
        match (self.0.values, self.0.data_type) {
            (Values::Int8(values), _) => values[at].into(),
            (Values::Int16(values), _) => values[at].into(),
            (Values::Int32(values), _) => values[at].into(),
            (Values::Int64(values), _) => values[at] as f64,
            (Values::Float32(values), _) => values[at].into(),
            (Values::Float64(values), _) => values[at],
            (Values::Int128(values), DataType::Decimal(_, scale)) => decimal_to_double(values[at], *scale),
            (_, other) => panic!("{other} is no number"),
        }
    }
}

impl Kernel for Percentile {
    type Cell = Tally<Number<f64>, u64>;

    const VERSION: u8 = 2;

    fn empty(&self) -> Self::Cell {
        Tally::new()
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = Doubles::of(&batch.args[0]);
        let frequency = batch.args.get(1).map(Number::<i64>::open);
        self.grow_each(cells, batch, batch.args.len(), |cell, row| {
            let times = frequency.map_or(1, |frequency| Number::<i64>::at(frequency, row));
            let times = u64::try_from(times).map_err(|_| negative_frequency())?;
            if times > 0 {
                let count = cell.entry(input.at(row), 0).0;
                *count = count.saturating_add(times);
            }
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        merge_counts(cell, other);
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        self.percentages.emit(&self.percentiles(cell), out, |&value, out| match out.data_type().physical() {
            Physical::Int32 => out.push(value as i32),
            Physical::Int64 => out.push(value as i64),
            _ => out.push(value),
        });
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        cell.save(out, |count, out| count.save(out));
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        Tally::load(bytes, &DataType::Float64, u64::load)
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.heap()
    }
}

impl Percentile {
    fn percentiles(&self, cell: &Tally<Number<f64>, u64>) -> Vec<f64> {
        let mut sorted: Vec<_> = cell.entries().to_vec();
        sorted.sort_unstable_by(|(a, _), (b, _)| Number::compare(a, b));
        if self.is_descending {
            sorted.reverse();
        }
        // From counts to the number of rows up to and with each value.
        let mut rows = 0_u64;
        for (_, count) in &mut sorted {
            rows = rows.saturating_add(*count);
            *count = rows;
        }
        if rows == 0 {
            return Vec::new();
        }
        self.percentages.list.iter().map(|&p| self.percentile(&sorted, rows, p)).collect()
    }

    fn percentile(&self, sorted: &[(f64, u64)], rows: u64, percentage: f64) -> f64 {
        let at = |position: u64| {
            let index = sorted.partition_point(|&(_, upto)| upto <= position).min(sorted.len() - 1);
            sorted[index].0
        };
        if self.between == Between::Step {
            return at((libm::ceil(rows as f64 * percentage) as u64).saturating_sub(1));
        }
        let position = (rows - 1) as f64 * percentage;
        let (lower, higher) = (libm::floor(position), libm::ceil(position));
        let (low, high) = (at(lower as u64), at(higher as u64));
        if lower == higher || low == high || (low.is_nan() && high.is_nan()) {
            return low;
        }
        (higher - position) * low + (position - lower) * high
    }
}

fn negative_frequency() -> Error {
    let text = "the frequency of percentile() is negative";
    Error::data("NEGATIVE_VALUES_IN_FREQUENCY_EXPRESSION", text).hint("count with positive integers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answer, answers, bind, lit},
        expr::BoundExpr,
    };

    fn percentage(p: f64) -> BoundExpr {
        lit(p, DataType::Float64)
    }

    fn doubles(values: &[f64]) -> Value {
        Value::Array(values.iter().map(|&x| x.into()).collect())
    }

    #[test]
    fn percentiles_interpolate() {
        let values = [Some(1.0), Some(10.0), Some(2.0), Some(4.0), None, Some(7.0), Some(8.0), None];
        let table = Table::doubles(&[&values]);
        let groups = [0, 0, 0, 0, 0, 1, 1, 2];
        let list = lit(doubles(&[0.0, 0.25, 1.0]), DataType::Array(DataType::Float64.into()));
        let call = bind("percentile", [table.args(), [list].into()].concat(), |_| ()).unwrap();
        let expected = [doubles(&[1.0, 1.75, 10.0]), doubles(&[7.0, 7.25, 8.0]), Value::Null];
        assert_eq!(answers(&call, &table, &groups, 3).unwrap(), expected);
        let median = bind("median", table.args(), |_| ()).unwrap();
        assert_eq!(answers(&median, &table, &groups, 3).unwrap(), [3.0.into(), 7.5.into(), Value::Null]);
    }

    #[test]
    fn within_group_orders_both_ways() {
        let table = Table::ints(&[Some(1), Some(2), Some(3), Some(4)]);
        let run = |name, p, descending| {
            let args = [[percentage(p)].into(), table.args()].concat();
            let call = bind(name, args, |call| (call.ordered, call.descending) = (true, descending));
            answer(&call.unwrap(), &table)
        };
        for (p, descending, expected) in [
            (0.5, false, 2.0),
            (0.25, false, 1.0),
            (0.75, false, 3.0),
            (0.0, false, 1.0),
            (1.0, false, 4.0),
            (0.5, true, 3.0),
            (0.3, true, 3.0),
        ] {
            assert_eq!(run("percentile_disc", p, descending), expected.into(), "{p} {descending}");
        }
        assert_eq!(run("percentile_cont", 0.3, true), 3.1.into());
    }

    #[test]
    fn frequencies_weigh_and_must_not_be_negative() {
        let ints = |v: &[Option<i32>]| v.iter().map(|x| x.map_or(Value::Null, Value::Int32)).collect::<Vec<_>>();
        let longs = |v: &[Option<i64>]| v.iter().map(|x| x.map_or(Value::Null, Value::Int64)).collect::<Vec<_>>();
        let run = |values: &[Option<i32>], counts: &[Option<i64>]| {
            let table = Table::new(&[(DataType::Int32, &ints(values)), (DataType::Int64, &longs(counts))]);
            let args = table.args();
            let call = bind("percentile", [args[0].clone(), percentage(0.5), args[1].clone()].into(), |_| ());
            answers(&call.unwrap(), &table, &[0; 4][..values.len()], 1)
        };
        let values = [Some(1), Some(2), Some(5), Some(6)];
        assert_eq!(run(&values, &[Some(2), Some(0), Some(1), None]).unwrap(), [Value::Float64(1.0)]);
        let error = run(&values[..2], &[Some(2), Some(-1)]).unwrap_err();
        assert_eq!(error.error_class(), Some("NEGATIVE_VALUES_IN_FREQUENCY_EXPRESSION"));
    }

    #[test]
    fn percentages_are_constants_between_0_and_1() {
        let table = Table::ints(&[Some(1)]);
        let class = |p: BoundExpr| {
            let error = bind("percentile", [table.args(), [p].into()].concat(), |_| ()).unwrap_err();
            error.error_class()
        };
        assert_eq!(class(percentage(1.5)), Some("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"));
        assert_eq!(class(lit(Value::Null, DataType::Null)), Some("DATATYPE_MISMATCH.UNEXPECTED_NULL"));
        assert_eq!(class(table.args().remove(0)), Some("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT"));
    }

    #[test]
    fn intervals_stay_intervals() {
        let micros = [3_i64, 1, 8].map(Value::from);
        let table = Table::new(&[(DataType::DAY_TIME, &micros)]);
        let call = bind("percentile", [table.args(), [percentage(0.3)].into()].concat(), |_| ()).unwrap();
        assert_eq!((answer(&call, &table), call.data_type), (Value::Int64(2), DataType::DAY_TIME));
    }
}
