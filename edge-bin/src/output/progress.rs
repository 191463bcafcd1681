//! A progress bar on stderr for batch runs over files: share, rows a second, time left. Only on a terminal, and only
//! if the run takes long enough to be worth one.

use std::{
    io::IsTerminal,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use firesteel_io::source::Meter;
use indicatif::ProgressStyle;

/// Runs that are over by then show no bar.
const PATIENCE: Duration = Duration::from_millis(500);
const REDRAW: Duration = Duration::from_millis(100);

/// The bar, drawn by a thread of its own.
#[derive(Debug)]
pub struct ProgressBar {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl ProgressBar {
    /// Starts to watch what a run reads.
    pub fn start(meter: Meter) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { thread: None };
        }
        let (done, finished) = channel::<()>();
        let draw = move || {
            if finished.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let started = Instant::now() - PATIENCE;
            let bar = indicatif::ProgressBar::new(0).with_style(style());
            while finished.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                // A stream of files has no end to show.
                if meter.bytes_planned() > 0 {
                    bar.set_length(meter.bytes_planned());
                    bar.set_position(meter.bytes());
                    let rate = meter.rows() as f64 / started.elapsed().as_secs_f64();
                    bar.set_message(format!("{:.2} M rows/s", rate / 1e6));
                }
            }
            bar.finish_and_clear();
        };
        let thread = std::thread::Builder::new().name("firesteel-bar".into()).spawn(draw).ok();
        Self { thread: thread.map(|thread| (done, thread)) }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some((done, thread)) = self.thread {
            drop(done);
            // A bar that failed to draw is no reason to fail.
            let _ = thread.join();
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {percent:>3}%  {bytes}/{total_bytes}  {msg}  {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
