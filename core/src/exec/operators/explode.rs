//! `explode(array)`: each row once an element, the element appended.

use core::any::Any;

use crate::{
    block::{Block, BlockRef, Column, ColumnRef, Values},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::{BoundExpr, Evaluator},
    schema::Schema,
};

#[derive(Debug)]
pub(in crate::exec) struct ExplodeOperator {
    array: Evaluator,
    outer: bool,
    with_position: bool,
    width: usize,
    block_rows: usize,
    made: Block,
}

impl ExplodeOperator {
    pub(in crate::exec) fn new(
        array: &BoundExpr,
        (outer, with_position): (bool, bool),
        schema: &Schema,
        width: usize,
        block_rows: usize,
    ) -> Self {
        Self { array: Evaluator::new(array), outer, with_position, width, block_rows, made: Block::new(schema) }
    }
}

impl Operator for ExplodeOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let arrays = self.array.eval(&epoch.eval, block)?;
        let Values::Array { offsets, elements } = arrays.values else {
            panic!("the plan explodes an array, not {}", arrays.data_type)
        };
        let elements = elements.view();
        let (made, width) = (&mut self.made, self.width);
        let (outer, with_position, block_rows) = (self.outer, self.with_position, self.block_rows);
        made.clear();
        let mut len = 0;
        block.rows().try_for_each(|row| {
            let i = arrays.index(row);
            let range = if arrays.is_valid(row) { offsets[i] as usize..offsets[i + 1] as usize } else { 0..0 };
            let start = range.start;
            let items = range.map(Some).chain((outer && offsets_empty(&arrays, row)).then_some(None));
            for item in items {
                let columns = made.columns_mut();
                copy_row(block, row, &mut columns[..width]);
                if with_position {
                    match item {
                        Some(j) => columns[width].push((j - start) as i32),
                        None => columns[width].push_null(),
                    }
                }
                let element = columns.last_mut().unwrap_or_else(|| panic!("an exploded block has columns"));
                match item {
                    Some(j) => element.push_from(&elements, j),
                    None => element.push_null(),
                }
                len += 1;
                if len == block_rows {
                    made.set_len(len);
                    out.push(&made.view())?;
                    made.clear();
                    len = 0;
                }
            }
            Ok(())
        })?;
        made.set_len(len);
        if len > 0 { out.push(&made.view()) } else { Ok(()) }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn offsets_empty(arrays: &ColumnRef<'_>, row: usize) -> bool {
    let Values::Array { offsets, .. } = arrays.values else { return false };
    let i = arrays.index(row);
    !arrays.is_valid(row) || offsets[i] == offsets[i + 1]
}

/// Copies a row's columns.
pub(super) fn copy_row(block: &BlockRef<'_>, row: usize, columns: &mut [Column]) {
    columns.iter_mut().enumerate().for_each(|(c, column)| column.push_from(&block.column(c), row));
}
