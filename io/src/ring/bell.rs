//! The bell of a stream: words that readers and producers sleep on. It carries no data; whoever misuses it can make
//! others look once too often, or sleep a tenth of a second too long, nothing else.
//!
//! ```text
//! bytes     field
//!    0..8   magic     "FIREBELL"
//!    8..12  version   1
//!   64..68  rings     counts up when rows were published and a reader sleeps; readers sleep on it
//!   68..72  sleepers  1 if a reader sleeps or is about to
//!  128..132 space     counts up when readers gave rows back and a producer sleeps; producers sleep on it
//!  132..136 waiters   1 if a producer sleeps or is about to
//!  192..196 changes   counts up when a lane or a reader comes or goes
//! ```
//! Nobody is forgotten asleep: a sleeper sets its flag and *then* looks for rows once more; a waker publishes and
//! *then* looks at the flag. Sequentially consistent fences between the two steps make one of them see the other.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use firesteel_core::{
    Error, Result,
    ring::{
        region::RegionMut,
        sync::{AtomicU32, Ordering, fence},
    },
};

use super::{about, io_error, wait::Waiting};
use crate::sys::{Mapping, file, futex};

const MAGIC: u64 = u64::from_ne_bytes(*b"FIREBELL");
const VERSION: u32 = 1;
const BYTES: usize = 4096;
const RINGS: usize = 64;
const SPACE: usize = 128;
const CHANGES: usize = 192;

/// The file's name in a stream's folder.
pub const NAME: &str = "bell";

/// The bell of a stream.
#[derive(Debug)]
pub struct Bell {
    path: PathBuf,
    file: File,
    region: RegionMut,
}

/// A word to sleep on, and beside it the flag of who sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    count: &'a AtomicU32,
    asleep: &'a AtomicU32,
}

impl Bell {
    /// Opens the bell of the stream in `folder`, making it if there is none.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        match Self::create(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(io_error("creating", &path, error)),
            _ => Self::open_existing(folder),
        }
    }

    /// Opens the bell of the stream in `folder`.
    pub fn open_existing(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let file = file::open(&path, true).map_err(|e| io_error("opening", &path, e))?;
        let len = file.metadata().map_err(|e| io_error("reading", &path, e))?.len();
        if len < BYTES as u64 {
            return Err(bad(format!("has {len} bytes, a bell has {BYTES}"))).map_err(about(&path));
        }
        let region = Mapping::writable(&file, BYTES, false).map_err(|e| io_error("mapping", &path, e))?;
        let version = region.load_u32(8, Ordering::Acquire);
        if region.load_u64(0, Ordering::Acquire) != MAGIC || version != VERSION {
            return Err(bad("is not a bell of this version".into())).map_err(about(&path));
        }
        Ok(Self { path, file, region })
    }

    /// Whether no part of it was found to be gone.
    #[inline]
    pub fn is_intact(&self) -> bool {
        self.region.is_intact()
    }

    /// Whether others find it under its name.
    pub fn is_there(&self) -> bool {
        file::is_same(&self.file, &self.path)
    }

    /// Opens the bell of the stream in `folder`; one that cannot be used is replaced.
    pub fn renew(folder: &Path) -> Result<Self> {
        Self::open(folder).or_else(|_| {
            // Somebody else may have done so.
            let _ = fs::remove_file(folder.join(NAME));
            Self::open(folder)
        })
    }

    /// What readers sleep on.
    pub fn rows(&self) -> Sound<'_> {
        self.sound(RINGS)
    }

    /// What producers sleep on.
    pub fn space(&self) -> Sound<'_> {
        self.sound(SPACE)
    }

    /// Counts up whenever a lane or a reader comes or goes.
    #[inline]
    pub fn changes(&self) -> u32 {
        self.region.word_u32(CHANGES).load(Ordering::Acquire)
    }

    /// Tells all that a lane or a reader came or went.
    pub fn announce(&self) {
        self.region.word_u32(CHANGES).fetch_add(1, Ordering::SeqCst);
        self.rows().ring();
        self.space().ring();
    }

    fn create(path: &Path) -> std::io::Result<()> {
        file::create_whole(path, 0o660, |file| {
            file::allocate(file, BYTES as u64)?;
            let region = Mapping::writable(file, BYTES, false)?;
            region.store_u32(8, VERSION, Ordering::Release);
            region.store_u64(0, MAGIC, Ordering::Release);
            Ok(())
        })
    }

    fn sound(&self, at: usize) -> Sound<'_> {
        Sound { count: self.region.word_u32(at), asleep: self.region.word_u32(at + 4) }
    }
}

impl Sound<'_> {
    /// Wakes those who sleep, if any does: called after what they wait for was stored.
    #[inline]
    pub fn ring(&self) {
        // Pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    /// Sleeps unless `is_ready` by now; may return early.
    pub fn sleep(&self, waiting: &mut Waiting, is_ready: impl FnOnce() -> bool) {
        let seen = self.count.load(Ordering::Acquire);
        self.asleep.store(1, Ordering::Relaxed);
        // Pairs with the fence in `ring`.
        fence(Ordering::SeqCst);
        if !is_ready() {
            waiting.sleep(self.count, seen);
        }
    }

    #[cold]
    fn wake(&self) {
        // The flag falls before the count rises: who sees the new count may raise the flag again and keep it.
        self.asleep.store(0, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
        futex::wake_all(self.count);
    }
}

fn bad(what: String) -> Error {
    Error::corrupt(what).hint("remove the file; it is made anew, and holds nothing but who sleeps")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the picture at the head of this file, as the file has them.
    fn words(folder: &Path) -> [u32; 5] {
        let bytes = fs::read(folder.join(NAME)).unwrap();
        assert_eq!((&bytes[..8], bytes.len()), (&b"FIREBELL"[..], BYTES));
        [64, 68, 128, 132, 192].map(|at| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()))
    }

    #[test]
    fn who_sleeps_is_woken_once_and_by_the_right_sound() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let bell = Bell::open(folder).unwrap();
        let other = Bell::open_existing(folder).unwrap();
        bell.rows().ring();
        assert_eq!(words(folder), [0, 0, 0, 0, 0], "nobody sleeps");
        other.rows().asleep.store(1, Ordering::Relaxed);
        bell.space().ring();
        assert_eq!(words(folder), [0, 1, 0, 0, 0], "who waits for rows is not woken by space");
        bell.rows().ring();
        bell.rows().ring();
        assert_eq!(words(folder), [1, 0, 0, 0, 0]);
        other.space().asleep.store(1, Ordering::Relaxed);
        other.rows().asleep.store(1, Ordering::Relaxed);
        bell.announce();
        assert_eq!(words(folder), [2, 0, 1, 0, 1]);
        assert_eq!((other.changes(), bell.is_intact(), bell.is_there()), (1, true, true));
        fs::remove_file(folder.join(NAME)).unwrap();
        assert!(!bell.is_there());
    }

    #[test]
    fn a_bell_that_is_cut_off_is_not_intact_once_it_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let bell = Bell::open(folder.path()).unwrap();
        bell.file.set_len(0).unwrap();
        assert_eq!((bell.changes(), bell.is_intact()), (0, false));
    }

    #[test]
    fn a_bell_of_another_kind_is_refused_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        drop(Bell::open(folder).unwrap());
        let good = fs::read(folder.join(NAME)).unwrap();
        let wrong = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        for bytes in [wrong(0), wrong(7), wrong(8), good[..BYTES - 1].to_vec(), Vec::new()] {
            fs::write(folder.join(NAME), &bytes).unwrap();
            let error = Bell::open_existing(folder).map(|_| ()).unwrap_err();
            assert!(error.is_corrupt() && error.message().contains(NAME), "{error}");
            assert_eq!(Bell::renew(folder).unwrap().changes(), 0);
            assert_eq!(words(folder), [0; 5]);
        }
    }
}
