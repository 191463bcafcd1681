//! No row without an account: at every progress report what an input accepted is what was processed, dropped by reason
//! or is pending, also when rings overflow, rows do not parse, come late or an epoch fails half-way.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use firesteel::{
    Error, Job, JobOptions, QueryEvent, QueryListener, StreamingQueryProgress,
    prelude::*,
    ring::{Cell, OnFull, Producer, RingOptions, StreamFolder},
};

const DDL: &str = "ts TIMESTAMP, key INT, value DOUBLE";

/// Every report of a query. All inputs of all of them must balance.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<StreamingQueryProgress>>>);

impl Reports {
    fn of(session: &Session) -> Self {
        let reports = Self::default();
        session.add_listener(Arc::new(reports.clone()));
        reports
    }

    fn last(&self) -> StreamingQueryProgress {
        self.0.lock().unwrap().last().unwrap().clone()
    }

    fn check(&self) {
        for report in &*self.0.lock().unwrap() {
            report.sources.iter().for_each(|s| assert!(s.rows.is_balanced(), "{}", serde_json::to_string(s).unwrap()));
        }
    }
}

impl QueryListener for Reports {
    fn on_event(&self, event: &QueryEvent<'_>) {
        if let QueryEvent::Progress(progress) = event {
            self.0.lock().unwrap().push((*progress).clone());
        }
    }
}

fn ring(path: &Path, on_full: OnFull) {
    let options = RingOptions { capacity: Some(256 << 10), on_full: Some(on_full), ..RingOptions::default() };
    StreamFolder::create(path, &firesteel::Schema::parse_ddl(DDL).unwrap(), &options).unwrap();
}

/// Puts rows into a lane; gives how many its producer tried to put there in all.
fn produce(path: &Path, lane: &str, rows: i64) {
    let mut producer = Producer::open(path, Some(lane)).unwrap();
    for row in 0..rows {
        producer.push(&[Cell::I64(row * 1_000), Cell::I32((row % 7) as i32), Cell::F64(row as f64)]).unwrap();
    }
}

/// Runs a query over a ring whose producers put more rows there in the middle of each of the first epochs than the
/// ring holds.
fn run_with_floods(path: &Path, floods: u64, rows: i64) -> Reports {
    let session = Session::new().unwrap();
    let reports = Reports::of(&session);
    produce(path, "a", rows);
    let stream = session.read_stream().format("ring").option("path", path.display()).load().unwrap();
    let flooded = path.to_path_buf();
    let flood = move |frame: DataFrame, epoch: u64| {
        frame.count()?;
        if epoch < floods {
            produce(&flooded, if epoch.is_multiple_of(2) { "a" } else { "b" }, rows);
        }
        Ok(())
    };
    let query = stream.write_stream().foreach_batch(flood).start().unwrap();
    query.process_all_available().unwrap();
    query.stop().unwrap();
    reports.check();
    reports
}

#[test]
fn overwritten_rows_of_a_ring_are_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    ring(&path, OnFull::Overwrite);
    let rows = run_with_floods(&path, 4, 30_000).last().sources[0].rows.clone();
    assert_eq!(rows.pending, 0);
    // What was gone before the query came is none of its business; all else it was handed.
    assert!(rows.accepted >= 4 * 30_000 && rows.accepted <= 5 * 30_000, "{rows:?}");
    assert!(rows.dropped["rowsOverwritten"] > 0, "{rows:?}");
}

#[test]
fn refused_rows_of_a_ring_are_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    ring(&path, OnFull::DropNewest);
    // A reader must be there: without one nothing is held, and nothing refused.
    let rows = run_with_floods(&path, 4, 30_000).last().sources[0].rows.clone();
    assert_eq!(rows.pending, 0);
    assert!(rows.dropped["rowsDroppedWhenFull"] > 0, "{rows:?}");
}

#[test]
fn rows_that_do_not_parse_and_rows_that_are_late_are_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        // Epochs by file; the watermark of an epoch makes rows of the second after it late.
        "{\"ts\":\"2025-01-01 00:00:01\",\"key\":1,\"value\":1}\n{\"ts\":\"2025-01-01 00:01:01\",\"key\":1,\"value\":1}\n",
        "{\"ts\":\"2025-01-01 00:02:01\",\"key\":1,\"value\":1}\n{broken\n{\"ts\":null,\"key\":1,\"value\":1}\n",
        "{\"ts\":\"2025-01-01 00:00:03\",\"key\":1,\"value\":1}\n{\"ts\":\"2025-01-01 00:00:04\",\"key\":1,\"value\":1}\n",
        "{\"ts\":\"2025-01-01 00:09:00\",\"key\":1,\"value\":1}\n",
    ];
    for (file, text) in lines.iter().enumerate() {
        fs::write(dir.path().join(format!("{file}.json")), text).unwrap();
    }
    let session = Session::new().unwrap();
    let reports = Reports::of(&session);
    let stream = session.read_stream().schema(DDL).option("maxFilesPerTrigger", 1).option("mode", "DROPMALFORMED");
    let counted = stream.json(dir.path()).unwrap().with_watermark("ts", "0 seconds").unwrap();
    let counted = counted.group_by([window("ts", "10 seconds").unwrap()]).agg([count_all().alias("n")]).unwrap();
    let total = Arc::new(Mutex::new(0));
    let sum = total.clone();
    let add = move |frame: DataFrame, _| {
        *sum.lock().unwrap() += frame.collect()?.iter().map(|row| row.get::<i64>("n").unwrap()).sum::<i64>();
        Ok(())
    };
    let query = counted.write_stream().trigger(Trigger::AvailableNow).foreach_batch(add).start().unwrap();
    query.await_termination().unwrap();
    reports.check();
    let (rows, mut late, mut untimed) = (reports.last().sources[0].rows.clone(), 0, 0);
    for report in &*reports.0.lock().unwrap() {
        let metrics = &report.state_operators[0].custom_metrics;
        late += metrics.get("numRowsLate").copied().unwrap_or_default();
        untimed += metrics.get("numRowsWithoutEventTime").copied().unwrap_or_default();
    }
    let open = 1;
    assert_eq!((rows.accepted, rows.processed, rows.dropped.values().sum()), (8, 7, 1_u64));
    assert_eq!((late, untimed), (2, 1));
    assert_eq!(
        rows.processed,
        *total.lock().unwrap() as u64 + late + untimed + open,
        "rows in groups, late, untimed, open"
    );
}

#[test]
fn rows_of_an_epoch_that_fails_are_pending() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    ring(&path, OnFull::Block);
    produce(&path, "a", 100);
    let session = Session::new().unwrap();
    let reports = Reports::of(&session);
    let stream = session.read_stream().format("ring").option("path", path.display()).load().unwrap();
    let more = path.clone();
    let fail = move |_: DataFrame, epoch: u64| {
        produce(&more, "a", 50);
        if epoch == 1 { Err(Error::invalid("no")) } else { Ok(()) }
    };
    let query = stream.write_stream().foreach_batch(fail).start().unwrap();
    assert!(query.await_termination().is_err());
    reports.check();
    let rows = reports.last().sources[0].rows.clone();
    assert_eq!((rows.processed, rows.accepted), (100, rows.pending + 100));
}

#[test]
fn a_row_of_the_far_future_moves_no_watermark() {
    let dir = tempfile::tempdir().unwrap();
    let line = |ts: &str| format!("{{\"ts\":\"{ts}\",\"key\":1,\"value\":1}}\n");
    let [poison, later] = ["2999-01-01 00:00:00", "2025-01-01 00:09:00"].map(line);
    let files = [line("2025-01-01 00:00:01") + &poison, line("2025-01-01 00:00:02"), later];
    for (file, text) in files.iter().enumerate() {
        fs::write(dir.path().join(format!("{file}.json")), text).unwrap();
    }
    for workers in ["1", "2"] {
        let session = Session::new().unwrap();
        session.set("firesteel.maxFutureTime", "1 hour").unwrap();
        session.set("firesteel.workers", workers).unwrap();
        let reports = Reports::of(&session);
        let stream = session.read_stream().schema(DDL).option("maxFilesPerTrigger", 1);
        let counted = stream.json(dir.path()).unwrap().with_watermark("ts", "0 seconds").unwrap();
        let counted = counted.group_by([window("ts", "10 seconds").unwrap()]).agg([count_all().alias("n")]).unwrap();
        let found = Arc::new(Mutex::new(Vec::new()));
        let rows = found.clone();
        let add = move |frame: DataFrame, _| {
            rows.lock().unwrap().extend(frame.collect()?.iter().map(|row| row.get::<i64>("n").unwrap()));
            Ok(())
        };
        let query = counted.write_stream().trigger(Trigger::AvailableNow).foreach_batch(add).start().unwrap();
        query.await_termination().unwrap();
        let all = reports.0.lock().unwrap();
        let count = |name: &str| all.iter().filter_map(|r| r.state_operators[0].custom_metrics.get(name)).sum::<u64>();
        let turned_away = all.iter().filter_map(|r| r.event_time.rows_ahead.as_ref()?.parse::<u64>().ok()).sum::<u64>();
        assert_eq!((&*found.lock().unwrap(), count("numRowsLate"), turned_away), (&vec![2], 0, 1));
    }
}

/// Numbers of the query, over all reports.
fn total(reports: &Reports, name: &str) -> u64 {
    let all = reports.0.lock().unwrap();
    all.iter().flat_map(|report| &report.state_operators).filter_map(|state| state.custom_metrics.get(name)).sum()
}

/// What `n` of all files of a folder is in all, and its largest.
fn counted(folder: &Path) -> (u64, u64) {
    let (mut sum, mut most) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let n = row["n"].as_u64().unwrap();
            (sum, most) = (sum + n, most.max(n));
        }
    }
    (sum, most)
}

const STATE_BYTES: u64 = 3 << 20;
const KEYS: usize = 40_000;

/// Files of an epoch each: more keys than there is memory for, some of them again with as many new ones, later windows.
fn write_many_keys(folder: &Path) -> u64 {
    let line = |key: usize, at: &str| {
        format!("{{\"ts\":\"2025-01-01 {at}\",\"key\":\"a key that is too long for thirty-two bytes {key}\"}}\n")
    };
    let file = |keys: std::ops::Range<usize>, at: &str| keys.map(|key| line(key, at)).collect::<String>();
    let files = [
        file(0..KEYS, "00:00:01"),
        file(KEYS - 500..KEYS + 500, "00:00:02"),
        file(0..300, "02:00:00"),
        file(0..300, "04:00:00"),
        file(0..KEYS / 2, "06:00:00"),
        file(0..1, "08:00:00"),
    ];
    for (number, text) in files.iter().enumerate() {
        fs::write(folder.join(format!("{number}.json")), text).unwrap();
    }
    files.iter().map(|text| text.lines().count() as u64).sum()
}

fn run_full(dir: &Path, group: &str, settings: &str, reports: &Reports) -> Result<Vec<String>, Error> {
    let session = Session::new().unwrap();
    session.add_listener(Arc::new(reports.clone()));
    let sql = format!(
        "SET firesteel.state.onFull = 'drop_new_keys'; {settings}
         CREATE TABLE i (ts TIMESTAMP, key STRING) USING json OPTIONS (path '{}/in', maxFilesPerTrigger '1');
         CREATE TABLE o USING json OPTIONS (path '{}/out');
         INSERT INTO o SELECT key, count(*) AS n FROM STREAM i WATERMARK ts DELAY OF INTERVAL 1 SECOND GROUP BY {group}, key;",
        dir.display(),
        dir.display()
    );
    let job = Job::parse(&sql, &|_| None)?;
    let words: Arc<Mutex<Vec<String>>> = Arc::default();
    let said = words.clone();
    let options = JobOptions {
        memory_bytes_max: Some(STATE_BYTES),
        checkpoint: Some(dir.join("checkpoint")),
        on_warning: Some(Arc::new(move |text: &str| said.lock().unwrap().push(text.into()))),
        ..JobOptions::default()
    };
    job.run(&session, &options, &mut |_, _| Ok(Box::new(firesteel::sink::NoopSink::default())))?;
    let words = words.lock().unwrap().clone();
    Ok(words)
}

#[test]
fn rows_of_new_keys_that_a_full_state_does_not_take_are_accounted_for() {
    for (group, settings) in [
        ("window(ts, '1 hour')", ""),
        ("window(ts, '1 hour')", "SET firesteel.workers = 3;"),
        ("session_window(ts, '10 minutes')", ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        let all = write_many_keys(&dir.path().join("in"));
        let reports = Reports::default();
        let words = run_full(dir.path(), group, settings, &reports).unwrap();
        reports.check();
        let rows = reports.last().sources[0].rows.clone();
        assert_eq!((rows.accepted, rows.processed, rows.pending), (all, all, 0), "{group}");
        // New keys of the second file, and windows that begin while the first is open.
        let dropped = total(&reports, "numRowsStateFull");
        assert_eq!(dropped, 500 + 300 + 300, "{group} {settings}");
        let open = 1;
        assert_eq!(counted(&dir.path().join("out")), (all - dropped - open, 2), "{group}: known keys go on");
        assert_eq!(words.iter().filter(|text| text.contains("rows of new keys are dropped")).count(), 1, "{words:?}");
    }
}

#[test]
fn a_full_state_is_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("in");
    fs::create_dir(&folder).unwrap();
    let all = write_many_keys(&folder);
    // The files of later runs are not there yet.
    let later: Vec<_> =
        (1..6).map(|n| (folder.join(format!("{n}.json")), dir.path().join(format!("{n}.json")))).collect();
    later.iter().for_each(|(file, aside)| fs::rename(file, aside).unwrap());
    let (mut processed, mut dropped) = (0, 0);
    for next in std::iter::once(None).chain(later.iter().map(Some)) {
        if let Some((file, aside)) = next {
            fs::rename(aside, file).unwrap();
        }
        let reports = Reports::default();
        run_full(dir.path(), "window(ts, '1 hour')", "", &reports).unwrap();
        reports.check();
        processed += reports.last().sources[0].rows.processed;
        dropped += total(&reports, "numRowsStateFull");
    }
    let (sum, _) = counted(&dir.path().join("out"));
    assert_eq!((processed, sum + dropped + 1), (all, all), "one row is in a window that is open");
}
