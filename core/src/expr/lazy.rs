//! CASE and COALESCE: each row takes its value from one of several sources, and a source is evaluated only for the
//! rows that take from it (or, as a condition, for the rows that are still open).
//!
//! Both are the same *choice*: sources in order, each with the rows it is asked for and the rows it gives. If one
//! source gives all rows, its column is lent on as it is.

use alloc::vec::Vec;
use core::fmt;

use super::{BoundExpr, EvalContext, eval::Evaluator};
use crate::{
    block::{Bitmap, BitmapRef, BlockRef, Column, ColumnRef, Native, Rows, Values},
    error::Result,
    schema::{DataType, Physical},
};

/// The rows that count, as bits.
pub(super) fn selected(rows: &Rows<'_>, out: &mut Bitmap) {
    match rows.selection() {
        Some(bits) => out.copy_from(bits),
        None => {
            out.clear();
            out.resize(rows.len(), true);
        }
    }
}

/// Sources tried in order.
pub(super) struct Choice {
    sources: Vec<Source>,
    merged: Merged,
}

struct Source {
    /// The condition of a CASE branch; `None` for ELSE and for arguments of COALESCE.
    when: Option<Evaluator>,
    value: Evaluator,
    /// Rows that no earlier source gave.
    open: Bitmap,
    /// Rows that this source gives.
    taken: Bitmap,
}

impl Choice {
    /// CASE: the first branch whose condition is TRUE, else `otherwise`.
    pub fn case(branches: &[(BoundExpr, BoundExpr)], otherwise: &BoundExpr) -> Self {
        let branches = branches.iter().map(|(when, then)| Source::new(Some(when), then));
        Self::new(branches.chain([Source::new(None, otherwise)]).collect(), &otherwise.data_type)
    }

    /// COALESCE: the first argument that is not NULL.
    pub fn coalesce(args: &[BoundExpr], data_type: &DataType) -> Self {
        Self::new(args.iter().map(|arg| Source::new(None, arg)).collect(), data_type)
    }

    fn new(sources: Vec<Source>, data_type: &DataType) -> Self {
        assert!(sources.len() < usize::from(NO_SOURCE), "{} branches", sources.len());
        Self { sources, merged: Merged::new(data_type) }
    }

    /// One value a row of the block that counts.
    pub fn eval<'a>(&'a mut self, cx: &EvalContext, block: &BlockRef<'a>) -> Result<ColumnRef<'a>> {
        let Self { sources, merged } = self;
        let total = block.rows().count();
        let last = sources.len() - 1;
        let mut parts = Parts::default();
        let mut before: Option<(BitmapRef<'a>, BitmapRef<'a>)> = None;
        let mut left = total;
        for (i, source) in sources.iter_mut().enumerate() {
            if left == 0 {
                break;
            }
            let (part, open) = source.eval(cx, block, before, i == last)?;
            let count = part.taken.count();
            left -= count;
            before = Some((open, part.taken));
            if count == total {
                return Ok(part.column);
            }
            if count > 0 {
                parts.push(part);
            }
        }
        Ok(merged.merge(block.len(), &parts))
    }
}

impl Source {
    fn new(when: Option<&BoundExpr>, value: &BoundExpr) -> Self {
        let (open, taken) = (Bitmap::new(), Bitmap::new());
        Self { when: when.map(Evaluator::new), value: Evaluator::new(value), open, taken }
    }

    /// Gives what it can of the rows that were open `before` and not taken, and says which rows it was asked for.
    fn eval<'a>(
        &'a mut self,
        cx: &EvalContext,
        block: &BlockRef<'a>,
        before: Option<(BitmapRef<'a>, BitmapRef<'a>)>,
        is_last: bool,
    ) -> Result<(Part<'a>, BitmapRef<'a>)> {
        let Self { when, value, open, taken } = self;
        match before {
            None => selected(&block.rows(), open),
            Some((open_before, taken_before)) => {
                open.copy_from(open_before);
                open.and_not(taken_before);
            }
        }
        let open = open.view();
        let column = match when {
            Some(when) => {
                when.eval_filter(cx, &block.select(Some(open)), taken)?;
                value.eval_some(cx, &block.select(Some(taken.view())))?
            }
            None => {
                taken.copy_from(open);
                let column = value.eval_some(cx, &block.select(Some(open)))?;
                // The NULL of an argument is no answer, except the last one's.
                if !is_last {
                    keep_valid(&column, taken);
                }
                column
            }
        };
        Ok((Part { column, taken: taken.view() }, open))
    }
}

/// Takes the rows that are NULL out of `rows`.
fn keep_valid(column: &ColumnRef<'_>, rows: &mut Bitmap) {
    match column.validity {
        None => {}
        Some(_) if column.is_constant && column.is_valid(0) => {}
        Some(_) if column.is_constant => {
            let len = rows.len();
            rows.clear();
            rows.resize(len, false);
        }
        Some(valid) => rows.and(valid),
    }
}

/// A source's column and the rows taken from it.
#[derive(Clone, Copy)]
struct Part<'a> {
    column: ColumnRef<'a>,
    taken: BitmapRef<'a>,
}

/// Parts of one block, on the stack unless there are unusually many.
#[derive(Default)]
struct Parts<'a> {
    inline: [Option<Part<'a>>; 8],
    len: usize,
    more: Vec<Part<'a>>,
}

impl<'a> Parts<'a> {
    fn push(&mut self, part: Part<'a>) {
        match self.inline.get_mut(self.len) {
            Some(slot) => *slot = Some(part),
            None => self.more.push(part),
        }
        self.len += 1;
    }

    fn get(&self, i: usize) -> &Part<'a> {
        let inline = self.inline.get(i).and_then(Option::as_ref);
        inline.unwrap_or_else(|| &self.more[i - self.inline.len()])
    }

    fn iter(&self) -> impl Iterator<Item = &Part<'a>> {
        (0..self.len).map(|i| self.get(i))
    }
}

const NO_SOURCE: u16 = u16::MAX;

/// The column that parts are merged into.
struct Merged {
    out: Column,
    valid: Bitmap,
    /// Which part each row takes, for types that must be written in row order.
    choice: Vec<u16>,
}

impl Merged {
    fn new(data_type: &DataType) -> Self {
        Self { out: Column::new(data_type.clone()), valid: Bitmap::new(), choice: Vec::new() }
    }

    fn merge(&mut self, len: usize, parts: &Parts<'_>) -> ColumnRef<'_> {
        match self.out.data_type().physical() {
            Physical::Boolean => self.scatter_bools(len, parts),
            Physical::Int8 => self.scatter::<i8>(len, parts),
            Physical::Int16 => self.scatter::<i16>(len, parts),
            Physical::Int32 => self.scatter::<i32>(len, parts),
            Physical::Int64 => self.scatter::<i64>(len, parts),
            Physical::Float32 => self.scatter::<f32>(len, parts),
            Physical::Float64 => self.scatter::<f64>(len, parts),
            Physical::Int128 => self.scatter::<i128>(len, parts),
            Physical::Null | Physical::Bytes | Physical::Interval | Physical::Struct | Physical::Array => {
                self.in_order(len, parts);
            }
        }
        self.out.view()
    }

    fn scatter<T: Native>(&mut self, len: usize, parts: &Parts<'_>) {
        let values = self.out.native_mut::<T>(len);
        for Part { column, taken } in parts.iter() {
            if let Values::Null = column.values {
                continue;
            }
            let source = column.as_slice::<T>();
            match column.is_constant {
                true => taken.for_each_set(|row| values[row] = source[0]),
                false => taken.for_each_set(|row| values[row] = source[row]),
            }
        }
        self.mark_nulls(len, parts);
    }

    fn scatter_bools(&mut self, len: usize, parts: &Parts<'_>) {
        let bits = self.out.bools_mut(len);
        for Part { column, taken } in parts.iter() {
            if let Values::Null = column.values {
                continue;
            }
            taken.for_each_set(|row| bits.set(row, column.bool_at(row)));
        }
        self.mark_nulls(len, parts);
    }

    /// Rows that took a NULL are NULL; rows that took nothing do not count.
    fn mark_nulls(&mut self, len: usize, parts: &Parts<'_>) {
        if parts.iter().all(|part| part.column.validity.is_none()) {
            return;
        }
        self.valid.clear();
        self.valid.resize(len, true);
        for Part { column, taken } in parts.iter().filter(|part| part.column.validity.is_some()) {
            taken.for_each_set(|row| self.valid.set(row, column.is_valid(row)));
        }
        self.out.set_validity(Some(self.valid.view()));
    }

    fn in_order(&mut self, len: usize, parts: &Parts<'_>) {
        self.choice.clear();
        self.choice.resize(len, NO_SOURCE);
        for (i, part) in parts.iter().enumerate() {
            part.taken.for_each_set(|row| self.choice[row] = i as u16);
        }
        self.out.clear();
        for (row, &i) in self.choice.iter().enumerate() {
            match i {
                NO_SOURCE => self.out.push_null(),
                _ => self.out.push_from(&parts.get(usize::from(i)).column, row),
            }
        }
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.iter().map(|source| (&source.when, &source.value));
        f.write_str("Choice ")?;
        f.debug_list().entries(sources).finish()
    }
}
