//! `firesteel run`: a job, until it ends or is stopped.

use std::{io::Write, path::PathBuf, sync::Arc};

use clap::Args;
use firesteel_core::{Result, time::zone};
use firesteel_io::session::JobOptions;

use super::job::{JobArgs, OpenJob};
use crate::{
    exit::Failure,
    output::{OutputFormat, ProgressBar, stdout_sink},
    signals,
};

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Put the number of the epoch first in every row, as `_batch_id`
    #[arg(long)]
    batch_id: bool,
    /// How rows are printed
    #[arg(long, value_enum, default_value = "table")]
    format: OutputFormat,
    /// Append the progress of streams to a file: Spark's StreamingQueryProgress, one JSON object a line
    #[arg(long, value_name = "FILE")]
    progress_file: Option<PathBuf>,
    /// Where streams keep checkpoints, so that they go on after a crash where they were
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// If no checkpoint can be used, or the query has changed too much for it, start as if it were new
    #[arg(long, requires = "checkpoint")]
    allow_restart_from_scratch: bool,
}

pub fn run(args: RunArgs) -> Result<(), Failure> {
    let open = args.job.open()?;
    let options = JobOptions {
        progress_file: args.progress_file.clone(),
        checkpoint: args.checkpoint.clone(),
        may_restart_from_scratch: args.allow_restart_from_scratch,
        // A full disk may be what the warning is about, and what stderr goes to: no reason to panic.
        on_warning: Some(Arc::new(|text| _ = writeln!(std::io::stderr(), "warning: {text}"))),
        on_failure: Some(open.teller()),
        ..args.job.options()
    };
    // Once more when it runs; but who waits for rows must have read the warnings before.
    open.locate(open.job.check(&open.session, &options))?;
    signals::stop_on_request(&options.stop)?;
    let bar = ProgressBar::start(options.meter.clone());
    let result = run_job(&open, &args, &options);
    bar.finish();
    open.locate(result)
}

fn run_job(open: &OpenJob, args: &RunArgs, options: &JobOptions) -> Result<()> {
    open.job.run(&open.session, options, &mut |schema, _is_stream| {
        let zone = open.session.setting("spark.sql.session.timeZone").and_then(|name| zone::find(&name));
        stdout_sink(args.format, schema, args.batch_id, &zone.unwrap_or(firesteel_core::time::TimeZone::UTC))
    })
}
