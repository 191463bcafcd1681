//! Rows in aligned columns. The header stands above the first rows and again when a column had to grow; a stream
//! prints the rows of an epoch when it is complete.

use std::fmt::Write;

use firesteel_core::{
    Result,
    block::BlockRef,
    schema::{DataType, Schema},
    time::TimeZone,
};
use firesteel_io::{format::write::cell, sink::Sink};

/// Rows that are aligned together: a batch result prints in pieces of this size.
const ROWS_MAX: usize = 1000;
/// Characters of a cell that are shown; JSON has all of them.
const CELL_CHARS_MAX: usize = 60;

/// Prints rows in aligned columns.
#[derive(Debug)]
pub struct TableSink {
    columns: Vec<Column>,
    batch_id: bool,
    zone: TimeZone,
    // The rows of the epoch so far.
    cells: Vec<String>,
    rows: u64,
    epoch: u64,
    header_due: bool,
}

#[derive(Debug)]
struct Column {
    name: String,
    is_number: bool,
    width: usize,
}

impl TableSink {
    /// A table of these columns; clock readings in this zone.
    pub fn new(schema: &Schema, batch_id: bool, zone: TimeZone) -> Self {
        let batch = batch_id.then(|| Column::new("batch", &DataType::Int64));
        let columns = schema.fields().iter().map(|f| Column::new(&f.name, &f.data_type));
        Self {
            columns: batch.into_iter().chain(columns).collect(),
            batch_id,
            zone,
            cells: Vec::new(),
            rows: 0,
            epoch: 0,
            header_due: true,
        }
    }

    fn print(&mut self) -> Result<()> {
        let mut text = String::new();
        for (i, cell) in self.cells.iter().enumerate() {
            let count = self.columns.len();
            self.header_due |= self.columns[i % count].grow(cell);
        }
        if std::mem::take(&mut self.header_due) {
            self.write_header(&mut text);
        }
        for row in self.cells.chunks(self.columns.len()) {
            write_line(&mut text, row.iter().map(String::as_str), &self.columns);
        }
        self.cells.clear();
        super::print(text.as_bytes())
    }

    fn write_header(&self, text: &mut String) {
        write_line(text, self.columns.iter().map(|c| c.name.as_str()), &self.columns);
        let rules: Vec<String> = self.columns.iter().map(|c| "-".repeat(c.width)).collect();
        write_line(text, rules.iter().map(String::as_str), &self.columns);
    }
}

impl Column {
    fn new(name: &str, data_type: &DataType) -> Self {
        Self { name: name.into(), is_number: data_type.is_numeric(), width: name.chars().count() }
    }

    /// Makes room for a cell; true if the column had to grow.
    fn grow(&mut self, cell: &str) -> bool {
        let chars = cell.chars().count();
        let grows = chars > self.width;
        self.width = self.width.max(chars);
        grows
    }
}

impl Sink for TableSink {
    fn description(&self) -> String {
        "ConsoleSink".into()
    }

    fn begin(&mut self, epoch: u64) -> Result<()> {
        (self.epoch, self.rows) = (epoch, 0);
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.rows += block.rows().count() as u64;
        let width = self.columns.len() - usize::from(self.batch_id);
        block.rows().try_for_each(|row| {
            if self.batch_id {
                self.cells.push(self.epoch.to_string());
            }
            let cells = (0..width).map(|c| shorten(cell::text(&block.column(c), row, &self.zone)));
            self.cells.extend(cells);
            if self.cells.len() >= ROWS_MAX * self.columns.len() { self.print() } else { Ok(()) }
        })
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        if self.cells.is_empty() { Ok(()) } else { self.print() }
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }

    fn finish(&mut self) -> Result<()> {
        // An empty result still shows its columns.
        if !self.header_due {
            return Ok(());
        }
        self.header_due = false;
        let mut text = String::new();
        self.write_header(&mut text);
        super::print(text.as_bytes())
    }
}

fn write_line<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>, columns: &[Column]) {
    let mut line = String::new();
    for (i, (cell, column)) in cells.zip(columns).enumerate() {
        let gap = if i == 0 { "" } else { "  " };
        let width = column.width;
        // Writing to a string cannot fail.
        let _ = match column.is_number {
            true => write!(line, "{gap}{cell:>width$}"),
            false => write!(line, "{gap}{cell:<width$}"),
        };
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// One line of at most [`CELL_CHARS_MAX`] characters, without control characters (which could move the cursor).
fn shorten(cell: String) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    if cell.chars().count() <= CELL_CHARS_MAX {
        return if cell.chars().any(char::is_control) { cell.chars().map(plain).collect() } else { cell };
    }
    let mut short: String = cell.chars().take(CELL_CHARS_MAX - 1).map(plain).collect();
    short.push('…');
    short
}
