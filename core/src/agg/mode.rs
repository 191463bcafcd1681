//! `mode`: the most frequent value; of several the least (the greatest with `WITHIN GROUP (ORDER BY x DESC)`), where
//! Spark without an order gives any.

use alloc::vec::Vec;
use core::{cmp::Ordering, marker::PhantomData};

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    item::{Item, with_kept_item},
    tally::Tally,
};
use crate::{
    block::{Column, Value},
    error::{Error, Result},
    schema::DataType,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[AggregateFunction { names: &["mode"], bind }];

fn bind(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    let is_ordered = core::mem::take(&mut call.ordered);
    let is_descending = is_ordered && call.descending;
    call.arity(1..=if is_ordered { 1 } else { 2 })?;
    if call.args.len() == 2 {
        check_flag(call.take_constant(1, "second argument")?.0).map_err(|e| e.at(call.span))?;
    }
    call.orderable(0)?;
    let data_type = call.type_of(0).clone();
    with_kept_item!(data_type, I => {
        let kernel = Mode::<I> { data_type: data_type.clone(), is_descending, item: PhantomData };
        call.finish(kernel, data_type, true)
    })
}

/// `mode(x, true)` asks for the least of several, which we give anyway.
fn check_flag(flag: Value) -> Result<()> {
    match flag {
        Value::Boolean(_) => Ok(()),
        _ => Err(Error::invalid("the second argument of mode() should be a boolean literal")),
    }
}

#[derive(Clone, Debug)]
struct Mode<I> {
    data_type: DataType,
    is_descending: bool,
    item: PhantomData<I>,
}

impl<I: Item> Mode<I> {
    fn order(&self, a: &(I::Owned, u64), b: &(I::Owned, u64)) -> Ordering {
        let by_value = I::compare(&I::lend(&a.0), &I::lend(&b.0));
        let preferred = if self.is_descending { by_value } else { by_value.reverse() };
        a.1.cmp(&b.1).then(preferred)
    }
}

impl<I: Item> Kernel for Mode<I> {
    type Cell = Tally<I, u64>;

    const VERSION: u8 = 2;

    fn empty(&self) -> Self::Cell {
        Tally::new()
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = I::open(&batch.args[0]);
        self.grow_each(cells, batch, 1, |cell, row| {
            *cell.entry(I::at(input, row), 0).0 += 1;
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        merge_counts(cell, other);
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        match cell.entries().iter().max_by(|a, b| self.order(a, b)) {
            Some((value, _)) => I::push(value, out),
            None => out.push_null(),
        }
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        cell.save(out, |count, out| count.save(out));
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        Tally::load(bytes, &self.data_type, u64::load)
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.heap()
    }
}

/// Adds the counts of another tally.
pub(super) fn merge_counts<I: Item>(tally: &mut Tally<I, u64>, other: &Tally<I, u64>) {
    for (value, count) in other.entries() {
        let sum = tally.entry(I::lend(value), 0).0;
        *sum = sum.saturating_add(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agg::testing::{Table, answers, bind};

    #[test]
    fn of_several_the_least_or_the_greatest() {
        let table = Table::ints(&[Some(2), Some(1), Some(3), Some(3), Some(1), None, None, None]);
        let groups = [0, 0, 0, 0, 0, 0, 1, 1];
        let run = |ordered, descending| {
            let call = bind("mode", table.args(), |call| (call.ordered, call.descending) = (ordered, descending));
            answers(&call.unwrap(), &table, &groups, 2).unwrap()
        };
        assert_eq!(run(false, false), [Value::Int32(1), Value::Null]);
        assert_eq!(run(true, false), [Value::Int32(1), Value::Null]);
        assert_eq!(run(true, true), [Value::Int32(3), Value::Null]);
    }
}
