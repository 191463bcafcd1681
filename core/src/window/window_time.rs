//! `window_time(window)`: the event time of a window's result, its last microsecond.

use crate::{
    block::{Column, ColumnRef, Rows, Values},
    error::Result,
    expr::{EvalContext, ScalarFunction},
};

/// `window_time(window)`: end − 1 µs of a `STRUCT<start, end>`.
#[derive(Debug)]
pub struct WindowTime;

impl ScalarFunction for WindowTime {
    fn name(&self) -> &'static str {
        "window_time"
    }

    fn eval(&self, _: &EvalContext, args: &[ColumnRef<'_>], rows: &Rows<'_>, out: &mut Column) -> Result<()> {
        let window = args[0];
        let Values::Struct(fields) = window.values else {
            panic!("the plan passes a window, not {}", window.data_type)
        };
        let ends = fields[1].view();
        for row in 0..rows.len() {
            let i = window.index(row);
            if window.is_valid(row) && ends.is_valid(i) {
                out.push(ends.as_slice::<i64>()[i].wrapping_sub(1));
            } else {
                out.push_null();
            }
        }
        Ok(())
    }
}
