//! `first`, `last`, `any_value`: the first or last row of a group in the order rows arrive, NULL or not unless
//! NULLs are ignored.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    extreme::{load_option, save_option},
    item::{Item, with_kept_item},
};
use crate::{
    block::{Column, Value},
    error::{Error, Result},
    schema::DataType,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["first", "first_value", "any_value"], bind: bind::<false> },
    AggregateFunction { names: &["last", "last_value"], bind: bind::<true> },
];

fn bind<const LAST: bool>(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=2)?;
    let ignore_nulls = core::mem::take(&mut call.ignore_nulls) | take_flag(&mut call)?;
    let data_type = call.type_of(0).clone();
    let nullable = true;
    with_kept_item!(data_type, I => {
        let kernel = Edge::<I> { is_last: LAST, data_type: data_type.clone(), ignore_nulls, item: PhantomData };
        call.finish(kernel, data_type, nullable)
    })
}

fn take_flag(call: &mut AggregateCall<'_>) -> Result<bool> {
    if call.args.len() < 2 {
        return Ok(false);
    }
    let span = call.span;
    let flag = call.take_constant(1, "second argument").ok().map(|(value, _)| value);
    match flag {
        Some(Value::Boolean(flag)) => Ok(flag),
        _ => {
            let text = alloc::format!("the second argument of {}() should be a boolean literal", call.name);
            Err(Error::invalid(text).at(span).hint("true ignores NULLs"))
        }
    }
}

/// The value at one edge of a group.
#[derive(Clone, Debug)]
struct Edge<I> {
    is_last: bool,
    data_type: DataType,
    ignore_nulls: bool,
    item: PhantomData<I>,
}

impl<I: Item> Kernel for Edge<I> {
    /// `None` before any row, `Some(None)` for a NULL.
    type Cell = Option<Option<I::Owned>>;

    const VERSION: u8 = 2;

    fn empty(&self) -> Self::Cell {
        None
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let (column, input) = (&batch.args[0], I::open(&batch.args[0]));
        let mut grown = 0;
        batch.each_valid(usize::from(self.ignore_nulls), |row, group| {
            let cell = &mut cells[group];
            if self.is_last || cell.is_none() {
                grown -= self.heap(cell) as isize;
                *cell = Some(column.is_valid(row).then(|| I::own(I::at(input, row))));
                grown += self.heap(cell) as isize;
            }
        });
        Ok(grown)
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        if other.is_some() && (self.is_last || cell.is_none()) {
            cell.clone_from(other);
        }
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        match cell {
            Some(Some(value)) => I::push(value, out),
            _ => out.push_null(),
        }
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        cell.is_some().save(out);
        if let Some(value) = cell {
            save_option::<I>(value.as_ref(), out);
        }
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        Ok(if bool::load(bytes)? { Some(load_option::<I>(bytes, &self.data_type)?) } else { None })
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.as_ref().and_then(Option::as_ref).map_or(0, I::heap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answers, bind, lit},
        expr::BoundExpr,
    };

    #[test]
    fn nulls_are_taken_unless_ignored() {
        let table = Table::ints(&[None, Some(1), Some(2), None, Some(3), None, None, Some(4)]);
        let groups = [0, 1, 0, 1, 0, 0, 2, 1];
        let run = |name, ignore| {
            let call = bind(name, table.args(), |call| call.ignore_nulls = ignore).unwrap();
            answers(&call, &table, &groups, 3).unwrap()
        };
        let (one, two, three, four) = (Value::Int32(1), Value::Int32(2), Value::Int32(3), Value::Int32(4));
        assert_eq!(run("first", false), [Value::Null, one.clone(), Value::Null]);
        assert_eq!(run("last", false), [Value::Null, four.clone(), Value::Null]);
        assert_eq!(run("any_value", true), [two, one, Value::Null]);
        assert_eq!(run("last_value", true), [three, four, Value::Null]);
    }

    #[test]
    fn the_second_argument_is_a_constant_flag() {
        let table = Table::ints(&[None, Some(1)]);
        let with = |flag: BoundExpr| {
            let args = [table.args(), [flag].into()].concat();
            bind("first", args, |_| ())
        };
        let call = with(lit(true, DataType::Boolean)).unwrap();
        assert_eq!(answers(&call, &table, &[0, 0], 1).unwrap(), [Value::Int32(1)]);
        assert!(with(lit("a", DataType::String)).unwrap_err().is_invalid_job());
        assert!(with(table.args().remove(0)).unwrap_err().is_invalid_job());
    }
}
