//! The Rust API from outside, over real files: batch and stream agree, queries can be watched, waited for and stopped,
//! and what goes wrong is told.
#![allow(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use firesteel::{
    Error, Job, JobOptions, JobStop, OnFailure, QueryEvent, Result, SaveMode, Schema, Streams,
    prelude::*,
    ring::{Cell, Producer, RingOptions, StreamFolder},
    sink::NoopSink,
};

const SCHEMA: &str = "ts TIMESTAMP, dev STRING, v DOUBLE";

fn session() -> Session {
    Session::new().unwrap()
}

/// Puts a file of readings into a folder, whole.
fn add_file(folder: &Path, name: &str, rows: &[(&str, &str, f64)]) {
    let lines =
        rows.iter().map(|(ts, dev, v)| format!("{{\"ts\": \"2025-01-01 {ts}\", \"dev\": \"{dev}\", \"v\": {v}}}\n"));
    let temporary = folder.join(format!(".{name}"));
    fs::write(&temporary, lines.collect::<String>()).unwrap();
    fs::rename(temporary, folder.join(name)).unwrap();
}

fn readings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    add_file(folder.path(), "0.json", &[("00:00:01", "a", 1.0), ("00:00:02", "b", 2.0), ("00:00:04", "a", 3.0)]);
    add_file(folder.path(), "1.json", &[("00:00:11", "a", 4.0), ("00:00:12", "b", 5.0)]);
    add_file(folder.path(), "2.json", &[("00:00:31", "a", 6.0)]);
    folder
}

fn windows(frame: &DataFrame) -> Result<DataFrame> {
    frame
        .with_watermark("ts", "0 seconds")?
        .group_by([window("ts", "10 seconds")?, col("dev")])
        .agg([count_all().alias("n"), sum("v").alias("total")])?
        .select([col("window.start").alias("at"), col("dev"), col("n"), col("total")])
}

fn sorted(rows: Vec<Row>) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(Row::to_string).collect();
    rows.sort();
    rows
}

#[test]
fn a_stream_ends_with_the_answer_of_the_batch() {
    let (session, folder) = (session(), readings());
    let batch = windows(&session.read().schema(SCHEMA).json(folder.path()).unwrap()).unwrap();
    assert!(!batch.is_streaming());
    let expected = sorted(batch.collect().unwrap());
    assert_eq!(expected.len(), 5);
    let source = session.read_stream().schema(SCHEMA).option("maxFilesPerTrigger", 1).json(folder.path()).unwrap();
    let stream = windows(&source).unwrap();
    assert!(stream.is_streaming());
    for mode in [OutputMode::Append, OutputMode::Complete] {
        let query = stream
            .write_stream()
            .format("memory")
            .query_name("summary")
            .output_mode(mode)
            .trigger(Trigger::AvailableNow)
            .start()
            .unwrap();
        query.await_termination().unwrap();
        let rows = sorted(session.table("summary").unwrap().collect().unwrap());
        match mode {
            // The last window stays open: the watermark has not passed its end.
            OutputMode::Append => assert_eq!(rows, expected[..4]),
            _ => assert_eq!(rows, expected),
        }
        // In append mode an epoch without data follows, to hand out what the last file has closed.
        let watermark = query.last_progress().unwrap().event_time.watermark.unwrap();
        let expected = if mode == OutputMode::Append { "2025-01-01T00:00:31.000Z" } else { "2025-01-01T00:00:12.000Z" };
        assert_eq!(watermark, expected);
    }
}

#[test]
fn foreach_batch_gets_frames_and_epoch_numbers() {
    let (session, folder) = (session(), readings());
    let source = session.read_stream().schema(SCHEMA).option("maxFilesPerTrigger", 1).json(folder.path()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = seen.clone();
    let query = source
        .write_stream()
        .foreach_batch(move |frame, epoch| {
            let high = frame.agg([max("v").alias("high")])?.first()?.unwrap().get::<f64>("high")?;
            calls.lock().unwrap().push((epoch, frame.count()?, high));
            Ok(())
        })
        .trigger(Trigger::AvailableNow)
        .start()
        .unwrap();
    query.await_termination().unwrap();
    assert_eq!(*seen.lock().unwrap(), [(0, 3, 3.0), (1, 2, 5.0), (2, 1, 6.0)]);
}

#[test]
fn a_stream_takes_new_files_until_it_is_stopped() {
    let (session, folder) = (session(), readings());
    let source = session.read_stream().schema(SCHEMA).json(folder.path()).unwrap();
    let query = source.write_stream().format("memory").query_name("copy").start().unwrap();
    query.process_all_available().unwrap();
    assert_eq!(session.table("copy").unwrap().count().unwrap(), 6);
    add_file(folder.path(), "3.json", &[("00:01:00", "c", 7.0)]);
    query.process_all_available().unwrap();
    assert_eq!(session.table("COPY").unwrap().filter("dev = 'c'").unwrap().count().unwrap(), 1);
    assert!(query.is_active());
    assert_eq!(session.streams().active().len(), 1);
    assert_eq!(session.streams().get(query.id()).unwrap().name(), Some("copy"));
    let again = source.write_stream().format("memory").query_name("copy").start().unwrap_err();
    assert!(again.message().contains("running already"), "{again}");
    query.stop().unwrap();
    assert!(!query.is_active() && session.streams().active().is_empty());
    assert_eq!(query.status().message, "Stopped");
}

#[test]
fn listeners_hear_the_start_each_epoch_and_the_end() {
    let (session, folder) = (session(), readings());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = heard.clone();
    session.add_listener(Arc::new(move |event: &QueryEvent<'_>| {
        events.lock().unwrap().push(match event {
            QueryEvent::Started { name, .. } => format!("started {}", name.unwrap_or("")),
            QueryEvent::Progress(progress) => format!("epoch {} rows {}", progress.batch_id, progress.num_input_rows),
            QueryEvent::Terminated { error, .. } => format!("ended {}", error.is_some()),
        });
    }));
    let source = session.read_stream().schema(SCHEMA).option("maxFilesPerTrigger", 2).json(folder.path()).unwrap();
    let query = source.write_stream().format("noop").query_name("q").trigger(Trigger::AvailableNow).start().unwrap();
    query.await_termination().unwrap();
    let expected = ["started q", "epoch 0 rows 5", "epoch 1 rows 1", "ended false"];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[test]
fn a_ring_without_rows_holds_others_back_until_it_is_idle() {
    let (session, folder) = (session(), tempfile::tempdir().unwrap());
    let columns = Schema::parse_ddl("ts TIMESTAMP").unwrap();
    let create =
        |name: &str| StreamFolder::create(&folder.path().join(name), &columns, &RingOptions::default()).unwrap();
    let (busy, _quiet) = (create("busy"), create("quiet"));
    let mut producer = Producer::open_in(busy, None).unwrap();
    let read = |name: &str, idle: Option<&str>| {
        let ring = session.read_stream().format("ring").option("path", folder.path().join(name).display());
        let ring = idle.map_or(ring.clone(), |timeout| ring.option("idleTimeout", timeout));
        ring.load().unwrap().with_watermark("ts", "1 second").unwrap()
    };
    let start = |name: &str, idle: Option<&str>| {
        let both = read("busy", None).union(&read("quiet", idle)).unwrap();
        let counts = both.group_by([window("ts", "1 second").unwrap()]).agg([count_all().alias("n")]).unwrap();
        counts.write_stream().format("memory").query_name(name).start().unwrap()
    };
    let (waits, goes_on) = (start("waits", None), start("goes_on", Some("50 ms")));
    (0..10).for_each(|s| assert!(producer.push(&[Cell::I64(s * 1_000_000)]).unwrap()));
    producer.publish();
    let count = |name: &str| session.table(name).unwrap().count().unwrap();
    let started = Instant::now();
    while count("goes_on") < 8 {
        assert!(started.elapsed().as_secs() < 60, "the quiet ring never became idle");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    waits.process_all_available().unwrap();
    assert_eq!((count("goes_on"), count("waits")), (8, 0));
    [waits, goes_on].iter().for_each(|query| query.stop().unwrap());
}

#[test]
fn a_ring_is_read_while_it_is_filled() {
    let (session, folder) = (session(), tempfile::tempdir().unwrap());
    let path = folder.path().join("readings");
    let columns = Schema::parse_ddl("id INT, v DOUBLE").unwrap();
    let ring = StreamFolder::create(&path, &columns, &RingOptions::default()).unwrap();
    let mut producer = Producer::open_in(ring, None).unwrap();
    let mut add = |ids: std::ops::Range<i32>| {
        ids.for_each(|id| assert!(producer.push(&[Cell::I32(id), Cell::F64(0.5)]).unwrap()));
        producer.publish();
    };
    add(0..10);
    let live = session.read_stream().format("ring").option("path", path.display()).load().unwrap();
    assert_eq!(live.columns(), ["id", "v"]);
    let query = live.filter("id % 2 = 0").unwrap().write_stream().format("memory").query_name("even").start().unwrap();
    query.process_all_available().unwrap();
    let count = || session.table("even").unwrap().count().unwrap();
    assert_eq!(count(), 5);
    add(10..20);
    query.process_all_available().unwrap();
    assert_eq!(count(), 10);
    query.stop().unwrap();
    add(20..30);
    let ddl = format!("CREATE TABLE ring USING ring OPTIONS (path '{}')", path.display());
    session.sql(&ddl).unwrap();
    assert!(session.sql("SELECT * FROM ring").unwrap().is_streaming());
    assert_eq!(
        session.read().table("ring").unwrap().agg([sum("v")]).unwrap().collect().unwrap()[0].to_string(),
        "[15.0]"
    );
}

#[test]
fn a_query_that_fails_says_why() {
    let session = session();
    let numbers = session.create_memory_table("numbers", "x INT").unwrap();
    let stream = session.read_stream().table("numbers").unwrap().select_expr(["10 / x AS y"]).unwrap();
    let query = stream.write_stream().format("memory").query_name("y").start().unwrap();
    numbers.add_rows(&[vec![5.into()]]);
    query.process_all_available().unwrap();
    assert_eq!(session.table("y").unwrap().first().unwrap().unwrap().get::<f64>("y").unwrap(), 2.0);
    numbers.add_rows(&[vec![0.into()]]);
    let error = query.await_termination().unwrap_err();
    assert_eq!(error.error_class(), Some("DIVIDE_BY_ZERO"));
    assert_eq!(query.exception().unwrap().error_class(), Some("DIVIDE_BY_ZERO"));
    assert_eq!(session.table("y").unwrap().count().unwrap(), 1, "the failed epoch left nothing");
    let any = session.streams().await_any_termination().unwrap_err();
    assert_eq!(any.error_class(), Some("DIVIDE_BY_ZERO"));

    let failing = session.read_stream().table("numbers").unwrap();
    let failing = failing.write_stream().foreach_batch(|_, _| Err(Error::invalid("no thanks"))).start().unwrap();
    let error = failing.await_termination().unwrap_err();
    assert!(error.message().contains("no thanks"), "{error}");
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let (session, folder) = (session(), readings());
    let stream = session.read_stream().schema(SCHEMA).json(folder.path()).unwrap();
    let class = |result: Result<()>| result.unwrap_err().error_class().unwrap_or("").to_string();
    assert_eq!(class(stream.collect().map(drop)), "STREAMING_QUERY_NEEDS_WRITE_STREAM");
    assert_eq!(class(stream.select(["nothing"]).map(drop)), "UNRESOLVED_COLUMN.WITH_SUGGESTION");
    assert_eq!(class(stream.filter("v +").map(drop)), "PARSE_SYNTAX_ERROR");
    assert_eq!(class(session.table("nobody").map(drop)), "TABLE_OR_VIEW_NOT_FOUND");
    assert_eq!(class(session.read().json(folder.path()).map(drop)), "UNABLE_TO_INFER_SCHEMA");
    let grouped = stream.group_by(["dev"]).count().unwrap();
    let unbounded = grouped.write_stream().format("memory").query_name("x").start().map(drop);
    assert_eq!(class(unbounded), "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION");
    assert!(session.read().schema("x WHAT").json(folder.path()).is_err());
    assert!(session.read().schema(SCHEMA).json(folder.path()).unwrap().write_stream().format("noop").start().is_err());
    assert!(stream.write_stream().start().unwrap_err().hint_text().unwrap().contains("format"));
    assert!(window("ts", "many").is_err());
}

#[test]
fn verbs_mean_what_sql_means() {
    let session = session();
    let rows = (0..10).map(|i| vec![i.into(), format!("d{}", i % 3).as_str().into(), (f64::from(i) / 2.0).into()]);
    let frame = session.create_data_frame(rows, "id INT, dev STRING, v DOUBLE").unwrap();
    frame.create_or_replace_temp_view("t").unwrap();
    let rooms = session.sql("VALUES ('d0', 'hall'), ('d1', 'attic')").unwrap();
    let rooms = rooms.with_column_renamed("col1", "dev").unwrap().with_column_renamed("col2", "room").unwrap();
    rooms.create_or_replace_temp_view("rooms").unwrap();
    let cases: Vec<(Result<DataFrame>, &str)> = vec![
        (frame.filter(col("v").gt(2)).unwrap().select(["id"]), "SELECT id FROM t WHERE v > 2"),
        (frame.with_column("id", col("id") * 2), "SELECT id * 2 AS id, dev, v FROM t"),
        (frame.with_column("w", col("v") + 1), "SELECT *, v + 1 AS w FROM t"),
        (frame.drop(["V", "none"]), "SELECT id, dev FROM t"),
        (frame.group_by(["dev"]).avg(["v"]), "SELECT dev, avg(v) FROM t GROUP BY dev"),
        (frame.agg([min("v"), count_distinct("dev")]), "SELECT min(v), count(DISTINCT dev) FROM t"),
        (frame.select(["dev"]).unwrap().distinct(), "SELECT DISTINCT dev FROM t"),
        (frame.union(&frame), "SELECT * FROM t UNION ALL SELECT * FROM t"),
        (
            frame.order_by([col("dev").desc(), col("id").asc()]).unwrap().limit(2),
            "SELECT * FROM t ORDER BY 2 DESC, 1 LIMIT 2",
        ),
        (frame.join_using(&rooms, ["dev"], JoinKind::Left), "SELECT * FROM t LEFT JOIN rooms USING (dev)"),
        (
            frame
                .alias("f")
                .unwrap()
                .join(&rooms.alias("r").unwrap(), "f.dev = r.dev", JoinKind::Inner)
                .unwrap()
                .select(["r.room", "f.id"]),
            "SELECT r.room, f.id FROM t f JOIN rooms r ON f.dev = r.dev",
        ),
        (frame.select([col("id"), call_function("upper", [col("dev")])]), "SELECT id, upper(dev) FROM t"),
        (frame.select_expr(["id + 1 AS next", "*"]), "SELECT id + 1 AS next, * FROM t"),
    ];
    for (verbs, text) in cases {
        let (verbs, sql) = (verbs.unwrap(), session.sql(text).unwrap());
        assert_eq!(verbs.columns(), sql.columns(), "{text}");
        assert_eq!(sorted(verbs.collect().unwrap()), sorted(sql.collect().unwrap()), "{text}");
    }
}

#[test]
fn frames_are_written_and_read_back() {
    let (session, folder) = (session(), tempfile::tempdir().unwrap());
    let path = folder.path().join("out");
    session.range(0, 3).write().format("json").save(&path).unwrap();
    session.range(3, 5).write().format("json").save(&path).unwrap();
    let read = session.read().schema("id BIGINT").json(&path).unwrap();
    assert_eq!(read.count().unwrap(), 5);
    session.range(7, 8).write().format("json").mode(SaveMode::Overwrite).save(&path).unwrap();
    assert_eq!(sorted(read.collect().unwrap()), ["[7]"]);
    session.sql("CREATE TABLE kept (x INT, y STRING) USING memory").unwrap();
    session.sql("INSERT INTO kept SELECT id, 'n' || id FROM range(2); INSERT INTO kept (y) VALUES ('only')").unwrap();
    let rows = sorted(session.table("kept").unwrap().collect().unwrap());
    assert_eq!(rows, ["[0,n0]", "[1,n1]", "[null,only]"]);
    let wrong = session.sql("INSERT INTO kept SELECT 'text', 'y'").unwrap_err();
    assert_eq!(wrong.error_class(), Some("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST"));
}

fn run(job: &str, session: &Session, options: &JobOptions) -> Result<()> {
    Job::parse(job, &|_| None)?.run(session, options, &mut |_, _| Ok(Box::new(NoopSink::default())))
}

#[test]
fn streaming_inserts_of_a_job_run_beside_each_other_until_it_is_stopped() {
    let session = session();
    let input = session.create_memory_table("input", "x INT").unwrap();
    session.create_memory_table("evens", "x INT").unwrap();
    session.create_memory_table("odds", "x INT").unwrap();
    let job = "CREATE TEMP VIEW live AS SELECT * FROM STREAM ticks;
               INSERT INTO evens SELECT value FROM live WHERE value % 2 = 0;
               INSERT INTO odds SELECT value FROM live WHERE value % 2 = 1;";
    let job = format!(
        "CREATE TABLE ticks USING rate OPTIONS (rowsPerSecond '1000');{}",
        job.replace("value FROM", "CAST(value AS INT) FROM")
    );
    drop(input);
    let options = JobOptions::default();
    let stop = options.stop.clone();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &session, &options));
        let deadline = Instant::now() + Duration::from_secs(20);
        let count = |name: &str| session.table(name).unwrap().count().unwrap();
        while (count("evens") < 10 || count("odds") < 10) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(stop.running().len(), 2);
        stop.request();
        running.join().unwrap().unwrap();
        assert!(count("evens") >= 10 && count("odds") >= 10);
    });
}

#[test]
fn a_stream_of_a_job_fails_alone() {
    let session = session();
    session.create_memory_table("good", "x BIGINT").unwrap();
    session.create_memory_table("bad", "x BIGINT").unwrap();
    let job = "CREATE TABLE ticks USING rate OPTIONS (rowsPerSecond '1000');
               INSERT INTO bad SELECT 10 div (value - 5) FROM ticks;
               INSERT INTO good SELECT value FROM ticks;";
    let (told, stop) = (Arc::new(Mutex::new(Vec::new())), JobStop::default());
    let errors = told.clone();
    let on_failure: OnFailure = Arc::new(move |error: &Error, _| errors.lock().unwrap().push(error.clone()));
    let options = JobOptions { on_failure: Some(on_failure), stop: stop.clone(), ..JobOptions::default() };
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(job, &session, &options));
        let deadline = Instant::now() + Duration::from_secs(20);
        let wait = |until: &dyn Fn() -> bool| {
            while !until() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wait(&|| !told.lock().unwrap().is_empty());
        let count = || session.table("good").unwrap().count().unwrap();
        let before = count();
        wait(&|| count() > before);
        assert!(count() > before, "the other stream goes on");
        stop.request();
        let error = running.join().unwrap().unwrap_err();
        assert_eq!(error.error_class(), Some("DIVIDE_BY_ZERO"));
        assert_eq!(*told.lock().unwrap(), [error]);
    });
}

#[test]
fn a_job_runs_files_as_batch_or_stream_and_keeps_its_progress() {
    let (folder, input) = (tempfile::tempdir().unwrap(), readings());
    let progress = folder.path().join("progress.jsonl");
    let job = format!(
        "CREATE TABLE ev ({SCHEMA}) USING json OPTIONS (path '{}', maxFilesPerTrigger '1');
         CREATE TABLE counts USING memory;
         INSERT INTO counts SELECT dev, count(*) AS n FROM ev GROUP BY dev;
         SELECT * FROM counts;",
        input.path().display()
    );
    let batch = session();
    run(&job, &batch, &JobOptions::default()).unwrap();
    assert_eq!(sorted(batch.table("counts").unwrap().collect().unwrap()), ["[a,4]", "[b,2]"]);

    let named = Streams::Named(vec!["EV".into()]);
    let options = JobOptions {
        streams: named,
        output_mode: OutputMode::Complete,
        progress_file: Some(progress.clone()),
        ..JobOptions::default()
    };
    let stream = session();
    run(&job, &stream, &options).unwrap();
    assert_eq!(sorted(stream.table("counts").unwrap().collect().unwrap()), ["[a,4]", "[b,2]"]);
    let text = fs::read_to_string(progress).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().all(|line| line.starts_with('{') && line.contains("\"numInputRows\":")), "{text}");
}

#[test]
fn a_job_with_a_mistake_runs_nothing() {
    let (session, folder) = (session(), tempfile::tempdir().unwrap());
    let path = folder.path().join("out");
    let text = format!(
        "CREATE TABLE out USING json OPTIONS (path '{}');\nINSERT INTO out SELECT id FROM range(3);\nSELECT nope FROM out;",
        path.display()
    );
    let error = run(&text, &session, &JobOptions::default()).unwrap_err();
    assert_eq!((error.error_class(), error.span().unwrap().line), (Some("UNRESOLVED_COLUMN.WITH_SUGGESTION"), 3));
    assert!(!path.exists());
    let written = "CREATE TABLE r USING rate; INSERT INTO r SELECT now(), 1L";
    let error = run(written, &session, &JobOptions::default()).unwrap_err();
    assert_eq!(error.error_class(), Some("UNSUPPORTED_FEATURE.TABLE_OPERATION"));
    let options = JobOptions { streams: Streams::Named(vec!["outt".into()]), ..JobOptions::default() };
    let error = run("CREATE TABLE out (id INT) USING memory; SELECT * FROM out", &session, &options).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean `out`?"));
    let job = Job::parse(&text.replace("nope", "id"), &|_| None).unwrap();
    let plan = job.explain(&session, &JobOptions { cores: vec![0, 1], ..JobOptions::default() }).unwrap();
    for part in [
        "Query at line 2: batch, into table out",
        "Query at line 3: batch, into the output",
        "core 0: everything; the query cannot be shared out",
    ] {
        assert!(plan.contains(part), "{plan}");
    }
}
