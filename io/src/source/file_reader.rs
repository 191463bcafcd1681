//! Reads files into blocks: big chunks into one buffer, one decoder, one block, all reused from file to file.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use firesteel_core::{Error, Result, block::BlockRef, schema::Schema, time::TimeZone};

use super::{Dropped, Meter, Part, Reader};
use crate::format::{Decoder, Format, Options};

/// Bytes asked of the system at a time: few calls, and the chunk stays in L2 while it is decoded.
const CHUNK_BYTES: usize = 256 << 10;

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
}

/// Reads whole files.
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

    fn read_file(&mut self, path: &Path, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.ignores_missing => return Ok(0),
            Err(error) => return Err(failed(path, &error)),
        };
        let (rows, malformed) = (self.decoder.rows(), self.decoder.malformed().clone());
        let result = self.decode(path, &mut file, sink);
        self.dropped.add(&malformed, self.decoder.malformed());
        result.map(|()| self.decoder.rows() - rows)
    }

    fn decode(
        &mut self,
        path: &Path,
        file: &mut impl Read,
        sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>,
    ) -> Result<()> {
        self.decoder.begin_file(&path.to_string_lossy());
        loop {
            match file.read(&mut self.chunk) {
                Ok(0) => break,
                Ok(len) => {
                    self.meter.add_bytes(len as u64);
                    self.decoder.push(&self.chunk[..len], sink)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(path, &error)),
            }
        }
        self.decoder.end_file(sink)?;
        self.decoder.flush(sink)
    }
}

impl Reader for FileReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        match part {
            Part::File { path, .. } => self.read_file(path, sink),
            other => Err(Error::internal(format!("a file table was asked to read {other:?}"))),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let failed = Error::io(format!("cannot read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => failed
            .class("FAILED_READ_FILE.FILE_NOT_EXIST")
            .hint("it was there when the epoch was planned; option ignoreMissingFiles 'true' passes over such files"),
        io::ErrorKind::PermissionDenied => failed.hint("check the file's owner and mode"),
        _ => failed,
    }
}
