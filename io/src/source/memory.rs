//! Tables in memory: rows put in by a program, or by the memory sink, and read by queries.
//!
//! A table only grows, except when a sink in complete mode replaces its rows: then readers that are in the middle see
//! the new rows from their beginning. Handles share the table; it lives as long as the last of them.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef, Value},
    schema::Schema,
};
use serde_json::{Value as Json, json};

use super::{Part, Reader, Source, place::Place};
use crate::ring::Wait;

/// Rows that programs and queries share.
#[derive(Clone, Debug)]
pub struct MemoryTable {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    schema: Schema,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blocks: Vec<Arc<Block>>,
    /// How often the rows were replaced.
    generation: u64,
    /// How often anything changed.
    version: u64,
    has_ended: bool,
}

impl MemoryTable {
    /// A table without rows.
    pub fn new(schema: Schema) -> Self {
        Self { shared: Arc::new(Shared { schema, state: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Its columns.
    pub fn schema(&self) -> &Schema {
        &self.shared.schema
    }

    /// Adds rows, one value a column. A value that is not of its column's type is a panic, as in [`Block::push_row`].
    pub fn add_rows(&self, rows: &[Vec<Value>]) {
        let mut block = Block::new(self.schema());
        rows.iter().for_each(|row| block.push_row(row));
        self.add_blocks(vec![block]);
    }

    /// Adds blocks of its columns.
    pub fn add_blocks(&self, blocks: Vec<Block>) {
        self.change(|state| state.blocks.extend(full(blocks)));
    }

    /// Replaces all rows.
    pub fn replace(&self, blocks: Vec<Block>) {
        self.change(|state| {
            state.blocks = full(blocks).collect();
            state.generation += 1;
        });
    }

    /// No more rows will come: streams over the table end.
    pub fn end(&self) {
        self.change(|state| state.has_ended = true);
    }

    /// All rows as values, oldest first.
    pub fn rows(&self) -> Vec<Vec<Value>> {
        let blocks = self.lock().blocks.clone();
        let mut rows = Vec::new();
        for block in blocks {
            let columns = block.columns();
            rows.extend((0..block.len()).map(|row| columns.iter().map(|c| c.view().value(row)).collect::<Vec<_>>()));
        }
        rows
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.lock().blocks.iter().map(|block| block.len()).sum()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.version += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What a panic of another holder left behind is whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(blocks: Vec<Block>) -> impl Iterator<Item = Arc<Block>> {
    blocks.into_iter().filter(|block| !block.is_empty()).map(Arc::new)
}

/// Tables in memory by name; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables {
    tables: Arc<Mutex<HashMap<String, MemoryTable>>>,
}

impl MemoryTables {
    /// The table of this name, in any case.
    pub fn find(&self, name: &str) -> Option<MemoryTable> {
        self.lock().get(&name.to_lowercase()).cloned()
    }

    /// The table of this name, made with these columns if there is none.
    pub fn find_or_create(&self, name: &str, schema: &Schema) -> MemoryTable {
        self.lock().entry(name.to_lowercase()).or_insert_with(|| MemoryTable::new(schema.clone())).clone()
    }

    /// Puts a table under a name; the one that was there is no longer found.
    pub fn insert(&self, name: &str, table: MemoryTable) {
        self.lock().insert(name.to_lowercase(), table);
    }

    /// Forgets the table of this name; handles of it stay good.
    pub fn remove(&self, name: &str) {
        self.lock().remove(&name.to_lowercase());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, MemoryTable>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a table in memory.
#[derive(Debug)]
pub struct MemorySource {
    table: MemoryTable,
    is_stream: bool,
    // State.
    generation: u64,
    /// Blocks planned.
    position: usize,
    /// Where a frozen source ends.
    frozen_at: Option<usize>,
}

impl MemorySource {
    /// Reads from the first row on.
    pub fn new(table: MemoryTable, is_stream: bool) -> Self {
        Self { table, is_stream, generation: 0, position: 0, frozen_at: None }
    }

    /// Blocks that may be read, after noticing that they were replaced.
    fn available(&mut self) -> usize {
        let state = self.table.lock();
        if state.generation != self.generation {
            self.generation = state.generation;
            self.position = 0;
        }
        self.frozen_at.map_or(state.blocks.len(), |end| end.min(state.blocks.len()))
    }
}

impl Source for MemorySource {
    fn description(&self) -> String {
        let names: Vec<&str> = self.table.schema().fields().iter().map(|f| f.name.as_str()).collect();
        format!("MemoryStream[{}]", names.join(","))
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        let end = self.available();
        if end <= self.position {
            return Ok(false);
        }
        let part = |block: usize| Part::Rows { start: block as i64, end: block as i64 + 1, at_us: 0 };
        parts.extend((self.position..end).map(part));
        self.position = end;
        Ok(true)
    }

    fn offset(&self) -> Json {
        if self.position == 0 { Json::Null } else { json!(self.position - 1) }
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(MemoryReader { table: self.table.clone() }))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn wait(&mut self, timeout: Duration, _how: Wait) -> Result<()> {
        let (position, generation) = (self.position, self.generation);
        let is_idle =
            |state: &mut State| state.blocks.len() <= position && state.generation == generation && !state.has_ended;
        let waited = self.table.shared.changed.wait_timeout_while(self.table.lock(), timeout, is_idle);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn freeze(&mut self) -> Result<()> {
        if !self.is_stream {
            self.position = 0;
            self.frozen_at = None;
        }
        if self.frozen_at.is_none() {
            self.frozen_at = Some(self.available());
        }
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        match self.frozen_at {
            Some(end) => self.position >= end,
            None => self.has_ended(),
        }
    }

    fn has_ended(&self) -> bool {
        let state = self.table.lock();
        state.has_ended && state.generation == self.generation && self.position >= state.blocks.len()
    }

    /// The next block. A program that runs again must fill the table as before, block by block.
    fn position(&self) -> Json {
        if !self.is_stream {
            return Json::Null;
        }
        json!({ "generation": self.generation, "block": self.position })
    }

    fn seek(&mut self, position: &Json) -> Result<()> {
        let Some(place) = Place::open("rows in memory", position)? else { return Ok(()) };
        let (generation, block) = (place.count("generation")?, place.count("block")?);
        self.position = usize::try_from(block).unwrap_or(usize::MAX);
        self.generation = generation;
        Ok(())
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn fingerprint(&mut self) -> Result<u64> {
        Ok(self.table.lock().version)
    }
}

#[derive(Debug)]
struct MemoryReader {
    table: MemoryTable,
}

impl Reader for MemoryReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let &Part::Rows { start, .. } = part else {
            return Err(Error::internal(format!("a table in memory was asked to read {part:?}")));
        };
        // A block that was replaced since it was planned is not there any more.
        let Some(block) = self.table.lock().blocks.get(start as usize).cloned() else { return Ok(0) };
        sink(&block.view())?;
        Ok(block.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{epoch, epochs, mutants};

    fn table(values: &[i64]) -> MemoryTable {
        let table = MemoryTable::new(Schema::parse_ddl("x BIGINT").unwrap());
        values.iter().for_each(|x| table.add_rows(&[vec![Value::Int64(*x)]]));
        table
    }

    #[test]
    fn a_stream_takes_what_is_new_and_ends_when_told() {
        let table = table(&[1, 2]);
        let mut source = MemorySource::new(table.clone(), true);
        assert_eq!(epochs(&mut source), [[1, 2]]);
        assert!(!source.is_exhausted());
        table.add_rows(&[vec![3_i64.into()], vec![4_i64.into()]]);
        table.end();
        assert!(!source.is_exhausted(), "rows are left");
        assert_eq!(epochs(&mut source), [[3, 4]]);
        assert!(source.is_exhausted() && source.has_ended());
        assert_eq!(table.row_count(), 4);
    }

    #[test]
    fn a_frozen_stream_ends_where_it_was_frozen() {
        let table = table(&[1]);
        let mut source = MemorySource::new(table.clone(), true);
        source.freeze().unwrap();
        table.add_rows(&[vec![2_i64.into()]]);
        source.freeze().unwrap();
        assert_eq!(epochs(&mut source), [[1]]);
        assert!(source.is_exhausted() && !source.has_ended());
    }

    #[test]
    fn a_batch_reads_everything_each_time() {
        let table = table(&[1]);
        let mut source = MemorySource::new(table.clone(), false);
        let print = source.fingerprint().unwrap();
        for expected in [vec![1], vec![1, 2]] {
            source.freeze().unwrap();
            assert_eq!(epochs(&mut source), [expected]);
            table.add_rows(&[vec![2_i64.into()]]);
        }
        assert_ne!(source.fingerprint().unwrap(), print);
        table.replace(Vec::new());
        source.freeze().unwrap();
        assert_eq!(epoch(&mut source, 1), None);
    }

    #[test]
    fn waiting_ends_when_a_row_comes() {
        let table = table(&[]);
        let mut source = MemorySource::new(table.clone(), true);
        let writer = std::thread::spawn(move || table.add_rows(&[vec![5_i64.into()]]));
        source.wait(Duration::from_secs(60), Wait::Adaptive).unwrap();
        writer.join().unwrap();
        assert_eq!(epochs(&mut source), [[5]]);
    }

    #[test]
    fn tables_are_found_by_name_in_any_case() {
        let tables = MemoryTables::default();
        let schema = Schema::parse_ddl("x BIGINT").unwrap();
        tables.find_or_create("Results", &schema).add_rows(&[vec![1_i64.into()]]);
        assert_eq!(tables.clone().find("results").unwrap().rows(), [[Value::Int64(1)]]);
        assert!(tables.find("other").is_none());
    }

    #[test]
    fn a_stream_goes_on_from_a_position() {
        let tables = [table(&[1, 2]), table(&[1, 2, 3])];
        let mut first = MemorySource::new(tables[0].clone(), true);
        assert_eq!(epochs(&mut first), [[1, 2]]);
        let position = first.position();
        for (table, expected) in tables.into_iter().zip([vec![], vec![vec![3]]]) {
            let mut source = MemorySource::new(table.clone(), true);
            source.seek(&position).unwrap();
            assert_eq!(epochs(&mut source), expected);
            table.replace(Vec::new());
            table.add_rows(&[vec![9_i64.into()]]);
            assert_eq!(epochs(&mut source), [[9]]);
            source.seek(&json!({"generation": 1, "block": i64::MAX})).unwrap();
            assert_eq!(epochs(&mut source), [[0; 0]; 0]);
        }
        for mutant in mutants(&position) {
            first.seek(&mutant).expect_err(&mutant.to_string());
        }
    }
}
