//! The binary when its results cannot be written for a while: the disk is full, the folder is away or no longer ours,
//! nobody reads. It waits or drops and counts, says so, goes on by itself, and can be stopped meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest that anything here may take; nothing is said about how fast it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who runs the binary where the superuser may do what others may not.
const NOBODY: u32 = 65_534;

/// A query from numbers to a folder of files.
struct Job {
    dir: TempDir,
    /// Who runs it, if not we.
    user: Option<u32>,
    child: Option<Child>,
}

impl Job {
    fn new(source: &str, options: &str) -> Self {
        // In memory, if there is such a place: many small files are made durable here.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.into() } else { env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("firesteel-full-").tempdir_in(base).unwrap();
        let sql = format!(
            "SET firesteel.checkpoint.interval = '20ms';
             CREATE TABLE numbers USING {source};
             CREATE TABLE results USING json OPTIONS (path '{}' {options});
             INSERT INTO results SELECT value FROM numbers;",
            dir.path().join("out").display()
        );
        fs::write(dir.path().join("job.sql"), sql).unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        Self { dir, user: None, child: None }
    }

    /// One that only may do what its user is permitted to; nothing if such a user cannot run the binary.
    fn of_a_user() -> Option<Self> {
        let mut job = Self::new(ROWS, "");
        if fs::metadata(job.dir.path()).unwrap().uid() == 0 {
            job.user = Some(NOBODY);
            [job.dir.path(), &job.path("out")].iter().for_each(|path| chown(path, job.user, job.user).unwrap());
        }
        let may = job.command(env!("CARGO_BIN_EXE_firesteel")).arg("--version").output().is_ok();
        if !may {
            println!("SKIPPED, no permission is taken away: other users may not run the binary where it is");
        }
        may.then_some(job)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self, before: &str, arguments: &[&str]) {
        let [job, progress] = ["job.sql", "progress"].map(|name| self.path(name).to_str().unwrap().to_string());
        let words = [env!("CARGO_BIN_EXE_firesteel"), "run", &job, "--progress-file", &progress];
        let words: Vec<&str> = words.into_iter().chain(arguments.iter().copied()).collect();
        let mut command = match before {
            "" => self.command(words[0]),
            before => {
                let mut command = Command::new("unshare");
                command.args(["-m", "sh", "-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(words[0]);
                command
            }
        };
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.stderr(File::create(self.path("words")).unwrap()).spawn().unwrap());
    }

    fn words(&self) -> String {
        fs::read_to_string(self.path("words")).unwrap()
    }

    fn wait_for_words(&self, words: &str) {
        wait_until(&|| self.words().contains(words), &|| format!("no «{words}» in {}", self.words()));
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Ends it, and gives its exit status.
    fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        let start = Instant::now();
        let code = self.end();
        assert!(start.elapsed() < PATIENCE / 2, "a stop is not waited for long");
        code
    }

    /// Waits for its end, and gives its exit status.
    fn end(&mut self) -> Option<i32> {
        self.child.take().unwrap().wait().unwrap().code()
    }

    fn set_mode(&self, name: &str, mode: u32) {
        chmod(&self.path(name), mode);
    }

    /// The last progress report.
    fn progress(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.path("progress")).unwrap();
        text.lines().next_back().map(|line| serde_json::from_str(line).unwrap()).unwrap_or_default()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

fn wait_until(is_done: &dyn Fn() -> bool, what: &dyn Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "{}", what());
        sleep(Duration::from_millis(5));
    }
}

/// Takes the values out of all files that readers see: a file that has been read is removed.
fn take_values(folder: &Path, values: &mut BTreeMap<i64, u32>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("half a line: {line}"));
            *values.entry(row["value"].as_i64().unwrap()).or_default() += 1;
        }
        fs::remove_file(path).unwrap();
    }
}

/// Each number once, from 0 on.
fn check_complete(values: &BTreeMap<i64, u32>) {
    assert!(values.values().all(|times| *times == 1), "a row came twice");
    assert_eq!(values.last_key_value().map(|(last, _)| *last + 1), Some(values.len() as i64), "rows are missing");
}

fn may_mount() -> bool {
    let mount = ["-m", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"];
    let may = Command::new("unshare").args(mount).output().is_ok_and(|out| out.status.success());
    if !may {
        println!("SKIPPED, no disk is filled: this user may not mount one");
    }
    may
}

/// Rows as fast as they are taken: nobody waits for a second to be over.
const ROWS: &str = "`rate-micro-batch` OPTIONS (rowsPerBatch '2000')";

#[test]
fn a_full_disk_is_waited_for_and_no_row_is_lost() {
    fill_a_disk(false);
}

#[test]
fn a_full_disk_is_waited_for_with_checkpoints_too() {
    fill_a_disk(true);
}

fn fill_a_disk(checkpoint: bool) {
    if !may_mount() {
        return;
    }
    // A file a second, so that some are shown before there is no room for another.
    let mut job = Job::new("rate OPTIONS (rowsPerSecond '5000')", "");
    let (out, kept) = (job.path("out"), job.path("checkpoint"));
    let mount = format!("mount -t tmpfs -o size=128k none {}", out.display());
    let arguments = ["--checkpoint", kept.to_str().unwrap()];
    job.start(&mount, if checkpoint { &arguments } else { &[] });
    job.wait_for_words("No space left on device (os error 28); the query waits");
    // The folder as the process sees it.
    let pid = job.child.as_ref().unwrap().id();
    let seen = PathBuf::from(format!("/proc/{pid}/root{}", out.display()));
    let mut values = BTreeMap::new();
    take_values(&seen, &mut values);
    job.wait_for_words("results are written again");
    let before = values.len();
    wait_until(
        &|| fs::read_dir(&seen).unwrap().flatten().any(|e| !e.file_name().to_str().unwrap().starts_with('.')),
        &|| format!("nothing comes after {before} rows: {}", job.words()),
    );
    // A memory file system goes with its process: it is held by whoever looks at it.
    let held = File::open(&seen).unwrap();
    let held = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held)));
    take_values(&held, &mut values);
    job.stop();
    take_values(&held, &mut values);
    check_complete(&values);
    assert!(values.len() > before);
    assert!(!job.words().contains("error:") || !checkpoint, "{}", job.words());
}

#[test]
fn a_folder_that_goes_away_is_waited_for_and_no_row_is_lost() {
    let mut job = Job::new(ROWS, "");
    let (out, away) = (job.path("out"), job.path("away"));
    job.start("", &[]);
    let mut values = BTreeMap::new();
    wait_until(&|| fs::read_dir(&out).unwrap().count() > 0, &|| job.words());
    fs::rename(&out, &away).unwrap();
    job.wait_for_words("the query waits");
    take_values(&away, &mut values);
    fs::create_dir(&out).unwrap();
    job.wait_for_words("results are written again");
    assert_eq!(job.stop(), Some(0), "{}", job.words());
    take_values(&out, &mut values);
    check_complete(&values);
}

#[test]
fn rows_are_dropped_and_counted_where_the_table_says_so() {
    let mut job = Job::new(ROWS, ", onFull 'drop_newest'");
    let (out, away) = (job.path("out"), job.path("away"));
    job.start("", &[]);
    wait_until(&|| fs::read_dir(&out).unwrap().count() > 0, &|| job.words());
    fs::rename(&out, &away).unwrap();
    job.wait_for_words("rows are dropped, and counted");
    let dropped = |job: &Job| job.progress()["sink"]["rows"]["dropped"]["rowsDroppedWithoutFolder"].as_u64();
    wait_until(&|| dropped(&job).is_some(), &|| job.words());
    fs::create_dir(&out).unwrap();
    job.wait_for_words("results are written again");
    assert_eq!(job.stop(), Some(0), "{}", job.words());
    let mut values = BTreeMap::new();
    take_values(&away, &mut values);
    take_values(&out, &mut values);
    let progress = job.progress();
    let rows = &progress["sink"]["rows"];
    assert_eq!(rows["written"].as_u64(), Some(values.len() as u64));
    let processed = progress["sources"][0]["rows"]["processed"].as_u64().unwrap();
    assert_eq!(processed, values.len() as u64 + dropped(&job).unwrap());
}

#[test]
fn a_query_that_waits_can_be_stopped_and_goes_on_from_its_checkpoint() {
    let mut job = Job::new(ROWS, "");
    let (out, away, checkpoint) = (job.path("out"), job.path("away"), job.path("checkpoint"));
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    job.start("", &arguments);
    wait_until(&|| fs::read_dir(&out).unwrap().count() > 2, &|| job.words());
    fs::rename(&out, &away).unwrap();
    job.wait_for_words("the query waits");
    assert_eq!(job.stop(), Some(0), "{}", job.words());
    assert!(job.words().contains("they come again from the checkpoint"), "{}", job.words());
    fs::rename(&away, &out).unwrap();
    let shown = || fs::read_dir(&out).unwrap().count();
    let before = shown();
    job.start("", &arguments);
    wait_until(&|| shown() > before + 2, &|| job.words());
    assert_eq!(job.stop(), Some(0), "{}", job.words());
    let mut values = BTreeMap::new();
    take_values(&out, &mut values);
    check_complete(&values);
}

#[test]
fn a_query_whose_output_nobody_reads_can_be_stopped() {
    let mut job = Job::new(ROWS, "");
    fs::write(job.path("job.sql"), format!("CREATE TABLE n USING {ROWS}; SELECT * FROM n;")).unwrap();
    job.start("", &[]);
    // With a pipe that nobody reads in the place of its standard output.
    drop(job.child.take().map(|mut child| child.kill().and_then(|()| child.wait())));
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.arg("run").arg(job.path("job.sql")).stdin(Stdio::null()).stdout(Stdio::piped());
    job.child = Some(command.stderr(File::create(job.path("words")).unwrap()).spawn().unwrap());
    sleep(Duration::from_secs(1));
    assert_eq!(job.stop(), Some(0), "{}", job.words());
}

#[test]
fn a_folder_without_permission_is_refused_at_the_start() {
    let checkpoint_words = "/checkpoint/results: Permission denied";
    for (denied, mode, words) in [
        ("out", 0o555, "error: cannot write into "),
        ("out", 0, "out: Permission denied"),
        ("checkpoint", 0o555, checkpoint_words),
        ("checkpoint", 0, checkpoint_words),
    ] {
        let Some(mut job) = Job::of_a_user() else { return };
        let checkpoint = job.path("checkpoint");
        fs::create_dir(&checkpoint).unwrap();
        chown(&checkpoint, job.user, job.user).unwrap();
        job.set_mode(denied, mode);
        job.start("", &["--checkpoint", checkpoint.to_str().unwrap()]);
        assert_eq!(job.end(), Some(1), "{}", job.words());
        assert!(job.words().contains(words), "{}", job.words());
        assert!(job.words().contains("hint: check the owner and the mode of the folder"), "{}", job.words());
        job.set_mode(denied, 0o755);
        assert!(take_values_of(&job).is_empty(), "nothing was begun");
    }
}

#[test]
fn a_checkpoint_without_permission_is_not_taken_for_a_bad_one() {
    let Some(mut job) = Job::of_a_user() else { return };
    let (out, checkpoint) = (job.path("out"), job.path("checkpoint"));
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    job.start("", &arguments);
    wait_until(&|| fs::read_dir(&out).unwrap().count() > 2, &|| job.words());
    assert_eq!(job.stop(), Some(0), "{}", job.words());
    let generations = || {
        let entries = fs::read_dir(checkpoint.join("results")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "ckpt")).collect::<Vec<_>>()
    };
    let set_modes = |mode| generations().iter().for_each(|path| chmod(path, mode));
    set_modes(0);
    job.start("", &arguments);
    assert_eq!(job.end(), Some(1), "{}", job.words());
    assert!(job.words().contains("error: cannot read ") && !job.words().contains("from-scratch"), "{}", job.words());
    set_modes(0o600);
    job.start("", &arguments);
    let before = fs::read_dir(&out).unwrap().count();
    wait_until(&|| fs::read_dir(&out).unwrap().count() > before + 2, &|| job.words());
    assert_eq!(job.stop(), Some(0), "{}", job.words());
    check_complete(&take_values_of(&job));
}

#[test]
fn permission_that_is_taken_away_is_waited_for_and_no_row_is_lost() {
    let (results, checkpoints) = ("results are written again", "checkpoints are written again");
    for (denied, mode, over) in [
        ("out", 0o555, results),
        ("out", 0, results),
        ("checkpoint/results", 0o555, checkpoints),
        ("checkpoint/results", 0, checkpoints),
    ] {
        let Some(mut job) = Job::of_a_user() else { return };
        let (out, checkpoint) = (job.path("out"), job.path("checkpoint"));
        job.start("", &["--checkpoint", checkpoint.to_str().unwrap()]);
        wait_until(&|| fs::read_dir(&out).unwrap().count() > 2, &|| job.words());
        job.set_mode(denied, mode);
        job.wait_for_words("Permission denied");
        job.set_mode(denied, 0o755);
        job.wait_for_words(over);
        assert_eq!(job.stop(), Some(0), "{denied} {mode:o}: {}", job.words());
        check_complete(&take_values_of(&job));
    }
}

fn take_values_of(job: &Job) -> BTreeMap<i64, u32> {
    let mut values = BTreeMap::new();
    take_values(&job.path("out"), &mut values);
    values
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
