//! A job that runs: its statements in order, the streams that go on beside each other, those that have failed and
//! start again.

use std::{sync::Arc, time::Duration};

use firesteel_core::{
    Error, Result,
    error::Span,
    plan::{LogicalPlan, OutputMode},
    sql::Statement,
};

use super::{
    DataFrame, JobOptions, Session, SinkFactory,
    execute::trigger_of,
    job_plan::{self, Planned},
    restart::Failures,
    statement::{Action, Insert},
};
use crate::{
    engine::{CheckpointOptions, QueryListener, QueryOptions, RestartProgress, StreamingQuery, Trigger},
    sink::Sink,
};

/// How often a job that waits for its streams looks at each of them.
const WAIT_POLL: Duration = Duration::from_millis(20);

/// A job that runs.
pub(super) struct Run<'a, 's> {
    session: &'a Session,
    options: &'a JobOptions,
    planned: Vec<Planned>,
    listeners: Vec<Arc<dyn QueryListener>>,
    sinks: &'a mut SinkFactory<'s>,
    started: Vec<Started>,
    /// A statement has failed: nothing is started any more.
    has_failed: bool,
    has_started: bool,
}

/// A stream, and what is needed to start it again.
struct Started {
    statement: usize,
    span: Span,
    target: Target,
    /// The settings that its statement found.
    settings: Session,
    query: StreamingQuery,
    failures: Failures,
    /// Its end was seen.
    has_ended: bool,
}

/// The rows of a query, and where they go.
#[derive(Clone)]
enum Target {
    Output(DataFrame),
    Table(Insert),
}

impl<'a, 's> Run<'a, 's> {
    pub(super) fn new(
        session: &'a Session,
        options: &'a JobOptions,
        planned: Vec<Planned>,
        listeners: Vec<Arc<dyn QueryListener>>,
        sinks: &'a mut SinkFactory<'s>,
    ) -> Self {
        Self { session, options, planned, listeners, sinks, started: Vec::new(), has_failed: false, has_started: false }
    }

    /// Runs the script and waits for the streams that go on; if the script fails they are stopped. The first error is
    /// the job's.
    pub(super) fn run(mut self, statements: &[Statement]) -> Result<()> {
        let result = statements.iter().enumerate().try_for_each(|(i, statement)| self.statement(i, statement));
        if result.is_err() {
            self.started.iter().for_each(|started| started.query.request_stop());
            self.has_failed = true;
        }
        if result.is_ok() {
            self.note_started();
        }
        while !self.tend() {
            std::thread::sleep(WAIT_POLL);
        }
        self.started.iter().map(Started::outcome).fold(result, Result::and)
    }

    fn statement(&mut self, number: usize, statement: &Statement) -> Result<()> {
        if self.options.stop.is_requested() {
            return Ok(());
        }
        let result = match self.session.apply(&statement.kind, &self.options.streams) {
            Ok(Action::Done) => Ok(()),
            Ok(Action::Rows(frame)) => self.query(number, statement.span, Target::Output(frame)),
            Ok(Action::Insert(insert)) => self.query(number, statement.span, Target::Table(insert)),
            Err(error) => Err(error),
        };
        result.map_err(|e| e.at(Some(statement.span)))
    }

    fn query(&mut self, number: usize, span: Span, target: Target) -> Result<()> {
        let plan = target.frame().plan();
        if self.options.streams_only && !plan.is_streaming() {
            return Ok(());
        }
        let sink = self.open_sink(&target)?;
        let options = self.query_options(number, plan);
        if !plan.is_streaming() {
            return self.batch(plan, sink, options);
        }
        let ends = options.trigger == Trigger::AvailableNow;
        let (session, mode) = (self.session, self.options.output_mode);
        let query = match self.options.streams_only {
            true => session.start_stream_with(session, plan, mode, sink, options)?,
            false => session.start_stream(plan, mode, sink, options)?,
        };
        self.options.stop.add(&query, None);
        let (settings, failures) = (self.session.fork(), Failures::new(self.session.conf().restart));
        self.started.push(Started { statement: number, span, target, settings, query, failures, has_ended: false });
        if !ends {
            return Ok(());
        }
        self.note_started();
        self.wait_for_last()
    }

    /// The first time.
    fn note_started(&mut self) {
        if !std::mem::replace(&mut self.has_started, true)
            && let Some(tell) = &self.options.on_started
        {
            tell();
        }
    }

    /// Waits for the stream that was started last, which ends by itself; looks after the others meanwhile.
    fn wait_for_last(&mut self) -> Result<()> {
        loop {
            self.tend();
            match self.started.last() {
                Some(last) if !last.has_ended => _ = last.query.await_termination_for(WAIT_POLL),
                Some(last) => return last.outcome(),
                None => return Ok(()),
            }
        }
    }

    fn open_sink(&mut self, target: &Target) -> Result<Box<dyn Sink>> {
        match target {
            Target::Output(frame) => (self.sinks)(frame.schema(), frame.is_streaming()),
            Target::Table(insert) => insert.sink(self.options.output_mode),
        }
    }

    /// A batch that was given cores runs on a thread of its own: this one must not stay pinned.
    fn batch(&mut self, plan: &LogicalPlan, sink: Box<dyn Sink>, options: QueryOptions) -> Result<()> {
        let is_pinned = !options.cores.is_empty();
        let execution = self.session.execution(plan, OutputMode::Append, sink, options)?;
        self.options.stop.set_batch(execution.handle());
        self.note_started();
        if !is_pinned {
            return execution.run_batch();
        }
        let ended = std::thread::scope(|scope| scope.spawn(|| execution.run_batch()).join());
        ended.unwrap_or_else(|_| Err(Error::internal("the query met a defect of the engine")))
    }

    fn query_options(&self, number: usize, plan: &LogicalPlan) -> QueryOptions {
        let cores = self.planned.iter().find(|p| p.statement == number).map_or(&[][..], |p| &p.cores[..]);
        QueryOptions {
            trigger: trigger_of(plan, self.options.available_now),
            cores: cores.iter().copied().map(Some).collect(),
            listeners: self.listeners.clone(),
            memory_bytes_max: self.options.memory_bytes_max,
            meter: self.options.meter.clone(),
            checkpoint: self.checkpoint(number),
            on_warning: self.options.on_warning.clone(),
            legacy: job_plan::stream_name(&self.planned, number).map(|name| self.options.legacies.of(&name)),
            ..QueryOptions::default()
        }
    }

    /// Where the stream of a statement remembers.
    fn checkpoint(&self, number: usize) -> Option<CheckpointOptions> {
        let folder = self.options.checkpoint.as_ref()?;
        Some(CheckpointOptions {
            folder: folder.join(job_plan::stream_name(&self.planned, number)?),
            interval: Duration::ZERO,
            may_restart_from_scratch: self.options.may_restart_from_scratch,
        })
    }

    /// Looks after the streams: tells of those that have failed, starts again those that may be. True if all have
    /// ended for good.
    fn tend(&mut self) -> bool {
        for index in 0..self.started.len() {
            let started = &self.started[index];
            if started.has_ended || started.query.is_active() {
                continue;
            }
            if self.has_failed || self.options.stop.is_requested() {
                self.started[index].has_ended = true;
            } else if started.failures.due.is_none() {
                self.note_end(index);
            } else if started.failures.is_due() {
                self.start_again(index);
            }
        }
        self.started.iter().all(|started| started.has_ended)
    }

    fn note_end(&mut self, index: usize) {
        let error = self.started[index].query.exception();
        match error {
            None => self.started[index].has_ended = true,
            Some(error) => self.note_failure(index, &error),
        }
    }

    fn note_failure(&mut self, index: usize, error: &Error) {
        let others = self.started.iter().enumerate().any(|(i, other)| i != index && !other.has_ended);
        let started = &mut self.started[index];
        let error = error.clone().at(Some(started.span));
        let pause = started.failures.note(&error);
        started.has_ended = pause.is_none();
        let JobOptions { on_failure, .. } = self.options;
        if let Some(tell) = on_failure {
            tell(&error, Failed { starts_again: pause, others_go_on: others });
        }
    }

    /// What the sink and the inputs need may not be back yet: then the next try is later.
    fn start_again(&mut self, index: usize) {
        let Started { statement, target, settings, failures, query, .. } = &mut self.started[index];
        failures.note_start();
        let (statement, target, settings, before) = (*statement, target.clone(), settings.clone(), query.clone());
        let last_error = failures.last.as_ref().map(Error::to_string).unwrap_or_default();
        let restarts = Some(RestartProgress { count: failures.count, last_error });
        let plan = target.frame().plan();
        let options = QueryOptions { restarts, ..self.query_options(statement, plan) };
        let mode = self.options.output_mode;
        let begun = self
            .open_sink(&target)
            .and_then(|sink| self.session.start_stream_with(&settings, plan, mode, sink, options));
        match begun {
            Ok(query) => {
                self.options.stop.add(&query, Some(&before));
                self.started[index].query = query;
            }
            Err(error) => self.note_failure(index, &error),
        }
    }
}

impl Started {
    /// How it ended.
    fn outcome(&self) -> Result<()> {
        match (&self.failures.due, &self.failures.last) {
            // It was stopped before it could start again.
            (Some(_), Some(error)) => Err(error.clone()),
            _ => self.query.await_termination().map_err(|e| e.at(Some(self.span))),
        }
    }
}

impl Target {
    fn frame(&self) -> &DataFrame {
        match self {
            Self::Output(frame) => frame,
            Self::Table(insert) => &insert.frame,
        }
    }
}

/// What becomes of a job of which a stream has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The stream starts again after this time.
    pub starts_again: Option<Duration>,
    /// Other streams of the job go on.
    pub others_go_on: bool,
}
