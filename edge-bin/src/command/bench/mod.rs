//! `firesteel bench`: will it hold on my gateway? Runs the engine's typical queries over rows in a ring, on one thread,
//! and sets each rate beside how fast this machine's memory can be read at all; then how soon a result is there while
//! rows come in one by one, and what memory that takes.

mod latency;
mod machine;
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

use super::job::{Cores, parse_cores};
use crate::{exit::Failure, output::say};
use latency::{Histogram, Query, ROWS_PER_SECOND, Rig};
use machine::{Machine, Memory};
use rows::Rows;
use workload::Workload;

/// Numbers that are gone over to learn how fast memory can be read: 128 MiB, beyond any cache of a gateway.
const MEMORY_NUMBERS: usize = 16 << 20;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Rows of each workload
    #[arg(long, value_name = "N", default_value = "4194304", value_parser = clap::value_parser!(u64).range(4096..=1 << 32))]
    rows: u64,
    /// Runs of each query, of which the median counts
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Seconds over which each latency is measured
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Only workloads and latencies whose name has this in it, in any case
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// A setting for the workloads, as SET has it: firesteel.sum=compensated
    #[arg(long = "conf", value_name = "KEY=VALUE", value_parser = key_and_value)]
    settings: Vec<(String, String)>,
    /// Cores to measure the rates on: the first for the query, a worker on each of the others (default: one thread)
    #[arg(long, value_name = "LIST", value_parser = parse_cores)]
    cores: Option<Cores>,
    /// Where the rows lie meanwhile (default: /dev/shm, else the folder for temporary files)
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Measure latencies with a checkpoint every second in this folder
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// One JSON object a line: the machine, each workload, each latency, the memory
    #[arg(long)]
    json: bool,
}

impl BenchArgs {
    fn cores(&self) -> &[usize] {
        self.cores.as_ref().map_or(&[], |cores| &cores.0)
    }
}

fn title(cores: &[usize]) -> String {
    match cores {
        [] => "one thread".into(),
        [core] => format!("one thread, core {core}"),
        cores => format!("{} threads, cores {cores:?}", cores.len()),
    }
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

/// How soon results are there: what is asked, how the query waits.
struct Latency {
    name: String,
    query: Query,
    wait: &'static str,
}

fn latencies() -> impl Iterator<Item = Latency> {
    let name = |query| match query {
        Query::Pass => "a row passes a WHERE",
        Query::Update => "a row changes its window",
        Query::Append => "a row closes its window",
    };
    let each = Query::ALL.into_iter().flat_map(|query| ["spin", "sleep"].map(|wait| (query, wait)));
    each.map(move |(query, wait)| Latency { name: format!("{}, {wait}", name(query)), query, wait })
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let folder = args.folder.clone().unwrap_or_else(default_folder);
    let only = args.only.as_ref().map(|text| text.to_lowercase());
    let is_wanted = |name: &str| only.as_ref().is_none_or(|text| name.to_lowercase().contains(text));
    let workloads: Vec<&Workload> = workload::ALL.iter().filter(|w| is_wanted(w.name)).collect();
    let latencies: Vec<Latency> = latencies().filter(|l| is_wanted(&l.name)).collect();
    if workloads.is_empty() && latencies.is_empty() {
        let names = workload::ALL.iter().map(|w| w.name.to_string()).chain(self::latencies().map(|l| l.name));
        let names: Vec<String> = names.collect();
        return Err(Error::invalid("no workload has that in its name").hint(names.join("; ")).into());
    }
    // The session reads which kernels the environment asks for: before anything is measured.
    let settings = args.settings.iter();
    let session = settings.fold(Session::builder(), |builder, (key, value)| builder.config(key, value)).build()?;
    let bandwidth = read_bandwidth();
    print_machine(&Machine::this(), bandwidth, args.json)?;
    // First, because the memory is looked at behind them, and the rates leave a heap that has held much.
    measure_latencies(&latencies, &folder, args)?;
    // On a thread of its own, because it may be pinned to a core.
    let measure = || measure_rates(&session, &workloads, &folder, args, bandwidth);
    std::thread::scope(|scope| scope.spawn(measure).join()).map_err(|_| Error::internal("a measurement failed"))??;
    Ok(())
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.trim().into(), value.trim().into()))
}

fn measure_rates(
    session: &Session,
    workloads: &[&Workload],
    folder: &Path,
    args: &BenchArgs,
    bandwidth: f64,
) -> Result<()> {
    if !args.json && !workloads.is_empty() {
        say!(
            "\n{:<36} {:>12}  {:>6}  {:>16}  {:>10}",
            title(args.cores()),
            "M rows/s",
            "GB/s",
            "share of memory",
            "rows out"
        )?;
    }
    let mut rows: Option<(workload::Data, Rows)> = None;
    for workload in workloads {
        if rows.as_ref().is_none_or(|(data, _)| *data != workload.data) {
            // The old rows go before the new ones come: memory holds one ring at a time.
            drop(rows.take());
            rows = Some((workload.data, Rows::write(folder, workload.data, args.rows)?));
        }
        if let Some((_, rows)) = &rows {
            let measured = measure(session, workload, rows, args, bandwidth)?;
            print(&measured, workload, args.json)?;
        }
    }
    Ok(())
}

fn measure_latencies(latencies: &[Latency], folder: &Path, args: &BenchArgs) -> Result<()> {
    if latencies.is_empty() {
        return Ok(());
    }
    if !args.json {
        say!(
            "{:<36} {:>12}  {:>6}  {:>8}  {:>8}  {:>8}",
            "1 M rows/s: from ring to ring, us",
            "p50",
            "p99",
            "p99.9",
            "max",
            "results"
        )?;
    }
    let mut memory = Memory::default();
    for latency in latencies {
        // On a thread of its own, because it is pinned to a core.
        let outcome = std::thread::scope(|scope| scope.spawn(|| measure_latency(latency, folder, args)).join());
        let (nanos, used) = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        print_latency(latency, &nanos, args.json)?;
        memory = used;
    }
    print_memory(&memory, args.json)
}

/// Latencies, and the memory of the process while the query was there.
fn measure_latency(latency: &Latency, folder: &Path, args: &BenchArgs) -> Result<(Histogram, Memory)> {
    let mut rig = Rig::start(latency.query, latency.wait, folder, args.checkpoint.as_deref())?;
    let (mut nanos, rows) = (Histogram::new(), args.seconds * ROWS_PER_SECOND);
    // The first rows, for warmth, are not counted.
    rig.run(rows / 10, None)?;
    rig.run(rows, Some(&mut nanos))?;
    let memory = Memory::now();
    rig.stop()?;
    Ok((nanos, memory))
}

fn measure(session: &Session, workload: &Workload, rows: &Rows, args: &BenchArgs, bandwidth: f64) -> Result<Measured> {
    // Read as a batch: what is there when the query starts.
    session.read().format("ring").option("path", rows.path.display()).load()?.create_or_replace_temp_view("t")?;
    let mut times = Vec::new();
    let mut groups = 0;
    for _ in 0..args.runs {
        let begin = Instant::now();
        let (mut counted, mut total) = (0_i64, 0.0);
        groups = 0;
        session.sql(workload.sql)?.for_each_block_on(args.cores(), |block| {
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

fn print(measured: &Measured, workload: &Workload, as_json: bool) -> Result<()> {
    let Measured { name, rate, share, groups } = measured;
    let bytes = rate * f64::from(workload.bytes);
    match as_json {
        true => say!(
            "{{\"workload\":\"{name}\",\"rows_per_second\":{rate:.0},\"bytes_per_second\":{bytes:.0},\
             \"share_of_memory\":{share:.3},\"rows_out\":{groups}}}"
        ),
        false => {
            say!("{name:<36} {:>12.0}  {:>6.1}  {:>14.0} %  {groups:>10}", rate / 1e6, bytes / 1e9, share * 100.0)
        }
    }
}

fn print_machine(machine: &Machine, bandwidth: f64, as_json: bool) -> Result<()> {
    let (Machine { model, cores }, level) = (machine, Level::current());
    match as_json {
        true => say!(
            "{{\"machine\":\"{}\",\"cores\":{cores},\"kernels\":\"{level}\",\"memory_bytes_per_second\":{bandwidth:.0}}}",
            model.replace(['"', '\\'], "'")
        ),
        false => {
            crate::output::tell!(
                "{model}, cores {cores}; kernels use {level}; one core reads memory at {:.1} GB/s",
                bandwidth / 1e9
            );
            Ok(())
        }
    }
}

fn print_latency(latency: &Latency, nanos: &Histogram, as_json: bool) -> Result<()> {
    let (Latency { name, wait, .. }, results) = (latency, nanos.len());
    let quantiles = [0.5, 0.99, 0.999].map(|share| nanos.quantile(share) as f64 / 1e3);
    let ([p50, p99, p999], max) = (quantiles, nanos.max() as f64 / 1e3);
    match as_json {
        true => say!(
            "{{\"latency\":\"{name}\",\"wait\":\"{wait}\",\"rows_per_second\":{ROWS_PER_SECOND},\"p50_us\":{p50:.2},\
             \"p99_us\":{p99:.2},\"p999_us\":{p999:.2},\"max_us\":{max:.2},\"results\":{results}}}"
        ),
        false => say!("{name:<36} {p50:>12.1}  {p99:>6.1}  {p999:>8.1}  {max:>8.1}  {results:>8}"),
    }
}

fn print_memory(memory: &Memory, as_json: bool) -> Result<()> {
    let Memory { own, files, shared } = *memory;
    let all = own + files + shared;
    match as_json {
        true => {
            say!("{{\"resident_bytes\":{all},\"own_bytes\":{own},\"program_bytes\":{files},\"ring_bytes\":{shared}}}")
        }
        false => {
            crate::output::tell!(
                "resident with the last query: {:.1} MB, of which {:.1} MB its own, {:.1} MB the program, {:.1} MB rings",
                all as f64 / 1e6,
                own as f64 / 1e6,
                files as f64 / 1e6,
                shared as f64 / 1e6
            );
            Ok(())
        }
    }
}

/// Bytes a second that one core reads from memory: the better of two ways to go over numbers.
fn read_bandwidth() -> f64 {
    let best = fastest(1.0_f64, simd::summarize).min(fastest(1_i64, simd::times));
    (MEMORY_NUMBERS * size_of::<f64>()) as f64 / best.max(Duration::from_nanos(1)).as_secs_f64()
}

/// The least time that `read` takes for its numbers; they are gone afterwards, because a gateway may not have room for
/// many of them.
fn fastest<T: Copy, R>(number: T, read: impl Fn(&[T]) -> R) -> Duration {
    let numbers = vec![number; MEMORY_NUMBERS];
    let time = |_| {
        let begin = Instant::now();
        black_box(read(black_box(&numbers)));
        begin.elapsed()
    };
    (0..7).map(time).min().unwrap_or_default()
}

fn default_folder() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.into() } else { std::env::temp_dir() }
}
