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
};

use firesteel_core::{
    Error, Result,
    expr::suggest,
    plan::OutputMode,
    schema::Schema,
    sql::{self, Statement},
};

use super::{
    ProgressFile, Session, Streams,
    job_plan::{self, Planned},
    job_run::{Failed, Run},
};
use crate::{
    engine::{Legacies, OnWarning, QueryListener, StreamingQuery},
    sink::Sink,
    source::Meter,
};

/// Makes the sink of a query that has no table: for these columns, and whether it is a stream.
pub type SinkFactory<'a> = dyn FnMut(&Schema, bool) -> Result<Box<dyn Sink>> + 'a;

/// Takes the error of a stream that failed, and what becomes of the job.
pub type OnFailure = Arc<dyn Fn(&Error, Failed) + Send + Sync>;

/// Is told that a job has started.
pub type OnStarted = Arc<dyn Fn() + Send + Sync>;

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
    /// Is told at once when a stream has failed that ran beside others, or that starts again.
    pub on_failure: Option<OnFailure>,
    /// Is told once, when the streams of the job run; of a job without any, when its first batch does.
    pub on_started: Option<OnStarted>,
    /// What streams leave when they end, and go on from when they start.
    pub legacies: Legacies,
    /// Batches are left out: they have run, before the job was changed.
    pub streams_only: bool,
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

    /// One that was started again takes the place of the run before it.
    pub(super) fn add(&self, query: &StreamingQuery, before: Option<&StreamingQuery>) {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.iter_mut().find(|known| before.is_some_and(|before| known.run_id() == before.run_id())) {
            Some(known) => *known = query.clone(),
            None => running.push(query.clone()),
        }
        drop(running);
        self.catch_up(query);
    }

    pub(super) fn set_batch(&self, query: StreamingQuery) {
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

    /// Whether this job can take the place of one that runs: its streams of the same names must go on from what those
    /// have gathered. Gives what will be lost nevertheless, in words.
    pub fn check_takes_over(&self, before: &Job, session: &Session, options: &JobOptions) -> Result<Vec<String>> {
        job_plan::compare(&before.plan(session, options)?, &self.plan(session, options)?)
    }

    /// What would run: plans, cores, memory.
    pub fn explain(&self, session: &Session, options: &JobOptions) -> Result<String> {
        Ok(job_plan::explain(session, &self.plan(session, options)?))
    }

    /// Runs the script. `sinks` makes the sinks of its bare queries. Errors carry the place in the text.
    pub fn run(&self, session: &Session, options: &JobOptions, sinks: &mut SinkFactory<'_>) -> Result<()> {
        let planned = self.plan(session, options)?;
        let progress = options.progress_file.as_ref().map(ProgressFile::open).transpose()?.map(Arc::new);
        let mut listeners = options.listeners.clone();
        listeners.extend(progress.iter().map(|p| p.clone() as Arc<dyn QueryListener>));
        Run::new(session, options, planned, listeners, sinks).run(&self.statements)?;
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

/// `--stream-table` must name tables that the job reads.
fn check_stream_names(streams: &Streams, used: &BTreeSet<String>, session: &Session) -> Result<()> {
    let Streams::Named(names) = streams else { return Ok(()) };
    let Some(unused) = names.iter().find(|name| !used.contains(*name)) else { return Ok(()) };
    let relations = session.relations();
    let hint = suggest::hint(unused, relations.names())
        .unwrap_or_else(|| format!("its tables are {}", relations.names().collect::<Vec<_>>().join(", ")));
    Err(Error::invalid(format!("the job reads no table `{unused}` that could be a stream")).hint(hint))
}
