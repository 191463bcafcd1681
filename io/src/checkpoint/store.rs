//! Generations in a folder: which is the newest good one, and how the next one is added. Whatever lies in the folder,
//! opening it ends, with the newest file that is whole; whatever fails while saving, the generations that were good
//! stay as they are.

use std::{
    collections::HashSet,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use firesteel_core::{Error, Result};

use super::{
    Checkpoint,
    disk::{Disk, Lock, RealDisk, parent},
    failed,
    layout::{Encoded, HEAD_BYTES, Head},
};
use crate::sys::scarce;

/// Good generations that are kept: the newest, and one more in case the medium damages it.
const GENERATIONS: usize = 2;
const LOCK: &str = "lock";
const PREFIX: &str = "generation-";
const SUFFIX: &str = ".ckpt";
const TEMPORARY: &str = ".tmp";

/// A folder of generations that this process alone writes, until the store is dropped.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    lock: Box<dyn Lock>,
    /// The number of the next file; `None` when there are no more.
    next: Option<u64>,
    /// Good generations, newest first, at most [`GENERATIONS`].
    good: Vec<u64>,
    /// Files that could not be made durable, or whose names could not: the system may call them clean now, without
    /// having written them. A folder stands for all that is in it.
    given_up: HashSet<PathBuf>,
    /// What the save that failed last has lost.
    lost: Lost,
    /// Folders of sinks of which we know that they are durable themselves.
    folders: HashSet<PathBuf>,
}

/// What may be lost for good because it could not be made durable: the next sync may succeed without having written it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// Nothing: another save may succeed as things are.
    #[default]
    Nothing,
    /// The contents of a file of the sink. Written anew ([`Store::renewed`]) it is as good as any.
    File(PathBuf),
    /// Names in a folder of the sink: nobody knows which.
    Names,
}

/// What was found in a folder.
#[derive(Debug)]
pub struct Opened {
    /// Where the next generation goes.
    pub store: Store,
    /// The newest good generation.
    pub checkpoint: Option<Checkpoint>,
    /// What is no good, newest first.
    pub discarded: Vec<Discarded>,
    /// Files were there, but none is good: the query cannot go on, and must not start from scratch unasked.
    pub is_lost: bool,
}

/// A file that is no good. It stays until a save succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it, as a sentence about "it".
    pub reason: String,
}

impl Store {
    /// Opens a folder of the real file system; it is made if there is none.
    pub fn open(folder: &Path) -> Result<Opened> {
        Self::open_on(Arc::new(RealDisk), folder)
    }

    /// Opens a folder of any file system.
    pub fn open_on(disk: Arc<dyn Disk>, folder: &Path) -> Result<Opened> {
        disk.create_folder(folder).map_err(|e| cannot_create(folder, &e))?;
        let lock = take_lock(&*disk, folder)?;
        // What is found is about to be relied on, and a process that died before us may not have made it durable.
        sync_whole_folder(&*disk, folder).map_err(|e| failed("cannot make durable", folder, &e))?;
        let mut store = Self {
            disk,
            folder: folder.to_path_buf(),
            lock,
            next: Some(1),
            good: Vec::new(),
            given_up: HashSet::new(),
            lost: Lost::Nothing,
            folders: HashSet::new(),
        };
        let (checkpoint, discarded) = store.load()?;
        let is_lost = checkpoint.is_none() && !discarded.is_empty();
        Ok(Opened { store, checkpoint, discarded, is_lost })
    }

    /// Writes the next generation, and gives its size in bytes. The `files`, which a sink has written under temporary
    /// names, are made durable before.
    ///
    /// After an error the last good generations are as they were, and the next save starts a new file. A save that
    /// failed in its last step may still be what the next open finds: keep its `files` until a later save succeeds. A
    /// file that could not be made durable is refused from then on: see [`Store::take_lost`].
    pub fn save(&mut self, checkpoint: &Checkpoint, files: &[PathBuf]) -> Result<u64> {
        if !self.lock.is_held() {
            return Err(Error::io(format!("the checkpoint {} is no longer ours", self.folder.display()))
                .hint("its folder was removed or replaced while the query ran; start the query again"));
        }
        self.sync_files(files)?;
        let generation = self.next.ok_or_else(|| self.used_up())?;
        self.next = generation.checked_add(1);
        let encoded = Encoded::new(generation, checkpoint)
            .map_err(|e| Error::internal(format!("cannot encode the header of a checkpoint: {e}")))?;
        self.write(generation, &encoded)?;
        self.good.insert(0, generation);
        self.good.truncate(GENERATIONS);
        self.prune();
        Ok(encoded.size())
    }

    /// What the last save has lost, told once.
    pub fn take_lost(&mut self) -> Lost {
        std::mem::take(&mut self.lost)
    }

    /// Another file with the same contents, never synced, has been put in the place of one that was lost.
    pub fn renewed(&mut self, path: &Path) {
        self.given_up.remove(path);
    }

    /// Forgets all generations (the user asked to start from scratch).
    pub fn clear(&mut self) -> Result<()> {
        // The newest good one goes last, on its own: a power cut in between must not bring an older one back.
        let newest = self.good.first().copied();
        self.good.clear();
        let is_newest = |entry: &Entry| !entry.is_temporary && Some(entry.generation) == newest;
        let (newest, others): (Vec<_>, Vec<_>) = self.entries()?.into_iter().partition(is_newest);
        for batch in [others, newest] {
            for entry in batch {
                let path = entry.path(&self.folder);
                self.disk.remove(&path).map_err(|e| failed("cannot remove", &path, &e))?;
            }
            self.sync_folder()?;
        }
        self.next = self.next.or(Some(1));
        Ok(())
    }

    /// Reads all generations, newest first; gives the newest good one, and what is wrong with others.
    fn load(&mut self) -> Result<(Option<Checkpoint>, Vec<Discarded>)> {
        let (mut checkpoint, mut discarded) = (None, Vec::new());
        let mut entries = self.entries()?;
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.generation));
        for entry in entries {
            let path = entry.path(&self.folder);
            if entry.is_temporary {
                // Cut short by the end of a process; a save removes what cannot be removed now.
                let _ = self.disk.remove(&path);
                continue;
            }
            match read(&*self.disk, &path, entry.generation)? {
                Ok(found) => {
                    checkpoint.get_or_insert(found);
                    self.good.push(entry.generation);
                }
                Err(reason) => discarded.push(Discarded { path, reason }),
            }
            self.count_past(entry.generation);
        }
        self.good.truncate(GENERATIONS);
        if self.good.first() == Some(&u64::MAX) {
            self.next = None;
        }
        Ok((checkpoint, discarded))
    }

    /// New files get numbers past all that are there, good or not, so that none of those can win over them later. Only
    /// the last number of all is not counted: a file of that name that is no good must not stop us.
    fn count_past(&mut self, generation: u64) {
        if let Some(next) = generation.checked_add(1) {
            self.next = self.next.max(Some(next));
        }
    }

    fn write(&self, generation: u64, encoded: &Encoded<'_>) -> Result<()> {
        let path = Entry { generation, is_temporary: false }.path(&self.folder);
        let temporary = Entry { generation, is_temporary: true }.path(&self.folder);
        let write = || {
            self.disk.write(&temporary, &encoded.parts()).map_err(|e| failed("cannot write", &temporary, &e))?;
            self.disk.rename(&temporary, &path).map_err(|e| failed("cannot rename a checkpoint to", &path, &e))?;
            self.sync_folder()
        };
        write().inspect_err(|_| {
            // As far as that is possible; nothing to add to the first error.
            let _ = self.disk.remove(&temporary);
            let _ = self.disk.remove(&path);
        })
    }

    /// Makes files of a sink durable, and that they are in their folders.
    fn sync_files(&mut self, files: &[PathBuf]) -> Result<()> {
        for path in files {
            if self.given_up.contains(path) || self.given_up.contains(parent(path)) {
                return Err(Error::io(format!("{} could not be made durable before", path.display())).hint(LOST_HINT));
            }
            self.disk.sync(path).map_err(|error| {
                let failed = failed("cannot make durable", path, &error);
                if is_untouched(&error) {
                    return failed.hint(LOST_HINT);
                }
                self.given_up.insert(path.clone());
                self.lost = Lost::File(path.clone());
                failed.hint(LOST_HINT)
            })?;
        }
        let folders: HashSet<&Path> = files.iter().map(|path| parent(path)).collect();
        folders.into_iter().try_for_each(|folder| {
            self.sync_folder_of_sink(folder).map_err(|error| {
                let failed = failed("cannot make durable", folder, &error);
                if !is_untouched(&error) {
                    self.give_up_names(folder);
                    self.lost = Lost::Names;
                }
                failed.hint(LOST_HINT)
            })
        })
    }

    /// Names that are in a folder by now may be lost, whichever file they belong to; later ones are not concerned.
    fn give_up_names(&mut self, folder: &Path) {
        match self.disk.list(folder) {
            Ok(names) => self.given_up.extend(names.iter().map(|name| folder.join(name))),
            // Which names those are is not to be known: none is good any more.
            Err(_) => _ = self.given_up.insert(folder.to_path_buf()),
        }
    }

    fn sync_folder_of_sink(&mut self, folder: &Path) -> io::Result<()> {
        if self.folders.contains(folder) {
            return self.disk.sync_folder(folder);
        }
        sync_whole_folder(&*self.disk, folder)?;
        self.folders.insert(folder.to_path_buf());
        Ok(())
    }

    /// Removes what is neither one of the good generations nor anybody else's. What cannot be removed does no harm, and
    /// is tried again after the next save.
    fn prune(&self) {
        for entry in self.entries().unwrap_or_default() {
            if entry.is_temporary || !self.good.contains(&entry.generation) {
                let _ = self.disk.remove(&entry.path(&self.folder));
            }
        }
    }

    fn sync_folder(&self) -> Result<()> {
        self.disk.sync_folder(&self.folder).map_err(|e| failed("cannot make durable", &self.folder, &e))
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let names = self.disk.list(&self.folder).map_err(|e| failed("cannot list", &self.folder, &e))?;
        Ok(names.iter().filter_map(|name| Entry::parse(name)).collect())
    }

    fn used_up(&self) -> Error {
        Error::limit(format!("the checkpoint {} has used up all numbers", self.folder.display()))
            .hint("start the query with a new folder")
    }
}

const LOST_HINT: &str = "what was written may be lost; start the query again: it goes on from its last checkpoint";

/// Whether a file could not even be opened to be made durable: nothing has been asked of the disk, and when it can be
/// opened again it is as it was.
fn is_untouched(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) || scarce::is_scarce(error)
}

/// A file of ours, as its name says.
#[derive(Clone, Copy, Debug)]
struct Entry {
    generation: u64,
    is_temporary: bool,
}

impl Entry {
    fn parse(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?.strip_prefix(PREFIX)?;
        let (name, is_temporary) = name.strip_suffix(TEMPORARY).map_or((name, false), |name| (name, true));
        let digits = name.strip_suffix(SUFFIX)?;
        let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self { generation: digits.parse().ok().filter(|_| is_number)?, is_temporary })
    }

    fn path(self, folder: &Path) -> PathBuf {
        let temporary = if self.is_temporary { TEMPORARY } else { "" };
        folder.join(format!("{PREFIX}{:020}{SUFFIX}{temporary}", self.generation))
    }
}

/// One generation, or what is wrong with it. An error if it may be as good as any, and only not ours to read now.
fn read(disk: &dyn Disk, path: &Path, generation: u64) -> Result<Result<Checkpoint, String>> {
    match try_read(disk, path, generation) {
        Ok(found) => Ok(found),
        Err(error) if is_untouched(&error) && error.kind() != io::ErrorKind::NotFound => {
            Err(failed("cannot read", path, &error))
        }
        Err(error) => Ok(Err(format!("it cannot be read: {error}"))),
    }
}

fn try_read(disk: &dyn Disk, path: &Path, generation: u64) -> io::Result<Result<Checkpoint, String>> {
    let start = disk.read(path, HEAD_BYTES as u64)?;
    let head = match Head::decode(&start.bytes, start.file_bytes) {
        Ok(head) => head,
        Err(flaw) => return Ok(Err(flaw.to_string())),
    };
    let content = disk.read(path, start.file_bytes)?;
    Ok(head.checkpoint(content.bytes, generation).map_err(|flaw| flaw.to_string()))
}

fn take_lock(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn Lock>> {
    let path = folder.join(LOCK);
    disk.lock(&path).map_err(|error| {
        if error.kind() != io::ErrorKind::WouldBlock {
            return failed("cannot lock", &path, &error);
        }
        let owner = disk.read(&path, 20).ok().and_then(|content| String::from_utf8(content.bytes).ok());
        let owner = owner.and_then(|text| text.trim().parse::<u32>().ok());
        let owner = owner.map_or_else(|| "another query".to_string(), |pid| format!("a query of process {pid}"));
        Error::io(format!("the checkpoint {} is in use by {owner}", folder.display()))
            .hint("a checkpoint belongs to one query at a time: stop the other one, or give this one its own folder")
    })
}

/// Makes durable what is in a folder, and that the folder itself is there.
fn sync_whole_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};

    disk.sync_folder(folder)?;
    match disk.sync_folder(parent(folder)) {
        // A folder cannot be new in one that we may not even list, or that nobody can change.
        Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => Ok(()),
        result => result,
    }
}

fn cannot_create(folder: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::io(format!("{} is not a folder", folder.display()))
                .hint("a checkpoint is a folder: give its path, or one that is still free")
        }
        _ => failed("cannot create the folder", folder, error),
    }
}
