//! Checkpoints of a running stream: when they are due, who writes them, and what follows when one is durable.
//!
//! ```text
//!   query's thread    ... epoch ─► epoch ─► prepare, save ─► epoch ─► epoch ─► publish, release ─► epoch ...
//!                                                │                              ▲
//!   writer's thread                              └─► write, fsync, rename ──────┘
//! ```
//! The query goes on while a checkpoint is written. What it remembers is shown (files) or given back (rings) only when
//! it is durable; rows are given back a checkpoint later still, so that the older of the two kept generations can be
//! gone on from as well.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use firesteel_core::{
    Error, Result,
    exec::{Driver, ScanPort},
    plan::{OutputMode, Scan},
};
use serde_json::Value as Json;

use super::progress::CheckpointProgress;
use crate::{
    checkpoint::{Checkpoint, Discarded, Header, Lost, Opened, SourceHeader, Store},
    format::Format,
    sink::Prepared,
    source::Source,
    sys::scarce,
};

/// Rings are given room from here on, without waiting for the interval.
const PRESSURE_MAX: f64 = 0.25;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Takes what a user should know and nobody waits for.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a query remembers, and how often.
#[derive(Clone, Debug)]
pub struct CheckpointOptions {
    /// The folder of its checkpoints, its own.
    pub folder: PathBuf,
    /// Time between two of them.
    pub interval: Duration,
    /// Starts afresh where no checkpoint can be used, or where the query has changed so much that none can be.
    pub may_restart_from_scratch: bool,
}

/// What of a running query is remembered, and what is about to be.
#[derive(Debug)]
pub(super) struct Checkpointing {
    // Properties.
    interval: Duration,
    to_writer: Option<SyncSender<Job>>,
    from_writer: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    // State.
    /// Epochs have run since the last checkpoint was begun.
    is_behind: bool,
    begun_at: Instant,
    in_flight: Option<Remembered>,
    /// What the newest durable checkpoint remembers.
    durable: Option<Remembered>,
    /// What the durable one remembers could not be shown.
    is_unpublished: bool,
    // Metrics.
    started_at: Instant,
    counts: Counts,
    /// Why the last one failed.
    failure: Option<Error>,
}

/// What must be known of a checkpoint when it is durable.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    sink: Json,
    /// Of each stream, in the order of the inputs.
    positions: Vec<Json>,
}

impl From<Header> for Remembered {
    fn from(header: Header) -> Self {
        let positions = header.sources.into_iter().map(|source| source.position).collect();
        Self { sink: header.sink, positions }
    }
}

/// Checkpoints of this run.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    written: u64,
    failed: u64,
    bytes: u64,
    /// Failures since the last success.
    failing: u64,
    time: Duration,
    time_max: Duration,
}

/// What the writer says when it is done: the bytes it wrote or what it has lost, and how long it took.
type Done = (Result<u64, (Error, Lost)>, Duration);

#[derive(Debug)]
struct Job {
    checkpoint: Checkpoint,
    /// Of the sink: to be made durable, and those among them that are other files than before.
    files: Vec<PathBuf>,
    renewed: Vec<PathBuf>,
}

/// What became of a checkpoint.
pub(super) enum Outcome {
    /// It is durable; rows before these positions, those of the one before it, will not be asked for again.
    Durable {
        sink: Json,
        release: Option<Vec<Json>>,
    },
    Failed {
        error: Error,
        lost: Lost,
    },
}

impl Checkpointing {
    /// Starts the thread that writes.
    pub(super) fn start(store: Store, interval: Duration, durable: Option<Remembered>) -> Result<Self> {
        let (to_writer, jobs) = sync_channel::<Job>(1);
        let (done, from_writer) = sync_channel(1);
        let mut store = store;
        let write = move || {
            while let Ok(Job { checkpoint, files, renewed }) = jobs.recv() {
                let start = Instant::now();
                renewed.iter().for_each(|path| store.renewed(path));
                let result = store.save(&checkpoint, &files).map_err(|error| (error, store.take_lost()));
                if done.send((result, start.elapsed())).is_err() {
                    return;
                }
            }
        };
        let thread = scarce::spawn("firesteel-checkpoint", "for checkpoints", write)?;
        Ok(Self {
            interval,
            to_writer: Some(to_writer),
            from_writer,
            thread: Some(thread),
            is_behind: durable.is_none(),
            begun_at: Instant::now(),
            in_flight: None,
            durable,
            is_unpublished: false,
            started_at: Instant::now(),
            counts: Counts::default(),
            failure: None,
        })
    }

    /// An epoch has run.
    pub(super) fn note_epoch(&mut self) {
        self.is_behind = true;
    }

    /// What the durable one remembers could not be shown, so there must be another; true if that is new.
    pub(super) fn note_unpublished(&mut self) -> bool {
        self.is_behind = true;
        !std::mem::replace(&mut self.is_unpublished, true)
    }

    /// All is shown; true if that is new.
    pub(super) fn note_published(&mut self) -> bool {
        std::mem::take(&mut self.is_unpublished)
    }

    /// Whether there is anything that no checkpoint remembers.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Whether the last one failed.
    pub(super) fn is_failing(&self) -> bool {
        self.counts.failing > 0
    }

    /// Why the last one failed, told once.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Whether a checkpoint should be begun; `pressure` is how full of held rows the fullest ring is.
    pub(super) fn is_due(&self, pressure: impl FnOnce() -> f64) -> bool {
        let is_free = self.is_behind && self.in_flight.is_none();
        // While the disk fails, rings that fill up are no reason to try all the time.
        is_free && (self.begun_at.elapsed() >= self.interval || (self.counts.failing == 0 && pressure() > PRESSURE_MAX))
    }

    /// Has a checkpoint written. None may be in flight.
    pub(super) fn begin(&mut self, header: Header, state: Vec<u8>, prepared: Prepared) -> Result<()> {
        assert!(self.in_flight.is_none(), "one checkpoint is written after the other");
        self.in_flight = Some(header.clone().into());
        self.is_behind = false;
        self.begun_at = Instant::now();
        let Prepared { files, renewed, .. } = prepared;
        let job = Job { checkpoint: Checkpoint { header, state }, files, renewed };
        let is_sent = self.to_writer.as_ref().is_some_and(|writer| writer.send(job).is_ok());
        if is_sent { Ok(()) } else { Err(gone()) }
    }

    /// What became of the checkpoint in flight, if that is known by now.
    pub(super) fn poll(&mut self) -> Result<Option<Outcome>> {
        if self.in_flight.is_none() {
            return Ok(None);
        }
        match self.from_writer.try_recv() {
            Ok(done) => Ok(self.settle(done)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// Waits for the checkpoint in flight, if there is one.
    pub(super) fn wait(&mut self) -> Result<Option<Outcome>> {
        if self.in_flight.is_none() {
            return Ok(None);
        }
        let done = self.from_writer.recv().map_err(|_| gone())?;
        Ok(self.settle(done))
    }

    /// For reports.
    pub(super) fn progress(&self) -> CheckpointProgress {
        let Counts { written, failed, bytes, time, time_max, .. } = self.counts;
        let seconds = self.started_at.elapsed().as_secs_f64().max(1.0);
        CheckpointProgress {
            written,
            failed,
            bytes,
            bytes_per_day: (bytes as f64 * SECONDS_PER_DAY / seconds) as u64,
            time_ms: time.as_millis() as u64,
            time_max_ms: time_max.as_millis() as u64,
        }
    }

    fn settle(&mut self, (result, time): Done) -> Option<Outcome> {
        let remembered = self.in_flight.take()?;
        self.counts.time += time;
        self.counts.time_max = self.counts.time_max.max(time);
        Some(match result {
            Ok(bytes) => {
                self.counts.written += 1;
                self.counts.bytes += bytes;
                self.counts.failing = 0;
                self.failure = None;
                let sink = remembered.sink.clone();
                let before = self.durable.replace(remembered);
                Outcome::Durable { sink, release: before.map(|before| before.positions) }
            }
            Err((error, lost)) => {
                self.counts.failed += 1;
                self.counts.failing += 1;
                self.is_behind = true;
                self.failure = Some(error.clone());
                Outcome::Failed { error, lost }
            }
        })
    }
}

impl Drop for Checkpointing {
    fn drop(&mut self) {
        // The thread ends when nobody can give it work; the folder is free when it has ended.
        self.to_writer = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a query is, and where it stands.
pub(super) fn header<'a>(
    query_id: &str,
    driver: &Driver,
    streams: impl Iterator<Item = &'a dyn Source>,
    sink: Json,
) -> Header {
    let source = |source: &dyn Source| SourceHeader { description: source.description(), position: source.position() };
    Header {
        query_id: query_id.into(),
        next_epoch: driver.next_epoch_id(),
        mode: driver.mode().map_or("batch", OutputMode::name).into(),
        operators: driver.remembered().map(String::from).collect(),
        sources: streams.map(source).collect(),
        sink,
    }
}

/// What a query is, as far as its plan says.
pub(crate) fn planned_header(driver: &Driver) -> Header {
    let kind = |scan: &Scan| match Format::parse(&scan.table.provider) {
        Ok(_) => "files".into(),
        Err(_) => scan.table.provider.to_lowercase(),
    };
    let source = |port: ScanPort| SourceHeader { description: kind(&port.scan), position: Json::Null };
    let scans = driver.stages().into_iter().flat_map(|stage| stage.scans);
    let sources = scans.filter(|port| port.scan.is_stream).map(source).collect();
    Header { sources, ..header("", driver, std::iter::empty(), Json::Null) }
}

/// The name under which others know this query as the reader of its stream number `index`: the same in every run.
pub(super) fn reader_name(folder: &Path, index: usize) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    format!("checkpoint-{:08x}-{index}", crc32fast::hash(folder.as_os_str().as_encoded_bytes()))
}

/// Opens the folder and finds the checkpoint to go on from; `None` starts afresh.
pub(super) fn open(
    options: &CheckpointOptions,
    this: &Header,
    warn: &mut Vec<String>,
) -> Result<(Store, Option<Checkpoint>)> {
    let Opened { mut store, checkpoint, discarded, is_lost } = Store::open(&options.folder)?;
    let folder = options.folder.display();
    let list = |discarded: &[Discarded]| {
        let each = discarded.iter().map(|d| format!("{}: {}", d.path.display(), d.reason));
        each.collect::<Vec<_>>().join("; ")
    };
    if is_lost && !options.may_restart_from_scratch {
        return Err(Error::corrupt(format!("no checkpoint in {folder} can be used ({})", list(&discarded))).hint(
            "--allow-restart-from-scratch starts the query as if it were new: all its tables are read from their \
             start, and what it had gathered is gone",
        ));
    }
    if !discarded.is_empty() && !is_lost {
        warn.push(format!("the query goes on from an older checkpoint: {} cannot be used", list(&discarded)));
    }
    let checkpoint = match checkpoint {
        None => None,
        Some(checkpoint) => match (difference(&checkpoint.header, this), options.may_restart_from_scratch) {
            (None, _) => Some(checkpoint),
            (Some(what), true) => {
                warn.push(format!("the query starts as if it were new: {what}"));
                None
            }
            (Some(what), false) => {
                return Err(Error::invalid(format!("the checkpoint in {folder} is of another query: {what}")).hint(
                    "give the changed query another folder, or --allow-restart-from-scratch, which forgets what the \
                     old one had gathered",
                ));
            }
        },
    };
    if checkpoint.is_none() {
        if is_lost {
            warn.push(format!("the query starts as if it were new: {}", list(&discarded)));
        }
        store.clear()?;
    }
    Ok((store, checkpoint))
}

/// What of a query has changed so that its state cannot be carried over. Filters, projections, rate limits, triggers
/// and sinks may change, as in Spark.
pub(crate) fn difference(saved: &Header, this: &Header) -> Option<String> {
    if saved.mode != this.mode {
        return Some(format!("it ran in {} mode, now in {}", saved.mode, this.mode));
    }
    let kind = |description: &str| description.split('[').next().unwrap_or_default().to_string();
    let kinds = |header: &Header| header.sources.iter().map(|s| kind(&s.description)).collect::<Vec<_>>();
    let (before, now) = (kinds(saved), kinds(this));
    if before != now {
        return Some(format!("it read {}, now {}", before.join(", "), now.join(", ")));
    }
    if saved.operators.len() != this.operators.len() {
        let count = |n: usize| format!("{n} operator(s) with a state");
        return Some(format!("it had {}, now {}", count(saved.operators.len()), count(this.operators.len())));
    }
    let mut pairs = saved.operators.iter().zip(&this.operators);
    pairs.find(|(before, now)| before != now).map(|(before, now)| format!("it kept «{before}», now «{now}»"))
}

fn gone() -> Error {
    Error::internal("the thread that writes checkpoints has ended")
}
