//! Standard input, named pipes and terminals as a stream that ends where the input ends.
//!
//! ```text
//!   bytes ─► thread of its own: decode ─► bounded queue of blocks ─► plan, read
//! ```
//! Rows are handed on as soon as no more bytes are there: a row never waits for its block to fill. While the query is
//! busy, rows gather in blocks; when the queue is full the thread stops reading, and so the writer waits.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef},
    schema::Schema,
};
use serde_json::{Value as Json, json};

use super::{Account, Decoding, Dropped, Part, Reader, Source};
use crate::{
    format::{Decoder, packed},
    ring::Wait,
    sys,
};

/// Bytes asked of the system at a time: what a pipe holds.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// Blocks that wait to be read at most: enough to keep both threads busy, little enough to stay in the cache.
pub(super) const BLOCKS_MAX: usize = 8;

/// Standard input is read by one table: two would each get a part of its rows.
static STANDARD_INPUT_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Where the bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipeInput {
    /// Standard input.
    Standard,
    /// A named pipe or a device.
    Path(PathBuf),
}

impl PipeInput {
    /// The input that a table's path means, if it is one: `-`, or the path of something that is no file.
    pub fn of(path: &str) -> Option<Self> {
        if path == "-" {
            return Some(Self::Standard);
        }
        let is_pipe = fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir());
        is_pipe.then(|| Self::Path(path.into()))
    }

    fn open(&self) -> io::Result<File> {
        match self {
            Self::Standard => sys::poll::standard_input(),
            // Waits for somebody to open the other end.
            Self::Path(path) => File::open(path),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Standard => "standard input".into(),
            Self::Path(path) => path.display().to_string(),
        }
    }
}

/// A stream of bytes being read.
#[derive(Debug)]
pub struct PipeSource {
    // Fixed properties.
    name: String,
    is_stream: bool,
    queue: Arc<Queue>,
    // State.
    rows_planned: u64,
    /// Of these, those of epochs that were committed.
    rows_committed: u64,
    is_planned: bool,
    // Metrics.
    dropped: Dropped,
}

impl PipeSource {
    /// Starts to read. A batch is everything up to the end of the input.
    pub fn open(input: PipeInput, decoding: &Decoding, is_stream: bool) -> Result<Self> {
        if input == PipeInput::Standard && STANDARD_INPUT_IS_TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Error::invalid("standard input is read by another table already")
                .hint("read it once; to use its rows twice, write them to a ring or a file first"));
        }
        Self::start(input.name(), move || input.open(), decoding, is_stream)
    }

    fn start(
        name: String,
        open: impl FnOnce() -> io::Result<File> + Send + 'static,
        decoding: &Decoding,
        is_stream: bool,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(decoding));
        let dropped = Dropped::default();
        let mut pump =
            Pump { name: name.clone(), decoder: decoding.decoder()?, queue: queue.clone(), dropped: dropped.clone() };
        let work = move || {
            let result = open().map_err(|e| failed(&pump.name, &e)).and_then(|file| pump.run(file));
            pump.queue.end(result);
        };
        // Not joined: it may sit in a read that never returns.
        sys::scarce::spawn("firesteel-input", &format!("to read {name}"), work)?;
        Ok(Self { name, is_stream, queue, rows_planned: 0, rows_committed: 0, is_planned: false, dropped })
    }
}

impl Source for PipeSource {
    fn description(&self) -> String {
        format!("PipeSource[{}]", self.name)
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        if !self.is_stream {
            let is_first = !core::mem::replace(&mut self.is_planned, true);
            parts.extend(is_first.then_some(Part::Live));
            return Ok(is_first);
        }
        let rows = self.queue.plan()?;
        self.rows_planned += rows;
        parts.extend((rows > 0).then_some(Part::Live));
        Ok(rows > 0)
    }

    fn offset(&self) -> Json {
        if self.rows_planned == 0 { Json::Null } else { json!({ "rows": self.rows_planned }) }
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(PipeReader { queue: self.queue.clone(), to_the_end: !self.is_stream }))
    }

    fn commit(&mut self) -> Result<()> {
        self.rows_committed = self.rows_planned;
        Ok(())
    }

    fn wait(&mut self, timeout: Duration, _how: Wait) -> Result<()> {
        self.queue.wait(timeout);
        Ok(())
    }

    /// All there will ever be is what comes until the input ends.
    fn freeze(&mut self) -> Result<()> {
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.has_ended()
    }

    fn has_ended(&self) -> bool {
        let state = self.queue.lock();
        // An error is still to be told, by `plan`.
        matches!(state.end, Some(Ok(()))) && state.ready.is_empty() && state.planned.is_empty()
    }

    fn dropped(&self) -> Vec<(String, u64)> {
        self.dropped.counts()
    }

    fn account(&self) -> Option<Account> {
        let (rows, dropped) = (self.queue.lock().rows, self.dropped.counts());
        let accepted = rows + dropped.iter().map(|(_, count)| count).sum::<u64>();
        Some(Account { accepted, dropped, pending: rows.saturating_sub(self.rows_committed) })
    }
}

impl Drop for PipeSource {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The thread that reads and decodes.
#[derive(Debug)]
struct Pump {
    name: String,
    decoder: Decoder,
    queue: Arc<Queue>,
    dropped: Dropped,
}

impl Pump {
    fn run(&mut self, mut file: File) -> Result<()> {
        let Self { name, decoder, queue, dropped } = self;
        let mut push = |block: &BlockRef<'_>| queue.push(block);
        let mut chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        let mut malformed = decoder.malformed().clone();
        decoder.begin_file(name);
        let mut is_first = true;
        loop {
            if !sys::poll::is_readable(&file, Duration::ZERO) {
                decoder.flush(&mut push)?;
            }
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(len) => {
                    if std::mem::take(&mut is_first) {
                        packed::refuse(name, &chunk[..len])?;
                    }
                    decoder.push(&chunk[..len], &mut push)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever shares our input has made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sys::poll::is_readable(&file, Duration::from_millis(100));
                }
                Err(error) => return Err(failed(name, &error)),
            }
            if decoder.malformed().total() > malformed.total() {
                dropped.add(&malformed, decoder.malformed());
                malformed = decoder.malformed().clone();
            }
        }
        decoder.end_file(&mut push)?;
        dropped.add(&malformed, decoder.malformed());
        decoder.flush(&mut push)
    }
}

/// Blocks on their way from the thread that decodes to the query.
#[derive(Debug)]
struct Queue {
    schema: Schema,
    block_rows: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Decoded and not planned: the last one may still grow.
    ready: VecDeque<Block>,
    /// Planned and not read.
    planned: VecDeque<Block>,
    /// Empty ones, to be filled again.
    spare: Vec<Block>,
    /// How the input ended, if it has.
    end: Option<Result<()>>,
    /// Nobody wants more.
    is_closed: bool,
    /// Rows that have come.
    rows: u64,
}

impl Queue {
    fn new(decoding: &Decoding) -> Self {
        let Decoding { schema, block_rows, .. } = decoding;
        Self { schema: schema.clone(), block_rows: *block_rows, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Copies the rows into the queue; waits while it is full.
    fn push(&self, block: &BlockRef<'_>) -> Result<()> {
        let mut state = self.lock();
        let fits = |state: &State| state.ready.back().is_some_and(|last| last.len() + block.len() <= self.block_rows);
        while !state.is_closed && state.ready.len() >= BLOCKS_MAX && !fits(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return Err(Error::stopped());
        }
        if !fits(&state) {
            let empty = state.spare.pop().unwrap_or_else(|| Block::new(&self.schema));
            state.ready.push_back(empty);
        }
        if let Some(last) = state.ready.back_mut() {
            last.append(block);
        }
        state.rows += block.rows().count() as u64;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// What is ready is the next epoch; gives its rows. The error with which the input ended comes after its rows.
    fn plan(&self) -> Result<u64> {
        let mut state = self.lock();
        let State { ready, planned, end, .. } = &mut *state;
        if ready.is_empty()
            && let Some(Err(error)) = end
        {
            return Err(error.clone());
        }
        let rows = ready.iter().map(|block| block.len() as u64).sum();
        planned.append(ready);
        drop(state);
        self.changed.notify_all();
        Ok(rows)
    }

    /// The next planned block; if all are wanted, waits for more until the input ends.
    fn next(&self, to_the_end: bool) -> Result<Option<Block>> {
        let mut state = self.lock();
        loop {
            if let Some(block) = state.planned.pop_front() {
                return Ok(Some(block));
            }
            if !to_the_end {
                return Ok(None);
            }
            if let Some(block) = state.ready.pop_front() {
                self.changed.notify_all();
                return Ok(Some(block));
            }
            if let Some(end) = &state.end {
                return end.clone().map(|()| None);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, mut block: Block) {
        block.clear();
        self.lock().spare.push(block);
    }

    fn wait(&self, timeout: Duration) {
        let is_idle = |state: &mut State| state.ready.is_empty() && state.end.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, is_idle);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn end(&self, result: Result<()>) {
        self.lock().end = Some(result);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct PipeReader {
    queue: Arc<Queue>,
    to_the_end: bool,
}

impl Reader for PipeReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        if !matches!(part, Part::Live) {
            return Err(Error::internal(format!("a pipe was asked to read {part:?}")));
        }
        let mut rows = 0;
        while let Some(block) = self.queue.next(self.to_the_end)? {
            sink(&block.view())?;
            rows += block.len() as u64;
            self.queue.give_back(block);
        }
        Ok(rows)
    }
}

fn failed(name: &str, error: &io::Error) -> Error {
    Error::io(format!("cannot read {name}: {error}"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
