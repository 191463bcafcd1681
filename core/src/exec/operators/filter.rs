//! WHERE and HAVING: narrows the selection, or moves the rows that pass together, so that what follows runs over
//! columns without gaps.

use alloc::vec::Vec;
use core::any::Any;

use crate::{
    block::{Bitmap, BitmapRef, BlockRef, Column, ColumnRef, Columns, Foresight, Native, Upcoming, Values},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::{BoundExpr, Evaluator},
    simd::Positions,
};

#[derive(Debug)]
pub(in crate::exec) struct FilterOperator {
    predicate: Evaluator,
    passed: Bitmap,
    positions: Positions,
    /// The column that the predicate reads before others, and where it will lie.
    first_read: Option<usize>,
    foresight: Foresight,
    /// Scratch: which of the rows that passed are not NULL.
    valid: Bitmap,
    /// By column: the values of the rows that passed; empty where the block's own column stands for them.
    taken: Vec<Column>,
}

impl FilterOperator {
    /// For blocks of so many columns.
    pub(in crate::exec) fn new(predicate: &BoundExpr, columns: usize) -> Self {
        let taken = (0..columns).map(|_| Column::new(crate::schema::DataType::Null)).collect();
        let mut read = Vec::new();
        predicate.collect_columns(&mut read);
        Self {
            predicate: Evaluator::new(predicate),
            passed: Bitmap::new(),
            positions: Positions::new(),
            first_read: read.first().copied(),
            foresight: Foresight::default(),
            valid: Bitmap::new(),
            taken,
        }
    }

    /// Whether every column's rows can be moved at the price of a load and a store each.
    fn is_movable(&self, block: &BlockRef<'_>) -> bool {
        let is_fixed = |column: ColumnRef<'_>| {
            let is_wide = matches!(
                column.values,
                Values::Bytes(_) | Values::Struct(_) | Values::Array { .. } | Values::Interval(_) | Values::Null
            );
            column.is_constant || !is_wide
        };
        block.len() <= Positions::ROWS_MAX && (0..self.taken.len()).all(|index| is_fixed(block.column(index)))
    }

    /// Where the next block has the column that is read first.
    fn upcoming(&mut self, block: &BlockRef<'_>) -> Option<Upcoming> {
        match block.column(self.first_read?).values {
            Values::Int32(values) => Some(self.foresight.behind(values)),
            Values::Int64(values) => Some(self.foresight.behind(values)),
            Values::Float32(values) => Some(self.foresight.behind(values)),
            Values::Float64(values) => Some(self.foresight.behind(values)),
            _ => None,
        }
    }
}

impl Operator for FilterOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        self.predicate.eval_filter(&epoch.eval, block, &mut self.passed)?;
        let passed = self.passed.view();
        match passed.count() {
            0 => return Ok(()),
            count if count == block.len() => return out.push(&block.select(None)),
            _ if !self.is_movable(block) => return out.push(&block.select(Some(passed))),
            _ => {}
        }
        self.positions.find(passed.words(), block.len());
        for (index, taken) in self.taken.iter_mut().enumerate() {
            take(&mut self.positions, &block.column(index), taken, &mut self.valid);
        }
        let upcoming = self.upcoming(block);
        let taken = Taken { block, columns: &self.taken };
        out.push(&BlockRef::new(&taken, self.positions.len()).foresee(upcoming))
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Constants of a block and what was taken of its other columns.
struct Taken<'a> {
    block: &'a BlockRef<'a>,
    columns: &'a [Column],
}

impl Columns for Taken<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        let column = self.block.column(index);
        if column.is_constant { column } else { self.columns[index].view() }
    }
}

fn take(positions: &mut Positions, column: &ColumnRef<'_>, to: &mut Column, valid: &mut Bitmap) {
    if column.is_constant {
        return;
    }
    if to.data_type() != column.data_type {
        *to = Column::new(column.data_type.clone());
    }
    match column.values {
        Values::Boolean(bits) => take_bits(positions, bits, to.bools_mut(positions.len())),
        Values::Int8(values) => take_values(positions, values, to),
        Values::Int16(values) => take_values(positions, values, to),
        Values::Int32(values) => take_values(positions, values, to),
        Values::Int64(values) => take_values(positions, values, to),
        Values::Float32(values) => take_values(positions, values, to),
        Values::Float64(values) => take_values(positions, values, to),
        Values::Int128(values) => take_values(positions, values, to),
        _ => unreachable!("only columns of fixed width are movable"),
    }
    if let Some(validity) = column.validity {
        valid.clear();
        valid.resize(positions.len(), false);
        take_bits(positions, validity, valid);
        to.set_validity(Some(valid.view()));
    }
}

fn take_values<T: Native>(positions: &mut Positions, values: &[T], to: &mut Column) {
    let to = to.native_dirty(positions.len());
    positions.take(values, to);
}

fn take_bits(positions: &mut Positions, bits: BitmapRef<'_>, to: &mut Bitmap) {
    for (row, &number) in positions.numbers().iter().enumerate() {
        if bits.get(number.into()) {
            to.set(row, true);
        }
    }
}
