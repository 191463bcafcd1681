//! Exit statuses: 0 success (a closed pipe included), 1 the job failed, 2 the command line or the job text is wrong.

use std::{io::Write, process::ExitCode};

use firesteel_core::Error;

/// Why a verb ended early: an error, and the text it points into, if it does.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    source: Option<(String, String)>,
}

impl Failure {
    /// An error in a job text: `file` is its name.
    pub fn in_text(error: Error, file: &str, text: &str) -> Self {
        Self { error, source: Some((file.into(), text.into())) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, source: None }
    }
}

impl Failure {
    /// Says on stderr what went wrong.
    pub fn tell(&self) {
        let words = match &self.source {
            Some((file, text)) => firesteel_core::sql::render(&self.error, file, text),
            None => {
                let hint = self.error.hint_text().map_or_else(String::new, |hint| format!("hint: {hint}\n"));
                format!("error: {}\n{hint}", self.error)
            }
        };
        // The exit status says it, too, if stderr cannot take the words.
        _ = std::io::stderr().write_all(words.as_bytes());
    }
}

/// Says what went wrong on stderr and gives the exit status.
pub fn code(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if failure.error.is_stopped() {
        return ExitCode::SUCCESS;
    }
    failure.tell();
    ExitCode::from(if failure.error.is_invalid_job() { 2 } else { 1 })
}
