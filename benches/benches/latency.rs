//! Latency of a whole query, as `firesteel bench` measures it: three queries, each with every way of waiting
//! (`SET firesteel.wait`). Beside the latencies stand the time that the hypervisor took away meanwhile, and what the
//! waiting query takes of a core while no rows come.
//!
//! `cargo bench --bench latency [-- QUERY] [WAIT] [ROWS]` measures; `cargo test --benches` runs a few rows of each.
#![allow(clippy::unwrap_used, reason = "a bench whose query cannot run has failed")]

#[path = "../../edge-bin/src/command/bench/latency/mod.rs"]
mod latency;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use latency::{Histogram, Query, ROWS_PER_SECOND, Rig};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_full = arguments.iter().any(|a| a == "--bench");
    let number = |argument: &String| argument.parse::<u64>().ok();
    let names: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-') && number(a).is_none()).collect();
    let rows_full = if is_full { 5 * ROWS_PER_SECOND } else { 20_000 };
    let rows = arguments.iter().find_map(number).unwrap_or(rows_full);
    // Before what counts: pages are touched and caches filled.
    let warm_up = rows / 10;
    println!("latency at {ROWS_PER_SECOND} rows/s, open loop, {rows} rows; microseconds");
    println!(
        "{:8} {:9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "query", "wait", "p50", "p99", "p99.9", "max", "results", "stolen", "idle CPU"
    );
    for query in Query::ALL {
        for wait in ["spin", "adaptive", "sleep"] {
            let is_wanted = |name: &&String| name.as_str() == query.name() || name.as_str() == wait;
            if names.is_empty() || names.iter().all(is_wanted) {
                let outcome = measure(query, wait, warm_up, rows, is_full);
                println!("{:8} {wait:9} {outcome}", query.name());
            }
        }
    }
}

/// What was measured of one query.
struct Outcome {
    nanos: Histogram,
    stolen: f64,
    idle_cpu: Option<f64>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        for quantile in [0.5, 0.99, 0.999] {
            write!(f, "{:9.2} ", micros(self.nanos.quantile(quantile)))?;
        }
        write!(f, "{:9.2} {:9} {:7.2}%", micros(self.nanos.max()), self.nanos.len(), self.stolen * 100.0)?;
        self.idle_cpu.map_or(Ok(()), |cpu| write!(f, " {:7.3}%", cpu * 100.0))
    }
}

fn measure(query: Query, wait: &str, warm_up: u64, rows: u64, is_full: bool) -> Outcome {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let mut rig = Rig::start(query, wait, &base, None).unwrap();
    // The first rows, for warmth, are not counted.
    rig.run(warm_up, None).unwrap();
    let mut nanos = Histogram::new();
    let before = stolen_ticks();
    let clock = Instant::now();
    rig.run(rows, Some(&mut nanos)).unwrap();
    let ticks = clock.elapsed().as_secs_f64() * 100.0 * core_count();
    let stolen = (stolen_ticks() - before) as f64 / ticks;
    let idle_cpu = (is_full && wait != "spin").then(idle_cpu);
    rig.stop().unwrap();
    Outcome { nanos, stolen, idle_cpu }
}

/// The share of a core that the process takes while no rows come.
fn idle_cpu() -> f64 {
    std::thread::sleep(Duration::from_millis(500));
    let (before, clock) = (cpu_nanos(), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    (cpu_nanos() - before) as f64 / clock.elapsed().as_nanos() as f64
}

fn core_count() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

/// Hundredths of a second that the hypervisor gave our cores to others.
fn stolen_ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines().next().and_then(|line| line.split_whitespace().nth(8)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Time on a core of all threads of this process.
fn cpu_nanos() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.sum()
}
