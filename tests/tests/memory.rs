//! Queries that would take any memory fail alone, at the start or as they run, with words that say what to do.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use firesteel::{Error, Job, JobOptions, Result, prelude::*, sink::NoopSink};

const MOST: u64 = 2 << 20;

fn run(sql: &str, memory_bytes_max: Option<u64>) -> Result<(), Error> {
    let session = Session::new()?;
    let job = Job::parse(sql, &|_| None)?;
    let options = JobOptions { memory_bytes_max, ..JobOptions::default() };
    job.run(&session, &options, &mut |_, _| Ok(Box::new(NoopSink::default())))
}

#[test]
fn state_stays_within_its_bound() {
    for sql in [
        "SELECT id, count(*) FROM range(300000) GROUP BY id",
        "SELECT concat('a key of some length ', id), count(*) FROM range(200000) GROUP BY 1",
        "SELECT id % 3, size(collect_list(id)) FROM range(600000) GROUP BY id % 3",
        "SELECT percentile(id, 0.5) FROM range(600000)",
        "SELECT id FROM range(400000) ORDER BY id % 1000 LIMIT 3",
        "SELECT count(*) FROM range(200000) a JOIN range(200000) b ON a.id = b.id",
        "SELECT count(*) FROM range(300000) a JOIN range(300000) b ON a.id % 100 = b.id % 100",
    ] {
        let error = run(sql, Some(MOST)).unwrap_err();
        assert!(error.is_limit() && error.hint_text().unwrap().contains("--memory"), "{sql}: {error}");
        assert!(!error.is_invalid_job(), "{sql}: {error}");
    }
    run("SELECT id % 100, count(*) FROM range(300000) GROUP BY id % 100", Some(MOST)).unwrap();
}

#[test]
fn what_no_memory_could_hold_is_refused_at_once() {
    for sql in [
        "CREATE TABLE n USING rate;
         SELECT window.start, count(*) FROM n WATERMARK timestamp DELAY OF INTERVAL 1 SECOND
         GROUP BY window(timestamp, '365 days', '1 microsecond')",
        "SELECT count(*) FROM range(10) WHERE concat('', id) RLIKE '(a{1000}){1000}'",
    ] {
        let error = run(sql, None).unwrap_err();
        assert!(error.is_invalid_job(), "{sql}: {error}");
    }
}

#[test]
fn pairs_of_a_join_are_not_gathered_before_they_go_on() {
    // All pairs of this join at once would be hundreds of megabytes; of few rows at a time they fit.
    let sql = "SELECT count(*) FROM range(60) a CROSS JOIN range(20000) b";
    run(sql, Some(MOST)).unwrap();
    let session = Session::new().unwrap();
    let count = |sql: &str| session.sql(sql).unwrap().first().unwrap().unwrap().get::<i64>(0).unwrap();
    assert_eq!(count(sql), 60 * 20_000);
    let keyed = "FROM range(300) a LEFT JOIN range(20000) b ON a.id % 4 = b.id % 3";
    assert_eq!(count(&format!("SELECT count(*) {keyed}")), 75 * (6667 + 6667 + 6666 + 1));
    assert_eq!(count(&format!("SELECT count(*) {keyed} WHERE b.id IS NULL")), 75);
}

#[test]
fn values_that_no_memory_could_hold_are_refused_before_they_are_there() {
    for sql in [
        "SELECT repeat('x', 1000000000)",
        "SELECT size(sequence(1, 100000000))",
        "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 10000)))",
        "SELECT length(regexp_replace(repeat('x', 1000000), 'x', repeat('y', 10000)))",
        "SELECT length(concat_ws(',', array_repeat(repeat('x', 1000000), 100)))",
        "SELECT size(flatten(array_repeat(array_repeat(1, 1000000), 1000)))",
        // Each is short enough, and a block of them is not.
        "SELECT count(*) FROM range(4096) WHERE length(repeat(concat('x', id), 1000000)) > 3",
        "SELECT count(*) FROM range(4096) WHERE length(concat(repeat('x', 1000000), id)) > 3",
    ] {
        let error = run(sql, Some(MOST)).unwrap_err();
        assert!(error.is_limit() || error.is_invalid_job(), "{sql}: {error}");
        assert!(error.message().contains("than the allowed"), "{sql}: {error}");
    }
}
