//! The binary as a service: it stops in time, reads its job again without forgetting, starts failed streams again, and
//! tells the service manager how it is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs::{self, File},
    io::Write,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest that anything here may take; nothing is said about how fast it is.
const PATIENCE: Duration = Duration::from_secs(30);

struct Service {
    dir: TempDir,
    child: Option<Child>,
}

impl Service {
    fn new(sql: &str) -> Self {
        let service = Self { dir: tempfile::tempdir().unwrap(), child: None };
        service.write(sql);
        service
    }

    /// `DIR` in the text is the folder of the test.
    fn write(&self, sql: &str) {
        fs::write(self.path("job.sql"), sql.replace("DIR", self.dir.path().to_str().unwrap())).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self, arguments: &[&str], environment: &[(&str, &str)]) -> Option<ChildStdin> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
        command.arg("run").arg(self.path("job.sql")).args(arguments).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(File::create(self.path("words")).unwrap()).spawn().unwrap();
        let input = child.stdin.take();
        self.child = Some(child);
        input
    }

    fn words(&self) -> String {
        fs::read_to_string(self.path("words")).unwrap()
    }

    fn wait_for_words(&self, words: &str) {
        self.wait_for_words_times(words, 1);
    }

    fn wait_for_words_times(&self, words: &str, times: usize) {
        wait_until(&|| self.words().matches(words).count() >= times, &|| format!("no «{words}» in {}", self.words()));
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn end(&mut self) -> Option<i32> {
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// The lines of a folder of results, in order.
    fn lines(&self, folder: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for entry in fs::read_dir(self.path(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                lines.extend(fs::read_to_string(path).unwrap().lines().map(String::from));
            }
        }
        lines.sort();
        lines
    }
}

impl Drop for Service {
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

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_job_that_cannot_stop_is_ended() {
    for (signals, code) in [(1, 1), (2, 130)] {
        let mut service = Service::new("CREATE TABLE n USING rate; SELECT * FROM n;");
        let fifo = service.path("fifo");
        mkfifo(&fifo);
        // Opening it waits for a reader that never comes.
        let _input = service.start(&["--progress-file", fifo.to_str().unwrap()], &[]);
        sleep(Duration::from_millis(300));
        for _ in 0..signals {
            service.signal("-TERM");
            sleep(Duration::from_millis(50));
        }
        assert_eq!(service.end(), Some(code), "{}", service.words());
        assert_eq!(service.words().contains("the job does not stop"), code == 1);
    }
}

const COUNTS: &str = "CREATE TABLE readings (ts TIMESTAMP, key INT) USING csv OPTIONS (path '-');
CREATE TABLE results USING json OPTIONS (path 'DIR/out');
INSERT INTO results SELECT window.start AS at, count(*) AS n FROM readings WATERMARK ts DELAY OF INTERVAL 0 SECONDS
WHERE key < 10 GROUP BY window(ts, '10 seconds');";

/// Rows of a window, by its first second.
fn rows(second: u32, count: usize) -> String {
    format!("2025-01-01 00:00:{second:02},1\n").repeat(count)
}

#[test]
fn a_job_is_read_again_and_forgets_nothing() {
    for with_checkpoint in [false, true] {
        let mut service = Service::new(COUNTS);
        let (progress, checkpoint) = (service.path("progress"), service.path("checkpoint"));
        let mut arguments = vec!["--progress-file", progress.to_str().unwrap()];
        if with_checkpoint {
            arguments.extend(["--checkpoint", checkpoint.to_str().unwrap()]);
        }
        let mut input = service.start(&arguments, &[]).unwrap();
        let rows_seen = || {
            let lines = fs::read_to_string(&progress).unwrap_or_default();
            let reports = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            reports.map(|report| report["numInputRows"].as_u64().unwrap()).sum::<u64>()
        };
        let write = |input: &mut ChildStdin, text: &str, seen: u64| {
            input.write_all(text.as_bytes()).unwrap();
            wait_until(&|| rows_seen() == seen, &|| format!("{} of {seen} rows: {}", rows_seen(), service.words()));
        };
        write(&mut input, &rows(1, 5), 5);
        // What cannot be read or cannot go on is refused, and changes nothing.
        service.write("SELEC 1;");
        service.signal("-HUP");
        service.wait_for_words_times("the job goes on as it was", 1);
        service.write(&COUNTS.replace("count(*)", "sum(key)"));
        service.signal("-HUP");
        service.wait_for_words_times("the job goes on as it was", 2);
        assert!(
            service.words().contains("stream results cannot go on from what it has gathered"),
            "{}",
            service.words()
        );
        write(&mut input, &rows(2, 4), 9);
        service.write(&COUNTS.replace("key < 10", "key < 5"));
        service.signal("-HUP");
        service.wait_for_words("the job was read again");
        write(&mut input, &(rows(3, 3) + "2025-01-01 00:00:04,7\n"), 13);
        write(&mut input, &rows(15, 2), 15);
        drop(input);
        assert_eq!(service.end(), Some(0), "{}", service.words());
        let expected = [(0, 12), (10, 2)].map(|(at, n)| (format!("2025-01-01T00:00:{at:02}.000Z"), n));
        let expected = expected.map(|(at, n)| format!("{{\"at\":\"{at}\",\"n\":{n}}}"));
        assert_eq!(service.lines("out"), expected, "{}", service.words());
    }
}

#[test]
fn the_service_manager_is_told() {
    let abstract_name = format!("firesteel-test-{}", std::process::id());
    for is_abstract in [false, true] {
        let mut service =
            Service::new("CREATE TABLE n USING rate; CREATE TABLE o USING noop; INSERT INTO o SELECT * FROM n;");
        let path = service.path("socket");
        let (socket, name) = if is_abstract {
            let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{abstract_name}"))
        } else {
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_string())
        };
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let next = |skipped: &str| {
            let mut bytes = [0; 256];
            loop {
                let len = socket.recv(&mut bytes).unwrap();
                let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
                if text != skipped {
                    return text;
                }
            }
        };
        let _input = service.start(&[], &[("NOTIFY_SOCKET", &name), ("WATCHDOG_USEC", "400000")]);
        assert_eq!(next("WATCHDOG=1"), "READY=1");
        assert_eq!(next(""), "WATCHDOG=1");
        service.signal("-HUP");
        assert!(next("WATCHDOG=1").starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(next("WATCHDOG=1"), "READY=1");
        service.signal("-TERM");
        assert_eq!(next("WATCHDOG=1"), "STOPPING=1");
        assert_eq!(service.end(), Some(0), "{}", service.words());
    }
}

#[test]
fn a_query_that_hangs_is_not_said_to_live() {
    let mut service = Service::new(
        "CREATE TABLE n USING `rate-micro-batch` OPTIONS (rowsPerBatch '10');
         CREATE TABLE o USING noop; INSERT INTO o SELECT * FROM n;",
    );
    let (path, fifo) = (service.path("socket"), service.path("fifo"));
    let socket = UnixDatagram::bind(&path).unwrap();
    mkfifo(&fifo);
    // Reports go into a pipe that somebody has open and does not read: the query hangs when it is full.
    let _reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let _input = service.start(&["--progress-file", fifo.to_str().unwrap()], &environment);
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = [0; 256];
    while socket.recv(&mut bytes).is_ok() {
        assert!(Instant::now() < deadline, "a hanging query is said to live");
    }
}

#[test]
fn a_stream_that_failed_starts_again_and_the_others_do_not_notice() {
    let mut service = Service::new(
        "SET firesteel.restart = on-failure; SET firesteel.restart.delay = '20ms';
         CREATE TABLE n USING rate OPTIONS (rowsPerSecond '1000');
         CREATE TABLE bad USING json OPTIONS (path 'DIR/out', onFull 'fail');
         CREATE TABLE good USING json OPTIONS (path 'DIR/good');
         INSERT INTO bad SELECT value FROM n;
         INSERT INTO good SELECT value FROM n;",
    );
    let (progress, out) = (service.path("progress"), service.path("out"));
    let _input = service.start(&["--progress-file", progress.to_str().unwrap()], &[]);
    wait_until(&|| out.is_dir() && !service.lines("out").is_empty(), &|| service.words());
    fs::rename(&out, service.path("away")).unwrap();
    fs::write(&out, "in its place").unwrap();
    service.wait_for_words_times("it starts again in", 3);
    assert!(service.words().contains("is not a folder"), "{}", service.words());
    fs::remove_file(&out).unwrap();
    wait_until(&|| out.is_dir() && !service.lines("out").is_empty(), &|| service.words());
    let restarted = || {
        let text = fs::read_to_string(&progress).unwrap();
        let mut reports = text.lines().rev().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        reports.find_map(|report| {
            Some((report["restarts"]["count"].as_u64()?, report["restarts"]["lastError"].to_string()))
        })
    };
    wait_until(&|| restarted().is_some_and(|(count, error)| count >= 3 && error.contains("out")), &|| service.words());
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0), "{}", service.words());
    let good = service.lines("good");
    let values =
        good.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].as_u64().unwrap());
    let mut values: Vec<u64> = values.collect();
    values.sort();
    assert_eq!(values, (0..values.len() as u64).collect::<Vec<_>>(), "the other stream was not disturbed");
}

#[test]
fn a_stream_that_fails_again_and_again_is_given_up() {
    let mut service = Service::new(
        "SET firesteel.restart = on-failure; SET firesteel.restart.delay = '10ms'; SET firesteel.restart.most = 3;
         CREATE TABLE n USING rate OPTIONS (rowsPerSecond '1000');
         CREATE TABLE o USING noop;
         INSERT INTO o SELECT 10 div (value - 5) FROM n;",
    );
    let _input = service.start(&[], &[]);
    assert_eq!(service.end(), Some(1), "{}", service.words());
    assert_eq!(service.words().matches("it starts again in").count(), 3, "{}", service.words());
    assert_eq!(service.words().matches("DIVIDE_BY_ZERO").count(), 4, "{}", service.words());
}
