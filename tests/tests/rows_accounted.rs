//! No row without an account: at every progress report what an input accepted is what was processed, dropped by reason
//! or is pending, also when rings overflow, rows do not parse, come late or an epoch fails half-way.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use firesteel::{
    Error, QueryEvent, QueryListener, StreamingQueryProgress,
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
