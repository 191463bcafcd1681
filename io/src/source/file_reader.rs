//! Reads files into blocks: big chunks into one buffer, one decoder, one block, all reused from file to file.
//!
//! A range of a file is the lines that begin in it: a reader looks for the first line end before either end of the
//! range, so that readers of neighbouring ranges agree on every line without speaking to each other.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use firesteel_core::{Error, Result, block::BlockRef, schema::Schema, time::TimeZone};

use super::{Dropped, Meter, Part, Reader};
use crate::{
    format::{Decoder, Format, Options, packed},
    sys::scarce,
};

/// Bytes asked of the system at a time: few calls, and the chunk stays in L2 while it is decoded.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

/// Bytes looked at for a line end at a time.
const SEAM_BYTES: usize = 4 << 10;

/// How to decode the bytes of a table.
#[derive(Clone, Debug)]
pub struct Decoding {
    /// csv, json or text.
    pub format: Format,
    /// The table's columns.
    pub schema: Schema,
    /// Its options.
    pub options: Options,
    /// Which columns are needed.
    pub needed: Vec<bool>,
    /// The session's time zone.
    pub zone: TimeZone,
    /// Rows of a block.
    pub block_rows: usize,
    /// Counts the bytes.
    pub meter: Meter,
}

impl Decoding {
    /// A decoder of its own for each reader.
    pub fn decoder(&self) -> Result<Decoder> {
        let decoder = Decoder::new(self.format, &self.schema, &self.options, &self.needed, &self.zone)?;
        Ok(decoder.block_rows(self.block_rows))
    }

    /// Whether a record is a line, wherever in a file it stands: then files can be cut.
    pub fn is_cut_at_lines(&self) -> bool {
        let is_set = |name: &str| self.options.get(name).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
        !["multiLine", "wholetext", "lineSep"].into_iter().any(is_set)
    }
}

/// Reads files and ranges of files.
#[derive(Debug)]
pub struct FileReader {
    decoder: Decoder,
    meter: Meter,
    chunk: Box<[u8]>,
    dropped: Dropped,
    /// A file that is gone is no error.
    ignores_missing: bool,
}

impl FileReader {
    /// A reader that adds malformed records to `dropped`.
    pub fn new(decoding: &Decoding, dropped: Dropped, ignores_missing: bool) -> Result<Self> {
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        Ok(Self { decoder: decoding.decoder()?, meter: decoding.meter.clone(), chunk, dropped, ignores_missing })
    }

    fn read_range(&mut self, path: &Path, start: u64, end: Option<u64>, sink: &mut BlockSink<'_>) -> Result<u64> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.ignores_missing => return Ok(0),
            Err(error) => return Err(failed(path, &error)),
        };
        let mut head = [0; packed::HEAD_BYTES];
        let head_len = read_some(&mut file, &mut head).map_err(|e| failed(path, &e))?;
        packed::refuse(&path.to_string_lossy(), &head[..head_len])?;
        let (rows, malformed) = (self.decoder.rows(), self.decoder.malformed().clone());
        let result = match self.cut(&mut file, start, end) {
            Ok((first, bytes)) => self.decode(path, first, file.take(bytes), sink),
            Err(error) => Err(failed(path, &error)),
        };
        self.dropped.add(&malformed, self.decoder.malformed());
        result.map(|()| self.decoder.rows() - rows)
    }

    /// Goes to the first line of a range. Gives the byte where it begins, and how many bytes the range's lines have.
    fn cut(&mut self, file: &mut File, start: u64, end: Option<u64>) -> io::Result<(u64, u64)> {
        let last = match end {
            Some(end) => self.line_start(file, end)?,
            None => u64::MAX,
        };
        let first = self.line_start(file, start)?;
        file.seek(SeekFrom::Start(first))?;
        Ok((first, last.saturating_sub(first)))
    }

    /// The first byte from `at` on with which a line begins; behind the file's end if none does.
    fn line_start(&mut self, file: &mut File, at: u64) -> io::Result<u64> {
        let Some(before) = at.checked_sub(1) else { return Ok(0) };
        file.seek(SeekFrom::Start(before))?;
        let mut place = before;
        let mut is_after_cr = false;
        loop {
            let len = read_some(file, &mut self.chunk[..SEAM_BYTES])?;
            let bytes = &self.chunk[..len];
            match bytes.first() {
                None => return Ok(place),
                Some(byte) if is_after_cr => return Ok(place + u64::from(*byte == b'\n')),
                Some(_) => {}
            }
            if let Some(i) = memchr::memchr2(b'\n', b'\r', bytes) {
                match (bytes[i], bytes.get(i + 1)) {
                    (b'\r', None) => is_after_cr = true,
                    (b'\r', Some(b'\n')) => return Ok(place + i as u64 + 2),
                    _ => return Ok(place + i as u64 + 1),
                }
            }
            place += len as u64;
        }
    }

    fn decode(&mut self, path: &Path, first: u64, mut bytes: impl Read, sink: &mut BlockSink<'_>) -> Result<()> {
        let name = path.to_string_lossy();
        match first {
            0 => self.decoder.begin_file(&name),
            // Lines are counted from the one before.
            _ => self.decoder.resume_file(&format!("{name} behind byte {first}"), 1),
        }
        loop {
            match read_some(&mut bytes, &mut self.chunk) {
                Ok(0) => break,
                Ok(len) => {
                    self.meter.add_bytes(len as u64);
                    self.decoder.push(&self.chunk[..len], sink)?;
                }
                Err(error) => return Err(failed(path, &error)),
            }
        }
        self.decoder.end_file(sink)?;
        self.decoder.flush(sink)
    }
}

/// Takes blocks.
type BlockSink<'a> = dyn FnMut(&BlockRef<'_>) -> Result<()> + 'a;

/// Reads what there is at once; a signal does not count.
fn read_some(from: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(to) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Reader for FileReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        match part {
            Part::File { path, start, end, .. } => self.read_range(path, *start, *end, sink),
            other => Err(Error::internal(format!("a file table was asked to read {other:?}"))),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let failed = scarce::error(format!("cannot read {}: {error}", path.display()), error);
    match error.kind() {
        io::ErrorKind::NotFound => failed
            .class("FAILED_READ_FILE.FILE_NOT_EXIST")
            .hint("it was there when the epoch was planned; option ignoreMissingFiles 'true' passes over such files"),
        io::ErrorKind::PermissionDenied => failed.hint("check the file's owner and mode"),
        _ => failed,
    }
}
