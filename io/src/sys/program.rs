//! The program's own pages. Starting up reads most of it once: the command line, SQL, plans; and what was read stays
//! mapped, though running streams need a tenth of it. So it is given back when they run: what is needed comes again
//! from the page cache, sixteen pages at a time, and the rest is nobody's.
#![expect(unsafe_code, reason = "pages are given back by address")]

use core::ops::Range;
use std::fs;

use rustix::mm::{Advice, madvise};

/// Gives back the pages of the program that hold code and constants, and those of its libraries that hold code.
pub fn forget_pages() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    for pages in untouched(&maps) {
        // SAFETY: the mapping is of a file, cannot be written, and has no page that differs from the file's: whoever
        // reads or executes one of its pages again gets the very bytes from the file. Nor does anything else come to
        // lie there meanwhile: what is executed, and what lies right before it, stays where it was loaded.
        _ = unsafe { madvise(pages.start as *mut _, pages.len(), Advice::LinuxDontNeed) };
    }
}

/// A line of the list of mappings, and what follows it.
struct Mapped<'a> {
    pages: Range<usize>,
    permissions: &'a str,
    file: &'a str,
    /// No page is a copy: neither changed when it was loaded, nor by a debugger.
    is_clean: bool,
}

/// Where files are mapped to be executed, with the constants that lie right before.
fn untouched(maps: &str) -> Vec<Range<usize>> {
    let all = mappings(maps);
    let is_code = |m: &Mapped<'_>| m.permissions == "r-xp" && m.file.starts_with('/');
    let is_before_code = |i: usize, m: &Mapped<'_>| {
        m.permissions == "r--p"
            && all
                .get(i + 1)
                .is_some_and(|next| is_code(next) && next.file == m.file && next.pages.start == m.pages.end)
    };
    let untouched = |(i, m): &(usize, &Mapped<'_>)| m.is_clean && (is_code(m) || is_before_code(*i, m));
    all.iter().enumerate().filter(untouched).map(|(_, m)| m.pages.clone()).collect()
}

fn mappings(maps: &str) -> Vec<Mapped<'_>> {
    let mut all: Vec<Mapped<'_>> = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            // Private copies, in memory or written out.
            (Some("Anonymous:" | "Swap:"), Some(kb)) => {
                if let Some(last) = all.last_mut() {
                    last.is_clean &= kb == "0";
                }
            }
            (Some(addresses), Some(permissions)) => {
                let file = line.find('/').map_or("", |at| &line[at..]);
                all.extend(range(addresses).map(|pages| Mapped { pages, permissions, file, is_clean: true }));
            }
            _ => {}
        }
    }
    all
}

/// `55d0c0a00000-55d0c0f2d000`
fn range(addresses: &str) -> Option<Range<usize>> {
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_are_the_files_are_given_back() {
        let mapping = |head: &str, anonymous: u32, swap: u32| {
            format!("{head}\nRss: 8 kB\nAnonymous: {anonymous} kB\nSwap: {swap} kB\nVmFlags: rd ex\n")
        };
        let maps = [
            mapping("1000-3000 r--p 00000000 fd:00 12 /bin/x", 0, 0),
            mapping("3000-9000 r-xp 00002000 fd:00 12 /bin/x", 0, 0),
            mapping("9000-a000 r--p 00008000 fd:00 12 /bin/x", 4, 0),
            mapping("a000-b000 rw-p 00009000 fd:00 12 /bin/x", 4, 0),
            mapping("c000-d000 r--p 00000000 fd:00 12 /bin/x", 0, 0),
            mapping("10000-11000 r-xp 00000000 fd:00 13 /lib/with a breakpoint.so", 4, 0),
            mapping("20000-21000 r-xp 00000000 fd:00 14 /lib/with text relocations.so", 0, 4),
            mapping("30000-32000 r-xp 00000000 00:00 0", 0, 0),
            mapping("40000-41000 r-xp 00000000 00:00 0 [vdso]", 0, 0),
            mapping("50000-51000 r-xp 00000000 fd:00 15 /lib/y.so", 0, 0),
        ];
        assert_eq!(untouched(&maps.concat()), [0x1000..0x3000, 0x3000..0x9000, 0x50000..0x51000]);
        assert!(untouched("no maps\n").is_empty());
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        let pages = || untouched(&fs::read_to_string("/proc/self/smaps").unwrap());
        assert!(pages().len() > 2, "{:?}", pages());
        forget_pages();
        assert!(std::panic::catch_unwind(|| panic!("unwinds as before")).is_err());
    }
}
