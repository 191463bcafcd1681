//! Tests that go through the whole of the room: names to columns to values.
//!
//! `golden` has what Spark answered, `oracle` compares random expressions with a row-at-a-time interpreter.

mod golden;
mod oracle;

use alloc::{format, string::String, vec::Vec};

use super::{
    BoundExpr, EvalContext, Evaluator, Expr, SchemaScope, Settings, bind,
    cast::print::{Style, write_value},
};
use crate::{
    block::{Block, Value},
    error::Result,
    schema::{DataType, Field, Schema},
};

/// Rows to evaluate expressions over.
struct Table {
    schema: Schema,
    block: Block,
    settings: Settings,
}

impl Table {
    fn new(fields: &[(&str, DataType)], rows: &[&[Value]]) -> Self {
        let fields: Vec<Field> = fields.iter().map(|(name, t)| Field::new(*name, t.clone())).collect();
        let schema = Schema::new(fields);
        let mut block = Block::new(&schema);
        rows.iter().for_each(|row| block.push_row(row));
        Self { schema, block, settings: Settings::default() }
    }

    fn with(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    fn bind(&self, expr: &Expr) -> Result<BoundExpr> {
        bind(expr, &mut SchemaScope(&self.schema), &self.settings)
    }

    /// What the rows print as, one after the other.
    fn print(&self, expr: &Expr) -> Result<String> {
        let bound = self.bind(expr)?;
        let mut evaluator = Evaluator::new(&bound);
        let column = evaluator.eval(&EvalContext::default(), &self.block.view())?;
        let style = Style { zone: &self.settings.time_zone, plain_decimals: true };
        let print = |row: usize| {
            let mut text = String::new();
            match column.is_valid(row) {
                true => write_value(&mut text, &column, row, style).expect("strings grow"),
                false => text.push_str("null"),
            }
            text
        };
        Ok((0..self.block.len()).map(print).collect::<Vec<_>>().join(" | "))
    }

    /// Compares a table of expressions with what Spark answered, and with the class of its error.
    fn check(&self, cases: impl IntoIterator<Item = (Expr, &'static str)>) {
        for (expr, expected) in cases {
            let found = match self.print(&expr) {
                Ok(text) => text,
                Err(e) => e.error_class().map_or(format!("{e}"), String::from),
            };
            assert_eq!(found, expected, "{}", expr.output_name());
        }
    }
}
