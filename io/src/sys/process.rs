//! Which process wrote something, and whether it still lives. A process number alone does not say: numbers are used
//! again, by later processes and after a reboot, and mean something else in a container. So a process is identified by
//! its number, when it started, the boot, and the namespace that the number belongs to.
//!
//! Where `/proc` is hidden (`ProtectProc=`, `ProcSubset=`, `hidepid`) part of that cannot be told. What cannot be told
//! is no reason to call a process dead: only the end of its number, or of a handle on it, is.

use std::{fs, path::Path, sync::OnceLock};

/// Where the system tells of processes.
const PROC: &str = "/proc";

/// The hash of no boot id, and the number of no namespace: what is stored where they could not be read.
const NO_BOOT: u64 = 0xcbf2_9ce4_8422_2325;
const NO_NAMESPACE: u64 = 0;
/// No process starts with the boot: this one could not read when it did.
const NOT_KNOWN: u64 = 0;

/// A process, as four words that can be stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Identity {
    /// Number.
    pub pid: u32,
    /// When it started, in ticks since boot.
    started: u64,
    /// Hash of the boot's random id.
    boot: u64,
    /// The namespace that `pid` counts in.
    namespace: u64,
}

impl Identity {
    /// This process. Computed anew each time, because a fork makes another process of us.
    pub fn current() -> Self {
        let pid = std::process::id();
        let started = process_stat(Path::new(PROC), pid).map_or(NOT_KNOWN, |stat| stat.started);
        Self { pid, started, boot: boot(), namespace: namespace() }
    }

    /// The words to store.
    pub fn words(&self) -> [u64; 4] {
        [self.pid.into(), self.started, self.boot, self.namespace]
    }

    /// The process that stored these words.
    pub fn from_words(words: [u64; 4]) -> Self {
        // A number that no process can have is as good as any other that is dead.
        let pid = u32::try_from(words[0]).unwrap_or(u32::MAX);
        Self { pid, started: words[1], boot: words[2], namespace: words[3] }
    }

    /// All of it in one word, never 0: what is put where only one may be.
    pub fn claim(&self) -> u64 {
        self.words().iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
            (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        }) | 1
    }

    /// Whether it lives; a zombie does not. `None` if that cannot be told from here: another container's process, or
    /// one of that number that is hidden from us and may be another.
    pub fn is_alive(&self) -> Option<bool> {
        View { proc: Path::new(PROC), boot: boot(), namespace: namespace() }.is_alive(self)
    }
}

/// Watches a process; asking costs one cheap system call.
#[derive(Debug)]
pub struct Watch {
    identity: Identity,
    #[cfg(target_os = "linux")]
    pidfd: Option<std::os::fd::OwnedFd>,
    /// The handle is on the process that is meant, not only on one of its number.
    #[cfg(target_os = "linux")]
    is_known: bool,
}

/// What can be seen of processes from here.
struct View<'p> {
    proc: &'p Path,
    boot: u64,
    namespace: u64,
}

impl View<'_> {
    fn is_alive(&self, process: &Identity) -> Option<bool> {
        if self.boot != process.boot && ![self.boot, process.boot].contains(&NO_BOOT) {
            return Some(false);
        }
        if !self.shares_numbers(process) {
            return None;
        }
        match process_stat(self.proc, process.pid) {
            Some(stat) if stat.is_zombie => Some(false),
            Some(stat) if process.started != NOT_KNOWN && stat.started != process.started => Some(false),
            Some(_) if process.started != NOT_KNOWN && ![self.boot, process.boot].contains(&NO_BOOT) => Some(true),
            // It is not listed, or cannot be compared.
            _ => {
                if has_number(process.pid) {
                    None
                } else {
                    Some(false)
                }
            }
        }
    }

    /// Whether a number means the same there and here.
    fn shares_numbers(&self, process: &Identity) -> bool {
        let is_one = self.namespace == process.namespace && self.namespace != NO_NAMESPACE;
        is_one && cfg!(target_os = "linux")
    }
}

impl Watch {
    /// Watches the process with this identity, dead or alive.
    pub fn new(identity: Identity) -> Self {
        #[cfg(target_os = "linux")]
        let (pidfd, is_known) = open_pidfd(identity);
        Self {
            identity,
            #[cfg(target_os = "linux")]
            pidfd,
            #[cfg(target_os = "linux")]
            is_known,
        }
    }

    /// The process.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether it lives; `None` if that cannot be told from here.
    pub fn is_alive(&self) -> Option<bool> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = &self.pidfd {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
            // Readable once the process has ended, reaped or not.
            return match poll(&mut fds, Some(&Timespec::default())) {
                Ok(0) => self.is_known.then_some(true),
                Ok(_) => Some(false),
                Err(_) => None,
            };
        }
        self.identity.is_alive()
    }
}

/// A handle on the process, if it is or may be the one meant, and whether it is: checked after opening, so the number
/// cannot change hands between. If it may be another, its end says as much: the one meant is gone, too.
#[cfg(target_os = "linux")]
fn open_pidfd(identity: Identity) -> (Option<std::os::fd::OwnedFd>, bool) {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    if identity.namespace != namespace() || identity.namespace == NO_NAMESPACE {
        return (None, false);
    }
    let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
    let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    match identity.is_alive() {
        Some(false) => (None, false),
        alive => (pidfd, alive.is_some()),
    }
}

/// Whether a process of that number lives that may be hidden from us.
#[cfg(target_os = "linux")]
fn has_number(pid: u32) -> bool {
    use rustix::{
        io::Errno,
        process::{Pid, test_kill_process},
    };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

#[cfg(not(target_os = "linux"))]
fn has_number(_pid: u32) -> bool {
    true
}

struct Stat {
    started: u64,
    is_zombie: bool,
}

/// From `PROC/PID/stat`: `PID (name) state ppid ...`, where the name may contain anything.
fn process_stat(proc: &Path, pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(proc.join(format!("{pid}/stat"))).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    // The 22nd field; the state is the third.
    let started = fields.nth(22 - 3 - 1)?.parse().ok()?;
    Some(Stat { started, is_zombie: matches!(state, "Z" | "X") })
}

fn boot() -> u64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.iter().fold(NO_BOOT, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
    })
}

fn namespace() -> u64 {
    #[cfg(unix)]
    return fs::metadata("/proc/self/ns/pid").map_or(NO_NAMESPACE, |data| std::os::unix::fs::MetadataExt::ino(&data));
    #[cfg(not(unix))]
    return NO_NAMESPACE;
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn identity_of(pid: u32) -> Identity {
        Identity { pid, started: process_stat(Path::new(PROC), pid).unwrap().started, ..Identity::current() }
    }

    #[test]
    fn we_are_alive_and_survive_being_stored() {
        let us = Identity::current();
        assert_eq!(us.is_alive(), Some(true));
        assert_eq!(Watch::new(us).is_alive(), Some(true));
        assert_eq!(Identity::from_words(us.words()), us);
        assert_ne!(us.claim(), 0);
    }

    #[test]
    fn a_zombie_and_a_reaped_process_are_dead() {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let identity = identity_of(child.id());
        let watch = Watch::new(identity);
        assert_eq!((identity.is_alive(), watch.is_alive()), (Some(true), Some(true)));
        child.kill().unwrap();
        while watch.is_alive() == Some(true) {
            std::thread::yield_now();
        }
        assert_eq!(identity.is_alive(), Some(false), "a zombie");
        child.wait().unwrap();
        assert_eq!((identity.is_alive(), watch.is_alive()), (Some(false), Some(false)));
        assert_eq!(Watch::new(identity).is_alive(), Some(false));
    }

    #[test]
    fn another_process_of_the_same_number_is_not_the_same() {
        let us = Identity::current();
        assert_eq!(Identity { started: us.started + 1, ..us }.is_alive(), Some(false));
        assert_eq!(Identity { boot: us.boot + 1, ..us }.is_alive(), Some(false));
        assert_eq!(Identity { namespace: us.namespace + 1, ..us }.is_alive(), None);
        assert_ne!(Identity { started: us.started + 1, ..us }.claim(), us.claim());
        assert_eq!(Identity::from_words([u64::MAX, 1, us.boot, us.namespace]).is_alive(), Some(false));
    }

    #[test]
    fn what_is_hidden_is_not_dead_before_its_number_is_gone() {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let (proc, hidden) = (Path::new(PROC), Path::new("/no such proc"));
        let seen = identity_of(child.id());
        let (boot, namespace) = (seen.boot, seen.namespace);
        // What wrote the identity saw, and what reads it sees.
        let views = [
            (seen, View { proc: hidden, boot, namespace }),
            (seen, View { proc: hidden, boot: NO_BOOT, namespace }),
            (seen, View { proc, boot: NO_BOOT, namespace }),
            (Identity { started: NOT_KNOWN, ..seen }, View { proc, boot, namespace }),
            (Identity { started: NOT_KNOWN, boot: NO_BOOT, ..seen }, View { proc, boot, namespace }),
        ];
        let nowhere = View { proc: hidden, boot: NO_BOOT, namespace: NO_NAMESPACE };
        views.iter().for_each(|(identity, view)| assert_eq!(view.is_alive(identity), None));
        assert_eq!(nowhere.is_alive(&Identity { boot: NO_BOOT, namespace: NO_NAMESPACE, ..seen }), None);
        let watch = Watch::new(Identity { started: NOT_KNOWN, ..seen });
        assert_eq!(watch.is_alive(), None, "the handle may be on another");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(watch.is_alive(), Some(false), "then the one that is meant is gone as well");
        views.iter().for_each(|(identity, view)| assert_eq!(view.is_alive(identity), Some(false)));
        assert_eq!(View { proc, boot: boot + 1, namespace }.is_alive(&seen), Some(false), "another boot");
        assert_eq!(nowhere.is_alive(&Identity { boot: NO_BOOT, namespace: NO_NAMESPACE, ..seen }), None);
    }

    const FORKS: &str = "FIRESTEEL_TEST_FORKS";

    /// A child that a producer forked has all its files, locks included, and is not the producer.
    #[test]
    fn a_forked_child_does_not_keep_its_dead_parents_lane() {
        use std::io::{BufRead, BufReader};

        use firesteel_core::schema::Schema;

        use crate::ring::{Producer, RingOptions, StreamFolder};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring");
        let options = RingOptions::parse([("capacity", "100k")]).unwrap();
        StreamFolder::create(&path, &Schema::parse_ddl("n BIGINT").unwrap(), &options).unwrap();
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sys::process::tests::a_producer_that_forks", "--nocapture"])
            .env(FORKS, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        let forked = |line: String| Some(line.split_once("forked ")?.1.trim().to_string());
        let child = lines.map_while(Result::ok).find_map(forked).unwrap();
        assert!(Producer::open(&path, None).unwrap_err().message().contains(&parent.id().to_string()));
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert!(std::path::Path::new("/proc").join(&child).exists());
        let next = Producer::open(&path, None);
        Command::new("kill").args(["-KILL", &child]).status().unwrap();
        assert_eq!(next.unwrap().rows_published(), 1);
    }

    /// The part of the test above that forks; does nothing by itself.
    #[test]
    #[expect(unsafe_code, reason = "fork")]
    fn a_producer_that_forks() {
        let Some(path) = std::env::var_os(FORKS) else { return };
        let mut producer = crate::ring::Producer::open(path, None).unwrap();
        producer.push(&[1_i64.into()]).unwrap();
        producer.publish();
        // SAFETY: the child does nothing but wait for its end, which any process may do after a fork.
        let child = unsafe { libc::fork() };
        if child == 0 {
            loop {
                // SAFETY: has no preconditions.
                unsafe { libc::pause() };
            }
        }
        println!("forked {child}");
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
