//! Spark Structured Streaming at the edge: Spark SQL over files, rings in shared memory and sensors, batch and stream,
//! in one process, with Spark's answers.
//!
//! A [`Session`] knows tables and settings; a [`DataFrame`] is a query being built; a [`StreamingQuery`] is one that
//! runs. Names are Spark's in Rust spelling, so a Spark user needs no new words. SQL and the verbs build one and the
//! same plan; a batch and a stream over the same rows give the same final answer.
//!
//! # A stream, in verbs
//!
//! ```
//! use firesteel::{
//!     prelude::*,
//!     ring::{Cell, Producer, StreamFolder},
//! };
//!
//! # fn main() -> firesteel::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("firesteel-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # let (path, out) = (folder.join("readings"), folder.join("summary"));
//! // Somebody puts readings into a ring: a program, in any language, or `firesteel ring append`.
//! let columns = firesteel::Schema::parse_ddl("ts TIMESTAMP, sensor INT, value DOUBLE")?;
//! let mut producer = Producer::open_in(StreamFolder::create(&path, &columns, &Default::default())?, None)?;
//! for tick in 0..40 {
//!     producer.push(&[Cell::I64(tick * 100_000), Cell::I32(1), Cell::F64(20.0 + tick as f64)])?;
//! }
//! producer.publish();
//!
//! let session = Session::new()?;
//! let readings = session.read_stream().format("ring").option("path", path.display()).load()?; // read() for a batch
//! let query = readings
//!     .with_watermark("ts", "2 seconds")?
//!     .group_by([window("ts", "1 second")?, col("sensor")])
//!     .agg([count_all().alias("n"), avg("value").alias("mean")])?
//!     .write_stream()
//!     .output_mode(OutputMode::Append)
//!     .trigger(Trigger::AvailableNow) // without it the query goes on until it is stopped
//!     .format("json")
//!     .option("path", out.display())
//!     .start()?;
//! query.await_termination()?;
//!
//! // The watermark, 2 seconds behind the last reading, has closed the first window.
//! let summary = session.read().schema("sensor INT, n BIGINT, mean DOUBLE").json(&out)?.collect()?;
//! assert_eq!(summary[0].to_string(), "[1,10,24.5]");
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # The same, in SQL, over rows of this program
//!
//! ```
//! use firesteel::prelude::*;
//!
//! # fn main() -> firesteel::Result<()> {
//! let session = Session::new()?;
//! let readings = session.create_memory_table("readings", "ts TIMESTAMP, sensor INT, value DOUBLE")?;
//! readings.add_rows(&[vec![250_000_i64.into(), 1.into(), 20.5.into()]]); // a quarter of a second after 1970 began
//! readings.add_rows(&[vec![750_000_i64.into(), 1.into(), 21.5.into()]]);
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
    engine::{
        CheckpointProgress, InputRows, OutputRows, QueryEvent, QueryListener, QueryStatus, RestartProgress,
        StreamingQuery, StreamingQueryProgress, Trigger,
    },
    ring,
    session::{
        DataFrame, DataReader, DataStreamReader, DataStreamWriter, DataWriter, Failed, FromValue, GroupedData,
        IntoColumn, IntoPredicate, IntoSchema, IntoSortKey, Job, JobOptions, JobStop, OnFailure, ProgressFile, Row,
        RowIndex, SaveMode, Session, SessionBuilder, SinkFactory, StreamingQueryManager, Streams,
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
