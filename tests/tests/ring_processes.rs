//! Rings between processes: several producers and readers, each a process of its own, some of them killed or stopped.
//! Every row is checked by every reader.
//!
//! The children are this test program again: the test [`child`] does nothing unless the environment says which part to
//! play, and then plays it.
#![allow(clippy::unwrap_used, reason = "a test whose processes fail has failed")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use firesteel_core::{
    block::BlockRef,
    expr::Settings,
    plan::{Scan, Table},
    schema::Schema,
};
use firesteel_io::{
    ring::{Producer, Reader, ReaderOptions, RingOptions, StreamFolder, Wait, info},
    source::{self, Source, SourceContext},
};

const ROLE: &str = "FIRESTEEL_TEST_RING_ROLE";
/// Long enough for a loaded machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_reader_sees_every_row_of_every_producer_once_and_in_order() {
    let folder = Folder::new("all", "96k");
    let mut readers: Vec<Player> = (0..2).map(|i| folder.play(&format!("read r{i} 3 100000"))).collect();
    readers.iter_mut().for_each(|reader| reader.expect("ready"));
    let mut producers: Vec<Player> = (0..3).map(|i| folder.play(&format!("write lane{i} 100000"))).collect();
    for player in producers.iter_mut().chain(&mut readers) {
        player.succeed();
    }
    let lanes = info(&folder.0).unwrap().lanes;
    assert!(lanes.iter().flatten().all(|lane| lane.rows_published == 100_000 && lane.rows_dropped == 0));
}

#[test]
fn a_killed_producer_loses_nothing_it_published_and_disturbs_nobody() {
    let folder = Folder::new("killed", "96k");
    for round in 0..5 {
        let lane = format!("victim{round}");
        let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
        let mut other = folder.play(&format!("write other{round} 50000"));
        let mut victim = folder.play(&format!("write {lane} 1000000000"));
        let mut rows = Rows::new();
        while rows.of(&lane) < 2_000 * (round + 1) {
            rows.read(&mut reader);
        }
        victim.kill();
        while rows.of(&format!("other{round}")) < 50_000 {
            rows.read(&mut reader);
        }
        other.succeed();
        rows.read_to_end(&mut reader);
        let published = published(&folder.0, &lane);
        assert_eq!(rows.of(&lane), published, "the dead producer's rows");
        assert_eq!((reader.rows_lost(), reader.broken_lanes().len()), (0, 0));
        // The next producer goes on where the dead one's rows end.
        folder.play(&format!("write {lane} {}", published + 1_000)).succeed();
        rows.read_to_end(&mut reader);
        assert_eq!(rows.of(&lane), published + 1_000);
    }
}

#[test]
fn a_killed_reader_holds_nobody_up_while_another_lives() {
    let folder = Folder::new("reader", "96k");
    let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
    let mut victim = folder.play("sleep gone");
    victim.expect("ready");
    let mut producer = folder.play("write a 60000");
    let mut rows = Rows::new();
    while rows.of("a") == 0 {
        rows.read(&mut reader);
    }
    victim.kill();
    while rows.of("a") < 60_000 {
        rows.read(&mut reader);
    }
    producer.succeed();
    assert!(!folder.0.join("gone.cursor").exists(), "the dead reader's cursor was not forgotten");
}

#[test]
fn rows_that_a_killed_reader_had_not_given_back_wait_for_the_next() {
    let folder = Folder::new("alone", "96k");
    let mut victim = folder.play("sleep gone");
    victim.expect("ready");
    victim.kill();
    let mut producer = folder.play("write a 60000");
    thread::sleep(Duration::from_millis(200));
    let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
    let mut rows = Rows::new();
    while rows.of("a") < 60_000 {
        rows.read(&mut reader);
    }
    assert_eq!(reader.rows_lost(), 0);
    producer.succeed();
}

/// A query that is killed again and again, at any moment, sees every row: each run takes its cursor over at once and
/// reads on behind the last position that was written down.
#[test]
fn a_killed_query_goes_on_behind_its_last_checkpoint() {
    let folder = Folder::new("query", "96k");
    let mut producer = folder.play("write a 1000000000");
    for round in 0..6 {
        let mut query = folder.play("query");
        (0..=round).for_each(|_| query.expect("checkpoint"));
        query.kill();
        let reader = info(&folder.0).unwrap().readers.remove(0).unwrap();
        assert_eq!((reader.name.as_str(), reader.is_alive, reader.is_durable), ("query", false, true));
    }
    producer.kill();
    let lane = info(&folder.0).unwrap().lanes.remove(0).unwrap();
    assert!(lane.rows_published > 0 && lane.rows_dropped == 0, "{lane:?}");
}

#[test]
fn a_stopped_producer_keeps_its_lane_and_stops_nobody_else() {
    let folder = Folder::new("stopped", "96k");
    let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
    let mut rows = Rows::new();
    let mut stopped = folder.play("write stopped 1000000000");
    while rows.of("stopped") == 0 {
        rows.read(&mut reader);
    }
    stopped.signal("STOP");
    let mut other = folder.play("write other 30000");
    while rows.of("other") < 30_000 {
        rows.read(&mut reader);
    }
    other.succeed();
    let taken = Producer::open(&folder.0, Some("stopped")).unwrap_err();
    assert!(taken.message().contains(&stopped.child.id().to_string()), "{taken}");
    stopped.signal("CONT");
    let before = rows.of("stopped");
    while rows.of("stopped") < before + 10_000 {
        rows.read(&mut reader);
    }
    stopped.kill();
}

#[test]
fn a_zombie_holds_no_lane() {
    let folder = Folder::new("zombie", "96k");
    let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
    let mut rows = Rows::new();
    let mut victim = folder.play("write a 1000000000");
    while rows.of("a") == 0 {
        rows.read(&mut reader);
    }
    // Killed, and nobody has asked for its status: its number is still taken.
    victim.child.kill().unwrap();
    let killed = Instant::now();
    let next = loop {
        match Producer::open(&folder.0, Some("a")) {
            Ok(next) => break next,
            Err(error) => assert!(killed.elapsed() < Duration::from_secs(5), "{error}"),
        }
    };
    assert!(Path::new("/proc").join(victim.child.id().to_string()).exists(), "it is a zombie still");
    assert!(next.rows_published() > 0);
}

/// Another process has the dead producer's number: it is not taken for the owner. Needs the right to say which number
/// comes next; without it there is nothing to test.
#[test]
#[cfg(target_os = "linux")]
fn a_process_that_has_the_number_of_a_dead_producer_does_not_own_its_lane() {
    let folder = Folder::new("number", "96k");
    for _ in 0..20 {
        let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
        let mut rows = Rows::new();
        let mut victim = folder.play("write a 1000000000");
        while rows.read(&mut reader) == 0 {}
        let number = victim.child.id();
        victim.kill();
        // When a process started is known to a hundredth of a second: numbers do not come round sooner by themselves.
        thread::sleep(Duration::from_millis(30));
        if fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).is_err() {
            return;
        }
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let is_same = other.id() == number;
        if is_same {
            assert!(!info(&folder.0).unwrap().lanes.iter().flatten().any(|lane| lane.pid == Some(number)));
            Producer::open(&folder.0, Some("a")).unwrap();
        }
        other.kill().unwrap();
        other.wait().unwrap();
        if is_same {
            return;
        }
        // Somebody else on the machine took the number; once more.
    }
}

#[test]
fn of_two_who_claim_a_lane_one_gets_it_and_the_other_is_told_who_has_it() {
    let folder = Folder::new("claims", "96k");
    for round in 0..10 {
        let mut both: Vec<Player> = (0..2).map(|_| folder.play(&format!("claim lane{round}"))).collect();
        let words: Vec<String> = both.iter_mut().map(|player| player.line_with("claim: ")).collect();
        let owner = words.iter().position(|words| words.ends_with("mine"));
        let owner = owner.unwrap_or_else(|| panic!("nobody got it: {words:?}"));
        let number = both[owner].child.id().to_string();
        assert!(words[1 - owner].contains("is written") && !words[1 - owner].ends_with("mine"), "{words:?}");
        // Who comes in the very moment between the claim and the name may not learn the name yet.
        let is_named = words[1 - owner].contains(&number);
        assert!(is_named || !words[1 - owner].contains("by process"), "{words:?}");
        both.iter_mut().for_each(Player::kill);
    }
}

/// Readers and producers meet while the folder is being made, again and again: nobody ever maps half a file.
/// `FIRESTEEL_COLD_STARTS=1000` for a night's worth.
#[test]
fn cold_starts_never_meet_half_a_file() {
    let rounds = env::var("FIRESTEEL_COLD_STARTS").map_or(15, |text| text.parse().unwrap());
    for round in 0..rounds {
        let folder = Folder::new(&format!("cold{round}"), "96k");
        fs::remove_dir_all(&folder.0).unwrap();
        let mut players: Vec<Player> = (0..3).map(|i| folder.play(&format!("start lane{i} 50"))).collect();
        players.iter_mut().for_each(Player::succeed);
        let mut reader = Reader::open(&folder.0, ReaderOptions::default()).unwrap();
        let mut rows = Rows::new();
        rows.read_to_end(&mut reader);
        (0..3).for_each(|i| assert_eq!(rows.of(&format!("lane{i}")), 50));
    }
}

/// Plays the part that the environment names: `ROLE NAME ...` on the ring in `FIRESTEEL_TEST_RING_PATH`.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let path = PathBuf::from(env::var_os("FIRESTEEL_TEST_RING_PATH").unwrap());
    let words: Vec<&str> = role.split(' ').collect();
    match words[..] {
        ["write", lane, rows] => write(&path, lane, rows.parse().unwrap()),
        ["start", lane, rows] => {
            StreamFolder::open_or_create(&path, &schema(), &options("96k")).unwrap();
            write(&path, lane, rows.parse().unwrap());
        }
        ["read", name, lanes, rows] => read(&path, name, lanes.parse().unwrap(), rows.parse().unwrap()),
        ["query"] => query(&path),
        ["claim", lane] => {
            let claimed = Producer::open(&path, Some(lane));
            println!("claim: {}", claimed.as_ref().map_or_else(ToString::to_string, |_| "mine".into()));
            thread::sleep(PATIENCE);
        }
        ["sleep", name] => {
            let options = ReaderOptions { name: Some(name.into()), ..ReaderOptions::default() };
            let _reader = Reader::open(&path, options).unwrap();
            println!("ready");
            thread::sleep(PATIENCE);
        }
        _ => panic!("no such part: {role}"),
    }
}

/// Writes the lane up to `rows` rows, in portions of changing size.
fn write(path: &Path, lane: &str, rows: u64) {
    let mut producer = Producer::open(path, Some(lane)).unwrap();
    let mut portion = 1;
    for n in producer.rows_published()..rows {
        let stored = producer.push(&[(n as i64).into(), text(n).as_deref().into(), (n as f64 / 2.0).into()]);
        assert!(stored.unwrap());
        if n % portion == 0 {
            producer.publish();
            portion = portion % 97 + 1;
        }
    }
}

fn read(path: &Path, name: &str, lanes: usize, rows_per_lane: u64) {
    let options = ReaderOptions { name: Some(name.into()), ..ReaderOptions::default() };
    let mut reader = Reader::open(path, options).unwrap();
    println!("ready");
    let mut rows = Rows::new();
    while rows.counts.len() < lanes || rows.counts.iter().any(|(_, count)| *count < rows_per_lane) {
        rows.read(&mut reader);
    }
    assert_eq!(reader.rows_lost(), 0);
}

/// Reads without end from the position that was written down, and writes down and releases where it is now and then.
fn query(path: &Path) {
    let table = Table {
        name: "t".into(),
        provider: "ring".into(),
        options: vec![("path".into(), path.to_str().unwrap().into())],
        schema: schema(),
    };
    let scan = Scan { schema: schema(), needed: vec![true; 3], table: table.into(), is_stream: true };
    let mut source = source::open(&scan, &Settings::default(), &SourceContext::default()).unwrap();
    let place = path.join("place");
    source.hold("query", "checkpoint".as_ref()).unwrap();
    let known = fs::read_to_string(&place).map_or(serde_json::Value::Null, |text| serde_json::from_str(&text).unwrap());
    source.seek(&known).unwrap();
    let mut next = known["lanes"].as_object().map_or(0, |lanes| lanes.values().next().unwrap().as_u64().unwrap());
    let mut reader = source.reader().unwrap();
    for epoch in 1.. {
        let mut parts = Vec::new();
        while !source.plan(&mut parts).unwrap() {
            source.wait(Duration::from_millis(50), Wait::Adaptive).unwrap();
        }
        for part in &parts {
            let take = &mut |block: &BlockRef<'_>| {
                check_rows(block);
                assert_eq!(block.column(0).as_slice::<i64>()[0] as u64, next, "the next row");
                next += block.len() as u64;
                Ok(())
            };
            reader.read(part, take).unwrap();
        }
        source.commit().unwrap();
        if epoch % 3 == 0 || source.pressure() > 0.5 {
            checkpoint(&mut *source, &place);
        }
    }
}

fn checkpoint(source: &mut dyn Source, place: &Path) {
    let position = source.position();
    fs::write(place.with_extension("new"), position.to_string()).unwrap();
    fs::rename(place.with_extension("new"), place).unwrap();
    source.release(&position).unwrap();
    println!("checkpoint");
}

/// What row `n` of a lane says besides `n`; NULL now and then.
fn text(n: u64) -> Option<String> {
    (!n.is_multiple_of(5)).then(|| "abcdefghij"[..(n % 11) as usize].into())
}

/// Rows read of each lane; checks that they come one after the other and say what they should.
struct Rows {
    counts: Vec<(String, u64)>,
    since: Instant,
}

impl Rows {
    fn new() -> Self {
        Self { counts: Vec::new(), since: Instant::now() }
    }

    fn of(&self, lane: &str) -> u64 {
        self.counts.iter().find(|(name, _)| name == lane).map_or(0, |(_, count)| *count)
    }

    fn read(&mut self, reader: &mut Reader) -> u64 {
        assert!(self.since.elapsed() < PATIENCE, "rows do not come; so far: {:?}", self.counts);
        let mut portions: Vec<(usize, Vec<i64>)> = Vec::new();
        let total = reader
            .poll(Duration::from_millis(200), |lane, block| {
                check_rows(block);
                portions.push((lane, block.column(0).as_slice::<i64>().to_vec()));
                Ok(())
            })
            .unwrap();
        reader.commit_read().unwrap();
        let lanes = reader.lanes();
        for (lane, ids) in portions {
            self.count(&lanes[lane].name, &ids);
        }
        total
    }

    fn read_to_end(&mut self, reader: &mut Reader) {
        let end = reader.end_positions().unwrap();
        reader.set_limits(Some(end));
        while !reader.is_at_limits() {
            self.read(reader);
        }
        reader.set_limits(None);
    }

    fn count(&mut self, lane: &str, ids: &[i64]) {
        if self.counts.iter().all(|(name, _)| name != lane) {
            self.counts.push((lane.into(), 0));
        }
        let (_, count) = self.counts.iter_mut().find(|(name, _)| name == lane).unwrap();
        // A reader that comes late starts with the oldest row there is.
        if *count == 0 {
            *count = ids[0] as u64;
        }
        for &id in ids {
            assert_eq!(id as u64, *count, "a row of {lane} out of its order");
            *count += 1;
        }
    }
}

fn check_rows(block: &BlockRef<'_>) {
    let (ids, texts, halves) = (block.column(0), block.column(1), block.column(2));
    let halves = halves.as_slice::<f64>();
    for (i, &id) in ids.as_slice::<i64>().iter().enumerate() {
        let found = texts.is_valid(i).then(|| texts.str_at(i).to_string());
        assert_eq!(found, text(id as u64), "the text of row {id}");
        assert_eq!(halves[i], id as f64 / 2.0);
    }
}

fn published(path: &Path, lane: &str) -> u64 {
    let lanes = info(path).unwrap().lanes;
    lanes.iter().flatten().find(|info| info.name == lane).unwrap().rows_published
}

fn schema() -> Schema {
    Schema::parse_ddl("n BIGINT NOT NULL, text STRING, half DOUBLE").unwrap()
}

fn options(capacity: &str) -> RingOptions {
    RingOptions::parse([("capacity", capacity)]).unwrap()
}

/// A stream's folder, in memory if the machine has such a place; removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, capacity: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.into() } else { env::temp_dir() };
        let path = base.join(format!("firesteel-processes-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        StreamFolder::create(&path, &schema(), &options(capacity)).unwrap();
        Self(path)
    }

    fn play(&self, role: &str) -> Player {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, role)
            .env("FIRESTEEL_TEST_RING_PATH", &self.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Player { role: role.into(), child, output }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child process; killed if the test ends before it.
struct Player {
    role: String,
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Player {
    /// Waits for a line of its output that ends so.
    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        while !line.trim_end().ends_with(word) {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "{} ended before it said {word}", self.role);
        }
    }

    /// The next line of its output with this in it.
    fn line_with(&mut self, word: &str) -> String {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "{} ended before it said {word}", self.role);
        }
        line.trim_end().into()
    }

    fn succeed(&mut self) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return assert!(status.success(), "{} ended with {status}", self.role);
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{} does not end", self.role);
    }

    /// SIGKILL: no destructor runs.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
