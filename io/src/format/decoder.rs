//! Bytes to blocks: the one face of all text formats.

use firesteel_core::{
    Error, Result,
    limits::{BLOCK_ROWS, BLOCK_ROWS_MAX, LINE_BYTES_MAX},
    schema::Schema,
    time::TimeZone,
};

use super::{
    Format, Malformed, Options, Reason,
    csv::CsvReader,
    json::JsonReader,
    lines::{BYTE_ORDER_MARK, Line, Lines, Take, TooLong},
    page::{Fault, Page, Place, Sink, Verdict},
    plain::PlainReader,
};

/// Reads one format into blocks of one schema.
///
/// ```text
///   new ─► begin_file ─► push* ─► end_file ─► begin_file ...      flush whenever the rows must not wait
/// ```
/// A block goes to the sink when it is full or flushed; rows of several files may share one. Columns that are not
/// needed are NULL throughout.
#[derive(Debug)]
pub struct Decoder {
    reader: Reader,
    framing: Framing,
    page: Page,
    file: String,
    line: u64,
}

#[derive(Debug)]
enum Reader {
    Csv(Box<CsvReader>),
    Json(Box<JsonReader>),
    Plain(PlainReader),
}

/// What separates records.
#[derive(Debug)]
enum Framing {
    /// Line ends.
    Lines(Lines),
    /// Nothing: a file is a record.
    File(Vec<u8>),
    /// The line ends that are not inside quotes.
    Quoted(Buffered),
}

/// Bytes of records that are not complete.
#[derive(Debug, Default)]
struct Buffered {
    bytes: Vec<u8>,
    /// How many bytes must be there before it is worth looking again.
    patience: usize,
}

impl Decoder {
    /// A decoder of a format for tables of this schema.
    ///
    /// `needed` has one flag a column: those without are not parsed. `session_zone` is the zone of clock readings
    /// that name none, unless the option `timeZone` says otherwise.
    pub fn new(
        format: Format,
        schema: &Schema,
        options: &Options,
        needed: &[bool],
        session_zone: &TimeZone,
    ) -> Result<Self> {
        options.check_encoding()?;
        let page = Page::new(schema, needed, options, BLOCK_ROWS);
        let reader = match format {
            Format::Csv => Reader::Csv(Box::new(CsvReader::new(schema, options, &page, session_zone)?)),
            Format::Json => Reader::Json(Box::new(JsonReader::new(schema, options, &page, session_zone)?)),
            Format::Text => Reader::Plain(PlainReader::new(schema)?),
        };
        let framing = Framing::new(format, options)?;
        Ok(Self { reader, framing, page, file: String::new(), line: 0 })
    }

    /// Hands on blocks of so many rows, 1 to [`BLOCK_ROWS_MAX`].
    pub fn block_rows(mut self, rows: usize) -> Self {
        assert!((1..=BLOCK_ROWS_MAX).contains(&rows), "{rows} rows in a block");
        self.page.set_capacity(rows);
        self
    }

    /// A file, pipe or connection begins; `name` is for messages.
    pub fn begin_file(&mut self, name: &str) {
        self.begin(name, 0);
    }

    /// Reading goes on behind the first `lines` lines of a file: a header has been there.
    pub fn resume_file(&mut self, name: &str, lines: u64) {
        self.begin(name, lines);
    }

    fn begin(&mut self, name: &str, line: u64) {
        name.clone_into(&mut self.file);
        self.line = line;
        self.framing.begin(line == 0);
        if let Reader::Csv(csv) = &mut self.reader {
            csv.begin(line == 0);
        }
    }

    /// The next bytes of the file, however many.
    pub fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        let Self { reader, framing, page, file, line } = self;
        match framing {
            Framing::Lines(lines) => lines.push(bytes, &mut Records { reader, page, file, line, sink }),
            Framing::File(buffer) => keep_whole(buffer, bytes, file),
            Framing::Quoted(buffered) => {
                buffered.bytes.extend_from_slice(bytes);
                if buffered.bytes.len() < buffered.patience {
                    return Ok(());
                }
                self.read_quoted(false, sink)
            }
        }
    }

    /// The file has ended: its last line may lack an end.
    pub fn end_file(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let Self { reader, framing, page, file, line } = self;
        match framing {
            Framing::Lines(lines) => lines.finish(&mut Records { reader, page, file, line, sink }),
            Framing::File(buffer) => {
                let record = std::mem::take(buffer);
                reader.record(Ok(&record), page, Place { file, line: 1 }, sink)
            }
            Framing::Quoted(_) => self.read_quoted(true, sink),
        }
    }

    /// Hands on the rows that wait for their block to fill.
    pub fn flush(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        self.page.flush(sink)
    }

    /// Rows read so far, those still waiting included.
    pub fn rows(&self) -> u64 {
        self.page.rows()
    }

    /// Lines read so far of the file at hand.
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// Whether the file at hand stopped in the middle of a line: a source that follows a file rewinds to its start.
    pub fn is_inside_line(&self) -> bool {
        match &self.framing {
            Framing::Lines(lines) => lines.is_inside_line(),
            Framing::File(buffer) => !buffer.is_empty(),
            Framing::Quoted(buffered) => !buffered.bytes.is_empty(),
        }
    }

    /// Records that could not be read, over all files.
    pub fn malformed(&self) -> &Malformed {
        self.page.malformed()
    }

    /// Reads the records that are complete in the buffer; at the end of the file, all of them.
    fn read_quoted(&mut self, at_end: bool, sink: &mut Sink<'_>) -> Result<()> {
        let (Framing::Quoted(buffered), Reader::Csv(csv)) = (&mut self.framing, &mut self.reader) else {
            unreachable!("only CSV has records that span lines")
        };
        let is_marked = self.line == 0 && buffered.bytes.starts_with(BYTE_ORDER_MARK);
        let mut start = if is_marked { BYTE_ORDER_MARK.len() } else { 0 };
        while let Some(end) = csv.record_end(&buffered.bytes[start..], at_end) {
            let record = &buffered.bytes[start..start + end];
            let place = Place { file: &self.file, line: self.line + 1 };
            let verdict = csv.read_record(record, &mut self.page)?;
            self.page.close(verdict, record.trim_ascii_end(), place, sink)?;
            self.line += csv.count_lines(record);
            start += end;
        }
        buffered.bytes.drain(..start);
        if buffered.bytes.len() > LINE_BYTES_MAX {
            buffered.bytes.clear();
            self.page.close(Verdict::Bad(too_long()), b"", Place { file: &self.file, line: self.line + 1 }, sink)?;
        }
        buffered.patience = buffered.bytes.len() * 2;
        Ok(())
    }
}

/// Takes the lines of a file for records.
struct Records<'a, 's> {
    reader: &'a mut Reader,
    page: &'a mut Page,
    file: &'a str,
    line: &'a mut u64,
    sink: &'a mut Sink<'s>,
}

impl Take for Records<'_, '_> {
    #[inline]
    fn line(&mut self, record: Line<'_>) -> Result<()> {
        *self.line += 1;
        self.reader.record(record, self.page, Place { file: self.file, line: *self.line }, self.sink)
    }

    #[inline]
    fn run(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.reader {
            Reader::Csv(csv) => csv.read_straight(bytes, self.page, self.line, self.sink),
            Reader::Json(json) => json.read_straight(bytes, self.page, self.line, self.sink),
            Reader::Plain(_) => Ok(0),
        }
    }
}

impl Reader {
    #[inline]
    fn record(&mut self, record: Line<'_>, page: &mut Page, place: Place<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let record = match record {
            Ok(record) => record,
            Err(TooLong) => return page.close(Verdict::Bad(too_long()), b"", place, sink),
        };
        let verdict = match self {
            Self::Csv(csv) => csv.read_line(record, page)?,
            Self::Json(json) => return json.read(record, page, place, sink),
            Self::Plain(plain) => plain.read(record, page),
        };
        page.close(verdict, record, place, sink)
    }
}

impl Framing {
    fn new(format: Format, options: &Options) -> Result<Self> {
        let multi_line = options.flag("multiLine", false)?;
        Ok(match format {
            Format::Csv if multi_line => Self::Quoted(Buffered::default()),
            Format::Json if multi_line => Self::File(Vec::new()),
            Format::Text if options.flag("wholetext", false)? => Self::File(Vec::new()),
            _ => Self::Lines(Lines::new(options.line_separator(format)?)),
        })
    }

    fn begin(&mut self, at_start: bool) {
        match self {
            Self::Lines(lines) => lines.begin(at_start),
            Self::File(buffer) => buffer.clear(),
            Self::Quoted(buffered) => {
                buffered.bytes.clear();
                buffered.patience = 0;
            }
        }
    }
}

/// A file that is one record must fit into memory.
fn keep_whole(buffer: &mut Vec<u8>, bytes: &[u8], file: &str) -> Result<()> {
    if buffer.len() + bytes.len() > LINE_BYTES_MAX {
        let message = format!("{file} is longer than the {LINE_BYTES_MAX} bytes that one record may have");
        return Err(Error::limit(message).hint("write one record a line and leave multiLine and wholetext off"));
    }
    buffer.extend_from_slice(bytes);
    Ok(())
}

fn too_long() -> Fault {
    Fault { reason: Reason::Length, offset: LINE_BYTES_MAX, what: "the line is longer than the limit" }
}
