//! ORDER BY: keeps the rows of an epoch, orders them at its end.

use alloc::vec::Vec;
use core::{any::Any, cmp::Ordering};

use super::explode::copy_row;
use crate::{
    block::{Block, BlockRef, ColumnRef, compare, sort_rows},
    error::Result,
    exec::{
        operator::{Epoch, Operator, Output},
        operators::project::evaluate,
    },
    expr::Evaluator,
    plan::SortOrder,
    schema::{Field, Schema},
};

#[derive(Debug)]
pub(in crate::exec) struct SortOperator {
    keys: Vec<Evaluator>,
    /// Per key: descending, NULLs first.
    directions: Vec<(bool, bool)>,
    block_rows: usize,
    // State: the rows and, beside them, their keys.
    rows: Block,
    row_keys: Block,
    // Scratch.
    made: Block,
}

impl SortOperator {
    pub(in crate::exec) fn new(keys: &[SortOrder], schema: &Schema, block_rows: usize) -> Self {
        let key_fields: Vec<Field> = keys.iter().map(|k| Field::new("key", k.expr.data_type.clone())).collect();
        Self {
            keys: keys.iter().map(|k| Evaluator::new(&k.expr)).collect(),
            directions: keys.iter().map(|k| (k.descending, k.nulls_first)).collect(),
            block_rows,
            rows: Block::new(schema),
            row_keys: Block::new(&Schema::new(key_fields)),
            made: Block::new(schema),
        }
    }

    fn compare_rows(&self, a: usize, b: usize) -> Ordering {
        let keys = self.row_keys.columns().iter().zip(&self.directions);
        let orders = keys.map(|(column, &direction)| compare_keys(&column.view(), a, b, direction));
        orders.into_iter().find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl Operator for SortOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, _: &mut dyn Output) -> Result<()> {
        self.rows.append(block);
        let keys = evaluate(&mut self.keys, block, epoch)?;
        self.row_keys.append(&BlockRef::new(&keys, block.len()).select(block.rows().selection()));
        Ok(())
    }

    fn finish(&mut self, _: &Epoch, out: &mut dyn Output) -> Result<()> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        sort_rows(&mut order, &|a, b| self.compare_rows(a, b));
        for chunk in order.chunks(self.block_rows) {
            self.made.clear();
            let rows = self.rows.view();
            chunk.iter().for_each(|&row| copy_row(&rows, row, self.made.columns_mut()));
            self.made.set_len(chunk.len());
            out.push(&self.made.view())?;
        }
        self.rows.clear();
        self.row_keys.clear();
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        // With the order in which the rows come out.
        let order = self.rows.len() * size_of::<usize>();
        (self.rows.memory_bytes() + self.row_keys.memory_bytes() + order) as u64
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn compare_keys(column: &ColumnRef<'_>, a: usize, b: usize, (descending, nulls_first): (bool, bool)) -> Ordering {
    match (column.is_valid(a), column.is_valid(b)) {
        (true, true) if descending => compare(column, b, column, a),
        (true, true) => compare(column, a, column, b),
        (valid_a, valid_b) if nulls_first => valid_a.cmp(&valid_b),
        (valid_a, valid_b) => valid_b.cmp(&valid_a),
    }
}
