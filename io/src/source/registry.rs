//! The tables that can be read, by the name after `USING`: what each is, which options it knows, and how to open it.

use std::{fs, path::Path};

use firesteel_core::{
    Error, Result,
    expr::{Settings, suggest},
    limits::BLOCK_ROWS,
    plan::{Scan, Table},
    schema::{DataType, Field, Schema, same_name},
};

use super::{
    Decoding, FileSource, HostSource, MemorySource, MemoryTables, Meter, PipeInput, PipeSource, RateMicroBatchSource,
    RateSource, RingSource, Source, file_reader, host, options, pipe, rate, ring,
};
use crate::format::{Format, Options, files::is_hidden};

/// A kind of table.
#[derive(Clone, Copy, Debug)]
pub struct Provider {
    /// The name after `USING`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Its options, each with a few words. Text formats have Spark's beside these.
    pub options: &'static [(&'static str, &'static str)],
    /// Whether a job can write it.
    pub is_sink: bool,
}

const FILE_OPTIONS: &[(&str, &str)] = &[
    ("path", "a file, a folder or a pattern; '-' is standard input"),
    ("maxFilesPerTrigger", "files that an epoch takes at most"),
    ("maxBytesPerTrigger", "bytes that an epoch takes at most, but at least one file"),
    ("latestFirst", "newest files first: true or false"),
    ("maxFileAge", "older files, compared with the newest, are not taken: 7d"),
    ("fileNameOnly", "files of one name are the same wherever they are: true or false"),
    ("recursiveFileLookup", "folders in the folder, too: true or false"),
    ("ignoreMissingFiles", "a file that vanished is no error: true or false"),
];

const RATE_OPTIONS: &[(&str, &str)] = &[
    ("rowsPerSecond", "rows a second; 1 unless said otherwise"),
    ("rampUpTime", "how long it takes to reach that rate: 5s"),
    ("numPartitions", "accepted and of no effect"),
];

const MICRO_BATCH_OPTIONS: &[(&str, &str)] = &[
    ("rowsPerBatch", "rows of an epoch"),
    ("startTimestamp", "time of the first epoch's rows, in milliseconds since 1970; 0 unless said otherwise"),
    ("advanceMillisPerBatch", "how much later the next epoch's rows are; 1000 unless said otherwise"),
    ("numPartitions", "accepted and of no effect"),
];

const PROVIDERS: &[Provider] = &[
    Provider { name: "csv", about: "files of comma-separated values", options: FILE_OPTIONS, is_sink: true },
    Provider { name: "json", about: "files of one JSON object a line", options: FILE_OPTIONS, is_sink: true },
    Provider { name: "text", about: "files of lines: one column `value`", options: FILE_OPTIONS, is_sink: true },
    Provider {
        name: "ring",
        about: "rows in shared memory, from producers as they come; a lane file by itself is a batch",
        options: &[
            ("path", "the ring's folder, or a lane file"),
            ("capacity", "bytes of each lane of a ring that is made: 64MB"),
            ("onFull", "what producers do then: block, drop_newest or overwrite"),
            ("lane", "the lane that is written"),
            ("idleTimeout", "after how long without rows a lane no longer holds the watermark back"),
            ("listen", "the socket at which producers that are not trusted are handed lanes"),
            ("listenUsers", "numbers of users that may connect there besides our own, or any"),
            ("listenLanes", "how many lanes may be handed out at a time, 16 unless told"),
            ("startingOffsets", "earliest (unless said otherwise) or latest"),
            ("reader", "a name by which the ring remembers how far this job has read"),
        ],
        is_sink: true,
    },
    Provider {
        name: "stdin",
        about: "standard input, until it ends",
        options: &[("format", "csv, json or text (unless said otherwise), with the options of that format")],
        is_sink: false,
    },
    Provider { name: "rate", about: "rows made up by the clock", options: RATE_OPTIONS, is_sink: false },
    Provider {
        name: "rate-micro-batch",
        about: "rows made up epoch by epoch, the same in every run",
        options: MICRO_BATCH_OPTIONS,
        is_sink: false,
    },
    Provider {
        name: "host",
        about: "this machine's own sensors: cores, memory, network, disks, temperatures",
        options: &[
            ("interval", "time between two samples; 100ms unless said otherwise"),
            ("sensors", "names, separated by commas, in which * stands for anything: cpu.*, load.1m"),
        ],
        is_sink: false,
    },
    Provider { name: "memory", about: "rows in memory, by the table's name", options: &[], is_sink: true },
];

/// What opening a table needs beside the table.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// Rows of a block.
    pub block_rows: usize,
    /// The session's tables in memory.
    pub memory: MemoryTables,
    /// Counts what is read.
    pub meter: Meter,
}

impl Default for SourceContext {
    fn default() -> Self {
        Self { block_rows: BLOCK_ROWS, memory: MemoryTables::default(), meter: Meter::default() }
    }
}

/// Every kind of table that can be read.
pub fn providers() -> &'static [Provider] {
    PROVIDERS
}

/// Opens the table of a scan: as a stream or as a batch, as the scan says.
pub fn open(scan: &Scan, settings: &Settings, context: &SourceContext) -> Result<Box<dyn Source>> {
    let table = &*scan.table;
    let provider = find(&table.provider)?;
    let opened: Result<Box<dyn Source>> = match provider.name {
        "csv" | "json" | "text" => open_files(Format::parse(provider.name)?, scan, settings, context),
        "stdin" => open_pipe(PipeInput::Standard, &decoding(stdin_format(table)?, scan, settings, context), scan),
        "ring" => RingSource::open(scan).map(|source| Box::new(source) as _),
        "rate" => only_stream(scan, &rate::schema())
            .and_then(|()| RateSource::open(table, context.block_rows))
            .map(|source| Box::new(source) as _),
        "rate-micro-batch" => only_stream(scan, &rate::schema())
            .and_then(|()| RateMicroBatchSource::open(table, context.block_rows))
            .map(|source| Box::new(source) as _),
        "host" => only_stream(scan, &host::schema())
            .and_then(|()| HostSource::open(table))
            .map(|source| Box::new(source) as _),
        "memory" => {
            let found = context.memory.find_or_create(&table.name, &scan.schema);
            check_schema(scan, found.schema())?;
            Ok(Box::new(MemorySource::new(found, scan.is_stream)))
        }
        other => Err(Error::internal(format!("{other} is listed and cannot be opened"))),
    };
    opened.map_err(|error| error.context(format!("table {}", table.name)))
}

/// The columns of tables whose columns are not written in the job; `None` where they must be.
pub fn schema_of(provider: &str, options: &[(String, String)]) -> Result<Option<Schema>> {
    let provider = find(provider)?;
    let table = Table { provider: provider.name.into(), options: options.to_vec(), ..Table::default() };
    Ok(match provider.name {
        "text" => Some(text_schema()),
        "stdin" if stdin_format(&table)? == Format::Text => Some(text_schema()),
        "host" => Some(host::schema()),
        "ring" => Some(ring::schema_at(options::path(&table)?)?),
        "rate" | "rate-micro-batch" => Some(rate::schema()),
        _ => None,
    })
}

/// Whether a table ends: then it is a batch unless the query says STREAM.
pub fn is_bounded(table: &Table) -> bool {
    match find(&table.provider).map(|provider| provider.name) {
        Ok("csv" | "json" | "text") => table.option("path").is_none_or(|path| PipeInput::of(path).is_none()),
        Ok("ring") => table.option("path").is_some_and(|path| Path::new(path).is_file()),
        Ok(name) => name == "memory",
        Err(_) => true,
    }
}

/// Options that nobody knows, each with the known one that was probably meant. They are ignored, as Spark does.
pub fn warnings(table: &Table) -> Vec<String> {
    let Ok(provider) = find(&table.provider) else { return Vec::new() };
    let format = if provider.name == "stdin" { stdin_format(table) } else { Format::parse(provider.name) };
    if let Ok(format) = format {
        return table.options.iter().cloned().collect::<Options>().warnings(format);
    }
    let known = || provider.options.iter().map(|(name, _)| *name);
    let unknown = table.options.iter().filter(|(key, _)| !known().any(|name| name.eq_ignore_ascii_case(key)));
    unknown
        .map(|(key, _)| {
            let hint = match suggest::nearest(key, known()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the options of {} are {}", provider.name, known().collect::<Vec<_>>().join(", ")),
            };
            format!("table {}: the option {key:?} is not known and is ignored; {hint}", table.name)
        })
        .collect()
}

/// Bytes that a reader of a table holds beside the block it fills, which has so many.
pub(crate) fn buffer_bytes(table: &Table, block: u64) -> u64 {
    let is_pipe = table.option("path").is_some_and(|path| PipeInput::of(path).is_some());
    match table.provider.to_ascii_lowercase().as_str() {
        "csv" | "json" | "text" if !is_pipe => file_reader::CHUNK_BYTES as u64,
        "csv" | "json" | "text" | "stdin" => pipe::CHUNK_BYTES as u64 + pipe::BLOCKS_MAX as u64 * block,
        _ => 0,
    }
}

/// Says if there is nothing to read yet where a table is said to be: a query waits for it, or gives no row.
pub fn nothing_there(scan: &Scan) -> Option<String> {
    let Table { name, provider, .. } = &*scan.table;
    let path = Path::new(scan.table.option("path")?);
    match find(provider).ok()?.name {
        "ring" if scan.is_stream && !path.exists() => Some(format!(
            "table {name}: the ring {} is not there yet: running the query makes it, for producers to come",
            path.display()
        )),
        "csv" | "json" | "text" if !scan.is_stream && path.is_dir() => {
            let mut entries = fs::read_dir(path).ok()?.flatten();
            let is_empty = entries.all(|entry| is_hidden(&entry.path()));
            is_empty.then(|| format!("table {name}: there is no file in {}", path.display()))
        }
        _ => None,
    }
}

/// The provider of this name, in any case.
pub fn find(name: &str) -> Result<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
        let known = format!("there are {}", names.join(", "));
        let hint = suggest::hint(name, names.iter().copied()).map_or(known.clone(), |near| format!("{near} {known}"));
        Error::unsupported("DATA_SOURCE_NOT_FOUND", format!("there is no data source {name:?}")).hint(hint)
    })
}

fn open_files(format: Format, scan: &Scan, settings: &Settings, context: &SourceContext) -> Result<Box<dyn Source>> {
    let decoding = decoding(format, scan, settings, context);
    match PipeInput::of(options::path(&scan.table)?) {
        Some(input) => open_pipe(input, &decoding, scan),
        None => Ok(Box::new(FileSource::open(&scan.table, decoding, scan.is_stream)?)),
    }
}

fn open_pipe(input: PipeInput, decoding: &Decoding, scan: &Scan) -> Result<Box<dyn Source>> {
    Ok(Box::new(PipeSource::open(input, decoding, scan.is_stream)?))
}

fn decoding(format: Format, scan: &Scan, settings: &Settings, context: &SourceContext) -> Decoding {
    Decoding {
        format,
        schema: scan.schema.clone(),
        options: scan.table.options.iter().cloned().collect(),
        needed: scan.needed.clone(),
        zone: settings.time_zone.clone(),
        block_rows: context.block_rows,
        meter: context.meter.clone(),
    }
}

fn stdin_format(table: &Table) -> Result<Format> {
    table.option("format").map_or(Ok(Format::Text), Format::parse)
}

/// A table that brings its own columns, and never ends.
fn only_stream(scan: &Scan, schema: &Schema) -> Result<()> {
    check_schema(scan, schema)?;
    if scan.is_stream {
        return Ok(());
    }
    let Table { name, provider, .. } = &*scan.table;
    let message = format!("{provider} never ends, so it cannot be read as a batch");
    Err(Error::unsupported("UNSUPPORTED_FEATURE.TABLE_OPERATION", message)
        .hint(format!("read it as a stream: SELECT ... FROM STREAM {name}")))
}

/// The columns that the job declares must be those that the table has.
fn check_schema(scan: &Scan, schema: &Schema) -> Result<()> {
    let fields = scan.schema.fields().iter().zip(schema.fields());
    let same = |(a, b): (&Field, &Field)| same_name(&a.name, &b.name) && a.data_type == b.data_type;
    if scan.schema.len() == schema.len() && fields.clone().all(same) {
        return Ok(());
    }
    let message = format!("{} has other columns than those declared", scan.table.provider);
    Err(Error::invalid(message).hint(format!("its columns are ({})", schema.to_ddl())))
}

fn text_schema() -> Schema {
    Schema::new(vec![Field::new("value", DataType::String)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{self, table};

    #[test]
    fn an_unknown_provider_is_told_the_nearest() {
        let error = testing::open(table("jsn", "x INT", &[]), true).unwrap_err();
        assert_eq!(error.error_class(), Some("DATA_SOURCE_NOT_FOUND"));
        let hint = error.hint_text().unwrap();
        assert!(hint.contains("did you mean `json`?") && hint.contains("csv, json, text"), "{hint}");
        assert!(testing::open(table("parquet", "x INT", &[]), true).is_err());
        assert_eq!(find("JSON").unwrap().name, "json");
    }

    #[test]
    fn options_that_nobody_knows_are_told() {
        let warnings = warnings(&table("csv", "x INT", &[("headr", "true"), ("path", "x")]));
        assert!(warnings.len() == 1 && warnings[0].contains("header"), "{warnings:?}");
    }

    #[test]
    fn what_never_ends_is_no_batch() {
        let rate = || table("rate", "timestamp TIMESTAMP, value BIGINT", &[]);
        let error = testing::open(rate(), false).unwrap_err();
        assert!(error.hint_text().unwrap().contains("FROM STREAM t"), "{error}");
        assert!(!is_bounded(&rate()) && testing::open(rate(), true).is_ok());
        let other = testing::open(table("rate", "ts TIMESTAMP, value BIGINT", &[]), true).unwrap_err();
        assert!(other.hint_text().unwrap().contains("timestamp TIMESTAMP, value BIGINT"), "{other}");
    }

    #[test]
    fn text_brings_its_column() {
        assert_eq!(schema_of("TEXT", &[]).unwrap().unwrap().to_ddl(), "value STRING");
        assert_eq!(schema_of("csv", &[]).unwrap(), None);
        assert!(is_bounded(&table("json", "x INT", &[("path", "/x")])));
    }
}
