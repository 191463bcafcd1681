//! The house rules that a machine can check: what every file must open with, how long it may be, where unsafe code
//! may live, and which rooms may use which. ARCHITECTURE.md says why.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lines a file may have; past 500 it should argue its case, past this it must be split.
const FILE_LINES_MAX: usize = 600;
/// Columns a line may have.
const LINE_COLUMNS_MAX: usize = 120;
/// The only rooms in which unsafe code may live.
const UNSAFE_ROOMS: [&str; 4] = ["core/src/ring/", "core/src/simd/", "core/src/block/", "io/src/sys/"];
/// The rooms of the core, lowest first: each may use only those before it. Rooms of one line may use each other.
const CORE_ROOMS: [&[&str]; 13] = [
    &["digits", "error", "limits", "time"],
    &["schema"],
    &["block"],
    &["codec"],
    &["hash"],
    &["simd"],
    &["ring"],
    &["expr"],
    &["watermark", "window"],
    &["agg", "state"],
    &["plan"],
    &["sql"],
    &["exec"],
];
/// Files that break a rule on purpose: path, rule, why.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("core/src/sketch/hll_tables.rs", "length", "tables of numbers, not code")];

struct SourceFile {
    path: String,
    text: String,
}

impl SourceFile {
    fn is_excepted(&self, rule: &str) -> bool {
        EXCEPTIONS.iter().any(|(path, r, _)| *path == self.path && *r == rule)
    }

    /// The code, without comments and without its unit tests.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let body = self.text.split("#[cfg(test)]\nmod test").next().unwrap_or_default();
        body.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(i, l)| (i + 1, l))
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("tests.rs")
            || self.path.ends_with("testing.rs")
    }
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent = sources().into_iter().filter(|f| !f.text.starts_with("//! "));
    none("files that do not open with `//!`", silent.map(|f| f.path));
}

#[test]
fn files_stay_short_enough_to_read() {
    let long = sources().into_iter().filter(|f| f.text.lines().count() > FILE_LINES_MAX && !f.is_excepted("length"));
    none("files that are too long", long.map(|f| format!("{} ({} lines)", f.path, f.text.lines().count())));
}

#[test]
fn lines_fit_the_page() {
    let mut wide = Vec::new();
    for file in sources() {
        // Nothing breaks a string literal, not even at the end of a line, and bytes in hexadecimal are long.
        let too_wide =
            |line: &str| line.chars().count() > LINE_COLUMNS_MAX && !line.contains('"') && !line.ends_with('\\');
        let lines = file.text.lines().enumerate().filter(|(_, line)| too_wide(line));
        wide.extend(lines.map(|(i, _)| format!("{}:{}", file.path, i + 1)));
    }
    none("lines that are too wide", wide);
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let outside = sources().into_iter().filter(|f| !UNSAFE_ROOMS.iter().any(|room| f.path.starts_with(room)));
    let mut found = Vec::new();
    for file in outside.filter(|f| f.path != "tests/tests/tidy.rs") {
        let lines = file.code_lines().filter(|(_, line)| has_word(line, "unsafe"));
        found.extend(lines.map(|(i, _)| format!("{}:{i}", file.path)));
    }
    none("unsafe code outside its rooms", found);
}

#[test]
fn rooms_of_the_core_use_only_lower_rooms() {
    let level = |room: &str| CORE_ROOMS.iter().position(|rooms| rooms.contains(&room));
    let mut found = Vec::new();
    for file in sources().into_iter().filter(|f| f.path.starts_with("core/src/")) {
        let own = file.path["core/src/".len()..].split(['/', '.']).next().unwrap_or_default().to_string();
        let Some(own_level) = level(&own) else { continue };
        for used in used_rooms(&file) {
            if level(&used).is_some_and(|l| l > own_level) {
                found.push(format!("{} uses {used}", file.path));
            }
        }
    }
    found.sort();
    found.dedup();
    none("rooms that use a higher room", found);
}

#[test]
fn nothing_is_left_for_later() {
    let mut found = Vec::new();
    for file in sources().into_iter().filter(|f| f.path != "tests/tests/tidy.rs") {
        for word in ["TODO", "FIXME", "todo!(", "unimplemented!(", "dbg!("] {
            if file.text.contains(word) {
                found.push(format!("{} has {word}", file.path));
            }
        }
    }
    none("unfinished places", found);
}

#[test]
fn unwrap_is_for_tests() {
    let mut found = Vec::new();
    for file in sources().into_iter().filter(|f| !f.is_test() && !f.path.starts_with("benches/")) {
        let lines = file.code_lines().filter(|(_, line)| line.contains(".unwrap()"));
        found.extend(lines.map(|(i, _)| format!("{}:{i}", file.path)));
    }
    none("unwrap outside tests", found);
}

/// Names after `crate::` and in `use crate::{...}` lists.
fn used_rooms(file: &SourceFile) -> Vec<String> {
    let code: String = file.code_lines().map(|(_, line)| format!("{line}\n")).collect();
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(top_names(list)),
            None => rooms.push(name(rest)),
        }
    }
    rooms
}

/// The outermost names of a `{a::b, c::{d, e}}` list, after its opening brace.
fn top_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && depth == 0 && !c.is_whitespace() => {
                names.push(name(&list[i..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(i, _)| !is_part(line[..i].chars().next_back()) && !is_part(line[i + word.len()..].chars().next()))
}

fn none(what: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["core", "io", "edge-bin", "tests", "benches", "fuzz"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "the sources were not found");
    let read = |path: PathBuf| SourceFile {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(),
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target" && name != "spark") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
