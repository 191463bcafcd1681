//! `approx_count_distinct`: HyperLogLog++ with the registers, hash and bias correction of Spark, so that the same
//! values give the same estimate, whatever their order.

use alloc::{boxed::Box, vec::Vec};

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    call::as_double,
    cells::Kernel,
    codec::Scalar,
    hll_tables::{CARDINALITIES, ESTIMATES, PRECISION_MIN, THRESHOLDS},
    item::{Item, Number, Ordered},
};
use crate::{
    block::{Column, Values},
    error::{Error, Result},
    hash::{
        SEED, hash_at,
        xxhash64::{XxHash64, hash_int, hash_long},
    },
    schema::DataType,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[AggregateFunction { names: &["approx_count_distinct"], bind }];

/// Spark's default relative standard deviation.
const DEVIATION: f64 = 0.05;

/// A group then has 16 Mi registers of a byte each; more is a typing error.
const PRECISION_MAX: u32 = 24;

/// Estimates around the raw one whose biases are averaged.
const NEIGHBOURS: usize = 6;

fn bind(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let deviation = if call.args.len() == 2 { take_deviation(&mut call)? } else { DEVIATION };
    let precision = libm::ceil(2.0 * libm::log(1.106 / deviation) / libm::log(2.0));
    if !(f64::from(PRECISION_MIN)..=f64::from(PRECISION_MAX)).contains(&precision) {
        let text = "the relative standard deviation of approx_count_distinct() must be between 0.0004 and 0.39";
        return Err(Error::invalid(text).class("FAILED_FUNCTION_CALL").at(call.span));
    }
    call.finish(DistinctCount { precision: precision as u32 }, DataType::Int64, false)
}

fn take_deviation(call: &mut AggregateCall<'_>) -> Result<f64> {
    let span = call.span;
    let constant = call.take_constant(1, "relative standard deviation").ok();
    let deviation = constant.as_ref().and_then(|(value, data_type)| as_double(value, data_type));
    deviation.ok_or_else(|| Error::invalid("the second argument should be a double literal").at(span))
}

/// Counts distinct values with `2^precision` registers.
#[derive(Clone, Copy, Debug)]
struct DistinctCount {
    precision: u32,
}

/// For each register the most leading zeros seen, plus one; allocated with the first value.
type Registers = Option<Box<[u8]>>;

impl DistinctCount {
    /// Calls `hash` for each row and enters what it gives.
    fn enter(&self, cells: &mut [Registers], batch: &Batch<'_>, hash: impl Fn(usize) -> u64) -> Result<isize> {
        let mut allocated = 0;
        batch.each_valid(1, |row, group| {
            let registers = cells[group].get_or_insert_with(|| {
                allocated += 1_isize << self.precision;
                self.registers()
            });
            let hash = hash(row);
            let index = (hash >> (64 - self.precision)) as usize;
            // The bit that is added ends the count of zeros where the hash ends.
            let rank = ((hash << self.precision) | 1 << (self.precision - 1)).leading_zeros() as u8 + 1;
            registers[index] = registers[index].max(rank);
        });
        Ok(allocated)
    }

    fn enter_numbers<T: Ordered>(
        &self,
        cells: &mut [Registers],
        batch: &Batch<'_>,
        hash: impl Fn(T) -> u64,
    ) -> Result<isize> {
        let input = Number::<T>::open(&batch.args[0]);
        self.enter(cells, batch, |row| hash(Number::<T>::at(input, row)))
    }

    fn registers(&self) -> Box<[u8]> {
        alloc::vec![0; 1 << self.precision].into()
    }

    /// Largest rank: all bits after the index are zero.
    fn rank_max(&self) -> u8 {
        (64 - self.precision + 1) as u8
    }

    fn estimate(&self, registers: &[u8]) -> i64 {
        let m = registers.len() as f64;
        let zeros = registers.iter().filter(|&&r| r == 0).count();
        let inverse: f64 = registers.iter().map(|&r| 1.0 / (1_u64 << r) as f64).sum();
        let raw = self.alpha() * m * m / inverse;
        let linear = m * libm::log(m / zeros as f64);
        let is_small = zeros > 0 && (linear <= self.threshold() || raw <= 2.5 * m);
        let estimate = if is_small { linear } else { self.corrected(raw, m) };
        // Java's Math.round: halves go up.
        libm::floor(estimate + 0.5) as i64
    }

    fn alpha(&self) -> f64 {
        match self.precision {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            p => 0.7213 / (1.0 + 1.079 / (1_u64 << p) as f64),
        }
    }

    fn threshold(&self) -> f64 {
        self.table().map_or(f64::NEG_INFINITY, |i| THRESHOLDS[i])
    }

    fn corrected(&self, raw: f64, m: f64) -> f64 {
        match self.table() {
            Some(i) if raw < 5.0 * m => raw - bias(raw, ESTIMATES[i], CARDINALITIES[i]),
            _ => raw,
        }
    }

    /// Position of this precision in the tables, which end at 18.
    fn table(&self) -> Option<usize> {
        Some((self.precision - PRECISION_MIN) as usize).filter(|&i| i < ESTIMATES.len())
    }
}

/// Mean bias of the nearest estimates.
fn bias(raw: f64, estimates: &[f64], cardinalities: &[u32]) -> f64 {
    let distance = |i: usize| (raw - estimates[i]) * (raw - estimates[i]);
    let nearest = estimates.partition_point(|&e| e < raw);
    let mut low = (nearest + 1).saturating_sub(NEIGHBOURS);
    let mut high = (low + NEIGHBOURS).min(estimates.len());
    while high < estimates.len() && distance(high) < distance(low) {
        low += 1;
        high += 1;
    }
    let sum: f64 = (low..high).map(|i| estimates[i] - f64::from(cardinalities[i])).sum();
    sum / (high - low) as f64
}

impl Kernel for DistinctCount {
    type Cell = Registers;

    fn empty(&self) -> Registers {
        None
    }

    fn update(&self, cells: &mut [Registers], batch: &Batch<'_>) -> Result<isize> {
        let seed = u64::from(SEED);
        match batch.args[0].values {
            Values::Int32(_) => self.enter_numbers(cells, batch, |x: i32| hash_int(x, seed)),
            Values::Int64(_) => self.enter_numbers(cells, batch, |x: i64| hash_long(x, seed)),
            _ => self.enter(cells, batch, |row| hash_at::<XxHash64>(&batch.args[0], row, seed)),
        }
    }

    fn merge(&self, cell: &mut Registers, other: &Registers) -> Result<()> {
        if let Some(other) = other {
            let registers = cell.get_or_insert_with(|| self.registers());
            registers.iter_mut().zip(other).for_each(|(a, &b)| *a = (*a).max(b));
        }
        Ok(())
    }

    fn emit(&self, cell: &Registers, out: &mut Column) -> Result<()> {
        out.push(cell.as_ref().map_or(0, |registers| self.estimate(registers)));
        Ok(())
    }

    fn save(&self, cell: &Registers, out: &mut Vec<u8>) {
        cell.is_some().save(out);
        out.extend_from_slice(cell.as_deref().unwrap_or_default());
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Registers> {
        if !bool::load(bytes)? {
            return Ok(None);
        }
        let (registers, rest) = bytes.split_at_checked(1 << self.precision).ok_or_else(super::codec::cut)?;
        if registers.iter().any(|&r| r > self.rank_max()) {
            return Err(Error::corrupt("a saved register counts more zeros than there are bits"));
        }
        *bytes = rest;
        Ok(Some(registers.into()))
    }

    fn heap(&self, cell: &Registers) -> usize {
        cell.as_ref().map_or(0, |registers| registers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answers, bind as bind_test, lit},
        block::{Rows, Value},
        expr::BoundExpr,
    };

    fn estimate(name_args: Vec<BoundExpr>, column: &Column) -> Value {
        let call = bind_test("approx_count_distinct", name_args, |_| ()).unwrap();
        let mut aggregate = (call.make)();
        aggregate.grow(1);
        let groups = alloc::vec![0; column.len()];
        aggregate.update(&[column.view()], &groups, &Rows::new(column.len(), None)).unwrap();
        let mut out = Column::new(DataType::Int64);
        aggregate.emit(&[0], &mut out).unwrap();
        out.view().value(0)
    }

    #[test]
    fn estimates_are_those_of_spark() {
        let range = |modulo: i64| {
            let mut column = Column::new(DataType::Int64);
            (0..100_000).for_each(|i: i64| column.push(i % modulo));
            column
        };
        let x = BoundExpr::column(0, DataType::Int64, true);
        assert_eq!(estimate([x.clone()].into(), &range(i64::MAX)), Value::Int64(95_546));
        assert_eq!(estimate([x.clone(), lit(0.01, DataType::Float64)].into(), &range(i64::MAX)), Value::Int64(100_425));
        assert_eq!(estimate([x].into(), &range(1000)), Value::Int64(1026));
    }

    #[test]
    fn equal_values_count_once_in_every_type() {
        let zeros = [-0.0, 0.0, f64::NAN, -f64::NAN].map(Value::from);
        let words = ["a", "b", "a", ""].map(Value::from);
        let large = [150, 150, -1, 250].map(Value::Decimal);
        let cases = [
            (DataType::Float64, zeros, 2),
            (DataType::String, words, 3),
            (DataType::Decimal(30, 2), large, 3),
            (DataType::Boolean, [Value::Null, Value::Null, Value::Null, Value::Null], 0),
        ];
        for (data_type, values, expected) in cases {
            let table = Table::new(&[(data_type, &values)]);
            let call = bind_test("approx_count_distinct", table.args(), |_| ()).unwrap();
            assert_eq!(answers(&call, &table, &[0; 4], 1).unwrap(), [Value::Int64(expected)]);
        }
    }

    #[test]
    fn absurd_deviations_are_refused() {
        let x = BoundExpr::column(0, DataType::Int64, true);
        for deviation in [0.5, 1e-9, -1.0, f64::NAN] {
            let args = [x.clone(), lit(deviation, DataType::Float64)];
            assert!(bind_test("approx_count_distinct", args.into(), |_| ()).is_err(), "{deviation}");
        }
    }
}
