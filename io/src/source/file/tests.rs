//! Tests of the file source, on real files.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::source::{Part, Source, testing::*};

fn folder(files: &[(&str, &str, u64)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text, mtime)| write(&dir.path().join(name), text, *mtime));
    dir
}

fn source(dir: &TempDir, options: &[(&str, &str)], is_stream: bool) -> Box<dyn Source> {
    let path = dir.path().to_str().unwrap();
    open(table("csv", "x INT", &[&[("path", path)], options].concat()), is_stream).unwrap()
}

const THREE: &[(&str, &str, u64)] =
    &[("b.csv", "1\n2\n3\n4\n", 10), ("a.csv", "7\n", 30), ("c.csv", "5\n6", 20), ("_SUCCESS", "99", 0)];

#[test]
fn a_stream_takes_files_by_time_as_many_as_its_limit_says() {
    let dir = folder(THREE);
    type Options = &'static [(&'static str, &'static str)];
    let cases: [(Options, &[&[i64]]); 6] = [
        (&[], &[&[1, 2, 3, 4, 5, 6, 7]]),
        (&[("maxFilesPerTrigger", "1")], &[&[1, 2, 3, 4], &[5, 6], &[7]]),
        (&[("maxFilesPerTrigger", "2")], &[&[1, 2, 3, 4, 5, 6], &[7]]),
        (&[("maxBytesPerTrigger", "11")], &[&[1, 2, 3, 4, 5, 6], &[7]]),
        (&[("maxBytesPerTrigger", "1b")], &[&[1, 2, 3, 4], &[5, 6], &[7]]),
        (&[("maxFilesPerTrigger", "1"), ("latestFirst", "true")], &[&[7], &[5, 6], &[1, 2, 3, 4]]),
    ];
    for (options, expected) in cases {
        assert_eq!(epochs(&mut *source(&dir, options, true)), expected, "{options:?}");
    }
}

#[test]
fn offsets_and_description_are_spark_s() {
    let dir = folder(THREE);
    let mut source = source(&dir, &[("maxFilesPerTrigger", "2")], true);
    assert_eq!(source.description(), format!("FileStreamSource[file:{}]", dir.path().display()));
    let parts = plan(&mut *source).unwrap().unwrap();
    assert_eq!((source.offset(), parts.len()), (json!({"logOffset": 0}), 2));
    assert!(matches!(&parts[1], Part::File { bytes: 3, .. }));
    plan(&mut *source).unwrap().unwrap();
    assert_eq!(source.offset(), json!({"logOffset": 1}));
    assert!(plan(&mut *source).unwrap().is_none());
}

#[test]
fn new_files_are_read_and_known_ones_are_not() {
    let dir = folder(THREE);
    let mut source = source(&dir, &[], true);
    assert_eq!(epochs(&mut *source).len(), 1);
    assert!(!source.is_exhausted());
    write(&dir.path().join("d.csv"), "8\n", 5);
    write(&dir.path().join("a.csv"), "77\n", 50);
    assert_eq!(epochs(&mut *source), [[8]]);
    source.freeze().unwrap();
    write(&dir.path().join("e.csv"), "9\n", 60);
    assert!(source.is_exhausted() && plan(&mut *source).unwrap().is_none());
}

#[test]
fn a_frozen_stream_reads_what_was_there_in_its_epochs() {
    let dir = folder(THREE);
    let mut source = source(&dir, &[("maxFilesPerTrigger", "1")], true);
    source.freeze().unwrap();
    write(&dir.path().join("e.csv"), "9\n", 60);
    assert_eq!(epochs(&mut *source), [&[1, 2, 3, 4][..], &[5, 6], &[7]]);
    assert!(source.is_exhausted() && !source.has_ended());
}

#[test]
fn a_batch_is_read_anew_when_its_files_have_changed() {
    let dir = folder(THREE);
    let mut source = source(&dir, &[("maxFilesPerTrigger", "1")], false);
    let print = source.fingerprint().unwrap();
    for _ in 0..2 {
        source.freeze().unwrap();
        assert_eq!(epochs(&mut *source), [[1, 2, 3, 4, 5, 6, 7]], "a batch has no rate limit");
        assert_eq!(source.fingerprint().unwrap(), print);
    }
    write(&dir.path().join("a.csv"), "8\n", 31);
    assert_ne!(source.fingerprint().unwrap(), print);
    source.freeze().unwrap();
    assert_eq!(epochs(&mut *source), [[1, 2, 3, 4, 5, 6, 8]]);
}

#[test]
fn files_that_are_too_old_are_left_out_and_forgotten() {
    let dir = folder(&[("new.csv", "1\n", 1000)]);
    let mut stream = source(&dir, &[("maxFileAge", "100s")], true);
    assert_eq!(epochs(&mut *stream), [[1]]);
    write(&dir.path().join("old.csv"), "2\n", 899);
    assert_eq!(epochs(&mut *stream), [[0; 0]; 0]);
    write(&dir.path().join("older.csv"), "3\n", 900);
    assert_eq!(epochs(&mut *stream), [[3]]);
}

#[test]
fn names_alone_can_tell_files_apart() {
    let dir = folder(&[]);
    for (day, value) in [("day=1", "1\n"), ("day=2", "2\n")] {
        fs::create_dir(dir.path().join(day)).unwrap();
        write(&dir.path().join(day).join("x.csv"), value, 1);
    }
    assert_eq!(epochs(&mut *source(&dir, &[("maxFilesPerTrigger", "1")], true)), [[1], [2]]);
    let options = [("maxFilesPerTrigger", "1"), ("fileNameOnly", "true"), ("latestFirst", "true")];
    assert_eq!(epochs(&mut *source(&dir, &options, true)), [[2]]);
}

#[test]
fn malformed_records_are_rows_or_not_as_the_mode_says_and_counted() {
    let dir = folder(&[("a.json", "{\"x\":1}\nnot json\n{\"x\":\"a\"}\n", 1)]);
    for (mode, rows) in [("PERMISSIVE", 3), ("DROPMALFORMED", 1)] {
        let options = [("path", dir.path().to_str().unwrap()), ("mode", mode)];
        let mut source = open(table("json", "x INT", &options), false).unwrap();
        source.freeze().unwrap();
        assert_eq!(epoch(&mut *source, 1).unwrap().len(), rows, "{mode}");
        let total: u64 = source.dropped().iter().map(|(_, n)| n).sum();
        assert_eq!(total, 2, "{mode}: {:?}", source.dropped());
    }
}

#[test]
fn a_file_that_vanishes_is_an_error_with_its_path_unless_it_may() {
    let dir = folder(THREE);
    for (option, fails) in [("false", true), ("true", false)] {
        let mut source = source(&dir, &[("ignoreMissingFiles", option)], true);
        write(&dir.path().join("gone.csv"), "1\n", 99);
        let parts = plan(&mut *source).unwrap().unwrap();
        fs::remove_file(dir.path().join("gone.csv")).unwrap();
        let result = read(&mut *source.reader().unwrap(), &parts, 1);
        match result {
            Err(error) => assert!(fails && error.is_io() && error.message().contains("gone.csv"), "{error}"),
            Ok(rows) => assert!(!fails && rows.len() == 7),
        }
    }
}

#[test]
fn mistakes_are_told_when_the_table_is_opened() {
    let dir = folder(THREE);
    let path = dir.path().to_str().unwrap();
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], "no option `path`"),
        (&[("path", "/no/such/folder")], "/no/such/folder"),
        (&[("path", path), ("maxFilesPerTrigger", "0")], "maxFilesPerTrigger"),
        (&[("path", path), ("maxFilesPerTrigger", "1"), ("maxBytesPerTrigger", "1k")], "maxBytesPerTrigger"),
        (&[("path", path), ("latestFirst", "perhaps")], "latestFirst"),
    ];
    for (options, expected) in cases {
        let error = open(table("csv", "x INT", options), true).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
}

/// Every way to cut a file in two or three gives its lines once each, in order, whatever ends them.
#[test]
fn ranges_of_a_file_share_its_lines() {
    let texts = ["1\n2\n3\n", "1\r\n22\r\n3", "1\r2\r\r\n3\n\n", "1\n\r\n2\r", "", "\n", "12345", "1\r\n\n2"];
    for text in texts {
        let dir = folder(&[("a.txt", text, 1)]);
        let path = dir.path().join("a.txt");
        let options = [("path", path.to_str().unwrap())];
        let mut source = open(table("text", "value STRING", &options), true).unwrap();
        let mut lines = |cuts: &[u64]| {
            let starts = [&[0], cuts].concat();
            let ends = cuts.iter().copied().map(Some).chain([None]);
            let part = |(start, end): (u64, Option<u64>)| Part::File { path: path.clone(), start, end, bytes: 0 };
            let parts: Vec<Part> = starts.into_iter().zip(ends).map(part).collect();
            read(&mut *source.reader().unwrap(), &parts, 1).unwrap()
        };
        let whole = lines(&[]);
        let len = text.len() as u64 + 1;
        for a in 0..=len {
            assert_eq!(lines(&[a]), whole, "{text:?} cut at {a}");
            for b in a..=len {
                assert_eq!(lines(&[a, b]), whole, "{text:?} cut at {a} and {b}");
            }
        }
    }
}

#[test]
fn a_big_file_has_parts_for_the_workers() {
    let line = format!("{{\"x\":1,\"pad\":\"{}\"}}\n", "-".repeat(1000));
    let dir = folder(&[("a.json", &line.repeat(17_000), 1)]);
    let path = dir.path().to_str().unwrap();
    for (options, count) in [(vec![("path", path)], 2), (vec![("path", path), ("lineSep", "\n")], 1)] {
        let mut source = open(table("json", "x INT", &options), false).unwrap();
        source.freeze().unwrap();
        let parts = plan(&mut *source).unwrap().unwrap();
        assert_eq!(parts.len(), count);
        let bytes = parts.iter().map(|part| if let Part::File { bytes, .. } = part { *bytes } else { 0 });
        assert_eq!(bytes.sum::<u64>(), 17_000 * line.len() as u64);
        let rows = read(&mut *source.reader().unwrap(), &parts, 1).unwrap();
        assert!(rows.len() == 17_000 && rows.iter().all(|row| row[0].as_i64() == Some(1)));
    }
}

#[test]
fn a_packed_file_is_refused_by_name_whatever_its_part() {
    let dir = folder(&[("a.csv", "1\n", 1)]);
    let mut gzip = b"\x1f\x8b\x08\0\0\0\0\0".to_vec();
    gzip.extend(vec![b'\n'; 17 << 20]);
    fs::write(dir.path().join("b.csv"), gzip).unwrap();
    let mut source = source(&dir, &[], false);
    source.freeze().unwrap();
    let parts = plan(&mut *source).unwrap().unwrap();
    assert_eq!(parts.len(), 3, "one of a.csv, two of b.csv");
    let mut reader = source.reader().unwrap();
    for part in &parts[1..] {
        let error = reader.read(part, &mut |_| Ok(())).unwrap_err();
        assert!(error.message().ends_with("b.csv is packed with gzip, not text"), "{error}");
    }
}

/// After each epoch, a new source that goes on from there gives the rest.
#[test]
fn a_stream_goes_on_from_a_position() {
    type Options = &'static [(&'static str, &'static str)];
    let cases: [Options; 5] = [
        &[],
        &[("maxFilesPerTrigger", "1")],
        &[("maxBytesPerTrigger", "11")],
        &[("maxFilesPerTrigger", "1"), ("latestFirst", "true")],
        &[("maxFilesPerTrigger", "1"), ("fileNameOnly", "true"), ("maxFileAge", "50s")],
    ];
    for options in cases {
        let dir = folder(THREE);
        let whole = epochs(&mut *source(&dir, options, true));
        let mut first = source(&dir, options, true);
        for done in 0..=whole.len() {
            let mut after = source(&dir, options, true);
            after.seek(&first.position()).unwrap();
            assert_eq!((after.offset(), after.position()), (first.offset(), first.position()));
            assert_eq!(epochs(&mut *after), whole[done..], "{options:?} behind {done}");
            write(&dir.path().join("new.csv"), "8\n", 40);
            assert_eq!(epochs(&mut *after), [[8]]);
            fs::remove_file(dir.path().join("new.csv")).unwrap();
            let parts = plan(&mut *first).unwrap();
            assert_eq!(parts.is_some(), done < whole.len());
        }
    }
}

#[test]
fn a_position_forgets_files_that_are_too_old_and_still_refuses_them() {
    let dir = folder(&[("old.csv", "1\n", 100), ("new.csv", "2\n", 1000)]);
    let mut first = source(&dir, &[("maxFileAge", "100s")], true);
    assert_eq!(epochs(&mut *first), [[1, 2]]);
    let text = first.position().to_string();
    assert!(text.contains("new.csv") && !text.contains("old.csv"), "{text}");
    let mut after = source(&dir, &[("maxFileAge", "100s")], true);
    after.seek(&first.position()).unwrap();
    assert_eq!(epochs(&mut *after), [[0; 0]; 0]);
    assert_eq!(epochs(&mut *source(&dir, &[], false)), [[0; 0]; 0], "a batch is read when it is frozen");
}

#[cfg(unix)]
#[test]
fn names_of_any_bytes_are_told_apart_in_a_position() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let dir = folder(&[]);
    let names: [&[u8]; 5] = [b"a\xff.csv", b"a\xfe.csv", b"a%FF.csv", b"a%25FF.csv", "å\"\n.csv".as_bytes()];
    let name = |i: usize| dir.path().join(OsStr::from_bytes(names[i]));
    write(&name(0), "0\n", 10);
    let mut first = source(&dir, &[], true);
    assert_eq!(epochs(&mut *first), [[0]]);
    let position = serde_json::from_str(&first.position().to_string()).unwrap();
    (1..5).for_each(|i| write(&name(i), &format!("{i}\n"), 10 + i as u64));
    let mut after = source(&dir, &[("maxFilesPerTrigger", "1")], true);
    after.seek(&position).unwrap();
    assert_eq!(epochs(&mut *after), [[1], [2], [3], [4]]);
    let mut last = source(&dir, &[], true);
    last.seek(&after.position()).unwrap();
    assert_eq!(epochs(&mut *last), [[0; 0]; 0]);
}

#[test]
fn what_is_no_position_is_told() {
    let dir = folder(THREE);
    let mut first = source(&dir, &[], true);
    epochs(&mut *first);
    for mutant in mutants(&first.position()) {
        let mut other = source(&dir, &[], true);
        let error = other.seek(&mutant).expect_err(&mutant.to_string());
        assert!(error.is_corrupt() && error.message().contains("a table of files"), "{error}");
        assert_eq!(epochs(&mut *other).len(), 1, "nothing has changed");
    }
    assert!(source(&dir, &[], false).position().is_null());
}
