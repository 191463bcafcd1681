//! Rows as JSON lines or CSV, printed as they come.

use firesteel_core::{Result, block::BlockRef, schema::Schema};
use firesteel_io::{
    format::{
        Options,
        write::{CsvWriter, JsonWriter, Style},
    },
    sink::{Patience, Sink},
};

/// Bytes that are gathered before they are printed within an epoch.
const PRINT_BYTES: usize = 64 << 10;

/// Prints rows in a format of the `format` room.
#[derive(Debug)]
pub struct RowsSink {
    writer: Writer,
    batch_id: bool,
    text: Vec<u8>,
    rows: u64,
    patience: Patience,
}

#[derive(Debug)]
enum Writer {
    Json(JsonWriter),
    Csv { csv: CsvWriter, header_due: bool, batch: u64 },
}

impl RowsSink {
    /// JSON lines.
    pub fn json(schema: &Schema, batch_id: bool) -> Self {
        Self::new(Writer::Json(JsonWriter::new(schema, Style::Plain)), batch_id)
    }

    /// CSV with a header.
    pub fn csv(schema: &Schema, batch_id: bool) -> Result<Self> {
        let options: Options = [("header", "true")].into_iter().collect();
        let csv = CsvWriter::new(schema, Style::Plain, &options)?;
        Ok(Self::new(Writer::Csv { csv, header_due: true, batch: 0 }, batch_id))
    }

    fn new(writer: Writer, batch_id: bool) -> Self {
        Self { writer, batch_id, text: Vec::new(), rows: 0, patience: Patience::default() }
    }

    fn print(&mut self) -> Result<()> {
        let result = super::print_patiently(&self.text, &mut self.patience);
        self.text.clear();
        result
    }
}

impl Sink for RowsSink {
    fn description(&self) -> String {
        "ConsoleSink".into()
    }

    fn begin(&mut self, epoch: u64) -> Result<()> {
        self.rows = 0;
        match &mut self.writer {
            Writer::Json(json) => json.set_batch_id(self.batch_id.then_some(epoch)),
            Writer::Csv { batch, .. } => *batch = epoch,
        }
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.rows += block.rows().count() as u64;
        match &mut self.writer {
            Writer::Json(json) => json.write_rows(block, &mut self.text),
            Writer::Csv { csv, header_due, batch } => {
                if std::mem::take(header_due) {
                    let prefix = if self.batch_id { "_batch_id," } else { "" };
                    self.text.extend_from_slice(prefix.as_bytes());
                    csv.write_header(&mut self.text);
                }
                if self.batch_id {
                    write_with_batch(csv, block, *batch, &mut self.text);
                } else {
                    csv.write_rows(block, &mut self.text);
                }
            }
        }
        if self.text.len() >= PRINT_BYTES { self.print() } else { Ok(()) }
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        if self.text.is_empty() { Ok(()) } else { self.print() }
    }

    fn attend(&mut self, patience: Patience) {
        self.patience = patience;
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}

/// Puts the epoch before every row. Rows may span lines (quoted line ends), so they are written one by one.
fn write_with_batch(csv: &CsvWriter, block: &BlockRef<'_>, batch: u64, out: &mut Vec<u8>) {
    let mut one = firesteel_core::block::Bitmap::new();
    block.rows().for_each(|row| {
        one.clear();
        one.resize(block.len(), false);
        one.set(row, true);
        out.extend_from_slice(format!("{batch},").as_bytes());
        csv.write_rows(&block.select(Some(one.view())), out);
    });
}
