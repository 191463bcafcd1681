//! Patterns that need no search within a match: texts, runs of characters and groups, one after the other, as patterns
//! for lines of logs mostly are. A run takes all it can, and what follows cannot begin with a character of it, so there
//! is only one way to match, and that is walked byte by byte, without memory of other ways.
//!
//! Invariant: a course finds exactly what the engine of [`regex`] finds, or says that it does not know.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// Groups, the whole match included.
const GROUPS_MAX: usize = 16;

/// Where the groups of a match lie, the whole match first.
pub(super) type Places = [Range<usize>; GROUPS_MAX];

/// Bytes walked in vain, for each byte of the text, before the other engine is asked, whose time is bounded.
const EFFORT_MAX: usize = 8;

/// A pattern with only one way to match.
#[derive(Debug)]
pub(super) struct Course {
    steps: Vec<Step>,
    groups: usize,
    /// It matches at the text's start or not at all.
    is_anchored: bool,
}

#[derive(Debug)]
enum Step {
    Text(Box<[u8]>),
    Run { of: Set, least: usize, most: usize },
    Open(usize),
    Close(usize),
    End,
}

/// Bytes of characters: single ones of ASCII, the others all or none.
#[derive(Clone, Debug, PartialEq)]
struct Set {
    bytes: Box<[bool; 256]>,
    /// All that is missing, if it is so little that eight bytes can be looked at together.
    stops: Option<Stops>,
}

/// Bytes at which a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stops {
    /// `[^"]`
    One(u8),
    /// All are below this one, as those of `\S`.
    Below(u8),
}

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    /// The first match; its groups were told.
    Match,
    Nothing,
    /// The other engine must say.
    Unknown,
}

impl Course {
    /// The course of a pattern in the syntax of [`regex`], if it has one.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
        let mut course = Self { steps: Vec::new(), groups: 1, is_anchored: false };
        course.add(&hir)?;
        let begins_with_text = matches!(course.tail(0).next(), Some(Step::Text(_)));
        let is_straight = (0..course.steps.len()).all(|step| course.has_one_way(step));
        (is_straight && (course.is_anchored || begins_with_text) && course.groups <= GROUPS_MAX).then_some(course)
    }

    fn add(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(text) => self.steps.push(Step::Text(text.0.clone())),
            HirKind::Class(class) => self.add_run(Set::of(class)?, 1, Some(1))?,
            HirKind::Repetition(Repetition { min, max, greedy: true, sub }) => {
                let of = match sub.kind() {
                    HirKind::Class(class) => Set::of(class)?,
                    HirKind::Literal(text) => Set::of_byte(&text.0)?,
                    _ => return None,
                };
                self.add_run(of, *min, *max)?;
            }
            HirKind::Look(Look::Start) if self.steps.is_empty() => self.is_anchored = true,
            HirKind::Look(Look::End) => self.steps.push(Step::End),
            HirKind::Capture(group) => {
                let index = group.index as usize;
                self.groups = self.groups.max(index + 1);
                self.steps.push(Step::Open(index));
                self.add(&group.sub)?;
                self.steps.push(Step::Close(index));
            }
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.add(part))?,
            HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => return None,
        }
        Some(())
    }

    /// Characters of several bytes can be told from one another, but not counted.
    fn add_run(&mut self, of: Set, least: u32, most: Option<u32>) -> Option<()> {
        let counts = least > 1 || most.is_some();
        if counts && !of.is_ascii() {
            return None;
        }
        let most = most.map_or(usize::MAX, |most| most as usize);
        self.steps.push(Step::Run { of, least: least as usize, most });
        Some(())
    }

    /// The steps from one on that look at the text.
    fn tail(&self, from: usize) -> impl Iterator<Item = &Step> {
        self.steps[from..].iter().filter(|step| !matches!(step, Step::Open(_) | Step::Close(_)))
    }

    /// Whether nothing that may follow a run can begin with a character of it.
    fn has_one_way(&self, step: usize) -> bool {
        let Step::Run { of, least, most } = &self.steps[step] else { return true };
        if least == most {
            return true;
        }
        for next in self.tail(step + 1) {
            match next {
                Step::Text(text) => return !of.has(text[0]),
                Step::Run { of: other, .. } if of.meets(other) => return false,
                Step::Run { least: 0, .. } => {}
                Step::Run { .. } | Step::End => return true,
                Step::Open(_) | Step::Close(_) => unreachable!("a tail has none"),
            }
        }
        true
    }

    /// Looks for the first match and tells where its groups lie.
    pub(super) fn find(&self, text: &str, places: &mut Places) -> Found {
        let bytes = text.as_bytes();
        if self.is_anchored {
            return self.walk(bytes, 0, places).map_or(Found::Nothing, |()| Found::Match);
        }
        let Some(Step::Text(first)) = self.tail(0).next() else { return Found::Unknown };
        let (mut from, mut effort) = (0, bytes.len() * EFFORT_MAX);
        while let Some(at) = find(&bytes[from..], first) {
            match self.walk(bytes, from + at, places) {
                Ok(()) => return Found::Match,
                Err(walked) if walked <= effort => effort -= walked,
                Err(_) => return Found::Unknown,
            }
            from += at + 1;
        }
        Found::Nothing
    }

    /// Walks from a place; tells how many bytes were walked if in vain.
    fn walk(&self, bytes: &[u8], start: usize, places: &mut Places) -> Result<(), usize> {
        let mut at = start;
        for step in &self.steps {
            let is_there = match step {
                Step::Text(text) => {
                    let is_there = bytes[at..].starts_with(text);
                    at += if is_there { text.len() } else { 0 };
                    is_there
                }
                Step::Run { of, least, most } => {
                    let len = of.run(&bytes[at..], *most);
                    at += len;
                    len >= *least
                }
                Step::Open(group) => {
                    places[*group].start = at;
                    true
                }
                Step::Close(group) => {
                    places[*group].end = at;
                    true
                }
                Step::End => at == bytes.len(),
            };
            if !is_there {
                return Err(at - start);
            }
        }
        places[0] = start..at;
        Ok(())
    }
}

impl Set {
    fn of(class: &Class) -> Option<Self> {
        let Class::Unicode(class) = class else { return None };
        let mut bytes = Box::new([false; 256]);
        for range in class.ranges() {
            let (start, end) = (u32::from(range.start()), u32::from(range.end()));
            let ascii = start as usize..(end as usize + 1).min(128);
            if !ascii.is_empty() {
                bytes[ascii].fill(true);
            }
            match (start, end) {
                (_, ..128) => {}
                (..=128, 0x10_ffff) => bytes[128..].fill(true),
                _ => return None,
            }
        }
        Some(Self::new(bytes))
    }

    fn new(bytes: Box<[bool; 256]>) -> Self {
        let missing: Vec<u8> = (0..=255).filter(|byte| !bytes[usize::from(*byte)]).collect();
        let stops = match *missing {
            [stop] => Some(Stops::One(stop)),
            [.., last] if last <= b' ' => Some(Stops::Below(last + 1)),
            _ => None,
        };
        Self { bytes, stops }
    }

    fn of_byte(text: &[u8]) -> Option<Self> {
        let [byte] = *text else { return None };
        let mut bytes = Box::new([false; 256]);
        bytes[usize::from(byte)] = true;
        byte.is_ascii().then(|| Self::new(bytes))
    }

    fn has(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte)]
    }

    fn is_ascii(&self) -> bool {
        !self.bytes[128]
    }

    fn meets(&self, other: &Self) -> bool {
        self.bytes.iter().zip(other.bytes.iter()).any(|(a, b)| *a && *b)
    }

    /// How many bytes from the front are of this set, `most` at most.
    #[inline]
    fn run(&self, bytes: &[u8], most: usize) -> usize {
        let bytes = &bytes[..bytes.len().min(most)];
        let passed = match self.stops {
            // A byte `x` is marked where `x - 1` borrows and `x` has no high bit: the lowest mark is right.
            Some(Stops::One(stop)) => pass(bytes, |word| {
                let zeros = word ^ (ONES * u64::from(stop));
                zeros.wrapping_sub(ONES) & !zeros
            }),
            Some(Stops::Below(limit)) => pass(bytes, |word| word.wrapping_sub(ONES * u64::from(limit)) & !word),
            None => 0,
        };
        let rest = &bytes[passed..];
        passed + rest.iter().position(|byte| !self.bytes[usize::from(*byte)]).unwrap_or(rest.len())
    }
}

const ONES: u64 = u64::MAX / 255;

/// How many bytes from the front, eight at a time, have no mark in their high bit.
#[inline]
fn pass(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let mut len = 0;
    while let Some(eight) = bytes[len..].first_chunk::<8>() {
        let marks = marks(u64::from_le_bytes(*eight)) & (ONES << 7);
        if marks != 0 {
            return len + marks.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len
}

/// Where a text of at least one byte stands first.
#[inline]
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let (first, rest) = text.split_first()?;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(*first, &bytes[from..])?;
        let behind = &bytes[at + 1..];
        if behind.len() >= rest.len() && behind.iter().zip(rest).all(|(a, b)| a == b) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::function::string::java::{Use, compile};
    use alloc::string::String;
    use proptest::prelude::*;

    /// Asserts that a course, if there is one, finds every group where the other engine finds it.
    fn assert_agrees(pattern: &str, text: &str) -> bool {
        let Ok(regex) = compile(pattern, Use::Find) else { return false };
        let Some(course) = Course::new(regex.as_str()) else { return false };
        let captures = regex.captures(text);
        assert_eq!(course.groups, regex.captures_len(), "{pattern}");
        let mut places = Places::default();
        match (course.find(text, &mut places), captures) {
            (Found::Unknown, _) => {}
            (Found::Nothing, captures) => assert!(captures.is_none(), "{pattern} in {text:?}"),
            (Found::Match, None) => panic!("{pattern} is not in {text:?}"),
            (Found::Match, Some(captures)) => (0..course.groups).for_each(|group| {
                let expected = captures.get(group).map_or(0..0, |m| m.range());
                assert_eq!(places[group], expected, "{group} of {pattern} in {text:?}");
            }),
        }
        true
    }

    const LINES: [&str; 6] = [
        "10.0.0.1 - - [01/Jan/2025:00:00:00 +0000] \"GET /a/b.html HTTP/1.1\" 200 1234",
        "10.0.0.1 - bob [01/Jan/2025:00:00:00 +0000] \"GET /ü HTTP/1.1\" 404 -",
        "[x] [] \" 200 17 \" 20 \" 2000 \" 301 5",
        "",
        "\n",
        "key=value; other=1\u{2028}",
    ];

    #[test]
    fn patterns_of_logs_have_a_course() {
        let patterns = [
            r"\[([^\]]+)\]",
            r#"" (\d{3}) "#,
            r#"" \d{3} (\d+)"#,
            r#"^(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) (\d+)$"#,
            r#"^(\S+) (\S*) (\S*) \[([\w:/]+\s[+-]\d{4})\] "(\S+)\s?(\S+)?\s?(\S+)?" (\d{3}) (\S+)"#,
            r"other=(\d{1,3})",
            r"^[^ ]*",
            r"=(\w*);? *",
        ];
        let have_one = patterns.map(|pattern| LINES.map(|line| assert_agrees(pattern, line)).contains(&true));
        assert_eq!(have_one, [true, true, true, true, false, true, true, true]);
    }

    #[test]
    fn what_may_match_in_several_ways_has_none() {
        for pattern in
            ["^a*ab", "x.*y", "^(ab|c)d", "^a+?b", "[ab]c", "^(ab)*c", "^é{2}x", "^[^a]{3}", r"\bx", "^a*b*ac"]
        {
            assert!(Course::new(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn a_text_that_takes_too_long_is_left_to_the_other_engine() {
        let course = Course::new("a[^b]*b").unwrap();
        let mut places = Places::default();
        assert_eq!(course.find(&"a".repeat(1000), &mut places), Found::Unknown);
        assert_eq!(course.find("xxaaab", &mut places), Found::Match);
        assert_eq!(places[0], 2..6);
    }

    const ATOMS: [&str; 16] =
        ["a", "b", "-", "é", r"\d", r"\S", r"\s", r"\w", "[^b]", "[^ ]", "[ab]", r"[^\]]", r"\[", " ", "1", "ab"];
    const COUNTS: [&str; 9] = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}"];

    fn atom() -> impl Strategy<Value = String> {
        let parts = (prop::sample::select(&ATOMS[..]), prop::sample::select(&COUNTS[..]), any::<bool>());
        parts.prop_map(|(atom, count, captured)| match captured {
            true => alloc::format!("({atom}{count})"),
            false => alloc::format!("{atom}{count}"),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn courses_find_what_the_other_engine_finds(
            anchor in any::<bool>(),
            atoms in prop::collection::vec(atom(), 1..6),
            end in any::<bool>(),
            texts in prop::collection::vec("[ab1é \\-\\[\\]]{0,30}", 8),
        ) {
            let pattern = [if anchor { "^" } else { "" }, &atoms.concat(), if end { "$" } else { "" }].concat();
            for text in &texts {
                assert_agrees(&pattern, text);
            }
        }
    }
}
