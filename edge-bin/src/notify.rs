//! What systemd is told: that the job runs, reads its text again, stops, and is alive. Without a service manager that
//! listens nothing happens.

use std::{
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
    sync::OnceLock,
    time::Duration,
};

/// Tells the service manager something: lines of `NAME=VALUE`.
pub fn tell(state: &str) {
    static SOCKET: OnceLock<Option<(UnixDatagram, SocketAddr)>> = OnceLock::new();
    if let Some((socket, manager)) = SOCKET.get_or_init(open) {
        // A manager that does not take it has its own ways to find out.
        _ = socket.send_to_addr(state.as_bytes(), manager);
    }
}

/// The same before a reload, which needs the time at which it began.
pub fn tell_reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// How often this process must say that it is alive, if it must: at half of the time after which it is killed.
pub fn watchdog_interval() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|usec| is_meant && *usec > 0).map(|usec| Duration::from_micros(usec) / 2)
}

fn open() -> Option<(UnixDatagram, SocketAddr)> {
    let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
    let address = match path.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name).ok()?,
        _ => SocketAddr::from_pathname(&path).ok()?,
    };
    Some((UnixDatagram::unbound().ok()?, address))
}
