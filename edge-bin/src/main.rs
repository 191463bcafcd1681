//! The `firesteel` binary: reads the command line, runs a verb, decides the exit status.

mod command;
mod exit;
mod notify;
mod output;
mod signals;

use std::process::ExitCode;

use clap::Parser;

/// State of many groups lies in large pages.
#[cfg(target_os = "linux")]
#[global_allocator]
static HEAP: firesteel_io::sys::heap::Heap = firesteel_io::sys::heap::Heap;

fn main() -> ExitCode {
    let line = command::CommandLine::parse();
    firesteel_io::sys::scarce::allow_files();
    exit::code(command::run(line))
}
