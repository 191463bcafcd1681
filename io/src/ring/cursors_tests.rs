//! Cursor files by themselves: who made them, who takes them over, and what producers learn from them.

use super::{
    cursors::{BYTES, CursorFile, KnownReader},
    tests::Folder,
    *,
};

#[test]
fn a_durable_cursor_is_there_for_the_next_reader_of_its_name() {
    let folder = Folder::stream("cursor-durable", &[]);
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
    let folder = Folder::stream("cursor-removed", &[]);
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
    let folder = Folder::stream("cursor-again", &[]);
    let stream = StreamFolder::open(&folder.0).unwrap();
    let first = CursorFile::open(&stream, "r", true).unwrap();
    let mut known = KnownReader::open(&stream, "r").unwrap();
    assert!(known.is_alive());
    drop(first);
    assert!(!known.is_alive());
    let _again = CursorFile::open(&stream, "r", true).unwrap();
    assert!(known.is_alive());
}

#[test]
fn a_cursor_that_is_cut_off_is_refused_at_its_last_byte() {
    let folder = Folder::stream("cursor-cut", &[]);
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
