//! Types, fields and schemas: Spark's types, and which physical layout each has in a block.

mod data_type;
mod ddl;

use alloc::{string::String, sync::Arc, vec::Vec};

pub use data_type::{DataType, Physical};

/// A column of a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name as the user typed it; look-ups ignore case, as Spark's do.
    pub name: String,
    /// Alias or table name the column can be qualified with (`e.ts`).
    pub qualifier: Option<String>,
    /// Type of the values.
    pub data_type: DataType,
    /// False only if a NULL cannot occur.
    pub nullable: bool,
    /// Set on the event-time column below a `WATERMARK` clause and on what is derived from it (`window`).
    pub event_time: Option<EventTime>,
}

/// Marks the event-time column, as Spark does in column metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventTime {
    /// How far the watermark stays behind the highest event time, in microseconds.
    pub delay_us: i64,
}

impl Field {
    /// A nullable column without qualifier.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), qualifier: None, data_type, nullable: true, event_time: None }
    }

    /// Says whether NULLs can occur.
    pub fn nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }
}

/// The columns of a table, a block or a plan node, in order. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Schema {
    fields: Arc<[Field]>,
}

impl Schema {
    /// A schema of these columns.
    pub fn new(fields: impl Into<Vec<Field>>) -> Self {
        Self { fields: fields.into().into() }
    }

    /// The columns in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The column at a position.
    pub fn field(&self, index: usize) -> &Field {
        &self.fields[index]
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True if there is no column.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Positions of the columns with this name, ignoring case: more than one is an ambiguity for the caller.
    pub fn positions<'a>(&'a self, qualifier: Option<&'a str>, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.fields.iter().enumerate().filter_map(move |(i, f)| {
            let qualified = match qualifier {
                None => true,
                Some(q) => f.qualifier.as_deref().is_some_and(|fq| same_name(fq, q)),
            };
            (qualified && same_name(&f.name, name)).then_some(i)
        })
    }

    /// The same columns under another qualifier.
    pub fn with_qualifier(&self, qualifier: &str) -> Self {
        let fields: Vec<Field> =
            self.fields.iter().map(|f| Field { qualifier: Some(qualifier.into()), ..f.clone() }).collect();
        Self::new(fields)
    }
}

/// Whether two identifiers are the same to Spark, which ignores case.
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || (a.len() == b.len() && a.eq_ignore_ascii_case(b)) || a.to_lowercase() == b.to_lowercase()
}
