//! What a store asks of a file system, and the real one. Each call is one thing that can fail, be cut short by a power
//! cut, or be lost until it is made durable; nothing else of the store touches a file.

use std::{
    ffi::OsString,
    fmt::Debug,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::sys;

/// For the owner alone: results and positions are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// A file system, as far as a store needs one. No call follows a symbolic link in the place of the file.
pub trait Disk: Send + Sync + Debug {
    /// Makes a folder, and those above it, for the owner alone, so that it outlasts a power cut. One that is there is
    /// left as it is.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Takes the lock on a file, which is made if need be; `WouldBlock` if somebody has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;

    /// The names in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// The first bytes of a file, at most `most`, and how many it has.
    fn read(&self, path: &Path, most: u64) -> io::Result<Content>;

    /// Writes a new file (one in its place is removed first) and makes its contents durable.
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;

    /// Makes the contents of a file durable that somebody else wrote.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which files are in a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Gives a file another name in the same folder, at once; a file that has that name is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file or an empty folder.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A lock, held until it is dropped.
pub trait Lock: Send + Sync + Debug {
    /// Whether the file that is locked is still the one in the folder.
    fn is_held(&self) -> bool;
}

/// The beginning of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The bytes that were asked for, or as many as there are.
    pub bytes: Vec<u8>,
    /// How many bytes the file has.
    pub file_bytes: u64,
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = parent(folder);
        self.create_folder(parent)?;
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        self.sync_folder(parent)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut file = sys::file::open_or_create(path, FILE_MODE)?;
        check_is_file(&file)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // For people who look for the owner; the lock is good without.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Box::new(FileLock { file, path: path.to_path_buf() }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Content> {
        let file = open(path)?;
        let file_bytes = file.metadata()?.len();
        let bytes_max = file_bytes.min(most);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(bytes_max).map_err(io::Error::other)?)?;
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(Content { bytes, file_bytes })
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = sys::file::create_new(path, FILE_MODE)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        open(path)?.sync_all()
    }

    #[cfg(unix)]
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all().or_else(needs_no_sync)
    }

    /// Elsewhere a folder cannot be opened, and a rename is durable with the journal.
    #[cfg(not(unix))]
    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match path.symlink_metadata()?.is_dir() {
            true => fs::remove_dir(path),
            false => fs::remove_file(path),
        }
    }
}

/// A lock that the system gives back when its owner dies.
#[derive(Debug)]
struct FileLock {
    file: File,
    path: PathBuf,
}

impl Lock for FileLock {
    fn is_held(&self) -> bool {
        sys::file::is_same(&self.file, &self.path)
    }
}

/// The folder that a file or folder lies in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Some file systems refuse to make folders durable: theirs need no such thing.
#[cfg(unix)]
fn needs_no_sync(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) }
}

/// Opens a regular file, and says in plain words what else is in its place.
fn open(path: &Path) -> io::Result<File> {
    if path.symlink_metadata()?.is_symlink() {
        return Err(io::Error::other("it is a symbolic link, which is not followed"));
    }
    let file = sys::file::open(path, false)?;
    check_is_file(&file)?;
    Ok(file)
}

fn check_is_file(file: &File) -> io::Result<()> {
    let data = file.metadata()?;
    match (data.is_file(), data.is_dir()) {
        (true, _) => Ok(()),
        (false, true) => Err(io::Error::other("it is a folder")),
        (false, false) => Err(io::Error::other("it is not a regular file")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_to_sync_a_folder_is_good_news() {
        assert!(needs_no_sync(io::ErrorKind::InvalidInput.into()).is_ok());
        for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull, io::ErrorKind::PermissionDenied] {
            assert_eq!(needs_no_sync(kind.into()).map_err(|error| error.kind()), Err(kind));
        }
    }
}
