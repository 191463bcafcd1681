//! Signals: the first SIGINT or SIGTERM asks the job to end its epoch and stop; the second ends the process at once.

use firesteel_core::{Error, Result};
use firesteel_io::session::JobStop;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// Exit status of a process that a second signal ends: 128 + SIGINT, as shells have it.
const KILLED: i32 = 130;

/// Starts to watch for signals.
pub fn stop_on_request(stop: &JobStop) -> Result<()> {
    let failed = |e: std::io::Error| Error::io(format!("cannot watch for signals: {e}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let stop = stop.clone();
    let watch = move || {
        for _ in signals.forever() {
            if stop.is_requested() {
                std::process::exit(KILLED);
            }
            stop.request();
        }
    };
    std::thread::Builder::new().name("firesteel-signals".into()).spawn(watch).map_err(failed)?;
    Ok(())
}
