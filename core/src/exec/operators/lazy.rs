//! Columns that are made when somebody asks for them, in memory that is kept from block to block.

use alloc::{vec, vec::Vec};
use core::cell::{OnceCell, RefCell};

use crate::block::Column;

/// Columns of one block.
#[derive(Debug)]
pub(super) struct LazyColumns {
    made: Vec<OnceCell<Column>>,
    /// What was made for the block before.
    spare: RefCell<Vec<Option<Column>>>,
}

impl LazyColumns {
    pub(super) fn new(count: usize) -> Self {
        Self { made: vec![OnceCell::new(); count], spare: RefCell::new(vec![None; count]) }
    }

    /// Another block comes: nothing is made yet.
    pub(super) fn take_back(&mut self) {
        for (spare, made) in self.spare.get_mut().iter_mut().zip(&mut self.made) {
            *spare = made.take().or(spare.take());
        }
    }

    /// The column at `index`, made if this is the first time that it is asked for: in that of an earlier block, if
    /// there was one.
    pub(super) fn get(&self, index: usize, make: impl FnOnce(Option<Column>) -> Column) -> &Column {
        self.made[index].get_or_init(|| {
            let spare = self.spare.borrow_mut()[index].take();
            make(spare)
        })
    }
}
