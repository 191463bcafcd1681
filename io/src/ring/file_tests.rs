//! Cursors, lanes and bells by themselves: who made them, who takes them over, and what others learn from them.

use std::time::Duration;

use firesteel_core::ring::ReadMode;

use super::{
    bell::Bell,
    cursors::{BYTES, CursorFile, KnownReader},
    tests::Folder,
    wait::{Wait, Waiting},
    *,
};

#[test]
fn a_durable_cursor_is_there_for_the_next_reader_of_its_name() {
    let folder = Folder::stream("file-durable", &[]);
    let stream = StreamFolder::open(&folder.0).unwrap();
    let open = |name: &str, durable: bool| CursorFile::open(&stream, name, durable);
    let first = open("r", true).unwrap();
    assert_eq!((first.was_there(), first.is_intact()), (false, true));
    assert!(open("r", true).unwrap_err().message().contains("is in use"));
    assert!(!open("other", true).unwrap().was_there(), "names are apart");
    drop(first);
    assert!(open("r", true).unwrap().was_there());
    drop(open("s", false).unwrap());
    assert!(!open("s", false).unwrap().was_there(), "a cursor that nobody keeps goes with its reader");
    assert!(open("a/b", true).is_err() && open("", true).is_err());
}

#[test]
fn a_cursor_that_was_removed_is_missed_and_made_anew() {
    let folder = Folder::stream("file-removed", &[]);
    let stream = StreamFolder::open(&folder.0).unwrap();
    let mut cursor = CursorFile::open(&stream, "r", true).unwrap();
    assert!(cursor.is_there());
    std::fs::remove_file(stream.cursor_path("r").unwrap()).unwrap();
    assert!(!cursor.is_there());
    cursor.renew(&stream).unwrap();
    assert!(cursor.is_there());
}

#[test]
fn a_reader_is_alive_again_when_another_takes_its_cursor_over() {
    let folder = Folder::stream("file-again", &[]);
    let stream = StreamFolder::open(&folder.0).unwrap();
    let first = CursorFile::open(&stream, "r", true).unwrap();
    let mut known = KnownReader::open(&stream, "r").unwrap();
    assert_eq!((known.is_alive(), known.pid()), (true, Some(std::process::id())));
    drop(first);
    assert!(!known.is_alive());
    let _again = CursorFile::open(&stream, "r", true).unwrap();
    assert!(known.is_alive());
}

#[test]
fn a_cursor_that_is_cut_off_is_refused_at_its_last_byte() {
    let folder = Folder::stream("file-cut", &[]);
    let stream = StreamFolder::open(&folder.0).unwrap();
    drop(CursorFile::open(&stream, "r", true).unwrap());
    let file = std::fs::OpenOptions::new().write(true).open(stream.cursor_path("r").unwrap()).unwrap();
    for (len, is_good) in [(BYTES, true), (BYTES - 1, false)] {
        file.set_len(len as u64).unwrap();
        assert_eq!(KnownReader::open(&stream, "r").is_ok(), is_good, "{len} bytes");
    }
}

#[test]
fn errors_of_the_system_say_what_to_try() {
    use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, StorageFull};
    let hints = [(NotFound, "path"), (PermissionDenied, "owner"), (StorageFull, "space"), (QuotaExceeded, "space")];
    for (kind, word) in hints {
        let error = io_error("opening", Path::new("a.lane"), kind.into());
        assert!(error.message().starts_with("opening a.lane: "), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains(word)), "{error}");
    }
}

#[test]
fn what_an_overwriting_lane_holds_is_never_read_in_place() {
    for (on_full, wanted) in [("overwrite", ReadMode::Copy), ("block", ReadMode::InPlace)] {
        let folder = Folder::stream(&format!("file-mode-{on_full}"), &[("onFull", on_full)]);
        drop(folder.producer("a"));
        let path = StreamFolder::open(&folder.0).unwrap().lane_path("a").unwrap();
        let lane = lane::open(&path, lane::Access::Once).unwrap();
        assert_eq!([false, true].map(|is_held| lane.read_mode(is_held)), [wanted, wanted], "{on_full}");
    }
}

#[test]
fn a_stream_that_is_restored_from_a_lane_has_lanes_as_large() {
    let folder = Folder::stream("file-restored", &[("capacity", "300KB")]);
    let path = StreamFolder::open(&folder.0).unwrap().lane_path("a").unwrap();
    drop(folder.producer("a"));
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert_eq!(StreamFolder::open(&folder.0).unwrap().lane_bytes(), bytes);
    let lane = lane::open(&path, lane::Access::Once).unwrap();
    std::fs::remove_file(folder.0.join(StreamFolder::FILE)).unwrap();
    StreamFolder::restore(&folder.0, &lane.header).unwrap();
    drop(folder.producer("b"));
    assert_eq!(StreamFolder::open(&folder.0).unwrap().lane_bytes(), 2 * bytes);
}

#[test]
fn whoever_sleeps_is_woken_by_rows_that_are_published() {
    let folder = Folder::stream("file-woken", &[]);
    let mut producer = folder.producer("a");
    let bell = Bell::open_existing(&folder.0).unwrap();
    let rung = || std::fs::read(folder.0.join(bell::NAME)).unwrap()[64];
    producer.publish();
    assert_eq!(rung(), 0, "nobody sleeps");
    bell.rows().sleep(&mut Waiting::up_to(Duration::ZERO, Wait::Sleep), || true);
    producer.publish();
    assert_eq!(rung(), 1);
}
