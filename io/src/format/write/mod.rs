//! Blocks to bytes: JSON lines, CSV, and cells of printed tables. Row after row into one reused buffer; nothing is
//! allocated per row.
//!
//! Two styles: `plain` is what `firesteel run --format` prints (UTC, exact, nothing left out), `Spark` is what Spark's
//! own file sinks write, so that Spark reads our files back as its own.

pub mod cell;
mod csv;
mod json;
mod text;

pub use csv::CsvWriter;
pub use json::JsonWriter;

use std::fmt;

use firesteel_core::{
    Result,
    time::{TimeZone, pattern::Pattern},
};

use self::text::Appender;
use super::{Format, Options};

/// How values look.
#[derive(Clone, Debug)]
pub enum Style {
    /// Exact and the same everywhere: timestamps in UTC as `2025-01-01 00:00:00[.ffffff]`, decimals as strings in JSON,
    /// binaries in hexadecimal, NULLs explicit.
    Plain,
    /// As Spark's file sinks: timestamps by pattern in the session's zone, to the millisecond unless the pattern says
    /// more; NULL fields left out of JSON.
    Spark(Box<SparkStyle>),
}

/// What Spark's writers take from options.
#[derive(Clone, Debug)]
pub struct SparkStyle {
    timestamp: Pattern,
    timestamp_ntz: Pattern,
    date: Pattern,
    zone: TimeZone,
    ignore_null_fields: bool,
}

impl Style {
    /// Spark's style with a table's options.
    pub fn spark(options: &Options, session_zone: &TimeZone) -> Result<Self> {
        let pattern = |name: &str, default: &str| {
            Pattern::compile(options.get(name).unwrap_or(default)).map_err(|e| e.context(format!("option {name}")))
        };
        Ok(Self::Spark(Box::new(SparkStyle {
            timestamp: pattern("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]")?,
            timestamp_ntz: pattern("timestampNTZFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS]")?,
            date: pattern("dateFormat", "yyyy-MM-dd")?,
            zone: options.zone(session_zone)?,
            ignore_null_fields: options.flag("ignoreNullFields", true)?,
        })))
    }
}

impl SparkStyle {
    fn write_timestamp(&self, micros: i64, out: &mut Vec<u8>) {
        write_pattern(&self.timestamp, micros, &self.zone, out);
    }

    fn write_timestamp_ntz(&self, micros: i64, out: &mut Vec<u8>) {
        write_pattern(&self.timestamp_ntz, micros, &TimeZone::UTC, out);
    }

    fn write_date(&self, days: i32, out: &mut Vec<u8>) {
        let micros = i64::from(days).saturating_mul(firesteel_core::time::MICROS_PER_DAY);
        write_pattern(&self.date, micros, &TimeZone::UTC, out);
    }
}

fn write_pattern(pattern: &Pattern, micros: i64, zone: &TimeZone, out: &mut Vec<u8>) {
    let written: fmt::Result = pattern.format(micros, zone, &mut Appender(out));
    debug_assert!(written.is_ok(), "appending to memory does not fail");
}

/// A writer of one of the formats that sinks know.
#[derive(Debug)]
pub enum Writer {
    /// JSON lines.
    Json(JsonWriter),
    /// CSV.
    Csv(CsvWriter),
    /// Lines of text.
    Text,
}

impl Writer {
    /// The writer of a file sink, in Spark's style.
    pub fn for_files(
        format: Format,
        schema: &firesteel_core::schema::Schema,
        options: &Options,
        session_zone: &TimeZone,
    ) -> Result<Self> {
        let style = Style::spark(options, session_zone)?;
        Ok(match format {
            Format::Json => Self::Json(JsonWriter::new(schema, style)),
            Format::Csv => Self::Csv(CsvWriter::new(schema, style, options)?),
            Format::Text => {
                text::check_schema(schema)?;
                Self::Text
            }
        })
    }

    /// Appends what stands before the first row of a file.
    pub fn write_header(&self, out: &mut Vec<u8>) {
        if let Self::Csv(csv) = self {
            csv.write_header(out);
        }
    }

    /// Appends the rows of a block that count.
    pub fn write_rows(&self, block: &firesteel_core::block::BlockRef<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => json.write_rows(block, out),
            Self::Csv(csv) => csv.write_rows(block, out),
            Self::Text => text::write_lines(block, out),
        }
    }
}
