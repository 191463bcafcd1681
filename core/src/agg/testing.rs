//! What the tests of aggregates share: binding a call over plain columns, and running it in every way that must
//! give the same answer: in one block, in small blocks with rows that do not count, merged from two halves, saved
//! and loaded in the middle.

use alloc::{boxed::Box, vec::Vec};

use super::{Aggregate, AggregateCall, BoundAggregate, lookup};
use crate::{
    block::{Bitmap, Block, BlockRef, Column, Rows, Value},
    error::Result,
    expr::{BoundExpr, EvalContext, Evaluator, Settings},
    schema::DataType,
};

/// Columns of a test.
pub(super) struct Table(Vec<Column>);

impl Table {
    pub fn new(columns: &[(DataType, &[Value])]) -> Self {
        Self(columns.iter().map(|(t, values)| Column::from_values(t.clone(), values)).collect())
    }

    /// One column of doubles, `None` for NULL.
    pub fn doubles(columns: &[&[Option<f64>]]) -> Self {
        let to_values = |c: &[Option<f64>]| c.iter().map(|x| x.map_or(Value::Null, Value::Float64)).collect::<Vec<_>>();
        let values: Vec<_> = columns.iter().map(|c| to_values(c)).collect();
        Self::new(&values.iter().map(|v| (DataType::Float64, &v[..])).collect::<Vec<_>>())
    }

    /// One column of integers, `None` for NULL.
    pub fn ints(values: &[Option<i32>]) -> Self {
        let values: Vec<_> = values.iter().map(|x| x.map_or(Value::Null, Value::Int32)).collect();
        Self::new(&[(DataType::Int32, &values)])
    }

    /// All columns as arguments.
    pub fn args(&self) -> Vec<BoundExpr> {
        let column = |(i, c): (usize, &Column)| BoundExpr::column(i, c.data_type().clone(), true);
        self.0.iter().enumerate().map(column).collect()
    }

    fn len(&self) -> usize {
        self.0.first().map_or(0, Column::len)
    }

    fn rows(&self, rows: impl Iterator<Item = usize>) -> Block {
        let mut columns: Vec<_> = self.0.iter().map(|c| Column::new(c.data_type().clone())).collect();
        let mut len = 0;
        for row in rows {
            columns.iter_mut().zip(&self.0).for_each(|(to, from)| to.push_from(&from.view(), row));
            len += 1;
        }
        Block::from_columns(columns, len)
    }
}

/// Binds `name(args)`; `change` sets what is not default.
pub(super) fn bind(
    name: &str,
    args: Vec<BoundExpr>,
    change: impl FnOnce(&mut AggregateCall<'_>),
) -> Result<BoundAggregate> {
    bind_with(&Settings::default(), name, args, change)
}

/// As [`bind`], with other settings.
pub(super) fn bind_with(
    settings: &Settings,
    name: &str,
    args: Vec<BoundExpr>,
    change: impl FnOnce(&mut AggregateCall<'_>),
) -> Result<BoundAggregate> {
    let (name, function) = lookup(name).unwrap_or_else(|| panic!("there is a function {name}"));
    let mut call =
        AggregateCall { name, args, ordered: false, ignore_nulls: false, descending: false, settings, span: None };
    change(&mut call);
    (function.bind)(call)
}

/// A constant argument.
pub(super) fn lit(value: impl Into<Value>, data_type: DataType) -> BoundExpr {
    BoundExpr::literal(value.into(), data_type)
}

/// The answer over one group of all rows.
pub(super) fn answer(call: &BoundAggregate, table: &Table) -> Value {
    answers(call, table, &alloc::vec![0; table.len()], 1).unwrap().remove(0)
}

/// The answers of `count` groups, the same in every way of running.
pub(super) fn answers(call: &BoundAggregate, table: &Table, groups: &[u32], count: usize) -> Result<Vec<Value>> {
    let all = 0..table.len();
    let whole = feed(call, table, groups, count, all.clone(), usize::MAX)?;
    let expected = emit(call, &*whole, count)?;
    for block in [1, 3] {
        let blocks = feed(call, table, groups, count, all.clone(), block)?;
        same(&emit(call, &*blocks, count)?, &expected, call, "in small blocks");
    }
    let half = table.len() / 2;
    let mut left = feed(call, table, groups, count, 0..half, usize::MAX)?;
    let right = feed(call, table, groups, count, half..table.len(), 2)?;
    let ids: Vec<u32> = (0..count as u32).collect();
    left = reload(call, &*left, &ids)?;
    left.merge(&*right, &ids, &ids)?;
    same(&emit(call, &*left, count)?, &expected, call, "merged from two halves");
    let last = reload(call, &*left, &ids)?;
    same(&emit(call, &*last, count)?, &expected, call, "saved and loaded");
    left.reset(&ids);
    let empty = feed(call, table, groups, count, 0..0, 1)?;
    same(&emit(call, &*left, count)?, &emit(call, &*empty, count)?, call, "reset");
    Ok(expected)
}

/// Accumulators after the rows of `range`, a block at a time, every other row of small blocks one that does not
/// count.
fn feed(
    call: &BoundAggregate,
    table: &Table,
    groups: &[u32],
    count: usize,
    range: core::ops::Range<usize>,
    block_rows: usize,
) -> Result<Box<dyn Aggregate>> {
    let mut aggregate = (call.make)();
    aggregate.grow(count);
    let rows: Vec<usize> = range.collect();
    for chunk in rows.chunks(block_rows.min(rows.len()).max(1)) {
        if block_rows == usize::MAX {
            let groups: Vec<u32> = chunk.iter().map(|&r| groups[r]).collect();
            update(call, &mut *aggregate, &table.rows(chunk.iter().copied()), &groups, None)?;
        } else {
            let doubled = || chunk.iter().flat_map(|&r| [r, r]);
            let selection: Bitmap = (0..chunk.len() * 2).map(|i| i % 2 == 1).collect();
            let groups: Vec<u32> = doubled().enumerate().map(|(i, r)| if i % 2 == 1 { groups[r] } else { 0 }).collect();
            update(call, &mut *aggregate, &table.rows(doubled()), &groups, Some(&selection))?;
        }
    }
    Ok(aggregate)
}

fn update(
    call: &BoundAggregate,
    aggregate: &mut dyn Aggregate,
    block: &Block,
    groups: &[u32],
    selection: Option<&Bitmap>,
) -> Result<()> {
    let mut evaluators: Vec<_> = call.args.iter().map(Evaluator::new).collect();
    let block: BlockRef<'_> = block.view().select(selection.map(Bitmap::view));
    let mut args = Vec::new();
    for evaluator in &mut evaluators {
        args.push(evaluator.eval(&EvalContext::default(), &block)?);
    }
    aggregate.update(&args, groups, &Rows::new(block.len(), selection.map(Bitmap::view)))
}

fn reload(call: &BoundAggregate, aggregate: &dyn Aggregate, ids: &[u32]) -> Result<Box<dyn Aggregate>> {
    let mut bytes = Vec::new();
    aggregate.save(ids, &mut bytes);
    let fresh = || {
        let mut aggregate = (call.make)();
        aggregate.grow(ids.len());
        aggregate
    };
    // However the bytes are cut or bent, nothing panics.
    for cut in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
        assert!(fresh().load(ids, &mut &bytes[..cut]).unwrap_err().is_corrupt(), "{call:?} cut at {cut}");
        let mut bent = bytes.clone();
        bent[cut] ^= 0x5a;
        let mut corrupt = fresh();
        if corrupt.load(ids, &mut &bent[..]).is_ok() {
            let _ = corrupt.emit(ids, &mut Column::new(call.data_type.clone()));
        }
    }
    let mut loaded = fresh();
    let mut rest = &bytes[..];
    loaded.load(ids, &mut rest)?;
    assert!(rest.is_empty(), "{call:?} reads all it wrote");
    Ok(loaded)
}

fn emit(call: &BoundAggregate, aggregate: &dyn Aggregate, count: usize) -> Result<Vec<Value>> {
    let ids: Vec<u32> = (0..count as u32).collect();
    let mut out = Column::new(call.data_type.clone());
    aggregate.emit(&ids, &mut out)?;
    assert_eq!(out.len(), count, "{call:?} gives one row a group");
    Ok((0..count).map(|i| out.view().value(i)).collect())
}

fn same(actual: &[Value], expected: &[Value], call: &BoundAggregate, how: &str) {
    let equal = actual.iter().zip(expected).all(|(a, b)| is_close(a, b));
    assert!(equal, "{call:?} {how}: {actual:?}, not {expected:?}");
}

/// Equal, floats up to the last few bits and NaN to itself.
pub(super) fn is_close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float64(a), Value::Float64(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || libm::fabs(a - b) <= 1e-11 * libm::fabs(*b)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_close(a, b)),
        _ => a == b,
    }
}
