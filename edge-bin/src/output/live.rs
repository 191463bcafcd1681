//! A table that stays in place on a terminal: each epoch's rows over the last one's.

use std::fmt::Write;

use firesteel_core::{Result, block::BlockRef, schema::Schema, time::TimeZone};
use firesteel_io::sink::{Patience, Sink};

use super::table::Table;

/// Shows the rows of the newest epoch that has any.
#[derive(Debug)]
pub struct LiveSink {
    table: Table,
    /// Lines on the screen that the next epoch replaces.
    lines_shown: usize,
    rows: u64,
    patience: Patience,
}

impl LiveSink {
    /// A table of these columns; clock readings in this zone.
    pub fn new(schema: &Schema, zone: TimeZone) -> Self {
        Self { table: Table::new(schema, zone), lines_shown: 0, rows: 0, patience: Patience::default() }
    }
}

impl Sink for LiveSink {
    fn description(&self) -> String {
        "ConsoleSink".into()
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.rows = 0;
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.rows += block.rows().count() as u64;
        self.table.add(block, None);
        Ok(())
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        self.table.fit();
        let mut body = String::new();
        self.table.write_header(&mut body);
        self.table.write_rows(&mut body);
        let (height, width) = console::Term::stdout().size();
        let room = usize::from(height).saturating_sub(2).max(3);
        let lines: Vec<&str> = body.lines().collect();
        let mut text = String::new();
        if self.lines_shown > 0 {
            // Up to where the last table began. Writing to a string cannot fail.
            let _ = write!(text, "\x1b[{}A", self.lines_shown);
        }
        text.push_str("\x1b[J");
        let shown = lines.len().min(room);
        for line in &lines[..shown] {
            text.extend(line.chars().take(width.into()));
            text.push('\n');
        }
        self.lines_shown = shown;
        if lines.len() > shown {
            let _ = writeln!(text, "... and {} more; pipe the output to see all", lines.len() - shown);
            self.lines_shown += 1;
        }
        super::print_patiently(text.as_bytes(), &mut self.patience)
    }

    fn attend(&mut self, patience: Patience) {
        self.patience = patience;
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}
