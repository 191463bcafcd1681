//! Every case under `tests/spark/cases` against Apache Spark's answers: batch and stream, every output mode, batch ids
//! and progress included, for several block sizes, numbers of workers and instruction sets.
//!
//! `tests/spark/check.py` does the same through the binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use firesteel_core::{Error, Result, block::BlockRef, plan::OutputMode, schema::Schema, simd::Level};
use firesteel_io::{
    engine::QueryEvent,
    format::write::{JsonWriter, Style},
    session::{Job, JobOptions, Session, Streams},
    sink::Sink,
};
use firesteel_tests::level::{self, levels};
use serde_json::Value as Json;

/// Rows of an answer, by batch id (0 for a batch query).
type Answer = BTreeMap<i64, Vec<Json>>;

const RELATIVE: f64 = 1e-9;
const ABSOLUTE: f64 = 1e-12;

#[test]
fn blocks_of_the_usual_size_at_every_level() {
    levels().into_iter().for_each(|level| check_all(&[], &[level]));
}

#[test]
fn blocks_of_one_row() {
    check_all(&[("firesteel.blockRows", "1")], &levels());
}

#[test]
fn blocks_of_three_rows_and_three_workers() {
    check_all(&[("firesteel.blockRows", "3"), ("firesteel.workers", "3")], &levels());
}

/// Checks all cases, which take turns with the levels: small blocks have little for vectors to do.
fn check_all(settings: &[(&str, &str)], levels: &[Level]) {
    let (mut failures, mut checked) = (Vec::new(), 0);
    for (case, level) in cases().iter().zip(levels.iter().cycle()) {
        for mode in fs::read_to_string(case.join("modes")).unwrap().split_whitespace() {
            let name = format!("{} {mode} at level {level}", case.file_name().unwrap().to_string_lossy());
            match level::at(*level, || check_mode(case, mode, settings)) {
                Err(why) => failures.push(format!("{name}: {why}")),
                Ok(()) => checked += 1,
            }
        }
    }
    assert!(checked * every() > 250, "only {checked} cases were found");
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), failures.len() + checked, failures.join("\n"));
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("spark/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    cases.into_iter().step_by(every()).collect()
}

/// `FIRESTEEL_CASES_EVERY=n` takes every n-th case: for emulators, which are slow.
fn every() -> usize {
    env::var("FIRESTEEL_CASES_EVERY").map_or(1, |n| n.parse().unwrap())
}

fn check_mode(case: &Path, mode: &str, settings: &[(&str, &str)]) -> Result<(), String> {
    let data = tempfile::tempdir().map_err(|e| e.to_string())?;
    copy_data(&case.join("data"), data.path());
    let expected = case.join("expected");
    let run = run(case, mode, data.path(), settings);
    if let Ok(wanted) = fs::read_to_string(expected.join(format!("{mode}.error"))) {
        let wanted = wanted.lines().next().unwrap_or_default().to_string();
        return match run {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("Spark refuses it ({wanted}), we answer")),
        };
    }
    let (answer, progress) = run.map_err(|e| format!("{e}"))?;
    let tolerance = fs::read_to_string(case.join("tolerance")).ok().and_then(|t| t.trim().parse().ok());
    let wanted = read_answer(&fs::read_to_string(expected.join(format!("{mode}.jsonl"))).map_err(|e| e.to_string())?);
    compare(&wanted, &answer, tolerance.unwrap_or(RELATIVE), is_ordered(case))?;
    if mode == "batch" {
        return Ok(());
    }
    let wanted = fs::read_to_string(expected.join(format!("{mode}.progress.jsonl"))).map_err(|e| e.to_string())?;
    compare_progress(&wanted, &progress)
}

/// Runs a case and gives its rows and, for streams, its progress.
fn run(case: &Path, mode: &str, data: &Path, settings: &[(&str, &str)]) -> Result<(Answer, Vec<Json>)> {
    let text = fs::read_to_string(case.join("job.sql")).unwrap();
    let data = data.to_string_lossy().into_owned();
    let job = Job::parse(&text, &|name| (name == "DATA").then(|| data.clone()))?;
    let session = settings.iter().fold(Session::builder(), |b, (key, value)| b.config(*key, value)).build()?;
    let progress = Arc::new(Mutex::new(Vec::new()));
    let seen = progress.clone();
    let listener = move |event: &QueryEvent<'_>| {
        if let QueryEvent::Progress(progress) = event {
            seen.lock().unwrap().push(serde_json::to_value(progress).unwrap());
        }
    };
    let tables = fs::read_to_string(case.join("stream_tables")).unwrap_or_default();
    let options = JobOptions {
        streams: match (mode, tables.trim()) {
            ("batch", _) => Streams::AsWritten,
            (_, "") => Streams::All,
            (_, names) => Streams::Named(names.split_whitespace().map(String::from).collect()),
        },
        output_mode: OutputMode::parse(mode).unwrap_or_default(),
        listeners: vec![Arc::new(listener)],
        ..JobOptions::default()
    };
    let rows = Arc::new(Mutex::new(Vec::new()));
    job.run(&session, &options, &mut |schema, is_stream| Ok(Box::new(JsonRows::new(schema, is_stream, rows.clone()))))?;
    let answer = read_answer(&String::from_utf8(std::mem::take(&mut *rows.lock().unwrap())).unwrap());
    let progress = std::mem::take(&mut *progress.lock().unwrap());
    Ok((answer, progress))
}

/// Gathers rows as JSON lines, as the binary prints them.
#[derive(Debug)]
struct JsonRows {
    writer: JsonWriter,
    is_stream: bool,
    text: Arc<Mutex<Vec<u8>>>,
}

impl JsonRows {
    fn new(schema: &Schema, is_stream: bool, text: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { writer: JsonWriter::new(schema, Style::Plain), is_stream, text }
    }
}

impl Sink for JsonRows {
    fn description(&self) -> String {
        "JsonRows".into()
    }

    fn begin(&mut self, epoch: u64) -> Result<()> {
        self.writer.set_batch_id(self.is_stream.then_some(epoch));
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        let mut text = self.text.lock().map_err(|_| Error::internal("a test has panicked"))?;
        self.writer.write_rows(block, &mut text);
        Ok(())
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        0
    }
}

/// Copies a case's data; files get rising modification times in the order of their names, which is Spark's order.
fn copy_data(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    for (i, path) in paths.iter().enumerate() {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_data(path, &target);
        } else {
            fs::copy(path, &target).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600 + 10 * i as u64);
            fs::File::options().write(true).open(&target).unwrap().set_modified(at).unwrap();
        }
    }
}

fn read_answer(lines: &str) -> Answer {
    let mut answer = Answer::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let mut row: Json = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let batch = row.as_object_mut().and_then(|row| row.remove("_batch_id"));
        answer.entry(batch.and_then(|b| b.as_i64()).unwrap_or(0)).or_default().push(row);
    }
    answer
}

/// Whether the query itself ends in ORDER BY (not one inside parentheses).
fn is_ordered(case: &Path) -> bool {
    let text = fs::read_to_string(case.join("job.sql")).unwrap();
    let query = text.trim().trim_end_matches(';').rsplit(';').next().unwrap_or_default().to_uppercase();
    let mut depth = 0;
    let outer: String = query
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        })
        .collect();
    outer.split_whitespace().collect::<Vec<_>>().windows(2).any(|w| w == ["ORDER", "BY"])
}

fn compare(wanted: &Answer, got: &Answer, tolerance: f64, ordered: bool) -> Result<(), String> {
    let batches: std::collections::BTreeSet<i64> = wanted.keys().chain(got.keys()).copied().collect();
    for batch in batches {
        let empty = Vec::new();
        let (wanted, got) = (wanted.get(&batch).unwrap_or(&empty), got.get(&batch).unwrap_or(&empty));
        let mut left: Vec<&Json> = got.iter().collect();
        for (i, row) in wanted.iter().enumerate() {
            let found = match ordered {
                true => left.first().filter(|g| same(row, g, tolerance)).map(|_| 0),
                false => left.iter().position(|g| same(row, g, tolerance)),
            };
            match found {
                Some(at) => drop(left.remove(at)),
                None => return Err(format!("batch {batch}, row {i}: want {row}, have {left:?}")),
            }
        }
        if let Some(extra) = left.first() {
            return Err(format!("batch {batch}: {} rows too many, the first {extra}", left.len()));
        }
    }
    Ok(())
}

fn same(wanted: &Json, got: &Json, tolerance: f64) -> bool {
    match (wanted, got) {
        (Json::Number(a), Json::Number(b)) => {
            if a == b {
                return true;
            }
            let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { return false };
            let is_exact = a.is_i64() && tolerance <= RELATIVE;
            x == y || (!is_exact && (x - y).abs() <= (tolerance * x.abs().max(y.abs())).max(ABSOLUTE))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, tolerance)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b, tolerance)))
        }
        _ => wanted == got,
    }
}

fn compare_progress(wanted: &str, got: &[Json]) -> Result<(), String> {
    let dropped = |p: &Json| {
        let operators = p["stateOperators"].as_array().filter(|ops| !ops.is_empty())?;
        Some(operators.iter().filter_map(|op| op["numRowsDroppedByWatermark"].as_i64()).sum::<i64>())
    };
    let ours: Vec<[Json; 4]> = got
        .iter()
        .map(|p| {
            let watermark = p["eventTime"]["watermark"].clone();
            [p["batchId"].clone(), p["numInputRows"].clone(), watermark, dropped(p).map_or(Json::Null, Json::from)]
        })
        .collect();
    let fields = ["batchId", "numInputRows", "watermark", "numRowsDroppedByWatermark"];
    let theirs: Vec<[Json; 4]> = wanted
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap())
        .map(|p| fields.map(|field| p[field].clone()))
        .collect();
    if ours == theirs { Ok(()) } else { Err(format!("progress: want {theirs:?}, have {ours:?}")) }
}
