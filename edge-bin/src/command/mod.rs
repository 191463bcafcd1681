//! The verbs, one file each. The command line is described here once; help and errors come from the description.

mod bench;
mod check;
mod demo;
mod explain;
mod job;
mod ring;
mod run;
mod watchdog;

use clap::{Parser, Subcommand};

use crate::exit::Failure;

/// Spark Structured Streaming at the edge: Spark SQL over rings, files and sensors, batch and stream.
#[derive(Debug, Parser)]
#[command(name = "firesteel", version, about, arg_required_else_help = true, max_term_width = 100)]
pub struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a job: SQL statements in a file (`-` reads them from stdin)
    Run(run::RunArgs),
    /// Parse, resolve and type-check a job without running it
    Check(check::CheckArgs),
    /// Show the plan of a job, its operators and the cores they run on
    Explain(explain::ExplainArgs),
    /// Watch this machine's own sensors through a ring: nothing to set up
    Demo(demo::DemoArgs),
    /// Measure how fast this machine runs typical queries
    Bench(bench::BenchArgs),
    /// Create, feed, read and inspect rings
    Ring(ring::RingArgs),
}

/// Runs the verb of a command line.
pub fn run(line: CommandLine) -> Result<(), Failure> {
    match line.verb {
        Verb::Run(args) => run::run(args),
        Verb::Check(args) => check::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Ring(args) => ring::run(args),
    }
}
