//! What a job will run, before it does: the plan of each query, where it will run, what bounds its memory.

use firesteel_core::{
    Error, Result,
    error::Span,
    exec::OnFullState,
    plan::{LogicalPlan, OutputMode, Table},
    sql::Statement,
};

use super::{
    JobOptions, Session,
    execute::trigger_of,
    job_cores,
    job_memory::Memory,
    level,
    statement::{Action, explain_plan},
};
use crate::{
    checkpoint::Header,
    engine::{self, Trigger},
    source, sys,
};

/// A query of a job.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its statement, counted from 0.
    pub(super) statement: usize,
    span: Span,
    /// The table that its rows go into; none for a bare query.
    into: Option<Table>,
    plan: LogicalPlan,
    mode: OutputMode,
    /// A stream that goes on beside what comes after it.
    pub(super) goes_on: bool,
    block_rows: usize,
    pub(super) cores: Vec<usize>,
    /// Most bytes that its state may take.
    memory_bytes_max: Option<u64>,
    /// What becomes of new keys when it does.
    on_full: OnFullState,
    /// Whether workers can take a share of it.
    has_workers: bool,
    /// What it would remember; none for a batch.
    header: Option<Header>,
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
                (insert.frame.clone(), Some(insert.table().clone()))
            }
        };
        let (plan, mode) = (frame.plan(), options.output_mode);
        let driver = session.driver(plan, mode)?;
        let has_workers = driver.worker()?.is_some();
        let header = plan.is_streaming().then(|| engine::planned_header(&driver));
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
            on_full: if header.is_some() { session.conf().on_full_state } else { OnFullState::Fail },
            has_workers,
            header,
        }))
    }

    /// What it takes, from what is known now.
    fn memory(&self) -> Memory {
        let hands = if self.has_workers { self.cores.len().max(1) } else { 1 };
        let memory = Memory::of(&self.plan, self.into.as_ref(), self.block_rows, hands, self.memory_bytes_max);
        memory.when_full(self.on_full)
    }

    /// Refuses a query that takes more than it may before its first row.
    pub(super) fn check_memory(&self) -> Result<()> {
        self.memory().check().map_err(|e| e.at(Some(self.span)))
    }

    fn title(&self) -> String {
        let kind = match (self.plan.is_streaming(), self.goes_on) {
            (false, _) => "batch".into(),
            (true, true) => format!("stream, {} mode, until it is stopped", self.mode.name()),
            (true, false) => format!("stream, {} mode, until its input is read", self.mode.name()),
        };
        let into = self.into.as_ref().map_or("the output".into(), |table| format!("table {}", table.name));
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

const NO_STREAM: &str =
    "no statement of the job is a stream, so --checkpoint has nothing to do: a batch that is cut short is run again";

/// What looks like a mistake, and may be none.
pub(super) fn warnings(planned: &[Planned], options: &JobOptions) -> Vec<String> {
    let scans = planned.iter().flat_map(|query| query.plan.scans());
    let there = sys::cores();
    let gone = options.cores.iter().filter(|core| !there.is_empty() && !there.contains(core));
    let cores = gone.map(|core| format!("this process may not run on core {core}: a thread for it is not pinned"));
    let has_stream = planned.iter().any(|query| query.plan.is_streaming());
    let idle = (options.checkpoint.is_some() && !has_stream).then(|| NO_STREAM.to_string());
    scans.filter_map(source::nothing_there).chain(cores).chain(idle).collect()
}

/// What the stream of a statement is called: as the table that its rows go into, or `query`; if another one before it
/// is called so, with a number. `None` for batches.
pub(super) fn stream_name(planned: &[Planned], statement: usize) -> Option<String> {
    let plain = |c: char| if c.is_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    let name = |query: &Planned| match &query.into {
        Some(table) => table.name.chars().map(plain).collect(),
        None => String::from("query"),
    };
    let streams = || planned.iter().filter(|query| query.plan.is_streaming());
    let own = name(streams().find(|query| query.statement == statement)?);
    let before = streams().take_while(|query| query.statement < statement).filter(|query| name(query) == own).count();
    Some(if before == 0 { own } else { format!("{own}-{}", before + 1) })
}

/// Whether streams can go on from what streams of the same names have gathered; what is lost nevertheless.
pub(super) fn compare(before: &[Planned], now: &[Planned]) -> Result<Vec<String>> {
    let streams = |planned: &[Planned]| -> Vec<(String, Span, Header)> {
        let named = |query: &Planned| Some((stream_name(planned, query.statement)?, query.span, query.header.clone()?));
        planned.iter().filter_map(named).collect()
    };
    let (before, now) = (streams(before), streams(now));
    for (name, span, header) in &now {
        let old = before.iter().find(|(old, ..)| old == name);
        if let Some(what) = old.and_then(|(.., old)| engine::difference(old, header)) {
            return Err(Error::invalid(format!("stream {name} cannot go on from what it has gathered: {what}"))
                .at(Some(*span))
                .hint("give it a table of another name, or stop the job and start it again"));
        }
    }
    let is_gone = |(name, ..): &&(String, Span, Header)| !now.iter().any(|(other, ..)| other == name);
    Ok(before.iter().filter(is_gone).map(|(name, ..)| format!("stream {name} is no longer in the job")).collect())
}

/// All of it as text.
pub(super) fn explain(session: &Session, planned: &[Planned]) -> String {
    if planned.is_empty() {
        return "nothing to run\n".into();
    }
    let texts: Vec<String> = planned.iter().map(|query| explain_query(session, query)).collect();
    format!("{}\n{}", texts.join("\n"), level::explain())
}

fn explain_query(session: &Session, query: &Planned) -> String {
    let plan = explain_plan(&query.plan);
    let indent = |line: &str| if line.is_empty() { "\n".into() } else { format!("  {line}\n") };
    let plan: String = plan.lines().map(indent).collect();
    let cores = job_cores::explain(session, &query.plan, &query.cores, query.has_workers);
    format!("{}\n{plan}\n  Cores\n{cores}\n  Memory\n{}", query.title(), query.memory())
}
