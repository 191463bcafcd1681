//! Workers: threads that read their share of an epoch's parts through their own copy of the pipeline, up to the
//! lowest aggregation. A worker keeps its groups from epoch to epoch; between epochs it lends everything it has to the
//! query's own thread, which takes over what the epoch hands out. Nothing is shared while both run.
//!
//! ```text
//!   query's thread   deal ─┬─► read its own share ──────────┬─► take over what closes ─► finish, commit
//!   worker                 └─► read its share ─► lend back ─┘   one queue of one place each way
//! ```

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    exec::{Driver, check_memory},
    limits::ROWS_BETWEEN_MEMORY_CHECKS,
};

use super::{
    execution::QueryOptions,
    handle::StreamingQuery,
    shares::{Share, deal, is_worth_sharing},
};
use crate::{ring::Wait, source::Reader, sys};

/// Looks for the other side's message before sleeping: some tens of microseconds, what waking up takes.
const SPINS: u32 = 2_000;

/// What a worker works with: sent to it with its share, sent back with the result.
#[derive(Debug)]
struct Bench {
    driver: Driver,
    /// By input: its port and this worker's reader of it.
    readers: Vec<(usize, Box<dyn Reader>)>,
    share: Share,
    /// By input, read in this epoch.
    rows: Vec<u64>,
    /// Whoever stops the query stops it in the middle of an epoch, too.
    may_stop: bool,
    result: Result<()>,
}

/// What every hand looks at as it reads.
#[derive(Clone, Debug)]
struct Surroundings {
    options: Arc<QueryOptions>,
    handle: StreamingQuery,
    held: Arc<[AtomicU64]>,
}

#[derive(Debug)]
struct Worker {
    /// With the worker while it reads.
    bench: Option<Box<Bench>>,
    to: Option<SyncSender<Box<Bench>>>,
    from: Receiver<Box<Bench>>,
    thread: Option<JoinHandle<()>>,
}

/// The workers of a query; none if it runs on one thread.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    wait: Wait,
    /// Bytes of state that each worker holds, if there is a bound to it.
    held: Arc<[AtomicU64]>,
    has_bound: bool,
    /// What is being dealt; kept from epoch to epoch.
    parts: Share,
}

impl Workers {
    /// Starts one worker a core of `options.cores` beyond the first, which is the query's own. `readers` makes a
    /// worker's readers.
    pub(super) fn start(
        driver: &Driver,
        options: &Arc<QueryOptions>,
        handle: &StreamingQuery,
        mut readers: impl FnMut() -> Result<Vec<(usize, Box<dyn Reader>)>>,
    ) -> Result<Self> {
        let cores = options.cores.get(1..).unwrap_or_default();
        let held: Arc<[AtomicU64]> = cores.iter().map(|_| AtomicU64::new(0)).collect();
        let around = Surroundings { options: options.clone(), handle: handle.clone(), held: held.clone() };
        let mut workers = Vec::new();
        for (number, &core) in cores.iter().enumerate() {
            let Some(driver) = driver.worker()? else { break };
            let (readers, share) = (readers()?, Share::new());
            let rows = vec![0; readers.len()];
            let bench = Box::new(Bench { driver, readers, share, rows, may_stop: false, result: Ok(()) });
            workers.push(Worker::start((number, core), bench, around.clone())?);
        }
        let has_bound = options.memory_bytes_max.is_some();
        Ok(Self { workers, wait: options.wait, held, has_bound, parts: Share::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Bytes of state that all workers hold, as far as they have told.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.held.iter().map(|held| held.load(Ordering::Relaxed)).sum()
    }

    /// Deals the parts out and starts everyone; the first share is left for the caller, who is a worker, too.
    pub(super) fn begin(&mut self, main: &Driver, parts: &mut Share, may_stop: bool) -> Result<()> {
        if self.workers.is_empty() || !is_worth_sharing(parts) {
            return Ok(());
        }
        let Self { workers, parts: all, .. } = self;
        std::mem::swap(parts, all);
        deal(all, workers.len() + 1, &mut |hand: usize, input, part| {
            let worker = hand.checked_sub(1).and_then(|worker| workers[worker].bench.as_mut());
            worker.map_or(&mut *parts, |bench| &mut bench.share).push((input, part));
        });
        all.clear();
        for worker in workers {
            let Some(mut bench) = worker.bench.take_if(|bench| !bench.share.is_empty()) else { continue };
            bench.driver.join_epoch(main);
            bench.may_stop = may_stop;
            worker.to.as_ref().ok_or_else(lost)?.send(bench).map_err(|_| lost())?;
        }
        Ok(())
    }

    /// Waits for everyone and takes over what the epoch hands out; tells `add_rows` of each input's rows.
    pub(super) fn end(&mut self, main: &mut Driver, mut add_rows: impl FnMut(usize, u64)) -> Result<()> {
        let mut result = Ok(());
        for (worker, held) in self.workers.iter_mut().zip(&*self.held) {
            let mut bench = match worker.bench.take() {
                Some(bench) => bench,
                None => receive(&worker.from, self.wait).map_err(|_| lost())?,
            };
            let outcome = core::mem::replace(&mut bench.result, Ok(()));
            bench.rows.iter_mut().enumerate().for_each(|(input, rows)| add_rows(input, std::mem::take(rows)));
            if result.is_ok() {
                result = outcome.and_then(|()| main.absorb(&mut bench.driver));
            }
            if self.has_bound {
                held.store(bench.driver.memory_bytes(), Ordering::Relaxed);
            }
            worker.bench = Some(bench);
        }
        result
    }

    /// Between epochs: takes over all that the workers hold, so that the main driver knows of everything.
    pub(super) fn gather(&mut self, main: &mut Driver) -> Result<()> {
        let mut benches = self.workers.iter_mut().filter_map(|worker| worker.bench.as_mut());
        benches.try_for_each(|bench| main.absorb_all(&mut bench.driver))
    }
}

impl Worker {
    fn start((number, core): (usize, Option<usize>), bench: Box<Bench>, around: Surroundings) -> Result<Self> {
        let (to, jobs) = sync_channel::<Box<Bench>>(1);
        let (results, from) = sync_channel(1);
        let work = move || {
            if let Some(core) = core {
                sys::pin_to_core(core);
            }
            while let Ok(mut bench) = receive(&jobs, around.options.wait) {
                bench.result = bench.read_share(number, &around);
                if results.send(bench).is_err() {
                    return;
                }
            }
        };
        let thread = sys::scarce::spawn(format!("firesteel-{}", number + 1), "for each of --cores", work)?;
        Ok(Self { bench: Some(bench), to: Some(to), from, thread: Some(thread) })
    }
}

impl Bench {
    fn read_share(&mut self, number: usize, around: &Surroundings) -> Result<()> {
        let Self { driver, readers, share, rows, may_stop, .. } = self;
        let mut nowhere = |_: &BlockRef<'_>| Ok(());
        let mut unchecked = 0;
        let mut result = share.iter().try_for_each(|(input, part)| {
            let (port, reader) = &mut readers[*input];
            rows[*input] += reader.read(part, &mut |block| {
                driver.push(*port, block, &mut nowhere)?;
                unchecked += block.len();
                if unchecked >= ROWS_BETWEEN_MEMORY_CHECKS {
                    around.check(number, std::mem::take(&mut unchecked), driver, *may_stop)?;
                }
                Ok(())
            })?;
            Ok(())
        });
        share.clear();
        if result.is_ok() {
            result = around.check(number, unchecked, driver, *may_stop);
        }
        result
    }
}

impl Surroundings {
    /// What is looked at now and then only: counts and bounds that all hands share.
    fn check(&self, number: usize, rows: usize, driver: &Driver, may_stop: bool) -> Result<()> {
        self.options.meter.add_rows(rows as u64);
        self.handle.beat();
        if (may_stop && self.handle.is_stop_requested()) || self.handle.is_stop_overdue() {
            return Err(Error::stopped());
        }
        let Some(most) = self.options.memory_bytes_max else { return Ok(()) };
        self.held[number].store(driver.memory_bytes(), Ordering::Relaxed);
        let held = self.held.iter().map(|held| held.load(Ordering::Relaxed)).sum();
        check_memory(held, Some(most))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            // A worker that panicked has already said so.
            let _ = thread.join();
        }
    }
}

/// The next message, waited for in the manner of `how`.
fn receive<T>(from: &Receiver<T>, how: Wait) -> Result<T, RecvError> {
    let mut spins: u32 = 0;
    while how == Wait::Spin || (how == Wait::Adaptive && spins < SPINS) {
        match from.try_recv() {
            Ok(message) => return Ok(message),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) => hint::spin_loop(),
        }
        spins = spins.saturating_add(1);
    }
    from.recv()
}

fn lost() -> Error {
    Error::internal("a worker thread has died")
}
