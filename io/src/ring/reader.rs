//! The reader's handle: the rows of all lanes of a stream, lent block by block.
//!
//! Three positions per lane: *read* (what `poll` has lent), *committed* (what the reader gave back, so that producers
//! may reuse it), *end* (what is published). `committed <= read <= end`. Whoever must not lose rows commits what a
//! checkpoint covers; whoever needs none commits what was read.
//!
//! Positions are named `LANE#ID`: a lane that was removed and made anew has another id, and starts from its beginning.

mod broken;
mod care;
mod handed;
mod resume;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use firesteel_core::{Error, Result, block::BlockRef, ring::rows_since, schema::Schema};

use self::broken::Trouble;
use super::{
    StreamFolder, about,
    bell::Bell,
    cursors::{self, CursorFile},
    lane::{self, Access},
    lane_reader::{Failure, LaneReader, LaneStatus},
    open_lanes::OpenLanes,
    wait::{Step, Wait, Waiting},
};

/// Rows that one `poll` lends at most, roughly: a poll is to end even if producers are as fast as we are.
const ROWS_PER_POLL: u64 = 1 << 18;

/// How often a reader without a bell looks for new lanes.
const RELIST_AFTER: Duration = Duration::from_millis(100);

pub use broken::BrokenLane;

/// Where a reader begins in lanes for which nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// At the oldest row there is.
    #[default]
    Oldest,
    /// Behind what is there when it comes; lanes that appear later are read from their beginning.
    Newest,
}

/// Published rows of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyRows {
    /// The lane's place among [`Reader::lanes`].
    pub lane: usize,
    /// The lane's key.
    pub key: Arc<str>,
    /// First row.
    pub start: u64,
    /// First row that is not among them.
    pub end: u64,
}

/// How to read a stream.
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions {
    /// Name of the cursor. Without one, a name is made up.
    pub name: Option<String>,
    /// The cursor outlives the reader: producers wait for it, and the next reader of this name goes on where it ended.
    /// Needs a name.
    pub durable: bool,
    /// Look only: no cursor, so producers do not wait, and rows may be overwritten before they are read. For finished
    /// lanes, and for a look inside.
    pub observe: bool,
    /// Only positions are asked for: rows are read by [`LaneReader`]s.
    pub positions_only: bool,
    /// A lane that cannot be read when the stream is opened is one that turned bad later: it is reported, and the
    /// others are read.
    pub tolerant: bool,
    /// Where to begin.
    pub start: Start,
    /// Only these columns are needed.
    pub columns: Option<Vec<usize>>,
}

/// The reader of a stream, or of one lane file.
#[derive(Debug)]
pub struct Reader {
    // Fixed properties.
    folder: Option<StreamFolder>,
    schema: Schema,
    options: ReaderOptions,
    // State.
    bell: Option<Bell>,
    cursor: Option<CursorFile>,
    /// Lanes that are handed out to producers.
    handed: handed::Handed,
    lanes: Vec<LaneReader>,
    /// Lanes that cannot be read.
    broken: Vec<BrokenLane>,
    /// Lanes that were let go of.
    retired: Vec<LaneStatus>,
    /// How often a lane was found to be unreadable.
    breaks: u64,
    /// Lanes for those who read what [`Reader::ready`] found.
    open: OpenLanes,
    /// `Bell::changes` when the lanes were listed.
    changes: u32,
    listed_at: Instant,
    /// Has slept since.
    has_waited: bool,
    /// Began behind rows that it might have read.
    has_skipped: bool,
    /// Positions to take in lanes that have not appeared yet.
    pending: Vec<(String, u64)>,
    /// Positions that are not to be passed; lanes that are not mentioned are not read.
    limits: Option<Vec<(String, u64)>>,
    /// The folder cannot be looked at.
    trouble: Option<Trouble>,
}

impl Reader {
    /// Opens the stream at `path` with all its lanes, or a single lane file (which is only observed).
    pub fn open(path: impl AsRef<Path>, options: ReaderOptions) -> Result<Self> {
        let path = path.as_ref();
        if path.is_file() {
            return Self::open_lane_file(path, options);
        }
        Self::open_in(StreamFolder::open(path)?, options)
    }

    /// As [`Reader::open`], for a stream that is open already.
    pub fn open_in(folder: StreamFolder, options: ReaderOptions) -> Result<Self> {
        let mut reader = Self::new(folder.schema().clone(), options);
        if reader.options.observe {
            // Who may only look has no bell, and looks now and then.
            reader.bell = Bell::open_existing(folder.path()).ok();
        } else {
            let bell = Bell::open(folder.path())?;
            reader.cursor = Some(reader.open_cursor(&folder)?);
            // From here on every producer knows of us, and holds what we have not seen.
            bell.announce();
            cursors::forget_the_dead(&folder);
            reader.bell = Some(bell);
        }
        reader.folder = Some(folder);
        // To a cursor that was here before, a lane that it does not know is one that came while its reader was gone.
        let knows_some = reader.cursor.as_ref().is_some_and(CursorFile::was_there);
        let start = if knows_some { Start::Oldest } else { reader.options.start };
        reader.has_skipped = start == Start::Newest;
        reader.find_lanes(start)?;
        // What the system has too little of is no lane's fault, and better raised before anything has begun.
        let is_bad = |lane: &&BrokenLane| !reader.options.tolerant || lane.error.is_scarce();
        match reader.broken.iter().find(is_bad) {
            Some(lane) => Err(lane.error.clone()),
            None => Ok(reader),
        }
    }

    /// Lends what is published, in order within each lane, to `take` (lane index and block), and waits up to `timeout`
    /// if there is nothing. Returns the number of rows lent. If `take` fails, its block counts as not read.
    ///
    /// A lane that cannot be read is reported once, as an error that names its file; the others can be polled on.
    pub fn poll(&mut self, timeout: Duration, mut take: impl FnMut(usize, &BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let mut waiting = Waiting::up_to(timeout, Wait::Adaptive);
        loop {
            self.find_new_lanes();
            let rows = self.read_ready(&mut take)?;
            if let Some(error) = self.next_report() {
                return Err(error);
            }
            if rows > 0 || waiting.is_over() || self.is_at_limits() {
                return Ok(rows);
            }
            self.wait(&mut waiting);
        }
    }

    /// Puts the rows that are published and were not read into `ready`, lane by lane, for whoever reads them with
    /// [`LaneReader`](super::LaneReader)s; [`Reader::pass`] then goes behind them. A lane that turns out to be
    /// unreadable has none; [`Reader::broken_lanes`] tells why.
    pub fn ready(&mut self, ready: &mut Vec<ReadyRows>) -> Result<()> {
        ready.clear();
        self.find_new_lanes();
        self.retire_lanes();
        let mut failed = Vec::new();
        for (i, lane) in self.lanes.iter_mut().enumerate() {
            match lane.ready() {
                Ok(Some((start, end))) => ready.push(ReadyRows { lane: i, key: lane.key.clone(), start, end }),
                Ok(None) => {}
                Err(error) => failed.push((i, error)),
            }
        }
        failed.into_iter().for_each(|(i, error)| self.break_lane(i, error));
        Ok(())
    }

    /// Goes behind rows that were ready. A lane that turns out to be unreadable is left alone from then on.
    pub fn pass(&mut self, ready: &[ReadyRows]) {
        for rows in ready {
            let lane = &mut self.lanes[rows.lane];
            lane.seen = None;
            if let Err(error) = lane.consumer.seek(rows.end) {
                let error = about(&lane.open.path)(error);
                self.break_lane(rows.lane, error);
            }
        }
    }

    /// Gives back the rows of each lane that were ready, and those before them.
    pub fn commit_ready(&mut self, ready: &[ReadyRows]) -> Result<()> {
        for rows in ready {
            self.give(rows.lane, rows.end)?;
        }
        self.ring_space();
        Ok(())
    }

    /// Waits up to `timeout` until there may be rows that [`Reader::ready`] did not find.
    pub fn wait_for_rows(&mut self, timeout: Duration, how: Wait) {
        self.wait(&mut Waiting::up_to(timeout, how));
    }

    /// What was read, per lane.
    pub fn positions(&self) -> Vec<(String, u64)> {
        self.lanes.iter().map(|lane| (lane.key.to_string(), lane.consumer.position())).collect()
    }

    /// What is published, per lane.
    pub fn end_positions(&mut self) -> Result<Vec<(String, u64)>> {
        self.find_new_lanes();
        self.lanes
            .iter()
            .filter(|lane| !lane.is_broken)
            .map(|lane| Ok((lane.key.to_string(), lane.consumer.end().map_err(about(&lane.open.path))?)))
            .collect()
    }

    /// Reads no row from these positions on, and nothing of other lanes: a bounded read. `None` lifts it.
    pub fn set_limits(&mut self, limits: Option<Vec<(String, u64)>>) {
        self.limits = limits;
        for lane in &mut self.lanes {
            lane.set_limit(self.limits.as_deref());
        }
    }

    /// Whether all rows before the limits have been read.
    pub fn is_at_limits(&self) -> bool {
        let Some(limits) = &self.limits else { return false };
        limits.iter().all(|(key, limit)| {
            let lane = self.lanes.iter().find(|lane| *lane.key == **key);
            lane.is_none_or(|lane| rows_since(lane.consumer.position(), *limit).is_some())
        })
    }

    /// Goes on from these positions. A lane that is not there yet is taken up there when it appears; one that was made
    /// anew since starts from its beginning. Rows that are no longer there count as lost. Only a cursor that had given
    /// back more than this is changed.
    pub fn seek(&mut self, positions: &[(String, u64)]) -> Result<()> {
        self.pending = positions.to_vec();
        for lane in &mut self.lanes {
            take_pending(&mut self.pending, lane)?;
            hold_from_here(&mut self.cursor, lane)?;
        }
        Ok(())
    }

    /// Gives back the rows before these positions: producers may reuse their space.
    pub fn commit(&mut self, positions: &[(String, u64)]) -> Result<()> {
        for (key, row) in positions {
            if let Some(i) = self.lanes.iter().position(|lane| *lane.key == **key) {
                let read = self.lanes[i].consumer.position();
                self.give(i, if rows_since(read, *row).is_some() { *row } else { read })?;
            }
        }
        self.ring_space();
        Ok(())
    }

    /// Gives back all that was read.
    pub fn commit_read(&mut self) -> Result<()> {
        for i in 0..self.lanes.len() {
            self.give(i, self.lanes[i].consumer.position())?;
        }
        self.ring_space();
        Ok(())
    }

    /// Gives back the rows of a lane before `row`.
    fn give(&mut self, index: usize, row: u64) -> Result<()> {
        let lane = &self.lanes[index];
        if lane.is_handed_over() {
            self.handed.commit(lane, row);
            return Ok(());
        }
        self.cursor.as_mut().map_or(Ok(()), |cursor| cursor.commit(lane.lane_id(), row))
    }

    fn ring_space(&self) {
        if let (Some(bell), Some(_)) = (&self.bell, &self.cursor) {
            bell.space().ring();
        }
    }

    /// What is known of each lane, in the order of the indices that `poll` gives.
    pub fn lanes(&self) -> Vec<LaneStatus> {
        self.lanes.iter().map(LaneReader::status).collect()
    }

    /// Rows read from all lanes.
    pub fn rows_read(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.consumer.rows_read()).sum()
    }

    /// Rows that were overwritten before they were read.
    pub fn rows_lost(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.consumer.rows_lost()).sum()
    }

    /// Whether all lanes are finished and read to their end.
    pub fn is_finished(&self) -> bool {
        self.lanes.iter().all(|lane| {
            let consumer = &lane.consumer;
            // In this order: rows published before it was finished are in `end`.
            consumer.is_finished() && consumer.end().is_ok_and(|end| end == consumer.position())
        })
    }

    /// The stream's columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    fn new(schema: Schema, options: ReaderOptions) -> Self {
        Self {
            folder: None,
            schema,
            options,
            bell: None,
            cursor: None,
            handed: handed::Handed::default(),
            lanes: Vec::new(),
            broken: Vec::new(),
            breaks: 0,
            retired: Vec::new(),
            open: OpenLanes::default(),
            changes: 0,
            listed_at: Instant::now(),
            has_waited: false,
            has_skipped: false,
            pending: Vec::new(),
            limits: None,
            trouble: None,
        }
    }

    fn open_lane_file(path: &Path, options: ReaderOptions) -> Result<Self> {
        let open = lane::open(path, Access::Once)?;
        let mut reader = Self::new(open.header.layout.schema().clone(), options);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let lane = LaneReader::new(name, open.into(), reader.options.columns.as_deref(), false)?;
        reader.lanes.push(lane);
        Ok(reader)
    }

    fn open_cursor(&self, folder: &StreamFolder) -> Result<CursorFile> {
        let ReaderOptions { name, durable, .. } = &self.options;
        if *durable && name.is_none() {
            return Err(Error::invalid("a durable reader needs a name"));
        }
        match name {
            Some(name) => CursorFile::open(folder, name, *durable),
            None => CursorFile::open(
                folder,
                &format!("reader-{}-{:08x}", std::process::id(), super::random() as u32),
                false,
            ),
        }
    }

    /// Sees to our files and takes up new lanes, if it is time to.
    fn find_new_lanes(&mut self) {
        if self.is_put_off() {
            return;
        }
        let looked = self.look_after_files().and_then(|()| match &self.bell {
            _ if self.trouble.is_some() => self.find_lanes(Start::Oldest),
            Some(bell) if bell.changes() == self.changes && !self.is_due() => Ok(()),
            None if self.listed_at.elapsed() < RELIST_AFTER => Ok(()),
            _ => self.find_lanes(Start::Oldest),
        });
        self.note_looked(looked);
    }

    /// Takes up lanes that are not known yet.
    fn find_lanes(&mut self, start: Start) -> Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        // Loaded before the folder is listed: who comes between is found next time.
        self.note_listed();
        self.find_handed_over();
        for lane in &mut self.lanes {
            lane.is_gone = !lane.is_current() && !lane.has_producer();
        }
        for name in folder.lanes()? {
            let is_known = self.lanes.iter().any(|lane| lane.name == name && lane.is_current());
            if !is_known && !self.is_known_broken(&name, &folder) {
                match self.find_lane(&folder, &name, start) {
                    Ok(lane) => self.take_up(lane),
                    Err(error) => self.note_broken(&name, error),
                }
            }
        }
        Ok(())
    }

    fn find_lane(&mut self, folder: &StreamFolder, name: &str, start: Start) -> Result<LaneReader> {
        let path = folder.lane_path(name)?;
        let is_read = self.cursor.is_some() && !self.options.positions_only;
        let open = lane::open(&path, if is_read { Access::Stream } else { Access::Once })?;
        lane::check_schema(folder, &open.header, &path)?;
        let is_held = self.cursor.is_some();
        let mut lane = LaneReader::new(name.into(), open.into(), self.options.columns.as_deref(), is_held)?;
        let committed = self.cursor.as_ref().and_then(|cursor| cursor.committed(lane.lane_id()));
        match committed {
            Some(row) if lane.consumer.seek(row).map_err(about(&path))? => {}
            _ if start == Start::Newest => lane.consumer.skip_to_end().map_err(about(&path))?,
            _ => {}
        }
        take_pending(&mut self.pending, &mut lane)?;
        lane.set_limit(self.limits.as_deref());
        hold_from_here(&mut self.cursor, &lane)?;
        if is_held {
            lane.consumer.fault_in().map_err(about(&path))?;
        }
        Ok(lane)
    }

    /// Lends block after block, one of each lane in turn, until no lane has any or it is enough for one poll.
    fn read_ready(&mut self, take: &mut impl FnMut(usize, &BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let mut total = 0;
        while total < ROWS_PER_POLL {
            let before = total;
            for i in 0..self.lanes.len() {
                if self.lanes[i].is_broken {
                    continue;
                }
                match self.lanes[i].read_block(|block| take(i, block)) {
                    Ok(rows) => total += rows,
                    Err(Failure::Taker(error)) => return Err(error),
                    Err(Failure::Lane(error)) => self.break_lane(i, error),
                }
            }
            if total == before {
                break;
            }
        }
        Ok(total)
    }

    fn wait(&mut self, waiting: &mut Waiting) {
        self.has_waited |= self.wait_in_steps(waiting);
    }

    /// Whether it slept.
    fn wait_in_steps(&self, waiting: &mut Waiting) -> bool {
        let mut has_slept = false;
        let is_ready = || {
            let has_rows = self.lanes.iter().any(LaneReader::has_news);
            has_rows || self.bell.as_ref().is_some_and(|bell| bell.changes() != self.changes)
        };
        while !is_ready() {
            match (waiting.step(), &self.bell) {
                (Step::Look, _) => {}
                (Step::Sleep, Some(bell)) => {
                    has_slept = true;
                    bell.rows().sleep(waiting, || self.handed.would_sleep(is_ready));
                    if self.listed_at.elapsed() >= care::CARE_AFTER {
                        return true;
                    }
                }
                // Lanes that came are found by looking again.
                (Step::Sleep, None) => {
                    waiting.nap();
                    return true;
                }
                (Step::Over, _) => return has_slept,
            }
        }
        has_slept
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The cursor goes first: whoever hears the bell must not find it.
        if let (Some(cursor), Some(bell)) = (self.cursor.take(), &self.bell) {
            drop(cursor);
            bell.announce();
        }
    }
}

/// Goes to the lane's position, if one waits for it. A lane that does not reach so far has lost what was read.
fn take_pending(pending: &mut Vec<(String, u64)>, lane: &mut LaneReader) -> Result<()> {
    if let Some(i) = pending.iter().position(|(key, _)| **key == *lane.key) {
        let (_, row) = pending.swap_remove(i);
        if !lane.consumer.seek(row).map_err(about(&lane.open.path))? {
            lane.consumer.skip_to_end().map_err(about(&lane.open.path))?;
        }
        lane.seen = None;
    }
    Ok(())
}

/// Has the cursor hold what is not read yet, also where it said before that it was given back.
fn hold_from_here(cursor: &mut Option<CursorFile>, lane: &LaneReader) -> Result<()> {
    let Some(cursor) = cursor.as_mut().filter(|_| !lane.is_handed_over()) else { return Ok(()) };
    let row = lane.consumer.position();
    let holds = cursor.committed(lane.lane_id()).is_some_and(|given_back| rows_since(row, given_back).is_some());
    if holds { Ok(()) } else { cursor.commit(lane.lane_id(), row) }
}
