//! What a checkpoint remembers of a folder of results, and how the folder gets back to that.

use std::{fs, io, path::PathBuf};

use firesteel_core::{Error, Result};
use serde_json::Value as Json;

use super::failed;
use crate::sys;

/// What a checkpoint remembers of the folder.
#[derive(Debug)]
pub(super) struct Position {
    folder: PathBuf,
    pub(super) run: u32,
    pub(super) parts: Vec<String>,
}

impl Position {
    pub(super) fn of(json: &Json) -> Result<Self> {
        let wrong = || Error::corrupt(format!("the checkpoint has no position of a folder of files, but {json}"));
        let name = |json: &Json| json.as_str().filter(|name| is_part(name)).map(String::from);
        Ok(Self {
            folder: json["folder"].as_str().map(PathBuf::from).ok_or_else(wrong)?,
            run: json["run"].as_u64().and_then(|run| u32::try_from(run).ok()).ok_or_else(wrong)?,
            parts: json["parts"].as_array().and_then(|all| all.iter().map(name).collect()).ok_or_else(wrong)?,
        })
    }

    /// Gives every part its name, if it has not got it yet.
    pub(super) fn show(&self) -> Result<()> {
        for name in &self.parts {
            let (from, to) = (self.folder.join(hidden(name)), self.folder.join(name));
            match sys::file::rename_new(&from, &to) {
                Ok(()) => {}
                // The folder may come back, with the file in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.folder.is_dir() => {
                    return Err(failed("cannot show files in", &self.folder, &error));
                }
                // It has its name already, and may have been taken away since.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
                Err(error) => return Err(failed("cannot rename a finished file to", &to, &error)),
            }
        }
        Ok(())
    }

    /// Removes what the run has written behind the checkpoint: hidden files, and those of epochs that will run again.
    pub(super) fn take_back(&self, next_epoch: u64) -> Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("cannot list", &self.folder, &error)),
        };
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some(name) = file.to_str() else { continue };
            let is_hidden = name.starts_with('.') && name.ends_with(".tmp");
            let is_later =
                number_of(name).is_some_and(|(epoch, run)| run == self.run && (is_hidden || epoch >= next_epoch));
            if is_later {
                fs::remove_file(entry.path()).map_err(|e| failed("cannot take back", &entry.path(), &e))?;
            }
        }
        Ok(())
    }
}

/// The name under which readers do not see a part.
pub(super) fn hidden(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Whether a name is one that parts have: nothing that leads out of the folder.
fn is_part(name: &str) -> bool {
    number_of(name).is_some() && !name.starts_with('.') && !name.contains(['/', '\\'])
}

/// Epoch and run of a part, hidden or not.
pub(super) fn number_of(name: &str) -> Option<(u64, u32)> {
    let (epoch, rest) = name.strip_prefix('.').unwrap_or(name).strip_prefix("part-")?.split_once('-')?;
    Some((epoch.parse().ok()?, rest.split_once('.')?.0.parse().ok()?))
}
