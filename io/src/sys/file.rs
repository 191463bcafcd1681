//! Files that appear whole or not at all, with their space set aside, and that are opened without following links
//! that somebody else may have planted.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// What names of temporary files contain.
pub const TEMPORARY: &str = ".tmp-";

/// Creates a file that nobody sees before `fill` has succeeded: under a temporary name beside `path`, renamed at the
/// end. If `path` exists by then, it stays as it is and the error is `AlreadyExists`.
pub fn create_whole(path: &Path, mode: u32, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let temporary = temporary_name(path);
    let result = create_new(&temporary, mode).and_then(|file| fill(&file)).and_then(|()| rename_new(&temporary, path));
    if result.is_err() {
        // Nothing to add to the first error.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Opens a file of ours; a symbolic link in its place is refused, and a pipe in its place does not make us wait.
pub fn open(path: &Path, writable: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(writable);
    no_follow(&mut options);
    options.open(path)
}

/// Whether files can be made in a folder, without making one.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
    }
    fs::metadata(folder).map(drop)
}

/// Sets `len` bytes aside, so that no store into a mapping can ever find the disk full (it would be a bus error).
#[cfg(target_os = "linux")]
pub fn allocate(file: &File, len: u64) -> io::Result<()> {
    use rustix::{
        fs::{FallocateFlags, fallocate, fstatvfs},
        io::Errno,
    };

    // What does not fit must not fill the disk first, for others to stumble over.
    if fstatvfs(file).is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < len) {
        return Err(Errno::NOSPC.into());
    }
    match fallocate(file, FallocateFlags::empty(), 0, len) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeroes(file, len),
        result => Ok(result?),
    }
}

/// Sets `len` bytes aside, so that no store into a mapping can ever find the disk full (it would be a bus error).
#[cfg(not(target_os = "linux"))]
pub fn allocate(file: &File, len: u64) -> io::Result<()> {
    write_zeroes(file, len)
}

fn write_zeroes(mut file: &File, len: u64) -> io::Result<()> {
    use io::{Read, Write};

    io::copy(&mut io::repeat(0).take(len), &mut file)?;
    file.flush()
}

fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{TEMPORARY}{}-{count}", std::process::id()))
}

/// Whether a file was to be created by a process that died before it was whole.
pub fn is_left_behind(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((_, by)) = name.rsplit_once(TEMPORARY) else { return false };
    let pid = by.split('-').next().unwrap_or_default();
    pid == std::process::id().to_string() || !Path::new("/proc").join(pid).exists()
}

/// Opens a file of ours to write it, as [`open`] does, or creates it.
pub fn open_or_create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    set_mode(&mut options, mode);
    no_follow(&mut options);
    options.open(path)
}

/// Creates a file; one in its place is removed, and was nobody else's.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    // Left behind by a process that died.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    set_mode(&mut options, mode);
    options.open(path)
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
}

#[cfg(not(unix))]
fn set_mode(_options: &mut OpenOptions, _mode: u32) {}

#[cfg(unix)]
fn no_follow(options: &mut OpenOptions) {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits() as i32);
}

#[cfg(not(unix))]
fn no_follow(_options: &mut OpenOptions) {}

/// Renames unless the target exists.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // The file system cannot; a hard link can do the same.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            result => return Ok(result?),
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// Whether a path still leads to the open file, not to one that took its place. A path that may not be looked at says
/// nothing against it.
#[cfg(unix)]
pub fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        (_, Err(error)) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        (Err(_), Ok(_)) => false,
    }
}

/// Whether a path still leads to the open file, as far as can be told.
#[cfg(not(unix))]
pub fn is_same(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Fills `bytes` from the file, from `at` on.
pub fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    use io::{Read, Seek};
    let mut file = file;
    file.seek(io::SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// Fills `bytes` from the file, from `at` on, as far as it goes; tells how far.
pub fn read_some_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    use io::{Read, Seek};
    let mut file = file;
    file.seek(io::SeekFrom::Start(at))?;
    let mut count = 0;
    while count < bytes.len() {
        match file.read(&mut bytes[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Writes `bytes` to the file, from `at` on.
pub fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use io::{Seek, Write};
    let mut file = file;
    file.seek(io::SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// What tells a file from another that takes its place, as far as that can be told: place, size, time of creation.
pub type FileId = (u64, u64, u64, Option<std::time::SystemTime>);

/// What tells the file at a path from another; `None` if there is none.
pub fn id(path: &Path) -> Option<FileId> {
    let data = path.symlink_metadata().ok()?;
    #[cfg(unix)]
    let (device, number) = (std::os::unix::fs::MetadataExt::dev(&data), std::os::unix::fs::MetadataExt::ino(&data));
    #[cfg(not(unix))]
    let (device, number) = (0, 0);
    Some((device, number, data.len(), data.created().ok()))
}

/// The user a file belongs to; `None` where files have none.
#[cfg(unix)]
pub fn owner(file: &File) -> Option<u32> {
    file.metadata().ok().map(|data| std::os::unix::fs::MetadataExt::uid(&data))
}

/// The user a file belongs to; `None` where files have none.
#[cfg(not(unix))]
pub fn owner(_file: &File) -> Option<u32> {
    None
}

/// The user this process acts as; `None` where there are none.
pub fn own_user() -> Option<u32> {
    #[cfg(unix)]
    return Some(rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    return None;
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_appears_whole_once_and_links_are_not_followed() {
        let dir = std::env::temp_dir().join(format!("firesteel-file-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("a");
        let fails = create_whole(&path, 0o640, |_| Err(io::Error::other("no")));
        assert!(fails.is_err() && fs::read_dir(&dir).unwrap().next().is_none());
        create_whole(&path, 0o640, |mut file| {
            allocate(file, 4096)?;
            assert!(!path.exists());
            file.write_all(b"x")
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 4096);
        let again = create_whole(&path, 0o640, |_| Ok(()));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&path, dir.join("link")).unwrap();
            assert!(open(&dir.join("link"), false).is_err());
            assert_eq!(owner(&open(&path, true).unwrap()), own_user());
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
