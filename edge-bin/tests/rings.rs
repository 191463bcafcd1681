//! The binary reads a ring whose files others cut off, empty, replace and remove while it does: it lives, says which
//! lane it leaves alone, and misses no row of the lanes that are whole.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    env,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use common::{Engine, Random, attack, clean, ring, write};
use firesteel_io::ring::Producer;
use tempfile::TempDir;

/// Attacks a test, unless the environment says how many.
const ATTACKS: u64 = 60;
/// Long enough for a loaded machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
const ROWS_OF_A_VICTIM: i64 = 40;
/// The good lane's last row.
const END: i64 = -1;
/// A user that may do nothing.
const NOBODY: u32 = 65_534;

/// The engine on a job that prints the ring.
fn run(dir: &TempDir, ring: &Path, options: &str, arguments: &[&str]) -> Engine {
    Engine::start(&mut command(dir, ring, options, arguments)).unwrap()
}

fn command(dir: &TempDir, ring: &Path, options: &str, arguments: &[&str]) -> Command {
    let job = dir.path().join("job.sql");
    let path = ring.display();
    let table = format!("CREATE TABLE r (id BIGINT, name STRING) USING ring OPTIONS (path '{path}'{options});");
    fs::write(&job, format!("{table}\nSELECT id, name FROM r;")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.arg("run").arg(job).args(["--format", "json"]).args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is_superuser() -> bool {
    fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn no_attack_on_files_of_a_ring_ends_the_engine_or_costs_others_a_row() {
    let attacks = env::var("FIRESTEEL_ATTACKS").map_or(ATTACKS, |text| text.parse().unwrap());
    let seed = env::var("FIRESTEEL_SEED").map_or(0x5EED, |text| text.parse().unwrap());
    let (dir, ring) = ring("attacked");
    let mut good = Producer::open(&ring, Some("good")).unwrap();
    let progress = dir.path().join("progress.json");
    let mut engine = run(&dir, &ring, "", &["--progress-file", progress.to_str().unwrap()]);
    let (out, mut err) = (engine.stdout.take().unwrap(), engine.stderr.take().unwrap());
    let words = thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).unwrap();
        text
    });
    let rows = thread::spawn(move || {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        let id = |line: String| serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"].as_i64().unwrap();
        let ids = lines.map(id).filter(|id| *id % 2 == 0 || *id == END);
        let mut ids: Vec<i64> = ids.take_while(|id| *id != END).collect();
        ids.shrink_to_fit();
        ids
    });
    let mut random = Random(seed);
    let mut next = 0;
    for round in 0..attacks {
        let lane = format!("victim{}", round % 3);
        // The last attack may have left anything there.
        clean(&ring, &lane);
        if let Ok(mut victim) = Producer::open(&ring, Some(&lane)) {
            (0..ROWS_OF_A_VICTIM).for_each(|id| write(&mut victim, 2 * id + 1));
            if random.below(2) == 0 {
                attack(&ring, &lane, &mut random);
            }
        }
        attack(&ring, &lane, &mut random);
        if random.below(12) == 0 {
            attack_own_files(&ring, &mut random);
        }
        for _ in 0..20 {
            write(&mut good, 2 * next);
            next += 1;
        }
        sleep(Duration::from_millis(random.below(6)));
        assert!(engine.try_wait().unwrap().is_none(), "the engine died in round {round}, seed {seed}");
    }
    write(&mut good, END);
    let until = Instant::now() + PATIENCE;
    while !rows.is_finished() {
        assert!(Instant::now() < until, "the last row does not come, seed {seed}");
        assert!(engine.try_wait().unwrap().is_none(), "the engine died, seed {seed}");
        sleep(Duration::from_millis(5));
    }
    assert_eq!(rows.join().unwrap(), (0..next).map(|id| 2 * id).collect::<Vec<_>>(), "seed {seed}");
    Command::new("kill").arg(engine.id().to_string()).status().unwrap();
    assert!(engine.wait().unwrap().success());
    let words = words.join().unwrap();
    assert!(words.contains("a lane is left alone, the others are read on: ") && words.contains("victim"), "{words}");
    let progress = fs::read_to_string(progress).unwrap();
    assert!(progress.contains("unreadableLanes"), "{}", progress.lines().last().unwrap_or_default());
}

/// The reader's cursor and the bell: cut off or removed they are made anew.
fn attack_own_files(ring: &Path, random: &mut Random) {
    let files: Vec<PathBuf> = fs::read_dir(ring).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_own = |path: &&PathBuf| path.extension().is_some_and(|ext| ext == "cursor") || path.ends_with("bell");
    let own: Vec<&PathBuf> = files.iter().filter(is_own).collect();
    let path = own[random.below(own.len() as u64) as usize];
    let _ = match random.below(2) {
        0 => fs::File::options().write(true).open(path).and_then(|file| file.set_len(0)),
        _ => fs::remove_file(path),
    };
}

#[test]
fn a_damaged_ring_is_checked_and_repaired_from_the_shell() {
    let (_dir, ring) = ring("repair");
    let mut producer = Producer::open(&ring, Some("a")).unwrap();
    (0..500).for_each(|id| write(&mut producer, id));
    drop(producer);
    let firesteel = |verb: &str| {
        let out = Command::new(env!("CARGO_BIN_EXE_firesteel")).args(["ring", verb]).arg(&ring).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
    };
    assert_eq!(firesteel("check").0, Some(0));
    assert_eq!(firesteel("repair"), (Some(0), "nothing is damaged\n".into()));
    let lane = ring.join("a.lane");
    let mut bytes = fs::read(&lane).unwrap();
    bytes[8] = 9;
    fs::write(&lane, &bytes).unwrap();
    let (status, words) = firesteel("check");
    assert!(status == Some(1) && words.contains("version 9") && words.contains("firesteel ring repair"), "{words}");
    let (status, words) = firesteel("repair");
    assert_eq!(status, Some(0), "{words}");
    assert!(words.contains("rescued 500 rows, lost 0") && words.contains("a.lane.damaged-1"), "{words}");
    assert_eq!(firesteel("check").0, Some(0));
    assert_eq!(fs::read(ring.join("a.lane.damaged-1")).unwrap(), bytes);
}

/// A producer that writes rows from stdin into what the engine at the socket hands it.
fn append(socket: &Path, lane: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.args(["ring", "append"]).arg(socket).args(["--lane", lane]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn producers_are_handed_lanes_over_a_socket_and_their_rows_come_whatever_becomes_of_them() {
    let (dir, ring) = ring("handed");
    let socket = dir.path().join("in.sock");
    let mut engine = run(&dir, &ring, &format!(", listen '{}', listenLanes '4'", socket.display()), &[]);
    let until = Instant::now() + PATIENCE;
    while !socket.exists() {
        assert!(Instant::now() < until && engine.try_wait().unwrap().is_none(), "nobody listens");
        sleep(Duration::from_millis(2));
    }
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"].as_i64().unwrap()
    };
    let feed = |child: &mut Child, rows: std::ops::Range<i64>| {
        let stdin = child.stdin.as_mut().unwrap();
        rows.for_each(|id| writeln!(stdin, "{id},x").unwrap());
    };
    // One that ends as it should.
    let mut whole = append(&socket, "a").spawn().unwrap();
    feed(&mut whole, 0..100);
    let out = whole.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    (0..100).for_each(|id| assert_eq!(next(), id));
    // More of them than there are lanes, one after the other, killed when their rows were seen.
    for round in 0..6 {
        let mut killed = append(&socket, "b").spawn().unwrap();
        feed(&mut killed, round * 10..round * 10 + 10);
        (0..10).for_each(|id| assert_eq!(next(), round * 10 + id));
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    // A stopped one stops nobody else.
    let mut stopped = append(&socket, "c").spawn().unwrap();
    feed(&mut stopped, 0..1);
    assert_eq!(next(), 0);
    let signal = |name: &str, child: &Child| {
        Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    };
    signal("-STOP", &stopped);
    let mut other = append(&socket, "d").spawn().unwrap();
    feed(&mut other, 7..9);
    assert_eq!((next(), next()), (7, 8));
    signal("-CONT", &stopped);
    feed(&mut stopped, 1..2);
    assert_eq!(next(), 1);
    // Other users come in if they are told so; only the superuser can try.
    if is_superuser() {
        chmod(dir.path(), 0o755);
        let stranger = append(&socket, "e").uid(NOBODY).spawn();
        if let Ok(stranger) = stranger {
            let out = stranger.wait_with_output().unwrap();
            assert!(!out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
        }
    }
    // The engine goes: who writes on is told.
    signal("-TERM", &engine);
    assert!(engine.wait().unwrap().success());
    feed(&mut other, 9..10);
    let out = other.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && words.contains("is gone"), "{words}");
    stopped.kill().unwrap();
    stopped.wait().unwrap();
    assert!(!socket.exists());
}

/// A job with checkpoints is read again while producers are connected: they stay connected, and no row is lost or read
/// twice.
#[test]
fn producers_stay_connected_while_the_job_is_read_again() {
    let (dir, ring) = ring("reload");
    let socket = dir.path().join("in.sock");
    let checkpoint = dir.path().join("checkpoint");
    let options = format!(", listen '{}'", socket.display());
    let mut engine = run(&dir, &ring, &options, &["--checkpoint", checkpoint.to_str().unwrap()]);
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"].as_i64().unwrap()
    };
    let until = Instant::now() + PATIENCE;
    let mut producer = loop {
        match Producer::connect(&socket, Some("a")) {
            Ok(producer) => break producer,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        sleep(Duration::from_millis(2));
    };
    for round in 0..3 {
        (0..10).for_each(|id| write(&mut producer, round * 100 + id));
        (0..10).for_each(|id| assert_eq!(next(), round * 100 + id));
        Command::new("kill").args(["-HUP", &engine.id().to_string()]).status().unwrap();
        for id in 10..100 {
            write(&mut producer, round * 100 + id);
            sleep(Duration::from_millis(2));
        }
        (10..100).for_each(|id| assert_eq!(next(), round * 100 + id));
    }
    Command::new("kill").arg(engine.id().to_string()).status().unwrap();
    assert!(engine.wait().unwrap().success());
    let mut words = String::new();
    engine.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("cannot be read again") && !words.contains("error"), "{words}");
}

/// The engine may not look into its ring for a while, or at one of its lanes: it reads on what is open, and takes up
/// the rest when it may again. Nobody repairs what is only not theirs.
#[test]
fn permission_that_is_taken_away_costs_no_row() {
    if !is_superuser() {
        return println!(
            "SKIPPED, no permission is taken away: only the superuser can run the engine as somebody else"
        );
    }
    let (dir, ring) = ring("denied");
    let give = |path: &Path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut producers = ["good", "closed", "late"].map(|lane| Producer::open(&ring, Some(lane)).unwrap());
    let late = ring.join("late.lane");
    let hidden = dir.path().join("late.lane");
    fs::rename(&late, &hidden).unwrap();
    fs::read_dir(&ring).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    [dir.path(), &ring, &hidden].into_iter().for_each(give);
    let closed = ring.join("closed.lane");
    chmod(&closed, 0);
    let words = dir.path().join("words");
    let stderr = fs::File::create(&words).unwrap();
    let mut engine = command(&dir, &ring, "", &[]);
    let Ok(mut engine) = Engine::start(engine.uid(NOBODY).gid(NOBODY).stderr(stderr)) else {
        return println!("SKIPPED, no permission is taken away: other users may not run the binary where it is");
    };
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap_or_else(|| panic!("{}", fs::read_to_string(&words).unwrap())).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"].as_i64().unwrap()
    };
    let wait_for = |text: &str| {
        let until = Instant::now() + PATIENCE;
        while !fs::read_to_string(&words).unwrap().contains(text) {
            assert!(Instant::now() < until, "no «{text}» in {}", fs::read_to_string(&words).unwrap());
            sleep(Duration::from_millis(2));
        }
    };
    // A lane that may not be read, until it may.
    let [good, closed_one, late_one] = &mut producers;
    write(closed_one, 1);
    write(good, 0);
    assert_eq!(next(), 0);
    wait_for("a lane is left alone, the others are read on: opening ");
    let firesteel = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
        let out = command.args(["ring", verb]).arg(&ring).uid(NOBODY).gid(NOBODY).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
    };
    let (status, text) = firesteel("check");
    assert!(status == Some(1) && text.contains("closed.lane: it could not be looked at"), "{text}");
    assert!(!text.contains("ring repair"), "{text}");
    let (status, text) = firesteel("repair");
    assert!(status == Some(1) && text.contains("nothing was done") && closed.exists(), "{text}");
    chmod(&closed, 0o640);
    assert_eq!(next(), 1);
    // The folder may not be looked into, and a lane comes meanwhile.
    chmod(&ring, 0);
    fs::rename(&hidden, &late).unwrap();
    write(late_one, 3);
    wait_for("the lanes that are open are read on, others come when this is over: listing ");
    write(good, 2);
    assert_eq!(next(), 2);
    chmod(&ring, 0o755);
    assert_eq!(next(), 3);
    Command::new("kill").arg(engine.id().to_string()).status().unwrap();
    assert!(engine.wait().unwrap().success(), "{}", fs::read_to_string(&words).unwrap());
}

/// What readers see in a folder of results, file by file.
fn results(folder: &Path) -> Vec<(PathBuf, String)> {
    let paths = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let seen = paths.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    let mut files: Vec<_> = seen.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    files.sort();
    files
}

/// A job with checkpoints is read again while rows flow, and killed right before, at or behind that: its files hold, in
/// order, what those of an undisturbed run do, and no file that was seen changes.
#[test]
fn a_job_that_is_read_again_while_rows_flow_and_killed_right_then_loses_and_repeats_nothing() {
    let seed = env::var("FIRESTEEL_SEED").map_or(0xDA7A, |text| text.parse().unwrap());
    let mut random = Random(seed);
    let (dir, ring) = ring("reload-killed");
    let [job, out, checkpoint, words] = ["job.sql", "out", "checkpoint", "words"].map(|name| dir.path().join(name));
    let write_job = |round: i64| {
        let text = format!(
            "SET firesteel.checkpoint.interval = '5ms';
             CREATE TABLE r (id BIGINT, name STRING) USING ring OPTIONS (path '{}');
             CREATE TABLE o USING json OPTIONS (path '{}');
             INSERT INTO o SELECT id FROM r WHERE id > -{round};",
            ring.display(),
            out.display()
        );
        fs::write(&job, text).unwrap();
    };
    let start = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
        command.arg("run").arg(&job).args(["--checkpoint", checkpoint.to_str().unwrap()]).args(arguments);
        let stderr = fs::File::create(&words).unwrap();
        Engine::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr)).unwrap()
    };
    let said = || fs::read_to_string(&words).unwrap();
    write_job(1);
    // It must have been there once, or nobody holds rows for it.
    assert!(start(&["--available-now"]).wait().unwrap().success(), "{}", said());
    let mut producer = Producer::open(&ring, Some("a")).unwrap();
    let (mut next, mut seen) = (0, Vec::new());
    for round in 2..10 {
        let mut engine = start(&[]);
        let until = Instant::now() + PATIENCE;
        // Rows flow from before it begins until after its end.
        let has_been_read_again = || said().contains("the job was read again");
        let mut times_asked = 0;
        while !has_been_read_again() {
            assert!(Instant::now() < until && engine.try_wait().unwrap().is_none(), "seed {seed}: {}", said());
            write(&mut producer, next);
            next += 1;
            sleep(Duration::from_micros(200));
            // Who asks too early is told to ask again.
            if results(&out).len() > seen.len() && said().matches("no stream runs yet").count() == times_asked {
                write_job(round);
                Command::new("kill").args(["-HUP", &engine.id().to_string()]).status().unwrap();
                times_asked += 1;
                if random.below(4) == 0 {
                    break;
                }
            }
        }
        sleep(Duration::from_micros(random.below(30_000)));
        engine.kill().unwrap();
        engine.wait().unwrap();
        let now = results(&out);
        seen.iter().for_each(|file| assert!(now.contains(file), "seed {seed}: {file:?} changed after it was seen"));
        seen = now;
    }
    assert!(start(&["--available-now"]).wait().unwrap().success(), "{}", said());
    let lines: String = results(&out).into_iter().map(|(_, text)| text).collect();
    let expected: String = (0..next).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    assert!(lines == expected, "seed {seed}: {} lines, {next} expected, or another order", lines.lines().count());
}
