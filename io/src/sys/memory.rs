//! Memory without a name that is handed to another process: sized and sealed by us, so that nobody can cut it off
//! under a mapping, and given only as a file descriptor over a socket.

use std::{fs::File, io};

use firesteel_core::ring::region::RegionMut;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, memfd_create};

use super::Mapping;

/// Nobody can change its size any more.
const FIXED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// Who may write into shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// We and those whom it is handed to.
    All,
    /// Only the mapping that is made with it.
    Us,
}

/// New memory of `len` zero bytes, set aside, and our mapping of it.
pub fn create(name: &str, len: u64, writers: Writers) -> io::Result<(File, RegionMut)> {
    let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    // Set aside now: a store that finds no memory later would be a bus error.
    fallocate(&file, FallocateFlags::empty(), 0, len)?;
    let region = Mapping::writable(&file, len as usize, true)?;
    let mut seals = FIXED | SealFlags::SEAL;
    if writers == Writers::Us {
        seals |= SealFlags::FUTURE_WRITE;
    }
    fcntl_add_seals(&file, seals)?;
    Ok((file, region))
}

/// The length of memory that was handed to us; an error unless that is fixed.
pub fn fixed_len(file: &File) -> io::Result<u64> {
    let len = file.metadata()?.len();
    // Only memory has seals: for a file of a disk this is an error.
    if fcntl_get_seals(file)?.contains(FIXED) { Ok(len) } else { Err(io::Error::other("its size is not sealed")) }
}

#[cfg(test)]
mod tests {
    use firesteel_core::ring::sync::Ordering;

    use super::*;

    #[test]
    fn sealed_memory_keeps_its_size_and_its_writers() {
        let (file, region) = create("test", 8192, Writers::Us).unwrap();
        assert_eq!(fixed_len(&file).unwrap(), 8192);
        assert!(file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
        assert!(Mapping::writable(&file, 8192, false).is_err());
        let reader = Mapping::read_only(&file, 8192, false).unwrap();
        region.store_u64(64, 7, Ordering::Release);
        assert_eq!(reader.load_u64(64, Ordering::Acquire), 7);
        let (shared, _) = create("test", 4096, Writers::All).unwrap();
        Mapping::writable(&shared, 4096, false).unwrap().store_u64(0, 1, Ordering::Relaxed);
        assert!(shared.set_len(0).is_err());
        let plain = tempfile::tempfile().unwrap();
        assert!(fixed_len(&plain).is_err());
    }
}
