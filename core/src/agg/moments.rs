//! Standard deviation, variance, skewness, kurtosis: central moments, updated and merged by the formulas of Spark's
//! `CentralMomentAgg`, so that results agree with it to the last digits.

use alloc::vec::Vec;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    item::{Item, Number},
};
use crate::{block::Column, error::Result, schema::DataType};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["stddev", "stddev_samp", "std"], bind: |call| bind(call, Moments::StddevSamp) },
    AggregateFunction { names: &["stddev_pop"], bind: |call| bind(call, Moments::StddevPop) },
    AggregateFunction { names: &["variance", "var_samp"], bind: |call| bind(call, Moments::VarSamp) },
    AggregateFunction { names: &["var_pop"], bind: |call| bind(call, Moments::VarPop) },
    AggregateFunction { names: &["skewness"], bind: |call| bind(call, Moments::Skewness) },
    AggregateFunction { names: &["kurtosis"], bind: |call| bind(call, Moments::Kurtosis) },
];

fn bind(mut call: AggregateCall<'_>, which: Moments) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    call.coerce_double(0)?;
    call.finish(which, DataType::Float64, true)
}

/// What the moments are turned into.
#[derive(Clone, Copy, Debug)]
enum Moments {
    StddevSamp,
    StddevPop,
    VarSamp,
    VarPop,
    Skewness,
    /// Excess kurtosis.
    Kurtosis,
}

/// Count, mean and the sums of powers of the distances from the mean.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    n: f64,
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Cell {
    #[inline]
    fn add_second(&mut self, value: f64) {
        self.n += 1.0;
        let delta = value - self.mean;
        let delta_n = delta / self.n;
        self.mean += delta_n;
        self.m2 += delta * (delta - delta_n);
    }

    #[inline]
    fn add_fourth(&mut self, value: f64) {
        let delta = value - self.mean;
        self.add_second(value);
        let delta_n = delta / self.n;
        let (square, square_n) = (delta * delta, delta_n * delta_n);
        self.m3 = self.m3 - 3.0 * delta_n * self.m2 + delta * (square - square_n);
        self.m4 = self.m4 - 4.0 * delta_n * self.m3 - 6.0 * square_n * self.m2
            + delta * (delta * square - delta_n * square_n);
    }

    fn merge(&mut self, other: &Self) {
        let (n1, n2) = (self.n, other.n);
        let n = n1 + n2;
        let delta = other.mean - self.mean;
        let delta_n = if n == 0.0 { 0.0 } else { delta / n };
        let (a, b) = (*self, other);
        self.n = n;
        self.mean = a.mean + delta_n * n2;
        self.m2 = a.m2 + b.m2 + delta * delta_n * n1 * n2;
        self.m3 =
            a.m3 + b.m3 + delta_n * delta_n * delta * n1 * n2 * (n1 - n2) + 3.0 * delta_n * (n1 * b.m2 - n2 * a.m2);
        self.m4 = a.m4
            + b.m4
            + delta_n * delta_n * delta_n * delta * n1 * n2 * (n1 * n1 - n1 * n2 + n2 * n2)
            + 6.0 * delta_n * delta_n * (n1 * n1 * b.m2 + n2 * n2 * a.m2)
            + 4.0 * delta_n * (n1 * b.m3 - n2 * a.m3);
    }
}

impl Kernel for Moments {
    type Cell = Cell;

    fn empty(&self) -> Cell {
        Cell::default()
    }

    fn update(&self, cells: &mut [Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = Number::<f64>::open(&batch.args[0]);
        match self {
            Self::Skewness | Self::Kurtosis => {
                batch.each_valid(1, |row, group| cells[group].add_fourth(Number::<f64>::at(input, row)));
            }
            _ => batch.each_valid(1, |row, group| cells[group].add_second(Number::<f64>::at(input, row))),
        }
        Ok(0)
    }

    fn merge(&self, cell: &mut Cell, other: &Cell) -> Result<()> {
        cell.merge(other);
        Ok(())
    }

    fn emit(&self, cell: &Cell, out: &mut Column) -> Result<()> {
        match self.result(cell) {
            Some(value) => out.push(value),
            None => out.push_null(),
        }
        Ok(())
    }

    fn save(&self, cell: &Cell, out: &mut Vec<u8>) {
        [cell.n, cell.mean, cell.m2, cell.m3, cell.m4].into_iter().for_each(|x| x.save(out));
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Cell> {
        let mut next = || f64::load(bytes);
        Ok(Cell { n: next()?, mean: next()?, m2: next()?, m3: next()?, m4: next()? })
    }
}

impl Moments {
    fn result(&self, &Cell { n, m2, m3, m4, .. }: &Cell) -> Option<f64> {
        if n == 0.0 {
            return None;
        }
        match self {
            Self::VarPop => Some(m2 / n),
            Self::StddevPop => Some(libm::sqrt(m2 / n)),
            Self::VarSamp | Self::StddevSamp if n == 1.0 => None,
            Self::VarSamp => Some(m2 / (n - 1.0)),
            Self::StddevSamp => Some(libm::sqrt(m2 / (n - 1.0))),
            Self::Skewness | Self::Kurtosis if m2 == 0.0 => None,
            Self::Skewness => Some(libm::sqrt(n) * m3 / libm::sqrt(m2 * m2 * m2)),
            Self::Kurtosis => Some(n * m4 / (m2 * m2) - 3.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        agg::testing::{Table, answers, bind, is_close},
        block::Value,
    };

    #[test]
    fn answers_are_those_of_spark() {
        let table = Table::doubles(&[&[Some(1.0), Some(3.0), Some(7.0), Some(2.5), Some(4.0), Some(4.0), None]]);
        let groups = [0, 0, 0, 1, 2, 2, 3];
        let cases = [
            ("stddev", [Some(3.055050463303893), None, Some(0.0), None]),
            ("stddev_pop", [Some(2.494438257849294), Some(0.0), Some(0.0), None]),
            ("variance", [Some(9.333333333333334), None, Some(0.0), None]),
            ("var_pop", [Some(6.222222222222222), Some(0.0), Some(0.0), None]),
            ("skewness", [Some(0.3818017741606068), None, None, None]),
            ("kurtosis", [Some(-1.5000000000000009), None, None, None]),
        ];
        for (name, expected) in cases {
            let call = bind(name, table.args(), |_| ()).unwrap();
            let results = answers(&call, &table, &groups, 4).unwrap();
            let expected = expected.map(|x| x.map_or(Value::Null, Value::Float64));
            assert!(results.iter().zip(&expected).all(|(a, b)| is_close(a, b)), "{name}: {results:?}");
        }
    }
}
