//! The handle of a running stream: what Spark calls StreamingQuery. Cheap to clone; dropping it does not stop the
//! query.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use firesteel_core::{Error, Result};

use super::progress::StreamingQueryProgress;

/// How many progress reports a query keeps: Spark's `numRecentProgressUpdates`.
const RECENT_PROGRESS: usize = 100;

/// How long the epoch at hand may go on after the query was asked to stop. Then it is given up, and comes again from
/// the checkpoint, if there is one.
const EPOCH_GRACE: Duration = Duration::from_millis(700);

/// A running (or ended) stream.
#[derive(Clone, Debug)]
pub struct StreamingQuery {
    shared: Arc<Shared>,
}

/// What a query is doing, as Spark's StreamingQueryStatus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStatus {
    /// In words.
    pub message: String,
    /// New rows were there at the last look.
    pub is_data_available: bool,
    /// An epoch is running.
    pub is_trigger_active: bool,
}

/// What a query is doing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Starting,
    WaitingForRows,
    Processing,
    WaitingForTrigger,
    WaitingForSink,
    Nothing,
}

/// What the query itself tells costs it no lock: it tells it every epoch, and somebody asks now and then.
#[derive(Debug)]
struct Shared {
    id: String,
    run_id: String,
    name: Option<String>,
    stop: AtomicBool,
    /// When it was asked to stop.
    stop_at: OnceLock<Instant>,
    doing: AtomicU8,
    /// Changes while the query gets on, or waits in good health.
    pulse: AtomicU64,
    /// Times the query found nothing to do, and how many wait for the next, for `process_all_available`.
    idle_looks: AtomicU64,
    idle_waiters: AtomicU32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: Option<Option<Error>>,
    recent: VecDeque<StreamingQueryProgress>,
}

impl StreamingQuery {
    /// A query that goes on has the identity that it had.
    pub(super) fn new(name: Option<String>, id: Option<String>) -> Self {
        let shared = Shared {
            id: id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            run_id: uuid::Uuid::new_v4().to_string(),
            name,
            stop: AtomicBool::new(false),
            stop_at: OnceLock::new(),
            doing: AtomicU8::new(Doing::Starting as u8),
            pulse: AtomicU64::new(0),
            idle_looks: AtomicU64::new(0),
            idle_waiters: AtomicU32::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Identity of the query.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Identity of this run of it.
    pub fn run_id(&self) -> &str {
        &self.shared.run_id
    }

    /// Name given with `query_name`.
    pub fn name(&self) -> Option<&str> {
        self.shared.name.as_deref()
    }

    /// Whether it still runs.
    pub fn is_active(&self) -> bool {
        self.lock().ended.is_none()
    }

    /// What it is doing.
    pub fn status(&self) -> QueryStatus {
        let doing = self.shared.doing.load(Ordering::Relaxed);
        let (message, is_active) = match doing {
            doing if doing == Doing::Starting as u8 => ("Initializing", false),
            doing if doing == Doing::WaitingForRows as u8 => ("Waiting for data to arrive", false),
            doing if doing == Doing::Processing as u8 => ("Processing new data", true),
            doing if doing == Doing::WaitingForTrigger as u8 => ("Waiting for next trigger", false),
            doing if doing == Doing::WaitingForSink as u8 => ("Waiting for the sink to take rows", true),
            _ => ("Stopped", false),
        };
        QueryStatus { message: message.into(), is_data_available: is_active, is_trigger_active: is_active }
    }

    /// The progress of the last epoch.
    pub fn last_progress(&self) -> Option<StreamingQueryProgress> {
        self.lock().recent.back().cloned()
    }

    /// The progress of the last 100 epochs, oldest first.
    pub fn recent_progress(&self) -> Vec<StreamingQueryProgress> {
        self.lock().recent.iter().cloned().collect()
    }

    /// Why it failed, if it has.
    pub fn exception(&self) -> Option<Error> {
        self.lock().ended.clone().flatten()
    }

    /// Waits until the query ends; its error if it failed.
    pub fn await_termination(&self) -> Result<()> {
        let mut state = self.lock();
        loop {
            match &state.ended {
                Some(None) => return Ok(()),
                Some(Some(error)) => return Err(error.clone()),
                None => state = self.shared.changed.wait(state).unwrap_or_else(|e| e.into_inner()),
            }
        }
    }

    /// Waits at most so long; true if the query has ended.
    pub fn await_termination_for(&self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            match &state.ended {
                Some(None) => return Ok(true),
                Some(Some(error)) => return Err(error.clone()),
                None => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(|e| e.into_inner()).0;
        }
    }

    /// Waits until everything that is there now has been processed (or the query has ended).
    pub fn process_all_available(&self) -> Result<()> {
        let Shared { idle_looks, idle_waiters, changed, .. } = &*self.shared;
        let mut state = self.lock();
        // Before the count is read: `note_idle` counts before it looks for those who wait.
        idle_waiters.fetch_add(1, Ordering::SeqCst);
        // The look in progress may have started before the caller's rows were there: wait for the one after it.
        let wanted = idle_looks.load(Ordering::SeqCst) + 2;
        while state.ended.is_none() && idle_looks.load(Ordering::SeqCst) < wanted {
            state = changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
        idle_waiters.fetch_sub(1, Ordering::SeqCst);
        match &state.ended {
            Some(Some(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Asks the query to end after the epoch it is in, and waits until it has.
    pub fn stop(&self) -> Result<()> {
        self.request_stop();
        self.await_termination()
    }

    /// Asks the query to end after the epoch it is in.
    pub fn request_stop(&self) {
        self.shared.stop_at.get_or_init(Instant::now);
        self.shared.stop.store(true, Ordering::Release);
    }

    /// A number that changes while the query gets on, or waits for something that may well take its time: rows, its
    /// trigger, a sink. One that stays the same for seconds is that of a query that hangs, or has ended.
    pub fn pulse(&self) -> u64 {
        self.shared.pulse.load(Ordering::Relaxed)
    }

    pub(super) fn beat(&self) {
        // Written by the query's threads, read by whoever looks after it: any change will do.
        let pulse = self.shared.pulse.load(Ordering::Relaxed);
        self.shared.pulse.store(pulse.wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether whoever wants the query to stop has been waiting for its epoch to end for too long.
    pub(super) fn is_stop_overdue(&self) -> bool {
        self.is_stop_requested() && self.shared.stop_at.get().is_some_and(|at| at.elapsed() >= EPOCH_GRACE)
    }

    pub(super) fn is_stop_requested(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    pub(super) fn set_doing(&self, doing: Doing) {
        self.shared.doing.store(doing as u8, Ordering::Relaxed);
        self.beat();
    }

    pub(super) fn note_idle(&self) {
        self.shared.idle_looks.fetch_add(1, Ordering::SeqCst);
        if self.shared.idle_waiters.load(Ordering::SeqCst) > 0 {
            // Whoever has counted itself and not looked yet holds the lock.
            let _state = self.lock();
            self.shared.changed.notify_all();
        }
    }

    pub(super) fn add_progress(&self, progress: StreamingQueryProgress) {
        let mut state = self.lock();
        if state.recent.len() == RECENT_PROGRESS {
            state.recent.pop_front();
        }
        state.recent.push_back(progress);
    }

    pub(super) fn end(&self, error: Option<Error>) {
        self.set_doing(Doing::Nothing);
        let mut state = self.lock();
        state.ended = Some(error);
        self.shared.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left plain data behind, which is as good as any.
        self.shared.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}
