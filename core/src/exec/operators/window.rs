//! `window(...)` as a column: each row once a window it falls into, latest window first. An aggregation by the window
//! does not come here: it works on panes (see `exec/aggregate`).

use core::any::Any;

use super::explode::copy_row;
use crate::{
    block::{Block, BlockRef},
    error::Result,
    exec::operator::{Epoch, Operator, Output},
    expr::Evaluator,
    plan::TimeWindow,
    schema::Schema,
    window::Panes,
};

#[derive(Debug)]
pub(in crate::exec) struct WindowOperator {
    time: Evaluator,
    panes: Panes,
    width: usize,
    block_rows: usize,
    made: Block,
}

impl WindowOperator {
    pub(in crate::exec) fn new(window: &TimeWindow, schema: &Schema, block_rows: usize) -> Self {
        Self {
            time: Evaluator::new(&window.time),
            panes: Panes::new(window.size_us, window.slide_us, window.start_us),
            width: schema.len() - 1,
            block_rows,
            made: Block::new(schema),
        }
    }
}

impl Operator for WindowOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let times = self.time.eval(&epoch.eval, block)?;
        let (made, panes, width) = (&mut self.made, self.panes, self.width);
        made.clear();
        let mut len = 0;
        block.rows().try_for_each(|row| {
            if !times.is_valid(row) {
                return Ok(());
            }
            let ts = times.as_slice::<i64>()[times.index(row)];
            for start in panes.windows_of(panes.pane_of(ts)) {
                let columns = made.columns_mut();
                copy_row(block, row, &mut columns[..width]);
                columns[width].push_struct(|bounds| {
                    bounds[0].push(start);
                    bounds[1].push(start.saturating_add(panes.size_us()));
                });
                len += 1;
                if len == self.block_rows {
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
