//! The binary where the system gives it little: few open files, few threads, little address space. It does with what
//! there is, or says at the start what it lacks and where to get it; no row is passed over and nothing panics.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use firesteel_core::schema::Schema;
use firesteel_io::ring::{Producer, RingOptions, StreamFolder};
use tempfile::TempDir;

const FILES: usize = 40;
const LANES: usize = 20;
/// Nobody else's, because what counts are all threads of a user.
const USER: u32 = 65_433;

/// A folder of files of a row each, a ring with lanes of a row each, and a job for either.
fn jobs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("in")).unwrap();
    (0..FILES).for_each(|id| fs::write(path(&format!("in/{id}.json")), format!("{{\"id\":{id}}}")).unwrap());
    let options = RingOptions::parse([("capacity", "200k")]).unwrap();
    let schema = Schema::parse_ddl("id BIGINT").unwrap();
    let ring = StreamFolder::create(&path("ring"), &schema, &options).unwrap();
    for id in 0..LANES {
        let mut producer = Producer::open_in(ring.clone(), Some(&format!("lane{id}"))).unwrap();
        producer.push(&[(id as i64).into()]).unwrap();
        producer.publish();
    }
    let at = dir.path().display();
    let write = |name: &str, text: String| fs::write(path(name), text).unwrap();
    write(
        "files.sql",
        format!(
            "CREATE TABLE i (id BIGINT) USING json OPTIONS (path '{at}/in', maxFilesPerTrigger '1');
             CREATE TABLE o USING json OPTIONS (path '{at}/out');
             INSERT INTO o SELECT id FROM i;"
        ),
    );
    write("ring.sql", format!("CREATE TABLE r (id BIGINT) USING ring OPTIONS (path '{at}/ring'); SELECT id FROM r;"));
    dir
}

/// Runs a job under limits of `prlimit`; gives its status, its output, and what it said.
fn run(dir: &TempDir, limit: &str, job: &str, arguments: &[&str], user: Option<u32>) -> (Option<i32>, String, String) {
    let mut command = Command::new("prlimit");
    command.arg(limit).arg(env!("CARGO_BIN_EXE_firesteel")).arg("run").arg(dir.path().join(job));
    command.args(["--format", "json"]).args(arguments).stdin(Stdio::null());
    user.iter().for_each(|user| _ = command.uid(*user).gid(*user));
    let out = command.output().unwrap();
    let words = String::from_utf8(out.stderr).unwrap();
    assert!(!words.contains("panicked"), "{words}");
    (out.status.code(), String::from_utf8(out.stdout).unwrap(), words)
}

/// Rows in a folder of results.
fn rows(folder: &Path) -> usize {
    let files = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let seen = files.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    seen.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum()
}

fn has_prlimit() -> bool {
    let has = Command::new("prlimit").arg("--version").output().is_ok();
    if !has {
        println!("SKIPPED, nothing is limited: there is no prlimit");
    }
    has
}

#[test]
fn few_open_files_do_for_many_files_and_are_asked_for_where_lanes_need_more() {
    if !has_prlimit() {
        return;
    }
    let dir = jobs();
    let checkpoint = dir.path().join("checkpoint");
    let stream = ["--stream", "--checkpoint", checkpoint.to_str().unwrap()];
    let (status, _, words) = run(&dir, "--nofile=12", "files.sql", &stream, None);
    assert_eq!((status, rows(&dir.path().join("out"))), (Some(0), FILES), "{words}");
    // A lane takes a file each: one that cannot be opened is no lane without rows.
    let (status, out, words) = run(&dir, "--nofile=16", "ring.sql", &["--available-now"], None);
    assert_eq!((status, out.as_str()), (Some(1), ""), "{words}");
    assert!(words.contains("Too many open files") && words.contains("LimitNOFILE="), "{words}");
    // What the process may allow itself it does.
    let (status, out, words) = run(&dir, "--nofile=16:200", "ring.sql", &["--available-now"], None);
    assert_eq!((status, out.lines().count()), (Some(0), LANES), "{words}");
}

#[test]
fn threads_that_are_not_given_are_asked_for() {
    let dir = jobs();
    if fs::metadata(dir.path()).unwrap().uid() != 0 || !has_prlimit() {
        return println!("SKIPPED, no threads are counted: only the superuser can run the binary as another user");
    }
    chown(dir.path(), Some(USER), Some(USER)).unwrap();
    let mut refused = 0;
    for threads in 1.. {
        let checkpoint = dir.path().join("checkpoint");
        let stream = ["--stream", "--checkpoint", checkpoint.to_str().unwrap()];
        let (status, _, words) = run(&dir, &format!("--nproc={threads}"), "files.sql", &stream, Some(USER));
        if status == Some(0) {
            break;
        }
        if words.contains("failed to execute") {
            return println!("SKIPPED, no threads are counted: other users may not run the binary where it is");
        }
        refused += 1;
        assert!(status == Some(1) && refused < 10, "{words}");
        assert!(words.contains("cannot start a thread") && words.contains("TasksMax="), "{words}");
    }
    assert!(refused > 1, "the watch for signals, the writer of checkpoints and the query have threads");
    assert_eq!(rows(&dir.path().join("out")), FILES);
}

#[test]
fn a_lane_that_there_is_no_address_space_for_is_refused_at_the_start() {
    if !has_prlimit() {
        return;
    }
    let dir = jobs();
    let ring = StreamFolder::open(&dir.path().join("ring")).unwrap();
    let big = dir.path().join("big");
    let options = RingOptions::parse([("capacity", "128MB")]).unwrap();
    let ring = StreamFolder::create(&big, ring.schema(), &options).unwrap();
    drop(Producer::open_in(ring, Some("a")).unwrap());
    let job = format!("CREATE TABLE r (id BIGINT) USING ring OPTIONS (path '{}'); SELECT id FROM r;", big.display());
    fs::write(dir.path().join("big.sql"), job).unwrap();
    let (status, out, words) = run(&dir, "--as=120000000", "big.sql", &["--available-now"], None);
    assert_eq!((status, out.as_str()), (Some(1), ""), "{words}");
    assert!(words.contains("Cannot allocate memory") && words.contains("MemoryMax="), "{words}");
}
