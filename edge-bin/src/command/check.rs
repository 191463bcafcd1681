//! `firesteel check`: is the job right? Nothing runs and nothing is read.

use super::job::{self, JobArgs};
use crate::{
    arguments::{Takes, Verb},
    exit::Failure,
};

pub const VERB: Verb = Verb {
    name: "check",
    about: "Parse, resolve and type-check a job without running it",
    takes: Takes::Arguments {
        operand: Some(job::JOB),
        flags: &[job::FLAGS],
        run: |given| check(&JobArgs::read(given)?),
    },
};

fn check(args: &JobArgs) -> Result<(), Failure> {
    let open = args.open()?;
    open.locate(open.job.check(&open.session, &args.options()))
}
