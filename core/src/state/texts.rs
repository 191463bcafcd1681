//! Short texts → ids, remembered: one cache line answers for a text that was met lately. Behind it stands the table of
//! all keys, which alone makes and forgets ids.

use alloc::vec::Vec;
use core::hint::select_unpredictable;

/// Longest text that is remembered: with more, no two of them would share a cache line.
pub(super) const TEXT_MAX: usize = 24;
const NONE: u32 = u32::MAX;
/// Lines for each key: with four, one key in a hundred shares a line with two others. With two it was one in twelve,
/// and every block had one of them.
const LINES_PER_KEY: usize = 4;
const LINES_MIN: usize = 64;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// A power of two of them, or none.
    lines: Vec<Line>,
}

/// A text of up to [`TEXT_MAX`] bytes, in words that tell it from any other of its length: its first bytes, what is
/// between, and its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    pub words: [u64; 3],
    pub len: u32,
}

/// A text of 8 to 16 bytes: its first eight and its last eight. As [`Short`] it has nothing between.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoWords {
    pub first: u64,
    pub last: u64,
    pub len: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([Entry; 2]);
const _: () = assert!(size_of::<Line>() == 64);

#[derive(Clone, Copy, Debug)]
struct Entry {
    words: [u64; 3],
    /// The lower half is the length, the upper one the id. As one word, whose other half is compared anyway, the id
    /// costs no load, and the compiler has no reason to jump over one.
    len_and_id: u64,
}

impl Entry {
    const EMPTY: Self = Self { words: [0; 3], len_and_id: u64::MAX };

    fn new(text: &Short, id: u32) -> Self {
        Self { words: text.words, len_and_id: u64::from(id) << 32 | u64::from(text.len) }
    }

    /// Zero if it is this text.
    #[inline(always)]
    fn differs(&self, text: &Short) -> u64 {
        let differ = |i: usize| self.words[i] ^ text.words[i];
        differ(0) | differ(1) | differ(2) | self.differs_in_length(text.len)
    }

    /// As [`Entry::differs`].
    #[inline(always)]
    fn differs_from_two_words(&self, text: &TwoWords) -> u64 {
        (self.words[0] ^ text.first) | (self.words[2] ^ text.last) | self.differs_in_length(text.len)
    }

    #[inline(always)]
    fn differs_in_length(&self, len: u32) -> u64 {
        u64::from(self.len_and_id as u32 ^ len)
    }

    #[inline(always)]
    fn id(&self) -> u32 {
        (self.len_and_id >> 32) as u32
    }
}

impl Texts {
    /// The id of a text, if it is remembered; `u32::MAX` if not. Without a branch: which of two texts of a line it is
    /// cannot be foretold.
    #[inline(always)]
    pub fn get(&self, text: &Short, hash: u64) -> u32 {
        self.id_of(hash, |entry| entry.differs(text))
    }

    /// As [`Texts::get`].
    #[inline(always)]
    pub fn get_two_words(&self, text: &TwoWords, hash: u64) -> u32 {
        self.id_of(hash, |entry| entry.differs_from_two_words(text))
    }

    #[inline(always)]
    fn id_of(&self, hash: u64, differs: impl Fn(&Entry) -> u64) -> u32 {
        let Some(Line([first, second])) = self.lines.get(self.line(hash)) else { return NONE };
        let id_of = |entry: &Entry| select_unpredictable(differs(entry) == 0, entry.id(), NONE);
        id_of(first).min(id_of(second))
    }

    /// Remembers a text of a table of so many keys in the place of another, if need be.
    pub fn put(&mut self, text: Short, hash: u64, id: u32, keys: usize) {
        let wanted = (keys * LINES_PER_KEY).next_power_of_two().max(LINES_MIN);
        if self.lines.len() < wanted {
            // What was remembered is remembered anew where it belongs now.
            self.lines.clear();
            self.lines.resize(wanted, Line([Entry::EMPTY; 2]));
        }
        let at = self.line(hash);
        let Line([first, second]) = &mut self.lines[at];
        *second = *first;
        *first = Entry::new(&text, id);
    }

    /// Forgets a text.
    pub fn remove(&mut self, text: &Short, hash: u64) {
        let at = self.line(hash);
        let Some(Line(entries)) = self.lines.get_mut(at) else { return };
        entries.iter_mut().filter(|entry| entry.differs(text) == 0).for_each(|entry| *entry = Entry::EMPTY);
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.lines.fill(Line([Entry::EMPTY; 2]));
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    #[inline(always)]
    fn line(&self, hash: u64) -> usize {
        // The table of keys takes the upper bits.
        hash as usize & self.lines.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_texts_of_a_line_are_remembered() {
        let text = |n: u64| Short { words: [n, 0, 0], len: 8 };
        let mut texts = Texts::default();
        assert_eq!(texts.get(&text(1), 7), NONE);
        (1..=3).for_each(|n| texts.put(text(n), 7, n as u32, 3));
        assert_eq!([1, 2, 3].map(|n| texts.get(&text(n), 7)), [NONE, 2, 3]);
        for other in
            [Short { len: 9, ..text(2) }, Short { words: [2, 1, 0], len: 8 }, Short { words: [2, 0, 1], len: 8 }]
        {
            assert_eq!(texts.get(&other, 7), NONE);
        }
        texts.remove(&text(3), 7);
        assert_eq!(texts.get(&text(3), 7), NONE);
        texts.put(text(9), 8, 9, 1_000);
        assert_eq!([texts.get(&text(2), 7), texts.get(&text(9), 8)], [NONE, 9]);
        texts.clear();
        assert_eq!(texts.get(&text(9), 8), NONE);
    }
}
