//! `firesteel run`: a job, until it ends or is stopped; read again when it is asked to.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;
use firesteel_core::{Error, Result, time::zone};
use firesteel_io::{
    engine::Legacies,
    session::{JobOptions, JobStop},
};

use super::{
    job::{JobArgs, OpenJob},
    watchdog,
};
use crate::{
    exit::Failure,
    notify,
    output::{OutputFormat, ProgressBar, stdout_sink, tell},
    signals::{self, Signalled},
};

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Put the number of the epoch first in every row, as `_batch_id`
    #[arg(long)]
    batch_id: bool,
    /// How rows are printed
    #[arg(long, value_enum, default_value = "table")]
    format: OutputFormat,
    /// Append the progress of streams to a file: Spark's StreamingQueryProgress, one JSON object a line
    #[arg(long, value_name = "FILE")]
    progress_file: Option<PathBuf>,
    /// Where streams keep checkpoints, so that they go on after a crash where they were
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// If no checkpoint can be used, or the query has changed too much for it, start as if it were new
    #[arg(long, requires = "checkpoint")]
    allow_restart_from_scratch: bool,
}

pub fn run(args: RunArgs) -> Result<(), Failure> {
    let mut open = Arc::new(args.job.open()?);
    let control = Control::new(&args, &open);
    // Once more when it runs; but who waits for rows must have read the warnings before.
    open.locate(open.job.check(&open.session, &args.options(&open)))?;
    signals::watch(control.clone())?;
    watchdog::start(control.clone());
    let (mut before, mut takes_over) = (None, false);
    loop {
        let has_started = Arc::new(AtomicBool::new(false));
        let options = control.begin(&open, &has_started, takes_over);
        let bar = ProgressBar::start(options.meter.clone());
        let result = run_job(&open, &args, &options);
        bar.finish();
        let result = open.locate(result);
        if control.is_stopping() {
            return result;
        }
        let has_failed = result.is_err() && !has_started.load(Ordering::Acquire);
        match (control.take_next(), before.take()) {
            (Some(next), _) => {
                before = Some(std::mem::replace(&mut open, next));
                takes_over = true;
            }
            // It was to take the place of another one, and could not.
            (None, Some(old)) if has_failed => open = old,
            _ => return result,
        }
        if let Err(failure) = result {
            failure.tell();
        }
        if has_failed {
            tell!("note: the job goes on as it was");
        }
    }
}

fn run_job(open: &OpenJob, args: &RunArgs, options: &JobOptions) -> Result<()> {
    open.job.run(&open.session, options, &mut |schema, _is_stream| {
        let zone = open.session.setting("spark.sql.session.timeZone").and_then(|name| zone::find(&name));
        stdout_sink(args.format, schema, args.batch_id, &zone.unwrap_or(firesteel_core::time::TimeZone::UTC))
    })
}

impl RunArgs {
    fn options(&self, open: &OpenJob) -> JobOptions {
        JobOptions {
            progress_file: self.progress_file.clone(),
            checkpoint: self.checkpoint.clone(),
            may_restart_from_scratch: self.allow_restart_from_scratch,
            // A full disk may be what the warning is about, and what stderr goes to: no reason to panic.
            on_warning: Some(Arc::new(|text| tell!("warning: {text}"))),
            on_failure: Some(open.teller()),
            ..self.job.options()
        }
    }
}

/// What signals and the watchdog know of the job, which may be another one after each reload.
#[derive(Clone)]
pub struct Control {
    args: Arc<RunArgs>,
    legacies: Legacies,
    state: Arc<Mutex<State>>,
}

struct State {
    /// The job that runs.
    open: Arc<OpenJob>,
    stop: JobStop,
    /// The one that takes its place.
    next: Option<Arc<OpenJob>>,
    is_stopping: bool,
}

impl Control {
    fn new(args: &RunArgs, open: &Arc<OpenJob>) -> Self {
        let state = State { open: open.clone(), stop: JobStop::default(), next: None, is_stopping: false };
        Self { args: Arc::new(args.clone()), legacies: Legacies::default(), state: Arc::new(Mutex::new(state)) }
    }

    /// How the job runs that starts now: anew, or in the place of another one.
    fn begin(&self, open: &Arc<OpenJob>, has_started: &Arc<AtomicBool>, takes_over: bool) -> JobOptions {
        let stop = JobStop::default();
        let mut state = self.state();
        (state.open, state.stop) = (open.clone(), stop.clone());
        if state.is_stopping {
            stop.request();
        }
        drop(state);
        let (legacies, has_started, started) = (self.legacies.clone(), has_started.clone(), stop.clone());
        let on_started = move || {
            has_started.store(true, Ordering::Release);
            legacies.forget();
            notify::tell("READY=1");
            // What only starting needed is nothing that streams should be counted for.
            #[cfg(target_os = "linux")]
            if !started.running().is_empty() {
                firesteel_io::sys::program::forget_pages();
            }
        };
        JobOptions {
            stop,
            on_started: Some(Arc::new(on_started)),
            legacies: self.legacies.clone(),
            streams_only: takes_over,
            ..self.args.options(open)
        }
    }

    fn take_next(&self) -> Option<Arc<OpenJob>> {
        self.state().next.take()
    }

    fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    /// Reads the job again; if it can take the place of the one that runs, that one is asked to end.
    fn try_reload(&self) -> Result<(), Failure> {
        let running = self.state().open.clone();
        if self.args.job.is_stdin() {
            return Err(Error::invalid("a job that came from stdin cannot be read again").into());
        }
        let next = self.args.job.open()?;
        let fits = next.job.check_takes_over(&running.job, &next.session, &self.args.options(&next));
        let lost = next.locate(fits)?;
        lost.iter().for_each(|what| tell!("warning: {what}"));
        let mut state = self.state();
        if state.stop.running().is_empty() {
            return Err(Error::invalid("no stream runs yet that could be changed")
                .hint("send SIGHUP again when the job has begun")
                .into());
        }
        state.next = Some(Arc::new(next));
        self.legacies.want();
        state.stop.request();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signalled for Control {
    fn stop(&self) {
        notify::tell("STOPPING=1");
        let mut state = self.state();
        state.is_stopping = true;
        state.stop.request();
    }

    fn running(&self) -> JobStop {
        self.state().stop.clone()
    }

    fn reload(&self) {
        notify::tell_reloading();
        match self.try_reload() {
            Ok(()) => tell!("note: the job was read again"),
            Err(failure) => {
                failure.tell();
                tell!("note: the job goes on as it was");
                notify::tell("READY=1");
            }
        }
    }
}
