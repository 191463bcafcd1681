//! Says to the service manager that the job is alive, for as long as each of its streams gets on or waits for something
//! that may well take its time. A job that hangs says nothing, and is killed and started again.

use std::collections::HashMap;

use crate::{notify, signals::Signalled};

/// Starts to say so, if it is asked for.
pub fn start(job: impl Signalled) {
    let Some(interval) = notify::watchdog_interval() else { return };
    let watch = move || {
        let mut pulses = HashMap::new();
        loop {
            std::thread::sleep(interval);
            let before = std::mem::take(&mut pulses);
            let streams = job.running().running().into_iter().filter(|query| query.is_active());
            pulses.extend(streams.map(|query| (query.run_id().to_string(), query.pulse())));
            if pulses.iter().all(|(id, pulse)| before.get(id) != Some(pulse)) {
                notify::tell("WATCHDOG=1");
            }
        }
    };
    // A process that cannot start it is not in good health, and will be found out.
    _ = std::thread::Builder::new().name("firesteel-watchdog".into()).spawn(watch);
}
