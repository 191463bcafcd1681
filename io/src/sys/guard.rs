//! Surviving files that are cut off while they are mapped. Touching a page that the file no longer has raises SIGBUS,
//! which ends a process; a file anybody may truncate must not be able to do that to us.
//!
//! Mappings are entered in a table of fixed size. The signal's handler looks up the address: if it lies in one of ours,
//! it puts zero pages in place of what is gone, marks the mapping as damaged and returns, and the load goes on with
//! zeroes; whoever reads asks [`Guard::is_damaged`] before believing a block. Any other address is none of our business
//! and goes to the handler that was there before. A thread that had the signal blocked would die of it all the same, so
//! whoever maps a file first unblocks it for the thread that does, and for those that it starts.
//!
//! ```text
//!   load ─► page is gone ─► SIGBUS ─► ours? ── yes ─► zero pages, damaged ─► load gives 0 ─► the block is refused
//!                                       └──── no ──► the handler before us
//! ```
#![expect(unsafe_code, reason = "a signal handler, and the mapping it makes")]

#[cfg(unix)]
pub use unix::{Guard, unblock};

/// Protects nothing where there are no such signals.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Guard;

#[cfg(not(unix))]
impl Guard {
    /// Does nothing.
    pub fn new(_start: *mut u8, _len: usize) -> Option<Self> {
        Some(Self)
    }

    /// Never.
    pub fn is_damaged(&self) -> bool {
        false
    }
}

/// Does nothing.
#[cfg(not(unix))]
pub fn unblock() {}

#[cfg(unix)]
mod unix {
    use std::{
        cell::Cell,
        mem::MaybeUninit,
        ptr,
        sync::{
            Once, OnceLock,
            atomic::{AtomicBool, AtomicUsize, Ordering, fence},
        },
    };

    use libc::{c_int, c_void, siginfo_t};

    /// Mappings that can be guarded at a time; further ones are refused. A lane and a cursor each take one.
    const MAPPINGS_MAX: usize = 4096;

    static TABLE: [Entry; MAPPINGS_MAX] = [const { Entry::new() }; MAPPINGS_MAX];
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
    static PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);

    /// A mapping in the table: `end` is 0 while the entry is free or being written.
    struct Entry {
        is_taken: AtomicBool,
        is_damaged: AtomicBool,
        start: AtomicUsize,
        end: AtomicUsize,
    }

    /// Guards one mapping for as long as it lives.
    #[derive(Debug)]
    pub struct Guard {
        entry: usize,
    }

    impl Guard {
        /// Guards `len` bytes from `start`, which must be a mapping that outlives the guard. `None` if as many are
        /// guarded as can be.
        pub fn new(start: *mut u8, len: usize) -> Option<Self> {
            static INSTALLED: Once = Once::new();
            INSTALLED.call_once(install);
            let entry = TABLE.iter().position(|entry| !entry.is_taken.swap(true, Ordering::AcqRel))?;
            let place = &TABLE[entry];
            place.is_damaged.store(false, Ordering::Relaxed);
            place.start.store(start as usize, Ordering::Relaxed);
            // Pairs with the acquire load in `Entry::holds`.
            place.end.store(start as usize + len, Ordering::Release);
            Some(Self { entry })
        }

        /// Whether part of the file was gone when it was touched: zeroes were read for it.
        #[inline]
        pub fn is_damaged(&self) -> bool {
            TABLE[self.entry].is_damaged.load(Ordering::Relaxed)
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            let entry = &TABLE[self.entry];
            entry.end.store(0, Ordering::Release);
            entry.is_taken.store(false, Ordering::Release);
        }
    }

    /// Lets bus errors reach the handler in this thread and in those that it starts; once a thread.
    pub fn unblock() {
        thread_local!(static DONE: Cell<bool> = const { Cell::new(false) });
        if !DONE.replace(true) {
            // SAFETY: a zeroed set is then made an empty one, to which a signal that exists is added.
            unsafe {
                let mut set: libc::sigset_t = MaybeUninit::zeroed().assume_init();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, libc::SIGBUS);
                libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
            }
        }
    }

    impl Entry {
        const fn new() -> Self {
            let (start, end) = (AtomicUsize::new(0), AtomicUsize::new(0));
            Self { is_taken: AtomicBool::new(false), is_damaged: AtomicBool::new(false), start, end }
        }

        /// The end of the mapping, if the address lies in it.
        fn holds(&self, address: usize) -> Option<usize> {
            let end = self.end.load(Ordering::Acquire);
            let is_inside = address < end && address >= self.start.load(Ordering::Relaxed);
            // An entry that another mapping took over between the two loads has another end by now.
            fence(Ordering::Acquire);
            (is_inside && self.end.load(Ordering::Relaxed) == end).then_some(end)
        }
    }

    fn install() {
        // SAFETY: sysconf has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        PAGE_BYTES.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
        // SAFETY: all zeroes are a valid sigaction; its fields are then set to what sigaction(2) asks for. `handle`
        // does only what a signal handler may: atomics, mmap, and the handler before it.
        unsafe {
            let mut ours: libc::sigaction = MaybeUninit::zeroed().assume_init();
            ours.sa_sigaction = handle as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut ours.sa_mask);
            let mut before: libc::sigaction = MaybeUninit::zeroed().assume_init();
            if libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut before) == 0 {
                // Set before the handler can run.
                let _ = BEFORE.set(before);
                libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut());
            }
        }
    }

    extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel passes a valid siginfo; for SIGBUS it has an address.
        let address = unsafe { (*info).si_addr() } as usize;
        let found = TABLE.iter().find_map(|entry| Some((entry, entry.holds(address)?)));
        let is_mended = found.is_some_and(|(entry, end)| {
            entry.is_damaged.store(true, Ordering::Release);
            put_zeroes(address, end)
        });
        if !is_mended {
            pass_on(signal, info, context);
        }
    }

    /// Replaces the mapping from the page of `address` to `end` with zero pages.
    fn put_zeroes(address: usize, end: usize) -> bool {
        let start = address / PAGE_BYTES.load(Ordering::Relaxed) * PAGE_BYTES.load(Ordering::Relaxed);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: the range lies in a mapping of ours (it starts on a page, as mappings do), of which nobody holds a
        // reference that could tell: regions are read atomically, and blocks lent in place are refused afterwards.
        let mapped = unsafe { libc::mmap(start as *mut c_void, end - start, access, flags, -1, 0) };
        mapped != libc::MAP_FAILED
    }

    /// Does what would have happened without us.
    fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        let before = BEFORE.get().map(|before| (before.sa_sigaction, before.sa_flags));
        match before {
            Some((handler, flags)) if handler != libc::SIG_DFL && handler != libc::SIG_IGN => {
                // SAFETY: sigaction(2) gave us this address as that of a handler of the kind that the flag tells.
                unsafe {
                    if flags & libc::SA_SIGINFO != 0 {
                        type WithInfo = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                        std::mem::transmute::<usize, WithInfo>(handler)(signal, info, context);
                    } else {
                        std::mem::transmute::<usize, extern "C" fn(c_int)>(handler)(signal);
                    }
                }
            }
            // SAFETY: restores the default; the access that failed is tried again when we return, and ends the process.
            _ => unsafe {
                libc::signal(signal, libc::SIG_DFL);
            },
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn entries_are_found_by_address_and_freed() {
            let mut byte = [0_u8; 8192];
            let start = byte.as_mut_ptr() as usize;
            let guard = Guard::new(byte.as_mut_ptr(), 100).expect("a free entry");
            let find = |address| TABLE.iter().any(|entry| entry.holds(address).is_some());
            assert!(find(start) && find(start + 99) && !find(start + 100));
            assert!(!guard.is_damaged());
            drop(guard);
            assert!(!find(start));
        }

        /// A blocked SIGBUS ends the process whatever its handler; whoever starts us may have blocked it.
        #[test]
        fn a_thread_that_maps_takes_bus_errors() {
            let thread = std::thread::spawn(|| {
                // SAFETY: as in `unblock`.
                let blocked = |how, change: bool| unsafe {
                    let mut set: libc::sigset_t = MaybeUninit::zeroed().assume_init();
                    let mut before: libc::sigset_t = MaybeUninit::zeroed().assume_init();
                    libc::sigemptyset(&raw mut set);
                    if change {
                        libc::sigaddset(&raw mut set, libc::SIGBUS);
                    }
                    libc::pthread_sigmask(how, &raw const set, &raw mut before);
                    libc::sigismember(&raw const before, libc::SIGBUS) == 1
                };
                blocked(libc::SIG_BLOCK, true);
                assert!(blocked(libc::SIG_BLOCK, false));
                unblock();
                assert!(!blocked(libc::SIG_BLOCK, false));
            });
            assert!(thread.join().is_ok());
        }
    }
}
