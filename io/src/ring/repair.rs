//! Repairing a stream's folder: what is damaged is moved aside, never removed and never written, and what is whole in
//! it is put in its place.
//!
//! * A lane is moved aside; its whole rows go into a new lane of its name. If no row is missing behind the first whole
//!   one, rows keep their numbers, and readers go on where they were; else they read the new lane from its beginning.
//! * A cursor that is none is moved aside. One whose checkpoint's folder is gone is removed: it holds nothing but how
//!   far somebody had read.
//! * The bell is made anew: it holds nothing. The file `stream` is moved aside, and written anew from what a lane says.
//! * What a process left that died while it created a file is removed.
//!
//! A lane that a producer writes is left alone: who writes it must be stopped first. So is what we may not look at.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use firesteel_core::{
    Error, Result,
    ring::{self, LaneHeader, OnFull, Pushed, SlotHeader, sync::Ordering},
};

use super::{
    StreamFolder,
    bell::Bell,
    check, claim,
    cursors::KnownReader,
    inspect::check_bell,
    io_error, lane, random,
    rescue::{self, Wreck},
};
use crate::sys::{Mapping, file};

/// What files that were moved aside end with, before a number.
const ASIDE: &str = "damaged";

/// What was done, or not done, about one file.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The file.
    pub path: PathBuf,
    /// Where it lies now, if it was moved.
    pub moved_to: Option<PathBuf>,
    /// Rows that were rescued from it.
    pub rows_rescued: u64,
    /// Rows that are known to have been in it and are lost.
    pub rows_lost: u64,
    /// What was done; an error if nothing could be.
    pub outcome: Result<String>,
}

impl Repair {
    fn done(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.into(), moved_to: None, rows_rescued: 0, rows_lost: 0, outcome: Ok(what.into()) }
    }

    fn failed(path: &Path, error: Error) -> Self {
        Self { path: path.into(), moved_to: None, rows_rescued: 0, rows_lost: 0, outcome: Err(error) }
    }
}

/// Repairs what [`check()`](super::check()) finds wrong with the stream at `path`. Nothing is done about what is whole.
pub fn repair(path: &Path) -> Result<Vec<Repair>> {
    if path.is_file() {
        return Err(Error::invalid(format!("{} is a file", path.display())).hint("give the ring's folder"));
    }
    let mut repairs = Vec::new();
    repair_bell(path, &mut repairs)?;
    repair_stream_file(path, &mut repairs)?;
    let folder = StreamFolder::open(path)?;
    for problem in check(path)?.problems {
        let file = &problem.path;
        if problem.is_unread {
            repairs.push(Repair::failed(file, problem.error));
            continue;
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let repair = match file.extension().and_then(|ending| ending.to_str()) {
            _ if file.file_name().is_some_and(|name| name.to_string_lossy().contains(file::TEMPORARY)) => {
                remove_leftover(file)
            }
            Some("lane") => repair_lane(&folder, &name, file),
            Some("cursor") => repair_cursor(&folder, &name, file),
            _ => continue,
        };
        repairs.push(repair.unwrap_or_else(|error| Repair::failed(file, error)));
    }
    if !repairs.is_empty() {
        // Readers look for lanes that they do not know yet.
        Bell::open(path)?.announce();
    }
    Ok(repairs)
}

/// Removes the cursor of a reader that is gone, so that producers no longer wait for it. One that lives is an error.
pub fn forget_reader(path: &Path, name: &str) -> Result<()> {
    let folder = StreamFolder::open(path)?;
    let mut reader = KnownReader::open(&folder, name)?;
    if reader.is_alive() {
        let by = reader.pid().map_or(String::new(), |pid| format!(" (process {pid})"));
        return Err(Error::invalid(format!("the reader '{name}' of {} lives{by}", path.display()))
            .hint("stop it first; nothing waits for a reader that is gone and not needed"));
    }
    if !reader.remove() {
        return Err(Error::io(format!("the cursor of '{name}' could not be removed: somebody has taken it over")));
    }
    Bell::open(path)?.announce();
    Ok(())
}

fn repair_stream_file(path: &Path, repairs: &mut Vec<Repair>) -> Result<()> {
    let file = path.join(StreamFolder::FILE);
    let Err(error) = StreamFolder::open(path) else { return Ok(()) };
    if !path.is_dir() || (!error.is_corrupt() && file.exists()) {
        return Err(error);
    }
    let Some(header) = headers(path).into_iter().next() else { return Err(error) };
    let moved_to = if file.exists() { Some(move_aside(&file)?) } else { None };
    StreamFolder::restore(path, &header)?;
    repairs.push(Repair { moved_to, ..Repair::done(&file, "written anew from what a lane says") });
    Ok(())
}

/// The headers of the lanes that have one.
fn headers(path: &Path) -> Vec<LaneHeader> {
    let files = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let lanes = files.filter(|path| path.extension().is_some_and(|ending| ending == "lane"));
    let header = |path: PathBuf| {
        let file = file::open(&path, false).ok()?;
        rescue::read_header(&file, file.metadata().ok()?.len()).ok()
    };
    lanes.filter_map(header).collect()
}

fn repair_lane(folder: &StreamFolder, name: &str, path: &Path) -> Result<Repair> {
    let file = match file::open(path, false) {
        Ok(file) if file.metadata().is_ok_and(|data| data.is_file()) => file,
        // A link, a folder, a pipe: there is no row in it.
        _ => return Ok(Repair { moved_to: Some(move_aside(path)?), ..Repair::done(path, "no lane: moved aside") }),
    };
    if claim::is_locked(&file) {
        return Err(Error::io("a producer writes it").hint("stop the producer and try again"));
    }
    let len = file.metadata().map_err(|e| io_error("reading", path, e))?.len();
    let own = rescue::read_header(&file, len).ok();
    if own.as_ref().is_some_and(|header| header.layout.schema() != folder.schema()) {
        let what = "a lane of another stream: moved aside with all its rows";
        return Ok(Repair { moved_to: Some(move_aside(path)?), ..Repair::done(path, what) });
    }
    let is_own = own.is_some();
    let header = own.map_or_else(|| lane::new_header(folder), Ok)?;
    rebuild(name, path, &Wreck::new(&file, len, header.clone())?, header, is_own)
}

/// Puts the whole rows of a lane into one that takes its place.
fn rebuild(name: &str, path: &Path, wreck: &Wreck<'_>, header: LaneHeader, knows_id: bool) -> Result<Repair> {
    let tally = wreck.read(&mut |_| Ok(()))?;
    let keeps_numbers = knows_id && tally.is_gapless && tally.rescued > 0;
    let moved_to = move_aside(path)?;
    let mut repair = Repair { moved_to: Some(moved_to), ..Repair::done(path, "") };
    (repair.rows_rescued, repair.rows_lost) = (tally.rescued, tally.lost);
    if tally.rescued == 0 {
        repair.outcome = Ok("nothing in it is whole: moved aside".into());
        return Ok(repair);
    }
    let lane_id = if keeps_numbers { header.lane_id } else { random() };
    let new = LaneHeader { lane_id, ..header };
    let result = file::create_whole(path, 0o640, |file| {
        fill(file, &new, if keeps_numbers { tally.first_row } else { 0 }, wreck).map_err(std::io::Error::other)
    });
    result.map_err(|e| io_error("creating", path, e))?;
    let readers = match keeps_numbers {
        true => "readers go on where they were",
        false => "readers read it from its beginning",
    };
    repair.outcome = Ok(format!("lane '{name}' made anew from what is whole; {readers}"));
    Ok(repair)
}

fn fill(file: &File, header: &LaneHeader, first_row: u64, wreck: &Wreck<'_>) -> Result<()> {
    let bytes = header.layout.file_bytes();
    let failed = |e: std::io::Error| Error::io(e.to_string());
    file::allocate(file, bytes).map_err(failed)?;
    let region = Mapping::writable(file, bytes as usize, false).map_err(failed)?;
    header.write(&region);
    region.store_u64(header.layout.slot_at(0) + SlotHeader::FIRST_ROW, first_row, Ordering::Relaxed);
    // Nobody waits for anybody here; what the lane does when it is full is its header's business.
    let policy = LaneHeader { on_full: OnFull::DropNewest, ..header.clone() };
    let mut producer = ring::Producer::attach(region, &policy)?;
    wreck.read(&mut |block| match producer.append(block, 0)? {
        Pushed::All => Ok(()),
        // Blocks are filled as far as they go: never more of them than there were.
        Pushed::Full(_) => Err(Error::internal("rows of a lane do not fit a lane as large")),
    })?;
    if wreck.is_finished() {
        producer.finish();
    }
    Ok(())
}

fn repair_cursor(folder: &StreamFolder, name: &str, path: &Path) -> Result<Repair> {
    match KnownReader::open(folder, name) {
        Ok(mut reader) => match reader.orphaned_by() {
            Some(checkpoint) if reader.remove() => {
                Ok(Repair::done(path, format!("removed: its checkpoint {} is gone", checkpoint.display())))
            }
            _ => Err(Error::io("it is in use")),
        },
        Err(_) => {
            let what = "no cursor: moved aside; its reader begins with the oldest row";
            Ok(Repair { moved_to: Some(move_aside(path)?), ..Repair::done(path, what) })
        }
    }
}

fn repair_bell(folder: &Path, repairs: &mut Vec<Repair>) -> Result<()> {
    if let Some(problem) = check_bell(folder).filter(|problem| !problem.is_unread) {
        Bell::renew(folder)?;
        repairs.push(Repair::done(&problem.path, "made anew: it held nothing but who sleeps"));
    }
    Ok(())
}

fn remove_leftover(path: &Path) -> Result<Repair> {
    fs::remove_file(path).map_err(|e| io_error("removing", path, e))?;
    Ok(Repair::done(path, "removed"))
}

/// Gives a file a name that nobody looks for and that none has yet.
fn move_aside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 1.. {
        let aside = path.with_file_name(format!("{name}.{ASIDE}-{number}"));
        match file::rename_new(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("moving aside", path, error)),
        }
    }
    unreachable!("numbers do not end")
}
