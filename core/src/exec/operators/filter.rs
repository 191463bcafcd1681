//! WHERE and HAVING: narrows the selection, or moves the rows that pass together, so that what follows runs over
//! columns without gaps.

use core::{any::Any, cell::RefCell};

use crate::{
    block::{Bitmap, BitmapRef, BlockRef, Column, ColumnRef, Columns, Foresight, Native, Told, Upcoming, Values},
    error::Result,
    exec::{
        operator::{Epoch, Operator, Output},
        operators::lazy::LazyColumns,
    },
    expr::{BoundExpr, Evaluator},
    simd::Positions,
};

#[derive(Debug)]
pub(in crate::exec) struct FilterOperator {
    predicate: Evaluator,
    /// Of the blocks.
    columns: usize,
    passed: Bitmap,
    /// The column that the predicate reads before others, and where it will lie.
    first_read: Option<usize>,
    foresight: Foresight,
    /// By column: the values of the rows that passed.
    taken: LazyColumns,
    taker: RefCell<Taker>,
}

/// Takes the rows that passed.
#[derive(Debug)]
struct Taker {
    positions: Positions,
    /// Scratch: which of the rows that passed are not NULL.
    valid: Bitmap,
}

impl FilterOperator {
    /// For blocks of so many columns.
    pub(in crate::exec) fn new(predicate: &BoundExpr, columns: usize) -> Self {
        let predicate = Evaluator::new(predicate);
        Self {
            first_read: predicate.first_column(),
            predicate,
            passed: Bitmap::new(),
            foresight: Foresight::default(),
            columns,
            taken: LazyColumns::new(columns),
            taker: RefCell::new(Taker { positions: Positions::new(), valid: Bitmap::new() }),
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
        block.len() <= Positions::ROWS_MAX && (0..self.columns).all(|index| is_fixed(block.column(index)))
    }

    /// Where the next block has the column that is read first.
    fn upcoming(&mut self, block: &BlockRef<'_>) -> Option<Upcoming> {
        self.foresight.behind(&block.column(self.first_read?))
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
        self.taken.take_back();
        let positions = &mut self.taker.get_mut().positions;
        positions.find(passed.words(), block.len());
        let rows = positions.len();
        let upcoming = self.upcoming(block).map(|upcoming| upcoming.shared_by(rows, block.len()));
        let taken = Taken { block, columns: &self.taken, taker: &self.taker };
        out.push(&BlockRef::new(&taken, rows).foresee(upcoming))
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Constants of a block, and what is taken of its other columns when somebody asks for them: of times most often
/// nobody does.
struct Taken<'a> {
    block: &'a BlockRef<'a>,
    columns: &'a LazyColumns,
    taker: &'a RefCell<Taker>,
}

impl Columns for Taken<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        let column = self.block.column(index);
        if column.is_constant {
            return column;
        }
        self.columns.get(index, |spare| self.taker.borrow_mut().take(&column, spare)).view()
    }

    fn place(&self, _index: usize) -> Option<Upcoming> {
        None
    }

    fn told(&self, index: usize) -> Option<Told> {
        self.block.told(index).map(|told| Told { are_all: false, ..told })
    }
}

impl Taker {
    fn take(&mut self, column: &ColumnRef<'_>, spare: Option<Column>) -> Column {
        let spare = spare.filter(|spare| spare.data_type() == column.data_type);
        let mut to = spare.unwrap_or_else(|| Column::new(column.data_type.clone()));
        take(&mut self.positions, column, &mut to, &mut self.valid);
        to
    }
}

fn take(positions: &mut Positions, column: &ColumnRef<'_>, to: &mut Column, valid: &mut Bitmap) {
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
