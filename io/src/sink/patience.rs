//! Waiting for what takes the rows: a disk that is full, a folder that is away, a pipe that nobody reads. All sinks
//! wait through here, so that a query that waits says so once, can be stopped, and goes on by itself afterwards.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use firesteel_core::{Error, Result};

use crate::sys;

/// Time from a failure to the next try: first, and at most. What is over is to be noticed within a second.
const DELAY_MIN: Duration = Duration::from_millis(10);
const DELAY_MAX: Duration = Duration::from_millis(500);
/// How long one may wait without looking whether the query was asked to stop.
const STOP_POLL: Duration = Duration::from_millis(20);
/// A pipe that takes any bytes at once takes so many.
const PIPE_BYTES: usize = 4096;

/// The query on whose behalf a sink waits.
pub trait Attendant: Send + Sync {
    /// Whether it was asked to stop.
    fn is_stop_requested(&self) -> bool;

    /// It waits for its sink, or does no longer.
    fn note_waiting(&self, waits: bool);

    /// Tells its user something.
    fn warn(&self, text: &str);

    /// How a query ends that is stopped while rows of its epoch were not taken because of this.
    fn cut_short(&self, reason: Error) -> Error;
}

/// How a sink waits. Without an attendant it never does.
#[derive(Clone, Default)]
pub struct Patience {
    attendant: Option<Arc<dyn Attendant>>,
    /// Waits where the table does not say what is to be done.
    is_default: bool,
    /// Since when nothing could be written.
    since: Option<Instant>,
    delay: Duration,
}

impl Patience {
    /// On behalf of a query; `is_default`: it goes on until it is stopped, and waits unless it is told otherwise.
    pub fn new(attendant: Arc<dyn Attendant>, is_default: bool) -> Self {
        Self { attendant: Some(attendant), is_default, since: None, delay: DELAY_MIN }
    }

    /// Whether to wait where the table does not say.
    pub fn is_default(&self) -> bool {
        self.attendant.is_some() && self.is_default
    }

    /// Tries until it succeeds, fails otherwise than by the outer world, or the query is asked to stop.
    pub fn retry<T>(&mut self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match attempt() {
                Ok(done) => {
                    self.note_success();
                    return Ok(done);
                }
                Err(error) if error.is_io() => self.wait_after(error)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Says once that something could not be written; what is done about it is in `then`.
    pub fn note_failure(&mut self, error: &Error, then: &str) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.delay = DELAY_MIN;
            if let Some(attendant) = &self.attendant {
                let hint = error.hint_text().map_or_else(String::new, |hint| format!(" ({hint})"));
                attendant.warn(&format!("{error}; {then}{hint}"));
            }
        }
    }

    /// Says once that it is over.
    pub fn note_success(&mut self) {
        if let (Some(since), Some(attendant)) = (self.since.take(), &self.attendant) {
            attendant.note_waiting(false);
            attendant.warn(&format!("results are written again, after {:.1} seconds", since.elapsed().as_secs_f64()));
        }
    }

    /// Whether the query was asked to stop. It lives, too: this is called as it waits.
    pub fn is_over(&self) -> bool {
        self.attendant.as_ref().is_some_and(|attendant| {
            attendant.note_waiting(true);
            attendant.is_stop_requested()
        })
    }

    /// The end of a wait that was asked to stop.
    pub fn cut_short(&self, reason: Error) -> Error {
        match &self.attendant {
            Some(attendant) => attendant.cut_short(reason),
            None => reason,
        }
    }

    /// No longer waits.
    pub fn note_done(&self) {
        if let Some(attendant) = &self.attendant {
            attendant.note_waiting(false);
        }
    }

    /// Waits before the next try.
    fn wait_after(&mut self, error: Error) -> Result<()> {
        if self.attendant.is_none() {
            return Err(error);
        }
        self.note_failure(&error, "the query waits, and goes on by itself when this is over");
        let deadline = Instant::now() + self.delay;
        self.delay = (self.delay * 2).min(DELAY_MAX);
        loop {
            if self.is_over() {
                return Err(self.cut_short(error));
            }
            match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Ok(()),
                left => std::thread::sleep(left.min(STOP_POLL)),
            }
        }
    }

    /// Writes all bytes to a file, a pipe or a terminal named `name`. A reader that is slow is waited for, one that has
    /// gone away ends the query quietly; what fails is tried again from where it was, if the query waits for such
    /// things.
    pub fn write_all(&mut self, mut file: &File, name: &str, bytes: &[u8]) -> Result<()> {
        let is_plain = file.metadata().is_ok_and(|data| data.is_file());
        let chunk = if is_plain { usize::MAX } else { PIPE_BYTES };
        let mut rest = bytes;
        while !rest.is_empty() {
            if !is_plain {
                self.wait_for_reader(file)?;
            }
            match file.write(&rest[..rest.len().min(chunk)]) {
                Ok(written) => {
                    rest = &rest[written..];
                    self.note_success();
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                    io::ErrorKind::BrokenPipe => return Err(Error::stopped()),
                    _ => {
                        let error = Error::io(format!("cannot write to {name}: {error}"));
                        if !self.is_default() {
                            return Err(error);
                        }
                        self.wait_after(error)?;
                    }
                },
            }
        }
        Ok(())
    }

    fn wait_for_reader(&self, file: &File) -> Result<()> {
        if self.attendant.is_none() || sys::poll::is_writable(file, Duration::ZERO) {
            return Ok(());
        }
        while !sys::poll::is_writable(file, STOP_POLL) {
            if self.is_over() {
                return Err(Error::stopped());
            }
        }
        self.note_done();
        Ok(())
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("is_default", &self.is_default)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
