//! `firesteel bench`: will it hold on my gateway? Runs the engine's typical queries over rows in a ring, on one thread,
//! and sets each rate beside how fast this machine's memory can be read at all.

mod rows;
mod workload;

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use firesteel_core::{Error, Result, simd, simd::Level};
use firesteel_io::session::Session;

use crate::exit::Failure;
use rows::Rows;
use workload::Workload;

/// Doubles that are summed to learn how fast memory can be read: 128 MiB, beyond any cache of a gateway.
const MEMORY_DOUBLES: usize = 16 << 20;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Rows of each workload
    #[arg(long, value_name = "N", default_value = "4194304", value_parser = clap::value_parser!(u64).range(4096..=1 << 32))]
    rows: u64,
    /// Runs of each query, of which the median counts
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Only workloads whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Where the rows lie meanwhile (default: /dev/shm, else the folder for temporary files)
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One JSON object a workload
    #[arg(long)]
    json: bool,
}

/// What one workload came to.
struct Measured {
    name: &'static str,
    /// Rows a second, median run.
    rate: f64,
    /// The share of the memory's read rate that its columns were read with.
    share: f64,
    groups: u64,
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let folder = args.folder.clone().unwrap_or_else(default_folder);
    let wanted = |w: &&Workload| args.only.as_ref().is_none_or(|text| w.name.contains(text.as_str()));
    let workloads: Vec<&Workload> = workload::ALL.iter().filter(wanted).collect();
    if workloads.is_empty() {
        let names: Vec<&str> = workload::ALL.iter().map(|w| w.name).collect();
        return Err(Error::invalid("no workload has that in its name").hint(names.join("; ")).into());
    }
    // The session reads which kernels the environment asks for: before anything is measured.
    let session = Session::new()?;
    let bandwidth = read_bandwidth();
    if !args.json {
        eprintln!("memory is read at {:.1} GB/s by one core; kernels use {}", bandwidth / 1e9, Level::current());
        println!(
            "{:<36} {:>12}  {:>6}  {:>16}  {:>10}",
            "one thread", "M rows/s", "GB/s", "share of memory", "rows out"
        );
    }
    let mut rows: Option<(workload::Data, Rows)> = None;
    for workload in workloads {
        if rows.as_ref().is_none_or(|(data, _)| *data != workload.data) {
            // The old rows go before the new ones come: memory holds one ring at a time.
            drop(rows.take());
            rows = Some((workload.data, Rows::write(&folder, workload.data, args.rows)?));
        }
        if let Some((_, rows)) = &rows {
            let measured = measure(&session, workload, rows, args.runs, bandwidth)?;
            print(&measured, workload, args.json);
        }
    }
    Ok(())
}

fn measure(session: &Session, workload: &Workload, rows: &Rows, runs: u32, bandwidth: f64) -> Result<Measured> {
    // Read as a batch: what is there when the query starts.
    session.read().format("ring").option("path", rows.path.display()).load()?.create_or_replace_temp_view("t")?;
    let mut times = Vec::new();
    let mut groups = 0;
    for _ in 0..runs {
        let begin = Instant::now();
        let (mut counted, mut total) = (0_i64, 0.0);
        groups = 0;
        session.sql(workload.sql)?.for_each_block(|block| {
            let (n, sum) = (block.column(0), block.column(1));
            block.rows().for_each(|row| {
                counted += n.as_slice::<i64>()[row];
                total += sum.as_slice::<f64>()[row];
                groups += 1;
            });
            Ok(())
        })?;
        times.push(begin.elapsed());
        check(workload, rows, counted, total)?;
    }
    times.sort_unstable();
    let rate = rows.count as f64 / times[times.len() / 2].max(Duration::from_nanos(1)).as_secs_f64();
    Ok(Measured { name: workload.name, rate, share: rate * f64::from(workload.bytes) / bandwidth, groups })
}

/// A rate counts only if the answer is right.
fn check(workload: &Workload, rows: &Rows, counted: i64, total: f64) -> Result<()> {
    let Some(times) = workload.times_counted else { return Ok(()) };
    let is_all = counted == i64::from(times) * rows.count as i64;
    // Values are whole, so that their sums are exact.
    let is_sum = workload.sql.contains("value *") || total == f64::from(times) * rows.total;
    match is_all && is_sum {
        true => Ok(()),
        false => Err(Error::internal(format!("{}: counted {counted} rows of sum {total}", workload.name))),
    }
}

fn print(measured: &Measured, workload: &Workload, as_json: bool) {
    let Measured { name, rate, share, groups } = measured;
    let bytes = rate * f64::from(workload.bytes);
    match as_json {
        true => println!(
            "{{\"workload\":\"{name}\",\"rows_per_second\":{rate:.0},\"bytes_per_second\":{bytes:.0},\
             \"share_of_memory\":{share:.3},\"rows_out\":{groups}}}"
        ),
        false => {
            println!("{name:<36} {:>12.0}  {:>6.1}  {:>14.0} %  {groups:>10}", rate / 1e6, bytes / 1e9, share * 100.0)
        }
    }
}

/// Bytes a second that one core reads from memory: the best of some sums over doubles.
fn read_bandwidth() -> f64 {
    let doubles = vec![1.0_f64; MEMORY_DOUBLES];
    let sum = |_| {
        let begin = Instant::now();
        black_box(simd::summarize(black_box(&doubles)));
        begin.elapsed()
    };
    let best = (0..7).map(sum).min().unwrap_or_default().max(Duration::from_nanos(1));
    (MEMORY_DOUBLES * size_of::<f64>()) as f64 / best.as_secs_f64()
}

fn default_folder() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.into() } else { std::env::temp_dir() }
}
