//! What users hold: [`Session`], [`DataFrame`], readers and writers, rows, and [`Job`], a script of SQL. Names are
//! Spark's in Rust spelling.
//!
//! ```text
//!   text ──sql──┐                                   ┌─► rows, a batch sink
//!               ├─► LogicalPlan ─► Session::execution┤
//!   verbs ──────┘     (lazy)        opens the tables └─► StreamingQuery
//! ```
//! Nothing is read before an action; everything that can be wrong with a query is known when it is built.

mod catalog;
mod conf;
mod execute;
mod frame;
mod functions;
mod group;
mod job;
mod job_cores;
mod job_memory;
mod job_plan;
mod job_run;
mod level;
mod memory;
mod progress_file;
mod reader;
mod restart;
mod row;
mod show;
mod state;
mod statement;
mod streams;
#[cfg(test)]
mod tests;
mod writer;

pub use catalog::Streams;
pub use frame::{DataFrame, IntoColumn, IntoPredicate, IntoSortKey};
pub use functions::*;
pub use group::GroupedData;
pub use job::{Job, JobOptions, JobStop, OnFailure, OnStarted, SinkFactory};
pub use job_run::Failed;
pub use progress_file::ProgressFile;
pub use reader::{DataReader, DataStreamReader, IntoSchema};
pub use row::{FromValue, Row, RowIndex};
pub use state::{Session, SessionBuilder};
pub use streams::StreamingQueryManager;
pub use writer::{DataStreamWriter, DataWriter, SaveMode};
