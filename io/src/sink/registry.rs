//! The tables that can be written, by the name after `USING`.

use firesteel_core::{
    Error, Result,
    expr::Settings,
    plan::{OutputMode, Table},
    schema::Schema,
};

use super::{FileSink, MemorySink, NoopSink, RingSink, Sink};
use crate::{
    format::{Format, write::Writer},
    source::{MemoryTables, options, registry},
};

/// What opening a sink needs beside the table.
#[derive(Clone, Debug, Default)]
pub struct SinkContext {
    /// The output mode of a stream; `None` for a batch.
    pub mode: Option<OutputMode>,
    /// The session's tables in memory.
    pub memory: MemoryTables,
}

/// Opens the table that takes rows of this schema.
pub fn open(table: &Table, schema: &Schema, settings: &Settings, context: &SinkContext) -> Result<Box<dyn Sink>> {
    if table.provider.eq_ignore_ascii_case("noop") {
        return Ok(Box::new(NoopSink::default()));
    }
    check(table, schema, settings, context.mode)?;
    let provider = registry::find(&table.provider)?;
    let opened: Result<Box<dyn Sink>> = match provider.name {
        "csv" | "json" | "text" => {
            FileSink::open(table, Format::parse(provider.name)?, schema, settings).map(|sink| Box::new(sink) as _)
        }
        "ring" => RingSink::open(table, schema, context.mode.is_none()).map(|sink| Box::new(sink) as _),
        "memory" => {
            let target = context.memory.find_or_create(&table.name, schema);
            check_columns(table, target.schema(), schema)?;
            Ok(Box::new(MemorySink::new(target, context.mode)))
        }
        other => Err(Error::internal(format!("{other} is listed and cannot be opened"))),
    };
    opened.map_err(|error| error.context(format!("table {}", table.name)))
}

/// Whether the table can take rows of this schema in this mode, as far as can be told without touching it.
pub fn check(table: &Table, schema: &Schema, settings: &Settings, mode: Option<OutputMode>) -> Result<()> {
    if table.provider.eq_ignore_ascii_case("noop") {
        return Ok(());
    }
    let provider = registry::find(&table.provider)?;
    if !provider.is_sink {
        let text = format!("{} cannot be written", provider.name);
        return Err(Error::unsupported("UNSUPPORTED_FEATURE.TABLE_OPERATION", text)
            .hint(format!("tables that can be written: {}", writable().join(", "))));
    }
    check_width(table, schema)?;
    if let Ok(format) = Format::parse(provider.name) {
        append_only(table, mode)?;
        super::file::check_options(table)?;
        Writer::for_files(format, schema, &table.options.iter().cloned().collect(), &settings.time_zone)?;
    }
    if matches!(provider.name, "csv" | "json" | "text" | "ring") {
        options::path(table)?;
    }
    Ok(())
}

/// Bytes that the sink of a table sets aside.
pub(crate) fn buffer_bytes(table: &Table) -> u64 {
    let is_file = Format::parse(&table.provider).is_ok();
    if is_file { super::file::BUFFER_BYTES as u64 } else { 0 }
}

/// Names of the providers that can be written.
pub fn writable() -> Vec<&'static str> {
    registry::providers().iter().filter(|p| p.is_sink).map(|p| p.name).chain(["noop"]).collect()
}

/// Files are never written twice, so they cannot take rows that change.
fn append_only(table: &Table, mode: Option<OutputMode>) -> Result<()> {
    match mode {
        None | Some(OutputMode::Append) => Ok(()),
        Some(mode) => Err(Error::unsupported(
            "STREAMING_OUTPUT_MODE.UNSUPPORTED_DATASOURCE",
            format!("data source {} does not support {} output mode", table.provider, mode.name()),
        )
        .hint("files take rows that no longer change: use append mode, with a watermark below an aggregation")),
    }
}

fn check_width(table: &Table, schema: &Schema) -> Result<()> {
    if table.schema.is_empty() || table.schema.len() == schema.len() {
        return Ok(());
    }
    let (columns, given) = (table.schema.len(), schema.len());
    let class = match given > columns {
        true => "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS",
        false => "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
    };
    let message = format!("table {} has {columns} columns and the query gives {given}", table.name);
    Err(Error::unsupported(class, message).hint(format!("its columns: {}", table.schema.to_ddl())))
}

fn check_columns(table: &Table, columns: &Schema, given: &Schema) -> Result<()> {
    let types = |schema: &Schema| schema.fields().iter().map(|f| f.data_type.clone()).collect::<Vec<_>>();
    if types(columns) == types(given) {
        return Ok(());
    }
    let message = format!("table {} has other columns than the query gives: {}", table.name, given.to_ddl());
    Err(Error::invalid(message).hint(format!("its columns: {}", columns.to_ddl())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::table;

    fn open_in(table: &Table, ddl: &str, mode: Option<OutputMode>) -> Result<Box<dyn Sink>> {
        let context = SinkContext { mode, ..SinkContext::default() };
        open(table, &Schema::parse_ddl(ddl).unwrap(), &Settings::default(), &context)
    }

    #[test]
    fn files_take_only_rows_that_do_not_change() {
        let dir = tempfile::tempdir().unwrap();
        let table = table("JSON", "", &[("path", dir.path().to_str().unwrap())]);
        assert!(open_in(&table, "x INT", None).is_ok());
        let sink = open_in(&table, "x INT", Some(OutputMode::Append)).unwrap();
        assert_eq!(sink.description(), format!("FileSink[file:{}]", dir.path().display()));
        for mode in [OutputMode::Update, OutputMode::Complete] {
            let error = open_in(&table, "x INT", Some(mode)).unwrap_err();
            assert_eq!(error.error_class(), Some("STREAMING_OUTPUT_MODE.UNSUPPORTED_DATASOURCE"));
        }
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let rate = open_in(&table("rate", "", &[]), "x INT", None).unwrap_err();
        assert!(rate.hint_text().unwrap().contains("csv, json"), "{rate}");
        let unknown = open_in(&table("jsn", "", &[]), "x INT", None).unwrap_err();
        assert!(unknown.hint_text().unwrap().contains("`json`"));
        let narrow = open_in(&table("memory", "x INT", &[]), "x INT, y INT", None).unwrap_err();
        assert_eq!(narrow.error_class(), Some("INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"));
        assert!(open_in(&table("noop", "", &[]), "x INT", Some(OutputMode::Complete)).is_ok());
        assert!(open_in(&table("memory", "", &[]), "x INT", Some(OutputMode::Complete)).is_ok());
    }
}
