//! The select list: one expression a column, over the rows that count.

use alloc::vec::Vec;
use core::any::Any;

use crate::{
    block::{BlockRef, ColumnRef, Columns, Foresight, Told, Upcoming},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::{BoundExpr, Evaluator},
};

#[derive(Debug)]
pub(in crate::exec) struct ProjectOperator {
    exprs: Vec<Evaluator>,
    /// The column that each is, if it is no more than that.
    sources: Vec<Option<usize>>,
    /// The column that is computed with first, and where it will lie.
    first_read: Option<usize>,
    foresight: Foresight,
}

/// Columns that are evaluated without memory of their own: select lists and keys are seldom longer.
const FEW: usize = 12;

/// Columns that were evaluated for one block.
pub(in crate::exec) struct Evaluated<'a> {
    few: heapless::Vec<ColumnRef<'a>, FEW>,
    /// All of them, if they are more than [`FEW`].
    many: Vec<ColumnRef<'a>>,
}

impl<'a> Evaluated<'a> {
    /// The columns, in the order of the expressions.
    pub(in crate::exec) fn columns(&self) -> &[ColumnRef<'a>] {
        if self.many.is_empty() { &self.few } else { &self.many }
    }
}

impl Columns for Evaluated<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.columns()[index]
    }
}

/// A block's columns and what was made of them.
struct Projected<'a> {
    block: &'a BlockRef<'a>,
    columns: Evaluated<'a>,
    sources: &'a [Option<usize>],
}

impl Columns for Projected<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.columns.column(index)
    }

    fn place(&self, index: usize) -> Option<Upcoming> {
        self.block.place(self.sources[index]?)
    }

    fn told(&self, index: usize) -> Option<Told> {
        self.block.told(self.sources[index]?)
    }
}

impl ProjectOperator {
    pub(in crate::exec) fn new(exprs: &[BoundExpr]) -> Self {
        let exprs: Vec<_> = exprs.iter().map(Evaluator::new).collect();
        let computed = exprs.iter().filter(|expr| expr.as_column().is_none());
        Self {
            first_read: computed.filter_map(Evaluator::first_column).next(),
            sources: exprs.iter().map(Evaluator::as_column).collect(),
            exprs,
            foresight: Foresight::default(),
        }
    }
}

impl Operator for ProjectOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let columns = evaluate(&mut self.exprs, block, epoch)?;
        let upcoming = self.first_read.and_then(|index| self.foresight.behind(&block.column(index)));
        let projected = Projected { block, columns, sources: &self.sources };
        let projected = BlockRef::new(&projected, block.len()).select(block.rows().selection());
        out.push(&projected.foresee(block.upcoming().or(upcoming)))
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Evaluates expressions over a block, borrowing their results.
pub(in crate::exec) fn evaluate<'a>(
    exprs: &'a mut [Evaluator],
    block: &BlockRef<'a>,
    epoch: &Epoch,
) -> Result<Evaluated<'a>> {
    let mut evaluated = Evaluated { few: heapless::Vec::new(), many: Vec::new() };
    let are_few = exprs.len() <= FEW;
    for expr in exprs {
        let column = expr.eval(&epoch.eval, block)?;
        match are_few {
            true => evaluated.few.push(column).unwrap_or_else(|_| panic!("{FEW} columns are few")),
            false => evaluated.many.push(column),
        }
    }
    Ok(evaluated)
}
