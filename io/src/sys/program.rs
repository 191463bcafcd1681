//! The program's own pages. Starting up reads most of it once: the command line, SQL, plans; and what was read stays
//! mapped, though running streams need a tenth of it. So it is given back when they run: what is needed comes again
//! from the page cache, sixteen pages at a time, and the rest is nobody's.
#![expect(unsafe_code, reason = "pages are given back by address")]

use core::ops::Range;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
};

use rustix::{
    mm::{Advice, madvise},
    param::page_size,
};

/// What `/proc/PID/pagemap` has of each page.
const ENTRY_BYTES: usize = 8;

/// Gives back the pages of the program that hold code and constants, and those of its libraries that hold code.
pub fn forget_pages() {
    let (Ok(maps), Ok(pagemap)) = (fs::read_to_string("/proc/self/maps"), File::open("/proc/self/pagemap")) else {
        return;
    };
    for pages in code(&maps).into_iter().filter(|pages| are_the_files(&pagemap, pages).unwrap_or(false)) {
        // SAFETY: the mapping is of a file, cannot be written, and has no page that differs from the file's: whoever
        // reads or executes one of its pages again gets the very bytes from the file. Nor does anything else come to
        // lie there meanwhile: what is executed, and what lies right before it, stays where it was loaded.
        _ = unsafe { madvise(pages.start as *mut _, pages.len(), Advice::LinuxDontNeed) };
    }
}

/// A line of the list of mappings.
struct Mapped<'a> {
    pages: Range<usize>,
    permissions: &'a str,
    file: &'a str,
}

/// Where files are mapped to be executed, with the constants that lie right before.
fn code(maps: &str) -> Vec<Range<usize>> {
    let all: Vec<Mapped<'_>> = maps.lines().filter_map(mapped).collect();
    let is_code = |m: &Mapped<'_>| m.permissions == "r-xp" && m.file.starts_with('/');
    let is_before_code = |i: usize, m: &Mapped<'_>| {
        m.permissions == "r--p"
            && all
                .get(i + 1)
                .is_some_and(|next| is_code(next) && next.file == m.file && next.pages.start == m.pages.end)
    };
    let is_either = |(i, m): &(usize, &Mapped<'_>)| is_code(m) || is_before_code(*i, m);
    all.iter().enumerate().filter(is_either).map(|(_, m)| m.pages.clone()).collect()
}

fn mapped(line: &str) -> Option<Mapped<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (pages, permissions) = (range(words.next()?)?, words.next()?);
    Some(Mapped { pages, permissions, file: line.find('/').map_or("", |at| &line[at..]) })
}

/// Whether no page is a copy, in memory or written out: neither changed when it was loaded, nor by a debugger. Asked of
/// these pages alone: to list what all mappings have in memory, the kernel would go through the rings, too.
fn are_the_files(pagemap: &File, pages: &Range<usize>) -> io::Result<bool> {
    let mut entries = vec![0; pages.len() / page_size() * ENTRY_BYTES];
    pagemap.read_exact_at(&mut entries, (pages.start / page_size() * ENTRY_BYTES) as u64)?;
    let entries = entries.as_chunks::<ENTRY_BYTES>().0;
    Ok(entries.iter().all(|entry| is_the_files(u64::from_ne_bytes(*entry))))
}

/// An entry of `/proc/PID/pagemap` (the kernel's `Documentation/admin-guide/mm/pagemap.rst`).
fn is_the_files(entry: u64) -> bool {
    let (is_present, is_swapped, is_of_file) = (entry >> 63 & 1 == 1, entry >> 62 & 1 == 1, entry >> 61 & 1 == 1);
    !is_swapped && (!is_present || is_of_file)
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
    fn code_and_what_lies_before_it_are_the_programs() {
        let maps = [
            "1000-3000 r--p 00000000 fd:00 12 /bin/x",
            "3000-9000 r-xp 00002000 fd:00 12 /bin/x",
            "9000-a000 r--p 00008000 fd:00 12 /bin/x",
            "a000-b000 rw-p 00009000 fd:00 12 /bin/x",
            "c000-d000 r--p 00000000 fd:00 12 /bin/x",
            "30000-32000 r-xp 00000000 00:00 0",
            "40000-41000 r-xp 00000000 00:00 0 [vdso]",
            "50000-51000 r-xp 00000000 fd:00 15 /lib/y z.so",
        ];
        assert_eq!(code(&maps.join("\n")), [0x1000..0x3000, 0x3000..0x9000, 0x50000..0x51000]);
        assert!(code("no maps\n").is_empty());
    }

    #[test]
    fn copies_are_not_the_files() {
        let (present, swapped, of_file) = (1 << 63, 1 << 62, 1 << 61);
        for (entry, expected) in
            [(0, true), (present | of_file, true), (present, false), (swapped, false), (swapped | of_file, false)]
        {
            assert_eq!(is_the_files(entry), expected, "{entry:x}");
        }
        let own = |maps: &str, permissions: &str| {
            let is_own = |m: &Mapped<'_>| m.permissions == permissions && m.file.contains("/deps/");
            maps.lines().filter_map(mapped).find(is_own).unwrap().pages
        };
        let (maps, pagemap) =
            (fs::read_to_string("/proc/self/maps").unwrap(), File::open("/proc/self/pagemap").unwrap());
        assert!(are_the_files(&pagemap, &own(&maps, "r-xp")).unwrap());
        assert!(!are_the_files(&pagemap, &own(&maps, "rw-p")).unwrap(), "what was changed when it was loaded");
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        assert!(code(&fs::read_to_string("/proc/self/maps").unwrap()).len() > 2);
        forget_pages();
        assert!(std::panic::catch_unwind(|| panic!("unwinds as before")).is_err());
    }
}
