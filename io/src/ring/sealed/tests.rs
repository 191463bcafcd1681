//! Lanes that are handed over, within one process; what needs several is in `edge-bin/tests/rings.rs`.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use firesteel_core::ring::{control, sync::Ordering};

use super::{
    super::{
        tests::{Folder, ids, push, read_all},
        *,
    },
    link::Link,
    page, wire,
};
use crate::sys::{memory, socket::Connection};

const PATIENCE: Duration = Duration::from_secs(20);

fn stream(test: &str, options: &[(&str, &str)], lanes_max: usize) -> (Folder, PathBuf, Reader) {
    let folder = Folder::stream(test, options);
    let socket = folder.0.join("socket");
    let mut reader = folder.reader();
    reader.listen(&listen(&socket, lanes_max)).unwrap();
    (folder, socket, reader)
}

fn listen(socket: &Path, lanes_max: usize) -> Listen {
    Listen { path: socket.into(), users: Some(Vec::new()), lanes_max }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it does not come to that");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a query does: takes what is ready, gives it back.
fn epoch(reader: &mut Reader) -> Vec<(String, u64)> {
    let mut ready = Vec::new();
    reader.ready(&mut ready).unwrap();
    reader.pass(&ready);
    reader.commit_ready(&ready).unwrap();
    ready.into_iter().map(|rows| (rows.key.split('#').next().unwrap().into(), rows.end - rows.start)).collect()
}

#[test]
fn handed_over_lanes_are_read_beside_those_of_the_folder_and_go_when_they_are_drained() {
    let (folder, socket, mut reader) = stream("sealed", &[("capacity", "200k")], 4);
    let mut near = folder.producer("a");
    push(&mut near, 0..10);
    let mut far = Producer::connect(&socket, Some("a")).unwrap();
    assert_eq!((far.lane(), far.schema().to_ddl()), ("a", near.schema().to_ddl()));
    push(&mut far, 100..110);
    let mut found = Vec::new();
    until(|| {
        found.extend(read_all(&mut reader));
        found.len() == 20
    });
    found.sort();
    assert_eq!(found, ids(0..10).into_iter().chain(100..110).collect::<Vec<_>>());
    let lanes = reader.lanes();
    let far_lane = lanes.iter().find(|lane| lane.name == format!("a@{}", std::process::id())).unwrap();
    assert!(far_lane.has_producer);
    assert_eq!(reader.place().len(), 1, "what cannot be read again is no place to go on from");
    // What is in the lane when its producer goes is still read; then the lane goes, too.
    push(&mut far, 110..115);
    drop(far);
    until(|| !reader.lanes().iter().any(|lane| lane.name.contains('@') && lane.has_producer));
    let mut rows = 0;
    until(|| {
        rows += epoch(&mut reader).iter().filter(|(name, _)| name.contains('@')).map(|(_, rows)| rows).sum::<u64>();
        reader.lanes().len() == 1
    });
    assert_eq!((rows, reader.broken_lanes().len()), (5, 0));
}

#[test]
fn a_full_lane_waits_for_its_engine_and_an_engine_that_goes_is_an_error() {
    let (_folder, socket, mut reader) = stream("sealed-full", &[("capacity", "40k")], 4);
    let writer = thread::spawn({
        let socket = socket.clone();
        move || {
            let mut producer = Producer::connect(&socket, None).unwrap();
            assert_eq!(push(&mut producer, 0..20_000), 20_000);
            producer
        }
    });
    let mut found = Vec::new();
    until(|| {
        found.extend(read_all(&mut reader));
        reader.commit_read().unwrap();
        found.len() == 20_000
    });
    assert_eq!(found, ids(0..20_000));
    let mut producer = writer.join().unwrap();
    assert!(producer.waits() > 0);
    push(&mut producer, 0..3);
    drop(reader);
    assert!(!socket.exists(), "the socket's name goes with it");
    let row = [0_i64.into(), "x".into()];
    let error = (0..1_000_000).find_map(|_| {
        let error = producer.push(&row).err();
        producer.publish();
        error
    });
    let error = error.unwrap();
    assert!(error.message().contains("is gone; it had not given back") && error.hint_text().is_some(), "{error}");
    assert!(Producer::connect(&socket, None).unwrap_err().hint_text().unwrap().contains("listen"));
}

#[test]
fn a_sleeping_engine_is_told_of_rows() {
    let (_folder, socket, mut reader) = stream("sealed-wake", &[("capacity", "200k")], 4);
    let mut producer = Producer::connect(&socket, None).unwrap();
    until(|| {
        read_all(&mut reader);
        reader.lanes().len() == 1
    });
    let writer = thread::spawn(move || {
        for id in 0..20 {
            thread::sleep(Duration::from_millis(20));
            push(&mut producer, id..id + 1);
        }
        producer
    });
    let (start, mut ready, mut rows) = (Instant::now(), Vec::new(), 0);
    while rows < 20 {
        reader.wait_for_rows(Duration::from_secs(10), Wait::Sleep);
        reader.ready(&mut ready).unwrap();
        reader.pass(&ready);
        rows += ready.iter().map(|rows| rows.end - rows.start).sum::<u64>();
        assert!(start.elapsed() < PATIENCE);
    }
    // Untold, it would have slept a tenth of a second for each.
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    drop(writer.join().unwrap());
}

#[test]
fn readers_of_one_process_share_a_socket_and_the_slowest_holds_the_rows() {
    let (folder, socket, mut first) = stream("sealed-two", &[("capacity", "40k")], 4);
    let mut second = folder.reader();
    second.listen(&listen(&socket, 4)).unwrap();
    let mut producer = Producer::connect(&socket, None).unwrap();
    let mut stored = 0;
    let mut block = firesteel_core::block::Block::new(producer.schema());
    block.push_row(&[firesteel_core::block::Value::Int64(0), firesteel_core::block::Value::Null]);
    while producer.append_now(&block.view(), 0).unwrap() == Pushed::All {
        stored += 1;
    }
    until(|| epoch(&mut first).iter().any(|(_, rows)| *rows == stored));
    assert!(!producer.wait_for_room(Duration::from_millis(20)), "the second reader has read nothing");
    until(|| epoch(&mut second).iter().any(|(_, rows)| *rows == stored));
    assert!(producer.wait_for_room(PATIENCE));
    drop(first);
    assert_eq!(producer.append_now(&block.view(), 0).unwrap(), Pushed::All);
    until(|| epoch(&mut second).iter().any(|(_, rows)| *rows == 1));
}

#[test]
fn who_says_nothing_or_nonsense_or_comes_too_often_gets_no_lane_and_disturbs_nobody() {
    let (folder, socket, mut reader) = stream("sealed-nonsense", &[("capacity", "200k")], 2);
    let silent: Vec<Connection> = (0..30).map(|_| Connection::open(&socket).unwrap()).collect();
    let answer = |message: &[u8]| {
        let connection = Connection::open(&socket).unwrap();
        connection.send(message).unwrap();
        let mut bytes = [0; wire::BYTES_MAX];
        let (len, files) = connection.receive_files(&mut bytes, PATIENCE).unwrap();
        assert!(files.is_empty());
        if len == 0 { "nothing".into() } else { format!("{:?}", wire::read_welcome(&bytes[..len]).unwrap()) }
    };
    drop(silent);
    until(|| answer(b"GET / HTTP/1.1").contains("does not begin like one"));
    assert!(answer(&wire::hello("../x")).contains("cannot be the name"));
    assert!(answer(&[b"FIREHELO".as_slice(), &9_u32.to_ne_bytes(), &[0; 8]].concat()).contains("version 9"));
    let mut one = Producer::connect(&socket, Some("one")).unwrap();
    let two = Producer::connect(&socket, Some("two")).unwrap();
    let error = Producer::connect(&socket, Some("three")).unwrap_err();
    assert!(error.message().contains("2 producers") && error.message().contains("listenLanes"), "{error}");
    push(&mut one, 0..5);
    drop(two);
    until(|| {
        epoch(&mut reader);
        Producer::connect(&socket, Some("three")).is_ok()
    });
    let taken = folder.reader().listen(&Listen { lanes_max: 9, ..listen(&socket, 9) });
    assert!(taken.is_ok(), "another reader of the ring joins");
    let other = Folder::stream("sealed-other", &[]);
    let taken = other.reader().listen(&listen(&socket, 1)).unwrap_err();
    assert!(taken.message().contains("already"), "{taken}");
}

/// A peer that writes what it likes into what it was given, and tries to change what it may not.
#[test]
fn a_hostile_producer_harms_its_own_lane_at_most() {
    let (folder, socket, mut reader) = stream("sealed-hostile", &[("capacity", "200k")], 8);
    let mut good = folder.producer("good");
    let mut next = 0;
    let mut found = Vec::new();
    for round in 0..20_u64 {
        let connection = Connection::open(&socket).unwrap();
        connection.send(&wire::hello("bad")).unwrap();
        let mut bytes = [0; wire::BYTES_MAX];
        let (_, files) = connection.receive_files(&mut bytes, PATIENCE).unwrap();
        let [lane, page_file] = files.as_slice() else { panic!("no memory came") };
        let len = memory::fixed_len(lane).unwrap();
        assert!(lane.set_len(0).is_err() && lane.set_len(len + 1).is_err() && page_file.set_len(0).is_err());
        assert!(crate::sys::Mapping::writable(page_file, page::BYTES as usize, false).is_err());
        assert!(std::os::unix::fs::FileExt::write_at(page_file, &[1; 8], page::GIVEN_BACK as u64).is_err());
        let region = crate::sys::Mapping::writable(lane, len as usize, false).unwrap();
        let mut word = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for _ in 0..2_000 {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            region.store_u64((word % (len / 8)) as usize * 8, word >> (word % 60), Ordering::Relaxed);
        }
        region.store_u64(control::PUBLISHED, if round % 2 == 0 { word } else { 5 }, Ordering::Release);
        let _ = connection.send(&[1; 100]);
        push(&mut good, next..next + 10);
        next += 10;
        let mut ready = Vec::new();
        let start = Instant::now();
        reader.ready(&mut ready).unwrap();
        reader.pass(&ready);
        for rows in ready.iter().filter(|rows| rows.key.starts_with("good#")) {
            found.push((rows.start, rows.end));
        }
        reader.commit_ready(&ready).unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        drop(connection);
        until(|| {
            epoch(&mut reader);
            reader.lanes().len() <= 2
        });
    }
    assert_eq!((found.first().map(|rows| rows.0), found.last().map(|rows| rows.1)), (Some(0), Some(next as u64)));
}

#[test]
fn a_producer_believes_only_sealed_memory() {
    let folder = Folder::stream("sealed-engine", &[("capacity", "200k")]);
    let path = folder.0.join("socket");
    let plain = fs::File::options().read(true).write(true).open(folder.0.join("stream")).unwrap();
    let listener = crate::sys::socket::Listener::bind(&path, 0o600).unwrap();
    let engine = thread::spawn(move || {
        let start = Instant::now();
        let client = loop {
            match listener.accept().unwrap() {
                Some(client) => break client,
                None => assert!(start.elapsed() < PATIENCE),
            }
            thread::sleep(Duration::from_millis(1));
        };
        client.send_files(&wire::welcome(&wire::Welcome::Come), &[&plain, &plain]).unwrap();
        client
    });
    let error = Link::open(&path, "a").map(|_| ()).unwrap_err();
    assert!(error.message().contains("checking the lane"), "{error}");
    drop(engine.join().unwrap());
}
