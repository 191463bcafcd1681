//! Rings as tables: streams, batches, workers, overruns.

use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    ring::Producer,
    source::testing::{epoch, epochs, open, plan, read, table},
};

const DDL: &str = "x BIGINT, s STRING";

pub(super) fn ring(options: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let options = RingOptions::parse(options.iter().copied()).unwrap();
    StreamFolder::create(&path, &Schema::parse_ddl(DDL).unwrap(), &options).unwrap();
    (dir, path)
}

pub(super) fn source(path: &Path, is_stream: bool, options: &[(&str, &str)]) -> Box<dyn Source> {
    open(table("ring", DDL, &[&[("path", path.to_str().unwrap())], options].concat()), is_stream).unwrap()
}

pub(super) fn push(producer: &mut Producer, values: std::ops::Range<i64>) {
    values.for_each(|x| {
        producer.push(&[x.into(), "s".into()]).unwrap();
    });
    producer.publish();
}

#[test]
fn a_stream_reads_what_is_published_and_gives_it_back() {
    let (_dir, path) = ring(&[("capacity", "1MB")]);
    let mut producer = Producer::open(&path, None).unwrap();
    let mut source = source(&path, true, &[]);
    assert!(plan(&mut *source).unwrap().is_none());
    assert_eq!(source.offset(), Json::Null);
    push(&mut producer, 0..3);
    let parts = plan(&mut *source).unwrap().unwrap();
    push(&mut producer, 3..5);
    let rows = read(&mut *source.reader().unwrap(), &parts, 2).unwrap();
    assert_eq!(rows, [0_i64, 1, 2].map(|x| vec![x.into(), "s".into()]));
    source.commit().unwrap();
    plan(&mut *source).unwrap().unwrap();
    assert_eq!(source.offset().as_object().unwrap().values().next(), Some(&json!(5)));
    source.commit().unwrap();
    let reader = ring::info(&path).unwrap().readers[0].clone().unwrap();
    assert_eq!(reader.committed.iter().map(|(_, row)| *row).collect::<Vec<_>>(), [5], "{reader:?}");
}

#[test]
fn lanes_that_come_later_are_read_from_their_beginning() {
    let (_dir, path) = ring(&[("capacity", "1MB")]);
    let mut source = source(&path, true, &[]);
    let mut a = Producer::open(&path, Some("a")).unwrap();
    push(&mut a, 0..2);
    assert_eq!(epochs(&mut *source), [[0, 1]]);
    let mut b = Producer::open(&path, Some("b")).unwrap();
    push(&mut b, 10..12);
    push(&mut a, 2..3);
    let mut rows = epochs(&mut *source).concat();
    rows.sort_unstable();
    assert_eq!(rows, [2, 10, 11]);
}

#[test]
fn waiting_ends_when_rows_are_published() {
    let (_dir, path) = ring(&[]);
    let mut source = source(&path, true, &[]);
    let started = Instant::now();
    let writer = std::thread::spawn(move || {
        let mut producer = Producer::open(&path, None).unwrap();
        push(&mut producer, 7..8);
    });
    let rows = loop {
        source.wait(Duration::from_secs(5), Wait::Adaptive).unwrap();
        if let Some(rows) = epoch(&mut *source, 1) {
            break rows;
        }
    };
    assert_eq!(rows, [[Value::Int64(7)]]);
    assert!(started.elapsed() < Duration::from_secs(5));
    writer.join().unwrap();
}

#[test]
fn a_frozen_stream_and_a_batch_read_what_is_there() {
    let (_dir, path) = ring(&[]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..4);
    let mut stream = source(&path, true, &[]);
    let mut batch = source(&path, false, &[]);
    stream.freeze().unwrap();
    let print = batch.fingerprint().unwrap();
    batch.freeze().unwrap();
    push(&mut producer, 4..5);
    assert!(!stream.is_exhausted());
    for source in [&mut stream, &mut batch] {
        assert_eq!(epochs(&mut **source), [[0, 1, 2, 3]]);
        assert!(source.is_exhausted() && !source.has_ended());
    }
    assert_ne!(batch.fingerprint().unwrap(), print);
    batch.freeze().unwrap();
    assert_eq!(epochs(&mut *batch), [[0, 1, 2, 3, 4]]);
    assert_eq!(ring::info(&path).unwrap().readers.len(), 1, "a batch holds nobody up");
}

#[test]
fn a_lane_is_read_from_wherever_a_worker_begins() {
    let (_dir, path) = ring(&[]);
    let mut producer = Producer::open(&path, None).unwrap();
    let count = 200_005;
    push(&mut producer, 0..count);
    let mut source = source(&path, true, &[]);
    let parts = plan(&mut *source).unwrap().unwrap();
    let [Part::Lane { key, start, end }] = &parts[..] else { panic!("{parts:?}") };
    let cuts = [*start, start + 4096, start + 100_001, *end];
    let mut readers = [source.reader().unwrap(), source.reader().unwrap(), source.reader().unwrap()];
    let mut rows = Vec::new();
    for (reader, cut) in readers.iter_mut().zip(cuts.windows(2)) {
        let part = Part::Lane { key: key.clone(), start: cut[0], end: cut[1] };
        rows.extend(read(&mut **reader, &[part], 1).unwrap());
    }
    assert!(rows.iter().map(|row| row[0].as_i64().unwrap()).eq(0..count));
}

#[test]
fn overwritten_rows_are_counted_as_lost() {
    let (_dir, path) = ring(&[("capacity", "256k"), ("onFull", "overwrite")]);
    let mut producer = Producer::open(&path, None).unwrap();
    let mut source = source(&path, true, &[]);
    push(&mut producer, 0..10);
    let mut reader = source.reader().unwrap();
    let mut seen = Vec::new();
    for epoch in 0..3_i64 {
        let parts = plan(&mut *source).unwrap().unwrap();
        push(&mut producer, 10 + epoch * 100_000..10 + (epoch + 1) * 100_000);
        let rows = read(&mut *reader, &parts, 1).unwrap();
        seen.extend(rows.iter().map(|row| row[0].as_i64().unwrap()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "no row twice");
    let lost: u64 = source.dropped().iter().map(|(_, n)| n).sum();
    assert_eq!(source.dropped()[0].0, "rowsOverwritten");
    assert_eq!(lost + seen.len() as u64, 200_010, "each planned row is read or lost");
}

#[test]
fn columns_that_are_not_needed_are_null() {
    let (_dir, path) = ring(&[]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..2);
    let table = table("ring", DDL, &[("path", path.to_str().unwrap())]);
    let scan =
        Scan { schema: table.schema.clone(), table: Arc::new(table), is_stream: true, needed: vec![false, true] };
    let mut source = RingSource::open(&scan).unwrap();
    assert_eq!(epoch(&mut source, 2).unwrap(), [[Value::Null, "s".into()], [Value::Null, "s".into()]]);
}

#[test]
fn a_stream_makes_its_ring_and_a_batch_says_how() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let path = path.to_str().unwrap();
    let error = open(table("ring", DDL, &[("path", path)]), false).unwrap_err();
    assert!(error.hint_text().unwrap().contains("firesteel ring create"), "{error}");
    assert!(crate::source::schema_of("ring", &[("path".into(), path.into())]).is_err());
    let mut stream = open(table("ring", DDL, &[("path", path), ("capacity", "1MB")]), true).unwrap();
    assert_eq!(crate::source::schema_of("ring", &[("path".into(), path.into())]).unwrap().unwrap().to_ddl(), DDL);
    push(&mut Producer::open(path, None).unwrap(), 1..2);
    assert_eq!(epochs(&mut *stream), [[1]]);
    let other = open(table("ring", "x INT", &[("path", path)]), true).unwrap_err();
    assert!(other.is_invalid_job(), "{other}");
}

#[test]
fn a_named_reader_goes_on_where_it_ended_and_latest_skips_what_is_there() {
    let (_dir, path) = ring(&[]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..2);
    assert_eq!(epochs(&mut *source(&path, true, &[("startingOffsets", "latest")])), [[0; 0]; 0]);
    assert_eq!(epochs(&mut *source(&path, true, &[("reader", "job")])), [[0, 1]]);
    push(&mut producer, 2..3);
    assert_eq!(epochs(&mut *source(&path, true, &[("reader", "job")])), [[2]]);
}

#[test]
fn a_lane_file_is_a_table() {
    let (_dir, path) = ring(&[]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..3);
    producer.finish();
    let lane = path.join("main.lane");
    let options = [("path".to_string(), lane.to_str().unwrap().to_string())];
    assert_eq!(crate::source::schema_of("ring", &options).unwrap().unwrap().to_ddl(), DDL);
    let mut source = source(&lane, false, &[]);
    source.freeze().unwrap();
    assert_eq!(epochs(&mut *source), [[0, 1, 2]]);
}
