//! WHERE and HAVING: narrows the selection, moves nothing.

use core::any::Any;

use crate::{
    block::{Bitmap, BlockRef},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::{BoundExpr, Evaluator},
};

#[derive(Debug)]
pub(in crate::exec) struct FilterOperator {
    predicate: Evaluator,
    passed: Bitmap,
}

impl FilterOperator {
    pub(in crate::exec) fn new(predicate: &BoundExpr) -> Self {
        Self { predicate: Evaluator::new(predicate), passed: Bitmap::new() }
    }
}

impl Operator for FilterOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        self.predicate.eval_filter(&epoch.eval, block, &mut self.passed)?;
        let passed = self.passed.view();
        if passed.count() == 0 {
            return Ok(());
        }
        out.push(&block.select(Some(passed)))
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
