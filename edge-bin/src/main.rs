//! The `firesteel` binary: reads the command line, runs a verb, decides the exit status.

mod arguments;
mod command;
mod exit;
mod notify;
mod output;
mod signals;

use std::process::ExitCode;

fn main() -> ExitCode {
    firesteel_io::sys::scarce::allow_files();
    exit::code(command::run(std::env::args_os().skip(1)))
}
