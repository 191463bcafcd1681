//! A listener that appends the progress of every epoch to a file: an object of Spark's StreamingQueryProgress a line.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use firesteel_core::{Error, Result};

use crate::{
    engine::{QueryEvent, QueryListener},
    sys::scarce,
};

/// Appends progress to a file. An error while writing does not stop the query; [`ProgressFile::result`] has it.
#[derive(Debug)]
pub struct ProgressFile {
    path: PathBuf,
    state: Mutex<(File, Option<Error>)>,
}

impl ProgressFile {
    /// Opens the file, or makes it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|e| {
            scarce::error(format!("cannot open the file for progress {}: {e}", path.display()), &e)
                .hint("give --progress-file a path in a folder that exists and may be written")
        })?;
        Ok(Self { path: path.into(), state: Mutex::new((file, None)) })
    }

    /// The first error met while writing.
    pub fn result(&self) -> Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.clone().map_or(Ok(()), Err)
    }
}

impl QueryListener for ProgressFile {
    fn on_event(&self, event: &QueryEvent<'_>) {
        let QueryEvent::Progress(progress) = event else { return };
        let line = serde_json::to_string(progress).map_err(|e| Error::internal(format!("progress: {e}")));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that a reader never sees half of one of several queries' lines.
        let written = line.and_then(|line| {
            let text = line + "\n";
            append(&mut state.0, &text).map_err(|e| Error::io(format!("cannot write {}: {e}", self.path.display())))
        });
        if state.1.is_none() {
            state.1 = written.err();
        }
    }
}

/// Appends a line whole or not at all, as far as a full disk lets us.
fn append(file: &mut File, line: &str) -> std::io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(line.as_bytes()).inspect_err(|_| _ = file.set_len(before))
}
