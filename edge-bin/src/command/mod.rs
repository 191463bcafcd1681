//! The verbs, one file each, with what it takes; all of them are listed here.

mod bench;
mod check;
mod demo;
mod explain;
mod job;
mod ring;
mod run;
mod watchdog;

use std::ffi::OsString;

use crate::{
    arguments::{self, Asked, Takes, Verb},
    exit::Failure,
};

static FIRESTEEL: Verb = Verb {
    name: "firesteel",
    about: "Spark Structured Streaming at the edge: Spark SQL over rings, files and sensors, batch and stream.",
    takes: Takes::Verbs(&[run::VERB, check::VERB, explain::VERB, demo::VERB, bench::VERB, ring::VERB]),
};

/// Runs the verb of a command line.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    match arguments::read(&FIRESTEEL, words)? {
        Asked::Run(run, given) => run(&given),
        Asked::Text(text) => Ok(crate::output::print(text.as_bytes())?),
    }
}
