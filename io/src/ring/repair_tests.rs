//! Damaged folders, checked and repaired: nothing that is whole is lost, nothing that is damaged is destroyed, and
//! afterwards nothing is wrong.

use std::{fs, os::unix::fs::FileExt, path::PathBuf};

use firesteel_core::ring::SlotHeader;

use super::{
    tests::{Folder, ids, name, push, read_all},
    *,
};

/// A lane of some rows, its bytes, and where its blocks lie.
fn lane(folder: &Folder, rows: i64) -> (PathBuf, Vec<u8>) {
    push(&mut folder.producer("a"), 0..rows);
    let path = folder.0.join("a.lane");
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// Repairs, and finds nothing wrong afterwards; gives the rows there are then, and what was done about the lane.
fn repaired(folder: &Folder, before: &[u8]) -> (Vec<i64>, Repair) {
    assert!(!check(&folder.0).unwrap().is_ok());
    let mut repairs = repair(&folder.0).unwrap();
    let after = check(&folder.0).unwrap();
    assert!(after.is_ok(), "{:?}", after.problems);
    assert!(repair(&folder.0).unwrap().is_empty());
    let lane = repairs.iter().position(|repair| repair.path.ends_with("a.lane")).unwrap();
    let repair = repairs.swap_remove(lane);
    assert!(repair.outcome.is_ok(), "{repair:?}");
    assert_eq!(fs::read(repair.moved_to.as_ref().unwrap()).unwrap(), before, "the damaged file is kept as it was");
    (read_all(&mut folder.reader()), repair)
}

#[test]
fn a_lane_with_a_bad_header_gives_all_its_rows() {
    let folder = Folder::stream("repair-header", &[("capacity", "200k")]);
    let (path, mut bytes) = lane(&folder, 3_000);
    bytes[20] ^= 0xFF;
    fs::write(&path, &bytes).unwrap();
    let (rows, repair) = repaired(&folder, &bytes);
    assert_eq!((rows, repair.rows_rescued, repair.rows_lost), (ids(0..3_000), 3_000, 0));
}

#[test]
fn a_lane_that_was_cut_off_gives_the_blocks_that_are_left_and_counts_the_others() {
    let folder = Folder::stream("repair-cut", &[("capacity", "200k")]);
    let (path, bytes) = lane(&folder, 3_000);
    let layout = folder.layout();
    let block_rows = layout.geometry().block_rows as u64;
    // In the middle of the third slot, and then before the first.
    let cut = layout.slot_at(2) + layout.slot_bytes() / 2;
    fs::write(&path, &bytes[..cut]).unwrap();
    let (rows, repair) = repaired(&folder, &bytes[..cut]);
    assert_eq!((rows.len() as u64, rows), (2 * block_rows, ids(0..2 * block_rows as i64)));
    assert_eq!((repair.rows_rescued, repair.rows_lost), (2 * block_rows, block_rows), "the third block says its rows");
    fs::write(&path, &bytes[..4096]).unwrap();
    let (rows, repair) = repaired(&folder, &bytes[..4096]);
    assert_eq!((rows.len(), repair.rows_rescued), (0, 0));
    assert!(!path.exists() && fs::exists(folder.0.join("a.lane.damaged-2")).unwrap());
}

#[test]
fn a_block_with_bad_text_gives_the_rows_before_it() {
    let folder = Folder::stream("repair-text", &[("capacity", "200k")]);
    let (path, mut bytes) = lane(&folder, 3_000);
    let layout = folder.layout();
    let (slot, column) = (layout.slot_at(1), layout.columns()[1].clone());
    // The end of the string of the block's row 100.
    bytes[slot + column.values_at + 400..][..4].fill(0xFF);
    fs::write(&path, &bytes).unwrap();
    let block_rows = layout.geometry().block_rows as i64;
    let (rows, repair) = repaired(&folder, &bytes);
    let expected: Vec<i64> = (0..block_rows + 100).chain(2 * block_rows..3_000).collect();
    assert_eq!((rows.len(), rows), (expected.len(), expected));
    assert_eq!((repair.rows_rescued, repair.rows_lost), ((3_000 - block_rows + 100) as u64, (block_rows - 100) as u64));
}

/// Queries believe what a block tells of its times, so a lane in which that is wrong is written anew.
#[test]
fn a_block_that_tells_wrong_times_is_found_and_told_anew() {
    let folder = Folder::of("repair-times", "id BIGINT NOT NULL, name STRING, at TIMESTAMP", &[("capacity", "200k")]);
    let mut producer = folder.producer("a");
    for n in 0..2_000_i64 {
        assert!(producer.push(&[n.into(), name(n).as_deref().into(), (n * 1_000_000).into()]).unwrap());
    }
    producer.publish();
    drop(producer);
    assert!(check(&folder.0).unwrap().is_ok());
    let path = folder.0.join("a.lane");
    let mut bytes = fs::read(&path).unwrap();
    let slot = folder.layout().slot_at(1);
    bytes[slot + SlotHeader::MAX_TIME + 2] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let wrong = check(&folder.0).unwrap().problems.remove(0).error;
    assert!(wrong.message().contains("tells of times that its rows do not have"), "{wrong}");
    let (rows, repair) = repaired(&folder, &bytes);
    assert_eq!((rows, repair.rows_rescued, repair.rows_lost), (ids(0..2_000), 2_000, 0));
}

/// A reader that has read part of a lane goes on behind it if the lane's rows could keep their numbers: here the file's
/// last slot is lost, which holds the oldest block.
#[test]
fn readers_go_on_where_they_were_if_only_old_rows_were_lost() {
    let folder = Folder::stream("repair-resume", &[("capacity", "200k")]);
    let geometry = folder.layout().geometry();
    let options = || ReaderOptions { name: Some("r".into()), durable: true, ..ReaderOptions::default() };
    let mut reader = Reader::open(&folder.0, options()).unwrap();
    let mut producer = folder.producer("a");
    let block_rows = geometry.block_rows as i64;
    // Round the ring more than once; the newest block lies in the last slot but one.
    let blocks = 2 * geometry.slot_count as i64 - 2;
    for block in 0..blocks {
        push(&mut producer, block * block_rows..(block + 1) * block_rows);
        assert_eq!(read_all(&mut reader).len() as i64, block_rows);
        reader.commit_read().unwrap();
    }
    let end = blocks * block_rows + 100;
    push(&mut producer, end - 100..end);
    drop((reader, producer));
    let path = folder.0.join("a.lane");
    let bytes = fs::read(&path).unwrap();
    let cut = &bytes[..bytes.len() - 1];
    fs::write(&path, cut).unwrap();
    let (rows, repair) = repaired(&folder, cut);
    assert_eq!(rows, ids(end - repair.rows_rescued as i64..end));
    assert_eq!(repair.rows_lost, block_rows as u64);
    let mut reader = Reader::open(&folder.0, options()).unwrap();
    assert_eq!(read_all(&mut reader), ids(end - 100..end), "what was read is not read again");
    push(&mut folder.producer("a"), end..end + 5);
    assert_eq!(read_all(&mut reader), ids(end..end + 5));
}

#[test]
fn a_lane_that_is_written_is_left_alone_and_so_is_what_is_whole() {
    let folder = Folder::stream("repair-live", &[("capacity", "200k")]);
    let mut producer = folder.producer("a");
    push(&mut producer, 0..10);
    assert!(repair(&folder.0).unwrap().is_empty());
    fs::File::options().write(true).open(folder.0.join("a.lane")).unwrap().write_all_at(&[1], 8).unwrap();
    fs::File::options().write(true).open(folder.0.join("a.lane")).unwrap().write_all_at(&[9], 30).unwrap();
    let repairs = repair(&folder.0).unwrap();
    let error = repairs[0].outcome.as_ref().unwrap_err();
    assert!(error.message().contains("a producer writes it") && folder.0.join("a.lane").exists(), "{error}");
}

#[test]
fn everything_else_in_a_folder_is_repaired_too() {
    let folder = Folder::stream("repair-rest", &[("capacity", "200k"), ("onFull", "drop_newest")]);
    push(&mut folder.producer("a"), 0..10);
    fs::write(folder.0.join("stream"), "nonsense").unwrap();
    fs::write(folder.0.join("bell"), "").unwrap();
    fs::write(folder.0.join("r.cursor"), "nonsense").unwrap();
    fs::write(folder.0.join(".x.lane.tmp-4294967-0"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.0.join("b.lane")).unwrap();
    assert!(check(&folder.0).is_err(), "no stream at all");
    let repairs = repair(&folder.0).unwrap();
    let names: Vec<String> =
        repairs.iter().map(|repair| repair.path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["bell", "stream", "b.lane", "r.cursor", ".x.lane.tmp-4294967-0"]);
    assert!(repairs.iter().all(|repair| repair.outcome.is_ok()), "{repairs:?}");
    assert!(check(&folder.0).unwrap().is_ok());
    let stream = StreamFolder::open(&folder.0).unwrap();
    assert_eq!(stream.on_full(), OnFull::DropNewest);
    assert_eq!(read_all(&mut folder.reader()), ids(0..10));
    push(&mut folder.producer("a"), 10..20);
}

#[test]
fn cursors_of_checkpoints_that_are_gone_hold_nobody_up() {
    let folder = Folder::stream("repair-orphan", &[("capacity", "40k")]);
    let checkpoint = folder.0.with_extension("checkpoint");
    fs::create_dir_all(&checkpoint).unwrap();
    let options = ReaderOptions { name: Some("checkpoint-1".into()), durable: true, ..ReaderOptions::default() };
    let mut reader = Reader::open(&folder.0, options).unwrap();
    reader.note_checkpoint(&checkpoint).unwrap();
    assert!(check(&folder.0).unwrap().is_ok());
    let lives = forget_reader(&folder.0, "checkpoint-1").unwrap_err();
    assert!(lives.message().contains("lives"), "{lives}");
    drop(reader);
    assert!(check(&folder.0).unwrap().is_ok(), "its checkpoint is there: it comes back");
    fs::remove_dir(&checkpoint).unwrap();
    let problems = check(&folder.0).unwrap().problems;
    assert!(problems[0].path.ends_with("checkpoint-1.cursor") && problems.len() == 1);
    assert!(problems[0].error.message().contains(checkpoint.to_str().unwrap()), "{}", problems[0].error);
    assert!(repair(&folder.0).unwrap()[0].outcome.is_ok());
    assert!(check(&folder.0).unwrap().is_ok() && !folder.0.join("checkpoint-1.cursor").exists());
    assert!(forget_reader(&folder.0, "checkpoint-1").is_err());
}
