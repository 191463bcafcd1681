//! Spark Structured Streaming at the edge: Spark SQL over files, rings in shared memory and sensors, batch and stream,
//! in one process, with Spark's answers.
//!
//! A [`Session`] knows tables and settings; a [`DataFrame`] is a query being built; a [`StreamingQuery`] is one that
//! runs. Names are Spark's in Rust spelling, so a Spark user needs no new words. SQL and the verbs build one and the same
//! plan; a batch and a stream over the same rows give the same final answer.
//!
//! # A stream, in verbs
//!
//! ```
//! use firesteel::prelude::*;
//!
//! # fn main() -> firesteel::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("firesteel-doc-{}", std::process::id()));
//! # let (path, out) = (folder.join("readings"), folder.join("summary"));
//! # std::fs::create_dir_all(&path).unwrap();
//! # let lines = r#"{"ts": "2025-01-01 00:00:00.25", "sensor": 1, "value": 20.5}
//! # {"ts": "2025-01-01 00:00:00.75", "sensor": 1, "value": 21.5}
//! # {"ts": "2025-01-01 00:00:09", "sensor": 1, "value": 22.5}"#;
//! # std::fs::write(path.join("0.json"), lines).unwrap();
//! let session = Session::new()?;
//! let readings = session
//!     .read_stream() // session.read() for a batch
//!     .format("json")
//!     .schema("ts TIMESTAMP, sensor INT, value DOUBLE")
//!     .option("path", path.display())
//!     .load()?;
//! let query = readings
//!     .with_watermark("ts", "2 seconds")?
//!     .group_by([window("ts", "1 second")?, col("sensor")])
//!     .agg([count_all().alias("n"), avg("value").alias("mean")])?
//!     .write_stream()
//!     .output_mode(OutputMode::Append)
//!     .trigger(Trigger::AvailableNow) // without it the query waits for more files
//!     .format("json")
//!     .option("path", out.display())
//!     .start()?;
//! query.await_termination()?;
//!
//! let summary = session.read().schema("sensor INT, n BIGINT, mean DOUBLE").json(&out)?.collect()?;
//! assert_eq!(summary[0].to_string(), "[1,2,21.0]");
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # The same, in SQL
//!
//! ```
//! use firesteel::prelude::*;
//!
//! # fn main() -> firesteel::Result<()> {
//! let session = Session::new()?;
//! let readings = session.create_memory_table("readings", "ts TIMESTAMP, sensor INT, value DOUBLE")?;
//! readings.add_rows(&[vec![250_000_i64.into(), 1.into(), 20.5.into()], vec![750_000_i64.into(), 1.into(), 21.5.into()]]);
//! let frame = session.sql(
//!     "SELECT window.start AS at, sensor, count(*) AS n, avg(value) AS mean
//!      FROM readings WATERMARK ts DELAY OF INTERVAL 2 SECONDS
//!      GROUP BY window(ts, '1 second'), sensor",
//! )?;
//! for row in frame.collect()? {
//!     println!("{row}"); // [1970-01-01 00:00:00,1,2,21.0]
//!     assert_eq!(row.get::<f64>("mean")?, 21.0);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go on
//!
//! * [`Session`]: settings, tables, SQL, what is running.
//! * [`DataFrame`] and [`functions`]: verbs and columns.
//! * [`DataStreamWriter`]: output modes, triggers, sinks, [`foreach_batch`](DataStreamWriter::foreach_batch).
//! * [`StreamingQuery`]: stop, wait, progress, why it failed.
//! * [`Job`]: a script of SQL, run as the `firesteel` command runs it.

pub use firesteel_core::{
    Error, Result,
    block::{self, BlockRef, Value},
    error::Span,
    expr::{Expr, SortKey},
    plan::{JoinKind, OutputMode},
    schema::{self, DataType, Field, Schema},
    sql::render as render_error,
    time::interval::parse_interval,
};
pub use firesteel_io::{
    engine::{QueryEvent, QueryListener, QueryStatus, StreamingQuery, StreamingQueryProgress, Trigger},
    session::{
        DataFrame, DataReader, DataStreamReader, DataStreamWriter, DataWriter, FromValue, GroupedData, IntoColumn,
        IntoPredicate, IntoSchema, IntoSortKey, Job, JobOptions, JobStop, ProgressFile, Row, RowIndex, SaveMode,
        Session, SessionBuilder, SinkFactory, StreamingQueryManager, Streams,
    },
    sink::{self, Sink},
    source::Meter,
    source::{self, MemoryTable},
};

/// Columns by function: aggregates, windows, and every function of SQL by its name.
pub mod functions {
    pub use firesteel_io::session::{
        approx_count_distinct, avg, call_function, col, count, count_all, count_distinct, explode, expr, first, last,
        lit, max, min, session_window, stddev, sum, window, window_sliding,
    };
}

/// What most programs need: `use firesteel::prelude::*`.
pub mod prelude {
    pub use crate::{
        DataFrame, JoinKind, OutputMode, Row, Session, StreamingQuery, Trigger, Value,
        functions::{
            approx_count_distinct, avg, call_function, col, count, count_all, count_distinct, expr, lit, max, min,
            session_window, sum, window, window_sliding,
        },
    };
}
