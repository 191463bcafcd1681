//! Cursor files: how far each reader has come in each lane. A reader maps its own file writable, producers map all of
//! them read-only.
//!
//! ```text
//! bytes       field
//!    0..8     magic      "FIRECURS"
//!    8..12    version    1
//!   12..16    durable    1 if the cursor counts even while its reader is gone
//!   64..72    owner      claim of the reader
//!   72..104   process    who that is
//!  128..      64 bytes a lane: lane_id (0 = no more, all ones = none any more), and rows given back
//! ```
//! Behind the lanes up to 1,024 bytes say whose cursor it is: the folder of the checkpoint that needs it, if one does.
//!
//! A lane that a cursor does not mention yet is held as a whole: the reader has not seen it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use firesteel_core::{
    Error, Result,
    ring::{
        region::{Region, RegionMut},
        rows_since,
        sync::Ordering,
    },
};

use super::{
    StreamFolder,
    bell::Bell,
    claim::{self, ClaimPlace, Holder},
    io_error,
};
use crate::sys::{Mapping, file};

const MAGIC: u64 = u64::from_ne_bytes(*b"FIRECURS");
const VERSION: u32 = 1;
const DURABLE: usize = 12;
const CLAIM: ClaimPlace = ClaimPlace { owner: 64, process: 72 };
const ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 64;
/// Lanes that one reader can read: one a producer, and a gateway has fewer sensors processes than that.
const LANES_MAX: usize = 1023;
/// Times the lock of a cursor is tried: whoever forgets a dead reader holds it for microseconds.
const LOCK_ATTEMPTS: usize = 20;
/// What stands for a lane that is gone; its entry is used again.
const FORGOTTEN: u64 = u64::MAX;
pub(super) const BYTES: usize = ENTRIES + LANES_MAX * ENTRY_BYTES;

/// Bytes of the text that says whose cursor it is. Older files lack them.
const OWNER_TEXT_BYTES: usize = 1024;

const _: () = assert!(ENTRIES.is_multiple_of(ENTRY_BYTES) && CLAIM.process + 32 <= ENTRIES);

/// A reader's own cursor file.
#[derive(Debug)]
pub struct CursorFile {
    path: PathBuf,
    region: RegionMut,
    claim: u64,
    name: String,
    durable: bool,
    was_there: bool,
    /// Locked while the reader lives.
    file: File,
    /// Lanes and rows given back, in the order of the entries.
    entries: Vec<(u64, u64)>,
    checkpoint: Option<PathBuf>,
}

impl CursorFile {
    /// Makes the cursor file of the reader `name`, or takes over that of a reader of this name who is gone.
    pub fn open(folder: &StreamFolder, name: &str, durable: bool) -> Result<Self> {
        let path = folder.cursor_path(name)?;
        // A cursor is ours from the moment others see it, or they might take it for a dead reader's.
        let is_new = match create(&path, durable) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(io_error("creating", &path, error)),
        };
        let file = open_locked(&path)?;
        check(&file, &path)?;
        let region = Mapping::writable(&file, BYTES, true).map_err(|e| io_error("mapping", &path, e))?;
        let in_use = |pid: Option<u32>| {
            let by = pid.map_or(String::new(), |pid| format!(" by process {pid}"));
            Error::io(format!("the cursor '{name}' of {} is in use{by}", folder.path().display()))
                .hint("two readers cannot share a cursor; give this one another name")
        };
        let claim = if is_new {
            region.load_u64(CLAIM.owner, Ordering::Acquire)
        } else {
            claim::take(&region, CLAIM, &file).map_err(in_use)?
        };
        region.store_u32(DURABLE, durable.into(), Ordering::Release);
        let entries = entries(&region).collect();
        Ok(Self {
            path,
            region,
            claim,
            name: name.into(),
            durable,
            was_there: !is_new,
            file,
            entries,
            checkpoint: None,
        })
    }

    /// Says for which checkpoint's folder the rows are held, for those who find the cursor and nobody behind it. A
    /// path that does not fit is not said.
    pub fn note_checkpoint(&mut self, folder: &Path) -> Result<()> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
        let text = folder.as_os_str().as_encoded_bytes();
        let mut bytes = [0; OWNER_TEXT_BYTES];
        if let Some(place) = bytes.get_mut(..text.len()) {
            place.copy_from_slice(text);
        }
        self.checkpoint = Some(folder);
        file::write_at(&self.file, &bytes, BYTES as u64).map_err(|e| io_error("writing", &self.path, e))
    }

    /// Whether it is that of an earlier reader of this name.
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// Rows of a lane given back so far.
    pub fn committed(&self, lane_id: u64) -> Option<u64> {
        self.entries.iter().find(|&&(lane, _)| lane == lane_id).map(|&(_, row)| row)
    }

    /// Gives back the rows of a lane before `row`.
    pub fn commit(&mut self, lane_id: u64, row: u64) -> Result<()> {
        let place = |wanted| self.entries.iter().position(|&(lane, _)| lane == wanted);
        let known = place(lane_id);
        let entry = known.or_else(|| place(FORGOTTEN)).unwrap_or(self.entries.len());
        if entry == LANES_MAX {
            return Err(Error::limit(format!("{}: a reader follows at most {LANES_MAX} lanes", self.path.display())));
        }
        // Pairs with the acquire load in `KnownReader::committed`: we have read all that we give back.
        self.region.store_u64(entry_at(entry) + 8, row, Ordering::Release);
        if known.is_none() {
            self.region.store_u64(entry_at(entry), lane_id, Ordering::Release);
        }
        match self.entries.get_mut(entry) {
            Some(known) => *known = (lane_id, row),
            None => self.entries.push((lane_id, row)),
        }
        Ok(())
    }

    /// Makes room for other lanes: this one is gone, and nobody writes it.
    pub fn forget(&mut self, lane_id: u64) {
        if let Some(entry) = self.entries.iter().position(|&(lane, _)| lane == lane_id) {
            self.region.store_u64(entry_at(entry), FORGOTTEN, Ordering::Release);
            self.entries[entry].0 = FORGOTTEN;
        }
    }

    /// Whether no part of it was found to be gone.
    #[inline]
    pub fn is_intact(&self) -> bool {
        self.region.is_intact()
    }

    /// Whether producers find it under its name.
    pub fn is_there(&self) -> bool {
        file::is_same(&self.file, &self.path)
    }

    /// Makes the file anew, with what is known of it; the old one serves nobody any more.
    pub fn renew(&mut self, folder: &StreamFolder) -> Result<()> {
        let remove = |path: &Path| std::fs::remove_file(path).map_err(|e| io_error("removing", path, e));
        if self.is_there() {
            remove(&self.path)?;
        }
        let mut new = match Self::open(folder, &self.name, self.durable) {
            // Whatever lies there now is no cursor.
            Err(error) if error.is_corrupt() => {
                remove(&self.path)?;
                Self::open(folder, &self.name, self.durable)?
            }
            opened => opened?,
        };
        for &(lane_id, row) in self.entries.iter().filter(|(lane_id, _)| *lane_id != FORGOTTEN) {
            new.commit(lane_id, row)?;
        }
        if let Some(folder) = &self.checkpoint {
            new.note_checkpoint(folder)?;
        }
        new.was_there = self.was_there;
        std::mem::swap(self, &mut new);
        // The file in its place is the new one's.
        new.durable = true;
        Ok(())
    }
}

impl Drop for CursorFile {
    fn drop(&mut self) {
        claim::give_back(&self.region, CLAIM, self.claim);
        if !self.durable {
            // If it stays, it counts as that of a dead reader.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// All readers of a stream, as a producer sees them.
#[derive(Debug, Default)]
pub struct Readers {
    known: Vec<KnownReader>,
    /// There are others of which nothing can be known now.
    has_unknown: bool,
    /// `Bell::changes` when they were listed.
    changes: Option<u32>,
}

/// One reader, as others see it.
#[derive(Debug)]
pub struct KnownReader {
    pub name: String,
    path: PathBuf,
    file: File,
    region: Region,
    holder: Holder,
    /// The claim that `holder` was read from.
    claim: u64,
}

impl Readers {
    /// Whether every reader that counts has given back the rows of a lane before `row`. Readers count if they live or
    /// are durable; if none lives, all count, so that what the last one had not read waits for the next. With no
    /// reader at all, nothing has been given back. Unless asked to look `closely`, the dead count too: telling takes a
    /// system call.
    pub fn have_read(&mut self, folder: &StreamFolder, bell: &Bell, lane_id: u64, row: u64, closely: bool) -> bool {
        // Loaded before the folder is listed: who comes between is found next time.
        let changes = bell.changes();
        if closely || self.changes != Some(changes) {
            self.has_unknown = list(folder, &mut self.known);
            self.changes = Some(changes).filter(|_| !self.has_unknown);
        }
        if self.has_unknown {
            return false;
        }
        let has_read = |reader: &KnownReader| {
            reader.committed(lane_id).is_some_and(|given_back| rows_since(given_back, row).is_some())
        };
        if !self.known.is_empty() && self.known.iter().all(has_read) {
            return true;
        }
        closely && self.live_have_read(has_read)
    }

    fn live_have_read(&mut self, has_read: impl Fn(&KnownReader) -> bool) -> bool {
        let alive: Vec<bool> = self.known.iter_mut().map(KnownReader::is_alive).collect();
        if !alive.contains(&true) {
            return false;
        }
        let counts = |(reader, alive): &(&KnownReader, &bool)| **alive || reader.is_durable();
        let (counting, gone): (Vec<_>, Vec<_>) = self.known.iter().zip(&alive).partition(counts);
        // So that the next look need not be a close one.
        gone.into_iter().for_each(|(reader, _)| reader.forget());
        counting.into_iter().all(|(reader, _)| has_read(reader))
    }
}

impl KnownReader {
    /// Opens the cursor file of another reader.
    pub fn open(folder: &StreamFolder, name: &str) -> Result<Self> {
        let path = folder.cursor_path(name)?;
        let file = file::open(&path, false).map_err(|e| io_error("opening", &path, e))?;
        check(&file, &path)?;
        let region = Mapping::read_only(&file, BYTES, false).map_err(|e| io_error("mapping", &path, e))?;
        let claim = region.load_u64(CLAIM.owner, Ordering::Acquire);
        let holder = claim::holder(&region, CLAIM);
        Ok(Self { name: name.into(), path, file, region, holder, claim })
    }

    /// Rows of a lane that it gave back; `None` if it has not seen the lane.
    pub fn committed(&self, lane_id: u64) -> Option<u64> {
        entries(&self.region).find(|&(lane, _)| lane == lane_id).map(|(_, row)| row)
    }

    /// Whether its process lives.
    pub fn is_alive(&mut self) -> bool {
        let claim = self.region.load_u64(CLAIM.owner, Ordering::Acquire);
        if claim != self.claim || matches!(self.holder, Holder::Unknown) {
            (self.claim, self.holder) = (claim, claim::holder(&self.region, CLAIM));
        }
        self.holder.is_alive(|| claim::is_locked(&self.file))
    }

    /// Whether it counts even while its process is gone.
    pub fn is_durable(&self) -> bool {
        self.region.load_u32(DURABLE, Ordering::Acquire) == 1
    }

    /// The folder of the checkpoint that it is held for, if it says so.
    pub fn checkpoint(&self) -> Option<PathBuf> {
        let mut bytes = [0; OWNER_TEXT_BYTES];
        file::read_at(&self.file, &mut bytes, BYTES as u64).ok()?;
        let text = bytes.split(|&b| b == 0).next()?;
        let text = str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
        Some(text.into())
    }

    /// The checkpoint that it was held for, if that is gone and so is its reader: nobody will ever come for the rows.
    pub fn orphaned_by(&mut self) -> Option<PathBuf> {
        let folder = self.checkpoint()?;
        // One that may not be looked at is not gone.
        let is_gone = matches!(folder.try_exists(), Ok(false));
        (self.is_durable() && is_gone && !self.is_alive()).then_some(folder)
    }

    /// Removes the cursor of a reader that is gone, also one that counts; false if it lives or came back.
    pub fn remove(&mut self) -> bool {
        !self.is_alive() && {
            self.forget();
            !self.path.exists()
        }
    }

    /// Removes the cursor of a reader found dead. Under the file's lock, which a reader who takes such a cursor over
    /// holds while it does, and only if that has not happened.
    fn forget(&self) {
        if self.file.try_lock().is_ok() {
            let is_dead = !claim::holder(&self.region, CLAIM).is_alive(|| false);
            if is_dead && file::is_same(&self.file, &self.path) {
                // Somebody else may have done so.
                let _ = std::fs::remove_file(&self.path);
            }
            // Closing the file unlocks it as well.
            let _ = self.file.unlock();
        }
    }

    /// The number of its process.
    pub fn pid(&self) -> Option<u32> {
        self.holder.pid()
    }
}

/// Finds the readers there are; those known already are kept. A file that is not a cursor, or not ours to read, holds
/// nobody up. True if there may be others, for which the system has too little of something now.
fn list(folder: &StreamFolder, known: &mut Vec<KnownReader>) -> bool {
    let names = match folder.readers() {
        Ok(names) => names,
        Err(error) => return error.is_scarce(),
    };
    known.retain(|r| names.contains(&r.name) && r.region.is_intact() && file::is_same(&r.file, &r.path));
    let mut has_unknown = false;
    for name in names {
        if !known.iter().any(|reader| reader.name == name) {
            match KnownReader::open(folder, &name) {
                Ok(reader) => known.push(reader),
                Err(error) => has_unknown |= error.is_scarce(),
            }
        }
    }
    has_unknown
}

/// Removes the cursors of readers that are gone and do not count any more. Called by a reader that counts already.
pub fn forget_the_dead(folder: &StreamFolder) {
    for name in folder.readers().unwrap_or_default() {
        let Ok(mut reader) = KnownReader::open(folder, &name) else { continue };
        if !reader.is_durable() && !reader.is_alive() {
            reader.forget();
        }
    }
}

/// Opens a cursor file under its lock, unless a stranger keeps that.
fn open_locked(path: &Path) -> Result<File> {
    let mut file = file::open(path, true).map_err(|e| io_error("opening", path, e))?;
    for _ in 0..LOCK_ATTEMPTS {
        if file.try_lock().is_ok() {
            if file::is_same(&file, path) {
                break;
            }
            // It was forgotten before we had the lock.
            file = file::open(path, true).map_err(|e| io_error("opening", path, e))?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(file)
}

fn create(path: &Path, durable: bool) -> io::Result<()> {
    file::create_whole(path, 0o640, |file| {
        file::allocate(file, (BYTES + OWNER_TEXT_BYTES) as u64)?;
        let region = Mapping::writable(file, BYTES, false)?;
        region.store_u32(8, VERSION, Ordering::Release);
        region.store_u32(DURABLE, durable.into(), Ordering::Release);
        region.store_u64(0, MAGIC, Ordering::Release);
        claim::take_new(&region, CLAIM);
        Ok(())
    })
}

fn check(file: &File, path: &Path) -> Result<()> {
    let bad = |what: String| {
        Error::corrupt(format!("{}: not a usable cursor: {what}", path.display()))
            .hint("remove the file; its reader then starts with the oldest row")
    };
    let len = file.metadata().map_err(|e| io_error("reading", path, e))?.len();
    if len < BYTES as u64 {
        return Err(bad(format!("it has {len} bytes, a cursor has {BYTES}")));
    }
    let region = Mapping::read_only(file, ENTRIES, false).map_err(|e| io_error("mapping", path, e))?;
    if region.load_u64(0, Ordering::Acquire) != MAGIC {
        return Err(bad("it does not start like one".into()));
    }
    match region.load_u32(8, Ordering::Acquire) {
        VERSION => Ok(()),
        version => Err(bad(format!("it is of version {version}, this build knows version {VERSION}"))),
    }
}

/// Lanes and rows given back, up to the first entry that is not used.
fn entries(region: &Region) -> impl Iterator<Item = (u64, u64)> {
    (0..LANES_MAX)
        .map(|i| {
            let lane_id = region.load_u64(entry_at(i), Ordering::Acquire);
            // Pairs with the release store in `CursorFile::commit`.
            (lane_id, region.load_u64(entry_at(i) + 8, Ordering::Acquire))
        })
        .take_while(|&(lane_id, _)| lane_id != 0)
}

fn entry_at(i: usize) -> usize {
    ENTRIES + i * ENTRY_BYTES
}
