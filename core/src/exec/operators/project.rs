//! The select list: one expression a column, over the rows that count.

use alloc::vec::Vec;
use core::any::Any;

use crate::{
    block::{BlockRef, ColumnRef, Columns},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::{BoundExpr, Evaluator},
};

#[derive(Debug)]
pub(in crate::exec) struct ProjectOperator {
    exprs: Vec<Evaluator>,
}

/// Columns that were evaluated for one block.
pub(in crate::exec) struct Evaluated<'a>(pub(in crate::exec) Vec<ColumnRef<'a>>);

impl Columns for Evaluated<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        self.0[index]
    }
}

impl ProjectOperator {
    pub(in crate::exec) fn new(exprs: &[BoundExpr]) -> Self {
        Self { exprs: exprs.iter().map(Evaluator::new).collect() }
    }
}

impl Operator for ProjectOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let columns = evaluate(&mut self.exprs, block, epoch)?;
        out.push(&BlockRef::new(&columns, block.len()).select(block.rows().selection()))
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
    let columns = exprs.iter_mut().map(|e| e.eval(&epoch.eval, block)).collect::<Result<_>>()?;
    Ok(Evaluated(columns))
}
