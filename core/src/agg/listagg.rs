//! `listagg`, `string_agg`: the values of a group joined with a delimiter, without NULLs, in the order they came or in
//! that of `WITHIN GROUP (ORDER BY ...)`.

use alloc::{format, vec::Vec};
use core::cmp::Ordering;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec,
    item::{self, Bytes, Item, compare},
};
use crate::{
    block::{Column, Value, sort_rows},
    error::{Error, Result},
    schema::DataType,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[AggregateFunction { names: &["listagg", "string_agg"], bind }];

fn bind(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    let is_ordered = core::mem::take(&mut call.ordered);
    let ordered = usize::from(is_ordered);
    call.arity(1 + ordered..=2 + ordered)?;
    let delimiter = if call.args.len() == 2 + ordered { call.take_constant(1, "delimiter")? } else { NO_DELIMITER };
    if call.type_of(0) != &DataType::Binary {
        call.coerce(0, &DataType::String, "STRING or BINARY")?;
    }
    let data_type = call.type_of(0).clone();
    let delimiter = match (delimiter, &data_type) {
        ((Value::Null, _), _) => Vec::new(),
        ((Value::String(s), _), DataType::String) => s.into(),
        ((Value::Binary(b), _), DataType::Binary) => b,
        ((_, other), _) => return Err(mixed(&call, &data_type, &other)),
    };
    let key = if is_ordered { call.type_of(1).clone() } else { DataType::Null };
    let kernel = Join { data_type: data_type.clone(), delimiter, is_ordered, key, is_descending: call.descending };
    call.finish(kernel, data_type, true)
}

const NO_DELIMITER: (Value, DataType) = (Value::Null, DataType::Null);

fn mixed(call: &AggregateCall<'_>, value: &DataType, delimiter: &DataType) -> Error {
    let text = format!("values and delimiter of {}() must be of one type, not {value} and {delimiter}", call.name);
    Error::invalid(text).class("DATATYPE_MISMATCH.DATA_DIFF_TYPES").at(call.span)
}

#[derive(Clone, Debug)]
struct Join {
    data_type: DataType,
    delimiter: Vec<u8>,
    is_ordered: bool,
    /// Type of what orders the values.
    key: DataType,
    is_descending: bool,
}

/// Values with their keys (NULL if there is no order).
#[derive(Debug, Default)]
struct Parts {
    parts: Vec<(<Bytes as Item>::Owned, Value)>,
    /// Memory that the parts hold outside of themselves.
    heap: usize,
}

impl Parts {
    fn push(&mut self, part: &[u8], key: Value) {
        self.heap += part.len() + item::heap(&key);
        self.parts.push((part.into(), key));
    }
}

impl Join {
    /// NULLs are first ascending and last descending, which is what turning the order around gives.
    fn order(&self, a: &Value, b: &Value) -> Ordering {
        if self.is_descending { compare(b, a) } else { compare(a, b) }
    }
}

impl Kernel for Join {
    type Cell = Parts;

    fn empty(&self) -> Parts {
        Parts::default()
    }

    fn update(&self, cells: &mut [Parts], batch: &Batch<'_>) -> Result<isize> {
        let input = Bytes::open(&batch.args[0]);
        self.grow_each(cells, batch, 1, |cell, row| {
            let key = if self.is_ordered { batch.args[1].value(row) } else { Value::Null };
            cell.push(Bytes::at(input, row), key);
            Ok(())
        })
    }

    fn merge(&self, cell: &mut Parts, other: &Parts) -> Result<()> {
        other.parts.iter().for_each(|(part, key)| cell.push(part, key.clone()));
        Ok(())
    }

    fn emit(&self, cell: &Parts, out: &mut Column) -> Result<()> {
        let mut order: Vec<usize> = (0..cell.parts.len()).collect();
        sort_rows(&mut order, &|a, b| self.order(&cell.parts[a].1, &cell.parts[b].1));
        let texts: Vec<&[u8]> = order.iter().map(|&i| &*cell.parts[i].0).collect();
        match texts.is_empty() {
            true => out.push_null(),
            false => out.push_bytes(&texts.join(&self.delimiter[..])),
        }
        Ok(())
    }

    fn save(&self, cell: &Parts, out: &mut Vec<u8>) {
        codec::save_count(cell.parts.len(), out);
        for (part, key) in &cell.parts {
            Bytes::save(part, out);
            codec::save_value(key, out);
        }
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<Parts> {
        let mut cell = Parts::default();
        for _ in 0..codec::load_count(bytes, 1)? {
            let part = Bytes::load(bytes, &self.data_type)?;
            cell.push(&part, codec::load_value(bytes, &self.key)?);
        }
        Ok(cell)
    }

    fn heap(&self, cell: &Parts) -> usize {
        cell.parts.capacity() * size_of::<(<Bytes as Item>::Owned, Value)>() + cell.heap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agg::testing::{Table, answers, bind, lit};

    #[test]
    fn values_are_joined_in_order() {
        let words = [Some("b"), Some("a"), None, Some("c"), None].map(|x| x.map_or(Value::Null, Value::from));
        let keys = [Some(1), Some(3), Some(2), None, None].map(|x| x.map_or(Value::Null, Value::Int32));
        let table = Table::new(&[(DataType::String, &words), (DataType::Int32, &keys)]);
        let word = || table.args().remove(0);
        let run = |args: &[_], ordered, descending| {
            let set = |call: &mut AggregateCall<'_>| (call.ordered, call.descending) = (ordered, descending);
            answers(&bind("listagg", args.to_vec(), set).unwrap(), &table, &[0, 0, 0, 0, 1], 2).unwrap()
        };
        let comma = || lit(",", DataType::String);
        let key = || table.args().remove(1);
        assert_eq!(run(&[word()], false, false), ["bac".into(), Value::Null]);
        assert_eq!(run(&[word(), comma()], false, false), ["b,a,c".into(), Value::Null]);
        assert_eq!(run(&[word(), lit(Value::Null, DataType::Null)], false, false), ["bac".into(), Value::Null]);
        assert_eq!(run(&[word(), comma(), word()], true, true), ["c,b,a".into(), Value::Null]);
        assert_eq!(run(&[word(), key()], true, false), ["cba".into(), Value::Null]);
        assert_eq!(run(&[word(), key()], true, true), ["abc".into(), Value::Null]);
    }

    #[test]
    fn binary_needs_a_binary_delimiter() {
        let table = Table::new(&[(DataType::Binary, &[Value::Binary([1].into()), Value::Binary([2].into())])]);
        let with = |delimiter| bind("string_agg", [table.args(), [delimiter].into()].concat(), |_| ());
        let call = with(lit(Value::Binary([0].into()), DataType::Binary)).unwrap();
        assert_eq!(answers(&call, &table, &[0, 0], 1).unwrap(), [Value::Binary([1, 0, 2].into())]);
        let error = with(lit(",", DataType::String)).unwrap_err();
        assert_eq!(error.error_class(), Some("DATATYPE_MISMATCH.DATA_DIFF_TYPES"));
    }
}
