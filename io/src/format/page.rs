//! The block being filled: which columns are read, which row is open, and what the mode makes of a malformed one.
//!
//! Between records all columns that are read have the same length. Columns that are not needed stay empty until the
//! block leaves, then they become NULLs at one stroke.

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef, Column},
    limits::TEXT_BLOCK_BYTES_MAX,
    schema::{DataType, Schema},
};

use super::{Malformed, Options, Reason, options::Mode};

/// Takes full blocks.
pub(super) type Sink<'a> = dyn FnMut(&BlockRef<'_>) -> Result<()> + 'a;

/// What a reader says about a record it has read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// One row was appended to every column that is read.
    Row,
    /// One row was appended, but some of its values could not be read and are NULL.
    Partial(Fault),
    /// Nothing was appended: the record is malformed as a whole.
    Bad(Fault),
    /// Nothing was appended and nothing is missing: a blank line, a comment, a header.
    Nothing,
}

/// What is wrong with a record, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) offset: usize,
    pub(super) what: &'static str,
}

/// Where the record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: u64,
}

/// The block being filled.
#[derive(Debug)]
pub(super) struct Page {
    block: Block,
    len: usize,
    capacity: usize,
    /// Bytes of the records in it.
    bytes: usize,
    /// Columns that readers fill.
    read: Box<[bool]>,
    /// The column that takes malformed records.
    corrupt: Option<usize>,
    mode: Mode,
    rows: u64,
    malformed: Malformed,
}

impl Page {
    pub(super) fn new(schema: &Schema, needed: &[bool], options: &Options, capacity: usize) -> Self {
        assert_eq!(schema.len(), needed.len(), "one flag a column");
        let corrupt = corrupt_column(schema, options);
        let read = needed.iter().enumerate().map(|(i, needed)| *needed && Some(i) != corrupt).collect();
        Self {
            block: Block::new(schema),
            len: 0,
            capacity,
            bytes: 0,
            read,
            corrupt: corrupt.filter(|&i| needed[i]),
            mode: options.mode(),
            rows: 0,
            malformed: Malformed::default(),
        }
    }

    /// Whether a column is to be filled by the reader.
    pub(super) fn reads(&self, column: usize) -> bool {
        self.read[column]
    }

    /// The columns, and the row that the next record becomes.
    #[inline]
    pub(super) fn open(&mut self) -> (&mut [Column], usize) {
        (self.block.columns_mut(), self.len)
    }

    /// Rows handed on and waiting.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn malformed(&self) -> &Malformed {
        &self.malformed
    }

    pub(super) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Ends a record as the reader judged it.
    #[inline]
    pub(super) fn close(
        &mut self,
        verdict: Verdict,
        record: &[u8],
        place: Place<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        match verdict {
            Verdict::Row => self.commit(record.len(), None, sink),
            Verdict::Nothing => Ok(()),
            Verdict::Partial(fault) | Verdict::Bad(fault) => self.close_malformed(verdict, fault, record, place, sink),
        }
    }

    /// Hands on what is there.
    pub(super) fn flush(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        for column in self.block.columns_mut() {
            column.push_nulls(self.len - column.len());
        }
        self.block.set_len(self.len);
        let result = sink(&self.block.view());
        self.block.clear();
        (self.len, self.bytes) = (0, 0);
        result
    }

    #[cold]
    fn close_malformed(
        &mut self,
        verdict: Verdict,
        fault: Fault,
        record: &[u8],
        place: Place<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let describe = || format!("{}, line {}, column {}: {}", place.file, place.line, fault.offset + 1, fault.what);
        self.malformed.add(fault.reason, describe);
        let appended = matches!(verdict, Verdict::Partial(_));
        match self.mode {
            Mode::Permissive => {
                if !appended {
                    self.append_nulls();
                }
                self.commit(record.len(), Some(record), sink)
            }
            Mode::DropMalformed => {
                if appended {
                    self.take_back();
                }
                Ok(())
            }
            Mode::FailFast => {
                self.take_back();
                let message = format!("malformed record in {}", describe());
                Err(Error::data("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", message)
                    .hint("mode 'PERMISSIVE' reads such values as NULL, mode 'DROPMALFORMED' leaves such records out"))
            }
        }
    }

    #[inline]
    pub(super) fn commit(&mut self, bytes: usize, corrupt_record: Option<&[u8]>, sink: &mut Sink<'_>) -> Result<()> {
        if let Some(corrupt) = self.corrupt {
            let column = &mut self.block.columns_mut()[corrupt];
            match corrupt_record {
                Some(record) => column.push_str(&String::from_utf8_lossy(record)),
                None => column.push_null(),
            }
        }
        self.len += 1;
        self.rows += 1;
        self.bytes += bytes;
        if self.is_full() { self.flush(sink) } else { Ok(()) }
    }

    /// Rows until the block is full, at least one.
    pub(super) fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// Ends so many good records at once, at most as many as there is [`Self::room`] for; what columns have beyond them
    /// is taken back.
    pub(super) fn commit_many(&mut self, rows: usize, bytes: usize, sink: &mut Sink<'_>) -> Result<()> {
        if let Some(corrupt) = self.corrupt {
            self.block.columns_mut()[corrupt].push_nulls(rows);
        }
        self.len += rows;
        self.rows += rows as u64;
        self.bytes += bytes;
        self.take_back();
        if self.is_full() { self.flush(sink) } else { Ok(()) }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.len == self.capacity || self.bytes > TEXT_BLOCK_BYTES_MAX
    }

    fn append_nulls(&mut self) {
        let read = self.read.iter();
        self.block.columns_mut().iter_mut().zip(read).filter(|(_, read)| **read).for_each(|(c, _)| c.push_null());
    }

    /// Forgets what a record appended.
    pub(super) fn take_back(&mut self) {
        let len = self.len;
        self.block.columns_mut().iter_mut().filter(|c| c.len() > len).for_each(|c| c.truncate(len));
    }
}

/// The column that takes malformed records, if the schema has one.
pub(super) fn corrupt_column(schema: &Schema, options: &Options) -> Option<usize> {
    let name = options.corrupt_record_column();
    schema.fields().iter().position(|f| f.name == name && f.data_type == DataType::String)
}
