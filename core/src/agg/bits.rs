//! `bit_and`, `bit_or`, `bit_xor` over integers.

use alloc::vec::Vec;
use core::{
    marker::PhantomData,
    ops::{BitAnd, BitOr, BitXor},
};

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    extreme::{load_option, save_option},
    item::{Item, Number, Ordered},
};
use crate::{block::Column, error::Result, schema::DataType};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["bit_and"], bind: |call| bind(call, Op::And) },
    AggregateFunction { names: &["bit_or"], bind: |call| bind(call, Op::Or) },
    AggregateFunction { names: &["bit_xor"], bind: |call| bind(call, Op::Xor) },
];

#[derive(Clone, Copy, Debug)]
enum Op {
    And,
    Or,
    Xor,
}

fn bind(mut call: AggregateCall<'_>, op: Op) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    if call.type_of(0) == &DataType::Null {
        call.coerce(0, &DataType::Int64, "INTEGRAL")?;
    }
    let data_type = call.type_of(0).clone();
    match data_type {
        DataType::Int8 => call.finish(Bits::<i8> { op, item: PhantomData }, data_type, true),
        DataType::Int16 => call.finish(Bits::<i16> { op, item: PhantomData }, data_type, true),
        DataType::Int32 => call.finish(Bits::<i32> { op, item: PhantomData }, data_type, true),
        DataType::Int64 => call.finish(Bits::<i64> { op, item: PhantomData }, data_type, true),
        other => Err(call.unexpected(0, &other, "INTEGRAL")),
    }
}

#[derive(Clone, Copy, Debug)]
struct Bits<T> {
    op: Op,
    item: PhantomData<T>,
}

/// Integers of any width.
trait Integer: Ordered + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> {}

impl<T: Ordered + BitAnd<Output = T> + BitOr<Output = T> + BitXor<Output = T>> Integer for T {}

impl<T: Integer> Bits<T> {
    #[inline]
    fn add(&self, cell: &mut Option<T>, value: T) {
        *cell = Some(match (*cell, self.op) {
            (None, _) => value,
            (Some(kept), Op::And) => kept & value,
            (Some(kept), Op::Or) => kept | value,
            (Some(kept), Op::Xor) => kept ^ value,
        });
    }
}

impl<T: Integer> Kernel for Bits<T> {
    type Cell = Option<T>;

    fn empty(&self) -> Option<T> {
        None
    }

    fn update(&self, cells: &mut [Option<T>], batch: &Batch<'_>) -> Result<isize> {
        let input = Number::<T>::open(&batch.args[0]);
        batch.each_valid(1, |row, group| self.add(&mut cells[group], Number::<T>::at(input, row)));
        Ok(0)
    }

    fn merge(&self, cell: &mut Option<T>, other: &Option<T>) -> Result<()> {
        other.iter().for_each(|&value| self.add(cell, value));
        Ok(())
    }

    fn emit(&self, cell: &Option<T>, out: &mut Column) -> Result<()> {
        match cell {
            Some(value) => out.push(*value),
            None => out.push_null(),
        }
        Ok(())
    }

    fn save(&self, cell: &Option<T>, out: &mut Vec<u8>) {
        save_option::<Number<T>>(cell.as_ref(), out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Option<T>> {
        load_option::<Number<T>>(bytes, &DataType::Null)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        agg::testing::{Table, answers, bind},
        block::Value,
    };

    #[test]
    fn bits_are_combined_without_null() {
        let table = Table::ints(&[Some(3), Some(6), None, None]);
        for (name, expected) in [("bit_and", 2), ("bit_or", 7), ("bit_xor", 5)] {
            let call = bind(name, table.args(), |_| ()).unwrap();
            let results = answers(&call, &table, &[0, 0, 0, 1], 2).unwrap();
            assert_eq!(results, [Value::Int32(expected), Value::Null], "{name}");
        }
    }
}
