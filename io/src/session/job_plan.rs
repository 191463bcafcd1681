//! What a job will run, before it does: the plan of each query, where it will run, what bounds its memory.

use firesteel_core::{
    Result,
    error::Span,
    limits::GROUPS_MAX,
    plan::{LogicalPlan, OutputMode},
    schema::{DataType, Schema},
    sql::Statement,
};

use super::{
    JobOptions, Session,
    execute::trigger_of,
    statement::{Action, explain_plan},
};
use crate::engine::Trigger;

/// A query of a job.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its statement, counted from 0.
    pub(super) statement: usize,
    span: Span,
    /// The table that its rows go into; none for a bare query.
    into: Option<String>,
    plan: LogicalPlan,
    mode: OutputMode,
    /// A stream that goes on beside what comes after it.
    pub(super) goes_on: bool,
    block_rows: usize,
    pub(super) cores: Vec<usize>,
    /// Most bytes that its state may take.
    memory_bytes_max: Option<u64>,
    /// Whether workers can take a share of it.
    has_workers: bool,
}

impl Planned {
    /// The query of a statement, if it has one, checked as far as can be without running it.
    pub(super) fn of(
        statement: usize,
        text: &Statement,
        session: &Session,
        action: Action,
        options: &JobOptions,
    ) -> Result<Option<Self>> {
        let (frame, into) = match action {
            Action::Done => return Ok(None),
            Action::Rows(frame) => (frame, None),
            Action::Insert(insert) => {
                insert.check(options.output_mode)?;
                (insert.frame.clone(), Some(insert.table().name.clone()))
            }
        };
        let (plan, mode) = (frame.plan(), options.output_mode);
        let has_workers = session.driver(plan, mode)?.worker()?.is_some();
        let goes_on = plan.is_streaming() && trigger_of(plan, options.available_now) != Trigger::AvailableNow;
        let (plan, block_rows) = (plan.clone(), session.conf().block_rows);
        Ok(Some(Self {
            statement,
            span: text.span,
            into,
            plan,
            mode,
            goes_on,
            block_rows,
            cores: Vec::new(),
            memory_bytes_max: options.memory_bytes_max,
            has_workers,
        }))
    }

    fn title(&self) -> String {
        let kind = match (self.plan.is_streaming(), self.goes_on) {
            (false, _) => "batch".into(),
            (true, true) => format!("stream, {} mode, until it is stopped", self.mode.name()),
            (true, false) => format!("stream, {} mode, until its input is read", self.mode.name()),
        };
        let into = self.into.as_ref().map_or("the output".into(), |table| format!("table {table}"));
        format!("Query at line {}: {kind}, into {into}", self.span.line)
    }
}

/// Streams that go on beside each other share the cores; a query that runs alone has them all.
pub(super) fn share_cores(planned: &mut [Planned], options: &JobOptions) {
    let cores = &options.cores;
    let beside = planned.iter().filter(|p| p.goes_on).count();
    let mut number = 0;
    for query in planned.iter_mut() {
        if !query.goes_on || cores.is_empty() {
            query.cores.clone_from(cores);
            continue;
        }
        // Query i of n takes every n-th core from i on; with more queries than cores they double up.
        query.cores = cores.iter().copied().skip(number % cores.len()).step_by(beside).collect();
        number += 1;
    }
}

/// All of it as text.
pub(super) fn explain(planned: &[Planned]) -> String {
    if planned.is_empty() {
        return "nothing to run\n".into();
    }
    let texts: Vec<String> = planned.iter().map(explain_query).collect();
    texts.join("\n")
}

fn explain_query(query: &Planned) -> String {
    let plan = explain_plan(&query.plan);
    let indent = |line: &str| if line.is_empty() { "\n".into() } else { format!("  {line}\n") };
    let plan: String = plan.lines().map(indent).collect();
    format!("{}\n{plan}\n  Cores\n{}\n  Memory\n{}", query.title(), explain_cores(query), explain_memory(query))
}

fn explain_cores(query: &Planned) -> String {
    let Some((first, rest)) = query.cores.split_first() else { return "    one thread, not pinned\n".into() };
    if !query.has_workers {
        return format!("    core {first}: everything; the query cannot be shared out\n");
    }
    let workers = rest.iter().map(|core| format!("    core {core}: a worker: reading, up to the lowest aggregation\n"));
    std::iter::once(format!("    core {first}: reading, all operators, the sink\n")).chain(workers).collect()
}

fn explain_memory(query: &Planned) -> String {
    let row = row_bytes(query.plan.schema());
    let mut lines = vec![format!("blocks of {} rows, {row} bytes a row and what text takes", query.block_rows)];
    query.plan.visit(&mut |node| lines.extend(state_of(node)));
    lines.extend(
        query.memory_bytes_max.map(|most| format!("the query fails when its state takes more than {most} bytes")),
    );
    lines.into_iter().map(|line| format!("    {line}\n")).collect()
}

/// What a node keeps.
fn state_of(node: &LogicalPlan) -> Option<String> {
    match node {
        LogicalPlan::Aggregate(aggregate) => {
            let bytes = row_bytes(&aggregate.schema);
            Some(format!("aggregation: {bytes} bytes a group or more, at most {GROUPS_MAX} groups"))
        }
        LogicalPlan::Join(join) => {
            Some(format!("join: {} bytes a row of the smaller side or more", row_bytes(join.right.schema())))
        }
        LogicalPlan::Sort { input, .. } => {
            Some(format!("sort: all rows, {} bytes a row or more", row_bytes(input.schema())))
        }
        _ => None,
    }
}

/// Bytes that a row takes in columns, of strings and arrays only the offsets.
fn row_bytes(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| value_bytes(&field.data_type)).sum()
}

fn value_bytes(data_type: &DataType) -> usize {
    use firesteel_core::schema::Physical;
    match data_type.physical() {
        Physical::Null => 0,
        Physical::Boolean | Physical::Int8 => 1,
        Physical::Int16 => 2,
        Physical::Int32 | Physical::Float32 | Physical::Bytes | Physical::Array => 4,
        Physical::Int64 | Physical::Float64 => 8,
        Physical::Int128 | Physical::Interval => 16,
        Physical::Struct => {
            data_type.struct_fields().unwrap_or_default().iter().map(|f| value_bytes(&f.data_type)).sum()
        }
    }
}
