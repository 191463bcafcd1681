//! `count(*)`, `count(a, b, ...)`, `count_if`, `regr_count`.

use alloc::vec::Vec;

use super::{
    AggregateCall, AggregateFunction, BoundAggregate,
    batch::Batch,
    cells::Kernel,
    codec::Scalar,
    item::{Bool, Item},
    share::Part,
};
use crate::{
    block::{Column, Rows},
    error::{Error, Result},
    schema::DataType,
    simd,
};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction { names: &["count"], bind: bind_count },
    AggregateFunction { names: &["count_if"], bind: bind_count_if },
    AggregateFunction { names: &["regr_count"], bind: bind_regr_count },
];

/// Counts rows, by what is asked of their arguments.
#[derive(Clone, Copy, Debug)]
enum Count {
    /// Every argument has a value.
    Valid,
    /// The one argument is true.
    True,
}

fn bind_count(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    // What cannot be NULL need not be looked at: count(1) is count(*).
    call.args.retain(|a| a.nullable);
    let part = match call.args.len() {
        0 => Some(Part::Rows),
        1 => Some(Part::Count),
        _ => None,
    };
    let count = call.finish(Count::Valid, DataType::Int64, false)?;
    Ok(BoundAggregate { part, ..count })
}

fn bind_count_if(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(1..=1)?;
    call.coerce_boolean(0)?;
    call.finish(Count::True, DataType::Int64, false)
}

fn bind_regr_count(mut call: AggregateCall<'_>) -> Result<BoundAggregate> {
    call.arity(2..=2)?;
    call.coerce_double(0)?;
    call.coerce_double(1)?;
    call.finish(Count::Valid, DataType::Int64, false)
}

impl Kernel for Count {
    type Cell = i64;

    #[inline]
    fn empty(&self) -> i64 {
        0
    }

    fn update(&self, cells: &mut [i64], batch: &Batch<'_>) -> Result<isize> {
        match self {
            Self::Valid => count_valid(cells, batch),
            Self::True => {
                let input = Bool::open(&batch.args[0]);
                batch.each_valid(1, |row, group| cells[group] += i64::from(Bool::at(input, row)));
            }
        }
        Ok(0)
    }

    #[inline]
    fn merge(&self, cell: &mut i64, other: &i64) -> Result<()> {
        *cell = cell.saturating_add(*other);
        Ok(())
    }

    fn emit(&self, cell: &i64, out: &mut Column) -> Result<()> {
        out.push(*cell);
        Ok(())
    }

    fn emit_many(&self, cells: &[i64], groups: &[u32], out: &mut Column) -> Result<()> {
        out.push_many(groups.iter().map(|&group| cells[group as usize]));
        Ok(())
    }

    // No stream is so long that counts overflow, and these loops are worth being of vectors.

    fn emit_pairs(&self, [first, second]: [&[i64]; 2], _: &Rows<'_>, out: &mut Column) -> Result<()> {
        simd::map_pairs(first, second, out.push_dirty(first.len()), i64::wrapping_add);
        Ok(())
    }

    fn merge_many(&self, cells: &mut [i64], others: &[i64]) -> Result<()> {
        simd::fold_pairs(cells, others, i64::wrapping_add);
        Ok(())
    }

    fn save(&self, cell: &i64, out: &mut Vec<u8>) {
        cell.save(out);
    }

    fn load(&self, bytes: &mut &[u8]) -> Result<i64> {
        match i64::load(bytes)? {
            count @ 0.. => Ok(count),
            below => Err(Error::corrupt(alloc::format!("a saved count is {below}"))),
        }
    }
}

fn count_valid(cells: &mut [i64], batch: &Batch<'_>) {
    let all_valid = batch.args.iter().all(|a| a.validity.is_none());
    match batch.only_group() {
        Some(group) if all_valid => cells[group] += batch.groups.len() as i64,
        _ if batch.args.len() <= 3 => batch.each_valid(batch.args.len(), |_, group| cells[group] += 1),
        _ => batch.each(|row, group| cells[group] += i64::from(batch.args.iter().all(|a| a.is_valid(row)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agg::testing::{Table, answers, bind, lit},
        block::Value,
    };

    #[test]
    fn rows_count_if_every_argument_has_a_value() {
        let a = [Some(1), None, Some(2), None, None].map(|x| x.map_or(Value::Null, Value::Int32));
        let b = [Some("x"), Some("y"), None, None, None].map(|x| x.map_or(Value::Null, Value::from));
        let table = Table::new(&[(DataType::Int32, &a), (DataType::String, &b)]);
        let run = |args| {
            let call = bind("count", args, |_| ()).unwrap();
            answers(&call, &table, &[0, 0, 0, 1, 1], 3).unwrap()
        };
        let longs = |counts: [i64; 3]| counts.map(Value::from);
        assert_eq!(run([].into()), longs([3, 2, 0]));
        assert_eq!(run([lit(1, DataType::Int32)].into()), longs([3, 2, 0]));
        assert_eq!(run(table.args()[..1].into()), longs([2, 0, 0]));
        assert_eq!(run(table.args()), longs([1, 0, 0]));
        assert_eq!(run([table.args(), table.args()].concat()), longs([1, 0, 0]));
        assert_eq!(run([lit(Value::Null, DataType::Null)].into()), longs([0, 0, 0]));
    }

    #[test]
    fn count_if_counts_only_true() {
        let flags = [Some(true), None, Some(false), Some(true)].map(|b| b.map_or(Value::Null, Value::Boolean));
        let table = Table::new(&[(DataType::Boolean, &flags)]);
        let call = bind("count_if", table.args(), |_| ()).unwrap();
        assert_eq!(answers(&call, &table, &[0, 0, 0, 1], 2).unwrap(), [Value::Int64(1), Value::Int64(1)]);
        assert!(!call.nullable);
    }
}
