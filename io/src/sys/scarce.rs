//! What a system may have too little of: open files, threads, memory. Such an error says nothing of the file at hand,
//! and passes when somebody gives some of it back.

use std::{
    io,
    thread::{Builder, JoinHandle},
};

use firesteel_core::{Error, Result};

const MORE_MEMORY: &str = "more memory needs a higher MemoryMax= of the service, or `ulimit -v`";

/// An error of the system, in words; with what to try, if it had too little of something.
pub fn error(message: String, cause: &io::Error) -> Error {
    match hint(cause) {
        Some(hint) => Error::scarce(message).hint(hint),
        None => Error::io(message),
    }
}

/// Whether the system had too little of something.
pub fn is_scarce(cause: &io::Error) -> bool {
    hint(cause).is_some()
}

/// Starts a thread; `why` says what for.
pub fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    why: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(work).map_err(|cause| {
        Error::scarce(format!("cannot start a thread {why}: {cause}"))
            .hint("more threads need a higher TasksMax= or MemoryMax= of the service, or `ulimit -u` or `ulimit -v`")
    })
}

/// Lets this process have as many files open as it may allow itself: a lane takes one, and the usual limit is for
/// programs that know no others.
pub fn allow_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Without it all goes on, with fewer files.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

fn hint(cause: &io::Error) -> Option<&'static str> {
    if cause.kind() == io::ErrorKind::OutOfMemory { Some(MORE_MEMORY) } else { files_hint(cause) }
}

#[cfg(unix)]
fn files_hint(cause: &io::Error) -> Option<&'static str> {
    use rustix::io::Errno;

    match Errno::from_io_error(cause)? {
        Errno::MFILE => Some("more open files need a higher LimitNOFILE= of the service, or `ulimit -n`"),
        Errno::NFILE => Some("the whole system has too many files open: see /proc/sys/fs/file-nr"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn files_hint(_cause: &io::Error) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn too_little_of_something_is_told_from_other_errors() {
        for (number, word) in [(24, "LimitNOFILE="), (23, "file-nr"), (12, "MemoryMax=")] {
            let cause = io::Error::from_raw_os_error(number);
            let error = error("opening x".into(), &cause);
            assert!(is_scarce(&cause) && error.is_scarce() && error.is_io());
            assert!(error.hint_text().is_some_and(|hint| hint.contains(word)), "{error:?}");
        }
        let denied = error("opening x".into(), &io::ErrorKind::PermissionDenied.into());
        assert!(denied.is_io() && !denied.is_scarce());
    }
}
