//! What a lane that others spoil all the time costs the lanes that are whole: the time from when a row of a good lane
//! was due until its result can be read. A measurement, for an otherwise quiet machine:
//!
//! ```text
//! cargo test --release -p firesteel --test isolation -- --ignored --nocapture
//! ```
//! By itself it holds only that every row comes, in the order of its lane, however much is spoilt beside it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use common::{Engine, Random, attack, clean, ring, write};
use firesteel_core::schema::Schema;
use firesteel_io::{
    ring::{Producer, Reader, ReaderOptions, RingOptions, StreamFolder},
    sys,
};

/// Of each kind, in turn: what else the machine does meets all of them.
const RUNS: usize = 7;
const LANES: u64 = 4;
/// 20,000 rows a second, for three seconds.
const ROW_EVERY: Duration = Duration::from_micros(50);
const ROWS: u64 = 60_000;
const ATTACK_EVERY: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// What is done beside the good lanes.
#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    /// The same as below, in a ring that nobody reads: what it costs the machine.
    OtherRing,
    SameRing,
}

#[test]
#[ignore = "a measurement, which takes a minute"]
fn a_lane_that_is_spoilt_beside_others() {
    let kinds = [Beside::Nothing, Beside::OtherRing, Beside::SameRing];
    let mut runs = kinds.map(|_| Vec::new());
    for seed in 1..=RUNS as u64 {
        kinds.iter().zip(&mut runs).for_each(|(kind, runs)| runs.push(measure(*kind, seed)));
    }
    println!("microseconds from due to read, medians of {RUNS} runs (least and most)");
    for (kind, runs) in kinds.iter().zip(&runs) {
        let shares = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
        let figures = shares.map(|(name, share)| {
            let mut nanos: Vec<u64> = runs.iter().map(|run| run[((run.len() - 1) as f64 * share) as usize]).collect();
            nanos.sort();
            let us = |nanos: u64| nanos as f64 / 1e3;
            format!("{name} {:.1} ({:.1} to {:.1})", us(nanos[RUNS / 2]), us(nanos[0]), us(nanos[RUNS - 1]))
        });
        println!("{:<10} {}", format!("{kind:?}"), figures.join("   "));
    }
}

/// Nanoseconds of each row, sorted.
fn measure(beside: Beside, seed: u64) -> Vec<u64> {
    let (dir, readings) = ring("isolation");
    let (_other_dir, other) = ring("isolation-other");
    let results = dir.path().join("results");
    let options = RingOptions::parse([("capacity", "1MB")]).unwrap();
    let schema = Schema::parse_ddl("id BIGINT").unwrap();
    let folder = StreamFolder::create(&results, &schema, &options).unwrap();
    let reader = Reader::open_in(folder, ReaderOptions::default()).unwrap();
    let producers = (0..LANES).map(|lane| Producer::open(&readings, Some(&format!("good{lane}"))).unwrap()).collect();
    let mut engine = start(dir.path(), &readings, &results);
    let is_over = AtomicBool::new(false);
    let nanos = thread::scope(|scope| {
        let victim = match beside {
            Beside::Nothing => None,
            Beside::OtherRing => Some(&other),
            Beside::SameRing => Some(&readings),
        };
        victim.map(|victim| scope.spawn(|| spoil(victim, &is_over, seed)));
        // A thread of its own: what it starts would be bound to its core, too.
        let nanos = scope.spawn(|| feed(producers, reader, &mut engine)).join().unwrap();
        is_over.store(true, Ordering::Relaxed);
        nanos
    });
    assert!(engine.try_wait().unwrap().is_none(), "the engine lives");
    nanos
}

fn start(dir: &Path, readings: &Path, results: &Path) -> Engine {
    let job = dir.join("job.sql");
    let text = format!(
        "CREATE TABLE r (id BIGINT, name STRING) USING ring OPTIONS (path '{}');
         CREATE TABLE o USING ring OPTIONS (path '{}');
         INSERT INTO o SELECT id FROM r WHERE id % 2 = 0;",
        readings.display(),
        results.display()
    );
    fs::write(&job, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.arg("run").arg(job).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The other core than that of the rows, which is never idle.
    if let [_, second, ..] = sys::cores()[..] {
        command.args(["--cores", &second.to_string()]);
    }
    Engine::start(&mut command).unwrap()
}

/// A lane is begun, filled a little and spoilt, again and again.
fn spoil(ring: &PathBuf, is_over: &AtomicBool, seed: u64) {
    let mut random = Random(seed);
    while !is_over.load(Ordering::Relaxed) {
        clean(ring, "victim");
        if let Ok(mut victim) = Producer::open(ring, Some("victim")) {
            (0..20).for_each(|id| write(&mut victim, 2 * id + 1));
            sleep(ATTACK_EVERY / 2);
            attack(ring, "victim", &mut random);
        }
        sleep(ATTACK_EVERY / 2);
    }
}

/// Writes rows when they are due, lane by lane in turn, and looks for results meanwhile, on a core of its own.
fn feed(mut producers: Vec<Producer>, mut reader: Reader, engine: &mut Engine) -> Vec<u64> {
    if let [first, _, ..] = sys::cores()[..] {
        sys::pin_to_core(first);
    }
    let (mut nanos, mut sent) = (Vec::with_capacity(ROWS as usize), 0);
    let mut last = vec![None; LANES as usize];
    let start = Instant::now();
    let due = |row: u64| ROW_EVERY * row as u32;
    while nanos.len() < ROWS as usize {
        if sent < ROWS && start.elapsed() >= due(sent) {
            write(&mut producers[(sent % LANES) as usize], 2 * sent as i64);
            sent += 1;
        }
        let rows = reader.poll(Duration::ZERO, |_, block| {
            for &id in block.column(0).as_slice::<i64>() {
                let row = id as u64 / 2;
                nanos.push((start.elapsed().saturating_sub(due(row))).as_nanos() as u64);
                let before = last[(row % LANES) as usize].replace(row);
                assert_eq!(before, row.checked_sub(LANES), "each row once, in the order of its lane");
            }
            Ok(())
        });
        if rows.unwrap() > 0 {
            reader.commit_read().unwrap();
        }
        if start.elapsed() > due(ROWS) + PATIENCE {
            panic!("{} of {ROWS} rows came, engine: {:?}", nanos.len(), engine.try_wait());
        }
    }
    // What came before the engine had begun says nothing of it.
    nanos.drain(..nanos.len() / 3);
    nanos.sort();
    nanos
}
