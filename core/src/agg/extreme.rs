//! `min` and `max` of any type with an order. NaN is the largest float; of equals the first seen is kept.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    item::{Item, with_item},
    share::Part,
};
use crate::{block::Column, error::Result, schema::DataType};

/// Rows of one group in a row that are worth a look before they are compared.
const RUN_ROWS_MIN: usize = 16;

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["min"], bind: bind::<false> },
    AggregateFunction { names: &["max"], bind: bind::<true> },
    AggregateFunction { names: &["bool_and", "every"], bind: bind_boolean::<false> },
    AggregateFunction { names: &["bool_or", "some", "any"], bind: bind_boolean::<true> },
];

fn bind<const MAX: bool>(call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    call.orderable(0)?;
    let data_type = call.type_of(0).clone();
    let bound = with_item!(data_type, I => call.finish(Extreme::<I>::new(MAX, &data_type), data_type, true))?;
    Ok(bound.serving(if MAX { Part::Max } else { Part::Min }))
}

/// AND is the least and OR the greatest of booleans.
fn bind_boolean<const MAX: bool>(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    call.coerce_boolean(0)?;
    bind::<MAX>(call)
}

/// The least or greatest value. Only the loops over rows are compiled for either.
#[derive(Clone, Debug)]
struct Extreme<I> {
    is_max: bool,
    data_type: DataType,
    item: PhantomData<I>,
}

impl<I: Item> Extreme<I> {
    fn new(is_max: bool, data_type: &DataType) -> Self {
        Self { is_max, data_type: data_type.clone(), item: PhantomData }
    }

    /// Whether `value` replaces what is kept.
    #[inline]
    fn wins(&self, value: &I::Ref<'_>, kept: &I::Ref<'_>) -> bool {
        if self.is_max { I::less(kept, value) } else { I::less(value, kept) }
    }

    fn add<const MAX: bool>(&self, cells: &mut [Option<I::Owned>], batch: &Batch<'_>) -> isize {
        let input = I::open(&batch.args[0]);
        let mut grown = 0;
        let mut add = |row: usize, group: usize| {
            let cell = &mut cells[group];
            if cell.as_ref().is_none_or(|kept| I::beats::<MAX>(input, row, kept)) {
                grown -= self.heap(cell) as isize;
                *cell = Some(I::own(I::at(input, row)));
                grown += self.heap(cell) as isize;
            }
        };
        if !batch.has_all(0) || !add_runs::<I, MAX>(input, batch.groups, &mut add) {
            batch.each_valid(1, add);
        }
        grown
    }
}

impl<I: Item> Kernel for Extreme<I> {
    type Cell = Option<I::Owned>;

    fn empty(&self) -> Self::Cell {
        None
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        Ok(if self.is_max { self.add::<true>(cells, batch) } else { self.add::<false>(cells, batch) })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        if let Some(value) = other
            && cell.as_ref().is_none_or(|kept| self.wins(&I::lend(value), &I::lend(kept)))
        {
            *cell = Some(value.clone());
        }
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        match cell {
            Some(value) => I::push(value, out),
            None => out.push_null(),
        }
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        save_option::<I>(cell.as_ref(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        load_option::<I>(bytes, &self.data_type)
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.as_ref().map_or(0, I::heap)
    }
}

/// Adds only the contenders of each run of rows of one group; false if runs are short, or items do not tell them.
fn add_runs<I: Item, const MAX: bool>(input: I::Input<'_>, groups: &[u32], add: &mut impl FnMut(usize, usize)) -> bool {
    let changes = groups.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if changes * RUN_ROWS_MIN >= groups.len() || !I::contenders::<MAX>(input, 0..0, |_| ()) {
        return false;
    }
    let mut from = 0;
    for run in groups.chunk_by(|a, b| a == b) {
        I::contenders::<MAX>(input, from..from + run.len(), |row| add(row, run[0] as usize));
        from += run.len();
    }
    true
}

/// Saves a value that may be absent.
pub(super) fn save_option<I: Item>(value: Option<&I::Owned>, out: &mut Vec<u8>) {
    value.is_some().save(out);
    if let Some(value) = value {
        I::save(value, out);
    }
}

/// Reads what [`save_option`] wrote.
pub(super) fn load_option<I: Item>(bytes: &mut &[u8], data_type: &DataType) -> Result<Option<I::Owned>> {
    Ok(if bool::load(bytes)? { Some(I::load(bytes, data_type)?) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answer, answers, bind},
        block::Value,
    };

    #[test]
    fn nan_is_the_largest_and_zeros_are_equal() {
        let nan = Some(f64::NAN);
        let table = Table::doubles(&[&[Some(1.0), nan, Some(-5.0), nan, nan, Some(-0.0), Some(0.0), None]]);
        let groups = [0, 0, 0, 1, 1, 2, 2, 3];
        let results = |name| answers(&bind(name, table.args(), |_| ()).unwrap(), &table, &groups, 4).unwrap();
        let (low, high) = (results("min"), results("max"));
        let is_nan = |v: &Value| v.as_f64().is_some_and(f64::is_nan);
        assert!(low[0] == Value::Float64(-5.0) && is_nan(&high[0]) && is_nan(&low[1]) && is_nan(&high[1]));
        assert_eq!((&low[2], &high[2], &low[3]), (&Value::Float64(0.0), &Value::Float64(0.0), &Value::Null));
    }

    #[test]
    fn every_type_has_a_least_and_a_greatest() {
        let array = |v: &[Value]| Value::Array(v.to_vec());
        let (one, two) = (Value::Int32(1), Value::Int32(2));
        let cases: [(DataType, Vec<Value>, Value, Value); 5] = [
            (DataType::String, ["b", "B", "é", "abc"].map(Value::from).into(), "B".into(), "é".into()),
            (
                DataType::Binary,
                [alloc::vec![1], alloc::vec![128]].map(Value::Binary).into(),
                Value::Binary(alloc::vec![1]),
                Value::Binary(alloc::vec![128]),
            ),
            (DataType::Boolean, [true, false].map(Value::from).into(), false.into(), true.into()),
            (
                DataType::Decimal(8, 3),
                [1125, -1125, 7000].map(Value::Decimal).into(),
                Value::Decimal(-1125),
                Value::Decimal(7000),
            ),
            (
                DataType::Array(DataType::Int32.into()),
                [array(&[one.clone(), two.clone()]), array(core::slice::from_ref(&one)), array(&[Value::Null])].into(),
                array(&[Value::Null]),
                array(&[one, two]),
            ),
        ];
        for (data_type, mut values, low, high) in cases {
            values.push(Value::Null);
            let table = Table::new(&[(data_type, &values)]);
            let result = |name| answer(&bind(name, table.args(), |_| ()).unwrap(), &table);
            assert_eq!((result("min"), result("max")), (low, high));
        }
    }

    /// Runs of one group, and rows in no order: the same answers.
    #[test]
    fn the_greatest_struct_is_the_same_in_runs() {
        let pair = |i: i64| Value::Struct(alloc::vec![(i * 7_919 % 41).into(), (i * 31 % 97).into()]);
        let rows: Vec<Value> = (0..600).map(pair).collect();
        let fields = ["a", "b"].map(|name| crate::schema::Field::new(name, DataType::Int64)).into();
        let table = Table::new(&[(DataType::Struct(fields), &rows)]);
        for (of, count) in [(1, 600), (100, 6), (3, 200)] {
            let groups: Vec<u32> = (0..600).map(|row| row / (600 / count)).collect();
            for (name, is_max) in [("max", true), ("min", false)] {
                let made =
                    answers(&bind(name, table.args(), |_| ()).unwrap(), &table, &groups, count as usize).unwrap();
                for (group, answer) in made.iter().enumerate() {
                    let of_group = (0..600).filter(|&row| groups[row] as usize == group);
                    let key = |row: usize| (row as i64 * 7_919 % 41, row as i64 * 31 % 97);
                    let best = if is_max { of_group.map(key).max() } else { of_group.map(key).min() };
                    let (a, b) = best.unwrap();
                    assert_eq!(*answer, Value::Struct(alloc::vec![a.into(), b.into()]), "{name}, {of}");
                }
            }
        }
    }

    #[test]
    fn bool_and_or_ignore_null() {
        let flags = [Some(true), Some(false), None, Some(true), None].map(|b| b.map_or(Value::Null, Value::Boolean));
        let table = Table::new(&[(DataType::Boolean, &flags)]);
        let results = |name| answers(&bind(name, table.args(), |_| ()).unwrap(), &table, &[0, 0, 0, 1, 2], 3).unwrap();
        assert_eq!(results("every"), [false.into(), true.into(), Value::Null]);
        assert_eq!(results("some"), [true.into(), true.into(), Value::Null]);
    }
}
