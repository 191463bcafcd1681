//! `firesteel demo`: this machine's own sensors, through a ring, into one-second windows. Nothing to set up.
//!
//! ```text
//!   sampler thread ──rows──► ring in /dev/shm ──blocks──► the query below ──► live table, or lines when piped
//! ```
//! The two sides share nothing but the ring, as two processes would.

use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use clap::Args;
use firesteel_core::{Error, Result, time::TimeZone};
use firesteel_io::{
    ring::{Producer, RingOptions, StreamFolder},
    session::{Job, JobOptions, JobStop, Session},
    source::host::{self, Sampler, Sensors},
};

use crate::{
    exit::Failure,
    output::{LiveSink, TableSink},
    signals,
};

/// Bytes of the demo's ring: some minutes of samples.
const CAPACITY: &str = "1MB";
/// Longest the sampler sleeps without looking whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Milliseconds between two samples
    #[arg(long, value_name = "MS", default_value = "100", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    interval: u64,
    /// Which sensors, e.g. 'cpu.*,load.1m'
    #[arg(long, value_name = "LIST")]
    sensors: Option<String>,
}

pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let ring = DemoRing::create()?;
    let sql = sql(&ring.path);
    crate::output::tell!("{sql}\n");
    let stop = JobStop::default();
    signals::watch(stop.clone())?;
    let sampler = start_sampler(args, &ring.path, &stop)?;
    let job = Job::parse(&sql, &|_| None)?;
    let options = JobOptions { stop: stop.clone(), ..JobOptions::default() };
    let result = job.run(&Session::new()?, &options, &mut |schema, _| {
        Ok(match std::io::stdout().is_terminal() {
            true => Box::new(LiveSink::new(schema, TimeZone::UTC)),
            false => Box::new(TableSink::new(schema, false, TimeZone::UTC)),
        })
    });
    stop.request();
    let sampled = sampler.join().unwrap_or_else(|_| Err(Error::internal("the sampler has panicked")));
    Ok(result.and(sampled)?)
}

/// The demo's query, for readers to copy.
fn sql(ring: &Path) -> String {
    format!(
        "CREATE TABLE sensors USING ring OPTIONS (path '{}');

SELECT date_format(window.start, 'HH:mm:ss') AS at, sensor, count(*) AS n,
       CAST(min(value) AS DECIMAL(18, 1)) AS low, CAST(avg(value) AS DECIMAL(18, 1)) AS mean,
       CAST(max(value) AS DECIMAL(18, 1)) AS high, any_value(unit) AS unit
FROM sensors WATERMARK ts DELAY OF INTERVAL 0 SECONDS
GROUP BY window(ts, '1 second'), sensor;",
        ring.display()
    )
}

/// Samples into the ring until the job is stopped or the time is over, which stops the job.
fn start_sampler(args: &DemoArgs, ring: &Path, stop: &JobStop) -> Result<JoinHandle<Result<()>>> {
    let sensors = args.sensors.as_deref().map_or_else(Sensors::all, Sensors::parse);
    let mut sampler = Sampler::new(sensors)?;
    let mut producer = Producer::open(ring, Some("host"))?;
    let interval = Duration::from_millis(args.interval);
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let stop = stop.clone();
    let work = move || {
        let mut due = Instant::now() + interval;
        while !stop.is_requested() {
            if end.is_some_and(|end| Instant::now() >= end) {
                stop.request();
            }
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                std::thread::sleep(left.min(STOP_POLL));
                continue;
            }
            sampler.write_to(&mut producer)?;
            due = Instant::now().max(due + interval);
        }
        Ok(())
    };
    let thread = std::thread::Builder::new().name("firesteel-sampler".into()).spawn(work);
    thread.map_err(|e| Error::io(format!("cannot start the sampler: {e}")))
}

/// A ring of the demo's own, removed when the demo ends.
#[derive(Debug)]
struct DemoRing {
    path: PathBuf,
}

impl DemoRing {
    fn create() -> Result<Self> {
        let shared = Path::new("/dev/shm");
        let folder = if shared.is_dir() { shared.to_path_buf() } else { std::env::temp_dir() };
        let path = folder.join(format!("firesteel-demo-{}", std::process::id()));
        let options = RingOptions::parse([("capacity", CAPACITY), ("onFull", "overwrite")])?;
        StreamFolder::create(&path, &host::schema(), &options)?;
        Ok(Self { path })
    }
}

impl Drop for DemoRing {
    fn drop(&mut self) {
        // What cannot be removed is a few files in a folder for such files.
        let _ = fs::remove_dir_all(&self.path);
    }
}
