//! What `run`, `check` and `explain` share: reading a job, its variables, and which tables are streams.

use std::{
    fs,
    io::{ErrorKind, Read},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use firesteel_core::{Error, Result, plan::OutputMode};
use firesteel_io::session::{Failed, Job, JobOptions, OnFailure, Session, Streams};

use crate::exit::Failure;

/// Arguments that say what a job means.
#[derive(Clone, Debug, Args)]
pub struct JobArgs {
    /// The job: SQL statements in a file; `-` reads them from stdin
    pub job: PathBuf,
    /// Read every file table as a stream, epoch by epoch
    #[arg(long, conflicts_with = "stream_table")]
    stream: bool,
    /// Read this table as a stream; may be repeated
    #[arg(long, value_name = "NAME")]
    stream_table: Vec<String>,
    /// Streams take what is there when they start, rings included, then end
    #[arg(long)]
    available_now: bool,
    /// What a stream hands out: append, update or complete
    #[arg(long, default_value = "append", value_name = "MODE", value_parser = parse_mode)]
    output_mode: OutputMode,
    /// Value of ${NAME} in the job; otherwise taken from the environment
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    set: Vec<(String, String)>,
    /// Cores to run on: the first for the query, a worker on each of the others, e.g. 2,3 or 0-3
    #[arg(long, value_name = "LIST", value_parser = parse_cores)]
    cores: Option<Cores>,
    /// Most memory that the state of each query may take, e.g. 64MB
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<u64>,
}

/// Numbers of cores.
#[derive(Clone, Debug)]
pub struct Cores(pub Vec<usize>);

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
    /// Reads and parses the job.
    pub fn open(&self) -> Result<OpenJob, Failure> {
        let name = self.job.display().to_string();
        let text = self.read()?;
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
        let streams = match (self.stream, self.stream_table.as_slice()) {
            (true, _) => Streams::All,
            (false, []) => Streams::AsWritten,
            (false, names) => Streams::Named(names.to_vec()),
        };
        JobOptions {
            streams,
            available_now: self.available_now,
            output_mode: self.output_mode,
            cores: self.cores.clone().map(|cores| cores.0).unwrap_or_default(),
            memory_bytes_max: self.memory,
            ..JobOptions::default()
        }
    }

    /// Whether the job comes from standard input.
    pub fn is_stdin(&self) -> bool {
        self.job.as_os_str() == "-"
    }

    fn read(&self) -> Result<String> {
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
pub fn parse_cores(text: &str) -> Result<Cores, String> {
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
    Ok(Cores(cores))
}

fn parse_memory(text: &str) -> Result<u64, String> {
    firesteel_io::ring::parse_bytes(text).map_err(|e| e.message().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_numbers_and_ranges() {
        assert_eq!(parse_cores("2").unwrap().0, [2]);
        assert_eq!(parse_cores("0-2,5").unwrap().0, [0, 1, 2, 5]);
        for bad in ["", "a", "3-1", "1,,2", "-1"] {
            assert!(parse_cores(bad).is_err(), "{bad}");
        }
    }
}
