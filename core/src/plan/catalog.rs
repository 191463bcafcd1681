//! Where names of tables and views are looked up. The engine above owns the catalog; plans only ask it.

use alloc::{string::String, vec::Vec};

use super::PlanBuilder;
use crate::{error::Result, expr::Settings, schema::Schema};

/// A table as declared by `CREATE TABLE` or by a reader: what its provider needs to open it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    /// Its name; the path for readers without a name.
    pub name: String,
    /// `USING ...`: csv, json, text, ring, rate, ...
    pub provider: String,
    /// `OPTIONS (...)`, in order, keys as typed.
    pub options: Vec<(String, String)>,
    /// Its columns.
    pub schema: Schema,
}

impl Table {
    /// The option of this name, ignoring case; the last one if it is given twice.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Tables and views by name.
pub trait Catalog {
    /// What `FROM name` reads; `stream` if `STREAM` stands before it; `options` from `WITH (...)` after it. An
    /// unknown name is an error that names the nearest known one.
    fn relation(&self, name: &[String], stream: bool, options: &[(String, String)]) -> Result<PlanBuilder>;

    /// Names of all tables and views, for hints.
    fn relation_names(&self) -> Vec<String>;

    /// The session's settings as they are now.
    fn settings(&self) -> &Settings;
}
