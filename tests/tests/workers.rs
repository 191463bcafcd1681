//! Workers, from ring to table: however many there are, the answer is that of one thread.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::path::Path;

use firesteel::{
    Schema,
    prelude::*,
    ring::{Cell, Producer, RingOptions, StreamFolder},
};

const DDL: &str = "ts TIMESTAMP, id INT, host STRING, value DOUBLE";
const LANES: u64 = 2;
/// Rows that a lane gets at once, six seconds of them: enough to be shared out. With five seconds in which a row may be
/// late it matters to none, under a delay of twelve, in which epoch it is read.
const ROWS: u64 = 12_000;
const ROUNDS: u64 = 4;

/// What is asked of the stream; each closes windows as it goes.
const QUERIES: [&str; 4] = [
    "SELECT window.start AS at, count(*) AS n, sum(value) AS total, min(value) AS low, max(value) AS high \
     FROM STREAM t WATERMARK ts DELAY OF INTERVAL 12 SECONDS GROUP BY window(ts, '1 second')",
    "SELECT window.start AS at, id, count(*) AS n, sum(value) AS total, avg(value) AS mean \
     FROM STREAM t WATERMARK ts DELAY OF INTERVAL 12 SECONDS GROUP BY window(ts, '4 seconds', '1 second'), id",
    "SELECT window.start AS at, host, count(*) AS n, max(value) AS high \
     FROM STREAM t WATERMARK ts DELAY OF INTERVAL 12 SECONDS WHERE value > 100 GROUP BY window(ts, '1 second'), host",
    "SELECT session_window.start AS at, id, count(*) AS n, sum(value) AS total \
     FROM STREAM t WATERMARK ts DELAY OF INTERVAL 12 SECONDS GROUP BY session_window(ts, '50 milliseconds'), id",
];

fn next(seed: &mut u64) -> i64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as i64
}

/// Two lanes of one stream.
fn lanes(path: &Path) -> Vec<Producer> {
    let options = RingOptions::parse([("capacity", "32MB")]).unwrap();
    StreamFolder::create(path, &Schema::parse_ddl(DDL).unwrap(), &options).unwrap();
    (0..LANES).map(|lane| Producer::open(path, Some(&format!("lane-{lane}"))).unwrap()).collect()
}

/// One round of rows, one in ten of them late by up to five seconds.
fn push(producers: &mut [Producer], round: u64) {
    for (lane, producer) in producers.iter_mut().enumerate() {
        let mut seed = round * LANES + lane as u64 + 1;
        for row in 0..ROWS {
            let late = if next(&mut seed) % 10 == 0 { next(&mut seed) % 5_000_000 } else { 0 };
            let ts = ((round * ROWS + row) * 500) as i64 + 10_000_000 - late;
            let id = next(&mut seed) % 50;
            let cells = [
                Cell::I64(ts),
                Cell::I32(id as i32),
                Cell::Str(&format!("host-{id}")),
                Cell::F64((next(&mut seed) % 1_000) as f64),
            ];
            assert!(producer.push(&cells).unwrap());
        }
        producer.publish();
    }
}

/// The rows of a stream on so many threads, sorted.
fn answer(query: &str, workers: usize) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut producers = lanes(&path);
    let session = Session::builder().config("firesteel.workers", workers).build().unwrap();
    let table = format!("CREATE TABLE t ({DDL}) USING ring OPTIONS (path '{}')", path.display());
    session.sql(&table).unwrap();
    let stream = session.sql(query).unwrap();
    let query = stream.write_stream().format("memory").query_name("out").start().unwrap();
    for round in 0..ROUNDS {
        push(&mut producers, round);
        query.process_all_available().unwrap();
    }
    query.stop().unwrap();
    let rows = session.table("out").unwrap().collect().unwrap();
    let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn any_number_of_workers_gives_the_answer_of_one_thread() {
    for query in QUERIES {
        let one = answer(query, 1);
        assert!(one.len() > 10, "{} rows: {query}", one.len());
        for workers in [2, 3, 8] {
            assert_eq!(answer(query, workers), one, "{workers} workers: {query}");
        }
    }
}
