//! `firesteel explain`: the plan, the operators, the cores each is pinned to, the memory each may use.

use super::job::{self, JobArgs};
use crate::{
    arguments::{Takes, Verb},
    exit::Failure,
};

pub const VERB: Verb = Verb {
    name: "explain",
    about: "Show the plan of a job, its operators and the cores they run on",
    takes: Takes::Arguments {
        operand: Some(job::JOB),
        flags: &[job::FLAGS],
        run: |given| explain(&JobArgs::read(given)?),
    },
};

fn explain(args: &JobArgs) -> Result<(), Failure> {
    let open = args.open()?;
    let text = open.locate(open.job.explain(&open.session, &args.options()))?;
    crate::output::print(text.as_bytes())?;
    Ok(())
}
