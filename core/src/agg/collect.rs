//! `collect_list`, `collect_set`: all values of a group, or each once, without NULLs, in the order they came.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec,
    item::{Item, with_item, with_kept_item},
    tally::Tally,
};
use crate::{block::Column, error::Result, schema::DataType};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["collect_list", "array_agg"], bind: bind_list },
    AggregateFunction { names: &["collect_set"], bind: bind_set },
];

fn bind_list(call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    let element = call.type_of(0).clone();
    let data_type = DataType::Array(element.clone().into());
    with_item!(element, I => call.finish(List::<I>(element, PhantomData), data_type, false))
}

fn bind_set(call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    let element = call.type_of(0).clone();
    let data_type = DataType::Array(element.clone().into());
    with_kept_item!(element, I => call.finish(Set::<I>(element, PhantomData), data_type, false))
}

/// All values.
#[derive(Clone, Debug)]
struct List<I>(DataType, PhantomData<I>);

/// Values and the memory they hold outside of themselves.
#[derive(Debug)]
struct Listed<T> {
    values: Vec<T>,
    heap: usize,
}

impl<I: Item> List<I> {
    fn push(cell: &mut Listed<I::Owned>, value: I::Owned) {
        cell.heap += I::heap(&value);
        cell.values.push(value);
    }
}

impl<I: Item> Kernel for List<I> {
    type Cell = Listed<I::Owned>;

    fn empty(&self) -> Self::Cell {
        Listed { values: Vec::new(), heap: 0 }
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = I::open(&batch.args[0]);
        self.grow_each(cells, batch, 1, |cell, row| {
            Self::push(cell, I::own(I::at(input, row)));
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        other.values.iter().for_each(|value| Self::push(cell, value.clone()));
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        out.push_array(|elements| cell.values.iter().for_each(|value| I::push(value, elements)));
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        codec::save_count(cell.values.len(), out);
        cell.values.iter().for_each(|value| I::save(value, out));
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        let mut cell = self.empty();
        for _ in 0..codec::load_count(bytes, 1)? {
            Self::push(&mut cell, I::load(bytes, &self.0)?);
        }
        Ok(cell)
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.values.capacity() * size_of::<I::Owned>() + cell.heap
    }
}

/// Each value once.
#[derive(Clone, Debug)]
struct Set<I>(DataType, PhantomData<I>);

impl<I: Item> Kernel for Set<I> {
    type Cell = Tally<I, ()>;

    const VERSION: u8 = 2;

    fn empty(&self) -> Self::Cell {
        Tally::new()
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let input = I::open(&batch.args[0]);
        self.grow_each(cells, batch, 1, |cell, row| {
            cell.entry(I::at(input, row), ());
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        other.entries().iter().for_each(|(value, ())| {
            cell.entry(I::lend(value), ());
        });
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        out.push_array(|elements| cell.entries().iter().for_each(|(value, ())| I::push(value, elements)));
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        cell.save(out, |(), _| {});
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        Tally::load(bytes, &self.0, |_| Ok(()))
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.heap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answers, bind},
        block::Value,
    };

    #[test]
    fn lists_keep_all_and_sets_each_once_without_null() {
        let table = Table::ints(&[Some(3), Some(1), Some(3), None, Some(2), None]);
        let groups = [0, 0, 0, 0, 0, 1];
        let array = |v: &[i32]| Value::Array(v.iter().map(|&x| x.into()).collect());
        let run = |name| answers(&bind(name, table.args(), |_| ()).unwrap(), &table, &groups, 2).unwrap();
        assert_eq!(run("collect_list"), [array(&[3, 1, 3, 2]), array(&[])]);
        assert_eq!(run("collect_set"), [array(&[3, 1, 2]), array(&[])]);
    }

    #[test]
    fn a_set_knows_one_nan_and_one_zero() {
        let table = Table::doubles(&[&[Some(-0.0), Some(0.0), Some(f64::NAN), Some(-f64::NAN)]]);
        let call = bind("collect_set", table.args(), |_| ()).unwrap();
        let Value::Array(set) = answers(&call, &table, &[0; 4], 1).unwrap().remove(0) else { panic!("an array") };
        assert!(set.len() == 2 && set[0].as_f64().is_some_and(|x| x.to_bits() == 0));
    }

    #[test]
    fn growth_shows_in_memory_bytes() {
        let words: Vec<Value> = (0..1000).map(|i| alloc::format!("value {i}").as_str().into()).collect();
        let column = Column::from_values(DataType::String, &words);
        for name in ["collect_list", "collect_set", "mode", "max"] {
            let args = Table::new(&[(DataType::String, &words)]).args();
            let call = bind(name, args, |_| ()).unwrap();
            let mut aggregate = (call.make)();
            aggregate.grow(1);
            let before = aggregate.memory_bytes();
            let rows = crate::block::Rows::new(words.len(), None);
            aggregate.update(&[column.view()], &[0; 1000], &rows).unwrap();
            let grown = aggregate.memory_bytes() - before;
            assert!(if name == "max" { grown < 100 } else { grown > 9000 }, "{name} grew by {grown}");
            aggregate.reset(&[0]);
            assert_eq!(aggregate.memory_bytes(), before, "{name}");
        }
    }
}
