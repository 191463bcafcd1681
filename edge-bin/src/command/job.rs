//! What `run`, `check` and `explain` share: reading a job, its variables, and which tables are streams.

use std::{
    fs,
    io::{ErrorKind, Read},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use firesteel_core::{Error, Result, plan::OutputMode};
use firesteel_io::session::{Failed, Job, JobOptions, OnFailure, Session, Streams};

use crate::{
    arguments::{Flag, Given, Operand, Value},
    exit::Failure,
};

pub const JOB: Operand = Operand { name: "JOB", help: "The job: SQL statements in a file; `-` reads them from stdin" };

/// What says what a job means.
pub const FLAGS: &[Flag] = &[
    Flag { name: "stream", value: Value::None, help: "Read every file table as a stream, epoch by epoch" },
    Flag { name: "stream-table", value: Value::Many("NAME"), help: "Read this table as a stream; may be repeated" },
    Flag {
        name: "available-now",
        value: Value::None,
        help: "Streams take what is there when they start, rings included, then end",
    },
    Flag {
        name: "output-mode",
        value: Value::Default("MODE", "append"),
        help: "What a stream hands out: append, update or complete",
    },
    Flag {
        name: "set",
        value: Value::Many("NAME=VALUE"),
        help: "Value of ${NAME} in the job; otherwise taken from the environment",
    },
    Flag {
        name: "cores",
        value: Value::Any("LIST"),
        help: "Cores to run on: the first for the query, a worker on each of the others, e.g. 2,3 or 0-3",
    },
    Flag {
        name: "memory",
        value: Value::Any("SIZE"),
        help: "Most memory that the state of each query may take, e.g. 64MB",
    },
];

/// What a job means.
#[derive(Clone, Debug)]
pub struct JobArgs {
    job: PathBuf,
    streams: Streams,
    available_now: bool,
    output_mode: OutputMode,
    set: Vec<(String, String)>,
    cores: Vec<usize>,
    memory: Option<u64>,
}

/// A job that has been read.
pub struct OpenJob {
    pub session: Session,
    pub job: Job,
    name: String,
    text: String,
    /// Warnings that were printed: each is told once.
    told: Mutex<Vec<String>>,
}

impl JobArgs {
    /// As a command line has it.
    pub fn read(given: &Given) -> Result<Self> {
        if given.has("stream") && given.has("stream-table") {
            return Err(Error::invalid("--stream and --stream-table exclude each other")
                .hint("--stream is all tables, --stream-table those that are named"));
        }
        let names = given.parsed_all("stream-table", |name| Ok(name.to_string()))?;
        Ok(Self {
            job: given.operand(),
            streams: match (given.has("stream"), names.is_empty()) {
                (true, _) => Streams::All,
                (false, true) => Streams::AsWritten,
                (false, false) => Streams::Named(names),
            },
            available_now: given.has("available-now"),
            output_mode: given.parsed("output-mode", parse_mode)?.unwrap_or_default(),
            set: given.parsed_all("set", parse_variable)?,
            cores: given.parsed("cores", parse_cores)?.unwrap_or_default(),
            memory: given.parsed("memory", parse_memory)?,
        })
    }

    /// Reads and parses the job.
    pub fn open(&self) -> Result<OpenJob, Failure> {
        let name = self.job.display().to_string();
        let text = self.text()?;
        let variable = |wanted: &str| {
            let given = self.set.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            given.or_else(|| std::env::var(wanted).ok())
        };
        match Job::parse(&text, &variable) {
            Ok(job) if job.is_empty() => Err(Error::invalid(format!("there is no statement in {name}"))
                .hint("a job is SQL, e.g. SELECT 1;")
                .into()),
            Ok(job) => Ok(OpenJob { session: Session::new()?, job, name, text, told: Mutex::default() }),
            Err(error) => Err(Failure::in_text(error, &name, &text)),
        }
    }

    /// How the job runs, as far as this is said here.
    pub fn options(&self) -> JobOptions {
        JobOptions {
            streams: self.streams.clone(),
            available_now: self.available_now,
            output_mode: self.output_mode,
            cores: self.cores.clone(),
            memory_bytes_max: self.memory,
            ..JobOptions::default()
        }
    }

    /// Whether the job comes from standard input.
    pub fn is_stdin(&self) -> bool {
        self.job.as_os_str() == "-"
    }

    fn text(&self) -> Result<String> {
        let name = self.job.display();
        if self.is_stdin() {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            return read.map(|_| text).map_err(|e| Error::invalid(format!("cannot read the job from stdin: {e}")));
        }
        fs::read_to_string(&self.job).map_err(|e| {
            Error::invalid(format!("cannot read the job {name}: {e}")).hint(match e.kind() {
                ErrorKind::PermissionDenied => "check the owner and the mode of the file and its folder",
                _ => "the first argument is a file of SQL",
            })
        })
    }
}

impl OpenJob {
    /// Says where in the text an error lies.
    pub fn locate<T>(&self, result: Result<T>) -> Result<T, Failure> {
        for warning in self.session.take_warnings() {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if !told.contains(&warning) {
                crate::output::tell!("warning: {warning}");
                told.push(warning);
            }
        }
        result.map_err(|error| Failure::in_text(error, &self.name, &self.text))
    }
}

impl OpenJob {
    /// Says on stderr what went wrong with a stream while others go on.
    pub fn teller(&self) -> OnFailure {
        let (name, text) = (self.name.clone(), self.text.clone());
        Arc::new(move |error, Failed { starts_again, others_go_on }| {
            let note = match (starts_again, others_go_on) {
                (Some(pause), _) => format!("it starts again in {:.1} seconds", pause.as_secs_f64()),
                (None, true) => "the other streams of the job go on".into(),
                // The end of the job tells it.
                (None, false) => return,
            };
            let words = firesteel_core::sql::render(error, &name, &text);
            crate::output::tell!("{words}note: {note}");
        })
    }
}

fn parse_mode(text: &str) -> Result<OutputMode, String> {
    OutputMode::parse(text).ok_or_else(|| "write append, update or complete".into())
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

/// Core numbers are below this: a typing error must not make a list of millions.
const CORES_MAX: usize = 4096;

/// `2`, `0,2`, `0-3`, and mixtures of these.
pub fn parse_cores(text: &str) -> Result<Vec<usize>, String> {
    let mut cores = Vec::new();
    for part in text.split(',') {
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| "write core numbers, e.g. 2,3 or 0-3");
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= CORES_MAX {
            return Err(format!("{part} is not a range of cores"));
        }
        cores.extend(first..=last);
    }
    Ok(cores)
}

fn parse_memory(text: &str) -> Result<u64, String> {
    firesteel_io::ring::parse_bytes(text).map_err(|e| e.message().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_numbers_and_ranges() {
        assert_eq!(parse_cores("2").unwrap(), [2]);
        assert_eq!(parse_cores("0-2,5").unwrap(), [0, 1, 2, 5]);
        for bad in ["", "a", "3-1", "1,,2", "-1"] {
            assert!(parse_cores(bad).is_err(), "{bad}");
        }
    }
}
