//! `firesteel check`: is the job right? Nothing runs and nothing is read.

use clap::Args;

use super::job::JobArgs;
use crate::exit::Failure;

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    job: JobArgs,
}

pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let open = args.job.open()?;
    open.locate(open.job.check(&open.session, &args.job.options()))
}
