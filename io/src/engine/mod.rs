//! The engine: queries that run. It brings the driver what the core does not have: sources, sinks, threads, clocks.
//!
//! ```text
//!   Execution::run   loop { plan an epoch ─► read ─► Driver ─► Sink ─► commit ─► progress }
//!   StreamingQuery   the handle that others hold: await, stop, progress, exception
//! ```

mod checkpointing;
mod execution;
mod handle;
mod legacy;
mod progress;
mod report;
mod shares;
mod trigger;
mod workers;

pub use checkpointing::{CheckpointOptions, OnWarning};
pub(crate) use checkpointing::{difference, planned_header};
pub use execution::{Execution, Input, QueryOptions};
pub use handle::{QueryStatus, StreamingQuery};
pub use legacy::{Legacies, LegacyOf};
pub use progress::{
    CheckpointProgress, EventTimeProgress, InputRows, OutputRows, QueryEvent, QueryListener, RestartProgress,
    SinkProgress, SourceProgress, StateOperatorProgress, StreamingQueryProgress,
};
pub(crate) use shares::{Share, share_out};
pub use trigger::Trigger;
