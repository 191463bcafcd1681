//! JSON lines on the straight way: objects with the keys of an earlier one, in the same order and with the same blanks.

use firesteel_core::block::Column;

use super::{
    super::{
        number::double_in_front,
        words::{find_special, non_ascii},
    },
    plan::{Formats, Record, Target},
    scan::{Dialect, Scanner, Text},
    straight::{Cell, Literal, Read, Straight},
    value::{Outcome, Reader, Scratch},
};

/// What reads the values that are no plain numbers or strings.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) dialect: Dialect,
    pub(super) formats: &'a mut Formats,
    pub(super) record: &'a Record,
    pub(super) scratch: &'a mut Scratch,
}

/// The straight way through objects like the one that this good line is. None if a key comes twice or anything stands
/// behind the object.
pub(super) fn straight(
    line: &[u8],
    dialect: Dialect,
    record: &Record,
    columns: &[usize],
    formats: &Formats,
) -> Option<Straight> {
    let mut scanner = Scanner::new(line, dialect);
    scanner.start().ok()?;
    scanner.open(b'{').ok()?;
    let (mut cells, mut literal_start) = (Vec::new(), 0);
    let mut missing: Vec<bool> = record.fields.iter().map(|field| !matches!(field.target, Target::Skip)).collect();
    while scanner.next_key(cells.is_empty()).ok()? {
        let field = find(&mut scanner, record)?;
        scanner.colon().ok()?;
        let before = Literal::new(&line[literal_start..scanner.at()]);
        scanner.skip_value().ok()?;
        literal_start = scanner.at();
        let target = field.map_or(&Target::Skip, |field| &record.fields[field].target);
        let is_again = field.is_some_and(|field| !std::mem::take(&mut missing[field]));
        if is_again && !matches!(target, Target::Skip) {
            return None;
        }
        let read = read(target, field.unwrap_or_default(), formats);
        cells.push(Cell { before, read, column: field.map_or(0, |field| columns[field]) });
    }
    let missing = columns.iter().zip(missing).filter(|(_, missing)| *missing).map(|(column, _)| *column);
    let is_all = scanner.at() == line.len();
    is_all.then(|| Straight::new(cells, Literal::new(&line[literal_start..]), missing.collect()))
}

/// The field whose key is here; one that the schema does not have is `Some(None)`.
fn find(scanner: &mut Scanner<'_>, record: &Record) -> Option<Option<usize>> {
    match scanner.key().ok()? {
        Text::Plain(name) => Some(record.find(name)),
        Text::Escaped(name) => {
            let mut unescaped = Vec::new();
            Scanner::unescape(name, &mut unescaped);
            Some(record.find(&unescaped))
        }
    }
}

fn read(target: &Target, field: usize, formats: &Formats) -> Read {
    match target {
        Target::Skip => Read::Skip,
        Target::Int32 => Read::Int32,
        Target::Int64 => Read::Int64,
        Target::Float64 => Read::Float64,
        Target::String => Read::String,
        Target::Timestamp if formats.timestamp.is_none() => Read::Timestamp(formats.timestamps.clone()),
        _ => Read::Other(field),
    }
}

/// Every position given or returned is one in `bytes`; `None` means that the row is not for the straight way, or that
/// the bytes end too early to say.
impl Rows<'_> {
    /// Where the text of a value begins.
    #[inline(always)]
    pub(super) fn open(&self, bytes: &[u8], at: usize) -> Option<usize> {
        (*bytes.get(at)? == b'"').then_some(at + 1)
    }

    /// Where the text ends that began at `at`, and whether it is ASCII.
    #[inline(always)]
    pub(super) fn text_end(&self, bytes: &[u8], at: usize) -> Option<(usize, bool)> {
        let len = find_special(bytes.get(at..)?)?;
        Some((at + len, !non_ascii(&bytes[at..at + len])))
    }

    /// What follows a text that ended at `at`. Only at a quote: at a backslash or a control character the string is not
    /// a plain one.
    #[inline(always)]
    pub(super) fn close(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.open(bytes, at)
    }

    /// What follows a NULL at `at`, if there is one.
    #[inline(always)]
    pub(super) fn null(&self, bytes: &[u8], at: usize) -> Option<usize> {
        bytes[at..].starts_with(b"null").then_some(at + 4)
    }

    /// Passes over a value, checking what its reader would check.
    #[inline(always)]
    pub(super) fn skip(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        match *bytes.get(at)? {
            b'"' => {
                let (end, is_ascii) = self.text_end(bytes, at + 1)?;
                let is_text = is_ascii || std::str::from_utf8(&bytes[at..end]).is_ok();
                self.close(bytes, end).filter(|_| is_text)
            }
            b'-' | b'0'..=b'9' => double_in_front::<false>(bytes, at).map(|(_, next)| next),
            _ => scan(self.dialect, bytes, at, |scanner| scanner.skip_value().ok()),
        }
    }

    /// Appends a value of [`Read::Other`].
    pub(super) fn other(&mut self, bytes: &[u8], at: usize, which: usize, column: &mut Column) -> Option<usize> {
        let target = &self.record.fields[which].target;
        let mut reader = Reader { formats: self.formats, scratch: self.scratch };
        scan(self.dialect, bytes, at, |scanner| {
            let outcome = reader.value(scanner, target, column).ok()?;
            (outcome == Outcome::Good).then_some(())
        })
    }
}

/// Has the scanner read a value, which must not go on behind its line.
fn scan(dialect: Dialect, bytes: &[u8], at: usize, read: impl FnOnce(&mut Scanner<'_>) -> Option<()>) -> Option<usize> {
    let len = memchr::memchr2(b'\n', b'\r', bytes.get(at..)?)?;
    let mut scanner = Scanner::resume(&bytes[..at + len], at, dialect);
    read(&mut scanner)?;
    std::str::from_utf8(&bytes[at..scanner.at()]).ok()?;
    Some(scanner.at())
}
