//! Results on standard output: JSON lines, CSV or an aligned table. Data goes to stdout, words to stderr; a reader
//! that goes away (`| head`) ends the query quietly.

mod live;
mod progress;
mod rows;
mod table;

use std::{fs::File, sync::OnceLock};

use firesteel_core::{Result, schema::Schema};
use firesteel_io::{
    sink::{Patience, Sink},
    sys::{poll::standard_output, scarce},
};

pub use live::LiveSink;
pub use progress::ProgressBar;
pub use rows::RowsSink;
pub use table::TableSink;

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// Aligned columns.
    Table,
    /// One JSON object a row.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// A sink that prints rows of this schema; `batch_id` puts the epoch's number first.
pub fn stdout_sink(
    format: OutputFormat,
    schema: &Schema,
    batch_id: bool,
    zone: &firesteel_core::time::TimeZone,
) -> Result<Box<dyn Sink>> {
    Ok(match format {
        OutputFormat::Table => Box::new(TableSink::new(schema, batch_id, zone.clone())),
        OutputFormat::Json => Box::new(RowsSink::json(schema, batch_id)),
        OutputFormat::Csv => Box::new(RowsSink::csv(schema, batch_id)?),
    })
}

/// As `println!`, but nobody listening any more is an error that ends the verb quietly, and no panic.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::print(format!("{}\n", format_args!($($text)*)).as_bytes())
    };
}
pub(crate) use say;

/// Writes bytes to standard output at once.
pub fn print(bytes: &[u8]) -> Result<()> {
    print_patiently(bytes, &mut Patience::default())
}

/// The same for a query, which can be stopped while nobody reads.
pub fn print_patiently(bytes: &[u8], patience: &mut Patience) -> Result<()> {
    static STDOUT: OnceLock<std::io::Result<File>> = OnceLock::new();
    match STDOUT.get_or_init(standard_output) {
        Ok(file) => patience.write_all(file, "standard output", bytes),
        Err(error) => Err(scarce::error(format!("cannot write to standard output: {error}"), error)),
    }
}

/// As `eprintln!`, but a full disk or a closed pipe behind stderr is no reason to panic.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write;
        // Nobody is left to be told that.
        _ = std::io::stderr().write_all(format!("{}\n", format_args!($($text)*)).as_bytes());
    }};
}
pub(crate) use tell;
