//! What tests of sources and sinks share: tables from a few words, and everything that a source gives.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use firesteel_core::{
    Result,
    block::{BlockRef, Value},
    expr::Settings,
    plan::{Scan, Table},
    schema::Schema,
};

use serde_json::{Value as Json, json};

use super::{Part, Reader, Source, SourceContext, registry};

/// A table of this provider, named `t`.
pub fn table(provider: &str, ddl: &str, options: &[(&str, &str)]) -> Table {
    Table {
        name: "t".into(),
        provider: provider.into(),
        options: options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        schema: if ddl.is_empty() { Schema::default() } else { Schema::parse_ddl(ddl).unwrap() },
    }
}

/// Opens a table with all its columns needed.
pub fn open(table: Table, is_stream: bool) -> Result<Box<dyn Source>> {
    open_with(table, is_stream, &SourceContext { block_rows: 3, ..SourceContext::default() })
}

/// The same in a context.
pub fn open_with(table: Table, is_stream: bool, context: &SourceContext) -> Result<Box<dyn Source>> {
    let schema = table.schema.clone();
    let needed = vec![true; schema.len()];
    let scan = Scan { table: Arc::new(table), is_stream, schema, needed };
    registry::open(&scan, &Settings::default(), context)
}

/// Rows as values.
pub fn rows_of(block: &BlockRef<'_>, columns: usize, rows: &mut Vec<Vec<Value>>) {
    block.rows().for_each(|row| rows.push((0..columns).map(|c| block.column(c).value(row)).collect()));
}

/// What the next epoch reads; `None` if nothing is there.
pub fn plan(source: &mut dyn Source) -> Result<Option<Vec<Part>>> {
    let mut parts = Vec::new();
    Ok(source.plan(&mut parts)?.then_some(parts))
}

/// Reads what was planned.
pub fn read(reader: &mut dyn Reader, parts: &[Part], columns: usize) -> Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    let mut count = 0;
    for part in parts {
        count += reader.read(part, &mut |block| {
            rows_of(block, columns, &mut rows);
            Ok(())
        })?;
    }
    assert_eq!(count, rows.len() as u64, "a reader tells how many rows it gave");
    Ok(rows)
}

/// Plans, reads and commits one epoch; `None` if nothing is there.
pub fn epoch(source: &mut dyn Source, columns: usize) -> Option<Vec<Vec<Value>>> {
    let plan = plan(source).unwrap()?;
    let mut reader = source.reader().unwrap();
    let rows = read(&mut *reader, &plan, columns).unwrap();
    source.commit().unwrap();
    Some(rows)
}

/// The integers of the first column, epoch by epoch, until nothing is there.
pub fn epochs(source: &mut dyn Source) -> Vec<Vec<i64>> {
    let epochs = std::iter::from_fn(|| epoch(source, 1));
    epochs.map(|rows| rows.iter().map(|row| row[0].as_i64().unwrap()).collect()).collect()
}

/// Writes a file that was modified so many seconds after 2025.
pub fn write(path: &Path, text: &str, mtime_s: u64) {
    std::fs::write(path, text).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600 + mtime_s)).unwrap();
}

/// What is like this position and is none: each field in turn left out, or replaced by a value of another kind or size.
pub fn mutants(position: &Json) -> Vec<Json> {
    let fields = position.as_object().unwrap();
    let mut mutants = vec![json!([]), json!("x"), json!(1), json!(true), json!({}), json!({"x": 1})];
    for (name, value) in fields {
        let mut less = fields.clone();
        less.remove(name);
        mutants.push(less.into());
        let inner = value.as_object().into_iter().flat_map(|inner| {
            // The first one inside is enough: all are read alike.
            let (key, value) = inner.iter().next().unwrap();
            mutants_of(value).into_iter().map(|mutant| {
                let mut inner = inner.clone();
                inner.insert(key.clone(), mutant);
                inner.into()
            })
        });
        for mutant in mutants_of(value).into_iter().chain(inner) {
            let mut changed = fields.clone();
            changed.insert(name.clone(), mutant);
            mutants.push(changed.into());
        }
    }
    mutants
}

fn mutants_of(value: &Json) -> Vec<Json> {
    let others =
        [json!(null), json!(true), json!(-1), json!(1.5), json!(u64::MAX), json!(1e300), json!("1"), json!([1])];
    let others = others.into_iter().chain(value.is_number().then(|| json!({})));
    // Times may be negative.
    others.filter(|other| other.as_i64() != Some(-1) || value.as_i64() < Some(1_000_000_000_000)).collect()
}
