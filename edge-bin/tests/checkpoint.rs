//! The binary, killed at any moment and started again: its results are those of a run that was left alone.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Files of the input, each an epoch.
const FILES: usize = 40;
const ROWS_PER_FILE: usize = 50;

/// Numbers in no order, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn write_input(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut random = Random(7);
    for file in 0..FILES {
        let line = |row: usize| {
            let second = (file * ROWS_PER_FILE + row) / 20;
            let ts = format!("2025-01-01 00:{:02}:{:02}", second / 60, second % 60);
            let (key, value) = (random.below(6), random.below(1_000_000) as f64 / 7.0);
            format!("{{\"ts\":\"{ts}\",\"key\":{key},\"value\":{value}}}\n")
        };
        let text: String = (0..ROWS_PER_FILE).map(line).collect();
        let path = folder.join(format!("{file:03}.json"));
        fs::write(&path, text).unwrap();
        // Files are taken in the order of their times.
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600 + file as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
}

fn job(dir: &TempDir, name: &str, query: &str) -> std::path::PathBuf {
    let (input, output) = (dir.path().join("in"), dir.path().join(name));
    let path = dir.path().join(format!("{name}.sql"));
    let text = format!(
        "SET firesteel.checkpoint.interval = '1ms';
         CREATE TABLE readings (ts TIMESTAMP, key INT, value DOUBLE)
         USING json OPTIONS (path '{}', maxFilesPerTrigger '1');
         CREATE TABLE results USING json OPTIONS (path '{}');
         INSERT INTO results {query};",
        input.display(),
        output.display()
    );
    fs::write(&path, text).unwrap();
    path
}

fn start(job: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.arg("run").arg(job).arg("--stream").args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(job: &Path, arguments: &[&str]) -> Output {
    start(job, arguments).wait_with_output().unwrap()
}

/// Names and contents of all files that readers see.
fn results(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    let named = entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), path));
    let visible = named.filter(|(name, _)| !name.starts_with('.'));
    visible.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

/// Runs a job, killing it after random times, until it ends by itself; what readers see meanwhile must never change.
fn run_with_kills(job: &Path, checkpoint: &Path, output: &Path, seed: u64) -> usize {
    let mut random = Random(seed);
    let mut seen = BTreeMap::new();
    for kills in 0.. {
        let mut child = start(job, &["--checkpoint", checkpoint.to_str().unwrap()]);
        let deadline = Instant::now() + Duration::from_micros(random.below(60_000) * (1 + kills as u64 / 20));
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => sleep(Duration::from_micros(200)),
            }
        };
        if status.is_none() {
            child.kill().unwrap();
        }
        let out = child.wait_with_output().unwrap();
        let now = results(output);
        for (name, text) in &seen {
            assert_eq!(now.get(name), Some(text), "{name} changed after it was seen");
        }
        seen = now;
        if let Some(status) = status {
            assert!(status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return kills;
        }
    }
    unreachable!("it ends at last")
}

const QUERIES: [(&str, &str); 3] = [
    (
        "windows",
        "SELECT window.start AS at, key, count(*) AS n, sum(value) AS total, max(value) AS high
         FROM readings WATERMARK ts DELAY OF INTERVAL 3 SECONDS GROUP BY window(ts, '5 seconds'), key",
    ),
    (
        "sliding",
        "SELECT window.start AS at, key, avg(value) AS mean
         FROM readings WATERMARK ts DELAY OF INTERVAL 3 SECONDS GROUP BY window(ts, '20 seconds', '3 seconds'), key",
    ),
    ("rows", "SELECT ts, key, value * 2 AS twice FROM readings WHERE key < 4"),
];

#[test]
fn a_killed_query_writes_byte_for_byte_what_an_undisturbed_one_does() {
    let dir = tempfile::tempdir().unwrap();
    write_input(&dir.path().join("in"));
    for (name, query) in QUERIES {
        let alone = job(&dir, &format!("{name}-alone"), query);
        let out = run(&alone, &[]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let expected = results(&dir.path().join(format!("{name}-alone")));
        assert!(expected.len() > 5, "{name} writes {} files", expected.len());
        for seed in 0..2 {
            let killed = format!("{name}-killed-{seed}");
            let (path, output) = (job(&dir, &killed, query), dir.path().join(&killed));
            let checkpoint = dir.path().join(format!("{killed}-checkpoint"));
            let kills = run_with_kills(&path, &checkpoint, &output, seed);
            assert_eq!(results(&output), expected, "{name} after {kills} kills");
            // Once more: there is nothing left to do.
            let again = run(&path, &["--checkpoint", checkpoint.to_str().unwrap()]);
            assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
            assert_eq!(results(&output), expected, "{name} run once more");
        }
    }
}

#[test]
fn a_changed_query_is_refused_or_goes_on_as_far_as_its_state_fits() {
    let dir = tempfile::tempdir().unwrap();
    write_input(&dir.path().join("in"));
    let checkpoint = dir.path().join("checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    let by = |key: &str, filter: &str| {
        format!(
            "SELECT window.start AS at, {key}, count(*) AS n FROM readings WATERMARK ts DELAY OF INTERVAL 3 SECONDS
             {filter} GROUP BY window(ts, '5 seconds'), {key}"
        )
    };
    let out = run(&job(&dir, "out", &by("key", "")), &arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let seen = results(&dir.path().join("out"));
    // A filter may change, the key may not.
    let out = run(&job(&dir, "out", &by("key", "WHERE value > 3")), &arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = run(&job(&dir, "out", &by("key + 1", "").replace("key + 1, count", "count")), &arguments);
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{words}");
    assert!(words.contains("is of another query") && words.contains("--allow-restart-from-scratch"), "{words}");
    assert_eq!(results(&dir.path().join("out")), seen, "a refused query touches nothing");
    let out = run(
        &job(&dir, "out", &by("key + 1", "").replace("key + 1, count", "count")),
        &[&arguments[..], &["--allow-restart-from-scratch"]].concat(),
    );
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stderr).contains("starts as if it were new"));
}

#[test]
fn broken_checkpoints_are_told_and_the_older_one_serves() {
    let dir = tempfile::tempdir().unwrap();
    write_input(&dir.path().join("in"));
    let (name, query) = QUERIES[0];
    let (path, checkpoint) = (job(&dir, name, query), dir.path().join("checkpoint"));
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    assert!(run(&path, &arguments).status.success());
    let expected = results(&dir.path().join(name));
    let generations = || {
        let entries = fs::read_dir(checkpoint.join("results")).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = entries.filter(|p| p.to_str().unwrap().contains("generation")).collect();
        all.sort();
        all
    };
    let newest = generations().pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    let out = run(&path, &arguments);
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{words}");
    assert!(words.contains("goes on from an older checkpoint"), "{words}");
    assert_eq!(results(&dir.path().join(name)), expected);
    generations().iter().for_each(|path| fs::write(path, b"no checkpoint").unwrap());
    let out = run(&path, &arguments);
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{words}");
    assert!(words.contains("--allow-restart-from-scratch"), "{words}");
}

#[test]
fn rows_stay_in_a_ring_until_they_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let ring = dir.path().join("ring");
    let firesteel = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let at = ring.to_str().unwrap();
    let create = ["ring", "create", at, "--schema", "ts TIMESTAMP, key INT, value DOUBLE"];
    assert!(firesteel(&create).output().unwrap().status.success());
    let output = dir.path().join("out");
    let path = dir.path().join("job.sql");
    let text = format!(
        "SET firesteel.checkpoint.interval = '1ms';
         CREATE TABLE readings (ts TIMESTAMP, key INT, value DOUBLE) USING ring OPTIONS (path '{at}');
         CREATE TABLE results USING json OPTIONS (path '{}');
         INSERT INTO results SELECT window.start AS at, key, count(*) AS n, sum(value) AS total
         FROM readings WATERMARK ts DELAY OF INTERVAL 1 SECOND GROUP BY window(ts, '1 second'), key;",
        output.display()
    );
    fs::write(&path, text).unwrap();
    let checkpoint = dir.path().join("checkpoint");
    let arguments = ["--available-now", "--checkpoint", checkpoint.to_str().unwrap()];
    // The query must have been there once, or nobody holds rows for it.
    assert!(run(&path, &arguments).status.success());
    let mut random = Random(3);
    let mut expected: BTreeMap<(u64, u64), (u64, u64)> = BTreeMap::new();
    for second in 0..30 {
        let mut lines = String::from("ts,key,value\n");
        for _ in 0..200 {
            let (key, value) = (random.below(4), random.below(1_000));
            lines += &format!("2025-01-01 00:00:{second:02},{key},{value}\n");
            let entry = expected.entry((second, key)).or_default();
            *entry = (entry.0 + 1, entry.1 + value);
        }
        let mut child = firesteel(&["ring", "append", at, "--lane", "a"]).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut child = start(&path, &arguments);
        sleep(Duration::from_micros(random.below(40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let out = run(&path, &arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // The watermark is a second behind the last row: that second and the one before it are still open.
    expected.retain(|(second, _), _| *second < 28);
    let number = |line: &serde_json::Value, name: &str| line[name].as_f64().unwrap() as u64;
    let mut found = BTreeMap::new();
    for line in results(&output).values().flat_map(|text| text.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let second = line["at"].as_str().unwrap()[17..19].parse::<u64>().unwrap();
        let key = (second, number(&line, "key"));
        assert!(found.insert(key, (number(&line, "n"), number(&line, "total"))).is_none(), "{line} came twice");
    }
    assert_eq!(found, expected);
}
