//! Rings that hold rows for a checkpoint: what stays, what is given back, and where the next run goes on.

use std::fs;

use serde_json::json;

use super::{
    tests::{push, ring, source},
    *,
};
use crate::{
    ring::{Producer, Pushed, info},
    source::testing::{epoch, epochs, mutants, plan},
};

/// A source that holds its rows and goes on from a position.
fn held(path: &Path, options: &[(&str, &str)], position: &Json) -> Box<dyn Source> {
    let mut source = source(path, true, options);
    source.hold("job", "checkpoint".as_ref()).unwrap();
    source.seek(position).unwrap();
    source
}

/// Rows until the lane is full, from `next` on; gives the first that did not fit.
fn fill(producer: &mut Producer, mut next: i64, text: &str) -> i64 {
    loop {
        let row = |x: i64| vec![Value::Int64(x), Value::String(text.into())];
        let mut block = firesteel_core::block::Block::new(producer.schema());
        block.push_row(&row(next));
        if producer.append_now(&block.view(), 0).unwrap() != Pushed::All {
            return next;
        }
        next += 1;
    }
}

fn rows(source: &mut dyn Source) -> Vec<i64> {
    epochs(source).concat()
}

fn ids(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

/// However an earlier run ended, a later one reads exactly the rows behind its position.
#[test]
fn each_run_goes_on_behind_the_position_of_the_one_before() {
    let (_dir, path) = ring(&[("capacity", "1MB")]);
    let mut lanes = ["a", "b"].map(|name| Producer::open(&path, Some(name)).unwrap());
    let mut place = Json::Null;
    for run in 0..5_i64 {
        let mut source = held(&path, &[], &place);
        push(&mut lanes[0], run * 10..run * 10 + 7);
        assert_eq!(rows(&mut *source), ids(run * 10..run * 10 + 7));
        push(&mut lanes[1], 1000 + run..1001 + run);
        assert_eq!(rows(&mut *source), [1000 + run]);
        place = serde_json::from_str(&source.position().to_string()).unwrap();
        // Read, and in no checkpoint: the next run reads it again.
        push(&mut lanes[0], run * 10 + 7..run * 10 + 10);
        let lost = rows(&mut *source);
        drop(source);
        let mut again = held(&path, &[], &place);
        assert_eq!(again.position(), place);
        assert_eq!(rows(&mut *again), lost);
        place = again.position();
        again.release(&place).unwrap();
    }
    assert_eq!(info(&path).unwrap().readers.len(), 1);
}

#[test]
fn held_rows_outlive_their_reader_and_released_ones_make_room() {
    for policy in ["block", "drop_newest"] {
        let (_dir, path) = ring(&[("capacity", "256k"), ("onFull", policy)]);
        let mut producer = Producer::open(&path, None).unwrap();
        let mut first = held(&path, &[], &Json::Null);
        assert_eq!(first.pressure(), 0.0);
        push(&mut producer, 0..100);
        assert_eq!(rows(&mut *first), ids(0..100));
        let place = first.position();
        let end = fill(&mut producer, 100, "s");
        assert_eq!(rows(&mut *first), ids(100..end), "{policy}");
        assert!(first.pressure() > 0.8 && first.pressure() <= 1.0, "{}", first.pressure());
        drop(first);
        // Somebody else who reads and gives everything back changes nothing.
        let mut other = source(&path, true, &[]);
        rows(&mut *other);
        assert_eq!(fill(&mut producer, end, "s"), end);
        if policy == "drop_newest" {
            assert!(!producer.push(&[end.into(), "s".into()]).unwrap());
            assert_eq!(producer.rows_dropped(), 1);
        }
        let mut next = held(&path, &[], &place);
        assert_eq!(rows(&mut *next), ids(100..end));
        assert!(next.dropped().iter().all(|(what, _)| what == "rowsDroppedWhenFull"), "{:?}", next.dropped());
        next.release(&place).unwrap();
        next.release(&next.position()).unwrap();
        assert_eq!(next.pressure(), 0.0);
        // A release that comes late takes nothing back.
        next.release(&place).unwrap();
        assert_eq!(next.pressure(), 0.0);
        rows(&mut *other);
        assert!(fill(&mut producer, end, "s") > end, "{policy}");
    }
}

/// Long strings end blocks early: the rows are few, and the lane is full all the same.
#[test]
fn pressure_knows_blocks_that_end_early_and_lanes_that_overwrite() {
    let (_dir, path) = ring(&[("capacity", "256k")]);
    let mut producer = Producer::open(&path, None).unwrap();
    let mut source = held(&path, &[], &Json::Null);
    let end = fill(&mut producer, 0, &"x".repeat(2000));
    assert_eq!(rows(&mut *source).len() as i64, end);
    assert!(source.pressure() > 0.8, "{}", source.pressure());

    let (_dir, path) = ring(&[("capacity", "256k"), ("onFull", "overwrite")]);
    let mut producer = Producer::open(&path, None).unwrap();
    let mut source = held(&path, &[], &Json::Null);
    let place = {
        push(&mut producer, 0..10);
        assert_eq!(rows(&mut *source), ids(0..10));
        source.position()
    };
    push(&mut producer, 10..100_000);
    rows(&mut *source);
    assert_eq!(source.pressure(), 0.0, "nobody waits");
    drop(source);
    let mut next = held(&path, &[], &place);
    let found = rows(&mut *next);
    assert_eq!(found, ids(found[0]..100_000));
    assert_eq!(next.dropped(), [("rowsOverwritten".to_string(), found[0] as u64 - 10)]);
}

#[test]
fn lanes_that_are_gone_new_or_made_anew_are_no_trouble() {
    let (_dir, path) = ring(&[("capacity", "256k")]);
    let open = |name: &str| Producer::open(&path, Some(name)).unwrap();
    for (i, name) in ["gone", "anew", "stays"].into_iter().enumerate() {
        push(&mut open(name), i as i64 * 100..i as i64 * 100 + 10);
    }
    let mut first = held(&path, &[], &Json::Null);
    assert_eq!(rows(&mut *first).len(), 30);
    let place = first.position();
    drop(first);
    let away = path.with_extension("away");
    fs::rename(path.join("gone.lane"), &away).unwrap();
    fs::remove_file(path.join("anew.lane")).unwrap();
    push(&mut open("anew"), 500..502);
    push(&mut open("new"), 600..602);
    push(&mut open("stays"), 210..212);
    let sorted = |mut rows: Vec<i64>| {
        rows.sort_unstable();
        rows
    };
    for start in ["earliest", "latest"] {
        let mut next = held(&path, &[("startingOffsets", start)], &place);
        assert_eq!(sorted(rows(&mut *next)), [210, 211, 500, 501, 600, 601], "{start}");
        assert_eq!(next.position()["lanes"].as_object().unwrap().len(), 4, "the lane that is gone is remembered");
        assert!(next.dropped().is_empty());
    }
    fs::rename(&away, path.join("gone.lane")).unwrap();
    push(&mut open("gone"), 10..12);
    let mut last = held(&path, &[], &place);
    assert_eq!(sorted(rows(&mut *last)), [10, 11, 210, 211, 500, 501, 600, 601]);
}

/// The cursor of an earlier run may be gone; `latest` is for the first run alone.
#[test]
fn latest_counts_only_where_nothing_is_known() {
    let (_dir, path) = ring(&[("capacity", "256k")]);
    let latest = [("startingOffsets", "latest")];
    let mut a = Producer::open(&path, Some("a")).unwrap();
    push(&mut a, 0..5);
    let mut first = held(&path, &latest, &Json::Null);
    push(&mut a, 5..7);
    assert_eq!(rows(&mut *first), [5, 6]);
    let place = first.position();
    drop(first);
    fs::remove_file(path.join("job.cursor")).unwrap();
    push(&mut a, 7..8);
    push(&mut Producer::open(&path, Some("b")).unwrap(), 100..102);
    let mut hold_first = held(&path, &latest, &place);
    assert_eq!(rows(&mut *hold_first), [7, 100, 101]);
    drop(hold_first);
    fs::remove_file(path.join("job.cursor")).unwrap();
    let mut seek_first = source(&path, true, &latest);
    seek_first.seek(&place).unwrap();
    seek_first.hold("job", "checkpoint".as_ref()).unwrap();
    assert_eq!(rows(&mut *seek_first), [7, 100, 101]);
}

/// After a power cut a lane may be older than the checkpoint: what it lost was read.
#[test]
fn a_lane_that_ends_before_its_position_goes_on_with_what_comes() {
    let (_dir, path) = ring(&[("capacity", "256k")]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..10);
    let mut first = held(&path, &[], &Json::Null);
    rows(&mut *first);
    let mut place = first.position();
    drop(first);
    place["lanes"].as_object_mut().unwrap().values_mut().for_each(|row| *row = json!(1_000_000));
    let mut next = held(&path, &[], &place);
    assert!(plan(&mut *next).unwrap().is_none());
    push(&mut producer, 10..13);
    assert_eq!(rows(&mut *next), [10, 11, 12]);
}

/// The newest checkpoint turned out bad, and the one before it asks for rows that were given back: those that are
/// still there come, and are held again.
#[test]
fn an_older_position_takes_back_what_is_still_there() {
    let (_dir, path) = ring(&[("capacity", "256k")]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..10);
    let mut first = held(&path, &[], &Json::Null);
    let old = first.position();
    assert_eq!(rows(&mut *first), ids(0..10));
    first.release(&first.position()).unwrap();
    drop(first);
    let mut next = held(&path, &[], &old);
    let end = fill(&mut producer, 10, "s");
    assert_eq!(rows(&mut *next), ids(0..end));
    assert_eq!(fill(&mut producer, end, "s"), end);
}

#[test]
fn the_option_reader_names_the_cursor_that_holds() {
    let (_dir, path) = ring(&[]);
    push(&mut Producer::open(&path, None).unwrap(), 0..3);
    let mut first = held(&path, &[("reader", "mine")], &Json::Null);
    assert_eq!(rows(&mut *first), [0, 1, 2]);
    let reader = info(&path).unwrap().readers[0].clone().unwrap();
    assert_eq!((reader.name.as_str(), &reader.committed[..]), ("mine", &[("main".to_string(), 0)][..]));
    let twice = source(&path, true, &[]).hold("mine", "checkpoint".as_ref()).unwrap_err();
    assert!(twice.message().contains("in use"), "{twice}");
    first.release(&first.position()).unwrap();
    drop(first);
    assert_eq!(rows(&mut *held(&path, &[("reader", "mine")], &Json::Null)), [0; 0]);
}

#[test]
fn a_lane_file_is_replayed_and_holds_nobody() {
    let (_dir, path) = ring(&[]);
    let mut producer = Producer::open(&path, None).unwrap();
    push(&mut producer, 0..3);
    let lane = path.join("main.lane");
    let mut first = held(&lane, &[], &Json::Null);
    let start = first.position();
    assert_eq!(rows(&mut *first), [0, 1, 2]);
    let place = first.position();
    first.release(&place).unwrap();
    push(&mut producer, 3..5);
    for (position, expected) in [(start, ids(0..5)), (place, ids(3..5))] {
        let mut next = held(&lane, &[], &position);
        next.freeze().unwrap();
        assert_eq!(rows(&mut *next), expected);
        assert!(next.is_exhausted() && next.is_replayable());
    }
    assert!(info(&path).unwrap().readers.is_empty());
}

#[test]
fn what_is_no_position_is_told() {
    let (_dir, path) = ring(&[]);
    push(&mut Producer::open(&path, None).unwrap(), 0..3);
    let mut first = held(&path, &[], &Json::Null);
    rows(&mut *first);
    let others = [json!({"lanes": {"main": 1}}), json!({"lanes": {"main#xyz": 1}}), json!({"lanes": {"": 1}})];
    for mutant in mutants(&first.position()).into_iter().chain(others) {
        let mut other = source(&path, true, &[]);
        for result in [other.seek(&mutant), other.release(&mutant)] {
            let error = result.expect_err(&mutant.to_string());
            assert!(error.is_corrupt() && error.message().contains("a table of a ring"), "{error}");
        }
        assert_eq!(epoch(&mut *other, 1).unwrap().len(), 3);
    }
    let mut batch = source(&path, false, &[]);
    batch.hold("batch", "checkpoint".as_ref()).unwrap();
    assert!(batch.position().is_null() && batch.pressure() == 0.0);
}
