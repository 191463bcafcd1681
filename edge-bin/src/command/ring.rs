//! `firesteel ring ...`: rings from the shell. Producers written in any language map the files themselves; this is
//! for pipes, for looking and for checking.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use firesteel_core::{
    Error, Result,
    block::{Bitmap, BlockRef},
    schema::Schema,
    time::TimeZone,
};
use firesteel_io::{
    format::{Decoder, Format, Options},
    ring::{self, LaneInfo, LaneState, Producer, Reader, ReaderInfo, ReaderOptions, RingOptions, Start, StreamFolder},
    sink::Sink,
};

use crate::{
    exit::Failure,
    output::{OutputFormat, say, stdout_sink},
};

/// Bytes asked of stdin at once. What one read gives is published at once, so that a slow pipe has no delay.
const READ_BYTES: usize = 64 << 10;
/// How long one look at a ring waits for rows.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct RingArgs {
    #[command(subcommand)]
    verb: RingVerb,
}

#[derive(Debug, Subcommand)]
enum RingVerb {
    /// Create a ring: a folder in which every producer gets a lane of its own
    Create(CreateArgs),
    /// Show a ring: columns, lanes, readers, how full it is
    Info(PathArgs),
    /// Append rows from stdin
    Append(AppendArgs),
    /// Print the rows that are in a ring, without taking them away
    Read(ReadArgs),
    /// Read everything and say what is damaged
    Check(PathArgs),
    /// Move aside what is damaged and rescue the rows in it that are whole
    Repair(RepairArgs),
}

#[derive(Debug, Args)]
struct PathArgs {
    /// The ring's folder, or one lane file
    path: PathBuf,
}

#[derive(Debug, Args)]
struct RepairArgs {
    /// The ring's folder
    path: PathBuf,
    /// Only this: remove the cursor of a reader that is gone and will not come back, so that nobody waits for it
    #[arg(long, value_name = "NAME")]
    forget_reader: Option<String>,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The folder to make, best under /dev/shm or /run
    path: PathBuf,
    /// The columns, as in CREATE TABLE: 'ts TIMESTAMP, sensor INT, value DOUBLE'
    #[arg(long, value_name = "COLUMNS")]
    schema: String,
    /// Bytes of each lane
    #[arg(long, default_value = "64MB", value_name = "SIZE")]
    capacity: String,
    /// What a producer does when readers are too slow: block, drop_newest or overwrite
    #[arg(long, default_value = "block", value_name = "POLICY")]
    on_full: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TextFormat {
    Csv,
    Json,
}

#[derive(Debug, Args)]
struct AppendArgs {
    /// The ring's folder, or the socket of an engine that hands out lanes
    path: PathBuf,
    /// What stdin holds
    #[arg(long, value_enum, default_value = "csv")]
    format: TextFormat,
    /// The first line of the CSV names its columns
    #[arg(long)]
    header: bool,
    /// Further options of the format, as in CREATE TABLE: sep=';'
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// Name of the lane to write; every producer needs its own
    #[arg(long, value_name = "NAME")]
    lane: Option<String>,
    /// At the end of stdin, say that no more rows will come on this lane
    #[arg(long)]
    finish: bool,
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// The ring's folder, or one lane file
    path: PathBuf,
    /// How to print the rows
    #[arg(long, value_enum, default_value = "table")]
    format: OutputFormat,
    /// Go on as rows arrive
    #[arg(long)]
    follow: bool,
    /// Start behind the rows that are there
    #[arg(long)]
    newest: bool,
    /// Stop after so many rows
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
}

pub fn run(args: RingArgs) -> Result<(), Failure> {
    let result = match args.verb {
        RingVerb::Create(args) => create(&args),
        RingVerb::Info(args) => info(&args.path),
        RingVerb::Append(args) => append(&args),
        RingVerb::Read(args) => read(&args),
        RingVerb::Check(args) => check(&args.path),
        RingVerb::Repair(args) => repair(&args),
    };
    Ok(result?)
}

fn create(args: &CreateArgs) -> Result<()> {
    let schema = Schema::parse_ddl(&args.schema).map_err(|e| e.context("--schema"))?;
    let options = RingOptions::parse([("capacity", &args.capacity), ("onFull", &args.on_full)])?;
    let folder = StreamFolder::create(&args.path, &schema, &options)?;
    crate::output::tell!("created {} with {} bytes a lane", folder.path().display(), folder.capacity());
    Ok(())
}

fn info(path: &Path) -> Result<()> {
    let info = ring::info(path)?;
    say!("ring      {}", info.path.display())?;
    say!("columns   {}", info.schema.to_ddl())?;
    say!("capacity  {} bytes a lane, on full: {}", info.capacity, info.on_full.name())?;
    for lane in &info.lanes {
        match lane {
            Ok(lane) => print_lane(lane)?,
            Err((name, error)) => say!("lane      {name}: {error}")?,
        }
    }
    for reader in &info.readers {
        match reader {
            Ok(reader) => print_reader(reader)?,
            Err((name, error)) => say!("reader    {name}: {error}")?,
        }
    }
    Ok(())
}

fn print_lane(lane: &LaneInfo) -> Result<()> {
    let state = match (lane.state, lane.pid) {
        (LaneState::Live, Some(pid)) => format!("live (process {pid})"),
        (LaneState::Live, None) => "live".into(),
        (LaneState::Idle, _) => "no producer".into(),
        (LaneState::Finished, _) => "finished".into(),
    };
    say!(
        "lane      {}: {state}, rows {} to {}, dropped {}, waits {}",
        lane.name,
        lane.oldest_row,
        lane.rows_published,
        lane.rows_dropped,
        lane.waits
    )
}

fn print_reader(reader: &ReaderInfo) -> Result<()> {
    let alive = if reader.is_alive { "live" } else { "gone" };
    let committed: Vec<String> = reader.committed.iter().map(|(lane, row)| format!("{lane} {row}")).collect();
    say!("reader    {}: {alive}, has given back {}", reader.name, committed.join(", "))
}

fn open_producer(path: &Path, lane: Option<&str>) -> Result<Producer> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::FileTypeExt;
        if path.metadata().is_ok_and(|data| data.file_type().is_socket()) {
            return Producer::connect(path, lane);
        }
    }
    Producer::open(path, lane)
}

fn append(args: &AppendArgs) -> Result<()> {
    let mut producer = open_producer(&args.path, args.lane.as_deref())?;
    let (format, name) = match args.format {
        TextFormat::Csv => (Format::Csv, "csv"),
        TextFormat::Json => (Format::Json, "json"),
    };
    let mut pairs = vec![("header".to_string(), args.header.to_string())];
    for option in &args.options {
        let (key, value) = option.split_once('=').ok_or_else(|| {
            Error::invalid(format!("--option {option}: write NAME=VALUE")).hint("e.g. --option sep=';'")
        })?;
        pairs.push((key.into(), value.into()));
    }
    let options: Options = pairs.into_iter().collect();
    options.warnings(format).iter().for_each(|warning| {
        crate::output::tell!("warning: {warning}");
    });
    let schema = producer.schema().clone();
    let needed = vec![true; schema.len()];
    let mut decoder = Decoder::new(format, &schema, &options, &needed, &TimeZone::UTC)?;
    decoder.begin_file("stdin");
    let mut stored = 0;
    let mut offered = 0;
    let mut take = |block: &BlockRef<'_>| {
        offered += block.rows().count() as u64;
        stored += producer.append(block)?;
        Ok(())
    };
    let mut bytes = vec![0; READ_BYTES];
    let mut stdin = std::io::stdin().lock();
    loop {
        let count = stdin.read(&mut bytes).map_err(|e| Error::io(format!("reading stdin: {e}")))?;
        if count == 0 {
            break;
        }
        decoder.push(&bytes[..count], &mut take)?;
        decoder.flush(&mut take)?;
    }
    decoder.end_file(&mut take)?;
    decoder.flush(&mut take)?;
    let malformed = decoder.malformed().total();
    if args.finish {
        producer.finish();
    }
    crate::output::tell!(
        "appended {stored} rows from {name}, dropped {} (ring full), malformed {malformed}",
        offered - stored
    );
    if let Some(first) = decoder.malformed().first() {
        crate::output::tell!("first malformed: {first}");
    }
    Ok(())
}

fn read(args: &ReadArgs) -> Result<()> {
    let start = if args.newest { Start::Newest } else { Start::Oldest };
    let mut reader = Reader::open(&args.path, ReaderOptions { observe: true, start, ..ReaderOptions::default() })?;
    if !args.follow {
        let ends = reader.end_positions()?;
        reader.set_limits(Some(ends));
    }
    let schema = reader.schema().clone();
    let mut sink = stdout_sink(args.format, &schema, false, &TimeZone::UTC)?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut epoch = 0;
    while left > 0 && (args.follow || !reader.is_at_limits()) {
        sink.begin(epoch)?;
        reader.poll(POLL, |_, block| print_some(block, &mut left, &mut *sink))?;
        sink.commit(epoch)?;
        epoch += 1;
    }
    sink.finish()
}

/// Prints at most `left` rows of a block.
fn print_some(block: &BlockRef<'_>, left: &mut u64, sink: &mut dyn Sink) -> Result<()> {
    let count = block.rows().count() as u64;
    if count <= *left {
        *left -= count;
        return sink.write(block);
    }
    let mut first = Bitmap::new();
    first.resize(block.len(), false);
    block.rows().for_each(|row| {
        if *left > 0 {
            first.set(row, true);
            *left -= 1;
        }
    });
    sink.write(&block.select(Some(first.view())))
}

fn check(path: &Path) -> Result<()> {
    let checked = ring::check(path)?;
    let unread: Vec<&Path> = checked.problems.iter().filter(|p| p.is_unread).map(|p| &*p.path).collect();
    for lane in &checked.lanes {
        let name = lane.path.file_name().unwrap_or_default().to_string_lossy();
        let (from, to) = (lane.oldest_row, lane.oldest_row.wrapping_add(lane.rows));
        match lane.is_whole {
            true => say!("{name}: whole, {} rows ({from} to {to})", lane.rows)?,
            false if unread.contains(&&*lane.path) => say!("{name}: it could not be looked at")?,
            false => say!("{name}: damaged, {} rows before that are whole", lane.rows)?,
        }
    }
    say!("{} lane(s), {} rows whole", checked.lanes.len(), checked.rows)?;
    for problem in &checked.problems {
        // Errors about a file's contents name it already.
        let path = problem.path.display().to_string();
        let text = problem.error.to_string();
        if text.contains(&path) {
            say!("{text}")?
        } else {
            say!("{path}: {text}")?
        }
        if let Some(hint) = problem.error.hint_text() {
            say!("  hint: {hint}")?;
        }
    }
    if checked.is_ok() {
        return Ok(());
    }
    if unread.len() == checked.problems.len() {
        return Err(Error::io(format!("{} file(s) of {} could not be looked at", unread.len(), path.display()))
            .hint("run it as the user that they belong to"));
    }
    Err(Error::corrupt(format!("{} problem(s) in {}", checked.problems.len(), path.display())).hint(format!(
        "`firesteel ring repair {}` moves aside what is damaged and rescues what is whole",
        path.display()
    )))
}

fn repair(args: &RepairArgs) -> Result<()> {
    if let Some(name) = &args.forget_reader {
        ring::forget_reader(&args.path, name)?;
        return say!("{name}: forgotten, nobody waits for it any more");
    }
    let repairs = ring::repair(&args.path)?;
    for repair in &repairs {
        let path = repair.path.display();
        match &repair.outcome {
            Ok(what) => say!("{path}: {what}")?,
            Err(error) => say!("{path}: nothing was done: {error}")?,
        }
        if let Some(moved_to) = &repair.moved_to {
            say!("  rescued {} rows, lost {} rows that can be counted", repair.rows_rescued, repair.rows_lost)?;
            say!("  the damaged file is kept as {}", moved_to.display())?;
        }
    }
    let failed = repairs.iter().filter(|repair| repair.outcome.is_err()).count();
    match (failed, repairs.len()) {
        (0, 0) => say!("nothing is damaged"),
        (0, _) => Ok(()),
        _ => Err(Error::corrupt(format!("{failed} problem(s) in {} are left", args.path.display()))),
    }
}
