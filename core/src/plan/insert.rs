//! `INSERT INTO`: the query's columns become the table's, by position or by name, by the rules that Spark has for
//! storing values: a number may widen or be checked, text never becomes a number by itself.

use alloc::{format, string::String, vec::Vec};

use super::{PlanBuilder, builder::column_of, column_names};
use crate::{
    block::Value,
    error::{Error, Result},
    expr::{BoundExpr, EvalMode, cast},
    schema::{DataType, Schema, same_name},
};

impl PlanBuilder {
    /// The rows as a table with these columns takes them. `columns` names the columns that the query fills, in its
    /// order (none: all of them); with `by_name` they meet by name. What is not filled is NULL.
    pub fn insert_into(self, table: &Schema, columns: &[String], by_name: bool) -> Result<Self> {
        let given = self.schema().clone();
        let sources = if by_name { by_names(&given, table)? } else { by_position(&given, table, columns)? };
        let mut exprs = Vec::new();
        for (field, source) in table.fields().iter().zip(sources) {
            let value = match source {
                Some(column) => column_of(&given, column),
                None => BoundExpr::literal(Value::Null, DataType::Null),
            };
            exprs.push(self.stored(value, &field.data_type, &field.name)?);
        }
        Ok(self.project(exprs, column_names(table)))
    }

    fn stored(&self, value: BoundExpr, to: &DataType, column: &str) -> Result<BoundExpr> {
        let from = value.data_type.clone();
        if !is_storable(&from, to) {
            let text = format!("cannot write {from} into the column `{column}` {to}");
            return Err(Error::unsupported("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST", text)
                .hint(format!("say what you mean: CAST(... AS {to})")));
        }
        cast::explicit(value, to, EvalMode::Ansi, &self.settings)
    }
}

/// For each column of the table, the column of the query.
fn by_position(given: &Schema, table: &Schema, columns: &[String]) -> Result<Vec<Option<usize>>> {
    let expected = if columns.is_empty() { table.len() } else { columns.len() };
    if given.len() != expected {
        let (class, what) = if given.len() > expected {
            ("INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS", "more")
        } else {
            ("INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS", "fewer")
        };
        let text = format!("the query has {what} columns ({}) than are to be written ({expected})", given.len());
        return Err(Error::unsupported(class, text).hint(format!("the table has {}", listed(table))));
    }
    if columns.is_empty() {
        return Ok((0..expected).map(Some).collect());
    }
    if let Some(unknown) = columns.iter().find(|c| table.positions(None, c).next().is_none()) {
        return Err(no_column(unknown, table));
    }
    let position = |name: &str| columns.iter().position(|c| same_name(c, name));
    Ok(table.fields().iter().map(|f| position(&f.name)).collect())
}

fn by_names(given: &Schema, table: &Schema) -> Result<Vec<Option<usize>>> {
    if let Some(extra) = given.fields().iter().find(|f| table.positions(None, &f.name).next().is_none()) {
        return Err(no_column(&extra.name, table));
    }
    Ok(table.fields().iter().map(|f| given.positions(None, &f.name).next()).collect())
}

fn no_column(name: &str, table: &Schema) -> Error {
    let error = Error::invalid(format!("the table has no column `{name}`")).class("UNRESOLVED_COLUMN.WITH_SUGGESTION");
    error.hint(format!("the table has {}", listed(table)))
}

fn listed(table: &Schema) -> String {
    column_names(table).join(", ")
}

/// Spark's ANSI store assignment.
fn is_storable(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Null, _) => true,
        (DataType::Array(a), DataType::Array(b)) => is_storable(a, b),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_storable(&a.data_type, &b.data_type))
        }
        (DataType::Array(_) | DataType::Struct(_), _) => false,
        (a, b) if a == b => true,
        (a, b) if a.is_numeric() && b.is_numeric() => true,
        (DataType::Binary, DataType::String) => false,
        (_, DataType::String) => true,
        (a, DataType::Date) | (DataType::Date, a) => a.is_timestamp(),
        (a, b) => a.is_timestamp() && b.is_timestamp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        expr::{Settings, lit},
        plan::explain,
    };

    fn query(types: &str) -> PlanBuilder {
        let schema = Schema::parse_ddl(types).unwrap();
        let settings = Settings::default();
        let row = schema.fields().iter().map(|f| lit(Value::Null).cast(f.data_type.clone())).collect();
        let names = schema.fields().iter().map(|f| f.name.clone()).collect();
        PlanBuilder::values(alloc::vec![row], Some(names), &settings).unwrap()
    }

    fn inserted(from: &str, table: &str, columns: &[&str], by_name: bool) -> Result<String> {
        let columns: Vec<String> = columns.iter().map(|&c| c.into()).collect();
        let plan = query(from).insert_into(&Schema::parse_ddl(table).unwrap(), &columns, by_name)?;
        Ok(explain(plan.plan()).lines().next().unwrap().into())
    }

    #[test]
    fn columns_meet_by_position_by_list_or_by_name() {
        let table = "x INT, y INT";
        let cases = [
            (inserted("a INT, b INT", table, &[], false), "Project [a AS x, b AS y]"),
            (inserted("a INT, b INT", table, &["y", "X"], false), "Project [b AS x, a AS y]"),
            (inserted("a INT", table, &["y"], false), "Project [NULL AS x, a AS y]"),
            (inserted("y INT, x INT", table, &[], true), "Project [x, y]"),
        ];
        for (found, expected) in cases {
            assert_eq!(found.unwrap(), expected);
        }
    }

    #[test]
    fn what_spark_does_not_store_is_refused() {
        let class = |from: &str, table: &str| inserted(from, table, &[], false).unwrap_err().error_class().unwrap();
        assert_eq!(class("a STRING", "x INT"), "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST");
        assert_eq!(class("a TIMESTAMP", "x BIGINT"), "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST");
        assert_eq!(class("a INT, b INT", "x INT"), "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS");
        assert_eq!(class("a INT", "x INT, y INT"), "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS");
        assert!(inserted("a BIGINT, b DATE", "x INT, y STRING", &[], false).is_ok());
    }
}
