//! Streams within one process: every promise of a folder, its lanes and its cursors. What needs several processes is
//! in `tests/tests/ring_processes.rs`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use firesteel_core::{
    block::{Bitmap, Block, Value},
    schema::Schema,
};

use super::*;

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(20);
const DDL: &str = "id BIGINT NOT NULL, name STRING";

/// A folder that is removed when the test ends.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("firesteel-ring-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(super) fn stream(test: &str, options: &[(&str, &str)]) -> Self {
        Self::of(test, DDL, options)
    }

    pub(super) fn of(test: &str, ddl: &str, options: &[(&str, &str)]) -> Self {
        let folder = Self::new(test);
        let options = RingOptions::parse(options.iter().copied()).unwrap();
        StreamFolder::create(&folder.0, &Schema::parse_ddl(ddl).unwrap(), &options).unwrap();
        folder
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::open(&self.0, ReaderOptions::default()).unwrap()
    }

    pub(super) fn layout(&self) -> firesteel_core::ring::Layout {
        StreamFolder::open(&self.0).unwrap().layout().unwrap()
    }

    pub(super) fn producer(&self, lane: &str) -> Producer {
        Producer::open(&self.0, Some(lane)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn schema() -> Schema {
    Schema::parse_ddl(DDL).unwrap()
}

pub(super) fn push(producer: &mut Producer, ids: std::ops::Range<i64>) -> usize {
    let stored = ids.filter(|&id| producer.push(&[id.into(), name(id).as_deref().into()]).unwrap()).count();
    producer.publish();
    stored
}

pub(super) fn name(id: i64) -> Option<String> {
    (id % 3 != 0).then(|| format!("n{id}"))
}

/// Reads what is there; every row's name must be that of its id.
fn read(reader: &mut Reader, timeout: Duration) -> Vec<i64> {
    let mut ids = Vec::new();
    reader
        .poll(timeout, |_, block| {
            for i in 0..block.len() {
                let Value::Int64(id) = block.column(0).value(i) else { panic!("an id is not NULL") };
                assert_eq!(block.column(1).value(i), name(id).map_or(Value::Null, Value::String));
                ids.push(id);
            }
            Ok(())
        })
        .unwrap();
    ids
}

pub(super) fn read_all(reader: &mut Reader) -> Vec<i64> {
    let mut ids = Vec::new();
    loop {
        let more = read(reader, NOW);
        if more.is_empty() {
            return ids;
        }
        ids.extend(more);
    }
}

pub(super) fn ids(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

#[test]
fn rows_of_all_lanes_arrive_in_their_order() {
    let folder = Folder::stream("lanes", &[("capacity", "1MB")]);
    let mut reader = folder.reader();
    assert!(read(&mut reader, NOW).is_empty());
    let mut a = folder.producer("a");
    push(&mut a, 0..10_000);
    let mut b = folder.producer("b");
    push(&mut b, 20_000..20_005);
    let mut found = read_all(&mut reader);
    push(&mut b, 20_005..20_010);
    found.extend(read_all(&mut reader));
    let (of_a, of_b): (Vec<i64>, Vec<i64>) = found.iter().partition(|&&id| id < 20_000);
    assert_eq!((of_a, of_b), (ids(0..10_000), ids(20_000..20_010)));
    assert_eq!(reader.rows_read(), 10_010);
    let positions: Vec<u64> = reader.positions().into_iter().map(|(_, row)| row).collect();
    assert_eq!(positions, [10_000, 10]);
    assert_eq!(reader.lanes().iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_block_is_appended_with_its_selection() {
    let folder = Folder::stream("append", &[]);
    let mut block = Block::new(&schema());
    (0..100).for_each(|id| block.push_row(&[Value::Int64(id), name(id).map_or(Value::Null, Value::String)]));
    let odd: Bitmap = (0..100).map(|i| i % 2 == 1).collect();
    let mut producer = folder.producer("a");
    assert_eq!(producer.append(&block.view().select(Some(odd.view()))).unwrap(), 50);
    assert_eq!(producer.append(&block.view()).unwrap(), 100);
    let expected: Vec<i64> = (0..100).filter(|i| i % 2 == 1).chain(0..100).collect();
    assert_eq!(read_all(&mut folder.reader()), expected);
}

#[test]
fn a_lane_has_one_producer_and_the_next_goes_on_behind_it() {
    let folder = Folder::stream("owner", &[]);
    let mut first = folder.producer("a");
    push(&mut first, 0..5);
    let second = Producer::open(&folder.0, Some("a")).unwrap_err();
    assert!(second.message().contains("lane 'a'"), "{second}");
    assert!(second.message().contains(&std::process::id().to_string()), "{second}");
    assert!(second.hint_text().unwrap().contains("another lane"));
    first.push(&[5_i64.into(), "n5".into()]).unwrap();
    drop(first);
    let mut second = folder.producer("a");
    assert_eq!(second.rows_published(), 6);
    push(&mut second, 6..8);
    assert_eq!(read_all(&mut folder.reader()), ids(0..8));
}

#[test]
fn a_full_lane_waits_for_its_readers() {
    let folder = Folder::stream("block", &[("capacity", "40k")]);
    let mut reader = folder.reader();
    let mut producer = folder.producer("a");
    let writer = thread::spawn(move || {
        push(&mut producer, 0..50_000);
        producer
    });
    let mut found = Vec::new();
    while found.len() < 50_000 {
        found.extend(read(&mut reader, SOON));
        reader.commit_read().unwrap();
    }
    assert_eq!(found, ids(0..50_000));
    let producer = writer.join().unwrap();
    assert!(producer.waits() > 0, "a lane of 40 KiB was never full");
    assert_eq!((reader.rows_lost(), producer.rows_dropped()), (0, 0));
}

#[test]
fn without_a_reader_a_full_lane_keeps_every_row() {
    let folder = Folder::stream("nobody", &[("capacity", "40k")]);
    let mut producer = folder.producer("a");
    let mut stored = 0;
    while producer.append_now(&one_row(stored).view(), 0).unwrap() == Pushed::All {
        stored += 1;
    }
    assert!(!producer.wait_for_room(Duration::from_millis(5)));
    let mut reader = folder.reader();
    assert_eq!(read_all(&mut reader), ids(0..stored));
    assert!(!producer.wait_for_room(Duration::from_millis(5)), "read is not given back");
    reader.commit_read().unwrap();
    assert!(producer.wait_for_room(SOON));
    assert_eq!(producer.append_now(&one_row(stored).view(), 0).unwrap(), Pushed::All);
    assert_eq!(read_all(&mut reader), [stored]);
}

fn one_row(id: i64) -> Block {
    let mut block = Block::new(&schema());
    block.push_row(&[Value::Int64(id), name(id).map_or(Value::Null, Value::String)]);
    block
}

#[test]
fn a_reader_that_comes_later_is_not_overrun() {
    let folder = Folder::stream("later", &[("capacity", "40k")]);
    let mut fast = folder.reader();
    let mut producer = folder.producer("a");
    let mut next = 0;
    for _ in 0..200 {
        push(&mut producer, next..next + 50);
        next += 50;
        read_all(&mut fast);
        fast.commit_read().unwrap();
    }
    let mut slow = folder.reader();
    let first = read(&mut slow, NOW)[0];
    while producer.append_now(&one_row(next).view(), 0).unwrap() == Pushed::All {
        next += 1;
        read_all(&mut fast);
        fast.commit_read().unwrap();
    }
    let mut rest = read_all(&mut slow);
    assert_eq!((rest.last(), slow.rows_lost()), (Some(&(next - 1)), 0));
    rest.retain(|id| *id < first);
    assert!(rest.is_empty());
}

#[test]
fn drop_newest_drops_and_counts() {
    let folder = Folder::stream("drop", &[("capacity", "40k"), ("onFull", "drop_newest")]);
    let mut reader = folder.reader();
    let mut producer = folder.producer("a");
    let stored = push(&mut producer, 0..20_000);
    assert!(stored < 20_000);
    assert_eq!(producer.rows_dropped(), 20_000 - stored as u64);
    assert_eq!(read_all(&mut reader), ids(0..stored as i64));
    assert_eq!(reader.lanes()[0].rows_dropped, producer.rows_dropped());
    reader.commit_read().unwrap();
    assert_eq!(producer.append(&one_row(7).view()).unwrap(), 1);
    assert_eq!(read_all(&mut reader), [7]);
}

#[test]
fn overwrite_never_waits_and_readers_count_what_they_lost() {
    let folder = Folder::stream("overwrite", &[("capacity", "40k"), ("onFull", "overwrite")]);
    let mut reader = folder.reader();
    let mut producer = folder.producer("a");
    push(&mut producer, 0..10);
    assert_eq!(read_all(&mut reader), ids(0..10));
    assert_eq!(push(&mut producer, 10..20_000), 19_990);
    let found = read_all(&mut reader);
    let first = found[0];
    assert_eq!(found, ids(first..20_000));
    assert_eq!((reader.rows_lost() as i64, reader.lanes()[0].rows_lost as i64), (first - 10, first - 10));
}

#[test]
fn positions_are_read_sought_and_committed() {
    let folder = Folder::stream("positions", &[]);
    let mut producer = folder.producer("a");
    push(&mut producer, 0..100);
    let mut reader = folder.reader();
    let end = reader.end_positions().unwrap();
    push(&mut producer, 100..200);
    reader.set_limits(Some(end.clone()));
    assert_eq!(read_all(&mut reader), ids(0..100));
    assert!(reader.is_at_limits() && reader.positions() == end);
    reader.set_limits(None);
    assert_eq!(read_all(&mut reader), ids(100..200));
    reader.seek(&[(end[0].0.clone(), 150)]).unwrap();
    assert_eq!(read_all(&mut reader), ids(150..200));
    reader.seek(&[("other#0000000000000001".into(), 5)]).unwrap();
    assert!(read_all(&mut reader).is_empty());
}

#[test]
fn workers_read_shares_of_what_one_reader_found() {
    let folder = Folder::stream("shares", &[]);
    let mut producer = folder.producer("a");
    push(&mut producer, 0..9_000);
    let mut reader = folder.reader();
    let key = reader.end_positions().unwrap()[0].0.clone();
    let mut worker = LaneReader::open(&folder.0, &key, Some(&[0]), true).unwrap();
    for (start, end) in [(0, 10), (10, 8_000), (500, 500), (700, 9_000)] {
        let mut found = Vec::new();
        let take = &mut |block: &firesteel_core::block::BlockRef<'_>| {
            found.extend_from_slice(block.column(0).as_slice::<i64>());
            Ok(())
        };
        assert_eq!(worker.read(start, end, take).unwrap(), end - start);
        assert_eq!(found, ids(start as i64..end as i64));
    }
    assert!(LaneReader::open(&folder.0, "a#0000000000000001", None, true).unwrap_err().message().contains("anew"));
}

/// Whoever only looks holds nobody up, and finds lanes that come later.
#[test]
fn an_observer_sees_new_lanes_and_counts_what_it_missed() {
    let folder = Folder::stream("observer", &[("capacity", "40k")]);
    let options = ReaderOptions { observe: true, ..ReaderOptions::default() };
    let mut observer = Reader::open(&folder.0, options.clone()).unwrap();
    let mut reader = folder.reader();
    let mut producer = folder.producer("a");
    push(&mut producer, 0..100);
    assert_eq!(read(&mut observer, SOON), ids(0..100));
    for n in 1..200 {
        read_all(&mut reader);
        reader.commit_read().unwrap();
        push(&mut producer, n * 100..n * 100 + 100);
    }
    let rest = read_all(&mut observer);
    assert_eq!(rest, ids(rest[0]..20_000));
    assert_eq!(observer.rows_lost() as i64, rest[0] - 100);
    assert_eq!(info(&folder.0).unwrap().readers.len(), 1);
    fs::remove_file(folder.0.join("bell")).unwrap();
    let mut without_bell = Reader::open(&folder.0, options).unwrap();
    read_all(&mut without_bell);
    push(&mut folder.producer("b"), 0..5);
    assert_eq!(read(&mut without_bell, SOON), ids(0..5));
}

#[test]
fn a_bounded_read_of_nothing_ends_at_once() {
    let folder = Folder::stream("empty", &[]);
    let mut reader = folder.reader();
    let end = reader.end_positions().unwrap();
    reader.set_limits(Some(end));
    let start = Instant::now();
    assert!(read(&mut reader, SOON).is_empty());
    assert!(reader.is_at_limits() && start.elapsed() < SOON);
}

#[test]
fn a_durable_cursor_goes_on_where_it_ended_and_holds_rows_meanwhile() {
    let folder = Folder::stream("durable", &[("capacity", "40k")]);
    let options = ReaderOptions { name: Some("job".into()), durable: true, ..ReaderOptions::default() };
    let mut producer = folder.producer("a");
    push(&mut producer, 0..100);
    let mut reader = Reader::open(&folder.0, options.clone()).unwrap();
    read_all(&mut reader);
    let key = reader.positions()[0].0.clone();
    reader.commit(&[(key, 60)]).unwrap();
    let twice = Reader::open(&folder.0, options.clone()).unwrap_err();
    assert!(twice.message().contains("'job'") && twice.hint_text().is_some(), "{twice}");
    drop(reader);
    let mut passing = folder.reader();
    let mut next = 100;
    while producer.append_now(&one_row(next).view(), 0).unwrap() == Pushed::All {
        next += 1;
        read_all(&mut passing);
        passing.commit_read().unwrap();
    }
    drop(passing);
    let mut reader = Reader::open(&folder.0, options).unwrap();
    assert_eq!(read_all(&mut reader), ids(60..next));
    assert_eq!(reader.rows_lost(), 0);
}

#[test]
fn a_lane_made_anew_starts_from_its_beginning() {
    let folder = Folder::stream("anew", &[]);
    let mut reader = folder.reader();
    let mut producer = folder.producer("a");
    push(&mut producer, 0..50);
    assert_eq!(read_all(&mut reader), ids(0..50));
    let positions = reader.positions();
    drop(producer);
    fs::remove_file(folder.0.join("a.lane")).unwrap();
    let mut producer = folder.producer("a");
    push(&mut producer, 50..55);
    assert_eq!(read_all(&mut reader), ids(50..55));
    let mut other = folder.reader();
    other.seek(&positions).unwrap();
    assert_eq!(read_all(&mut other), ids(50..55));
}

#[test]
fn a_sleeping_reader_is_woken_by_rows_and_by_lanes() {
    let folder = Folder::stream("wake", &[]);
    let mut reader = folder.reader();
    let path = folder.0.clone();
    let (tell, is_read) = mpsc::channel();
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        let mut producer = Producer::open(path, Some("late")).unwrap();
        push(&mut producer, 0..1);
        is_read.recv().unwrap();
        thread::sleep(Duration::from_millis(30));
        push(&mut producer, 1..2);
        producer.finish();
    });
    let start = Instant::now();
    assert_eq!(read(&mut reader, SOON), [0]);
    tell.send(()).unwrap();
    assert_eq!(read(&mut reader, SOON), [1]);
    assert!(start.elapsed() < SOON / 2);
    writer.join().unwrap();
    assert!(reader.is_finished());
}

#[test]
fn a_finished_lane_is_a_file_that_is_read_by_itself() {
    let folder = Folder::stream("file", &[]);
    let mut producer = folder.producer("a");
    push(&mut producer, 0..5000);
    producer.finish();
    let away = folder.0.join("away");
    fs::create_dir(&away).unwrap();
    let file = away.join("copy.lane");
    fs::copy(folder.0.join("a.lane"), &file).unwrap();
    let mut reader = Reader::open(&file, ReaderOptions::default()).unwrap();
    assert_eq!(reader.schema(), &schema());
    assert_eq!(read_all(&mut reader), ids(0..5000));
    assert!(reader.is_finished());
    let found = info(&file).unwrap();
    assert_eq!(found.lanes[0].as_ref().unwrap().state, LaneState::Finished);
    assert_eq!(check(&file).unwrap().rows, 5000);
}

#[test]
fn a_taker_that_fails_has_not_read_its_block() {
    let folder = Folder::stream("taker", &[]);
    let mut producer = folder.producer("a");
    push(&mut producer, 0..10);
    let mut reader = folder.reader();
    let failed = reader.poll(NOW, |_, _| Err(firesteel_core::Error::data("DIVIDE_BY_ZERO", "no")));
    assert!(failed.unwrap_err().is_data());
    assert_eq!(read_all(&mut reader), ids(0..10));
}

#[test]
fn a_stream_is_made_once_and_keeps_its_columns() {
    let folder = Folder::stream("twice", &[("capacity", "1MB")]);
    let none = RingOptions::default();
    assert!(StreamFolder::create(&folder.0, &schema(), &none).unwrap_err().message().contains("already"));
    let same = Schema::parse_ddl("ID BIGINT, Name STRING").unwrap();
    assert_eq!(StreamFolder::open_or_create(&folder.0, &same, &none).unwrap().capacity(), 1 << 20);
    let other = Schema::parse_ddl("id BIGINT, name INT").unwrap();
    let error = StreamFolder::open_or_create(&folder.0, &other, &none).unwrap_err();
    assert!(error.message().contains("id BIGINT NOT NULL, name STRING"), "{error}");
    let nested = Schema::parse_ddl("a ARRAY<INT>").unwrap();
    let error = StreamFolder::create(&folder.0.join("sub"), &nested, &none).unwrap_err();
    assert!(error.error_class().is_some() && !folder.0.join("sub").exists(), "{error}");
}

#[test]
fn info_and_check_tell_what_there_is() {
    let folder = Folder::stream("info", &[("capacity", "1MB")]);
    let mut producer = folder.producer("a");
    push(&mut producer, 0..100);
    let mut reader = folder.reader();
    read_all(&mut reader);
    reader.commit_read().unwrap();
    let found = info(&folder.0).unwrap();
    let lane = found.lanes[0].as_ref().unwrap();
    assert_eq!(
        (lane.state, lane.pid, lane.rows_published, lane.oldest_row),
        (LaneState::Live, Some(std::process::id()), 100, 0)
    );
    let cursor = found.readers[0].as_ref().unwrap();
    assert_eq!((cursor.is_alive, cursor.is_durable, &cursor.committed[..]), (true, false, &[("a".into(), 100)][..]));
    drop((producer, reader));
    let found = info(&folder.0).unwrap();
    assert_eq!(found.lanes[0].as_ref().unwrap().state, LaneState::Idle);
    assert!(found.readers.is_empty());
    let checked = check(&folder.0).unwrap();
    assert!(checked.is_ok());
    assert_eq!((checked.lanes.len(), checked.rows), (1, 100));
}

/// Every way a lane can be bad: opening, reading, info and check name the file, and nobody dies.
#[test]
fn bad_lanes_are_named_and_harm_nobody() {
    let whole = Folder::stream("good", &[("capacity", "200k")]);
    push(&mut whole.producer("a"), 0..500);
    let good = fs::read(whole.0.join("a.lane")).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "0 bytes"),
        ("short", good[..100].to_vec(), "100 bytes"),
        ("header only", good[..4096].to_vec(), "cut off"),
        ("cut off", good[..good.len() - 1].to_vec(), "cut off"),
        ("garbage", vec![0xAB; good.len()], "starts with"),
        ("version", with(8, &[9]), "version 9"),
        ("lying size", with(40, &[1]), "checksum"),
        ("other schema text", with(512, b"x"), "checksum"),
    ];
    for (case, bytes, expected) in cases {
        let folder = Folder::stream("bad", &[("capacity", "200k")]);
        let path = folder.0.join("b.lane");
        fs::write(&path, bytes).unwrap();
        let error = Reader::open(&folder.0, ReaderOptions::default()).unwrap_err();
        assert_bad(case, &error, expected);
        assert_bad(case, &Producer::open(&folder.0, Some("b")).unwrap_err(), expected);
        assert_bad(case, &Reader::open(&path, ReaderOptions::default()).unwrap_err(), expected);
        assert!(info(&folder.0).unwrap().lanes[0].is_err());
        assert_eq!(check(&folder.0).unwrap().problems.len(), 1, "{case}");
    }
}

fn assert_bad(case: &str, error: &firesteel_core::Error, expected: &str) {
    assert!(error.is_corrupt() && error.hint_text().is_some(), "{case}: {error:?}");
    assert!(error.message().contains("b.lane") && error.message().contains(expected), "{case}: {error}");
}

#[test]
fn a_lane_that_turns_bad_is_reported_once_and_the_others_go_on() {
    let folder = Folder::stream("turns", &[("capacity", "200k")]);
    let (mut a, mut b) = (folder.producer("a"), folder.producer("b"));
    push(&mut a, 0..5);
    push(&mut b, 10..15);
    let mut reader = folder.reader();
    read_all(&mut reader);
    let file = fs::File::options().write(true).open(folder.0.join("b.lane")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xFF; 8], 128).unwrap();
    push(&mut a, 5..8);
    let mut found = Vec::new();
    let error = reader
        .poll(NOW, |_, block| {
            (0..block.len()).for_each(|i| found.push(block.column(0).value(i).as_i64().unwrap()));
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_corrupt() && error.message().contains("b.lane"), "{error}");
    found.extend(read_all(&mut reader));
    push(&mut a, 8..10);
    found.extend(read_all(&mut reader));
    assert_eq!(found, ids(5..10));
    assert_eq!(reader.broken_lanes().len(), 1);
}

/// Cut off while mapped: without care, the next load is a bus error and the end of the process.
#[test]
fn a_lane_that_is_cut_off_under_us_is_an_error_for_both_sides() {
    let folder = Folder::stream("cut", &[("capacity", "200k")]);
    let mut producer = folder.producer("b");
    push(&mut producer, 0..1000);
    let mut reader = folder.reader();
    let file = fs::File::options().write(true).open(folder.0.join("b.lane")).unwrap();
    file.set_len(4096).unwrap();
    let error = reader.poll(NOW, |_, _| Ok(())).unwrap_err();
    assert!(
        error.is_corrupt() && error.message().contains("b.lane: ") && error.message().contains("cut off"),
        "{error}"
    );
    assert_eq!(reader.poll(NOW, |_, _| Ok(())).unwrap(), 0);
    let error = (0..100_000).find_map(|id| producer.append_now(&one_row(id).view(), 0).err()).unwrap();
    assert!(error.is_corrupt() && error.message().contains("cut off"), "{error}");
}

#[test]
fn missing_and_foreign_folders_say_what_to_do() {
    let folder = Folder::new("missing");
    let error = Reader::open(&folder.0, ReaderOptions::default()).unwrap_err();
    assert!(error.message().contains("does not exist") && error.hint_text().unwrap().contains("ring create"));
    fs::create_dir(&folder.0).unwrap();
    assert!(Producer::open(&folder.0, None).unwrap_err().message().contains("holds no ring"));
    for text in ["", "firesteel stream, version 2\n", "firesteel stream, version 1\nschema a FOO\n"] {
        fs::write(folder.0.join("stream"), text).unwrap();
        let error = info(&folder.0).unwrap_err();
        assert!(error.is_corrupt() && error.message().contains("stream"), "{error}");
    }
    assert!(Producer::open(Path::new("/"), Some("../x")).is_err());
}
