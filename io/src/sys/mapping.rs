//! Files in memory. A [`Mapping`] lends no reference to its bytes; it is the memory of a ring's
//! region, which reaches it atomically.
#![expect(unsafe_code, reason = "promises of a mapping that the ring's regions build on")]

use std::{
    fmt,
    fs::File,
    io,
    ops::Range,
    os::unix::fs::MetadataExt,
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use firesteel_core::ring::region::{Memory, Region, RegionMut};
use memmap2::{MmapOptions, MmapRaw};

use super::guard::{self, Guard};

/// Device, inode and length of a mapping, and the mapping while somebody has it.
type Known = ((u64, u64, usize), Weak<Mapping>);

/// How much is faulted in at a time, and how long that takes at most if it is in memory. What takes longer comes from a
/// disk, and is read while what was read is worked on.
const FAULT_IN_BYTES: usize = 1 << 22;
const FAULT_IN_TIME: Duration = Duration::from_millis(4);
/// A multiple of every page's size.
const PAGE_BYTES: usize = 1 << 16;

/// Mappings to be read, by file.
static SHARED: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// A file mapped shared, whole.
pub struct Mapping {
    /// Before `map`, so that it goes first.
    guard: Guard,
    map: MmapRaw,
    writable: bool,
}

impl Mapping {
    /// Maps the first `len` bytes of a file to be read; if told to `populate`, faults them in now rather than on the
    /// hot path. Those of this process who read the same file share a mapping, and what was faulted in.
    pub fn read_only(file: &File, len: usize, populate: bool) -> io::Result<Region> {
        guard::unblock();
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino(), len);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|(_, mapping)| mapping.strong_count() > 0);
        let known = shared.iter().find(|(other, _)| *other == identity).and_then(|(_, mapping)| mapping.upgrade());
        if let Some(mapping) = known.filter(|mapping| mapping.is_intact()) {
            return Ok(Region::new(mapping));
        }
        let map = options(len, populate).map_raw_read_only(file)?;
        let mapping = Arc::new(Self::guarded(map, false)?);
        shared.push((identity, Arc::downgrade(&mapping)));
        Ok(Region::new(mapping))
    }

    /// Maps the first `len` bytes of a file to be read and written; if told to `populate`, faults them in now rather
    /// than on the hot path.
    pub fn writable(file: &File, len: usize, populate: bool) -> io::Result<RegionMut> {
        guard::unblock();
        let map = options(len, populate).map_raw(file)?;
        Ok(RegionMut::new(Arc::new(Self::guarded(map, true)?)))
    }

    fn guarded(map: MmapRaw, writable: bool) -> io::Result<Self> {
        let guard = Guard::new(map.as_mut_ptr(), map.len());
        let guard = guard.ok_or_else(|| io::Error::other("more files are mapped than can be guarded"))?;
        Ok(Self { guard, map, writable })
    }
}

fn options(len: usize, populate: bool) -> MmapOptions {
    let mut options = MmapOptions::new();
    options.len(len);
    if populate {
        options.populate();
    }
    options
}

// SAFETY: a `MmapRaw` stays where it is, page-aligned, until dropped; it was mapped with the access that `writable`
// says; only this struct has it, and it makes no reference to the bytes.
unsafe impl Memory for Mapping {
    fn start(&self) -> NonNull<u8> {
        NonNull::new(self.map.as_mut_ptr()).expect("the system maps nothing at address 0")
    }

    fn len(&self) -> usize {
        self.map.len()
    }

    fn is_writable(&self) -> bool {
        self.writable
    }

    fn is_intact(&self) -> bool {
        !self.guard.is_damaged()
    }

    #[cfg(target_os = "linux")]
    fn fault_in(&self, bytes: Range<usize>) {
        use rustix::mm::{Advice, madvise};
        let (start, end) = (bytes.start / PAGE_BYTES * PAGE_BYTES, bytes.end.min(self.map.len()));
        for from in (start..end).step_by(FAULT_IN_BYTES) {
            let (began, len) = (Instant::now(), FAULT_IN_BYTES.min(end - from));
            // SAFETY: these bytes are the mapping's; they are read into it and stay what they are.
            let done = unsafe { madvise(self.map.as_mut_ptr().add(from).cast(), len, Advice::LinuxPopulateRead) };
            if done.is_err() || began.elapsed() > FAULT_IN_TIME {
                break;
            }
        }
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("len", &self.map.len()).field("writable", &self.writable).finish()
    }
}

#[cfg(test)]
mod tests {
    use firesteel_core::ring::sync::Ordering;

    use super::*;

    #[test]
    fn those_who_read_a_file_share_its_mapping_while_anybody_has_it() {
        let path = std::env::temp_dir().join(format!("firesteel-shared-{}", std::process::id()));
        std::fs::write(&path, [7; 8192]).unwrap();
        let open = |len| Mapping::read_only(&File::open(&path).unwrap(), len, false).unwrap();
        let own = std::fs::metadata(&path).unwrap().ino();
        let known = || SHARED.lock().unwrap().iter().filter(|(id, m)| id.1 == own && m.strong_count() > 0).count();
        let (a, b, shorter) = (open(8192), open(8192), open(4096));
        assert_eq!((a.load_u64(0, Ordering::Relaxed), b.len(), shorter.len()), (0x0707_0707_0707_0707, 8192, 4096));
        assert_eq!(known(), 2, "one mapping a length");
        drop((a, b, shorter));
        assert_eq!(known(), 0, "the last reader unmaps it");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn two_mappings_of_one_file_are_one_memory() {
        let path = std::env::temp_dir().join(format!("firesteel-mapping-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(4096).unwrap();
        let (writer, reader) =
            (Mapping::writable(&file, 4096, true).unwrap(), Mapping::read_only(&file, 4096, false).unwrap());
        writer.store_u64(64, 42, Ordering::Release);
        assert_eq!(reader.load_u64(64, Ordering::Acquire), 42);
        std::fs::remove_file(path).unwrap();
    }

    /// Without the guard this ends the test program.
    #[test]
    fn a_file_that_is_cut_off_reads_as_zeroes_and_is_known_to_be_damaged() {
        let path = std::env::temp_dir().join(format!("firesteel-cut-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        let (writer, reader) =
            (Mapping::writable(&file, 1 << 20, true).unwrap(), Mapping::read_only(&file, 1 << 20, true).unwrap());
        (0..1 << 20).step_by(8).for_each(|at| writer.store_u64(at, 7, Ordering::Relaxed));
        file.set_len(4096).unwrap();
        assert_eq!((reader.load_u64(0, Ordering::Relaxed), reader.is_intact()), (7, true));
        assert_eq!((reader.load_u64(8192, Ordering::Relaxed), reader.is_intact()), (0, false));
        assert!(writer.is_intact());
        writer.store_u64(1 << 19, 8, Ordering::Relaxed);
        assert!(!writer.is_intact());
        drop((reader, writer));
        std::fs::remove_file(path).unwrap();
    }
}
