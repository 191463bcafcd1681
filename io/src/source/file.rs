//! Files as a table: a file, a folder or a pattern, read once as a batch or, as files come, as a stream.
//!
//! As Spark's: files are taken by modification time, then path; each is read once, known by its path; an epoch takes
//! all new files, or as many as the table's rate limit says. Files must appear whole (renamed into place).

mod seen;

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use firesteel_core::{Error, Result, plan::Table};
use serde_json::{Map, Value as Json, json};

use self::seen::Seen;
use super::{
    Decoding, Dropped, FileReader, Part, Reader, Source,
    options::{self, wrong},
    place::Place,
};
use crate::format::files::{FileEntry, expand_nested, is_pattern};

/// How long a path is remembered after newer files have come, unless `maxFileAge` says otherwise: Spark's week.
const FILE_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Bytes of a file that are a part of their own: long enough that its seams do not show, short enough that the workers
/// share a file evenly.
const RANGE_BYTES: u64 = 8 << 20;

/// A folder that was changed less than this ago may change again without its time showing it.
const FOLDER_TIME_STEP: Duration = Duration::from_secs(2);

/// A table of files.
#[derive(Debug)]
pub struct FileSource {
    // Fixed properties.
    path: String,
    decoding: Decoding,
    is_stream: bool,
    limit: Limit,
    latest_first: bool,
    is_recursive: bool,
    ignores_missing: bool,
    // State.
    seen: Seen,
    /// Listed and not planned yet, in the order in which they will be.
    waiting: VecDeque<FileEntry>,
    is_frozen: bool,
    /// Spark's offset: epochs planned so far, less one.
    log_offset: Option<u64>,
    /// The folder's time when it was listed, if nothing can have come since while the time is the same.
    listed_at: Option<SystemTime>,
    /// The folder's time that was last seen, and since when: the wall clock may be set in between.
    folder_seen: Option<(SystemTime, Instant)>,
    // Metrics.
    dropped: Dropped,
}

/// How much an epoch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    None,
    Files(u64),
    Bytes(u64),
}

impl FileSource {
    /// The table's files as a stream, or as a batch.
    pub fn open(table: &Table, decoding: Decoding, is_stream: bool) -> Result<Self> {
        let path = options::path(table)?.to_string();
        let limit = Limit::of(table)?;
        let latest_first = options::flag(table, "latestFirst", false)?;
        let age = options::duration(table, "maxFileAge", Duration::from_millis(1))?.unwrap_or(FILE_AGE_MAX);
        // Newest first under a limit, old files are still to come: then none is too old, as in Spark.
        let age_max = (!latest_first || limit == Limit::None).then_some(age);
        let is_recursive = options::flag(table, "recursiveFileLookup", false)?;
        // The first listing fails now rather than in the first epoch if there is no such path.
        let found = expand_nested(&path, is_recursive)?;
        if found.is_empty() && !is_stream && is_pattern(&path) {
            return Err(Error::io(format!("no file matches {path}")).class("PATH_NOT_FOUND"));
        }
        decoding.decoder()?;
        Ok(Self {
            path,
            decoding,
            is_stream,
            limit,
            latest_first,
            is_recursive,
            ignores_missing: options::flag(table, "ignoreMissingFiles", false)?,
            seen: Seen::new(age_max, options::flag(table, "fileNameOnly", false)?),
            waiting: VecDeque::new(),
            is_frozen: false,
            log_offset: None,
            listed_at: None,
            folder_seen: None,
            dropped: Dropped::default(),
        })
    }

    fn list(&self) -> Result<Vec<FileEntry>> {
        expand_nested(&self.path, self.is_recursive)
    }

    /// Puts the files that have come since the last look into `waiting`.
    fn look(&mut self) -> Result<()> {
        let changed_at = self.folder_time();
        if changed_at.is_some() && changed_at == self.listed_at {
            return Ok(());
        }
        if self.folder_seen.map(|(at, _)| at) != changed_at {
            self.folder_seen = changed_at.map(|at| (at, Instant::now()));
        }
        let is_settled = self.folder_seen.is_some_and(|(_, since)| since.elapsed() > FOLDER_TIME_STEP);
        let mut files = self.list()?;
        self.listed_at = changed_at.filter(|_| is_settled);
        files.retain(|file| self.seen.is_new(file));
        if self.latest_first {
            files.reverse();
        }
        self.waiting = files.into();
        Ok(())
    }

    /// When the folder last changed, if that says whether a file has come: it has no folders in it.
    fn folder_time(&self) -> Option<SystemTime> {
        let data = fs::metadata(&self.path).ok().filter(fs::Metadata::is_dir)?;
        #[cfg(unix)]
        let is_flat = std::os::unix::fs::MetadataExt::nlink(&data) == 2;
        #[cfg(not(unix))]
        let is_flat = false;
        if is_flat { data.modified().ok() } else { None }
    }

    /// Takes the files of one epoch from those that wait.
    fn take(&mut self) -> Vec<FileEntry> {
        let count = if self.is_stream { self.limit.count(&self.waiting) } else { self.waiting.len() };
        self.waiting.drain(..count).collect()
    }
}

impl Source for FileSource {
    fn description(&self) -> String {
        let path = self.path.strip_prefix("file://").or_else(|| self.path.strip_prefix("file:"));
        let path = PathBuf::from(path.unwrap_or(&self.path));
        let path = std::path::absolute(&path).unwrap_or(path);
        let text = path.to_string_lossy();
        let text = if text.len() > 1 { text.trim_end_matches('/') } else { &text };
        format!("FileStreamSource[file:{text}]")
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        // What an earlier look found goes first; newest first, newer ones may have come.
        if self.is_stream && !self.is_frozen && (self.waiting.is_empty() || self.latest_first) {
            self.look()?;
        }
        let files = self.take();
        if files.is_empty() {
            return Ok(false);
        }
        if self.is_stream {
            files.iter().for_each(|file| self.seen.add(file));
            self.seen.purge();
        }
        self.log_offset = Some(self.log_offset.map_or(0, |n| n + 1));
        let range_bytes = if self.decoding.is_cut_at_lines() { RANGE_BYTES } else { u64::MAX };
        parts.extend(files.iter().flat_map(|file| parts_of(file, range_bytes)));
        Ok(true)
    }

    fn offset(&self) -> Json {
        self.log_offset.map_or(Json::Null, |n| json!({ "logOffset": n }))
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(FileReader::new(&self.decoding, self.dropped.clone(), self.ignores_missing)?))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    /// A stream is frozen once; a batch takes everything anew each time it is read.
    fn freeze(&mut self) -> Result<()> {
        if !self.is_stream {
            self.waiting = self.list()?.into();
        } else if !self.is_frozen {
            self.look()?;
        }
        self.is_frozen = true;
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.is_frozen && self.waiting.is_empty()
    }

    /// The files that were taken. A batch takes all of them each time it is read: it has no position.
    fn position(&self) -> Json {
        if !self.is_stream {
            return Json::Null;
        }
        let mut fields = Map::new();
        // Epochs planned.
        fields.insert("epochs".into(), self.log_offset.map_or(0, |n| n + 1).into());
        self.seen.save(&mut fields);
        fields.into()
    }

    fn seek(&mut self, position: &Json) -> Result<()> {
        let Some(place) = Place::open("files", position)? else { return Ok(()) };
        let log_offset = place.count("epochs")?.checked_sub(1);
        self.seen.load(place)?;
        self.log_offset = log_offset;
        self.waiting.clear();
        self.listed_at = None;
        Ok(())
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn fingerprint(&mut self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        for FileEntry { path, mtime_us, len } in self.list()? {
            (path, mtime_us, len).hash(&mut hasher);
        }
        Ok(hasher.finish())
    }

    fn dropped(&self) -> Vec<(String, u64)> {
        self.dropped.counts()
    }
}

impl Limit {
    fn of(table: &Table) -> Result<Self> {
        let files = options::number(table, "maxFilesPerTrigger", 1)?;
        let bytes = options::bytes(table, "maxBytesPerTrigger")?;
        match (files, bytes) {
            (None, None) => Ok(Self::None),
            (Some(files), None) => Ok(Self::Files(files as u64)),
            (None, Some(bytes)) => Ok(Self::Bytes(bytes)),
            (Some(_), Some(_)) => {
                let value = table.option("maxBytesPerTrigger").unwrap_or_default();
                Err(wrong("maxBytesPerTrigger", value, "cannot be used with maxFilesPerTrigger")
                    .hint("keep one of the two"))
            }
        }
    }

    /// How many of these files an epoch takes: at least one.
    fn count(self, files: &VecDeque<FileEntry>) -> usize {
        match self {
            Self::None => files.len(),
            Self::Files(most) => files.len().min(usize::try_from(most).unwrap_or(usize::MAX)),
            Self::Bytes(most) => {
                let mut sum = 0;
                let fit = files.iter().take_while(|file| {
                    sum += file.len;
                    sum <= most
                });
                fit.count().max(1).min(files.len())
            }
        }
    }
}

/// The parts of a file: ranges of so many bytes, the last one longer rather than short.
fn parts_of(file: &FileEntry, range_bytes: u64) -> impl Iterator<Item = Part> {
    let ranges = (file.len / range_bytes).max(1);
    (0..ranges).map(move |i| {
        let start = i * range_bytes;
        let end = (i + 1 < ranges).then_some(start.saturating_add(range_bytes));
        Part::File { path: file.path.clone(), start, end, bytes: end.unwrap_or(file.len) - start }
    })
}

#[cfg(test)]
mod tests;
