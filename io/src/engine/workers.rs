//! Workers: threads that read their share of an epoch's parts through their own copy of the pipeline, up to the
//! lowest aggregation. Between epochs a worker's state is with the query's own thread, which absorbs it; nothing is
//! shared while both run.

use std::{
    hint,
    sync::mpsc::{Receiver, RecvError, Sender, TryRecvError, channel},
    thread::JoinHandle,
};

use firesteel_core::{Error, Result, exec::Driver};

use crate::{
    ring::Wait,
    source::{Meter, Part, Reader},
    sys,
};

/// Looks for the other side's message before sleeping: some tens of microseconds, what waking up takes.
const SPINS: u32 = 2_000;

/// What a worker works with: sent to it with its share, sent back with the result.
#[derive(Debug)]
struct Bench {
    driver: Driver,
    /// By input: its port and this worker's reader of it.
    readers: Vec<(usize, Box<dyn Reader>)>,
    /// Input and part, in order.
    share: Vec<(usize, Part)>,
    rows: Vec<u64>,
    result: Result<()>,
}

#[derive(Debug)]
struct Worker {
    bench: Option<Box<Bench>>,
    to: Option<Sender<Box<Bench>>>,
    from: Receiver<Box<Bench>>,
    thread: Option<JoinHandle<()>>,
}

/// The workers of a query; none if it runs on one thread.
#[derive(Debug, Default)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    wait: Wait,
}

impl Workers {
    /// Starts one worker a core of `cores` (beyond the query's own). `readers` makes a worker's readers.
    pub(super) fn start(
        driver: &Driver,
        cores: &[Option<usize>],
        wait: Wait,
        meter: &Meter,
        mut readers: impl FnMut() -> Result<Vec<(usize, Box<dyn Reader>)>>,
    ) -> Result<Self> {
        let mut workers = Vec::new();
        for (number, &core) in cores.iter().enumerate() {
            let Some(driver) = driver.worker()? else { break };
            let readers = readers()?;
            let rows = vec![0; readers.len()];
            let bench = Box::new(Bench { driver, readers, share: Vec::new(), rows, result: Ok(()) });
            workers.push(Worker::start((number, core), bench, wait, meter.clone())?);
        }
        Ok(Self { workers, wait })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Deals the parts out and starts everyone; the last share is left for the caller, who is a worker, too.
    pub(super) fn begin(&mut self, main: &Driver, parts: &mut Vec<(usize, Part)>) -> Result<()> {
        let hands = self.workers.len() + 1;
        let mut dealt = 0;
        parts.retain(|(input, part)| {
            let hand = dealt % hands;
            dealt += 1;
            // A live input has one reader, which belongs to the query's own thread.
            let Some(worker) = self.workers.get_mut(hand).filter(|_| !matches!(part, Part::Live)) else { return true };
            worker.bench.as_mut().is_none_or(|bench| {
                bench.share.push((*input, part.clone()));
                false
            })
        });
        for worker in &mut self.workers {
            let Some(mut bench) = worker.bench.take() else { return Err(lost()) };
            bench.driver.join_epoch(main);
            worker.to.as_ref().ok_or_else(lost)?.send(bench).map_err(|_| lost())?;
        }
        Ok(())
    }

    /// Waits for everyone and takes over what they gathered; adds the rows they read to `rows`, by input.
    pub(super) fn end(&mut self, main: &mut Driver, rows: &mut [u64]) -> Result<()> {
        let mut result = Ok(());
        for worker in &mut self.workers {
            let mut bench = receive(&worker.from, self.wait).map_err(|_| lost())?;
            let outcome = core::mem::replace(&mut bench.result, Ok(()));
            bench.rows.iter_mut().zip(&mut *rows).for_each(|(read, sum)| *sum += core::mem::take(read));
            if result.is_ok() {
                result = outcome.and_then(|()| main.absorb(&mut bench.driver));
            }
            worker.bench = Some(bench);
        }
        result
    }
}

impl Worker {
    fn start((number, core): (usize, Option<usize>), bench: Box<Bench>, wait: Wait, meter: Meter) -> Result<Self> {
        let (to, jobs) = channel::<Box<Bench>>();
        let (results, from) = channel();
        let work = move || {
            if let Some(core) = core {
                sys::pin_to_core(core);
            }
            while let Ok(mut bench) = receive(&jobs, wait) {
                bench.result = bench.read_share(&meter);
                if results.send(bench).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("firesteel-{}", number + 1)).spawn(work);
        let thread = thread.map_err(|e| Error::io(format!("cannot start a worker thread: {e}")))?;
        Ok(Self { bench: Some(bench), to: Some(to), from, thread: Some(thread) })
    }
}

impl Bench {
    fn read_share(&mut self, meter: &Meter) -> Result<()> {
        let Self { driver, readers, share, rows, .. } = self;
        let mut nowhere = |_: &firesteel_core::block::BlockRef<'_>| Ok(());
        let result = share.iter().try_for_each(|(input, part)| {
            let (port, reader) = &mut readers[*input];
            rows[*input] += reader.read(part, &mut |block| {
                meter.add_rows(block.rows().count() as u64);
                driver.push(*port, block, &mut nowhere)
            })?;
            Ok(())
        });
        share.clear();
        result
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
