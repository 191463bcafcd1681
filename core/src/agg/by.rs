//! `max_by(x, y)` and `min_by(x, y)`: the `x` of the row with the greatest or least `y`; with a third argument `k`
//! the array of the `k` first. Rows whose `y` is NULL are skipped; `x` may be NULL.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec,
    item::{self, Item, with_kept_item},
};
use crate::{
    block::{Column, Value},
    error::Result,
    schema::DataType,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["max_by"], bind: bind::<true> },
    AggregateFunction { names: &["min_by"], bind: bind::<false> },
];

/// Spark's bound for `k`.
const K_MAX: i64 = 100_000;

fn bind<const MAX: bool>(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(2..=3)?;
    call.orderable(1)?;
    let k = if call.args.len() == 3 { Some(take_k(&mut call)?) } else { None };
    let (value, key) = (call.type_of(0).clone(), call.type_of(1).clone());
    let data_type = if k.is_some() { DataType::Array(value.clone().into()) } else { value.clone() };
    with_kept_item!(key, I => {
        let kernel = By::<I> { is_max: MAX, value, key: key.clone(), k, item: PhantomData };
        call.finish(kernel, data_type, true)
    })
}

fn take_k(call: &mut AggregateCall<'_>) -> Result<usize> {
    let (value, data_type) = call.take_constant(2, "k")?;
    match value.as_i64() {
        Some(k) if (1..=K_MAX).contains(&k) => Ok(k as usize),
        Some(k) => Err(call.out_of_range("k", "[1, 100000]", k)),
        None => Err(call.unexpected(2, &data_type, "INT")),
    }
}

/// The values of the rows with the first keys.
#[derive(Clone, Debug)]
struct By<I> {
    is_max: bool,
    value: DataType,
    key: DataType,
    /// `None` for one value that is no array.
    k: Option<usize>,
    item: PhantomData<I>,
}

/// Keys and values, best first.
#[derive(Debug)]
struct Best<K> {
    entries: Vec<(K, Value)>,
    /// Memory that the entries hold outside of themselves.
    heap: usize,
}

impl<I: Item> By<I> {
    /// Whether a row with key `a` comes before a row with key `b`.
    #[inline]
    fn precedes(&self, a: &I::Ref<'_>, b: &I::Ref<'_>) -> bool {
        if self.is_max { I::less(b, a) } else { I::less(a, b) }
    }

    /// Enters a row if it is among the best. Of equal keys a single answer is the last seen, as in Spark; of
    /// several the first seen come first.
    fn enter(&self, cell: &mut Best<I::Owned>, key: I::Ref<'_>, value: &dyn Fn() -> Value) {
        let (k, is_late_better) = (self.k.unwrap_or(1), self.k.is_none());
        let stays = |kept: &(I::Owned, Value)| match is_late_better {
            true => self.precedes(&I::lend(&kept.0), &key),
            false => !self.precedes(&key, &I::lend(&kept.0)),
        };
        let position = cell.entries.partition_point(stays);
        if position == k {
            return;
        }
        if cell.entries.len() == k {
            let last = cell.entries.pop();
            cell.heap -= last.map_or(0, |e| Self::heap_of(&e));
        }
        let entry = (I::own(key), value());
        cell.heap += Self::heap_of(&entry);
        cell.entries.insert(position, entry);
    }

    fn heap_of((key, value): &(I::Owned, Value)) -> usize {
        I::heap(key) + item::heap(value)
    }
}

impl<I: Item> Kernel for By<I> {
    type Cell = Best<I::Owned>;

    const VERSION: u8 = 2;

    fn empty(&self) -> Self::Cell {
        Best { entries: Vec::new(), heap: 0 }
    }

    fn update(&self, cells: &mut [Self::Cell], batch: &Batch<'_>) -> Result<isize> {
        let (value, key) = (&batch.args[0], &batch.args[1]);
        let input = I::open(key);
        let mut grown = 0;
        batch.each_valid_slowly(0, &mut |row, group| {
            if key.is_valid(row) {
                let cell = &mut cells[group];
                let before = self.heap(cell);
                self.enter(cell, I::at(input, row), &|| value.value(row));
                grown += self.heap(cell) as isize - before as isize;
            }
        });
        Ok(grown)
    }

    fn merge(&self, cell: &mut Self::Cell, other: &Self::Cell) -> Result<()> {
        for (key, value) in &other.entries {
            self.enter(cell, I::lend(key), &|| value.clone());
        }
        Ok(())
    }

    fn emit(&self, cell: &Self::Cell, out: &mut Column) -> Result<()> {
        match &cell.entries[..] {
            [] => out.push_null(),
            all if self.k.is_some() => {
                out.push_array(|elements| all.iter().for_each(|(_, value)| elements.push_value(value)));
            }
            [(_, value), ..] => out.push_value(value),
        }
        Ok(())
    }

    fn save(&self, cell: &Self::Cell, out: &mut Vec<u8>) {
        codec::save_count(cell.entries.len(), out);
        for (key, value) in &cell.entries {
            I::save(key, out);
            codec::save_value(value, out);
        }
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Self::Cell> {
        let mut cell = self.empty();
        for _ in 0..codec::load_count(bytes, 1)? {
            let key = I::load(bytes, &self.key)?;
            let value = codec::load_value(bytes, &self.value)?;
            self.enter(&mut cell, I::lend(&key), &|| value.clone());
        }
        Ok(cell)
    }

    fn heap(&self, cell: &Self::Cell) -> usize {
        cell.entries.capacity() * size_of::<(I::Owned, Value)>() + cell.heap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agg::testing::{Table, answers, bind, lit};

    fn table(rows: &[(Option<&str>, Option<f64>)]) -> Table {
        let values: Vec<Value> = rows.iter().map(|r| r.0.map_or(Value::Null, Value::from)).collect();
        let keys: Vec<Value> = rows.iter().map(|r| r.1.map_or(Value::Null, Value::from)).collect();
        Table::new(&[(DataType::String, &values), (DataType::Float64, &keys)])
    }

    #[test]
    fn rows_without_key_are_skipped_and_values_may_be_null() {
        let table = table(&[
            (Some("a"), Some(10.0)),
            (Some("b"), Some(50.0)),
            (None, Some(60.0)),
            (Some("d"), None),
            (Some("e"), None),
            (Some("f"), Some(f64::NAN)),
            (Some("g"), Some(1.0)),
        ]);
        let groups = [0, 0, 0, 0, 1, 2, 2];
        let run = |name| answers(&bind(name, table.args(), |_| ()).unwrap(), &table, &groups, 3).unwrap();
        assert_eq!(run("max_by"), [Value::Null, Value::Null, "f".into()]);
        assert_eq!(run("min_by"), ["a".into(), Value::Null, "g".into()]);
    }

    #[test]
    fn the_later_of_equal_rows_wins() {
        let table = table(&[(Some("a"), Some(0.0)), (Some("b"), Some(-0.0)), (Some("c"), Some(0.0))]);
        for name in ["max_by", "min_by"] {
            let call = bind(name, table.args(), |_| ()).unwrap();
            assert_eq!(answers(&call, &table, &[0; 3], 1).unwrap(), ["c".into()], "{name}");
        }
    }

    #[test]
    fn k_gives_the_first_k_in_order() {
        let table = table(&[(Some("a"), Some(1.0)), (Some("b"), Some(5.0)), (None, Some(6.0)), (Some("d"), None)]);
        let run = |name, k| {
            let call = bind(name, [table.args(), [lit(k, DataType::Int32)].into()].concat(), |_| ())?;
            answers(&call, &table, &[0; 4], 1)
        };
        let array = |v: &[Value]| [Value::Array(v.to_vec())];
        assert_eq!(run("max_by", 2).unwrap(), array(&[Value::Null, "b".into()]));
        assert_eq!(run("min_by", 10).unwrap(), array(&["a".into(), "b".into(), Value::Null]));
        assert_eq!(run("max_by", 0).unwrap_err().error_class(), Some("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"));
    }
}
