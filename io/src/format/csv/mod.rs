//! CSV as Spark reads it: columns by position, whatever the header says; short rows are padded with NULLs, values
//! beyond the last column dropped; both make a record malformed, but only where Spark, too, looks at whole rows: a
//! query that needs some of the columns reads just these.

mod cells;
mod dialect;
mod fields;
mod straight;

use firesteel_core::{
    Error, Result,
    schema::{Schema, same_name},
    time::TimeZone,
};

use self::{dialect::Dialect, fields::Fields, straight::Straight};
use super::{
    Options, Reason,
    convert::Converter,
    page::{Fault, Page, Sink, Verdict, corrupt_column},
};

/// Reads records of one table.
#[derive(Debug)]
pub(super) struct CsvReader {
    dialect: Dialect,
    /// For each position of a record: the column it goes to and how it is read, if it is needed.
    plan: Vec<Option<(usize, Converter)>>,
    /// Names of the columns by position.
    names: Vec<String>,
    /// Some column is not needed, so Spark does not look at the number of values.
    is_pruned: bool,
    /// One more than the last position that is needed.
    width_needed: usize,
    null_value: Vec<u8>,
    empty_value: Vec<u8>,
    has_header: bool,
    enforce_schema: bool,
    /// The header of the file at hand is still to come.
    awaits_header: bool,
    /// Values with escapes are put together here.
    scratch: Vec<u8>,
    /// Reads plain rows, if the dialect has any.
    straight: Option<Straight>,
}

impl CsvReader {
    pub(super) fn new(schema: &Schema, options: &Options, page: &Page, session_zone: &TimeZone) -> Result<Self> {
        let corrupt = corrupt_column(schema, options);
        let positions = || schema.fields().iter().enumerate().filter(|(i, _)| Some(*i) != corrupt);
        let plan: Vec<_> = positions()
            .map(|(column, field)| {
                // Types are checked for every column, needed or not.
                let converter = Converter::new(field, options, session_zone)?;
                Ok(page.reads(column).then_some((column, converter)))
            })
            .collect::<Result<_>>()?;
        let dialect = Dialect::new(options)?;
        let prunes = options.flag("columnPruning", true)? && !dialect.multi_line;
        let is_pruned = prunes && plan.iter().any(Option::is_none);
        let width_needed = plan.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let null_value = options.get("nullValue").unwrap_or_default();
        let width = if is_pruned { width_needed } else { plan.len() };
        let straight = Straight::new(&dialect, width, is_pruned).filter(|_| null_value.is_empty());
        Ok(Self {
            straight,
            is_pruned,
            width_needed,
            names: positions().map(|(_, field)| field.name.clone()).collect(),
            plan,
            dialect,
            null_value: null_value.into(),
            empty_value: options.get("emptyValue").unwrap_or_default().into(),
            has_header: options.flag("header", false)?,
            enforce_schema: options.flag("enforceSchema", true)?,
            awaits_header: false,
            scratch: Vec::new(),
        })
    }

    /// A file begins, at its first line or further on.
    pub(super) fn begin(&mut self, at_start: bool) {
        self.awaits_header = at_start && self.has_header;
        self.dialect.begin(at_start);
    }

    /// Reads plain rows from the front of `bytes`, line ends included; gives the bytes they had.
    #[inline]
    pub(super) fn read_straight(
        &mut self,
        bytes: &[u8],
        page: &mut Page,
        line: &mut u64,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        match &mut self.straight {
            Some(straight) if !self.awaits_header => straight.run(&mut self.plan, bytes, page, line, sink),
            _ => Ok(0),
        }
    }

    /// Reads a line; blank lines and comments are none, nor is the header.
    #[inline]
    pub(super) fn read_line(&mut self, line: &[u8], page: &mut Page) -> Result<Verdict> {
        if is_blank(line) {
            return Ok(Verdict::Nothing);
        }
        if self.awaits_header {
            return self.read_header(line);
        }
        if self.dialect.comment.is_some() && line.first().copied() == self.dialect.comment {
            return Ok(Verdict::Nothing);
        }
        Ok(self.read_fields(line, page))
    }

    /// Reads a record that may span lines.
    pub(super) fn read_record(&mut self, record: &[u8], page: &mut Page) -> Result<Verdict> {
        let record = self.dialect.strip_line_end(record);
        if record.is_empty() || (self.dialect.comment.is_some() && record.first().copied() == self.dialect.comment) {
            return Ok(Verdict::Nothing);
        }
        if self.awaits_header {
            return self.read_header(record);
        }
        Ok(self.read_fields(record, page))
    }

    /// Where the first record of `bytes` ends, line end included; `None` if it may go on behind them.
    pub(super) fn record_end(&mut self, bytes: &[u8], at_end: bool) -> Option<usize> {
        self.dialect.detect_line_end(bytes, at_end)?;
        Fields::new(&self.dialect, bytes).record_end(&mut self.scratch, at_end)
    }

    /// Line ends in a record.
    pub(super) fn count_lines(&self, record: &[u8]) -> u64 {
        self.dialect.count_lines(record)
    }

    fn read_fields(&mut self, record: &[u8], page: &mut Page) -> Verdict {
        if self.is_pruned && self.width_needed == 0 {
            return Verdict::Row;
        }
        let (columns, _) = page.open();
        let mut fields = Fields::new(&self.dialect, record);
        let (mut count, mut fault) = (0, None);
        while let Some(token) = fields.next(&mut self.scratch) {
            if let Some(Some((column, converter))) = self.plan.get_mut(count) {
                let column = &mut columns[*column];
                match token.value(&self.null_value, &self.empty_value) {
                    None => column.push_null(),
                    Some(text) if converter.push(text, column) => {}
                    Some(_) => fault = fault.or(Some(not_of_its_type(fields.token_start()))),
                }
            }
            count += 1;
            if self.is_pruned && count == self.width_needed {
                break;
            }
        }
        let missing = self.plan.get(count..).unwrap_or_default();
        missing.iter().flatten().for_each(|(column, _)| columns[*column].push_null());
        if !self.is_pruned && count != self.plan.len() {
            fault = Some(wrong_width(count, self.plan.len(), record.len()));
        }
        fault.map_or(Verdict::Row, Verdict::Partial)
    }

    /// The header is skipped, unless the schema is to be checked against it.
    #[cold]
    fn read_header(&mut self, line: &[u8]) -> Result<Verdict> {
        if self.dialect.comment.is_some() && line.trim_ascii_start().first().copied() == self.dialect.comment {
            return Ok(Verdict::Nothing);
        }
        self.awaits_header = false;
        if !self.enforce_schema {
            self.check_header(line)?;
        }
        Ok(Verdict::Nothing)
    }

    fn check_header(&mut self, line: &[u8]) -> Result<()> {
        let mut found = Vec::new();
        let mut fields = Fields::new(&self.dialect, line);
        while let Some(token) = fields.next(&mut self.scratch) {
            let name = token.value(b"", b"").unwrap_or_default();
            found.push(String::from_utf8_lossy(name).into_owned());
        }
        if found.len() == self.names.len() && found.iter().zip(&self.names).all(|(a, b)| same_name(a, b)) {
            return Ok(());
        }
        let message = format!(
            "the CSV header does not conform to the schema: header {}, schema {}",
            found.join(", "),
            self.names.join(", ")
        );
        Err(Error::data("CSV_HEADER", message).hint("with enforceSchema 'true' columns go by position"))
    }
}

/// Nothing but blanks and control characters.
#[inline]
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| *b <= b' ')
}

fn not_of_its_type(offset: usize) -> Fault {
    Fault { reason: Reason::Type, offset, what: "the value does not have the type of its column" }
}

fn wrong_width(count: usize, width: usize, offset: usize) -> Fault {
    let what = if count < width { "there are fewer values than columns" } else { "there are more values than columns" };
    Fault { reason: Reason::Width, offset, what }
}
