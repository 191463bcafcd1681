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
//! An epoch without rows leaves no file, and live rows are asked to wait a second after a file, so that no folder fills
//! with files of a few rows.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use firesteel_core::{Error, Result, block::BlockRef, expr::Settings, plan::Table, schema::Schema};
use serde_json::{Value as Json, json};

use super::{Prepared, Sink};
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
    // State.
    run: u32,
    epoch: u64,
    part: Option<OpenPart>,
    buffer: Vec<u8>,
    rows: u64,
    /// When the last file was finished.
    shown_at: Option<Instant>,
    /// With checkpoints: finished files that are still hidden.
    held: Option<Vec<Held>>,
    /// The names that were published last. Their renaming is durable only when the next checkpoint is.
    published: Vec<String>,
    // Metrics.
    rows_committed: u64,
}

/// A finished file that is still hidden.
#[derive(Debug)]
struct Held {
    name: String,
    rows: u64,
}

/// The file of the epoch at hand.
#[derive(Debug)]
struct OpenPart {
    file: File,
    temporary: Temporary,
}

/// A file that is gone when this is, unless it was renamed.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
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
            run,
            epoch: 0,
            part: None,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            rows: 0,
            shown_at: None,
            held: None,
            published: Vec::new(),
            rows_committed: 0,
        })
    }

    /// Writes what has gathered into the epoch's file, which the first bytes create.
    fn spill(&mut self) -> Result<()> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => OpenPart::create(self.folder.join(hidden(&self.name())))?,
        };
        part.file.write_all(&self.buffer).map_err(|e| failed("cannot write", &part.temporary.path, &e))?;
        self.part = Some(part);
        self.buffer.clear();
        Ok(())
    }

    /// Gives the epoch's file its name. Should another query have taken the name since this one began, this one becomes
    /// a later run.
    fn show(&mut self, part: OpenPart) -> Result<()> {
        let OpenPart { file, temporary } = part;
        drop(file);
        loop {
            let path = self.folder.join(self.name());
            match sys::file::rename_new(&temporary.path, &path) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.run = next_run(&self.folder)?,
                Err(error) => return Err(failed("cannot rename a finished file to", &path, &error)),
            }
        }
    }

    /// Leaves a finished file under its hidden name.
    fn keep_hidden(&mut self, part: OpenPart) {
        part.temporary.keep();
        let held = Held { name: self.name(), rows: self.rows };
        self.held.get_or_insert_default().push(held);
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
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        let rows = block.rows().count() as u64;
        if rows > 0 && self.rows == 0 {
            self.writer.write_header(&mut self.buffer);
        }
        self.rows += rows;
        self.writer.write_rows(block, &mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES { self.spill() } else { Ok(()) }
    }

    fn commit(&mut self, epoch: u64) -> Result<()> {
        assert_eq!(epoch, self.epoch, "the epoch that began is the one that is committed");
        let replaced = if self.replaces { self.listed()? } else { Vec::new() };
        if !self.buffer.is_empty() {
            self.spill()?;
        }
        if let Some(part) = self.part.take() {
            match self.held {
                None => self.show(part)?,
                Some(_) => self.keep_hidden(part),
            }
            self.shown_at = Some(Instant::now());
        }
        for path in replaced {
            fs::remove_file(&path).map_err(|e| failed("cannot replace", &path, &e))?;
        }
        self.rows_committed = self.rows;
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        self.rows_committed
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
        let held = || self.held.iter().flatten().map(|held| &held.name);
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let files = held().map(|name| folder.join(hidden(name))).collect();
        let text = folder.to_str().ok_or_else(|| {
            Error::io(format!("{} is no text: no checkpoint can remember it", folder.display()))
                .hint("give the folder of the results a name in UTF-8")
        })?;
        let parts: Vec<&String> = self.published.iter().chain(held()).collect();
        Ok(Prepared { position: json!({ "folder": text, "run": self.run, "parts": parts }), files })
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

/// What a checkpoint remembers of the folder.
#[derive(Debug)]
struct Position {
    folder: PathBuf,
    run: u32,
    parts: Vec<String>,
}

impl Position {
    fn of(json: &Json) -> Result<Self> {
        let wrong = || Error::corrupt(format!("the checkpoint has no position of a folder of files, but {json}"));
        let name = |json: &Json| json.as_str().filter(|name| is_part(name)).map(String::from);
        Ok(Self {
            folder: json["folder"].as_str().map(PathBuf::from).ok_or_else(wrong)?,
            run: json["run"].as_u64().and_then(|run| u32::try_from(run).ok()).ok_or_else(wrong)?,
            parts: json["parts"].as_array().and_then(|all| all.iter().map(name).collect()).ok_or_else(wrong)?,
        })
    }

    /// Gives every part its name, if it has not got it yet.
    fn show(&self) -> Result<()> {
        for name in &self.parts {
            let (from, to) = (self.folder.join(hidden(name)), self.folder.join(name));
            match sys::file::rename_new(&from, &to) {
                Ok(()) => {}
                // It has its name already, and may have been taken away since.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
                Err(error) => return Err(failed("cannot rename a finished file to", &to, &error)),
            }
        }
        Ok(())
    }

    /// Removes what the run has written behind the checkpoint: hidden files, and those of epochs that will run again.
    fn take_back(&self, next_epoch: u64) -> Result<()> {
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
fn hidden(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Whether a name is one that parts have: nothing that leads out of the folder.
fn is_part(name: &str) -> bool {
    number_of(name).is_some() && !name.starts_with('.') && !name.contains(['/', '\\'])
}

/// Epoch and run of a part, hidden or not.
fn number_of(name: &str) -> Option<(u64, u32)> {
    let (epoch, rest) = name.strip_prefix('.').unwrap_or(name).strip_prefix("part-")?.split_once('-')?;
    Some((epoch.parse().ok()?, rest.split_once('.')?.0.parse().ok()?))
}

impl OpenPart {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|e| failed("cannot create", &path, &e))?;
        Ok(Self { file, temporary: Temporary { path } })
    }
}

impl Temporary {
    /// Lets the file be.
    fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already if the epoch was committed.
        let _ = fs::remove_file(&self.path);
    }
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
    let failed = Error::io(format!("{doing} {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => failed.hint("check the owner and the mode of the folder"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failed.hint("free some space"),
        io::ErrorKind::NotFound if doing != CREATING => {
            failed.hint("the folder was there when the query started: has it been removed?")
        }
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use firesteel_core::block::Block;
    use tempfile::TempDir;

    use super::*;
    use crate::source::testing::{epoch, open as open_source, table};

    fn open(dir: &Path, format: Format, options: &[(&str, &str)]) -> FileSink {
        let schema = Schema::parse_ddl("x INT, s STRING").unwrap();
        let options = [&[("path", dir.to_str().unwrap())], options].concat();
        FileSink::open(&table(format.name(), "", &options), format, &schema, &Settings::default()).unwrap()
    }

    fn block(range: std::ops::Range<i32>) -> Block {
        let mut block = Block::new(&Schema::parse_ddl("x INT, s STRING").unwrap());
        range.for_each(|x| block.push_row(&[x.into(), "a".into()]));
        block
    }

    fn run(sink: &mut FileSink, epoch: u64, rows: std::ops::Range<i32>) {
        sink.begin(epoch).unwrap();
        sink.write(&block(rows).view()).unwrap();
        sink.commit(epoch).unwrap();
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_epoch_is_hidden_until_it_is_committed_and_empty_ones_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = open(&dir.path().join("deep"), Format::Json, &[]);
        let dir = sink.folder.clone();
        sink.begin(3).unwrap();
        sink.write(&block(0..20_000).view()).unwrap();
        let hidden = ".part-00003-0000.json.tmp";
        assert!(dir.join(hidden).exists(), "spilled before the end");
        assert!(files::expand(dir.to_str().unwrap()).unwrap().is_empty());
        sink.commit(3).unwrap();
        assert!(!dir.join(hidden).exists() && dir.join("part-00003-0000.json").exists());
        assert_eq!(sink.rows_written(), 20_000);
        assert!(!sink.rest().is_zero(), "live rows wait after a file");
        run(&mut sink, 4, 0..0);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert_eq!(sink.rows_written(), 0);
    }

    #[test]
    fn an_epoch_that_is_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = open(dir.path(), Format::Json, &[]);
        for epoch in 0..2 {
            sink.begin(epoch).unwrap();
            sink.write(&block(0..20_000).view()).unwrap();
        }
        assert_eq!(names(&dir), [".part-00001-0000.json.tmp"]);
        drop(sink);
        assert!(names(&dir).is_empty());
    }

    #[test]
    fn runs_never_write_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let (mut first, mut second) =
            (open(dir.path(), Format::Csv, &[("header", "true")]), open(dir.path(), Format::Csv, &[]));
        run(&mut first, 0, 0..2);
        run(&mut second, 0, 2..3);
        run(&mut open(dir.path(), Format::Csv, &[]), 0, 3..4);
        assert_eq!(names(&dir), ["part-00000-0000.csv", "part-00000-0001.csv", "part-00000-0002.csv"]);
        assert_eq!(fs::read_to_string(dir.path().join("part-00000-0000.csv")).unwrap(), "x,s\n0,a\n1,a\n");
    }

    #[test]
    fn overwriting_replaces_what_readers_see() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old.json"), "{\"x\":1}\n").unwrap();
        fs::write(dir.path().join("_keep"), "").unwrap();
        run(&mut open(dir.path(), Format::Json, &[("overwrite", "true")]), 0, 7..8);
        assert_eq!(names(&dir), ["_keep", "part-00000-0000.json"]);
        run(&mut open(dir.path(), Format::Json, &[("overwrite", "true")]), 0, 0..0);
        assert_eq!(names(&dir), ["_keep"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for format in [Format::Csv, Format::Json] {
            let dir = tempfile::tempdir().unwrap();
            let mut sink = open(dir.path(), format, &[]);
            run(&mut sink, 0, 0..5);
            run(&mut sink, 1, 5..6);
            let path = dir.path().to_str().unwrap();
            let mut source = open_source(table(format.name(), "x INT, s STRING", &[("path", path)]), false).unwrap();
            source.freeze().unwrap();
            let mut rows = epoch(&mut *source, 2).unwrap();
            rows.sort_by_key(|row| row[0].as_i64());
            assert_eq!(rows, (0..6).map(|x| vec![x.into(), "a".into()]).collect::<Vec<_>>(), "{format:?}");
        }
    }

    #[test]
    fn a_file_in_the_folder_s_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let table = table("json", "", &[("path", path.to_str().unwrap())]);
        let schema = Schema::parse_ddl("x INT").unwrap();
        let error = FileSink::open(&table, Format::Json, &schema, &Settings::default()).unwrap_err();
        assert!(error.is_io() && error.message().contains("not a folder"));
    }
}
