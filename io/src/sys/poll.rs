//! Whether bytes wait to be read, and whether others can be written.

use std::{fs::File, time::Duration};

/// Waits up to `timeout` until reading would not block: bytes are there, or the end is.
#[cfg(unix)]
pub fn is_readable(file: &File, timeout: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
    // A failure says nothing about the bytes; then the reader finds out by reading.
    poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// Waits up to `timeout` until reading would not block. Unknown here: nobody may rely on bytes being there.
#[cfg(not(unix))]
pub fn is_readable(_file: &File, _timeout: Duration) -> bool {
    false
}

/// Waits up to `timeout` until some bytes can be written without blocking: a pipe takes 4096 then. True, too, if
/// writing would fail.
#[cfg(unix)]
pub fn is_writable(file: &File, timeout: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&timeout)) {
        Ok(ready) => ready > 0,
        Err(rustix::io::Errno::INTR) => false,
        // Then the writer finds out by writing.
        Err(_) => true,
    }
}

/// Waits up to `timeout` until bytes can be written. Unknown here: writing may block.
#[cfg(not(unix))]
pub fn is_writable(_file: &File, _timeout: Duration) -> bool {
    true
}

/// Standard output as a file that nothing buffers.
#[cfg(unix)]
pub fn standard_output() -> std::io::Result<File> {
    use std::os::fd::AsFd;

    Ok(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
}

/// Standard output as a file that nothing buffers.
#[cfg(windows)]
pub fn standard_output() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle;

    Ok(File::from(std::io::stdout().as_handle().try_clone_to_owned()?))
}

/// Standard input as a file: bytes that nothing has buffered.
#[cfg(unix)]
pub fn standard_input() -> std::io::Result<File> {
    use std::os::fd::AsFd;

    Ok(File::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard input as a file: bytes that nothing has buffered.
#[cfg(windows)]
pub fn standard_input() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle;

    Ok(File::from(std::io::stdin().as_handle().try_clone_to_owned()?))
}
