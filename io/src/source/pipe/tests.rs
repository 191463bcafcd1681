//! Pipes, read as rows come.

use std::{
    io::{PipeWriter, Write},
    os::fd::OwnedFd,
    time::Instant,
};

use firesteel_core::time::TimeZone;

use std::thread;

use super::*;
use crate::{
    format::Format,
    source::testing::{epoch, epochs, open as open_table, plan, table},
};

fn decoding(mode: &str) -> Decoding {
    Decoding {
        format: Format::Json,
        schema: Schema::parse_ddl("x BIGINT").unwrap(),
        options: [("mode", mode)].into_iter().collect(),
        needed: vec![true],
        zone: TimeZone::UTC,
        block_rows: 4,
        meter: crate::source::Meter::default(),
    }
}

fn open(is_stream: bool, mode: &str) -> (PipeSource, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let file = File::from(OwnedFd::from(reader));
    (PipeSource::start("a pipe".into(), || Ok(file), &decoding(mode), is_stream).unwrap(), writer)
}

fn lines(values: std::ops::Range<i64>) -> String {
    values.map(|x| format!("{{\"x\":{x}}}\n")).collect()
}

/// Epochs until so many rows have come.
fn take(source: &mut PipeSource, count: usize) -> Vec<i64> {
    let mut rows = Vec::new();
    let started = Instant::now();
    while rows.len() < count {
        assert!(started.elapsed() < Duration::from_secs(60), "{rows:?}");
        source.wait(Duration::from_secs(1), Wait::Adaptive).unwrap();
        rows.extend(epochs(source).concat());
    }
    rows
}

#[test]
fn rows_come_while_the_pipe_is_open_and_the_last_line_at_its_end() {
    let (mut source, mut writer) = open(true, "PERMISSIVE");
    for x in 0..3 {
        writer.write_all(lines(x..x + 1).as_bytes()).unwrap();
        assert_eq!(take(&mut source, 1), [x], "a row does not wait for others");
    }
    writer.write_all(b"{\"x\":7}\n{\"x\"").unwrap();
    assert_eq!(take(&mut source, 1), [7]);
    assert!(!source.is_exhausted());
    writer.write_all(b":8}").unwrap();
    drop(writer);
    assert_eq!(take(&mut source, 1), [8]);
    source.wait(Duration::from_secs(60), Wait::Adaptive).unwrap();
    assert!(source.is_exhausted() && source.has_ended());
}

#[test]
fn a_writer_waits_while_the_queue_is_full_and_nothing_is_lost() {
    let (mut source, mut writer) = open(true, "PERMISSIVE");
    let thread = thread::spawn(move || writer.write_all(lines(0..20_000).as_bytes()).unwrap());
    thread::sleep(Duration::from_millis(50));
    assert!(!thread.is_finished(), "more than the queue and the pipe can hold");
    assert_eq!(take(&mut source, 20_000), (0..20_000).collect::<Vec<_>>());
    thread.join().unwrap();
    let state = source.queue.lock();
    assert!(state.spare.len() <= 2 * BLOCKS_MAX, "{} blocks", state.spare.len());
}

#[test]
fn a_batch_is_everything_up_to_the_end() {
    let (mut source, mut writer) = open(false, "PERMISSIVE");
    let thread = thread::spawn(move || {
        for x in 0..10 {
            writer.write_all(lines(x..x + 1).as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(2));
        }
    });
    source.freeze().unwrap();
    assert_eq!(epochs(&mut source), [(0..10).collect::<Vec<_>>()]);
    thread.join().unwrap();
}

#[test]
fn an_error_comes_after_the_rows_before_it() {
    let (mut source, mut writer) = open(true, "FAILFAST");
    writer.write_all(b"{\"x\":1}\n{\"x\":2}\n{\"x\":3}\n{\"x\":4}\nno\n").unwrap();
    source.wait(Duration::from_secs(60), Wait::Adaptive).unwrap();
    assert_eq!(epoch(&mut source, 1).unwrap().len(), 4);
    let error = loop {
        match plan(&mut source) {
            Ok(plan) => assert!(plan.is_none()),
            Err(error) => break error,
        }
        source.wait(Duration::from_secs(1), Wait::Adaptive).unwrap();
    };
    assert!(error.is_data() && error.message().contains("a pipe, line 5"), "{error}");
    assert!(!source.is_exhausted());
}

#[test]
fn a_source_that_is_dropped_stops_its_thread() {
    let (source, mut writer) = open(true, "PERMISSIVE");
    let queue = Arc::downgrade(&source.queue);
    let thread = thread::spawn(move || while writer.write_all(lines(0..100).as_bytes()).is_ok() {});
    thread::sleep(Duration::from_millis(20));
    drop(source);
    thread.join().unwrap();
    while queue.strong_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn a_named_pipe_is_a_stream_of_its_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let table = table("csv", "x BIGINT", &[("path", path.to_str().unwrap())]);
    assert!(!crate::source::registry::is_bounded(&table));
    let mut source = open_table(table, true).unwrap();
    assert_eq!(source.description(), format!("PipeSource[{}]", path.display()));
    let mut writer = File::options().write(true).open(&path).unwrap();
    writer.write_all(b"5\n6\n").unwrap();
    drop(writer);
    let mut rows = Vec::new();
    while !source.has_ended() {
        rows.extend(epochs(&mut *source).concat());
        source.wait(Duration::from_millis(10), Wait::Adaptive).unwrap();
    }
    assert_eq!(rows, [5, 6]);
}

#[test]
fn standard_input_is_read_by_one_table() {
    assert_eq!(PipeInput::of("-"), Some(PipeInput::Standard));
    STANDARD_INPUT_IS_TAKEN.store(true, Ordering::Relaxed);
    let error = PipeSource::open(PipeInput::Standard, &decoding("PERMISSIVE"), true).unwrap_err();
    assert!(error.is_invalid_job(), "{error}");
}
