//! What a query tells about itself: Spark's StreamingQueryProgress, field for field, and the events of listeners.

use std::collections::BTreeMap;

use firesteel_core::time::calendar::{CivilDate, civil_from_days};
use serde::Serialize;
use serde_json::Value as Json;

/// Progress of one epoch, as Spark's `StreamingQueryProgress`. Serialises to Spark's JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamingQueryProgress {
    /// Identity of the query across restarts.
    pub id: String,
    /// Identity of this run.
    pub run_id: String,
    /// Name given by the user.
    pub name: Option<String>,
    /// When the epoch began, UTC.
    pub timestamp: String,
    /// Number of the epoch.
    pub batch_id: u64,
    /// Its duration in milliseconds.
    pub batch_duration: u64,
    /// Rows read.
    pub num_input_rows: u64,
    /// Rows that arrived a second since the last epoch.
    pub input_rows_per_second: f64,
    /// Rows read a second of the epoch.
    pub processed_rows_per_second: f64,
    /// Milliseconds by step.
    pub duration_ms: BTreeMap<&'static str, u64>,
    /// Event times and the watermark; empty without a `WATERMARK` clause.
    pub event_time: EventTimeProgress,
    /// Stateful operators, topmost first.
    pub state_operators: Vec<StateOperatorProgress>,
    /// Sources in the order of the plan.
    pub sources: Vec<SourceProgress>,
    /// The sink.
    pub sink: SinkProgress,
    /// Checkpoints of this run, if the query has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<CheckpointProgress>,
    /// How often the query has failed and was started again, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<RestartProgress>,
}

/// Starts of a query after it had failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartProgress {
    /// How many.
    pub count: u64,
    /// Why it failed last.
    pub last_error: String,
}

/// Event times of an epoch.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EventTimeProgress {
    /// Mean, if rows came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avg: Option<String>,
    /// Highest, if rows came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Lowest, if rows came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The watermark that the epoch used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Rows that were dropped because their event time lies too far ahead of the clock, if any were.
    #[serde(rename = "numRowsAhead", skip_serializing_if = "Option::is_none")]
    pub rows_ahead: Option<String>,
}

/// A stateful operator in an epoch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named and meant as in Spark's StateOperatorProgress")]
pub struct StateOperatorProgress {
    pub operator_name: &'static str,
    pub num_rows_total: u64,
    pub num_rows_updated: u64,
    pub all_updates_time_ms: u64,
    pub num_rows_removed: u64,
    pub all_removals_time_ms: u64,
    pub commit_time_ms: u64,
    pub memory_used_bytes: u64,
    pub num_rows_dropped_by_watermark: u64,
    pub num_shuffle_partitions: u64,
    pub num_state_store_instances: u64,
    pub custom_metrics: BTreeMap<String, u64>,
}

/// A source in an epoch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named and meant as in Spark's SourceProgress")]
pub struct SourceProgress {
    pub description: String,
    pub start_offset: Json,
    pub end_offset: Json,
    pub latest_offset: Json,
    pub num_input_rows: u64,
    pub input_rows_per_second: f64,
    pub processed_rows_per_second: f64,
    /// Rows that did not parse or were lost, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, String>,
    /// What became of every row since the query started.
    pub rows: InputRows,
}

/// What became of the rows of an input since the query started, up to the epochs of this report. At every report
/// `accepted = processed + dropped (by reason) + pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputRows {
    /// Handed to the input by whoever fills it.
    pub accepted: u64,
    /// Read by epochs that have ended.
    pub processed: u64,
    /// Lost, refused or not understood.
    pub dropped: BTreeMap<String, u64>,
    /// There, and not read by an epoch that has ended. Files have none: their rows are accepted when they are read.
    pub pending: u64,
}

impl InputRows {
    /// Whether every row is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.accepted == self.processed + self.dropped.values().sum::<u64>() + self.pending
    }
}

/// What became of the rows that the query has handed to its sink since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutputRows {
    /// Where readers find them.
    pub written: u64,
    /// Not written because the sink could not, or may not wait.
    pub dropped: BTreeMap<String, u64>,
    /// Written, and hidden until a checkpoint remembers them.
    pub pending: u64,
}

/// Checkpoints of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointProgress {
    /// Written and durable.
    pub written: u64,
    /// Could not be written.
    pub failed: u64,
    /// Bytes of those that were written.
    pub bytes: u64,
    /// Bytes that a day of this would write: what flash memory wears by.
    pub bytes_per_day: u64,
    /// Time that writing took, off the query's own thread.
    pub time_ms: u64,
    /// Of the longest.
    pub time_max_ms: u64,
}

/// The sink in an epoch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named and meant as in Spark's SinkProgress")]
pub struct SinkProgress {
    pub description: String,
    pub num_output_rows: u64,
    /// What became of every row since the query started.
    pub rows: OutputRows,
}

/// Something that happened to a query.
#[derive(Clone, Debug)]
pub enum QueryEvent<'a> {
    /// It started.
    Started {
        /// Its identity.
        id: &'a str,
        /// This run's.
        run_id: &'a str,
        /// Its name.
        name: Option<&'a str>,
    },
    /// An epoch is done.
    Progress(&'a StreamingQueryProgress),
    /// It ended, with an error or without.
    Terminated {
        /// Its identity.
        id: &'a str,
        /// This run's.
        run_id: &'a str,
        /// Why, if it failed.
        error: Option<&'a firesteel_core::Error>,
    },
}

/// Is told what happens to queries, on the query's own thread: be quick.
pub trait QueryListener: Send + Sync {
    /// Something happened.
    fn on_event(&self, event: &QueryEvent<'_>);
}

impl<F: Fn(&QueryEvent<'_>) + Send + Sync> QueryListener for F {
    fn on_event(&self, event: &QueryEvent<'_>) {
        self(event);
    }
}

/// Milliseconds since 1970 as Spark prints them: `2025-01-01T00:00:00.000Z`.
pub(super) fn spark_instant(ms: i64) -> String {
    let (seconds, millis) = (ms.div_euclid(1_000), ms.rem_euclid(1_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    match civil_from_days(days) {
        CivilDate { year: year @ 0..=9_999, month, day } => {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
        }
        _ => format!("{ms} ms"),
    }
}

/// `rows / seconds`, 0 if no time has passed.
pub(super) fn rate(rows: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { rows as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_by_spark() {
        assert_eq!(spark_instant(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(spark_instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(spark_instant(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(spark_instant(i64::MIN), format!("{} ms", i64::MIN));
    }
}
