//! What a path means: a file, a folder or a pattern, as Spark's file sources see it.
//!
//! Names that begin with `_` or `.` are hidden. Folders that a pattern matches, and a folder given as such, stand for
//! the files in them; deeper folders are read only if asked for, or if they are partitions (`key=value`). Files come
//! sorted by modification time, then by path: the order in which a stream reads them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use firesteel_core::{Error, Result};

use crate::sys::scarce;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is.
    pub path: PathBuf,
    /// When it was modified, in microseconds since the epoch.
    pub mtime_us: i64,
    /// Its length in bytes.
    pub len: u64,
}

/// Lists the files that `path` stands for. A path that does not exist is an error; a pattern that matches nothing, or
/// an empty folder, is no file.
pub fn expand(path: &str) -> Result<Vec<FileEntry>> {
    expand_nested(path, false)
}

/// The same, and with `recursive` also the files in folders below.
pub fn expand_nested(path: &str, recursive: bool) -> Result<Vec<FileEntry>> {
    let path = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path);
    let mut files = Vec::new();
    // A name with brackets in it is itself before it is a pattern.
    if !is_pattern(path) || Path::new(path).exists() {
        let kind = fs::metadata(path).map_err(|e| missing(path, &e))?;
        if kind.is_dir() {
            list_folder(Path::new(path), recursive, &mut files)?
        } else {
            push_file(path.into(), kind, &mut files)
        }
    } else {
        for found in glob(path)? {
            let Ok(kind) = fs::metadata(&found) else { continue };
            if kind.is_dir() { list_folder(&found, recursive, &mut files)? } else { push_file(found, kind, &mut files) }
        }
    }
    files.sort_unstable_by(|a, b| (a.mtime_us, &a.path).cmp(&(b.mtime_us, &b.path)));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

fn list_folder(folder: &Path, recursive: bool, files: &mut Vec<FileEntry>) -> Result<()> {
    let failed = |e: io::Error| Error::io(format!("cannot list {}: {e}", folder.display()));
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Files may vanish between listing and looking.
        let Some(kind) = fs::metadata(&path).ok().filter(|_| !is_hidden(&path)) else { continue };
        if !kind.is_dir() {
            push_file(path, kind, files);
        } else if recursive || is_partition(&path) {
            list_folder(&path, recursive, files)?;
        }
    }
    Ok(())
}

fn push_file(path: PathBuf, metadata: fs::Metadata, files: &mut Vec<FileEntry>) {
    let mtime_us = micros(metadata.modified().unwrap_or(UNIX_EPOCH));
    files.push(FileEntry { path, mtime_us, len: metadata.len() });
}

fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    }
}

/// `_temporary`, `_SUCCESS`, `.crc`, a copy that is not complete; but `_key=value` is a partition.
pub fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with("._COPYING_") || (name.starts_with('_') && !name.contains('='))
}

fn is_partition(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains('='))
}

/// Whether a path may stand for other paths.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Paths that match a pattern, hidden ones left out unless the pattern names them.
fn glob(pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for alternative in alternatives(pattern) {
        let root = if alternative.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
        let parts: Vec<&str> = alternative.split('/').filter(|part| !part.is_empty()).collect();
        walk(&root, &parts, &mut found)?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn walk(folder: &Path, parts: &[&str], found: &mut Vec<PathBuf>) -> Result<()> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(folder.to_path_buf());
        return Ok(());
    };
    if !is_pattern(part) {
        let next = folder.join(part);
        return if next.exists() { walk(&next, rest, found) } else { Ok(()) };
    }
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(listed) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_shown = !is_hidden(Path::new(&name)) || part.starts_with(['.', '_']);
        let is_way = rest.is_empty() || entry.path().is_dir();
        if is_shown && is_way && matches(part.as_bytes(), name.as_bytes()) {
            walk(&folder.join(&name), rest, found)?;
        }
    }
    Ok(())
}

/// `{a,b}` written out: one pattern an alternative.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.into()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![pattern.into()] };
    inside.split(',').flat_map(|choice| alternatives(&format!("{before}{choice}{after}"))).collect()
}

/// Whether a name matches `*`, `?` and `[a-z]`, `[^a-z]`, `\x`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on if what follows the last star does not match: one character later.
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p + 1, n));
            p += 1;
            continue;
        }
        if p == pattern.len() && n == name.len() {
            return true;
        }
        match matches_one(&pattern[p..], &name[n..]) {
            Some((pattern_len, name_len)) => (p, n) = (p + pattern_len, n + name_len),
            None => match retry {
                Some((star, from)) if from < name.len() => {
                    retry = Some((star, from + 1));
                    (p, n) = (star, from + 1);
                }
                _ => return false,
            },
        }
    }
}

/// Matches one character; gives how many bytes of pattern and name it took.
fn matches_one(pattern: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let &byte = name.first()?;
    match pattern {
        // A character may be several bytes.
        [b'?', ..] => Some((1, 1 + name[1..].iter().take_while(|b| **b & 0xc0 == 0x80).count())),
        [b'[', rest @ ..] => {
            let close = rest.iter().skip(1).position(|b| *b == b']')? + 1;
            let (negated, class) = match &rest[..close] {
                [b'^' | b'!', class @ ..] => (true, class),
                class => (false, class),
            };
            (in_class(class, byte) != negated).then_some((close + 2, 1))
        }
        [b'\\', literal, ..] => (*literal == byte).then_some((2, 1)),
        [literal, ..] => (*literal == byte).then_some((1, 1)),
        [] => None,
    }
}

fn in_class(mut class: &[u8], byte: u8) -> bool {
    while let [first, rest @ ..] = class {
        match rest {
            [b'-', last, rest @ ..] => {
                if (*first..=*last).contains(&byte) {
                    return true;
                }
                class = rest;
            }
            _ => {
                if *first == byte {
                    return true;
                }
                class = rest;
            }
        }
    }
    false
}

fn missing(path: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::io(format!("the path {path} does not exist")).class("PATH_NOT_FOUND");
    }
    let failed = scarce::error(format!("cannot read {path}: {error}"), error);
    match error.kind() {
        io::ErrorKind::PermissionDenied => failed.hint("check its owner and mode, and those of its folder"),
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("firesteel-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, mtime_s: u64) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(mtime_s)).unwrap();
        }

        fn names(&self, pattern: &str) -> Vec<String> {
            let path = format!("{}/{pattern}", self.0.display());
            let files = expand(&path).unwrap();
            files.iter().map(|f| f.path.strip_prefix(&self.0).unwrap().display().to_string()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_come_by_time_and_then_by_name() {
        let folder = Folder::new("order");
        for (name, mtime) in
            [("b.csv", 5), ("a.csv", 5), ("late.csv", 9), ("_SUCCESS", 1), (".a.crc", 1), ("deep/x.csv", 1)]
        {
            folder.file(name, mtime);
        }
        assert_eq!(folder.names(""), ["a.csv", "b.csv", "late.csv"]);
        assert_eq!(folder.names("a.csv"), ["a.csv"]);
        assert_eq!(folder.names("*.csv"), ["a.csv", "b.csv", "late.csv"]);
        assert_eq!(folder.names("{late,b}.csv"), ["b.csv", "late.csv"]);
        assert_eq!(folder.names("?.csv"), ["a.csv", "b.csv"]);
        assert_eq!(folder.names("*/x*"), ["deep/x.csv"]);
        assert_eq!(folder.names("nothing*"), [""; 0]);
        let entry = &expand(&folder.0.display().to_string()).unwrap()[0];
        assert_eq!((entry.mtime_us, entry.len), (5_000_000, 5));
        let nested = expand_nested(&folder.0.display().to_string(), true).unwrap();
        assert_eq!(nested.len(), 4);
    }

    #[test]
    fn partitions_are_folders_of_the_table() {
        let folder = Folder::new("partitions");
        folder.file("day=1/a.json", 1);
        folder.file("_tmp/b.json", 1);
        assert_eq!(folder.names(""), ["day=1/a.json"]);
    }

    #[test]
    fn a_missing_path_is_an_error_with_spark_s_class() {
        let error = expand("/no/such/path").unwrap_err();
        assert_eq!(error.error_class(), Some("PATH_NOT_FOUND"));
        assert!(error.is_io() && error.message().contains("/no/such/path"));
    }

    #[test]
    fn patterns_match_as_in_hadoop() {
        let cases = [
            ("*", "anything", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("[a-c]?", "bz", true),
            ("[^a-c]?", "bz", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("?", "é", true),
            ("", "", true),
            ("x", "", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
