//! `firesteel ring ...`: rings from the shell. Producers written in any language map the files themselves; this is
//! for pipes, for looking and for checking.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

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
    arguments::{Flag, Given, Operand, Takes, Value, Verb},
    output::{self, OutputFormat, say, stdout_sink},
};

/// Bytes asked of stdin at once. What one read gives is published at once, so that a slow pipe has no delay.
const READ_BYTES: usize = 64 << 10;
/// How long one look at a ring waits for rows.
const POLL: Duration = Duration::from_millis(200);

pub const VERB: Verb = Verb {
    name: "ring",
    about: "Create, feed, read and inspect rings",
    takes: Takes::Verbs(&[CREATE, INFO, APPEND, READ, CHECK, REPAIR]),
};

const CREATE: Verb = Verb {
    name: "create",
    about: "Create a ring: a folder in which every producer gets a lane of its own",
    takes: Takes::Arguments {
        operand: Some(Operand { name: "PATH", help: "The folder to make, best under /dev/shm or /run" }),
        flags: &[&[
            Flag {
                name: "schema",
                value: Value::Any("COLUMNS"),
                help: "The columns, as in CREATE TABLE: 'ts TIMESTAMP, sensor INT, value DOUBLE'",
            },
            Flag { name: "capacity", value: Value::Default("SIZE", "64MB"), help: "Bytes of each lane" },
            Flag {
                name: "on-full",
                value: Value::Default("POLICY", "block"),
                help: "What a producer does when readers are too slow: block, drop_newest or overwrite",
            },
        ]],
        run: |given| Ok(create(given)?),
    },
};

const INFO: Verb = Verb {
    name: "info",
    about: "Show a ring: columns, lanes, readers, how full it is",
    takes: Takes::Arguments { operand: Some(RING), flags: &[], run: |given| Ok(info(&given.operand())?) },
};

const APPEND: Verb = Verb {
    name: "append",
    about: "Append rows from stdin",
    takes: Takes::Arguments {
        operand: Some(Operand {
            name: "PATH",
            help: "The ring's folder, or the socket of an engine that hands out lanes",
        }),
        flags: &[&[
            Flag { name: "format", value: Value::OneOf("FORMAT", &["csv", "json"]), help: "What stdin holds" },
            Flag { name: "header", value: Value::None, help: "The first line of the CSV names its columns" },
            Flag {
                name: "option",
                value: Value::Many("NAME=VALUE"),
                help: "Further options of the format, as in CREATE TABLE: sep=';'",
            },
            Flag {
                name: "lane",
                value: Value::Any("NAME"),
                help: "Name of the lane to write; every producer needs its own",
            },
            Flag {
                name: "finish",
                value: Value::None,
                help: "At the end of stdin, say that no more rows will come on this lane",
            },
        ]],
        run: |given| Ok(append(&AppendArgs::read(given)?)?),
    },
};

const READ: Verb = Verb {
    name: "read",
    about: "Print the rows that are in a ring, without taking them away",
    takes: Takes::Arguments {
        operand: Some(RING),
        flags: &[&[
            output::FORMAT,
            Flag { name: "follow", value: Value::None, help: "Go on as rows arrive" },
            Flag { name: "newest", value: Value::None, help: "Start behind the rows that are there" },
            Flag { name: "limit", value: Value::Any("ROWS"), help: "Stop after so many rows" },
        ]],
        run: |given| Ok(read(&ReadArgs::read(given)?)?),
    },
};

const CHECK: Verb = Verb {
    name: "check",
    about: "Read everything and say what is damaged",
    takes: Takes::Arguments { operand: Some(RING), flags: &[], run: |given| Ok(check(&given.operand())?) },
};

const REPAIR: Verb = Verb {
    name: "repair",
    about: "Move aside what is damaged and rescue the rows in it that are whole",
    takes: Takes::Arguments {
        operand: Some(Operand { name: "PATH", help: "The ring's folder" }),
        flags: &[&[Flag {
            name: "forget-reader",
            value: Value::Any("NAME"),
            help: "Only this: remove the cursor of a reader that is gone and will not come back, so that nobody waits \
                   for it",
        }]],
        run: |given| Ok(repair(&given.operand(), given.text("forget-reader")?.as_deref())?),
    },
};

const RING: Operand = Operand { name: "PATH", help: "The ring's folder, or one lane file" };

#[derive(Debug)]
struct AppendArgs {
    path: PathBuf,
    is_json: bool,
    header: bool,
    options: Vec<String>,
    lane: Option<String>,
    finish: bool,
}

impl AppendArgs {
    fn read(given: &Given) -> Result<Self> {
        Ok(Self {
            path: given.operand(),
            is_json: given.word("format")? == "json",
            header: given.has("header"),
            options: given.parsed_all("option", |text| Ok(text.to_string()))?,
            lane: given.text("lane")?,
            finish: given.has("finish"),
        })
    }
}

#[derive(Debug)]
struct ReadArgs {
    path: PathBuf,
    format: OutputFormat,
    follow: bool,
    newest: bool,
    limit: Option<u64>,
}

impl ReadArgs {
    fn read(given: &Given) -> Result<Self> {
        Ok(Self {
            path: given.operand(),
            format: OutputFormat::read(given)?,
            follow: given.has("follow"),
            newest: given.has("newest"),
            limit: given.parsed("limit", |text| text.parse().map_err(|_| "write a whole number".into()))?,
        })
    }
}

fn create(given: &Given) -> Result<()> {
    let schema = Schema::parse_ddl(&given.word("schema")?).map_err(|e| e.context("--schema"))?;
    let (capacity, on_full) = (given.word("capacity")?, given.word("on-full")?);
    let options = RingOptions::parse([("capacity", &capacity), ("onFull", &on_full)])?;
    let folder = StreamFolder::create(&given.operand(), &schema, &options)?;
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
    let (format, name) = match args.is_json {
        true => (Format::Json, "json"),
        false => (Format::Csv, "csv"),
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

fn repair(path: &Path, forget_reader: Option<&str>) -> Result<()> {
    if let Some(name) = forget_reader {
        ring::forget_reader(path, name)?;
        return say!("{name}: forgotten, nobody waits for it any more");
    }
    let repairs = ring::repair(path)?;
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
        _ => Err(Error::corrupt(format!("{failed} problem(s) in {} are left", path.display()))),
    }
}
