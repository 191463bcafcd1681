//! Which queries may run as a stream in which output mode: Spark's rules, each refusal with the
//! reason and a way out. A batch query may be anything.

use super::{Aggregate, EventKey, Join, JoinKind, LogicalPlan, rewrite};
use crate::error::{Error, Result};

/// What a trigger of a stream hands to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OutputMode {
    /// Rows that will never change: for windows, once the watermark has passed their end.
    #[default]
    Append,
    /// Rows that changed in this trigger.
    Update,
    /// All rows, every trigger.
    Complete,
}

impl OutputMode {
    /// The mode of this name, ignoring case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Append, Self::Update, Self::Complete].into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }

    /// Spark's name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Update => "update",
            Self::Complete => "complete",
        }
    }
}

/// Refuses a streaming plan that Spark refuses in this mode.
pub fn check(plan: &LogicalPlan, mode: OutputMode) -> Result<()> {
    if !plan.is_streaming() {
        return Ok(());
    }
    if mode == OutputMode::Complete && !contains(plan, &is_aggregation) {
        return Err(unsupported_mode(mode, "there is no aggregation").hint("run it with --output-mode append"));
    }
    if mode != OutputMode::Append && contains(plan, &stands_on_aggregation) {
        return Err(Error::invalid(
            "an aggregation, stream-stream join or deduplication over another aggregation works only in append mode: \
             it would see rows older than the watermark",
        )
        .hint("run it with --output-mode append"));
    }
    check_node(plan, mode)?;
    // The equality may stand in WHERE, from where it moves into the join.
    if contains(plan, &joins_streams_by_nothing) && contains(&rewrite(plan.clone()), &joins_streams_by_nothing) {
        return Err(Error::invalid("a join of two streams needs an equality between them")
            .class("STREAM_STREAM_JOIN_WITHOUT_EQUALITY"));
    }
    Ok(())
}

fn joins_streams_by_nothing(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Join(j) if j.on.is_empty() && j.left.is_streaming() && j.right.is_streaming())
}

fn contains(plan: &LogicalPlan, is_one: &dyn Fn(&LogicalPlan) -> bool) -> bool {
    let mut found = false;
    plan.visit(&mut |node| found |= is_one(node));
    found
}

fn is_aggregation(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Aggregate(a) if a.input.is_streaming())
}

/// An aggregation that is no SELECT DISTINCT.
fn is_grouping(node: &LogicalPlan) -> bool {
    is_aggregation(node) && matches!(node, LogicalPlan::Aggregate(a) if !a.is_distinct)
}

/// A stateful operator over an aggregation, whose rows may be late to it. Those of joins and deduplication are not.
fn stands_on_aggregation(node: &LogicalPlan) -> bool {
    let is_stateful = match node {
        LogicalPlan::Join(j) => j.left.is_streaming() && j.right.is_streaming(),
        LogicalPlan::Deduplicate(d) => d.input.is_streaming(),
        node => is_aggregation(node),
    };
    is_stateful && node.inputs().into_iter().any(|input| contains(input, &is_aggregation))
}

fn check_node(plan: &LogicalPlan, mode: OutputMode) -> Result<()> {
    if !plan.is_streaming() {
        return Ok(());
    }
    match plan {
        LogicalPlan::Aggregate(aggregate) => check_aggregate(aggregate, mode)?,
        LogicalPlan::Join(join) => check_join(join, mode)?,
        LogicalPlan::Sort { input, .. } if mode != OutputMode::Complete || !contains(input, &is_grouping) => {
            return Err(unsupported_mode(mode, "a stream has no end to sort before")
                .hint("ORDER BY works in complete mode, after an aggregation"));
        }
        LogicalPlan::Limit { limit, offset, .. } => check_limit(limit.is_some(), *offset, mode)?,
        _ => {}
    }
    plan.inputs().into_iter().try_for_each(|input| check_node(input, mode))
}

fn check_aggregate(aggregate: &Aggregate, mode: OutputMode) -> Result<()> {
    if aggregate.aggregates.iter().any(|a| a.distinct) {
        return Err(Error::invalid("DISTINCT aggregates are not supported on streams")
            .class("STREAMING_DISTINCT_AGGREGATION")
            .hint("use approx_count_distinct(), or aggregate twice"));
    }
    let keys = &aggregate.schema.fields()[..aggregate.group.len()];
    let marked = keys.iter().filter(|f| f.event_time.is_some()).count();
    if marked > 1 && mode != OutputMode::Complete {
        let text = "grouping by more than one event-time column";
        return Err(Error::unsupported("MULTIPLE_EVENT_TIME_COLUMNS", text)
            .hint("group by the window and take window_time() of it in an outer query"));
    }
    if let EventKey::Session { .. } = aggregate.event_key() {
        if aggregate.group.len() == 1 {
            return Err(Error::invalid("a session window without another grouping key is not supported on streams")
                .class("STREAMING_GLOBAL_SESSION")
                .hint("group by a key too, e.g. GROUP BY session_window(ts, '5 minutes'), device"));
        }
        if mode == OutputMode::Update {
            return Err(unsupported_mode(mode, "session windows can merge, so a row cannot be updated")
                .hint("run it with --output-mode append"));
        }
    }
    if mode == OutputMode::Append && marked == 0 {
        let text = "an aggregation that is not grouped by a window or column with a watermark never finishes";
        return Err(unsupported_mode(mode, text).hint(
            "add WATERMARK ts DELAY OF INTERVAL ... to the table and group by window(ts, ...), or run it with \
             --output-mode update",
        ));
    }
    Ok(())
}

fn check_join(join: &Join, mode: OutputMode) -> Result<()> {
    match (join.left.is_streaming(), join.right.is_streaming()) {
        (true, true) => check_stream_stream(join, mode),
        (left, _) => check_stream_static(join.kind, left),
    }
}

fn check_stream_static(kind: JoinKind, stream_left: bool) -> Result<()> {
    let allowed = match kind {
        JoinKind::Inner | JoinKind::Cross => true,
        JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti => stream_left,
        JoinKind::Right => !stream_left,
        JoinKind::Full => false,
    };
    if allowed {
        return Ok(());
    }
    let side = if stream_left { "left" } else { "right" };
    Err(Error::invalid(format_kind(kind, side)).class("STREAMING_STATIC_JOIN").hint(
        "rows of the static side that never match cannot be known while the stream goes on: put the stream on the \
         outer side",
    ))
}

fn format_kind(kind: JoinKind, side: &str) -> alloc::string::String {
    alloc::format!("a {kind:?} join with the stream on the {side} and a static table on the other side")
}

fn check_stream_stream(join: &Join, mode: OutputMode) -> Result<()> {
    if mode == OutputMode::Complete {
        return Err(unsupported_mode(mode, "a join of two streams cannot be emitted completely"));
    }
    if join.kind == JoinKind::LeftAnti {
        return Err(Error::invalid("a left anti join with a stream on the right is not supported")
            .class("STREAM_STREAM_ANTI_JOIN")
            .hint("use a left join and keep the rows whose right columns are NULL"));
    }
    let inner = matches!(join.kind, JoinKind::Inner | JoinKind::Cross);
    if !inner && join.kind != JoinKind::LeftSemi && mode != OutputMode::Append {
        let text = alloc::format!("{:?} join of two streams works only in append mode", join.kind);
        return Err(Error::invalid(text).class("STREAM_STREAM_OUTER_JOIN_MODE"));
    }
    if !inner && !has_event_time_condition(join) {
        let text = alloc::format!(
            "{:?} join of two streams needs a watermark in the join keys, or a watermark on the nullable side and a \
             time range in the condition",
            join.kind
        );
        return Err(Error::invalid(text)
            .class("STREAM_STREAM_JOIN_WITHOUT_WATERMARK")
            .hint("e.g. ... AND c.ts BETWEEN i.ts AND i.ts + INTERVAL 20 SECONDS"));
    }
    Ok(())
}

/// An event time among the equalities, or a bound on how long rows of a preserved side wait.
fn has_event_time_condition(join: &Join) -> bool {
    let is_bounded = match join.kind {
        JoinKind::Right => join.lower_bound(false).is_some(),
        JoinKind::Full => join.lower_bound(true).or_else(|| join.lower_bound(false)).is_some(),
        _ => join.lower_bound(true).is_some(),
    };
    is_bounded || join.event_key().is_some()
}

fn check_limit(has_limit: bool, offset: u64, mode: OutputMode) -> Result<()> {
    if offset > 0 {
        return Err(Error::invalid("OFFSET is not supported on streams").class("STREAMING_OFFSET"));
    }
    if has_limit && mode == OutputMode::Update {
        return Err(unsupported_mode(mode, "rows beyond the limit could still be updated")
            .hint("run it with --output-mode append, or complete after an aggregation"));
    }
    Ok(())
}

fn unsupported_mode(mode: OutputMode, why: &str) -> Error {
    let text = alloc::format!("the query cannot run as a stream in {} mode: {why}", mode.name());
    Error::unsupported("STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION", text)
}
