//! Rows in memory that have no name: what a program brought, the rows of one epoch that `foreach_batch` gets. They lie
//! in the session's tables under a name of their own, and go when no frame that reads them is left.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use firesteel_core::{
    Result,
    block::{Block, BlockRef},
    plan::{LogicalPlan, Table},
    schema::Schema,
};

use crate::{
    sink::Sink,
    source::{MemoryTable, MemoryTables},
};

/// Provider of tables in memory.
pub(crate) const PROVIDER: &str = "memory";

/// The session's tables in memory, named and unnamed.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) tables: MemoryTables,
    next: AtomicU64,
    unnamed: Mutex<HashMap<String, Weak<Held>>>,
}

/// Rows without a name; gone with the last who holds them.
#[derive(Debug)]
pub(crate) struct Held {
    name: String,
    tables: MemoryTables,
}

impl Memory {
    /// Puts rows under a name that no user can type. They stay for as long as the second part.
    pub(crate) fn hold(&self, schema: Schema, blocks: Vec<Block>) -> (Table, Arc<Held>) {
        let name = format!("(rows {})", self.next.fetch_add(1, Ordering::Relaxed));
        let rows = MemoryTable::new(schema.clone());
        rows.add_blocks(blocks);
        self.tables.insert(&name, rows);
        let held = Arc::new(Held { name: name.clone(), tables: self.tables.clone() });
        let mut unnamed = self.unnamed();
        unnamed.retain(|_, held| held.strong_count() > 0);
        unnamed.insert(name.clone(), Arc::downgrade(&held));
        (Table { name, provider: PROVIDER.into(), options: Vec::new(), schema }, held)
    }

    /// The unnamed rows that a plan reads: whoever keeps the plan keeps them.
    pub(crate) fn held_by(&self, plan: &LogicalPlan) -> Vec<Arc<Held>> {
        let unnamed = self.unnamed();
        let memory = plan.scans().into_iter().filter(|scan| scan.table.provider == PROVIDER);
        memory.filter_map(|scan| unnamed.get(&scan.table.name)?.upgrade()).collect()
    }

    fn unnamed(&self) -> MutexGuard<'_, HashMap<String, Weak<Held>>> {
        // A panic while the lock was held left plain data behind, which is as good as any.
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tables.remove(&self.name);
    }
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
