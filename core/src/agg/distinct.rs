//! `f(DISTINCT ...)` for any aggregate: a set of the arguments seen by each group; only rows with new ones reach the
//! aggregate itself. Its state is the sets; the accumulators are rebuilt from them.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::any::Any;

use super::{
    Aggregate, BoundAggregate,
    batch::Batch,
    codec::{self, Scalar},
    item::{Bytes, normal},
    tally::Tally,
};
use crate::{
    block::{Bitmap, Column, ColumnRef, Rows, Values},
    error::{Error, Result},
    limits::BLOCK_ROWS,
    schema::DataType,
};

const VERSION: u8 = 1;

impl BoundAggregate {
    /// The same aggregate over distinct arguments.
    pub fn distinct(self) -> Self {
        let types: Arc<[DataType]> = self.args.iter().map(|a| a.data_type.clone()).collect();
        let make = self.make;
        let parameters = alloc::format!("DISTINCT {}", self.parameters);
        let make = Arc::new(move || Box::new(Distinct::new(make(), types.clone())) as Box<dyn Aggregate>);
        Self { parameters, make, part: None, ..self }
    }
}

/// An aggregate behind sets of what it has seen.
#[derive(Debug)]
struct Distinct {
    types: Arc<[DataType]>,
    inner: Box<dyn Aggregate>,
    /// For each group the arguments seen, as bytes that `load_value` reads.
    seen: Vec<Tally<Bytes, ()>>,
    /// Sum of the heap of the sets.
    heap: usize,
    /// Rows with new arguments, and the bytes of one row; kept for reuse.
    fresh: Bitmap,
    key: Vec<u8>,
}

impl Distinct {
    fn new(inner: Box<dyn Aggregate>, types: Arc<[DataType]>) -> Self {
        Self { types, inner, seen: Vec::new(), heap: 0, fresh: Bitmap::new(), key: Vec::new() }
    }

    /// Enters a key, tells whether it is new.
    fn enter(seen: &mut Tally<Bytes, ()>, heap: &mut usize, key: &[u8]) -> bool {
        let before = seen.heap();
        let (_, is_new) = seen.entry(key, ());
        *heap += seen.heap() - before;
        is_new
    }

    /// Hands the arguments in `keys` to the aggregate, for groups of the same position.
    fn replay(&mut self, keys: &[&[u8]], groups: &[u32]) -> Result<()> {
        for (keys, groups) in keys.chunks(BLOCK_ROWS).zip(groups.chunks(BLOCK_ROWS)) {
            let columns = decode(keys, &self.types)?;
            let args: Vec<_> = columns.iter().map(Column::view).collect();
            self.inner.update(&args, groups, &Rows::new(groups.len(), None))?;
        }
        Ok(())
    }
}

impl Aggregate for Distinct {
    fn grow(&mut self, groups: usize) {
        self.inner.grow(groups);
        if groups > self.seen.len() {
            self.seen.resize_with(groups, Tally::new);
        }
    }

    fn update(&mut self, args: &[ColumnRef<'_>], groups: &[u32], rows: &Rows<'_>) -> Result<()> {
        let Self { seen, heap, fresh, key, .. } = self;
        fresh.clear();
        fresh.resize(rows.len(), false);
        Batch::new(args, groups, rows).each(|row, group| {
            key.clear();
            args.iter().for_each(|arg| encode(arg, row, key));
            if Self::enter(&mut seen[group], heap, key) {
                fresh.set(row, true);
            }
        });
        self.inner.update(args, groups, &Rows::new(rows.len(), Some(self.fresh.view())))
    }

    fn merge(&mut self, other: &dyn Aggregate, from: &[u32], to: &[u32]) -> Result<()> {
        assert_eq!(from.len(), to.len(), "each accumulator goes somewhere");
        let other = other.as_any().downcast_ref::<Self>();
        let other = other.unwrap_or_else(|| panic!("{:?} meets another aggregate", self.inner));
        let (mut keys, mut groups) = (Vec::new(), Vec::new());
        for (&source, &target) in from.iter().zip(to) {
            for (key, ()) in other.seen[source as usize].entries() {
                if Self::enter(&mut self.seen[target as usize], &mut self.heap, key) {
                    keys.push(&**key);
                    groups.push(target);
                }
            }
        }
        self.replay(&keys, &groups)
    }

    fn emit(&self, groups: &[u32], out: &mut Column) -> Result<()> {
        self.inner.emit(groups, out)
    }

    fn reset(&mut self, groups: &[u32]) {
        for &group in groups {
            let old = core::mem::replace(&mut self.seen[group as usize], Tally::new());
            self.heap -= old.heap();
        }
        self.inner.reset(groups);
    }

    fn save(&self, groups: &[u32], out: &mut Vec<u8>) {
        VERSION.save(out);
        groups.iter().for_each(|&g| self.seen[g as usize].save(out, |(), _| {}));
    }

    fn load(&mut self, groups: &[u32], bytes: &mut &[u8]) -> Result<()> {
        if u8::load(bytes)? != VERSION {
            return Err(Error::corrupt("saved sets of distinct arguments have another version"));
        }
        for &group in groups {
            let seen = Tally::<Bytes, ()>::load(bytes, &DataType::Binary, |_| Ok(()))?;
            let keys: Vec<&[u8]> = seen.entries().iter().map(|(key, ())| &**key).collect();
            self.replay(&keys, &alloc::vec![group; keys.len()])?;
            self.heap += seen.heap();
            self.seen[group as usize] = seen;
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.seen.capacity() * size_of::<Tally<Bytes, ()>>() + self.heap + self.inner.memory_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Appends the bytes of one argument, the same for equal values.
fn encode(arg: &ColumnRef<'_>, row: usize, out: &mut Vec<u8>) {
    let is_valid = arg.is_valid(row);
    let i = arg.index(row);
    match arg.values {
        // The common types without the detour over a value.
        Values::Int32(v) if is_valid => {
            true.save(out);
            v[i].save(out);
        }
        Values::Int64(v) if is_valid => {
            true.save(out);
            v[i].save(out);
        }
        Values::Bytes(bytes) if is_valid => {
            true.save(out);
            codec::save_bytes(bytes.get(i), out);
        }
        _ => codec::save_value(&normal(arg.value(row)), out),
    }
}

/// The argument columns that these keys were made of.
fn decode(keys: &[&[u8]], types: &[DataType]) -> Result<Vec<Column>> {
    let mut columns: Vec<_> = types.iter().map(|t| Column::new(t.clone())).collect();
    for key in keys {
        let mut rest = *key;
        for column in &mut columns {
            column.push_value(&codec::load_value(&mut rest, column.data_type())?);
        }
        if !rest.is_empty() {
            return Err(Error::corrupt("a saved set of distinct arguments has bytes to spare"));
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answers, bind},
        block::Value,
    };

    #[test]
    fn equal_arguments_reach_the_aggregate_once_a_group() {
        let a = [Some(1), Some(1), Some(2), None, Some(2), Some(2)].map(|x| x.map_or(Value::Null, Value::Int32));
        let b = [1, 2, 2, 1, 2, 2].map(Value::Int32);
        let table = Table::new(&[(DataType::Int32, &a), (DataType::Int32, &b)]);
        let groups = [0, 0, 0, 0, 0, 1];
        let run = |name, args| {
            let call = bind(name, args, |_| ()).unwrap().distinct();
            answers(&call, &table, &groups, 2).unwrap()
        };
        let first = || alloc::vec![table.args().remove(0)];
        assert_eq!(run("count", table.args()), [3_i64, 1].map(Value::from));
        assert_eq!(run("count", first()), [2_i64, 1].map(Value::from));
        assert_eq!(run("sum", first()), [3_i64, 2].map(Value::from));
        assert_eq!(run("avg", first()), [1.5, 2.0].map(Value::from));
        assert_eq!(run("collect_list", first())[0], Value::Array([1, 2].map(Value::Int32).into()));
    }

    #[test]
    fn nan_and_zero_are_one_value_each() {
        let table = Table::doubles(&[&[Some(0.0), Some(-0.0), Some(f64::NAN), Some(-f64::NAN), None]]);
        let call = bind("count", table.args(), |_| ()).unwrap().distinct();
        assert_eq!(answers(&call, &table, &[0; 5], 1).unwrap(), [Value::Int64(2)]);
        assert_ne!(call, bind("count", table.args(), |_| ()).unwrap());
    }
}
