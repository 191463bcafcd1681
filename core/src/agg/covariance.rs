//! Correlation, covariance and linear regression of two columns: co-moments, updated and merged by the formulas of
//! Spark's `PearsonCorrelation`. Rows where either argument is NULL are skipped.

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
    AggregateFunction { names: &["corr"], bind: |call| bind(call, Bivariate::Corr) },
    AggregateFunction { names: &["covar_pop"], bind: |call| bind(call, Bivariate::CovarPop) },
    AggregateFunction { names: &["covar_samp"], bind: |call| bind(call, Bivariate::CovarSamp) },
    AggregateFunction { names: &["regr_avgx"], bind: |call| bind(call, Bivariate::AvgX) },
    AggregateFunction { names: &["regr_avgy"], bind: |call| bind(call, Bivariate::AvgY) },
    AggregateFunction { names: &["regr_sxx"], bind: |call| bind(call, Bivariate::Sxx) },
    AggregateFunction { names: &["regr_syy"], bind: |call| bind(call, Bivariate::Syy) },
    AggregateFunction { names: &["regr_sxy"], bind: |call| bind(call, Bivariate::Sxy) },
    AggregateFunction { names: &["regr_r2"], bind: |call| bind(call, Bivariate::R2) },
    AggregateFunction { names: &["regr_slope"], bind: |call| bind(call, Bivariate::Slope) },
    AggregateFunction { names: &["regr_intercept"], bind: |call| bind(call, Bivariate::Intercept) },
];

fn bind(mut call: AggregateCall<'_>, which: Bivariate) -> Result<BoundAggregate> {
    call.arity(2..=2)?;
    call.coerce_double(0)?;
    call.coerce_double(1)?;
    call.finish(which, DataType::Float64, true)
}

/// What the co-moments are turned into. `regr_...(y, x)` take the dependent variable first.
#[derive(Clone, Copy, Debug)]
enum Bivariate {
    Corr,
    CovarPop,
    CovarSamp,
    AvgX,
    AvgY,
    Sxx,
    Syy,
    Sxy,
    R2,
    Slope,
    Intercept,
}

/// Count, means, sum of products and of squares of the distances from the means; `a` is the first argument.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    n: f64,
    mean_a: f64,
    mean_b: f64,
    products: f64,
    squares_a: f64,
    squares_b: f64,
}

impl Cell {
    #[inline]
    fn add(&mut self, a: f64, b: f64) {
        self.n += 1.0;
        let (delta_a, delta_b) = (a - self.mean_a, b - self.mean_b);
        self.mean_a += delta_a / self.n;
        self.mean_b += delta_b / self.n;
        self.products += delta_a * (b - self.mean_b);
        self.squares_a += delta_a * (a - self.mean_a);
        self.squares_b += delta_b * (b - self.mean_b);
    }

    fn merge(&mut self, other: &Self) {
        let (n1, n2) = (self.n, other.n);
        let n = n1 + n2;
        let over_n = |delta: f64| if n == 0.0 { 0.0 } else { delta / n };
        let (delta_a, delta_b) = (other.mean_a - self.mean_a, other.mean_b - self.mean_b);
        let (step_a, step_b) = (over_n(delta_a), over_n(delta_b));
        self.n = n;
        self.mean_a += step_a * n2;
        self.mean_b += step_b * n2;
        self.products = self.products + other.products + delta_a * step_b * n1 * n2;
        self.squares_a = self.squares_a + other.squares_a + delta_a * step_a * n1 * n2;
        self.squares_b = self.squares_b + other.squares_b + delta_b * step_b * n1 * n2;
    }
}

impl Kernel for Bivariate {
    type Cell = Cell;

    fn empty(&self) -> Cell {
        Cell::default()
    }

    fn update(&self, cells: &mut [Cell], batch: &Batch<'_>) -> Result<isize> {
        let (a, b) = (Number::<f64>::open(&batch.args[0]), Number::<f64>::open(&batch.args[1]));
        batch.each_valid(2, |row, group| {
            cells[group].add(Number::<f64>::at(a, row), Number::<f64>::at(b, row));
        });
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
        let Cell { n, mean_a, mean_b, products, squares_a, squares_b } = *cell;
        [n, mean_a, mean_b, products, squares_a, squares_b].into_iter().for_each(|x| x.save(out));
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Cell> {
        let mut next = || f64::load(bytes);
        let (n, mean_a, mean_b) = (next()?, next()?, next()?);
        Ok(Cell { n, mean_a, mean_b, products: next()?, squares_a: next()?, squares_b: next()? })
    }
}

impl Bivariate {
    fn result(&self, cell: &Cell) -> Option<f64> {
        let &Cell { n, products, squares_a, squares_b, .. } = cell;
        if n == 0.0 {
            return None;
        }
        let slope = (squares_b != 0.0).then(|| products / squares_b);
        match self {
            Self::Corr => {
                Some(libm::sqrt(squares_a * squares_b)).filter(|&d| n > 1.0 && d != 0.0).map(|d| products / d)
            }
            Self::CovarPop => Some(products / n),
            Self::CovarSamp => (n > 1.0).then(|| products / (n - 1.0)),
            Self::AvgY => Some(cell.mean_a),
            Self::AvgX => Some(cell.mean_b),
            Self::Syy => Some(squares_a),
            Self::Sxx => Some(squares_b),
            Self::Sxy => Some(products),
            Self::R2 if squares_b == 0.0 => None,
            Self::R2 if squares_a == 0.0 => Some(1.0),
            Self::R2 => {
                let corr = products / libm::sqrt(squares_a * squares_b);
                Some(corr * corr)
            }
            Self::Slope => slope,
            Self::Intercept => slope.map(|slope| cell.mean_a - slope * cell.mean_b),
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
        let table = Table::doubles(&[
            &[Some(1.0), Some(2.0), None, Some(3.0), Some(1.0), Some(1.0), Some(1.0)],
            &[Some(2.0), Some(4.5), Some(1.0), Some(5.0), Some(1.0), Some(3.0), Some(1.0)],
        ]);
        let groups = [0, 0, 0, 0, 1, 1, 2];
        let cases = [
            ("regr_avgx", [Some(3.8333333333333335), Some(2.0), Some(1.0)]),
            ("regr_avgy", [Some(2.0), Some(1.0), Some(1.0)]),
            ("regr_r2", [Some(0.870967741935484), Some(1.0), None]),
            ("regr_sxx", [Some(5.166666666666666), Some(2.0), Some(0.0)]),
            ("regr_syy", [Some(2.0), Some(0.0), Some(0.0)]),
            ("regr_sxy", [Some(3.0), Some(0.0), Some(0.0)]),
            ("regr_slope", [Some(0.5806451612903226), Some(0.0), None]),
            ("regr_intercept", [Some(-0.22580645161290347), Some(1.0), None]),
            ("corr", [Some(0.9332565252573828), None, None]),
            ("covar_pop", [Some(1.0), Some(0.0), Some(0.0)]),
            ("covar_samp", [Some(1.5), Some(0.0), None]),
        ];
        for (name, expected) in cases {
            let call = bind(name, table.args(), |_| ()).unwrap();
            let results = answers(&call, &table, &groups, 3).unwrap();
            let expected = expected.map(|x| x.map_or(Value::Null, Value::Float64));
            assert!(results.iter().zip(&expected).all(|(a, b)| is_close(a, b)), "{name}: {results:?}");
        }
    }
}
