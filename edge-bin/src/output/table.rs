//! Rows in aligned columns. The header stands above the first rows and again when a column had to grow; a stream
//! prints the rows of an epoch when it is complete.

use firesteel_core::{
    Result,
    block::BlockRef,
    schema::{DataType, Schema},
    time::TimeZone,
};
use firesteel_io::{
    format::write::cell,
    sink::{Patience, Sink},
};

/// Rows that are aligned together: a batch result prints in pieces of this size.
const ROWS_MAX: usize = 1000;
/// Characters of a cell that are shown; JSON has all of them.
const CELL_CHARS_MAX: usize = 60;

/// Cells of some rows, and how wide their columns must be.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    zone: TimeZone,
    cells: Vec<String>,
}

#[derive(Debug)]
struct Column {
    name: String,
    is_number: bool,
    width: usize,
}

impl Table {
    /// A table of these columns; clock readings in this zone.
    pub fn new(schema: &Schema, zone: TimeZone) -> Self {
        let columns = schema.fields().iter().map(|f| Column::new(&f.name, &f.data_type)).collect();
        Self { columns, zone, cells: Vec::new() }
    }

    /// Puts a column for the epoch's number first.
    fn with_batch(mut self) -> Self {
        self.columns.insert(0, Column::new("batch", &DataType::Int64));
        self
    }

    /// Adds the counting rows of a block, with the epoch's number first if there is a column for it.
    pub fn add(&mut self, block: &BlockRef<'_>, batch: Option<u64>) {
        let count = self.columns.len() - usize::from(batch.is_some());
        block.rows().for_each(|row| {
            self.cells.extend(batch.map(|batch| batch.to_string()));
            self.cells.extend((0..count).map(|c| shorten(cell::text(&block.column(c), row, &self.zone))));
        });
    }

    /// True if no rows wait.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Makes the columns wide enough; true if one had to grow.
    pub fn fit(&mut self) -> bool {
        let count = self.columns.len();
        let cells = self.cells.iter().enumerate();
        cells.fold(false, |grew, (i, cell)| self.columns[i % count].grow(cell) | grew)
    }

    /// Writes the names and a rule below them.
    pub fn write_header(&self, text: &mut String) {
        self.write_line(text, self.columns.iter().map(|c| c.name.as_str()));
        let rules: Vec<String> = self.columns.iter().map(|c| "-".repeat(c.width)).collect();
        self.write_line(text, rules.iter().map(String::as_str));
    }

    /// Writes the rows and forgets them.
    pub fn write_rows(&mut self, text: &mut String) {
        let cells = std::mem::take(&mut self.cells);
        cells.chunks(self.columns.len()).for_each(|row| self.write_line(text, row.iter().map(String::as_str)));
    }

    fn write_line<'a>(&self, text: &mut String, cells: impl Iterator<Item = &'a str>) {
        let mut line = String::new();
        for (i, (cell, column)) in cells.zip(&self.columns).enumerate() {
            let (gap, width) = (if i == 0 { "" } else { "  " }, column.width);
            // Not by format!, which pads to 65,535 characters at most.
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if column.is_number { (&*padding, "") } else { ("", &*padding) };
            line.extend([gap, before, cell, after]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

impl Column {
    fn new(name: &str, data_type: &DataType) -> Self {
        Self { name: name.into(), is_number: data_type.is_numeric(), width: name.chars().count() }
    }

    fn grow(&mut self, cell: &str) -> bool {
        let chars = cell.chars().count();
        let grows = chars > self.width;
        self.width = self.width.max(chars);
        grows
    }
}

/// Prints rows in aligned columns.
#[derive(Debug)]
pub struct TableSink {
    table: Table,
    batch_id: bool,
    rows: u64,
    epoch: u64,
    header_due: bool,
    patience: Patience,
}

impl TableSink {
    /// A table of these columns; clock readings in this zone; `batch_id` puts the epoch's number first.
    pub fn new(schema: &Schema, batch_id: bool, zone: TimeZone) -> Self {
        let table = Table::new(schema, zone);
        let table = if batch_id { table.with_batch() } else { table };
        Self { table, batch_id, rows: 0, epoch: 0, header_due: true, patience: Patience::default() }
    }

    fn print(&mut self) -> Result<()> {
        let mut text = String::new();
        self.header_due |= self.table.fit();
        if std::mem::take(&mut self.header_due) {
            self.table.write_header(&mut text);
        }
        self.table.write_rows(&mut text);
        super::print_patiently(text.as_bytes(), &mut self.patience)
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
        self.table.add(block, self.batch_id.then_some(self.epoch));
        if self.table.cells.len() >= ROWS_MAX * self.table.columns.len() { self.print() } else { Ok(()) }
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        if self.table.is_empty() { Ok(()) } else { self.print() }
    }

    fn attend(&mut self, patience: Patience) {
        self.patience = patience;
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }

    fn finish(&mut self) -> Result<()> {
        // An empty result still shows its columns.
        if !std::mem::take(&mut self.header_due) {
            return Ok(());
        }
        let mut text = String::new();
        self.table.write_header(&mut text);
        super::print_patiently(text.as_bytes(), &mut self.patience)
    }
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
