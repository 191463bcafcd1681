//! A stream seen from outside: what `firesteel ring info` shows and `firesteel ring check` verifies. Looks only; holds
//! nobody up.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use firesteel_core::{
    Error, Result,
    ring::{Consumer, Geometry, LaneHeader, OnFull, ReadMode, control, sync::Ordering},
    schema::Schema,
};

use super::{
    StreamFolder, about,
    bell::{self, Bell},
    claim,
    cursors::KnownReader,
    lane::{self, Access},
};
use crate::sys::{file, scarce};

/// A stream and all that is in it.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Its columns.
    pub schema: Schema,
    /// Bytes of each lane.
    pub capacity: u64,
    /// What producers do when their lane is full.
    pub on_full: OnFull,
    /// Its lanes; those that cannot be opened with the reason.
    pub lanes: Vec<Result<LaneInfo, (String, Error)>>,
    /// Its readers; those that cannot be opened with the reason.
    pub readers: Vec<Result<ReaderInfo, (String, Error)>>,
}

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// A producer that lives has it open.
    Live,
    /// Its producer closed it, or died; another one may go on.
    Idle,
    /// Its producer said that no more rows will come.
    Finished,
}

/// A lane.
#[derive(Clone, Debug)]
pub struct LaneInfo {
    /// Name.
    pub name: String,
    /// What it is doing.
    pub state: LaneState,
    /// The process of its producer, if it has one, and if its number is known.
    pub pid: Option<u32>,
    /// Rows published since it was created.
    pub rows_published: u64,
    /// The oldest row that can still be read.
    pub oldest_row: u64,
    /// Rows dropped because it was full.
    pub rows_dropped: u64,
    /// Times its producers had to wait for readers.
    pub waits: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Rows a block holds, and blocks the lane holds.
    pub geometry: Geometry,
    /// When it was created, in microseconds since 1970.
    pub created_us: i64,
}

/// A reader.
#[derive(Clone, Debug)]
pub struct ReaderInfo {
    /// Name of its cursor.
    pub name: String,
    /// Its process, if known.
    pub pid: Option<u32>,
    /// Whether that lives.
    pub is_alive: bool,
    /// Whether its cursor counts even while it is gone.
    pub is_durable: bool,
    /// Lanes, and the rows of each that it gave back.
    pub committed: Vec<(String, u64)>,
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Lanes looked at.
    pub lanes: Vec<CheckedLane>,
    /// Rows read and found to be whole.
    pub rows: u64,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// A lane that was read to its end, or to the first thing that is wrong with it.
#[derive(Clone, Debug)]
pub struct CheckedLane {
    /// Its file.
    pub path: PathBuf,
    /// The first row that it still has.
    pub oldest_row: u64,
    /// Rows read and found to be whole.
    pub rows: u64,
    /// Whether all are.
    pub is_whole: bool,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with what to try.
    pub error: Error,
    /// It could not be looked at, by us or now: nothing says that it is damaged.
    pub is_unread: bool,
}

impl Problem {
    fn new(path: &Path, error: Error, is_written: bool) -> Self {
        let opened = file::open(path, is_written);
        let is_unread = opened.is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
                || scarce::is_scarce(&error)
        });
        Self { path: path.into(), error, is_unread }
    }
}

/// Looks at the stream at `path`, or at a single lane file.
pub fn info(path: &Path) -> Result<StreamInfo> {
    if path.is_file() {
        return lane_file_info(path);
    }
    let folder = StreamFolder::open(path)?;
    let lanes = folder.lanes()?;
    let look = |name: &String| lane_info(&folder.lane_path(name)?, name);
    let lane_infos: Vec<_> = lanes.iter().map(|name| look(name).map_err(|e| (name.clone(), e))).collect();
    let ids: Vec<(String, u64)> = lane_infos.iter().flatten().map(|(lane, id)| (lane.name.clone(), *id)).collect();
    let readers = folder.readers()?;
    Ok(StreamInfo {
        path: path.into(),
        schema: folder.schema().clone(),
        capacity: folder.capacity(),
        on_full: folder.on_full(),
        lanes: lane_infos.into_iter().map(|lane| lane.map(|(lane, _)| lane)).collect(),
        readers: readers.into_iter().map(|name| reader_info(&folder, &name, &ids).map_err(|e| (name, e))).collect(),
    })
}

/// Reads every row there is and looks at every file. An error means that there is no stream to look at.
pub fn check(path: &Path) -> Result<Checked> {
    let mut checked = Checked::default();
    if path.is_file() {
        checked.note(path, check_lane(path, None));
        return Ok(checked);
    }
    let folder = StreamFolder::open(path)?;
    for name in folder.lanes()? {
        let path = folder.lane_path(&name)?;
        checked.note(&path, check_lane(&path, Some(&folder)));
    }
    for name in folder.readers()? {
        if let Some(error) = check_reader(&folder, &name) {
            checked.problems.push(Problem::new(&folder.cursor_path(&name)?, error, false));
        }
    }
    checked.problems.extend(check_bell(path));
    checked.find_leftovers(path);
    Ok(checked)
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, path: &Path, (lane, error): (CheckedLane, Option<Error>)) {
        self.rows += lane.rows;
        self.lanes.push(lane);
        self.problems.extend(error.map(|error| Problem::new(path, error, false)));
    }

    /// Temporary files stay behind if a process dies while it creates a file; they do no harm. Those of processes that
    /// live are about to get their names.
    fn find_leftovers(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if file::is_left_behind(&entry.path()) {
                let error = Error::io("a process died while it created this file").hint("remove it");
                self.problems.push(Problem::new(&entry.path(), error, false));
            }
        }
    }
}

/// What is wrong with the bell, if there is one and anything is.
pub(super) fn check_bell(folder: &Path) -> Option<Problem> {
    let path = folder.join(bell::NAME);
    let error = Bell::open_existing(folder).err().filter(|_| path.exists())?;
    Some(Problem::new(&path, error, true))
}

/// What is wrong with a reader's cursor, if anything is.
fn check_reader(folder: &StreamFolder, name: &str) -> Option<Error> {
    let mut reader = match KnownReader::open(folder, name) {
        Ok(reader) => reader,
        Err(error) => return Some(error),
    };
    let checkpoint = reader.orphaned_by()?;
    Some(
        Error::io(format!(
            "it holds rows for the checkpoint {}, which is gone: producers wait for nobody",
            checkpoint.display()
        ))
        .hint("`firesteel ring repair` removes it"),
    )
}

/// Reads a lane to its end, or to the first thing that is wrong with it.
fn check_lane(path: &Path, folder: Option<&StreamFolder>) -> (CheckedLane, Option<Error>) {
    let mut lane = CheckedLane { path: path.into(), oldest_row: 0, rows: 0, is_whole: false };
    let error = read_lane(path, folder, &mut lane).err();
    lane.is_whole = error.is_none();
    (lane, error)
}

fn read_lane(path: &Path, folder: Option<&StreamFolder>, checked: &mut CheckedLane) -> Result<()> {
    let lane = lane::open(path, Access::Once)?;
    if let Some(folder) = folder {
        lane::check_schema(folder, &lane.header, path)?;
    }
    let mut consumer = Consumer::new(lane.region, &lane.header, ReadMode::Copy).map_err(about(path))?;
    checked.oldest_row = consumer.position();
    // A producer may be faster than a check; what it adds is not waited for.
    let end = consumer.end().map_err(about(path))?;
    consumer.set_limit(Some(end));
    while let Some(block) = consumer.next(usize::MAX).map_err(about(path))? {
        let rows = block.len();
        consumer.advance(rows).map_err(about(path))?;
        checked.rows = consumer.rows_read();
    }
    Ok(())
}

fn lane_file_info(path: &Path) -> Result<StreamInfo> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let LaneHeader { layout, on_full, .. } = lane::open(path, Access::Once)?.header;
    let (lane, _) = lane_info(path, &name)?;
    Ok(StreamInfo {
        path: path.into(),
        schema: layout.schema().clone(),
        capacity: layout.file_bytes(),
        on_full,
        lanes: vec![Ok(lane)],
        readers: Vec::new(),
    })
}

/// The lane and its id.
fn lane_info(path: &Path, name: &str) -> Result<(LaneInfo, u64)> {
    let lane = lane::open(path, Access::Once)?;
    let consumer = Consumer::new(lane.region.clone(), &lane.header, ReadMode::Copy).map_err(about(path))?;
    let holder = claim::holder(&lane.region, claim::LANE);
    let is_alive = holder.is_alive(|| claim::is_locked(&lane.file));
    let state = match (consumer.is_finished(), is_alive) {
        (true, _) => LaneState::Finished,
        (false, true) => LaneState::Live,
        (false, false) => LaneState::Idle,
    };
    let info = LaneInfo {
        name: name.into(),
        state,
        pid: holder.pid().filter(|_| is_alive),
        rows_published: consumer.end().map_err(about(path))?,
        oldest_row: consumer.position(),
        rows_dropped: consumer.rows_dropped(),
        waits: lane.region.load_u64(control::WAITS, Ordering::Relaxed),
        bytes: lane.header.layout.file_bytes(),
        geometry: lane.header.layout.geometry(),
        created_us: lane.header.created_us,
    };
    Ok((info, lane.header.lane_id))
}

fn reader_info(folder: &StreamFolder, name: &str, lanes: &[(String, u64)]) -> Result<ReaderInfo> {
    let mut reader = KnownReader::open(folder, name)?;
    let committed = |(lane, id): &(String, u64)| Some((lane.clone(), reader.committed(*id)?));
    let committed = lanes.iter().filter_map(committed).collect();
    Ok(ReaderInfo {
        name: name.into(),
        is_alive: reader.is_alive(),
        pid: reader.pid(),
        is_durable: reader.is_durable(),
        committed,
    })
}
