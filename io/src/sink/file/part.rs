//! The file of an epoch while it is written: whatever fails, it holds whole pieces only and can be gone on with, also
//! when somebody has taken it away from its folder meanwhile.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use firesteel_core::{Error, Result};

use super::{BUFFER_BYTES, failed};
use crate::sys;

/// Results are for those whom the umask lets in.
const MODE: u32 = 0o666;

/// An open file that is gone when this is, unless it was renamed or kept.
#[derive(Debug)]
pub(super) struct OpenPart {
    file: File,
    path: PathBuf,
    /// Bytes that were written whole.
    bytes: u64,
    checksum: crc32fast::Hasher,
}

/// By what a file is known to be what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    bytes: u64,
    checksum: u32,
}

impl OpenPart {
    /// A new file; one in its place was left behind by somebody who died. Links are not followed.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = sys::file::create_new(&path, MODE).map_err(|e| failed("cannot create", &path, &e))?;
        Ok(Self { file, path, bytes: 0, checksum: crc32fast::Hasher::new() })
    }

    /// Adds a piece: all of it or, after an error, nothing.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<()> {
        let written = self.file.seek(SeekFrom::Start(self.bytes)).and_then(|_| self.file.write_all(piece));
        if let Err(error) = written {
            // Room for others, who may need it to help; what is left of the piece is written over.
            let _ = self.file.set_len(self.bytes);
            return Err(failed("cannot write", &self.path, &error));
        }
        self.bytes += piece.len() as u64;
        self.checksum.update(piece);
        Ok(())
    }

    /// Of what was written.
    pub(super) fn print(&self) -> Print {
        Print { bytes: self.bytes, checksum: self.checksum.clone().finalize() }
    }

    /// Makes sure that the name leads to the file: one that was removed is written anew.
    pub(super) fn restore(&mut self) -> Result<()> {
        if sys::file::is_same(&self.file, &self.path) {
            return Ok(());
        }
        let mut anew = Self::create(self.path.clone())?;
        let copied = self.file.seek(SeekFrom::Start(0)).and_then(|_| io::copy(&mut self.file, &mut anew.file));
        anew.bytes = copied.map_err(|e| failed("cannot write anew", &self.path, &e))?;
        anew.checksum = self.checksum.clone();
        std::mem::swap(self, &mut anew);
        // The old one's name is the new one's.
        anew.keep();
        Ok(())
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Lets the file be.
    pub(super) fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

/// Puts a new file with the same contents in the place of a finished one, if it can still be read as it was written. An
/// error of the outer world may pass; another one does not.
pub(super) fn write_anew(path: &Path, print: &Print) -> Result<()> {
    let lost = |why: &str| {
        Error::corrupt(format!("{} could not be made durable, and {why}", path.display()))
            .hint("start the query again: it goes on from its last checkpoint and writes the rows anew")
    };
    let mut from = sys::file::open(path, false).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => lost(&e.to_string()),
        _ => failed("cannot read", path, &e),
    })?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut anew = OpenPart::create(path.with_file_name(format!("{name}.again.tmp")))?;
    let mut piece = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut piece).map_err(|e| lost(&e.to_string()))? {
            0 => break,
            read => anew.add(&piece[..read])?,
        }
    }
    if anew.print() != *print {
        return Err(lost("it is no longer what was written"));
    }
    fs::rename(&anew.path, path).map_err(|e| failed("cannot put a new file in the place of", path, &e))?;
    anew.keep();
    Ok(())
}

impl Drop for OpenPart {
    fn drop(&mut self) {
        // Gone already if the epoch was committed.
        let _ = fs::remove_file(&self.path);
    }
}
