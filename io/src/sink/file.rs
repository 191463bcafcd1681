//! Files as results: a folder that gets one new file an epoch, as Spark's file sinks write it and read it back.
//!
//! ```text
//!   .part-00007-0001.json.tmp   being written; hidden from readers
//!    part-00007-0001.json       epoch 7 of the folder's run 1, complete: renamed at commit, never touched again
//! ```
//! A run is one query that writes the folder; its number is the next one free, so that runs never write the same file.
//! With checkpoints an epoch's file stays hidden until a checkpoint remembers it: what readers have seen is never taken
//! back, and after a crash the folder holds what an undisturbed run would have written.
//!
//! A disk that is full, or a folder that cannot be written, is waited for (`onFull`): the rows of the epoch at hand
//! stay in memory, or are dropped and counted; no reader ever sees half of a file.
//!
//! An epoch without rows leaves no file, and live rows are asked to wait a second after a file, so that no folder fills
//! with files of a few rows.

mod part;
mod position;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use firesteel_core::{Error, Result, block::BlockRef, expr::Settings, plan::Table, schema::Schema};
use serde_json::{Value as Json, json};

use self::{
    part::{OpenPart, Print},
    position::{Position, hidden, number_of},
};
use super::{Patience, Prepared, Sink};
use crate::{
    format::{Format, Options, files, write::Writer},
    source::options,
    sys,
};

/// Bytes gathered before they go to the file: few calls, and the buffer stays in L2.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// Least time between two files of live rows.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// Writes a folder of CSV, JSON or text files.
#[derive(Debug)]
pub struct FileSink {
    // Fixed properties.
    folder: PathBuf,
    format: Format,
    writer: Writer,
    replaces: bool,
    on_full: Option<OnFull>,
    // State.
    run: u32,
    epoch: u64,
    part: Option<OpenPart>,
    buffer: Vec<u8>,
    rows: u64,
    /// When the last file was finished.
    shown_at: Option<Instant>,
    /// Why the rows of the epoch at hand will not be written, if they will not.
    given_up: Option<&'static str>,
    patience: Patience,
    /// With checkpoints: finished files that are still hidden.
    held: Option<Vec<Held>>,
    /// The names that were published last. Their renaming is durable only when the next checkpoint is.
    published: Vec<String>,
    // Metrics.
    rows_committed: u64,
    /// By reason.
    rows_dropped: BTreeMap<&'static str, u64>,
}

/// A finished file that is still hidden.
#[derive(Debug)]
struct Held {
    name: String,
    rows: u64,
    /// What was written: a disk may forget it.
    print: Print,
    is_lost: bool,
}

/// What to do when a file cannot be written: the disk is full, the folder is away, or not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFull {
    /// Wait until it can be.
    Block,
    /// Do without the rows of the epoch, and count them.
    DropNewest,
    /// Fail.
    Fail,
}

impl FileSink {
    /// Makes the folder if there is none. With the option `overwrite` a batch's rows replace what is in the folder.
    pub fn open(table: &Table, format: Format, schema: &Schema, settings: &Settings) -> Result<Self> {
        let path = options::path(table)?;
        let folder = PathBuf::from(path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path));
        if folder.exists() && !folder.is_dir() {
            return Err(Error::io(format!("{} is not a folder", folder.display()))
                .hint("results are written as files into a folder: give its path"));
        }
        let options: Options = table.options.iter().cloned().collect();
        let writer = Writer::for_files(format, schema, &options, &settings.time_zone)?;
        fs::create_dir_all(&folder).map_err(|e| failed(CREATING, &folder, &e))?;
        let run = next_run(&folder)?;
        let replaces = options::flag(table, "overwrite", false)?;
        Ok(Self {
            folder,
            format,
            writer,
            replaces,
            on_full: OnFull::of(table)?,
            run,
            epoch: 0,
            part: None,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            rows: 0,
            shown_at: None,
            given_up: None,
            patience: Patience::default(),
            held: None,
            published: Vec::new(),
            rows_committed: 0,
            rows_dropped: BTreeMap::new(),
        })
    }

    /// Does something to the epoch's file, in the manner of `onFull` if that fails.
    fn attempt(&mut self, mut what: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.given_up.is_some() {
            return Ok(());
        }
        let mut patience = std::mem::take(&mut self.patience);
        let default = if patience.is_default() { OnFull::Block } else { OnFull::Fail };
        let result = match self.on_full.unwrap_or(default) {
            OnFull::Fail => what(self),
            OnFull::Block => patience.retry(|| what(self)),
            OnFull::DropNewest => match what(self) {
                Err(error) if error.is_io() => {
                    patience.note_failure(&error, "until this is over rows are dropped, and counted");
                    self.give_up_epoch();
                    Ok(())
                }
                other => other,
            },
        };
        self.patience = patience;
        result
    }

    /// The rows of the epoch will not be written.
    fn give_up_epoch(&mut self) {
        self.given_up = Some(match fs::metadata(&self.folder) {
            Ok(_) => "rowsDroppedWhenFull",
            Err(_) => "rowsDroppedWithoutFolder",
        });
        self.part = None;
        self.buffer.clear();
    }

    /// Writes what has gathered into the epoch's file, which the first bytes create.
    fn spill(&mut self) -> Result<()> {
        if self.part.is_none() {
            self.part = Some(OpenPart::create(self.folder.join(hidden(&self.name())))?);
        }
        if let Some(part) = &mut self.part {
            part.add(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Gives the epoch's file its name, or leaves it hidden until a checkpoint remembers it.
    fn finish_part(&mut self) -> Result<()> {
        let Some(part) = &mut self.part else { return Ok(()) };
        part.restore()?;
        if self.held.is_none() {
            let from = part.path().clone();
            self.show(&from)?;
        } else {
            let print = part.print();
            let held = Held { name: self.name(), rows: self.rows, print, is_lost: false };
            self.held.get_or_insert_default().push(held);
        }
        if let Some(part) = self.part.take() {
            part.keep();
        }
        Ok(())
    }

    /// Should another query have taken the name since this one began, this one becomes a later run.
    fn show(&mut self, from: &Path) -> Result<()> {
        loop {
            let path = self.folder.join(self.name());
            match sys::file::rename_new(from, &path) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.run = next_run(&self.folder)?,
                Err(error) => return Err(failed("cannot rename a finished file to", &path, &error)),
            }
        }
    }

    /// Files that could not be made durable are written anew while they can still be read: the same sync again might
    /// say that all is well, and mean nothing. Gives where they are.
    fn write_lost_anew(&mut self) -> Result<Vec<PathBuf>> {
        let mut held = self.held.take();
        let mut patience = std::mem::take(&mut self.patience);
        let lost = held.iter_mut().flatten().filter(|held| held.is_lost);
        let written = lost.map(|held| {
            let path = self.folder.join(hidden(&held.name));
            match self.on_full {
                Some(OnFull::Fail) => part::write_anew(&path, &held.print)?,
                _ => patience.retry(|| part::write_anew(&path, &held.print))?,
            }
            held.is_lost = false;
            Ok(path)
        });
        let written = written.collect();
        (self.held, self.patience) = (held, patience);
        written
    }

    /// What was finished and never shown must be there: without it the query has to go back to its last checkpoint.
    fn check_held(&self) -> Result<()> {
        let is_gone = |held: &&Held| matches!(self.folder.join(hidden(&held.name)).try_exists(), Ok(false));
        match self.held.iter().flatten().find(is_gone).filter(|_| self.folder.is_dir()) {
            None => Ok(()),
            Some(Held { name, .. }) => {
                let path = self.folder.join(hidden(name));
                Err(Error::io(format!("{} was removed before a checkpoint remembered it", path.display()))
                    .hint("start the query again: it goes on from its last checkpoint and writes the rows anew"))
            }
        }
    }

    fn name(&self) -> String {
        format!("part-{:05}-{:04}.{}", self.epoch, self.run, extension(self.format))
    }

    /// The files that a reader of the folder sees.
    fn listed(&self) -> Result<Vec<PathBuf>> {
        let files = files::expand(&self.folder.to_string_lossy())?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }
}

impl Sink for FileSink {
    fn description(&self) -> String {
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        format!("FileSink[file:{}]", folder.display())
    }

    fn begin(&mut self, epoch: u64) -> Result<()> {
        self.epoch = epoch;
        self.rows = 0;
        self.buffer.clear();
        self.part = None;
        self.given_up = None;
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        let rows = block.rows().count() as u64;
        if rows > 0 && self.rows == 0 {
            self.writer.write_header(&mut self.buffer);
        }
        self.rows += rows;
        if self.given_up.is_some() {
            return Ok(());
        }
        self.writer.write_rows(block, &mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES { self.attempt(Self::spill) } else { Ok(()) }
    }

    fn commit(&mut self, epoch: u64) -> Result<()> {
        assert_eq!(epoch, self.epoch, "the epoch that began is the one that is committed");
        let replaced = if self.replaces { self.listed()? } else { Vec::new() };
        if !self.buffer.is_empty() {
            self.attempt(Self::spill)?;
        }
        if self.part.is_some() {
            self.attempt(Self::finish_part)?;
            self.shown_at = Some(Instant::now());
        }
        for path in replaced {
            fs::remove_file(&path).map_err(|e| failed("cannot replace", &path, &e))?;
        }
        if let Some(reason) = self.given_up {
            *self.rows_dropped.entry(reason).or_default() += std::mem::take(&mut self.rows);
        } else if self.rows > 0 {
            self.patience.note_success();
        }
        self.rows_committed = self.rows;
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        self.rows_committed
    }

    fn rows_dropped(&self) -> Vec<(String, u64)> {
        self.rows_dropped.iter().map(|(reason, rows)| ((*reason).into(), *rows)).collect()
    }

    fn check(&self) -> Result<()> {
        sys::file::check_folder(&self.folder).map_err(|e| failed("cannot write into", &self.folder, &e))
    }

    fn attend(&mut self, patience: Patience) {
        self.patience = patience;
    }

    fn rows_pending(&self) -> u64 {
        self.held.iter().flatten().map(|held| held.rows).sum()
    }

    fn rest(&self) -> Duration {
        self.shown_at.map_or(Duration::ZERO, |at| FILE_INTERVAL.saturating_sub(at.elapsed()))
    }

    fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    fn prepare(&mut self) -> Result<Prepared> {
        self.check_held()?;
        let renewed = self.write_lost_anew()?.iter().map(std::path::absolute).collect::<io::Result<_>>();
        let renewed = renewed.map_err(|e| failed("cannot find", &self.folder, &e))?;
        let held = || self.held.iter().flatten().map(|held| &held.name);
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let files = held().map(|name| folder.join(hidden(name))).collect();
        let text = folder.to_str().ok_or_else(|| {
            Error::io(format!("{} is no text: no checkpoint can remember it", folder.display()))
                .hint("give the folder of the results a name in UTF-8")
        })?;
        let parts: Vec<&String> = self.published.iter().chain(held()).collect();
        Ok(Prepared { position: json!({ "folder": text, "run": self.run, "parts": parts }), files, renewed })
    }

    fn note_lost(&mut self, file: &Path) {
        let is_lost = |held: &&mut Held| file.file_name() == Some(hidden(&held.name).as_ref());
        self.held.iter_mut().flatten().filter(is_lost).for_each(|held| held.is_lost = true);
    }

    fn publish(&mut self, prepared: &Json) -> Result<()> {
        let position = Position::of(prepared)?;
        position.show()?;
        let held = self.held.take().unwrap_or_default();
        let (shown, held): (Vec<Held>, _) = held.into_iter().partition(|held| position.parts.contains(&held.name));
        self.held = Some(held);
        // With new files the folder was made durable, and so were the names that had been given before.
        if !shown.is_empty() {
            self.published = shown.into_iter().map(|held| held.name).collect();
        }
        Ok(())
    }

    fn recover(&mut self, prepared: &Json, next_epoch: u64) -> Result<()> {
        if prepared.is_null() {
            return Ok(());
        }
        let position = Position::of(prepared)?;
        position.show()?;
        position.take_back(next_epoch)?;
        self.run = position.run;
        self.published = position.parts;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.part = None;
        Ok(())
    }
}

impl OnFull {
    /// What the table says, if it does.
    fn of(table: &Table) -> Result<Option<Self>> {
        let Some(value) = table.option("onFull") else { return Ok(None) };
        Ok(Some(match value.to_ascii_lowercase().as_str() {
            "block" => Self::Block,
            "drop_newest" => Self::DropNewest,
            "fail" => Self::Fail,
            _ => return Err(options::wrong("onFull", value, "must be block, drop_newest or fail")),
        }))
    }
}

/// Whether the options of a table that is written as files make sense.
pub(super) fn check_options(table: &Table) -> Result<()> {
    OnFull::of(table).map(drop)
}

/// One more than the highest number of a run that wrote here, or is writing.
fn next_run(folder: &Path) -> Result<u32> {
    let entries = fs::read_dir(folder).map_err(|e| failed("cannot list", folder, &e))?;
    let runs = entries.flatten().filter_map(|entry| Some(number_of(entry.file_name().to_str()?)?.1));
    Ok(runs.max().map_or(0, |last| last.saturating_add(1)))
}

fn extension(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::Json => "json",
        Format::Text => "txt",
    }
}

const CREATING: &str = "cannot create the folder";

fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let failed = sys::scarce::error(format!("{doing} {}: {error}", path.display()), error);
    match error.kind() {
        io::ErrorKind::PermissionDenied => failed.hint("check the owner and the mode of the folder"),
        io::ErrorKind::ReadOnlyFilesystem => failed.hint("mount it so that it can be written, or give another folder"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failed.hint("free some space"),
        io::ErrorKind::NotFound if doing != CREATING => {
            failed.hint("the folder was there when the query started: has it been removed?")
        }
        _ => failed,
    }
}

#[cfg(test)]
mod tests;
