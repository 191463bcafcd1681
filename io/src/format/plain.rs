//! The text format: a line is a value.

use firesteel_core::{
    Error, Result,
    schema::{DataType, Schema},
};

use super::{
    convert::push_string,
    page::{Page, Verdict},
};

/// Reads lines into the one column there is.
#[derive(Debug)]
pub(super) struct PlainReader;

impl PlainReader {
    pub(super) fn new(schema: &Schema) -> Result<Self> {
        match schema.fields() {
            [field] if field.data_type == DataType::String => Ok(Self),
            _ => Err(Error::invalid("a text table has one column of type STRING").hint("declare it as (value STRING)")),
        }
    }

    pub(super) fn read(&self, line: &[u8], page: &mut Page) -> Verdict {
        if page.reads(0) {
            push_string(line, &mut page.open().0[0]);
        }
        Verdict::Row
    }
}
