//! Rings as tables: the rows of all lanes of a stream folder, read where they lie.
//!
//! ```text
//!   ring::Reader   one a table: finds lanes, fixes the rows of an epoch, sleeps until there are more, gives rows back
//!   LaneReader     one a worker and lane: lends the rows that were fixed, in place
//! ```
//! Rows are given back to producers when the epoch that read them is committed. A batch looks at what is there when it
//! starts, and holds nobody up.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use firesteel_core::{
    Error, Result,
    block::{BlockRef, Column, ColumnRef, Columns, Value},
    plan::{Scan, Table},
    ring::rows_since,
    schema::Schema,
};
use serde_json::{Map, Value as Json};

use super::{
    EpochPlan, Part, Reader, Source,
    options::{self, wrong},
};
use crate::ring::{self, LaneReader, ReaderOptions, ReadyRows, RingOptions, Start, StreamFolder};

/// Rows of one part at most: more are shared by the workers. A multiple of a lane's blocks.
const PART_ROWS: u64 = 1 << 16;

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
    // State.
    reader: ring::Reader,
    /// What was planned last, until it is committed.
    uncommitted: Option<Positions>,
    /// Where a frozen stream ends.
    frozen_at: Option<Positions>,
    has_planned: bool,
    // Metrics.
    lost: Arc<AtomicU64>,
}

impl RingSource {
    /// Opens the ring. One that a stream wants to read and that is not there yet is made: its producers come later.
    pub fn open(scan: &Scan) -> Result<Self> {
        let table = &*scan.table;
        let path = PathBuf::from(options::path(table)?);
        let is_lane = path.is_file();
        if !is_lane {
            open_folder(&path, table, &scan.schema, scan.is_stream)?.check_schema(&scan.schema)?;
        }
        let options = reader_options(table, scan.is_stream && !is_lane)?;
        let reader = ring::Reader::open(&path, options.clone())?;
        check_lane_schema(&reader, &scan.schema)?;
        Ok(Self {
            path,
            is_stream: scan.is_stream,
            columns: scan.needed.clone().into(),
            schema: scan.schema.clone(),
            options,
            reader,
            uncommitted: None,
            frozen_at: None,
            has_planned: false,
            lost: Arc::default(),
        })
    }

    /// Published rows that belong to this table's epochs: of a frozen one, those before its end.
    fn ready(&mut self) -> Result<Vec<ReadyRows>> {
        let mut ready = self.reader.ready()?;
        let Some(ends) = &self.frozen_at else { return Ok(ready) };
        ready.retain_mut(|rows| match ends.iter().find(|(key, _)| *key == rows.key) {
            Some((_, end)) => {
                // The end was published already: there is nothing before it to wait for.
                rows.end = *end;
                rows_since(rows.end, rows.start).is_some_and(|left| left > 0)
            }
            None => false,
        });
        Ok(ready)
    }

    fn offsets(&self) -> Json {
        let positions = self.reader.positions().into_iter().map(|(key, row)| (key, row.into()));
        Json::Object(positions.collect::<Map<String, Json>>())
    }
}

impl Source for RingSource {
    fn description(&self) -> String {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("RingSource[file:{}]", path.display())
    }

    fn plan(&mut self) -> Result<Option<EpochPlan>> {
        let ready = self.ready()?;
        if ready.is_empty() {
            return Ok(None);
        }
        let start = if self.has_planned { self.offsets() } else { Json::Null };
        let ends: Positions = ready.iter().map(|rows| (rows.key.clone(), rows.end)).collect();
        self.reader.seek(&ends)?;
        self.uncommitted = Some(ends);
        self.has_planned = true;
        let parts = ready.iter().flat_map(parts_of).collect();
        Ok(Some(EpochPlan { parts, start, end: self.offsets() }))
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(RingReader::new(&self.path, &self.schema, self.columns.clone(), self.lost.clone())))
    }

    fn commit(&mut self) -> Result<()> {
        match self.uncommitted.take() {
            Some(positions) => self.reader.commit(&positions),
            None => Ok(()),
        }
    }

    fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.reader.wait_for_rows(timeout)
    }

    /// A stream is frozen once; a batch looks anew each time it is read.
    fn freeze(&mut self) -> Result<()> {
        if !self.is_stream {
            self.reader = ring::Reader::open(&self.path, self.options.clone())?;
            self.frozen_at = None;
        }
        if self.frozen_at.is_none() {
            self.frozen_at = Some(self.reader.ready()?.into_iter().map(|rows| (rows.key, rows.end)).collect());
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

    fn fingerprint(&mut self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        ring::Reader::open(&self.path, self.options.clone())?.end_positions()?.hash(&mut hasher);
        Ok(hasher.finish())
    }

    fn dropped(&self) -> Vec<(String, u64)> {
        let lanes = self.reader.lanes();
        let counts = [
            ("rowsOverwritten", self.lost.load(Ordering::Relaxed)),
            ("rowsDroppedWhenFull", lanes.iter().map(|lane| lane.rows_dropped).sum()),
            ("unreadableLanes", self.reader.broken_lanes().len() as u64),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.into(), count)).collect()
    }
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
    let known = ["path", "capacity", "onFull", "lane", "idleTimeout"];
    let is_known = |key: &str| known.iter().any(|name| name.eq_ignore_ascii_case(key));
    RingOptions::parse(table.options.iter().filter(|(key, _)| is_known(key)).map(|(k, v)| (k, v)))
}

fn reader_options(table: &Table, has_cursor: bool) -> Result<ReaderOptions> {
    ring_options(table)?;
    let start = match table.option("startingOffsets").map(str::to_ascii_lowercase).as_deref() {
        None | Some("earliest") => Start::Oldest,
        Some("latest") => Start::Newest,
        Some(other) => return Err(wrong(table, "startingOffsets", other, "must be earliest or latest")),
    };
    let name = table.option("reader").filter(|_| has_cursor).map(String::from);
    Ok(ReaderOptions { durable: name.is_some(), name, observe: !has_cursor, start, columns: None })
}

fn check_lane_schema(reader: &ring::Reader, schema: &Schema) -> Result<()> {
    let types = |schema: &Schema| schema.fields().iter().map(|f| f.data_type.clone()).collect::<Vec<_>>();
    if types(reader.schema()) == types(schema) {
        return Ok(());
    }
    Err(Error::invalid(format!("the lane has other columns: {}", reader.schema().to_ddl())))
}

/// Parts of some rows; they meet where blocks may meet.
fn parts_of(rows: &ReadyRows) -> impl Iterator<Item = Part> + use<> {
    let key: Arc<str> = rows.key.as_str().into();
    let (mut start, end) = (rows.start, rows.end);
    std::iter::from_fn(move || {
        let left = rows_since(end, start).filter(|left| *left > 0)?;
        let len = left.min(PART_ROWS - start % PART_ROWS);
        let part = Part::Lane { key: key.clone(), start, end: start.wrapping_add(len) };
        start = start.wrapping_add(len);
        Some(part)
    })
}

/// Reads rows of lanes, each lane with a reader of its own.
#[derive(Debug)]
struct RingReader {
    path: PathBuf,
    needed: Arc<[bool]>,
    indices: Vec<usize>,
    /// What stands for columns that are not needed.
    nulls: Vec<Column>,
    lanes: Vec<OpenLane>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
struct OpenLane {
    key: Arc<str>,
    reader: LaneReader,
    /// Where reading ended; nothing before it is asked for again.
    passed_by: Option<u64>,
}

impl RingReader {
    fn new(path: &Path, schema: &Schema, needed: Arc<[bool]>, lost: Arc<AtomicU64>) -> Self {
        let null =
            |data_type: &firesteel_core::schema::DataType| Column::from_values(data_type.clone(), &[Value::Null]);
        Self {
            path: path.into(),
            indices: (0..needed.len()).filter(|&i| needed[i]).collect(),
            needed,
            nulls: schema.fields().iter().map(|f| null(&f.data_type)).collect(),
            lanes: Vec::new(),
            lost,
        }
    }

    fn lane(&mut self, key: &Arc<str>) -> Result<usize> {
        if let Some(i) = self.lanes.iter().position(|lane| lane.key == *key) {
            return Ok(i);
        }
        let columns = Some(&*self.indices);
        let reader = match self.path.is_file() {
            true => LaneReader::open_file(&self.path, columns)?,
            false => LaneReader::open(&self.path, key, columns)?,
        };
        self.lanes.push(OpenLane { key: key.clone(), reader, passed_by: None });
        Ok(self.lanes.len() - 1)
    }
}

impl Reader for RingReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let &Part::Lane { ref key, start, end } = part else {
            return Err(Error::internal(format!("a ring was asked to read {part:?}")));
        };
        let i = self.lane(key)?;
        let Self { needed, nulls, lanes, lost, .. } = self;
        let lane = &mut lanes[i];
        let planned = rows_since(end, start).unwrap_or_default();
        // After an overrun the lane stands behind what is gone; looking for it again would lead nowhere.
        let passed = lane.passed_by.and_then(|row| rows_since(row, start)).unwrap_or_default().min(planned);
        if passed == planned {
            lost.fetch_add(planned, Ordering::Relaxed);
            return Ok(0);
        }
        let rows = lane.reader.read(start.wrapping_add(passed), end, &mut |block| {
            let columns = Needed { block, needed, nulls };
            sink(&BlockRef::new(&columns, block.len()))
        })?;
        lane.passed_by = Some(lane.reader.position());
        lost.fetch_add(planned - rows, Ordering::Relaxed);
        Ok(rows)
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
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        ring::Producer,
        source::testing::{epoch, epochs, open, read, table},
    };

    const DDL: &str = "x BIGINT, s STRING";

    fn ring(options: &[(&str, &str)]) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring");
        let options = RingOptions::parse(options.iter().copied()).unwrap();
        StreamFolder::create(&path, &Schema::parse_ddl(DDL).unwrap(), &options).unwrap();
        (dir, path)
    }

    fn source(path: &Path, is_stream: bool, options: &[(&str, &str)]) -> Box<dyn Source> {
        open(table("ring", DDL, &[&[("path", path.to_str().unwrap())], options].concat()), is_stream).unwrap()
    }

    fn push(producer: &mut Producer, values: std::ops::Range<i64>) {
        values.for_each(|x| {
            producer.push(&[x.into(), "s".into()]).unwrap();
        });
        producer.publish();
    }

    #[test]
    fn a_stream_reads_what_is_published_and_gives_it_back() {
        let (_dir, path) = ring(&[("capacity", "1MB")]);
        let mut producer = Producer::open(&path, None).unwrap();
        let mut source = source(&path, true, &[]);
        assert!(source.plan().unwrap().is_none());
        push(&mut producer, 0..3);
        let plan = source.plan().unwrap().unwrap();
        push(&mut producer, 3..5);
        assert_eq!(plan.start, Json::Null);
        let rows = read(&mut *source.reader().unwrap(), &plan, 2).unwrap();
        assert_eq!(rows, [0_i64, 1, 2].map(|x| vec![x.into(), "s".into()]));
        source.commit().unwrap();
        let next = source.plan().unwrap().unwrap();
        assert_eq!(next.start, plan.end);
        assert_eq!(next.end.as_object().unwrap().values().next(), Some(&json!(5)));
        source.commit().unwrap();
        let reader = ring::info(&path).unwrap().readers[0].clone().unwrap();
        assert_eq!(reader.committed.iter().map(|(_, row)| *row).collect::<Vec<_>>(), [5], "{reader:?}");
    }

    #[test]
    fn lanes_that_come_later_are_read_from_their_beginning() {
        let (_dir, path) = ring(&[("capacity", "1MB")]);
        let mut source = source(&path, true, &[]);
        let mut a = Producer::open(&path, Some("a")).unwrap();
        push(&mut a, 0..2);
        assert_eq!(epochs(&mut *source), [[0, 1]]);
        let mut b = Producer::open(&path, Some("b")).unwrap();
        push(&mut b, 10..12);
        push(&mut a, 2..3);
        let mut rows = epochs(&mut *source).concat();
        rows.sort_unstable();
        assert_eq!(rows, [2, 10, 11]);
    }

    #[test]
    fn waiting_ends_when_rows_are_published() {
        let (_dir, path) = ring(&[]);
        let mut source = source(&path, true, &[]);
        let started = Instant::now();
        let writer = std::thread::spawn(move || {
            let mut producer = Producer::open(&path, None).unwrap();
            push(&mut producer, 7..8);
        });
        let rows = loop {
            source.wait(Duration::from_secs(5)).unwrap();
            if let Some(rows) = epoch(&mut *source, 1) {
                break rows;
            }
        };
        assert_eq!(rows, [[Value::Int64(7)]]);
        assert!(started.elapsed() < Duration::from_secs(5));
        writer.join().unwrap();
    }

    #[test]
    fn a_frozen_stream_and_a_batch_read_what_is_there() {
        let (_dir, path) = ring(&[]);
        let mut producer = Producer::open(&path, None).unwrap();
        push(&mut producer, 0..4);
        let mut stream = source(&path, true, &[]);
        let mut batch = source(&path, false, &[]);
        stream.freeze().unwrap();
        let print = batch.fingerprint().unwrap();
        batch.freeze().unwrap();
        push(&mut producer, 4..5);
        assert!(!stream.is_exhausted());
        for source in [&mut stream, &mut batch] {
            assert_eq!(epochs(&mut **source), [[0, 1, 2, 3]]);
            assert!(source.is_exhausted() && !source.has_ended());
        }
        assert_ne!(batch.fingerprint().unwrap(), print);
        batch.freeze().unwrap();
        assert_eq!(epochs(&mut *batch), [[0, 1, 2, 3, 4]]);
        assert_eq!(ring::info(&path).unwrap().readers.len(), 1, "a batch holds nobody up");
    }

    #[test]
    fn big_backlogs_are_shared_by_workers() {
        let (_dir, path) = ring(&[]);
        let mut producer = Producer::open(&path, None).unwrap();
        let count = PART_ROWS as i64 * 2 + 5;
        push(&mut producer, 0..count);
        let mut source = source(&path, true, &[]);
        let plan = source.plan().unwrap().unwrap();
        assert_eq!(plan.parts.len(), 3);
        let mut rows = Vec::new();
        let mut readers = [source.reader().unwrap(), source.reader().unwrap()];
        for (i, part) in plan.parts.iter().enumerate() {
            let one = EpochPlan { parts: vec![part.clone()], ..EpochPlan::default() };
            rows.extend(read(&mut *readers[i % 2], &one, 1).unwrap());
        }
        assert!(rows.iter().map(|row| row[0].as_i64().unwrap()).eq(0..count));
    }

    #[test]
    fn overwritten_rows_are_counted_as_lost() {
        let (_dir, path) = ring(&[("capacity", "256k"), ("onFull", "overwrite")]);
        let mut producer = Producer::open(&path, None).unwrap();
        let mut source = source(&path, true, &[]);
        push(&mut producer, 0..10);
        let mut reader = source.reader().unwrap();
        let mut seen = Vec::new();
        for epoch in 0..3_i64 {
            let plan = source.plan().unwrap().unwrap();
            push(&mut producer, 10 + epoch * 100_000..10 + (epoch + 1) * 100_000);
            let rows = read(&mut *reader, &plan, 1).unwrap();
            seen.extend(rows.iter().map(|row| row[0].as_i64().unwrap()));
        }
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "no row twice");
        let lost: u64 = source.dropped().iter().map(|(_, n)| n).sum();
        assert_eq!(source.dropped()[0].0, "rowsOverwritten");
        assert_eq!(lost + seen.len() as u64, 200_010, "each planned row is read or lost");
    }

    #[test]
    fn columns_that_are_not_needed_are_null() {
        let (_dir, path) = ring(&[]);
        let mut producer = Producer::open(&path, None).unwrap();
        push(&mut producer, 0..2);
        let table = table("ring", DDL, &[("path", path.to_str().unwrap())]);
        let scan =
            Scan { schema: table.schema.clone(), table: Arc::new(table), is_stream: true, needed: vec![false, true] };
        let mut source = RingSource::open(&scan).unwrap();
        assert_eq!(epoch(&mut source, 2).unwrap(), [[Value::Null, "s".into()], [Value::Null, "s".into()]]);
    }

    #[test]
    fn a_stream_makes_its_ring_and_a_batch_says_how() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring");
        let path = path.to_str().unwrap();
        let error = open(table("ring", DDL, &[("path", path)]), false).unwrap_err();
        assert!(error.hint_text().unwrap().contains("firesteel ring create"), "{error}");
        assert!(crate::source::schema_of("ring", &[("path".into(), path.into())]).is_err());
        let mut stream = open(table("ring", DDL, &[("path", path), ("capacity", "1MB")]), true).unwrap();
        assert_eq!(crate::source::schema_of("ring", &[("path".into(), path.into())]).unwrap().unwrap().to_ddl(), DDL);
        push(&mut Producer::open(path, None).unwrap(), 1..2);
        assert_eq!(epochs(&mut *stream), [[1]]);
        let other = open(table("ring", "x INT", &[("path", path)]), true).unwrap_err();
        assert!(other.is_invalid_job(), "{other}");
    }

    #[test]
    fn a_named_reader_goes_on_where_it_ended_and_latest_skips_what_is_there() {
        let (_dir, path) = ring(&[]);
        let mut producer = Producer::open(&path, None).unwrap();
        push(&mut producer, 0..2);
        assert_eq!(epochs(&mut *source(&path, true, &[("startingOffsets", "latest")])), [[0; 0]; 0]);
        assert_eq!(epochs(&mut *source(&path, true, &[("reader", "job")])), [[0, 1]]);
        push(&mut producer, 2..3);
        assert_eq!(epochs(&mut *source(&path, true, &[("reader", "job")])), [[2]]);
    }

    #[test]
    fn a_lane_file_is_a_table() {
        let (_dir, path) = ring(&[]);
        let mut producer = Producer::open(&path, None).unwrap();
        push(&mut producer, 0..3);
        producer.finish();
        let lane = path.join("main.lane");
        let options = [("path".to_string(), lane.to_str().unwrap().to_string())];
        assert_eq!(crate::source::schema_of("ring", &options).unwrap().unwrap().to_ddl(), DDL);
        let mut source = source(&lane, false, &[]);
        source.freeze().unwrap();
        assert_eq!(epochs(&mut *source), [[0, 1, 2]]);
    }
}
