//! `firesteel explain`: the plan, the operators, the cores each is pinned to, the memory each may use.

use clap::Args;

use super::job::JobArgs;
use crate::exit::Failure;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    job: JobArgs,
}

pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let open = args.job.open()?;
    let text = open.locate(open.job.explain(&open.session, &args.job.options()))?;
    crate::output::print(text.as_bytes())?;
    Ok(())
}
