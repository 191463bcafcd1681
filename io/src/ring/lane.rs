//! Lane files: made whole, opened with suspicion, owned by one producer at a time.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use firesteel_core::{
    Error, Result,
    limits::RING_FILE_BYTES_MAX,
    ring::{
        CONTROL_BYTES, LaneHeader, OnFull, ReadMode,
        region::{Region, RegionMut},
    },
};

use super::{StreamFolder, about, claim, io_error, random};
use crate::sys::{Mapping, file};

/// Lanes of streams up to this size are faulted in when opened; larger ones (archives on disk) as they are read.
const POPULATE_MAX: u64 = 1 << 30;

/// A lane that this process may write.
#[derive(Debug)]
pub struct OwnedLane {
    pub header: LaneHeader,
    pub path: PathBuf,
    /// Locked while the lane is owned.
    _file: File,
    pub claim: u64,
}

/// A lane to read.
#[derive(Debug)]
pub struct OpenLane {
    pub header: LaneHeader,
    pub region: Region,
    pub path: PathBuf,
    pub file: File,
    /// Memory that a producer was handed over a socket, and no file of the folder.
    pub is_handed_over: bool,
}

/// Opens the lane `name` to write it, making it if there is none. One that another producer writes is an error; one
/// whose producer died is taken over.
pub fn open_owned(folder: &StreamFolder, name: &str) -> Result<(OwnedLane, RegionMut)> {
    let path = folder.lane_path(name)?;
    match create(folder, &path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(io_error("creating", &path, error));
        }
        _ => {}
    }
    let file = file::open(&path, true).map_err(|e| io_error("opening", &path, e))?;
    let (header, bytes) = read_header(&file, &path)?;
    check_schema(folder, &header, &path)?;
    let region = Mapping::writable(&file, bytes, true).map_err(|e| io_error("mapping", &path, e))?;
    let claim = claim::take(&region, claim::LANE, &file).map_err(|pid| in_use(name, &path, pid))?;
    Ok((OwnedLane { header, path, _file: file, claim }, region))
}

/// How much of a lane will be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All of it again and again: faulted in now rather than on the first way round.
    Stream,
    /// Its header, or each page once at most.
    Once,
}

/// Opens a lane file to read it.
pub fn open(path: &Path, access: Access) -> Result<OpenLane> {
    let file = file::open(path, false).map_err(|e| io_error("opening", path, e))?;
    let (header, bytes) = read_header(&file, path)?;
    let populate = access == Access::Stream && bytes as u64 <= POPULATE_MAX && is_allocated(&file, bytes as u64);
    let region = Mapping::read_only(&file, bytes, populate).map_err(|e| io_error("mapping", path, e))?;
    Ok(OpenLane { header, region, path: path.into(), file, is_handed_over: false })
}

/// Refuses a lane that has not the stream's columns.
pub fn check_schema(folder: &StreamFolder, header: &LaneHeader, path: &Path) -> Result<()> {
    if header.layout.schema() == folder.schema() {
        return Ok(());
    }
    let (found, expected) = (header.layout.schema().to_ddl(), folder.schema().to_ddl());
    Err(Error::corrupt(format!("{}: the lane has the columns {found}; the stream has {expected}", path.display()))
        .hint("it belongs to another stream: remove it, or move it to its own folder"))
}

impl OpenLane {
    /// In place if nobody overwrites the rows meanwhile: the producer waits for readers, and a cursor holds the rows
    /// for us, or there is no producer. And only if the lane's owner is our own user, who could stop us anyway.
    pub fn read_mode(&self, is_held: bool) -> ReadMode {
        let is_trusted = !self.is_handed_over && file::owner(&self.file) == file::own_user();
        let waits = self.header.on_full != OnFull::Overwrite;
        if is_trusted && waits && (is_held || !self.has_producer()) { ReadMode::InPlace } else { ReadMode::Copy }
    }

    fn has_producer(&self) -> bool {
        claim::holder(&self.region, claim::LANE).is_alive(|| claim::is_locked(&self.file))
    }
}

/// The header of a new lane of a stream.
pub fn new_header(folder: &StreamFolder) -> Result<LaneHeader> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let created_us = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    Ok(LaneHeader { layout: folder.layout()?, on_full: folder.on_full(), lane_id: random(), created_us })
}

fn create(folder: &StreamFolder, path: &Path) -> std::io::Result<()> {
    let header = new_header(folder).map_err(std::io::Error::other)?;
    file::create_whole(path, 0o640, |file| {
        let bytes = header.layout.file_bytes();
        file::allocate(file, bytes)?;
        header.write(&Mapping::writable(file, bytes as usize, false)?);
        Ok(())
    })
}

/// The checked header, and the size of the lane, which the file has at least.
fn read_header(file: &File, path: &Path) -> Result<(LaneHeader, usize)> {
    let len = file.metadata().map_err(|e| io_error("reading", path, e))?.len();
    if len < CONTROL_BYTES as u64 {
        return Err(Error::corrupt(format!(
            "{}: not a usable lane: it has {len} bytes, a lane's header alone has {CONTROL_BYTES}",
            path.display()
        ))
        .hint("it was cut off or never was a lane; remove the file and let its producer create it anew"));
    }
    let mapped = usize::try_from(len.min(RING_FILE_BYTES_MAX)).unwrap_or(usize::MAX);
    let region = Mapping::read_only(file, mapped, false).map_err(|e| io_error("mapping", path, e))?;
    let header = LaneHeader::read(&region).map_err(about(path))?;
    let bytes = header.layout.file_bytes() as usize;
    Ok((header, bytes))
}

/// Whether the file has no holes: faulting a hole in would take memory for nothing.
#[cfg(unix)]
fn is_allocated(file: &File, bytes: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|data| data.blocks() * 512 >= bytes)
}

#[cfg(not(unix))]
fn is_allocated(_file: &File, _bytes: u64) -> bool {
    true
}

fn in_use(name: &str, path: &Path, pid: Option<u32>) -> Error {
    let by = pid.map_or(String::new(), |pid| format!(" by process {pid}"));
    Error::io(format!("lane '{name}' of {} is written{by} already", path.parent().unwrap_or(path).display()))
        .hint("a lane has one producer; give this one another lane name")
}
