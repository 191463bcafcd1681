//! How queries wait for rows of rings: every way sees all rows, ends when it is asked to, costs what it says, and tells
//! of everything it did.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use firesteel::{
    QueryEvent, Schema,
    prelude::*,
    ring::{Cell, Producer, RingOptions, StreamFolder},
};

const WAYS: [&str; 3] = ["spin", "adaptive", "sleep"];

fn ring(path: &Path) -> Producer {
    let columns = Schema::parse_ddl("id INT").unwrap();
    Producer::open_in(StreamFolder::create(path, &columns, &RingOptions::default()).unwrap(), None).unwrap()
}

/// Publishes each row by itself.
fn push(producer: &mut Producer, ids: std::ops::Range<i32>) {
    for id in ids {
        assert!(producer.push(&[Cell::I32(id)]).unwrap());
        producer.publish();
    }
}

fn copy(session: &Session, path: &Path, name: &str) -> StreamingQuery {
    let rows = session.read_stream().format("ring").option("path", path.display()).load().unwrap();
    rows.write_stream().format("memory").query_name(name).start().unwrap()
}

#[test]
fn every_way_of_waiting_sees_rows_and_stops() {
    for way in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let mut producer = ring(&path);
        let session = Session::new().unwrap();
        session.sql(&format!("SET firesteel.wait = {way}")).unwrap();
        let query = copy(&session, &path, "copy");
        for round in 0..3 {
            // Long enough that it has stopped hoping for rows.
            std::thread::sleep(Duration::from_millis(30));
            push(&mut producer, round * 10..round * 10 + 10);
            query.process_all_available().unwrap();
            assert_eq!(session.table("copy").unwrap().count().unwrap(), 10 * (round as u64 + 1), "{way}");
        }
        let clock = Instant::now();
        query.stop().unwrap();
        assert!(clock.elapsed() < Duration::from_secs(5), "{way}: it took {:?} to stop", clock.elapsed());
    }
}

#[test]
fn quick_epochs_add_up_in_progress() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut producer = ring(&path);
    let session = Session::builder().config("firesteel.wait", "spin").build().unwrap();
    let query = copy(&session, &path, "copy");
    push(&mut producer, 0..5_000);
    query.process_all_available().unwrap();
    let last = query.last_progress().unwrap();
    let end = last.sources[0].end_offset.as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(end, 5_000, "a query that waits has told of all it did: {last:?}");
    let reports = query.recent_progress();
    for pair in reports.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(before.sources[0].end_offset, after.sources[0].start_offset);
        assert!(before.batch_id < after.batch_id);
    }
    query.stop().unwrap();
}

#[test]
fn listeners_hear_of_every_epoch_however_quick() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut producer = ring(&path);
    let session = Session::builder().config("firesteel.wait", "spin").build().unwrap();
    let (rows, epochs) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let heard = (rows.clone(), epochs.clone());
    session.add_listener(Arc::new(move |event: &QueryEvent<'_>| {
        if let QueryEvent::Progress(progress) = event {
            heard.0.fetch_add(progress.num_input_rows, Ordering::Relaxed);
            assert_eq!(heard.1.fetch_add(1, Ordering::Relaxed), progress.batch_id);
        }
    }));
    let query = copy(&session, &path, "copy");
    push(&mut producer, 0..1_000);
    query.process_all_available().unwrap();
    query.stop().unwrap();
    assert_eq!(rows.load(Ordering::Relaxed), 1_000);
}

/// Two workers on one core, and a neighbour that never leaves the other: everyone still gets there.
#[test]
fn a_worker_whose_core_is_taken_away_gets_there_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut producer = ring(&path);
    push(&mut producer, 0..200_000);
    let is_over = Arc::new(AtomicU64::new(0));
    let neighbour = std::thread::spawn({
        let is_over = is_over.clone();
        move || {
            firesteel_io::sys::pin_to_core(1);
            while is_over.load(Ordering::Relaxed) == 0 {
                std::hint::spin_loop();
            }
        }
    });
    for way in WAYS {
        let session = Session::builder().config("firesteel.wait", way).build().unwrap();
        let rows = session.read_stream().format("ring").option("path", path.display()).load().unwrap();
        let sums = rows.group_by([col("id") % 7]).agg([count_all().alias("n"), sum("id").alias("s")]).unwrap();
        let writer = sums.write_stream().output_mode(OutputMode::Complete).format("memory").query_name("sums");
        let query = writer.trigger(Trigger::AvailableNow).cores([0, 1]).start().unwrap();
        assert!(query.await_termination_for(Duration::from_secs(60)).unwrap(), "{way}: it has not ended");
        let total = session.table("sums").unwrap().agg([sum("n"), sum("s")]).unwrap().collect().unwrap();
        assert_eq!(total[0].to_string(), "[200000,19999900000]", "{way}");
    }
    is_over.store(1, Ordering::Relaxed);
    neighbour.join().unwrap();
}

/// Times the query's thread gave its core away, and nanoseconds it was on one.
#[cfg(target_os = "linux")]
fn thread_costs(name: &str) -> (u64, u64) {
    let read = |task: &Path, file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
    let mut tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    // The system keeps fifteen characters of a thread's name.
    let task = tasks.find(|task| read(task, "comm").trim() == &name[..name.len().min(15)]).unwrap();
    let status = read(&task, "status");
    let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    let nanos = read(&task, "schedstat").split_whitespace().next().unwrap().parse().unwrap();
    (switches.trim().parse().unwrap(), nanos)
}

#[test]
#[cfg(target_os = "linux")]
fn who_spins_keeps_its_core_and_who_sleeps_costs_next_to_nothing() {
    for way in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let mut producer = ring(&path);
        let session = Session::builder().config("firesteel.wait", way).build().unwrap();
        let query = copy(&session, &path, way);
        push(&mut producer, 0..10);
        query.process_all_available().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let name = format!("firesteel-{way}");
        let before = thread_costs(&name);
        std::thread::sleep(Duration::from_millis(500));
        let after = thread_costs(&name);
        let (switches, nanos) = (after.0 - before.0, after.1 - before.1);
        match way {
            "spin" => assert_eq!(switches, 0, "it gave its core away"),
            // A hundredth of a core; it takes a fiftieth of that, but debug builds and busy machines are slow.
            _ => assert!(nanos < 5_000_000, "{way}: {nanos} ns of 500 ms, woken {switches} times"),
        }
        query.stop().unwrap();
    }
}
