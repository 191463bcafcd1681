//! Cursor files by themselves: who made them, who takes them over, and what producers learn from them.

use super::{cursors::CursorFile, tests::Folder, *};

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
