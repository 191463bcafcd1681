//! Files as readers of the folder see them, also when the folder cannot be written for a while.

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

#[test]
fn a_file_that_the_disk_may_have_lost_is_written_to_a_new_one_or_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = open(dir.path(), Format::Json, &[]);
    sink.hold();
    run(&mut sink, 0, 0..30_000);
    run(&mut sink, 1, 5..7);
    let first = sink.prepare().unwrap();
    let text = fs::read(&first.files[0]).unwrap();
    // Whoever has the old file open keeps its number from being given to the next.
    let old = fs::File::open(&first.files[0]).unwrap();
    sink.note_lost(&first.files[0]);
    let again = sink.prepare().unwrap();
    assert_eq!((&again.position, &again.files, &again.renewed[..]), (&first.position, &first.files, &first.files[..1]));
    assert!(!sys::file::is_same(&old, &first.files[0]), "another file");
    assert_eq!(fs::read(&first.files[0]).unwrap(), text);
    assert!(sink.prepare().unwrap().renewed.is_empty(), "it is written anew once");
    assert_eq!(names(&dir), [".part-00000-0000.json.tmp", ".part-00001-0000.json.tmp"]);
    // What is there is not what was written: nobody has the rows any more.
    fs::write(&first.files[0], &text[1..]).unwrap();
    sink.note_lost(&first.files[0]);
    let error = sink.prepare().unwrap_err();
    assert!(!error.is_io() && error.message().contains("no longer what was written"), "{error}");
    assert_eq!(names(&dir).len(), 2, "nothing is left behind");
}
