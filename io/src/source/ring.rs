//! Rings as tables: the rows of all lanes of a stream folder, read where they lie.
//!
//! ```text
//!   ring::Reader   one a table: finds lanes, fixes the rows of an epoch, sleeps until there are more, gives rows back
//!   LaneReader     one a worker and lane: lends the rows that were fixed, in place
//! ```
//! Rows are given back to producers when the epoch that read them is committed, or, if the query has a checkpoint, when
//! the checkpoint covers them. A batch looks at what is there when it starts, and holds nobody up.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use firesteel_core::{
    Error, Result,
    block::{BlockRef, Column, ColumnRef, Columns, Told, Value},
    plan::{Scan, Table},
    ring::rows_since,
    schema::Schema,
};
use serde_json::{Map, Value as Json, json};

use super::{
    Account, Part, Reader, Source,
    options::{self, wrong},
    place::{Place, as_count},
};
use crate::ring::{
    self, Failure, LaneReader, LaneStatus, Listen, OpenLanes, ReaderOptions, ReadyRows, RingOptions, Start,
    StreamFolder, Wait,
};

/// A position in each lane, by the lane's key.
type Positions = Vec<(String, u64)>;

/// The rows of a ring.
#[derive(Debug)]
pub struct RingSource {
    // Fixed properties.
    path: PathBuf,
    is_stream: bool,
    columns: Arc<[bool]>,
    schema: Schema,
    options: ReaderOptions,
    idle_timeout: Option<Duration>,
    // State.
    reader: ring::Reader,
    /// Where producers connect, until we listen there.
    listen: Option<Listen>,
    /// Some rows cannot be read again: producers hand them over.
    listens: bool,
    /// What was planned last.
    planned: Vec<ReadyRows>,
    /// Where a frozen stream ends.
    frozen_at: Option<Positions>,
    has_planned: bool,
    /// Rows are given back only when they are released.
    is_held: bool,
    /// When rows last came; at first when the table was opened.
    rows_at: Instant,
    /// What the reader has open, for those who read what it planned.
    open: OpenLanes,
    /// When lanes that cannot be read were last told of.
    warned_at: Option<Instant>,
    // Metrics.
    lost: Arc<AtomicU64>,
    /// Of these, those that were gone before the first epoch.
    lost_at_start: u64,
    /// And those that were known to be lost, or unreadable, when the last epoch was committed.
    counts_before: (u64, u64),
    /// Where this table began in each lane: at once in those that were there, at its first row in one that came later.
    begun: Positions,
    /// Rows of lanes that were let go of.
    retired: Retired,
    /// Rows that were planned and could not be read.
    unreadable: Arc<AtomicU64>,
}

/// What lanes that were let go of leave behind.
#[derive(Debug, Default)]
struct Retired {
    accepted: u64,
    /// Dropped by their producers.
    dropped: u64,
}

/// Lanes that turn bad are told of this often at most: whoever makes them so may do it all day.
const WARN_AFTER: Duration = Duration::from_secs(1);

impl RingSource {
    /// Opens the ring. One that a stream wants to read and that is not there yet is made: its producers come later.
    pub fn open(scan: &Scan) -> Result<Self> {
        let table = &*scan.table;
        let path = PathBuf::from(options::path(table)?);
        let is_lane = path.is_file();
        if !is_lane {
            open_folder(&path, table, &scan.schema, scan.is_stream)?.check_schema(&scan.schema)?;
        }
        let columns = (0..scan.needed.len()).filter(|&i| scan.needed[i]).collect();
        let options = ReaderOptions { columns: Some(columns), ..reader_options(table, scan.is_stream && !is_lane)? };
        let mut reader = ring::Reader::open(&path, options.clone())?;
        check_lane_schema(&reader, &scan.schema)?;
        let begun = reader.positions();
        let open = OpenLanes::default();
        reader.share_lanes(open.clone());
        let mut source = Self {
            path,
            is_stream: scan.is_stream,
            columns: scan.needed.clone().into(),
            schema: scan.schema.clone(),
            options,
            idle_timeout: ring_options(table)?.idle_timeout,
            reader,
            listen: ring_options(table)?.listen(),
            listens: ring_options(table)?.listen().is_some(),
            planned: Vec::new(),
            frozen_at: None,
            has_planned: false,
            is_held: false,
            rows_at: Instant::now(),
            open,
            warned_at: None,
            lost: Arc::default(),
            lost_at_start: 0,
            counts_before: (0, 0),
            begun,
            retired: Retired::default(),
            unreadable: Arc::default(),
        };
        // Before a source that we take the place of closes: whoever is connected stays so.
        source.start_listening()?;
        Ok(source)
    }

    /// Rows lost, and rows that could not be read.
    fn counts(&self) -> (u64, u64) {
        (self.lost.load(Ordering::Relaxed), self.unreadable.load(Ordering::Relaxed))
    }

    fn dropped_of(&self, lost: u64, unreadable: u64, lanes: &[LaneStatus]) -> Vec<(String, u64)> {
        // What lanes say of themselves: any number.
        let refused = lanes.iter().fold(self.retired.dropped, |sum, lane| sum.saturating_add(lane.rows_dropped));
        let counts = [("rowsOverwritten", lost), ("rowsDroppedWhenFull", refused), ("rowsUnreadable", unreadable)];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.into(), count)).collect()
    }

    /// Rows that a lane was offered since this table was opened.
    fn accepted_of(&self, lane: &LaneStatus) -> u64 {
        let begun = self.begun.iter().find(|(key, _)| *key == lane.key).map_or(lane.position, |(_, row)| *row);
        rows_since(lane.end, begun).unwrap_or_default().saturating_add(lane.rows_dropped)
    }

    /// Lets producers connect, if the table says so.
    fn start_listening(&mut self) -> Result<()> {
        match self.listen.take_if(|_| self.is_stream && !self.options.observe) {
            Some(listen) => self.reader.listen(&listen),
            None => Ok(()),
        }
    }

    /// Remembers what was counted in lanes that the reader has let go of.
    fn note_retired(&mut self) {
        for mut lane in self.reader.take_retired() {
            // Rows that nobody will read any more were never planned.
            lane.end = lane.position;
            self.retired.accepted = self.retired.accepted.saturating_add(self.accepted_of(&lane));
            self.retired.dropped = self.retired.dropped.saturating_add(lane.rows_dropped);
            self.begun.retain(|(key, _)| *key != lane.key);
        }
    }

    /// Of a lane that came later, all rows were meant for us: those that are gone before we saw it are lost.
    fn note_begun(&mut self) {
        for rows in &self.planned {
            if !self.begun.iter().any(|(key, _)| **key == *rows.key) {
                self.begun.push((rows.key.to_string(), 0));
                self.lost.fetch_add(rows.start, Ordering::Relaxed);
            }
        }
    }

    /// Finds the published rows that belong to this table's next epoch: of a frozen one, those before its end.
    fn find_ready(&mut self) -> Result<()> {
        self.reader.ready(&mut self.planned)?;
        self.note_retired();
        let Some(ends) = &self.frozen_at else { return Ok(()) };
        self.planned.retain_mut(|rows| match ends.iter().find(|(key, _)| **key == *rows.key) {
            Some((_, end)) => {
                // The end was published already: there is nothing before it to wait for.
                rows.end = *end;
                rows_since(rows.end, rows.start).is_some_and(|left| left > 0)
            }
            None => false,
        });
        Ok(())
    }
}

impl Source for RingSource {
    fn description(&self) -> String {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("RingSource[file:{}]", path.display())
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        self.find_ready()?;
        self.reader.pass(&self.planned);
        let part = |rows: &ReadyRows| Part::Lane { key: rows.key.clone(), start: rows.start, end: rows.end };
        parts.extend(self.planned.iter().map(part));
        self.has_planned |= !self.planned.is_empty();
        self.note_begun();
        if self.idle_timeout.is_some() && !self.planned.is_empty() {
            self.rows_at = Instant::now();
        }
        Ok(!self.planned.is_empty())
    }

    fn offset(&self) -> Json {
        if !self.has_planned {
            return Json::Null;
        }
        Json::Object(object_of(self.reader.positions()))
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(RingReader::new(self)))
    }

    fn commit(&mut self) -> Result<()> {
        let committed = match self.is_held {
            // What cannot be read again is not kept for that.
            true => self.reader.commit_handed_over(&self.planned),
            false => self.reader.commit_ready(&self.planned),
        };
        self.planned.clear();
        self.counts_before = self.counts();
        committed
    }

    fn wait(&mut self, timeout: Duration, how: Wait) -> Result<()> {
        self.reader.wait_for_rows(timeout, how);
        Ok(())
    }

    /// A stream is frozen once; a batch looks anew each time it is read.
    fn freeze(&mut self) -> Result<()> {
        if !self.is_stream {
            self.reader = ring::Reader::open(&self.path, self.options.clone())?;
            self.reader.share_lanes(self.open.clone());
            self.frozen_at = None;
        }
        if self.frozen_at.is_none() {
            let mut ready = Vec::new();
            self.reader.ready(&mut ready)?;
            self.frozen_at = Some(ready.into_iter().map(|rows| (rows.key.to_string(), rows.end)).collect());
        }
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        let Some(ends) = &self.frozen_at else { return false };
        let positions = self.reader.positions();
        let has_come = |(key, end): &(String, u64)| {
            let position = positions.iter().find(|(lane, _)| lane == key);
            position.is_none_or(|(_, row)| rows_since(*row, *end).is_some())
        };
        ends.iter().all(has_come)
    }

    fn is_idle(&self) -> Option<bool> {
        self.idle_timeout.map(|timeout| self.rows_at.elapsed() >= timeout)
    }

    /// Rows by lane.
    fn position(&self) -> Json {
        if !self.is_stream {
            return Json::Null;
        }
        json!({ "lanes": object_of(self.reader.place()) })
    }

    fn seek(&mut self, position: &Json) -> Result<()> {
        let Some(place) = positions_of(position)? else { return Ok(()) };
        let lost = self.reader.resume(&place)?;
        self.lost.fetch_add(lost, Ordering::Relaxed);
        self.lost_at_start += lost;
        // Positions of lanes that are not there yet as well: they go on where they were.
        self.begun = self.reader.place();
        self.has_planned |= !place.is_empty();
        // It has begun already.
        self.options.start = Start::Oldest;
        Ok(())
    }

    /// Gives the table a cursor that outlives us; the one it had goes only when that is there.
    fn hold(&mut self, name: &str, checkpoint: &Path) -> Result<()> {
        if !self.is_stream || self.options.observe {
            return Ok(());
        }
        self.is_held = true;
        if self.options.durable {
            return self.reader.note_checkpoint(checkpoint);
        }
        let options = ReaderOptions { name: Some(name.into()), durable: true, ..self.options.clone() };
        let mut reader = ring::Reader::open(&self.path, options.clone())?;
        if self.has_planned {
            reader.resume(&self.reader.place())?;
        }
        if !self.has_planned {
            self.begun = reader.positions();
        }
        reader.note_checkpoint(checkpoint)?;
        reader.listen_as(&mut self.reader);
        reader.share_lanes(self.open.clone());
        (self.reader, self.options) = (reader, options);
        Ok(())
    }

    fn release(&mut self, position: &Json) -> Result<()> {
        match positions_of(position)? {
            Some(place) if self.is_held => self.reader.give_back(&place),
            _ => Ok(()),
        }
    }

    fn pressure(&self) -> f64 {
        if self.is_held { self.reader.held_share() } else { 0.0 }
    }

    /// What is handed over ends with the process.
    fn is_replayable(&self) -> bool {
        !self.listens
    }

    fn fingerprint(&mut self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        ring::Reader::open(&self.path, self.options.clone())?.end_positions()?.hash(&mut hasher);
        Ok(hasher.finish())
    }

    fn warnings(&mut self) -> Vec<String> {
        // Nothing is asked of the clock while all is well.
        if !self.reader.has_trouble() || self.warned_at.is_some_and(|at| at.elapsed() < WARN_AFTER) {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        if let Some(error) = self.reader.trouble_report() {
            warnings.push(format!(
                "the lanes that are open are read on, others come when this is over: {}",
                error.with_hint()
            ));
        }
        while let Some(error) = self.reader.next_report() {
            warnings.push(format!("a lane is left alone, the others are read on: {}", error.with_hint()));
        }
        if !warnings.is_empty() {
            self.warned_at = Some(Instant::now());
        }
        warnings
    }

    fn dropped(&self) -> Vec<(String, u64)> {
        let (lost, unreadable) = self.counts();
        self.dropped_of(lost, unreadable, &self.reader.lanes())
    }

    fn metrics(&self) -> Vec<(String, u64)> {
        let broken = Some(self.reader.lanes_broken()).filter(|count| *count > 0);
        self.dropped().into_iter().chain(broken.map(|count| ("unreadableLanes".into(), count))).collect()
    }

    fn account(&self) -> Option<Account> {
        let lanes = self.reader.lanes();
        // What an epoch has lost that is not committed is still pending.
        let (lost, unreadable) = if self.planned.is_empty() { self.counts() } else { self.counts_before };
        let dropped = self.dropped_of(lost, unreadable, &lanes);
        let accepted = self.lost_at_start.saturating_add(self.retired.accepted);
        let mut account = Account { accepted, dropped, pending: 0 };
        for lane in &lanes {
            account.accepted = account.accepted.saturating_add(self.accepted_of(lane));
            account.pending = account.pending.saturating_add(rows_since(lane.end, lane.position).unwrap_or_default());
        }
        let planned = self.planned.iter().filter_map(|rows| rows_since(rows.end, rows.start));
        account.pending = planned.fold(account.pending, u64::saturating_add);
        Some(account)
    }
}

fn object_of(rows: Positions) -> Map<String, Json> {
    rows.into_iter().map(|(key, row)| (key, row.into())).collect()
}

/// Rows by lane, as [`Source::position`] gave them.
fn positions_of(position: &Json) -> Result<Option<Positions>> {
    let Some(place) = Place::open("a ring", position)? else { return Ok(None) };
    let lane = |(key, row): (&String, &Json)| {
        let has_id = key.rsplit_once('#').is_some_and(|(_, id)| u64::from_str_radix(id, 16).is_ok());
        match as_count(row) {
            Some(count) if has_id => Ok((key.clone(), count)),
            Some(_) => Err(place.unfit(format!("\"{key}\" is no lane"))),
            None => Err(place.wrong(key, "a number of rows", row)),
        }
    };
    place.object("lanes")?.iter().map(lane).collect::<Result<Positions>>().map(Some)
}

/// The columns of the ring at a path.
pub(super) fn schema_at(path: &str) -> Result<Schema> {
    let path = Path::new(path);
    if path.is_file() {
        let options = ReaderOptions { observe: true, ..ReaderOptions::default() };
        return Ok(ring::Reader::open(path, options)?.schema().clone());
    }
    Ok(StreamFolder::open(path)?.schema().clone())
}

fn open_folder(path: &Path, table: &Table, schema: &Schema, is_stream: bool) -> Result<StreamFolder> {
    if !is_stream || path.exists() {
        return StreamFolder::open(path);
    }
    StreamFolder::open_or_create(path, schema, &ring_options(table)?)
}

/// The options that a ring itself knows; others are ignored, as Spark does.
pub(crate) fn ring_options(table: &Table) -> Result<RingOptions> {
    let is_known = |key: &str| ring::KNOWN_OPTIONS.iter().any(|name| name.eq_ignore_ascii_case(key));
    RingOptions::parse(table.options.iter().filter(|(key, _)| is_known(key)).map(|(k, v)| (k, v)))
}

fn reader_options(table: &Table, has_cursor: bool) -> Result<ReaderOptions> {
    ring_options(table)?;
    let start = match table.option("startingOffsets").map(str::to_ascii_lowercase).as_deref() {
        None | Some("earliest") => Start::Oldest,
        Some("latest") => Start::Newest,
        Some(other) => return Err(wrong("startingOffsets", other, "must be earliest or latest")),
    };
    let name = table.option("reader").filter(|_| has_cursor).map(String::from);
    Ok(ReaderOptions {
        durable: name.is_some(),
        tolerant: has_cursor,
        name,
        observe: !has_cursor,
        positions_only: true,
        start,
        columns: None,
    })
}

fn check_lane_schema(reader: &ring::Reader, schema: &Schema) -> Result<()> {
    let types = |schema: &Schema| schema.fields().iter().map(|f| f.data_type.clone()).collect::<Vec<_>>();
    if types(reader.schema()) == types(schema) {
        return Ok(());
    }
    Err(Error::invalid(format!("the lane has other columns: {}", reader.schema().to_ddl())))
}

/// Reads rows of lanes, each lane with a reader of its own.
#[derive(Debug)]
struct RingReader {
    path: PathBuf,
    /// The source's cursor keeps the rows in the ring until they are read.
    is_held: bool,
    needed: Arc<[bool]>,
    indices: Vec<usize>,
    /// What stands for columns that are not needed.
    nulls: Vec<Column>,
    lanes: Vec<OpenLane>,
    open: OpenLanes,
    /// A lane that cannot be read does not end the query: of a stream the others go on. A batch that lacks rows would
    /// be a wrong answer.
    is_tolerant: bool,
    lost: Arc<AtomicU64>,
    unreadable: Arc<AtomicU64>,
}

#[derive(Debug)]
struct OpenLane {
    key: Arc<str>,
    reader: LaneReader,
    /// Where reading ended; nothing before it is asked for again.
    passed_by: Option<u64>,
}

impl RingReader {
    fn new(source: &RingSource) -> Self {
        let null =
            |data_type: &firesteel_core::schema::DataType| Column::from_values(data_type.clone(), &[Value::Null]);
        let RingSource { path, options, schema, columns: needed, open, lost, unreadable, .. } = source;
        Self {
            path: path.into(),
            is_held: !options.observe,
            indices: (0..needed.len()).filter(|&i| needed[i]).collect(),
            needed: needed.clone(),
            nulls: schema.fields().iter().map(|f| null(&f.data_type)).collect(),
            lanes: Vec::new(),
            open: open.clone(),
            is_tolerant: options.tolerant,
            lost: lost.clone(),
            unreadable: unreadable.clone(),
        }
    }

    fn lane(&mut self, key: &Arc<str>) -> Result<usize> {
        if let Some(i) = self.lanes.iter().position(|lane| Arc::ptr_eq(&lane.key, key) || lane.key == *key) {
            return Ok(i);
        }
        let columns = Some(&*self.indices);
        let reader = match self.open.get(key) {
            Some(open) => LaneReader::of(key, open, columns, self.is_held)?,
            None if self.path.is_file() => LaneReader::open_file(&self.path, columns)?,
            None => LaneReader::open(&self.path, key, columns, self.is_held)?,
        };
        // Lanes that the table has let go of are not asked for again.
        self.lanes.retain(|lane| self.open.get(&lane.key).is_some());
        self.lanes.push(OpenLane { key: key.clone(), reader, passed_by: None });
        Ok(self.lanes.len() - 1)
    }
}

impl Reader for RingReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let &Part::Lane { ref key, start, end } = part else {
            return Err(Error::internal(format!("a ring was asked to read {part:?}")));
        };
        let planned = rows_since(end, start).unwrap_or_default();
        let mut rows = 0;
        match self.read_lane(key, start, end, &mut rows, sink) {
            Ok(()) => Ok(rows),
            Err(Failure::Lane(error)) if self.is_tolerant => {
                self.unreadable.fetch_add(planned.saturating_sub(rows), Ordering::Relaxed);
                self.lanes.retain(|lane| lane.key != *key);
                self.open.note_fault(key, error);
                Ok(rows)
            }
            Err(Failure::Lane(error) | Failure::Taker(error)) => Err(error),
        }
    }
}

impl RingReader {
    fn read_lane(
        &mut self,
        key: &Arc<str>,
        start: u64,
        end: u64,
        rows: &mut u64,
        sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>,
    ) -> Result<(), Failure> {
        let i = self.lane(key).map_err(Failure::Lane)?;
        let Self { needed, nulls, lanes, lost, .. } = self;
        let lane = &mut lanes[i];
        let planned = rows_since(end, start).unwrap_or_default();
        // After an overrun the lane stands behind what is gone; looking for it again would lead nowhere.
        let passed = lane.passed_by.and_then(|row| rows_since(row, start)).unwrap_or_default().min(planned);
        if passed == planned {
            lost.fetch_add(planned, Ordering::Relaxed);
            return Ok(());
        }
        lane.reader.read_rows(start.wrapping_add(passed), end, rows, &mut |block| {
            let columns = Needed { block, needed, nulls };
            sink(&BlockRef::new(&columns, block.len()).foresee(block.upcoming()))
        })?;
        lane.passed_by = Some(lane.reader.position());
        lost.fetch_add(planned.saturating_sub(*rows), Ordering::Relaxed);
        Ok(())
    }
}

/// A block whose columns are prepared only where they are needed; the others are NULL.
struct Needed<'a> {
    block: &'a BlockRef<'a>,
    needed: &'a [bool],
    nulls: &'a [Column],
}

impl Columns for Needed<'_> {
    fn column(&self, index: usize) -> ColumnRef<'_> {
        if self.needed[index] { self.block.column(index) } else { self.nulls[index].view_constant() }
    }

    fn told(&self, index: usize) -> Option<Told> {
        self.block.told(index).filter(|_| self.needed[index])
    }
}

#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod tests;
