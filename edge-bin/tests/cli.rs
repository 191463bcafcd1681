//! The binary as users meet it: verbs, exit statuses, messages, pipes, two processes and a ring between them.
#![allow(clippy::unwrap_used, reason = "a test that cannot start the binary has failed")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn firesteel(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    firesteel(args).output().unwrap()
}

fn run_with_stdin(args: &[&str], stdin: &str) -> Output {
    let mut child = firesteel(args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn job(folder: &Path, sql: &str) -> String {
    let path = folder.join("job.sql");
    fs::write(&path, sql).unwrap();
    path.to_str().unwrap().into()
}

fn readings(folder: &Path) -> String {
    let path = folder.join("readings.csv");
    fs::write(&path, "ts,sensor,value\n2025-01-01 00:00:01,a,1.5\n2025-01-01 00:00:12,a,2.5\n").unwrap();
    path.to_str().unwrap().into()
}

const TABLE: &str =
    "CREATE TABLE r (ts TIMESTAMP, sensor STRING, value DOUBLE) USING csv OPTIONS (path '${FILE}', header 'true');\n";

#[test]
fn a_batch_prints_rows_in_the_format_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("FILE={}", readings(folder.path()));
    let job = job(folder.path(), &format!("{TABLE}SELECT ts, sensor, value * 2 AS twice FROM r ORDER BY ts;"));
    let cases = [
        ("json", "{\"ts\": \"2025-01-01 00:00:01\", \"sensor\": \"a\", \"twice\": 3.0}\n"),
        ("csv", "ts,sensor,twice\n2025-01-01 00:00:01,a,3.0\n"),
        ("table", "ts                   sensor  twice\n-------------------  ------  -----\n"),
    ];
    for (format, start) in cases {
        let out = run(&["run", &job, "--set", &file, "--format", format]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        assert!(text(&out.stdout).starts_with(start), "{format}: {}", text(&out.stdout));
        assert_eq!(text(&out.stderr), "", "words only when there is something to say");
    }
}

#[test]
fn mistakes_show_where_and_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("FILE={}", readings(folder.path()));
    let job = job(folder.path(), &format!("{TABLE}SELECT avg(vale) FROM r;"));
    for verb in ["run", "check", "explain"] {
        let out = run(&[verb, &job, "--set", &file]);
        assert_eq!(out.status.code(), Some(2), "{verb}");
        let words = text(&out.stderr);
        for part in ["UNRESOLVED_COLUMN", "job.sql:2:12", "^^^^", "hint: did you mean `value`?"] {
            assert!(words.contains(part), "{part} in {words}");
        }
        assert_eq!(text(&out.stdout), "");
    }
}

#[test]
fn the_environment_chooses_the_instruction_set() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(folder.path(), "SELECT 1 AS one;");
    let explain = |level: &str| firesteel(&["explain", &job]).env("FIRESTEEL_SIMD", level).output().unwrap();
    for (name, line) in [("scalar", "Kernels use scalar, this CPU has "), ("", "the best of this CPU\n")] {
        let out = explain(name);
        assert!(text(&out.stdout).contains(line) && out.stderr.is_empty(), "{name}: {}", text(&out.stdout));
    }
    let out = explain("avx512");
    assert!(text(&out.stdout).contains("Kernels use AVX-512") != text(&out.stderr).contains("warning: FIRESTEEL_SIMD"));
    let out = explain("mmx");
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(2), ""));
    assert!(text(&out.stderr).contains("one of scalar, sse2, neon, avx2, avx512"), "{}", text(&out.stderr));
}

#[test]
fn exit_statuses_tell_a_wrong_job_from_one_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let job = |sql: &str| {
        let path = folder.path().join(format!("{}.sql", sql.len()));
        fs::write(&path, sql).unwrap();
        path.to_str().unwrap().to_string()
    };
    let cases = [
        (vec!["run".into(), job("SELECT 1 AS one;")], 0),
        (vec!["run".into(), job("SELECT 1 / (id - 1) FROM range(3);")], 1),
        (vec!["run".into(), job("SELEC 1;")], 2),
        (vec!["run".into(), "no-such-file.sql".into()], 2),
        (vec!["run".into(), job("SELECT '${MISSING_VARIABLE}'; ")], 2),
        (vec!["run".into(), job("-- nothing to do yet\n;")], 2),
        (vec!["run".into(), job(&format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)))], 2),
        (vec!["run".into(), job(&format!("SELECT '{}' AS wide", "x".repeat(100_000)))], 0),
        (
            vec!["run".into(), job("CREATE TABLE t (a INT) USING csv OPTIONS (path '/no/such*.csv'); SELECT * FROM t")],
            1,
        ),
        (["ring", "create", "/no/ring", "--schema", "a INT", "--capacity", "2TB"].map(String::from).to_vec(), 2),
        (vec!["run".into()], 2),
        (vec!["no-such-verb".into()], 2),
        (vec!["ring".into(), "info".into(), "/no/such/ring".into()], 1),
    ];
    for (args, status) in cases {
        let out = firesteel(&args.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
        assert_eq!(out.status.code(), Some(status), "{args:?}: {}", text(&out.stderr));
        assert_eq!(status == 0, out.stderr.is_empty(), "{args:?} says why: {}", text(&out.stderr));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_job_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(folder.path(), "SELECT id FROM range(100000000);");
    let mut child = firesteel(&["run", &job, "--format", "csv"]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "id\n");
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), ""));
}

#[test]
fn a_pipe_closes_its_windows_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(
        folder.path(),
        "CREATE TABLE r (ts TIMESTAMP, sensor STRING, value DOUBLE) USING csv OPTIONS (path '-');
         SELECT window.start AS at, sensor, count(*) AS n FROM r WATERMARK ts DELAY OF INTERVAL 5 SECONDS
         GROUP BY window(ts, '10 seconds'), sensor;",
    );
    let out = run_with_stdin(&["run", &job, "--format", "csv"], "2025-01-01 00:00:01,a,1\n2025-01-01 00:00:12,a,2\n");
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(text(&out.stdout), "at,sensor,n\n2025-01-01 00:00:00,a,1\n2025-01-01 00:00:10,a,1\n");
}

#[test]
fn rows_appended_by_one_process_come_out_of_another_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("ring").to_str().unwrap().to_string();
    let schema = "ts TIMESTAMP, sensor INT, value DOUBLE";
    assert!(run(&["ring", "create", &ring, "--schema", schema, "--capacity", "1MB"]).status.success());
    let job = job(
        folder.path(),
        "CREATE TABLE r USING ring OPTIONS (path '${RING}');
         SELECT window.start AS at, sensor, count(*) AS n, sum(value) AS s
         FROM r WATERMARK ts DELAY OF INTERVAL 0 SECONDS
         GROUP BY window(ts, '1 second'), sensor;",
    );
    let set = format!("RING={ring}");
    let mut reader = firesteel(&["run", &job, "--set", &set, "--format", "json"]).spawn().unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    for (lane, sensor) in [("a", 1), ("b", 2)] {
        let rows = format!("2025-01-01 00:00:00,{sensor},1.5\n2025-01-01 00:00:00.5,{sensor},2\n");
        let out = run_with_stdin(&["ring", "append", &ring, "--lane", lane], &rows);
        assert!(text(&out.stderr).contains("appended 2 rows"), "{}", text(&out.stderr));
    }
    let last = run_with_stdin(
        &["ring", "append", &ring, "--lane", "a", "--format", "json"],
        "{\"ts\": \"2025-01-01 00:00:09\"}\n",
    );
    assert!(last.status.success(), "{}", text(&last.stderr));
    let mut rows: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
    rows.sort();
    for (row, sensor) in rows.iter().zip([1, 2]) {
        let expected = format!("{{\"at\": \"2025-01-01 00:00:00\", \"sensor\": {sensor}, \"n\": 2, \"s\": 3.5}}");
        assert_eq!(*row, expected);
    }
    stop(&mut reader);
    let info = run(&["ring", "info", &ring]);
    assert!(text(&info.stdout).contains("lane      b: no producer, rows 0 to 2"), "{}", text(&info.stdout));
    let printed = run(&["ring", "read", &ring, "--format", "csv", "--limit", "3"]);
    assert_eq!(text(&printed.stdout).lines().count(), 4);
    assert!(run(&["ring", "check", &ring]).status.success());
}

#[test]
fn available_now_takes_what_is_in_a_ring_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("ring").to_str().unwrap().to_string();
    assert!(run(&["ring", "create", &ring, "--schema", "id INT", "--capacity", "1MB"]).status.success());
    run_with_stdin(&["ring", "append", &ring], "1\n2\n3\n");
    let job = job(folder.path(), "CREATE TABLE r USING ring OPTIONS (path '${RING}'); SELECT sum(id) AS s FROM r;");
    let set = format!("RING={ring}");
    let out = run(&["run", &job, "--set", &set, "--available-now", "--output-mode", "update", "--format", "csv"]);
    assert_eq!((text(&out.stdout), text(&out.stderr)), ("s\n6\n", ""));
}

#[test]
fn the_demo_needs_nothing() {
    let out = run(&["demo", "--seconds", "3", "--interval", "50", "--sensors", "cpu.total,load.1m"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("CREATE TABLE sensors USING ring"), "the SQL is shown");
    assert!(text(&out.stdout).lines().any(|line| line.contains("cpu.total")), "{}", text(&out.stdout));
}

/// Every workload's answer is checked by the verb itself.
#[test]
fn the_benchmark_measures_every_workload_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let out = run(&["bench", "--rows", "8192", "--runs", "1", "--seconds", "1", "--json", "--folder", here]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let lines: Vec<&str> = text(&out.stdout).lines().collect();
    let having = |key: &str| lines.iter().filter(|line| line.starts_with(&format!("{{\"{key}\":"))).count();
    let counts = ["machine", "workload", "latency", "resident_bytes"].map(having);
    assert!(counts[1] >= 15 && [counts[0], counts[2], counts[3]] == [1, 6, 1], "{lines:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let none = run(&["bench", "--only", "no such workload"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("by 1,000 ids"), "{}", text(&none.stderr));
}

#[test]
fn progress_is_sparks_one_object_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("FILE={}", readings(folder.path()));
    let job = job(folder.path(), &format!("{TABLE}SELECT count(*) AS n FROM r;"));
    let progress = folder.path().join("progress.json");
    let progress_text = progress.to_str().unwrap();
    let args = ["run", &job, "--set", &file, "--stream", "--output-mode", "complete", "--progress-file", progress_text];
    assert!(run(&args).status.success());
    let written = fs::read_to_string(&progress).unwrap();
    assert_eq!(written.lines().count(), 1);
    for part in
        ["\"batchId\":0", "\"numInputRows\":2", "\"operatorName\":\"stateStoreSave\"", "FileStreamSource[file:/"]
    {
        assert!(written.contains(part), "{part} in {written}");
    }
}

/// Ends a job as a service manager does, and sees that it ends in order.
fn stop(child: &mut Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the job does not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!((child.wait().unwrap().code(), words.as_str()), (Some(0), ""));
}

#[test]
fn memory_that_is_known_is_shown_and_what_cannot_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("FILE={}", readings(folder.path()));
    let job = job(folder.path(), &format!("{TABLE}SELECT count(*) FROM r GROUP BY ts;"));
    let out = run(&["explain", &job, "--set", &file, "--memory", "64MB"]);
    let plan = text(&out.stdout);
    for part in ["reading r (csv)", "blocks of 4096 rows", "writing the output", "in all", "more than 64.0 MiB"] {
        assert!(plan.contains(part), "{part} in {plan}");
    }
    assert_eq!(run(&["run", &job, "--set", &file, "--memory", "64MB"]).status.code(), Some(0));
    let out = run(&["run", &job, "--set", &file, "--memory", "10KB"]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("may take 10.0 KiB"), "{}", text(&out.stderr));
}
