//! [`Job`]: a script of SQL, run as the command line runs it.
//!
//! Statements run in order. The whole script is planned before the first one runs, so that a mistake anywhere is told
//! before a row is read. A stream that ends by itself (files, or anything with `available_now`) is run to its end
//! before the next statement; one that does not goes on beside those after it, on a thread of its own, until it is
//! stopped. Such a stream fails alone: the others go on, and the job fails when they have ended.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use firesteel_core::{
    Error, Result,
    error::Span,
    expr::suggest,
    plan::{LogicalPlan, OutputMode},
    schema::Schema,
    sql::{self, Statement},
};

use super::{
    DataFrame, ProgressFile, Session, Streams,
    execute::trigger_of,
    job_plan::{self, Planned},
    statement::Action,
};
use crate::{
    engine::{CheckpointOptions, OnWarning, QueryListener, QueryOptions, StreamingQuery, Trigger},
    sink::Sink,
    source::Meter,
};

/// How often a job that waits for its streams looks at each of them.
const WAIT_POLL: Duration = Duration::from_millis(20);

/// Makes the sink of a query that has no table: for these columns, and whether it is a stream.
pub type SinkFactory<'a> = dyn FnMut(&Schema, bool) -> Result<Box<dyn Sink>> + 'a;

/// Takes the error of a stream that failed alone.
pub type OnFailure = Arc<dyn Fn(&Error) + Send + Sync>;

/// How a job runs.
#[derive(Clone, Default)]
pub struct JobOptions {
    /// Which tables are streams although they end.
    pub streams: Streams,
    /// Streams take what is there when they start, then end.
    pub available_now: bool,
    /// What streams hand out.
    pub output_mode: OutputMode,
    /// Cores to run on, shared out among queries that run beside each other. Empty: one thread a query, not pinned.
    pub cores: Vec<usize>,
    /// Most bytes that the state of each query may take.
    pub memory_bytes_max: Option<u64>,
    /// Where the progress of streams is appended.
    pub progress_file: Option<PathBuf>,
    /// Who is told about streams.
    pub listeners: Vec<Arc<dyn QueryListener>>,
    /// Counts what is read.
    pub meter: Meter,
    /// Where streams keep their checkpoints: a folder in it for each, named as the table that it writes.
    pub checkpoint: Option<PathBuf>,
    /// Streams whose checkpoints cannot be used start as if they were new.
    pub may_restart_from_scratch: bool,
    /// Takes what a user should know of streams that run.
    pub on_warning: Option<OnWarning>,
    /// Is told at once when a stream has failed and others go on.
    pub on_failure: Option<OnFailure>,
    /// Ends the job from outside.
    pub stop: JobStop,
}

impl std::fmt::Debug for JobOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobOptions")
            .field("streams", &self.streams)
            .field("available_now", &self.available_now)
            .field("output_mode", &self.output_mode)
            .field("cores", &self.cores)
            .finish_non_exhaustive()
    }
}

/// Ends a job from another thread. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct JobStop {
    shared: Arc<StopState>,
}

#[derive(Debug, Default)]
struct StopState {
    requested: AtomicBool,
    running: Mutex<Vec<StreamingQuery>>,
    /// The batch that runs, or the last that did.
    batch: Mutex<Option<StreamingQuery>>,
}

impl JobStop {
    /// Asks the job to end: its streams after the epoch they are in, a batch at its next block, the script before its
    /// next statement.
    pub fn request(&self) {
        self.shared.requested.store(true, Ordering::Release);
        self.running().iter().chain(&*self.batch()).for_each(StreamingQuery::request_stop);
    }

    /// Whether it was asked to.
    pub fn is_requested(&self) -> bool {
        self.shared.requested.load(Ordering::Acquire)
    }

    /// The streams that the job has started, for those who watch.
    pub fn running(&self) -> Vec<StreamingQuery> {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, query: &StreamingQuery) {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).push(query.clone());
        self.catch_up(query);
    }

    fn set_batch(&self, query: StreamingQuery) {
        *self.batch() = Some(query.clone());
        self.catch_up(&query);
    }

    /// A request that came between the start of a query and its being known must not be lost.
    fn catch_up(&self, query: &StreamingQuery) {
        if self.is_requested() {
            query.request_stop();
        }
    }

    fn batch(&self) -> MutexGuard<'_, Option<StreamingQuery>> {
        self.shared.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A script of SQL statements.
///
/// ```
/// use firesteel_io::{session::{Job, JobOptions, Session}, sink::NoopSink};
///
/// let job = Job::parse("CREATE TEMP VIEW n AS SELECT id FROM range(5); SELECT sum(id) FROM n;", &|_| None)?;
/// let session = Session::new()?;
/// job.check(&session, &JobOptions::default())?;
/// job.run(&session, &JobOptions::default(), &mut |schema, is_stream| {
///     assert_eq!((schema.field(0).name.as_str(), is_stream), ("sum(id)", false));
///     Ok(Box::new(NoopSink::default()))
/// })?;
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) statements: Vec<Statement>,
}

impl Job {
    /// Reads a script. `variables` gives the value of `${NAME}`; what it does not know is an error.
    pub fn parse(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        Ok(Self { statements: sql::parse(text, variables)? })
    }

    /// Whether there is nothing in it but comments.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Resolves and type-checks every statement; runs none and leaves the session as it is.
    pub fn check(&self, session: &Session, options: &JobOptions) -> Result<()> {
        self.plan(session, options).map(drop)
    }

    /// What would run: plans, cores, memory.
    pub fn explain(&self, session: &Session, options: &JobOptions) -> Result<String> {
        Ok(job_plan::explain(session, &self.plan(session, options)?))
    }

    /// Runs the script. `sinks` makes the sinks of its bare queries. Errors carry the place in the text.
    pub fn run(&self, session: &Session, options: &JobOptions, sinks: &mut SinkFactory<'_>) -> Result<()> {
        let planned = self.plan(session, options)?;
        let progress = options.progress_file.as_ref().map(ProgressFile::open).transpose()?.map(Arc::new);
        let mut run = Run { session, options, planned, listeners: options.listeners.clone(), started: Vec::new() };
        run.listeners.extend(progress.iter().map(|p| p.clone() as Arc<dyn QueryListener>));
        let result = self.statements.iter().enumerate().try_for_each(|(i, s)| run.statement(i, s, sinks));
        run.wait(result)?;
        progress.map_or(Ok(()), |p| p.result())
    }

    /// Plans every statement in a copy of the session.
    fn plan(&self, session: &Session, options: &JobOptions) -> Result<Vec<Planned>> {
        let (caller, session) = (session, session.fork());
        let mut used = BTreeSet::new();
        let mut planned = Vec::new();
        for (statement, text) in self.statements.iter().enumerate() {
            let span = Some(text.span);
            let action = session.apply_noting(&text.kind, &options.streams, &mut used).map_err(|e| e.at(span))?;
            if let Some(plan) = Planned::of(statement, text, &session, action, options).map_err(|e| e.at(span))? {
                planned.push(plan);
            }
        }
        caller.warn(session.take_warnings());
        caller.warn(job_plan::warnings(&planned, options));
        check_stream_names(&options.streams, &used, &session)?;
        job_plan::share_cores(&mut planned, options);
        planned.iter().try_for_each(Planned::check_memory)?;
        Ok(planned)
    }
}

/// A job that runs.
struct Run<'a> {
    session: &'a Session,
    options: &'a JobOptions,
    planned: Vec<Planned>,
    listeners: Vec<Arc<dyn QueryListener>>,
    started: Vec<(Span, StreamingQuery)>,
}

impl Run<'_> {
    fn statement(&mut self, number: usize, statement: &Statement, sinks: &mut SinkFactory<'_>) -> Result<()> {
        if self.options.stop.is_requested() {
            return Ok(());
        }
        let result = match self.session.apply(&statement.kind, &self.options.streams) {
            Ok(Action::Done) => Ok(()),
            Ok(Action::Rows(frame)) => sinks(frame.schema(), frame.is_streaming())
                .and_then(|sink| self.query(number, statement.span, &frame, sink)),
            Ok(Action::Insert(insert)) => insert
                .sink(self.options.output_mode)
                .and_then(|sink| self.query(number, statement.span, &insert.frame, sink)),
            Err(error) => Err(error),
        };
        result.map_err(|e| e.at(Some(statement.span)))
    }

    fn query(&mut self, number: usize, span: Span, frame: &DataFrame, sink: Box<dyn Sink>) -> Result<()> {
        let (plan, mode) = (frame.plan(), self.options.output_mode);
        let options = self.query_options(number, plan);
        if !plan.is_streaming() {
            return self.batch(plan, sink, options);
        }
        let ends = options.trigger == Trigger::AvailableNow;
        let query = self.session.start_stream(plan, mode, sink, options)?;
        self.options.stop.add(&query);
        if ends {
            return query.await_termination();
        }
        self.started.push((span, query));
        Ok(())
    }

    /// A batch that was given cores runs on a thread of its own: this one must not stay pinned.
    fn batch(&self, plan: &LogicalPlan, sink: Box<dyn Sink>, options: QueryOptions) -> Result<()> {
        let is_pinned = !options.cores.is_empty();
        let execution = self.session.execution(plan, OutputMode::Append, sink, options)?;
        self.options.stop.set_batch(execution.handle());
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

    /// Waits for the streams that go on; if the script has failed they are stopped. The first error is the job's.
    fn wait(&mut self, result: Result<()>) -> Result<()> {
        if result.is_err() {
            self.started.iter().for_each(|(_, query)| query.request_stop());
        }
        let mut told = vec![false; self.started.len()];
        while self.started.iter().any(|(_, query)| query.is_active()) {
            self.tell_failures(&mut told);
            std::thread::sleep(WAIT_POLL);
        }
        let ends = self.started.iter().map(|(span, query)| query.await_termination().map_err(|e| e.at(Some(*span))));
        ends.fold(result, Result::and)
    }

    fn tell_failures(&self, told: &mut [bool]) {
        let Some(tell) = &self.options.on_failure else { return };
        for ((span, query), told) in self.started.iter().zip(told) {
            if !*told && let Some(error) = query.exception() {
                tell(&error.at(Some(*span)));
                *told = true;
            }
        }
    }
}

/// `--stream-table` must name tables that the job reads.
fn check_stream_names(streams: &Streams, used: &BTreeSet<String>, session: &Session) -> Result<()> {
    let Streams::Named(names) = streams else { return Ok(()) };
    let Some(unused) = names.iter().find(|name| !used.contains(*name)) else { return Ok(()) };
    let relations = session.relations();
    let hint = suggest::hint(unused, relations.names())
        .unwrap_or_else(|| format!("its tables are {}", relations.names().collect::<Vec<_>>().join(", ")));
    Err(Error::invalid(format!("the job reads no table `{unused}` that could be a stream")).hint(hint))
}
