//! A file system in memory that fails: calls that give errors, and may have had an effect nevertheless; processes that
//! die in the middle of a call; power cuts, after which anything that was not made durable is there, gone, or torn.
//!
//! ```text
//!   a name, a file's bytes      as processes see them
//!        │ sync                 a sync that fails may lose what it should have written, and never says so again
//!        ▼
//!   durable                     what a power cut leaves for certain; of the rest, any part
//! ```
//! Changes of names survive a power cut each by itself, in no order, as POSIX allows; those of one name, in theirs.
//! Bytes survive by sectors of 512.
//! All of it follows from one seed.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Content, Disk, Lock, disk::parent};

const SECTOR: usize = 512;

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct FakeDisk(Arc<Mutex<State>>);

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Of 1000 steps, how many fail.
    pub per_mille: u64,
    /// The step after so many fails.
    pub fails_after: Option<u64>,
    /// The process dies in the step after so many.
    pub dies_after: Option<u64>,
}

#[derive(Debug)]
struct State {
    random: Random,
    faults: Faults,
    /// How many steps have failed, for whatever reason.
    failures: u64,
    is_dead: bool,
    /// How often the process has died: locks of earlier ones are void.
    lives: u64,
    locks: HashMap<PathBuf, u64>,
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<Change>,
    /// A folder that this process may not open.
    forbidden: Option<PathBuf>,
}

/// A file, or a folder (which has no bytes of its own).
#[derive(Debug, Default)]
struct Node {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    is_dirty: bool,
    /// A sync failed: the system says it is clean.
    is_lost: bool,
    is_folder: bool,
}

/// A change of names in a folder that is not durable yet.
#[derive(Clone, Debug)]
struct Change {
    removed: Option<PathBuf>,
    added: Option<(PathBuf, usize)>,
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.removed {
            names.remove(path);
        }
        if let Some((path, node)) = &self.added {
            names.insert(path.clone(), *node);
        }
    }

    /// Whether both are about one name, so that the later must not come before the earlier.
    fn shares_a_name(&self, other: &Self) -> bool {
        self.names().any(|name| other.names().any(|other| name == other))
    }

    fn names(&self) -> impl Iterator<Item = &PathBuf> {
        self.removed.iter().chain(self.added.iter().map(|(path, _)| path))
    }

    fn is_in(&self, folder: &Path) -> bool {
        let path = self.added.as_ref().map(|(path, _)| path).or(self.removed.as_ref());
        path.is_some_and(|path| parent(path) == folder)
    }
}

impl FakeDisk {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            random: Random(seed),
            faults: Faults::default(),
            failures: 0,
            is_dead: false,
            lives: 0,
            locks: HashMap::new(),
            nodes: Vec::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            forbidden: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Takes away the right to open a folder.
    pub(crate) fn forbid(&self, folder: &Path) {
        self.state().forbidden = Some(folder.to_path_buf());
    }

    /// How many steps have failed up to now.
    pub(crate) fn failures(&self) -> u64 {
        self.state().failures
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Ends the process, with or without a power cut, and starts the next one without faults.
    pub(crate) fn restart(&self, is_power_cut: bool) {
        let mut state = self.state();
        state.is_dead = false;
        state.lives += 1;
        state.locks.clear();
        state.faults = Faults::default();
        if is_power_cut {
            state.cut_power();
        }
    }

    /// Makes a folder, but not durable.
    pub(crate) fn make_folder(&self, path: &Path) {
        let mut state = self.state();
        let node = state.create(path);
        state.nodes[node].is_folder = true;
    }

    /// Writes a file, but makes neither its bytes nor its name durable.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let node = state.create(path);
        state.nodes[node].bytes = bytes.to_vec();
        state.nodes[node].is_dirty = true;
    }

    /// Replaces the bytes of a file, beyond what any power cut can undo.
    pub(crate) fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let node = state.names[path];
        state.nodes[node] = Node { durable: bytes.clone(), bytes, ..Node::default() };
    }

    /// The bytes of a file as processes see them.
    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|&node| state.nodes[node].bytes.clone())
    }

    /// The bytes of a file that are there after a power cut, for certain.
    pub(crate) fn durable_bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let is_there = |path: &Path| state.durable.contains_key(path);
        let node = &state.nodes[*state.durable.get(path).filter(|_| is_there(parent(path)))?];
        (!node.is_dirty).then(|| node.durable.clone())
    }

    /// The files in a folder, in the order of their names.
    pub(crate) fn files(&self, folder: &Path) -> Vec<PathBuf> {
        self.state().names.keys().filter(|path| path.parent() == Some(folder)).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One thing that can fail. What fails may still have happened: `Err` says that it failed, and whether it did.
    fn step(&mut self) -> Result<(), Failure> {
        if self.is_dead {
            return Err(Failure { error: io::Error::other("this process is dead"), has_happened: false });
        }
        let error = if counts_down(&mut self.faults.dies_after) {
            self.is_dead = true;
            io::Error::other("this process dies")
        } else if counts_down(&mut self.faults.fails_after) || self.random.chance(self.faults.per_mille) {
            // Not a lack of permission: who may open a folder, which a sync does first, is the same at all times.
            [io::ErrorKind::StorageFull, io::ErrorKind::Other][self.random.below(2) as usize].into()
        } else {
            return Ok(());
        };
        self.failures += 1;
        Err(Failure { error, has_happened: self.random.chance(300) })
    }

    /// A change of names.
    fn change(&mut self, change: Change) -> io::Result<()> {
        let step = self.step();
        if step.is_ok() || step.as_ref().is_err_and(|failure| failure.has_happened) {
            self.change_now(change);
        }
        step.map_err(|failure| failure.error)
    }

    fn change_now(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn create(&mut self, path: &Path) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.change_now(Change { removed: None, added: Some((path.to_path_buf(), node)) });
        node
    }

    fn node(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&mut self, node: usize) -> io::Result<()> {
        assert!(!self.nodes[node].is_lost, "a file that could not be made durable is synced again");
        let step = self.step();
        if let Err(failure) = step {
            // Whoever is dead learns nothing, and the system may still write.
            if !self.is_dead {
                let state = &mut *self;
                let node = &mut state.nodes[node];
                if node.is_dirty {
                    node.durable = torn(&mut state.random, &node.durable, &node.bytes);
                }
                node.is_dirty = false;
                node.is_lost = true;
            }
            return Err(failure.error);
        }
        let node = &mut self.nodes[node];
        node.durable.clone_from(&node.bytes);
        node.is_dirty = false;
        Ok(())
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        let step = self.step();
        let (here, elsewhere): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(|change| change.is_in(folder));
        self.pending = elsewhere;
        let Err(failure) = step else {
            here.iter().for_each(|change| change.apply(&mut self.durable));
            return Ok(());
        };
        for change in here {
            // New names of files may be lost, while everybody goes on to see them.
            let is_file = change.added.as_ref().is_some_and(|(_, node)| !self.nodes[*node].is_folder);
            let waits = self.pending.iter().any(|earlier| earlier.shares_a_name(&change));
            match self.random.below(3) {
                0 if !waits => change.apply(&mut self.durable),
                1 if is_file && !self.is_dead => {}
                _ => self.pending.push(change),
            }
        }
        Err(failure.error)
    }

    fn cut_power(&mut self) {
        let survives = self.random.below(4);
        let count = self.random.below(self.pending.len() as u64 + 1) as usize;
        for (i, change) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let is_kept = match survives {
                0 => false,
                1 => true,
                2 => i < count,
                _ => self.random.chance(500),
            };
            if is_kept {
                change.apply(&mut self.durable);
            }
        }
        let folders = self.durable.clone();
        self.durable.retain(|path, _| parent(path) == Path::new(".") || folders.contains_key(parent(path)));
        self.names.clone_from(&self.durable);
        for node in &mut self.nodes {
            if node.is_dirty {
                node.durable = torn(&mut self.random, &node.durable, &node.bytes);
            }
            node.bytes.clone_from(&node.durable);
            (node.is_dirty, node.is_lost) = (false, false);
        }
    }
}

/// Whether the last step has come.
fn counts_down(left: &mut Option<u64>) -> bool {
    let is_now = *left == Some(0);
    *left = left.and_then(|left| left.checked_sub(1));
    is_now
}

struct Failure {
    error: io::Error,
    has_happened: bool,
}

/// What a power cut makes of bytes on their way from old to new.
fn torn(random: &mut Random, old: &[u8], new: &[u8]) -> Vec<u8> {
    match random.below(4) {
        0 => old.to_vec(),
        1 => new.to_vec(),
        2 => new[..random.below(new.len() as u64 / SECTOR as u64 + 1) as usize * SECTOR].to_vec(),
        _ => {
            let mut bytes = new.to_vec();
            for (i, sector) in bytes.chunks_mut(SECTOR).enumerate() {
                match random.below(4) {
                    0 => sector.fill(0),
                    1 => sector.iter_mut().for_each(|byte| *byte = random.next() as u8),
                    2 => sector.iter_mut().zip(old.iter().skip(i * SECTOR)).for_each(|(byte, old)| *byte = *old),
                    _ => {}
                }
            }
            bytes
        }
    }
}

impl Disk for FakeDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.node(folder).is_ok() {
            return Ok(());
        }
        let node = state.nodes.len();
        state.nodes.push(Node { is_folder: true, ..Node::default() });
        state.change(Change { removed: None, added: Some((folder.to_path_buf(), node)) })?;
        state.sync_folder(parent(folder))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        state.step().map_err(|failure| failure.error)?;
        if state.locks.contains_key(path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if state.node(path).is_err() {
            state.create(path);
        }
        let life = state.lives;
        state.locks.insert(path.to_path_buf(), life);
        Ok(Box::new(FakeLock { disk: self.clone(), path: path.to_path_buf(), life }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.state().step().map_err(|failure| failure.error)?;
        Ok(self.files(folder).iter().filter_map(|path| path.file_name().map(Into::into)).collect())
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Content> {
        let mut state = self.state();
        state.step().map_err(|failure| failure.error)?;
        let bytes = &state.nodes[state.node(path)?].bytes;
        let len = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Content { bytes: bytes[..len].to_vec(), file_bytes: bytes.len() as u64 })
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut state = self.state();
        let bytes = parts.concat();
        let node = state.nodes.len();
        state.nodes.push(Node { is_dirty: true, ..Node::default() });
        state.change(Change { removed: None, added: Some((path.to_path_buf(), node)) })?;
        if let Err(failure) = state.step() {
            let len = state.random.below(bytes.len() as u64 + 1) as usize;
            state.nodes[node].bytes = bytes[..len].to_vec();
            return Err(failure.error);
        }
        state.nodes[node].bytes = bytes;
        state.sync(node)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.node(path)?;
        state.sync(node)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        match state.forbidden.as_deref() == Some(folder) {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => state.sync_folder(folder),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.node(from)?;
        state.change(Change { removed: Some(from.to_path_buf()), added: Some((to.to_path_buf(), node)) })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.node(path)?;
        state.change(Change { removed: Some(path.to_path_buf()), added: None })
    }
}

#[derive(Debug)]
struct FakeLock {
    disk: FakeDisk,
    path: PathBuf,
    life: u64,
}

impl Lock for FakeLock {
    fn is_held(&self) -> bool {
        self.disk.state().locks.get(&self.path) == Some(&self.life)
    }
}

impl Drop for FakeLock {
    fn drop(&mut self) {
        if self.is_held() {
            self.disk.state().locks.remove(&self.path);
        }
    }
}

/// SplitMix64: numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True so many times of a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}
