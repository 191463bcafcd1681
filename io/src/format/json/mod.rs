//! JSON as Spark reads it: one value a line, objects become rows, the elements of an array of objects a row each.
//!
//! Text goes straight into columns: no tree, no allocation per row. Keys are looked up where the schema expects them
//! next, which is where they almost always are. A value of the wrong type is NULL and the record counts as malformed;
//! text that is not JSON loses the whole record. What follows the first value of a line is not looked at.

mod plan;
mod rows;
mod scan;
mod straight;
mod value;

use firesteel_core::{
    Result,
    block::{Block, Column},
    schema::{Field, Schema},
    time::TimeZone,
};

use self::{
    plan::{Formats, Record},
    rows::Rows,
    scan::{Dialect, Scanner, Syntax},
    straight::Straight,
    value::{Places, Scratch},
};
use super::{
    Options, Reason,
    lines::BYTE_ORDER_MARK,
    page::{Fault, Page, Place, Sink, Verdict, corrupt_column},
};

/// Reads records of one table.
#[derive(Debug)]
pub(super) struct JsonReader {
    dialect: Dialect,
    formats: Formats,
    record: Record,
    /// Where the columns of `record` lie in a page.
    columns: Vec<usize>,
    scratch: Scratch,
    /// Rows of a top-level array, until it is known to be good.
    array: Block,
    /// Reads rows that look like an earlier one.
    straight: Option<Straight>,
    /// How often such a row may still be chosen anew: a stream of ever other rows must not allocate for ever.
    choices: u32,
}

/// Rows of as many layouts may come one after the other before the straight way is given up.
const CHOICES_MAX: u32 = 64;

impl JsonReader {
    pub(super) fn new(schema: &Schema, options: &Options, page: &Page, session_zone: &TimeZone) -> Result<Self> {
        let corrupt = corrupt_column(schema, options);
        let is_data = |i: usize| Some(i) != corrupt;
        let columns: Vec<usize> = (0..schema.len()).filter(|i| is_data(*i)).collect();
        let fields: Vec<Field> = columns.iter().map(|&i| schema.field(i).clone()).collect();
        let record = Record::new(&fields, |i| page.reads(columns[i]))?;
        Ok(Self {
            dialect: Dialect::new(options)?,
            formats: Formats::new(options, session_zone)?,
            record,
            columns,
            scratch: Scratch::default(),
            array: Block::new(&Schema::new(fields)),
            straight: None,
            choices: CHOICES_MAX,
        })
    }

    /// Reads a line and closes what came of it: no row, one, or for an array of objects several.
    #[inline]
    pub(super) fn read(&mut self, line: &[u8], page: &mut Page, place: Place<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        let mut scanner = Scanner::new(line, self.dialect);
        let verdict = match scanner.start() {
            Ok(None) => Verdict::Nothing,
            Ok(Some(b'{')) => {
                let verdict = self.read_object(&mut scanner, page);
                if verdict == Verdict::Row && self.straight.as_ref().is_none_or(Straight::is_lost) {
                    self.choose(line);
                }
                verdict
            }
            Ok(Some(b'[')) => return self.read_array(&mut scanner, line, page, place, sink),
            Ok(Some(_)) => Verdict::Bad(Syntax { at: scanner.at(), what: "the line is not an object" }.into()),
            Err(syntax) => Verdict::Bad(syntax.into()),
        };
        page.close(verdict, line, place, sink)
    }

    /// Reads rows that look like an earlier one from the front of `bytes`, line ends included; gives the bytes they
    /// had.
    #[inline]
    pub(super) fn read_straight(
        &mut self,
        bytes: &[u8],
        page: &mut Page,
        line: &mut u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        let Self { dialect, formats, record, scratch, straight: Some(straight), .. } = self else { return Ok(0) };
        straight.run(&mut Rows { dialect: *dialect, formats, record, scratch }, bytes, page, line, sink)
    }

    /// From now on rows are expected to look like this one, which is good.
    fn choose(&mut self, line: &[u8]) {
        if self.choices > 0 {
            self.choices -= 1;
            let chosen = rows::straight(line, self.dialect, &self.record, &self.columns, &self.formats);
            self.straight = chosen.map(|s| s.instead_of(self.straight.as_ref())).or(self.straight.take());
        }
    }

    #[inline]
    fn read_object(&mut self, scanner: &mut Scanner<'_>, page: &mut Page) -> Verdict {
        let (columns, row) = page.open();
        let mut reader = value::Reader { formats: &mut self.formats, scratch: &mut self.scratch };
        let result = reader.object(scanner, &self.record, columns, Places::At(&self.columns), row);
        match result.and_then(|bad| scanner.check_text().map(|()| bad)) {
            Ok(None) => Verdict::Row,
            Ok(Some(at)) => Verdict::Partial(wrong_type(at)),
            Err(syntax) => {
                self.columns.iter().for_each(|&i| take_back(&mut columns[i], row));
                Verdict::Bad(syntax.into())
            }
        }
    }

    /// An array of objects is a row each, or one malformed record if any element is something else.
    #[cold]
    fn read_array(
        &mut self,
        scanner: &mut Scanner<'_>,
        line: &[u8],
        page: &mut Page,
        place: Place<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        self.array.clear();
        let (rows, bad) = match self.read_elements(scanner) {
            Ok(read) => read,
            Err(syntax) => return page.close(Verdict::Bad(syntax.into()), line, place, sink),
        };
        let verdict = bad.map_or(Verdict::Row, |at| Verdict::Partial(wrong_type(at)));
        for row in 0..rows {
            let (columns, _) = page.open();
            for (source, &target) in self.array.columns().iter().zip(&self.columns) {
                if !source.is_empty() {
                    columns[target].push_from(&source.view(), row);
                }
            }
            page.close(verdict, line, place, sink)?;
        }
        Ok(())
    }

    /// Reads the elements into `array`; gives their number, and where the first value of a wrong type is.
    fn read_elements(&mut self, scanner: &mut Scanner<'_>) -> Result<(usize, Option<usize>), Syntax> {
        let mut reader = value::Reader { formats: &mut self.formats, scratch: &mut self.scratch };
        let (mut rows, mut bad) = (0, None);
        scanner.open(b'[')?;
        while scanner.next_element(rows == 0)? {
            if scanner.peek()? != b'{' {
                return Err(scanner.error("an element of the array is not an object"));
            }
            let at = reader.object(scanner, &self.record, self.array.columns_mut(), Places::Same, rows)?;
            bad = bad.or(at);
            rows += 1;
        }
        scanner.check_text()?;
        Ok((rows, bad))
    }
}

fn take_back(column: &mut Column, row: usize) {
    if column.len() > row {
        column.truncate(row);
    }
}

fn wrong_type(at: usize) -> Fault {
    Fault { reason: Reason::Type, offset: at, what: "the value does not have the type of its column" }
}

impl From<Syntax> for Fault {
    fn from(syntax: Syntax) -> Self {
        Self { reason: Reason::Syntax, offset: syntax.at, what: syntax.what }
    }
}
