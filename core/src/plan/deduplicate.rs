//! Dropping duplicates: the first row of each key, of all rows or of those that the watermark still waits for.

use alloc::{format, string::String, vec::Vec};

use super::{LogicalPlan, PlanBuilder};
use crate::{
    error::{Error, Result},
    expr::{SchemaScope, bind, col},
    schema::{Schema, same_name},
};

/// Keeps the first row of each key.
#[derive(Clone, Debug, PartialEq)]
pub struct Deduplicate {
    /// The rows.
    pub input: alloc::boxed::Box<LogicalPlan>,
    /// Indices of the columns that make rows the same.
    pub keys: Vec<usize>,
    /// A key is forgotten once the watermark is the delay past its first row, whether or not the event time is a key.
    pub within_watermark: bool,
}

impl PlanBuilder {
    /// Keeps the first row of those that agree in these columns; in all columns if none is named. Of a stream keys
    /// are remembered for good, unless one of them is the event time.
    ///
    /// ```
    /// use firesteel_core::{expr::Settings, plan::PlanBuilder};
    ///
    /// let numbers = PlanBuilder::range(0, 10, 1, &Settings::default())?;
    /// assert!(numbers.clone().drop_duplicates(&["id".into()]).is_ok());
    /// assert!(numbers.drop_duplicates(&["ix".into()]).is_err());
    /// # Ok::<(), firesteel_core::Error>(())
    /// ```
    pub fn drop_duplicates(self, columns: &[String]) -> Result<Self> {
        let keys = self.key_columns(columns)?;
        Ok(self.wrap(|input| LogicalPlan::Deduplicate(Deduplicate { input, keys, within_watermark: false })))
    }

    /// The same among rows that are no further apart than the watermark's delay: needs a watermark, and a stream.
    pub fn drop_duplicates_within_watermark(self, columns: &[String]) -> Result<Self> {
        let keys = self.key_columns(columns)?;
        if !self.plan.is_streaming() {
            return Err(Error::invalid("drop_duplicates_within_watermark works only on streams")
                .class("UNSUPPORTED_FEATURE")
                .hint("a batch has drop_duplicates"));
        }
        if event_time_of(self.schema()).is_none() {
            return Err(Error::invalid("drop_duplicates_within_watermark needs a watermark")
                .class("UNSUPPORTED_FEATURE")
                .hint("call with_watermark(column, delay) first"));
        }
        Ok(self.wrap(|input| LogicalPlan::Deduplicate(Deduplicate { input, keys, within_watermark: true })))
    }

    fn key_columns(&self, columns: &[String]) -> Result<Vec<usize>> {
        let schema = self.schema();
        if columns.is_empty() {
            return Ok((0..schema.len()).collect());
        }
        let mut keys = Vec::new();
        for name in columns {
            let same = schema.fields().iter().enumerate().filter(|(_, f)| same_name(&f.name, name)).map(|(i, _)| i);
            let before = keys.len();
            keys.extend(same);
            if keys.len() == before {
                // A name that no column has by itself may have a table's name before it.
                let bound = bind(&col(name.as_str()), &mut SchemaScope(schema), &self.settings)?;
                let column = bound.as_column().ok_or_else(|| Error::invalid(format!("`{name}` is not a column")))?;
                keys.push(column);
            }
        }
        Ok(keys)
    }
}

/// The column by whose time rows are late.
pub(crate) fn event_time_of(schema: &Schema) -> Option<usize> {
    schema.fields().iter().position(|f| f.event_time.is_some())
}
