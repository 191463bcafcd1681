//! The file of an epoch while it is written: whatever fails, it holds whole pieces only and can be gone on with, also
//! when somebody has taken it away from its folder meanwhile.

use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::PathBuf,
};

use firesteel_core::Result;

use super::failed;
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
}

impl OpenPart {
    /// A new file; one in its place was left behind by somebody who died. Links are not followed.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = sys::file::create_new(&path, MODE).map_err(|e| failed("cannot create", &path, &e))?;
        Ok(Self { file, path, bytes: 0 })
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
        Ok(())
    }

    /// Makes sure that the name leads to the file: one that was removed is written anew.
    pub(super) fn restore(&mut self) -> Result<()> {
        if sys::file::is_same(&self.file, &self.path) {
            return Ok(());
        }
        let mut anew = Self::create(self.path.clone())?;
        let copied = self.file.seek(SeekFrom::Start(0)).and_then(|_| io::copy(&mut self.file, &mut anew.file));
        anew.bytes = copied.map_err(|e| failed("cannot write anew", &self.path, &e))?;
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

impl Drop for OpenPart {
    fn drop(&mut self) {
        // Gone already if the epoch was committed.
        let _ = fs::remove_file(&self.path);
    }
}
