//! The files that a stream has taken, so that none is taken twice; also what a checkpoint remembers of them.
//!
//! Paths are kept as text that tells any two apart, whatever bytes they have, and that JSON can hold: bytes that are
//! not UTF-8 are written `%XX`, and so is `%` itself.

use std::{borrow::Cow, collections::HashMap, path::Path, time::Duration};

use firesteel_core::Result;
use serde_json::{Map, Value as Json};

use crate::{format::files::FileEntry, source::place::Place};

/// The paths that a stream has taken.
#[derive(Debug)]
pub(super) struct Seen {
    by_name: bool,
    age_max_us: Option<i64>,
    /// Modification times by path.
    files: HashMap<Box<str>, i64>,
    newest_us: i64,
    /// Files older than this are not new, whether they are remembered or not.
    oldest_us: i64,
    /// How many paths may be remembered before those that are too old are looked for.
    patience: usize,
}

impl Seen {
    pub(super) fn new(age_max: Option<Duration>, by_name: bool) -> Self {
        let age_max_us = age_max.map(|age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        Self { by_name, age_max_us, files: HashMap::new(), newest_us: i64::MIN, oldest_us: i64::MIN, patience: 0 }
    }

    pub(super) fn is_new(&self, file: &FileEntry) -> bool {
        file.mtime_us >= self.oldest_us && !self.files.contains_key(&*self.key(&file.path))
    }

    pub(super) fn add(&mut self, file: &FileEntry) {
        let key = self.key(&file.path).into();
        self.files.insert(key, file.mtime_us);
        self.newest_us = self.newest_us.max(file.mtime_us);
    }

    /// Forgets what is too old to be looked at again, so that the memory of a stream that runs for years is bounded.
    pub(super) fn purge(&mut self) {
        let Some(age_us) = self.age_max_us else { return };
        self.oldest_us = self.newest_us.saturating_sub(age_us);
        if self.files.len() > self.patience {
            let oldest_us = self.oldest_us;
            self.files.retain(|_, mtime_us| *mtime_us >= oldest_us);
            // Going through all paths is for now and then, not for every epoch.
            self.patience = (2 * self.files.len()).max(1024);
        }
    }

    /// All of it, for a checkpoint: times by name by folder. What is too old to be looked at is left out.
    pub(super) fn save(&self, to: &mut Map<String, Json>) {
        let mut folders = Map::new();
        for (path, mtime_us) in self.files.iter().filter(|(_, mtime_us)| **mtime_us >= self.oldest_us) {
            let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
            let files = folders.entry(folder).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(files) = files {
                files.insert(name.into(), (*mtime_us).into());
            }
        }
        to.insert("newestUs".into(), self.newest_us.into());
        to.insert("oldestUs".into(), self.oldest_us.into());
        to.insert("files".into(), folders.into());
    }

    /// Those that a checkpoint remembers instead of these.
    pub(super) fn load(&mut self, place: Place<'_>) -> Result<()> {
        let (newest_us, oldest_us) = (place.int("newestUs")?, place.int("oldestUs")?);
        let mut loaded = HashMap::new();
        for (folder, files) in place.object("files")? {
            let files = files.as_object().ok_or_else(|| place.wrong(folder, "files and their times", files))?;
            for (name, mtime_us) in files {
                let mtime = mtime_us.as_i64().ok_or_else(|| place.wrong(name, "a time in microseconds", mtime_us))?;
                loaded.insert([folder.as_str(), name].concat().into(), mtime);
            }
        }
        (self.files, self.newest_us, self.oldest_us, self.patience) = (loaded, newest_us, oldest_us, 0);
        Ok(())
    }

    fn key<'a>(&self, path: &'a Path) -> Cow<'a, str> {
        text_of(if self.by_name { path.file_name().map_or(path, Path::new) } else { path })
    }
}

/// A path as text that no other path has.
fn text_of(path: &Path) -> Cow<'_, str> {
    if let Some(text) = path.to_str().filter(|text| !text.contains('%')) {
        return text.into();
    }
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
    }
    text.into()
}
