//! Generations of checkpoints that nobody saved: through the store, and from there into queries.
//!
//! ```text
//!   raw        the bytes are the file
//!   header     header and state are the bytes, in an envelope whose checks fit
//!   state      the state is the bytes: a query of every stateful operator loads it, goes on, and saves it again
//! ```

use std::{
    ffi::OsString,
    io,
    path::Path,
    sync::{Arc, LazyLock},
};

use firesteel_core::{
    block::Value,
    hash::xxhash64::hash_bytes,
    plan::{OutputMode, Table},
    sql::{StatementKind, parse},
};
use firesteel_io::checkpoint::{Checkpoint, Content, Disk, Lock, Store};

use super::{
    input::Input,
    queries::{self, Job, Tables},
};

const TABLES: [(&str, &str); 2] =
    [("a", "ts TIMESTAMP, k INT, s STRING, v DOUBLE"), ("b", "ts TIMESTAMP, k INT, s STRING, v DOUBLE")];
const A: &str = "STREAM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS";
const B: &str = "STREAM b WATERMARK ts DELAY OF INTERVAL 5 SECONDS ON a.k = b.k \
     AND b.ts BETWEEN a.ts - INTERVAL 6 SECONDS AND a.ts + INTERVAL 6 SECONDS";
/// Queries of every operator that has a state, with `A` and `B` for the streams.
const QUERIES: [(&str, OutputMode); 12] = [
    (
        "SELECT window.start, k, count(*), avg(v), min(s) FROM A GROUP BY window(ts, '10 seconds'), k",
        OutputMode::Append,
    ),
    (
        "SELECT window.start, s, sum(v), collect_list(v) FROM A GROUP BY window(ts, '30 seconds', '4 seconds'), s",
        OutputMode::Append,
    ),
    ("SELECT window.start, sum(v) FROM A GROUP BY window(ts, '12 seconds', '3 seconds')", OutputMode::Update),
    (
        "SELECT session_window.start, k, sum(v), max(s) FROM A GROUP BY session_window(ts, '4 seconds'), k",
        OutputMode::Append,
    ),
    ("SELECT k, s, approx_count_distinct(v), stddev(v), percentile(v, 0.5) FROM A GROUP BY k, s", OutputMode::Complete),
    ("SELECT k, first(s), last(v), max_by(s, v) FROM A GROUP BY k", OutputMode::Update),
    ("SELECT count(*), sum(v) FROM A", OutputMode::Complete),
    ("SELECT DISTINCT k, s FROM A", OutputMode::Update),
    ("SELECT DISTINCT ts, k FROM A", OutputMode::Append),
    ("SELECT * FROM A LIMIT 70", OutputMode::Append),
    ("SELECT a.ts, a.k, a.v, b.v FROM A JOIN B", OutputMode::Append),
    ("SELECT a.ts, a.s, b.s FROM A LEFT JOIN B", OutputMode::Append),
];

static JOBS: LazyLock<Vec<Job>> = LazyLock::new(|| {
    let tables = Tables::new(&TABLES);
    let job = |&(text, mode): &(&str, OutputMode)| {
        let text = text.replace("FROM A", &format!("FROM {A}")).replace("JOIN B", &format!("JOIN {B}"));
        let mut statements = parse(&text, &|_| None).expect("a query");
        let StatementKind::Query(query) = statements.remove(0).kind else { panic!("{text} is no query") };
        Job::new(&query, &tables, mode).expect("a plan")
    };
    QUERIES.iter().map(job).collect()
});

/// What the first byte says is done with the others.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 8 {
        0 => _ = open(input.rest().to_vec()),
        1 => {
            let header = usize::from(input.half());
            let (header, state) = (input.take(header), input.rest());
            if let Some(checkpoint) = open(envelope(header, state)) {
                assert_eq!(checkpoint.state, state, "what was saved is what is opened");
            }
        }
        _ => {
            let which = usize::from(input.byte()) % QUERIES.len();
            let checkpoint = open(envelope(HEADER.as_bytes(), input.rest())).expect("a good file");
            load(&JOBS[which], &checkpoint.state);
        }
    }
}

/// What a query has saved after some epochs: seeds.
pub fn saved(which: usize, epochs: usize) -> Vec<u8> {
    let job = &JOBS[which];
    let mut driver = job.driver(64).expect("a driver");
    for epoch in 0..epochs {
        queries::epoch(job, &mut driver, &|table| rows(table, epoch as i64), 16).expect("rows without errors");
    }
    let mut state = vec![2, which as u8];
    driver.save(&mut state);
    state
}

/// A good file with this state, for seeds.
pub fn file(state: &[u8]) -> Vec<u8> {
    envelope(HEADER.as_bytes(), state)
}

/// How many queries there are.
pub const QUERY_COUNT: usize = QUERIES.len();

/// Whatever is not noticed must still run: wrong answers are the checksum's to prevent.
fn load(job: &Job, state: &[u8]) {
    let mut driver = job.driver(64).expect("a driver");
    if driver.load(state).is_err() {
        return;
    }
    let mut again = Vec::new();
    driver.save(&mut again);
    let mut next = job.driver(64).expect("a driver");
    assert!(next.load(&again).is_ok(), "what was loaded and saved can be loaded");
    let _ = driver.state_metrics().count();
    for epoch in [3, 40] {
        if queries::epoch(job, &mut driver, &|table| rows(table, epoch), 16).is_err() {
            return;
        }
    }
    driver.save(&mut again);
}

/// Rows of an epoch: times go forward and some lag behind, keys repeat, some of all are NULL.
fn rows(table: &Table, epoch: i64) -> Vec<Vec<Value>> {
    let first = i64::from(table.name.as_bytes()[0]);
    let nullable = |value: Value, row: i64| if row % 11 == 10 { Value::Null } else { value };
    let row = |row: i64| {
        let ts = 1_735_689_600 + epoch * 11 + row * first % 20 - 9;
        vec![
            nullable(Value::Int64(ts * 1_000_000), row),
            nullable(Value::Int32((row % 5) as i32), row + 1),
            nullable(Value::String(format!("key {}", row % 7)), row + 2),
            nullable(Value::Float64(row as f64 / 7.0), row + 3),
        ]
    };
    (0..24).map(row).collect()
}

const HEADER: &str = r#"{"query_id":"q","next_epoch":3,"mode":"append","operators":[],"sources":[],"sink":null}"#;

/// As in the picture of `io/src/checkpoint/layout.rs`.
fn envelope(header: &[u8], state: &[u8]) -> Vec<u8> {
    let mut head = b"FIRECKPT\x01\0\0\0".to_vec();
    head.extend(crc32fast::hash(&head).to_le_bytes());
    [1, header.len() as u64, state.len() as u64].iter().for_each(|number| head.extend(number.to_le_bytes()));
    let hash = [&head, header, state].into_iter().fold(0, |seed, part| hash_bytes(part, seed));
    let mut file = [&head, header, state].concat();
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.extend(hash.to_le_bytes());
    file
}

/// The bytes as the only generation in a folder.
fn open(bytes: Vec<u8>) -> Option<Checkpoint> {
    let opened =
        Store::open_on(Arc::new(OneFile(bytes)), Path::new("folder")).expect("a store opens whatever is there");
    assert_eq!(opened.checkpoint.is_none(), opened.is_lost, "one file is good or lost");
    assert_eq!(opened.discarded.len(), usize::from(opened.is_lost), "what is lost is named");
    opened.checkpoint
}

/// A disk with one generation, which cannot be written.
#[derive(Debug)]
struct OneFile(Vec<u8>);

#[derive(Debug)]
struct Held;

impl Lock for Held {
    fn is_held(&self) -> bool {
        true
    }
}

impl Disk for OneFile {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Lock>> {
        Ok(Box::new(Held))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(vec!["generation-00000000000000000001.ckpt".into()])
    }

    fn read(&self, _: &Path, most: u64) -> io::Result<Content> {
        let len = self.0.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Content { bytes: self.0[..len].to_vec(), file_bytes: self.0.len() as u64 })
    }

    fn write(&self, _: &Path, _: &[&[u8]]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
