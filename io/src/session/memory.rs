//! Tables in memory: rows that a program brought, what a query has left in a `memory` sink, the rows of one epoch that
//! `foreach_batch` gets. A plan names such a table by number; the session finds it while somebody still holds it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef},
    plan::{LogicalPlan, OutputMode, Table},
    schema::Schema,
};
use serde_json::Value as Json;

use crate::{
    sink::Sink,
    source::{EpochPlan, Part, Reader, Source},
};

/// Provider of tables in memory.
const PROVIDER: &str = "memory";
/// Option with the table's number.
const NUMBER: &str = "number";

/// Rows in memory.
#[derive(Debug)]
pub(crate) struct MemoryTable {
    number: u64,
    schema: Schema,
    blocks: Mutex<Vec<Arc<Block>>>,
}

impl MemoryTable {
    pub(crate) fn replace(&self, blocks: Vec<Arc<Block>>) {
        *lock(&self.blocks) = blocks;
    }

    fn append(&self, blocks: Vec<Arc<Block>>) {
        lock(&self.blocks).extend(blocks);
    }

    /// How plans name it.
    pub(crate) fn as_table(&self, name: &str) -> Table {
        let options = vec![(NUMBER.into(), self.number.to_string())];
        Table { name: name.into(), provider: PROVIDER.into(), options, schema: self.schema.clone() }
    }
}

/// Whether a table lies in memory.
pub(crate) fn is_memory(table: &Table) -> bool {
    table.provider == PROVIDER
}

/// The memory tables of a session that somebody still holds.
#[derive(Debug, Default)]
pub(crate) struct MemoryTables {
    next: AtomicU64,
    by_number: Mutex<HashMap<u64, Weak<MemoryTable>>>,
}

impl MemoryTables {
    /// A new table of these rows.
    pub(crate) fn create(&self, schema: Schema, blocks: Vec<Arc<Block>>) -> Arc<MemoryTable> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let table = Arc::new(MemoryTable { number, schema, blocks: Mutex::new(blocks) });
        let mut tables = lock(&self.by_number);
        tables.retain(|_, table| table.strong_count() > 0);
        tables.insert(number, Arc::downgrade(&table));
        table
    }

    /// The memory tables that a plan reads: whoever holds the plan holds them, too.
    pub(crate) fn of(&self, plan: &LogicalPlan) -> Vec<Arc<MemoryTable>> {
        plan.scans().into_iter().filter(|s| is_memory(&s.table)).filter_map(|s| self.find(&s.table).ok()).collect()
    }

    /// Opens a table for reading what is in it now.
    pub(crate) fn open(&self, table: &Table) -> Result<Box<dyn Source>> {
        let found = self.find(table)?;
        let blocks = lock(&found.blocks).clone();
        Ok(Box::new(MemorySource { name: table.name.clone(), blocks, is_planned: false }))
    }

    fn find(&self, table: &Table) -> Result<Arc<MemoryTable>> {
        let number = table.option(NUMBER).and_then(|n| n.parse().ok());
        let found = number.and_then(|n: u64| lock(&self.by_number).get(&n).and_then(Weak::upgrade));
        found.ok_or_else(|| Error::invalid(format!("the rows of `{}` are gone", table.name)))
    }
}

/// The rows of a block that count, as a block of their own.
pub(crate) fn copy_rows(block: &BlockRef<'_>, schema: &Schema) -> Block {
    let mut copy = Block::new(schema);
    for (index, column) in copy.columns_mut().iter_mut().enumerate() {
        let source = block.column(index);
        block.rows().for_each(|row| column.push_from(&source, row));
    }
    copy.set_len(block.rows().count());
    copy
}

#[derive(Debug)]
struct MemorySource {
    name: String,
    blocks: Vec<Arc<Block>>,
    is_planned: bool,
}

impl Source for MemorySource {
    fn description(&self) -> String {
        format!("Memory[{}]", self.name)
    }

    fn plan(&mut self) -> Result<Option<EpochPlan>> {
        if std::mem::replace(&mut self.is_planned, true) || self.blocks.is_empty() {
            return Ok(None);
        }
        let count = self.blocks.len() as i64;
        let parts = (0..count).map(|i| Part::Rows { start: i, end: i + 1, at_us: 0 }).collect();
        Ok(Some(EpochPlan { parts, start: Json::Null, end: count.into() }))
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(MemoryReader { blocks: self.blocks.clone() }))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn freeze(&mut self) -> Result<()> {
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.is_planned || self.blocks.is_empty()
    }
}

#[derive(Debug)]
struct MemoryReader {
    blocks: Vec<Arc<Block>>,
}

impl Reader for MemoryReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let Part::Rows { start, end, .. } = *part else {
            return Err(Error::internal("a table in memory has no files"));
        };
        let mut rows = 0;
        for block in &self.blocks[start as usize..end as usize] {
            sink(&block.view())?;
            rows += block.len() as u64;
        }
        Ok(rows)
    }
}

/// Gathers the rows of an epoch and hands them over when it is complete.
pub(crate) struct GatherSink<F> {
    description: String,
    schema: Schema,
    take: F,
    blocks: Vec<Arc<Block>>,
    rows: u64,
}

impl<F: FnMut(Vec<Arc<Block>>, u64) -> Result<()> + Send> GatherSink<F> {
    pub(crate) fn new(description: &str, schema: Schema, take: F) -> Self {
        Self { description: description.into(), schema, take, blocks: Vec::new(), rows: 0 }
    }
}

impl<F> fmt::Debug for GatherSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherSink").field("description", &self.description).finish_non_exhaustive()
    }
}

impl<F: FnMut(Vec<Arc<Block>>, u64) -> Result<()> + Send> Sink for GatherSink<F> {
    fn description(&self) -> String {
        self.description.clone()
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.blocks.clear();
        self.rows = 0;
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        let copy = copy_rows(block, &self.schema);
        self.rows += copy.len() as u64;
        if !copy.is_empty() {
            self.blocks.push(Arc::new(copy));
        }
        Ok(())
    }

    fn commit(&mut self, epoch: u64) -> Result<()> {
        (self.take)(std::mem::take(&mut self.blocks), epoch)
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}

/// Spark's memory sink: complete mode replaces the table, the others add to it.
pub(crate) fn memory_sink(table: Arc<MemoryTable>, mode: OutputMode) -> Box<dyn Sink> {
    let schema = table.schema.clone();
    let take = move |blocks, _epoch| {
        match mode {
            OutputMode::Complete => table.replace(blocks),
            _ => table.append(blocks),
        }
        Ok(())
    };
    Box::new(GatherSink::new("MemorySink", schema, take))
}

/// Hands each block to a closure as it comes.
pub(crate) struct BlockSink<F> {
    take: F,
    rows: u64,
}

impl<F: FnMut(&BlockRef<'_>) -> Result<()> + Send> BlockSink<F> {
    pub(crate) fn new(take: F) -> Self {
        Self { take, rows: 0 }
    }
}

impl<F> fmt::Debug for BlockSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockSink").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<F: FnMut(&BlockRef<'_>) -> Result<()> + Send> Sink for BlockSink<F> {
    fn description(&self) -> String {
        "BlockSink".into()
    }

    fn begin(&mut self, _epoch: u64) -> Result<()> {
        self.rows = 0;
        Ok(())
    }

    fn write(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self.rows += block.rows().count() as u64;
        (self.take)(block)
    }

    fn commit(&mut self, _epoch: u64) -> Result<()> {
        Ok(())
    }

    fn rows_written(&self) -> u64 {
        self.rows
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the lock was held left plain data behind, which is as good as any.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
