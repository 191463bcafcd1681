//! Signals: the first SIGINT or SIGTERM asks the job to end its epoch and stop, within two seconds; the second ends the
//! process at once. SIGHUP has the job read again, unless there is a terminal that has hung up.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use firesteel_core::Result;
use firesteel_io::{session::JobStop, sys::scarce};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::output::tell;

/// Exit status of a process that a second signal ends: 128 + SIGINT, as shells have it.
const KILLED: i32 = 130;
/// Exit status of one that could not end by itself.
const STUCK: i32 = 1;
/// How long a job may take to stop.
const STOP_MAX: Duration = Duration::from_millis(1800);
const STOP_POLL: Duration = Duration::from_millis(20);

/// What signals act on.
pub trait Signalled: Send + 'static {
    /// The job that runs now is to stop; nothing comes after it.
    fn stop(&self);

    /// What runs now.
    fn running(&self) -> JobStop;

    /// The text of the job is to be read again.
    fn reload(&self);
}

impl Signalled for JobStop {
    fn stop(&self) {
        self.request();
    }

    fn running(&self) -> JobStop {
        self.clone()
    }

    fn reload(&self) {
        self.request();
    }
}

/// Starts to watch for signals.
pub fn watch(job: impl Signalled) -> Result<()> {
    let failed = |e: std::io::Error| scarce::error(format!("cannot watch for signals: {e}"), &e);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let has_terminal = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
    let watch = move || {
        let mut is_stopping = false;
        for signal in signals.forever() {
            if signal == SIGHUP && !has_terminal {
                job.reload();
                continue;
            }
            if std::mem::replace(&mut is_stopping, true) {
                std::process::exit(KILLED);
            }
            job.stop();
            end_in_time(job.running());
        }
    };
    scarce::spawn("firesteel-signals", "to watch for signals", watch).map(drop)
}

/// Ends the process if the job does not: checkpoints are as good as after a crash.
fn end_in_time(job: JobStop) {
    let deadline = Instant::now() + STOP_MAX;
    let wait = move || {
        while Instant::now() < deadline {
            std::thread::sleep(STOP_POLL);
        }
        let stuck = job.running().into_iter().filter(|query| query.is_active());
        let names: Vec<String> = stuck.map(|query| format!("{} ({})", query.id(), query.status().message)).collect();
        let what = if names.is_empty() { "its input or output".into() } else { names.join(", ") };
        tell!(
            "error: the job does not stop, waiting for {what}: it ends as in a crash, and goes on from its checkpoints"
        );
        std::process::exit(STUCK);
    };
    // Without the thread there is still the second signal.
    _ = std::thread::Builder::new().name("firesteel-deadline".into()).spawn(wait);
}
